//! The shipped targets beside `litert`, and targets of one's own: caps by release, costs, what is
//! told of them.

mod common;

use common::*;
use std::sync::Arc;
use tfq_ir::OpKind;
use tfq_ir::catalog::ops::*;
use tfq_target::{
    Front, Granularity, Meant, Objective, Reading, Target, Verdict, WeightForm, describe,
};

fn named(name: &str) -> Arc<Target> {
    Target::named(name).unwrap_or_else(|| panic!("{name} is not shipped"))
}

fn ask(target: &str, case: &Case, slot: u32, ty: tfq_ir::ElementType, g: Granularity) -> Verdict {
    let Built { module, op } = case.build();
    named(target).hybrid(
        tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot },
        &WeightForm::new(ty, g),
    )
}

fn dense() -> Case {
    let operands = vec![Some(data(&[1, 64])), Some(constant(&[16, 64])), Some(constant(&[16]))];
    case(FULLY_CONNECTED, operands)
}

fn dense_without_bias() -> Case {
    case(FULLY_CONNECTED, vec![Some(data(&[1, 64])), Some(constant(&[16, 64]))])
}

fn conv(channels: i32) -> Case {
    let operands = vec![
        Some(data(&[1, 8, 8, channels])),
        Some(constant(&[16, 3, 3, 4])),
        Some(constant(&[16])),
    ];
    case(CONV_2D, operands)
}

fn depthwise() -> Case {
    let operands =
        vec![Some(data(&[1, 8, 8, 4])), Some(constant(&[1, 3, 3, 8])), Some(constant(&[8]))];
    case(DEPTHWISE_CONV_2D, operands).int("depth_multiplier", 2)
}

fn transpose_conv() -> Case {
    let operands = vec![
        Some(constant(&[4]).ty(Int32)),
        Some(constant(&[16, 3, 3, 4])),
        Some(data(&[1, 8, 8, 4])),
    ];
    case(TRANSPOSE_CONV, operands)
}

fn matmul(lhs: &[i32]) -> Case {
    case(BATCH_MATMUL, vec![Some(data(lhs)), Some(constant(&[8, 16]))])
}

fn embedding() -> Case {
    case(EMBEDDING_LOOKUP, vec![Some(data(&[3]).ty(Int32)), Some(constant(&[10, 8]))])
}

fn rnn() -> Case {
    let operands = vec![
        Some(data(&[1, 8])),
        Some(constant(&[4, 8])),
        Some(constant(&[4, 4])),
        Some(constant(&[4])),
        Some(data(&[1, 4])),
    ];
    case(RNN, operands)
}

#[test]
fn names_and_order() {
    let names: Vec<&str> = Target::names().collect();
    assert_eq!(names[..3], ["litert", "litert-cpu", "litert-xnnpack"]);
    assert_eq!(names[3..7], ["tflm", "gpu", "float-only", "tflite-1.14"]);
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
}

#[test]
fn a_cap_of_the_newest_release_changes_nothing_of_int8() {
    let newest =
        Target::parse("mine", "extends = \"litert\"\nsummary = \"x\"\nmax_runtime = \"99.0\"");
    let newest = newest.unwrap();
    for (case, slot, g) in [
        (dense(), 1, channel(0)),
        (dense_without_bias(), 1, TENSOR),
        (conv(4), 1, channel(0)),
        (conv(8), 1, channel(0)),
        (depthwise(), 1, channel(3)),
        (transpose_conv(), 1, channel(0)),
        (matmul(&[2, 8]), 1, channel(1)),
        (embedding(), 1, channel(0)),
        (rnn(), 1, TENSOR),
    ] {
        let Built { module, op } = case.build();
        let form = WeightForm::new(Int8, g);
        let verdict = |target: &Target| {
            target.hybrid(tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot }, &form)
        };
        assert_eq!(verdict(&newest), verdict(&litert()));
        assert!(newest.may_be_asymmetric(
            tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot },
            &form
        ));
    }
}

