//! Applies rules greedily, the one with the largest benefit first.
//!
//! A sweep looks for matches everywhere, on all cores, and changes nothing; what it finds does
//! not depend on threads, since it is put together in the order of the model. Then the matches
//! are rewritten one after the other, together with the ops around each change, and a sweep
//! follows that shows whether anything is left. Guards may look at anything, so only a sweep
//! without a match proves that the rules are done.

use super::answers::{Answers, Asked};
use super::matching::{Anchor, KnownVerdicts, MatchSite, RESULT};
use super::rule::{FORBIDDEN, Miss, MissCause, Rewrite, Rule};
use super::rule_index::RuleIndex;
use crate::analysis::{AnalysisInput, HybridVerdicts};
use crate::error::PassError;
use crate::session::Session;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{Applied, Module, OpId, Patch, SubgraphId, TensorId};

/// Patches for each place that a rule can be about, an op, an operand or a tensor, after which a
/// run looks endless. Rules that come to an end take a place or two each, and stay far below it.
const PATCHES_PER_PLACE: usize = 8;
/// How many of the last states are compared when a run seems endless.
const STATES: usize = 64;
/// With more operands that it cannot read, an op is looked at operand by operand: after each rewrite
/// it would be looked at whole.
const MANY_READS: usize = 32;
/// Below this many places a sweep is over before a second thread has started.
const PARALLEL_AT_LEAST: usize = 2048;

/// Applies the rules to a subgraph until none matches, and returns how often one did. Places
/// are visited in execution order, tensors in file order behind the ops.
///
/// # Errors
/// Where the rules undo each other, with their names.
pub fn apply_rules(
    session: &mut Session<'_>,
    sg: SubgraphId,
    rules: &[Rule],
) -> Result<usize, PassError> {
    let mut by_benefit: Vec<&Rule> = rules.iter().collect();
    by_benefit.sort_by_key(|rule| std::cmp::Reverse(rule.benefit));
    let rules = &RuleIndex::new(by_benefit);
    let graph = session.model().subgraph(sg);
    let places = graph.op_count() + graph.edge_count() + graph.tensor_count();
    let limit = PATCHES_PER_PLACE * places;
    let mut applied = 0;
    let mut endless = Endless::default();
    loop {
        let all = session.tells_of_misses();
        let answers = answers(session, sg, rules);
        let (matches, misses) = sweep(session.input(sg), rules, &answers, all);
        if matches.is_empty() {
            misses.tell(session, sg);
            return Ok(applied);
        }
        let mut work = Worklist::new(matches);
        let before = applied;
        while let Some(at) = work.next(session.model(), sg) {
            // One place is done before the next is begun: what a rule puts in for it, such as
            // an op before it, then serves those that follow.
            while is_alive(session.model(), sg, at) {
                let Some(change) = rewrite(session, sg, at, rules)? else { break };
                work.revisit(&change, session.model(), sg);
                applied += 1;
                if applied > limit {
                    endless.check(session.model(), change.label())?;
                }
            }
        }
        // Matches whose replacement is empty would be found for ever.
        if applied == before {
            return Ok(applied);
        }
    }
}

/// Rewrites all places where the rule matches in one patch, and does not come back to what that
/// brought about: for what has nothing to do with each other, and is mostly done before other rules
/// look at what is left. Returns how many there were. Where the rule does not match, others tell.
///
/// # Errors
/// Where the patch is refused.
pub fn apply_together(
    session: &mut Session<'_>,
    sg: SubgraphId,
    rule: &Rule,
) -> Result<usize, PassError> {
    let rules = &RuleIndex::new(vec![rule]);
    let answers = answers(session, sg, rules);
    let (matches, _) = sweep(session.input(sg), rules, &answers, false);
    let mut patch = None;
    let propose = |at| propose(session, sg, at, rules, &answers, &mut patch);
    let proposed: Vec<Proposed<'_>> = matches.into_iter().filter_map(propose).collect();
    session.apply(patch.unwrap_or_else(|| Patch::new(sg, rule.name.clone())))?;
    let count = proposed.len();
    proposed.into_iter().for_each(|one| one.tell(session));
    Ok(count)
}

