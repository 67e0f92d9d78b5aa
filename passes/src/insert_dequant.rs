mod reasons;

use crate::quantize_weights::{LOOKS_UP_MORE, complete_plan};
pub use reasons::{DequantizeReason, DequantizeReasons, ReadBy};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use tfq_ir::catalog::ops;
use tfq_ir::maps::{HashMap, RandomState};
use tfq_ir::{
    BufferId, ElementType, InsertionPoint, Module, Op, OpId, OpKind, SubgraphId, Tensor, TensorId,
    TensorRare, TensorRef,
};
use tfq_pass::analysis::HybridVerdicts;
use tfq_pass::rewrite::{Match, Rule, apply_rules, apply_together, expressed, unserved};
use tfq_pass::{Eligibility, Pass, PassError, Session, declare_pass};
use tfq_target::WeightForm;

declare_pass! {
    contract: Exact, scope: Subgraph, writes: [DEQUANTIZE, RESHAPE], ensures: [SETTLED];
    /// Puts a Dequantize between a quantised constant and the ops that cannot read it.
    ///
    /// ## What it does
    /// Asks the target about every op that reads a quantised constant. Those without a kernel
    /// for it get the constant through a Dequantize, one per constant and subgraph, which the
    /// runtime computes once and keeps. Some kernels change the scale of the tensor that they read
    /// a weight through; who shares it with them and cannot read the changed one gets a tensor of
    /// its own for the same bytes. Where an op copies codes (GATHER), the Dequantize goes
    /// behind it, so that only the rows that were looked up are converted, unless those are more
    /// than the table has. An output of the model keeps its name, type and shape; where the target
    /// would leave what the Dequantize computes unwritten, as XNNPACK does, it is a copy of that.
    ///
    /// ## When it is safe
    /// Always: each op computes with the numbers that the constant stands for. A constant that came
    /// in with a zero point stays where all kernels of the target compute with it, though they take
    /// that to be 0: the model keeps its results.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2]
    ///   %w = const : i8[2] q(0.5) expressed f32 = [2, 4]
    ///   %y = ADD(%x, %w) : f32[2]
    ///   output %y
    /// }
    /// ```
    /// becomes with `insert-dequant`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2]
    ///   %w = const : i8[2] q(0.5) = [2, 4]
    ///   %w_dequantize = DEQUANTIZE.v2(%w) : f32[2]
    ///   %y = ADD(%x, %w_dequantize) : f32[2]
    ///   output %y
    /// }
    /// ```
    pub struct InsertDequant {}
}

impl Pass for InsertDequant {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let mut reasons = DequantizeReasons::default();
        for sg in session.subgraphs() {
            // Next to all constants need no more than this.
            let left = apply_together(session, sg, &leave())?;
            if left > 0 && !session.tells_of_misses() && is_served(session, sg) {
                continue;
            }
            let rules = rules(Arc::new(Views::new(session.model(), sg)));
            let first = session.model().journal().len();
            apply_rules(session, sg, &rules)?;
            let module = session.model();
            reasons.add(module, session.target(), sg, first);
            let anew = match session.target().keeps_dequantized() {
                true => 0,
                false => result_bytes(module, sg, first),
            };
            if anew > 0 {
                session.count("dequantize-invoke-bytes", anew);
            }
            let graph = module.subgraph(sg);
            if let Some(id) = graph.tensors().find(|id| graph.tensor(*id).expressed.is_some()) {
                let place = module.tensor_place(sg, id);
                let ty = graph.tensor(id).ty;
                return Err(PassError::Unsupported(if is_known_to_callers(module, sg, id) {
                    format!("{place} is {ty}, and callers set or get it as what it was before")
                } else {
                    format!("{place} is {ty} in a form that no Dequantize of the target reads")
                }));
            }
        }
        if !reasons.0.is_empty() {
            session.produce(reasons);
        }
        complete_plan(session);
        Ok(())
    }
}