#[test]
fn caps_go_by_the_version_that_the_op_would_take() {
    delegated(ask("tflite-2.17", &dense(), 1, Int8, channel(0)));
    refused(ask("tflite-2.14", &dense(), 1, Int8, channel(0)), "version 12 of FULLY_CONNECTED");
    delegated(ask("tflite-2.14", &dense(), 1, Int8, TENSOR));
    delegated(ask("tflite-2.4", &conv(4), 1, Int8, channel(0)));
    refused(ask("tflite-2.3", &conv(4), 1, Int8, channel(0)), "came with 2.4.0");
    delegated(ask("tflite-1.14", &conv(4), 1, Int8, TENSOR));
    on_cpu(ask("tflite-2.3", &depthwise(), 1, Int8, channel(3)));
    refused(ask("tflite-1.15", &depthwise(), 1, Int8, channel(3)), "version 6");
    on_cpu(ask("tflite-2.18", &embedding(), 1, Int8, channel(0)));
    refused(ask("tflite-2.17", &embedding(), 1, Int8, channel(0)), "version 4");
    on_cpu(ask("tflite-1.14", &embedding(), 1, Int8, TENSOR));
    on_cpu(ask("tflite-1.14", &rnn(), 1, Int8, TENSOR));
    refused(ask("tflite-1.15", &dense_without_bias(), 1, Int8, TENSOR), "version 6");
    // INT2 has a version of its own, INT4 beside float32 has none.
    delegated(ask("tflite-2.21", &dense(), 1, Int2, channel(0)));
    refused(ask("tflite-2.18", &dense(), 1, Int2, channel(0)), "version 14");
    refused(ask("tflite-2.21", &dense(), 1, Int4, channel(0)), "not known since which release");
    // Nor does a tensor that has the form already get by.
    let done = constant(&[16, 64]).ty(Int8).channels(0);
    let Built { module, op } = dense().operand(1, Some(done)).build();
    let form = WeightForm::new(Int8, channel(0));
    refused(
        named("tflite-2.14")
            .hybrid(tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 }, &form),
        "version 12",
    );
}

#[test]
fn caps_know_kernels_that_came_without_a_version() {
    refused(ask("tflite-2.14", &transpose_conv(), 1, Int8, TENSOR), "since 2.17.0");
    delegated(ask("tflite-2.17", &transpose_conv(), 1, Int8, channel(0)));
    refused(ask("tflite-2.18", &matmul(&[2, 8]), 1, Int8, channel(1)), "since 2.21.0");
    delegated(ask("tflite-2.18", &matmul(&[2, 8]), 1, Int8, TENSOR));
    delegated(ask("tflite-2.21", &matmul(&[2, 8]), 1, Int8, channel(1)));
    refused(ask("tflite-2.9", &conv(8), 1, Int8, channel(0)), "since 2.14.0");
    delegated(ask("tflite-2.14", &conv(8), 1, Int8, channel(0)));
}

#[test]
fn asymmetric_activations_have_versions_too() {
    let may = |target: &str, case: &Case, g| {
        let Built { module, op } = case.build();
        named(target).may_be_asymmetric(
            tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 },
            &WeightForm::new(Int8, g),
        )
    };
    assert!(may("tflite-2.3", &dense(), TENSOR) && !may("tflite-1.15", &dense(), TENSOR));
    assert!(may("tflite-2.5", &matmul(&[2, 8]), TENSOR));
    assert!(!may("tflite-2.4", &matmul(&[2, 8]), TENSOR));
    assert!(may("tflite-2.3", &rnn(), TENSOR) && !may("tflite-1.15", &rnn(), TENSOR));
    // The version says 6 for want of a bias, which 2.1 has; the kernel came with 2.3.
    let old = "extends = \"litert\"\nsummary = \"x\"\nmax_runtime = \"2.1\"";
    let old = Target::parse("old", old).unwrap();
    let Built { module, op } = dense_without_bias().build();
    let form = WeightForm::new(Int8, TENSOR);
    delegated(
        old.hybrid(tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 }, &form),
    );
    assert!(!old.may_be_asymmetric(
        tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 },
        &form
    ));
    assert!(litert().may_be_asymmetric(
        tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 },
        &form
    ));
}

/// The resolver of reference kernels got versions later than the default one, which caps are about.
#[test]
fn reference_kernels_count_where_a_target_names_them() {
    let capped = |release: &str, kernels: &str| {
        let file = format!(
            "extends = \"litert\"\nsummary = \"x\"\nmax_runtime = \"{release}\"\nkernels = [{kernels}]"
        );
        Target::parse("old", &file).unwrap()
    };
    let several = |target: &Target| target.dequantize_supports(Int8, channel(0));
    assert!(several(&capped("2.14", "\"optimized\"")) && several(&named("tflite-2.14")));
    assert!(!several(&capped("2.14", "\"reference\", \"optimized\"")));
    assert!(several(&capped("2.20", "\"reference\"")));
    let Built { module, op } = dense().build();
    let form = WeightForm::new(Int8, channel(0));
    let ask = |target: &Target| {
        target.hybrid(tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 }, &form)
    };
    delegated(ask(&named("tflite-2.18")));
    refused(ask(&capped("2.18", "\"reference\"")), "came to the reference kernels with 2.21.0");
}

