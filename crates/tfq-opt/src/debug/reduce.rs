//! Shrinking a model for which a check fails.

mod cut;
mod fill;

use crate::{Error, Optimizer};
use bytes::Bytes;
use cut::{cut, needed};
use fill::{Fill, content, fillable, with_fills};
use std::io;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{BufferId, Module, OpId, SubgraphId, TensorId};
use tfq_tflite::{LiftOptions, LowerOptions};

const MAIN: SubgraphId = SubgraphId(0);

/// How a model is shrunk.
#[derive(Debug, Default)]
pub struct ReduceOptions {
    /// Runs these passes on each model before it is checked, so that the model before the
    /// passes is shrunk.
    pub optimizer: Option<Optimizer>,
    /// Ends after so many checks, with the smallest model so far.
    pub max_checks: Option<usize>,
}

/// A model that was shrunk.
#[derive(Clone, Debug)]
pub struct Reduction {
    /// The smallest model found for which the check fails, before any pass.
    pub module: Module,
    /// What the model was.
    pub before: Size,
    /// What it is now.
    pub after: Size,
    /// How often the check was run.
    pub checks: usize,
    /// Whether every step was tried to its end; `false` where `max_checks` ended it.
    pub finished: bool,
}

/// How large a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Ops of all subgraphs.
    pub ops: usize,
    /// Bytes of constants that could be zeros, or 0, 1, ... 15 again and again, and are not.
    pub content: u64,
    /// Bytes of the file, as it is written here.
    pub bytes: u64,
}

/// Why a model was not shrunk.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// The model could not be processed at all.
    #[error(transparent)]
    Model(#[from] Error),
    /// The check could not be run.
    #[error("the check could not be run: {0}")]
    Check(#[from] io::Error),
    /// The check passes on the model as it came.
    #[error("the check passes on the model{after}: there is nothing to reduce")]
    NothingFails {
        /// Words that say what was run before the check.
        after: &'static str,
    },
}

/// Shrinks a model as long as `good`, which sees the bytes of a file, says no. The result
/// depends on nothing but the model and the answers.
///
/// What cannot be a model, or what the passes of [`ReduceOptions::optimizer`] refuse, is passed
/// over. Shapes stay: which ones fit together only the kernels know.
pub fn reduce(
    module: &Module,
    good: impl FnMut(&[u8]) -> io::Result<bool>,
    options: &ReduceOptions,
) -> Result<Reduction, ReduceError> {
    let bytes = lowered(module)?;
    let mut search = Search {
        good,
        options,
        verdicts: IndexMap::default(),
        best: tfq_tflite::lift(&bytes, &LiftOptions::default()).map_err(Error::from)?,
        bytes: bytes.clone(),
        checks: 0,
        finished: true,
    };
    let before = search.size();
    let input = search.with_passes(&bytes)?;
    search.checks += 1;
    if (search.good)(&input)? {
        let after = options.optimizer.as_ref().map_or("", |_| " after the passes");
        return Err(ReduceError::NothingFails { after });
    }
    // Until nothing helps: each step may make room for the ones before it.
    loop {
        let start = search.bytes.clone();
        search.round()?;
        if search.bytes == start {
            break;
        }
    }
    let after = search.size();
    let Search { best, checks, finished, .. } = search;
    Ok(Reduction { module: best, before, after, checks, finished })
}

struct Search<'a, G> {
    good: G,
    options: &'a ReduceOptions,
    /// Whether the check failed, by the hash of the file.
    verdicts: IndexMap<blake3::Hash, bool>,
    /// The smallest model so far, and its file.
    best: Module,
    bytes: Bytes,
    checks: usize,
    finished: bool,
}

