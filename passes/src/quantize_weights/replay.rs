//! Follows a plan that was made before.

use super::QuantizeWeights;
use super::candidate::Candidate;
use super::constants::is_float_constant;
use super::form::{Cause, Form, Group, NotedVerdict, Selection, WeightUse};
use super::legacy;
use super::numbers::PlanNumbers;
use super::options::{Compat, MinElements, ScalesPer, WeightType};
use super::outcome::Stored;
use super::reading::Select;
use super::weight_plan::{PlannedConstant, PlannedReader, Reads, WeightPlan};
use super::widened::Widened;
use crate::stored::source;
use tfq_ir::maps::{IndexMap, IndexSet};
use tfq_ir::{BufferId, ElementType, Module, OpId, SubgraphId, TensorId, visible};
use tfq_numeric::{NonFinite, ScaleRule};
use tfq_pass::{OptionValue, PassError, Session};
use tfq_target::{Granularity, LegacyOp};

/// What the plan says, for the model that it was made for.
pub(super) fn select(
    pass: &QuantizeWeights,
    session: &Session<'_>,
    widened: Option<&Widened>,
    plan: &WeightPlan,
) -> Result<Selection, PassError> {
    let numbers = PlanNumbers::of(session.start());
    let follow = Follow { session, numbers, select: Select::new(pass, session, widened) };
    match pass.compat {
        Compat::None => follow.all(plan).map_err(misfit),
        Compat::Toco => follow.of_legacy(plan).map_err(misfit),
    }
}

