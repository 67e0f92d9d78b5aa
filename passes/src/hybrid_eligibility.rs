use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use tfq_ir::{Attr, OpId, Patch, SubgraphId, counted, grouped};
use tfq_pass::analysis::HybridVerdicts;
use tfq_pass::{Cost, Eligibility, Pass, PassError, Session, cost, declare_pass};

declare_pass! {
    contract: Annotation, scope: Subgraph;
    /// Judges, for every quantised constant, whether the op that reads it has a kernel for it.
    ///
    /// ## What it does
    /// Asks the target about each operand that holds a quantised constant next to float
    /// activations, and records verdict and reason on the op, as a note that is not written to
    /// the file. `--remarks` shows them, with what the choice costs: bytes in the file, and bytes
    /// that the runtime holds beside it. Nothing else changes: `insert-dequant` asks the same
    /// question and acts on the answer.
    ///
    /// For a target that ends with a release, it also names the ops that came with a version
    /// which that release does not load.
    ///
    /// ## When it is safe
    /// Always; it changes notes only.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,4]
    ///   %w = const : i8[2,4] q(0.5) = [1, 2, 3, 4, 5, 6, 7, 8]
    ///   %y = FULLY_CONNECTED.v3(%x, %w, _) : f32[1,2]
    ///   output %y
    /// }
    /// ```
    /// stays as it is with `hybrid-eligibility`, and `--remarks` tells the verdict on `%w`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,4]
    ///   %w = const : i8[2,4] q(0.5) = [1, 2, 3, 4, 5, 6, 7, 8]
    ///   %y = FULLY_CONNECTED.v3(%x, %w, _) : f32[1,2]
    ///   output %y
    /// }
    /// ```
    pub struct HybridEligibility {}
}

/// Note with the verdict on the weights of an op.
const VERDICT_NOTE: &str = "eligibility";

impl Pass for HybridEligibility {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        // The notes that are left here bind nobody.
        session.preserve::<HybridVerdicts>();
        for sg in session.subgraphs() {
            let verdicts = session.analysis::<HybridVerdicts>(sg);
            let mut patch = Patch::new(sg, "note the verdicts on weights");
            // Most ops get the same note as the one before.
            let mut noted = None;
            for op in session.model().subgraph(sg).ops() {
                self.judge_version(session, sg, op);
                for (slot, verdict) in verdicts.of_op(session.input(sg), op) {
                    let note = self.judge(session, (sg, op, slot), &verdict, &mut noted);
                    patch.set_note(op, VERDICT_NOTE, Attr::String(note));
                }
            }
            session.apply(patch)?;
        }
        Ok(())
    }
}

impl HybridEligibility {
    /// Tells of the verdict, and returns it as a note.
    fn judge(
        &self,
        session: &Session<'_>,
        (sg, op, slot): (SubgraphId, OpId, u32),
        verdict: &Arc<Eligibility>,
        noted: &mut Option<(Arc<Eligibility>, Arc<str>)>,
    ) -> Arc<str> {
        let (rule, text) = told(verdict);
        let known = noted.take().filter(|(of, _)| of == verdict);
        let note = known.map_or_else(|| format!("{rule}: {text}").into(), |(_, note)| note);
        *noted = Some((Arc::clone(verdict), Arc::clone(&note)));
        let module = session.model();
        let costs = fmt::from_fn(|f| {
            let cost = cost(session.input(sg).weight(op, slot), session.target(), verdict);
            cost.map_or(Ok(()), |cost| f.write_str(&costs_text(&cost)))
        });
        let message = format_args!("operand {slot}: {text}{costs}");
        session.note(rule, module.op_place(sg, op), message);
        note
    }

    /// Tells of an op that the target's last release does not load, as it came.
    fn judge_version(&self, session: &Session<'_>, sg: SubgraphId, op: OpId) {
        let module = session.model();
        let node = module.subgraph(sg).op(op);
        if let Some(why) = session.target().lacks(&node.kind, node.version) {
            session.note("too new", module.op_place(sg, op), why);
        }
    }
}

/// The verdict as a heading and a sentence.
fn told(verdict: &Eligibility) -> (&'static str, Cow<'_, str>) {
    match verdict {
        Eligibility::Hybrid { delegated: true } => {
            ("hybrid", "reads it, XNNPACK takes the op".into())
        }
        Eligibility::Hybrid { delegated: false } => {
            ("hybrid", "reads it on the CPU kernels".into())
        }
        Eligibility::OwnTensor { reason, .. } => {
            ("own tensor", format!("reads it through a tensor of its own: {reason}").into())
        }
        Eligibility::PassThrough => {
            ("pass-through", "copies its codes; a Dequantize goes behind it".into())
        }
        Eligibility::Dequantize { reason } => ("dequantize", reason.into()),
    }
}

fn costs_text(cost: &Cost) -> String {
    let (file, float) = (counted(cost.file, "byte"), grouped(cost.file_as_float));
    let file = format!("; {file} in the file, {float} as float32");
    let held = match (cost.held, cost.held_as_float) {
        (Some(held), Some(float)) => {
            format!("; the runtime holds {}, {} as float32", grouped(held), grouped(float))
        }
        _ => String::new(),
    };
    file + &held
}
