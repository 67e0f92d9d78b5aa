//! Operator versions: which one an op needs, which the runtime registers, and since which release.

use crate::error::{Problem, TargetError};
use crate::facts::condition::{Condition, Site, op_named};
use crate::facts::table::Table;
use std::cmp::Ordering;
use std::sync::OnceLock;

const RULES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/op_versions.bin"));
const RUNTIMES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/op_runtime_versions.bin"));
const REFERENCE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/op_reference_versions.bin"));

/// The version rules, in order of op and then of the file.
pub(crate) struct VersionRules {
    rows: Vec<(i32, Vec<Condition>, i32)>,
}

/// Releases and registered ranges.
pub(crate) struct RuntimeVersions {
    /// In order of op and version.
    releases: Vec<(i32, i32, String)>,
    /// In order of op.
    registered: Vec<(i32, i32, i32)>,
    /// What the reference kernels got later, in order of op and version.
    lagging: Vec<(i32, i32, String)>,
}

/// The shipped rules.
pub(crate) fn rules() -> &'static VersionRules {
    static SHIPPED: OnceLock<VersionRules> = OnceLock::new();
    SHIPPED
        .get_or_init(|| VersionRules::of(&shipped(RULES)).expect("a test reads the shipped rules"))
}

/// The shipped releases and ranges.
pub(crate) fn runtimes() -> &'static RuntimeVersions {
    static SHIPPED: OnceLock<RuntimeVersions> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        RuntimeVersions::of(&shipped(RUNTIMES), &shipped(REFERENCE))
            .expect("a test reads the shipped runtime versions")
    })
}

