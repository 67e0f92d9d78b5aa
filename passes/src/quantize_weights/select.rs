//! Which constants are quantised, and in which form.

use super::{NotedVerdict, QuantizeWeights};
use crate::quantize_weights::options::{Granularity, WeightType};
use indexmap::{IndexMap, IndexSet};
use tfq_ir::{BufferId, ElementType, Module, OpId, SubgraphId, TensorId};
use tfq_numeric::{F32View, NonFinite, Rule};
use tfq_pass::Context;
use tfq_target::{Granularity as Grain, Target, WeightForm};

/// What the pass will do.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) groups: Vec<Group>,
    pub(super) verdicts: Vec<NotedVerdict>,
}

/// A constant to be quantised: every tensor that shows it, and how.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) tensors: Vec<(SubgraphId, TensorId)>,
    pub(super) uses: Vec<WeightUse>,
    pub(super) form: Form,
    /// What `asymmetric_quantize_inputs` becomes on the ops that read it directly.
    pub(super) asymmetric: Vec<(SubgraphId, OpId, bool)>,
}

/// The form that a constant gets.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Float16 {
        non_finite: NonFinite,
    },
    PerTensor {
        rule: Rule,
    },
    PerChannel {
        axis: usize,
        rule: Rule,
    },
    /// The legacy tool believes ranges that stand in the file.
    StatedRanges {
        axis: usize,
        min: Vec<f32>,
        max: Vec<f32>,
    },
}

/// A constant where an op reads it as a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct WeightUse {
    pub(super) sg: SubgraphId,
    pub(super) op: OpId,
    pub(super) slot: u32,
    pub(super) tensor: TensorId,
}

impl Group {
    /// Who reads the constant as a weight, in words.
    pub(super) fn describe(&self, module: &Module) -> String {
        let Some(first) = self.uses.first() else { return "an operand".to_owned() };
        let reader = Context::op_place(module, first.sg, first.op);
        match self.uses.len() - 1 {
            0 => format!("read by {reader}"),
            more => format!("read by {reader} and {more} more"),
        }
    }
}

/// Buffers and the tensors that show them, in order of appearance.
pub(super) type Shown = IndexMap<BufferId, Vec<(SubgraphId, TensorId)>>;

pub(super) fn shown(module: &Module) -> Shown {
    let mut shown = Shown::new();
    for (sg, graph) in module.subgraphs() {
        for tensor in graph.tensors() {
            let buffer = graph.tensor(tensor).buffer;
            if buffer != BufferId::NONE {
                shown.entry(buffer).or_default().push((sg, tensor));
            }
        }
    }
    shown
}

pub(super) fn select(pass: &QuantizeWeights, module: &Module, cx: &mut Context<'_>) -> Selection {
    let target = cx.target();
    let select = Select { pass, module, target };
    let mut uses = select.uses(cx);
    let shown = shown(module);
    uses.retain(|buffer, uses| select.convertible(*buffer, uses, &shown[buffer], cx));
    select.keep_families_whole(&mut uses, cx);

    let mut selection = Selection::default();
    for (buffer, uses) in uses {
        let tensors = shown[&buffer].clone();
        let Some(form) = select.form(&uses, &tensors, cx) else { continue };
        let asymmetric = select.asymmetric(&uses, &form);
        selection.groups.push(Group { tensors, uses, form, asymmetric });
    }
    selection.verdicts = select.verdicts(&selection.groups);
    selection
}

struct Select<'a> {
    pass: &'a QuantizeWeights,
    module: &'a Module,
    target: &'a Target,
}

