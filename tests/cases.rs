//! Models that went wrong once, each an instance of a kind. The kinds have tests of their own; here
//! each model gets the answer that a user would expect of the command line. Those about size are in
//! `size.rs`, and those that run are in `runtime/`.

mod common;

use common::{lifted, root, tool};
use std::ffi::OsStr;
use std::process::Output;
use tfq_opt::ir::Module;

fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    let cases = root().join("tests/cases");
    tool().args(arguments).current_dir(cases).output().expect("the binary starts")
}

#[track_caller]
fn succeeds<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    output
}

/// The error, and that nothing was written.
#[track_caller]
fn refused(case: &str) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("out.tflite");
    let output = run(&[OsStr::new(case), "-o".as_ref(), file.as_os_str()]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
    assert!(!file.exists(), "nothing is written");
    stderr
}

/// What a pipeline makes of a case, as bytes.
#[track_caller]
fn made(case: &str, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("out.tflite");
    let mut arguments = vec![OsStr::new(case), "-o".as_ref(), file.as_os_str()];
    arguments.extend(options.iter().map(OsStr::new));
    succeeds(&arguments);
    std::fs::read(&file).expect("it was written")
}

/// The ops of the first subgraph: name, version.
fn ops(module: &Module) -> Vec<(String, i32)> {
    let (_, graph) = module.subgraphs().next().expect("there is one");
    graph.ops().map(|id| (graph.op(id).kind.to_string(), graph.op(id).version)).collect()
}

#[test]
fn what_the_loader_refuses_is_no_result() {
    let cases = [
        ("axis_beyond_rank.tfg", "`w`: its quantised dimension is 5, of 2 dimensions"),
        ("custom_op_without_name.tflite", "operator code 0: the custom operator has no name"),
        (
            "runtime_refuses_negative_dim.tflite",
            "`x`: its shape [-2, 64] has no number of elements",
        ),
        (
            "runtime_refuses_qdim_negative.tflite",
            "`w`: its quantised dimension is -1, of 2 dimensions",
        ),
        (
            "runtime_refuses_variable_with_data.tflite",
            "`v`: it is a variable and has bytes in the file",
        ),
        (
            "sparse_constant_too_short.tflite",
            "`sparse_tensor`: its indices tell of 12 elements in 12 bytes",
        ),
    ];
    for (case, reason) in cases {
        let error = refused(case);
        assert!(error.contains(reason), "{case}: {error}");
        assert!(error.contains("--allow-unloadable"), "{case}: {error}");
    }
}

#[test]
fn a_text_asks_for_no_more_memory_than_it_may() {
    let error = refused("text_list_bomb.tfg");
    assert!(error.starts_with("error: the text asks for more bytes than it may"), "{error}");
    assert!(error.contains("text_list_bomb.tfg:9:32"), "{error}");
}

#[test]
fn the_number_of_a_tensor_is_no_link_to_it() {
    let error = refused("zero_points_raw_number.tfg");
    assert!(error.starts_with("error: 2 is the number of a tensor, which goes by name"), "{error}");
}

#[test]
fn ops_of_one_kind_keep_their_versions() {
    let module = lifted(&made("two_versions.tfg", &["--passes=eliminate-dead-buffers"]));
    let name = || "FULLY_CONNECTED".to_owned();
    assert_eq!(ops(&module), [(name(), 9), (name(), 14)]);
}

#[test]
fn int64_parameters_are_read_like_int32_ones() {
    for case in ["slice_identity_i64.tfg", "pad_nothing_i64.tfg"] {
        let module = lifted(&made(case, &["--passes=remove-identities"]));
        assert_eq!(ops(&module), [("NEG".to_owned(), 1)], "{case}");
    }
}

#[test]
fn a_hybrid_op_without_a_bias_gets_the_version_that_has_it() {
    let passes = "--passes=quantize-weights{granularity=tensor exact-activations=off}";
    let bytes = made("fc_two_inputs_hybrid_v1.tfg", &[passes]);
    let module = lifted(&bytes);
    assert_eq!(ops(&module), [("FULLY_CONNECTED".to_owned(), 6)]);
    let minimum = module.metadata_bytes("min_runtime_version").expect("it is kept");
    assert!(minimum.starts_with(b"2.1.0\0"), "{}", String::from_utf8_lossy(minimum));
}

#[test]
fn readers_of_one_weight_get_forms_that_each_of_them_runs() {
    let passes = "--passes=quantize-weights{exact-activations=off},default";
    for target in ["litert", "litert-cpu", "tflite-2.14", "tflite-2.5"] {
        let option = format!("--target={target}");
        let bytes = made("fc_then_bmm_shared_weight.tfg", &[&option, passes]);
        let module = lifted(&bytes);
        let (_, graph) = module.subgraphs().next().expect("there is one");
        let weight = |name: &str| {
            let op = graph.ops().find(|id| graph.op(*id).kind.to_string() == name);
            let operand = graph.operand(op.expect("the op is there"), 1);
            graph.tensor(operand.expect("it has a weight"))
        };
        // Here XNNPACK refuses scales along the rows, and the other kernels take them for others.
        let scales = weight("BATCH_MATMUL").scales();
        assert!(scales <= 1, "{target}: {scales} scales");
        assert!(bytes.len() < 5_000, "{target}: {} bytes", bytes.len());
    }
}

#[test]
fn custom_options_shared_in_a_file_are_shared_after_its_text_too() {
    let folder = tempfile::tempdir().expect("there is room");
    let text = folder.path().join("x.tfg");
    let case = "shared_custom_options.tflite";
    let text = text.to_str().expect("temporary folders have plain names");
    succeeds(&[case, "--passes=", "--emit=text", "-o", text]);
    let again = made(text, &["--passes="]);
    assert_eq!(again, made(case, &["--passes="]));
    assert!(again.len() <= 621, "{} bytes", again.len());
}

#[test]
fn a_reproducer_prints_its_own_pipeline() {
    let reproducer = "--run-reproducer=reproducer_print_pipeline.tfg";
    let output = succeeds(&[reproducer, "--print-pipeline"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "trigger-failure{kind=panic}\n");
}

#[test]
fn no_name_of_a_file_reaches_the_terminal_raw() {
    let case = "escape_sequences_in_names.tflite";
    let commands: [&[&str]; 5] = [
        &[case, "--remarks"],
        &["inspect", case],
        &["print", case],
        &["diff", case, "two_equal_weights.tfg"],
        &["graph", case],
    ];
    for arguments in commands {
        let output = run(arguments);
        let all = [output.stdout, output.stderr].concat();
        let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\n' && *byte != b'\t';
        assert!(!all.is_empty(), "{arguments:?} prints");
        assert_eq!(all.iter().position(control), None, "{arguments:?}");
        let text = String::from_utf8(all).expect("it prints text");
        assert!(!text.contains('\u{9b}'), "{arguments:?}");
    }
}

#[test]
fn an_argument_of_a_loop_is_quantised_behind_a_dequantize() {
    let bytes = made("while_argument_weight.tflite", &[]);
    assert!(bytes.len() < 71_000, "{} bytes", bytes.len());
    assert!(ops(&lifted(&bytes)).iter().any(|(name, _)| name == "DEQUANTIZE"));
}