fn shipped(table: &'static [u8]) -> Table<&'static str> {
    postcard::from_bytes(table).expect("the build made it of the same rows")
}

/// Shows the rows of a table with this header, with their line numbers.
fn each_row<'t, const N: usize>(
    name: &'static str,
    table: &Table<&'t str>,
    header: [&'static str; N],
    mut row: impl FnMut(usize, [&'t str; N]) -> Result<(), TargetError>,
) -> Result<(), TargetError> {
    let (rows, _) = table.cells.as_chunks();
    let mut rows = table.lines.iter().zip(rows);
    if table.columns != N || rows.next().is_none_or(|(_, columns)| *columns != header) {
        return Err(at_line(name, table.lines.first().copied().unwrap_or(0), Problem::Columns(N)));
    }
    rows.try_for_each(|(line, columns)| row(*line, *columns))
}

fn at_line(table: &str, line: usize, problem: Problem) -> TargetError {
    TargetError { target: table.to_owned(), line, span: 0..0, problem }
}

fn number(text: &str) -> Result<i32, Problem> {
    text.parse().map_err(|_| Problem::Number(text.to_owned()))
}

impl VersionRules {
    fn of(rules: &Table<&str>) -> Result<Self, TargetError> {
        let table = "op_versions.csv";
        let mut found: Vec<(i32, Vec<Condition>, i32)> = Vec::new();
        let mut lines: Vec<usize> = Vec::new();
        let header = ["op", "conditions", "version"];
        each_row(table, rules, header, |line, [op, conditions, version]| {
            let at = |problem| at_line(table, line, problem);
            let info = op_named(op).map_err(at)?;
            let mut when = Vec::new();
            for text in conditions.split_ascii_whitespace() {
                let condition = Condition::parse(text, &[info]).map_err(at)?;
                if condition.needs_weight() {
                    return Err(at(Problem::NeedsWeight(text.to_owned())));
                }
                when.push(condition);
            }
            let covers = |(code, earlier, _): &(i32, Vec<Condition>, i32)| {
                *code == info.code && earlier.iter().all(|condition| when.contains(condition))
            };
            if let Some(earlier) = found.iter().position(covers) {
                return Err(at(Problem::Unreachable(lines[earlier])));
            }
            found.push((info.code, when, number(version).map_err(at)?));
            lines.push(line);
            Ok(())
        })?;
        found.sort_by_key(|(code, _, _)| *code);
        Ok(Self { rows: found })
    }

    /// The version of the first row of the op that matches.
    pub(crate) fn version(&self, code: i32, site: &Site<'_>) -> Option<i32> {
        self.matching(code, site).next()
    }

    /// The highest version of the rows that match: what a runtime must have. The first may hide it,
    /// since the rules stop at what they notice first (an operand left out) before they look at the
    /// weights.
    pub(crate) fn needed(&self, code: i32, site: &Site<'_>) -> Option<i32> {
        self.matching(code, site).max()
    }

    fn matching(&self, code: i32, site: &Site<'_>) -> impl Iterator<Item = i32> {
        let first = self.rows.partition_point(|(op, _, _)| *op < code);
        let of_op = self.rows[first..].iter().take_while(move |(op, _, _)| *op == code);
        let holds = |(_, when, _): &&(i32, Vec<Condition>, i32)| when.iter().all(|c| c.holds(site));
        of_op.filter(holds).map(|(_, _, version)| *version)
    }
}

impl RuntimeVersions {
    fn of(versions: &Table<&str>, reference: &Table<&str>) -> Result<Self, TargetError> {
        let table = "op_runtime_versions.csv";
        let mut releases = Vec::new();
        let mut registered = Vec::new();
        let mut last = (String::new(), 0);
        let header = ["op", "version", "min_runtime", "registered_min", "registered_max"];
        each_row(table, versions, header, |line, [op, version, release, min, max]| {
            let at = |problem| at_line(table, line, problem);
            if op != last.0 {
                last = (op.to_owned(), op_named(op).map_err(at)?.code);
                if !min.is_empty() {
                    let range = (number(min).map_err(at)?, number(max).map_err(at)?);
                    registered.push((last.1, range.0, range.1));
                }
            }
            releases.push((last.1, number(version).map_err(at)?, release.to_owned()));
            Ok(())
        })?;
        let table = "op_reference_versions.csv";
        let mut lagging = Vec::new();
        let header = ["op", "version", "min_runtime"];
        each_row(table, reference, header, |line, [op, version, release]| {
            let at = |problem| at_line(table, line, problem);
            let code = op_named(op).map_err(at)?.code;
            lagging.push((code, number(version).map_err(at)?, release.to_owned()));
            Ok(())
        })?;
        releases.sort_unstable();
        registered.sort_unstable();
        lagging.sort_unstable();
        Ok(Self { releases, registered, lagging })
    }

    /// The first release with this version of the op; with reference kernels that have it too,
    /// where they must.
    pub(crate) fn release_of(&self, code: i32, version: i32, reference: bool) -> Option<&str> {
        let release = self.release(code, version)?;
        let find = || {
            let key = |(op, version, _): &(i32, i32, String)| (*op, *version);
            let found = self.lagging.binary_search_by_key(&(code, version), key).ok()?;
            Some(self.lagging[found].2.as_str())
        };
        let late = if reference { find() } else { None };
        max_runtime([Some(release), late].into_iter().flatten())
    }

    pub(crate) fn release(&self, code: i32, version: i32) -> Option<&str> {
        let key = (code, version);
        let found =
            self.releases.binary_search_by_key(&key, |(op, version, _)| (*op, *version)).ok()?;
        Some(&self.releases[found].2)
    }

    /// The last registered version that a runtime of this release has, with its reference kernels
    /// where they must.
    pub(crate) fn newest(&self, code: i32, cap: &str, reference: bool) -> Option<i32> {
        let (min, max) = self.registered(code)?;
        let first = self.releases.partition_point(|(op, _, _)| *op < code);
        let of_op = self.releases[first..].iter().take_while(|(op, _, _)| *op == code);
        let there = of_op.filter(|(_, version, _)| (min..=max).contains(version)).filter(
            |(_, version, _)| {
                let release = self.release_of(code, *version, reference);
                release.is_some_and(|release| reaches(cap, release))
            },
        );
        there.map(|(_, version, _)| *version).max()
    }

    /// Whether the table is about the op, be it that the runtime has none.
    pub(crate) fn knows(&self, code: i32) -> bool {
        let first = self.releases.partition_point(|(op, _, _)| *op < code);
        self.releases.get(first).is_some_and(|(op, _, _)| *op == code)
    }

    pub(crate) fn registered(&self, code: i32) -> Option<(i32, i32)> {
        let found = self.registered.binary_search_by_key(&code, |(op, _, _)| *op).ok()?;
        let (_, min, max) = self.registered[found];
        Some((min, max))
    }
}

/// The latest of some releases. They are compared number by number; where one is the beginning of
/// the other, the longer one is later.
pub fn max_runtime<'a>(releases: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    releases.max_by(|left, right| compare_releases(left, right))
}

/// Whether this is the number of a release, or the beginning of one.
pub(crate) fn is_release(text: &str) -> bool {
    text.contains('.') && text.split('.').all(|part| part.parse::<u32>().is_ok())
}

/// Whether a runtime up to the release `cap` has what came with `release`. A cap of `2.5` means all
/// of 2.5.
pub(crate) fn reaches(cap: &str, release: &str) -> bool {
    let parts = cap.split('.').count();
    let beginning: Vec<&str> = release.split('.').take(parts).collect();
    compare_releases(&beginning.join("."), cap) != Ordering::Greater
}

pub(crate) fn compare_releases(left: &str, right: &str) -> Ordering {
    // Most that are compared are the same.
    if left == right {
        return Ordering::Equal;
    }
    let numbers = |release: &str| -> smallvec::SmallVec<[u64; 4]> {
        release.split('.').map(|part| part.parse().unwrap_or(0)).collect()
    };
    numbers(left).cmp(&numbers(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_tables_are_read() {
        assert!(rules().rows.len() > 100);
        let runtimes = runtimes();
        assert_eq!(runtimes.releases.len(), 441);
        assert!(
            runtimes
                .releases
                .windows(2)
                .all(|pair| (pair[0].0, pair[0].1) != (pair[1].0, pair[1].1))
        );
    }

    #[test]
    fn every_version_of_the_rules_is_registered_but_two() {
        let (rules, runtimes) = (rules(), runtimes());
        let loose: Vec<_> = rules
            .rows
            .iter()
            .filter(|(op, _, version)| {
                let range = runtimes.registered(*op).unwrap();
                !(range.0..=range.1).contains(version) || runtimes.release(*op, *version).is_none()
            })
            .map(|(op, _, version)| (tfq_ir::catalog::op_by_code(*op).unwrap().name, *version))
            .collect();
        assert_eq!(loose, [("LSTM", 5), ("UNIDIRECTIONAL_SEQUENCE_LSTM", 5)]);
    }

    #[test]
    fn malformed_tables_are_refused_with_their_line() {
        let header = ["op", "conditions", "version"];
        let refused = |rows: &[[&'static str; 3]]| {
            let cells = [header].iter().chain(rows).flatten().copied().collect();
            let table = Table { columns: 3, lines: (2..).take(rows.len() + 1).collect(), cells };
            match VersionRules::of(&table) {
                Err(error) => (error.line, error.problem),
                Ok(_) => panic!("{rows:?} were read"),
            }
        };
        assert_eq!(refused(&[["CONV_4D", "", "1"]]), (3, Problem::UnknownOp("CONV_4D".into())));
        assert_eq!(refused(&[["CONV_2D", "", "x"]]), (3, Problem::Number("x".into())));
        let with_weight = refused(&[["CONV_2D", "zero-point", "1"]]);
        assert_eq!(with_weight, (3, Problem::NeedsWeight("zero-point".into())));
        let hidden = refused(&[["CONV_2D", "", "1"], ["CONV_2D", "grouped", "6"]]);
        assert_eq!(hidden, (4, Problem::Unreachable(3)));
        let short = Table { columns: 2, lines: vec![1], cells: vec!["op", "version"] };
        let short = VersionRules::of(&short).err().map(|error| (error.line, error.problem));
        assert_eq!(short, Some((1, Problem::Columns(3))));
    }

    #[test]
    fn a_cap_reaches_what_came_with_it() {
        assert!(reaches("2.5", "2.5.0") && reaches("2.5", "2.5.3") && reaches("2.5.0", "2.5.0"));
        assert!(reaches("2.10", "2.9.0") && reaches("2.14", "2.14.4") && reaches("2.0", "1.15.0"));
        assert!(!reaches("2.5", "2.10.0") && !reaches("2.14.0", "2.14.4"));
        assert!(is_release("2.5") && is_release("2.14.4"));
        assert!(!is_release("2") && !is_release("2.x") && !is_release(""));
        let dense = tfq_ir::catalog::ops::FULLY_CONNECTED;
        assert_eq!(runtimes().newest(dense, "2.16", false), Some(11));
        assert_eq!(runtimes().newest(dense, "2.16", true), Some(9));
        assert_eq!(runtimes().newest(dense, "1.4", false), None);
        assert_eq!(runtimes().newest(dense, "99.0", true), Some(14));
        assert_eq!(runtimes().newest(tfq_ir::catalog::ops::BATCH_MATMUL, "2.2", false), None);
    }

    #[test]
    fn releases_are_compared_by_number() {
        assert_eq!(max_runtime(["2.3.0", "2.17.0", "1.14.0"].into_iter()), Some("2.17.0"));
        assert_eq!(max_runtime(["1.13", "1.13.1", "1.9.0"].into_iter()), Some("1.13.1"));
        assert_eq!(max_runtime(["2.14.4", "2.14.0"].into_iter()), Some("2.14.4"));
        assert_eq!(max_runtime(std::iter::empty()), None);
    }
}
