//! What is decided about weights as a value: it tells all, and is followed to the same bytes.

mod common;

use common::{lowered, root};
use tfq_opt::ir::text::{ParseOptions, parse};
use tfq_opt::pass::Pipeline;
use tfq_opt::passes::{PlannedConstant, Reads, WantsPlan, WeightPlan};
use tfq_opt::target::Target;
use tfq_opt::{Optimized, Optimizer};

const MODELS: [&str; 6] = [
    "digits/digits_cnn.tflite",
    "digits/digits_depthwise.tflite",
    "ops/fc_bias.tflite",
    "ops/shared_fc_and_add.tflite",
    "ops/two_subgraphs_shared_buffer.tflite",
    "ops/lstm_full.tflite",
];

fn model(name: &str) -> Vec<u8> {
    let path = root().join("tests/models").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn optimizer(pipeline: &str) -> Optimizer {
    let registry = tfq_opt::builtin();
    let pipeline = Pipeline::parse(&registry, pipeline).unwrap_or_else(|error| panic!("{error}"));
    Optimizer::in_registry(&registry, pipeline)
}

fn planned(pipeline: &str, input: &[u8]) -> (Optimized, WeightPlan) {
    let mut optimizer = optimizer(pipeline);
    optimizer.run_options.resources.insert(WantsPlan);
    let optimized = optimizer.run(input).unwrap_or_else(|error| panic!("{error}"));
    let plan = optimized.report.products.get::<WeightPlan>().expect("weights are planned").clone();
    (optimized, plan)
}

fn followed(pipeline: &str, plan: &WeightPlan, input: &[u8]) -> Result<Vec<u8>, String> {
    let mut optimizer = optimizer(pipeline);
    optimizer.run_options.resources.insert(plan.clone());
    let optimized = optimizer.run(input).map_err(|error| error.to_string())?;
    optimized.to_vec().map_err(|error| error.to_string())
}

fn with(options: &str) -> String {
    format!(
        "fold-constants,quantize-weights{{{options}}},merge-equal-buffers,hybrid-eligibility,\
         insert-dequant,eliminate-dead-buffers"
    )
}

/// Two layers: the first reads few inputs, and something else reads its weight too.
const TEXT: &str = "\
tfg 1 quant
subgraph @main {
  %x = input : f32[4,64]
  %first = const : f32[64,64] fill gaussian(seed = 1, std = 0.1)
  %second = const : f32[64,64] fill gaussian(seed = 2, std = 0.1)
  %small = const : f32[2,64] fill gaussian(seed = 3, std = 0.1)
  %a = FULLY_CONNECTED(%x, %first, _) : f32[4,64]
  %b = FULLY_CONNECTED(%a, %second, _) : f32[4,64]
  %c = FULLY_CONNECTED(%b, %small, _) : f32[4,2]
  %d = MUL(%second, %second) : f32[64,64]
  output %c
  output %d
}
";

/// A filter bank, all of whose weights are positive, beside one that is not worth zero points.
const ONE_SIDED: &str = "\
tfg 1 quant
subgraph @main {
  %x = input : f32[1,512]
  %bank = const : f32[40,512] fill gaussian(seed = 1, mean = 0.05, std = 0.07, min = 0, zeros = 60 %)
  %around = const : f32[40,40] fill gaussian(seed = 2, std = 0.1)
  %above = const : f32[2048] fill uniform(seed = 3, min = 1, max = 2)
  %power = SQUARE(%x) : f32[1,512]
  %a = FULLY_CONNECTED(%power, %bank, _) : f32[1,40]
  %b = FULLY_CONNECTED(%a, %around, _) : f32[1,40]
  %c = SQRT(%above) : f32[2048]
  output %b
  output %c
}
";

/// A table with one row that is much larger than the others, and a layer that reads it too.
const TABLE: &str = "\
tfg 1 quant
subgraph @main {
  %ids = input : i32[2,2]
  %table = const : f32[64,24] = [24 * 300.0, 504 * 0.5, 504 * -1.25, 504 * 0.75]
  %y = GATHER(%table, %ids) : f32[2,2,24]
  %z = FULLY_CONNECTED(%y, %table, _) : f32[4,64]
  output %y
  output %z
}
";

/// Weights that came as int8: one that is read hybrid and had better not be, one that is behind a
/// Dequantize and need not be, one of an op whose activations are integers, and a table.
const CAME: &str = "\
tfg 1 quant
subgraph @main {
  %x = input : f32[1,64]
  %q = input : i8[1,64] q(0.1)
  %ids = input : i32[3]
  %large = const : i8[64,64] q([64 * 0.01], axis = 0) fill uniform(seed = 1, min = -127, max = 128)
  %behind = const : i8[64,64] q(0.01) fill uniform(seed = 2, min = -127, max = 128)
  %few = const : i8[2,64] q([2 * 0.01], axis = 0) fill uniform(seed = 3, min = -127, max = 128)
  %whole = const : i8[64,64] q(0.01) fill uniform(seed = 4, min = -127, max = 128)
  %table = const : i8[32,16] q(0.01) fill uniform(seed = 5, min = -127, max = 128)
  %a = FULLY_CONNECTED.v12(%x, %large, _) {asymmetric_quantize_inputs = true} : f32[1,64]
  %real = DEQUANTIZE.v2(%behind) : f32[64,64]
  %b = FULLY_CONNECTED(%a, %real, _) : f32[1,64]
  %c = FULLY_CONNECTED.v12(%b, %few, _) {asymmetric_quantize_inputs = true} : f32[1,2]
  %d = FULLY_CONNECTED.v4(%q, %whole, _) : i8[1,64] q(0.5)
  %rows = GATHER.v2(%table, %ids) : i8[3,16] q(0.01)
  %e = DEQUANTIZE.v2(%rows) : f32[3,16]
  output %c
  output %d
  output %e
}
";

/// Float16 weights, each behind its Dequantize, one of which is too small for int8.
const HALVES: &str = "\
tfg 1 quant
subgraph @main {
  %x = input : f32[4,64]
  %first = const : f16[64,64] fill gaussian(seed = 1, std = 0.1)
  %small = const : f16[2,64] fill gaussian(seed = 2, std = 0.1)
  %dead = ABS(%x) : f32[4,64]
  %first_real = DEQUANTIZE.v3(%first) : f32[64,64]
  %small_real = DEQUANTIZE.v3(%small) : f32[2,64]
  %a = FULLY_CONNECTED(%x, %first_real, _) : f32[4,64]
  %b = FULLY_CONNECTED(%a, %first_real, _) : f32[4,64]
  %c = FULLY_CONNECTED(%b, %small_real, _) : f32[4,2]
  output %c
}
";

/// A table that an op looks up by numbers of 64 bits, so that it copies codes, and one that is read
/// by rows.
const LOOKUPS: &str = "\
tfg 1 quant
subgraph @main {
  %ids = input : i64[4]
  %list = input : i32[4]
  %copied = const : f32[64,24] fill gaussian(seed = 1, std = 0.1)
  %looked_up = const : f32[64,24] fill gaussian(seed = 2, std = 0.1)
  %y = GATHER(%copied, %ids) : f32[4,24]
  %z = EMBEDDING_LOOKUP(%list, %looked_up) : f32[4,24]
  output %y
  output %z
}
";

fn model_of(text: &str) -> Vec<u8> {
    let options = ParseOptions { fills: true, ..ParseOptions::default() };
    lowered(&parse(text, &options).unwrap_or_else(|error| panic!("{error}")))
}

fn table() -> Vec<u8> {
    model_of(TABLE)
}

fn one_sided() -> Vec<u8> {
    model_of(ONE_SIDED)
}

fn text() -> Vec<u8> {
    model_of(TEXT)
}

fn at(target: &str, pipeline: &str, input: &[u8]) -> (Optimized, WeightPlan) {
    let mut optimizer =
        optimizer(pipeline).for_target(Target::named(target).expect("it is shipped"));
    optimizer.run_options.resources.insert(WantsPlan);
    let optimized = optimizer.run(input).unwrap_or_else(|error| panic!("{target}: {error}"));
    let plan = optimized.report.products.get::<WeightPlan>().expect("weights are planned").clone();
    (optimized, plan)
}

fn followed_at(target: &str, plan: &WeightPlan, input: &[u8]) -> Result<Optimized, String> {
    let target = Target::named(target).expect("it is shipped");
    let mut optimizer = optimizer("default").for_target(target);
    optimizer.run_options.resources.insert(plan.clone());
    optimizer.run(input).map_err(|error| error.to_string())
}

/// How ops read a constant: their numbers, operands and ways.
fn readers(constant: &PlannedConstant) -> Vec<(u32, u32, Reads)> {
    constant.readers.iter().map(|one| (one.op, one.operand, one.reads)).collect()
}

fn constant<'p>(plan: &'p WeightPlan, name: &str) -> &'p PlannedConstant {
    plan.constants.iter().find(|constant| constant.name == name).expect("it is planned")
}

