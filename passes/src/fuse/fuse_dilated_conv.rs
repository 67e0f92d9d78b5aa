use crate::layout::view;
use crate::reshape::reshape_batches;
use bytes::Bytes;
use tfq_ir::catalog::ops::{BATCH_TO_SPACE_ND, CONV_2D, DEPTHWISE_CONV_2D, PAD, SPACE_TO_BATCH_ND};
use tfq_ir::{
    Attr, ElementType, InsertionPoint, Op, OpId, Patch, Tensor, TensorId, TensorRare, TensorRef,
};
use tfq_pass::rewrite::{Match, OpPattern, Rule, any, apply_rules, op, op_of};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph, writes: [CONV_2D, DEPTHWISE_CONV_2D, PAD, RESHAPE];
    /// Makes a dilated convolution of one between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND.
    ///
    /// ## What it does
    /// TensorFlow computes a dilated convolution as an ordinary one of every n-th element, which become batches
    /// before and elements afterwards. The three ops become a CONV_2D or DEPTHWISE_CONV_2D with a dilation; so do
    /// one-dimensional convolutions, with a RESHAPE on both sides. The padding of the SPACE_TO_BATCH_ND is
    /// SAME or VALID where it is one of these, and a PAD otherwise. XNNPACK takes the dilated
    /// convolution, and leaves the ops around the other one.
    ///
    /// ## When it is safe
    /// Results are bit-identical on the reference kernels: the same products are summed up in the same
    /// order. The number of batches may be unknown, other dimensions must not be. Block and borders must be
    /// constants; nothing may be cropped that was not padded before; and SAME needs a filter of finite
    /// numbers, of which zeros make nothing. A convolution of floats by int8 weights stays, since its
    /// kernel has a scale for each batch.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,8,8,2]
    ///   %block = const : i32[2] = [2, 2]
    ///   %borders = const : i32[2,2] = [0, 0, 0, 0]
    ///   %w = const : f32[1,1,2,2] = [1.0, 2.0, 3.0, 4.0]
    ///   %bias = const : f32[1] = [0.5]
    ///   %few = SPACE_TO_BATCH_ND(%x, %block, %borders) : f32[4,4,4,2]
    ///   %sums = CONV_2D(%few, %w, %bias) {padding = VALID, stride_w = 1, stride_h = 1} : f32[4,4,3,1]
    ///   %y = BATCH_TO_SPACE_ND(%sums, %block, %borders) : f32[1,8,6,1]
    ///   output %y
    /// }
    /// ```
    /// becomes with `fuse-dilated-conv,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,8,8,2]
    ///   %w = const : f32[1,1,2,2] = [1.0, 2.0, 3.0, 4.0]
    ///   %bias = const : f32[1] = [0.5]
    ///   %y = CONV_2D(%x, %w, %bias) {padding = VALID, stride_w = 1, stride_h = 1, dilation_w_factor = 2, dilation_h_factor = 2} : f32[1,8,6,1]
    ///   output %y
    /// }
    /// ```
    pub struct FuseDilatedConv {}
}

impl Pass for FuseDilatedConv {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        let rules = rules();
        for sg in session.subgraphs() {
            apply_rules(session, sg, &rules)?;
        }
        Ok(())
    }
}

fn rules() -> [Rule; 2] {
    let few = || op(SPACE_TO_BATCH_ND).operand(0, any("x"));
    let conv = |pattern: OpPattern| op_of(&[CONV_2D, DEPTHWISE_CONV_2D]).operand(0, pattern);
    [
        rule("convolution of every n-th element", conv(few())),
        rule(
            "one-dimensional convolution of every n-th element",
            view().operand(0, conv(view().operand(0, few()))),
        ),
    ]
}