/// Bytes of the results of Dequantize ops that patches inserted from the `first` on.
fn result_bytes(module: &Module, sg: SubgraphId, first: usize) -> u64 {
    let graph = module.subgraph(sg);
    let patches = module.journal()[first..].iter().filter(|patch| patch.subgraph == Some(sg));
    let ops = patches.flat_map(|patch| patch.added_ops());
    let ops = ops.filter(|op| graph.contains_op(**op) && graph.op(**op).kind.is(ops::DEQUANTIZE));
    let results = ops.flat_map(|op| graph.results(*op));
    results.map(|id| 4 * graph.tensor(id).elements().unwrap_or(0)).sum()
}

/// Whether every op reads its constants as they are, so that no rule would do anything.
fn is_served(session: &Session<'_>, sg: SubgraphId) -> bool {
    let graph = session.model().subgraph(sg);
    let verdicts = session.analysis::<HybridVerdicts>(sg);
    let mut all = graph.ops().flat_map(|op| verdicts.of_op(session.input(sg), op));
    graph.tensors().all(|id| graph.tensor(id).expressed.is_none())
        && all.all(|(_, verdict)| matches!(*verdict, Eligibility::Hybrid { .. }))
}

fn rules(views: Arc<Views>) -> Vec<Rule> {
    let [there, shared, inserted, returned] = [(); 4].map(|()| views.clone());
    vec![
        read("dequantise behind a lookup")
            .benefit(3)
            .when("the op copies codes", |m| {
                m.verdict().is_some_and(|verdict| *verdict == Eligibility::PassThrough)
            })
            .when("its result is float32", |m| {
                m.result().is_some_and(|id| m.graph().tensor(id).ty == ElementType::Float32)
            })
            .guard("it looks up no more elements than the table has", |m| {
                !is_wasteful(m) || is_noted(m)
            })
            .replace(|m, patch| {
                let (from, to) = (m.tensor("w"), m.tensor("result"));
                let mut codes = to.clone();
                codes.name = Some(format!("{}_quantized", to.label()).into());
                codes.ty = from.ty;
                codes.quantization = from.quantization.clone();
                let codes = patch.add_tensor(codes);
                patch.set_result(m.root(), 0, codes);
                let behind = InsertionPoint::After(m.root());
                patch.add_op(dequantize_op(), behind, &[Some(codes)], &[m.id("result").into()]);
            })
            .tell("dequantize behind", |_| "it copies codes, which are converted then".to_owned())
            .count("dequantize-inserted"),
        read("read what a Dequantize computes")
            .benefit(2)
            .when("the op has no kernel for it", |m| why_not(m).is_some())
            .when("a Dequantize of it runs before", move |m| {
                there.dequantized(m, Some(m.root())).is_some()
            })
            .guard("some kernel refuses it as it came", |m| !is_computed_as_it_came(m))
            .replace(move |m, patch| {
                let float = shared.dequantized(m, Some(m.root())).expect("a guard found it");
                patch.set_operand(m.root(), m.slot(), float);
            })
            .tell("dequantize before", |m| {
                format!("`{}` shares a Dequantize: {}", m.tensor("w").label(), reason(m))
            })
            .count("dequantize-shared"),
        read("insert a Dequantize")
            .when("the op has no kernel for it", |m| why_not(m).is_some())
            .guard("some kernel refuses it as it came", |m| !is_computed_as_it_came(m))
            .replace(move |m, patch| {
                let stored = inserted.first(m);
                let twin = float_twin(m.graph().tensor(stored), "_dequantize");
                let float = patch.add_tensor(twin);
                let before = InsertionPoint::Before(m.root());
                patch.add_op(dequantize_op(), before, &[Some(stored.into())], &[float]);
                patch.set_operand(m.root(), m.slot(), float);
            })
            .tell("dequantize before", |m| {
                format!("`{}` gets a Dequantize: {}", m.tensor("w").label(), reason(m))
            })
            .count("dequantize-inserted"),
        waiting("insert a Dequantize for an output")
            .when("the subgraph returns it", is_returned)
            .when("no Dequantize of it is there", move |m| views.dequantized(m, None).is_none())
            .replace(|m, patch| {
                let float = patch.add_tensor(float_twin(m.tensor("w"), "_dequantize"));
                patch.add_op(
                    dequantize_op(),
                    InsertionPoint::End,
                    &[Some(m.id("w").into())],
                    &[float],
                );
            })
            .tell("dequantize before", |_| "since it is an output".to_owned())
            .count("dequantize-inserted"),
        waiting("return what a Dequantize computes")
            .when("the subgraph returns it", is_returned)
            .replace(move |m, patch| {
                let Some(float) = returned.dequantized(m, None) else { return };
                let (id, stored) = (m.id("w"), m.tensor("w"));
                patch.set_name(id, Some(format!("{}_quantized", stored.label()).into()));
                if !needs_copy(m, float) {
                    patch.set_name(float, stored.name.clone());
                    return patch.replace_output(id, float);
                }
                let copy = patch.add_tensor(float_twin(stored, ""));
                let float: TensorRef = float.into();
                patch.add_op(
                    Op::reshape(&stored.shape),
                    InsertionPoint::End,
                    &[Some(float)],
                    &[copy],
                );
                patch.replace_output(id, copy);
            }),
        leave(),
        read_of_quantised("give an op a tensor of its own")
            .when("another op changes the scale of the tensor", |m| {
                matches!(m.verdict().as_deref(), Some(Eligibility::OwnTensor { .. }))
            })
            .replace(|m, patch| {
                let own = patch.add_tensor(Tensor {
                    name: m.tensor("w").name.as_ref().map(|name| format!("{name}_own").into()),
                    ..m.tensor("w").clone()
                });
                patch.set_operand(m.root(), m.slot(), own);
            })
            .tell("own tensor", |m| match m.verdict().as_deref() {
                Some(Eligibility::OwnTensor { reason, .. }) => {
                    format!(
                        "`{}` gets a second tensor for its bytes: {reason}",
                        m.tensor("w").label()
                    )
                }
                _ => String::new(),
            })
            .count("tensors-separated"),
    ]
}

