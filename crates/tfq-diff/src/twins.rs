//! Constants that are found by what they hold.

use crate::graph::{Graph, Role, same_bytes};
use crate::pairing::Pairing;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use tfq_ir::{BufferId, ElementType};

/// Smaller constants, such as shapes and scalars, are alike by chance.
const LEAST: usize = 32;

/// What is looked at first, so that of most constants only some bytes are read.
#[derive(PartialEq, Eq, Hash)]
struct Sample {
    ty: ElementType,
    len: usize,
    /// Whether only a hash of the contents is known.
    elided: bool,
    hash: u64,
}

/// Pairs of constants with the same type and contents, where neither model has another such.
pub(crate) fn twins(a: &Graph<'_>, b: &Graph<'_>) -> Pairing {
    let mut twins = Pairing::new(a.tensors.len(), b.tensors.len());
    let (in_a, in_b) = (samples(a), samples(b));
    let mut groups: HashMap<&Sample, (Vec<u32>, Vec<u32>)> = HashMap::new();
    for (n, sample) in &in_a {
        groups.entry(sample).or_default().0.push(*n);
    }
    for (n, sample) in &in_b {
        if let Some(group) = groups.get_mut(sample) {
            group.1.push(*n);
        }
    }
    let found: Vec<_> = in_a.iter().filter_map(|(_, sample)| groups.remove(sample)).collect();
    let pairs = found.par_iter().map(|(first, second)| match (&first[..], &second[..]) {
        ([x], [y]) => same(a, *x, b, *y).then_some((*x, *y)).into_iter().collect(),
        ([], _) | (_, []) => Vec::new(),
        _ => among(a, first, b, second),
    });
    for (x, y) in pairs.collect::<Vec<_>>().into_iter().flatten() {
        twins.pair(x, y);
    }
    twins
}

fn samples(graph: &Graph<'_>) -> Vec<(u32, Sample)> {
    const CHUNK: usize = 64;
    let constants =
        (0..graph.tensors.len() as u32).filter(|n| graph.roles[*n as usize] == Role::Constant);
    let sample = |n: u32| {
        let tensor = graph.tensor(n);
        let bytes = graph.bytes(n)?;
        let said = graph.elided.get(tensor.buffer);
        let mut hasher = DefaultHasher::new();
        match said {
            Some(said) => said.hash.as_ref()?.get(..8)?.hash(&mut hasher),
            None => {
                let last = bytes.len().saturating_sub(CHUNK);
                for at in [0, last / 3, last / 3 * 2, last] {
                    bytes[at..(at + CHUNK).min(bytes.len())].hash(&mut hasher);
                }
            }
        }
        let (elided, hash) = (said.is_some(), hasher.finish());
        let sample = Sample { ty: tensor.ty, len: bytes.len(), elided, hash };
        (bytes.len() >= LEAST).then_some((n, sample))
    };
    constants.filter_map(sample).collect()
}

/// Whether two constants of one sample are the same.
fn same(a: &Graph<'_>, x: u32, b: &Graph<'_>, y: u32) -> bool {
    let said = |graph: &Graph<'_>, n| graph.elided.get(graph.tensor(n).buffer).cloned();
    match (said(a, x), said(b, y)) {
        (Some(x), Some(y)) => !crate::elided::differ(&x, &y),
        _ => a.bytes(x).zip(b.bytes(y)).is_some_and(|(x, y)| same_bytes(x, y)),
    }
}

/// Twins among constants of one sample.
fn among(a: &Graph<'_>, first: &[u32], b: &Graph<'_>, second: &[u32]) -> Vec<(u32, u32)> {
    let contents = |graph: &Graph<'_>, buffer| match graph.elided.get(buffer) {
        Some(said) => said.hash.clone(),
        None => {
            let bytes = graph.module.constants().constant(buffer);
            bytes.map(|bytes| blake3::hash(bytes).to_hex().to_string())
        }
    };
    // Many tensors may share one buffer.
    let hashes = |graph: &Graph<'_>, list: &[u32]| -> Vec<Option<String>> {
        let buffer = |n: &u32| graph.tensor(*n).buffer;
        let buffers: HashSet<BufferId> = list.iter().map(buffer).collect();
        let hashes: HashMap<BufferId, Option<String>> =
            buffers.into_par_iter().map(|buffer| (buffer, contents(graph, buffer))).collect();
        list.iter().map(|n| hashes[&buffer(n)].clone()).collect()
    };
    let (in_a, in_b) = (hashes(a, first), hashes(b, second));
    // How many have a hash, and the last of them.
    let mut others: HashMap<&Option<String>, (usize, u32)> = HashMap::new();
    for (n, hash) in second.iter().zip(&in_b) {
        let (count, last) = others.entry(hash).or_default();
        (*count, *last) = (*count + 1, *n);
    }
    let mut counts: HashMap<&Option<String>, usize> = HashMap::new();
    in_a.iter().for_each(|hash| *counts.entry(hash).or_default() += 1);
    let twin = |(n, hash): (&u32, &Option<String>)| match (counts.get(hash), others.get(hash)) {
        (Some(1), Some((1, other))) => Some((*n, *other)),
        _ => None,
    };
    first.iter().zip(&in_a).filter_map(twin).collect()
}
