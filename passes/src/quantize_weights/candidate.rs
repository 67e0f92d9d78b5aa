//! Forms that a constant could get: who would read each, and what it would cost.

use super::afford;
use super::form::{Form, WeightUse};
use super::options::MinElements;
use super::reading::Select;
use super::weight_plan::Alternative;
use crate::costs::{
    PER_DEQUANTIZE, PER_OP_KIND, PER_OWN_TENSOR, PER_RECORDED, PER_SCALE, PER_TENSOR,
};
use std::fmt;
use tfq_ir::maps::{HashSet, IndexSet};
use tfq_ir::{ElementType, Module, Numbers, OpId, SubgraphId, Tensor, TensorId, counted, grouped};
use tfq_pass::rewrite::FORBIDDEN;
use tfq_target::{Granularity, Objective, Reading, Spreaders, WeightForm};

/// A form that can be used.
pub(super) struct Candidate {
    pub(super) form: Form,
    /// Which readers need no Dequantize in front, in their order.
    pub(super) direct: Vec<bool>,
    /// Why some reader needs one, where that is not for what the user said.
    obstacle: Option<String>,
    /// Bytes that the runtime holds for it, where that matters and is known.
    held: Option<u64>,
}

/// The form that a constant gets.
pub(super) struct Chosen {
    pub(super) plan: Candidate,
    /// Why it is not the one that would have come first.
    pub(super) note: Option<String>,
    pub(super) alternatives: Vec<Alternative>,
}

/// Why a form is not used.
pub(super) enum Objection {
    /// Some reader can take it neither directly nor behind a Dequantize.
    NoKernel(String),
    /// Metadata forbids the Dequantize that it would need.
    Numbered(String),
    /// The file would not get smaller: for so many scales, and so many bytes by which float16
    /// biases beside it grow.
    NoGain { scales: u64, biases: u64 },
    /// The file would get smaller by less than a Dequantize with its record takes of it.
    LittleGain { gain: u64, cost: u64 },
    /// The user or the target would rather have float32.
    Preferred(String),
    /// Too little of the numbers would be left.
    Spoiled(String),
}

impl Candidate {
    /// One that somebody else chose.
    pub(super) fn chosen(form: Form, direct: Vec<bool>) -> Self {
        Self { form, direct, obstacle: None, held: None }
    }

    /// Why one in which fewer readers need a Dequantize is better.
    pub(super) fn drawback(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    fn direct_readers(&self) -> usize {
        self.direct.iter().filter(|direct| **direct).count()
    }

    /// Whether every reader reads it directly, and nothing else matters.
    pub(super) fn is_read_by_all(&self, uses: &[WeightUse], prefer: Objective) -> bool {
        self.direct_readers() == uses.len() && prefer != Objective::Ram
    }

    /// Whether it is to be used instead of one that would come before it.
    pub(super) fn is_better(&self, than: &Self, prefer: Objective) -> bool {
        match (prefer, self.held, than.held) {
            (Objective::Ram, Some(own), Some(other)) if own != other => own < other,
            _ => self.direct_readers() > than.direct_readers(),
        }
    }
}

impl Objection {
    /// The heading under which it is counted.
    pub(super) fn rule(&self) -> &'static str {
        match self {
            Self::NoKernel(_) => "no kernel",
            Self::Numbered(_) => FORBIDDEN,
            Self::NoGain { .. } | Self::LittleGain { .. } => "no gain",
            Self::Preferred(_) => "better float32",
            Self::Spoiled(_) => "too coarse",
        }
    }

    /// Which of several to tell.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::NoKernel(_) => 0,
            Self::NoGain { .. } | Self::LittleGain { .. } => 1,
            Self::Numbered(_) => 2,
            Self::Preferred(_) => 3,
            Self::Spoiled(_) => 4,
        }
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKernel(reason)
            | Self::Numbered(reason)
            | Self::Preferred(reason)
            | Self::Spoiled(reason) => f.write_str(reason),
            Self::NoGain { scales, biases } => {
                let scales = match scales {
                    0 | 1 => "scales and Dequantize".to_owned(),
                    scales => counted(*scales, "scale"),
                };
                match biases {
                    0 => write!(f, "{scales} would cost more bytes than the weights save"),
                    biases => write!(
                        f,
                        "{scales}, and {} by which its float16 bias grows as float32, would cost \
                         more than the weights save",
                        counted(*biases, "byte")
                    ),
                }
            }
            Self::LittleGain { gain, cost } => write!(
                f,
                "the file would be smaller by about {}, for a Dequantize that takes {} of it; \
                 prefer=size does it all the same",
                counted(*gain, "byte"),
                grouped(*cost)
            ),
        }
    }
}

