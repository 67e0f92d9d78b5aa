use indexmap::IndexMap;
use std::sync::Arc;
use tfq_ir::catalog::{op_by_code, ops};
use tfq_ir::{
    Attr, Attributes, BufferId, ElementType, Module, Op, OpId, OpKind, Patch, Place, SubgraphId,
    Tensor, TensorId, TensorRef, Use,
};
use tfq_pass::{Context, Eligibility, Pass, PassError, declare_pass, eligibility};
use tfq_target::{Target, WeightForm};

declare_pass! {
    contract: Exact, scope: Subgraph;
    /// Puts a Dequantize between a quantised constant and the ops that cannot read it.
    ///
    /// ## What it does
    /// Asks the target about every op that reads a quantised constant. Those without a kernel
    /// for it get the constant through a Dequantize, one per constant and subgraph, which the
    /// runtime computes once and keeps. Where an op copies codes (GATHER), the Dequantize goes
    /// behind it, so that only the rows that were looked up are converted, unless those are more
    /// than the table has. An output of the model keeps its name, type and shape; it is copied from
    /// the Dequantize, since XNNPACK would leave the tensor unwritten otherwise.
    ///
    /// ## When it is safe
    /// Always: each op computes with the numbers that the constant stands for.
    pub struct InsertDequant {}
}

impl Pass for InsertDequant {
    fn run(&self, module: &mut Module, cx: &mut Context<'_>) -> Result<(), PassError> {
        for sg in cx.subgraphs(module) {
            for constant in constants(module, cx.target(), sg) {
                self.pass_through(module, cx, sg, &constant)?;
                self.dequantize(module, cx, sg, &constant)?;
            }
        }
        Ok(())
    }
}

/// A quantised constant of a subgraph: the tensors that show the same bytes the same way.
#[derive(Debug)]
struct Constant {
    tensors: Vec<TensorId>,
}

/// The bytes of a constant and how a tensor shows them, but for scales.
type Shown = (BufferId, Arc<[i32]>, ElementType);

/// Quantised constants that a Dequantize can read, in order of their first tensor.
fn constants(module: &Module, target: &Target, sg: SubgraphId) -> Vec<Constant> {
    let graph = module.subgraph(sg);
    let mut found: IndexMap<Shown, Vec<TensorId>> = IndexMap::new();
    for id in graph.tensors() {
        let tensor = graph.tensor(id);
        let quantised = tensor.expressed.is_some()
            || (matches!(tensor.ty, ElementType::Int8 | ElementType::Int4 | ElementType::Int2)
                && tensor.scales() > 0);
        let form = WeightForm::of(tensor);
        let readable =
            target.dequantize_supports(form.ty, form.granularity) && tensor.sparsity.is_none();
        if readable && quantised && module.constant(sg, id).is_some() {
            let key = (tensor.buffer, tensor.shape.clone(), tensor.ty);
            found.entry(key).or_default().push(id);
        }
    }
    // The same bytes may carry other scales.
    let mut constants: Vec<Constant> = Vec::new();
    for tensors in found.into_values() {
        let first = constants.len();
        for id in tensors {
            let scales = &graph.tensor(id).quantization;
            let same = |c: &&mut Constant| graph.tensor(c.tensors[0]).quantization == *scales;
            match constants[first..].iter_mut().find(same) {
                Some(constant) => constant.tensors.push(id),
                None => constants.push(Constant { tensors: vec![id] }),
            }
        }
    }
    constants
}

