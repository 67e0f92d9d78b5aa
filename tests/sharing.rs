//! Weights that several ops read: whatever the ops and however they share, the result runs on all
//! kernels of the target and does what the float model does.
//!
//! A *pair* is two ops, one before the other, that read the same weight: through one tensor,
//! through two tensors on one buffer (in shapes of their own where they have to), or from two
//! constants with equal bytes. Each is quantised with every granularity and preference. A *triple*
//! is the same of three ops, each with one of the granularities and preferences in turn; a sample
//! of them is fixed, and `SHARING=all cargo test --test sharing` takes all.
//!
//! What needs no runtime is checked without one, on the sample: the check before lowering and the
//! operator versions. The rest is ignored without `TFQ_RUNTIME`.

mod common;
#[path = "sharing/readers.rs"]
mod readers;
#[path = "matrix/runner.rs"]
mod runner;
#[path = "common/trials.rs"]
mod trials;

use libtest_mimic::Failed;
use readers::{ELEMENTS, READERS, Reader, dims};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use tfq_opt::format::{LowerOptions, lower};
use tfq_opt::ir::text::{ParseOptions, parse};
use tfq_opt::ir::{ElementType, Module, Patch};
use tfq_opt::pass::check_runnable;
use tfq_opt::runtime::{Kernels, Runtime, Value};
use tfq_opt::target::{Target, describe};
use tfq_opt::{Optimizer, Source};
use trials::Trials;

/// The least that every output keeps of the float model's: 8 bits of weights and of activations.
const LEAST_DB: f64 = 20.0;
/// One in so many triples is of the fixed sample.
const SAMPLE: usize = 211;
const GRANULARITIES: [&str; 2] = ["channel", "tensor"];
const PREFERENCES: [&str; 3] = ["size", "ram", "latency"];

fn main() {
    let all = std::env::var_os("SHARING").is_some_and(|what| what == "all");
    let mut trials = Trials::from_args();
    trials.test("every_op_with_weights_is_a_reader", every_op_is_a_reader);
    trials.test("a_reader_without_a_tensor_of_its_own_is_noticed", shared_tensor_is_noticed);
    trials.test("a_reader_gets_a_tensor_and_not_a_copy", own_tensor);
    trials.test("the_sample_passes_the_check", sample_passes_the_check);
    for first in &READERS {
        let pairs: Vec<_> = READERS.iter().map(|second| vec![first, second]).collect();
        let name = format!("pairs/{}", first.name.replace(' ', "_"));
        trials.with_runtime(name, move |runtime| run_groups(&pairs, true, runtime));
    }
    for (n, first) in READERS.iter().enumerate() {
        let of_first = triples().into_iter().filter(|triple| std::ptr::eq(triple[0], first));
        let stride = if all { 1 } else { SAMPLE };
        let triples: Vec<_> = of_first.skip(n * 7 % stride).step_by(stride).collect();
        let name = format!("triples/{}", first.name.replace(' ', "_"));
        trials.with_runtime(name, move |runtime| run_groups(&triples, false, runtime));
    }
    trials.run()
}

fn triples() -> Vec<Vec<&'static Reader>> {
    let pairs = READERS.iter().flat_map(|a| READERS.iter().map(move |b| (a, b)));
    pairs.flat_map(|(a, b)| READERS.iter().map(move |c| vec![a, b, c])).collect()
}

/// How ops share a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    Tensor,
    Buffer,
    Bytes,
}

impl Sharing {
    const ALL: [Self; 3] = [Self::Tensor, Self::Buffer, Self::Bytes];

    /// The model in which these ops share a weight like this, one before the other; nothing where
    /// no shape fits all of them.
    fn text(self, readers: &[&Reader]) -> Option<String> {
        let mut text = String::from(
            "tfg 1 quant\nmetadata \"min_runtime_version\" = b\"1.5.0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\"\n\
             subgraph @main {\n",
        );
        let contents = "fill gaussian(seed = 1, std = 0.1)";
        let common = readers[0]
            .shapes
            .iter()
            .find(|shape| readers.iter().all(|reader| reader.shapes.contains(shape)));
        for (n, reader) in readers.iter().enumerate() {
            let (p, own) = (format!("r{n}."), format!("%w{n}"));
            // On one buffer, shapes of their own.
            let other = reader.shapes.get(n % reader.shapes.len())?;
            let shape = match self {
                Self::Tensor => *common?,
                Self::Buffer => *other,
                Self::Bytes => reader.shapes[0],
            };
            let shown = dims(shape);
            let weight = match (self, n) {
                (Self::Tensor, 1..) => "%w0".to_owned(),
                (Self::Buffer, 1..) => {
                    writeln!(text, "{own} = const : f32[{shown}] as %w0").ok()?;
                    own
                }
                _ => {
                    writeln!(text, "{own} = const : f32[{shown}] {contents}").ok()?;
                    own
                }
            };
            text += &reader.text(&p, &weight, shape);
        }
        Some(text + "}\n")
    }
}

