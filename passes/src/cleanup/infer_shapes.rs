use crate::shapes::{Fact, Walk, state};
use crate::vector::vector;
use tfq_eval::Value;
use tfq_ir::ops::{ShapeRule, semantics_of};
use tfq_ir::{ElementType, Module, OpId, Patch, References, SubgraphId, TensorId, TensorRef};
use tfq_pass::rewrite::erase_dead_ops;
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Module;
    /// Works out the shapes that follow from those of the inputs, and the numbers that ops make of shapes.
    ///
    /// ## What it does
    /// Shapes are followed from the inputs through all ops, also into the subgraphs of WHILE, IF and CALL. A
    /// dimension that the file leaves open (-1 in `shape_signature`) and that is known by then is stated.
    /// SHAPE and RANK, and what STRIDED_SLICE, GATHER, PACK, CONCATENATION, MUL, CAST and other ops make of
    /// them, give way to constants where all of it is known. Inputs that are left open stay so: of
    /// `SHAPE(x)` with a free batch, the other dimensions are known all the same. A RESHAPE to a shape that is
    /// computed gets a constant one where at most one dimension is open, which is -1 then: the runtime no
    /// longer has to allocate what follows while it runs, and delegates take it.
    ///
    /// ## When it is safe
    /// Results are bit-identical for all inputs that the file lets a caller set: a dimension that is not -1
    /// in the signature of an input counts as fixed, though the runtime lets a caller resize it. (A caller who
    /// does that should bind the shape first, with `set-shape`.) Integers are computed as the runtime's
    /// kernels do. Nothing follows from ops of which nothing is known, such as custom ones, from
    /// variables, or from what the file merely says of a result. A tensor that has bytes in the file and that an
    /// op computes counts as computed. Outputs keep the dimensions that callers are told.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[?,4,8]
    ///   %begin = const : i32[1] = [0]
    ///   %end = const : i32[1] = [1]
    ///   %size = const : i32[] = 32
    ///   %shape = SHAPE(%x) {out_type = INT32} : i32[3]
    ///   %batch = STRIDED_SLICE(%shape, %begin, %end, %end) {shrink_axis_mask = 1} : i32[]
    ///   %flat = PACK(%batch, %size) {values_count = 2} : i32[2]
    ///   %y = RESHAPE(%x, %flat) : f32[?,?]
    ///   %z = NEG(%y) : f32[?,?]
    ///   output %z
    /// }
    /// ```
    /// becomes with `infer-shapes,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[?,4,8]
    ///   %y;shape = const : i32[2] = [-1, 32]
    ///   %y = RESHAPE(%x, %y;shape) : f32[?,32]
    ///   %z = NEG(%y) : f32[?,32]
    ///   output %z
    /// }
    /// ```
    pub struct InferShapes {}
}

impl Pass for InferShapes {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        // Edits leave tensors and ops the handles that they have here.
        let module = session.model().clone();
        let walk = Walk::of(&module);
        if walk.gave_up() {
            session.missed("shapes", "the model", "subgraphs call each other in a circle");
            return Ok(());
        }
        for sg in walk.subgraphs() {
            state_shapes(session, &walk, *sg)?;
        }
        for sg in walk.subgraphs() {
            let folded = fold_numbers(session, &walk, *sg)? + open_reshapes(session, &walk, *sg)?;
            if folded > 0 {
                erase_dead_ops(session, *sg)?;
            }
        }
        Ok(())
    }
}

fn state_shapes(
    session: &mut Session<'_>,
    walk: &Walk<'_>,
    sg: SubgraphId,
) -> Result<(), PassError> {
    let module = session.model();
    let mut patch = Patch::new(sg, "state shapes that are known");
    let seen = |id: TensorId| {
        let references = module.references(sg, id);
        references.input || references.output || references.signature_output
    };
    let stated = state(walk, module, sg, &mut patch, seen);
    for id in stated.kept {
        let message = "it has another shape, but callers are told this one";
        session.missed("shape of an output", module.tensor_place(sg, id), message);
    }
    if stated.told.is_empty() {
        return Ok(());
    }
    let places: Vec<_> =
        stated.told.iter().map(|id| module.tensor_place(sg, *id).to_string()).collect();
    // What the file says of ops may contradict itself in ways that show only with the shapes known.
    if let Err(error) = session.apply(patch) {
        let name = session.model().subgraph(sg).name.as_deref().unwrap_or("?").to_owned();
        session.missed("shapes", format_args!("@{name}"), error);
        return Ok(());
    }
    session.count("shapes-inferred", places.len() as u64);
    for (id, place) in stated.told.into_iter().zip(places) {
        session.applied("shape", place, format_args!("it is {}", walk.fact(sg, id).shape));
    }
    Ok(())
}

