//! The library, as a program calls it.

mod common;

use bytes::Bytes;
use common::{lifted, model, models};
use flatbuffers::FlatBufferBuilder;
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use tfq_ir::DEQUANT_CACHE_METADATA;
use tfq_opt::edits::{Blobs, Edits};
use tfq_opt::format::{LiftError, Placement};
use tfq_opt::ir::{
    Edit, ElementType, Module, Patch, Quantization, Signature, SubgraphId, Tensor, TensorChange,
    TensorId, TensorLink, text,
};
use tfq_opt::pass::{
    Invariant, NamedPipeline, PassError, Pipeline, Registry, RegistryError, RunError, Session,
    Unloadable, check_loadable, check_loadable_since,
};
use tfq_opt::passes::{
    self, AnnotateDequantCache, Compat, CustomOp, CustomOps, DequantizeWeights,
    EliminateDeadBuffers, EliminateDeadOps, FoldConstants, HybridEligibility, InsertDequant,
    MergeEqualBuffers, MinElements, OpList, QuantizeWeights, ScalesPer, WeightType, Which,
};
use tfq_opt::target::Target;
use tfq_opt::{
    Error, LoadOptions, Optimizer, Source, builtin, quantize_weights, quantize_weights_into,
};

/// The model as text; hashes stand for large constants.
fn shown(module: &tfq_opt::ir::Module) -> String {
    tfq_opt::ir::text::print(module, tfq_opt::ir::text::Level::Hash)
}

#[test]
fn every_source_gives_the_same_model() {
    let bytes = model("digits/digits_cnn");
    let from_slice = quantize_weights(&bytes[..], QuantizeWeights::default()).unwrap();
    let sources: [Source<'_>; 4] = [
        bytes.clone().into(),
        Bytes::from(bytes.clone()).into(),
        bytes.as_slice().into(),
        tfq_opt::tflite::root_as_model(&bytes).unwrap().into(),
    ];
    for source in sources {
        assert!(quantize_weights(source, QuantizeWeights::default()).unwrap() == from_slice);
    }
}

#[test]
fn a_builder_holds_what_the_bytes_say() {
    // What follows the flatbuffer in its file has no place in a builder.
    for name in models().iter().filter(|name| !name.ends_with("_behind")) {
        let bytes = model(name);
        let owned = quantize_weights(&bytes[..], QuantizeWeights::default()).unwrap();
        let mut builder = FlatBufferBuilder::new();
        quantize_weights_into(&mut builder, &bytes[..], QuantizeWeights::default()).unwrap();
        let built = lifted(builder.finished_data());
        // A builder has everything inside, options of custom ops too.
        let inside = shown(&lifted(&owned)).replace(", large", "");
        assert_eq!(inside, shown(&built), "{name}");
    }
}

#[test]
fn one_call_is_the_default_pipeline() {
    let called = |bytes: &[u8], options| quantize_weights(bytes, options).unwrap();
    let by_name = |bytes: &[u8]| Optimizer::default().run(bytes).unwrap().to_vec().unwrap();
    for name in ["ops/shared_fc_and_add", "digits/digits_gru"] {
        let bytes = model(name);
        assert!(called(&bytes, QuantizeWeights::default()) == by_name(&bytes), "{name}");
    }
    // The weight that a converter left behind a TRANSPOSE.
    let text = include_str!("cases/weight_behind_transpose.tfg");
    let module = tfq_opt::load(&text.into(), &LoadOptions { fills: true, ..Default::default() });
    let bytes = Optimizer::parse("").unwrap().run(module.unwrap()).unwrap().to_vec().unwrap();
    let small = called(&bytes, QuantizeWeights::default());
    assert!(small == by_name(&bytes));
    assert!(!shown(&lifted(&small)).contains("TRANSPOSE"));
}

#[test]
fn one_call_has_its_options() {
    let bytes = model("ops/shared_fc_and_add");
    let options = QuantizeWeights { granularity: ScalesPer::Tensor, ..Default::default() };
    let called = quantize_weights(&bytes[..], options).unwrap();
    let default = builtin();
    let steps = default.pipeline("default").unwrap().steps.iter().map(|(pass, _)| match &**pass {
        "quantize-weights" => "quantize-weights{granularity=tensor}",
        pass => pass,
    });
    let optimizer = Optimizer::parse(&steps.collect::<Vec<_>>().join(",")).unwrap();
    assert!(optimizer.run(&bytes[..]).unwrap().to_vec().unwrap() == called);
}

