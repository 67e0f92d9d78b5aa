//! What must hold for every model under `tests/models` and every pipeline. The facts about
//! kernels stand here once more, and not in the target's words, so that a mistake there shows.

use crate::common::{lifted, lowered, model, models, replay_as_json};
use half::f16;
use libtest_mimic::{Failed, Trial};
use std::collections::HashSet;
use tfq_ir::DEQUANT_CACHE_METADATA;
use tfq_opt::Optimizer;
use tfq_opt::ir::catalog::ops;

use tfq_opt::ir::{
    BufferId, ElementType, Module, OpId, OpKind, Subgraph, SubgraphId, TensorId, TensorLink,
};
use tfq_opt::pass::check_runnable;
use tfq_opt::target::Target;
use tfq_schema::annotations::CacheReason;

/// Passes in front of `insert-dequant` and `eliminate-dead-buffers`.
const QUANTIZERS: &[&str] = &[
    "quantize-weights",
    "quantize-weights{granularity=tensor}",
    "quantize-weights{hybrid=off}",
    "quantize-weights{deny=FULLY_CONNECTED,CONV_2D,LSTM}",
    "quantize-weights{min-elements=1}",
    "quantize-weights{type=float16}",
    "quantize-weights{compat=toco}",
    "quantize-weights{compat=toco granularity=tensor}",
    "quantize-weights{compat=toco type=float16}",
];

/// Two buffers at one place behind the flatbuffer: float16 halves each, and they are two then.
const GROWS: (&str, &str) = ("odd/buffers_outside", "quantize-weights{type=float16}");

/// The legacy tool trusts kernels that are wrong or missing for these, and `compat=toco` does as
/// it does. A second run knows no longer who decided that, and puts a Dequantize there.
const TOCO_UNSTABLE: [&str; 2] = ["ops/batch_matmul_two_batch_dims", "ops/conv_2d_grouped"];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("every_model/round_trip", || for_every_model(round_trip)),
        Trial::test("every_model/default", || for_every_model(default)),
    ];
    let deterministic = || for_every_model(deterministic);
    trials.push(Trial::test("every_model/no_order_of_chance_changes_a_byte", deterministic));
    for quantizer in QUANTIZERS {
        let name = format!("every_model/{quantizer}");
        trials.push(Trial::test(name, || for_every_model(|name| quantized(name, quantizer))));
    }
    trials
}

/// The order in which nodes and edges were made, what follows from it such as the order of
/// handles and of petgraph's lists, and the number of threads leave no trace. Seeds of hashes
/// differ between maps of one process already.
fn deterministic(name: &str) -> Result<(), Failed> {
    let input = model(name);
    for passes in [
        "default",
        "until-stable(remove-identities,cancel-quantize-dequantize,eliminate-dead-ops),default",
        "quantize-weights{type=float16},insert-dequant,eliminate-dead-buffers",
    ] {
        let mut optimizer = Optimizer::parse(passes)?;
        let plain = optimizer.run(&input[..])?;
        let (bytes, remarks) =
            (plain.to_vec()?, format!("{:?}", plain.report.remarks().collect::<Vec<_>>()));
        for seed in 0..4 {
            optimizer.shuffle = Some(seed);
            let threads = 1 + seed as usize % 3;
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            let twin = pool.install(|| optimizer.run(&input[..]))?;
            ensure(twin.to_vec()? == bytes, || format!("{passes}: other bytes, seed {seed}"))?;
            let told = format!("{:?}", twin.report.remarks().collect::<Vec<_>>());
            ensure(told == remarks, || format!("{passes}: other remarks, seed {seed}"))?;
        }
    }
    Ok(())
}

/// Tells what is wrong with all models at once, not with the first only.
fn for_every_model(check: impl Fn(&str) -> Result<(), Failed>) -> Result<(), Failed> {
    let wrong = models().into_iter().filter_map(|name| {
        let text = check(&name).err()?.message().unwrap_or("it failed").to_owned();
        Some(format!("{name}: {text}\n"))
    });
    let wrong: String = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.into()) }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

fn round_trip(name: &str) -> Result<(), Failed> {
    let once = Optimizer::parse("")?.run(model(name))?.to_vec()?;
    let twice = Optimizer::parse("")?.run(&once[..])?.to_vec()?;
    ensure(once == twice, || "a second round trip gives other bytes".to_owned())
}

