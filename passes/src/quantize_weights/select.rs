//! Which constants are quantised, and in which form.

use super::float16::Widened;
use super::plan::{Plan, Refusal};
use super::{NotedVerdict, QuantizeWeights};
use crate::costs::{PER_SCALE, PER_TENSOR};
use crate::quantize_weights::options::{Granularity, Operands, WeightType};
use indexmap::{IndexMap, IndexSet};
use std::collections::VecDeque;
use tfq_ir::catalog::ops;
use tfq_ir::{BufferId, ElementType, Module, OpId, OpKind, SubgraphId, TensorId, counted};
use tfq_numeric::{F32View, NonFinite, Rule};
use tfq_pass::Context;
use tfq_target::{Granularity as Grain, Prefer, Target, WeightForm};

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
    /// Why it is not the form that would have come first, as an addition to what is told.
    pub(super) note: Option<String>,
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

impl Form {
    pub(super) fn bytes_per_element(&self) -> u64 {
        match self {
            Self::Float16 { .. } => 2,
            Self::PerTensor { .. } | Self::PerChannel { .. } | Self::StatedRanges { .. } => 1,
        }
    }

    /// What kernels see of it.
    pub(super) fn stored(&self) -> WeightForm {
        match self {
            Self::Float16 { .. } => WeightForm::new(ElementType::Float16, Grain::Unscaled),
            Self::PerTensor { .. } => WeightForm::new(ElementType::Int8, Grain::PerTensor),
            Self::PerChannel { axis, .. } | Self::StatedRanges { axis, .. } => {
                WeightForm::new(ElementType::Int8, Grain::PerChannel { axis: *axis })
            }
        }
    }
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

/// Selects in `module`, or in what is seen as it.
pub(super) fn select(
    pass: &QuantizeWeights,
    module: &Module,
    widened: Option<&Widened>,
    cx: &mut Context<'_>,
) -> Selection {
    let target = cx.target();
    let prefer = pass.prefer.or(target.prefer());
    let module = widened.map_or(module, |widened| &widened.module);
    let (broken, biases) = (IndexSet::new(), IndexSet::new());
    let mut select = Select { pass, module, widened, target, prefer, broken, biases };
    select.tell_of_absent_ops(cx);
    select.tell_of_absent_operands(cx);
    let mut uses = select.uses(cx);
    let shown = shown(module);
    uses.retain(|buffer, uses| select.convertible(*buffer, uses, &shown[buffer], cx));
    select.break_families(&mut uses, cx);

    let mut selection = Selection::default();
    for (buffer, uses) in uses {
        let tensors = shown[&buffer].clone();
        let Some((form, note)) = select.form(&uses, &tensors, cx) else { continue };
        let asymmetric = select.asymmetric(&uses, &form);
        if let Some(widened) = widened {
            let ops = uses.iter().map(|u| (u.sg, u.op));
            select.biases.extend(widened.biases_of(module, target, ops));
        }
        selection.groups.push(Group { tensors, uses, form, note, asymmetric });
    }
    selection.verdicts = select.verdicts(&selection.groups);
    selection
}

pub(super) struct Select<'a> {
    pub(super) pass: &'a QuantizeWeights,
    pub(super) module: &'a Module,
    pub(super) widened: Option<&'a Widened>,
    pub(super) target: &'a Target,
    pub(super) prefer: Prefer,
    /// Ops with a hybrid kernel for all of their weights or none, where it cannot be all.
    broken: IndexSet<(SubgraphId, OpId)>,
    /// Float16 biases that become float32 for what was selected so far, which later ones get for
    /// nothing.
    pub(super) biases: IndexSet<(SubgraphId, TensorId)>,
}

