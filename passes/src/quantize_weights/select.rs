//! Which constants are quantised, and in which form.

use super::QuantizeWeights;
use super::candidate::{Candidate, Chosen, Objection, no_more_ops};
use super::constants::{TensorsByBuffer, held_as_float, is_float_constant, just_one, shown};
use super::fast::{Fast, SparedSlowness};
use super::flow::WeightFlow;
use super::form::{Cause, Form, Group, Left, NotedVerdict, Selection, WeightUse};
use super::front::Behind;
use super::options::{IdlePattern, IdlePatterns, ScalesPer, WeightType};
use super::reading::Select;
use super::sparse;
use super::weight_plan::{Alternative, WantsPlan};
use super::widened::Widened;
use crate::stored::{in_front_of_densify, in_front_of_dequantize, made_float};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{BufferId, ElementType, Module, OpId, OpKind, SubgraphId, TensorId, closest, counted};
use tfq_numeric::{NonFinite, ScaleRule};
use tfq_pass::Session;
use tfq_target::{ASYMMETRIC, WeightForm};

/// The headings for what stays as it came.
const ALREADY_QUANTISED: &str = "already quantised";
pub(super) const ALREADY_FLOAT16: &str = "already float16";

/// Selects in the model, or in what is seen as it. Of constants that are `reread` it is told
/// already that they came quantised.
pub(super) fn select(
    pass: &QuantizeWeights,
    session: &Session<'_>,
    widened: Option<&Widened>,
    reread: &IndexSet<BufferId>,
) -> Selection {
    let mut select = Select::new(pass, session, widened);
    select.told.get_mut().extend(reread.iter().map(|buffer| (*buffer, ALREADY_QUANTISED.into())));
    let (module, target) = (select.module, select.target);
    select.tell_of_absent_ops(session);
    select.tell_of_absent_operands(session);
    let mut uses = select.uses(session);
    let shown = shown(module);
    select.keep(&mut uses, &shown, session);
    uses.retain(|buffer, uses| select.convertible(*buffer, uses, &shown[buffer], session));
    select.break_families(&mut uses, session);
    select.fast = select.fast(&uses, &shown);
    if let Fast::Some { bytes: bytes @ 1.., .. } = select.fast {
        session.count("speed-bytes", bytes);
    }

    let mut selection = Selection::default();
    for (buffer, uses) in uses {
        let tensors = shown[&buffer].clone();
        let Some(chosen) = select.best(&uses, &tensors, session) else { continue };
        let Chosen { plan, note, alternatives } = select.with_zero_points(chosen, &uses, &tensors);
        let asymmetric = select.asymmetric(&uses, &plan);
        let is_read = plan.direct.iter().all(|direct| *direct);
        let form = plan.form;
        if let Some(widened) = widened {
            let ops = uses.iter().map(|u| (u.sg, u.op));
            select.biases.extend(widened.biases_of(module, target, ops));
        }
        selection.groups.push(Group {
            tensors,
            uses,
            form,
            note,
            is_read,
            asymmetric,
            alternatives,
        });
    }
    select.leave_parts(&mut selection, session);
    selection.verdicts = select.verdicts(&selection.groups);
    if selection.verdicts.iter().any(|verdict| verdict.cause == Cause::Speed) {
        session.produce(SparedSlowness { times: select.slowest.get() });
    }
    selection.left = select.left.take();
    selection
}

impl<'a> Select<'a> {
    pub(super) fn new(
        pass: &'a QuantizeWeights,
        session: &'a Session<'_>,
        widened: Option<&'a Widened>,
    ) -> Self {
        let module = widened.map_or(session.model(), |widened| &widened.module);
        Self::of(pass, session, module, widened)
    }