/// A constant is what it seems to be where every op that reads it can: be it in a form that no
/// Dequantize takes.
fn leave() -> Rule {
    Rule::new("leave a constant to its readers", expressed("w"))
        .guard("every op that reads it can", |m| {
            let graph = m.graph();
            graph.all_uses(m.id("w"), |u| {
                let verdict = m.verdict_of(u.op, u.slot);
                verdict.is_none_or(|verdict| refusal(m, u.op, &verdict).is_none())
            })
        })
        .guard("the subgraph does not return it", |m| !is_returned(m))
        .guard("no caller knows it as what it was", |m| {
            !is_known_to_callers(m.module(), m.subgraph(), m.id("w"))
        })
        .replace(|m, patch| patch.set_expressed(m.id("w"), None))
}

/// A rule for an op that reads a quantised constant, which a Dequantize can read too.
fn read(name: &'static str) -> Rule {
    read_of_quantised(name).guard("a Dequantize can read it", is_readable)
}

fn read_of_quantised(name: &'static str) -> Rule {
    Rule::new(name, unserved("w")).when("the constant has a scale or was float32", |m| {
        let w = m.tensor("w");
        w.expressed.is_some() || w.scales() > 0
    })
}

/// A rule for a constant whose readers were written for float32.
fn waiting(name: &'static str) -> Rule {
    Rule::new(name, expressed("w")).guard("a Dequantize can read it", is_readable)
}

fn is_readable(m: &Match<'_>) -> bool {
    let w = m.tensor("w");
    let form = WeightForm::of(w);
    m.target().dequantize_supports(form.ty, form.granularity) && w.sparsity.is_none()
}

/// Whether the subgraph or a signature takes the tensor, or a signature returns it.
fn is_known_to_callers(module: &Module, sg: SubgraphId, id: TensorId) -> bool {
    let references = module.references(sg, id);
    references.input || references.signature_output
}