/// Makes constants of what ops compute of shapes, the last ops first, so that those between have no reader
/// any more when it is their turn.
fn fold_numbers(
    session: &mut Session<'_>,
    walk: &Walk<'_>,
    sg: SubgraphId,
) -> Result<usize, PassError> {
    let mut ops: Vec<OpId> = session.model().subgraph(sg).ops().collect();
    ops.reverse();
    let mut folded = 0;
    for op in ops {
        let Some((result, value)) = known_result(session, walk, sg, op) else { continue };
        let module = session.model();
        let graph = module.subgraph(sg);
        let place = module.op_place(sg, op).to_string();
        let kind = graph.op(op).kind.clone();
        let mut patch = Patch::new(sg, "make a constant of what follows from shapes");
        patch.erase_op(op);
        if graph.is_read(result) {
            // Another tensor in its place: one that has bytes in the file may share them.
            let mut tensor = graph.tensor(result).clone();
            tensor.shape = value.shape().iter().map(|dim| *dim as i32).collect();
            tensor.shape_signature = [].into();
            let constant = patch.new_constant(tensor, value.into_bytes());
            patch.replace_uses(graph, result, constant);
        }
        patch.erase_tensor(result);
        if let Some(reason) = session.forbidden(&patch) {
            session.missed("numbers of a shape", place, reason);
            continue;
        }
        session.apply(patch)?;
        session.applied("numbers of a shape", place, format_args!("what {kind} computes is known"));
        session.count("ops-folded", 1);
        folded += 1;
    }
    Ok(folded)
}

/// The result of an op and its value, where that follows from shapes and the op can go. Ops that read
/// constants only are left to `fold-constants`.
fn known_result(
    session: &Session<'_>,
    walk: &Walk<'_>,
    sg: SubgraphId,
    op: OpId,
) -> Option<(TensorId, Value)> {
    let module = session.model();
    let graph = module.subgraph(sg);
    let [result] = graph.results(op)[..] else { return None };
    let value = walk.fact(sg, result).value?;
    let tensor = graph.tensor(result);
    let references = module.references(sg, result);
    let only_read = References { odd: false, ..references } == References::default();
    let computed = |id: TensorId| module.fixed_constant(sg, id).is_none();
    let goes = session.effects(sg, op).is_pure()
        && only_read
        && tensor.is_plain()
        && tensor.ty == value.ty()
        && graph.operands(op).into_iter().flatten().any(computed);
    goes.then_some((result, value))
}

/// Lets a RESHAPE to a computed shape read a constant one, where the elements tell what is left open.
fn open_reshapes(
    session: &mut Session<'_>,
    walk: &Walk<'_>,
    sg: SubgraphId,
) -> Result<usize, PassError> {
    let ops: Vec<OpId> = session.model().subgraph(sg).ops().collect();
    let mut done = 0;
    for op in ops {
        let module = session.model();
        let Some(target) = open_target(module, walk, sg, op) else { continue };
        let graph = module.subgraph(sg);
        let place = module.op_place(sg, op).to_string();
        let name = format!("{};shape", graph.tensor(graph.results(op)[0]).label());
        let mut patch = Patch::new(sg, "make the shape of a RESHAPE constant");
        let constant: TensorRef = vector(&mut patch, name, &target);
        patch.set_operand(op, 1, constant);
        if let Some(reason) = session.forbidden(&patch) {
            session.missed("computed shape", place, reason);
            continue;
        }
        session.apply(patch)?;
        let message = format_args!("its shape is {target:?}, whatever is computed");
        session.applied("computed shape", place, message);
        session.count("shapes-inferred", 1);
        done += 1;
    }
    Ok(done)
}

/// The shape that a RESHAPE computes, -1 where that is not known.
fn open_target(module: &Module, walk: &Walk<'_>, sg: SubgraphId, op: OpId) -> Option<Vec<i32>> {
    let graph = module.subgraph(sg);
    semantics_of(graph.op(op)).filter(|what| what.shape == ShapeRule::Reshape)?;
    let shape = graph.operand(op, 1)?;
    let is_vector = |fact: Fact| fact.shape.dims().is_some_and(|dims| dims.len() == 1);
    let computed = graph.tensor(shape).ty == ElementType::Int32
        && graph.producer(shape).is_some()
        && is_vector(walk.fact(sg, shape));
    let fact = walk.fact(sg, *graph.results(op).first().filter(|_| computed)?);
    let dims = fact.shape.dims()?;
    // A size of 0 means different things to kernels, and leaves open what -1 is.
    let open = dims.iter().filter(|dim| dim.is_none()).count();
    let sayable = !dims.is_empty() && open <= 1 && !dims.contains(&Some(0));
    sayable.then(|| dims.iter().map(|dim| dim.unwrap_or(-1)).collect())
}