/// The options with which the plan is followed: it says itself whose arithmetic it wants.
pub(super) fn options(
    pass: &QuantizeWeights,
    plan: &WeightPlan,
    session: &Session<'_>,
) -> Result<QuantizeWeights, PassError> {
    if let Some(what) = plan.misfit() {
        return Err(misfit(what));
    }
    let made = Compat::parse(&plan.compat)
        .map_err(|_| misfit(format!("its `compat` is `{}`", visible(&plan.compat))))?;
    if made == Compat::None {
        return match pass.compat {
            Compat::None => Ok(pass.clone()),
            Compat::Toco => {
                Err(misfit("it was made with compat=none, and this is compat=toco".to_owned()))
            }
        };
    }
    // What the plan leaves out is not looked at, however large it is.
    let pass =
        QuantizeWeights { compat: made, min_elements: MinElements::Number(0), ..pass.clone() };
    let narrow = |ty| plan.constants.iter().any(|constant| constant.r#type == ty);
    let r#type = if narrow("FLOAT16") { WeightType::Float16 } else { pass.r#type };
    let r#type = if narrow("INT8") { WeightType::Int8 } else { r#type };
    let numbers = PlanNumbers::of(session.start());
    // Where a channel could have a scale of its own, the plan says whether it has.
    let per_channel = plan.constants.iter().filter(|constant| constant.r#type == "INT8");
    let mut per_channel = per_channel.filter_map(|constant| {
        let (sg, op) = numbers.find_op(session.model(), constant.readers.first()?)?;
        let op = LegacyOp::of(&session.model().subgraph(sg).op(op).kind)?;
        op.channel_axis.map(|_| constant.axis.is_some())
    });
    let granularity = match per_channel.next() {
        Some(true) => ScalesPer::Channel,
        Some(false) => ScalesPer::Tensor,
        None => pass.granularity,
    };
    let mut readers = plan.constants.iter().flat_map(|constant| &constant.readers);
    let hybrid = pass.hybrid && readers.any(|reader| reader.reads.is_direct());
    Ok(QuantizeWeights { r#type, granularity, hybrid, ..pass })
}

fn misfit(what: String) -> PassError {
    PassError::Unsupported(format!("the plan cannot be followed: {what}"))
}

/// A tensor and its subgraph.
type At = (SubgraphId, TensorId);

/// A constant that gets another type.
struct GroupOf {
    group: Group,
    /// For ops that get a Dequantize.
    verdicts: Vec<NotedVerdict>,
    /// Ops among them that would read the codes otherwise.
    notes: Vec<(SubgraphId, OpId)>,
}

/// A plan and the model that it is followed in.
struct Follow<'a, 's> {
    session: &'a Session<'s>,
    select: Select<'a>,
    numbers: PlanNumbers<'a>,
}

impl Follow<'_, '_> {
    fn all(mut self, plan: &WeightPlan) -> Result<Selection, String> {
        let mut selection = Selection::default();
        let mut planned = IndexSet::default();
        let mut kept = IndexSet::default();
        let mut needed = IndexMap::default();
        for constant in &plan.constants {
            let Some(GroupOf { group, verdicts, notes }) = self.group(constant)? else {
                let (sg, id) = self.tensors_of(constant)?[0];
                kept.insert(self.select.module.subgraph(sg).tensor(id).buffer);
                self.keep(constant)?;
                continue;
            };
            needed.extend(notes.into_iter().map(|op| (op, constant)));
            if let Some(widened) = self.select.widened {
                let ops = group.uses.iter().map(|u| (u.sg, u.op));
                let biases = widened.biases_of(self.select.module, self.select.target, ops);
                self.select.biases.extend(biases);
            }
            let (sg, id) = group.tensors[0];
            if !planned.insert(self.select.module.subgraph(sg).tensor(id).buffer) {
                return Err(format!("`{}` is planned twice", visible(&constant.name)));
            }
            selection.groups.push(group);
            selection.verdicts.extend(verdicts);
        }
        // What is noted is about all weights of an op.
        let readers = plan.constants.iter().flat_map(|constant| &constant.readers);
        let hybrid = readers.filter(|reader| reader.reads.is_direct());
        let hybrid: IndexSet<_> = hybrid.filter_map(|reader| self.op_of(reader)).collect();
        if let Some(((sg, op), constant)) = needed.iter().find(|(op, _)| hybrid.contains(*op)) {
            let place = self.select.module.op_place(*sg, *op);
            let name = visible(&constant.name);
            return Err(format!(
                "{place} reads `{name}` behind a Dequantize, and so has to read all of its weights"
            ));
        }
        planned.extend(kept);
        self.leave_the_rest(&planned);
        selection.left = self.select.left.take();
        let mut seen = IndexSet::default();
        selection.verdicts.retain(|noted| {
            let op = (noted.sg, noted.op);
            !hybrid.contains(&op) && seen.insert(op)
        });
        Ok(selection)
    }

    /// The choices of the legacy tool depend on nothing but the model; a plan can leave constants
    /// out.
    fn of_legacy(self, plan: &WeightPlan) -> Result<Selection, String> {
        let mut planned: IndexMap<At, &PlannedConstant> = IndexMap::default();
        for constant in &plan.constants {
            let tensors = self.tensors_of(constant)?;
            if self.stored(&tensors).ty.name() != constant.r#type {
                planned.insert(tensors[0], constant);
            }
        }
        let is_planned = |group: &Group| planned.contains_key(&group.tensors[0]);
        let mut selection = legacy::select(self.select.pass, self.session, is_planned);
        for group in &selection.groups {
            let constant = planned.swap_remove(&group.tensors[0]).expect("it is wanted");
            let (stored, name) = (group.form.stored(), visible(&constant.name));
            if (stored.ty.name(), group.form.axis()) != (&*constant.r#type, constant.axis) {
                return Err(
                    self.not_toco(&format!("`{name}` is {stored}, not {}", constant.form()))
                );
            }
            for reader in &constant.readers {
                let op = self.op_of(reader);
                let is_weight =
                    |u: &WeightUse| (Some((u.sg, u.op)), u.slot) == (op, reader.operand);
                let verdict = |noted: &&NotedVerdict| Some((noted.sg, noted.op)) == op;
                let noted = selection.verdicts.iter().find(verdict);
                let Some(noted) = noted.filter(|_| group.uses.iter().any(is_weight)) else {
                    continue;
                };
                if (noted.kind == "dequantize") == reader.reads.is_direct() {
                    let place = self.select.module.op_place(noted.sg, noted.op);
                    let how = if reader.reads.is_direct() {
                        "behind a Dequantize"
                    } else {
                        "as it is stored"
                    };
                    return Err(self.not_toco(&format!("{place} reads `{name}` {how}")));
                }
            }
        }
        if let Some(constant) = planned.values().next() {
            let name = visible(&constant.name);
            return Err(self.not_toco(&format!("`{name}` is not quantised")));
        }
        let buffer = |group: &Group| {
            let (sg, id) = group.tensors[0];
            self.select.module.subgraph(sg).tensor(id).buffer
        };
        self.leave_the_rest(&selection.groups.iter().map(buffer).collect());
        selection.left = self.select.left.take();
        Ok(selection)
    }

    fn not_toco(&self, what: &str) -> String {
        format!(
            "with compat=toco {what}: such a plan can only leave constants out, and wants the \
             options (deny, custom-ops) that it was made with"
        )
    }

    /// How the constant is stored in the model.
    fn stored(&self, tensors: &[At]) -> Stored {
        let (sg, id) = tensors[0];
        Stored::of(self.session.model(), sg, id)
    }

    /// Tells why a constant of the plan stays as it is.
    fn keep(&self, constant: &PlannedConstant) -> Result<(), String> {
        let tensors = self.tensors_of(constant)?;
        // What is seen as float32 to be looked at stays behind its Dequantize.
        let model = self.session.model();
        let read = |reader| self.reader_in(model, reader, constant, &tensors);
        let uses = constant.readers.iter().map(read).collect::<Result<Vec<WeightUse>, String>>()?;
        // Where the plan was changed, the rule is still that of the other form.
        let is_form = Form::RULES.contains(&&*constant.rule);
        let (rule, why) = match (is_form, &constant.why) {
            (false, Some(why)) => (constant.rule.clone(), why.clone()),
            _ => ("as planned".to_owned(), "the plan says so".to_owned()),
        };
        if !uses.is_empty() {
            self.select.leave(self.session, &uses, rule, why, constant.alternatives.clone());
        }
        Ok(())
    }

    /// Tells of weights that the plan says nothing of.
    fn leave_the_rest(&self, planned: &IndexSet<BufferId>) {
        let module = self.select.module;
        let mut left: IndexMap<BufferId, Vec<WeightUse>> = IndexMap::default();
        for (sg, graph) in module.subgraphs() {
            for op in graph.ops() {
                for slot in self.select.slots(sg, op) {
                    let Some(tensor) = graph.operand(op, slot) else { continue };
                    let buffer = graph.tensor(tensor).buffer;
                    let stored = self.select.widened.and_then(|widened| widened.stored(buffer));
                    let is_planned =
                        [Some(buffer), stored].iter().flatten().any(|one| planned.contains(one));
                    if is_float_constant(module, sg, tensor) && !is_planned {
                        let u = WeightUse { sg, op, slot, tensor };
                        left.entry(buffer).or_default().push(u);
                    }
                }
            }
        }
        for uses in left.into_values() {
            let why = "the plan says nothing of it".to_owned();
            self.select.leave(self.session, &uses, "not in the plan", why, Vec::new());
        }
    }

    fn group(&self, constant: &PlannedConstant) -> Result<Option<GroupOf>, String> {
        let tensors = self.tensors_of(constant)?;
        let (sg, id) = tensors[0];
        let module = self.select.module;
        let tensor = module.subgraph(sg).tensor(id);
        let name = visible(&constant.name);
        let Stored { ty, axis, zero_points } = self.stored(&tensors);
        if constant.r#type == ty.name() {
            let is_float = ty == ElementType::Float32;
            let read = || constant.readers.iter().all(|reader| reader.reads == Reads::Float32);
            return match (constant.axis, constant.zero_points) == (axis, zero_points) {
                true if !is_float || read() => Ok(None),
                _ if is_float => {
                    Err(format!("`{name}` stays {ty}: it has no axis, and all ops read float32"))
                }
                _ => {
                    let came = PlannedConstant { axis, zero_points, ..constant.clone() };
                    Err(format!("`{name}` came as {} and stays so", came.form()))
                }
            };
        }
        // What came as float16 is float32 to look at where it can become something else.
        if tensor.ty != ElementType::Float32 || constant.r#type == "FLOAT32" {
            return Err(format!("`{name}` is {ty} and cannot be {}", constant.form()));
        }
        let Some(first) = constant.readers.first() else {
            return Err(format!("no op reads `{name}`, which is to be {}", constant.form()));
        };
        let first = self.reader(first, constant, &tensors)?;
        let obstacle = tensors.iter().find_map(|(sg, id)| self.select.obstacle(*sg, *id, first));
        if let Some((_, why)) = obstacle {
            return Err(format!("`{name}` stays as it is: {why}"));
        }
        if module.metadata_uses(tensor.buffer) > 0 {
            return Err(format!("`{name}` stays as it is: metadata refers to its buffer"));
        }
        if constant.zero_points {
            self.check_zero_points(constant)?;
        }
        let form = match (&*constant.r#type, constant.axis) {
            ("INT8", axis) if constant.zero_points => Form::Offset { axis },
            ("INT8", Some(0)) if self.is_read_by_rows(constant) => Form::Rows,
            ("INT8", None) => Form::PerTensor { rule: ScaleRule::Divide },
            ("INT8", Some(axis)) if axis < tensor.shape.len() => {
                Form::PerChannel { axis, rule: ScaleRule::Divide }
            }
            ("FLOAT16", None) => Form::Float16 { non_finite: NonFinite::Refuse },
            _ => return Err(format!("`{name}` cannot be {}", constant.form())),
        };
        let shown = |other: BufferId| other == tensor.buffer;
        let all = module.subgraphs().flat_map(|(sg, graph)| {
            graph
                .tensors()
                .filter(move |id| shown(graph.tensor(*id).buffer))
                .map(move |id| (sg, id))
        });
        if all.collect::<IndexSet<_>>() != tensors.iter().copied().collect::<IndexSet<_>>() {
            return Err(format!("other tensors show the bytes of `{name}`"));
        }
        let mut all = Vec::new();
        for reader in &constant.readers {
            all.push((reader, self.reader(reader, constant, &tensors)?));
        }
        let is_weight = |u: &WeightUse| self.select.slots(u.sg, u.op).contains(&u.slot);
        let no_weight = !all.iter().any(|(_, u)| is_weight(u));
        let mut uses = Vec::new();
        let mut direct = Vec::new();
        let mut verdicts = Vec::new();
        let mut notes = Vec::new();
        for (reader, u) in all {
            match reader.reads {
                Reads::Hybrid | Reads::Behind => {
                    if let Err(why) = self.select.runs(&u, &form) {
                        let other = "an option of the run is against it";
                        let why = if why.is_empty() { other } else { &why };
                        let place = module.op_place(u.sg, u.op);
                        return Err(format!("{place} cannot read `{name}` as it is stored: {why}"));
                    }
                }
                // To an op of which it is no weight nobody gives codes.
                Reads::Dequantize if !no_weight && !is_weight(&u) => continue,
                // Whoever inserts it asks what the kernels can do where nobody says otherwise.
                Reads::Dequantize => {
                    if self.select.runs(&u, &form).is_ok() {
                        notes.push((u.sg, u.op));
                    }
                    let reason = reader.why.clone().unwrap_or_else(|| "the plan says so".into());
                    let (kind, slots) = ("dequantize", Vec::new());
                    verdicts.push(NotedVerdict {
                        sg: u.sg,
                        op: u.op,
                        kind,
                        reason,
                        cause: Cause::Said,
                        slots,
                    });
                }
                Reads::Float32 => {
                    let what = "reads it as float32, and it is not to be stored so";
                    return Err(format!("an op of `{name}` {what}"));
                }
            }
            direct.push(reader.reads.is_direct());
            uses.push(u);
        }
        let candidate = Candidate::chosen(form, direct);
        let asymmetric = self.select.asymmetric(&uses, &candidate);
        let (form, note) = (candidate.form, constant.why.as_ref().map(|why| format!("; {why}")));
        let alternatives = constant.alternatives.clone();
        let group = Group { tensors, uses, form, note, is_read: false, asymmetric, alternatives };
        Ok(Some(GroupOf { group, verdicts, notes }))
    }

    /// Whether a lookup reads the codes, which one that copies them cannot with several scales.
    fn is_read_by_rows(&self, constant: &PlannedConstant) -> bool {
        let hybrid = constant.readers.iter().filter(|reader| reader.reads == Reads::Hybrid);
        let ops = hybrid.filter_map(|reader| self.op_of(reader));
        { ops }.any(|(sg, op)| self.select.copies(sg, op))
    }

    /// Nothing but a Dequantize computes with zero points.
    fn check_zero_points(&self, constant: &PlannedConstant) -> Result<(), String> {
        let name = visible(&constant.name);
        let granularity =
            constant.axis.map_or(Granularity::PerTensor, |axis| Granularity::PerChannel { axis });
        let fits = constant.axis.is_none_or(|axis| axis < constant.shape.len());
        if constant.r#type != "INT8" || !fits {
            return Err(format!("`{name}` cannot be {}", constant.form()));
        }
        if !self.select.target.dequantize_reads_zero_points(ElementType::Int8, granularity) {
            return Err(format!(
                "`{name}` has zero points, which no Dequantize of the target reads"
            ));
        }
        if constant.readers.iter().any(|reader| reader.reads.is_direct()) {
            return Err(format!(
                "`{name}` has zero points, which ops that read codes take to be 0"
            ));
        }
        Ok(())
    }

    fn reader(
        &self,
        reader: &PlannedReader,
        constant: &PlannedConstant,
        tensors: &[At],
    ) -> Result<WeightUse, String> {
        self.reader_in(self.select.module, reader, constant, tensors)
    }

    fn reader_in(
        &self,
        module: &Module,
        reader: &PlannedReader,
        constant: &PlannedConstant,
        tensors: &[At],
    ) -> Result<WeightUse, String> {
        let read = self.numbers.find_op(module, reader).and_then(|(sg, op)| {
            let graph = module.subgraph(sg);
            let is_so = graph.op(op).kind.name() == reader.kind;
            let read = graph.operand(op, reader.operand).filter(|_| is_so)?;
            let tensor =
                [read, source(graph, read)].into_iter().find(|id| tensors.contains(&(sg, *id)))?;
            Some(WeightUse { sg, op, slot: reader.operand, tensor })
        });
        read.ok_or_else(|| {
            let (subgraph, op, kind) = (reader.subgraph, reader.op, visible(&reader.kind));
            let name = visible(&constant.name);
            let operand = reader.operand;
            format!(
                "op {op} of subgraph {subgraph} is no {kind} that reads `{name}` as operand {operand}"
            )
        })
    }

    fn op_of(&self, reader: &PlannedReader) -> Option<(SubgraphId, OpId)> {
        self.numbers.find_op(self.select.module, reader)
    }

    /// Those that the plan names, of this name and shape.
    fn tensors_of(
        &self,
        constant: &PlannedConstant,
    ) -> Result<Vec<(SubgraphId, TensorId)>, String> {
        let module = self.select.module;
        let find = |at| self.numbers.find_tensor(module, at);
        let found: Option<Vec<At>> = constant.tensors.iter().map(find).collect();
        let fits = |found: &Vec<At>| {
            let (sg, id) = *found.first()?;
            let tensor = module.subgraph(sg).tensor(id);
            let same = tensor.label() == constant.name && *tensor.shape == *constant.shape;
            let is_there = module.constant(sg, id).is_some();
            (same && is_there).then_some(())
        };
        found.filter(|found| fits(found).is_some()).ok_or_else(|| {
            let (name, shape) = (visible(&constant.name), &constant.shape);
            format!(
                "the model has no constant `{name}` {shape:?} in its place: the plan is of another \
                 model"
            )
        })
    }
}
