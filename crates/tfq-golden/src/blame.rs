//! Which patch first made a difference.

use crate::delta::{Name, changed_lines, names};
use crate::golden::Golden;
use crate::record::{PatchNote, Recording};
use crate::section::{Section, first_difference};
use indexmap::IndexSet;
use std::collections::HashSet;

/// Where a new run first leaves the way that was accepted.
#[derive(Clone, Debug)]
pub struct Blame {
    /// The title of the first section that differs.
    pub section: String,
    /// Its number, from 1, and how many sections the new run has.
    pub place: (usize, usize),
    /// The pass that was accepted there, where another runs now.
    pub instead_of: Option<String>,
    /// Lines that only the accepted delta has (`-`) and only the new one (`+`).
    pub lines: Vec<String>,
    /// The first patch of that pass, from 1, that touches a tensor of these lines.
    pub patch: Option<(usize, PatchNote)>,
    /// Tensors of the lines that no patch of the new run touches: what was done to them is not
    /// done any more.
    pub untouched: Vec<String>,
}

/// Finds the first pass whose delta differs from the accepted one, and in it the first patch
/// that touches a tensor on a line that differs. `None` where every pass does what was accepted.
///
/// A golden keeps what each pass changed and not each patch, so a patch cannot be compared with
/// the accepted one; it can be said what it touched.
pub fn blame(accepted: &Golden, new: &Recording) -> Option<Blame> {
    let (old, now) = (&accepted.sections, &new.sections);
    let at = first_difference(old, now)?;
    let (a, b) = (old.get(at), now.get(at));
    let body = |section: Option<&Section>| section.map_or("", |s| &s.body).to_owned();
    let (before, after) = (body(a), body(b));
    let pass = |section: &Section| section.pass().to_owned();
    let same_pass = a.map(pass) == b.map(pass);

    let mut lines = Vec::new();
    let mut tensors: IndexSet<Name> = IndexSet::new();
    for (sign, mine, other) in [('-', &before, &after), ('+', &after, &before)] {
        let there: HashSet<_> = changed_lines(other).collect();
        for (subgraph, line) in changed_lines(mine).filter(|line| !there.contains(line)) {
            lines.push(format!("{sign} | {line}"));
            for name in names(line) {
                let subgraph = subgraph.map(str::to_owned);
                tensors.insert(Name { subgraph, tensor: name.to_owned() });
            }
        }
        if sign == '+' && lines.is_empty() {
            lines.extend(unlike(&before, &after));
        }
    }
    let notes = new.patches.get(at).map_or(&[][..], Vec::as_slice);
    // Under each name with the subgraph and without.
    let wanted = |note: &PatchNote| {
        let mut names = note.names();
        names.any(|name| tensors.contains(&name))
    };
    let patch = notes.iter().position(wanted);
    let touched: HashSet<Name> = notes.iter().flat_map(PatchNote::names).collect();
    let untouched = tensors.iter().filter(|name| !touched.contains(*name));
    Some(Blame {
        section: b.or(a).map(|section| section.title.clone()).unwrap_or_default(),
        place: (at + 1, now.len()),
        instead_of: if same_pass { None } else { a.map(pass) },
        lines,
        patch: patch.map(|n| (n + 1, notes[n].clone())),
        untouched: untouched.map(|name| name.tensor.clone()).collect(),
    })
}

/// Lines of a body that are none of the model's, such as errors and labels of patches.
fn unlike(before: &str, after: &str) -> Vec<String> {
    let missing = |sign: char, mine: &str, other: &str| -> Vec<String> {
        let there: HashSet<&str> = other.lines().collect();
        let lines = mine.lines().filter(|line| !there.contains(line));
        lines.map(|line| format!("{sign} | {line}")).collect()
    };
    [missing('-', before, after), missing('+', after, before)].concat()
}