#[test]
fn a_release_without_a_target_means_the_last_before_it() {
    let release = |name| Target::meant(name);
    assert_eq!(release("tflite-2.8"), Some(Meant::Release("tflite-2.7")));
    assert_eq!(release("tflite-2.7.1"), Some(Meant::Release("tflite-2.7")));
    assert_eq!(release("tflite-2.16"), Some(Meant::Release("tflite-2.14")));
    assert_eq!(release("tflite-3.0"), Some(Meant::Release("tflite-2.21")));
    // There is none before it.
    assert_eq!(release("tflite-1.13"), Some(Meant::Spelt("tflite-1.14")));
    assert_eq!(release("litert-xnpack"), Some(Meant::Spelt("litert-xnnpack")));
    assert_eq!(release("toaster"), None);
}

#[test]
fn dequantize_has_versions_too() {
    let reads = |target: &str, ty, g| named(target).dequantize_supports(ty, g);
    assert!(reads("tflite-1.14", Int8, TENSOR) && !reads("tflite-2.5", Int8, channel(0)));
    assert!(reads("tflite-2.7", Int8, channel(3)));
    assert!(!reads("tflite-1.14", Float16, Granularity::Unscaled));
    assert!(reads("tflite-1.15", Float16, Granularity::Unscaled));
    assert!(!reads("tflite-2.17", Int4, TENSOR) && reads("tflite-2.18", Int4, TENSOR));
    assert!(!reads("tflite-2.18", Int2, TENSOR) && reads("tflite-2.21", Int2, TENSOR));
    assert!(reads("tflm", Int8, TENSOR) && !reads("tflm", Int8, channel(0)));
    assert!(!reads("tflm", Float16, Granularity::Unscaled));
    assert!(reads("gpu", Float16, Granularity::Unscaled) && !reads("gpu", Int8, TENSOR));
    assert!(!reads("float-only", Float16, Granularity::Unscaled));
}

#[test]
fn an_op_as_it_stands_may_be_too_new() {
    let built = |weight: T| dense().operand(1, Some(weight)).build();
    let lacks =
        |target: &str, Built { module, op }: &Built| named(target).lacks_op(module, MAIN, *op);
    let per_channel = built(constant(&[16, 64]).ty(Int8).channels(0));
    assert!(lacks("tflite-2.14", &per_channel).unwrap().contains("version 12"));
    assert_eq!(lacks("tflite-2.17", &per_channel), None);
    assert_eq!(lacks("litert", &per_channel), None);
    // What asks for a new version with float32 weights too is the input's own affair.
    let grouped = conv(8).operand(1, Some(constant(&[16, 3, 3, 4]).ty(Int8).channels(0)));
    assert_eq!(lacks("tflite-2.5", &grouped.build()), None);
    let from = constant(&[16, 64]).ty(Int8).channels(0);
    let dequantize = case(DEQUANTIZE, vec![Some(from)]).build();
    assert!(lacks("tflite-2.5", &dequantize).unwrap().contains("2.7.0"));
    assert_eq!(lacks("tflite-2.7", &dequantize), None);
    let kind = OpKind::Builtin(CONV_2D);
    assert!(named("tflite-2.5").lacks(&kind, 6).unwrap().contains("2.9.0"));
    assert_eq!(named("tflite-2.9").lacks(&kind, 6), None);
    assert_eq!(named("tflite-2.9").registered_versions(&kind), Some((1, 6)));
    assert_eq!(litert().registered_versions(&kind), Some((1, 8)));
}