/// A model to be quantised, and how.
struct Case {
    name: String,
    float: Module,
    passes: String,
}

/// What is made of a group of ops: with all options, or with one set of them in turn.
fn cases(readers: &[&Reader], full: bool) -> Vec<Case> {
    let names: Vec<&str> = readers.iter().map(|reader| reader.name).collect();
    let mut cases = Vec::new();
    for sharing in Sharing::ALL {
        let Some(text) = sharing.text(readers) else { continue };
        let float = parse(&text, &ParseOptions::default())
            .unwrap_or_else(|error| panic!("{names:?}: {} in\n{text}", error.message));
        let options = GRANULARITIES.into_iter().flat_map(|g| PREFERENCES.map(|p| (g, p)));
        let options: Vec<_> = options.collect();
        // One set, another for each group.
        let turn = names.iter().flat_map(|name| name.bytes()).map(usize::from).sum::<usize>();
        let taken = match full {
            true => options.clone(),
            false => vec![options[turn % options.len()]],
        };
        for (granularity, prefer) in taken {
            let passes = format!(
                "quantize-weights{{min-elements=64 granularity={granularity} prefer={prefer}}},insert-dequant,\
                 merge-equal-buffers,eliminate-dead-buffers"
            );
            let name = format!("{} by {sharing:?}, {granularity}, {prefer}", names.join(" + "));
            cases.push(Case { name, float: float.clone(), passes });
        }
    }
    cases
}

impl Case {
    fn optimized(&self, target: &Arc<Target>) -> Result<Module, Failed> {
        let optimizer = Optimizer::parse(&self.passes)?.for_target(Arc::clone(target));
        Ok(optimizer.run(Source::from(self.float.clone()))?.module)
    }
}

fn bytes(module: &Module) -> Result<Vec<u8>, Failed> {
    Ok(lower(module, &LowerOptions::default())?.to_vec())
}

/// What is wrong with a result that one need not run to see.
fn fault(case: &Case, result: &Module, target: &Target) -> Result<Option<String>, Failed> {
    if let Some(found) = check_runnable(result, target).first() {
        return Ok(Some(found.to_string()));
    }
    if bytes(result)?.len() > bytes(&case.float)?.len() {
        return Ok(Some("it is larger".to_owned()));
    }
    let mut hybrid = false;
    for (sg, graph) in result.subgraphs() {
        for op in graph.ops() {
            let codes = graph.operands(op).into_iter().flatten().any(|id| {
                graph.tensor(id).ty == ElementType::Int8 && result.constant(sg, id).is_some()
            });
            hybrid |= codes;
            let node = graph.op(op);
            let needed = target.version(result, sg, op).unwrap_or(1);
            if codes && node.version < needed {
                let fault = format!("{} {} needs version {needed}", node.kind, node.version);
                return Ok(Some(fault));
            }
        }
    }
    let stated = result.metadata_bytes("min_runtime_version").ok_or("the metadata is gone")?;
    let needed = target.model_min_runtime(result);
    // Where nothing was quantised, what the file said before stays.
    if hybrid && !stated.starts_with(needed.as_bytes()) {
        let stated = String::from_utf8_lossy(stated);
        return Ok(Some(format!("it needs runtime {needed} and says {stated}")));
    }
    Ok(None)
}

