use super::equivalent;
use tfq_ir::catalog::ops::{BATCH_MATMUL, FULLY_CONNECTED};
use tfq_ir::{Attr, ElementType, Op, OpId, Patch, Tensor, TensorRef, Use};
use tfq_pass::rewrite::{Match, Rule, apply_rules, constant, tensor};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Reassociating, scope: Subgraph, writes: [FULLY_CONNECTED];
    /// Writes a BATCH_MATMUL by a constant matrix as a FULLY_CONNECTED.
    ///
    /// ## What it does
    /// A float32 BATCH_MATMUL whose second operand is one constant matrix becomes a FULLY_CONNECTED that keeps
    /// its operand's dimensions. The matrix is transposed, unless `adj_y` says that it is already.
    /// Only where the target says that this is sooner: LiteRT's optimised kernel transposes the matrix in each
    /// run. Exports of onnx2tf have all their dense layers so.
    ///
    /// ## When it is safe
    /// The same products are summed up, by another kernel that may round sums of floats in another order. The
    /// reference kernels give the same bits. Every dimension but those of batches must be known; all
    /// that read the matrix must be such ops, so that it is in the file once.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,4,2]
    ///   %w = const : f32[2,3] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    ///   %y = BATCH_MATMUL(%x, %w) : f32[1,4,3]
    ///   output %y
    /// }
    /// ```
    /// becomes with `convert-batch-matmul,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,4,2]
    ///   %"w;transposed" = const : f32[3,2] = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
    ///   %y = FULLY_CONNECTED.v5(%x, %"w;transposed", _) {keep_num_dims = true} : f32[1,4,3]
    ///   output %y
    /// }
    /// ```
    pub struct ConvertBatchMatmul {}
}

impl Pass for ConvertBatchMatmul {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &[rule()])?;
        }
        Ok(())
    }
}

/// What the target calls it.
const FORM: &str = "fully-connected";

fn rule() -> Rule {
    Rule::new("products with a constant matrix", tensor(constant("w")))
        .when("only products read it", |m| {
            let graph = m.graph();
            let is_product = |u: Use| graph.op(u.op).kind.is(BATCH_MATMUL) && u.slot == 1;
            graph.is_read(m.id("w")) && graph.all_uses(m.id("w"), is_product)
        })
        .when("the target is slow at them", |m| {
            readers(m).iter().all(|op| equivalent(m, *op, FORM).is_some())
        })
        .guard("the constant is one matrix of float32", |m| {
            is_float(m.tensor("w")) && readers(m).iter().all(|op| matrix(m, *op).is_some())
        })
        .guard("nothing else refers to it", |m| {
            !m.module().references(m.subgraph(), m.id("w")).any()
        })
        .guard("all take it in the same order", |m| {
            let mut orders = readers(m).into_iter().map(|op| flag(m, op, "adj_y"));
            let first = orders.next();
            orders.all(|order| Some(order) == first)
        })
        .guard("results have the dimensions of the first operand", |m| {
            readers(m).iter().all(|op| keeps_dimensions(m, *op))
        })
        .replace(|m, patch| {
            let Some(weights) = weights(m, patch) else { return };
            let graph = m.graph();
            for op in readers(m) {
                let new = Op::builtin(FULLY_CONNECTED).with("keep_num_dims", Attr::Bool(true));
                let x = graph.operand(op, 0).map(TensorRef::from);
                patch.replace_op(graph, op, new, &[x, Some(weights), None]);
            }
        })
        .tell("rewritten", |m| {
            let why = readers(m).first().and_then(|op| equivalent(m, *op, FORM));
            format!("FULLY_CONNECTED in place of BATCH_MATMUL: {}", why.unwrap_or_default())
        })
        .count("ops-rewritten")
}

/// The products that read the constant.
fn readers(m: &Match<'_>) -> Vec<OpId> {
    m.graph().uses(m.id("w")).iter().map(|u| u.op).collect()
}

fn is_float(tensor: &Tensor) -> bool {
    tensor.is_plain() && tensor.ty == ElementType::Float32
}

fn flag(m: &Match<'_>, op: OpId, name: &str) -> bool {
    m.graph().op(op).bool(name).unwrap_or(false)
}

/// How many columns and rows the constant has as a factor, if it is one matrix.
fn matrix(m: &Match<'_>, op: OpId) -> Option<[i32; 2]> {
    let [batches @ .., first, second] = &m.tensor("w").shape[..] else { return None };
    let single = batches.iter().all(|dim| *dim == 1) && *first > 0 && *second > 0;
    single.then_some(if flag(m, op, "adj_y") { [*first, *second] } else { [*second, *first] })
}

/// Whether the result of a product is its first operand with another last dimension.
fn keeps_dimensions(m: &Match<'_>, op: OpId) -> bool {
    let graph = m.graph();
    let (Some(x), [result]) = (graph.operand(op, 0), &graph.results(op)[..]) else { return false };
    let (x, result) = (graph.tensor(x), graph.tensor(*result));
    let Some([columns, rows]) = matrix(m, op) else { return false };
    let ([front @ .., _], [kept @ .., width]) = (&x.shape[..], &result.shape[..]) else {
        return false;
    };
    !flag(m, op, "adj_x")
        && is_float(x)
        && is_float(result)
        && !front.is_empty()
        && front == kept
        && x.shape_signature.is_empty() == result.shape_signature.is_empty()
        && x.known_dim(x.shape.len() - 1) == Some(rows)
        && *width == columns
}

/// The constant as a FULLY_CONNECTED reads it: a row for each of its results.
fn weights(m: &Match<'_>, patch: &mut Patch) -> Option<TensorRef> {
    let (w, op) = (m.tensor("w"), *readers(m).first()?);
    let shape @ [columns, rows] = matrix(m, op)?;
    if !flag(m, op, "adj_y") {
        let tensor = Tensor::new(format!("{};transposed", w.label()), w.ty, shape);
        let (elements, _) = m.bytes("w")?.as_chunks::<4>();
        let (rows, columns) = (rows as usize, columns as usize);
        let turned =
            (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
        let bytes: Vec<u8> = turned.flat_map(|at| elements[at]).collect();
        return Some(patch.new_constant(tensor, bytes.into()));
    }
    if w.shape.len() == 2 {
        return Some(m.id("w").into());
    }
    let name = format!("{};matrix", w.label());
    Some(patch.add_tensor(Tensor { buffer: w.buffer, ..Tensor::new(name, w.ty, shape) }))
}
