//! How LiteRT divides a subgraph between XNNPACK and the CPU kernels. Each of these models was run: the sections are those
//! that LiteRT 2.3.0 made.

mod common;

use bytes::Bytes;
use common::{MAIN, litert};
use tfq_ir::catalog::ops::*;
use tfq_ir::{ConstantPool, ElementType, Module, Op, OpKind, SubgraphBuilder, Tensor, TensorId};

/// A subgraph under construction, whose tensors have four elements.
struct Graph {
    sg: SubgraphBuilder,
    pool: ConstantPool,
    x: TensorId,
}

impl Graph {
    fn new() -> Self {
        let mut sg = SubgraphBuilder::new(None);
        let x = sg.tensor(Tensor::new("x", ElementType::Float32, [4]));
        Self { sg, pool: ConstantPool::new(vec![None]), x }
    }

    fn typed(&mut self, code: i32, operands: &[TensorId], ty: ElementType) -> TensorId {
        let shape = if ty == ElementType::Resource { vec![] } else { vec![4] };
        let result = self.sg.tensor(Tensor::new("t", ty, shape));
        let operands: Vec<_> = operands.iter().copied().map(Some).collect();
        self.sg.op(Op::new(OpKind::Builtin(code)), &operands, &[result]);
        result
    }

    fn op(&mut self, code: i32, operands: &[TensorId]) -> TensorId {
        self.typed(code, operands, ElementType::Float32)
    }

    /// `(delegated, ops, tensors read, tensors given)`, ops by their places.
    fn sections(self, outputs: &[TensorId]) -> Vec<(bool, Vec<usize>, usize, usize)> {
        let module = Module::new(vec![self.sg.finish(vec![self.x], outputs.to_vec())], self.pool);
        let graph = module.subgraph(MAIN);
        let places: Vec<_> = graph.ops().collect();
        let target = litert();
        let divided = target.partitions(&module, MAIN);
        let place = |op| places.iter().position(|known| *known == op).unwrap();
        let sections = divided.sections.iter().map(|section| {
            let ops = section.ops.iter().map(|op| place(*op)).collect();
            (section.delegated, ops, section.reads.len(), section.gives.len())
        });
        sections.collect()
    }
}

#[test]
fn an_op_joins_a_section_before_ops_that_stand_in_front_of_it() {
    let mut g = Graph::new();
    let x = g.x;
    let a = g.op(NEG, &[x]);
    let b = g.op(SIGN, &[a]);
    let c = g.op(ABS, &[x]);
    let d = g.op(MAXIMUM, &[b, c]);
    let expected = [(true, vec![0, 2], 0, 2), (false, vec![1], 1, 1), (true, vec![3], 2, 0)];
    assert_eq!(g.sections(&[d]), expected);
}

#[test]
fn the_first_op_that_is_ready_says_what_a_section_is() {
    let mut g = Graph::new();
    let x = g.x;
    let a = g.op(SIGN, &[x]);
    let b = g.op(NEG, &[x]);
    let c = g.op(SIGN, &[b]);
    let expected = [(false, vec![0], 0, 0), (true, vec![1], 0, 1), (false, vec![2], 1, 0)];
    assert_eq!(g.sections(&[a, c]), expected);
}

/// A variable is read behind what is assigned to it, though nothing of the graph says so.
#[test]
fn ops_with_side_effects_keep_their_order() {
    let mut g = Graph::new();
    let x = g.x;
    let handle = g.typed(VAR_HANDLE, &[], ElementType::Resource);
    let a = g.op(SIGN, &[x]);
    g.sg.op(Op::new(OpKind::Builtin(ASSIGN_VARIABLE)), &[Some(handle), Some(a)], &[]);
    let read = g.op(READ_VARIABLE, &[handle]);
    let b = g.op(NEG, &[read]);
    let expected = [(true, vec![0], 0, 1), (false, vec![1], 0, 1), (true, vec![2, 3, 4], 2, 0)];
    assert_eq!(g.sections(&[b]), expected);
}

/// XNNPACK unpacks a constant only where it takes all ops that read it.
#[test]
fn a_dequantize_of_a_constant_goes_with_its_readers() {
    let with = |second: i32| {
        let mut g = Graph::new();
        let x = g.x;
        let mut half = Tensor::new("h", ElementType::Float16, [4]);
        half.buffer = g.pool.push(Bytes::from_static(&[0; 8]));
        let half = g.sg.tensor(half);
        let w = g.op(DEQUANTIZE, &[half]);
        let a = g.op(MAXIMUM, &[x, w]);
        let b = g.op(second, &[w]);
        g.sections(&[a, b])
    };
    assert_eq!(with(ABS), [(true, vec![0, 1, 2], 0, 0)]);
    assert_eq!(with(SIGN), [(false, vec![0, 2], 0, 1), (true, vec![1], 1, 0)]);
}
