//! How much an evaluation may cost.

use crate::NotEvaluated;

/// What is left of the work and the memory that evaluations may take together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    work: u64,
    bytes: u64,
}

impl Budget {
    /// Room for so many steps, each the making of an element or a multiplication and an addition,
    /// and for results of so many bytes.
    pub fn new(work: u64, bytes: u64) -> Self {
        Self { work, bytes }
    }

    /// No bounds. Only for models that one trusts: few operands can ask for a great deal.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, u64::MAX)
    }

    /// Steps that are left.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// Bytes of results that are left.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn take_work(&mut self, steps: u64) -> Result<(), NotEvaluated> {
        self.work = self.work.checked_sub(steps).ok_or(NotEvaluated::Budget)?;
        Ok(())
    }

    pub(crate) fn take_bytes(&mut self, bytes: u64) -> Result<(), NotEvaluated> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(NotEvaluated::Budget)?;
        Ok(())
    }
}

impl Default for Budget {
    /// Enough for the constants of ordinary models: a second or so of work.
    fn default() -> Self {
        Self::new(1 << 30, 1 << 30)
    }
}