/// Runs a pipeline, and once more on its result; checks what holds for all of them.
fn run(name: &str, passes: &str) -> Result<(Module, Vec<u8>), Failed> {
    let mut optimizer = Optimizer::parse(passes)?;
    optimizer.run_options.keep_edits = true;
    let result = optimizer.run(model(name))?;
    let mut replayed = lifted(&model(name));
    replay_as_json(&mut replayed, &result)?;
    ensure(lowered(&replayed) == lowered(&result.module), || {
        "replaying the edits gives another model".to_owned()
    })?;
    let output = result.to_vec()?;
    let module = lifted(&output);
    if let Err(errors) = module.verify() {
        return Err(errors[0].to_string().into());
    }
    let target = &*Target::named("litert").expect("it is shipped");
    if let Some(wrong) = check_runnable(&module, target).first() {
        return Err(wrong.to_string().into());
    }
    let again = optimizer.run(&output[..])?.to_vec()?;
    let unstable = passes.contains("toco") && TOCO_UNSTABLE.contains(&name);
    ensure(again == output || unstable, || "a second run changes the result again".to_owned())?;
    Ok((module, output))
}

fn default(name: &str) -> Result<(), Failed> {
    let (module, _) = run(name, "default")?;
    let (before, after) =
        (model(name).len(), Optimizer::default().run(model(name))?.image()?.len());
    ensure(after <= before as u64, || format!("{before} bytes became {after}"))?;
    check_cache(&module)
}

fn quantized(name: &str, quantizer: &str) -> Result<(), Failed> {
    let passes = format!("{quantizer},insert-dequant,eliminate-dead-buffers");
    let (after, output) = run(name, &passes)?;
    let input = model(name);
    let before = lifted(&input);
    let check = Check { before: &before, after: &after, toco: quantizer.contains("toco") };
    // What came hybrid, and had better not be, gets a Dequantize.
    let came_hybrid = name == "odd/int8_weights";
    if !check.toco && !came_hybrid && (name, quantizer) != GROWS {
        // Writing without any pass may move the padding.
        let most = input.len().max(lowered(&before).len());
        ensure(output.len() <= most, || format!("{most} bytes became {}", output.len()))?;
    }
    check.the_interface_stays()?;
    check.the_rest_of_the_file_stays()?;
    check.ops_change_where_their_weights_do()?;
    check.constants_keep_their_values()?;
    check.kernels_can_read_what_they_get()?;
    if !quantizer.contains("toco type=float16") {
        check.biases_stay_float32()?;
    }
    check.min_runtime_version_is_not_lowered()
}

struct Check<'a> {
    before: &'a Module,
    after: &'a Module,
    /// The legacy tool's choices, which are not ours to judge.
    toco: bool,
}

