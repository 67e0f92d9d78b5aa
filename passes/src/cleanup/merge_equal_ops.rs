use tfq_pass::rewrite::{merge_equal_constants, merge_equal_ops};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph;
    /// Computes once what several ops compute alike.
    ///
    /// ## What it does
    /// Where two ops of a subgraph have the same options and read the same tensors, those that read the
    /// later one's results read the earlier one's, and it goes (common subexpression
    /// elimination). Constant tensors of equal type, shape and bytes in one buffer become one tensor first;
    /// `merge-equal-buffers` in front puts equal bytes into one buffer.
    ///
    /// ## When it is safe
    /// Results are bit-identical. Only ops without effects are merged, and none whose result a caller
    /// or a signature asks for. Quantised constants stay apart, since some kernels change their scales
    /// in place.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %a = EXP(%x) : f32[4]
    ///   %b = EXP(%x) : f32[4]
    ///   %y = MUL(%a, %b) : f32[4]
    ///   output %y
    /// }
    /// ```
    /// becomes with `merge-equal-ops`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %a = EXP(%x) : f32[4]
    ///   %y = MUL(%a, %a) : f32[4]
    ///   output %y
    /// }
    /// ```
    pub struct MergeEqualOps {}
}

impl Pass for MergeEqualOps {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            merge_equal_constants(session, sg)?;
            merge_equal_ops(session, sg)?;
        }
        Ok(())
    }
}