/// Where rules nearly matched, in the order of the model: all of them where that is asked for, and
/// else as many as are told anyway, since nearly every place is one.
#[derive(Default)]
struct Misses<'r> {
    count: u64,
    guarded: IndexMap<&'r Cow<'static, str>, usize>,
    nearest: Option<(&'r Rule, Anchor, Miss<'r>)>,
    told: Vec<(&'r Rule, Anchor, Miss<'r>)>,
}

impl<'r> Misses<'r> {
    fn add(&mut self, rule: &'r Rule, at: Anchor, miss: Miss<'r>, all: bool) {
        self.count += 1;
        let rank = miss.rank();
        if rank.0 {
            *self.guarded.entry(&rule.name).or_default() += 1;
        }
        let is_nearer = |(.., nearest): &(_, _, Miss<'_>)| rank > nearest.rank();
        if self.nearest.as_ref().is_none_or(is_nearer) {
            self.nearest = Some((rule, at, miss.clone()));
        }
        if all || matches!(miss.cause, MissCause::Numbered(_)) {
            self.told.push((rule, at, miss));
        }
    }

    /// With those of places behind.
    fn then(mut self, later: Self) -> Self {
        self.count += later.count;
        for (rule, count) in later.guarded {
            *self.guarded.entry(rule).or_default() += count;
        }
        let rank = |nearest: &Option<(_, _, Miss<'_>)>| nearest.as_ref().map(|(.., m)| m.rank());
        if rank(&later.nearest) > rank(&self.nearest) {
            self.nearest = later.nearest;
        }
        self.told.extend(later.told);
        self
    }

    fn tell(self, session: &Session<'_>, sg: SubgraphId) {
        let module = session.model();
        let graph = module.subgraph(sg);
        session.nearly_matched(self.count, self.guarded);
        if let Some((rule, at, miss)) = &self.nearest {
            let tell = || (place(module, sg, *at), miss.what(graph));
            session.near_miss(&rule.name, miss.rank(), tell);
        }
        for (rule, at, miss) in &self.told {
            let (rule, place, what) = (&rule.name, || place(module, sg, *at), || miss.what(graph));
            if let MissCause::Numbered(_) = miss.cause {
                session.missed(FORBIDDEN, place(), format!("{rule}: {}", what()));
            } else if let Some(guard) = miss.guard().filter(|_| session.explains()) {
                session.refused(guard, place(), rule.to_string());
            }
            if session.is_asked_about(sg, mentioned(module, sg, *at)) {
                session.answer(rule.clone(), place(), what());
            }
        }
    }
}

/// What rules ask for, and the verdicts that each of them may ask about.
fn answers(session: &Session<'_>, sg: SubgraphId, rules: &RuleIndex<'_>) -> Answers {
    let of_rules = rules.rules().iter().flat_map(|rule| rule.asked.iter().copied());
    Answers::new(session, sg, [Asked::new::<HybridVerdicts>()].into_iter().chain(of_rules))
}

/// Where a rule matches, and where one nearly did.
fn sweep<'r>(
    input: AnalysisInput<'_>,
    rules: &RuleIndex<'r>,
    answers: &Answers,
    all: bool,
) -> (Vec<Anchor>, Misses<'r>) {
    let AnalysisInput { module, subgraph: sg, .. } = input;
    let graph = module.subgraph(sg);
    let starts = |op: &OpId| rules.starts_with(graph.op(*op));
    let mut places: Vec<Anchor> = graph.ops().filter(starts).map(Anchor::Op).collect();
    if rules.is_at_tensors() {
        let starts = |at: &Anchor| rules.at(graph, *at).next().is_some();
        places.extend(graph.tensors().map(Anchor::Tensor).filter(starts));
    }
    let look = |(mut matches, mut misses): (Vec<Anchor>, Misses<'r>), at: &Anchor| {
        let known = &KnownVerdicts::default();
        for rule in rules.at(graph, *at) {
            match rule.at(MatchSite { input, at: *at, answers, known }) {
                Ok(found) => {
                    match rule.root.is_unserved().then(|| found.unserved_reads()) {
                        Some(reads) if reads.len() > MANY_READS => matches.extend(reads),
                        _ => matches.push(*at),
                    }
                    break;
                }
                Err(miss) => misses.add(rule, *at, miss, all),
            }
        }
        (matches, misses)
    };
    if places.len() < PARALLEL_AT_LEAST {
        return places.iter().fold(Default::default(), look);
    }
    let parts = places.par_iter().with_min_len(256).fold(Default::default, look);
    parts.reduce(Default::default, |(mut matches, misses), (behind, missed)| {
        matches.extend(behind);
        (matches, misses.then(missed))
    })
}

/// Rewrites the place by the first rule that matches there.
fn rewrite(
    session: &mut Session<'_>,
    sg: SubgraphId,
    at: Anchor,
    rules: &RuleIndex<'_>,
) -> Result<Option<Arc<Applied>>, PassError> {
    let answers = answers(session, sg, rules);
    let mut patch = None;
    let proposed = propose(session, sg, at, rules, &answers, &mut patch);
    let Some((proposed, patch)) = proposed.zip(patch).filter(|(_, patch)| !patch.is_empty()) else {
        return Ok(None);
    };
    let change = session.apply(patch)?;
    proposed.tell(session);
    Ok(Some(change))
}

/// What a rule would do at a place, to be told once it is done.
struct Proposed<'r> {
    rule: &'r Rule,
    /// Where somebody reads it: a patch may have very many.
    told: Option<Box<ToldPlace>>,
}