impl Select<'_> {
    /// Tells of names in `deny` and `custom-ops` that no op of the model has, and of operands that
    /// no op of that name has: a mistyped one would pass unnoticed.
    fn tell_of_absent_ops(&self, cx: &mut Context<'_>) {
        let custom =
            self.pass.custom_ops.0.iter().map(|op| OpKind::Custom(op.name.as_str().into()));
        let named = self.pass.deny.0.iter().cloned().map(|kind| ("deny", kind));
        for (option, kind) in named.chain(custom.map(|kind| ("custom-ops", kind))) {
            let mut ops = self
                .module
                .subgraphs()
                .flat_map(|(_, graph)| graph.ops().map(move |op| &graph.op(op).kind));
            if !ops.any(|known| *known == kind) {
                cx.missed(
                    "no such op",
                    format!("{option}={}", kind.name()),
                    "no op of the model is one",
                );
            }
        }
    }

    fn tell_of_absent_operands(&self, cx: &mut Context<'_>) {
        for custom in &self.pass.custom_ops.0 {
            let kind = OpKind::Custom(custom.name.as_str().into());
            let operands = self.module.subgraphs().flat_map(|(_, graph)| {
                let ops = graph.ops().filter(|op| graph.op(*op).kind == kind);
                ops.map(|op| graph.operands(op).len())
            });
            let Some(most) = operands.max() else { continue };
            for slot in custom.weights.iter().filter(|slot| **slot as usize >= most) {
                let place = format!("custom-ops={}:{slot}", custom.name);
                let message = match most {
                    0 => "no op of this name has an operand".to_owned(),
                    _ => format!("operands of this name's ops go from 0 to {}", most - 1),
                };
                cx.missed("no such operand", place, message);
            }
        }
    }

    /// Every place where an op reads a float32 constant as a weight, by buffer.
    fn uses(&self, cx: &mut Context<'_>) -> IndexMap<BufferId, Vec<WeightUse>> {
        let mut found: IndexMap<BufferId, Vec<WeightUse>> = IndexMap::new();
        for (sg, graph) in self.module.subgraphs() {
            for op in graph.ops() {
                self.tell_of_quantised(sg, op, cx);
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
                    cx.missed(
                        "too small",
                        place,
                        format!("{}, min-elements is {min}", counted(n, "element")),
                    );
                }
            }
        }
        found
    }

    /// Tells of weights that are small already, so that nobody wonders why they stay.
    fn tell_of_quantised(&self, sg: SubgraphId, op: OpId, cx: &mut Context<'_>) {
        let graph = self.module.subgraph(sg);
        for slot in self.target.weight_slots(graph, op) {
            let Some(id) = graph.operand(op, slot) else { continue };
            let behind = graph.producer(id).map(|(producer, _)| producer);
            let behind = behind.filter(|producer| graph.op(*producer).kind.is(ops::DEQUANTIZE));
            let stored = behind.map_or(Some(id), |dequantize| graph.operand(dequantize, 0));
            let Some(stored) = stored else { continue };
            let ty = graph.tensor(stored).ty;
            if ty == ElementType::Float32 || self.module.constant(sg, stored).is_none() {
                continue;
            }
            let place = Context::tensor_place(self.module, sg, stored);
            let how = if behind.is_some() { ", behind a Dequantize" } else { "" };
            cx.missed("already quantised", place, format!("it is {ty} in the input{how}"));
        }
    }

    fn slots(&self, sg: SubgraphId, op: OpId) -> Vec<u32> {
        slots(self.pass, self.module, self.target, sg, op)
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
        let named = self.module.metadata_uses(buffer) > 0;
        let reason = named
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
        if let Some(held) = held_as_float(self.module, sg, id) {
            return Some(held);
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

    /// Finds the recurrent ops that cannot have all of their weights quantised. Theirs go through
    /// a Dequantize, as far as they are large enough. What is dropped may break another op's
    /// family, so it goes on until nothing changes.
    fn break_families(
        &mut self,
        uses: &mut IndexMap<BufferId, Vec<WeightUse>>,
        cx: &mut Context<'_>,
    ) {
        let all: IndexSet<WeightUse> = uses.values().flatten().copied().collect();
        let families: IndexSet<(SubgraphId, OpId)> =
            all.iter().filter(|u| self.is_family(u.sg, u.op)).map(|u| (u.sg, u.op)).collect();
        loop {
            let before = self.broken.len();
            for &(sg, op) in &families {
                if self.broken.contains(&(sg, op)) {
                    continue;
                }
                if let Some(reason) = self.family_obstacle(sg, op, uses) {
                    let place = Context::op_place(self.module, sg, op);
                    cx.missed("incomplete", place, reason);
                    self.broken.insert((sg, op));
                }
            }
            if self.broken.len() == before {
                return;
            }
            uses.retain(|_, uses| {
                uses.retain(|u| !self.broken.contains(&(u.sg, u.op)) || self.is_large(u));
                !uses.is_empty()
            });
        }
    }

    /// Whether the op will read all of its weights as int8.
    pub(super) fn is_whole_family(&self, u: &WeightUse) -> bool {
        self.is_family(u.sg, u.op) && !self.broken.contains(&(u.sg, u.op))
    }

    fn is_large(&self, u: &WeightUse) -> bool {
        let tensor = self.module.subgraph(u.sg).tensor(u.tensor);
        tensor.elements().unwrap_or(0) >= self.pass.min_elements
    }

    /// Why the op's weights cannot all be int8, if they cannot.
    fn family_obstacle(
        &self,
        sg: SubgraphId,
        op: OpId,
        uses: &IndexMap<BufferId, Vec<WeightUse>>,
    ) -> Option<String> {
        let graph = self.module.subgraph(sg);
        let (mut saved, mut cost) = (0, 0);
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
            if selected {
                saved += self.saved(tensor, 1);
                cost += PER_SCALE + PER_TENSOR;
            }
        }
        if cost > 0 {
            cost += self.bias_growth([(sg, op)].into_iter());
        }
        if saved <= cost && cost > 0 {
            return Some("its scales would cost more bytes than its weights save".to_owned());
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

    /// The form that most readers can take directly, among those that make the file smaller; or
    /// the one for which the runtime holds least, where that matters most. With it, why it is not
    /// the one that would have come first.
    fn form(
        &self,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
        cx: &mut Context<'_>,
    ) -> Option<(Form, Option<String>)> {
        let mut best: Option<Plan> = None;
        let mut refusals = Vec::new();
        // What speaks against the forms that would have come before it.
        let mut drawbacks = Vec::new();
        let mut candidates: VecDeque<Form> = self.candidates(uses).into();
        while let Some(form) = candidates.pop_front() {
            let plan = match self.plan(uses, tensors, form) {
                Ok(plan) if best.as_ref().is_none_or(|best| plan.is_better(best, self.prefer)) => {
                    match self.spoiled(uses, tensors, &plan.form) {
                        Some(reason) => {
                            // Half the size is better than nothing.
                            candidates.push_back(Form::Float16 { non_finite: NonFinite::Refuse });
                            Err(Refusal::Spoiled(reason))
                        }
                        None => Ok(plan),
                    }
                }
                other => other,
            };
            match plan {
                Ok(plan) => match &best {
                    Some(best) if !plan.is_better(best, self.prefer) => (),
                    _ => {
                        let worse = best.replace(plan);
                        drawbacks.extend(worse.and_then(|plan| plan.drawback().map(str::to_owned)));
                    }
                },
                Err(refusal) => {
                    if best.is_none() {
                        drawbacks.push(refusal.to_string());
                    }
                    refusals.push(refusal);
                }
            }
        }
        let Some(best) = best else {
            // What is least a matter of course says most.
            let refusal = refusals.into_iter().max_by_key(Refusal::weight)?;
            let place = Context::tensor_place(self.module, uses[0].sg, uses[0].tensor);
            cx.missed(refusal.rule(), place, refusal.to_string());
            return None;
        };
        let per_channel = self.pass.granularity == Granularity::Channel;
        let instead = match best.form {
            Form::PerTensor { .. } if per_channel => Some("one scale"),
            Form::Float16 { .. } if self.pass.r#type == WeightType::Int8 => Some("float16"),
            _ => None,
        };
        let spoiled = refusals.iter().find(|refusal| matches!(refusal, Refusal::Spoiled(_)));
        let why = spoiled.map(Refusal::to_string).or_else(|| drawbacks.into_iter().next());
        let note = instead.zip(why).map(|(instead, why)| format!("; {instead}: {why}"));
        Some((best.form, note))
    }

    /// Forms in the order in which the user would like them.
    fn candidates(&self, uses: &[WeightUse]) -> Vec<Form> {
        let mut axes: IndexSet<usize> = IndexSet::new();
        for u in uses {
            let graph = self.module.subgraph(u.sg);
            axes.extend(self.target.channel_axis(graph, u.op, u.slot));
            let below = weight_below(self.module, self.target, u.sg, u.op, u.slot);
            if let Some((sg, op, slot)) = below {
                axes.extend(self.target.channel_axis(self.module.subgraph(sg), op, slot));
            }
        }
        let per_channel =
            axes.into_iter().map(|axis| Form::PerChannel { axis, rule: Rule::Divide });
        let per_tensor = Form::PerTensor { rule: Rule::Divide };
        match (self.pass.r#type, self.pass.granularity) {
            (WeightType::Float16, _) => vec![Form::Float16 { non_finite: NonFinite::Refuse }],
            (_, Granularity::Channel) => per_channel.chain([per_tensor]).collect(),
            (_, Granularity::Tensor) => [per_tensor].into_iter().chain(per_channel).collect(),
        }
    }

    /// How the op would read the constant in this form: without a Dequantize in front, and then
    /// whether XNNPACK takes the op; or why not.
    pub(super) fn reads(&self, u: &WeightUse, form: &Form) -> Result<bool, String> {
        let graph = self.module.subgraph(u.sg);
        if !self.may_be_hybrid(u.sg, u.op) {
            return Err(String::new());
        }
        if let Some(custom) = self.pass.custom_ops.get(&graph.op(u.op).kind) {
            return if custom.hybrid { Ok(false) } else { Err(String::new()) };
        }
        if self.broken.contains(&(u.sg, u.op)) {
            return Err("not all of its weights can be quantised".to_owned());
        }
        let Some(facts) = self.target.facts_of(graph, u.op) else {
            return Err(format!("{} has no kernel for it", graph.op(u.op).kind));
        };
        let form = form.stored();
        if facts.pass_through {
            let copies = form.granularity == Grain::PerTensor;
            return if copies {
                Ok(false)
            } else {
                Err("it copies codes with one scale".to_owned())
            };
        }
        let verdict = if facts.all_or_none {
            self.target.group_verdict(self.module, u.sg, u.op, |_, _| form)
        } else {
            self.target.hybrid(self.module, u.sg, u.op, u.slot, &form)
        };
        match verdict {
            tfq_target::Verdict::Hybrid { delegated } => match self.too_slow(u, &form, delegated) {
                Some(reason) => Err(reason),
                None => Ok(delegated),
            },
            tfq_target::Verdict::Dequantize { reason } => Err(reason),
        }
    }

    /// Why float32 kernels answer sooner than the one that reads the codes, if they do and that
    /// matters most.
    fn too_slow(&self, u: &WeightUse, form: &WeightForm, delegated: bool) -> Option<String> {
        if self.prefer != Prefer::Latency || delegated {
            return None;
        }
        let graph = self.module.subgraph(u.sg);
        if self.target.takes_as_float(graph, u.op) {
            return Some(
                "prefer=latency: XNNPACK takes the op with float32 weights only".to_owned(),
            );
        }
        let slow = self.target.slow(self.module, u.sg, u.op, u.slot, form)?;
        Some(format!("prefer=latency: {slow}"))
    }

    fn reads_directly(&self, u: &WeightUse, form: &Form) -> bool {
        !matches!(form, Form::Float16 { .. }) && self.reads(u, form).is_ok()
    }

    fn asymmetric(&self, uses: &[WeightUse], form: &Form) -> Vec<(SubgraphId, OpId, bool)> {
        let wanted = self.pass.granularity == Granularity::Channel;
        let stored = form.stored();
        // An older runtime may know the kernel with symmetric activations only.
        let value = |u: &WeightUse| {
            wanted && self.target.may_be_asymmetric(self.module, u.sg, u.op, u.slot, &stored)
        };
        uses.iter()
            .filter(|u| {
                let graph = self.module.subgraph(u.sg);
                let facts = self.target.facts_of(graph, u.op);
                facts.is_some_and(|facts| facts.asymmetric_attr)
                    && graph.op(u.op).bool("asymmetric_quantize_inputs").is_some()
                    && self.reads_directly(u, form)
            })
            .map(|u| (u.sg, u.op, value(u)))
            .collect()
    }

    /// What the user said against the target, for the ops that it concerns.
    fn verdicts(&self, groups: &[Group]) -> Vec<NotedVerdict> {
        let mut found = Vec::new();
        let mut seen = IndexSet::new();
        for (u, form) in groups.iter().flat_map(|g| g.uses.iter().map(move |u| (u, &g.form))) {
            if !seen.insert((u.sg, u.op)) {
                continue;
            }
            let kind = &self.module.subgraph(u.sg).op(u.op).kind;
            let custom = self.pass.custom_ops.get(kind).filter(|custom| custom.hybrid);
            let (kind, reason, slots) = if !self.pass.hybrid {
                ("dequantize", "hybrid=off".to_owned(), Vec::new())
            } else if self.pass.deny.contains(kind) {
                ("dequantize", "the op is denied".to_owned(), Vec::new())
            } else if let Some(custom) = custom {
                ("hybrid", "custom-ops says so".to_owned(), custom.weights.clone())
            } else if let Some(reason) = self.slow_reader(u, form) {
                ("dequantize", reason, Vec::new())
            } else {
                continue;
            };
            found.push(NotedVerdict { sg: u.sg, op: u.op, kind, reason, slots });
        }
        found
    }

    fn slow_reader(&self, u: &WeightUse, form: &Form) -> Option<String> {
        if self.prefer != Prefer::Latency {
            return None;
        }
        let stored = form.stored();
        match self.target.hybrid(self.module, u.sg, u.op, u.slot, &stored) {
            tfq_target::Verdict::Hybrid { delegated } => self.too_slow(u, &stored, delegated),
            tfq_target::Verdict::Dequantize { .. } => None,
        }
    }
}

/// The operands of an op that are read as weights. As float16, whose Dequantize serves any op,
/// every constant counts but biases: XNNPACK leaves an op whose filter is float32 and whose bias
/// comes from float16.
pub(super) fn slots(
    pass: &QuantizeWeights,
    module: &Module,
    target: &Target,
    sg: SubgraphId,
    op: OpId,
) -> Vec<u32> {
    let graph = module.subgraph(sg);
    if let Some(custom) = pass.custom_ops.get(&graph.op(op).kind) {
        return custom.weights.clone();
    }
    let all = 0..graph.operands(op).len() as u32;
    if pass.r#type == WeightType::Float16 || pass.operands == Operands::All {
        let biases = target.facts_of(graph, op).map_or(&[][..], |facts| &facts.biases);
        return all.filter(|slot| !biases.contains(slot)).collect();
    }
    if graph.op(op).subgraph_refs().is_empty() {
        return target.weight_slots(graph, op).to_vec();
    }
    all.filter(|slot| weight_below(module, target, sg, op, *slot).is_some()).collect()
}

/// Where a subgraph that the op calls reads the operand as a weight.
fn weight_below(
    module: &Module,
    target: &Target,
    sg: SubgraphId,
    op: OpId,
    slot: u32,
) -> Option<(SubgraphId, OpId, u32)> {
    let mut seen: IndexSet<(SubgraphId, TensorId)> =
        module.arguments(sg, op, slot).into_iter().collect();
    let mut next = 0;
    while let Some(&(sg, id)) = seen.get_index(next) {
        next += 1;
        let graph = module.subgraph(sg);
        for u in graph.uses(id) {
            if target.weight_slots(graph, u.op).contains(&u.slot) {
                return Some((sg, u.op, u.slot));
            }
            seen.extend(module.arguments(sg, u.op, u.slot));
        }
    }
    None
}

/// Why the tensor must stay float32, whatever its readers take, as a rule and a sentence.
pub(super) fn held_as_float(
    module: &Module,
    sg: SubgraphId,
    id: TensorId,
) -> Option<(&'static str, String)> {
    let graph = module.subgraph(sg);
    let name = graph.tensor(id).label();
    let references = module.references(sg, id);
    if references.input {
        return Some(("graph input", format!("the caller may set `{name}`, an input")));
    }
    if references.quantization {
        return Some(("scales", format!("the quantisation of another tensor names `{name}`")));
    }
    // An output that is quantised gets a copy, which signatures follow; others have none.
    if references.signature_output && !references.output {
        return Some(("signature", format!("a signature returns `{name}`, as float32")));
    }
    // Of an output that is named twice, the runtime fills one place only where an op computes it;
    // a constant is copied to both.
    if references.output && graph.outputs().iter().filter(|out| **out == id).count() > 1 {
        return Some(("output", format!("the subgraph returns `{name}` more than once")));
    }
    if references.scratch {
        return Some(("scratch", format!("an op writes to `{name}`")));
    }
    None
}

/// Whether the tensor is a float32 constant of the file.
pub(super) fn is_float_constant(module: &Module, sg: SubgraphId, id: TensorId) -> bool {
    let tensor = module.subgraph(sg).tensor(id);
    tensor.ty == ElementType::Float32 && module.constant(sg, id).is_some_and(|b| !b.is_empty())
}
