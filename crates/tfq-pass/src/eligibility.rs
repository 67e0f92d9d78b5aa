//! Whether an op can read a quantised constant as it is: the analysis that passes and the
//! check before lowering share.

use crate::Context;
use std::borrow::Cow;
use tfq_ir::{Attr, ElementType, Module, OpId, SubgraphId};
use tfq_target::{Reading, Spreaders, Target, Verdict, WeightForm};

/// Note on an op that binds later passes: `hybrid`, `dequantize` or `pass-through`, whatever
/// the target says. Left by a pass that was told so by the user.
pub const HYBRID_NOTE: &str = "hybrid";
/// Why [`HYBRID_NOTE`] says what it says.
pub const REASON_NOTE: &str = "hybrid-reason";
/// Weight operands that [`HYBRID_NOTE`] is about, where the target does not know of them.
pub const SLOTS_NOTE: &str = "hybrid-slots";

/// What has to be done about a quantised constant that an op reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eligibility {
    /// Nothing: a kernel reads it.
    Hybrid {
        /// Whether XNNPACK takes the op.
        delegated: bool,
    },
    /// A kernel reads it, but not through a tensor that it shares with an op whose kernel changes
    /// the tensor's scale: it needs a tensor of its own for the same bytes.
    OwnTensor {
        /// Whom it must not share with, and what would happen, for a person.
        reason: String,
        /// Whether XNNPACK takes the op.
        delegated: bool,
    },
    /// The op copies codes: its result takes the constant's type and scale, and a Dequantize
    /// goes behind it.
    PassThrough,
    /// A Dequantize goes in front of the op.
    Dequantize {
        /// Why, for a person.
        reason: String,
    },
}

/// What it costs that an op reads a quantised constant as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of the constant in the file.
    pub file: u64,
    /// The same as float32.
    pub file_as_float: u64,
    /// Bytes that the runtime holds for it beside the file, for this reader; `None` where that
    /// is not known.
    pub held: Option<u64>,
    /// The same as float32.
    pub held_as_float: Option<u64>,
    /// Whether XNNPACK takes the op. Behind a Dequantize that is the op with float32 weights.
    pub delegated: bool,
}

/// What the verdict on a constant costs on the target.
pub fn cost(
    module: &Module,
    target: &Target,
    sg: SubgraphId,
    op: OpId,
    slot: u32,
    verdict: &Eligibility,
) -> Option<Cost> {
    let graph = module.subgraph(sg);
    let tensor = graph.tensor(graph.operand(op, slot)?);
    let elements = tensor.elements()?;
    let form = WeightForm::of(tensor);
    let (reading, delegated) = match verdict {
        Eligibility::Hybrid { delegated } | Eligibility::OwnTensor { delegated, .. } => {
            (Reading::Hybrid, *delegated)
        }
        Eligibility::PassThrough => (Reading::Hybrid, false),
        Eligibility::Dequantize { .. } => (Reading::Dequantize, target.takes_as_float(graph, op)),
    };
    let held = |reading| target.held_bytes(module, sg, op, slot, reading, &form, delegated);
    Some(Cost {
        file: module.constant(sg, graph.operand(op, slot)?).map_or(0, |bytes| bytes.len() as u64),
        file_as_float: ElementType::Float32.bytes_for(elements)?,
        held: held(reading),
        held_as_float: held(Reading::Float32),
        delegated,
    })
}

/// The verdict for the constant at an operand of an op, in the form that it has now.
///
/// A note on the op decides first. Then the target does: GATHER passes codes through where one
/// scale serves the whole table, since per-channel parameters do not fit the result (the loader
/// compares their number with the result's dimension).
pub fn eligibility(
    module: &Module,
    target: &Target,
    sg: SubgraphId,
    op: OpId,
    slot: u32,
    spreaders: &Spreaders,
) -> Eligibility {
    let graph = module.subgraph(sg);
    let node = graph.op(op);
    let weights = target.weight_slots(graph, op);
    let text = |note| match node.notes.get(note) {
        Some(Attr::String(text)) => Some(text.as_ref()),
        _ => None,
    };
    let noted = text(HYBRID_NOTE);
    let is_weight = weights.contains(&slot) || noted_slot(&node.notes, slot);
    let tensor = graph.operand(op, slot).map(|id| graph.tensor(id));
    // One scale serves the copied codes too; several belong to channels of the table.
    let copies = tensor.is_some_and(|t| t.scales() == 1 || t.ty == ElementType::Float16);
    match noted {
        Some("hybrid") if is_weight => return Eligibility::Hybrid { delegated: false },
        Some("pass-through") if is_weight && copies => return Eligibility::PassThrough,
        Some("dequantize") => {
            let reason = text(REASON_NOTE).unwrap_or("a pass decided so").to_owned();
            return Eligibility::Dequantize { reason };
        }
        _ => (),
    }
    let Some(tensor) = tensor else {
        return Eligibility::Dequantize { reason: "the operand is left out".to_owned() };
    };
    let facts = target.facts_of(graph, op).filter(|_| weights.contains(&slot));
    let Some(facts) = facts else {
        let reason = format!("{} reads float32 in operand {slot}", node.kind);
        return Eligibility::Dequantize { reason };
    };
    let form = WeightForm::of(tensor);
    if facts.pass_through {
        if copies && target.dequantize_supports(form.ty, form.granularity) {
            return Eligibility::PassThrough;
        }
        let reason = format!("{} would copy codes with more than one scale", node.kind);
        return Eligibility::Dequantize { reason };
    }
    let mut verdict = target.hybrid(module, sg, op, slot, &form);
    // The others are asked only now, so that the reason is about this operand where it can be.
    if facts.all_or_none && verdict.is_hybrid() {
        verdict = target.group_verdict(module, sg, op, |_, tensor| WeightForm::of(tensor));
    }
    match verdict {
        Verdict::Hybrid { delegated } => {
            match target.disturbed_by(module, sg, op, slot, &form, spreaders) {
                Some((by, why)) => {
                    let by = Context::op_place(module, sg, by);
                    let reason =
                        format!("{by} puts several scales in place of the tensor's one, and {why}");
                    Eligibility::OwnTensor { reason, delegated }
                }
                None => Eligibility::Hybrid { delegated },
            }
        }
        Verdict::Dequantize { reason } => Eligibility::Dequantize { reason },
    }
}

/// Slots of a custom op that the user named as weights.
fn noted_slot(notes: &indexmap::IndexMap<Cow<'static, str>, Attr>, slot: u32) -> bool {
    match notes.get(SLOTS_NOTE) {
        Some(Attr::Ints(slots)) => slots.contains(&i64::from(slot)),
        _ => false,
    }
}
