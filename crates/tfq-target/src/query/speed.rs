//! How long kernels that read codes take beside those for float32.

use crate::facts::rows::{KernelSet, Speed};
use crate::facts::tensor_test::type_bit;
use crate::form::WeightForm;
use crate::query::question::{WeightOperand, all_hold};
use crate::target::Target;

/// What is called slower: less is the noise of measuring.
const SLOWER: f64 = 1.05;

/// How long an op takes when it reads the codes of a weight, beside the time with float32 weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelSpeed<'t> {
    /// The time as a part of the other.
    pub times: f64,
    /// The processor on which it was measured.
    pub processor: &'t str,
    /// Why it is so, for a person; empty where it is quicker.
    pub reason: &'t str,
}

impl KernelSpeed<'_> {
    /// Whether float32 weights make the op quicker.
    pub fn is_slower(&self) -> bool {
        self.times > SLOWER
    }
}

impl Target {
    /// How long the op takes when it reads the codes of this weight, stored in this form, beside
    /// the time that it takes with float32 weights; `None` where nobody measured it. `delegated`
    /// says whether XNNPACK takes the op when it reads the codes.
    pub fn speed(
        &self,
        weight: WeightOperand<'_>,
        form: &WeightForm,
        delegated: bool,
    ) -> Option<KernelSpeed<'_>> {
        let question = self.question(weight, form)?;
        let graph = weight.module.subgraph(weight.sg);
        let read_by = self.quickest(delegated);
        let float32 = self.quickest(self.takes_as_float(graph, weight.op));
        let (site, grains) = (question.site(), question.grains());
        let fits = |row: &&Speed| {
            (row.kernels, row.float32_kernels) == (read_by, float32)
                && row.scope.is_about(question.code)
                && row.scope.types & type_bit(form.ty) != 0
                && row.scope.grains & grains != 0
                && all_hold(&row.scope.when, &site)
        };
        let row = self.speed.iter().find(fits)?;
        Some(KernelSpeed { times: row.times, processor: &row.processor, reason: &row.reason })
    }

    /// The kernels that run an op, of those of the target: what XNNPACK does not take runs on the
    /// optimised ones, where it is there.
    fn quickest(&self, delegated: bool) -> KernelSet {
        let has = |kernels| self.kernels.contains(&kernels);
        match (delegated && has(KernelSet::Xnnpack), self.may_run_on(KernelSet::Optimized)) {
            (true, _) => KernelSet::Xnnpack,
            (_, true) => KernelSet::Optimized,
            _ => KernelSet::Reference,
        }
    }

    /// Whether an op may run on these kernels at the target.
    pub(crate) fn may_run_on(&self, kernels: KernelSet) -> bool {
        let delegate =
            kernels == KernelSet::Optimized && self.kernels.contains(&KernelSet::Xnnpack);
        delegate || self.kernels.contains(&kernels)
    }
}
