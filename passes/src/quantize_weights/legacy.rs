//! The choices of TensorFlow's legacy quantizer (`lite/toco_legacy/quantize_weights.cc`), for
//! `compat=toco`: which operands are weights and which ops are hybrid, by [`LegacyOp`], and the
//! arithmetic.
//!
//! Not followed where it is a bug: an op that the target cannot run with int8 weights gets a
//! Dequantize; tensors on one buffer are quantised once, not one over the other; a table that a
//! convolution made per channel is not copied; indices past the operands are skipped; weights
//! that are not finite or sparse stay float32; inputs and outputs keep their names and types.

use super::QuantizeWeights;
use super::candidate::no_more_ops;
use super::constants::{held_as_float, is_float_constant, shown};
use super::form::{Cause, Form, Group, NotedVerdict, Selection, WeightUse};
use super::options::{ScalesPer, WeightType};
use std::sync::Arc;
use tfq_ir::maps::{HashMap, HashSet, IndexMap, IndexSet};
use tfq_ir::{BufferId, ElementType, Module, OpId, OpKind, SubgraphId, Tensor, TensorId, counted};
use tfq_numeric::{ChannelLayout, F32View, NonFinite, ScaleRule};
use tfq_pass::Session;
use tfq_pass::rewrite::FORBIDDEN;
use tfq_target::{ASYMMETRIC, Granularity, LegacyOp, Target, WeightForm};

/// Selects among the groups that are `wanted`.
pub(super) fn select(
    pass: &QuantizeWeights,
    session: &Session<'_>,
    wanted: impl Fn(&Group) -> bool,
) -> Selection {
    let module = session.model();
    let legacy = Legacy {
        pass,
        module,
        target: session.target(),
        min_elements: pass.min_elements_in(module),
    };
    let mut groups = match pass.r#type {
        WeightType::Int8 => legacy.int8(session),
        WeightType::Float16 => legacy.float16(),
    };
    groups.retain(wanted);
    let verdicts = legacy.verdicts(&groups);
    let groups = legacy.readable(groups, &verdicts, session);
    // Ops whose weights must go together look at what is left.
    let verdicts = legacy.verdicts(&groups);
    let is_hybrid = hybrid_ops(&verdicts);
    let groups = groups
        .into_iter()
        .map(|mut group| {
            let hybrid = |u: &&WeightUse| {
                let node = module.subgraph(u.sg).op(u.op);
                is_hybrid.contains(&(u.sg, u.op)) && node.bool(ASYMMETRIC).is_some()
            };
            let stored = group.form.stored();
            let value = |u: &WeightUse| {
                pass.granularity == ScalesPer::Channel
                    && legacy.target.may_be_asymmetric(u.operand(module), &stored)
            };
            group.asymmetric =
                group.uses.iter().filter(hybrid).map(|u| (u.sg, u.op, value(u))).collect();
            group
        })
        .collect();
    Selection { groups, verdicts, left: Vec::new() }
}

fn hybrid_ops(verdicts: &[NotedVerdict]) -> HashSet<(SubgraphId, OpId)> {
    verdicts.iter().filter(|v| v.kind == "hybrid").map(|v| (v.sg, v.op)).collect()
}

/// Operands that are weights (`GetWeightInputIndices`).
fn weights(module: &Module, pass: &QuantizeWeights, sg: SubgraphId, op: OpId) -> Vec<u32> {
    let kind = &module.subgraph(sg).op(op).kind;
    match kind {
        OpKind::Builtin(_) => LegacyOp::of(kind).map(|op| op.weights.clone()),
        OpKind::Custom(_) => pass.custom_ops.get(kind).map(|op| op.weights.clone()),
    }
    .unwrap_or_default()
}

/// A float32 constant that the pass can change: no graph input, which the caller sets as float32,
/// none that something else wants as float32, and not sparse, since the legacy tool reads past
/// the end of those.
fn is_plain(module: &Module, sg: SubgraphId, id: TensorId) -> bool {
    is_float_constant(module, sg, id)
        && held_as_float(module, sg, id).is_none()
        && module.subgraph(sg).tensor(id).sparsity.is_none()
}

/// A buffer, and the shape that it is shown with.
type ShapedBuffer = (BufferId, Arc<[i32]>);

fn shaped_buffer(tensor: &Tensor) -> ShapedBuffer {
    (tensor.buffer, tensor.shape.clone())
}

struct Legacy<'a> {
    pass: &'a QuantizeWeights,
    module: &'a Module,
    target: &'a Target,
    min_elements: u64,
}

