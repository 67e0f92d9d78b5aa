//! Which known name somebody meant who wrote another.

/// Longer names, in bytes, are compared with none.
const LONGEST: usize = 256;
/// So many steps a search may take, one for each pair of letters: some milliseconds.
const MOST_STEPS: usize = 1 << 22;

/// The known name that is most like this one, if any is: the same but for upper and lower case,
/// else one with few letters added, left out, exchanged or swapped (a third of them at most), else
/// one that begins with it (with three letters or more). Among equals it is the first.
///
/// What it costs is bounded, however long the name is and however many are known.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let letters = name.chars().count();
    let limit = letters.max(3) / 3;
    let mut steps = 0;
    let mut best: Option<(usize, &str)> = None;
    for known in known {
        if known.eq_ignore_ascii_case(name) {
            return Some(known);
        }
        let is_longer = letters >= 3 && known.starts_with(name);
        let mut distance = if is_longer { limit + 1 } else { usize::MAX };
        if known.len() <= LONGEST && steps < MOST_STEPS {
            let length = known.chars().count();
            if length.abs_diff(letters) <= limit {
                steps += length * letters;
                let found = strsim::osa_distance(name, known);
                // Names that have no letter in common are not alike.
                if found <= limit && found < letters {
                    distance = found;
                }
            }
        }
        if distance < best.map_or(usize::MAX, |(least, _)| least) {
            best = Some((distance, known));
        }
    }
    best.map(|(_, known)| known)
}

/// The help of an error about a name that is unknown: the known one that is most like it.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(name, known).map(|best| format!("did you mean `{}`?", crate::visible(best)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_is_found() {
        let known = ["inspect", "CONV_2D", "RELU", "quantize-weights", "conv/Relu", "y", "litert"];
        let cases = [
            ("inspct", Some("inspect")),
            ("isnpect", Some("inspect")),
            ("conv_2d", Some("CONV_2D")),
            ("CONV2D", Some("CONV_2D")),
            ("relu", Some("RELU")),
            ("quantize_weights", Some("quantize-weights")),
            ("quantize", Some("quantize-weights")),
            ("conv", Some("conv/Relu")),
            ("tflite", None),
            ("shrink", None),
            ("x", None),
            ("", None),
        ];
        for (name, meant) in cases {
            assert_eq!(closest(name, known), meant, "{name}");
        }
        assert_eq!(closest("b1", ["a1", "c1"]), Some("a1"));
        assert_eq!(closest("weight", ["weight/read", "weights"]), Some("weights"));
    }

    #[test]
    fn long_names_are_compared_with_none() {
        let huge = "x".repeat(1 << 20);
        assert_eq!(closest(&huge, [huge.as_str(), "x"]), None);
        assert_eq!(closest("x", [huge.as_str(), "X"]), Some("X"));
        let long: Vec<String> = (0..100_000).map(|n| format!("{n:0>200}y")).collect();
        let name = "z".repeat(200);
        assert_eq!(closest(&name, long.iter().map(String::as_str)), None);
    }
}
