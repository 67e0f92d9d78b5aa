//! Where constants become weights that no op reads as one at once: their values go into subgraphs
//! that ops call, into variables, and through ops that move them.

use super::QuantizeWeights;
use super::constants::is_float_constant;
use super::options::{QuantizedOperands, WeightType};
use crate::stored::in_front_of_dequantize;
use tfq_ir::maps::{HashSet, IndexMap};
use tfq_ir::ops::{OpSemantics, OperandRole, ShapeRule, semantics_of};
use tfq_ir::{Attr, ElementType, Module, Op, OpId, Subgraph, SubgraphId, TensorId};
use tfq_target::Target;

/// An op that reads a tensor, and as which operand.
pub(super) type Reader = (SubgraphId, OpId, u32);

type Place = (SubgraphId, TensorId);

/// Operands that become weights further on, each with the op that reads it as one.
#[derive(Debug)]
pub(super) struct WeightFlow(IndexMap<Reader, Reader>);

impl WeightFlow {
    pub(super) fn new(module: &Module, target: &Target) -> Self {
        let mut found = IndexMap::default();
        let ways = Ways::new(module, target, &mut found);
        let mut nearest: IndexMap<Place, Reader> = IndexMap::default();
        for &(sg, id) in ways.0.keys() {
            let graph = module.subgraph(sg);
            let mut uses = graph.uses(id).into_iter();
            let weight = uses.find(|u| target.weight_slots(graph, u.op).contains(&u.slot));
            nearest.extend(weight.map(|u| ((sg, id), (sg, u.op, u.slot))));
        }
        let mut next = 0;
        while let Some((to, &reader)) = nearest.get_index(next) {
            next += 1;
            let Some(ways_there) = ways.0.get(to) else { continue };
            for way in ways_there {
                found.entry(way.by).or_insert(reader);
                if ways.0.contains_key(&way.from) {
                    nearest.entry(way.from).or_insert(reader);
                }
            }
        }
        Self(found)
    }

    /// The op that reads as a weight what this one reads as this operand.
    pub(super) fn reader(&self, sg: SubgraphId, op: OpId, slot: u32) -> Option<Reader> {
        if self.0.is_empty() { None } else { self.0.get(&(sg, op, slot)).copied() }
    }

    /// The operands of an op that become weights further on.
    pub(super) fn slots(&self, graph: &Subgraph, sg: SubgraphId, op: OpId) -> Vec<u32> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let all = 0..graph.operands(op).len() as u32;
        all.filter(|slot| self.0.contains_key(&(sg, op, *slot))).collect()
    }

    /// The axis of an operand that has a scale for each channel further on.
    pub(super) fn axis(
        &self,
        module: &Module,
        target: &Target,
        (sg, op, slot): Reader,
    ) -> Option<usize> {
        let (below, reader, at) = self.reader(sg, op, slot)?;
        let graph = module.subgraph(below);
        let axis =
            target.channel_axis(graph, reader, at).or_else(|| rows_of_factor(graph, reader, at))?;
        let there = graph.tensor(graph.operand(reader, at)?);
        let own = module.subgraph(sg);
        let own = &own.tensor(own.operand(op, slot)?).shape;
        let same = |at: usize| own[at] == there.shape[at];
        let mut others = (0..own.len()).filter(|at| *at != axis);
        // Parts of a tensor have its axes. What a called subgraph declares may be less than what it
        // gets.
        let is_axis = own.len() == there.shape.len()
            && (same(axis) || others.all(same) || !there.is_static());
        if is_axis {
            return Some(axis);
        }
        // Values were moved. A scale along another axis than that of the channels is none the
        // worse for the values: it is read by a Dequantize.
        let mut alike = (0..own.len()).filter(|at| own[*at] == there.shape[axis]);
        alike.next().filter(|_| alike.next().is_none())
    }
}

/// The operands of an op that are read as weights. As float16, whose Dequantize serves any op,
/// every constant counts but biases: XNNPACK leaves an op whose filter is float32 and whose bias
/// comes from float16.
pub(super) fn slots(
    pass: &QuantizeWeights,
    module: &Module,
    target: &Target,
    flow: &WeightFlow,
    sg: SubgraphId,
    op: OpId,
) -> Vec<u32> {
    let graph = module.subgraph(sg);
    if let Some(custom) = pass.custom_ops.get(&graph.op(op).kind) {
        return custom.weights.clone();
    }
    let all = 0..graph.operands(op).len() as u32;
    if pass.r#type == WeightType::Float16 || pass.operands == QuantizedOperands::All {
        let biases = target.facts_of(graph, op).map_or(&[][..], |facts| &facts.biases);
        return all.filter(|slot| !biases.contains(slot)).collect();
    }
    let mut slots = target.weight_slots(graph, op).to_vec();
    let further = flow.slots(graph, sg, op).into_iter().filter(|slot| !slots.contains(slot));
    let further: Vec<u32> = further.collect();
    slots.extend(further);
    slots
}

/// How values come to a tensor.
struct Way {
    from: Place,
    by: Reader,
}

/// By where they lead: those that a constant may take.
#[derive(Default)]
struct Ways(IndexMap<Place, Vec<Way>>);

