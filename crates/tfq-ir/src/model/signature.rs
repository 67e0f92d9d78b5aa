//! Signatures: functions that a caller can run by name.

use super::places::Places;
use crate::maps::{HashMap, HashSet};
use crate::{SubgraphId, TensorId, TensorLink};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A function that a caller can run by name. Numbers that name no tensor are kept.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Signature {
    pub key: Option<Arc<str>>,
    pub inputs: Vec<(Option<Arc<str>>, TensorLink)>,
    pub outputs: Vec<(Option<Arc<str>>, TensorLink)>,
    pub subgraph: u32,
    /// A field that the format gave up.
    pub deprecated_tag: Option<Arc<str>>,
}

/// What signatures are of, take and return, found when somebody asks first. It is no part of the model,
/// and so not shown; who changes signatures replaces it.
#[derive(Clone, Default)]
pub(crate) struct SignaturePorts(OnceLock<Arc<PortPlaces>>);

#[derive(Clone, Default)]
pub(super) struct PortPlaces {
    pub(super) inputs: HashSet<TensorId>,
    /// By signature and place.
    pub(super) outputs: Places<(u32, u32)>,
    /// The places of the signatures of each subgraph.
    of: HashMap<u32, Vec<u32>>,
}

impl PortPlaces {
    fn of(signatures: &[Signature]) -> Self {
        let inputs = signatures.iter().flat_map(|signature| tensors(&signature.inputs));
        let mut ports = Self { inputs: inputs.collect(), ..Self::default() };
        for (n, signature) in (0..).zip(signatures) {
            ports.of.entry(signature.subgraph).or_default().push(n);
            for (place, (_, link)) in (0..).zip(&signature.outputs) {
                if let Some(id) = link.tensor() {
                    ports.outputs.add(id, (n, place));
                }
            }
        }
        ports
    }

    /// The places of the signatures of a subgraph, in order.
    pub(super) fn signatures_of(&self, sg: SubgraphId) -> &[u32] {
        self.of.get(&sg.0).map_or(&[], |places| places)
    }
}

impl SignaturePorts {
    pub(super) fn of(&self, signatures: &[Signature]) -> &PortPlaces {
        self.0.get_or_init(|| Arc::new(PortPlaces::of(signatures)))
    }

    /// The signatures return other tensors in place of some.
    pub(crate) fn replace_outputs(
        &mut self,
        signatures: &mut [Signature],
        moves: &HashMap<TensorId, TensorId>,
    ) {
        if moves.is_empty() {
            return;
        }
        self.of(signatures);
        let ports = self.0.get_mut().map(Arc::make_mut).expect("it was found");
        ports.outputs.replace(moves, |(n, place), new| {
            signatures[n as usize].outputs[place as usize].1 = TensorLink::Tensor(new);
        });
    }
}

impl fmt::Debug for SignaturePorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

pub(super) fn tensors(list: &[(Option<Arc<str>>, TensorLink)]) -> impl Iterator<Item = TensorId> {
    list.iter().filter_map(|(_, link)| link.tensor())
}
