//! `bench`: time and memory.

use crate::{CNN, LSTM, has_runtime, json, succeeds};

#[test]
fn bench_measures_both_models() {
    if !has_runtime() {
        return;
    }
    let json = json(&["bench", CNN, LSTM, "--runs=3", "--threads=1", "--json"]);
    let measured = json["measured"].as_array().unwrap();
    let models: Vec<&str> = measured.iter().map(|m| m["model"].as_str().unwrap()).collect();
    assert_eq!(models, [CNN, LSTM]);
    for model in measured {
        assert_eq!(model["seconds"]["count"], 3);
        assert!(model["seconds"]["median"].as_f64().unwrap() > 0.0);
    }
    let printed = succeeds(&["bench", CNN, CNN, "--runs=1", "--threads=1"]);
    assert!(printed.contains(", 1 run each\n"), "{printed}");
    assert!(printed.contains("\nxnnpack, 1 thread: "), "{printed}");
    assert!(printed.contains(" times as long as "), "{printed}");
}