impl Legacy<'_> {
    fn int8(&self, session: &Session<'_>) -> Vec<Group> {
        let mut found: IndexMap<ShapedBuffer, Vec<WeightUse>> = IndexMap::default();
        for (sg, graph) in self.module.subgraphs() {
            for op in graph.ops() {
                for slot in weights(self.module, self.pass, sg, op) {
                    let Some(tensor) = graph.operand(op, slot) else { continue };
                    if !is_plain(self.module, sg, tensor) {
                        continue;
                    }
                    let elements = graph.tensor(tensor).elements().unwrap_or(0);
                    if elements < self.min_elements {
                        let place = self.module.tensor_place(sg, tensor);
                        let min = self.min_elements;
                        session.missed(
                            "too small",
                            place,
                            format!("{}, min-elements is {min}", counted(elements, "element")),
                        );
                        continue;
                    }
                    let shown = shaped_buffer(graph.tensor(tensor));
                    found.entry(shown).or_default().push(WeightUse { sg, op, slot, tensor });
                }
            }
        }
        self.groups(found, |first| self.form(first))
    }

    /// Every float32 constant that an op reads.
    fn float16(&self) -> Vec<Group> {
        let mut found: IndexMap<ShapedBuffer, Vec<WeightUse>> = IndexMap::default();
        for (sg, graph) in self.module.subgraphs() {
            for op in graph.ops() {
                for (slot, tensor) in (0..).zip(graph.operands(op)) {
                    let Some(tensor) = tensor else { continue };
                    // A scalar that is an output as well would need a copy that RESHAPE cannot
                    // make.
                    let scalar = graph.tensor(tensor).shape.is_empty() && graph.is_output(tensor);
                    if is_plain(self.module, sg, tensor) && !scalar {
                        let shown = shaped_buffer(graph.tensor(tensor));
                        found.entry(shown).or_default().push(WeightUse { sg, op, slot, tensor });
                    }
                }
            }
        }
        self.groups(found, |_| Form::Float16 { non_finite: NonFinite::Legacy })
    }

    fn groups(
        &self,
        found: IndexMap<ShapedBuffer, Vec<WeightUse>>,
        form: impl Fn(&WeightUse) -> Form,
    ) -> Vec<Group> {
        let shown = shown(self.module);
        let group = |((buffer, shape), uses): (ShapedBuffer, Vec<WeightUse>)| {
            let first = uses[0];
            // Tensors that show the buffer otherwise keep the float bytes, or are another group.
            let same = |(sg, id): &(SubgraphId, TensorId)| {
                is_plain(self.module, *sg, *id)
                    && self.module.subgraph(*sg).tensor(*id).shape == shape
            };
            let tensors = shown[&buffer].iter().copied().filter(same);
            let tensors = tensors.collect();
            let (asymmetric, alternatives) = Default::default();
            Group {
                tensors,
                form: form(&first),
                uses,
                note: None,
                is_read: false,
                asymmetric,
                alternatives,
            }
        };
        found.into_iter().map(group).collect()
    }

    /// The first op that reads a constant decides.
    fn form(&self, first: &WeightUse) -> Form {
        let graph = self.module.subgraph(first.sg);
        let tensor = graph.tensor(first.tensor);
        let axis = LegacyOp::of(&graph.op(first.op).kind).and_then(|op| op.channel_axis);
        let axis = axis.filter(|axis| {
            self.pass.granularity == ScalesPer::Channel && *axis < tensor.shape.len()
        });
        let Some(axis) = axis else { return Form::PerTensor { rule: ScaleRule::LegacyPerTensor } };
        match tensor.quantization.as_deref() {
            Some(q) if self.covers(first, axis, &q.min, &q.max) => {
                Form::StatedRanges { axis, min: q.min.clone(), max: q.max.clone() }
            }
            _ => Form::PerChannel { axis, rule: ScaleRule::LegacyPerChannel },
        }
    }

    /// Whether ranges that stand in the file are those of the channels. The legacy tool believes
    /// them unseen: it reads past the end of too few, and codes of values outside of them wrap
    /// around.
    fn covers(&self, u: &WeightUse, axis: usize, min: &[f32], max: &[f32]) -> bool {
        let shape: Vec<usize> =
            self.module.subgraph(u.sg).tensor(u.tensor).shape.iter().map(|d| *d as usize).collect();
        let elements: usize = shape.iter().product();
        if min.len() != shape[axis] || max.len() != shape[axis] {
            return false;
        }
        let bytes = self.module.constant(u.sg, u.tensor).and_then(|b| b.get(..4 * elements));
        let view = bytes.and_then(F32View::new);
        let Some((view, layout)) = view.zip(ChannelLayout::new(&shape, axis)) else {
            return false;
        };
        let stated = min.iter().zip(max).map(|(min, max)| min.abs().max(max.abs()));
        // Values a little outside round to the outermost code still.
        let reach = stated.map(|half| half * (127.49 / 127.0));
        tfq_numeric::range(view, layout)
            .max_abs
            .iter()
            .zip(reach)
            .all(|(most, reach)| *most <= reach)
    }

    /// Leaves out what the target cannot read behind a Dequantize where it would need one.
    fn readable(
        &self,
        groups: Vec<Group>,
        verdicts: &[NotedVerdict],
        session: &Session<'_>,
    ) -> Vec<Group> {
        let hybrid = hybrid_ops(verdicts);
        let is_hybrid = |u: &WeightUse| hybrid.contains(&(u.sg, u.op));
        let readable = |group: &Group| {
            let stored = group.form.stored();
            let all_hybrid = group.uses.iter().all(is_hybrid);
            if all_hybrid {
                return true;
            }
            let (sg, id) = group.tensors[0];
            let place = self.module.tensor_place(sg, id);
            if let Some(forbidden) = no_more_ops(self.module) {
                session.missed(FORBIDDEN, place, forbidden);
                return false;
            }
            let readable = self.target.dequantize_supports(stored.ty, stored.granularity);
            if !readable {
                session.missed(
                    "no kernel",
                    place,
                    format!("the target has no Dequantize for {stored}"),
                );
            }
            readable
        };
        groups.into_iter().filter(readable).collect()
    }

    fn verdicts(&self, groups: &[Group]) -> Vec<NotedVerdict> {
        let each = groups.iter().flat_map(|g| g.tensors.iter().map(move |tensor| (*tensor, g)));
        let chosen: HashMap<(SubgraphId, TensorId), &Group> = each.collect();
        let mut seen = IndexSet::default();
        let mut found = Vec::new();
        for u in groups.iter().flat_map(|group| &group.uses) {
            if !seen.insert((u.sg, u.op)) {
                continue;
            }
            let graph = self.module.subgraph(u.sg);
            let slots = weights(self.module, self.pass, u.sg, u.op);
            let int8 = self.pass.r#type == WeightType::Int8;
            let all_int8 = slots.iter().filter_map(|slot| graph.operand(u.op, *slot)).all(|id| {
                chosen.contains_key(&(u.sg, id)) || graph.tensor(id).ty == ElementType::Int8
            });
            let kind = &graph.op(u.op).kind;
            let lookup = LegacyOp::of(kind).is_some_and(|op| op.copies_codes);
            let form = chosen.get(&(u.sg, u.tensor)).map(|group| group.form.stored());
            let one_scale =
                form.as_ref().is_none_or(|form| form.granularity == Granularity::PerTensor);
            let (kind, reason) = if int8 && lookup && one_scale && graph.is_read_once(u.tensor) {
                ("pass-through", "compat=toco: the table has one reader")
            } else if int8 && all_int8 && self.is_hybrid(u.sg, u.op) {
                if self.runs(form, u) {
                    ("hybrid", "compat=toco")
                } else {
                    ("dequantize", "compat=toco, but the target cannot run it hybrid")
                }
            } else {
                ("dequantize", "compat=toco")
            };
            let slots = if kind == "dequantize" { Vec::new() } else { slots };
            found.push(NotedVerdict {
                sg: u.sg,
                op: u.op,
                kind,
                reason: reason.to_owned(),
                cause: Cause::Said,
                slots,
            });
        }
        found
    }

    /// Whether the target reads the weight in the form that it gets. The legacy tool does not
    /// ask, and writes grouped convolutions that fail and matrix products that come out wrong.
    fn runs(&self, form: Option<WeightForm>, u: &WeightUse) -> bool {
        let graph = self.module.subgraph(u.sg);
        if matches!(graph.op(u.op).kind, OpKind::Custom(_)) {
            return true;
        }
        let usual = || Form::PerTensor { rule: ScaleRule::LegacyPerTensor }.stored();
        let form = form.unwrap_or_else(usual);
        self.target.hybrid(u.operand(self.module), &form).is_hybrid()
    }

    /// Whether the op reads int8 weights (`IsHybridEvaluationOp`).
    fn is_hybrid(&self, sg: SubgraphId, op: OpId) -> bool {
        let graph = self.module.subgraph(sg);
        let kind = &graph.op(op).kind;
        if !self.pass.hybrid || self.pass.deny.contains(kind) {
            return false;
        }
        if matches!(kind, OpKind::Custom(_)) {
            return self.pass.custom_ops.get(kind).is_some_and(|op| op.hybrid);
        }
        let per_channel = self.pass.granularity == ScalesPer::Channel;
        LegacyOp::of(kind).is_some_and(|legacy| legacy.is_hybrid(graph, op, per_channel))
    }
}