impl Select<'_> {
    /// What the form would mean for the readers, or why it is not used.
    pub(super) fn candidate(
        &self,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
        form: Form,
    ) -> Result<Candidate, Objection> {
        let (sg, id) = tensors[0];
        let tensor = self.module.subgraph(sg).tensor(id);
        let stored = form.stored();
        let readings: Vec<Result<bool, String>> =
            uses.iter().map(|u| self.reads(u, &form)).collect();
        let direct = readings.iter().map(Result::is_ok).collect();
        let dequantized = self.dequantized(&form, uses, &readings, tensors);
        let there = self.widened.and_then(|widened| widened.readers(tensor.buffer)).unwrap_or(0);
        if dequantized > 0 && !self.target.dequantize_supports(stored.ty, stored.granularity) {
            return Err(Objection::NoKernel(no_kernel(&stored, &readings)));
        }
        let disturbed = self.disturbed(uses, &readings, &stored);
        if dequantized + disturbed > 0
            && let Some(forbidden) = no_more_ops(self.module)
        {
            let why = obstacle(&readings).map_or(String::new(), |why| format!("{why}, and "));
            return Err(Objection::Numbered(format!("{why}{forbidden}")));
        }
        if let Form::PerChannel { axis, .. } | Form::StatedRanges { axis, .. } = &form
            && tensor.shape.get(*axis).is_none_or(|channels| *channels <= 0)
        {
            return Err(Objection::NoKernel(format!("it has no dimension {axis}")));
        }
        let scales = scales(&form, &tensor.shape);
        let added = dequantized.saturating_sub(there);
        let keeps = self.target.keeps_dequantized();
        let (_, cost) = balance(&form, tensor, tensors.len(), (added, keeps));
        let saved = self.saved(tensor, form.bytes_per_element());
        let own = PER_OWN_TENSOR + tensor.label().len() as u64;
        let biases = self.bias_growth(uses.iter().map(|u| (u.sg, u.op)));
        let cost = cost + disturbed * own + biases;
        // Scales for channels may take a little more, where one scale for all would save something:
        // numbers that came sparse are nearly as small as codes, and lose the more by one scale.
        let with_one = cost.saturating_sub(PER_SCALE * scales.saturating_sub(1));
        let slack = match (&form, self.prefer) {
            (_, Objective::Size) => 0,
            (Form::PerChannel { .. }, _) if saved > with_one => {
                afford::part(tensor.elements().unwrap_or(0))
            }
            _ => 0,
        };
        // A small weight of a family goes with the large ones, or none of them could be read.
        if saved + slack <= cost && !uses.iter().any(|u| self.is_whole_family(u)) {
            return Err(Objection::NoGain { scales, biases });
        }
        if let Some(little) = self.little_gain(uses, tensors, &form, (saved, added)) {
            return Err(little);
        }
        if form == Form::Rows {
            // Float16 has its Dequantize behind a lookup, and this would have one of the whole table in
            // front. Where the user wants it there, either form has.
            let lookups = uses.iter().zip(&readings).filter(|(u, _)| self.looks_up(u));
            let mut refused = lookups.filter_map(|(_, reading)| reading.as_ref().err());
            if let Some(why) = refused.find(|why| !why.is_empty()) {
                return Err(Objection::NoKernel(why.clone()));
            }
            if let Some(dear) = self.rows_too_dear(uses, tensor, cost) {
                return Err(dear);
            }
        }
        let held = match self.prefer {
            Objective::Ram => self.held(uses, &readings, &stored),
            Objective::Size | Objective::Latency | Objective::Balanced => None,
        };
        self.refuse_costly(uses, dequantized > 0, held, &readings)?;
        let obstacle = obstacle(&readings).map(str::to_owned);
        Ok(Candidate { form, direct, obstacle, held })
    }

    /// What speaks against a small weight that nobody asked for: an op more, and the memory that its
    /// result takes, for less than the op takes of the file.
    fn little_gain(
        &self,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
        form: &Form,
        (saved, added): (u64, u64),
    ) -> Option<Objection> {
        if added == 0
            || self.pass.min_elements != MinElements::Auto
            || self.prefer == Objective::Size
            || uses.iter().any(|u| self.is_whole_family(u))
        {
            return None;
        }
        let (sg, id) = tensors[0];
        let tensor = self.module.subgraph(sg).tensor(id);
        let keeps = self.target.keeps_dequantized();
        let cost = added * dequantize_cost(tensor, keeps) + PER_OP_KIND;
        // One scale is for weights whose many scales are what costs.
        let several = self.candidates(uses).into_iter().next();
        let several = several.filter(|_| matches!(form, Form::PerTensor { .. }));
        let several = several.filter(|form| PER_SCALE * scales(form, &tensor.shape) <= cost);
        let judged = several.as_ref().unwrap_or(form);
        let (_, all) = balance(judged, tensor, tensors.len(), (added, keeps));
        let gain = saved.saturating_sub(all + PER_OP_KIND);
        (gain < cost).then_some(Objection::LittleGain { gain, cost })
    }

    /// How many bytes of a constant the file saves where elements take so many.
    pub(super) fn saved(&self, tensor: &Tensor, bytes_per_element: u64) -> u64 {
        let elements = tensor.elements().unwrap_or(0);
        let other = self.widened.and_then(|widened| widened.bytes(tensor.buffer));
        other.unwrap_or(4 * elements).saturating_sub(bytes_per_element * elements)
    }

    /// By how many bytes the file grows where float16 biases of these ops become float32.
    pub(super) fn bias_growth(&self, ops: impl Iterator<Item = (SubgraphId, OpId)>) -> u64 {
        let Some(widened) = self.widened else { return 0 };
        widened.bias_growth(&widened.biases_of(&widened.module, self.target, ops), &self.biases)
    }

    /// How many Dequantize ops there would be.
    fn dequantized(
        &self,
        form: &Form,
        uses: &[WeightUse],
        readings: &[Result<bool, String>],
        tensors: &[(SubgraphId, TensorId)],
    ) -> u64 {
        let mut in_front: IndexSet<SubgraphId> = IndexSet::default();
        let mut behind = 0;
        for (u, reading) in uses.iter().zip(readings) {
            let graph = self.module.subgraph(u.sg);
            match reading {
                Err(_) => {
                    in_front.insert(u.sg);
                }
                // One that copies codes has its Dequantize behind it.
                Ok(_)
                    if *form != Form::Rows
                        && self.target.facts_of(graph, u.op).is_some_and(|f| f.pass_through) =>
                {
                    behind += 1;
                }
                Ok(_) => (),
            }
        }
        let known: HashSet<_> = uses.iter().map(|u| (u.sg, u.op, u.slot)).collect();
        for &(sg, id) in tensors {
            let graph = self.module.subgraph(sg);
            let known = |r: tfq_ir::Use| known.contains(&(sg, r.op, r.slot));
            if graph.is_output(id) || !graph.all_uses(id, known) {
                in_front.insert(sg);
            }
        }
        in_front.len() as u64 + behind
    }

    /// How many readers would need a tensor of their own for the bytes.
    fn disturbed(
        &self,
        uses: &[WeightUse],
        readings: &[Result<bool, String>],
        stored: &WeightForm,
    ) -> u64 {
        let direct = uses.iter().zip(readings).filter(|(_, reading)| reading.is_ok());
        let spreaders = Spreaders::default();
        let disturbed = direct
            .filter(|(u, _)| self.target.is_disturbed(u.operand(self.module), stored, &spreaders));
        disturbed.count() as u64
    }

    /// Bytes that the runtime would hold.
    fn held(
        &self,
        uses: &[WeightUse],
        readings: &[Result<bool, String>],
        stored: &WeightForm,
    ) -> Option<u64> {
        let held = uses.iter().zip(readings).map(|(u, reading)| {
            let (reading, delegated) = match reading {
                Ok(delegated) => (Reading::Hybrid, *delegated),
                Err(_) => (Reading::Dequantize, false),
            };
            self.target.held_bytes(u.operand(self.module), reading, stored, delegated)
        });
        held.sum()
    }

    /// Refuses what costs more than float32 of what matters most.
    fn refuse_costly(
        &self,
        uses: &[WeightUse],
        dequantized: bool,
        held: Option<u64>,
        readings: &[Result<bool, String>],
    ) -> Result<(), Objection> {
        let told = || match obstacle(readings) {
            Some(why) => format!(" ({why})"),
            None => String::new(),
        };
        match self.prefer {
            Objective::Size | Objective::Balanced => Ok(()),
            Objective::Latency if dequantized && !self.target.keeps_dequantized() => {
                let cost = "the runtime would dequantise it in every invocation";
                Err(Objection::Preferred(format!("prefer=latency: {cost}{}", told())))
            }
            Objective::Latency => Ok(()),
            Objective::Ram => match (held, self.held_as_float(uses)) {
                (Some(held), Some(float)) if held <= float => Ok(()),
                (Some(held), Some(float)) => {
                    let cost = format!(
                        "the runtime would hold {} for it, and {} as float32",
                        counted(held, "byte"),
                        grouped(float)
                    );
                    Err(Objection::Preferred(format!("prefer=ram: {cost}{}", told())))
                }
                _ if dequantized => {
                    let cost = "it is not known what the runtime would hold behind a Dequantize";
                    Err(Objection::Preferred(format!("prefer=ram: {cost}{}", told())))
                }
                _ => Ok(()),
            },
        }
    }

    fn held_as_float(&self, uses: &[WeightUse]) -> Option<u64> {
        let float32 = WeightForm::new(ElementType::Float32, Granularity::Unscaled);
        let held = uses.iter().map(|u| {
            let reading = Reading::Float32;
            self.target.held_bytes(u.operand(self.module), reading, &float32, false)
        });
        held.sum()
    }
}

