//! How long the parts of a run take, on a model built in memory: `cargo bench`.

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use tfq_opt::format::{LiftOptions, LowerOptions, lift, lower};
use tfq_opt::ir::catalog::{op_by_code, ops};
use tfq_opt::ir::{
    Attributes, ConstantPool, ElementType, Module, Op, OpKind, Patch, SubgraphBuilder, SubgraphId,
    Tensor,
};
use tfq_opt::{Optimizer, builtin};

fn main() {
    divan::main();
}

/// A chain of FULLY_CONNECTED layers of `size` x `size` float32 weights.
fn chain(layers: usize, size: usize) -> Bytes {
    let mut constants = ConstantPool::new(vec![None]);
    let mut sg = SubgraphBuilder::new(None);
    let dims = |d: &[usize]| d.iter().map(|d| *d as i32).collect::<Vec<_>>();
    let tensor =
        |name: String, shape: &[usize]| Tensor::new(name, ElementType::Float32, dims(shape));
    let input = sg.tensor(tensor("x".to_owned(), &[1, size]));
    let mut last = input;
    let mut seed = 1_u32;
    for n in 0..layers {
        let mut values = Vec::with_capacity(4 * size * size);
        for _ in 0..size * size {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            values
                .extend_from_slice(&(f32::from((seed >> 16) as u16) / 65536.0 - 0.5).to_le_bytes());
        }
        let mut weights = tensor(format!("w{n}"), &[size, size]);
        weights.buffer = constants.push(values.into());
        let weights = sg.tensor(weights);
        let result = sg.tensor(tensor(format!("y{n}"), &[1, size]));
        let mut op = Op::new(OpKind::Builtin(ops::FULLY_CONNECTED));
        op.attrs = op_by_code(ops::FULLY_CONNECTED).and_then(|op| op.options).map(Attributes::new);
        sg.op(op, &[Some(last), Some(weights), None], &[result]);
        last = result;
    }
    let module = Module::new(vec![sg.finish(vec![input], vec![last])], constants);
    lower(&module, &LowerOptions::default()).expect("constants go outside").to_vec().into()
}

#[divan::bench(args = [1_000, 10_000, 100_000])]
fn lift_and_lower(bencher: Bencher, layers: usize) {
    let file = chain(layers, 2);
    bencher.counter(divan::counter::ItemsCount::new(layers)).bench(|| {
        let module = lift(&file, &LiftOptions::default()).expect("it is a model");
        lower(&module, &LowerOptions::default()).expect("it is small")
    });
}

#[divan::bench(args = ["default", "quantize-weights{type=float16},insert-dequant"])]
fn pipeline(bencher: Bencher, text: &str) {
    let file = chain(16, 1024);
    let optimizer = Optimizer::parse(text).expect("it is a pipeline");
    bencher
        .counter(BytesCount::new(file.len()))
        .bench(|| optimizer.run(file.clone()).expect("it runs"));
}

/// The default pipeline on many ops, each with a weight of its own.
#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000], sample_count = 3, sample_size = 1)]
fn default_pipeline(bencher: Bencher, layers: usize) {
    let file = chain(layers, 32);
    let optimizer = Optimizer::parse("default").expect("it is a pipeline");
    bencher.counter(divan::counter::ItemsCount::new(layers)).bench(|| {
        let result = optimizer.run(file.clone()).expect("it runs");
        result.image().expect("it is small")
    });
}

/// The default pipeline on one weight that many ops read, each beside an activation.
#[divan::bench(args = [20_000, 40_000, 80_000], sample_count = 3, sample_size = 1)]
fn readers_of_one_weight(bencher: Bencher, readers: usize) {
    let file = products(readers);
    let optimizer = Optimizer::parse("default").expect("it is a pipeline");
    bencher
        .counter(divan::counter::ItemsCount::new(readers))
        .bench(|| optimizer.run(file.clone()).expect("it runs"));
}

/// BATCH_MATMULs of one input with one constant, whose results the subgraph returns.
fn products(count: usize) -> Bytes {
    let mut constants = ConstantPool::new(vec![None]);
    let mut sg = SubgraphBuilder::new(None);
    let tensor = |name: String| Tensor::new(name, ElementType::Float32, vec![64, 64]);
    let input = sg.tensor(tensor("x".to_owned()));
    let mut weights = tensor("w".to_owned());
    let values = (0..64 * 64).flat_map(|n| (f32::from(n as u16) / 4096.0 - 0.5).to_le_bytes());
    weights.buffer = constants.push(values.collect::<Vec<u8>>().into());
    let weights = sg.tensor(weights);
    let mut results = Vec::with_capacity(count);
    for n in 0..count {
        let result = sg.tensor(tensor(format!("y{n}")));
        let mut op = Op::new(OpKind::Builtin(ops::BATCH_MATMUL));
        op.attrs = op_by_code(ops::BATCH_MATMUL).and_then(|op| op.options).map(Attributes::new);
        sg.op(op, &[Some(input), Some(weights)], &[result]);
        results.push(result);
    }
    let module = Module::new(vec![sg.finish(vec![input], results)], constants);
    lower(&module, &LowerOptions::default()).expect("it is small").to_vec().into()
}

/// Lifting, cleaning up and lowering a chain in which every other op does nothing.
#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000], sample_count = 5, sample_size = 1)]
fn clean_up(bencher: Bencher, ops: usize) {
    let file = identities(ops);
    let text = "until-stable(remove-identities,cancel-quantize-dequantize,eliminate-dead-buffers)";
    let optimizer = Optimizer::parse(text).expect("it is a pipeline");
    bencher.counter(divan::counter::ItemsCount::new(ops)).bench(|| {
        let result = optimizer.run(file.clone()).expect("it runs");
        assert_eq!(result.module.subgraphs().next().map(|(_, g)| g.op_count()), Some(ops / 2));
        result.image().expect("it is small")
    });
}

/// What keeping the state before a pass costs: taking it, and copying what it shares with the
/// model once the pass changes something.
#[divan::bench(args = [1_000, 10_000, 100_000, 1_000_000], sample_count = 5, sample_size = 1)]
fn snapshot(bencher: Bencher, ops: usize) {
    let module = lift(&identities(ops), &LiftOptions::default()).expect("it is a model");
    let main = SubgraphId(0);
    let input = module.subgraph(main).inputs()[0];
    bencher.counter(divan::counter::ItemsCount::new(ops)).bench(|| {
        let mut next = module.clone();
        let mut patch = Patch::new(main, "rename the input");
        patch.set_name(input, None);
        next.apply(patch).expect("it is a tensor");
        next
    });
}

/// RELU and a RESHAPE to the same shape, in turn.
fn identities(count: usize) -> Bytes {
    let mut sg = SubgraphBuilder::new(None);
    let tensor = |n: usize| Tensor::new(format!("t{n}"), ElementType::Float32, vec![1, 8]);
    let input = sg.tensor(tensor(0));
    let mut last = input;
    for n in 0..count {
        let result = sg.tensor(tensor(n + 1));
        let code = if n % 2 == 0 { ops::RELU } else { ops::RESHAPE };
        sg.op(Op::new(OpKind::Builtin(code)), &[Some(last)], &[result]);
        last = result;
    }
    let module =
        Module::new(vec![sg.finish(vec![input], vec![last])], ConstantPool::new(vec![None]));
    lower(&module, &LowerOptions::default()).expect("it is small").to_vec().into()
}

#[divan::bench]
fn start_up() -> usize {
    builtin().passes().count()
}
