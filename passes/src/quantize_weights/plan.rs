//! What a form of a constant would mean: who reads it, what it costs.

use super::select::{Form, Select, WeightUse};
use indexmap::IndexSet;
use std::fmt;
use tfq_ir::{SubgraphId, TensorId};
use tfq_target::{Prefer, Reading, WeightForm};

/// A form that can be used.
pub(super) struct Plan {
    pub(super) form: Form,
    /// How many readers need no Dequantize in front.
    direct: usize,
    /// Why some reader needs one, where that is not for what the user said.
    obstacle: Option<String>,
    /// Bytes that the runtime holds for it, where that is known.
    held: Option<u64>,
}

/// Why a form is not used.
pub(super) enum Refusal {
    /// Some reader can take it neither directly nor behind a Dequantize.
    NoKernel(String),
    /// The file would not get smaller.
    NoGain { scales: u64 },
    /// The user or the target would rather have float32.
    Preferred(String),
}

impl Plan {
    /// Why a plan in which fewer readers need a Dequantize is better.
    pub(super) fn drawback(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    /// Whether it is to be used instead of one that would come before it.
    pub(super) fn is_better(&self, than: &Self, prefer: Prefer) -> bool {
        match (prefer, self.held, than.held) {
            (Prefer::Ram, Some(own), Some(other)) if own != other => own < other,
            _ => self.direct > than.direct,
        }
    }
}

impl Refusal {
    /// The heading under which it is counted.
    pub(super) fn rule(&self) -> &'static str {
        match self {
            Self::NoKernel(_) => "no kernel",
            Self::NoGain { .. } => "no gain",
            Self::Preferred(_) => "better float32",
        }
    }

    /// Which of several to tell.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::NoKernel(_) => 0,
            Self::NoGain { .. } => 1,
            Self::Preferred(_) => 2,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKernel(reason) | Self::Preferred(reason) => f.write_str(reason),
            Self::NoGain { scales: 0 | 1 } => {
                f.write_str("scales and Dequantize would cost more bytes than the weights save")
            }
            Self::NoGain { scales } => {
                write!(f, "{scales} scales would cost more bytes than the weights save")
            }
        }
    }
}

impl Select<'_> {
    /// What the form would mean for the readers, or why it is not used.
    pub(super) fn plan(
        &self,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
        form: Form,
    ) -> Result<Plan, Refusal> {
        let (sg, id) = tensors[0];
        let tensor = self.module.subgraph(sg).tensor(id);
        let stored = form.stored();
        let readings: Vec<Result<bool, String>> =
            uses.iter().map(|u| self.reads(u, &form)).collect();
        let direct = readings.iter().filter(|reading| reading.is_ok()).count();
        let dequantized = self.dequantized(uses, &readings, tensors);
        if dequantized > 0 && !self.target.dequantize_supports(stored.ty, stored.granularity) {
            return Err(Refusal::NoKernel(no_kernel(&stored, &readings)));
        }
        if let Form::PerChannel { axis, .. } | Form::StatedRanges { axis, .. } = &form
            && tensor.shape.get(*axis).is_none_or(|channels| *channels <= 0)
        {
            return Err(Refusal::NoKernel(format!("it has no dimension {axis}")));
        }
        let scales = scales(&form, &tensor.shape);
        // Costs in bytes: 4 a scale and 8 a zero point, the tables around them, and for a
        // Dequantize its op, its tensor and two names.
        let elements = tensor.elements().unwrap_or(0);
        let float16 = matches!(form, Form::Float16 { .. });
        let saved = if float16 { 2 * elements } else { 3 * elements };
        let parameters = if scales == 0 { 0 } else { 12 * scales + 48 * tensors.len() as u64 };
        let cost = parameters + dequantized * (200 + 2 * tensor.label().len() as u64);
        if saved <= cost {
            return Err(Refusal::NoGain { scales });
        }
        let held = self.held(uses, &readings, &stored);
        self.refuse_costly(uses, dequantized > 0, held, &readings)?;
        let obstacle = readings.into_iter().filter_map(Result::err).find(|why| !why.is_empty());
        Ok(Plan { form, direct, obstacle, held })
    }

    /// How many Dequantize ops there would be.
    fn dequantized(
        &self,
        uses: &[WeightUse],
        readings: &[Result<bool, String>],
        tensors: &[(SubgraphId, TensorId)],
    ) -> u64 {
        let mut in_front: IndexSet<SubgraphId> = IndexSet::new();
        let mut behind = 0;
        for (u, reading) in uses.iter().zip(readings) {
            let graph = self.module.subgraph(u.sg);
            match reading {
                Err(_) => {
                    in_front.insert(u.sg);
                }
                // One that copies codes has its Dequantize behind it.
                Ok(_) if self.target.facts_of(graph, u.op).is_some_and(|f| f.pass_through) => {
                    behind += 1;
                }
                Ok(_) => (),
            }
        }
        for &(sg, id) in tensors {
            let graph = self.module.subgraph(sg);
            let known =
                |r: &tfq_ir::Use| uses.iter().any(|u| (u.sg, u.op, u.slot) == (sg, r.op, r.slot));
            if graph.is_output(id) || !graph.uses(id).iter().all(known) {
                in_front.insert(sg);
            }
        }
        in_front.len() as u64 + behind
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
            self.target.held_bytes(self.module, u.sg, u.op, u.slot, reading, stored, delegated)
        });
        held.sum()
    }

    fn refuse_costly(
        &self,
        uses: &[WeightUse],
        dequantized: bool,
        held: Option<u64>,
        readings: &[Result<bool, String>],
    ) -> Result<(), Refusal> {
        let float32 =
            WeightForm::new(tfq_ir::ElementType::Float32, tfq_target::Granularity::Unscaled);
        let as_float = uses.iter().map(|u| {
            let reading = Reading::Float32;
            self.target.held_bytes(self.module, u.sg, u.op, u.slot, reading, &float32, false)
        });
        let why = readings.iter().find_map(|reading| reading.as_ref().err());
        let why =
            why.filter(|why| !why.is_empty()).map_or(String::new(), |why| format!(" ({why})"));
        match self.prefer {
            Prefer::Ram => match (held, as_float.sum::<Option<u64>>()) {
                (Some(held), Some(float)) if held <= float => Ok(()),
                (Some(held), Some(float)) => Err(Refusal::Preferred(format!(
                    "prefer=ram: the runtime would hold {held} bytes for it, and {float} as \
                     float32{why}"
                ))),
                _ if dequantized => Err(Refusal::Preferred(format!(
                    "prefer=ram: it is not known what the runtime would hold behind a Dequantize{why}"
                ))),
                _ => Ok(()),
            },
            Prefer::Latency if dequantized && !self.target.keeps_dequantized() => {
                Err(Refusal::Preferred(format!(
                    "prefer=latency: the runtime would dequantise it in every invocation{why}"
                )))
            }
            Prefer::Latency | Prefer::Size => Ok(()),
        }
    }
}

fn scales(form: &Form, shape: &[i32]) -> u64 {
    match form {
        Form::Float16 { .. } => 0,
        Form::PerTensor { .. } => 1,
        Form::PerChannel { axis, .. } | Form::StatedRanges { axis, .. } => {
            shape.get(*axis).map_or(0, |channels| (*channels).max(0) as u64)
        }
    }
}

fn no_kernel(stored: &WeightForm, readings: &[Result<bool, String>]) -> String {
    let told = readings.iter().find_map(|reading| reading.as_ref().err());
    match told.filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("{reason}; and the target has no Dequantize for {stored}"),
        None => format!("the target has no Dequantize for {stored}"),
    }
}
