//! `compare`: how far apart two models are, on which inputs.

use crate::common::root;
use crate::{
    CNN, COMPUTED, DOUBLE, LSTM, RAW, RAW_DATA, fails, folder, json, run, succeeds, text, written,
};
use std::fs;
use tfq_opt::ir::ElementType;
use tfq_opt::runtime::{self, Value};

pub(crate) const TESTS: &[(&str, fn())] = crate::named![
    a_result_that_only_python_can_run_is_compared_there,
    equal_models_are_equal_and_quantised_ones_are_not,
    real_inputs_show_what_random_ones_hide,
    a_first_layer_reads_raw_columns_as_they_are,
    samples_come_from_folders_and_archives,
    random_inputs_are_of_several_seeds,
    state_starts_anew_with_each_sample,
    another_interface_is_no_replacement,
    names_in_tables_stay_on_their_line,
];

/// What a model alone can run in the C API is compared with what cannot.
fn a_result_that_only_python_can_run_is_compared_there() {
    let folder = folder();
    let computed = written(&folder, "computed.tfg", COMPUTED);
    let plain = COMPUTED
        .replace("RESHAPE(%x, %wanted)", "ABS(%x)")
        .replace("output %y", "output %y\n  output %wanted");
    let both = COMPUTED.replace("output %y", "output %y\n  output %wanted");
    let plain = written(&folder, "plain.tfg", &plain);
    let both = written(&folder, "both.tfg", &both);
    for models in [[&plain, &both], [&both, &plain]] {
        let found = json(&["compare", models[0], models[1], "--json", "--input=ones"]);
        for case in found["cases"].as_array().unwrap() {
            assert_eq!(case["outputs"][0]["differing"], 0, "{case}");
        }
    }
    succeeds(&["run", &computed]);
}

