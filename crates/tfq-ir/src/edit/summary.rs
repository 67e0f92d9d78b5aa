//! What edits did, as far as it is asked once they are gone.

use super::{Edit, OpChange, Patch};
use crate::{OpId, visible};

/// What some edits did: little enough to be kept where they are not.
#[derive(Clone, Debug, Default)]
pub struct EditSummary {
    /// Ops that were made of others, perhaps more than once.
    pub made_of_others: Vec<OpId>,
    /// What the first edit did that changed more than names, notes, operator versions and
    /// metadata.
    pub beyond_annotations: Option<String>,
    /// Whether one changed something that [`crate::Module::verify`] looks at.
    pub breakable: bool,
    /// Whether one set attributes of an op, or all that an op is.
    pub sets_attributes: bool,
    /// Whether one set what ops read.
    pub sets_operands: bool,
    /// Whether one set the constants outside of the model.
    pub sets_external: bool,
}

impl EditSummary {
    /// Of these edits.
    pub fn of<'a>(edits: impl IntoIterator<Item = &'a Edit>) -> Self {
        let mut all = Self::default();
        edits.into_iter().for_each(|edit| all.add(edit));
        all
    }

    pub(super) fn add(&mut self, edit: &Edit) {
        if let Edit::Patch(patch) = edit {
            self.add_patch(patch);
            return;
        }
        self.sets_external |= matches!(edit, Edit::External(..));
        self.breakable |= !matches!(
            edit,
            Edit::Versions(..) | Edit::Description(_) | Edit::Trailer(_) | Edit::Record(_, Some(_))
        );
        let annotates = matches!(
            edit,
            Edit::Versions(..)
                | Edit::Constant(_)
                | Edit::Release(_)
                | Edit::Metadata(..)
                | Edit::MetadataBuffers(_)
                | Edit::Description(_)
                | Edit::Record(..)
        );
        if !annotates && self.beyond_annotations.is_none() {
            self.beyond_annotations = Some(format!("did this: {}", visible(&edit.label())));
        }
    }

    fn add_patch(&mut self, patch: &Patch) {
        let made = patch.op_changes().iter().filter(|(_, c)| matches!(c, OpChange::Op(_)));
        self.made_of_others.extend(made.map(|(op, _)| *op));
        let sets = |change: &OpChange| matches!(change, OpChange::Op(_) | OpChange::Attr(..));
        self.sets_attributes |= patch.op_changes().iter().any(|(_, change)| sets(change));
        self.sets_operands |= patch.sets_operands();
        if !patch.only_annotates() {
            self.breakable = true;
            self.beyond_annotations.get_or_insert_with(|| "changed ops".to_owned());
        }
    }
}