impl<G: FnMut(&[u8]) -> io::Result<bool>> Search<'_, G> {
    /// The steps, those first that spare the others most.
    fn round(&mut self) -> Result<(), ReduceError> {
        // Nothing that comes later has to keep up with signatures and metadata.
        self.drop_extras()?;
        // The body of a loop or branch may fail by itself, which drops all around it.
        self.take_subgraphs_alone()?;
        // An output drops all that only it needs, and a model without it is a sound one.
        self.drop_outputs()?;
        // This finds the ops that matter, and opens outputs that may not.
        self.drop_ops()?;
        self.drop_outputs()?;
        // Only the constants of what is left need looking at.
        self.fill(Fill::Zeros)?;
        self.fill(Fill::Ramp)
    }

    fn drop_extras(&mut self) -> Result<(), ReduceError> {
        let base = self.best.clone();
        let signatures = (0..base.signatures().len()).map(Extra::Signature);
        let metadata = (0..base.metadata().len()).map(Extra::Metadata);
        let others = [Extra::OldMetadata, Extra::Description, Extra::Trailer];
        let extras: Vec<Extra> = signatures.chain(metadata).chain(others).collect();
        minimise(extras, |kept| {
            let new = with_extras(&base, kept);
            let all = new.subgraph(MAIN).ops().collect();
            let candidate = cut(&new, MAIN, &all, |id| new.subgraph(MAIN).is_output(id));
            self.still_fails(candidate)
        })
    }

    fn take_subgraphs_alone(&mut self) -> Result<(), ReduceError> {
        'again: loop {
            let base = self.best.clone();
            for (sg, graph) in base.subgraphs().skip(1) {
                let all = graph.ops().collect();
                let alone = cut(&base, sg, &all, |id| graph.is_output(id));
                // One that calls itself stays beside its copy, for ever.
                let fewer = |new: &Module| new.subgraphs().len() < base.subgraphs().len();
                if self.still_fails(alone.filter(fewer))? {
                    continue 'again;
                }
            }
            return Ok(());
        }
    }

    fn drop_outputs(&mut self) -> Result<(), ReduceError> {
        let base = self.best.clone();
        let graph = base.subgraph(MAIN);
        let outputs: IndexSet<TensorId> = graph.outputs().iter().copied().collect();
        minimise(outputs.iter().copied().collect(), |kept| {
            let kept: IndexSet<TensorId> = kept.iter().copied().collect();
            if kept.is_empty() {
                return Ok(false);
            }
            let dropped = outputs.difference(&kept).copied().collect();
            let (idle, needed) = (needed(graph, &dropped), needed(graph, &kept));
            // Ops that no output needs may be there for what else they do.
            let ops = graph.ops().filter(|op| needed.contains(op) || !idle.contains(op)).collect();
            self.still_fails(cut(&base, MAIN, &ops, |id| kept.contains(&id)))
        })
    }

    fn drop_ops(&mut self) -> Result<(), ReduceError> {
        let base = self.best.clone();
        let graph = base.subgraph(MAIN);
        minimise(graph.ops().collect(), |kept| {
            let kept: IndexSet<OpId> = kept.iter().copied().collect();
            let read_outside = |id| graph.uses(id).iter().any(|u| !kept.contains(&u.op));
            let returned = |id| graph.is_output(id) || read_outside(id);
            if kept.is_empty() {
                return Ok(false);
            }
            self.still_fails(cut(&base, MAIN, &kept, returned))
        })
    }

    fn fill(&mut self, fill: Fill) -> Result<(), ReduceError> {
        let base = self.best.clone();
        let fills = fillable(&base, fill);
        minimise(fills.keys().copied().collect(), |kept: &[BufferId]| {
            let mut fills = fills.clone();
            fills.retain(|buffer, _| !kept.contains(buffer));
            self.still_fails(with_fills(&base, &fills))
        })
    }

    /// Whether the check fails on this model too, which is then the smallest so far.
    fn still_fails(&mut self, candidate: Option<Module>) -> Result<bool, ReduceError> {
        if self.options.max_checks.is_some_and(|most| self.checks >= most) {
            self.finished = false;
            return Ok(false);
        }
        let Some(candidate) = candidate.filter(|module| module.verify().is_ok()) else {
            return Ok(false);
        };
        let Ok(bytes) = lowered(&candidate) else { return Ok(false) };
        if bytes == self.bytes {
            return Ok(true);
        }
        // The model is what its file says from now on.
        let Ok(candidate) = tfq_tflite::lift(&bytes, &LiftOptions::default()) else {
            return Ok(false);
        };
        let hash = blake3::hash(&bytes);
        let fails = match self.verdicts.get(&hash) {
            Some(fails) => *fails,
            None => match self.with_passes(&bytes) {
                Ok(input) => {
                    self.checks += 1;
                    !(self.good)(&input)?
                }
                Err(_) => false,
            },
        };
        self.verdicts.insert(hash, fails);
        if fails {
            (self.best, self.bytes) = (candidate, bytes);
        }
        Ok(fails)
    }

    /// What is checked for a model.
    fn with_passes(&self, bytes: &Bytes) -> Result<Bytes, Error> {
        match &self.options.optimizer {
            Some(optimizer) => Ok(optimizer.run(bytes.clone())?.to_vec()?.into()),
            None => Ok(bytes.clone()),
        }
    }

    fn size(&self) -> Size {
        Size {
            ops: self.best.subgraphs().map(|(_, graph)| graph.op_count()).sum(),
            content: content(&self.best),
            bytes: self.bytes.len() as u64,
        }
    }
}