/// Why no Dequantize can be added, where metadata that it would make wrong forbids it.
pub(super) fn no_more_ops(module: &Module) -> Option<String> {
    let numbers = Numbers { ops: true, tensors: true, ..Numbers::default() };
    let (metadata, what) = module.numbered_by_metadata(numbers)?;
    let name = metadata.name;
    Some(format!("no Dequantize can be added: metadata `{name}` refers to {what} by number"))
}

/// Bytes that the form saves in the file, and those that its scales and Dequantize ops cost: so
/// many of these, of which the runtime may keep the results, as the file then says.
pub(super) fn balance(
    form: &Form,
    tensor: &Tensor,
    tensors: usize,
    (dequantized, keeps): (u64, bool),
) -> (u64, u64) {
    let scales = scales(form, &tensor.shape);
    let elements = tensor.elements().unwrap_or(0);
    let float16 = matches!(form, Form::Float16 { .. });
    let saved = if float16 { 2 * elements } else { 3 * elements };
    let parameters = if scales == 0 { 0 } else { PER_SCALE * scales + PER_TENSOR * tensors as u64 };
    (saved, parameters + dequantized * dequantize_cost(tensor, keeps))
}

/// What a Dequantize of the tensor takes of the file, with the record of what the runtime keeps.
fn dequantize_cost(tensor: &Tensor, keeps: bool) -> u64 {
    let record = if keeps { PER_RECORDED } else { 0 };
    PER_DEQUANTIZE + 2 * tensor.label().len() as u64 + record
}

/// Why some reader needs a Dequantize, where that is not for what the user said.
fn obstacle(readings: &[Result<bool, String>]) -> Option<&str> {
    let told = readings.iter().filter_map(|reading| reading.as_ref().err());
    told.map(String::as_str).find(|why| !why.is_empty())
}

fn scales(form: &Form, shape: &[i32]) -> u64 {
    match form {
        Form::Float16 { .. } => 0,
        Form::PerTensor { .. } | Form::Offset { axis: None } => 1,
        Form::Rows => shape.first().map_or(0, |rows| (*rows).max(0) as u64),
        Form::PerChannel { axis, .. }
        | Form::Offset { axis: Some(axis) }
        | Form::StatedRanges { axis, .. } => {
            shape.get(*axis).map_or(0, |channels| (*channels).max(0) as u64)
        }
    }
}

fn no_kernel(stored: &WeightForm, readings: &[Result<bool, String>]) -> String {
    match obstacle(readings) {
        Some(reason) => format!("{reason}; and the target has no Dequantize for {stored}"),
        None => format!("the target has no Dequantize for {stored}"),
    }
}
