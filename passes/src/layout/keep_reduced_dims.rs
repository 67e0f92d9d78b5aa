use super::view;
use tfq_ir::ops::{ShapeRule, axis};
use tfq_ir::{Attr, TensorId};
use tfq_pass::rewrite::{Match, Rule, any, apply_rules, op_that};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph,
        writes: [MEAN, REDUCE_ALL, REDUCE_ANY, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, SUM];
    /// Lets a reduction keep its dimensions where a RESHAPE put them back.
    ///
    /// ## What it does
    /// A RESHAPE, SQUEEZE or EXPAND_DIMS behind a MEAN, SUM or other reduction goes where its shape is the
    /// one that the reduction gives with `keep_dims`. Exporters write a layer norm with four of these.
    ///
    /// ## When it is safe
    /// Results are bit-identical: the kernel computes the same numbers, and only says another shape. Every
    /// dimension must be known, the axes must be constants, and nothing else may read what the reduction gave.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2,8]
    ///   %axes = const : i32[1] = [1]
    ///   %mean = MEAN(%x, %axes) : f32[2]
    ///   %column = RESHAPE(%mean) {new_shape = [2, 1]} : f32[2,1]
    ///   %y = SUB(%x, %column) : f32[2,8]
    ///   output %y
    /// }
    /// ```
    /// becomes with `keep-reduced-dims`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2,8]
    ///   %axes = const : i32[1] = [1]
    ///   %column = MEAN(%x, %axes) {keep_dims = true} : f32[2,1]
    ///   %y = SUB(%x, %column) : f32[2,8]
    ///   output %y
    /// }
    /// ```
    pub struct KeepReducedDims {}
}

impl Pass for KeepReducedDims {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &[rule()])?;
        }
        Ok(())
    }
}

fn rule() -> Rule {
    let reduction = op_that(|what| what.shape == ShapeRule::Reduce).operand(0, any("x"));
    let view = view().operand(0, reduction);
    Rule::new("shape behind a reduction", view)
        .sure_shapes(&["x", "result"])
        .when("the shape is that of kept dimensions", |m| {
            kept(m).is_some_and(|shape| *shape == *m.tensor("result").shape)
        })
        .guard("both are stored alike", |m| {
            flat(m).is_some_and(|flat| m.graph().tensor(flat).is_stored_like(m.tensor("result")))
        })
        .guard("nothing else reads what is reduced", |m| {
            let alone = |flat| {
                m.graph().is_read_once(flat) && !m.module().references(m.subgraph(), flat).any()
            };
            flat(m).is_some_and(alone)
        })
        .replace(|m, patch| {
            let graph = m.graph();
            let Some(flat) = flat(m) else { return };
            let Some((reduction, _)) = graph.producer(flat) else { return };
            let new = graph.op(reduction).clone().with("keep_dims", Attr::Bool(true));
            let operands: Vec<_> =
                graph.operands(reduction).into_iter().map(|id| id.map(Into::into)).collect();
            patch.replace_op(graph, m.root(), new, &operands);
            patch.erase_op(reduction);
            patch.erase_tensor(flat);
        })
        .count("ops-rewritten")
}

/// What the reduction gives, which the root shows in another shape.
fn flat(m: &Match<'_>) -> Option<TensorId> {
    m.graph().operand(m.root(), 0)
}

/// The shape that the reduction would give if it kept its dimensions; `None` where the axes are no constants,
/// or it keeps them already.
fn kept(m: &Match<'_>) -> Option<Vec<i32>> {
    let graph = m.graph();
    let (reduction, _) = graph.producer(flat(m)?)?;
    let keeps = graph.op(reduction).bool("keep_dims").unwrap_or(false);
    let axes = m.integers_at(reduction, 1).filter(|_| !keeps)?;
    let mut shape = m.tensor("x").shape.to_vec();
    for number in axes {
        let axis = axis(number, shape.len())?;
        shape[axis] = 1;
    }
    Some(shape)
}
