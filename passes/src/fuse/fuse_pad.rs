use tfq_ir::catalog::ops::{CONV_2D, DEPTHWISE_CONV_2D, PAD};
use tfq_ir::{Attr, ElementType, OpId, TensorId};
use tfq_pass::rewrite::{Match, Rule, any, apply_rules, op, op_of};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: ExactButNanAndZero, scope: Subgraph, writes: [CONV_2D, DEPTHWISE_CONV_2D];
    /// Lets convolutions pad their operand themselves.
    ///
    /// ## What it does
    /// A PAD before a CONV_2D or DEPTHWISE_CONV_2D with the padding VALID goes, where it puts around the
    /// operand just what the padding SAME does. Quantised models gain most: XNNPACK does the same with
    /// float32 by itself.
    ///
    /// ## When it is safe
    /// The same products are summed up in the same order, but for those with the zeros around; a NaN from a
    /// weight that is not finite goes with them. Every dimension must be known, and nothing else may read
    /// what is padded. SAME puts the odd row or column behind: the PAD of 1 on all sides that PyTorch's
    /// exporters write is not that with a stride of 2 and an even size, and stays.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,4,4,1]
    ///   %around = const : i32[4,2] = [0, 0, 1, 1, 1, 1, 0, 0]
    ///   %w = const : f32[1,3,3,1] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    ///   %b = const : f32[1] = [0.5]
    ///   %more = PAD(%x, %around) : f32[1,6,6,1]
    ///   %y = CONV_2D(%more, %w, %b) {padding = VALID, stride_w = 1, stride_h = 1} : f32[1,4,4,1]
    ///   output %y
    /// }
    /// ```
    /// becomes with `fuse-pad,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,4,4,1]
    ///   %w = const : f32[1,3,3,1] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    ///   %b = const : f32[1] = [0.5]
    ///   %y = CONV_2D(%x, %w, %b) {stride_w = 1, stride_h = 1} : f32[1,4,4,1]
    ///   output %y
    /// }
    /// ```
    pub struct FusePad {}
}

impl Pass for FusePad {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &[rule()])?;
        }
        Ok(())
    }
}

/// The schema's numbers of what a convolution puts around its operand.
const SAME: i64 = 0;
const VALID: i64 = 1;

fn rule() -> Rule {
    let padded = op(PAD).operand(0, any("x"));
    let root = op_of(&[CONV_2D, DEPTHWISE_CONV_2D]).operand(0, padded).operand(1, any("w"));
    Rule::new("what SAME puts around", root)
        .when("it pads nothing itself", |m| m.graph().op(m.root()).number("padding") == VALID)
        .sure_shapes(&["x", "w", "result"])
        .guard("SAME puts as much around", |m| is_same(m).unwrap_or(false))
        .guard("nothing else reads what is padded", |m| {
            let (between, _) = pad(m);
            m.graph().is_read_once(between) && !m.module().references(m.subgraph(), between).any()
        })
        .guard("zeros are put around, as the op reads them", |m| {
            m.tensor("x").is_stored_like(m.graph().tensor(pad(m).0))
        })
        // A kernel that rounds activations finds their range with the zeros or without.
        .guard("operand and weights are both float32 or both quantised", |m| {
            let is_float = |name| m.tensor(name).ty == ElementType::Float32;
            is_float("x") == is_float("w")
        })
        .replace(|m, patch| {
            let (between, op) = pad(m);
            patch.set_operand(m.root(), 0, m.id("x"));
            patch.set_attr(m.root(), "padding", Attr::Int(SAME));
            patch.erase_op(op);
            patch.erase_tensor(between);
        })
        .count("ops-rewritten")
}

/// What is padded, and the op that does it.
fn pad(m: &Match<'_>) -> (TensorId, OpId) {
    let between = m.graph().operand(m.root(), 0).expect("the pattern has one");
    let (op, _) = m.graph().producer(between).expect("the pattern has one");
    (between, op)
}

/// Whether the constant amounts are those of SAME, for a result of the same size.
fn is_same(m: &Match<'_>) -> Option<bool> {
    let amounts = m.integers_at(pad(m).1, 1)?;
    let [0, 0, top, bottom, left, right, 0, 0] = amounts[..] else { return None };
    let [x, w, result] = ["x", "w", "result"].map(|name| &m.tensor(name).shape);
    let root = m.graph().op(m.root());
    let fits = |axis: usize, stride: &str, dilation: &str, before: i64, after: i64| {
        let dim = |shape: &[i32]| shape.get(axis).map(|dim| i64::from(*dim));
        let (size, taps, out) = (dim(x)?, dim(w)?, dim(result)?);
        let (stride, dilation) = (root.number(stride), root.number(dilation));
        if stride < 1 || dilation < 1 || size < 1 || out != (size + stride - 1) / stride {
            return None;
        }
        let all = ((out - 1) * stride + (taps - 1) * dilation + 1 - size).max(0);
        Some(before == all / 2 && after == all - all / 2)
    };
    Some(
        fits(1, "stride_h", "dilation_h_factor", top, bottom)?
            && fits(2, "stride_w", "dilation_w_factor", left, right)?,
    )
}