fn rule(name: &'static str, inner: OpPattern) -> Rule {
    Rule::new(name, op(BATCH_TO_SPACE_ND).operand(0, inner))
        .sure_but_batch(&["x", "result"])
        .guard("dimensions in between are known", |m| {
            let mut between = Chain::of(m).between.into_iter();
            between.all(|id| m.has_sure_dims_behind_batch(id))
        })
        .guard("nothing else reads what is in between", |m| {
            let alone =
                |id| m.graph().is_read_once(id) && !m.module().references(m.subgraph(), id).any();
            Chain::of(m).between.into_iter().all(alone)
        })
        .guard("all are stored alike", |m| {
            let chain = Chain::of(m);
            let tensor = |id: &TensorId| m.graph().tensor(*id);
            let (before, behind) = chain.between.split_at(chain.between.len() / 2);
            before.iter().all(|id| m.tensor("x").is_stored_like(tensor(id)))
                && behind.iter().all(|id| m.tensor("result").is_stored_like(tensor(id)))
        })
        .guard("floats are not multiplied by integers", |m| {
            let filter = Chain::of(m).filter(m);
            let float = |tensor: &Tensor| tensor.ty == ElementType::Float32;
            filter.is_some_and(|w| w.is_plain() && float(w) == float(m.tensor("x")))
        })
        .guard("the convolution takes every place once", |m| {
            let conv = m.graph().op(Chain::of(m).conv);
            let (padding, strides) = (conv.number("padding"), ["stride_w", "stride_h"]);
            padding == VALID && strides.iter().all(|name| conv.number(name) == 1)
        })
        .guard("block and borders are constants that fit", |m| Chain::of(m).windows(m).is_some())
        .replace(|m, patch| {
            let chain = Chain::of(m);
            let Some(windows) = chain.windows(m) else { return };
            Fused { m, patch, chain }.write(windows);
        })
        .count("ops-rewritten")
}

const SAME: i64 = 0;
const VALID: i64 = 1;

/// The ops from SPACE_TO_BATCH_ND to the root.
struct Chain {
    conv: OpId,
    /// All of them but the root.
    ops: Vec<OpId>,
    /// What each of these computes, in their order.
    between: Vec<TensorId>,
}

/// What becomes of one of the convolution's two dimensions.
#[derive(Clone, Copy, Debug)]
struct Window {
    dilation: i64,
    /// Elements of zero before and behind.
    pads: [i64; 2],
    /// How far the filter reaches beyond its first element.
    reach: i64,
}

impl Chain {
    fn of(m: &Match<'_>) -> Self {
        let graph = m.graph();
        let (mut ops, mut between, mut at) = (Vec::new(), Vec::new(), m.root());
        while let Some(id) = graph.operand(at, 0)
            && let Some((op, _)) = graph.producer(id)
            && id != m.id("x")
        {
            ops.push(op);
            between.push(id);
            at = op;
        }
        ops.reverse();
        between.reverse();
        Self { conv: ops[ops.len() / 2], ops, between }
    }

