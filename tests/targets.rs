//! Targets as a user meets them: their documentation, files of one's own, and what each promises
//! for every model.

mod common;

use common::{lifted, model, models, root};
use std::fs;
use std::process::Command;
use std::sync::Arc;
use tfq_opt::Optimizer;
use tfq_opt::ir::catalog::ops;
use tfq_opt::ir::{ElementType, OpKind};
use tfq_opt::pass::check_runnable;
use tfq_opt::target::Target;

const BEGIN: &str = "<!-- made by `tfq-opt targets --markdown`: begin -->\n";
const END: &str = "<!-- made by `tfq-opt targets --markdown`: end -->";

fn documentation() -> String {
    fs::read_to_string(root().join("docs/targets.md")).expect("it is there")
}

#[test]
fn the_tables_of_the_documentation_are_up_to_date() {
    let made = Command::new(env!("CARGO_BIN_EXE_tfq-opt")).args(["targets", "--markdown"]).output();
    let made = String::from_utf8(made.expect("the binary starts").stdout).unwrap();
    let text = documentation();
    let (before, rest) = text.split_once(BEGIN).expect("the tables have a beginning");
    let (tables, after) = rest.split_once(END).expect("and an end");
    let wanted = format!("\n{made}\n");
    if tables != wanted && std::env::var_os("UPDATE_DOCS").is_some() {
        let anew = format!("{before}{BEGIN}{wanted}{END}{after}");
        fs::write(root().join("docs/targets.md"), anew).unwrap();
        return;
    }
    assert!(tables == wanted, "write them anew: UPDATE_DOCS=1 cargo test --test targets");
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let text = documentation();
    let example = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let target = Arc::new(Target::parse("players", example).unwrap());
    let filter = |name: &str| {
        let optimizer = Optimizer::default().for_target(Arc::clone(&target));
        let output = optimizer.run(model(name)).unwrap().to_vec().unwrap();
        let module = lifted(&output);
        let (sg, id) = common::tensor(&module, "weights").unwrap();
        (module.subgraph(sg).tensor(id).ty, module.ops_of_kind(ops::DEQUANTIZE).count())
    };
    // Hybrid, and float32 where a Dequantize would cost memory.
    assert_eq!(filter("ops/conv_2d_grouped"), (ElementType::Int8, 0));
    assert_eq!(filter("ops/depthwise_conv_2d"), (ElementType::Float32, 0));
}