struct ToldPlace {
    /// Whether the user asked about a tensor of the place.
    mentions: bool,
    /// In words, since the patch may take it away.
    place: String,
    /// What the rule says of it.
    message: String,
}

/// Lets the patch rewrite the place by the first rule that matches there.
fn propose<'r>(
    session: &Session<'_>,
    sg: SubgraphId,
    at: Anchor,
    rules: &RuleIndex<'r>,
    answers: &Answers,
    patch: &mut Option<Patch>,
) -> Option<Proposed<'r>> {
    let known = &KnownVerdicts::default();
    let input = session.input(sg);
    let module = input.module;
    let (rule, found) = rules
        .at(module.subgraph(sg), at)
        .find_map(|rule| Some((rule, rule.at(MatchSite { input, at, answers, known }).ok()?)))?;
    let anew = || Patch::new(sg, rule.name.clone());
    match &rule.rewrite {
        Rewrite::Patch(replace) => replace(&found, patch.get_or_insert_with(anew)),
        Rewrite::Fold(compute) => {
            let bytes = compute(&found)?;
            let patch = patch.get_or_insert_with(anew);
            let constant = patch.add_constant(bytes);
            patch.set_buffer(found.id(RESULT), constant);
            patch.erase_op(found.root());
        }
    }
    // Words that nobody reads are not made.
    let read = session.keeps_all_remarks();
    let message = rule.tell.as_ref().filter(|_| read).map(|(_, message)| message(&found));
    let mentions = session.is_asked_about(sg, mentioned(module, sg, at));
    let told = mentions || message.is_some() || (read && session.explains());
    let told = told.then(|| {
        let (place, message) = (place(module, sg, at), message.unwrap_or_default());
        Box::new(ToldPlace { mentions, place, message })
    });
    Some(Proposed { rule, told })
}