impl Check<'_> {
    fn the_interface_stays(&self) -> Result<(), Failed> {
        let interface = |module: &Module| {
            let tensors = |graph: &Subgraph, list: &[TensorId]| {
                let one = |id: &TensorId| {
                    let t = graph.tensor(*id);
                    let q = t.quantization.clone();
                    (t.name.clone(), t.ty, t.shape.clone(), t.shape_signature.clone(), q)
                };
                list.iter().map(one).collect::<Vec<_>>()
            };
            let graphs: Vec<_> = module
                .subgraphs()
                .map(|(_, g)| (g.name.clone(), tensors(g, g.inputs()), tensors(g, g.outputs())))
                .collect();
            let name = |sg: u32, link: &TensorLink| match link {
                TensorLink::Tensor(id) => module.subgraph(SubgraphId(sg)).tensor(*id).name.clone(),
                TensorLink::Raw(_) => None,
            };
            let signatures: Vec<_> = module
                .signatures()
                .iter()
                .map(|s| {
                    let links = s.inputs.iter().chain(&s.outputs);
                    let links = links.map(|(key, link)| (key.clone(), name(s.subgraph, link)));
                    (s.key.clone(), s.subgraph, links.collect::<Vec<_>>())
                })
                .collect();
            (graphs, signatures)
        };
        ensure(interface(self.before) == interface(self.after), || {
            "inputs, outputs or signatures changed".to_owned()
        })
    }

    fn the_rest_of_the_file_stays(&self) -> Result<(), Failed> {
        let rest = |module: &Module| {
            let own = ["min_runtime_version"];
            let entries = module
                .metadata()
                .iter()
                .filter(|e| !own.contains(&e.name.as_deref().unwrap_or_default()));
            let bytes = |id: BufferId| module.constants().get(id).cloned().unwrap_or_default();
            let entries: Vec<_> = entries.map(|e| (e.name.clone(), bytes(e.buffer))).collect();
            // A zip there counts from the file's start, so its offsets move with the model.
            (entries, module.description().cloned(), module.trailer().len())
        };
        ensure(rest(self.before) == rest(self.after), || {
            "metadata, description or what follows the model changed".to_owned()
        })
    }

    /// The ops of the input in their order, each with what it has become; between them stand
    /// only those that were inserted.
    fn pairs(&self) -> Result<Vec<(SubgraphId, OpId, OpId)>, Failed> {
        let mut pairs = Vec::new();
        for (sg, graph) in self.before.subgraphs() {
            let after = self.after.subgraph(sg);
            let mut new = after.ops();
            for old in graph.ops() {
                let kind = &graph.op(old).kind;
                let results = graph.results(old).len();
                if !self.toco && self.is_folded(sg, old) {
                    continue;
                }
                let found = new.by_ref().find(|new| {
                    let inserted = after.op(*new).kind.is(ops::DEQUANTIZE)
                        && after.results(*new).iter().all(|id| {
                            let name = &after.tensor(*id).name;
                            name.as_deref().is_some_and(|name| name.ends_with("_dequantize"))
                        });
                    after.op(*new).kind == *kind && !inserted
                });
                let found = found.ok_or_else(|| format!("a {kind} is gone"))?;
                ensure(after.results(found).len() == results, || format!("{kind} lost a result"))?;
                pairs.push((sg, old, found));
            }
        }
        Ok(pairs)
    }

    /// Whether the op is the Dequantize of a float16 constant, and what it computed is a constant
    /// now.
    fn is_folded(&self, sg: SubgraphId, op: OpId) -> bool {
        let (before, after) = (self.before.subgraph(sg), self.after.subgraph(sg));
        let float16 = |id: &TensorId| {
            before.tensor(*id).ty == ElementType::Float16 && self.before.constant(sg, *id).is_some()
        };
        let results = before.results(op);
        let name = results.first().and_then(|id| before.tensor(*id).name.clone());
        let now = after.tensors().find(|id| after.tensor(*id).name == name);
        before.op(op).kind.is(ops::DEQUANTIZE)
            && before.operand(op, 0).as_ref().is_some_and(float16)
            && now.is_some_and(|id| self.after.constant(sg, id).is_some())
    }

    fn ops_change_where_their_weights_do(&self) -> Result<(), Failed> {
        let reads = |graph: &Subgraph, op: OpId| {
            let all = graph.operands(op).into_iter().flatten().chain(graph.results(op));
            all.map(|id| (graph.tensor(id).ty, graph.tensor(id).name.clone())).collect::<Vec<_>>()
        };
        let pairs = self.pairs()?;
        let changed = |sg: SubgraphId, old: OpId, new: OpId| {
            reads(self.before.subgraph(sg), old) != reads(self.after.subgraph(sg), new)
        };
        // Ops of one operator code rise together, those that were inserted among them.
        let kept: HashSet<_> = pairs.iter().map(|(sg, _, new)| (*sg, *new)).collect();
        let inserted = self.after.subgraphs().flat_map(|(sg, graph)| {
            let new = graph.ops().filter(|op| !kept.contains(&(sg, *op)));
            new.map(|op| graph.op(op).code).collect::<Vec<_>>()
        });
        let codes: HashSet<Option<u32>> = pairs
            .iter()
            .filter(|(sg, old, new)| changed(*sg, *old, *new))
            .map(|(sg, old, _)| self.before.subgraph(*sg).op(*old).code)
            .chain(inserted)
            .collect();
        for (sg, old, new) in pairs {
            let (before, after) = (self.before.subgraph(sg), self.after.subgraph(sg));
            let (old_op, new_op) = (before.op(old), after.op(new));
            let kind = &old_op.kind;
            ensure(new_op.version >= old_op.version, || format!("the version of {kind} fell"))?;
            ensure(new_op.version == old_op.version || codes.contains(&old_op.code), || {
                format!("the version of {kind} rose, and it reads what it read before")
            })?;
            let asymmetric = "asymmetric_quantize_inputs";
            let hybrid = after.operands(new).into_iter().flatten().any(|id| {
                after.tensor(id).ty == ElementType::Int8 && self.after.constant(sg, id).is_some()
            });
            ensure(hybrid || new_op.bool(asymmetric) == old_op.bool(asymmetric), || {
                format!("{asymmetric} of {kind} changed, which is not hybrid")
            })?;
            let others = |op: &tfq_opt::ir::Op| {
                let attrs = op.attrs.iter().flat_map(|attrs| attrs.set_values());
                let attrs = attrs.filter(|(info, _)| info.name != asymmetric);
                attrs.map(|(info, value)| (info.name, value.clone())).collect::<Vec<_>>()
            };
            ensure(others(old_op) == others(new_op), || format!("attributes of {kind} changed"))?;
        }
        Ok(())
    }

    /// Every constant stands for the numbers it stood for, as far as its new type can say them.
    fn constants_keep_their_values(&self) -> Result<(), Failed> {
        let (mut old_buffers, mut new_buffers) = (HashSet::new(), HashSet::new());
        for (sg, before) in self.before.subgraphs() {
            let after = self.after.subgraph(sg);
            for id in before.tensors() {
                let old = before.tensor(id);
                let Some(bytes) = self.before.constant(sg, id) else { continue };
                let Some(new) = self.constant_now(sg, before, id) else { continue };
                let (label, tensor) = (old.label(), after.tensor(new));
                let now = self.after.constant(sg, new).expect("it was looked for");
                if tensor.ty == old.ty {
                    ensure(now == bytes, || format!("the bytes of `{label}` changed"))?;
                    continue;
                }
                // Each shape in which a buffer is shown may get codes of its own.
                old_buffers.insert((old.buffer, old.shape.clone()));
                new_buffers.insert(tensor.buffer);
                let dense = old.sparsity.as_deref().map(|sparsity| {
                    sparsity.to_dense(&old.shape, 4, bytes).ok_or("its sparsity fits no shape")
                });
                let dense = dense.transpose()?;
                let values = dense.as_deref().unwrap_or(bytes);
                let values =
                    values.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                let values: Vec<f32> = values.collect();
                ensure(old.ty == ElementType::Float32, || format!("`{label}` was no float32"))?;
                match tensor.ty {
                    ElementType::Float16 => check_halves(label, &values, now)?,
                    ElementType::Int8 => self.check_codes(after, new, &values, now)?,
                    ty => return Err(format!("`{label}` became {ty}").into()),
                }
            }
        }
        // The legacy rules take a buffer apart that is shown with two shapes.
        ensure(new_buffers.len() <= old_buffers.len() || self.toco, || {
            format!("{} buffers became {}", old_buffers.len(), new_buffers.len())
        })
    }

    /// The constant that a constant of the input has become: by its name, if that tells it apart.
    fn constant_now(&self, sg: SubgraphId, before: &Subgraph, id: TensorId) -> Option<TensorId> {
        let name = before.tensor(id).name.as_deref().filter(|name| !name.is_empty())?;
        let named = |graph: &Subgraph, name: &str| -> Vec<TensorId> {
            let same = |t: &TensorId| graph.tensor(*t).name.as_deref() == Some(name);
            graph.tensors().filter(same).collect()
        };
        if named(before, name).len() != 1 {
            return None;
        }
        let after = self.after.subgraph(sg);
        // An output hands its name to the result of a Dequantize.
        let renamed = format!("{name}_quantized");
        let found = named(after, name).into_iter().chain(named(after, &renamed));
        found.into_iter().find(|t| self.after.constant(sg, *t).is_some())
    }

    fn check_codes(
        &self,
        graph: &Subgraph,
        id: TensorId,
        values: &[f32],
        codes: &[u8],
    ) -> Result<(), Failed> {
        let tensor = graph.tensor(id);
        let label = tensor.label();
        let q = tensor.quantization.as_deref().ok_or("int8 without scales")?;
        let axis = q.quantized_dimension as usize;
        let scales = q.scale.len();
        ensure(codes.len() == values.len(), || format!("`{label}` has another length"))?;
        ensure(q.zero_point.len() == scales, || format!("`{label}` lacks zero points"))?;
        let is_offset = q.zero_point.iter().any(|zero| *zero != 0);
        // Kernels that read codes take it to be 0.
        let dequantized = graph.all_uses(id, |u| graph.op(u.op).kind.is(ops::DEQUANTIZE));
        ensure(!is_offset || !self.toco && dequantized, || {
            format!("`{label}` has zero points, and something else than a Dequantize reads it")
        })?;
        ensure(scales == 1 || tensor.shape.get(axis) == Some(&(scales as i32)), || {
            format!("`{label}` has {scales} scales for {:?}, dimension {axis}", tensor.shape)
        })?;
        let inner: usize = tensor.shape.iter().skip(axis + 1).map(|d| *d as usize).product();
        for (n, (value, code)) in values.iter().zip(codes).enumerate() {
            let (scale, code) = (q.scale[n / inner % scales], *code as i8);
            let zero = q.zero_point[n / inner % scales];
            ensure(self.toco || scale.is_normal() && scale > 0.0, || format!("scale {scale}"))?;
            let steps = (i64::from(code) - zero) as f64;
            let off = (steps * f64::from(scale) - f64::from(*value)).abs();
            ensure((is_offset || code != -128) && off <= 0.501 * f64::from(scale), || {
                format!("`{label}`: {value} became {code} - {zero} times {scale}")
            })?;
        }
        Ok(())
    }

    /// What was float32 in the input and is quantised now is read only where kernels can.
    fn kernels_can_read_what_they_get(&self) -> Result<(), Failed> {
        for (sg, graph) in self.after.subgraphs() {
            for op in graph.ops() {
                let kind = &graph.op(op).kind;
                let old = self.before.subgraph(sg);
                let float_before = |name: &str| {
                    old.tensors().any(|t| {
                        let t = old.tensor(t);
                        t.name.as_deref() == Some(name) && t.ty == ElementType::Float32
                    })
                };
                for (slot, operand) in (0..).zip(graph.operands(op)) {
                    let Some(operand) = operand else { continue };
                    let tensor = graph.tensor(operand);
                    let name = tensor.label().trim_end_matches("_quantized");
                    let constant = self.after.constant(sg, operand).is_some();
                    if !constant || tensor.ty == ElementType::Float32 || !float_before(name) {
                        continue;
                    }
                    let readable = match tensor.ty {
                        ElementType::Int8 => reads_int8(graph, op, slot),
                        _ => kind.is(ops::DEQUANTIZE) || kind.is(ops::GATHER),
                    };
                    ensure(readable, || format!("{kind} reads `{name}` as {}", tensor.ty))?;
                    let axis = tensor.quantization.as_ref().map(|q| q.quantized_dimension);
                    let channels = tensor.shape.last().map_or(0, |d| *d as usize);
                    ensure(
                        !kind.is(ops::DEPTHWISE_CONV_2D)
                            || (tensor.scales() == channels && axis == Some(3)),
                        || format!("DEPTHWISE_CONV_2D wants {channels} scales along 3"),
                    )?;
                }
                if let Some(family) = family(kind) {
                    let types: HashSet<ElementType> = family
                        .iter()
                        .filter_map(|slot| graph.operand(op, *slot))
                        .map(|id| graph.tensor(id).ty)
                        .collect();
                    ensure(types.len() <= 1, || format!("{kind} has weights of several types"))?;
                    let one = |slot: &u32| {
                        graph.operand(op, *slot).is_none_or(|id| graph.tensor(id).scales() <= 1)
                    };
                    ensure(family.iter().all(one), || format!("{kind} has scales per channel"))?;
                }
            }
        }
        Ok(())
    }

    fn biases_stay_float32(&self) -> Result<(), Failed> {
        for (sg, old, new) in self.pairs()? {
            let (before, after) = (self.before.subgraph(sg), self.after.subgraph(sg));
            let slot = match before.op(old).kind {
                OpKind::Builtin(ops::TRANSPOSE_CONV) => 3,
                OpKind::Builtin(
                    ops::CONV_2D | ops::DEPTHWISE_CONV_2D | ops::FULLY_CONNECTED | ops::CONV_3D,
                ) => 2,
                _ => continue,
            };
            let (Some(old), Some(new)) = (before.operand(old, slot), after.operand(new, slot))
            else {
                continue;
            };
            let same = self.before.constant(sg, old) == self.after.constant(sg, new);
            ensure(same, || format!("bias `{}` changed", before.tensor(old).label()))?;
        }
        Ok(())
    }

    fn min_runtime_version_is_not_lowered(&self) -> Result<(), Failed> {
        let version = |module: &Module| {
            let bytes = module.metadata_bytes("min_runtime_version")?;
            let text = String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
            Some(text.split('.').map(|n| n.parse().unwrap_or(0)).collect::<Vec<u32>>())
        };
        ensure(version(self.before) <= version(self.after), || "it was lowered".to_owned())
    }
}

