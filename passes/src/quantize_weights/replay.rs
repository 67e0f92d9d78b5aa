//! Follows a plan that was made before.

use super::QuantizeWeights;
use super::candidate::Candidate;
use super::form::{Cause, Form, Group, NotedVerdict, Selection, WeightUse};
use super::legacy;
use super::options::Compat;
use super::reading::Select;
use super::weight_plan::{PlannedConstant, PlannedReader, Reads, WeightPlan};
use super::widened::Widened;
use tfq_ir::maps::IndexSet;
use tfq_ir::{BufferId, ElementType, Module, OpId, SubgraphId, TensorId, visible};
use tfq_numeric::{NonFinite, ScaleRule};
use tfq_pass::{OptionValue, PassError, Session};
use tfq_target::Granularity;

/// What the plan says, for the model that it was made for.
pub(super) fn select(
    pass: &QuantizeWeights,
    session: &Session<'_>,
    widened: Option<&Widened>,
    plan: &WeightPlan,
) -> Result<Selection, PassError> {
    let misfit = |what| PassError::Unsupported(format!("the plan cannot be followed: {what}"));
    if let Some(what) = plan.misfit() {
        return Err(misfit(what));
    }
    let (made, own) = (&plan.compat, pass.compat.text());
    if *made != own {
        return Err(misfit(format!("it was made with compat={made}, and this is compat={own}")));
    }
    let select = Select::new(pass, session, widened);
    let follow = Follow { tensors: tensors(select.module), ops: ops(select.module), select };
    match pass.compat {
        Compat::None => follow.all(plan).map_err(misfit),
        Compat::Toco => follow.of_legacy(legacy::select(pass, session), plan).map_err(misfit),
    }
}

fn tensors(module: &Module) -> Vec<Vec<TensorId>> {
    module.subgraphs().map(|(_, graph)| graph.tensors().collect()).collect()
}

/// By subgraph, in the order of their numbers.
pub(super) fn ops(module: &Module) -> Vec<Vec<OpId>> {
    module.subgraphs().map(|(_, graph)| graph.ops().collect()).collect()
}

/// A plan and the model that it is followed in.
struct Follow<'a> {
    select: Select<'a>,
    /// By subgraph, in the order of their numbers.
    tensors: Vec<Vec<TensorId>>,
    ops: Vec<Vec<OpId>>,
}

impl Follow<'_> {
    fn all(mut self, plan: &WeightPlan) -> Result<Selection, String> {
        let mut selection = Selection::default();
        let mut planned = IndexSet::default();
        for constant in &plan.constants {
            let Some((group, verdicts)) = self.group(constant)? else { continue };
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
        let hybrid = readers.filter(|reader| reader.reads == Reads::Hybrid);
        let hybrid: IndexSet<_> = hybrid.filter_map(|reader| self.op_of(reader)).collect();
        let mut seen = IndexSet::default();
        selection.verdicts.retain(|noted| {
            let op = (noted.sg, noted.op);
            !hybrid.contains(&op) && seen.insert(op)
        });
        Ok(selection)
    }

    /// The choices of the legacy tool depend on nothing but the model; a plan can leave constants
    /// out.
    fn of_legacy(self, mut selection: Selection, plan: &WeightPlan) -> Result<Selection, String> {
        let mut planned: IndexSet<BufferId> = IndexSet::default();
        for constant in plan.constants.iter().filter(|constant| constant.is_narrowed()) {
            let (sg, id) = self.tensors_of(constant)?[0];
            planned.insert(self.select.module.subgraph(sg).tensor(id).buffer);
        }
        let buffer = |group: &Group| {
            let (sg, id) = group.tensors[0];
            self.select.module.subgraph(sg).tensor(id).buffer
        };
        selection.groups.retain(|group| planned.contains(&buffer(group)));
        Ok(selection)
    }

    fn group(
        &self,
        constant: &PlannedConstant,
    ) -> Result<Option<(Group, Vec<NotedVerdict>)>, String> {
        let tensors = self.tensors_of(constant)?;
        let (sg, id) = tensors[0];
        let module = self.select.module;
        let tensor = module.subgraph(sg).tensor(id);
        let name = visible(&constant.name);
        if constant.r#type == tensor.ty.name() {
            // A constant that came in another type is read however the kernels can.
            let stays = tensor.ty != ElementType::Float32
                || constant.axis.is_none()
                    && constant.readers.iter().all(|reader| reader.reads == Reads::Float32);
            return stays.then_some(None).ok_or_else(|| {
                format!("`{name}` stays {}: it has no axis, and all ops read float32", tensor.ty)
            });
        }
        if tensor.ty != ElementType::Float32 {
            return Err(format!("`{name}` is {} and cannot be {}", tensor.ty, constant.form()));
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
        let mut uses = Vec::new();
        let mut direct = Vec::new();
        let mut verdicts = Vec::new();
        for reader in &constant.readers {
            let u = self.reader(reader, constant, &tensors)?;
            match reader.reads {
                Reads::Hybrid => {
                    if let Err(why) = self.select.runs(&u, &form) {
                        let other = "an option of the run is against it";
                        let why = if why.is_empty() { other } else { &why };
                        let place = module.op_place(u.sg, u.op);
                        return Err(format!("{place} cannot read `{name}` as it is stored: {why}"));
                    }
                }
                // Whoever inserts it asks what the kernels can do where nobody says otherwise.
                Reads::Dequantize => {
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
            direct.push(reader.reads == Reads::Hybrid);
            uses.push(u);
        }
        let candidate = Candidate::chosen(form, direct);
        let asymmetric = self.select.asymmetric(&uses, &candidate);
        let (form, note) = (candidate.form, constant.why.as_ref().map(|why| format!("; {why}")));
        let alternatives = constant.alternatives.clone();
        Ok(Some((Group { tensors, uses, form, note, asymmetric, alternatives }, verdicts)))
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
        if constant.readers.iter().any(|reader| reader.reads == Reads::Hybrid) {
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
        tensors: &[(SubgraphId, TensorId)],
    ) -> Result<WeightUse, String> {
        let read = self.op_of(reader).and_then(|(sg, op)| {
            let graph = self.select.module.subgraph(sg);
            let is_so = graph.op(op).kind.name() == reader.kind;
            let tensor = graph.operand(op, reader.operand).filter(|_| is_so)?;
            tensors.contains(&(sg, tensor)).then_some(WeightUse {
                sg,
                op,
                slot: reader.operand,
                tensor,
            })
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
        let op = self.ops.get(reader.subgraph as usize)?.get(reader.op as usize)?;
        Some((SubgraphId(reader.subgraph), *op))
    }

    /// Those that the plan names, of this name and shape.
    fn tensors_of(
        &self,
        constant: &PlannedConstant,
    ) -> Result<Vec<(SubgraphId, TensorId)>, String> {
        let find = |at: &super::weight_plan::PlannedTensor| {
            let id = self.tensors.get(at.subgraph as usize)?.get(at.tensor as usize)?;
            Some((SubgraphId(at.subgraph), *id))
        };
        let found: Option<Vec<_>> = constant.tensors.iter().map(find).collect();
        let fits = |found: &Vec<(SubgraphId, TensorId)>| {
            let (sg, id) = *found.first()?;
            let module = self.select.module;
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
