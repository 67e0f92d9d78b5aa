use bytes::Bytes;
use tfq_ir::catalog::ops::NEG;
use tfq_ir::{Edit, ElementType, InsertionPoint, Op, OpId, OpKind, Patch, SubgraphId, Tensor};
use tfq_pass::{Pass, PassError, Session, declare_pass, option_enum};

declare_pass! {
    contract: Exact, scope: Module, hidden: true;
    /// Fails in a way that you choose: for trying out what the tool does then.
    ///
    /// ## What it does
    /// Nothing, unless `kind` says otherwise. `panic` panics; `verify` adds a constant
    /// with fewer bytes than its shape asks for; `contract` adds an op, which it does not declare;
    /// `reject` hands in a patch that is refused; `unsupported` gives up. In each case the run ends
    /// with an error, nothing is written, and where a pass is to blame the tool leaves a
    /// reproducer.
    ///
    /// ## When it is safe
    /// Always: a model that it touches is never written.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2]
    ///   %y = NEG(%x) : f32[2]
    ///   output %y
    /// }
    /// ```
    /// stays as it is with `trigger-failure{kind=none}`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[2]
    ///   %y = NEG(%x) : f32[2]
    ///   output %y
    /// }
    /// ```
    pub struct TriggerFailure {
        /// What goes wrong.
        pub kind: FailureKind = FailureKind::None,
    }
}

option_enum! {
    /// What goes wrong in [`TriggerFailure`].
    pub enum FailureKind {
        /// Nothing.
        None = "none",
        /// It panics.
        Panic = "panic",
        /// It leaves a model that is not well-formed.
        Verify = "verify",
        /// It adds an op that it does not declare.
        Contract = "contract",
        /// It hands in a patch that is refused.
        Reject = "reject",
        /// It says that it cannot handle the model.
        Unsupported = "unsupported",
    }
}

const MAIN: SubgraphId = SubgraphId(0);

impl Pass for TriggerFailure {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        match self.kind {
            FailureKind::None => Ok(()),
            FailureKind::Panic => panic!("as it was told to"),
            FailureKind::Verify => {
                let buffer = session
                    .apply(Edit::Constant(Bytes::from_static(&[0])))?
                    .constants()
                    .next()
                    .expect("it was added");
                let mut patch = Patch::new(MAIN, "add a constant that is too short");
                let tensor = Tensor::new("short", ElementType::Float32, [1]);
                patch.add_tensor(Tensor { buffer, ..tensor });
                session.apply(patch).map(|_| ())
            }
            FailureKind::Contract => {
                let graph = session.model().subgraph(MAIN);
                let Some(input) = graph.inputs().first().copied() else { return Ok(()) };
                let mut patch = Patch::new(MAIN, "add an op that is not declared");
                let result = patch.add_tensor(graph.tensor(input).clone());
                let op = Op::new(OpKind::Builtin(NEG));
                patch.add_op(op, InsertionPoint::End, &[Some(input.into())], &[result]);
                session.apply(patch).map(|_| ())
            }
            FailureKind::Reject => {
                let graph = session.model().subgraph(MAIN);
                let last: Option<OpId> = graph.ops().last();
                let Some(op) = last else { return Ok(()) };
                let mut patch = Patch::new(MAIN, "erase an op whose result is in use");
                patch.erase_op(op);
                session.apply(patch).map(|_| ())
            }
            FailureKind::Unsupported => {
                Err(PassError::Unsupported("it was told to give up".to_owned()))
            }
        }
    }
}