fn check_halves(label: &str, values: &[f32], halves: &[u8]) -> Result<(), Failed> {
    let halves = halves.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]));
    for (value, half) in values.iter().zip(halves) {
        let wanted = f16::from_f32(value.clamp(-65504.0, 65504.0));
        let same = half.to_bits() == wanted.to_bits() || (half.is_nan() && wanted.is_nan());
        ensure(same, || format!("`{label}`: {value} became {half}"))?;
    }
    Ok(())
}

/// Ops that have a kernel for int8 weights next to float32 activations, and where.
fn reads_int8(graph: &Subgraph, op: OpId, slot: u32) -> bool {
    let OpKind::Builtin(code) = graph.op(op).kind else { return false };
    let is_int8 = |id: &TensorId| graph.tensor(*id).ty == ElementType::Int8;
    match code {
        ops::DEQUANTIZE => true,
        ops::GATHER => slot == 0 && graph.results(op).iter().all(is_int8),
        ops::CONV_2D
        | ops::DEPTHWISE_CONV_2D
        | ops::FULLY_CONNECTED
        | ops::TRANSPOSE_CONV
        | ops::BATCH_MATMUL
        | ops::EMBEDDING_LOOKUP => slot == 1,
        ops::LSTM if graph.operands(op).len() < 20 => false,
        _ => family(&graph.op(op).kind).is_some_and(|slots| slots.contains(&slot)),
    }
}