impl Select<'_> {
    /// Every place where an op reads a float32 constant as a weight, by buffer.
    fn uses(&self, cx: &mut Context<'_>) -> IndexMap<BufferId, Vec<WeightUse>> {
        let mut found: IndexMap<BufferId, Vec<WeightUse>> = IndexMap::new();
        for (sg, graph) in self.module.subgraphs() {
            for op in graph.ops() {
                let weights: Vec<WeightUse> = self
                    .slots(sg, op)
                    .into_iter()
                    .filter_map(|slot| {
                        Some(WeightUse { sg, op, slot, tensor: graph.operand(op, slot)? })
                    })
                    .filter(|u| is_float_constant(self.module, sg, u.tensor))
                    .collect();
                let elements = |u: &WeightUse| graph.tensor(u.tensor).elements().unwrap_or(0);
                // Kernels of these families take one type for all weights, so one that is large
                // enough takes the small ones with it.
                let family = self.is_family(sg, op)
                    && weights.iter().any(|u| elements(u) >= self.pass.min_elements);
                for u in weights {
                    if family || elements(&u) >= self.pass.min_elements {
                        found.entry(graph.tensor(u.tensor).buffer).or_default().push(u);
                        continue;
                    }
                    let place = Context::tensor_place(self.module, sg, u.tensor);
                    let (n, min) = (elements(&u), self.pass.min_elements);
                    cx.missed("too small", place, format!("{n} elements, min-elements is {min}"));
                }
            }
        }
        found
    }

    /// The operands that are read as weights. As float16, whose Dequantize serves any op, every
    /// constant counts but biases: XNNPACK leaves an op whose filter is float32 and whose bias
    /// comes from float16.
    fn slots(&self, sg: SubgraphId, op: OpId) -> Vec<u32> {
        let graph = self.module.subgraph(sg);
        let kind = &graph.op(op).kind;
        if let Some(custom) = self.pass.custom_ops.get(kind) {
            return custom.weights.clone();
        }
        if self.pass.r#type == WeightType::Float16 {
            let biases = self.target.facts_of(graph, op).map_or(&[][..], |facts| &facts.biases);
            let all = 0..graph.operands(op).len() as u32;
            return all.filter(|slot| !biases.contains(slot)).collect();
        }
        self.target.weight_slots(graph, op).to_vec()
    }

    /// Whether the op's weights are to be int8 all together, for a hybrid kernel.
    fn is_family(&self, sg: SubgraphId, op: OpId) -> bool {
        let facts = self.target.facts_of(self.module.subgraph(sg), op);
        facts.is_some_and(|facts| facts.all_or_none && facts.hybrid) && self.may_be_hybrid(sg, op)
    }

    fn may_be_hybrid(&self, sg: SubgraphId, op: OpId) -> bool {
        let kind = &self.module.subgraph(sg).op(op).kind;
        self.pass.hybrid && self.pass.r#type == WeightType::Int8 && !self.pass.deny.contains(kind)
    }

    /// Whether every tensor on the buffer can change together. If one had to stay float32, the
    /// float bytes would stay in the file beside the quantised ones.
    fn convertible(
        &self,
        buffer: BufferId,
        uses: &[WeightUse],
        shown: &[(SubgraphId, TensorId)],
        cx: &mut Context<'_>,
    ) -> bool {
        let reason = self
            .module
            .metadata
            .iter()
            .any(|entry| entry.buffer == buffer)
            .then_some(("shared", "metadata refers to its buffer".to_owned()))
            .or_else(|| shown.iter().find_map(|(sg, id)| self.obstacle(*sg, *id, uses[0])));
        let Some((rule, message)) = reason else { return true };
        let place = Context::tensor_place(self.module, uses[0].sg, uses[0].tensor);
        cx.missed(rule, place, message);
        false
    }

    fn obstacle(
        &self,
        sg: SubgraphId,
        id: TensorId,
        first: WeightUse,
    ) -> Option<(&'static str, String)> {
        let graph = self.module.subgraph(sg);
        let tensor = graph.tensor(id);
        let weight = self.module.subgraph(first.sg).tensor(first.tensor);
        let name = tensor.label();
        if graph.is_input(id) {
            return Some(("graph input", format!("the caller may set `{name}`, an input")));
        }
        if tensor.sparsity.is_some() {
            return Some(("sparse", "it is stored sparse".to_owned()));
        }
        if tensor.ty != ElementType::Float32 || tensor.shape != weight.shape {
            let (ty, shape) = (tensor.ty, &tensor.shape);
            return Some(("shared", format!("`{name}` shows its buffer as {ty} {shape:?}")));
        }
        if tensor.is_variable || tensor.external_buffer != 0 {
            return Some(("shared", format!("`{name}` on its buffer is no plain constant")));
        }
        let needed = tensor.elements().and_then(|n| ElementType::Float32.bytes_for(n));
        let bytes = self.module.constant(sg, id)?;
        if needed.is_none_or(|needed| needed > bytes.len() as u64) {
            return Some(("shared", format!("`{name}` asks for more bytes than its buffer has")));
        }
        let is_bias = |op: OpId, slot: u32| {
            self.target.facts_of(graph, op).is_some_and(|facts| facts.biases.contains(&slot))
        };
        graph.uses(id).iter().find(|u| is_bias(u.op, u.slot)).map(|u| {
            let reader = Context::op_place(self.module, sg, u.op);
            ("bias", format!("{reader} reads it as a bias, which stays float32"))
        })
    }

    /// Drops the weights of recurrent ops that cannot have all of theirs quantised. Dropping
    /// may break another op's family, so it goes on until nothing changes.
    fn keep_families_whole(
        &self,
        uses: &mut IndexMap<BufferId, Vec<WeightUse>>,
        cx: &mut Context<'_>,
    ) {
        let all: IndexSet<WeightUse> = uses.values().flatten().copied().collect();
        let families: IndexSet<(SubgraphId, OpId)> =
            all.iter().filter(|u| self.is_family(u.sg, u.op)).map(|u| (u.sg, u.op)).collect();
        let mut broken = IndexSet::new();
        loop {
            let before = broken.len();
            for &(sg, op) in &families {
                if broken.contains(&(sg, op)) {
                    continue;
                }
                if let Some(reason) = self.family_obstacle(sg, op, uses) {
                    let place = Context::op_place(self.module, sg, op);
                    cx.missed("incomplete", place, reason);
                    broken.insert((sg, op));
                }
            }
            if broken.len() == before {
                return;
            }
            uses.retain(|_, uses| {
                uses.retain(|u| !broken.contains(&(u.sg, u.op)));
                !uses.is_empty()
            });
        }
    }

    /// Why the op's weights cannot all be int8, if they cannot.
    fn family_obstacle(
        &self,
        sg: SubgraphId,
        op: OpId,
        uses: &IndexMap<BufferId, Vec<WeightUse>>,
    ) -> Option<String> {
        let graph = self.module.subgraph(sg);
        for slot in self.target.weight_slots(graph, op) {
            let id = graph.operand(op, slot)?;
            let tensor = graph.tensor(id);
            let selected = uses.contains_key(&tensor.buffer);
            let done = tensor.ty == ElementType::Int8;
            if !selected && !done {
                return Some(format!(
                    "weight `{}` cannot be quantised with the others",
                    tensor.label()
                ));
            }
            if selected && !self.is_finite(sg, id) {
                return Some(format!("weight `{}` is not finite", tensor.label()));
            }
        }
        let int8 = WeightForm::new(ElementType::Int8, Grain::PerTensor);
        match self.target.group_verdict(self.module, sg, op, |_, _| int8) {
            tfq_target::Verdict::Hybrid { .. } => None,
            tfq_target::Verdict::Dequantize { reason } => Some(reason),
        }
    }

    fn is_finite(&self, sg: SubgraphId, id: TensorId) -> bool {
        let Some(bytes) = self.module.constant(sg, id) else { return false };
        let Some(view) = F32View::new(&bytes[..bytes.len() / 4 * 4]) else { return false };
        tfq_numeric::range(view, tfq_numeric::ChannelLayout::per_tensor(view.len())).finite
    }

    /// The form that most readers can take directly, among those that make the file smaller.
    fn form(
        &self,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
        cx: &mut Context<'_>,
    ) -> Option<Form> {
        let mut axes: IndexSet<usize> = IndexSet::new();
        for u in uses {
            let graph = self.module.subgraph(u.sg);
            axes.extend(self.target.channel_axis(graph, u.op, u.slot));
        }
        let per_channel =
            axes.into_iter().map(|axis| Form::PerChannel { axis, rule: Rule::Divide });
        let per_tensor = Form::PerTensor { rule: Rule::Divide };
        let candidates: Vec<Form> = match (self.pass.r#type, self.pass.granularity) {
            (WeightType::Float16, _) => vec![Form::Float16 { non_finite: NonFinite::Refuse }],
            (_, Granularity::Channel) => per_channel.chain([per_tensor]).collect(),
            (_, Granularity::Tensor) => [per_tensor].into_iter().chain(per_channel).collect(),
        };
        let mut best: Option<(usize, Form)> = None;
        for form in candidates {
            let direct = uses.iter().filter(|u| self.reads_directly(u, &form)).count();
            let all_direct = direct == uses.len() && self.all_are_weights(tensors, uses);
            let better = best.as_ref().is_none_or(|(most, _)| direct > *most);
            if better && self.saves(tensors, &form, all_direct) {
                best = Some((direct, form));
            }
        }
        if best.is_none() {
            let place = Context::tensor_place(self.module, uses[0].sg, uses[0].tensor);
            let message = "scales and Dequantize would cost more bytes than the weights save";
            cx.missed("no gain", place, message);
        }
        best.map(|(_, form)| form)
    }

    /// Whether the op would read the constant in this form without a Dequantize in front.
    fn reads_directly(&self, u: &WeightUse, form: &Form) -> bool {
        let graph = self.module.subgraph(u.sg);
        let grain = match form {
            Form::Float16 { .. } => return false,
            Form::PerTensor { .. } => Grain::PerTensor,
            Form::PerChannel { axis, .. } | Form::StatedRanges { axis, .. } => {
                Grain::PerChannel { axis: *axis }
            }
        };
        if !self.may_be_hybrid(u.sg, u.op) {
            return false;
        }
        if let Some(custom) = self.pass.custom_ops.get(&graph.op(u.op).kind) {
            return custom.hybrid;
        }
        let Some(facts) = self.target.facts_of(graph, u.op) else { return false };
        if facts.pass_through {
            return grain == Grain::PerTensor;
        }
        let form = WeightForm::new(ElementType::Int8, grain);
        if facts.all_or_none {
            return self.target.group_verdict(self.module, u.sg, u.op, |_, _| form).is_hybrid();
        }
        self.target.hybrid(self.module, u.sg, u.op, u.slot, &form).is_hybrid()
    }

    /// Whether every reader of the tensors is one of the uses and needs no Dequantize behind it
    /// either, and no subgraph returns them.
    fn all_are_weights(&self, tensors: &[(SubgraphId, TensorId)], uses: &[WeightUse]) -> bool {
        tensors.iter().all(|(sg, id)| {
            let graph = self.module.subgraph(*sg);
            let known = |u: &tfq_ir::Use| {
                let copies = self.target.facts_of(graph, u.op).is_some_and(|f| f.pass_through);
                !copies && uses.iter().any(|w| (w.sg, w.op, w.slot) == (*sg, u.op, u.slot))
            };
            !graph.is_output(*id) && graph.uses(*id).iter().all(known)
        })
    }

    /// Whether the file gets smaller. Costs in bytes: 4 a scale and 8 a zero point, the tables
    /// around them, and for a Dequantize its op, its tensor and two names.
    fn saves(&self, tensors: &[(SubgraphId, TensorId)], form: &Form, direct: bool) -> bool {
        let (sg, id) = tensors[0];
        let tensor = self.module.subgraph(sg).tensor(id);
        let elements = tensor.elements().unwrap_or(0);
        let scales = match form {
            Form::Float16 { .. } => 0,
            Form::PerTensor { .. } => 1,
            Form::PerChannel { axis, .. } | Form::StatedRanges { axis, .. } => {
                match tensor.shape.get(*axis) {
                    Some(channels) if *channels > 0 => *channels as u64,
                    _ => return false,
                }
            }
        };
        let saved = if matches!(form, Form::Float16 { .. }) { 2 * elements } else { 3 * elements };
        let parameters = if scales == 0 { 0 } else { 12 * scales + 48 * tensors.len() as u64 };
        let dequantize = if direct { 0 } else { 200 + 2 * tensor.label().len() as u64 };
        saved > parameters + dequantize
    }

    fn asymmetric(&self, uses: &[WeightUse], form: &Form) -> Vec<(SubgraphId, OpId, bool)> {
        let value = self.pass.granularity == Granularity::Channel;
        uses.iter()
            .filter(|u| {
                let graph = self.module.subgraph(u.sg);
                let facts = self.target.facts_of(graph, u.op);
                facts.is_some_and(|facts| facts.asymmetric_attr)
                    && graph.op(u.op).bool("asymmetric_quantize_inputs").is_some()
                    && self.reads_directly(u, form)
            })
            .map(|u| (u.sg, u.op, value))
            .collect()
    }

    /// What the user said against the target, for the ops that it concerns.
    fn verdicts(&self, groups: &[Group]) -> Vec<NotedVerdict> {
        let mut found = Vec::new();
        let mut seen = IndexSet::new();
        for u in groups.iter().flat_map(|group| &group.uses) {
            if !seen.insert((u.sg, u.op)) {
                continue;
            }
            let kind = &self.module.subgraph(u.sg).op(u.op).kind;
            let custom = self.pass.custom_ops.get(kind).filter(|custom| custom.hybrid);
            let (kind, reason, slots) = if !self.pass.hybrid {
                ("dequantize", "hybrid=off", Vec::new())
            } else if self.pass.deny.contains(kind) {
                ("dequantize", "the op is denied", Vec::new())
            } else if let Some(custom) = custom {
                ("hybrid", "custom-ops says so", custom.weights.clone())
            } else {
                continue;
            };
            found.push(NotedVerdict { sg: u.sg, op: u.op, kind, reason, slots });
        }
        found
    }
}

/// Whether the tensor is a float32 constant of the file.
pub(super) fn is_float_constant(module: &Module, sg: SubgraphId, id: TensorId) -> bool {
    let tensor = module.subgraph(sg).tensor(id);
    tensor.ty == ElementType::Float32 && module.constant(sg, id).is_some_and(|b| !b.is_empty())
}
