use crate::vector::vector;
use tfq_ir::catalog::ops::{GATHER, SLICE, STRIDED_SLICE};
use tfq_ir::ops::axis;
use tfq_ir::{ElementType, Op};
use tfq_pass::rewrite::{Match, OpPattern, Rule, any, apply_rules, op};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph, writes: [SLICE];
    /// Writes a STRIDED_SLICE or GATHER of neighbours as a SLICE that says its size.
    ///
    /// ## What it does
    /// A STRIDED_SLICE whose strides are 1 and that drops no dimension, and a GATHER whose indices are
    /// constants that follow each other, become a SLICE. A SLICE with a size of -1, which stands for the rest, gets
    /// the size that this is. XNNPACK takes a SLICE of a size that is said and leaves the others, and later passes
    /// need to know one op only.
    ///
    /// ## When it is safe
    /// Results are bit-identical: the same elements are copied. Every dimension must be known, and what
    /// is taken must be a constant that lies inside the operand.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4,8]
    ///   %rows = const : i32[2] = [1, 2]
    ///   %some = GATHER(%x, %rows) : f32[2,8]
    ///   %y = NEG(%some) : f32[2,8]
    ///   output %y
    /// }
    /// ```
    /// becomes with `convert-to-slice,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4,8]
    ///   %"some;begin" = const : i32[2] = [1, 0]
    ///   %"some;size" = const : i32[2] = [2, 8]
    ///   %some = SLICE(%x, %"some;begin", %"some;size") : f32[2,8]
    ///   %y = NEG(%some) : f32[2,8]
    ///   output %y
    /// }
    /// ```
    pub struct ConvertToSlice {}
}

impl Pass for ConvertToSlice {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let rules = [
            rule("gather of neighbours", op(GATHER), gathered),
            rule("slice with strides of 1", op(STRIDED_SLICE), strided),
            rule("slice of the rest", op(SLICE), open),
        ];
        for sg in session.subgraphs() {
            apply_rules(session, sg, &rules)?;
        }
        Ok(())
    }
}

/// Where a slice begins in each dimension.
type Begin = Vec<i64>;

fn rule(name: &'static str, root: OpPattern, begin: fn(&Match<'_>) -> Option<Begin>) -> Rule {
    Rule::new(name, root.operand(0, any("x")))
        .sure_shapes(&["x", "result"])
        .guard("operand and result are stored alike", |m| {
            let (x, result) = (m.tensor("x"), m.tensor("result"));
            // The kernels of SLICE go as far.
            let few = (1..=5).contains(&x.shape.len());
            let data = m.module().constant(m.subgraph(), m.id("x")).is_none();
            few && x.is_stored_like(result) && data && x.ty != ElementType::String
        })
        .when("it takes neighbours", move |m| begin(m).is_some())
        .guard("they lie inside", move |m| {
            let (x, result) = (&m.tensor("x").shape, &m.tensor("result").shape);
            begin(m).is_some_and(|begin| {
                let mut dims = begin.iter().zip(x.iter().zip(result.iter()));
                x.len() == result.len()
                    && dims.all(|(at, (from, to))| {
                        *at >= 0 && *to > 0 && *at <= i64::from(*from) - i64::from(*to)
                    })
            })
        })
        .replace(move |m, patch| {
            let Some(begin) = begin(m) else { return };
            let begin: Vec<i32> = begin.into_iter().map(|at| at as i32).collect();
            let (label, size) = (m.tensor("result").label(), &m.tensor("result").shape);
            let begin = vector(patch, format!("{label};begin"), &begin);
            let size = vector(patch, format!("{label};size"), size);
            let operands = [Some(m.id("x").into()), Some(begin), Some(size)];
            patch.replace_op(m.graph(), m.root(), Op::builtin(SLICE), &operands);
        })
        .count("ops-rewritten")
}

/// Of a GATHER along one axis by a vector of indices that follow each other.
fn gathered(m: &Match<'_>) -> Option<Begin> {
    let node = m.graph().op(m.root());
    let rank = m.tensor("x").shape.len();
    let axis = axis(node.number("axis"), rank).filter(|_| node.number("batch_dims") == 0)?;
    let indices = m.graph().operand(m.root(), 1)?;
    let indices = m.operand_integers(1).filter(|_| m.graph().tensor(indices).shape.len() == 1)?;
    let first = *indices.first()?;
    let follow = indices.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]));
    let mut begin = vec![0; rank];
    begin[axis] = first;
    follow.then_some(begin)
}

/// Of a SLICE that takes the rest of some dimension.
fn open(m: &Match<'_>) -> Option<Begin> {
    let (begin, size) = (m.operand_integers(1)?, m.operand_integers(2)?);
    let (x, result) = (&m.tensor("x").shape, &m.tensor("result").shape);
    let fits = [begin.len(), size.len(), result.len()].iter().all(|len| *len == x.len());
    let mut dims = begin.iter().zip(&size).zip(x.iter().zip(result.iter()));
    let says = dims.all(|((begin, size), (from, to))| match size {
        -1 => i64::from(*from).checked_sub(*begin) == Some(i64::from(*to)),
        _ => *size == i64::from(*to),
    });
    (fits && says && size.contains(&-1)).then_some(begin)
}

/// Of a STRIDED_SLICE that keeps its dimensions and every element in between.
fn strided(m: &Match<'_>) -> Option<Begin> {
    let node = m.graph().op(m.root());
    let mask = |name: &str| node.number(name);
    let others = ["ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset"];
    if others.iter().any(|name| mask(name) != 0) {
        return None;
    }
    let x = &m.tensor("x").shape;
    let begin = m.operand_integers(1)?;
    let strides = m.operand_integers(3)?;
    if begin.len() != x.len()
        || strides.len() != x.len()
        || strides.iter().any(|stride| *stride != 1)
    {
        return None;
    }
    // An end behind the last element is that element, so that the result says how many there are, which must
    // be what constants give.
    let ends = m.operand_integers(2).filter(|ends| ends.len() == x.len())?;
    let dims =
        begin.into_iter().zip(ends).zip(x.iter().zip(m.tensor("result").shape.iter())).enumerate();
    dims.map(|(n, ((begin, end), (dim, taken)))| {
        let dim = i64::from(*dim);
        let inside = |at: i64| if at < 0 { at + dim } else { at }.clamp(0, dim);
        let begin = if mask("begin_mask") >> n & 1 == 1 { 0 } else { inside(begin) };
        let end = if mask("end_mask") >> n & 1 == 1 { dim } else { inside(end) };
        (end - begin == i64::from(*taken)).then_some(begin)
    })
    .collect()
}