    /// For a model that may be another one than the session's.
    pub(super) fn of(
        pass: &'a QuantizeWeights,
        session: &'a Session<'_>,
        module: &'a Module,
        widened: Option<&'a Widened>,
    ) -> Self {
        let target = session.target();
        Self {
            pass,
            module,
            widened,
            target,
            prefer: pass.prefer.or(target.prefer()),
            min_elements: pass.min_elements_in(session.model()),
            broken: IndexSet::default(),
            fast: Fast::default(),
            behind: Behind::default(),
            flow: WeightFlow::new(module, target),
            takes_ops: no_more_ops(session.model()).is_none(),
            biases: IndexSet::default(),
            anew: made_float(session.model()),
            slowest: Cell::default(),
            told: RefCell::default(),
            left: RefCell::default(),
            wants_plan: session.resource::<WantsPlan>().is_some(),
            has_sure_shape: Box::new(|sg, id| session.has_sure_shape(sg, id)),
        }
    }

    /// Tells why a constant stays as it is, once for all that read it.
    pub(super) fn leave(
        &self,
        session: &Session<'_>,
        uses: &[WeightUse],
        rule: impl Into<Cow<'static, str>>,
        message: String,
        alternatives: Vec<Alternative>,
    ) {
        let rule = rule.into();
        let (sg, id) = (uses[0].sg, uses[0].tensor);
        let place = self.module.tensor_place(sg, id);
        let buffer = self.module.subgraph(sg).tensor(id).buffer;
        if self.anew.contains(&(sg, id)) {
            // It did not stay as it was: that it is float32 is told already.
            session.note(rule.clone(), place, &message);
        } else if self.told.borrow_mut().insert((buffer, rule.clone())) {
            session.missed(rule.clone(), place, &message);
        }
        if self.wants_plan {
            let tensors: IndexSet<_> = uses.iter().map(|u| (u.sg, u.tensor)).collect();
            let (tensors, uses) = (tensors.into_iter().collect(), uses.to_vec());
            self.left.borrow_mut().push(Left { tensors, uses, rule, message, alternatives });
        }
    }
}

