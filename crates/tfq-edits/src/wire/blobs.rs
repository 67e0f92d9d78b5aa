//! All bytes that a document has or names, whatever becomes of them.

use super::{
    Attribute, Blob, Details, Edit, Map, Op, OpChange, Patch, Plain, Quantization, TensorChange,
};

impl Edit {
    /// Calls `seen` with each.
    pub(crate) fn each_blob<'a>(&'a self, seen: &mut dyn FnMut(&'a Blob)) {
        match self {
            Self::Patch(patch) => patch.each_blob(seen),
            Self::Constant(blob) | Self::Trailer(blob) => seen(blob),
            Self::Metadata { content, .. } => content.0.iter().for_each(seen),
            Self::Record { record, .. } => {
                let entries = record.0.iter().flat_map(|record| &record.entries);
                entries.for_each(|entry| seen(&entry.content));
            }
            Self::Versions { .. }
            | Self::Release(_)
            | Self::MetadataBuffers(_)
            | Self::Description(_)
            | Self::External { .. }
            | Self::Signatures(_)
            | Self::Prune(_) => (),
        }
    }
}

impl Patch {
    fn each_blob<'a>(&'a self, seen: &mut dyn FnMut(&'a Blob)) {
        self.add_constants.iter().for_each(&mut *seen);
        for tensor in &self.add_tensors {
            of_quantization(tensor.quantization.as_ref(), seen);
        }
        self.add_ops.iter().for_each(|new| new.op.each_blob(seen));
        for change in &self.change_tensors {
            if let TensorChange::Quantization(quantization) = &change.set {
                of_quantization(quantization.0.as_ref(), seen);
            }
        }
        for change in &self.change_ops {
            match &change.set {
                OpChange::Op(op) => op.each_blob(seen),
                OpChange::Attribute { value, .. } | OpChange::Note { value, .. } => {
                    of_attribute(value, seen);
                }
                OpChange::Version(_) => (),
            }
        }
    }
}

impl Op {
    fn each_blob<'a>(&'a self, seen: &mut dyn FnMut(&'a Blob)) {
        of_plain(&self.attributes, seen);
        if let Some(second) = &self.second {
            of_plain(&second.attributes, seen);
        }
        let options = self.custom_options.iter().filter_map(|options| options.content.as_ref());
        options.for_each(&mut *seen);
        self.notes.0.values().for_each(|note| of_attribute(note, seen));
    }
}

fn of_quantization<'a>(quantization: Option<&'a Quantization>, seen: &mut dyn FnMut(&'a Blob)) {
    if let Some(Quantization { details: Some(Details::Custom(blob)), .. }) = quantization {
        seen(blob);
    }
}

fn of_plain<'a>(attributes: &'a Map<Plain>, seen: &mut dyn FnMut(&'a Blob)) {
    for value in attributes.0.values() {
        if let Plain::Bytes(blob) = value {
            seen(blob);
        }
    }
}

fn of_attribute<'a>(value: &'a Attribute, seen: &mut dyn FnMut(&'a Blob)) {
    if let Attribute::Bytes(blob) = value {
        seen(blob);
    }
}