fn is_returned(m: &Match<'_>) -> bool {
    m.graph().is_output(m.id("w"))
}

/// Why the op cannot read the constant, unless it can.
fn why_not(m: &Match<'_>) -> Option<String> {
    refusal(m, m.root(), &*m.verdict()?)
}

/// Whether the constant, or one that the kernel reads alike, came in with a zero point and all kernels compute with it, though they
/// take that to be 0: a model keeps its results, however odd. What some kernels refuse did not run
/// on the target, and what else speaks against a kernel may be a pass's doing.
fn is_computed_as_it_came(m: &Match<'_>) -> bool {
    let (module, sg, graph, op) = (m.module(), m.subgraph(), m.graph(), m.root());
    // Some kernels read all of their weights as codes or none.
    let family = m.target().facts_of(graph, op).is_some_and(|facts| facts.all_or_none);
    let slots = match family {
        true => m.target().weight_slots(graph, op).to_vec(),
        false => vec![m.slot()],
    };
    let mut has_zero_point = false;
    let computed = slots.into_iter().all(|slot| {
        let Some(w) = graph.operand(op, slot).map(|id| graph.tensor(id)) else { return true };
        let mut zero_points = w.quantization.iter().flat_map(|q| q.zero_point.iter());
        has_zero_point |= zero_points.any(|point| *point != 0);
        let operand = tfq_target::WeightOperand { module, sg, op, slot };
        w.expressed.is_none() && m.target().computes(operand, &WeightForm::of(w))
    });
    computed && has_zero_point
}

fn reason(m: &Match<'_>) -> String {
    why_not(m).unwrap_or_default()
}

fn refusal(m: &Match<'_>, op: OpId, verdict: &Eligibility) -> Option<String> {
    match verdict {
        Eligibility::Hybrid { .. } | Eligibility::OwnTensor { .. } => None,
        Eligibility::Dequantize { reason } => Some(reason.clone()),
        // The codes are copied already where the result has the constant's type.
        Eligibility::PassThrough => {
            let graph = m.graph();
            let result = graph.results(op).first().map(|id| graph.tensor(*id).ty);
            (result != Some(m.tensor("w").ty)).then(|| LOOKS_UP_MORE.to_owned())
        }
    }
}

/// Whether a lookup returns more elements than its table has; then the table is converted, once.
fn is_wasteful(m: &Match<'_>) -> bool {
    let Some(result) = m.result().map(|id| m.graph().tensor(id)) else { return false };
    result.is_static() && result.elements() > m.tensor("w").elements()
}

fn is_noted(m: &Match<'_>) -> bool {
    m.graph().op(m.root()).notes.contains_key(tfq_pass::HYBRID_NOTE)
}

/// The bytes of a constant, with a hash of how a tensor shows them.
type ConstantView = (BufferId, u64);

/// The constants of a subgraph that nobody can change, by what they show: a Dequantize of one
/// serves all that show the same.
#[derive(Debug)]
struct Views {
    shown: HashMap<ConstantView, Vec<TensorId>>,
    hasher: RandomState,
    /// The first Dequantize of the tensors that show what this one, the first of them, does, and
    /// when it was looked for: a great many readers ask for the same one.
    dequantizes: Mutex<HashMap<TensorId, (u64, Option<Dequantized>)>>,
}

/// A constant, and the op that dequantises it.
type Dequantized = (TensorId, OpId);

impl Views {
    fn new(module: &Module, sg: SubgraphId) -> Self {
        let graph = module.subgraph(sg);
        let mut views = Self {
            shown: HashMap::default(),
            hasher: RandomState::default(),
            dequantizes: Mutex::default(),
        };
        for id in graph.tensors().filter(|id| module.fixed_constant(sg, *id).is_some()) {
            let view = views.shown_by(graph.tensor(id));
            views.shown.entry(view).or_default().push(id);
        }
        views
    }