#[test]
fn the_default_pipeline_can_be_built_in_code() {
    let bytes = model("digits/digits_gru");
    let in_code = Pipeline::new()
        .then("fold-constants", FoldConstants {})
        .then("eliminate-dead-ops", EliminateDeadOps {})
        .then(
            "dequantize-weights",
            DequantizeWeights { only: Which::Unreadable, ..Default::default() },
        )
        .then("quantize-weights", QuantizeWeights::default())
        .then("merge-equal-buffers", MergeEqualBuffers {})
        .then("hybrid-eligibility", HybridEligibility {})
        .then("insert-dequant", InsertDequant {})
        .then("eliminate-dead-buffers", EliminateDeadBuffers {})
        .then("annotate-dequant-cache", AnnotateDequantCache::default());
    let by_name = Optimizer::default().run(&bytes[..]).unwrap();
    let built = Optimizer::new(in_code).run(&bytes[..]).unwrap();
    assert!(by_name.to_vec().unwrap() == built.to_vec().unwrap());
    let names = |report: &tfq_opt::pass::Report| {
        report.passes.iter().map(|pass| pass.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&by_name.report), names(&built.report));
}

#[test]
fn every_option_reads_the_same_in_code_and_as_text() {
    let relu = tfq_opt::ir::OpKind::Builtin(tfq_opt::ir::catalog::ops::CONV_2D);
    let cases = [
        ("", QuantizeWeights::default()),
        (
            "min-elements=0",
            QuantizeWeights { min_elements: MinElements::Number(0), ..Default::default() },
        ),
        (
            "granularity=tensor",
            QuantizeWeights { granularity: ScalesPer::Tensor, ..Default::default() },
        ),
        ("hybrid=off", QuantizeWeights { hybrid: false, ..Default::default() }),
        ("deny=CONV_2D", QuantizeWeights { deny: OpList(vec![relu]), ..Default::default() }),
        (
            "custom-ops=MyOp:1:2:hybrid",
            QuantizeWeights {
                custom_ops: CustomOps(vec![CustomOp {
                    name: "MyOp".to_owned(),
                    weights: vec![1, 2],
                    hybrid: true,
                }]),
                ..Default::default()
            },
        ),
        ("type=float16", QuantizeWeights { r#type: WeightType::Float16, ..Default::default() }),
        ("compat=toco", QuantizeWeights { compat: Compat::Toco, ..Default::default() }),
    ];
    for (text, in_code) in cases {
        let pipeline = Pipeline::parse(&builtin(), &format!("quantize-weights{{{text}}}")).unwrap();
        let (read, wanted) = (format!("{pipeline:?}"), format!("{in_code:?}"));
        assert!(read.contains(&wanted), "{read} does not hold {wanted}");
    }
}

#[test]
fn a_run_can_be_watched_and_reports() {
    let bytes = model("ops/shared_fc_and_add");
    let mut seen = Vec::new();
    let result = Optimizer::default()
        .run_observed(&bytes[..], |event| match event {
            tfq_opt::pass::Event::Begin { pass, index, count, .. } => {
                seen.push(format!("{index}/{count} {pass}"));
            }
            tfq_opt::pass::Event::End { report, .. } => seen.push(format!("end {}", report.name)),
            tfq_opt::pass::Event::Failed { error, .. } => panic!("{error}"),
        })
        .unwrap();
    assert_eq!(seen[..3], ["0/9 fold-constants", "end fold-constants", "1/9 eliminate-dead-ops"]);
    assert_eq!(seen.len(), 18);
    assert_eq!(result.report.statistic("constants-quantized"), 1);
    assert_eq!(result.report.statistic("dequantize-inserted"), 1);
    assert_eq!(result.report.statistic("no such number"), 0);
    assert!(result.report.remarks().any(|(pass, _)| pass == "insert-dequant"));
}

#[test]
fn constants_can_be_written_behind_the_flatbuffer() {
    let mut optimizer = Optimizer::default();
    optimizer.lower.placement = Placement::Outside;
    let outside = optimizer.run(model("ops/fc_bias")).unwrap().to_vec().unwrap();
    let inside = Optimizer::default().run(model("ops/fc_bias")).unwrap().to_vec().unwrap();
    assert!(lifted(&outside).constants_outside());
    assert_eq!(shown(&lifted(&outside)), shown(&lifted(&inside)));
}

#[test]
fn errors_are_values() {
    let refused = |bytes: &[u8]| quantize_weights(bytes, QuantizeWeights::default()).unwrap_err();
    assert_eq!(refused(b""), Error::Lift(LiftError::Empty));
    assert!(matches!(refused(b"PK\x03\x04 and so on"), Error::Lift(LiftError::NotTflite { .. })));
    let whole = model("ops/fc_bias");
    assert!(matches!(refused(&whole[..3000]), Error::Lift(LiftError::CutOff { .. })));
    let newer = refused(&model("odd/unknown_model_field"));
    assert!(matches!(newer, Error::Lift(LiftError::Unknown { .. })));
    assert!(newer.help().is_some_and(|help| help.contains("--drop-unknown")));

    let mut tolerant = Optimizer::default();
    tolerant.lift.drop_unknown = true;
    assert!(tolerant.run(model("odd/unknown_model_field")).is_ok());
}

#[test]
fn a_result_that_would_not_run_is_refused() {
    let optimizer = Optimizer::parse("quantize-weights").unwrap();
    let error = optimizer.run(model("ops/conv_3d")).unwrap_err();
    let Error::Unrunnable { target, first, .. } = &error else { panic!("{error}") };
    assert_eq!(target, "litert");
    assert_eq!(first.place, "CONV_3D `output`");
    assert_eq!(first.unmet.as_ref().map(Invariant::name), Some("settled"));
    assert_eq!(error.help().unwrap(), "run `insert-dequant` after the other passes");
}

/// A pass that gives up.
#[derive(Debug)]
struct GivesUp;

impl tfq_opt::pass::Pass for GivesUp {
    fn run(&self, _: &mut Session<'_>) -> Result<(), PassError> {
        Err(PassError::Unsupported("not today".to_owned()))
    }
}

#[test]
fn a_pass_that_gives_up_is_named() {
    let optimizer = Optimizer::new(Pipeline::new().then("gives-up", GivesUp));
    let error = optimizer.run(model("ops/fc_bias")).unwrap_err();
    assert!(matches!(&error, Error::Run(RunError::Pass { pass, .. }) if pass == "gives-up"));
    assert_eq!(error.to_string(), "pass `gives-up`: not today");
}

#[test]
fn two_of_one_name_are_told_apart_by_their_origins() {
    let again = builtin().with_passes(passes::all()).unwrap_err();
    let RegistryError::Taken { name, first, second } = &again else { panic!("{again}") };
    assert_eq!(name, "annotate-dequant-cache");
    let origin = "passes/src/annotate_dequant_cache.rs";
    assert!(first.contains(origin) && second.contains(origin), "{again}");

    let steps: [(&str, &str); 0] = [];
    let pipeline = NamedPipeline::new("insert-dequant", "a clash", steps);
    let clash = builtin().with_pipelines([pipeline]).unwrap_err();
    let RegistryError::Taken { first, second, .. } = &clash else { panic!("{clash}") };
    assert!(first.contains("passes/src/insert_dequant.rs"), "{clash}");
    assert_eq!(second, "a pipeline");
}

/// How many passes there are in a pipeline.
fn steps(pipeline: &Pipeline) -> usize {
    format!("{pipeline:?}").matches("Step {").count()
}

#[test]
fn a_registry_of_ones_own() {
    let some = builtin().pass("insert-dequant").cloned();
    let registry = Registry::default().with_passes(some).unwrap();
    assert_eq!(steps(&Pipeline::parse(&registry, "insert-dequant").unwrap()), 1);
    let error = Pipeline::parse(&registry, "insert-dequant,quantize-weights").unwrap_err();
    assert_eq!(error.span, 15..31);
    assert_eq!(error.to_string(), "there is no pass `quantize-weights`");
}

/// Spans are bytes, also behind characters of several.
#[test]
fn spans_are_on_character_boundaries() {
    let error = Pipeline::parse(&builtin(), "größe{x=1}").unwrap_err();
    assert_eq!((error.span, &*error.message), (0..7, "there is no pass `größe`"));
    let error = Pipeline::parse(&builtin(), "insert-dequant €").unwrap_err();
    assert_eq!(&error.text[error.span], "€");
}

/// Text of a pipeline that is right, and how many passes it has.
fn right_text() -> impl Strategy<Value = (String, usize)> {
    let option = prop_oneof![
        any::<u32>().prop_map(|n| format!("min-elements={n}")),
        prop_oneof![Just("tensor"), Just("channel")].prop_map(|v| format!("granularity={v}")),
        prop_oneof![Just("on"), Just("off")].prop_map(|v| format!("hybrid={v}")),
        prop_oneof![Just("CONV_2D"), Just("CONV_2D,ADD"), Just("\"CONV_2D, ADD\""), Just("\"\"")]
            .prop_map(|v| format!("deny={v}")),
        "[A-Za-z]{1,8}(:[0-9]{1,2}){1,3}(:hybrid)?".prop_map(|v| format!("custom-ops={v}")),
        prop_oneof![Just("int8"), Just("float16")].prop_map(|v| format!("type={v}")),
    ];
    let space = prop_oneof![Just(""), Just(" "), Just("\n  ")];
    let options = proptest::collection::vec(option, 0..4).prop_map(|mut options| {
        options.sort();
        options.dedup_by_key(|option| option.split('=').next().map(str::to_owned));
        options.join(" ")
    });
    let quantize = options.prop_map(|options| (format!("quantize-weights{{{options}}}"), 1));
    let item = prop_oneof![
        quantize,
        prop_oneof![Just("insert-dequant"), Just("hybrid-eligibility"), Just("quantize-weights")]
            .prop_map(|name| (name.to_owned(), 1)),
        Just(("default".to_owned(), 9)),
    ];
    (proptest::collection::vec(item, 0..5), space).prop_map(|(items, space)| {
        let texts: Vec<String> = items.iter().map(|(text, _)| text.clone()).collect();
        let count = items.iter().map(|(_, count)| count).sum();
        (format!("{space}{}{space}", texts.join(&format!("{space},{space}"))), count)
    })
}

proptest! {
    #[test]
    fn what_is_right_is_read((text, count) in right_text()) {
        let pipeline = Pipeline::parse(&builtin(), &text);
        prop_assert!(pipeline.is_ok(), "{text}: {:?}", pipeline.err());
        prop_assert_eq!(steps(&pipeline.unwrap()), count);
    }

    #[test]
    fn no_text_is_too_odd(text in r#"[a-z{}=," \n€\-]{0,40}|.{0,40}"#) {
        if let Err(error) = Pipeline::parse(&builtin(), &text) {
            prop_assert!(error.text.get(error.span.clone()).is_some(), "{:?}", error.span);
            prop_assert!(!error.message.is_empty() && !error.label.is_empty());
        }
    }

    /// Damage to a right text is noticed where it is, or the text is another right one.
    #[test]
    fn a_damaged_text_is_read_or_refused((text, _) in right_text(), at in any::<prop::sample::Index>(), c in any::<char>()) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut damaged = text.clone();
        damaged.insert(places[at.index(places.len())], c);
        if let Err(error) = Pipeline::parse(&builtin(), &damaged) {
            prop_assert!(damaged.get(error.span.clone()).is_some(), "{:?}", error.span);
        }
    }
}

/// A Dequantize of a constant, and a RESHAPE before it that changes nothing.
const RESHAPED: &str = r#"tfg 1 quant
subgraph @main {
  %x = input : f32[2]
  %same = RESHAPE(%x, _) {new_shape = [2]} : f32[2]
  %w = const : i8[2] q(0.5) = [2, 4]
  %real = DEQUANTIZE.v2(%w) : f32[2]
  %y = ADD(%same, %real) : f32[2]
  output %y
}
"#;

fn recorded(file: &[u8]) -> Option<Bytes> {
    let module = tfq_opt::format::lift(&Bytes::copy_from_slice(file), &Default::default());
    module.unwrap().metadata_bytes(DEQUANT_CACHE_METADATA).cloned()
}

fn run(passes: &str, source: impl Into<Source<'static>>) -> Vec<u8> {
    Optimizer::parse(passes).unwrap().run(source).unwrap().to_vec().unwrap()
}

#[test]
fn the_record_of_cached_results_stays_true_from_run_to_run() {
    let text = || text::parse(RESHAPED, &text::ParseOptions::default()).unwrap();
    let annotated = run("annotate-dequant-cache{always=on}", text());
    assert_eq!(run("", annotated.clone()), annotated);
    assert_eq!(run("annotate-dequant-cache", annotated.clone()), annotated);
    let fewer = run("remove-identities", annotated.clone());
    let passes = "remove-identities,annotate-dequant-cache{always=on}";
    let fresh = recorded(&run(passes, text()));
    // All of its Dequantize ops came with it.
    assert_eq!(recorded(&run("annotate-dequant-cache", text())), None);
    assert!(fresh.is_some() && recorded(&annotated) != fresh);
    assert_eq!(recorded(&fewer), fresh);
    // The runtime that keeps nothing.
    let micro = Optimizer::parse("annotate-dequant-cache").unwrap();
    let micro = micro.for_target(Target::named("tflm").unwrap());
    assert_eq!(recorded(&micro.run(annotated).unwrap().to_vec().unwrap()), None);
}

#[test]
fn the_last_patches_come_with_what_was_done_after_them() {
    let mut optimizer = Optimizer::default();
    optimizer.run_options.keep_edits = true;
    let all = optimizer.run(model("ops/conv_3d")).unwrap();
    let patches = all.module.journal().len();
    let all = all.to_vec().unwrap();
    assert!(recorded(&all).is_some());
    for (count, same) in [(patches + 1, true), (patches, true), (patches - 1, false)] {
        optimizer.stop_after_patch = Some(count);
        let kept = optimizer.run(model("ops/conv_3d")).unwrap().to_vec().unwrap();
        assert_eq!(kept == all, same, "{count} patches");
    }
}

/// Also where a state must be completed to run; and what is told is of the patches that were kept.
#[test]
fn the_first_patches_are_told_of_and_replayed_to_the_same_file() {
    let file = model("ops/shared_fc_and_add");
    let mut optimizer = Optimizer::default();
    optimizer.run_options.keep_edits = true;
    let whole = optimizer.run(&file[..]).unwrap().module;
    let labels: Vec<String> =
        whole.journal().iter().map(|patch| patch.label().to_owned()).collect();
    let all = labels.len();
    assert_eq!(labels.last().map(String::as_str), Some("drop 1 buffer"));
    let mut buffers = Vec::new();
    for count in 0..=all + 1 {
        optimizer.stop_after_patch = Some(count);
        let run = optimizer.run(&file[..]).unwrap();
        let kept = count.min(all);
        assert_eq!(run.kept, Some((kept, all)));
        let passes = &run.report.passes;
        assert_eq!(passes.iter().map(|pass| pass.patches).sum::<usize>(), kept);
        let mut told: Vec<&str> = passes
            .iter()
            .flat_map(|pass| &pass.rules)
            .flat_map(|(rule, count)| std::iter::repeat_n(rule.as_str(), count.applied))
            .collect();
        let mut wanted: Vec<&str> = labels[..kept].iter().map(String::as_str).collect();
        told.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(told, wanted);
        let mut blobs = Blobs::new();
        let edits = run.edits(&mut blobs).expect("they were asked for");
        let replayed = optimizer.replay(&file[..], &edits, &blobs).unwrap();
        assert_eq!(replayed.to_vec().unwrap(), run.to_vec().unwrap(), "{count} patches");
        buffers.push(run.module.constants().len());
    }
    // The last is what drops the buffer that no tensor has any more.
    assert_eq!(buffers[all - 1..], [buffers[all] + 1, buffers[all], buffers[all]], "{buffers:?}");
}

#[test]
fn a_shuffled_graph_has_no_edits_of_the_model() {
    let mut optimizer = Optimizer::default();
    optimizer.run_options.keep_edits = true;
    assert!(optimizer.run(model("ops/fc_bias")).unwrap().edits(&mut Blobs::new()).is_some());
    optimizer.shuffle = Some(1);
    assert!(optimizer.run(model("ops/fc_bias")).unwrap().edits(&mut Blobs::new()).is_none());
}

#[test]
fn a_module_that_was_changed_since_is_lowered_anew() {
    let mut result = Optimizer::default().run(model("ops/conv_3d")).unwrap();
    assert!(recorded(&result.to_vec().unwrap()).is_some());
    result.module = std::mem::take(&mut result.module).with_dequant_cache(None);
    assert_eq!(recorded(&result.to_vec().unwrap()), None);
}

#[test]
fn the_first_patches_leave_no_float_bytes_behind() {
    let whole = model("digits/digits_cnn");
    let passes = "quantize-weights{min-elements=1},insert-dequant";
    let mut optimizer = Optimizer::parse(passes).unwrap();
    let mut sizes = Vec::new();
    for count in 0..4 {
        optimizer.stop_after_patch = Some(count);
        sizes.push(optimizer.run(&whole[..]).unwrap().to_vec().unwrap().len());
    }
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[3] < sizes[0], "{sizes:?}");
}

