//! Whether all that an edit names is there.

use super::super::patch::{
    BufferRef, InsertionPoint, OpChange, OpRef, Patch, TensorChange, TensorRef,
};
use super::super::refused::Reason;
use super::overlay::op_label;
use crate::catalog::op_by_code;
use crate::maps::{HashMap, HashSet};
use crate::{
    BufferId, ExternalBuffer, Module, OpId, OpKind, Record, Recorded, Signature, Subgraph,
    SubgraphId, TensorId, TensorLink,
};
use std::cell::OnceCell;
use std::sync::Arc;

/// Far more than ops have that are made, and far less than would use up memory. One that is in the
/// file may have more.
const MOST_OPERANDS: u32 = u16::MAX as u32;

/// Whether the subgraph has all of these ops.
pub(in super::super) fn known_ops(
    module: &Module,
    sg: SubgraphId,
    mut ops: impl Iterator<Item = OpId>,
) -> Result<(), Reason> {
    if sg.0 as usize >= module.subgraphs().len() {
        return Err(Reason::Subgraph);
    }
    let graph = module.subgraph(sg);
    ops.try_for_each(|op| known_op(graph, op))
}

/// Whether signatures name subgraphs that are there, and tensors that these take and return. What
/// came in otherwise may stay so.
pub(in super::super) fn signatures(
    module: &Module,
    signatures: &[Signature],
) -> Result<(), Reason> {
    if let Some(key) = twice(&module.signatures, signatures) {
        return Err(Reason::SignatureTwice { key: key.to_owned() });
    }
    let known = OnceCell::new();
    let known = || known.get_or_init(|| KnownSignatures::of(&module.signatures));
    signatures.iter().try_for_each(|signature| {
        let key = || signature.key.as_deref().unwrap_or("").to_owned();
        let (number, graph) =
            (signature.subgraph, module.find_subgraph(SubgraphId(signature.subgraph)));
        for (side, name, link) in ports_of(signature) {
            let port = || {
                let name = name.unwrap_or("");
                format!("signature `{}`: {} `{name}`", key(), side.name())
            };
            let came_so = || known().ports.contains(&(number, side, link));
            match (graph, link) {
                (None, TensorLink::Tensor(_)) => return Err(Reason::ForeignTensor),
                (None, TensorLink::Raw(_)) => (),
                (Some(graph), TensorLink::Tensor(tensor)) => {
                    known_tensor(graph, tensor)?;
                    let is_one = match side {
                        Side::Input => graph.is_input(tensor),
                        Side::Output => graph.is_output(tensor),
                    };
                    if !is_one && !came_so() {
                        let tensor = graph.tensor(tensor).label().to_owned();
                        let verb = side.verb();
                        return Err(Reason::SignaturePort { port: port(), tensor, verb });
                    }
                }
                (Some(_), TensorLink::Raw(number)) if !came_so() => {
                    return Err(Reason::SignatureTensor { port: port(), number });
                }
                (Some(_), TensorLink::Raw(_)) => (),
            }
        }
        if graph.is_none() && !known().subgraphs.contains(&number) {
            let of = module.subgraphs().len();
            return Err(Reason::SignatureSubgraph { key: key(), subgraph: number, of });
        }
        Ok(())
    })
}

/// A key that more of these signatures have than had it before, where it is not the only one. To the
/// runtime a key ends before its first zero byte.
fn twice<'a>(before: &[Signature], signatures: &'a [Signature]) -> Option<&'a str> {
    fn key(signature: &Signature) -> &str {
        signature.key.as_deref().unwrap_or("")
    }
    fn shown(signature: &Signature) -> &str {
        key(signature).split('\0').next().unwrap_or("")
    }
    let mut came: HashMap<&str, usize> = HashMap::default();
    before.iter().for_each(|old| *came.entry(shown(old)).or_default() += 1);
    let mut there: HashMap<&str, usize> = HashMap::default();
    let again = signatures.iter().find(|signature| {
        let count = there.entry(shown(signature)).or_default();
        *count += 1;
        *count > 1.max(came.get(shown(signature)).copied().unwrap_or(0))
    });
    again.map(key)
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Input,
    Output,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }

    /// What its subgraph does with it.
    fn verb(self) -> &'static str {
        match self {
            Self::Input => "take",
            Self::Output => "return",
        }
    }
}

fn ports_of(signature: &Signature) -> impl Iterator<Item = (Side, Option<&str>, TensorLink)> {
    let inputs = signature.inputs.iter().map(|port| (Side::Input, port));
    let outputs = signature.outputs.iter().map(|port| (Side::Output, port));
    inputs.chain(outputs).map(|(side, (name, link))| (side, name.as_deref(), *link))
}

/// Of which subgraphs a model has signatures, and what they name there.
struct KnownSignatures {
    subgraphs: HashSet<u32>,
    ports: HashSet<(u32, Side, TensorLink)>,
}

impl KnownSignatures {
    fn of(signatures: &[Signature]) -> Self {
        let ports = signatures.iter().flat_map(|signature| {
            ports_of(signature).map(|(side, _, link)| (signature.subgraph, side, link))
        });
        Self {
            subgraphs: signatures.iter().map(|signature| signature.subgraph).collect(),
            ports: ports.collect(),
        }
    }
}

