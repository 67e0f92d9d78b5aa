use crate::costs::FEW;
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use tfq_eval::{Budget, Declared, Fidelity, Results, Value, evaluate_op, operators};
use tfq_ir::catalog::ops::{
    CONCATENATION, DEQUANTIZE, FAKE_QUANT, QUANTIZE, SLICE, STRIDED_SLICE, TRANSPOSE,
};
use tfq_ir::maps::HashMap;
use tfq_ir::ops::{Shape, infer_op, semantics_of};
use tfq_ir::{
    BufferId, ElementType, InsertionPoint, Module, Notes, Numbers, Op, OpKind, QuantizationDetails,
    Tensor, TensorId,
};
use tfq_pass::rewrite::{Match, OpPattern, Rule, apply_rules, constant, op, op_of, op_that};
use tfq_pass::{Pass, PassError, Session, declare_pass};
use tfq_target::WeightForm;

declare_pass! {
    contract: Exact, scope: Subgraph, writes: [DEQUANTIZE, TRANSPOSE];
    /// Computes beforehand what ops make of constants, where these can go then.
    ///
    /// ## What it does
    /// QUANTIZE and FAKE_QUANT of a float32 constant, TRANSPOSE, RESHAPE, SQUEEZE, EXPAND_DIMS,
    /// SLICE, STRIDED_SLICE and CONCATENATION of any, and DEQUANTIZE of a few float16 numbers give
    /// way to a constant of what they compute. So does any other op of constants that gives at
    /// most 64 numbers, none of them quantised, such as the arithmetic of shapes. A TRANSPOSE of a
    /// dequantised constant is done to its codes, so that the constant stays small. Weights that a
    /// converter hid behind such ops are seen by `quantize-weights` then, and the runtime need not
    /// compute them.
    ///
    /// ## When it is safe
    /// Results are bit-identical to those of the reference kernels. (On a tie between two codes
    /// other kernels' QUANTIZE may take the other one.) What kernels add in an order of their own,
    /// or compute with functions of the system, is left to them. A constant that something else
    /// shows or reads as well stays, since its bytes would be in the file twice, unless they stay
    /// the same or it has at most 64 elements; so does one whose tensor or buffer metadata numbers,
    /// and what is no number or has more codes than 32 bits, of which kernels make what they like.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,2]
    ///   %w = const : f32[2,3] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    ///   %order = const : i32[2] = [1, 0]
    ///   %turned = TRANSPOSE(%w, %order) : f32[3,2]
    ///   %y = FULLY_CONNECTED(%x, %turned, _) : f32[1,3]
    ///   output %y
    /// }
    /// ```
    /// becomes with `fold-constants,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,2]
    ///   %turned = const : f32[3,2] = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
    ///   %y = FULLY_CONNECTED(%x, %turned, _) : f32[1,3]
    ///   output %y
    /// }
    /// ```
    pub struct FoldConstants {}
}

impl Pass for FoldConstants {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let shown = Arc::new(SharedBytes::new(session.model()));
        for sg in session.subgraphs() {
            apply_rules(session, sg, &rules(&shown))?;
        }
        Ok(())
    }
}

