//! A golden as a file.
//!
//! ```text
//! +++
//! golden = 1
//! tool = "tfq-opt 0.1.0"
//! ...
//! +++
//!
//! ## 1. quantize-weights
//! patches: quantize weight
//! ~ %w = const: [-f32[40,32]-]{+i8[40,32] q(0.0078740157) expressed f32+}
//!
//! ## final
//! ops: FULLY_CONNECTED 1
//!
//! tfg 1 quant
//! ...
//! ```

use crate::record::Recording;
use crate::section::Section;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::Write;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tfq_ir::visible_path;
use tfq_pass::{Node, NumericContract, Pipeline};
use tfq_text as text;
use tfq_text::side::is_side_file;
use tfq_text::{Level, ParseError};
use tfq_tflite::{Image, Links, MOST_TEXT, WriteError, read_all_of, read_text, write_together};

/// Version of the form of golden files.
pub const VERSION: u32 = 1;

const FENCE: &str = "+++";
const FINAL: &str = "final";
/// What a title begins with, the end of the line before included.
const TITLE: &str = "\n## ";

/// How a golden was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub golden: u32,
    /// The tool and its version.
    pub tool: String,
    /// The version of the text format.
    pub text: u32,
    /// The model, relative to the golden's folder.
    pub model: String,
    /// [`crate::file_hash`] of the model's file.
    pub input: String,
    /// All passes with their options, names of pipelines resolved.
    pub passes: String,
    /// [`crate::file_hash`] of the plan of weights that was followed, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The target by name.
    pub target: String,
    /// The level of the text by name.
    pub level: String,
    /// What the passes taken together may do to numbers: `exact`, `quantizing`, `annotation`,
    /// or `unknown` where a pass says nothing.
    pub contract: String,
}

impl Header {
    /// The head of a golden that this version of the tool makes.
    pub fn new(model: &str, input: &str, pipeline: &Pipeline, target: &str, level: Level) -> Self {
        Self {
            golden: VERSION,
            tool: format!("tfq-opt {}", env!("CARGO_PKG_VERSION")),
            text: text::VERSION,
            model: model.to_owned(),
            input: input.to_owned(),
            passes: pipeline.to_string(),
            plan: None,
            target: target.to_owned(),
            level: level.name().to_owned(),
            contract: contract(pipeline).map_or("unknown", NumericContract::name).to_owned(),
        }
    }
}

/// The loosest contract of the passes; none changes nothing.
fn contract(pipeline: &Pipeline) -> Option<NumericContract> {
    let mut each = pipeline.nodes().iter().map(|node| match node {
        Node::Pass(step) => Some(step.info.as_ref()?.contract),
        Node::Repeat { body, .. }
        | Node::UntilStable { body, .. }
        | Node::Subgraph { body, .. } => contract(body),
    });
    each.try_fold(NumericContract::Annotation, |loosest, one| Some(loosest.max(one?)))
}

/// What a pipeline does to a model, as it was accepted.
#[derive(Clone, Debug)]
pub struct Golden {
    /// How it was made.
    pub header: Header,
    /// What each pass did, in order.
    pub sections: Vec<Section>,
    /// What stands above the text: how many ops there are of each kind.
    pub summary: String,
    /// The result as text.
    pub text: String,
    /// The constants that a text of level `full` only has the hash of.
    pub side: Option<Bytes>,
    /// Whether the file is laid out as [`Self::print`] does it.
    pub(crate) tidy: bool,
    /// The lines of its file in which sections and text begin, from 1.
    lines: Lines,
}

#[derive(Clone, Debug, Default)]
struct Lines {
    sections: Vec<usize>,
    text: usize,
}

/// Why a file is no golden.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// It cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// It does not begin with a head.
    #[error("this is no golden: its first line is not `{FENCE}`")]
    NoHead,
    /// The head is wrong.
    #[error("the head is wrong: {message}")]
    Head {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Somebody merged two versions and left that to others.
    #[error("line {0}: unresolved merge conflict")]
    Conflict(usize),
    /// It is from a later version of the tool.
    #[error("the golden is of version {0}, and this tool knows version {VERSION}")]
    Newer(u32),
    /// There is no text at the end.
    #[error("the golden has no section `## {FINAL}`")]
    NoText,
    /// The side file is missing.
    #[error("the constants that belong to it are missing: {}", visible_path(.0))]
    NoSide(PathBuf),
}

