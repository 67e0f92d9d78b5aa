//! Writes down what was decided.

use super::encode::Encoded;
use super::form::{Form, Group, Left, NotedVerdict, Selection, WeightUse};
use super::reading::Select;
use super::weight_plan::{
    Alternative, PlannedConstant, PlannedReader, PlannedTensor, Reads, WeightPlan,
};
use indexmap::map::Entry;
use tfq_ir::maps::{HashMap, IndexMap};
use tfq_ir::{BufferId, ElementType, Module, OpId, SubgraphId, TensorId};
use tfq_numeric::{
    ChannelLayout, F32View, OffsetParams, f16_snr_db, offset_error, quantization_error,
};
use tfq_pass::OptionValue;
use tfq_target::Reading;

/// The numbers that tensors and ops have in a model.
pub(super) struct ModelNumbers {
    tensors: HashMap<(SubgraphId, TensorId), u32>,
    pub(super) ops: HashMap<(SubgraphId, OpId), u32>,
}

impl ModelNumbers {
    pub(super) fn of(module: &Module) -> Self {
        let (mut tensors, mut ops) = (HashMap::default(), HashMap::default());
        for (sg, graph) in module.subgraphs() {
            tensors.extend(graph.tensors().zip(0..).map(|(id, n)| ((sg, id), n)));
            ops.extend(graph.ops().zip(0..).map(|(op, n)| ((sg, op), n)));
        }
        Self { tensors, ops }
    }
}

impl Select<'_> {
    /// What is known of every constant before any is encoded: those of the groups in their order,
    /// then those that are left.
    pub(super) fn plan_of_all(&self, selection: &Selection) -> WeightPlan {
        let numbers = ModelNumbers::of(self.module);
        let noted = selection.verdicts.iter().map(|noted| ((noted.sg, noted.op), noted));
        let noted: HashMap<_, _> = noted.collect();
        let decided = selection.groups.iter().map(|group| self.decided(group, &noted, &numbers));
        // One that several ops read may be left at each of them.
        let mut left: IndexMap<BufferId, PlannedConstant> = IndexMap::default();
        for one in &selection.left {
            let (sg, id) = one.tensors[0];
            let constant = self.left_alone(one, &numbers);
            match left.entry(self.module.subgraph(sg).tensor(id).buffer) {
                Entry::Vacant(vacant) => _ = vacant.insert(constant),
                Entry::Occupied(mut known) => known.get_mut().readers.extend(constant.readers),
            }
        }
        let (compat, constants) = (self.pass.compat.text(), decided.chain(left.into_values()));
        let constants = constants.collect();
        WeightPlan { constants, ..WeightPlan::new(self.target.name(), self.prefer.name(), &compat) }
    }

    fn decided(
        &self,
        group: &Group,
        noted: &HashMap<(SubgraphId, OpId), &NotedVerdict>,
        numbers: &ModelNumbers,
    ) -> PlannedConstant {
        let (sg, id) = group.tensors[0];
        let tensor = self.module.subgraph(sg).tensor(id);
        let stored = group.form.stored();
        let elements = tensor.elements().unwrap_or(0);
        let readers = group.uses.iter().map(|u| {
            let noted = noted.get(&(u.sg, u.op));
            let (delegated, why) = match (noted, self.reads(u, &group.form)) {
                (Some(noted), _) if noted.kind == "dequantize" => {
                    (None, Some(noted.reason.clone()))
                }
                (Some(_), reading) => (Some(reading.unwrap_or(false)), None),
                (_, Ok(delegated)) => (Some(delegated), None),
                (_, Err(why)) => (None, Some(why).filter(|why| !why.is_empty())),
            };
            let reads = if delegated.is_some() { Reads::Hybrid } else { Reads::Dequantize };
            let speed = delegated.and_then(|delegated| {
                self.target.speed(u.operand(self.module), &stored, delegated)
            });
            let delegated = delegated.unwrap_or_else(|| self.is_delegated_as_float(u));
            PlannedReader {
                time: speed.map(|speed| speed.times),
                ..self.reader(u, reads, Some(delegated), why, numbers)
            }
        });
        let readers: Vec<PlannedReader> = readers.collect();
        let held = group.uses.iter().zip(&readers).map(|(u, reader)| {
            let (reading, delegated) = match reader.reads {
                Reads::Hybrid => (Reading::Hybrid, reader.runs_on.as_deref() == Some("xnnpack")),
                Reads::Float32 | Reads::Dequantize => (Reading::Dequantize, false),
            };
            self.target.held_bytes(u.operand(self.module), reading, &stored, delegated)
        });
        let rule = match &group.form {
            Form::Float16 { .. } => "float16",
            Form::PerTensor { .. } => "one scale",
            Form::PerChannel { .. } => "a scale per channel",
            Form::Rows => "a scale per row",
            Form::Offset { .. } => "zero points",
            Form::StatedRanges { .. } => "stated ranges",
        };
        // A note begins with the form that the rule names.
        let note = group.note.as_deref().map(|note| {
            let note = note.trim_start_matches("; ");
            let reason = note.strip_prefix(rule).and_then(|rest| rest.strip_prefix(": "));
            reason.unwrap_or(note).to_owned()
        });
        PlannedConstant {
            r#type: stored.ty.name().to_owned(),
            axis: group.form.axis(),
            zero_points: matches!(group.form, Form::Offset { .. }),
            bytes: elements * group.form.bytes_per_element(),
            held: held.sum(),
            rule: rule.to_owned(),
            why: note,
            readers,
            alternatives: group.alternatives.clone(),
            ..self.constant(&group.tensors, numbers)
        }
    }

    fn left_alone(&self, left: &Left, numbers: &ModelNumbers) -> PlannedConstant {
        let stored = self.module.subgraph(left.tensors[0].0).tensor(left.tensors[0].1).ty;
        let readers = left.uses.iter().map(|u| {
            let delegated = self.is_delegated_as_float(u);
            let reads = if stored == ElementType::Float32 { Reads::Float32 } else { Reads::Hybrid };
            let runs = (stored == ElementType::Float32).then_some(delegated);
            self.reader(u, reads, runs, None, numbers)
        });
        PlannedConstant {
            rule: left.rule.to_owned(),
            why: Some(left.message.clone()),
            readers: readers.collect(),
            alternatives: left.alternatives.clone(),
            ..self.constant(&left.tensors, numbers)
        }
    }

    /// What does not depend on what is decided.
    fn constant(
        &self,
        tensors: &[(SubgraphId, TensorId)],
        numbers: &ModelNumbers,
    ) -> PlannedConstant {
        let (sg, id) = tensors[0];
        let tensor = self.module.subgraph(sg).tensor(id);
        let bytes = self.module.constant(sg, id).map_or(0, |bytes| bytes.len() as u64);
        let number = |at: &(SubgraphId, TensorId)| PlannedTensor {
            subgraph: at.0.0,
            tensor: numbers.tensors[at],
        };
        PlannedConstant {
            name: tensor.label().to_owned(),
            shape: tensor.shape.to_vec(),
            r#type: tensor.ty.name().to_owned(),
            axis: None,
            zero_points: false,
            bytes_before: bytes,
            bytes,
            held: None,
            snr_db: None,
            rule: String::new(),
            why: None,
            tensors: tensors.iter().map(number).collect(),
            readers: Vec::new(),
            alternatives: Vec::new(),
        }
    }

    fn reader(
        &self,
        u: &WeightUse,
        reads: Reads,
        delegated: Option<bool>,
        why: Option<String>,
        numbers: &ModelNumbers,
    ) -> PlannedReader {
        let graph = self.module.subgraph(u.sg);
        let runs_on = delegated.map(|delegated| if delegated { "xnnpack" } else { "cpu" });
        PlannedReader {
            subgraph: u.sg.0,
            op: numbers.ops[&(u.sg, u.op)],
            kind: graph.op(u.op).kind.name().to_owned(),
            operand: u.slot,
            reads,
            runs_on: runs_on.map(str::to_owned),
            time: None,
            why,
        }
    }

    fn is_delegated_as_float(&self, u: &WeightUse) -> bool {
        self.target.takes_as_float(self.module.subgraph(u.sg), u.op)
    }
}

