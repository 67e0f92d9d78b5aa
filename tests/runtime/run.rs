//! `run`: what comes out of a model, and what goes in.

use crate::{COMPUTED, DOUBLE, LSTM, fails, folder, json, npy, succeeds, text, written};
use std::fs;
use std::path::Path;
use tfq_opt::ir::ElementType;
use tfq_opt::runtime::{self, Fill, Range, Value};

pub(crate) const TESTS: &[(&str, fn())] = crate::named![
    outputs_are_computed_and_saved_on_all_kernels,
    outputs_whose_size_is_computed_are_those_that_were_written,
    a_result_of_a_size_that_only_a_run_tells_is_seen_whole,
    inputs_that_no_machine_holds_are_refused_before_anything_is_made,
    outputs_of_long_names_are_saved_apart,
    shapes_seeds_and_fills_are_as_asked,
    an_input_of_another_type_is_an_error_that_says_both,
    ids_stay_inside_the_table,
    variables_run_in_python_where_the_c_api_refuses_them,
];

fn outputs_are_computed_and_saved_on_all_kernels() {
    let folder = folder();
    let model = written(&folder, "double.tfg", DOUBLE);
    let x = Value {
        ty: ElementType::Float32,
        shape: vec![2, 2],
        data: [1.0_f32, 2.0, -3.0, 0.5].iter().flat_map(|x| x.to_le_bytes()).collect(),
    };
    let file = folder.path().join("x.npy");
    runtime::write_npy(fs::File::create(&file).unwrap(), &x).unwrap();
    let input = format!("--input=x={}", text(&file));
    for kernels in ["reference", "optimized", "xnnpack"] {
        let out = folder.path().join(kernels);
        let kernels = format!("--kernels={kernels}");
        let printed = succeeds(&["run", &model, &input, &kernels, "-o", text(&out)]);
        assert!(printed.contains("y : FLOAT32[2,3]\n    2.0 4.0 3.0 -6.0 1.0 -2.5\n"), "{printed}");
        let y = npy(&out.join("y.npy"));
        assert_eq!(y.shape, [2, 3], "the free dimension is that of the file");
        assert_eq!(y.numbers().unwrap(), [2.0, 4.0, 3.0, -6.0, 1.0, -2.5]);
    }
}

/// The paddings are computed, and with them the size of the result.
const PADDED: &str = "tfg 1 types
subgraph @main {
  %x = input : f32[1,?,1]
  %first = const : i32[1] = [1]
  %last = const : i32[1] = [2]
  %one = const : i32[1] = [1]
  %block = const : i32[1] = [2]
  %zero = const : i32[1] = [0]
  %shape = SHAPE(%x) {out_type = INT32} : i32[3]
  %length = STRIDED_SLICE(%shape, %first, %last, %one) : i32[1]
  %odd = FLOOR_MOD(%length, %block) : i32[1]
  %paddings = PACK(%zero, %odd) {values_count = 2, axis = 1} : i32[1,2]
  %y = SPACE_TO_BATCH_ND(%x, %block, %paddings) : f32[2,?,1]
  output %y
}
";

fn outputs_whose_size_is_computed_are_those_that_were_written() {
    let folder = folder();
    let computed = written(&folder, "computed.tfg", COMPUTED);
    let padded = written(&folder, "padded.tfg", PADDED);
    let output = |model: &str, arguments: &[&str]| {
        let out = folder.path().join("out");
        let all = [&["run", model, "-o", text(&out)], arguments].concat();
        succeeds(&all);
        let y = npy(&out.join("y.npy"));
        (y.shape.clone(), y.numbers().unwrap())
    };
    for kernels in ["--kernels=reference", "--kernels=optimized", "--kernels=xnnpack"] {
        // Of the shape that the runtime tells before, and of others.
        for rows in [1, 3] {
            let shape = format!("--shape=x={rows}x2");
            let random = Fill::Random { seed: 7 };
            let x = runtime::fill("x", ElementType::Float32, &[rows, 2], random, Range::Bits);
            let found = output(&computed, &[kernels, &shape, "--seed=7"]);
            assert_eq!(found, (vec![rows, 2], x.unwrap().numbers().unwrap()), "{kernels}");
        }
        let found = output(&padded, &[kernels, "--shape=x=1x3x1", "--input=ones"]);
        assert_eq!(found, (vec![2, 2, 1], vec![1.0, 1.0, 1.0, 0.0]), "{kernels}");
    }
    for shape in ["--shape=x=1x2", "--shape=x=3x2"] {
        let same = json(&["compare", &computed, &computed, "--json", "--min-snr=1000", shape]);
        for case in same["cases"].as_array().unwrap() {
            assert_eq!(case["outputs"][0]["differing"], 0, "{case}");
        }
    }
    let measured = json(&["bench", &computed, "--runs=2", "--threads=1", "--json"]);
    assert_eq!(measured["measured"][0]["seconds"]["count"], 2);
    let out = folder.path().join("out.tflite");
    succeeds(&[&computed, "--verify-run=1000", "-q", "-o", text(&out)]);
}

fn a_result_of_a_size_that_only_a_run_tells_is_seen_whole() {
    let model = "tests/cases/dynamic_output.tflite";
    let input = "--input=tests/cases/dynamic_output_x.npy";
    let printed = succeeds(&["run", model, input]);
    assert!(printed.contains("output_0 : FLOAT32[2,33,8]\n"), "{printed}");
    let compared = succeeds(&["compare", model, model, input]);
    assert_eq!(compared.matches(" equal ").count(), 3, "{compared}");
}

