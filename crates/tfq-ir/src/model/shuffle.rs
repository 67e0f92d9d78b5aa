//! The same module in another order of making: for tests of determinism.

use super::signature::SignaturePorts;
use super::subgraph::Moved;
use crate::{Module, Recorded, Subgraph, TensorLink};
use std::sync::Arc;

impl Module {
    /// The same module, as if its nodes and edges had been made in another order: handles
    /// differ, and so does every order that petgraph has and this crate does not promise. What
    /// is computed from it must not differ in a byte.
    ///
    /// # Panics
    /// If the module was changed before: the journal knows the old handles.
    #[must_use]
    pub fn shuffled(&self, seed: u64) -> Self {
        assert!(self.edits().is_empty(), "only a module that was just read can be shuffled");
        let mut rng = fastrand::Rng::with_seed(seed);
        let shuffled: Vec<(Subgraph, Moved)> =
            self.subgraphs().map(|(_, graph)| graph.shuffled(&mut rng)).collect();
        let mut module = self.clone();
        module.log.part();
        module.signature_ports = SignaturePorts::default();
        for signature in &mut module.signatures {
            let Some((_, moved)) = shuffled.get(signature.subgraph as usize) else { continue };
            for (_, link) in signature.inputs.iter_mut().chain(&mut signature.outputs) {
                if let TensorLink::Tensor(id) = link {
                    *id = moved.tensors[id];
                }
            }
        }
        for record in module.records.values_mut() {
            for entry in &mut Arc::make_mut(record).entries {
                match &mut entry.of {
                    Recorded::Op(op) => {
                        let new = shuffled.iter().find_map(|(_, moved)| moved.ops.get(op));
                        *op = new.copied().unwrap_or(*op);
                    }
                    Recorded::Tensor(id) => {
                        let new = shuffled.iter().find_map(|(_, moved)| moved.tensors.get(id));
                        *id = new.copied().unwrap_or(*id);
                    }
                }
            }
        }
        module.set_subgraphs(shuffled.into_iter().map(|(graph, _)| graph));
        module
    }
}