fn equal_models_are_equal_and_quantised_ones_are_not() {
    let same = json(&["compare", CNN, CNN, "--json", "--min-snr=1000"]);
    let cases = same["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3, "one for each kind of kernels");
    for case in cases {
        assert_eq!(case["outputs"][0]["differing"], 0);
    }
    let folder = folder();
    let small = folder.path().join("small.tflite");
    succeeds(&[CNN, "-o", text(&small)]);
    let json = json(&["compare", CNN, text(&small), "--json", "--min-snr=20"]);
    for case in json["cases"].as_array().unwrap() {
        let snr = case["outputs"][0]["snr_db"].as_f64().unwrap();
        assert!((20.0..200.0).contains(&snr), "{case}");
    }
    let error = fails(&["compare", CNN, text(&small), "--min-snr=150"]);
    assert!(
        error.contains("`serving_default` on the reference kernels: output `output_0`"),
        "{error}"
    );
    assert!(error.contains("at least 150 are wanted"), "{error}");
}

fn random_inputs_are_of_several_seeds() {
    let folder = folder();
    let small = folder.path().join("small.tflite");
    succeeds(&[CNN, "-o", text(&small)]);
    let compare = |more: &[&str]| {
        json(&[&["compare", CNN, text(&small), "--json", "--kernels=reference"], more].concat())
    };
    let of = |found: &serde_json::Value| found["cases"][0]["outputs"][0].clone();
    let four = compare(&[]);
    assert_eq!((&four["data"]["samples"], &four["data"]["seed"]), (&4.into(), &0.into()));
    // The worst alone, which is not the first.
    let worst = &of(&four)["worst_sample"];
    assert_ne!(worst["sample"], 0);
    let alone = compare(&["--samples=1", &format!("--seed={}", worst["sample"])]);
    assert_eq!(of(&alone)["snr_db"], worst["snr_db"]);
    assert_eq!(alone["data"]["samples"], 1);
    // Where nothing is random, all samples would be the same.
    assert_eq!(compare(&["--input=zeros"])["data"]["samples"], 1);
    let data = format!("--data={RAW_DATA}");
    let both = run(&["compare", CNN, text(&small), "--samples=2", &data]);
    assert_eq!(both.status.code(), Some(2));
}

fn real_inputs_show_what_random_ones_hide() {
    let folder = folder();
    let out = folder.path().join("small.tflite");
    let hybrid = "--passes=quantize-weights{exact-activations=off},default";
    let summary = run(&[RAW, "-o", text(&out), hybrid, "--verify-run"]);
    let summary = String::from_utf8(summary.stderr).unwrap();
    let verified = "verified: at least 52.4 dB on reference, optimized, xnnpack; \
                    inputs: random from seeds 0 to 3, 4 samples\n";
    assert!(summary.contains(verified), "{summary}");
    let printed = succeeds(&["compare", RAW, text(&out)]);
    let note = "inputs: random from seeds 0 to 3, 4 samples\n\
                note: random inputs were used; give real ones with --data or --input\n";
    assert!(printed.ends_with(note), "{printed}");

    let bad = folder.path().join("bad.tflite");
    let data = format!("--data={RAW_DATA}");
    for given in [&data, &format!("--input=keras_tensor_6={RAW_DATA}")] {
        let error = fails(&[RAW, "-o", text(&bad), hybrid, "--verify-run", given]);
        assert!(error.contains("output `output_0`: 18.0 dB, at least 20 are wanted"), "{error}");
        assert_eq!(error.contains("; sample 29 has 3.1 dB"), *given == data, "{error}");
        assert!(!error.contains("random"), "{error}");
        assert!(!bad.exists(), "nothing is written");
    }
    let found = json(&[RAW, "--dry-run", hybrid, "--verify-run=10", &data, "--json"]);
    let verified = &found["verified"];
    assert_eq!(verified["wanted_db"], 10.0);
    assert_eq!(verified["data"]["samples"], 100);
    assert_eq!(verified["data"]["random"], false);
    assert_eq!(verified["data"]["inputs"][0]["from"], RAW_DATA);
    let least = verified["least_snr_db"].as_f64().unwrap();
    assert!((17.9..18.1).contains(&least), "{least}");
    let worst = &verified["cases"][0]["outputs"][0]["worst_sample"];
    assert!(worst["snr_db"].as_f64().unwrap() < least, "{worst}");

    // One run on all rows gives the same figures as one run for each.
    let rows = json(&["compare", RAW, text(&out), &data, "--json"]);
    let input = format!("--input={RAW_DATA}");
    let whole = json(&["compare", RAW, text(&out), &input, "--json"]);
    let snr = |found: &serde_json::Value| found["cases"][0]["outputs"][0]["snr_db"].as_f64();
    assert!((snr(&rows).unwrap() - snr(&whole).unwrap()).abs() < 1e-3);
    assert_eq!(whole["data"]["samples"], 1);
}

/// Columns of very different sizes, which the default does not round to 8 bits.
fn a_first_layer_reads_raw_columns_as_they_are() {
    let data = format!("--data={RAW_DATA}");
    let found = json(&[RAW, "--dry-run", "--verify-run", &data, "--json"]);
    let least = found["verified"]["least_snr_db"].as_f64().unwrap();
    assert!(least > 23.0, "{least}");
}

/// Two inputs, of which one is added to each row of the other's.
const ADD: &str = "tfg 1 types
subgraph @main {
  %rows/x = input : f32[2,2]
  %id = input : i32[1]
  %shift = CAST(%id) {in_data_type = INT32, out_data_type = FLOAT32} : f32[1]
  %y = ADD(%rows/x, %shift) : f32[2,2]
  output %y
}
";

fn samples_come_from_folders_and_archives() {
    let folder = folder();
    let a = written(&folder, "a.tfg", ADD);
    let b = written(&folder, "b.tfg", &ADD.replace("ADD(", "SUB("));
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let save = |name: &str, ty, shape: &[usize], data_of: &[u8]| {
        let value = Value { ty, shape: shape.to_vec(), data: data_of.to_vec() };
        runtime::write_npy(fs::File::create(data.join(name)).unwrap(), &value).unwrap();
    };
    let ones: Vec<u8> = [1.0_f32; 12].iter().flat_map(|x| x.to_le_bytes()).collect();
    let ids: Vec<u8> = [0_i32, 1, 2].iter().flat_map(|x| x.to_le_bytes()).collect();
    let float = ElementType::Float32;
    // A slash cannot be in a file's name.
    save("rows_x.npy", float, &[3, 2, 2], &ones);
    save("id.npy", ElementType::Int32, &[3], &ids);
    let given = format!("--data={}", text(&data));
    let compare = |more: &[&str]| {
        let all = [&["compare", &a, &b, "--kernels=reference", "--json", &given], more].concat();
        json(&all)
    };
    let found = compare(&[]);
    let output = &found["cases"][0]["outputs"][0];
    // 1 + n against 1 - n for n of 0, 1, 2: signal 1 + 4 + 9, noise 0 + 4 + 16.
    let wanted = 10.0 * (14.0_f64 / 20.0).log10();
    assert!((output["snr_db"].as_f64().unwrap() - wanted).abs() < 1e-5, "{output}");
    assert_eq!(output["worst_sample"]["sample"], 2);
    let worst = output["worst_sample"]["snr_db"].as_f64().unwrap();
    assert!((worst - 10.0 * (9.0_f64 / 16.0).log10()).abs() < 1e-5, "{output}");

    let refused = |more: &[&str]| fails(&[&["compare", &a, &b, &given], more].concat());
    save("id.npy", ElementType::Int32, &[2], &ids[..8]);
    assert!(refused(&[]).contains("`id` holds 2 samples, `rows_x` 3"), "{}", refused(&[]));
    save("id.npy", ElementType::Int32, &[], &ids[..4]);
    assert!(refused(&[]).contains("`id` holds no samples: it is INT32[]"), "{}", refused(&[]));
    save("id.npy", float, &[3], &ones[..12]);
    let error = refused(&[]);
    assert!(error.contains("input `id` is one axis of samples and INT32[1]"), "{error}");
    assert!(error.contains("holds FLOAT32[3]"), "{error}");
    fs::rename(data.join("id.npy"), data.join("ids.npy")).unwrap();
    let error = refused(&[]);
    assert!(error.contains("`ids` is for no input"), "{error}");
    assert!(error.contains("help: inputs are rows/x, id"), "{error}");
    fs::remove_file(data.join("ids.npy")).unwrap();
    let error = refused(&[]);
    assert!(error.contains("has no samples for input `id`, only for rows_x"), "{error}");
    let found = compare(&["--input=id=zeros"]);
    assert_eq!(found["cases"][0]["outputs"][0]["differing"], 0);
    assert_eq!(found["data"]["inputs"][1]["from"], "zeros");
}

fn state_starts_anew_with_each_sample() {
    let folder = folder();
    let images = fs::read(root().join("tests/models/digits/digits_test_images.u8")).unwrap();
    let file = |name: &str, images: &[u8]| {
        let data = images.iter().flat_map(|p| (f32::from(*p) / 16.0).to_le_bytes()).collect();
        let shape = vec![images.len() / 64, 8, 8];
        let value = Value { ty: ElementType::Float32, shape, data };
        let path = folder.path().join(name);
        runtime::write_npy(fs::File::create(&path).unwrap(), &value).unwrap();
        format!("--data={}", text(&path))
    };
    let small = folder.path().join("small.tflite");
    succeeds(&[LSTM, "-o", text(&small)]);
    let (two, second) = (file("two.npy", &images[..128]), file("one.npy", &images[64..128]));
    let compare = |data: &str| {
        let found = json(&["compare", LSTM, text(&small), "--kernels=reference", "--json", data]);
        found["cases"][0]["outputs"][0].clone()
    };
    let (both, alone) = (compare(&two), compare(&second));
    let worst = &both["worst_sample"];
    // Whichever is worse, the second one alone is what it is behind another.
    let first = compare(&file("first.npy", &images[..64]));
    let wanted = if worst["sample"] == 0 { first } else { alone };
    assert_eq!(worst["snr_db"], wanted["snr_db"]);
    let first = images[..64].to_vec();
    let again = [&first[..], &first[..]].concat();
    let (once, twice) = (compare(&file("x.npy", &first)), compare(&file("xx.npy", &again)));
    assert_eq!(once["max_abs"], twice["max_abs"], "the same sample gives the same again");
}

fn another_interface_is_no_replacement() {
    let folder = folder();
    let a = written(&folder, "a.tfg", DOUBLE);
    let b = written(&folder, "b.tfg", &DOUBLE.replace("f32[?,2]", "f32[?,1,2]"));
    let error = fails(&["compare", &a, &b]);
    assert!(error.contains("b.tfg: on the reference kernels: the inputs do not fit"), "{error}");
}

/// A name that holds a line end and a workflow command, with a byte that is not part of UTF-8 where
/// `byte` is one.
fn named(byte: &str, seed: u64) -> String {
    let name = format!("{byte}a\\n::error file=x::boo");
    format!(
        "signature \"{name}\" @main {{\n  input \"{name}\" = %\"{name}1\"\n  output \"{name}\" = %\"{name}2\"\n}}\n\
         subgraph @main {{\n  %\"{name}1\" = input : f32[1,64]\n  %w = const : f32[64,64] fill \
         gaussian(seed = {seed})\n  %\"{name}2\" = FULLY_CONNECTED(%\"{name}1\", %w, _) : f32[1,64]\n  \
         output %\"{name}2\"\n}}\n"
    )
}

fn names_in_tables_stay_on_their_line() {
    let folder = folder();
    // Python reads names of UTF-8 only, and layers are seen there.
    for (byte, shown, more) in [("\\xfe", "\\xfe", None), ("ü", "ü", Some("--per-layer"))] {
        let a = written(&folder, "a.tfg", &named(byte, 1));
        let b = written(&folder, "b.tfg", &named(byte, 2));
        let mut compare = vec!["compare", &a, &b];
        compare.extend(more);
        for command in [vec!["run", &a], compare] {
            let told = succeeds(&command);
            assert!(told.contains(&format!("{shown}a\\n::error file=x::boo")), "{told}");
            assert!(!told.lines().any(|line| line.trim_start().starts_with("::")), "{told}");
        }
        let output = run(&["run", &a, "--input=nothing=ones"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(&format!("inputs are {shown}a\\n::error")), "{told}");
    }
}