fn rules(shown: &Arc<SharedBytes>) -> Vec<Rule> {
    let fold = |name, root: OpPattern| {
        let shown = shown.clone();
        Rule::new(name, root)
            .guard("every dimension is known", |m| m.tensor("result").is_static())
            .guard("the result has the shape that constants give it", has_its_shape)
            .guard("nothing else needs the constant", move |m| shown.is_alone(m, m.id("w")))
    };
    let (w, others) = (|| constant("w"), shown.clone());
    let told = |rule: Rule| {
        rule.tell("folded", |m| format!("what {} makes of a constant is one", kind(m)))
            .count("ops-folded")
    };
    let transposed = |name, root| {
        fold(name, root)
            .guard("elements are whole bytes", |m| element_bytes(m.tensor("w")).is_some())
    };
    vec![
        told(fold("quantise beforehand", op(QUANTIZE).operand(0, w())).fold(evaluated)),
        told(fold("round beforehand", op(FAKE_QUANT).operand(0, w())).fold(evaluated)),
        told(
            fold("change a shape beforehand", op_that(|what| what.view).operand(0, w()))
                .guard("operand and result are of one type", same_type)
                .fold(evaluated),
        ),
        told(
            transposed(
                "transpose beforehand",
                op(TRANSPOSE).operand(0, w()).operand(1, constant("order")),
            )
            .guard("operand and result are of one type", same_type)
            .fold(evaluated),
        ),
        told(
            transposed("join beforehand", op(CONCATENATION).operand(0, w()))
                .guard("nothing is computed but the order", are_joined_plainly)
                .guard("nothing else needs the other parts", move |m| {
                    joined(m).is_some_and(|parts| parts.iter().all(|id| others.is_alone(m, *id)))
                })
                .fold(evaluated),
        ),
        told(
            transposed("take a part beforehand", op(SLICE).operand(0, w()))
                .guard("operand and result are of one type", same_type)
                .fold(evaluated),
        ),
        told(
            transposed("take a part in steps beforehand", op(STRIDED_SLICE).operand(0, w()))
                .guard("operand and result are of one type", same_type)
                .fold(evaluated),
        ),
        transposed(
            "transpose before the Dequantize",
            op(TRANSPOSE).operand(0, op(DEQUANTIZE).operand(0, w())).operand(1, constant("order")),
        )
        .guard("one scale serves all", |m| {
            let quantization = m.tensor("w").quantization.as_deref();
            m.tensor("w").scales() <= 1
                && quantization.is_none_or(|q| q.details == QuantizationDetails::None)
        })
        .guard("the target has a Dequantize for it", |m| {
            let form = WeightForm::of(m.tensor("w"));
            m.target().dequantize_supports(form.ty, form.granularity)
        })
        .guard("only the TRANSPOSE reads what is dequantised", |m| {
            let float = dequantized(m);
            m.graph().is_read_once(float) && !m.module().references(m.subgraph(), float).any()
        })
        .replace(|m, patch| {
            let (w, result) = (m.tensor("w"), m.tensor("result"));
            let codes = patch.add_tensor(Tensor {
                name: w.name.clone(),
                ty: w.ty,
                quantization: w.quantization.clone(),
                has_rank: result.has_rank,
                ..Tensor::new(w.label(), w.ty, result.shape.clone())
            });
            let mut turn = m.graph().op(m.root()).clone();
            turn.notes = Notes::default();
            let before = InsertionPoint::Before(m.root());
            let operands = [Some(m.id("w").into()), Some(m.id("order").into())];
            patch.add_op(turn, before, &operands, &[codes]);
            patch.erase_op(m.root());
            let float = dequantized(m);
            patch.erase_op(m.graph().producer(float).expect("the pattern has one").0);
            patch.erase_tensor(float);
            let dequantize = Op::new(OpKind::Builtin(DEQUANTIZE));
            patch.add_op(dequantize, before, &[Some(codes)], &[m.id("result").into()]);
        })
        .tell("folded", |_| "its codes are transposed instead".to_owned()),
        told(
            fold("dequantise few numbers beforehand", op(DEQUANTIZE).operand(0, w()))
                .when("they are float16", |m| m.tensor("w").ty == ElementType::Float16)
                .when("they are few", |m| m.tensor("w").elements().is_some_and(|n| n <= FEW))
                .fold(evaluated),
        ),
        told(
            Rule::new("compute few numbers beforehand", op_of(&operators().collect::<Vec<_>>()))
                .when("all operands are constants", |m| {
                    let operands = m.graph().operands(m.root());
                    !operands.is_empty() && operands.iter().flatten().all(|id| is_fixed(m, *id))
                })
                .when("they are few", |m| m.tensor("result").elements().is_some_and(|n| n <= FEW))
                .when("nothing is quantised", |m| {
                    let all = m.graph().operands(m.root()).into_iter().flatten();
                    m.tensor("result").scales() == 0
                        && all.into_iter().all(|id| m.graph().tensor(id).scales() == 0)
                })
                .guard("every dimension is known", |m| m.tensor("result").is_static())
                .guard("the result has the shape that constants give it", has_its_shape)
                .fold(exact),
        ),
    ]
}

/// What the Dequantize in front of the root computes.
fn dequantized(m: &Match<'_>) -> TensorId {
    m.graph().operand(m.root(), 0).expect("the pattern has one")
}

fn kind<'a>(m: &Match<'a>) -> &'a OpKind {
    &m.graph().op(m.root()).kind
}

/// What goes when a constant is folded, but not where metadata numbers it.
const OLD_CONSTANT: Numbers =
    Numbers { subgraphs: false, ops: false, tensors: true, buffers: true };

/// Who shows the bytes of a constant.
#[derive(Debug)]
struct SharedBytes {
    /// How many tensors showed them before a rule was applied, and how many operands read those.
    came: HashMap<Extent, (usize, usize)>,
    made: Mutex<Made>,
}

/// What rules made, as far as it was looked at.
#[derive(Debug, Default)]
struct Made {
    entries: usize,
    buffers: HashMap<Extent, Vec<BufferId>>,
}

/// Where bytes lie. Buffers that were made of others without another value lie where those do.
type Extent = (usize, usize);

fn span(bytes: &Bytes) -> Extent {
    (bytes.as_ptr().addr(), bytes.len())
}

impl SharedBytes {
    fn new(module: &Module) -> Self {
        let mut shown: HashMap<Extent, (usize, usize)> = HashMap::default();
        for (_, graph) in module.subgraphs() {
            for id in graph.tensors() {
                if let Some(bytes) = module.constants().get(graph.tensor(id).buffer) {
                    let (tensors, readers) = shown.entry(span(bytes)).or_default();
                    *tensors += 1;
                    *readers += graph.use_count(id);
                }
            }
        }
        Self { came: shown, made: Mutex::default() }
    }