#[test]
fn kernels_alone() {
    let batched = matmul(&[2, 3, 2, 8]);
    delegated(ask("litert-xnnpack", &batched, 1, Int8, TENSOR));
    refused(ask("litert-cpu", &batched, 1, Int8, TENSOR), "batch");
    on_cpu(ask("litert-cpu", &dense(), 1, Int8, channel(0)));
    // XNNPACK reads one scale for groups; where it leaves the op, the CPU kernel does not.
    delegated(ask("litert-xnnpack", &conv(8), 1, Int8, TENSOR));
    let tanh = conv(8).int("fused_activation_function", 4);
    refused(ask("litert-xnnpack", &tanh, 1, Int8, TENSOR), "grouped");
    refused(ask("litert-cpu", &conv(8), 1, Int8, TENSOR), "grouped");
    // Blockwise weights of few rows are XNNPACK's alone.
    let few_rows = |target: &str| {
        let (module, op, form) = blockwise_module(FULLY_CONNECTED, Int4, &[3, 64], 32, Float16);
        named(target)
            .hybrid(tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 }, &form)
    };
    delegated(few_rows("litert-xnnpack"));
    refused(few_rows("litert-cpu"), "4 rows");
    // A float16 bias is in XNNPACK's way only.
    let folded = dense().operand(2, Some(constant(&[16]).behind_dequantize_of(Float16)));
    on_cpu(ask("litert-cpu", &folded, 1, Int8, TENSOR));
    refused(ask("litert-xnnpack", &folded, 1, Int8, TENSOR), "float16 bias");
}

#[test]
fn nothing_is_hybrid_without_hybrid_kernels() {
    for target in ["tflm", "gpu", "float-only"] {
        for case in [dense(), conv(4), depthwise(), transpose_conv(), matmul(&[2, 8]), rnn()] {
            assert!(!ask(target, &case, 1, Int8, TENSOR).is_hybrid(), "{target}");
        }
        let read = named(target);
        let facts = |code| read.op_facts(&OpKind::Builtin(code)).unwrap();
        assert!(!facts(FULLY_CONNECTED).hybrid, "{target}");
        assert_eq!(facts(GATHER).pass_through, target == "tflm");
    }
    on_cpu(ask("tflm", &embedding(), 1, Int8, TENSOR));
    refused(ask("tflm", &embedding(), 1, Int8, channel(0)), "one scale");
    refused(ask("gpu", &embedding(), 1, Int8, TENSOR), "GPU");
    assert_eq!((named("tflm").prefer(), litert().prefer()), (Objective::Ram, Objective::Balanced));
    assert!(!named("tflm").keeps_dequantized() && litert().keeps_dequantized());
}

#[test]
fn what_the_runtime_holds() {
    let held = |target: &str, case: &Case, reading, ty| {
        let Built { module, op } = case.build();
        let form = WeightForm::new(ty, if ty == Float16 { Granularity::Unscaled } else { TENSOR });
        named(target).held_bytes(
            tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 },
            reading,
            &form,
            true,
        )
    };
    use Reading::{Dequantize, Float32 as AsFloat32, Hybrid};
    // dequantize.md, table of one FULLY_CONNECTED; 1024 elements here.
    let n = 1024;
    assert_eq!(held("litert-xnnpack", &dense(), AsFloat32, Float32), Some(4 * n));
    assert_eq!(held("litert-xnnpack", &dense(), Dequantize, Float16), Some(4 * n));
    assert_eq!(held("litert-xnnpack", &dense(), Dequantize, Int8), Some(8 * n));
    assert_eq!(held("litert-xnnpack", &dense(), Dequantize, Int4), Some(4 * n));
    assert_eq!(held("litert-xnnpack", &dense(), Hybrid, Int8), Some(n));
    assert_eq!(held("litert-xnnpack", &dense(), Hybrid, Int4), Some(n / 2));
    assert_eq!(held("litert-xnnpack", &dense(), Hybrid, Int2), Some(n / 4));
    assert_eq!(held("litert-cpu", &dense(), AsFloat32, Float32), Some(0));
    for ty in [Float16, Int8, Int4] {
        assert_eq!(held("litert-cpu", &dense(), Dequantize, ty), Some(4 * n));
    }
    assert_eq!(held("litert-cpu", &dense(), Hybrid, Int8), Some(0));
    assert_eq!(held("litert-cpu", &dense(), Hybrid, Int4), Some(n / 2));
    assert_eq!(held("litert-cpu", &dense(), Hybrid, Int2), Some(n));
    // A target of several kernels counts the most.
    assert_eq!(held("litert", &dense(), Dequantize, Int8), Some(8 * n));
    assert_eq!(held("litert", &dense(), Hybrid, Int8), Some(n));
    // XNNPACK takes no recurrent op, so nothing is packed.
    assert_eq!(held("litert", &rnn(), Dequantize, Int8), Some(4 * 32));
    assert_eq!(held("tflm", &dense(), Dequantize, Int8), Some(4 * n));
    assert_eq!(held("gpu", &dense(), Dequantize, Float16), None);
    let sum = case(ADD, vec![Some(data(&[8])), Some(constant(&[8]))]);
    assert_eq!(held("litert", &sum, Dequantize, Int8), None);
}