impl Ways {
    /// Puts operands next to them that are weights where they are, though to no kernel.
    fn new(module: &Module, target: &Target, found: &mut IndexMap<Reader, Reader>) -> Self {
        let called = called(module);
        let variables = Variables::new(module);
        let mut ways = Self::default();
        for (sg, graph) in module.subgraphs() {
            for op in graph.ops() {
                let node = graph.op(op);
                let Some(what) = semantics_of(node) else { continue };
                found.extend(constant_factor(module, target, sg, op).map(|at| (at, at)));
                // What the runtime moves once it would move each time behind a Dequantize.
                if !(node.kind.runs_subgraphs() || what.effects.writes_state || moves(what)) {
                    continue;
                }
                for (slot, operand) in (0..).zip(graph.operands(op)) {
                    let Some(id) = operand.filter(|id| is_float(graph, *id)) else { continue };
                    let from = (sg, id);
                    let handed = called.contains(&sg) && graph.is_input(id);
                    if !handed && !ways.0.contains_key(&from) && !is_stored(module, from) {
                        continue;
                    }
                    let mut add = |to: Place| {
                        let way = Way { from, by: (sg, op, slot) };
                        ways.0.entry(to).or_default().push(way);
                    };
                    if node.kind.runs_subgraphs() {
                        module.arguments(sg, op, slot).into_iter().for_each(add);
                    } else if what.effects.writes_state {
                        variables.read(graph, op).for_each(&mut add);
                    } else if what.passes_on(slot) && !target.folds(node) {
                        let results = graph.results(op).into_iter();
                        let results = results.filter(|id| is_float(graph, *id));
                        results.for_each(|id| add((sg, id)));
                    }
                }
            }
        }
        ways
    }
}

/// The axis of a matrix on the left of a product that is not summed over, so that a scale for each of its
/// indices is as good as one for each column on the right.
fn rows_of_factor(graph: &Subgraph, op: OpId, slot: u32) -> Option<usize> {
    let node = graph.op(op);
    let is_left = slot == 0 && semantics_of(node)?.shape == ShapeRule::BatchMatmul;
    let rank = graph.tensor(graph.operand(op, slot).filter(|_| is_left)?).shape.len();
    rank.checked_sub(if node.bool("adj_x").unwrap_or(false) { 1 } else { 2 })
}

/// Whether results of the op are values of an operand.
fn moves(what: &OpSemantics) -> bool {
    (0..what.operands.len() as u32).any(|slot| what.passes_on(slot))
}

fn is_float(graph: &Subgraph, id: TensorId) -> bool {
    graph.tensor(id).ty == ElementType::Float32
}

/// Whether the file holds the values, as float32 or in front of a Dequantize.
fn is_stored(module: &Module, (sg, id): Place) -> bool {
    let graph = module.subgraph(sg);
    is_float_constant(module, sg, id)
        || graph.producer(id).is_some()
            && module.constant(sg, in_front_of_dequantize(graph, id).1).is_some()
}

/// Subgraphs that ops call.
fn called(module: &Module) -> HashSet<SubgraphId> {
    let ops = module.subgraphs().flat_map(|(_, graph)| graph.ops().map(|op| graph.op(op)));
    let calls = ops.filter(|op| op.kind.runs_subgraphs()).flat_map(Op::subgraph_refs);
    calls.filter_map(|(_, number)| u32::try_from(number).ok().map(SubgraphId)).collect()
}

/// The constant that an op has in the place of its data, where what it has for a weight is computed:
/// of two factors it is the weight, though kernels read it as float32 only.
fn constant_factor(module: &Module, target: &Target, sg: SubgraphId, op: OpId) -> Option<Reader> {
    let graph = module.subgraph(sg);
    let facts = target.facts_of(graph, op)?;
    let slot = facts.activation?;
    let is_stored =
        |slot: u32| graph.operand(op, slot).is_some_and(|id| is_stored(module, (sg, id)));
    let computed = !facts.weights.iter().any(|slot| is_stored(*slot));
    (computed && is_stored(slot)).then_some((sg, op, slot))
}

/// What reads of variables give, by the name of the variable.
struct Variables(IndexMap<Name, Vec<Place>>);

/// A container and a name in it.
type Name = [Option<Box<str>>; 2];

impl Variables {
    fn new(module: &Module) -> Self {
        let mut reads: IndexMap<Name, Vec<Place>> = IndexMap::default();
        for (sg, graph) in module.subgraphs() {
            for op in graph.ops() {
                if !semantics_of(graph.op(op)).is_some_and(|what| what.effects.reads_state) {
                    continue;
                }
                let Some(name) = variable(graph, op) else { continue };
                let results = graph.results(op).into_iter().map(|id| (sg, id));
                reads.entry(name).or_default().extend(results);
            }
        }
        Self(reads)
    }

    /// What reads of the variable give that the op sets.
    fn read(&self, graph: &Subgraph, op: OpId) -> impl Iterator<Item = Place> {
        let name = if self.0.is_empty() { None } else { variable(graph, op) };
        name.and_then(|name| self.0.get(&name)).into_iter().flatten().copied()
    }
}

/// The variable that the op is about, where it gets its handle in the same subgraph.
fn variable(graph: &Subgraph, op: OpId) -> Option<Name> {
    let what = semantics_of(graph.op(op))?;
    let slot = what.slots(OperandRole::Handle).next()?;
    let (made, _) = graph.producer(graph.operand(op, slot)?)?;
    let attrs = graph.op(made).attrs.as_ref()?;
    let text = |name| match attrs.get(name) {
        Some(Attr::String(text)) => Some(Box::from(&*text)),
        _ => None,
    };
    let name = [text("container"), text("shared_name")];
    name[1].is_some().then_some(name)
}
