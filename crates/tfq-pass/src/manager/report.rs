//! What a run tells.

use super::versions::RaisedRuntime;
use crate::HeldVerdicts;
use crate::remarks::{Answer, NearMiss, Remark, RemarkKind};
use crate::timeline::Timeline;
use crate::values::Values;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tfq_ir::maps::IndexMap;
use tfq_ir::{Applied, History, Module};

/// What a pipeline did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry per pass, in order.
    pub passes: Vec<PassReport>,
    /// Where the time went.
    pub timeline: Timeline,
    /// The states between passes, where [`crate::RunOptions::keep_history`] asks for them.
    pub history: Option<History>,
    /// What was found out of the weights of the result, for [`crate::RunCheck::knowing`].
    pub verdicts: HeldVerdicts,
    /// The release of the runtime that the result needs, where the input needed an earlier one.
    pub raised_runtime: Option<RaisedRuntime>,
    /// What passes handed over, by its type; of two of one type the later one.
    pub products: Values,
}

impl Report {
    /// The sum of a statistic over all passes.
    pub fn statistic(&self, name: &str) -> u64 {
        self.passes.iter().filter_map(|pass| pass.statistics.get(name)).sum()
    }

    /// Tells of the first `patches` patches only, after which `kept` is the state that was
    /// kept: later passes are left out. Of a pass that the cut goes through, statistics and
    /// remarks are left out too, since they are about all that it did.
    pub fn keep_patches(&mut self, patches: usize, start: &Module, kept: &Module) {
        let mut left = patches;
        let whole = self.passes.iter().take_while(|pass| {
            let fits = pass.patches <= left;
            left -= if fits { pass.patches } else { 0 };
            fits
        });
        let whole = whole.count();
        self.passes.truncate(whole + usize::from(left > 0));
        let Some(cut) = self.passes.get_mut(whole) else { return };
        let name = std::mem::take(&mut cut.name);
        let journal = &kept.journal()[start.journal().len()..];
        let rules = applied_by_label(journal.iter().take(patches).skip(patches - left));
        let before: i64 = self.passes[..whole].iter().map(|pass| pass.bytes_saved).sum();
        self.passes[whole] = PassReport {
            name,
            patches: left,
            changed: true,
            rules,
            bytes_saved: constant_bytes(start) - constant_bytes(kept) - before,
            ..PassReport::default()
        };
    }

    /// How many things were left as they are, by rule, whether remarks on them were kept or not.
    pub fn left_by_rule(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for (_, remark) in self.remarks().filter(|(_, r)| r.kind == RemarkKind::Missed) {
            *counts.entry(&*remark.rule).or_default() += 1;
        }
        for (rule, left) in self.passes.iter().flat_map(|pass| &pass.left) {
            *counts.entry(&**rule).or_default() += left;
        }
        counts
    }

    /// All remarks with the name of the pass that made them.
    pub fn remarks(&self) -> impl Iterator<Item = (&str, &Remark)> {
        self.passes.iter().flat_map(|pass| pass.remarks.iter().map(|r| (pass.name.as_str(), r)))
    }
}

/// What one pass did.
#[derive(Clone, Debug, Default)]
pub struct PassReport {
    /// The name of the pass.
    pub name: String,
    /// How many patches were applied.
    pub patches: usize,
    /// Whether it changed anything, by patches or otherwise.
    pub changed: bool,
    /// What it told.
    pub remarks: Vec<Remark>,
    /// How many remarks on what it did were not kept: [`crate::RunOptions::missed_only`].
    pub unkept: u64,
    /// How many things were left as they are of which no remark was kept, by rule.
    pub left: IndexMap<Cow<'static, str>, u64>,
    /// Numbers that it counted.
    pub statistics: IndexMap<Cow<'static, str>, u64>,
    /// What became of each rule, or patches of each label, in order of their first.
    pub rules: IndexMap<String, RuleCount>,
    /// By how much the constants of the model shrank, in bytes; negative where they grew.
    pub bytes_saved: i64,
    /// How many places a rule of the pass looked at and left.
    pub candidates: u64,
    /// Where a rule came nearest to matching.
    pub nearest: Option<NearMiss>,
    /// What its rules did at the place of [`crate::RunOptions::why`].
    pub answers: Vec<Answer>,
    /// How long it took, without verification.
    pub time: Duration,
    /// How long verification after it took.
    pub verify_time: Duration,
}

/// How often something happened to a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCount {
    /// Its patch was applied.
    pub applied: usize,
    /// Its pattern matched, and a guard refused, when nothing was left to apply.
    pub refused: usize,
}

/// How often patches were applied, by label, in order of their first.
pub(super) fn applied_by_label<'a>(
    patches: impl IntoIterator<Item = &'a Arc<Applied>>,
) -> IndexMap<String, RuleCount> {
    let mut rules: IndexMap<String, RuleCount> = IndexMap::default();
    for patch in patches {
        match rules.get_mut(patch.label()) {
            Some(count) => count.applied += 1,
            None => {
                rules.insert(patch.label().to_owned(), RuleCount { applied: 1, refused: 0 });
            }
        }
    }
    rules
}

pub(super) fn constant_bytes(module: &Module) -> i64 {
    module.constants().total_bytes() as i64
}