#[test]
fn slow_kernels() {
    let slow = |target: &str, case: &Case, ty, g| {
        let Built { module, op } = case.build();
        let weight = tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 };
        let (target, form) = (named(target), WeightForm::new(ty, g));
        let delegated = matches!(target.hybrid(weight, &form), Verdict::Hybrid { delegated: true });
        let speed = target.speed(weight, &form, delegated).expect("it was measured");
        speed.is_slower().then(|| speed.reason.to_owned())
    };
    // The float kernel of a grouped convolution is the reference kernel too.
    assert_eq!(slow("litert-cpu", &conv(8), Int8, channel(0)), None);
    assert_eq!(slow("litert-xnnpack", &conv(8), Int8, channel(0)), None);
    assert_eq!(slow("litert-cpu", &conv(4), Int8, channel(0)), None);
    assert_eq!(slow("litert-cpu", &conv(4), Int4, channel(0)), None);
    assert!(slow("litert", &conv(4), Int4, channel(0)).unwrap().contains("XNNPACK takes"));
    assert!(slow("litert", &depthwise(), Int8, channel(3)).unwrap().contains("XNNPACK takes"));
    assert!(slow("litert-cpu", &transpose_conv(), Int8, TENSOR).unwrap().contains("reference"));
    assert_eq!(slow("litert", &transpose_conv(), Int8, TENSOR), None);
}

#[test]
fn ops_that_are_better_written_otherwise() {
    let form = |target: &str, case: &Case| {
        let Built { module, op } = case.build();
        let target = named(target);
        target.equivalent(&module, MAIN, op).map(|better| better.name.to_owned())
    };
    let float = |case: &Case| {
        let targets = ["litert", "litert-xnnpack", "litert-cpu", "tflm", "gpu", "float-only"];
        targets.map(|target| form(target, case).as_deref() == Some("float"))
    };
    let codes = |shape: &[i32], scale: f32| data(shape).ty(Int8).scales(&[scale], 0);
    let swish = |ty| case(HARD_SWISH, vec![Some(codes(&[1, 8], 0.5).ty(ty))]);
    let swish = |ty| swish(ty).results(vec![codes(&[1, 8], 0.5).ty(ty)]);
    assert_eq!(float(&swish(Int8)), [true, true, true, false, false, false]);
    assert_eq!(float(&swish(Int16)), [false; 6]);
    // Without XNNPACK it takes longer, and with it the gain is greater than that.
    let product = |length: i32, scale: f32| {
        let operands = [[1, 8, length], [1, length, 8]].map(|shape| Some(codes(&shape, 0.5)));
        case(BATCH_MATMUL, operands.to_vec()).results(vec![codes(&[1, 8, 8], scale)])
    };
    assert_eq!(float(&product(64, 5.0)), [true, true, false, false, false, false]);
    // Longer sums need a larger step, and are of no use to floats where the step is small.
    assert_eq!(float(&product(128, 5.0)), [false; 6]);
    assert_eq!(float(&product(128, 20.0)), [true, true, false, false, false, false]);
    assert_eq!(float(&product(300, 500.0)), [false; 6]);
}

#[test]
fn what_xnnpack_takes_as_float32() {
    let takes = |target: &str, case: &Case| {
        let Built { module, op } = case.build();
        named(target).takes_as_float(module.subgraph(MAIN), op)
    };
    for case in [dense(), conv(4), depthwise(), transpose_conv(), matmul(&[2, 8])] {
        assert!(takes("litert", &case) && !takes("litert-cpu", &case));
    }
    assert!(!takes("litert", &rnn()) && !takes("litert", &embedding()));
    assert!(!takes("litert", &conv(4).int("fused_activation_function", 4)));
}

/// The rule by which weight 1 of the op had better stand behind a Dequantize.
fn exact(
    target: &Target,
    case: &Case,
    prefer: Objective,
    front: Front,
) -> Option<std::string::String> {
    let Built { module, op } = case.build();
    let weight = tfq_target::WeightOperand { module: &module, sg: MAIN, op, slot: 1 };
    target.exact_activations(weight, prefer, || front).map(|rule| rule.name.to_owned())
}

/// No weight of it is 0, and every other one is negative.
fn mixed(shape: &[i32]) -> T {
    constant(shape).holding(|n| if n % 2 == 0 { 1.0 } else { -1.0 })
}