fn inputs_that_no_machine_holds_are_refused_before_anything_is_made() {
    let folder = folder();
    let huge = DOUBLE.replace("%x = input : f32[?,2]", "%x = input : f32[65536,65536,64]").replace(
        "%w = const : f32[3,2] = [2.0, 0.0, 0.0, 2.0, 1.0, 1.0]\n  %y = FULLY_CONNECTED(%x, %w, _) : f32[?,3]",
        "%y = NEG(%x) : f32[65536,65536,64]",
    );
    let huge = written(&folder, "huge.tfg", &huge);
    let double = written(&folder, "double.tfg", DOUBLE);
    let out = folder.path().join("out.tflite");
    let much = "the inputs take more than 2 147 483 648 bytes: `x` FLOAT32[";
    for arguments in [
        &["run", &huge][..],
        &["compare", &huge, &huge],
        &["bench", &huge],
        &[&huge, "--verify-run", "-q", "-o", text(&out)],
        &["run", &double, "--shape=x=1073741824x2"],
        &["run", &double, "--shape=x=18446744073709551615x2"],
    ] {
        let error = fails(arguments);
        assert!(error.contains(much), "{arguments:?}: {error}");
    }
    let error = fails(&["run", "tests/cases/huge_input.tflite"]);
    assert!(error.contains("the inputs take more than"), "{error}");
    assert!(!out.exists());
    let file = folder.path().join("x.npy");
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (268435456, 2), }\n";
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    fs::write(&file, [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &[0; 8]].concat())
        .unwrap();
    let error = fails(&["run", &double, &format!("--input={}", text(&file))]);
    assert!(error.contains("its header claims 2 147 483 648 bytes of data, 8 follow"), "{error}");
}

fn outputs_of_long_names_are_saved_apart() {
    let folder = folder();
    // Both begin alike, as those do that a converter made of many ops.
    let long = |end: char| format!("{}{end}", "name/of/an/op;".repeat(40));
    let model = format!(
        "tfg 1 types
subgraph @main {{
  %x = input : f32[1]
  %{0:?} = NEG(%x) : f32[1]
  %{1:?} = ABS(%x) : f32[1]
  output %{0:?}
  output %{1:?}
}}
",
        long('a'),
        long('b')
    );
    let model = written(&folder, "long.tfg", &model);
    let out = folder.path().join("out");
    let found = json(&["run", &model, "--input=ones", "--json", "-o", text(&out)]);
    let numbers = |n: usize| {
        let file = found["outputs"][n]["file"].as_str().unwrap();
        npy(Path::new(file)).numbers().unwrap()
    };
    assert_eq!((numbers(0), numbers(1)), (vec![-1.0], vec![1.0]));
}

fn shapes_seeds_and_fills_are_as_asked() {
    let folder = folder();
    let model = written(&folder, "double.tfg", DOUBLE);
    let output = |arguments: &[&str]| {
        let out = folder.path().join("out");
        let all = [&["run", &model, "-o", text(&out)], arguments].concat();
        succeeds(&all);
        npy(&out.join("y.npy"))
    };
    assert_eq!(output(&[]).shape, [1, 3]);
    assert_eq!(output(&["--shape=x=4x2"]).shape, [4, 3]);
    assert_eq!(output(&["--input=ones"]).numbers().unwrap(), [2.0, 2.0, 2.0]);
    assert_eq!(output(&["--seed=7"]), output(&["--seed=7"]));
    assert_ne!(output(&["--seed=7"]), output(&["--seed=8"]));
    let random = Fill::Random { seed: 7 };
    let x = runtime::fill("x", ElementType::Float32, &[1, 2], random, Range::Bits).unwrap();
    let doubled: Vec<f64> = x.numbers().unwrap().iter().map(|x| 2.0 * x).collect();
    assert_eq!(output(&["--seed=7"]).numbers().unwrap()[..2], doubled[..]);
    let error = fails(&["run", &model, "--shape=x=2"]);
    assert!(error.contains("input `x` is FLOAT32[-1,2]"), "{error}");
}

fn an_input_of_another_type_is_an_error_that_says_both() {
    let folder = folder();
    let model = written(&folder, "double.tfg", DOUBLE);
    let x = runtime::fill("x", ElementType::Float64, &[1, 2], Fill::Zeros, Range::Bits).unwrap();
    let file = folder.path().join("x.npy");
    runtime::write_npy(fs::File::create(&file).unwrap(), &x).unwrap();
    let error = fails(&["run", &model, &format!("--input=x={}", text(&file))]);
    assert!(error.contains("input `x` is FLOAT32[-1,2]"), "{error}");
    assert!(error.contains("holds FLOAT64[1,2]"), "{error}");
}

fn ids_stay_inside_the_table() {
    let folder = folder();
    let model = "tfg 1 types
subgraph @main {
  %ids = input : i32[64]
  %table = const : f32[5,4] fill ramp(start = 0, step = 1)
  %rows = EMBEDDING_LOOKUP(%ids, %table) : f32[64,4]
  output %rows
}
";
    let model = written(&folder, "lookup.tfg", model);
    let out = folder.path().join("out");
    succeeds(&["run", &model, "-o", text(&out)]);
    let rows = npy(&out.join("rows.npy")).numbers().unwrap();
    let mut firsts: Vec<i64> = rows.iter().step_by(4).map(|x| *x as i64).collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts, [0, 4, 8, 12, 16], "every row of the table is looked up");
}

fn variables_run_in_python_where_the_c_api_refuses_them() {
    let json = json(&["run", LSTM, "--json"]);
    assert_eq!(json["outputs"][0]["shape"], serde_json::json!([1, 10]));
}
