//! What the tests share.

// Each test file is a crate of its own and uses a part.
#![allow(dead_code)]

pub(crate) mod random_edits;

use bytes::Bytes;
use std::sync::Arc;
use tfq_ir::catalog::{self, ops};
use tfq_ir::{
    Applied, Attributes, ConstantPool, ElementType, Module, Op, OpId, OpKind, Operands, Patch,
    Reason, Subgraph, SubgraphBuilder, SubgraphId, Tensor, TensorId,
};

pub(crate) const MAIN: SubgraphId = SubgraphId(0);

/// A float tensor of two elements.
pub(crate) fn float(name: &str) -> Tensor {
    Tensor::new(name, ElementType::Float32, [2])
}

/// An op with its options table, all at defaults.
pub(crate) fn op(code: i32) -> Op {
    let mut op = Op::new(OpKind::Builtin(code));
    op.attrs = catalog::op_by_code(code).and_then(|info| info.options).map(Attributes::new);
    op
}

pub(crate) fn relu() -> Op {
    op(ops::RELU)
}

/// An op of which nothing is known.
pub(crate) fn custom() -> Op {
    Op::new(OpKind::Custom("Any".into()))
}

/// `x → RELU → a → RELU → b`, then `ADD(b, a) → y`. Input `x`, output `y`.
#[derive(Clone, Copy)]
pub(crate) struct Chain {
    pub(crate) x: TensorId,
    pub(crate) a: TensorId,
    pub(crate) b: TensorId,
    pub(crate) y: TensorId,
    pub(crate) first: OpId,
    pub(crate) second: OpId,
    pub(crate) add: OpId,
}

pub(crate) fn chain() -> (Module, Chain) {
    chain_of(op)
}

/// The same of ops that take and give anything.
pub(crate) fn custom_chain() -> (Module, Chain) {
    chain_of(|_| custom())
}

fn chain_of(op: impl Fn(i32) -> Op) -> (Module, Chain) {
    let mut builder = SubgraphBuilder::new(Some("main".into()));
    let [x, a, b, y] = ["x", "a", "b", "y"].map(|name| builder.tensor(float(name)));
    let first = builder.op(op(ops::RELU), &[Some(x)], &[a]);
    let second = builder.op(op(ops::RELU), &[Some(a)], &[b]);
    let add = builder.op(op(ops::ADD), &[Some(b), Some(a)], &[y]);
    let main = builder.finish(vec![x], vec![y]);
    let module = Module::new(vec![main], ConstantPool::new(vec![None]));
    (module, Chain { x, a, b, y, first, second, add })
}

pub(crate) fn main(module: &Module) -> &Subgraph {
    module.subgraph(MAIN)
}

/// Builds a patch of the main subgraph, applies it, and checks that it left a sound module.
pub(crate) fn apply(module: &mut Module, build: impl FnOnce(&mut Patch)) -> Applied {
    let mut patch = Patch::new(MAIN, "test");
    build(&mut patch);
    let applied = module.apply(patch).expect("the patch is right");
    module.verify().expect("a patch leaves a sound module");
    Applied::clone(&applied)
}

/// Adds a tensor that nothing reads yet to the main subgraph.
pub(crate) fn add_tensor(module: &mut Module, tensor: Tensor) -> TensorId {
    apply(module, |patch| _ = patch.add_tensor(tensor)).tensors[0]
}

/// Builds a patch of the main subgraph, sees it refused, and proves that nothing at all
/// changed: not even the free list inside petgraph, which the debug form shows.
pub(crate) fn refuse(module: &mut Module, build: impl FnOnce(&mut Patch)) -> Reason {
    let mut patch = Patch::new(MAIN, "test");
    build(&mut patch);
    refuse_patch(module, patch)
}

pub(crate) fn refuse_patch(module: &mut Module, patch: Patch) -> Reason {
    let before = format!("{module:?}");
    let rejected = module.apply(patch).expect_err("the patch is wrong");
    assert_eq!(rejected.label, "test");
    assert_eq!(format!("{module:?}"), before);
    rejected.reason
}

pub(crate) fn operands(list: &[TensorId]) -> Operands {
    list.iter().copied().map(Some).collect()
}

pub(crate) fn bytes(len: usize) -> Bytes {
    Bytes::from(vec![7; len])
}

pub(crate) fn text(text: &str) -> Option<Arc<str>> {
    Some(text.into())
}
