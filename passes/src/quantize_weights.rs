mod afford;
mod came;
mod candidate;
mod constants;
mod encode;
mod families;
mod fast;
mod float16;
mod flow;
mod form;
mod front;
mod legacy;
mod numbers;
mod options;
mod outcome;
mod parts;
mod reading;
mod record;
mod replay;
mod rest;
mod rows;
mod select;
mod shapes;
mod sparse;
mod spoil;
mod weight_plan;
mod widened;
mod zero_points;

use crate::costs::FEW;
use crate::stored::source;
use encode::{Encoded, code_bytes, encode};
pub use fast::SparedSlowness;
use flow::WeightFlow;
use form::{Cause, Group, NotedVerdict, Selection, WeightUse};
use options::LEGACY_MIN_ELEMENTS;
pub use options::{
    Compat, CustomOp, CustomOps, Globs, IdlePattern, IdlePatterns, MinElements, OpList, Priority,
    QuantizedOperands, ScalesPer, WeightType,
};
pub(crate) use outcome::{LOOKS_UP_MORE, complete_plan};
use outcome::{Stored, observe};
use reading::Select;
use std::cell::LazyCell;
use std::fmt;
use tfq_ir::maps::IndexSet;
use tfq_ir::{
    Attr, BufferId, BufferRef, Edit, ElementType, Module, OpId, Patch, SharedLists, SubgraphId,
    TensorId, counted, grouped,
};
use tfq_numeric::Room;
use tfq_pass::{HYBRID_NOTE, Pass, PassError, REASON_NOTE, SLOTS_NOTE, Session, declare_pass};
use tfq_target::ASYMMETRIC;
pub use weight_plan::{
    Alternative, PlannedConstant, PlannedReader, PlannedTensor, Reads, WantsPlan, WeightPlan,
};
use widened::Widened;

