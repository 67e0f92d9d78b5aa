//! What a pass changed, in lines of the model's text.

use crate::lines::Lines;
use similar::{Algorithm, ChangeTag, DiffTag, capture_diff_slices};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use tfq_text::{name_len, quoted_len};

/// The lines that differ, without those around them and without numbers of lines, so that a
/// delta changes only where its pass does something else: `-` and `+` before a line that came
/// or went, and `~` where a line of one name reads otherwise, with `[-the words before-]` and
/// `{+the words after+}`. In a model of several subgraphs, `@name` stands above what changed in
/// one.
pub(crate) fn delta(before: &str, after: &str) -> String {
    let several = after.lines().chain(before.lines()).filter_map(subgraph).count() > 2;
    let mut delta = Delta { several, ..Delta::default() };
    for (tag, line) in Lines::of(before, after).changes() {
        let line = line.trim();
        match tag {
            ChangeTag::Equal => delta.flush(),
            ChangeTag::Delete if line.is_empty() => (),
            ChangeTag::Insert if line.is_empty() => (),
            ChangeTag::Delete => delta.gone.push(line),
            ChangeTag::Insert => delta.come.push(line),
        }
        if let Some(name) = subgraph(line) {
            delta.flush();
            delta.current = Some(name);
        }
    }
    delta.flush();
    delta.out
}

#[derive(Default)]
struct Delta<'t> {
    several: bool,
    out: String,
    current: Option<&'t str>,
    said: Option<&'t str>,
    /// Lines that went and came in one place.
    gone: Vec<&'t str>,
    come: Vec<&'t str>,
}

impl<'t> Delta<'t> {
    fn flush(&mut self) {
        let (gone, come) = (std::mem::take(&mut self.gone), std::mem::take(&mut self.come));
        let mut places: HashMap<&str, VecDeque<usize>> = HashMap::new();
        for (at, line) in come.iter().enumerate() {
            if let Some(key) = key(line) {
                places.entry(key).or_default().push_back(at);
            }
        }
        let mut paired = vec![false; come.len()];
        for line in gone {
            let same = key(line).and_then(|key| places.get_mut(key)?.pop_front());
            match same {
                Some(at) => {
                    paired[at] = true;
                    self.line(&changed(line, come[at]));
                }
                None => self.line(&format!("- {line}")),
            }
        }
        for (line, _) in come.into_iter().zip(paired).filter(|(_, paired)| !paired) {
            self.line(&format!("+ {line}"));
        }
    }

    fn line(&mut self, line: &str) {
        if self.several && self.current != self.said {
            self.said = self.current;
            _ = writeln!(self.out, "{}", self.current.unwrap_or("the model"));
        }
        _ = writeln!(self.out, "{line}");
    }
}

/// What a line defines: `%x`, `metadata "name"`.
fn key(line: &str) -> Option<&str> {
    line.split_once(" = ").map(|(key, _)| key)
}

/// Two lines of one key in one.
fn changed(before: &str, after: &str) -> String {
    let key = key(before).unwrap_or_default();
    let (before, after) = (&before[key.len() + 3..], &after[key.len() + 3..]);
    let (old, new) = (words(before), words(after));
    // The op says more than its name.
    let kind = after.split(['(', ' ', ':', '.']).next().unwrap_or_default();
    let kind =
        if kind.is_empty() || kind.contains('"') { String::new() } else { format!(" = {kind}") };
    let mut out = format!("~ {key}{kind}:");
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        if op.tag() == DiffTag::Equal {
            continue;
        }
        out.push(' ');
        let (old, new) = (old[op.old_range()].concat(), new[op.new_range()].concat());
        if !old.is_empty() {
            _ = write!(out, "[-{}-]", old.trim());
        }
        if !new.is_empty() {
            _ = write!(out, "{{+{}+}}", new.trim());
        }
    }
    out
}

/// Whether a piece of a line such as `CONV_2D.v3(...)` begins at the version.
fn is_version(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix(".v") else { return false };
    let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    behind.len() < rest.len() && behind.starts_with('(')
}

/// A line in pieces: operands, attributes and statistics each by itself.
fn words(line: &str) -> Vec<&str> {
    let bytes = line.as_bytes();
    let mut words = Vec::new();
    let (mut begin, mut at, mut depth) = (0, 0, 0_usize);
    while at < bytes.len() {
        // Shapes and scales are one word each; a version is one behind its op.
        let ends = match bytes[at] {
            b'.' if at > begin && is_version(&line[at..]) => {
                words.push(&line[begin..at]);
                begin = at;
                false
            }
            b'"' => {
                at += quoted_len(&line[at..]);
                continue;
            }
            b'[' => {
                depth += 1;
                false
            }
            b']' => {
                depth = depth.saturating_sub(1);
                false
            }
            b' ' if line[..at].ends_with(" =") || line[at..].starts_with(" =") => false,
            b' ' | b'(' | b')' | b'{' | b'}' | b',' => depth == 0,
            _ => false,
        };
        if ends {
            words.extend([&line[begin..at], &line[at..=at]].into_iter().filter(|w| !w.is_empty()));
            begin = at + 1;
        }
        at += 1;
    }
    words.extend(Some(&line[begin..]).filter(|word| !word.is_empty()));
    words
}

