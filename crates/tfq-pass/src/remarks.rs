//! What passes tell: what they did at a place, what they left, and why.

use crate::values::Values;
use std::borrow::Cow;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::visible;

/// Something a user could ask about: what a pass did at a place, or why it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Whether it was done.
    pub kind: RemarkKind,
    /// The rule that decided, in a few words: the heading under which remarks are counted.
    pub rule: Cow<'static, str>,
    /// Where: subgraph, op or tensor, by names.
    pub place: String,
    /// The whole sentence.
    pub message: String,
}

/// Whether something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemarkKind {
    /// It was done.
    Applied,
    /// It was left as it is.
    Missed,
    /// A guard refused: told only where that is asked for.
    Refused,
    /// A finding that changed nothing.
    Note,
}

/// Where a rule came nearest to matching, in a pass that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The rule.
    pub rule: Cow<'static, str>,
    /// The op.
    pub place: String,
    /// What did not match or hold.
    pub reason: String,
    rank: (bool, usize),
}

/// What a rule did or found at the place that the user asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The rule.
    pub rule: Cow<'static, str>,
    /// The op or tensor where it was tried.
    pub place: String,
    /// `applied`, or what refused.
    pub outcome: String,
}

/// All that a pass told so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) remarks: Vec<Remark>,
    /// Whether to keep remarks on what was left as it is, and no others.
    missed_only: bool,
    /// How many remarks on what was done were not kept.
    pub(crate) unkept: u64,
    pub(crate) statistics: IndexMap<Cow<'static, str>, u64>,
    pub(crate) nearest: Option<NearMiss>,
    pub(crate) candidates: u64,
    pub(crate) refusals: IndexMap<Cow<'static, str>, usize>,
    pub(crate) answers: IndexSet<Answer>,
    pub(crate) products: Values,
}

/// What is told names tensors and ops as the file does; none of that may act on a terminal.
fn shown(text: String) -> String {
    match visible(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(shown) => shown,
    }
}

impl Told {
    pub(crate) fn new(missed_only: bool) -> Self {
        Self { missed_only, ..Self::default() }
    }

    pub(crate) fn keeps_all(&self) -> bool {
        !self.missed_only
    }

    /// Whether a remark is to be kept; it counts either way.
    pub(crate) fn keeps(&mut self, kind: RemarkKind) -> bool {
        let keeps = !self.missed_only || kind == RemarkKind::Missed;
        self.unkept += u64::from(!keeps && kind == RemarkKind::Applied);
        keeps
    }

    pub(crate) fn remark(
        &mut self,
        kind: RemarkKind,
        rule: Cow<'static, str>,
        place: String,
        message: String,
    ) {
        let [place, message] = [place, message].map(shown);
        self.remarks.push(Remark { kind, rule, place, message });
    }

    pub(crate) fn count(&mut self, name: Cow<'static, str>, by: u64) {
        *self.statistics.entry(name).or_default() += by;
    }

    /// Whether no other rule has come as near: `rank` is whether only a guard refused, and how many
    /// nodes of its pattern matched.
    pub(crate) fn is_nearer(&self, rank: (bool, usize)) -> bool {
        self.nearest.as_ref().is_none_or(|nearest| rank > nearest.rank)
    }

    pub(crate) fn near_miss(
        &mut self,
        rule: Cow<'static, str>,
        rank: (bool, usize),
        (place, reason): (String, String),
    ) {
        let [place, reason] = [place, reason].map(shown);
        self.nearest = Some(NearMiss { rule, place, reason, rank });
    }

    /// Counts the places where rules nearly matched, and those where only a guard refused.
    pub(crate) fn nearly_matched(
        &mut self,
        places: u64,
        guarded: IndexMap<&Cow<'static, str>, usize>,
    ) {
        self.candidates += places;
        for (rule, count) in guarded {
            match self.refusals.get_mut(rule) {
                Some(known) => *known += count,
                None => _ = self.refusals.insert(rule.clone(), count),
            }
        }
    }

    pub(crate) fn answer(&mut self, rule: Cow<'static, str>, place: String, outcome: String) {
        let [place, outcome] = [place, outcome].map(shown);
        self.answers.insert(Answer { rule, place, outcome });
    }
}