declare_pass! {
    contract: Quantizing, scope: Module, writes: [EMBEDDING_LOOKUP, RESHAPE];
    /// Stores float32 weights as 8-bit integers or float16.
    ///
    /// ## What it does
    /// Finds the constants that ops read as weights, and gives each a smaller type: int8 with
    /// one symmetric scale per output channel or per tensor, or float16. Each constant is stored
    /// once, however many ops, subgraphs and tensors use it. Its consumers stay as they are:
    /// `insert-dequant` serves those whose kernels cannot read the new type. Ops that will read
    /// int8 next to float activations (*hybrid* ops) get `asymmetric_quantize_inputs` where they
    /// have that attribute. A weight that came as float16 behind a Dequantize is quantised as the
    /// float32 one that it stands for; the Dequantize goes, and a float16 bias beside it becomes
    /// float32. An operand that WHILE, IF or CALL hands to a subgraph is a weight where it is one
    /// there; so is what a variable begins with, and what other ops take parts of, join or turn,
    /// where the result is read as a weight. Where an op computes its weight and its data is a
    /// constant, the constant is the weight. All of these are read behind a Dequantize.
    ///
    /// A sparse constant loses its sparsity, and the DENSIFY that reads it goes, where all of its
    /// elements take less in the new type than those that are stored, with where they lie. One that
    /// tensors of two or three shapes show is quantised for each shape; what comes out alike is
    /// stored once by `merge-equal-buffers`.
    ///
    /// Left alone, each with a remark: constants with fewer elements than `min-elements`, those
    /// with NaN, infinite or only denormal values, those that float16 cannot hold (too large, or so
    /// small that little would be left), biases, sparse ones of few elements, those that would make the file
    /// larger, those that would make it smaller by less than their Dequantize takes (but with
    /// `prefer=size` or a number as `min-elements`), those that the target reads in no smaller form, those in external buffers, and large
    /// ones that are no weights. LSTM, RNN and SVDF ops get all of their weights quantised, small
    /// ones too, since their kernels take one type for all; where one cannot be, the large ones go
    /// through a Dequantize.
    ///
    /// Each weight gets the best form that the target runs: one that a kernel reads, one that a
    /// Dequantize reads, or float32. Scales per channel give way to one scale where they would
    /// cost more bytes than they save, or ask for a newer runtime; unless one scale would leave
    /// little of many channels, or rows of a table: then it is float16, or float32. So is a first dense layer with
    /// the scaling of raw inputs folded into it: where rounding takes over half of a column, and
    /// more than one column in 20 is such.
    ///
    /// A table of which one scale would leave little of many rows gets a scale for each, where all
    /// lookups of its rows (GATHER) can become an EMBEDDING_LOOKUP, which dequantises what it finds;
    /// row numbers that are no list are made one by a RESHAPE, and the result gets its shape by
    /// another.
    ///
    /// A weight that ops read behind a Dequantize alone gets zero points where its channels are
    /// one-sided or off-centre: where they make its error at least 1 dB smaller, and as much for
    /// their 8 bytes a channel as wider elements would for theirs.
    ///
    /// Hybrid kernels round activations to 8 bits at each run, which some ops do not bear. Those
    /// that the target names (`[[activations]]` rows) read their weights behind a Dequantize
    /// instead: filter banks, convolutions along a signal, first dense layers of few inputs (of
    /// any number with `prefer=size`), and depthwise convolutions that XNNPACK takes. So do ops
    /// with weights of fewer than 1024 elements, where `min-elements=auto` lets these be quantised
    /// and `prefer` is not `size`: small models end with such a layer. They stay hybrid with `exact-activations=off`,
    /// where metadata forbids new ops, and where the target has no Dequantize for the scales. With `prefer=balanced`, the default of most targets, ops
    /// with a slow hybrid kernel get a Dequantize too: those first that compute most for the
    /// bytes it takes, as long as all of these together take at most 1.5 % of the file, or 2 kB.
    ///
    /// Weights that came as symmetric int8, from this tool or another, keep their values; how each op
    /// reads them is decided anew by the same rules: without the Dequantize that it came with, or
    /// behind one that it came without. LSTM, RNN and SVDF ops keep reading codes unless `hybrid=off`
    /// or `deny` is said, which is about int4 and int2 weights as well; what reads codes all the
    /// same then has a remark.
    ///
    /// ## When it is safe
    /// Results change by the rounding of the weights and, in hybrid ops, of the activations. The
    /// rules about activations are made without data: to know what a model loses, compare it on
    /// inputs of your own.
    /// Run `insert-dequant` after it: until then a consumer without a kernel for the new type
    /// would misread it, and the model is refused when it is to be written.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,256]
    ///   %w = const : f32[2,256] fill const(127)
    ///   %y = FULLY_CONNECTED(%x, %w, _) : f32[1,2]
    ///   output %y
    /// }
    /// ```
    /// becomes with `quantize-weights{min-elements=1},insert-dequant`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,256]
    ///   %w = const : i8[2,256] q([2 * 1.0], axis = 0)
    ///   %y = FULLY_CONNECTED.v12(%x, %w, _) {asymmetric_quantize_inputs = true} : f32[1,2]
    ///   output %y
    /// }
    /// ```
    pub struct QuantizeWeights {
        /// Constants with fewer elements stay float32. `auto` is a twentieth of all numbers that the
        /// model stores, but at least 64 and at most 1024, and 1024 with `compat=toco`.
        pub min_elements: MinElements = MinElements::Auto,
        /// What has a scale of its own. `channel` quantises hybrid activations asymmetrically,
        /// `tensor` symmetrically (the older scheme); kernels that need a scale per channel get
        /// it with either.
        pub granularity: ScalesPer = ScalesPer::Channel,
        /// Whether ops may read int8 directly; `off` puts a Dequantize before every op.
        pub hybrid: bool = true,
        /// Ops, by their names in the schema, that get a Dequantize instead of reading int8.
        pub deny: OpList = OpList::default(),
        /// Names of tensors that stay as they are, and kinds or names of results of ops whose
        /// weights do; `*` stands for any text. Not looked at with `compat=toco`.
        pub keep: Globs = Globs::default(),
        /// Custom ops with weights: their names, operand indices of the weights, and `hybrid`
        /// where they read int8 themselves. For example `MyOp:1:2:hybrid,Other:0`.
        pub custom_ops: CustomOps = CustomOps::default(),
        /// What to weigh against the size of the file. `ram` leaves a weight float32 where the
        /// runtime would hold more memory for it (behind a Dequantize, as a rule), `latency`
        /// puts a Dequantize before ops that XNNPACK or a fast kernel takes with float32 weights
        /// only, `balanced` does so as far as the file is at most 1.5 % or 2 kB larger for it, and
        /// `target` does what suits the target best. Not looked at with `compat=toco`.
        pub prefer: Priority = Priority::Target,
        /// Whether ops whose activations had better not be rounded to 8 bits read their weights
        /// behind a Dequantize, by the rules of the target. Not looked at with `compat=toco`.
        pub exact_activations: bool = true,
        /// Whether int8 weights that only a Dequantize reads get zero points, where they are so
        /// one-sided or off-centre that these are worth their bytes. Not looked at with `compat=toco`.
        pub zero_points: bool = true,
        /// Which operands are quantised: weights, or all constants but biases, such as those of an
        /// ADD, which get a Dequantize. With `type=float16` it is all. Not looked at with
        /// `compat=toco`.
        pub operands: QuantizedOperands = QuantizedOperands::Weights,
        /// The type that weights get.
        pub r#type: WeightType = WeightType::Int8,
        /// `toco` computes what TensorFlow's legacy quantizer computes, bit for bit and op for
        /// op, without its bugs.
        pub compat: Compat = Compat::None,
    }
}