#[derive(Debug)]
struct Describe;

impl tfq_opt::pass::Pass for Describe {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        session.apply(Edit::Description(Some("by a pass of one's own".into())))?;
        Ok(())
    }
}

#[test]
fn what_a_pass_says_of_the_model_is_written_though_no_op_changed() {
    for name in models() {
        let optimizer = Optimizer::new(Pipeline::new().then("describe", Describe));
        let bytes = optimizer.run(model(&name)).unwrap().to_vec().unwrap();
        let module = lifted(&bytes);
        assert_eq!(
            module.description().map(|text| &**text),
            Some("by a pass of one's own"),
            "{name}"
        );
    }
}

/// The file too, which a run may leave as it came.
#[test]
fn a_log_is_replayed_to_the_same_file() {
    for name in models() {
        let file = model(&name);
        let mut optimizer = Optimizer::default();
        optimizer.run_options.keep_edits = true;
        optimizer.allow_unloadable = true;
        let run = optimizer.run(&file[..]).unwrap();
        let mut blobs = Blobs::new();
        let log = run.edits(&mut blobs).unwrap().to_json();
        let edits = Edits::parse(&log).unwrap();
        let replayed = optimizer.replay(&file[..], &edits, &blobs).unwrap();
        assert!(replayed.to_vec().unwrap() == run.to_vec().unwrap(), "{name}");
    }
}

