use tfq_pass::rewrite::erase_dead_ops;
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph;
    /// Drops ops whose results nobody reads.
    ///
    /// ## What it does
    /// An op goes, with its results, where no op reads one of them, the subgraph returns none, and
    /// no signature or quantisation names one. What only it read may go with it. Constants that
    /// become unused are left to `eliminate-dead-buffers`.
    ///
    /// ## When it is safe
    /// Results are bit-identical. Ops stay that do something else than compute: those that change
    /// variables or hash tables, those that call a subgraph which does, and custom ops, of which
    /// nobody knows. A remark names them.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %y = RELU(%x) : f32[4]
    ///   %a = EXP(%x) : f32[4]
    ///   %b = NEG(%a) : f32[4]
    ///   output %y
    /// }
    /// ```
    /// becomes with `eliminate-dead-ops`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %y = RELU(%x) : f32[4]
    ///   output %y
    /// }
    /// ```
    pub struct EliminateDeadOps {}
}

impl Pass for EliminateDeadOps {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            erase_dead_ops(session, sg)?;
        }
        Ok(())
    }
}
