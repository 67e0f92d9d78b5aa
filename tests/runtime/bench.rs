//! `bench`: time and memory.

use crate::{CNN, LSTM, json, succeeds};

pub(crate) const TESTS: &[(&str, fn())] = crate::named![bench_measures_both_models,];

fn bench_measures_both_models() {
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
