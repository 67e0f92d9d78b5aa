use tfq_ir::catalog::ops::{DEQUANTIZE, QUANTIZE};
use tfq_pass::rewrite::{Rule, any, apply_rules, op};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph;
    /// Drops a Quantize that restores what a Dequantize took apart.
    ///
    /// ## What it does
    /// `QUANTIZE(DEQUANTIZE(x))` becomes `x` where both are stored alike. The Dequantize goes as
    /// well if nobody else reads it. The other order, `DEQUANTIZE(QUANTIZE(x))`, rounds `x` and
    /// stays.
    ///
    /// ## When it is safe
    /// Results are bit-identical: type, shape, scales, zero points and quantised dimension of
    /// `x` and of the result must agree, all of them. An unknown dimension is let pass, since both
    /// ops keep it; an unknown rank is not.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : i8[2] q(0.5)
    ///   %real = DEQUANTIZE(%x) : f32[2]
    ///   %again = QUANTIZE(%real) : i8[2] q(0.5)
    ///   %y = NEG(%again) : i8[2] q(0.5)
    ///   output %y
    /// }
    /// ```
    /// becomes with `cancel-quantize-dequantize`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : i8[2] q(0.5)
    ///   %y = NEG(%x) : i8[2] q(0.5)
    ///   output %y
    /// }
    /// ```
    pub struct CancelQuantizeDequantize {}
}

impl Pass for CancelQuantizeDequantize {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &rules())?;
        }
        Ok(())
    }
}

fn rules() -> [Rule; 1] {
    [Rule::new(
        "quantize of dequantize",
        op(QUANTIZE).operand(0, op(DEQUANTIZE).operand(0, any("x"))),
    )
    .guard("both are stored alike", |m| m.same_type("x", "result"))
    .forward("x")]
}