    fn shown_by(&self, tensor: &Tensor) -> ConstantView {
        let scales = tensor.quantization.iter().flat_map(|q| q.scale.iter());
        let mut shown = self.hasher.build_hasher();
        (&tensor.shape, tensor.ty).hash(&mut shown);
        scales.for_each(|scale| scale.to_bits().hash(&mut shown));
        (tensor.buffer, shown.finish())
    }

    /// The tensors that show what `w` does, scales included; itself alone where a caller may set
    /// it.
    fn twins<'a>(&'a self, m: &'a Match<'_>) -> impl Iterator<Item = TensorId> + 'a {
        let (graph, w) = (m.graph(), m.tensor("w"));
        let fixed = m.bytes("w").is_some();
        let twins = fixed.then(|| self.shown.get(&self.shown_by(w))).flatten();
        let twins = twins.into_iter().flatten().copied();
        let alike = twins.filter(move |id| {
            let twin = graph.tensor(*id);
            (twin.ty, &twin.shape) == (w.ty, &w.shape) && twin.quantization == w.quantization
        });
        alike.chain((!fixed).then_some(m.id("w")))
    }

    /// The one of them that is read, so that the others can go.
    fn first(&self, m: &Match<'_>) -> TensorId {
        self.twins(m).next().unwrap_or(m.id("w"))
    }

    /// What a Dequantize of the constant `w` computes, if there is one that runs before the op.
    fn dequantized(&self, m: &Match<'_>, before: Option<OpId>) -> Option<TensorId> {
        let graph = m.graph();
        let float = |(id, op): Dequantized| {
            let reads = graph.contains_op(op) && graph.operand(op, 0) == Some(id);
            let float = *graph.results(op).first().filter(|_| reads)?;
            let is_float = graph.tensor(float).ty == ElementType::Float32;
            (graph.op(op).kind.is(ops::DEQUANTIZE) && is_float).then_some(float)
        };
        let runs = |found: Dequantized| {
            before.is_none_or(|before| graph.runs_before(found.1, before)).then(|| float(found))?
        };
        let first = self.first(m);
        let known = self.dequantizes().get(&first).copied();
        let known_runs = known.and_then(|(_, found)| runs(found?));
        if known_runs.is_some() || known.is_some_and(|(epoch, _)| epoch == graph.epoch()) {
            return known_runs;
        }
        let of_twin = |id: TensorId| {
            let mut read = graph.uses(id).into_iter().map(|u| (id, u.op));
            read.find(|found| float(*found).is_some())
        };
        // The first in execution order: where it does not run before the op, none does.
        let found = self
            .twins(m)
            .filter_map(of_twin)
            .reduce(|a, b| if graph.runs_before(b.1, a.1) { b } else { a });
        self.dequantizes().insert(first, (graph.epoch(), found));
        found.and_then(runs)
    }

    fn dequantizes(&self) -> MutexGuard<'_, HashMap<TensorId, (u64, Option<Dequantized>)>> {
        self.dequantizes.lock().expect("nothing panics while it is held")
    }
}

fn dequantize_op() -> Op {
    Op::new(OpKind::Builtin(ops::DEQUANTIZE))
}

/// Whether the subgraph must return a copy of what a Dequantize computes: the target leaves the
/// tensor unwritten, or it is returned already, under its own name.
fn needs_copy(m: &Match<'_>, float: TensorId) -> bool {
    let graph = m.graph();
    let producer = graph.producer(float).map(|(op, _)| op);
    graph.is_output(float) || producer.is_some_and(|op| m.leaves_unwritten(op))
}

/// The tensor that a Dequantize of `stored` computes.
fn float_twin(stored: &Tensor, suffix: &str) -> Tensor {
    let name = stored.name.as_ref().map(|name| format!("{name}{suffix}").into());
    let shape_signature = stored.shape_signature.clone();
    let rare = TensorRare { shape_signature, ..TensorRare::default() };
    Tensor {
        name: name.or_else(|| (!suffix.is_empty()).then(|| format!("?{suffix}").into())),
        rare: rare.into(),
        has_rank: stored.has_rank,
        ..Tensor::new(stored.label(), ElementType::Float32, stored.shape.clone())
    }
}