impl GoldenError {
    /// The line of the file that it is about.
    pub fn line(&self) -> usize {
        match self {
            Self::Head { line, .. } | Self::Conflict(line) => *line,
            _ => 1,
        }
    }
}

/// The line of a conflict that version control wrote into a file, from 1, if there is one.
pub(crate) fn conflict(text: &str) -> Option<usize> {
    let marks = ["<<<<<<< ", ">>>>>>> "];
    let found = text.lines().position(|line| marks.iter().any(|mark| line.starts_with(mark)));
    found.map(|at| at + 1)
}

impl Golden {
    /// A golden of what was recorded.
    pub fn new(header: Header, recording: &Recording) -> Self {
        Self {
            header,
            sections: recording.sections.clone(),
            summary: summary(recording),
            text: recording.text.clone(),
            side: recording.side.clone(),
            tidy: true,
            lines: Lines::default(),
        }
    }

    /// The file.
    pub fn print(&self) -> String {
        let mut out = String::new();
        self.write_to(&mut out).expect("a string takes all");
        out
    }

    fn write_to(&self, out: &mut impl Write) -> std::fmt::Result {
        let head = toml::to_string(&self.header).expect("plain data has a TOML form");
        write!(out, "{FENCE}\n{head}{FENCE}\n\n")?;
        write_body(out, &self.sections, &self.summary, Some(&self.text))
    }

    /// Reads what [`Self::print`] wrote, but for the side file.
    pub fn parse(file: &str) -> Result<Self, GoldenError> {
        if let Some(line) = conflict(file) {
            return Err(GoldenError::Conflict(line));
        }
        let plain = match file.contains("\r\n") {
            true => Cow::Owned(file.replace("\r\n", "\n")),
            false => Cow::Borrowed(file),
        };
        let rest = plain.strip_prefix(FENCE).and_then(|rest| rest.strip_prefix('\n'));
        let (head, rest) =
            rest.and_then(|rest| rest.split_once("\n+++")).ok_or(GoldenError::NoHead)?;
        let wrong = |error: toml::de::Error| GoldenError::Head {
            line: 2 + head[..error.span().map_or(0, |span| span.start)].matches('\n').count(),
            message: error.message().to_owned(),
        };
        let table: toml::Table = head.parse().map_err(wrong)?;
        if let Some(version) = table.get("golden").and_then(toml::Value::as_integer)
            && version > i64::from(VERSION)
        {
            return Err(GoldenError::Newer(u32::try_from(version).unwrap_or(u32::MAX)));
        }
        let header: Header = toml::from_str(head).map_err(wrong)?;
        let mut lines = Lines::default();
        let (mut line, mut counted) = (1, 0);
        // Parts come in order, so that each line is counted once.
        let mut line_of = |place: usize| {
            line += plain[counted..place].matches('\n').count();
            counted = place;
            line
        };
        let mut sections = Vec::new();
        let mut end = None;
        let mut at = plain.len() - rest.len();
        while let Some(next) = plain[at..].find(TITLE) {
            at += next + TITLE.len();
            let part = &plain[at..];
            let (title, body) = part.split_once('\n').unwrap_or((part, ""));
            if title.trim() == FINAL {
                lines.text = line_of(at) + 1;
                // The text comes last and may hold what looks like a title.
                end = Some(body);
                break;
            }
            let (part, _) = part.split_once(TITLE).unwrap_or((part, ""));
            let (title, body) = part.split_once('\n').unwrap_or((part, ""));
            let body = format!("{}\n", body.trim_end());
            sections.push(Section { title: title.trim().to_owned(), body });
            lines.sections.push(line_of(at));
        }
        let end = end.ok_or(GoldenError::NoText)?;
        let at = text_begins(end).ok_or(GoldenError::NoText)?;
        lines.text += end[..at].matches('\n').count();
        let mut golden = Self {
            header,
            sections,
            summary: end[..at].trim_end().to_owned(),
            text: end[at..].to_owned(),
            side: None,
            tidy: true,
            lines,
        };
        let mut same = Same { rest: file };
        golden.tidy = golden.write_to(&mut same).is_ok() && same.rest.is_empty();
        Ok(golden)
    }