/// Runs what is made of groups of ops, each result once.
#[allow(clippy::print_stderr)]
fn run_groups(groups: &[Vec<&Reader>], full: bool, runtime: &Runtime) -> Result<(), Failed> {
    let target = Target::named("litert").expect("it is shipped");
    let mut faults = String::new();
    let (mut made, mut ran) = (0, 0);
    for readers in groups {
        let mut floats: HashMap<Vec<u8>, [Vec<Value>; 3]> = HashMap::new();
        let mut seen: HashMap<Vec<u8>, Vec<String>> = HashMap::new();
        for case in cases(readers, full) {
            made += 1;
            let result = match case.optimized(&target) {
                Ok(result) => result,
                Err(error) => {
                    writeln!(faults, "{}: {}", case.name, error.message().unwrap_or_default())?;
                    continue;
                }
            };
            if let Some(fault) = fault(&case, &result, &target)? {
                writeln!(faults, "{}: {fault}", case.name)?;
            }
            let file = bytes(&result)?;
            let found = match seen.get(&file) {
                Some(found) => found.clone(),
                None => {
                    ran += 1;
                    let key = bytes(&case.float)?;
                    if !floats.contains_key(&key) {
                        let outputs = |kernels| runner::outputs(runtime, &case.float, kernels);
                        let [reference, optimized, xnnpack] = Kernels::ALL.map(outputs);
                        floats.insert(key.clone(), [reference?, optimized?, xnnpack?]);
                    }
                    let found = run(&result, &floats[&key], runtime);
                    seen.insert(file, found.clone());
                    found
                }
            };
            for fault in found {
                writeln!(faults, "{} {fault}", case.name)?;
            }
        }
    }
    if std::env::var_os("SHARING").is_some() {
        eprintln!("{made} results, {ran} of them unlike the others of their group and run");
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
}

/// Where the result does not run or does something else than the float model.
fn run(result: &Module, wanted: &[Vec<Value>; 3], runtime: &Runtime) -> Vec<String> {
    let mut faults = Vec::new();
    for (kernels, wanted) in Kernels::ALL.into_iter().zip(wanted) {
        let outcome = runner::outputs(runtime, result, kernels)
            .map_err(|error| error.to_string())
            .and_then(|found| runner::snr(wanted, &found));
        match outcome {
            Ok(snr) if snr >= LEAST_DB => (),
            Ok(snr) => faults.push(format!("on {kernels}: {snr:.1} dB")),
            Err(reason) => faults.push(format!("on {kernels}: {reason}")),
        }
    }
    faults
}

fn every_op_is_a_reader() -> Result<(), Failed> {
    let target = Target::named("litert").expect("it is shipped");
    for op in describe(&target).ops {
        if !READERS.iter().any(|reader| reader.op() == op.name) {
            return Err(format!("{} is not among the readers", op.name).into());
        }
    }
    for shape in READERS.iter().flat_map(|reader| reader.shapes) {
        assert_eq!(shape.iter().product::<u32>() as usize, ELEMENTS, "{shape:?}");
    }
    Ok(())
}

fn sample_passes_the_check() -> Result<(), Failed> {
    let target = Target::named("litert").expect("it is shipped");
    for readers in triples().into_iter().step_by(SAMPLE) {
        for case in cases(&readers, false) {
            let result = case.optimized(&target)?;
            if let Some(fault) = fault(&case, &result, &target)? {
                return Err(format!("{}: {fault}", case.name).into());
            }
        }
    }
    Ok(())
}

const DENSE_THEN_PRODUCT: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,64]
  %w = const : f32[48,64] fill gaussian(seed = 3, std = 0.3)
  %h = FULLY_CONNECTED(%x, %w, _) {fused_activation_function = RELU} : f32[1,48]
  %y = BATCH_MATMUL(%h, %w) : f32[1,64]
  output %y
}
";

fn dense_then_product() -> Result<Module, Failed> {
    let float = parse(DENSE_THEN_PRODUCT, &ParseOptions::default())
        .map_err(|error| Failed::from(error.message))?;
    let optimizer = Optimizer::parse("quantize-weights{exact-activations=off},default")?;
    Ok(optimizer.run(Source::from(float))?.module)
}

/// XNNPACK puts scales per row into the tensor that FULLY_CONNECTED reads, and refuses the product.
fn own_tensor() -> Result<(), Failed> {
    let result = dense_then_product()?;
    let (sg, graph) = result.subgraphs().next().ok_or("it has a subgraph")?;
    let weights: Vec<_> = graph.ops().filter_map(|op| graph.operand(op, 1)).collect();
    let [dense, product] = weights[..] else { return Err("two ops read a weight".into()) };
    assert_ne!(dense, product);
    assert_eq!(graph.tensor(dense).buffer, graph.tensor(product).buffer);
    assert_eq!(graph.tensor(dense).scales(), 1);
    assert_eq!(result.constant(sg, dense).map(|bytes| bytes.len()), Some(48 * 64));
    Ok(())
}

/// The check before lowering sees it, also where the patch touches only one of the readers.
fn shared_tensor_is_noticed() -> Result<(), Failed> {
    let target = Target::named("litert").expect("it is shipped");
    for mover in [0, 1] {
        // As a file that came in, so that only the patch below is in the journal.
        let mut module = common::lifted(&bytes(&dense_then_product()?)?);
        let (sg, graph) = module.subgraphs().next().ok_or("it has a subgraph")?;
        let ops: Vec<_> = graph.ops().collect();
        let to = graph.operand(ops[1 - mover], 1).ok_or("it reads a weight")?;
        let mut patch = Patch::new(sg, "share a tensor");
        patch.set_operand(ops[mover], 1, to);
        module.apply(patch)?;
        let found = check_runnable(&module, &target);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].place.starts_with("BATCH_MATMUL"), "{found:?}");
        assert_eq!(found[0].unmet.as_ref().map(|unmet| unmet.name()), Some("settled"));
        let mended = Optimizer::parse("insert-dequant")?.run(Source::from(module))?.module;
        assert_eq!(check_runnable(&mended, &target), []);
    }
    Ok(())
}