impl PlannedConstant {
    /// Adds what the codes keep of the values.
    pub(super) fn encoded(&mut self, module: &Module, group: &Group, encoded: &Encoded) {
        self.snr_db = snr(module, group, encoded).filter(|snr| snr.is_finite());
    }

    /// It stays as it is after all.
    pub(super) fn refused(&mut self, rule: &str, message: &str) {
        self.alternatives.push(Alternative { form: self.form(), why_not: message.to_owned() });
        self.r#type = ElementType::Float32.name().to_owned();
        (self.axis, self.held, self.bytes) = (None, None, self.bytes_before);
        self.zero_points = false;
        (self.rule, self.why) = (rule.to_owned(), Some(message.to_owned()));
        for reader in &mut self.readers {
            (reader.reads, reader.why) = (Reads::Float32, None);
        }
    }
}

fn snr(module: &Module, group: &Group, encoded: &Encoded) -> Option<f64> {
    let (sg, id) = group.tensors[0];
    let shape = &module.subgraph(sg).tensor(id).shape;
    let shape: Vec<usize> = shape.iter().map(|dim| usize::try_from(*dim).unwrap_or(0)).collect();
    let elements: usize = shape.iter().product();
    let view = F32View::new(module.constant(sg, id)?.get(..4 * elements)?)?;
    if let Form::Float16 { .. } = group.form {
        return Some(f16_snr_db(view, &encoded.data));
    }
    let layout = match group.form.axis() {
        Some(axis) => ChannelLayout::new(&shape, axis)?,
        None => ChannelLayout::per_tensor(elements),
    };
    let quantization = encoded.quantization.as_ref()?;
    let scales = &quantization.scale;
    if let Form::Offset { .. } = group.form {
        let zero_points = quantization.zero_point.iter().map(|point| *point as i8).collect();
        let params = OffsetParams { scales: scales.clone(), zero_points };
        return Some(offset_error(view, layout, &encoded.data, &params).snr_db);
    }
    Some(quantization_error(view, layout, &encoded.data, scales).snr_db)
}
