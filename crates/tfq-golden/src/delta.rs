//! What a pass changed, in lines of the model's text.

use similar::{ChangeTag, TextDiff};
use std::fmt::Write;

/// The lines that differ: `-` and `+`, without the lines around them and without numbers of
/// lines, so that a delta changes only where its pass does something else. Each line begins
/// with the name of its tensor. In a model of several subgraphs, `@name` stands above what
/// changed in one.
pub(crate) fn delta(before: &str, after: &str) -> String {
    let several = after.lines().chain(before.lines()).filter_map(subgraph).count() > 2;
    let mut out = String::new();
    let (mut current, mut said) = (None, None);
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        let line = change.value().trim_end();
        let sign = match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        if let Some(name) = subgraph(line) {
            current = Some(name);
        }
        if sign == ' ' || line.is_empty() {
            continue;
        }
        if several && current != said {
            said = current;
            _ = writeln!(out, "{}", current.unwrap_or("the model"));
        }
        _ = writeln!(out, "{sign} {}", line.trim_start());
    }
    out
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
        (line.starts_with("- ") || line.starts_with("+ ")).then_some((subgraph, line))
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
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'%' if bytes.get(at + 1) == Some(&b'"') => {
                let end = end_of_string(bytes, at + 1);
                found.push((at, &line[at..end]));
                at = end;
            }
            b'%' => {
                let rest = &line[at + 1..];
                let bare = |c: char| c.is_alphanumeric() || "_.$/-:;".contains(c);
                let end = at + 1 + rest.find(|c| !bare(c)).unwrap_or(rest.len());
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

/// The byte behind the string that begins at `at`.
pub(crate) fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut n = at + 1;
    while n < bytes.len() && bytes[n] != b'"' {
        n += if bytes[n] == b'\\' { 2 } else { 1 };
    }
    (n + 1).min(bytes.len())
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
    }

    #[test]
    fn only_what_differs_is_shown() {
        let text = |op: &str, other: &str| {
            format!("tfg 1 quant\n\nsubgraph @main {{\n  %y = {op}(%x) : f32[1]\n}}\n{other}")
        };
        assert_eq!(
            delta(&text("ABS", ""), &text("NEG", "")),
            "- %y = ABS(%x) : f32[1]\n+ %y = NEG(%x) : f32[1]\n"
        );
        let body = |op| text("ABS", &format!("\nsubgraph @body {{\n  %y = {op}(%x)\n}}\n"));
        assert_eq!(delta(&body("ABS"), &body("NEG")), "@body\n- %y = ABS(%x)\n+ %y = NEG(%x)\n");
    }
}