/// `@name` of the line that a subgraph begins with.
fn subgraph(line: &str) -> Option<&str> {
    line.strip_prefix("subgraph ")?.strip_suffix(" {")
}

/// A tensor by the subgraph and the name that a text has it under; the subgraph is left out
/// where there is only one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) subgraph: Option<String>,
    pub(crate) tensor: String,
}

/// The changed lines of a section's body, each with its subgraph.
pub(crate) fn changed_lines(body: &str) -> impl Iterator<Item = (Option<&str>, &str)> {
    let mut subgraph = None;
    body.lines().filter_map(move |line| {
        if line.starts_with('@') {
            subgraph = Some(line);
        }
        ["- ", "+ ", "~ "].iter().any(|sign| line.starts_with(sign)).then_some((subgraph, line))
    })
}

/// The tensors that a changed line is about: those that it defines, or all that it names where
/// it defines none.
pub(crate) fn names(line: &str) -> Vec<&str> {
    let line = line.get(2..).unwrap_or_default();
    let all = tensors(line);
    let defined: Vec<&str> = {
        let end = all.iter().take_while(|(at, _)| {
            // Only names, commas and blanks stand before the `=` of a definition.
            !line[..*at].contains([' ', '(']) || line[..*at].ends_with(", ")
        });
        end.map(|(_, name)| *name).collect()
    };
    if line.starts_with('%') { defined } else { all.into_iter().map(|(_, name)| name).collect() }
}

/// Names with their `%` and the byte where each begins.
fn tensors(line: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < line.len() {
        match line.as_bytes()[at] {
            b'"' => at += quoted_len(&line[at..]),
            b'%' => {
                let end = at + 1 + name_len(&line[at + 1..]);
                // `4.17%` is a share, not a name.
                if end > at + 1 {
                    found.push((at, &line[at..end]));
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{delta, names};

    #[test]
    fn a_line_is_about_what_it_defines() {
        assert_eq!(names("- %x = const : i32[2] = [-1, 384]"), ["%x"]);
        assert_eq!(names("+ %a, %\"b, c\" = SPLIT(%d, %e) : f32[1], f32[1]"), ["%a", "%\"b, c\""]);
        assert_eq!(names("- ASSIGN_VARIABLE(%v, %x)"), ["%v", "%x"]);
        assert_eq!(names("+ output %y"), ["%y"]);
        assert_eq!(names("+ %w = const : f32[9] {min = 0.1, zeros = 4.17%}"), ["%w"]);
        assert_eq!(names("- description \"100 %x\""), [""; 0]);
        assert_eq!(names("~ %y = CONV_2D: [-%w-]{+%w_dequant+}"), ["%y"]);
        // Of an op without a name the key stands alone.
        assert_eq!(names("~ %a:0/b: [-x-]{+y+}"), ["%a:0/b"]);
    }

    #[test]
    fn only_what_differs_is_shown() {
        let text = |op: &str, other: &str| {
            format!("tfg 1 quant\n\nsubgraph @main {{\n  %y = {op}(%x) : f32[1]\n}}\n{other}")
        };
        assert_eq!(delta(&text("ABS", ""), &text("NEG", "")), "~ %y = NEG: [-ABS-]{+NEG+}\n");
        let body = |op| text("ABS", &format!("\nsubgraph @body {{\n  %y = {op}(%x)\n}}\n"));
        assert_eq!(delta(&body("ABS"), &body("NEG")), "@body\n~ %y = NEG: [-ABS-]{+NEG+}\n");
        let op = |kind| format!("%y = {kind}(%x, %w) : f32[1]\n");
        assert_eq!(delta(&op("CONV_2D"), &op("CONV_2D.v5")), "~ %y = CONV_2D: {+.v5+}\n");
        let line = "%w = const : f32[24,3] {min = 1, max = 2}\n%old = const : f32[1]\n";
        let new = "%w = const : i8[24,3] q([3 : 0.1..0.2], axis = 0) {min = 1, max = 3}\n%new = ABS(%w)\n";
        assert_eq!(
            delta(line, new),
            "~ %w = const: [-f32[24,3]-]{+i8[24,3] q([3 : 0.1..0.2], axis = 0)+} [-max = 2-]{+max = 3+}\n\
             - %old = const : f32[1]\n+ %new = ABS(%w)\n"
        );
    }
}