impl Pass for QuantizeWeights {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        match session.resource::<WeightPlan>() {
            Some(plan) => replay::options(self, plan, session)?.run_with(Some(plan), session),
            None => self.run_with(None, session),
        }
    }
}

/// Counts the ops that get a Dequantize though a kernel reads the codes, by what they get it for.
fn count_causes(verdicts: &[NotedVerdict], session: &Session<'_>) {
    for (cause, name) in [
        (Cause::Speed, "dequantized-for-speed"),
        (Cause::Exact, "dequantized-to-be-exact"),
        (Cause::Said, "dequantized-as-told"),
    ] {
        let of_cause = verdicts.iter().filter(|verdict| verdict.cause == cause);
        let ops: IndexSet<_> = of_cause.map(|verdict| (verdict.sg, verdict.op)).collect();
        if !ops.is_empty() {
            session.count(name, ops.len() as u64);
        }
    }
}

/// A constant that is this part of all takes up to 15 % with it. A smaller one is not worth the error that
/// each layer's rounding adds alike, the last layer's most.
const LARGE_PART: u64 = 20;

/// What the codes of all constants are made with.
struct Encoder<'a> {
    widened: Option<&'a Widened>,
    zeros: &'a mut SharedLists<i64>,
    room: &'a mut Room,
    /// Where the plan tells of the constant.
    planned: Option<&'a mut PlannedConstant>,
}

impl QuantizeWeights {
    fn run_with(
        &self,
        followed: Option<&WeightPlan>,
        session: &mut Session<'_>,
    ) -> Result<(), PassError> {
        let came::Redone { verdicts: reread, constants, may_grow } = match self.compat {
            Compat::None => came::reread(self, followed, session)?,
            Compat::Toco => Default::default(),
        };
        let widened = match self.compat {
            Compat::None => self.widened(session),
            Compat::Toco => None,
        };
        let selection = match (followed, self.compat) {
            (Some(plan), _) => replay::select(self, session, widened.as_ref(), plan)?,
            (None, Compat::None) => select::select(self, session, widened.as_ref(), &constants),
            (None, Compat::Toco) => legacy::select(self, session, |_| true),
        };
        let mut plan = session
            .resource::<WantsPlan>()
            .map(|_| Select::new(self, session, widened.as_ref()).plan_of_all(&selection, session));
        let Selection { groups, mut verdicts, .. } = selection;
        let mut reads: IndexSet<(SubgraphId, OpId)> =
            reread.iter().map(|verdict| (verdict.sg, verdict.op)).collect();
        verdicts.extend(reread);
        self.note_verdicts(&verdicts, session)?;
        let mut replaced = Vec::new();
        let mut zeros = SharedLists::default();
        let shown = widened.as_ref().map_or(session.model(), |widened| &widened.module);
        let mut room = Room::for_results(groups.iter().map(|group| code_bytes(shown, group)));
        // Each is let go of once it is done, so that what becomes of it takes its place.
        for (n, group) in groups.into_iter().enumerate() {
            let planned = plan.as_mut().map(|plan| &mut plan.constants[n]);
            if self.compat == Compat::Toco {
                self.tell_of_growth(&group, &verdicts, session);
            }
            let mut encoder =
                Encoder { widened: widened.as_ref(), zeros: &mut zeros, room: &mut room, planned };
            let done = self.quantize(&group, &mut encoder, session)?;
            if done.is_some() {
                reads.extend(group.uses.iter().map(|u| (u.sg, u.op)));
                rows::look_up(&group, session)?;
            }
            replaced.extend(done);
        }
        session.apply(Edit::Release(replaced))?;
        if let Some(mut plan) = plan {
            plan.may_grow = may_grow;
            observe(&mut plan, session, false);
            session.produce(plan);
        }
        // A weight that could not be encoded leaves its readers as they were.
        verdicts
            .retain(|noted| noted.kind == "dequantize" && reads.contains(&(noted.sg, noted.op)));
        count_causes(&verdicts, session);
        rest::tell(self, session);
        Ok(())
    }

