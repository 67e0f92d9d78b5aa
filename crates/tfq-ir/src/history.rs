//! States of a module while passes change it.

use crate::{LoggedEdit, Module};

/// Snapshots of a module at some of its states, from which every state between can be had
/// again exactly: [`Module::edits`] since the nearest snapshot are replayed. Snapshots share
/// with the module all that did not change.
#[derive(Clone, Debug)]
pub struct History {
    /// In ascending order of their number of edits.
    states: Vec<Module>,
}

impl History {
    /// A history that begins with the module as it is.
    pub fn new(start: &Module) -> Self {
        Self { states: vec![start.clone()] }
    }

    /// Keeps the module as it is, so that states after it need not be replayed from afar.
    pub fn mark(&mut self, module: &Module) {
        let last = &self.states[self.states.len() - 1];
        if module.edits().len() > last.edits().len() {
            self.states.push(module.clone());
        }
    }

    /// The module as it was at the beginning.
    pub fn start(&self) -> &Module {
        &self.states[0]
    }

    /// The state after the first `count` of these edits, which are those of the module that
    /// the history belongs to.
    ///
    /// # Panics
    /// If `count` lies before the beginning or behind the last edit.
    pub fn state(&self, edits: &[LoggedEdit], count: usize) -> Module {
        let after = self.states.partition_point(|state| state.edits().len() <= count);
        let nearest = after.checked_sub(1).expect("the history does not reach back so far");
        let mut module = self.states[nearest].clone();
        let missing = &edits[module.edits().len()..count];
        module.replay(missing).expect("the edits were applied to this state once");
        module
    }

    /// Takes back everything behind the first `count` edits of the module.
    pub fn undo(&self, module: &mut Module, count: usize) {
        let before = self.state(module.edits(), count);
        *module = before;
    }
}