/// Weights that are quantised all together or not at all.
fn family(kind: &OpKind) -> Option<Vec<u32>> {
    let OpKind::Builtin(code) = *kind else { return None };
    match code {
        ops::LSTM | ops::UNIDIRECTIONAL_SEQUENCE_LSTM => Some((1..=11).chain([16]).collect()),
        ops::BIDIRECTIONAL_SEQUENCE_LSTM => {
            Some((1..=11).chain([16]).chain(18..=28).chain([33]).chain(40..=47).collect())
        }
        ops::RNN | ops::UNIDIRECTIONAL_SEQUENCE_RNN | ops::SVDF => Some(vec![1, 2]),
        ops::BIDIRECTIONAL_SEQUENCE_RNN => Some(vec![1, 2, 5, 6, 10, 11]),
        _ => None,
    }
}

/// The record of `annotate-dequant-cache` agrees with what the runtime does.
fn check_cache(module: &Module) -> Result<(), Failed> {
    let dequantize: Vec<(SubgraphId, OpId)> =
        module.ops_of_kind(ops::DEQUANTIZE).map(|(sg, op, _)| (sg, op)).collect();
    let Some(bytes) = module.metadata_bytes(DEQUANT_CACHE_METADATA) else {
        let inserted = dequantize.iter().any(|(sg, op)| {
            let graph = module.subgraph(*sg);
            let name = graph.results(*op).first().and_then(|id| graph.tensor(*id).name.as_deref());
            name.is_some_and(|name| name.ends_with("_dequantize"))
        });
        // One with which a tiny file would be larger than it came is left out.
        let constants = module.constants().iter().filter_map(|(_, bytes)| bytes);
        let is_tiny = constants.map(bytes::Bytes::len).sum::<usize>() < 1024;
        return ensure(!inserted || is_tiny, || "the record is missing".to_owned());
    };
    let record = tfq_schema::annotations::root_as_dequant_cache(bytes)?;
    let entries: Vec<_> = record.entries().into_iter().flatten().collect();
    ensure(entries.len() == dequantize.len(), || "some Dequantize has no entry".to_owned())?;
    let mut total = 0;
    for ((sg, op), entry) in dequantize.into_iter().zip(entries) {
        let graph = module.subgraph(sg);
        let at = graph.ops().position(|o| o == op).expect("it is there") as u32;
        let operand = graph.operand(op, 0).ok_or("a Dequantize of nothing")?;
        let tensor = graph.tensor(operand);
        let kept = module.constant(sg, operand).is_some() && !graph.is_input(operand);
        let bytes = 4 * tensor.elements().unwrap_or(0);
        let wanted = if kept { (bytes, 0) } else { (0, bytes) };
        ensure((entry.subgraph(), entry.operator()) == (sg.0, at), || "wrong op".to_owned())?;
        ensure((entry.bytes(), entry.bytes_per_invoke()) == wanted, || "wrong bytes".to_owned())?;
        ensure(entry.cached() == kept, || "wrong verdict".to_owned())?;
        ensure((entry.reason() == CacheReason::CACHED_CONSTANT) == kept, || "why?".to_owned())?;
        total += entry.bytes();
    }
    ensure(record.total_bytes() == total, || "the total is wrong".to_owned())
}
