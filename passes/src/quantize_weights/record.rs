//! Writes down what was decided.

use super::constants::shown;
use super::encode::Encoded;
use super::form::{Form, Group, Left, NotedVerdict, Selection, WeightUse};
use super::numbers::PlanNumbers;
use super::outcome::Stored;
use super::reading::Select;
use super::weight_plan::{
    Alternative, PlannedConstant, PlannedReader, PlannedTensor, Reads, WeightPlan,
};
use crate::stored::{in_front_of_dequantize, source};
use tfq_ir::maps::{HashMap, HashSet, IndexSet};
use tfq_ir::{BufferId, Module, OpId, SubgraphId, TensorId};
use tfq_numeric::{
    ChannelLayout, F32View, OffsetParams, f16_snr_db, offset_error, quantization_error,
};
use tfq_pass::{OptionValue, Session};

/// A tensor and its subgraph.
type At = (SubgraphId, TensorId);

/// What is written down is about the model that came, where that has it.
struct Record<'a> {
    select: &'a Select<'a>,
    /// As it is before anything is quantised; what is selected from may see more as constants.
    model: &'a Module,
    numbers: PlanNumbers<'a>,
}

impl Select<'_> {
    /// What is known of every constant before any is encoded: those of the groups in their order,
    /// then those that are left.
    pub(super) fn plan_of_all(&self, selection: &Selection, session: &Session<'_>) -> WeightPlan {
        let numbers = PlanNumbers::of(session.start());
        let record = Record { select: self, model: session.model(), numbers };
        let noted = selection.verdicts.iter().map(|noted| ((noted.sg, noted.op), noted));
        let noted: HashMap<_, _> = noted.collect();
        let buffer = |(sg, id): At| self.module.subgraph(sg).tensor(id).buffer;
        // One that several ops read may be left at each of them, or at some only.
        let mut known: IndexSet<BufferId> =
            selection.groups.iter().map(|group| buffer(group.tensors[0])).collect();
        let decided = selection.groups.iter().map(|group| record.decided(group, &noted));
        let mut constants: Vec<PlannedConstant> = decided.collect();
        let shown = shown(self.module);
        for left in &selection.left {
            let buffer = buffer(left.tensors[0]);
            if known.insert(buffer) {
                let tensors = shown.get(&buffer).unwrap_or(&left.tensors);
                constants.push(record.left_alone(left, tensors));
            }
        }
        let compat = self.pass.compat.text();
        WeightPlan { constants, ..WeightPlan::new(self.target.name(), self.prefer.name(), &compat) }
    }
}