impl Proposed<'_> {
    /// That it was done.
    fn tell(self, session: &Session<'_>) {
        let Self { rule, told } = self;
        let (mentions, place, message) = told.map_or_else(Default::default, |told| {
            let ToldPlace { mentions, place, message } = *told;
            (mentions, place, message)
        });
        if mentions {
            session.answer(rule.name.clone(), place.clone(), "applied".to_owned());
        }
        match &rule.tell {
            Some((heading, _)) => session.applied(heading.clone(), place, message),
            None if session.explains() => session.applied(rule.name.clone(), place, "applied"),
            None => (),
        }
        session.count(rule.count.clone().unwrap_or(Cow::Borrowed("rules-applied")), 1);
    }
}

fn place(module: &Module, sg: SubgraphId, at: Anchor) -> String {
    match at {
        Anchor::Op(op) | Anchor::Read(op, _) => module.op_place(sg, op).to_string(),
        Anchor::Tensor(tensor) => module.tensor_place(sg, tensor).to_string(),
    }
}

/// The tensors that a place is about.
fn mentioned(
    module: &Module,
    sg: SubgraphId,
    at: Anchor,
) -> impl Iterator<Item = TensorId> + use<'_> {
    let graph = module.subgraph(sg);
    let (op, tensor) = match at {
        Anchor::Op(op) | Anchor::Read(op, _) => (Some(op), None),
        Anchor::Tensor(tensor) => (None, Some(tensor)),
    };
    let of_op = op.into_iter().flat_map(|op| {
        graph.results(op).into_iter().chain(graph.operands(op).into_iter().flatten())
    });
    tensor.into_iter().chain(of_op)
}

fn is_alive(module: &Module, sg: SubgraphId, at: Anchor) -> bool {
    let graph = module.subgraph(sg);
    match at {
        Anchor::Op(op) | Anchor::Read(op, _) => graph.contains_op(op),
        Anchor::Tensor(tensor) => graph.contains_tensor(tensor),
    }
}

/// Places to be visited, each once at a time.
struct Worklist {
    queue: VecDeque<Anchor>,
    queued: IndexSet<Anchor>,
}

impl Worklist {
    fn new(places: Vec<Anchor>) -> Self {
        Self { queued: places.iter().copied().collect(), queue: places.into() }
    }

    fn next(&mut self, module: &Module, sg: SubgraphId) -> Option<Anchor> {
        while let Some(at) = self.queue.pop_front() {
            self.queued.swap_remove(&at);
            if is_alive(module, sg, at) {
                return Some(at);
            }
        }
        None
    }

    /// Ops that changed, and those that read what they compute: their patterns may reach them.
    fn revisit(&mut self, change: &Applied, module: &Module, sg: SubgraphId) {
        let graph = module.subgraph(sg);
        for &op in &change.ops {
            self.push(op);
            for result in graph.results(op) {
                graph.uses(result).iter().for_each(|u| self.push(u.op));
            }
        }
    }

    fn push(&mut self, op: OpId) {
        if self.queued.insert(Anchor::Op(op)) {
            self.queue.push_back(Anchor::Op(op));
        }
    }
}

/// Looks for a state that comes back, once a run is suspiciously long.
#[derive(Default)]
struct Endless {
    states: IndexMap<u64, usize>,
    rules: Vec<String>,
}

impl Endless {
    fn check(&mut self, module: &Module, rule: &str) -> Result<(), PassError> {
        self.rules.push(rule.to_owned());
        let hash = module.state_hash();
        if let Some(first) = self.states.get(&hash) {
            let cycle: IndexSet<&str> = self.rules[*first..].iter().map(|rule| &**rule).collect();
            return Err(PassError::Cycle { rules: cycle.into_iter().map(str::to_owned).collect() });
        }
        if self.states.len() > STATES {
            // The graph grows without end and never comes back.
            let rules: IndexSet<&str> = self.rules.iter().map(|rule| &**rule).collect();
            return Err(PassError::Endless {
                rules: rules.into_iter().map(str::to_owned).collect(),
            });
        }
        self.states.insert(hash, self.rules.len());
        Ok(())
    }
}
