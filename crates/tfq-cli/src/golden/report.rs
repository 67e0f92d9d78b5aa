//! The report of a check in its forms.

use super::super::diagnostics::named;
use super::super::json::json_text;
use super::super::tool;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde_json::json;
use std::fmt::Write as _;
use std::io;
use tfq_diff::Style;
use tfq_golden::{Cause, Comparison, Folder, Kind};
use tfq_ir::counted;
use tfq_text::{Level, visible, visible_lines};

/// Version of the form of [`json`].
const SCHEMA: u32 = 1;

pub(super) struct Report<'a> {
    pub(super) folder: &'a Folder,
    /// Whether results that differ were written for review.
    pub(super) writes: bool,
    pub(super) verdicts: &'a [Verdict],
    /// Goldens that the index does not name.
    pub(super) stale: &'a [String],
}

/// What became of one golden.
pub(super) struct Verdict {
    pub(super) name: String,
    pub(super) file: String,
    /// The line of the file to look at first.
    pub(super) line: Option<usize>,
    pub(super) state: State,
    /// Where the new result was written.
    pub(super) pending: Option<String>,
    /// Why what waits for review could not be written or removed.
    pub(super) unwritten: Option<String>,
}

pub(super) enum State {
    Same(Comparison),
    Differs(Comparison),
    /// It could not be compared.
    Error {
        message: String,
        help: Option<String>,
    },
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self.state {
            State::Same(_) => "ok",
            State::Differs(_) => "differs",
            State::Error { .. } => "error",
        }
    }

    /// What is wrong in one line; nothing where nothing is worth telling.
    fn title(&self) -> String {
        match &self.state {
            State::Error { message, .. } => message.clone(),
            State::Differs(comparison) => {
                let kinds: Vec<&str> = comparison.kinds.iter().map(|kind| kind.name()).collect();
                kinds.join(", ")
            }
            State::Same(comparison) if comparison.kinds.contains(&Kind::Formatting) => {
                Kind::Formatting.name().to_owned()
            }
            State::Same(_) => String::new(),
        }
    }

    /// Why and where, in lines without indentation.
    fn lines(&self) -> Vec<String> {
        let mut lines = match &self.state {
            State::Error { help, .. } => help.iter().map(|help| format!("help: {help}")).collect(),
            State::Same(comparison) => {
                let harmless = comparison.causes.iter().filter_map(harmless);
                harmless.chain(comparison.level.map(levels)).collect()
            }
            State::Differs(comparison) => reasons(comparison),
        };
        if let Some(why) = &self.unwritten {
            let same = matches!(&self.state, State::Same(comparison) if comparison.level.is_none());
            let verb = if same { "removed from" } else { "written for" };
            lines.push(format!("could not be {verb} review: {why}"));
        }
        lines
    }
}

const STALE: &str = "a golden that the index does not name";
const STALE_HELP: &str = "help: name it in the index again, or `tfq-opt golden prune` to remove it";

fn levels(level: Level) -> String {
    format!("compared at level {level}, since no more is in both; accept the new result to go on")
}

/// Why a result differs, and where.
pub(super) fn reasons(comparison: &Comparison) -> Vec<String> {
    let mut lines = vec![comparison.headline()];
    if let Some(pass) = &comparison.first_pass {
        lines.push(format!("first in step {pass}"));
    }
    lines.extend(comparison.causes.iter().map(cause));
    lines.extend(comparison.level.map(levels));
    if comparison.causes.is_empty() {
        lines.push("model, pipeline, target and the tool's version are those of the golden".into());
    }
    lines.extend(
        comparison
            .errors
            .iter()
            .map(|e| format!("error of {}: {} -> {}", e.tensor, e.before, e.after)),
    );
    lines
}

fn cause(cause: &Cause) -> String {
    match cause.what {
        "input" => "the model's file is another than when the golden was accepted".to_owned(),
        what => format!("another {what}: {} -> {}", cause.before, cause.after),
    }
}

/// What changed without a consequence.
fn harmless(cause: &Cause) -> Option<String> {
    match cause.what {
        "input" => Some("the model's file is another, and the result the same".to_owned()),
        "level" => Some(self::cause(cause)),
        _ => None,
    }
}