    /// The line of its file in which a section begins, or the text.
    pub(crate) fn line(&self, section: Option<&str>) -> Option<usize> {
        let at = section.and_then(|title| self.sections.iter().position(|s| s.title == title));
        let line = at.and_then(|at| self.lines.sections.get(at)).copied();
        line.or(Some(self.lines.text).filter(|line| *line > 0))
    }

    /// An error in its text, with the line in its file.
    pub(crate) fn in_file(&self, error: ParseError) -> ParseError {
        ParseError { line: error.line + self.lines.text.saturating_sub(1), ..error }
    }

    /// Reads a file, with the side file beside it where its level has one.
    pub fn read(path: &Path) -> Result<Self, GoldenError> {
        let mut golden = Self::parse(&read_text(path, MOST_TEXT)?)?;
        if golden.header.level == Level::Full.name() {
            let side = side_path(path);
            let file = File::open(&side);
            golden.side = match file.and_then(|file| read_all_of(file, is_side_file)) {
                Ok(bytes) => Some(bytes),
                Err(_) => return Err(GoldenError::NoSide(side)),
            };
        }
        Ok(golden)
    }

    /// Writes a file whole or not at all, with its side file, if any.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        write_all(&self.files(path))
    }

    /// Its file, and the side file if any.
    pub(crate) fn files(&self, path: &Path) -> Vec<(PathBuf, Image)> {
        let side = self.side.iter().map(|side| (side_path(path), Image::of_file(side.clone())));
        let text = (path.to_owned(), Image::of_file(self.print().into()));
        // The text comes last, since it is what says which constants belong to it.
        side.chain([text]).collect()
    }
}

/// Writes all of these files or none. Links are replaced: a folder of goldens comes with other
/// people's work, and what lies in it must not say where else we write.
pub(crate) fn write_all(files: &[(PathBuf, Image)]) -> Result<(), WriteError> {
    let files: Vec<(&Path, &Image)> =
        files.iter().map(|(path, image)| (path.as_path(), image)).collect();
    write_together(&files, Links::Replace)
}

/// Where the constants of a golden of level `full` lie.
pub(crate) fn side_path(golden: &Path) -> PathBuf {
    let mut name = golden.as_os_str().to_owned();
    name.push(".bin");
    name.into()
}

/// Where in a golden's last section its text begins.
pub(crate) fn text_begins(section: &str) -> Option<usize> {
    let mut at = 0;
    for line in section.split_inclusive('\n') {
        if line.trim_start().starts_with("tfg ") {
            return Some(at);
        }
        at += line.len();
    }
    None
}

pub(crate) fn summary(recording: &Recording) -> String {
    let ops: Vec<String> = recording.ops.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
    if ops.is_empty() { "ops: none".to_owned() } else { format!("ops: {}", ops.join(", ")) }
}

/// What stands below the head: sections and text.
#[cfg(feature = "insta")]
pub(crate) fn body(sections: &[Section], summary: &str, text: Option<&str>) -> String {
    let mut out = String::new();
    write_body(&mut out, sections, summary, text).expect("a string takes all");
    out
}

fn write_body(
    out: &mut impl Write,
    sections: &[Section],
    summary: &str,
    text: Option<&str>,
) -> std::fmt::Result {
    for Section { title, body } in sections {
        write!(out, "## {title}\n{body}\n")?;
    }
    writeln!(out, "## {FINAL}\n{summary}")?;
    text.map_or(Ok(()), |text| write!(out, "\n{text}"))
}

/// Takes what is the same as this, piece by piece: a golden may be large, and so would be a copy.
struct Same<'t> {
    rest: &'t str,
}

impl Write for Same<'_> {
    fn write_str(&mut self, piece: &str) -> std::fmt::Result {
        self.rest = self.rest.strip_prefix(piece).ok_or(std::fmt::Error)?;
        Ok(())
    }
}