/// The conditions of the documentation are those that files can have.
#[test]
fn every_condition_of_the_documentation_is_read() {
    let text = documentation();
    let table = text.split("### Conditions").nth(1).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    for row in rows {
        let row = row.replace("\\|", "\u{1}");
        let names = row.split('|').nth(1).unwrap();
        for name in names.split('`').skip(1).step_by(2).map(|name| name.replace('\u{1}', "|")) {
            let op = match &name[..] {
                name if name.contains("padding") => "CONV_2D",
                name if name.contains("new_shape") => "RESHAPE",
                name if name.contains("block_size") => "DEPTH_TO_SPACE",
                name if name.contains("filter_width") => "AVERAGE_POOL_2D",
                _ => "BATCH_MATMUL",
            };
            let file = format!(
                "summary = \"x\"\nkernels = [\"optimized\"]\n[[rule]]\nops = [\"{op}\"]\nwhen = [\"{name}\"]\n\
                 optimized = \"ok\"\nsource = \"s\"\n"
            );
            Target::parse("mine", &file).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

/// What a target with a cap gets loads there: no op that a pass touched has a version that came later.
#[test]
fn no_cap_is_exceeded_whatever_the_model_and_the_options() {
    let quantizers = [
        "quantize-weights",
        "quantize-weights{granularity=tensor}",
        "quantize-weights{hybrid=off}",
        "quantize-weights{min-elements=1}",
        "quantize-weights{type=float16}",
        "quantize-weights{compat=toco}",
        "quantize-weights{prefer=ram}",
        "quantize-weights{prefer=latency}",
    ];
    for name in Target::names() {
        let target = Target::named(name).unwrap();
        for quantizer in quantizers {
            let passes = format!("{quantizer},insert-dequant,eliminate-dead-buffers");
            let mut optimizer = Optimizer::parse(&passes).unwrap().for_target(Arc::clone(&target));
            // Some models have ops that older releases have not, whatever passes do.
            optimizer.allow_unloadable = true;
            for input in models() {
                let place = || format!("{input}, {quantizer} for {name}");
                let before = model(&input);
                let result = optimizer.run(&before[..]);
                let result = result.unwrap_or_else(|error| panic!("{}: {error}", place()));
                assert_eq!(check_runnable(&result.module, &target), [], "{}", place());
                let output = result.to_vec().unwrap();
                let too_new = |bytes: &[u8]| {
                    let module = lifted(bytes);
                    let versions = module.op_codes().iter().map(|code| (code.kind(), code.version));
                    versions
                        .filter(|(kind, version)| target.lacks(kind, *version).is_some())
                        .count()
                };
                assert!(too_new(&output) <= too_new(&before), "{}", place());
            }
        }
    }
}

/// What the tool wrote for one target is a model like any other for all of them: the default
/// pipeline makes something of it that runs, or leaves it.
#[test]
fn every_form_that_the_tool_writes_is_taken_for_every_target() {
    let writers = [
        "quantize-weights{min-elements=1}",
        "quantize-weights{min-elements=1 granularity=tensor}",
        "quantize-weights{min-elements=1 hybrid=off}",
        "quantize-weights{min-elements=1 hybrid=off granularity=tensor}",
        "quantize-weights{min-elements=1 operands=all}",
        "quantize-weights{min-elements=1 type=float16}",
        "quantize-weights{min-elements=1 prefer=latency}",
        "quantize-weights{compat=toco}",
    ];
    let mut forms: Vec<(String, Vec<u8>)> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for writer in writers {
        let passes = format!("{writer},insert-dequant,eliminate-dead-buffers");
        for target in ["litert", "tflm", "gpu"] {
            let target = Target::named(target).unwrap();
            let mut optimizer = Optimizer::parse(&passes).unwrap().for_target(Arc::clone(&target));
            optimizer.allow_unloadable = true;
            for input in models() {
                let written = optimizer.run(model(&input)).unwrap().to_vec().unwrap();
                if known.insert(written.clone()) {
                    let name = format!("{input}, {writer} for {}", target.name());
                    forms.push((name, written));
                }
            }
        }
    }
    // Small models would not get smaller: so that they change, nothing bounds the second.
    let small = "fold-constants,quantize-weights{min-elements=1},merge-equal-buffers,\
                 hybrid-eligibility,insert-dequant,eliminate-dead-buffers,annotate-dequant-cache";
    let mut faults = Vec::new();
    for target in Target::names().map(|name| Target::named(name).unwrap()) {
        for passes in ["default", small] {
            let mut optimizer = Optimizer::parse(passes).unwrap().for_target(Arc::clone(&target));
            // Some models have ops that older releases have not, whatever passes do.
            optimizer.allow_unloadable = true;
            for (name, form) in &forms {
                if let Err(error) = optimizer.run(&form[..]) {
                    faults.push(format!("{name}, {passes} for {}: {error}", target.name()));
                }
            }
        }
    }
    assert!(forms.len() > 200, "only {} forms", forms.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A model keeps what it came with, and nobody is left to find out on the device.
#[test]
fn weights_that_came_in_without_a_kernel_are_told_of() {
    let hybrid = Optimizer::default().run(model("digits/digits_cnn")).unwrap().to_vec().unwrap();
    let by = |passes: &str, target: &str| {
        let optimizer = Optimizer::parse(passes).unwrap();
        let optimizer = optimizer.for_target(Target::named(target).unwrap());
        optimizer.run(&hybrid[..]).unwrap()
    };
    let on = |target: &str| by("eliminate-dead-ops", target).unrunnable;
    assert_eq!(on("litert"), []);
    let [conv, dense] = &on("tflm")[..] else { panic!("two ops read int8 weights") };
    assert!(conv.place.starts_with("CONV_2D") && dense.place.starts_with("FULLY_CONNECTED"));
    assert!(dense.what.contains("TFLM has no hybrid kernel for it"), "{dense}");
    assert_eq!(on("float-only").len(), 2);
    // The default makes float32 of what neither the ops read nor a Dequantize.
    for target in ["tflm", "float-only"] {
        let mended = by("default", target);
        assert_eq!(mended.unrunnable, []);
        assert_eq!(mended.report.statistic("constants-dequantized"), 2);
    }
}

/// The check before writing: what a pass made is refused where the target ends before it.
#[test]
fn what_a_patch_made_too_new_is_refused() {
    let passes = "quantize-weights{exact-activations=off},insert-dequant";
    let optimizer = Optimizer::parse(passes).unwrap();
    let per_channel = optimizer.run(&model("ops/fc_bias")[..]).unwrap().module;
    let wrong = |name: &str| check_runnable(&per_channel, &Target::named(name).unwrap());
    assert_eq!(wrong("litert"), []);
    assert_eq!(wrong("tflite-2.17"), []);
    let found = wrong("tflite-2.5");
    assert!(found[0].to_string().starts_with("FULLY_CONNECTED `output`: version 12"), "{found:?}");

    let dequantised = optimizer.run(&model("ops/conv_3d")[..]).unwrap().module;
    let wrong = |name: &str| check_runnable(&dequantised, &Target::named(name).unwrap());
    assert_eq!(wrong("tflite-2.7"), []);
    let found = wrong("tflite-2.5");
    assert!(found[0].what.contains("version 5 of DEQUANTIZE came with 2.7.0"), "{found:?}");
    assert!(wrong("tflm")[0].what.contains("has no Dequantize for INT8 per channel"));
}

#[test]
fn targets_without_hybrid_kernels_get_none() {
    for name in ["tflm", "gpu", "float-only"] {
        let target = Target::named(name).unwrap();
        let optimizer =
            Optimizer::parse("quantize-weights{prefer=size},insert-dequant,eliminate-dead-buffers");
        let optimizer = optimizer.unwrap().for_target(Arc::clone(&target));
        for input in models() {
            let output = optimizer.run(model(&input)).unwrap().to_vec().unwrap();
            let (before, after) = (lifted(&model(&input)), lifted(&output));
            let hybrid = |module: &tfq_opt::ir::Module| {
                let mut found = 0;
                for (sg, graph) in module.subgraphs() {
                    for op in graph.ops() {
                        // TFLM reads int8 tables.
                        let lookup = [ops::GATHER, ops::EMBEDDING_LOOKUP];
                        let reads = |code| graph.op(op).kind == OpKind::Builtin(code);
                        if reads(ops::DEQUANTIZE)
                            || (name == "tflm" && lookup.into_iter().any(reads))
                        {
                            continue;
                        }
                        let mut operands = graph.operands(op).into_iter().flatten();
                        found += usize::from(operands.any(|id| {
                            graph.tensor(id).ty == ElementType::Int8
                                && module.constant(sg, id).is_some()
                        }));
                    }
                }
                found
            };
            assert!(hybrid(&after) <= hybrid(&before), "{input} for {name}");
        }
    }
}

fn read(text: &str) -> tfq_opt::ir::Module {
    let options = tfq_opt::ir::text::ParseOptions::default();
    tfq_opt::ir::text::parse(text, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// Rules that stop at a left-out bias give one version for float32 and for codes.
#[test]
fn what_reads_codes_gets_the_version_of_the_table_whatever_it_had() {
    let text = "tfg 1 quant
metadata \"min_runtime_version\" = b\"1.5.0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\"
subgraph @main {
  %x = input : f32[1,64]
  %w = const : f32[32,64] fill gaussian(seed = 1)
  %y = FULLY_CONNECTED(%x, %w) : f32[1,32]
  output %y
}
";
    let run = |granularity: &str| {
        let options = format!("granularity={granularity} exact-activations=off");
        let passes = format!("quantize-weights{{{options}}},insert-dequant");
        let result = Optimizer::parse(&passes).unwrap().run(tfq_opt::Source::from(read(text)));
        let module = result.unwrap().module;
        let version = module.ops_of_kind(ops::FULLY_CONNECTED).next().unwrap().2.version;
        let runtime = module.metadata_bytes("min_runtime_version").unwrap();
        (version, String::from_utf8_lossy(runtime).trim_end_matches('\0').to_owned())
    };
    assert_eq!(run("tensor"), (6, "2.1.0".to_owned()));
    assert_eq!(run("channel"), (12, "2.17.0".to_owned()));
}

/// One scale for channels of unlike sizes leaves nothing of the small ones.
#[test]
fn a_filter_that_one_scale_would_spoil_gets_another_form() {
    // Two of four channels are a thousand times smaller than the others.
    let weights: Vec<String> = (0..2304)
        .map(|n| {
            let size = if n % 4 < 2 { 1.0 } else { 0.001 };
            format!("{:?}", size * f64::from((n * 7919 % 255) - 127) / 127.0)
        })
        .collect();
    let text = format!(
        "tfg 1 quant
subgraph @main {{
  %x = input : f32[1,4,4,256]
  %w = const : f32[1,3,3,256] = [{}]
  %b = const : f32[256] fill const(0)
  %y = DEPTHWISE_CONV_2D(%x, %w, %b) {{padding = SAME, stride_w = 1, stride_h = 1, depth_multiplier = 1}} : f32[1,4,4,256]
  output %y
}}
",
        weights.join(", ")
    );
    let form = |target: &str, passes: &str| {
        let optimizer =
            Optimizer::parse(passes).unwrap().for_target(Target::named(target).unwrap());
        let result = optimizer.run(tfq_opt::Source::from(read(&text))).unwrap();
        let (sg, id) = common::tensor(&result.module, "w").unwrap();
        let told = result.report.passes[0].remarks.iter().any(|remark| {
            remark.message.contains("one scale would leave little of 128 of its 256 channels")
        });
        (result.module.subgraph(sg).tensor(id).ty, told)
    };
    let default = "quantize-weights,insert-dequant";
    assert_eq!(form("litert", default), (ElementType::Int8, false));
    assert_eq!(form("tflite-1.15", default), (ElementType::Float16, true));
    // Which reads no float16 either.
    assert_eq!(form("tflite-1.14", default), (ElementType::Float32, true));
    let asked = "quantize-weights{granularity=tensor},insert-dequant";
    assert_eq!(form("tflite-1.15", asked), (ElementType::Int8, false));
}

/// The legacy quantizer's choices may make a file larger: then the tool says so.
#[test]
fn compat_toco_tells_where_it_makes_the_file_larger() {
    let text = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,2,2,1]
  %w = const : f32[64,1,1,1] fill gaussian(seed = 1)
  %b = const : f32[64] fill const(0)
  %y = CONV_2D(%x, %w, %b) {stride_w = 1, stride_h = 1} : f32[1,2,2,64]
  output %y
}
";
    let passes = "quantize-weights{compat=toco min-elements=1},insert-dequant";
    let result = Optimizer::parse(passes).unwrap().run(tfq_opt::Source::from(read(text))).unwrap();
    let quantizer = &result.report.passes[0];
    assert_eq!(result.report.statistic("constants-grown"), 1);
    assert!(
        quantizer.remarks.iter().any(|remark| remark.rule == "larger"),
        "{:?}",
        quantizer.remarks
    );
}