#[test]
fn a_plan_is_followed_to_the_same_bytes_whatever_made_it() {
    let ways = [
        "",
        "prefer=size",
        "prefer=latency",
        "prefer=ram",
        "hybrid=off",
        "type=float16",
        "granularity=tensor",
        "exact-activations=off",
        "min-elements=1",
        "deny=FULLY_CONNECTED",
        "keep=\"*conv*\"",
        "operands=all",
        "zero-points=off",
    ];
    let mut inputs: Vec<Vec<u8>> = MODELS.iter().map(|name| model(name)).collect();
    inputs.extend([text(), one_sided(), table()]);
    inputs.extend([CAME, HALVES, LOOKUPS].map(model_of));
    for input in &inputs {
        for way in ways {
            let (optimized, plan) = planned(&with(way), input);
            let wanted = optimized.to_vec().unwrap();
            for pipeline in [with(way), with("")] {
                // What the option says against asymmetric activations is no part of a plan.
                if way == "granularity=tensor" && pipeline == with("") {
                    continue;
                }
                let bytes = followed(&pipeline, &plan, input).unwrap();
                assert!(bytes == wanted, "{way}, followed by {pipeline}");
            }
        }
    }
}

#[test]
fn a_plan_says_whether_the_file_may_grow() {
    let input = model_of(
        "tfg 1 quant
subgraph @main {
  %x = input : f32[1,64]
  %w = const : i8[64,64] q([64 * 0.01], axis = 0) fill uniform(seed = 1, min = -127, max = 128)
  %y = FULLY_CONNECTED.v12(%x, %w, _) {asymmetric_quantize_inputs = true} : f32[1,64]
  output %y
}
",
    );
    // The first layer gets a Dequantize without being asked for one too, where that costs nothing.
    for (way, grows) in [("", false), ("hybrid=off", true), ("prefer=size", false)] {
        let mut run = optimizer(&with(way));
        run.never_larger = true;
        run.run_options.resources.insert(WantsPlan);
        let optimized = run.run(&input[..]).unwrap();
        let plan = optimized.report.products.get::<WeightPlan>().unwrap().clone();
        let wanted = optimized.to_vec().unwrap();
        assert_eq!((plan.may_grow, wanted.len() > input.len()), (grows, grows), "{way}");
        let mut follow = optimizer(&with(""));
        follow.never_larger = true;
        follow.run_options.resources.insert(plan);
        let followed = follow.run(&input[..]).unwrap();
        assert!(followed.to_vec().unwrap() == wanted, "{way}");
    }
}