#[test]
fn edits_that_spoil_a_model_are_refused() {
    let file = model("ops/fc_bias");
    let run = |json: &str| {
        let edits = Edits::parse(json).unwrap();
        Optimizer::default().replay(&file[..], &edits, &Blobs::new()).unwrap_err()
    };
    let stale = r#"{"tfq_edits": 1, "edits": [{"edit": {"patch": {
        "subgraph": 0, "label": "erase", "erase_ops": ["@0#99"]}}}]}"#;
    let error = run(stale);
    assert!(matches!(&error, Error::Edits(error) if error.path.ends_with("erase_ops[0]")));
    assert!(error.help().is_some());
    // What a target does not run is no result of edits either.
    let half = r#"{"tfq_edits": 1, "edits": [{"edit": {"patch": {
        "subgraph": 0, "label": "halve", "add_constants": [{"base64": "HALVES"}], "change_tensors": [
            {"tensor": "WEIGHTS", "set": {"type": "FLOAT16"}},
            {"tensor": "WEIGHTS", "set": {"buffer": {"new": 0}}},
            {"tensor": "WEIGHTS", "set": {"expressed": "FLOAT32"}}]}}}]}"#;
    // 2560 bytes of 0.
    let half = half.replace("HALVES", &format!("{}==", "A".repeat(3414)));
    let module = lifted(&file);
    let (_, weights) = common::tensor(&module, "weights").unwrap();
    let error = run(&half.replace("WEIGHTS", &weights.to_string()));
    let Error::Replayed { error: inner, first: None } = &error else { panic!("{error}") };
    assert!(matches!(**inner, Error::Unrunnable { .. }), "{error}");
    let help = "let the edits do what `insert-dequant` does, too; those of another target are to \
                be made anew of the model before them, with --target=litert";
    assert_eq!(error.help().as_deref(), Some(help));
    assert_eq!(error.to_string(), inner.to_string());
    // Nor what it does not load.
    let (_, input) = common::tensor(&module, "input").unwrap();
    let error =
        run(&include_str!("cli/files/unloadable.edits.json").replace("@0%0", &input.to_string()));
    let Error::Replayed { error: inner, first: None } = &error else { panic!("{error}") };
    assert!(matches!(**inner, Error::Unloadable { came: false, .. }), "{error}");
    assert_eq!(error.help().as_deref(), Some("the edits ask for it, and are to be corrected"));
    let raised = r#"{"tfq_edits": 1, "edits": [{"edit": {"versions": {
        "subgraph": 0, "versions": [{"op": "OP", "version": 99}]}}}]}"#;
    let op = module.subgraph(module.subgraph_ids().next().unwrap()).ops().next().unwrap();
    let error = run(&raised.replace("OP", &op.to_string()));
    let Error::Replayed { error: inner, .. } = &error else { panic!("{error}") };
    assert!(matches!(**inner, Error::Unloadable { came: false, .. }), "{error}");
    // Nor what no reader takes.
    let foreign = include_str!("cli/files/unloadable.edits.json").replace("\"RELU\"", "9999");
    let error = run(&foreign.replace("@0%0", &input.to_string()));
    assert!(error.to_string().contains("the format has no operator 9999"), "{error}");
    // Of what is not well-formed it is said from which edit on.
    let error = run(include_str!("cli/files/malformed.edits.json"));
    let Error::Replayed { error: inner, first: Some(first) } = &error else { panic!("{error}") };
    assert!(matches!(**inner, Error::Malformed(_)), "{error}");
    assert_eq!((first.0, &*first.1), (1, "add a short constant"));
}