    fn filter<'m>(&self, m: &Match<'m>) -> Option<&'m Tensor> {
        m.graph().operand(self.conv, 1).map(|id| m.graph().tensor(id))
    }

    /// Whether a dimension of 1 was put in for the convolution, and as which.
    fn unit(&self, m: &Match<'_>) -> Option<usize> {
        let conv = self.ops.iter().position(|op| *op == self.conv)?;
        let (first, read) = (self.between.first()?, self.between.get(conv.checked_sub(1)?)?);
        let (flat, shape) = (&m.graph().tensor(*first).shape, &m.graph().tensor(*read).shape);
        [1, 2]
            .into_iter()
            .find(|n| flat.len() == 3 && shape.get(1..) == Some(&with_unit(flat, *n)[1..]))
    }

    /// What becomes of rows and columns; `None` where something is no constant or does not fit.
    fn windows(&self, m: &Match<'_>) -> Option<[Window; 2]> {
        let graph = m.graph();
        let split = *self.ops.first()?;
        let [block, pads] = [1, 2].map(|slot| m.integers_at(split, slot));
        let [joined, crops] = [1, 2].map(|slot| m.integers_at(m.root(), slot));
        let (block, pads, crops) = (block.filter(|b| Some(b) == joined.as_ref())?, pads?, crops?);
        let unit = self.unit(m);
        let rank = m.tensor("x").shape.len();
        let one_dimensional = self.ops.len() > 2;
        let fits = if one_dimensional { rank == 3 && unit.is_some() } else { rank == 4 };
        if !fits
            || block.len() != rank - 2
            || pads.len() != 2 * block.len()
            || crops.len() != pads.len()
        {
            return None;
        }
        if one_dimensional {
            // What the convolution gives has its dimension of 1 there as well.
            let [.., given, flat] = self.between[..] else { return None };
            let (given, flat) = (&graph.tensor(given).shape, &graph.tensor(flat).shape);
            if flat.len() != 3 || given.get(1..) != Some(&with_unit(flat, unit?)[1..]) {
                return None;
            }
        }
        let conv = graph.op(self.conv);
        let filter = self.filter(m)?;
        let window = |n: usize| -> Option<Window> {
            let name = ["dilation_h_factor", "dilation_w_factor"][n];
            let own = i64::from(filter.known_dim(n + 1)?).checked_sub(1).filter(|own| *own >= 0)?;
            let (block, pads) = match unit {
                Some(at) if at == n + 1 => (1, [0, 0]),
                _ => {
                    let n = if one_dimensional { 0 } else { n };
                    let [front, back] = [2 * n, 2 * n + 1];
                    let all = [pads[front], pads[back], crops[front], crops[back]];
                    let small = all.iter().all(|amount| (0..=MOST).contains(amount));
                    (block[n], small.then(|| [all[0] - all[2], all[1] - all[3]])?)
                }
            };
            let dilation = conv.number(name).checked_mul(block)?;
            let good =
                (1..=MOST).contains(&dilation) && own <= MOST && pads.iter().all(|n| *n >= 0);
            good.then_some(Window { dilation, pads, reach: own * dilation })
        };
        Some([window(0)?, window(1)?])
    }
}

/// More than any model has, and far from what an i32 holds.
const MOST: i64 = 1 << 20;

/// A shape with a dimension of 1 in this place.
fn with_unit(shape: &[i32], at: usize) -> Vec<i32> {
    let mut shape = shape.to_vec();
    shape.insert(at, 1);
    shape
}

/// The ops in the place of the chain.
struct Fused<'m, 'p> {
    m: &'m Match<'m>,
    patch: &'p mut Patch,
    chain: Chain,
}

impl Fused<'_, '_> {
    fn write(mut self, windows: [Window; 2]) {
        let m = self.m;
        let result: TensorRef = m.id("result").into();
        let unit = if self.chain.ops.len() > 2 { self.chain.unit(m) } else { None };
        let mut shape = m.tensor("x").shape.to_vec();
        let mut now: TensorRef = m.id("x").into();
        let padding = self.padding(windows);
        if padding.is_none() {
            now = self.pad(now, &mut shape, windows, unit);
        }
        if let Some(at) = unit {
            shape.insert(at, 1);
            let wide = self.tensor("x", &shape, "in");
            now = self.reshape(now, &shape, wide);
        }
        let mut conv = m.graph().op(self.chain.conv).clone();
        conv = conv.with("padding", Attr::Int(padding.unwrap_or(VALID)));
        for (name, window) in ["dilation_h_factor", "dilation_w_factor"].into_iter().zip(windows) {
            conv = conv.with(name, Attr::Int(window.dilation));
        }
        let mut operands: Vec<Option<TensorRef>> =
            m.graph().operands(self.chain.conv).into_iter().map(|id| id.map(Into::into)).collect();
        operands[0] = Some(now);
        match unit {
            None => self.add(conv, &operands, result),
            Some(at) => {
                let shape = &m.tensor("result").shape;
                let wide = self.tensor("result", &with_unit(shape, at), "out");
                self.add(conv, &operands, wide);
                self.reshape(wide, shape, result);
            }
        }
        let Chain { ops, between, .. } = &self.chain;
        ops.iter().chain([&m.root()]).for_each(|op| self.patch.erase_op(*op));
        between.iter().for_each(|id| self.patch.erase_tensor(*id));
    }