pub(super) fn human(report: &Report<'_>) -> String {
    let width = report.verdicts.iter().map(|v| v.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for verdict in report.verdicts {
        let title = verdict.title();
        let line = format!("{:7}  {:width$}  {title}", verdict.word(), verdict.name);
        _ = writeln!(out, "{}", visible(line.trim_end()));
        for line in verdict.lines() {
            _ = writeln!(out, "         {}", visible(&line));
        }
        if let State::Differs(comparison) = &verdict.state {
            for line in comparison.details(Style::Plain).lines().skip(1) {
                _ = writeln!(out, "{}", format!("           {line}").trim_end());
            }
        }
    }
    for file in report.stale {
        let file = visible(file);
        _ = writeln!(out, "{:7}  {file}  {STALE}\n         {}", "stale", tool::own(STALE_HELP));
    }
    let count = |word: &str| report.verdicts.iter().filter(|v| v.word() == word).count();
    let (ok, differ, errors) = (count("ok"), count("differs"), count("error"));
    let mut parts = vec![format!("{ok} ok")];
    if differ > 0 {
        parts.push(format!("{differ} {}", if differ == 1 { "differs" } else { "differ" }));
    }
    if errors > 0 {
        parts.push(counted(errors, "error"));
    }
    if !report.stale.is_empty() {
        parts.push(format!("{} stale", report.stale.len()));
    }
    let total = counted(report.verdicts.len(), "golden");
    _ = writeln!(out, "{total}: {}", parts.join(", "));
    if report.verdicts.iter().any(|verdict| verdict.pending.is_some()) {
        let (tool, dir) = (tool::name(), dir(report));
        _ = writeln!(out, "see and accept new results with `{tool} golden review{dir}`");
    } else if differ > 0 && !report.writes {
        _ = writeln!(
            out,
            "nothing was written for review; `{} golden check --pending=always{}` does",
            tool::name(),
            dir(report)
        );
    }
    out
}

/// The option that names the folder, where it is needed.
fn dir(report: &Report<'_>) -> String {
    match report.folder.path().to_str() {
        Some("goldens") => String::new(),
        _ => format!(" --dir {}", named(report.folder.path())),
    }
}

pub(super) fn json(report: &Report<'_>) -> String {
    let goldens: Vec<_> = report
        .verdicts
        .iter()
        .map(|verdict| {
            let mut object = json!({
                "name": verdict.name,
                "file": verdict.file,
                "status": verdict.word(),
                "line": verdict.line,
                "pending": verdict.pending,
                "unwritten": verdict.unwritten,
            });
            match &verdict.state {
                State::Error { message, help } => {
                    object["message"] = json!(message);
                    object["help"] = json!(help);
                }
                State::Same(comparison) | State::Differs(comparison) => {
                    object["kinds"] = json!(comparison.kinds);
                    object["causes"] = json!(comparison.causes);
                    object["headline"] = json!(comparison.headline());
                    object["first_pass"] = json!(comparison.first_pass);
                    object["errors"] = json!(comparison.errors);
                    object["level"] = json!(comparison.level.map(Level::name));
                    object["diff"] = json!(comparison.diff);
                }
            }
            object
        })
        .collect();
    let count = |word: &str| report.verdicts.iter().filter(|v| v.word() == word).count();
    let all = json!({
        "schema": SCHEMA,
        "folder": named(report.folder.path()),
        "ok": count("ok"),
        "differ": count("differs"),
        "errors": count("error"),
        "stale": report.stale,
        "goldens": goldens,
    });
    json_text(&all)
}

/// One test case for each golden: one that differs has failed, one that could not be compared
/// has an error.
pub(super) fn junit(report: &Report<'_>) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml(report, &mut writer).expect("memory takes all that is written");
    let mut text = String::from_utf8(writer.into_inner()).expect("it was written as UTF-8");
    text.push('\n');
    text
}

fn xml(report: &Report<'_>, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let count =
        |word: &str| report.verdicts.iter().filter(|v| v.word() == word).count().to_string();
    let tests = (report.verdicts.len() + report.stale.len()).to_string();
    let differ = report.verdicts.iter().filter(|v| v.word() == "differs").count();
    let (failures, errors) = ((differ + report.stale.len()).to_string(), count("error"));
    let counts = [("tests", &*tests), ("failures", &*failures), ("errors", &*errors)];
    let folder = named(report.folder.path());
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = writer.create_element("testsuites").with_attributes(counts);
    suites.write_inner_content(|writer| {
        let suite = writer.create_element("testsuite").with_attribute(("name", &*plain(&folder)));
        suite.with_attributes(counts).write_inner_content(|writer| {
            for verdict in report.verdicts {
                case(verdict, writer)?;
            }
            for file in report.stale {
                let file = plain(file);
                let case = writer.create_element("testcase").with_attributes([
                    ("name", &*file),
                    ("classname", "golden"),
                    ("file", &*file),
                ]);
                case.write_inner_content(|writer| {
                    let told = writer.create_element("failure").with_attribute(("message", STALE));
                    told.write_text_content(BytesText::new(&tool::own(STALE_HELP)))?;
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

fn case(verdict: &Verdict, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let (name, file, title) = (plain(&verdict.name), plain(&verdict.file), plain(&verdict.title()));
    let case = writer.create_element("testcase").with_attributes([
        ("name", &*name),
        ("classname", "golden"),
        ("file", &*file),
    ]);
    let element = match &verdict.state {
        State::Same(_) => {
            case.write_empty()?;
            return Ok(());
        }
        State::Differs(_) => "failure",
        State::Error { .. } => "error",
    };
    let mut text = verdict.lines().join("\n");
    if let State::Differs(comparison) = &verdict.state {
        _ = write!(text, "\n\n{}", comparison.details(Style::Plain));
    }
    case.write_inner_content(|writer| {
        let told = writer.create_element(element).with_attribute(("message", &*title));
        told.write_text_content(BytesText::new(&plain(text.trim_end())))?;
        Ok(())
    })?;
    Ok(())
}

/// Text without characters that XML cannot have, even escaped.
fn plain(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    visible_lines(text).chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }).collect()
}

/// An annotation for each golden that is not met, and then the report for people, which is what
/// the log shows.
pub(super) fn github(report: &Report<'_>) -> String {
    let mut out = String::new();
    for verdict in report.verdicts {
        let level = match &verdict.state {
            State::Same(_) if verdict.lines().is_empty() && verdict.title().is_empty() => continue,
            State::Same(_) => "notice",
            State::Differs(_) | State::Error { .. } => "error",
        };
        let title = format!("golden {}: {}", verdict.name, verdict.title());
        let message = match verdict.lines() {
            lines if lines.is_empty() => verdict.title(),
            lines => lines.join("\n"),
        };
        let line = verdict.line.map_or(String::new(), |line| format!(",line={line}"));
        _ = writeln!(
            out,
            "::{level} file={}{line},title={}::{}",
            property(&verdict.file),
            property(&title),
            data(&message)
        );
    }
    for file in report.stale {
        let title = property(&format!("golden {file}: {STALE}"));
        _ = writeln!(
            out,
            "::error file={},title={title}::{}",
            property(file),
            data(&tool::own(STALE_HELP))
        );
    }
    out + &human(report)
}

fn data(text: &str) -> String {
    visible_lines(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