#[test]
fn a_plan_of_the_legacy_arithmetic_asks_for_it() {
    let input = model("digits/digits_cnn.tflite");
    let (optimized, plan) = planned(&with("compat=toco"), &input);
    assert_eq!(followed(&with("compat=toco"), &plan, &input), Ok(optimized.to_vec().unwrap()));
    for way in ["", "granularity=tensor", "type=float16", "min-elements=1", "hybrid=off"] {
        let (optimized, plan) = planned(&with(&format!("compat=toco {way}")), &input);
        // It says itself what arithmetic it wants.
        assert_eq!(followed(&with(""), &plan, &input), Ok(optimized.to_vec().unwrap()), "{way}");
    }
    let (_, mut plan) = planned(&with("compat=toco"), &input);
    let (_, own) = planned(&with(""), &input);
    let error = followed(&with("compat=toco"), &own, &input).unwrap_err();
    assert!(error.contains("it was made with compat=none, and this is compat=toco"), "{error}");

    let hidden = constant(&plan, "sequential_1/hidden/MatMul").clone();
    let change = |plan: &mut WeightPlan, change: &dyn Fn(&mut PlannedConstant)| {
        let name = &hidden.name;
        change(plan.constants.iter_mut().find(|one| one.name == *name).expect("it is planned"));
    };
    change(&mut plan, &|one| one.readers[0].reads = Reads::Dequantize);
    let error = followed(&with(""), &plan, &input).unwrap_err();
    let wanted = "such a plan can only leave constants out";
    assert!(error.contains("as it is stored") && error.contains(wanted), "{error}");
    plan.constants.retain(|one| one.name != hidden.name);
    let mut optimizer = optimizer(&with(""));
    optimizer.run_options.resources.insert(plan);
    let report = optimizer.run(&input[..]).unwrap().report;
    assert_eq!(report.left_by_rule().get("not in the plan"), Some(&3));
}