    /// Whether one tensor shows the bytes, for one reader, so that they go when it is folded. What
    /// the rules made of them for another reader shows them still.
    fn is_shown_once(&self, module: &Module, buffer: BufferId) -> bool {
        let Some(bytes) = module.constants().get(buffer) else { return false };
        if let Some(shown) = self.came.get(&span(bytes)) {
            return *shown == (1, 1);
        }
        let mut made = self.made.lock().expect("nothing panics while it is held");
        // Entries are only added while the pass runs.
        for n in made.entries..module.constants().len() {
            let id = BufferId(n as u32);
            if let Some(bytes) = module.constants().get(id) {
                made.buffers.entry(span(bytes)).or_default().push(id);
            }
        }
        made.entries = module.constants().len();
        let is_there = |id: &&BufferId| module.constants().get(**id).map(span) == Some(span(bytes));
        let shown = made.buffers.get(&span(bytes)).into_iter().flatten();
        shown.filter(is_there).all(|id| *id == buffer)
    }

    /// Whether the bytes of an operand can go with the op, or a new constant is no burden beside
    /// them.
    fn is_alone(&self, m: &Match<'_>, w: TensorId) -> bool {
        let graph = m.graph();
        let tensor = graph.tensor(w);
        // Bytes that are the same ones are written once.
        let same_bytes = semantics_of(graph.op(m.root())).is_some_and(|what| what.view);
        let few = tensor.elements().is_some_and(|n| n <= FEW);
        let only_reader = graph.is_read_once(w)
            && self.is_shown_once(m.module(), tensor.buffer)
            && m.module().numbered_by_metadata(OLD_CONSTANT).is_none()
            && !m.module().references(m.subgraph(), w).any()
            && m.module().metadata_uses(tensor.buffer) == 0;
        tensor.is_plain() && (same_bytes || few || only_reader)
    }
}

fn is_fixed(m: &Match<'_>, id: TensorId) -> bool {
    m.module().fixed_constant(m.subgraph(), id).is_some()
}

/// What the op joins, where all of it is constant.
fn joined(m: &Match<'_>) -> Option<Vec<TensorId>> {
    let parts: Vec<TensorId> = m.graph().operands(m.root()).into_iter().collect::<Option<_>>()?;
    parts.iter().all(|id| is_fixed(m, *id)).then_some(parts)
}

/// Whether bytes are copied as they are: one type, no scales and no activation.
fn are_joined_plainly(m: &Match<'_>) -> bool {
    let result = m.tensor("result");
    let alike = |id: &TensorId| {
        let part = m.graph().tensor(*id);
        part.ty == result.ty && part.scales() == 0 && part.shape.len() == result.shape.len()
    };
    let activation = m.graph().op(m.root()).number("fused_activation_function");
    activation == 0
        && result.scales() == 0
        && joined(m).is_some_and(|parts| parts.iter().all(alike))
}

fn element_bytes(tensor: &Tensor) -> Option<usize> {
    let bits = tensor.ty.bits()?;
    (bits % 8 == 0).then_some(bits as usize / 8)
}

fn same_type(m: &Match<'_>) -> bool {
    m.tensor("w").ty == m.tensor("result").ty
}

/// What the root makes of constants, which all of its operands are.
fn evaluated(m: &Match<'_>) -> Option<Bytes> {
    only(results(m)?)
}

/// The same where no kernel makes other bits of them.
fn exact(m: &Match<'_>) -> Option<Bytes> {
    only(results(m).filter(|made| made.fidelity == Fidelity::Exact)?)
}

fn only(mut made: Results) -> Option<Bytes> {
    (made.values.len() == 1).then(|| made.values.remove(0).into_bytes())
}

fn results(m: &Match<'_>) -> Option<Results> {
    let (graph, module, sg) = (m.graph(), m.module(), m.subgraph());
    let value = |id: Option<TensorId>| match id {
        Some(id) => Value::of_constant(module, sg, id).map(Some),
        None => Some(None),
    };
    let operands = graph.operands(m.root()).into_iter().map(value).collect::<Option<Vec<_>>>()?;
    let result = m.tensor("result");
    let declared = Declared { ty: result.ty, quantization: result.quantization.clone() };
    let op = graph.op(m.root());
    evaluate_op(op, &operands, &[declared], &mut Budget::default()).ok()
}

/// Whether what the file says of the result's shape follows from constants and attributes: a
/// shape that the runtime works out may be another one.
fn has_its_shape(m: &Match<'_>) -> bool {
    let (graph, module, sg) = (m.graph(), m.module(), m.subgraph());
    // The values of one that a caller may set are not what they are now.
    let may_be_set =
        |id| module.constant(sg, id).is_some() && module.fixed_constant(sg, id).is_none();
    if graph.operands(m.root()).into_iter().flatten().any(may_be_set) {
        return false;
    }
    let stated = Shape::of(m.tensor("result").shape.iter().map(|dim| Some(*dim)));
    infer_op(module, sg, m.root())
        .is_ok_and(|results| results.first().is_some_and(|r| r.shape == stated))
}