/// Something that a model carries besides what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extra {
    Signature(usize),
    Metadata(usize),
    OldMetadata,
    Description,
    Trailer,
}

fn with_extras(module: &Module, kept: &[Extra]) -> Module {
    module.rebuilt(|parts| {
        let is_kept = |n: Option<usize>, extra: fn(usize) -> Extra| {
            n.is_some_and(|n| kept.contains(&extra(n)))
        };
        let mut n = 0..;
        parts.signatures.retain(|_| is_kept(n.next(), Extra::Signature));
        let mut n = 0..;
        parts.metadata.retain(|_| is_kept(n.next(), Extra::Metadata));
        if !kept.contains(&Extra::OldMetadata) {
            parts.metadata_buffer.clear();
        }
        if !kept.contains(&Extra::Description) {
            parts.description = None;
        }
        if !kept.contains(&Extra::Trailer) {
            parts.trailer = Bytes::new();
        }
    })
}

fn lowered(module: &Module) -> Result<Bytes, Error> {
    Ok(tfq_tflite::lower(module, &LowerOptions::default())?.to_vec().into())
}

/// Looks for few of these items with which `fails` holds, as it does with all of them: none, or
/// else by delta debugging (ddmin of Zeller and Hildebrandt, "Simplifying and isolating
/// failure-inducing input", 2002), after which it holds without no single one of them.
///
/// One item of n is found in about 2 log2(n) calls; in the worst case there are n² of them.
fn minimise<T: Clone>(
    mut items: Vec<T>,
    mut fails: impl FnMut(&[T]) -> Result<bool, ReduceError>,
) -> Result<(), ReduceError> {
    if items.is_empty() || fails(&[])? {
        return Ok(());
    }
    let mut parts = 2;
    'smaller: while items.len() > 1 {
        let size = items.len().div_ceil(parts);
        for part in items.chunks(size) {
            if fails(part)? {
                items = part.to_vec();
                parts = 2;
                continue 'smaller;
            }
        }
        // Of two parts, one is what the other leaves.
        for start in (0..items.len()).step_by(size).filter(|_| parts > 2) {
            let end = items.len().min(start + size);
            let rest = [&items[..start], &items[end..]].concat();
            if fails(&rest)? {
                items = rest;
                parts = (parts - 1).max(2);
                continue 'smaller;
            }
        }
        if size == 1 {
            break;
        }
        parts = items.len().min(2 * parts);
    }
    Ok(())
}
