//! The model that a run began with, for the few who ask about it once the run is over.

use bytes::Bytes;
use std::cell::OnceCell;
use tfq_ir::{DequantCache, Module};
use tfq_tflite::{LiftError, LiftOptions};

/// A model as it came. Where that was in a file, it is read again when somebody asks, which is
/// where something is wrong with the result: at hand, it holds once more each node that the run
/// changed, while the result is lowered.
pub(crate) struct Start {
    module: OnceCell<Module>,
    file: Option<(Bytes, LiftOptions)>,
    record: Option<DequantCache>,
}

impl Start {
    /// A model that stays at hand.
    pub(crate) fn kept(module: Module) -> Self {
        let record = module.dequant_cache();
        Self { module: module.into(), file: None, record }
    }

    /// The model that a file is read as.
    pub(crate) fn of_file(module: &Module, file: Bytes, options: LiftOptions) -> Self {
        let record = module.dequant_cache();
        Self { module: OnceCell::new(), file: Some((file, options)), record }
    }

    pub(crate) fn get(&self) -> Result<&Module, LiftError> {
        if let (None, Some((file, options))) = (self.module.get(), &self.file) {
            let module = tfq_tflite::lift(file, options)?;
            return Ok(self.module.get_or_init(|| module));
        }
        Ok(self.module.get().expect("what is in no file is kept"))
    }

    /// What it says of cached Dequantize results.
    pub(crate) fn record(&self) -> Option<&DequantCache> {
        self.record.as_ref()
    }

    /// The model, where it is at hand.
    pub(crate) fn into_kept(self) -> Option<Module> {
        self.module.into_inner()
    }
}