impl Select<'_> {
    /// Tells of names in `deny` and `custom-ops` that no op of the model has, and of operands that
    /// no op of that name has: a mistyped one would pass unnoticed.
    fn tell_of_absent_ops(&self, session: &Session<'_>) {
        let custom =
            self.pass.custom_ops.0.iter().map(|op| OpKind::Custom(op.name.as_str().into()));
        let named = self.pass.deny.0.iter().cloned().map(|kind| ("deny", kind));
        for (option, kind) in named.chain(custom.map(|kind| ("custom-ops", kind))) {
            let mut ops = self
                .module
                .subgraphs()
                .flat_map(|(_, graph)| graph.ops().map(move |op| &graph.op(op).kind));
            if !ops.any(|known| *known == kind) {
                session.missed(
                    "no such op",
                    format!("{option}={}", kind.name()),
                    "no op of the model is one",
                );
            }
        }
    }

    fn tell_of_absent_operands(&self, session: &Session<'_>) {
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
                session.missed("no such operand", place, message);
            }
        }
    }

    /// Every place where an op reads a float32 constant as a weight, by buffer.
    fn uses(&self, session: &Session<'_>) -> IndexMap<BufferId, Vec<WeightUse>> {
        let mut found: IndexMap<BufferId, Vec<WeightUse>> = IndexMap::default();
        for (sg, graph) in self.module.subgraphs() {
            for op in graph.ops() {
                self.tell_of_quantised(sg, op, session);
                let weights: Vec<WeightUse> = self
                    .slots(sg, op)
                    .into_iter()
                    .filter_map(|slot| {
                        Some(WeightUse { sg, op, slot, tensor: graph.operand(op, slot)? })
                    })
                    .filter(|u| is_float_constant(self.module, sg, u.tensor))
                    .collect();
                // Kernels of these families take one type for all weights, so one that is large
                // enough takes the small ones with it.
                let family = self.is_family(sg, op) && weights.iter().any(|u| self.is_large(u));
                for u in weights {
                    if family || self.is_large(&u) {
                        let buffer = graph.tensor(u.tensor).buffer;
                        found.entry(buffer).or_insert_with(just_one).push(u);
                        continue;
                    }
                    let tensor = graph.tensor(u.tensor);
                    let (n, min) = (tensor.elements().unwrap_or(0), self.min_elements);
                    let message = format!("{}, min-elements is {min}", counted(n, "element"));
                    self.leave(session, &[u], "too small", message, Vec::new());
                }
            }
        }
        found
    }

    /// Leaves what the user keeps: a constant with all tensors that show it and all of its readers.
    fn keep(
        &self,
        uses: &mut IndexMap<BufferId, Vec<WeightUse>>,
        shown: &TensorsByBuffer,
        session: &Session<'_>,
    ) {
        let keep = self.pass.keep.matcher();
        if keep.is_empty() {
            return;
        }
        let mut idle: IndexSet<usize> = (0..keep.len()).collect();
        let mut known: IndexSet<String> = IndexSet::default();
        uses.retain(|buffer, uses| {
            let tensors = shown[buffer].iter().map(|(sg, id)| (*sg, *id));
            let results = uses.iter().flat_map(|u| {
                self.module.subgraph(u.sg).results(u.op).into_iter().map(|id| (u.sg, id))
            });
            let labels = tensors.chain(results);
            let labels = labels.map(|(sg, id)| self.module.subgraph(sg).tensor(id).label());
            let kinds = uses.iter().map(|u| self.module.subgraph(u.sg).op(u.op).kind.name());
            let names: Vec<&str> = labels.chain(kinds).collect();
            let globs = names.iter().flat_map(|name| keep.matches(name));
            let globs: IndexSet<usize> = globs.collect();
            if !idle.is_empty() {
                known.extend(names.into_iter().map(str::to_owned));
            }
            idle.retain(|glob| !globs.contains(glob));
            let found = globs.first().copied();
            if let Some(glob) = found {
                let message = format!("keep={} names it", self.pass.keep.0[glob]);
                self.leave(session, uses, "kept", message, Vec::new());
            }
            found.is_none()
        });
        let idle: Vec<IdlePattern> = idle
            .into_iter()
            .map(|glob| {
                let pattern = self.pass.keep.0[glob].clone();
                let part = || {
                    let is_part = known.iter().any(|name| name.contains(&pattern));
                    is_part.then(|| format!("*{pattern}*"))
                };
                let whole = closest(&pattern, known.iter().map(String::as_str));
                IdlePattern { meant: whole.map(str::to_owned).or_else(part), pattern }
            })
            .collect();
        for IdlePattern { pattern, .. } in &idle {
            let message =
                "no weight that would be quantised has the name, and no op that reads one";
            session.note("no such name", format!("keep={pattern}"), message);
        }
        if !idle.is_empty() {
            session.produce(IdlePatterns(idle));
        }
    }

    /// Tells of weights that are small already, so that nobody wonders why they stay.
    fn tell_of_quantised(&self, sg: SubgraphId, op: OpId, session: &Session<'_>) {
        let graph = self.module.subgraph(sg);
        for slot in self.target.weight_slots(graph, op) {
            let Some(id) = graph.operand(op, slot) else { continue };
            let (dequantize, codes) = in_front_of_dequantize(graph, id);
            let (densify, stored) = in_front_of_densify(graph, codes);
            let ty = graph.tensor(stored).ty;
            if ty == ElementType::Float32 || self.module.constant(sg, stored).is_none() {
                continue;
            }
            let how = match (densify.is_some(), dequantize.is_some()) {
                (true, true) => ", stored sparse behind a DENSIFY and a Dequantize",
                (true, false) => ", stored sparse behind a DENSIFY",
                (false, true) => ", behind a Dequantize",
                (false, false) => "",
            };
            let rule = match ty {
                ElementType::Float16 => ALREADY_FLOAT16,
                _ => ALREADY_QUANTISED,
            };
            let message = format!("it is {ty} in the input{how}");
            let read = WeightUse { sg, op, slot, tensor: stored };
            self.leave(session, &[read], rule, message, Vec::new());
        }
    }

    /// Whether every tensor on the buffer can change together. If one had to stay float32, the
    /// float bytes would stay in the file beside the quantised ones.
    fn convertible(
        &self,
        buffer: BufferId,
        uses: &[WeightUse],
        shown: &[(SubgraphId, TensorId)],
        session: &Session<'_>,
    ) -> bool {
        let named = self.module.metadata_uses(buffer) > 0;
        let reason = named
            .then_some(("shared", "metadata refers to its buffer".to_owned()))
            .or_else(|| shown.iter().find_map(|(sg, id)| self.obstacle(*sg, *id, uses[0])));
        let Some((rule, message)) = reason else { return true };
        self.leave(session, uses, rule, message, Vec::new());
        false
    }

    pub(super) fn obstacle(
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
            let (bytes, read) = (self.pass.r#type.bytes(), (first.sg, first.tensor, first.op));
            return Some(("sparse", sparse::why_it_stays(self.module, read, bytes)));
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
            let reader = self.module.op_place(sg, u.op);
            ("large bias", format!("{reader} reads it as a bias, which stays float32"))
        })
    }

    /// The plan for the form that most readers can take directly, among those that make the file
    /// smaller; or the one for which the runtime holds least, where that matters most.
    fn best(
        &self,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
        session: &Session<'_>,
    ) -> Option<Chosen> {
        let mut best: Option<Candidate> = None;
        let mut objections = Vec::new();
        // What speaks against the forms that would have come before it.
        let mut drawbacks = Vec::new();
        let mut alternatives = Vec::new();
        let mut passed_over = |form: &Form, why_not: &dyn fmt::Display| {
            if self.wants_plan {
                let (form, why_not) = (form.stored().to_string(), why_not.to_string());
                alternatives.push(Alternative { form, why_not });
            }
        };
        let mut candidates: VecDeque<Form> = self.candidates(uses).into();
        while let Some(form) = candidates.pop_front() {
            // No form is read by more readers, and the first of those that are is the best.
            if best.as_ref().is_some_and(|best| best.is_read_by_all(uses, self.prefer)) {
                break;
            }
            let looked_at = form.clone();
            let plan = match self.candidate(uses, tensors, form) {
                Ok(plan) if best.as_ref().is_none_or(|best| plan.is_better(best, self.prefer)) => {
                    match self.spoiled(uses, tensors, &plan.form) {
                        Some(reason) => {
                            if uses.iter().any(|u| self.looks_up(u)) {
                                candidates.push_back(Form::Rows);
                            }
                            // Half the size is better than nothing.
                            candidates.push_back(Form::Float16 { non_finite: NonFinite::Refuse });
                            Err(Objection::Spoiled(reason))
                        }
                        None => Ok(plan),
                    }
                }
                other => other,
            };
            match plan {
                Ok(plan) => match &best {
                    Some(best) if !plan.is_better(best, self.prefer) => {
                        passed_over(&looked_at, &"no reader takes it better");
                    }
                    _ => {
                        let worse = best.replace(plan);
                        if let Some(worse) = &worse {
                            let why = worse.drawback().unwrap_or("another costs less memory");
                            passed_over(&worse.form, &why);
                        }
                        drawbacks.extend(worse.and_then(|plan| plan.drawback().map(str::to_owned)));
                    }
                },
                Err(objection) => {
                    passed_over(&looked_at, &objection);
                    if best.is_none() {
                        drawbacks.push(objection.to_string());
                    }
                    objections.push(objection);
                }
            }
        }
        let Some(best) = best else {
            // What is least a matter of course says most.
            let objection = objections.into_iter().max_by_key(Objection::weight)?;
            let buffer = self.module.subgraph(tensors[0].0).tensor(tensors[0].1).buffer;
            let half = self.widened.is_some_and(|widened| widened.is_half(buffer));
            let rule = match objection {
                Objection::NoKernel(_) if half => ALREADY_FLOAT16,
                _ => objection.rule(),
            };
            self.leave(session, uses, rule, objection.to_string(), alternatives);
            return None;
        };
        let per_channel = self.pass.granularity == ScalesPer::Channel;
        let instead = match best.form {
            Form::PerTensor { .. } if per_channel => Some("one scale"),
            Form::Rows => Some("a scale per row"),
            Form::Float16 { .. } if self.pass.r#type == WeightType::Int8 => Some("float16"),
            _ => None,
        };
        let spoiled =
            objections.iter().find(|objection| matches!(objection, Objection::Spoiled(_)));
        let why = spoiled.map(Objection::to_string).or_else(|| drawbacks.into_iter().next());
        let note = instead.zip(why).map(|(instead, why)| format!("; {instead}: {why}"));
        Some(Chosen { plan: best, note, alternatives })
    }

    /// Forms in the order in which the user would like them.
    pub(super) fn candidates(&self, uses: &[WeightUse]) -> Vec<Form> {
        let mut axes: IndexSet<usize> = IndexSet::default();
        for u in uses {
            let graph = self.module.subgraph(u.sg);
            axes.extend(self.target.channel_axis(graph, u.op, u.slot));
            axes.extend(self.flow.axis(self.module, self.target, (u.sg, u.op, u.slot)));
        }
        let per_channel =
            axes.into_iter().map(|axis| Form::PerChannel { axis, rule: ScaleRule::Divide });
        let per_tensor = Form::PerTensor { rule: ScaleRule::Divide };
        match (self.pass.r#type, self.pass.granularity) {
            (WeightType::Float16, _) => vec![Form::Float16 { non_finite: NonFinite::Refuse }],
            (_, ScalesPer::Channel) => per_channel.chain([per_tensor]).collect(),
            (_, ScalesPer::Tensor) => [per_tensor].into_iter().chain(per_channel).collect(),
        }
    }

    pub(super) fn asymmetric(
        &self,
        uses: &[WeightUse],
        plan: &Candidate,
    ) -> Vec<(SubgraphId, OpId, bool)> {
        if matches!(plan.form, Form::Float16 { .. }) {
            return Vec::new();
        }
        let stored = plan.form.stored();
        let direct = uses.iter().zip(&plan.direct).filter(|(_, direct)| **direct);
        let mut found = just_one();
        found.extend(
            direct.filter_map(|(u, _)| Some((u.sg, u.op, self.asymmetric_flag(u, &stored)?))),
        );
        found
    }

    /// What the attribute becomes on an op that reads the codes, if it has it.
    pub(super) fn asymmetric_flag(&self, u: &WeightUse, stored: &WeightForm) -> Option<bool> {
        let graph = self.module.subgraph(u.sg);
        let facts = self.target.facts_of(graph, u.op).filter(|facts| facts.asymmetric_attr);
        facts.and_then(|_| graph.op(u.op).bool(ASYMMETRIC))?;
        // An older runtime may know the kernel with symmetric activations only.
        let wanted = self.pass.granularity == ScalesPer::Channel;
        Some(wanted && self.target.may_be_asymmetric(u.operand(self.module), stored))
    }

    /// What the user said against the target, for the ops that it concerns.
    fn verdicts(&self, groups: &[Group]) -> Vec<NotedVerdict> {
        let mut found = Vec::new();
        let mut seen = IndexSet::default();
        for (u, group) in groups.iter().flat_map(|g| g.uses.iter().map(move |u| (u, g))) {
            if !seen.insert((u.sg, u.op)) {
                continue;
            }
            let kind = &self.module.subgraph(u.sg).op(u.op).kind;
            let custom = self.pass.custom_ops.get(kind).filter(|custom| custom.hybrid);
            let said = |text: &str| (Cause::Said, text.to_owned());
            let (kind, (cause, reason), slots) = if !self.pass.hybrid {
                ("dequantize", said("hybrid=off"), Vec::new())
            } else if self.pass.deny.contains(kind) {
                ("dequantize", said("the op is denied"), Vec::new())
            } else if let Some(custom) = custom {
                ("hybrid", said("custom-ops says so"), custom.weights.clone())
            } else if group.is_read {
                continue;
            } else if let Some(declined) = self.declining_reader(u, &group.form) {
                ("dequantize", declined, Vec::new())
            } else {
                continue;
            };
            found.push(NotedVerdict { sg: u.sg, op: u.op, kind, reason, cause, slots });
        }
        found
    }

    fn declining_reader(&self, u: &WeightUse, form: &Form) -> Option<(Cause, String)> {
        let stored = form.stored();
        // What kernels can do takes longer to find out than that nobody is against it.
        if !self.fast.has(u.sg, u.op) && self.exact_activations(u, &stored).is_none() {
            return None;
        }
        match self.target.hybrid(u.operand(self.module), &stored) {
            tfq_target::Verdict::Hybrid { delegated } => self.declined(u, &stored, delegated),
            tfq_target::Verdict::Dequantize { .. } => None,
        }
    }
}