const CALLS: &str = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  %y = WHILE(%x) {cond_subgraph_index = @condition, body_subgraph_index = @body} : f32[1,4]
  output %y
}
subgraph @uncalled {
  %x = input : f32[1,4]
  output %x
}
subgraph @condition {
  %x = input : f32[1,4]
  %go = const : bool[1] = [false]
  output %go
}
subgraph @body {
  %x = input : f32[1,4]
  %y = WHILE(%x) {cond_subgraph_index = @condition, body_subgraph_index = @body} : f32[1,4]
  output %y
}
";

fn parsed(text: &str) -> Module {
    text::parse(text, &text::ParseOptions::default()).unwrap()
}

/// A signature of this subgraph with these inputs, beside those that are there.
fn with_signature(module: &Module, subgraph: u32, inputs: &[(&str, TensorId)]) -> Module {
    let input = |(name, id): &(&str, TensorId)| (Some((*name).into()), TensorLink::Tensor(*id));
    module.rebuilt(|parts| {
        parts.signatures.push(Signature {
            key: Some(format!("serve {}", parts.signatures.len()).into()),
            inputs: inputs.iter().map(input).collect(),
            outputs: Vec::new(),
            subgraph,
            deprecated_tag: None,
        });
    })
}

/// What is wrong with a model is told in numbers, which change when something is dropped.
#[test]
fn what_a_model_came_with_is_known_again_when_its_neighbours_are_gone() {
    let module = with_signature(&parsed(CALLS), 7, &[]);
    let mut optimizer = Optimizer::parse("eliminate-dead-buffers").unwrap();
    let error = optimizer.run(module.clone()).unwrap_err();
    assert!(matches!(error, Error::Unloadable { came: true, .. }), "{error}");
    optimizer.allow_unloadable = true;
    let result = optimizer.run(module.clone()).unwrap();
    assert_eq!(result.module.subgraphs().len(), 3);
    let told = |all: &[Unloadable]| -> Vec<String> {
        all.iter().map(|one| one.what.split(": ").next().unwrap().to_owned()).collect()
    };
    let [signature, op] = &told(&result.unloadable)[..] else { panic!("{:?}", result.unloadable) };
    assert_eq!(signature, "the signature is of subgraph 7, of 3 subgraphs");
    assert_eq!(op, "body_subgraph_index is 2, which calls subgraph 2 in turn");
    let before = told(&check_loadable(&module, optimizer.target()));
    assert!(before[0].ends_with("of 4 subgraphs") && before[1].contains("is 3"), "{before:?}");
}