#[test]
fn a_plan_says_how_weights_are_read_that_came_as_int8() {
    let input = model_of(CAME);
    let (optimized, plan) = planned("default", &input);
    let form = |name| constant(&plan, name).form();
    assert_eq!(form("large"), "INT8 per channel (axis 0)");
    assert_eq!(form("behind"), "INT8 with one scale");
    assert_eq!(readers(constant(&plan, "large")), [(0, 1, Reads::Dequantize)]);
    assert_eq!(readers(constant(&plan, "behind")), [(2, 1, Reads::Hybrid)]);
    assert_eq!(readers(constant(&plan, "few")), [(3, 1, Reads::Dequantize)]);
    assert_eq!(readers(constant(&plan, "whole")), [(4, 1, Reads::Hybrid)]);
    assert_eq!(readers(constant(&plan, "table")), [(5, 0, Reads::Behind)]);
    let why = constant(&plan, "few").readers[0].why.as_deref().unwrap_or_default();
    assert!(why.starts_with("small: "), "{why}");
    let few = constant(&plan, "few");
    // Of the 1 024, half are the copy that XNNPACK packs.
    assert_eq!((few.bytes_before, few.held, few.kept), (128, Some(1_024), Some(512)));
    let kept: u64 = plan.constants.iter().filter_map(|one| one.kept).sum();
    assert_eq!(kept, optimized.report.statistic("dequantize-cache-bytes"));
}

