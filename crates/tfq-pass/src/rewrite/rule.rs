//! A rule: a pattern, conditions and what becomes of a match.

use super::answers::Asked;
use super::matching::{Match, MatchSite, PatternMismatch, RESULT, unbound};
use super::pattern::Root;
use crate::analysis::{Analysis, SureShapes};
use crate::session::forbidden;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;
use tfq_ir::{Numbers, Patch, Subgraph};

type GuardFn = Box<dyn Fn(&Match<'_>) -> bool + Send + Sync>;
type ReplaceFn = Box<dyn Fn(&Match<'_>, &mut Patch) + Send + Sync>;
type FoldFn = Box<dyn Fn(&Match<'_>) -> Option<Bytes> + Send + Sync>;
type TellFn = Box<dyn Fn(&Match<'_>) -> String + Send + Sync>;

/// What becomes of a match.
pub(super) enum Rewrite {
    Patch(ReplaceFn),
    /// The result's bytes, which take the place of the op.
    Fold(FoldFn),
}

/// A condition beyond the pattern.
pub(super) struct RuleCondition {
    name: Cow<'static, str>,
    /// Whether it makes the rewrite right, rather than saying what the rule is about.
    is_guard: bool,
    holds: GuardFn,
}

/// A rewrite of a few ops.
pub struct Rule {
    pub(super) name: Cow<'static, str>,
    pub(super) benefit: u32,
    pub(super) root: Root,
    /// How often to try a place: each op whose operands may stand in any order doubles it.
    orders: u32,
    conditions: Vec<RuleCondition>,
    pub(super) rewrite: Rewrite,
    pub(super) tell: Option<(Cow<'static, str>, TellFn)>,
    pub(super) count: Option<Cow<'static, str>>,
    pub(super) asked: Vec<Asked>,
}

impl Rule {
    /// A rule that matches where `root` does. It changes nothing until [`Self::replace`],
    /// [`Self::forward`] or [`Self::fold`] says what becomes of the match.
    ///
    /// # Panics
    /// If the pattern could never match as it says: an operand of a role that the operator has not
    /// or more than once, any order of operands that do not commute.
    pub fn new(name: impl Into<Cow<'static, str>>, root: impl Into<Root>) -> Self {
        let rewrite = Rewrite::Patch(Box::new(|_, _| ()));
        let (root, conditions): (Root, _) = (root.into(), Vec::new());
        let name = name.into();
        if let Some(what) = root.fault() {
            panic!("rule `{name}`: {what}");
        }
        let orders = 1 << root.any_orders();
        let asked = Vec::new();
        Self { name, benefit: 1, root, orders, conditions, rewrite, tell: None, count: None, asked }
    }

    /// Tries the rule before those with a smaller benefit. It is 1 where it is not set.
    #[must_use]
    pub fn benefit(mut self, benefit: u32) -> Self {
        self.benefit = benefit;
        self
    }

    /// Lets conditions and the replacement look at what an analysis found out, for the model as it
    /// is then: [`Match::analysis`].
    #[must_use]
    pub fn asks<A: Analysis>(mut self) -> Self {
        self.asked.push(Asked::new::<A>());
        self
    }

    /// What the rule is about, where the pattern cannot say it. A place where it does not hold is
    /// none of the rule's business: only `--why` tells of it.
    #[must_use]
    pub fn when(
        self,
        name: impl Into<Cow<'static, str>>,
        holds: impl Fn(&Match<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.condition(RuleCondition { name: name.into(), is_guard: false, holds: Box::new(holds) })
    }

    /// What must hold for the rewrite to be right. Its name is what `--why` and remarks show
    /// where it does not hold, so it says what must be true.
    #[must_use]
    pub fn guard(
        self,
        name: impl Into<Cow<'static, str>>,
        holds: impl Fn(&Match<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.condition(RuleCondition { name: name.into(), is_guard: true, holds: Box::new(holds) })
    }

    fn condition(mut self, condition: RuleCondition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// What becomes of the match.
    #[must_use]
    pub fn replace(
        mut self,
        rewrite: impl Fn(&Match<'_>, &mut Patch) + Send + Sync + 'static,
    ) -> Self {
        self.rewrite = Rewrite::Patch(Box::new(rewrite));
        self
    }

    /// Lets everything that reads the root's result read the tensor of this name, and drops
    /// the root and what only it used. A result that the subgraph returns keeps its name: the
    /// tensor's producer then writes it. A tensor that would go and that something else refers
    /// to ([`tfq_ir::References`]) is a miss.
    ///
    /// # Panics
    /// If the pattern gives no tensor this name.
    #[must_use]
    pub fn forward(self, name: impl Into<Cow<'static, str>>) -> Self {
        let name: Arc<str> = name.into().into();
        let known = self.root.names();
        let is_bound = known.contains(&&*name) || &*name == RESULT;
        assert!(is_bound, "{}", unbound(&format!("rule `{}`", self.name), &name, &known));
        let guarded = Arc::clone(&name);
        self.guard("nothing else holds the tensor to its place", move |m| m.can_forward(&guarded))
            .replace(move |m, patch| m.forward(patch, &name))
    }

    /// Computes the root's result beforehand: the bytes that `compute` gives become a constant
    /// in the place of the root. `None` leaves the op. Only ops without effects fold, and only
    /// where nothing but ops refers to the result.
    #[must_use]
    pub fn fold(
        mut self,
        compute: impl Fn(&Match<'_>) -> Option<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self = self.guard("the op has one result that only ops read", |m| m.can_fold());
        self.rewrite = Rewrite::Fold(Box::new(compute));
        self
    }

    /// Remarks each application under `heading`, with what `message` says of the match.
    #[must_use]
    pub fn tell(
        mut self,
        heading: impl Into<Cow<'static, str>>,
        message: impl Fn(&Match<'_>) -> String + Send + Sync + 'static,
    ) -> Self {
        self.tell = Some((heading.into(), Box::new(message)));
        self
    }

    /// Counts applications under this name in the summary.
    #[must_use]
    pub fn count(mut self, statistic: impl Into<Cow<'static, str>>) -> Self {
        self.count = Some(statistic.into());
        self
    }

    /// Lets the rule apply only where these have the shape that they state whenever the model runs
    /// ([`SureShapes`]).
    #[must_use]
    pub fn sure_shapes(self, names: &'static [&'static str]) -> Self {
        let rule = self.asks::<SureShapes>();
        rule.guard("every dimension is known", |m| names.iter().all(|name| m.has_sure_shape(name)))
    }

    /// Lets the rule apply only where these have the dimensions that they state whenever the model runs,
    /// but for the first one, which may be any number of batches.
    #[must_use]
    pub fn sure_but_batch(self, names: &'static [&'static str]) -> Self {
        let rule = self.asks::<SureShapes>();
        rule.guard("every dimension but the first is known", |m| {
            names.iter().all(|name| m.has_sure_dims_behind_batch(m.id(name)))
        })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why metadata forbids the rewrite, if it does.
    fn forbidden(&self, found: &Match<'_>) -> Option<String> {
        // Few models have such metadata; no patch is made to ask in vain.
        found.module().numbered_by_metadata(Numbers::ALL)?;
        let mut patch = Patch::new(found.subgraph(), self.name.clone());
        match &self.rewrite {
            Rewrite::Patch(replace) => replace(found, &mut patch),
            Rewrite::Fold(_) => patch.erase_op(found.root()),
        }
        forbidden(found.module(), &patch)
    }

    /// Why the rule does not apply to what its whole pattern matches, if it does not.
    fn refusal(&self, found: &Match<'_>) -> Option<MissCause<'_>> {
        let condition = self.conditions.iter().find(|condition| !(condition.holds)(found));
        condition.map(MissCause::Not).or_else(|| self.forbidden(found).map(MissCause::Numbered))
    }

    /// The match at a place, or how near it comes.
    pub(super) fn at<'a>(&self, site: MatchSite<'a>) -> Result<Match<'a>, Miss<'_>> {
        let mut nearest: Option<Miss<'_>> = None;
        let whole = self.root.matches(site, self.orders, |found| {
            let (nodes, cause) = match found {
                Ok(found) => (found.nodes(), self.refusal(found)),
                Err((nodes, mismatch)) => (nodes, Some(MissCause::Pattern(mismatch))),
            };
            let Some(cause) = cause else { return true };
            let miss = Miss { nodes, cause };
            if nearest.as_ref().is_none_or(|nearest| miss.rank() > nearest.rank()) {
                nearest = Some(miss);
            }
            false
        });
        let nothing = || match self.root {
            Root::Unserved(_) => PatternMismatch::Served,
            _ => PatternMismatch::NoSuchOperand,
        };
        let none = || Miss { nodes: 0, cause: MissCause::Pattern(nothing()) };
        whole.ok_or_else(|| nearest.unwrap_or_else(none))
    }
}

/// The guard that every rule has.
const NUMBERED: &str = "metadata does not number what it adds or removes";

/// The heading of remarks on what stays because metadata refers by number to what would be added,
/// moved or removed.
pub const FORBIDDEN: &str = "numbered by metadata";

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule").field("name", &self.name).field("benefit", &self.benefit).finish()
    }
}

/// Why a rule did not apply at a place where its root could be.
#[derive(Clone)]
pub(super) struct Miss<'r> {
    /// How many nodes of the pattern matched: the more, the nearer.
    nodes: usize,
    pub(super) cause: MissCause<'r>,
}

#[derive(Clone)]
pub(super) enum MissCause<'r> {
    Pattern(PatternMismatch),
    /// The whole pattern matched, and this did not hold.
    Not(&'r RuleCondition),
    /// Metadata names by number what the rule would add or remove.
    Numbered(String),
}

impl Miss<'_> {
    /// The guard that refused, where the whole pattern matched and the rule is about it.
    pub(super) fn guard(&self) -> Option<Cow<'static, str>> {
        match &self.cause {
            MissCause::Not(RuleCondition { name, is_guard: true, .. }) => Some(name.clone()),
            MissCause::Numbered(_) => Some(NUMBERED.into()),
            _ => None,
        }
    }

    /// Larger where it came nearer.
    pub(super) fn rank(&self) -> (bool, usize) {
        let guarded = match &self.cause {
            MissCause::Pattern(_) => false,
            MissCause::Not(condition) => condition.is_guard,
            MissCause::Numbered(_) => true,
        };
        (guarded, self.nodes)
    }

    /// The reason in words.
    pub(super) fn what(&self, graph: &Subgraph) -> String {
        match &self.cause {
            MissCause::Pattern(mismatch) => mismatch.text(graph),
            MissCause::Not(condition) => format!("it does not hold that {}", condition.name),
            MissCause::Numbered(what) => what.clone(),
        }
    }
}