/// Converters write signatures whose inputs are tensors behind the real ones: the interpreter runs
/// such models all the same, by their subgraph.
#[test]
fn a_signature_that_came_broken_is_told_of_and_one_that_gets_so_is_refused() {
    let text = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  %h = RELU(%x) : f32[1,4]
  %y = ABS(%h) : f32[1,4]
  output %y
}
";
    let module = parsed(text);
    let tensor = |name| common::tensor(&module, name).unwrap().1;
    let optimizer = Optimizer::parse("eliminate-dead-buffers").unwrap();
    let came = with_signature(&module, 0, &[("x", tensor("h"))]);
    let result = optimizer.run(came.clone()).unwrap();
    let [told] = &result.unloadable[..] else { panic!("{:?}", result.unloadable) };
    assert_eq!(told.place, "signature 0");
    assert!(told.what.starts_with("the signature has no name for `x`, which"), "{}", told.what);
    assert!(told.by_signature_only);

    let start = with_signature(&module, 0, &[("x", tensor("x"))]);
    let (came, made) = check_loadable_since(&came, &start, optimizer.target());
    assert_eq!((came.len(), made.len()), (0, 1));
}

/// What is told of a part is the first of what is wrong with it: what comes behind came in too.
#[test]
fn a_fault_that_another_hid_came_in_with_the_model() {
    let mut module = parsed(CALLS);
    let scales = Arc::new(Quantization::symmetric(vec![0.5], 7));
    let added = module.apply({
        let mut patch = Patch::new(SubgraphId(0), "add what has two faults");
        let tensor = Tensor::new("t", ElementType::Int8, [-1, 4]);
        patch.add_tensor(Tensor { quantization: Some(scales), ..tensor });
        patch
    });
    let odd = added.unwrap().added_tensors()[0];
    let target = Target::named("litert").unwrap();
    let start = module.clone();
    let mut patch = Patch::new(SubgraphId(0), "give it a shape");
    patch.change_tensor(odd, TensorChange::Shape([2, 4].into()));
    module.apply(patch).unwrap();
    let (came, made) = check_loadable_since(&module, &start, &target);
    assert_eq!(made, []);
    assert!(
        came.iter().any(|one| one.what.starts_with("its quantised dimension is 7")),
        "{came:?}"
    );
    // Another tensor like it is new.
    let mut patch = Patch::new(SubgraphId(0), "add one more");
    patch.add_tensor(start.subgraph(SubgraphId(0)).tensor(odd).clone());
    module.apply(patch).unwrap();
    let (_, made) = check_loadable_since(&module, &start, &target);
    assert_eq!(made.len(), 1, "{made:?}");
}

