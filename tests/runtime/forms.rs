//! Forms of weights that the planner chooses for their accuracy, as the kernels compute with them.

use crate::{folder, json, succeeds, written};
use std::fs;

pub(crate) const TESTS: &[(&str, fn())] = crate::named![
    zero_points_of_a_filter_bank_keep_more_on_all_kernels,
    rows_with_scales_are_looked_up_by_all_kernels,
];

/// SNR of the only output on each kind of kernels, and the bytes of the result.
fn quantised(model: &str, pipeline: &str) -> (Vec<f64>, u64) {
    let folder = folder();
    let float = written(&folder, "float.tfg", model);
    let small = written(&folder, "small.tflite", "");
    let passes = format!("--passes={pipeline},insert-dequant,eliminate-dead-buffers");
    succeeds(&[&float, "-o", &small, "-q", &passes]);
    let json = json(&["compare", &float, &small, "--json"]);
    let cases = json["cases"].as_array().expect("there are cases");
    assert_eq!(cases.len(), 3, "{json:#}");
    // There is no number where nothing is lost.
    let snr =
        cases.iter().map(|case| case["outputs"][0]["snr_db"].as_f64().unwrap_or(f64::INFINITY));
    (snr.collect(), fs::metadata(&small).expect("it was written").len())
}

fn zero_points_of_a_filter_bank_keep_more_on_all_kernels() {
    let bank = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,640]
  %mel = const : f32[40,640] fill gaussian(seed = 2, mean = 0.05, std = 0.07, min = 0, zeros = 60 %)
  %power = SQUARE(%x) : f32[1,640]
  %y = FULLY_CONNECTED(%power, %mel, _) : f32[1,40]
  output %y
}
";
    let (with, bytes) = quantised(bank, "quantize-weights");
    let (without, fewer) = quantised(bank, "quantize-weights{zero-points=off}");
    for (with, without) in with.iter().zip(&without) {
        assert!(*without > 40.0 && with - without > 4.0, "{with} {without}");
    }
    assert!(bytes <= fewer + 8 * 40 + 16, "{bytes} {fewer}");
}

fn rows_with_scales_are_looked_up_by_all_kernels() {
    for (ids, rows) in [("[16]", "[16,48]"), ("[2,8]", "[2,8,48]"), ("[1,2,8]", "[1,2,8,48]")] {
        let table = format!(
            "tfg 1 quant
subgraph @main {{
  %ids = input : i32{ids}
  %table = const : f32[64,48] = [1536 * 0.75, 48 * 300.0, 504 * 0.5, 480 * -1.25, 504 * 0.3]
  %rows = GATHER(%table, %ids) : f32{rows}
  %y = TANH(%rows) : f32{rows}
  output %y
}}
"
        );
        let (by_rows, bytes) = quantised(&table, "quantize-weights");
        let (_, halves) = quantised(&table, "quantize-weights{type=float16}");
        assert!(by_rows.iter().all(|snr| *snr > 35.0), "{ids}: {by_rows:?}");
        assert!(bytes < halves, "{ids}: {bytes} {halves}");
        let (one_scale, _) = quantised(&table, "quantize-weights{granularity=tensor}");
        assert!(one_scale.iter().all(|snr| *snr < 30.0), "{ids}: {one_scale:?}");
    }
}