fn dense_of(weights: T) -> Case {
    case(FULLY_CONNECTED, vec![Some(data(&[1, 64])), Some(weights)])
}

fn conv_of(weights: T) -> Case {
    case(CONV_2D, vec![Some(data(&[1, 8, 8, 4])), Some(weights), Some(constant(&[16]))])
}

const OBJECTIVES: [Objective; 4] =
    [Objective::Size, Objective::Ram, Objective::Latency, Objective::Balanced];

#[test]
fn filter_banks_read_exact_activations() {
    let bank = |value: fn(usize) -> f32| {
        exact(
            &litert(),
            &dense_of(constant(&[16, 64]).holding(value)),
            Objective::Size,
            Front::Layer,
        )
    };
    let sparse = |n: usize| (n % 2) as f32;
    assert_eq!(bank(sparse).as_deref(), Some("bank"));
    assert_eq!(bank(|n| if n % 2 == 0 { -0.0 } else { 1.0 }).as_deref(), Some("bank"));
    assert_eq!(bank(|n| if n == 9 { 1.0 } else { (n % 2) as f32 }).as_deref(), Some("bank"));
    assert_eq!(bank(|n| if n == 8 { 1.0 } else { (n % 2) as f32 }), None, "one 0 less");
    assert_eq!(bank(|n| if n == 9 { -1.0 } else { (n % 2) as f32 }), None, "one is negative");
    assert_eq!(bank(|n| if n == 9 { f32::NAN } else { (n % 2) as f32 }), None);
    for prefer in OBJECTIVES {
        let product = matmul(&[2, 8]).operand(1, Some(constant(&[8, 16]).holding(sparse)));
        assert_eq!(exact(&litert(), &product, prefer, Front::Layer).as_deref(), Some("bank"));
        let conv = conv_of(constant(&[16, 3, 3, 4]).holding(sparse));
        assert_eq!(
            exact(&named("litert-cpu"), &conv, prefer, Front::Layer).as_deref(),
            Some("bank")
        );
    }
    // These have no activations that they round, or no rule of their own.
    let table = embedding().operand(1, Some(constant(&[10, 8]).holding(sparse)));
    assert_eq!(exact(&litert(), &table, Objective::Size, Front::Table), None);
    let rnn = rnn().operand(1, Some(constant(&[4, 8]).holding(sparse)));
    assert_eq!(exact(&litert(), &rnn, Objective::Size, Front::Table), None);
    let float = case(ADD, vec![Some(data(&[8])), Some(constant(&[8]).holding(sparse))]);
    assert_eq!(exact(&litert(), &float, Objective::Size, Front::Table), None);
}

#[test]
fn convolutions_along_a_signal_read_exact_activations() {
    let conv =
        |shape: &[i32], first| exact(&litert(), &conv_of(mixed(shape)), Objective::Balanced, first);
    let signal = Some("signal".to_owned());
    for shape in [[16, 1, 64, 1], [16, 64, 1, 1]] {
        assert_eq!(conv(&shape, Front::Layer), signal);
    }
    assert_eq!(conv(&[16, 1, 63, 1], Front::Inputs), None, "short");
    assert_eq!(conv(&[16, 8, 8, 1], Front::Inputs), None, "an image");
    assert_eq!(conv(&[16, 1, 16, 4], Front::Inputs), signal);
    assert_eq!(
        conv(&[16, 1, 16, 4], Front::Layer),
        None,
        "of several channels, behind another layer"
    );
    assert_eq!(conv(&[16, 1, 15, 4], Front::Inputs), None);
    let up = transpose_conv().operand(1, Some(mixed(&[16, 1, 64, 1])));
    assert_eq!(exact(&litert(), &up, Objective::Balanced, Front::Table), None, "CONV_2D alone");
}

#[test]
fn depthwise_convolutions_read_exact_activations_where_xnnpack_takes_them() {
    let conv = depthwise().operand(1, Some(mixed(&[1, 3, 3, 8])));
    for prefer in OBJECTIVES {
        assert_eq!(exact(&litert(), &conv, prefer, Front::Layer).as_deref(), Some("depthwise"));
        assert_eq!(exact(&named("litert-cpu"), &conv, prefer, Front::Table), None);
    }
    let tanh = conv.int("fused_activation_function", 4);
    assert_eq!(
        exact(&litert(), &tanh, Objective::Balanced, Front::Table),
        None,
        "XNNPACK leaves it"
    );
}