impl InsertDequant {
    /// Lets ops that copy codes copy them, and converts what they copied.
    fn pass_through(
        &self,
        module: &mut Module,
        cx: &mut Context<'_>,
        sg: SubgraphId,
        constant: &Constant,
    ) -> Result<(), PassError> {
        for &table in &constant.tensors {
            for r#use in module.subgraph(sg).uses(table) {
                let Some(result) = match_copy(module, cx, sg, table, r#use) else { continue };
                let reader = Context::op_place(module, sg, r#use.op);
                let graph = module.subgraph(sg);
                let (from, to) = (graph.tensor(table), graph.tensor(result));
                let mut codes = to.clone();
                codes.name = Some(format!("{}_quantized", to.label()).into());
                codes.ty = from.ty;
                codes.quantization = from.quantization.clone();
                let mut patch = Patch::new(sg, "dequantise behind a lookup");
                let codes = patch.add_tensor(codes);
                patch.set_result(r#use.op, 0, codes);
                let place = Place::After(r#use.op);
                patch.add_op(dequantize_op(), place, &[Some(codes)], &[result.into()]);
                cx.apply(module, patch)?;
                cx.applied(
                    "dequantize behind",
                    reader,
                    "it copies codes, which are converted then",
                );
                cx.count("dequantize-inserted", 1);
            }
        }
        Ok(())
    }

    /// Serves the ops that have no kernel, and the outputs.
    fn dequantize(
        &self,
        module: &mut Module,
        cx: &mut Context<'_>,
        sg: SubgraphId,
        constant: &Constant,
    ) -> Result<(), PassError> {
        let readers = match_readers(module, cx, sg, constant);
        let graph = module.subgraph(sg);
        let outputs: Vec<TensorId> = constant
            .tensors
            .iter()
            .copied()
            .filter(|id| graph.is_output(*id) && graph.tensor(*id).expressed.is_some())
            .collect();
        let served = readers.is_empty() && outputs.is_empty();
        let label = if served { "leave a constant to its readers" } else { "insert a Dequantize" };
        let mut patch = Patch::new(sg, label);
        for &id in constant.tensors.iter().filter(|id| graph.tensor(**id).expressed.is_some()) {
            patch.set_expressed(id, None);
        }
        if served {
            return cx.apply(module, patch);
        }
        let source = constant.tensors[0];
        let at = Context::tensor_place(module, sg, source);
        let name = graph.tensor(source).label();
        let mut float = float_twin(graph.tensor(source));
        float.name = Some(format!("{name}_dequantize").into());
        let float = patch.add_tensor(float);
        let place = readers.first().map_or(Place::End, |(reader, _)| Place::Before(reader.op));
        patch.add_op(dequantize_op(), place, &[Some(TensorRef::Old(source))], &[float]);
        for (reader, _) in &readers {
            patch.set_operand(reader.op, reader.slot, float);
        }
        for &output in &outputs {
            let name = graph.tensor(output).label();
            let returned = patch.add_tensor(float_twin(graph.tensor(output)));
            patch.set_name(output, Some(format!("{name}_quantized").into()));
            let copy = copy_op(&graph.tensor(output).shape);
            patch.add_op(copy, Place::End, &[Some(float)], &[returned]);
            patch.replace_output(output, returned);
        }
        cx.apply(module, patch)?;

        let why = match readers.first() {
            Some((reader, reason)) => {
                let op = Context::op_place(module, sg, reader.op);
                format!("for {op}: {reason}")
            }
            None => "since it is an output".to_owned(),
        };
        let more = if readers.len() > 1 {
            format!(" (and {} more)", readers.len() - 1)
        } else {
            String::new()
        };
        cx.applied("dequantize before", at, format!("{why}{more}"));
        cx.count("dequantize-inserted", 1);
        Ok(())
    }
}

/// The result of an op that copies codes of `table`, if converting the result is the cheaper.
fn match_copy(
    module: &Module,
    cx: &Context<'_>,
    sg: SubgraphId,
    table: TensorId,
    r#use: Use,
) -> Option<TensorId> {
    let graph = module.subgraph(sg);
    let verdict = eligibility(module, cx.target(), sg, r#use.op, r#use.slot);
    if verdict != Eligibility::PassThrough {
        return None;
    }
    let result = *graph.results(r#use.op).first()?;
    // A result that has the table's type already belongs to a model that was quantised before.
    if graph.tensor(result).ty != ElementType::Float32 {
        return None;
    }
    (!is_wasteful(graph.tensor(table), graph.tensor(result)) || is_noted(module, sg, r#use.op))
        .then_some(result)
}

/// Whether a lookup returns more elements than its table has; then the table is converted, once.
fn is_wasteful(table: &Tensor, result: &Tensor) -> bool {
    result.is_static() && result.elements() > table.elements()
}

fn is_noted(module: &Module, sg: SubgraphId, op: OpId) -> bool {
    module.subgraph(sg).op(op).notes.contains_key(tfq_pass::HYBRID_NOTE)
}

/// Who reads the constant and cannot, in execution order, with the reasons.
fn match_readers(
    module: &Module,
    cx: &Context<'_>,
    sg: SubgraphId,
    constant: &Constant,
) -> Vec<(Use, String)> {
    let graph = module.subgraph(sg);
    let mut readers = Vec::new();
    for &id in &constant.tensors {
        let pending = graph.tensor(id).expressed.is_some();
        for r#use in graph.uses(id) {
            if graph.op(r#use.op).kind.is(ops::DEQUANTIZE)
                || (!pending && !is_hybrid_place(module, cx, sg, r#use))
            {
                continue;
            }
            let reason = match eligibility(module, cx.target(), sg, r#use.op, r#use.slot) {
                Eligibility::Hybrid { .. } => continue,
                Eligibility::PassThrough => {
                    let copied = graph
                        .results(r#use.op)
                        .first()
                        .is_some_and(|result| graph.tensor(*result).ty == graph.tensor(id).ty);
                    if copied {
                        continue;
                    }
                    "it looks up more elements than the table has".to_owned()
                }
                Eligibility::Dequantize { reason } => reason,
            };
            readers.push((r#use, reason));
        }
    }
    readers.sort_by(|(a, _), (b, _)| {
        let before = |a: &Use, b: &Use| graph.runs_before(a.op, b.op);
        before(b, a).cmp(&before(a, b))
    });
    readers
}

/// Whether the op reads a weight there next to float32 activations: the only place where a
/// quantised constant of the input may be mistaken for float32.
fn is_hybrid_place(module: &Module, cx: &Context<'_>, sg: SubgraphId, r#use: Use) -> bool {
    let graph = module.subgraph(sg);
    let Some(facts) = cx.target().facts_of(graph, r#use.op) else { return false };
    let activation = facts.activation.and_then(|slot| graph.operand(r#use.op, slot));
    facts.weights.contains(&r#use.slot)
        && activation.is_some_and(|id| graph.tensor(id).ty == ElementType::Float32)
}

fn dequantize_op() -> Op {
    Op::new(OpKind::Builtin(ops::DEQUANTIZE))
}

/// An op that copies its operand, which has this shape of at least one dimension.
///
/// XNNPACK takes a Dequantize of a constant, unpacks the constant for the ops that it took as
/// well, and never writes the tensor: where the subgraph returns that, callers get zeros
/// (measured on LiteRT 2.3.0). The result of a copy is written.
fn copy_op(shape: &[i32]) -> Op {
    let mut op = Op::new(OpKind::Builtin(ops::RESHAPE));
    let options = op_by_code(ops::RESHAPE).and_then(|op| op.options);
    let mut attrs = Attributes::new(options.expect("RESHAPE has options"));
    let shape = shape.iter().map(|d| i64::from(*d)).collect();
    attrs.set("new_shape", Attr::Ints(shape)).expect("it is a list of integers");
    op.attrs = Some(attrs);
    op
}

/// The tensor that a Dequantize of `stored` computes.
fn float_twin(stored: &Tensor) -> Tensor {
    let mut float = Tensor::new(stored.label(), ElementType::Float32, stored.shape.clone());
    float.name = stored.name.clone();
    float.shape_signature = stored.shape_signature.clone();
    float.has_rank = stored.has_rank;
    float
}
