//! Two texts laid side by side line by line, in time that grows with their lines.

use similar::udiff::UnifiedHunkHeader;
use similar::{Algorithm, ChangeTag, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::ops::Range;

/// So many lines are laid beside as many with all care: Myers' algorithm costs O(ND), all lines times
/// those that differ.
const FEW: usize = 4000;

/// The same between two lines that surely belong together.
const FEW_BETWEEN: usize = 1000;

/// The lines of two texts, and which of them are the same.
pub(crate) struct Lines<'t> {
    old: Vec<&'t str>,
    new: Vec<&'t str>,
    ops: Vec<DiffOp>,
}

impl<'t> Lines<'t> {
    pub(crate) fn of(before: &'t str, after: &'t str) -> Self {
        let old: Vec<&str> = before.split_inclusive('\n').collect();
        let new: Vec<&str> = after.split_inclusive('\n').collect();
        let ops = match old.len().max(new.len()) <= FEW {
            true => capture_diff_slices(Algorithm::Myers, &old, &new),
            false => ops_between(&many_pairs(&old, &new), old.len(), new.len()),
        };
        Self { old, new, ops }
    }

    /// The lines of both texts in order, those that are the same once.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (ChangeTag, &'t str)> {
        self.ops.iter().flat_map(|op| self.changes_of(op))
    }

    fn changes_of(&self, op: &DiffOp) -> impl Iterator<Item = (ChangeTag, &'t str)> {
        let equal = op.tag() == DiffTag::Equal;
        let tag = if equal { ChangeTag::Equal } else { ChangeTag::Delete };
        let come = if equal { 0..0 } else { op.new_range() };
        let gone = self.old[op.old_range()].iter().map(move |line| (tag, *line));
        gone.chain(self.new[come].iter().map(|line| (ChangeTag::Insert, *line)))
    }
}

/// A unified diff of two texts, with one line around what differs; empty where nothing does. Texts of
/// very many lines are laid side by side with less care, so that this takes no longer for each line.
pub fn unified_diff(before: &str, after: &str) -> String {
    let lines = Lines::of(before, after);
    let mut out = String::new();
    for hunk in group_diff_ops(lines.ops.clone(), 1) {
        _ = writeln!(out, "{}", UnifiedHunkHeader::new(&hunk));
        for (tag, line) in hunk.iter().flat_map(|op| lines.changes_of(op)) {
            _ = write!(out, "{tag}{line}");
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// Lines of many that are the same, by their places, in the order of both texts.
fn many_pairs(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    // Lines that only one of the texts has keep no others apart.
    let (in_old, in_new): (HashSet<&str>, HashSet<&str>) =
        (old.iter().copied().collect(), new.iter().copied().collect());
    let shared = |lines: &[&str], other: &HashSet<&str>| -> Vec<usize> {
        (0..lines.len()).filter(|n| other.contains(lines[*n])).collect()
    };
    let (at_old, at_new) = (shared(old, &in_new), shared(new, &in_old));
    let a: Vec<&str> = at_old.iter().map(|n| old[*n]).collect();
    let b: Vec<&str> = at_new.iter().map(|n| new[*n]).collect();

    let mut pairs = Vec::with_capacity(a.len().min(b.len()));
    let (mut i, mut j) = (0, 0);
    for (next_i, next_j) in anchors(&a, &b).into_iter().chain([(a.len(), b.len())]) {
        between(&a, &b, i..next_i, j..next_j, &mut pairs);
        pairs.push((next_i, next_j));
        (i, j) = (next_i + 1, next_j + 1);
    }
    pairs.pop();
    pairs.into_iter().map(|(i, j)| (at_old[i], at_new[j])).collect()
}

/// Lines that each text has once, as many of these as come in one order in both.
fn anchors(a: &[&str], b: &[&str]) -> Vec<(usize, usize)> {
    let (in_a, in_b) = (places(a), places(b));
    let is_once = |(i, line): (usize, &&str)| {
        in_a[*line]?;
        Some((i, in_b[*line]?))
    };
    let pairs: Vec<(usize, usize)> = a.iter().enumerate().filter_map(is_once).collect();
    // The longest rising row of places in `b`: the pair at the end of the lowest row of each length,
    // and the one before each.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (n, (_, j)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].1 < *j);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = n,
            None => ends.push(n),
        }
    }
    let row = std::iter::successors(ends.last().copied(), |n| before[*n]);
    let mut row: Vec<(usize, usize)> = row.map(|n| pairs[n]).collect();
    row.reverse();
    row
}

/// The places of lines; `None` for one that has several.
fn places<'t>(lines: &[&'t str]) -> HashMap<&'t str, Option<usize>> {
    let mut places: HashMap<&str, Option<usize>> = HashMap::new();
    for (n, line) in lines.iter().enumerate() {
        places.entry(line).and_modify(|place| *place = None).or_insert(Some(n));
    }
    places
}