#[test]
fn a_signature_names_each_input_that_its_subgraph_needs() {
    let module = parsed(
        "tfg 1 quant
subgraph @main {
  %a = input : f32[1,4]
  %b = input : f32[1,4]
  %y = RELU(%a) : f32[1,4]
  output %y
}
",
    );
    let [a, b] = ["a", "b"].map(|name| common::tensor(&module, name).unwrap().1);
    let target = Target::named("litert").unwrap();
    let refused = |inputs: &[(&str, TensorId)]| -> Vec<String> {
        let refusals = target.refusals(&with_signature(&module, 0, inputs)).into_iter();
        refusals.map(|one| one.what.split(", which").next().unwrap().to_owned()).collect()
    };
    assert_eq!(refused(&[("a", a)]), [""; 0]);
    assert_eq!(refused(&[("a", a), ("b", b)]), [""; 0]);
    // As many as are needed, and not those.
    assert_eq!(refused(&[("b", b)]), ["the signature has no name for `a`"]);
    // The runtime knows the last of one name.
    assert_eq!(refused(&[("n", a), ("n", b)]), ["the signature has no name for `a`"]);
    assert_eq!(refused(&[("n", b), ("n", a)]), [""; 0]);

    let names = ["a", "b", "c", "d", "e"];
    let mut text = "tfg 1 quant\nsubgraph @main {\n".to_owned();
    names.iter().for_each(|name| text += &format!("  %{name} = input : f32[1,4]\n"));
    names.iter().for_each(|name| text += &format!("  output %{name}\n"));
    let module = parsed(&(text + "}\n"));
    let a = common::tensor(&module, "a").unwrap().1;
    // One tensor by two names is one.
    let module = with_signature(&module, 0, &[("a", a), ("again", a)]);
    let [refusal] = &target.refusals(&module)[..] else { panic!() };
    let told = "the signature has no name for `b`, `c`, `d` and 1 more, which its subgraph needs: ";
    assert!(refusal.what.starts_with(told), "{}", refusal.what);
}

