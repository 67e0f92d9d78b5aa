//! Where the values of inputs came from.

use serde_json::{Value as Json, json};
use std::fmt;
use tfq_ir::counted;
use tfq_text::visible;

/// What is said of values that were made up at random.
pub(super) const RANDOM: &str = "random";

/// Where the values of inputs came from.
pub(crate) struct Sources {
    pub(super) inputs: Vec<(String, String)>,
    pub(super) samples: usize,
    pub(super) seed: u64,
    /// From how many seeds, the first among them, random values were made up.
    pub(super) seeds: u64,
}

impl Sources {
    /// Whether some were made up at random, which tells little of real ones.
    pub(crate) fn random(&self) -> bool {
        self.inputs.iter().any(|(_, from)| from == RANDOM)
    }

    pub(crate) fn json(&self) -> Json {
        let inputs = self.inputs.iter().map(|(name, from)| json!({ "name": name, "from": from }));
        let inputs: Vec<Json> = inputs.collect();
        let mut object = json!({ "inputs": inputs, "samples": self.samples });
        object["random"] = self.random().into();
        if self.random() {
            object["seed"] = self.seed.into();
        }
        object
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phrase = |from: &str| match from {
            RANDOM if self.seeds > 1 => {
                let (first, last) = (self.seed, self.seed.wrapping_add(self.seeds - 1));
                format!("random from seeds {first} to {last}")
            }
            RANDOM => format!("random from seed {}", self.seed),
            from => from.to_owned(),
        };
        let mut by_source: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, from) in &self.inputs {
            match by_source.iter_mut().find(|(source, _)| source == from) {
                Some((_, names)) => names.push(name),
                None => by_source.push((from, vec![name])),
            }
        }
        match &by_source[..] {
            [] => f.write_str("none")?,
            [(from, _)] => f.write_str(&phrase(from))?,
            several => {
                for (n, (from, names)) in several.iter().enumerate() {
                    let names: Vec<String> =
                        names.iter().map(|name| format!("`{}`", visible(name))).collect();
                    let comma = if n > 0 { ", " } else { "" };
                    write!(f, "{comma}{} {}", names.join(" and "), phrase(from))?;
                }
            }
        }
        if self.samples > 1 { write!(f, ", {}", counted(self.samples, "sample")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(inputs: &[(&str, &str)], samples: usize) -> String {
        let inputs = inputs.iter().map(|(name, from)| ((*name).to_owned(), (*from).to_owned()));
        Sources { inputs: inputs.collect(), samples, seed: 7, seeds: 1 }.to_string()
    }

    #[test]
    fn sources_are_told_once() {
        assert_eq!(sources(&[("x", RANDOM), ("y", RANDOM)], 1), "random from seed 7");
        let several = Sources {
            inputs: vec![("x".to_owned(), RANDOM.to_owned())],
            samples: 4,
            seed: 7,
            seeds: 4,
        };
        assert_eq!(several.to_string(), "random from seeds 7 to 10, 4 samples");
        assert_eq!(sources(&[("x", "d.npz"), ("y", "d.npz")], 9), "d.npz, 9 samples");
        let mixed = sources(&[("x", "d.npz"), ("y", RANDOM), ("z", "d.npz")], 2);
        assert_eq!(mixed, "`x` and `z` d.npz, `y` random from seed 7, 2 samples");
    }
}
