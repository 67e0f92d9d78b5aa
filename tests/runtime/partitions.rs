//! `inspect --partitions` with the runtime there.

use crate::{folder, json, succeeds, written};

pub(crate) const TESTS: &[(&str, fn())] = crate::named![sections_are_timed,];

/// A convolution and an op that XNNPACK leaves lie between other ops: three sections, and the
/// convolution takes longest.
const MODEL: &str = "\
tfg 1 quant
subgraph @main {
  %x = input : f32[1,64,64,16]
  %w = const : f32[32,3,3,16] fill uniform(seed = 1, min = -1, max = 1)
  %b = const : f32[32] fill uniform(seed = 2, min = -1, max = 1)
  %c = CONV_2D(%x, %w, %b) {padding = SAME, stride_w = 1, stride_h = 1} : f32[1,64,64,32]
  %s = SIGN(%c) : f32[1,64,64,32]
  %y = NEG(%s) : f32[1,64,64,32]
  output %y
}
";

fn sections_are_timed() {
    let folder = folder();
    let model = written(&folder, "model.tfg", MODEL);
    let runtime = std::env::var("TFQ_RUNTIME").unwrap();
    let told = json(&["inspect", &model, "--partitions", "--json", "--runtime", &runtime]);
    let sections = told["subgraphs"][0]["sections"].as_array().unwrap();
    let runs_on: Vec<_> =
        sections.iter().map(|section| section["runs_on"].as_str().unwrap()).collect();
    assert_eq!(runs_on, ["xnnpack", "cpu", "xnnpack"]);
    let seconds: Vec<f64> =
        sections.iter().map(|section| section["seconds"].as_f64().unwrap()).collect();
    assert!(seconds[0] > 1e-5 && seconds[0] < 10.0, "{seconds:?}");
    assert!(seconds[0] > seconds[2], "{seconds:?}");
    assert!(told["measured"].as_str().unwrap().starts_with("LiteRT 2.3"), "{told}");

    let text = succeeds(&["inspect", &model, "--partitions", "--runtime", &runtime]);
    assert_eq!(text.matches(" ms\n").count(), 3, "{text}");
}
