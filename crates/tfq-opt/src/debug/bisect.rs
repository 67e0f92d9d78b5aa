//! Finding the patch that spoils a model.

use crate::{Error, Optimizer};
use std::io;
use tfq_ir::maps::IndexSet;
use tfq_ir::{Applied, LoggedEdit, Module, OpId, SubgraphId};
use tfq_pass::{Event, RunOptions};

/// The first patch after which a check fails.
#[derive(Clone, Debug)]
pub struct Bisection {
    /// The pass that made the patch.
    pub pass: String,
    /// The patch's number in the whole run, from 1.
    pub patch: usize,
    /// The patch's label.
    pub rule: String,
    /// The ops that the patch touched, as the model before it has them.
    pub ops: Vec<String>,
    /// How often the check was run.
    pub runs: usize,
    /// The ops that the patch touched and their neighbours, before the patch, as a model. The
    /// whole model where they call other subgraphs, or the patch is no change of one subgraph.
    pub reproducer: Module,
}

/// Why no patch could be blamed.
#[derive(Debug, thiserror::Error)]
pub enum BisectError {
    /// The model could not be processed at all.
    #[error(transparent)]
    Model(#[from] Error),
    /// The check could not be run.
    #[error("the check could not be run: {0}")]
    Check(#[from] io::Error),
    /// The check fails on the model as it came.
    #[error("the check fails before any pass has run")]
    BadFromTheStart,
    /// The check passes on the result.
    #[error("the check passes after the whole pipeline: nothing to find")]
    NothingBad,
    /// The model turns bad by a change that is no patch.
    #[error("pass `{0}` spoils the model by what it sets beside the graph, not by a patch")]
    NoPatch(String),
}

/// Runs the optimiser's pipeline once, then finds by halving the first pass and in it the first
/// patch after which `good` says no: with P passes and N patches in the bad one, in at most
/// log2(P) + log2(N) + 4 calls.
///
/// A state between passes may hold quantised constants whose readers were not served yet;
/// a pass that settles it (`insert-dequant`) completes each state before it is checked.
pub fn bisect(
    optimizer: &Optimizer,
    start: Module,
    mut good: impl FnMut(&[u8]) -> io::Result<bool>,
) -> Result<Bisection, BisectError> {
    let mut run = start.clone();
    let mut ends: Vec<(String, usize)> = Vec::new();
    tfq_pass::run(
        &mut run,
        &optimizer.pipeline,
        &optimizer.target,
        &RunOptions { keep_edits: true, ..RunOptions::default() },
        |event| {
            if let Event::End { module, report, .. } = event {
                ends.push((report.name.clone(), module.edits().len() - start.edits().len()));
            }
        },
    )
    .map_err(Error::from)?;
    // What was done to the model before is part of it.
    let edits = &run.edits()[start.edits().len()..];
    let is_patch = |logged: &LoggedEdit| logged.edit.is_journalled();
    let mut runs = 0;
    let mut is_good = |count: usize| -> Result<bool, BisectError> {
        runs += 1;
        let state = optimizer.completed(&start, &edits[..count])?;
        let image = tfq_tflite::lower(&state, &optimizer.lower).map_err(Error::from)?;
        Ok(good(&image.to_vec())?)
    };

    if !is_good(0)? {
        return Err(BisectError::BadFromTheStart);
    }
    let Some((_, last)) = ends.last() else { return Err(BisectError::NothingBad) };
    if is_good(*last)? {
        return Err(BisectError::NothingBad);
    }
    let pass = first_bad(0, ends.len() - 1, |n| is_good(ends[n].1))?;
    let begin = if pass == 0 { 0 } else { ends[pass - 1].1 };
    // Only patches can be blamed; what is between them is done with the patch before.
    let patches: Vec<usize> = (begin..ends[pass].1).filter(|n| is_patch(&edits[*n])).collect();
    if patches.is_empty() {
        return Err(BisectError::NoPatch(ends[pass].0.clone()));
    }
    let bad = first_bad(0, patches.len() - 1, |n| is_good(patches[n] + 1))?;
    let at = patches[bad];

    let mut before = start.clone();
    before.replay(&edits[..at]).expect("the edits were applied once");
    let mut after = before.clone();
    after.replay(&edits[at..=at]).expect("the edit was applied once");
    let applied = after.journal().last().expect("a patch is in the journal");
    // What drops unused things touches no op.
    let (ops, around) = applied.subgraph.map(|sg| around(&before, sg, applied)).unwrap_or_default();
    Ok(Bisection {
        pass: ends[pass].0.clone(),
        patch: edits[..=at].iter().filter(|edit| is_patch(edit)).count(),
        rule: applied.label().to_owned(),
        ops,
        runs,
        reproducer: around.unwrap_or(start),
    })
}

/// The ops that a patch touched, in words, and a model of them and their neighbours, where there
/// can be one.
fn around(before: &Module, sg: SubgraphId, applied: &Applied) -> (Vec<String>, Option<Module>) {
    let graph = before.subgraph(sg);
    let touched = applied.ops.iter().chain(applied.erased()).copied();
    let touched: IndexSet<OpId> = touched.filter(|op| graph.contains_op(*op)).collect();
    let label = |op: &OpId| {
        let result = graph.results(*op).first().map_or("?", |id| graph.tensor(*id).label());
        format!("{} `{result}`", graph.op(*op).kind)
    };
    let ops = touched.iter().map(label).collect();
    (ops, before.extract(sg, &with_neighbours(before, sg, &touched)))
}

/// The least `n` of `low..=high` for which `good` is false; it is for `high`.
fn first_bad(
    mut low: usize,
    mut high: usize,
    mut good: impl FnMut(usize) -> Result<bool, BisectError>,
) -> Result<usize, BisectError> {
    while low < high {
        let middle = low + (high - low) / 2;
        if good(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The ops and those that compute what they read or read what they compute.
fn with_neighbours(module: &Module, sg: SubgraphId, ops: &IndexSet<OpId>) -> IndexSet<OpId> {
    let graph = module.subgraph(sg);
    let mut all = ops.clone();
    for &op in ops {
        for operand in graph.operands(op).into_iter().flatten() {
            all.extend(graph.producer(operand).map(|(op, _)| op));
        }
        for result in graph.results(op) {
            all.extend(graph.uses(result).iter().map(|u| u.op));
        }
    }
    all
}