    /// How many elements a constant of the module must have to be quantised.
    fn min_elements_in(&self, module: &Module) -> u64 {
        match (self.min_elements, self.compat) {
            (MinElements::Number(number), _) => number,
            (MinElements::Auto, Compat::Toco) => LEGACY_MIN_ELEMENTS,
            (MinElements::Auto, Compat::None) => {
                // Of tensors, of which later passes leave as many, so that a second run finds
                // nothing to do.
                let mut elements = module
                    .subgraphs()
                    .flat_map(|(sg, graph)| graph.tensors().map(move |id| (sg, graph, id)))
                    .filter(|(sg, _, id)| module.constant(*sg, *id).is_some())
                    .filter_map(|(_, graph, id)| graph.tensor(id).elements());
                // Most models have enough in the first few.
                let enough = LARGE_PART * LEGACY_MIN_ELEMENTS;
                let add = |sum: u64, n: u64| {
                    if sum < enough { Ok(sum.saturating_add(n)) } else { Err(sum) }
                };
                let (Ok(sum) | Err(sum)) = elements.try_fold(0, add);
                (sum / LARGE_PART).clamp(FEW, LEGACY_MIN_ELEMENTS)
            }
        }
    }

    fn widened(&self, session: &Session<'_>) -> Option<Widened> {
        let (module, target) = (session.model(), session.target());
        // Asked only where something came as float16 or sparse.
        let further = LazyCell::new(|| WeightFlow::new(module, target));
        let weights = |sg, op| flow::slots(self, module, target, &further, sg, op);
        Widened::new(module, target, self.r#type, weights)
    }

    /// Tells later passes what the user or the legacy rules decided against the target.
    fn note_verdicts(
        &self,
        verdicts: &[NotedVerdict],
        session: &mut Session<'_>,
    ) -> Result<(), PassError> {
        for verdict in verdicts {
            let mut patch = Patch::new(verdict.sg, "note how an op reads its weights");
            let text = |text: &str| Attr::String(text.into());
            patch.set_note(verdict.op, HYBRID_NOTE, text(verdict.kind));
            patch.set_note(verdict.op, REASON_NOTE, text(&verdict.reason));
            if !verdict.slots.is_empty() {
                let slots = verdict.slots.iter().map(|slot| i64::from(*slot)).collect();
                patch.set_note(verdict.op, SLOTS_NOTE, Attr::Ints(slots));
            }
            session.apply(patch)?;
        }
        Ok(())
    }

    /// The legacy tool asks nobody whether the file gets smaller.
    fn tell_of_growth(&self, group: &Group, verdicts: &[NotedVerdict], session: &Session<'_>) {
        let module = session.model();
        let (sg, first) = group.tensors[0];
        let reads_codes = |u: &WeightUse| {
            let of_op = |verdict: &&NotedVerdict| (verdict.sg, verdict.op) == (u.sg, u.op);
            verdicts.iter().find(of_op).is_some_and(|verdict| verdict.kind == "hybrid")
        };
        let dequantized = u64::from(!group.uses.iter().all(reads_codes));
        let tensor = module.subgraph(sg).tensor(first);
        let dequantized = (dequantized, session.target().keeps_dequantized());
        let (saved, cost) =
            candidate::balance(&group.form, tensor, group.tensors.len(), dequantized);
        if saved <= cost {
            let place = module.tensor_place(sg, first);
            let told = format!(
                "compat=toco quantises it, which saves {} and costs about {}",
                counted(saved, "byte"),
                grouped(cost)
            );
            session.note("larger", place, told);
            session.count("constants-grown", 1);
        }
    }

    /// Returns where the float bytes were.
    fn quantize(
        &self,
        group: &Group,
        encoder: &mut Encoder<'_>,
        session: &mut Session<'_>,
    ) -> Result<Option<BufferId>, PassError> {
        let widened = encoder.widened;
        let module = session.model();
        let (sg, first) = group.tensors[0];
        let seen = widened.map_or(module, |widened| &widened.module);
        let shown = seen.subgraph(sg).tensor(first).buffer;
        let widened = widened.filter(|widened| widened.readers(shown).is_some());
        let encoded = match encode(seen, group, encoder.zeros, encoder.room) {
            Ok(encoded) => encoded,
            Err(reason) => {
                if let Some(planned) = &mut encoder.planned {
                    let there = module.constant(sg, source(module.subgraph(sg), first));
                    let bytes = there.map_or(0, |bytes| bytes.len() as u64);
                    let stored = Stored::of(module, sg, first);
                    planned.refused(stored, bytes, reason.rule, &reason.message);
                }
                session.missed(reason.rule, module.tensor_place(sg, first), reason.message);
                return Ok(None);
            }
        };
        if let Some(planned) = &mut encoder.planned {
            planned.encoded(seen, group, &encoded);
        }
        let came = widened.and_then(|widened| widened.bytes(shown));
        let (old, new) = (came.unwrap_or(encoded.old_bytes), encoded.data.len() as u64);
        let what = encoded.what;
        let replaced = widened.and_then(|widened| widened.stored(shown)).unwrap_or(shown);
        let subgraphs: IndexSet<SubgraphId> = group.tensors.iter().map(|(sg, _)| *sg).collect();
        let mut buffer = None;
        for sg in subgraphs {
            let mut patch = Patch::new(sg, "quantise a constant");
            let stored = match buffer {
                Some(there) => BufferRef::Old(there),
                None => patch.add_constant(encoded.data.clone()),
            };
            self.set(&mut patch, group, &encoded, stored);
            if let Some(widened) = widened {
                for (_, float) in group.tensors.iter().filter(|(at, _)| *at == sg) {
                    widened.drop_source(session.model(), sg, *float, &mut patch);
                }
            }
            let applied = session.apply(patch)?;
            buffer = buffer.or_else(|| applied.constants().next());
        }
        if let Some(widened) = widened {
            let ops = group.uses.iter().map(|u| (u.sg, u.op)).collect();
            widened.widen_biases(&ops, session)?;
        }
        let module = session.model();
        let told = fmt::from_fn(|f| {
            let (reads, note) = (group.describe(module), group.note.as_deref().unwrap_or_default());
            write!(f, "{what}, {} to {}; {reads}{note}", grouped(old), counted(new, "byte"))
        });
        session.applied("quantised", module.tensor_place(sg, first), told);
        session.count("constants-quantized", 1);
        session.count("constant-bytes-before", old);
        session.count("constant-bytes-after", new);
        Ok(Some(replaced))
    }

    /// What the patch does to the tensors of its subgraph, and to the ops that read them.
    fn set(&self, patch: &mut Patch, group: &Group, encoded: &Encoded, buffer: BufferRef) {
        let sg = patch.subgraph();
        for &(_, tensor) in group.tensors.iter().filter(|(at, _)| *at == sg) {
            self.retype(patch, tensor, encoded, buffer);
        }
        let flagged = group.asymmetric.iter().filter(|(at, ..)| *at == sg);
        for &(_, op, value) in flagged {
            patch.set_attr(op, ASYMMETRIC, Attr::Bool(value));
        }
    }

    fn retype(&self, patch: &mut Patch, tensor: TensorId, encoded: &Encoded, buffer: BufferRef) {
        patch.set_type(tensor, encoded.ty);
        patch.set_buffer(tensor, buffer);
        if let Some(quantization) = &encoded.quantization {
            patch.set_quantization(tensor, Some(quantization.clone()));
        }
        patch.set_expressed(tensor, Some(ElementType::Float32));
    }
}