#[test]
fn a_plan_tells_of_a_dequantize_that_only_the_target_wants() {
    let input = model_of(&CAME.replace("q([64 * 0.01], axis = 0)", "q(0.01)"));
    let smallest = "dequantize-weights{only=unreadable prefer=size},quantize-weights{prefer=size},\
                    merge-equal-buffers,hybrid-eligibility,insert-dequant,eliminate-dead-buffers";
    let (optimized, plan) = at("tflm", smallest, &input);
    // Scales per channel no Dequantize of it reads.
    let few = constant(&plan, "few");
    assert_eq!((&*few.r#type, few.bytes_before, few.bytes), ("FLOAT32", 128, 512));
    for name in ["large", "behind"] {
        let [reader] = &constant(&plan, name).readers[..] else { panic!("{name}") };
        assert_eq!(reader.reads, Reads::Dequantize, "{name}");
    }
    let why = constant(&plan, "large").readers[0].why.as_deref().unwrap_or_default();
    assert!(why.contains("no hybrid kernel"), "{why}");
    // The runtime makes it anew in each invocation.
    assert_eq!(
        (constant(&plan, "large").held, constant(&plan, "large").kept),
        (Some(16_384), None)
    );
    let again = followed_at("tflm", &plan, &input).unwrap();
    assert_eq!(again.to_vec(), optimized.to_vec());
    let mut plan = plan;
    let large = plan.constants.iter_mut().find(|one| one.name == "large").expect("it is planned");
    large.readers[0].reads = Reads::Hybrid;
    let error = followed_at("tflm", &plan, &input).unwrap_err();
    assert!(error.contains("cannot read `large` as it is stored: "), "{error}");
    assert!(error.contains("no hybrid kernel"), "{error}");
}

#[test]
fn a_plan_says_anew_how_ops_read_what_came_as_int8() {
    let input = model_of(CAME);
    let (_, plan) = planned("default", &input);
    let changed = |name: &str, change: &dyn Fn(&mut PlannedConstant)| {
        let mut plan = plan.clone();
        change(plan.constants.iter_mut().find(|one| one.name == name).expect("it is planned"));
        followed_at("litert", &plan, &input).map(|optimized| {
            let bytes = optimized.to_vec().unwrap();
            planned(&with("keep=*"), &bytes).1
        })
    };
    let reads = |reads: Reads| move |one: &mut PlannedConstant| one.readers[0].reads = reads;
    for (name, reading) in [
        ("large", Reads::Hybrid),
        ("few", Reads::Hybrid),
        ("behind", Reads::Dequantize),
        ("behind", Reads::Hybrid),
    ] {
        let result = changed(name, &reads(reading)).unwrap();
        assert_eq!(constant(&result, name).readers[0].reads, reading, "{name}");
    }
    for (name, wanted, change) in [
        (
            "whole",
            "cannot read `whole` behind a Dequantize: it computes with what is stored",
            &reads(Reads::Dequantize) as &dyn Fn(&mut PlannedConstant),
        ),
        (
            "large",
            "reads `large` as float32, and it is not to be stored so",
            &reads(Reads::Float32),
        ),
        ("behind", "`behind` came as INT8 with one scale and stays so", &|one| one.axis = Some(0)),
        ("few", "`few` is INT8 and cannot be FLOAT16", &|one| {
            (one.r#type, one.axis) = ("FLOAT16".to_owned(), None);
        }),
        ("few", "is no FULLY_CONNECTED that reads `few` as operand 1", &|one| {
            one.readers[0].op = 0;
        }),
    ] {
        let error = changed(name, change).unwrap_err();
        assert!(error.contains(wanted), "{error}\n{wanted}");
    }
}

#[test]
fn a_plan_lists_readers_to_which_it_is_no_weight() {
    let (optimized, plan) = planned("default", &text());
    let second = constant(&plan, "second");
    let (hybrid, real) = (Reads::Hybrid, Reads::Dequantize);
    assert_eq!(readers(second), [(1, 1, hybrid), (3, 0, real), (3, 1, real)]);
    let why = second.readers[1].why.as_deref();
    assert_eq!(why, Some("MUL reads float32 in operand 0"));
    // XNNPACK packs the codes, and one Dequantize serves the others.
    assert_eq!((second.held, second.kept), (Some(4_096 + 16_384), Some(16_384)));
    let kept: u64 = plan.constants.iter().filter_map(|one| one.kept).sum();
    assert_eq!(kept, optimized.report.statistic("dequantize-cache-bytes"));

    let mut plan = plan;
    let second = plan.constants.iter_mut().find(|one| one.name == "second").expect("it is there");
    second.readers[1].reads = Reads::Hybrid;
    let error = followed("default", &plan, &text()).unwrap_err();
    assert!(error.contains("cannot read `second` as it is stored: "), "{error}");
}

#[test]
fn a_plan_says_what_came_as_float16() {
    let input = model_of(HALVES);
    let (_, plan) = planned("default", &input);
    let first = constant(&plan, "first_real");
    assert_eq!((&*first.r#type, first.bytes_before, first.bytes), ("INT8", 8_192, 4_096));
    // Ops have the numbers of the input, though two are dropped before them.
    let ops: Vec<u32> = first.readers.iter().map(|one| one.op).collect();
    assert_eq!(ops, [3, 4]);
    let small = constant(&plan, "small_real");
    assert_eq!((&*small.r#type, small.bytes_before, small.bytes), ("FLOAT16", 256, 256));
    assert_eq!((&*small.rule, readers(small)), ("too small", vec![(5, 1, Reads::Dequantize)]));
    assert_eq!(small.kept, Some(512));
}

#[test]
fn a_plan_tells_what_the_file_held_of_weights_that_are_float32_again() {
    let input = model_of(CAME);
    let pipeline = "dequantize-weights,quantize-weights{min-elements=1},insert-dequant";
    let (_, plan) = planned(pipeline, &input);
    let large = constant(&plan, "large");
    assert_eq!((large.bytes_before, large.bytes), (4_096, 4_096));
    let (_, plan) = at("float-only", &with("prefer=size"), &model_of(HALVES));
    let first = constant(&plan, "first_real");
    assert_eq!((&*first.r#type, first.bytes_before), ("FLOAT16", 8_192));
}

#[test]
fn a_plan_tells_of_lookups() {
    let input = model_of(LOOKUPS);
    let (_, plan) = planned(&with("prefer=latency"), &input);
    let [copied] = &constant(&plan, "copied").readers[..] else { panic!("{plan:?}") };
    assert_eq!((copied.reads, copied.reads.name()), (Reads::Behind, "dequantize-behind"));
    let looked_up = constant(&plan, "looked_up");
    let [reader] = &looked_up.readers[..] else { panic!("{plan:?}") };
    assert_eq!((reader.reads, reader.time, looked_up.held), (Reads::Hybrid, Some(2.8), Some(0)));
    assert_eq!(reader.why.as_deref(), Some("the rows that it looks up are dequantised each time"));
}

#[test]
fn a_weight_that_is_not_in_the_plan_is_told_of() {
    let input = text();
    let (_, mut plan) = planned("default", &input);
    plan.constants.retain(|one| one.name != "first");
    let left = |plan: &WeightPlan| {
        let report = followed_at("litert", plan, &input).unwrap().report;
        let left = report.left_by_rule();
        ["not in the plan", "too small", "no weight", "as planned"]
            .map(|rule| left.get(rule).copied().unwrap_or(0))
    };
    assert_eq!(left(&plan), [1, 1, 0, 0]);
    let second = plan.constants.iter_mut().find(|one| one.name == "second").expect("it is there");
    (second.r#type, second.axis) = ("FLOAT32".to_owned(), None);
    second.readers.iter_mut().for_each(|reader| reader.reads = Reads::Float32);
    assert_eq!(left(&plan), [1, 1, 0, 1]);
}

#[test]
fn a_plan_says_how_each_reader_gets_the_numbers_and_why() {
    let (_, plan) = planned("default", &text());
    assert_eq!((&*plan.target, &*plan.prefer, &*plan.compat), ("litert", "balanced", "none"));
    let first = constant(&plan, "first");
    assert_eq!((&*first.r#type, first.axis), ("INT8", Some(0)));
    assert_eq!((first.bytes_before, first.bytes), (16_384, 4_096));
    assert!(first.snr_db.is_some_and(|snr| (35.0..50.0).contains(&snr)), "{first:?}");
    let [reader] = &first.readers[..] else { panic!("{first:?}") };
    assert_eq!(
        (&*reader.kind, reader.operand, reader.reads),
        ("FULLY_CONNECTED", 1, Reads::Dequantize)
    );
    let why = reader.why.as_deref().unwrap_or_default();
    assert!(
        why.starts_with("front: it is the first layer and reads the few columns of a table"),
        "{why}"
    );

    let second = constant(&plan, "second");
    let [reader, ..] = &second.readers[..] else { panic!("{second:?}") };
    assert_eq!(
        (reader.op, reader.reads, reader.runs_on.as_deref()),
        (1, Reads::Hybrid, Some("xnnpack"))
    );

    let small = constant(&plan, "small");
    assert_eq!((&*small.r#type, &*small.rule), ("FLOAT32", "too small"));
    assert_eq!(small.why.as_deref(), Some("128 elements, min-elements is 416"));
    assert_eq!(small.readers[0].reads, Reads::Float32);
}

#[test]
fn a_plan_says_which_constants_have_zero_points() {
    let input = one_sided();
    let of = |options: &str| planned(&with(options), &input).1;
    let (plan, without) = (of("operands=all"), of("operands=all zero-points=off"));
    for (name, axis) in [("bank", Some(0)), ("above", None)] {
        let (one, other) = (constant(&plan, name), constant(&without, name));
        assert!(one.zero_points && !other.zero_points, "{one:?} {other:?}");
        assert_eq!((one.axis, other.axis), (axis, axis), "{name}");
        assert_eq!((&*one.rule, one.bytes), ("zero points", other.bytes));
        let (Some(with), Some(without)) = (one.snr_db, other.snr_db) else { panic!("{one:?}") };
        assert!((5.8..6.2).contains(&(with - without)), "{name}: {with} {without}");
        let why = one.why.as_deref().unwrap_or_default();
        assert!(why.contains(" dB more of it for ") && why.contains("zero-points=off"), "{why}");
    }
    assert!(!constant(&plan, "around").zero_points);
}

#[test]
fn zero_points_of_a_plan_need_a_dequantize() {
    let input = one_sided();
    let (_, plan) = planned("default", &input);
    let refused = |target: &str, change: &dyn Fn(&mut PlannedConstant)| {
        let mut plan = plan.clone();
        change(plan.constants.iter_mut().find(|one| one.name == "bank").expect("it is planned"));
        let target = Target::named(target).expect("it is shipped");
        let mut optimizer = optimizer("default").for_target(target);
        optimizer.run_options.resources.insert(plan);
        optimizer.run(&input[..]).map(|_| ()).unwrap_err().to_string()
    };
    for (target, wanted, change) in [
        (
            "litert",
            "`bank` has zero points, which ops that read codes take to be 0",
            &(|one: &mut PlannedConstant| one.readers[0].reads = Reads::Hybrid)
                as &dyn Fn(&mut PlannedConstant),
        ),
        ("litert", "`bank` cannot be FLOAT16 per channel (axis 0) with zero points", &|one| {
            one.r#type = "FLOAT16".to_owned();
        }),
        ("litert", "`bank` cannot be INT8 per channel (axis 7) with zero points", &|one| {
            one.axis = Some(7);
        }),
        ("tflite-2.5", "`bank` has zero points, which no Dequantize of the target reads", &|_| ()),
    ] {
        let error = refused(target, change);
        assert!(error.contains(wanted), "{error}\n{wanted}");
    }
}

#[test]
fn a_plan_says_that_rows_have_scales() {
    let input = table();
    let (_, mut plan) = planned("default", &input);
    let table = constant(&plan, "table");
    assert_eq!((&*table.r#type, table.axis, &*table.rule), ("INT8", Some(0), "a scale per row"));
    let kinds: Vec<_> = table.readers.iter().map(|one| (&*one.kind, one.reads)).collect();
    assert_eq!(kinds, [("GATHER", Reads::Hybrid), ("FULLY_CONNECTED", Reads::Hybrid)]);
    // A lookup that copies codes gives all of them one scale.
    let table = plan.constants.iter_mut().find(|one| one.name == "table").expect("it is planned");
    table.axis = Some(1);
    let error = followed("default", &plan, &input).unwrap_err();
    assert!(error.contains("it copies codes to a result with one scale"), "{error}");
}

#[test]
fn a_plan_that_was_edited_is_followed() {
    let input = text();
    let (_, mut plan) = planned("default", &input);
    let change = |plan: &mut WeightPlan, name: &str, change: &dyn Fn(&mut PlannedConstant)| {
        change(plan.constants.iter_mut().find(|one| one.name == name).expect("it is planned"));
    };
    change(&mut plan, "first", &|one| {
        (one.r#type, one.axis) = ("FLOAT32".to_owned(), None);
        one.readers[0].reads = Reads::Float32;
    });
    change(&mut plan, "second", &|one| one.readers[0].reads = Reads::Dequantize);
    let bytes = followed("default", &plan, &input).unwrap();
    let again = planned("default", &bytes).1;
    assert_eq!(&*constant(&again, "first").r#type, "INT8", "it was left float32");
    let (_, of_result) = planned(&with("keep=*"), &bytes);
    let second = constant(&of_result, "second");
    assert_eq!((&*second.r#type, &*second.rule), ("INT8", "already quantised"));
    assert!(second.why.as_deref().is_some_and(|why| why.ends_with("behind a Dequantize")));
}

#[test]
fn a_plan_that_does_not_fit_says_where() {
    let input = text();
    let (_, plan) = planned("default", &input);
    let refused = |change: &dyn Fn(&mut WeightPlan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        followed("default", &plan, &input).unwrap_err()
    };
    let first = |plan: &mut WeightPlan| {
        plan.constants.iter().position(|one| one.name == "first").expect("it is planned")
    };
    for (wanted, change) in [
        (
            "its form has version 7, and this is 2",
            &(|plan: &mut WeightPlan| plan.tfq_plan = 7) as &dyn Fn(&mut WeightPlan),
        ),
        ("the model has no constant `other` [64, 64] in its place", &|plan| {
            let n = first(plan);
            plan.constants[n].name = "other".to_owned();
        }),
        ("in its place: the plan is of another model", &|plan| {
            let n = first(plan);
            plan.constants[n].tensors[0].tensor = 1_000;
        }),
        ("`first` cannot be INT8 per channel (axis 9)", &|plan| {
            let n = first(plan);
            plan.constants[n].axis = Some(9);
        }),
        ("op 7 of subgraph 0 is no FULLY_CONNECTED that reads `first` as operand 1", &|plan| {
            let n = first(plan);
            plan.constants[n].readers[0].op = 7;
        }),
        ("cannot read `first` as it is stored", &|plan| {
            let n = first(plan);
            (plan.constants[n].r#type, plan.constants[n].axis) = ("INT8".to_owned(), Some(1));
            plan.constants[n].readers[0].reads = Reads::Hybrid;
        }),
        ("`first` cannot be INT3", &|plan| {
            let n = first(plan);
            (plan.constants[n].r#type, plan.constants[n].axis) = ("INT3".to_owned(), None);
        }),
        ("an op of `first` reads it as float32, and it is not to be stored so", &|plan| {
            let n = first(plan);
            plan.constants[n].readers.iter_mut().for_each(|one| one.reads = Reads::Float32);
        }),
        ("no op reads `first`, which is to be INT8 per channel (axis 0)", &|plan| {
            let n = first(plan);
            plan.constants[n].readers.clear();
        }),
        ("`first` stays FLOAT32: it has no axis, and all ops read float32", &|plan| {
            let n = first(plan);
            plan.constants[n].r#type = "FLOAT32".to_owned();
        }),
    ] {
        let error = refused(change);
        assert!(error.contains("the plan cannot be followed: "), "{error}");
        assert!(error.contains(wanted), "{error}\n{wanted}");
    }
    let error = followed("default", &plan, &model("ops/fc_bias.tflite")).unwrap_err();
    assert!(error.contains("the plan is of another model"), "{error}");
}