#[test]
fn first_dense_layers_read_exact_activations() {
    let front = |case: &Case, front| {
        OBJECTIVES.map(|prefer| exact(&litert(), case, prefer, front).is_some())
    };
    let few = dense_of(mixed(&[16, 128]));
    assert_eq!(front(&few, Front::Table), [true; 4]);
    assert_eq!(front(&few, Front::Layer), [false; 4]);
    assert_eq!(front(&few, Front::Inputs), [true, false, false, false], "no columns of a table");
    let many = dense_of(mixed(&[16, 129]));
    assert_eq!(front(&many, Front::Table), [true, false, false, false]);
    assert_eq!(front(&many, Front::Layer), [false; 4]);
    assert_eq!(exact(&litert(), &many, Objective::Size, Front::Table).as_deref(), Some("front"));
    // The rows of a product are its columns, unless it is transposed.
    let product =
        |weights: &[i32]| case(BATCH_MATMUL, vec![Some(data(&[2, 8])), Some(mixed(weights))]);
    assert_eq!(front(&product(&[128, 200]), Front::Table), [true; 4]);
    assert_eq!(front(&product(&[200, 128]), Front::Table), [true, false, false, false]);
    assert_eq!(front(&product(&[3, 128, 200]), Front::Table), [true; 4]);
    assert_eq!(front(&product(&[200, 128]).flag("adj_y"), Front::Table), [true; 4]);
}

#[test]
fn rules_about_activations_are_replaced_by_those_of_a_target_of_ones_own() {
    let own = |rows: &str| {
        Target::parse("mine", &format!("extends = \"litert\"\nsummary = \"x\"\n{rows}"))
    };
    let bank = dense_of(constant(&[16, 64]).holding(|n| (n % 2) as f32));
    let few = dense_of(mixed(&[16, 64]));
    let none = own("activations = []").unwrap();
    for case in [&bank, &few] {
        assert_eq!(exact(&none, case, Objective::Size, Front::Table), None);
        assert!(
            exact(&own("").unwrap(), case, Objective::Size, Front::Table).is_some(),
            "inherited"
        );
    }
    assert!(describe(&none).activations.is_empty());
    assert_eq!(describe(&litert()).activations.len(), 6);
    let row = |when: &str| {
        let rest = "reason = \"because\"\nsource = \"here\"";
        own(&format!("[[activations]]\nrule = \"wide\"\nwhen = [{when}]\n{rest}"))
    };
    let wide = row("\"row-at-most=64\"").unwrap();
    assert_eq!(exact(&wide, &bank, Objective::Ram, Front::Layer).as_deref(), Some("wide"));
    assert_eq!(exact(&wide, &dense_of(mixed(&[16, 65])), Objective::Ram, Front::Layer), None);
    for name in ["tflm", "gpu", "float-only"] {
        assert!(describe(&named(name)).activations.is_empty(), "{name}");
    }

    let says = |when: &str| {
        let error = row(when).unwrap_err();
        (error.to_string(), error.help().unwrap_or_default())
    };
    for (wrong, right) in [
        ("never-negativ", "never-negative"),
        ("half_zero", "half-zero"),
        ("along-tim=64", "along-time=64"),
        ("one-chanel", "one-channel"),
        ("frist", "first"),
        ("row-at-mots=128", "row-at-most=128"),
        ("delegated-as-flaot", "delegated-as-float"),
    ] {
        let (error, help) = says(&format!("\"{wrong}\""));
        assert!(error.contains(&format!("unknown test \"{wrong}\" of activations")), "{error}");
        assert!(help.contains(&format!("did you mean `{right}`?")), "{help}");
    }
    let (_, help) = says("\"grouped\"");
    assert!(help.contains("docs/targets.md lists the tests"), "{help}");
    for wrong in ["along-time", "along-time=long", "row-at-most=-1"] {
        assert!(row(&format!("\"{wrong}\"")).is_err(), "{wrong}");
    }
}

#[test]
fn targets_say_what_matters_most() {
    for name in Target::names() {
        let wanted = match name {
            "tflm" => Objective::Ram,
            "gpu" | "float-only" => Objective::Size,
            _ => Objective::Balanced,
        };
        assert_eq!(named(name).prefer(), wanted, "{name}");
    }
    let own = |prefer: &str| {
        let text = format!("extends = \"litert\"\nsummary = \"x\"\nprefer = \"{prefer}\"");
        Target::parse("mine", &text).map(|target| target.prefer())
    };
    for prefer in OBJECTIVES {
        assert_eq!(own(prefer.name()).unwrap(), prefer);
    }
    assert_eq!(Objective::Balanced.name(), "balanced");
    assert!(own("beauty").is_err());
}

