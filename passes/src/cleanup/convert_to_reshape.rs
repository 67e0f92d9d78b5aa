use crate::reshape::reshape_batches;
use tfq_ir::catalog::ops::{EXPAND_DIMS, SQUEEZE};
use tfq_ir::{ElementType, Op};
use tfq_pass::rewrite::{Rule, any, apply_rules, op_of};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph, writes: [RESHAPE];
    /// Writes an EXPAND_DIMS or SQUEEZE as a RESHAPE.
    ///
    /// ## What it does
    /// An EXPAND_DIMS or SQUEEZE becomes a RESHAPE to the shape that it gives. XNNPACK takes a RESHAPE and leaves
    /// EXPAND_DIMS, and later passes need to know one op only. In a model whose number of batches
    /// is free, the RESHAPE leaves that one dimension open.
    ///
    /// ## When it is safe
    /// Results are bit-identical: the order of elements does not change. Every dimension but the first must be
    /// known whenever the model runs, and none of them may be 0.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[?,8]
    ///   %axis = const : i32[] = 1
    ///   %wide = EXPAND_DIMS(%x, %axis) : f32[?,1,8]
    ///   %y = NEG(%wide) : f32[?,1,8]
    ///   output %y
    /// }
    /// ```
    /// becomes with `convert-to-reshape,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[?,8]
    ///   %"wide;shape" = const : i32[3] = [-1, 1, 8]
    ///   %wide = RESHAPE(%x, %"wide;shape") : f32[?,1,8]
    ///   %y = NEG(%wide) : f32[?,1,8]
    ///   output %y
    /// }
    /// ```
    pub struct ConvertToReshape {}
}

impl Pass for ConvertToReshape {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &[rule()])?;
        }
        Ok(())
    }
}

fn rule() -> Rule {
    Rule::new("dimensions of 1", op_of(&[EXPAND_DIMS, SQUEEZE]).operand(0, any("x")))
        .sure_but_batch(&["result"])
        .guard("a RESHAPE can say the shape", |m| {
            let shape = &m.tensor("result").shape;
            // Kernels read a 0 in different ways, and an empty list as no list.
            let open = usize::from(!m.has_sure_shape("result"));
            !shape.is_empty() && shape.iter().skip(open).all(|dim| *dim > 0)
        })
        .guard("operand and result are stored alike", |m| {
            let x = m.tensor("x");
            x.is_stored_like(m.tensor("result")) && x.ty != ElementType::String
        })
        .replace(|m, patch| {
            let shape = &m.tensor("result").shape;
            let x = Some(m.id("x").into());
            if m.has_sure_shape("result") {
                patch.replace_op(m.graph(), m.root(), Op::reshape(shape), &[x]);
                return;
            }
            let (op, said) = reshape_batches(patch, m.tensor("result").label(), shape);
            patch.replace_op(m.graph(), m.root(), op, &[x, Some(said)]);
        })
        .count("ops-rewritten")
}
