use tfq_ir::catalog::ops::{SLICE, SPLIT};
use tfq_ir::{Attr, ElementType, InsertionPoint, Op, OpId, Tensor, TensorId, TensorRef};
use tfq_pass::analysis::SureShapes;
use tfq_pass::rewrite::{Match, Rule, any, apply_rules, tensor};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph, writes: [SPLIT];
    /// Makes one SPLIT of the SLICE ops that cut a tensor into equal parts.
    ///
    /// ## What it does
    /// Where SLICE ops take a tensor apart along one dimension, each as much and all of it, one SPLIT computes
    /// what they did. The optimised kernels read the tensor once then, and XNNPACK, which leaves a SLICE whose
    /// size is -1, takes it also where the number of batches is free. It gives four results at most, so that
    /// more parts stay as they are where the target has it. Unequal parts stay: no delegate takes a SPLIT_V.
    ///
    /// ## When it is safe
    /// Results are bit-identical: the same elements are copied. Begins and sizes must be constants, the dimension
    /// known, and every part there once.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,4]
    ///   %first = const : i32[2] = [0, 0]
    ///   %second = const : i32[2] = [0, 2]
    ///   %size = const : i32[2] = [1, 2]
    ///   %a = SLICE(%x, %first, %size) : f32[1,2]
    ///   %b = SLICE(%x, %second, %size) : f32[1,2]
    ///   %y = ADD(%a, %b) : f32[1,2]
    ///   output %y
    /// }
    /// ```
    /// becomes with `convert-to-split,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,4]
    ///   %"x;axis" = const : i32[] = 1
    ///   %a, %b = SPLIT(%"x;axis", %x) {num_splits = 2} : (f32[1,2], f32[1,2])
    ///   %y = ADD(%a, %b) : f32[1,2]
    ///   output %y
    /// }
    /// ```
    pub struct ConvertToSplit {}
}

impl Pass for ConvertToSplit {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &[rule()])?;
        }
        Ok(())
    }
}

/// XNNPACK takes no SPLIT of more results.
const MOST_RESULTS: usize = 4;

fn rule() -> Rule {
    Rule::new("slices that are a split", tensor(any("x")))
        .asks::<SureShapes>()
        .when("slices cut it into equal parts", |m| parts(m).is_some())
        .guard("the target takes a SPLIT of so many", |m| {
            let few = parts(m).is_some_and(|parts| parts.slices.len() <= MOST_RESULTS);
            few || !m.target().has_delegate()
        })
        .replace(|m, patch| {
            let (graph, Some(parts)) = (m.graph(), parts(m)) else { return };
            let name = format!("{};axis", m.tensor("x").label());
            let axis = Tensor { has_rank: true, ..Tensor::new(name, ElementType::Int32, []) };
            let bytes = (parts.axis as i32).to_le_bytes().to_vec();
            let axis = patch.new_constant(axis, bytes.into());
            let count = parts.slices.len() as i64;
            let split = Op::builtin(SPLIT).with("num_splits", Attr::Int(count));
            let results = parts.slices.iter().flat_map(|op| graph.results(*op));
            let results: Vec<TensorRef> = results.map(Into::into).collect();
            parts.slices.iter().for_each(|op| patch.erase_op(*op));
            let operands = [Some(axis), Some(m.id("x").into())];
            patch.add_op(split, InsertionPoint::Before(parts.first), &operands, &results);
        })
        .count("ops-rewritten")
}

/// SLICE ops that take a tensor apart.
struct Parts {
    axis: usize,
    /// In the order of what they take.
    slices: Vec<OpId>,
    /// The one that runs first.
    first: OpId,
}

/// The SLICE ops that take the tensor apart; `None` where something is missing or taken twice.
fn parts(m: &Match<'_>) -> Option<Parts> {
    let (graph, x) = (m.graph(), m.id("x"));
    let readers = graph.uses(x).into_iter().map(|u| u.op);
    let slices = readers.filter(|op| graph.op(*op).kind.is(SLICE));
    let slices: Vec<OpId> = slices.collect();
    let first = *slices.first().filter(|_| slices.len() > 1 && has_kernel(m.tensor("x")))?;
    if m.module().constant(m.subgraph(), x).is_some() {
        return None;
    }
    // Uses come in the order in which ops run. Slices along other dimensions are left alone.
    (0..m.tensor("x").shape.len()).find_map(|axis| {
        let taken = slices.iter().filter_map(|op| Some((taken(m, *op, axis)?, *op)));
        let mut taken: Vec<((i64, i64), OpId)> = taken.collect();
        let first = taken.first().map_or(first, |(_, op)| *op);
        taken.sort_by_key(|((begin, _), _)| *begin);
        let ((_, size), _) = *taken.first().filter(|_| taken.len() > 1)?;
        let in_turn = (0..).zip(&taken).all(|(n, (at, _))| *at == (n * size, size));
        let all = size * taken.len() as i64 == i64::from(m.sure_dim(x, axis)?);
        let slices = taken.into_iter().map(|(_, op)| op).collect();
        (in_turn && all).then_some(Parts { axis, slices, first })
    })
}

/// Whether the runtime has a SPLIT for such elements.
fn has_kernel(tensor: &Tensor) -> bool {
    use ElementType::{Float32, Int8, Int16, Int32, UInt8};
    matches!(tensor.ty, Float32 | Int8 | Int16 | Int32 | UInt8)
}

/// Where a SLICE begins along an axis and how much it takes, if it takes less than all there, and all of
/// every other dimension.
fn taken(m: &Match<'_>, slice: OpId, axis: usize) -> Option<(i64, i64)> {
    let (graph, x) = (m.graph(), m.id("x"));
    let result: TensorId = *graph.results(slice).first()?;
    let [begin, size] = [1, 2].map(|slot| m.integers_at(slice, slot));
    let (begin, size) = (begin?, size?);
    let (from, to) = (graph.tensor(x), graph.tensor(result));
    let plain = from.is_stored_like(to) && graph.oddity(result).is_none();
    if !plain || graph.operand(slice, 0) != Some(x) || begin.len() != from.shape.len() {
        return None;
    }
    if size.len() != begin.len() || to.shape.len() != begin.len() {
        return None;
    }
    let whole = |n: usize| {
        begin[n] == 0
            && (size[n] == -1 || m.sure_dim(x, n).is_some_and(|d| i64::from(d) == size[n]))
    };
    if (0..begin.len()).any(|n| n != axis && !whole(n)) {
        return None;
    }
    let all = i64::from(m.sure_dim(x, axis)?);
    let takes = if size[axis] == -1 { all - begin[axis] } else { size[axis] };
    let inside = (0..all).contains(&begin[axis]) && (1..all).contains(&takes);
    (inside && takes == i64::from(to.shape[axis])).then_some((begin[axis], takes))
}