#[test]
fn descriptions_hold_every_row_that_counts() {
    let cap = describe(&named("tflite-2.5"));
    assert_eq!((cap.extends.as_deref(), cap.max_runtime.as_deref()), (Some("litert"), Some("2.5")));
    let dense = cap.ops.iter().find(|op| op.name == "FULLY_CONNECTED").unwrap();
    assert_eq!((dense.newest_version, dense.weights.as_slice()), (Some(9), &[1][..]));
    let versions: Vec<_> = dense
        .rows
        .iter()
        .filter(|row| row.types == ["INT8"] && row.delegated)
        .flat_map(|row| &row.versions)
        .map(|v| (v.granularity, v.asymmetric, v.version, v.min_runtime, v.within_target))
        .collect();
    assert_eq!(
        versions,
        [
            ("tensor", Some(false), 3, Some("1.14.0"), true),
            ("tensor", Some(true), 9, Some("2.3.0"), true),
            ("channel", None, 12, Some("2.17.0"), false),
        ]
    );
    for name in Target::names() {
        let description = describe(&named(name));
        let rows =
            description.every_op.iter().chain(description.ops.iter().flat_map(|op| &op.rows));
        for row in rows {
            assert!(!row.origin.source.is_empty() && row.origin.line > 0, "{name}");
            assert_eq!(row.hybrid, row.effect.is_none(), "{name}");
        }
        assert!(description.ops.iter().all(|op| !op.origin.source.is_empty()), "{name}");
    }
    // A row that decides everything leaves nothing to tell behind it.
    let floats = describe(&named("float-only"));
    assert!(floats.every_op.len() == 1 && floats.ops.iter().all(|op| op.rows.is_empty()));
    assert!(floats.dequantize.is_empty() && floats.memory.is_empty());
    assert_eq!(describe(&named("tflm")).ops.iter().filter(|op| op.name == "GATHER").count(), 1);
}

/// XNNPACK never writes what a Dequantize makes of a constant; other kernels do, and it does of
/// data.
#[test]
fn results_that_are_not_written() {
    let unwritten = |target: &str, case: Case| {
        let Built { module, op } = case.build();
        named(target).leaves_unwritten(&module, MAIN, op).is_some()
    };
    let of = |operand: T| case(DEQUANTIZE, vec![Some(operand)]);
    for target in ["litert", "litert-xnnpack", "tflite-2.5"] {
        assert!(unwritten(target, of(constant(&[4, 4]).ty(Int8))), "{target}");
        assert!(!unwritten(target, of(data(&[4, 4]).ty(Int8))), "{target}");
        assert!(!unwritten(target, case(NEG, vec![Some(constant(&[4, 4]))])), "{target}");
    }
    for target in ["litert-cpu", "tflm"] {
        assert!(!unwritten(target, of(constant(&[4, 4]).ty(Int8))), "{target}");
    }
    let described = |target: &str| describe(&named(target)).unwritten.len();
    assert_eq!((described("litert"), described("litert-cpu")), (1, 0));
}

#[test]
fn shipped_targets_say_what_their_files_do() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let mut compared = 0;
    for name in Target::names() {
        // Caps have a file in common.
        let Ok(text) = std::fs::read_to_string(data.join(format!("{name}.toml"))) else { continue };
        compared += 1;
        let read = Target::parse(name, &text).unwrap();
        assert_eq!(format!("{:?}", named(name)), format!("{:?}", Arc::new(read)), "{name}");
    }
    assert!(compared >= 6, "{compared}");
}

#[test]
fn a_release_has_the_target_that_ends_first_with_it() {
    for (release, name) in [
        ("2.3.0", "tflite-2.3"),
        ("2.4.1", "tflite-2.4"),
        ("2.6.0", "tflite-2.7"),
        ("1.15.0", "tflite-1.15"),
        ("1.5.0", "tflite-1.14"),
    ] {
        let (found, last) = Target::keeping_to(release, "2.9.0").expect("one has it");
        assert_eq!((found, Some(last)), (name, Target::named(name).unwrap().max_runtime()));
    }
    assert!(Target::keeping_to("99.0", "99.1").is_none());
    assert!(Target::keeping_to("2.3.0", "2.3.1").is_none());
}
