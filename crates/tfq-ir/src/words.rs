//! Numbers and words as people write them.

/// `13997345` becomes `13 997 345`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `1 op`, `2 ops`, `13 997 patches`.
pub fn counted(n: impl TryInto<u64>, word: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    format!("{} {}", grouped(n), plural(n, word))
}

/// The word as it stands behind this number: `op` or `ops`, `patch` or `patches`, `entry` or
/// `entries`.
pub fn plural(n: impl TryInto<u64>, word: &str) -> String {
    if n.try_into().is_ok_and(|n| n == 1) {
        return word.to_owned();
    }
    match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if word.ends_with("ch") || word.ends_with("sh") || word.ends_with(['s', 'x']) => {
            format!("{word}es")
        }
        _ => format!("{word}s"),
    }
}

/// The line and the column in characters of a place in a text, both from 1. A place inside of a
/// character is that where it begins, and one beyond the text is its end.
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
    (line, 1 + before[line_start..].chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_their_number() {
        let told = |word| [0u32, 1, 2].map(|n| counted(n, word));
        assert_eq!(told("thread"), ["0 threads", "1 thread", "2 threads"]);
        assert_eq!(told("patch"), ["0 patches", "1 patch", "2 patches"]);
        assert_eq!(told("entry"), ["0 entries", "1 entry", "2 entries"]);
        assert_eq!(counted(13_997_345u64, "byte"), "13 997 345 bytes");
    }
}