impl Record<'_> {
    fn decided(
        &self,
        group: &Group,
        noted: &HashMap<(SubgraphId, OpId), &NotedVerdict>,
    ) -> PlannedConstant {
        let select = self.select;
        let (sg, id) = group.tensors[0];
        let stored = group.form.stored();
        let elements = select.module.subgraph(sg).tensor(id).elements().unwrap_or(0);
        let weights = group.uses.iter().map(|u| {
            let noted = noted.get(&(u.sg, u.op));
            let read = match (noted, select.reads(u, &group.form)) {
                (Some(noted), _) if noted.kind == "dequantize" => Err(noted.reason.clone()),
                (Some(_), reading) => Ok(reading.unwrap_or(false)),
                (_, reading) => reading,
            };
            match read {
                Ok(delegated) => {
                    let mut reader = self.reader(u, Reads::Hybrid);
                    let operand = u.operand(select.module);
                    reader.takes(select.target.speed(operand, &stored, delegated));
                    let runs_on = if delegated { "xnnpack" } else { "cpu" };
                    PlannedReader { runs_on: Some(runs_on.to_owned()), ..reader }
                }
                Err(why) => {
                    let why = Some(why).filter(|why| !why.is_empty());
                    PlannedReader { why, ..self.reader(u, Reads::Dequantize) }
                }
            }
        });
        let mut readers: Vec<PlannedReader> = weights.collect();
        let others = self.others(&group.tensors, &group.uses);
        readers.extend(others.iter().map(|u| self.reader(u, Reads::Dequantize)));
        let rule = group.form.rule();
        // A note begins with the form that the rule names.
        let note = group.note.as_deref().map(|note| {
            let note = note.trim_start_matches("; ");
            let reason = note.strip_prefix(rule).and_then(|rest| rest.strip_prefix(": "));
            reason.unwrap_or(note).to_owned()
        });
        let came = self.constant(&group.tensors, &readers);
        PlannedConstant {
            r#type: stored.ty.name().to_owned(),
            axis: group.form.axis(),
            zero_points: matches!(group.form, Form::Offset { .. }),
            bytes: elements * group.form.bytes_per_element(),
            rule: rule.to_owned(),
            why: note,
            readers,
            alternatives: group.alternatives.clone(),
            ..came
        }
    }

    fn left_alone(&self, left: &Left, tensors: &[At]) -> PlannedConstant {
        let others = self.others(tensors, &left.uses);
        let uses = left.uses.iter().chain(&others);
        let readers: Vec<_> = uses.map(|u| self.reader(u, Reads::Float32)).collect();
        let came = self.constant(tensors, &readers);
        PlannedConstant {
            rule: left.rule.to_string(),
            why: Some(left.message.clone()),
            readers,
            alternatives: left.alternatives.clone(),
            ..came
        }
    }

    /// What else reads the tensors, be it behind a Dequantize.
    fn others(&self, tensors: &[At], known: &[WeightUse]) -> Vec<WeightUse> {
        let known: HashSet<_> = known.iter().map(|u| (u.sg, u.op, u.slot)).collect();
        let mut found = Vec::new();
        for &(sg, tensor) in tensors {
            let graph = self.select.module.subgraph(sg);
            for read in graph.uses(tensor) {
                let made = graph.results(read.op);
                let float =
                    made.first().filter(|id| in_front_of_dequantize(graph, **id).0.is_some());
                let reads = match float {
                    Some(id) => graph.uses(*id),
                    None => [read].into_iter().collect(),
                };
                let reads = reads.into_iter().filter(|r| !known.contains(&(sg, r.op, r.slot)));
                found.extend(reads.map(|r| WeightUse { sg, op: r.op, slot: r.slot, tensor }));
            }
        }
        found
    }

    /// What does not depend on what is decided.
    fn constant(&self, tensors: &[At], readers: &[PlannedReader]) -> PlannedConstant {
        let (sg, id) = tensors[0];
        let tensor = self.select.module.subgraph(sg).tensor(id);
        let graph = self.model.subgraph(sg);
        let Stored { ty, axis, zero_points } = Stored::of(self.model, sg, id);
        let stored = self.model.constant(sg, source(graph, id));
        let bytes = stored.map_or(0, |bytes| bytes.len() as u64);
        let in_widened = self.select.widened.and_then(|widened| widened.bytes(tensor.buffer));
        let number = |at: &At| PlannedTensor {
            subgraph: self.numbers.subgraph(self.model, at.0),
            tensor: self.numbers.tensor(at.1),
        };
        PlannedConstant {
            name: tensor.label().to_owned(),
            shape: tensor.shape.to_vec(),
            r#type: ty.name().to_owned(),
            axis,
            zero_points,
            bytes_before: in_widened.or_else(|| self.came(tensors, readers)).unwrap_or(bytes),
            bytes,
            held: None,
            kept: None,
            snr_db: None,
            rule: String::new(),
            why: None,
            tensors: tensors.iter().map(number).collect(),
            readers: Vec::new(),
            alternatives: Vec::new(),
        }
    }

    /// Bytes of the constant in the model that came: of one of its tensors, or of what a reader had
    /// in its place.
    fn came(&self, tensors: &[At], readers: &[PlannedReader]) -> Option<u64> {
        let start = self.numbers.start();
        let bytes = |sg: SubgraphId, id: TensorId| {
            let graph = start.find_subgraph(sg)?;
            let id = graph.contains_tensor(id).then(|| source(graph, id))?;
            start.constant(sg, id).map(|bytes| bytes.len() as u64)
        };
        let read = |reader: &PlannedReader| {
            let (sg, op) = self.numbers.find_op(start, reader)?;
            let id = start.subgraph(sg).operand(op, reader.operand)?;
            bytes(sg, id)
        };
        let shown = |at: &At| {
            let sg = SubgraphId(self.numbers.subgraph(self.model, at.0));
            bytes(sg, at.1)
        };
        tensors.iter().find_map(shown).or_else(|| readers.iter().find_map(read))
    }

    fn reader(&self, u: &WeightUse, reads: Reads) -> PlannedReader {
        let graph = self.select.module.subgraph(u.sg);
        let results = graph.results(u.op);
        let result = results.first().filter(|_| !self.numbers.is_of_start(u.op));
        let result = result.map(|id| graph.tensor(*id).label().to_owned());
        PlannedReader {
            subgraph: self.numbers.subgraph(self.model, u.sg),
            op: self.numbers.op(u.op),
            kind: graph.op(u.op).kind.name().to_owned(),
            result,
            operand: u.slot,
            reads,
            runs_on: None,
            time: None,
            why: None,
        }
    }
}

impl PlannedConstant {
    /// Adds what the codes keep of the values.
    pub(super) fn encoded(&mut self, module: &Module, group: &Group, encoded: &Encoded) {
        self.snr_db = snr(module, group, encoded).filter(|snr| snr.is_finite());
    }

    /// It stays as it is after all, as the model has it.
    pub(super) fn refused(&mut self, stored: Stored, bytes: u64, rule: &str, message: &str) {
        self.alternatives.push(Alternative { form: self.form(), why_not: message.to_owned() });
        let Stored { ty, axis, zero_points } = stored;
        (self.axis, self.zero_points, self.bytes) = (axis, zero_points, bytes);
        self.r#type = ty.name().to_owned();
        (self.rule, self.why) = (rule.to_owned(), Some(message.to_owned()));
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