    /// What the convolution says of the zeros around; `None` where it cannot.
    fn padding(&self, windows: [Window; 2]) -> Option<i64> {
        if windows.iter().all(|window| window.pads == [0, 0]) {
            return Some(VALID);
        }
        let same = windows.iter().all(|Window { pads, reach, .. }| {
            // What is left of an odd number goes behind.
            *pads == [reach / 2, reach - reach / 2]
        });
        (same && self.is_finite()).then_some(SAME)
    }

    /// Whether zero times each of the filter's numbers is zero.
    fn is_finite(&self) -> bool {
        let m = self.m;
        let Some(filter) = m.graph().operand(self.chain.conv, 1) else { return false };
        if m.graph().tensor(filter).ty != ElementType::Float32 {
            return true;
        }
        let bytes = m.module().fixed_constant(m.subgraph(), filter);
        bytes.is_some_and(|bytes| {
            let (numbers, rest) = bytes.as_chunks::<4>();
            rest.is_empty() && numbers.iter().all(|bytes| f32::from_le_bytes(*bytes).is_finite())
        })
    }

    fn pad(
        &mut self,
        now: TensorRef,
        shape: &mut [i32],
        windows: [Window; 2],
        unit: Option<usize>,
    ) -> TensorRef {
        let mut amounts = vec![0; 2 * shape.len()];
        let spatial = windows.iter().enumerate().filter(|(n, _)| unit != Some(n + 1));
        for (at, (_, window)) in (1..).zip(spatial) {
            let [before, behind] = window.pads.map(|pad| pad as i32);
            (amounts[2 * at], amounts[2 * at + 1]) = (before, behind);
            shape[at] += before + behind;
        }
        let name = format!("{};padding", self.m.tensor("result").label());
        let tensor = Tensor::new(name, ElementType::Int32, [shape.len() as i32, 2]);
        let bytes: Vec<u8> = amounts.iter().flat_map(|amount| amount.to_le_bytes()).collect();
        let amounts = self.patch.new_constant(tensor, Bytes::from(bytes));
        let padded = self.tensor("x", shape, "padded");
        self.add(Op::builtin(PAD), &[Some(now), Some(amounts)], padded);
        padded
    }

    /// Shows a tensor in another shape, of as many batches.
    fn reshape(&mut self, now: TensorRef, shape: &[i32], result: TensorRef) -> TensorRef {
        if self.m.has_sure_shape("x") && !shape.contains(&0) {
            self.add(Op::reshape(shape), &[Some(now)], result);
            return result;
        }
        let (op, said) = reshape_batches(self.patch, self.m.tensor("result").label(), shape);
        self.add(op, &[Some(now), Some(said)], result);
        result
    }

    fn add(&mut self, op: Op, operands: &[Option<TensorRef>], result: TensorRef) {
        self.patch.add_op(op, InsertionPoint::Before(self.m.root()), operands, &[result]);
    }

    /// A tensor stored as one that the rule names is, with as many batches.
    fn tensor(&mut self, like: &str, shape: &[i32], what: &str) -> TensorRef {
        let like = self.m.tensor(like);
        let mut shape_signature = Vec::new();
        if like.known_dim(0).is_none() {
            shape_signature.extend_from_slice(shape);
            shape_signature[0] = -1;
        }
        let rare = TensorRare { shape_signature: shape_signature.into(), ..TensorRare::default() };
        self.patch.add_tensor(Tensor {
            rare: rare.into(),
            quantization: like.quantization.clone(),
            ..Tensor::new(format!("dilated_conv;{what}"), like.ty, shape)
        })
    }
}