#[test]
fn a_shape_that_is_no_list_needs_no_value() {
    let target = Target::named("litert").unwrap();
    let refused = |shape: &str| {
        let text = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  %shape = tensor : i32[]
  %y = RESHAPE(%x, %shape) {new_shape = [4]} : f32[4]
  output %y
}
";
        target.refusals(&parsed(&text.replace("i32[]", shape))).len()
    };
    assert_eq!([refused("i32[]"), refused("i32[1,1]"), refused("i32[1]")], [0, 0, 1]);
}

/// An op with two faults is told of once, and a circle is one of ops that run what they name.
#[test]
fn calls_are_told_of_once_and_where_they_are_run() {
    let target = Target::named("litert").unwrap();
    let refused = |text: &str| target.refusals(&parsed(text));
    let misfit = CALLS.replace("  output %go", "  output %go\n  output %x");
    let all = refused(&misfit);
    let abouts: HashSet<_> = all.iter().map(|one| one.about).collect();
    assert_eq!((abouts.len(), all.len()), (2, 2), "{all:?}");
    let sum = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,4]
  %zero = const : f32[] = [0.0]
  %y = STABLEHLO_REDUCE_WINDOW(%x, %zero) {window_dimensions = [1, 1], window_strides = [1, 1], base_dilations = [1, 1], window_dilations = [1, 1], padding = [0, 0, 0, 0], body_subgraph_index = @main} : f32[1,4]
  output %y
}
";
    assert_eq!(refused(sum), []);
    // What is not run needs no values.
    let body = "subgraph @sum {
  %a = input : f32[]
  %b = input : f32[]
  %none = tensor : f32[]
  %c = ADD(%a, %none) : f32[]
  output %c
}
";
    let sum = sum.replace("= @main", "= @sum") + body;
    assert_eq!(refused(&sum), []);
    assert_eq!(target.refusals(&with_signature(&parsed(&sum), 1, &[])).len(), 2);
}