/// Whether external buffers have ids of their own and groups that are there. What came in otherwise
/// may stay so.
pub(in super::super) fn external(
    module: &Module,
    groups: &[Option<Arc<str>>],
    buffers: &[ExternalBuffer],
) -> Result<(), Reason> {
    let mut before: HashMap<u32, usize> = HashMap::default();
    module.external_buffers.iter().for_each(|old| *before.entry(old.id).or_default() += 1);
    let of_no_group = |buffer: &ExternalBuffer, groups: &[Option<Arc<str>>]| {
        buffer.group as usize >= groups.len()
    };
    let groupless = module.external_buffers.iter();
    let groupless = groupless.filter(|old| of_no_group(old, &module.external_buffer_groups));
    let groupless: HashSet<(u32, u32)> = groupless.map(|old| (old.id, old.group)).collect();
    let mut there: HashSet<u32> = HashSet::default();
    for buffer in buffers {
        let (id, group) = (buffer.id, buffer.group);
        let came = before.get(&id).copied().unwrap_or(0);
        if of_no_group(buffer, groups) && !groupless.contains(&(id, group)) {
            return Err(Reason::ExternalGroup { id, group, of: groups.len() });
        }
        if id == 0 && came == 0 {
            return Err(Reason::ExternalZero);
        }
        if !there.insert(id) && came < 2 {
            return Err(Reason::ExternalTwice(id));
        }
    }
    Ok(())
}

/// Why an entry of the record can be of nothing that the model has or had. Of what was erased there
/// may be some, which readers skip; what is still to be made would be taken for what it is of.
pub(in super::super) fn record(module: &Module, record: &Record) -> Option<String> {
    record.entries.iter().find_map(|entry| {
        let graph = module.by_origin(entry.of.origin()).map(|sg| module.subgraph(sg));
        let never = "is not there, and never was";
        match entry.of {
            Recorded::Op(op) => {
                let is_one = graph.is_none_or(|graph| graph.has_or_had_op(op));
                (!is_one).then(|| format!("op `{op}` {never}"))
            }
            Recorded::Tensor(tensor) => {
                let is_one = graph.is_none_or(|graph| graph.has_or_had_tensor(tensor));
                let is_one = is_one && tensor.is_upcoming().is_none();
                (!is_one).then(|| format!("tensor `{tensor}` {never}"))
            }
        }
    })
}

fn known_op(graph: &Subgraph, op: OpId) -> Result<(), Reason> {
    match graph.contains_op(op) {
        true => Ok(()),
        false if op.origin() == graph.origin() => Err(Reason::StaleOp),
        false => Err(Reason::ForeignOp),
    }
}

fn known_tensor(graph: &Subgraph, tensor: TensorId) -> Result<(), Reason> {
    match graph.contains_tensor(tensor) {
        true => Ok(()),
        false if tensor.origin() == graph.origin() => Err(Reason::StaleTensor),
        false => Err(Reason::ForeignTensor),
    }
}

/// Whether all that the patch names is there.
pub(super) fn handles(module: &Module, graph: &Subgraph, p: &Patch) -> Result<(), Reason> {
    let op_ref = |op: OpRef| match op {
        OpRef::Old(op) => known_op(graph, op),
        OpRef::New(n) if (n as usize) < p.ops.len() => Ok(()),
        OpRef::New(_) => Err(Reason::Dangling),
    };
    let tensor_ref = |tensor: TensorRef| match tensor {
        TensorRef::Old(tensor) => known_tensor(graph, tensor),
        TensorRef::New(n) if (n as usize) < p.tensors.len() => Ok(()),
        TensorRef::New(_) => Err(Reason::Dangling),
    };
    let slots = || p.wiring.operands.keys().chain(p.wiring.intermediates.keys());
    for (op, _) in slots().chain(p.wiring.results.keys()) {
        op_ref(*op)?;
    }
    for (_, place) in &p.ops {
        if let InsertionPoint::Before(op) | InsertionPoint::After(op) = place {
            known_op(graph, *op)?;
        }
    }
    for op in p.op_changes.iter().map(|(op, _)| op).chain(&p.wiring.erased_ops) {
        known_op(graph, *op)?;
    }
    let others = p.op_changes.iter().filter_map(|(_, change)| match change {
        OpChange::Op(op) => Some(&**op),
        _ => None,
    });
    // No reader takes a file with one.
    for op in p.ops.iter().map(|(op, _)| op).chain(others) {
        if let OpKind::Builtin(code) = op.kind
            && op_by_code(code).is_none()
        {
            return Err(Reason::Operator(code));
        }
    }
    let connected = p.wiring.operands.values().chain(p.wiring.intermediates.values()).flatten();
    for tensor in connected.chain(p.wiring.results.values()) {
        tensor_ref(*tensor)?;
    }
    for (old, new) in &p.wiring.moved_outputs {
        tensor_ref((*old).into())?;
        tensor_ref(*new)?;
    }
    for tensor in p.wiring.inputs.iter().chain(&p.wiring.outputs).flatten() {
        tensor_ref(*tensor)?;
    }
    for (tensor, change) in &p.tensor_changes {
        tensor_ref(*tensor)?;
        match change {
            TensorChange::Buffer(BufferRef::New(n)) if *n as usize >= p.constants.len() => {
                return Err(Reason::Dangling);
            }
            TensorChange::Buffer(BufferRef::Old(id))
                if *id != BufferId::NONE && id.0 as usize >= module.constants().len() =>
            {
                return Err(Reason::Buffer);
            }
            _ => (),
        }
    }
    for tensor in &p.wiring.erased_tensors {
        tensor_ref((*tensor).into())?;
    }
    for tensor in p.quantizations().flat_map(|q| q.details.links()) {
        tensor_ref(tensor.into())?;
    }
    // Slots are listed, so that one costs memory for all below it.
    let is_there = |op: OpRef, slot| match op {
        OpRef::Old(op) => graph.operand(op, slot).is_some(),
        OpRef::New(_) => false,
    };
    match slots().find(|(op, slot)| *slot > MOST_OPERANDS && !is_there(*op, *slot)) {
        Some(&(op, slot)) => Err(Reason::Slot { op: op_label(graph, p, op), slot }),
        None => Ok(()),
    }
}