/// Adds the lines that are the same in these parts.
fn between(
    a: &[&str],
    b: &[&str],
    mut old: Range<usize>,
    mut new: Range<usize>,
    pairs: &mut Vec<(usize, usize)>,
) {
    while !old.is_empty() && !new.is_empty() && a[old.start] == b[new.start] {
        pairs.push((old.start, new.start));
        (old.start, new.start) = (old.start + 1, new.start + 1);
    }
    let mut end = 0;
    while end < old.len().min(new.len()) && a[old.end - 1 - end] == b[new.end - 1 - end] {
        end += 1;
    }
    let (old_rest, new_rest) = (old.start..old.end - end, new.start..new.end - end);
    if old_rest.len().max(new_rest.len()) <= FEW_BETWEEN {
        let parts = (&a[old_rest.clone()], &b[new_rest.clone()]);
        for op in capture_diff_slices(Algorithm::Myers, parts.0, parts.1) {
            if op.tag() == DiffTag::Equal {
                let old = op.old_range().map(|n| old_rest.start + n);
                pairs.extend(old.zip(op.new_range().map(|n| new_rest.start + n)));
            }
        }
    }
    pairs.extend((old_rest.end..old.end).zip(new_rest.end..new.end));
}

/// What these pairs of lines make of two texts of so many lines.
fn ops_between(pairs: &[(usize, usize)], old_len: usize, new_len: usize) -> Vec<DiffOp> {
    let mut ops = Vec::new();
    let (mut old_index, mut new_index) = (0, 0);
    for (i, j) in pairs.iter().copied().chain([(old_len, new_len)]) {
        let (gone, come) = (i - old_index, j - new_index);
        match (gone, come) {
            (0, 0) => (),
            (old_len, 0) => ops.push(DiffOp::Delete { old_index, old_len, new_index }),
            (0, new_len) => ops.push(DiffOp::Insert { old_index, new_index, new_len }),
            (old_len, new_len) => {
                ops.push(DiffOp::Replace { old_index, old_len, new_index, new_len });
            }
        }
        if i < old_len {
            match ops.last_mut() {
                Some(DiffOp::Equal { len, .. }) => *len += 1,
                _ => ops.push(DiffOp::Equal { old_index: i, new_index: j, len: 1 }),
            }
        }
        (old_index, new_index) = (i + 1, j + 1);
    }
    ops
}

#[cfg(test)]
mod tests {
    use super::{FEW, Lines, unified_diff};
    use similar::{ChangeTag, TextDiff};

    fn text(lines: impl IntoIterator<Item = String>) -> String {
        lines.into_iter().map(|line| line + "\n").collect()
    }

    /// Both texts are in the changes; gives how many lines are the same.
    fn same(before: &str, after: &str) -> usize {
        let lines = Lines::of(before, after);
        let side = |not| -> String {
            let of = lines.changes().filter(|(tag, _)| *tag != not);
            of.map(|(_, line)| line).collect()
        };
        assert!(side(ChangeTag::Insert) == before && side(ChangeTag::Delete) == after);
        lines.changes().filter(|(tag, _)| *tag == ChangeTag::Equal).count()
    }

    #[test]
    fn a_diff_of_few_lines_is_as_careful_as_can_be() {
        let cases = ["", "a\n", "a\nb\nc\nd\n", "a\nx\nc\nd\n", "d\nc\nb\na\n", "a\nb"];
        for (before, after) in cases.iter().flat_map(|a| cases.map(|b| (*a, b))) {
            let diff = TextDiff::from_lines(before, after);
            let expected = diff.unified_diff().context_radius(1).to_string();
            assert_eq!(unified_diff(before, after), expected, "{before:?} {after:?}");
            same(before, after);
        }
    }

    #[test]
    fn very_many_lines_are_laid_side_by_side() {
        let count = 10 * FEW;
        // Every fourth line is the same everywhere, and nothing tells which belongs to which.
        let line = |n: usize, what: &str| match n % 4 {
            0 => "  }".to_owned(),
            1 => format!("  %w{n} = {what}"),
            _ => format!("  %y{n} = ADD"),
        };
        let before = text((0..count).map(|n| line(n, "f32")));
        assert_eq!(same(&before, &before), count);
        assert_eq!(unified_diff(&before, &before), "");
        let after = text((0..count).map(|n| line(n, "i8")));
        assert_eq!(same(&before, &after), count / 4 * 3);
        let hunk =
            "@@ -1,3 +1,3 @@\n   }\n-  %w1 = f32\n+  %w1 = i8\n   %y2 = ADD\n@@ -5,3 +5,3 @@\n";
        assert!(unified_diff(&before, &after).starts_with(hunk));
        // Some come, and some go.
        let after = text((0..count).filter(|n| n % 100 != 2).map(|n| line(n, "f32")));
        assert_eq!(same(&before, &after), count - count / 100);
        assert_eq!(same(&after, &before), count - count / 100);
        // In another order, and with nothing in common.
        let turned = text((0..count).rev().map(|n| line(n, "f32")));
        assert!(same(&before, &turned) > 0);
        let moved = text((count / 2..count).chain(0..count / 2).map(|n| line(n, "f32")));
        assert!(same(&before, &moved) >= count / 2);
        assert_eq!(same(&before, &text((0..count).map(|n| format!("{n}")))), 0);
        assert_eq!((same(&before, ""), same("", &before)), (0, 0));
        // All are the same, but for their number.
        let equal = |count| text((0..count).map(|_| "  }".to_owned()));
        assert_eq!(same(&equal(count), &equal(count + 7)), count);
    }
}
