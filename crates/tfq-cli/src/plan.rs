//! `--plan`: what is decided about weights, printed or read back.

use super::diagnostics::{Failure, named};
use super::model::{self, Ways};
use super::shown::Shown;
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use tfq_ir::{counted, grouped, line_and_column, visible, visible_json};
use tfq_opt::Optimizer;
use tfq_opt::pass::{Pipeline, Report};
use tfq_opt::passes::{PlannedConstant, Reads, WantsPlan, WeightPlan};

/// What `--plan` says.
#[derive(Clone, Debug)]
pub(crate) enum PlanArg {
    Print(Form),
    /// The plan that is followed is in this file.
    Follow(OsString),
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Table,
    Json,
    Toml,
}

/// An error where the user says in two ways what becomes of weights.
pub(crate) fn check_alone(ways: &Ways) -> Result<(), Failure> {
    match ways.is_told() {
        false => Ok(()),
        true => Err(Failure::usage(
            "--plan=FILE says what becomes of every weight, and so do --prefer, --float16, \
             --weight-only and --keep",
            "leave out one of them, or change the plan",
        )),
    }
}

/// An error where no pass of the pipeline follows plans.
pub(crate) fn check_follower(pipeline: &Pipeline) -> Result<(), Failure> {
    model::check_runs(pipeline, [("--plan", PLANNER)])
}

/// The pass that makes plans, and follows them.
pub(crate) const PLANNER: &str = "quantize-weights";

/// Has the plan of a file followed.
pub(crate) fn follow(file: &Path, optimizer: &mut Optimizer) -> Result<(), Failure> {
    optimizer.run_options.resources.insert(read(file)?);
    Ok(())
}

impl PlanArg {
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().map(|text| Self::of(&text))
    }

    /// A file of the name of a form is one with a folder: `./json`.
    fn of(text: &OsStr) -> Self {
        match text.to_str() {
            Some("table") => Self::Print(Form::Table),
            Some("json") => Self::Print(Form::Json),
            Some("toml") => Self::Print(Form::Toml),
            _ => Self::Follow(text.to_owned()),
        }
    }

    /// Asks for the plan, or has the one of the file followed.
    pub(crate) fn prepare(&self, optimizer: &mut Optimizer) -> Result<(), Failure> {
        match self {
            Self::Print(_) => optimizer.run_options.resources.insert(WantsPlan),
            Self::Follow(file) => follow(Path::new(file), optimizer)?,
        }
        Ok(())
    }

    /// The file of a plan that is followed.
    pub(crate) fn file(&self) -> Option<&OsStr> {
        match self {
            Self::Print(_) => None,
            Self::Follow(file) => Some(file),
        }
    }

    pub(crate) fn form(&self) -> Option<Form> {
        match self {
            Self::Print(form) => Some(*form),
            Self::Follow(_) => None,
        }
    }
}

fn read(file: &Path) -> Result<WeightPlan, Failure> {
    let text = model::read_settings(file)?;
    let json = text.trim_start().starts_with('{');
    let plan: Result<WeightPlan, String> = match json {
        true => serde_json::from_str(&text).map_err(|error| error.to_string()),
        false => toml::from_str(&text).map_err(|error: toml::de::Error| {
            let start = error.span().map_or(text.len(), |span| span.start);
            let (line, column) = line_and_column(&text, start);
            format!("{} at line {line} column {column}", error.message())
        }),
    };
    let version = match &plan {
        Ok(plan) => Some(plan.tfq_plan),
        // The fields of another version are others.
        Err(_) => version(&text, json),
    };
    if let Some(misfit) = version.and_then(WeightPlan::misfit_of) {
        return Err(Failure::Model {
            message: format!("{} cannot be followed: {misfit}", named(file)),
            help: Some("print it again with this release: --plan=toml or --plan=json".to_owned()),
        });
    }
    plan.map_err(|error| Failure::Model {
        message: format!("{} is no plan: {error}", named(file)),
        help: Some("--plan=toml and --plan=json print one".to_owned()),
    })
}

/// The version that a plan states, whatever else it holds.
fn version(text: &str, json: bool) -> Option<u32> {
    let plan: serde_json::Value = match json {
        true => serde_json::from_str(text).ok()?,
        false => toml::from_str(text).ok()?,
    };
    u32::try_from(plan.get("tfq_plan")?.as_u64()?).ok()
}

/// Prints the plan of a run to standard output.
pub(crate) fn print(form: Form, report: &Report) -> Result<io::Result<()>, Failure> {
    let Some(plan) = report.products.get::<WeightPlan>() else {
        return Err(Failure::usage(
            "there is no plan to print: no pass planned weights",
            "quantize-weights makes one",
        ));
    };
    let mut out = io::stdout().lock();
    // What hides in a name is escaped as both forms escape it.
    let text = match form {
        Form::Table => return Ok(Shown(out).write_all(table(plan).as_bytes())),
        Form::Json => serde_json::to_string_pretty(plan).expect("it has no maps") + "\n",
        Form::Toml => toml::to_string(plan).expect("tables come last"),
    };
    Ok(out.write_all(visible_json(&text).as_bytes()))
}

/// Rows of a constant each, and below each what explains it.
fn table(plan: &WeightPlan) -> String {
    let header = ["constant", "shape", "bytes", "form", "bytes", "held", "dB"].map(str::to_owned);
    let mut rows = vec![header];
    rows.extend(plan.constants.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..7).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = format!("target {}, prefer {}\n\n", visible(&plan.target), plan.prefer);
    for (n, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            let numbers = [2, 4, 5, 6].contains(&column);
            let (before, behind) = if numbers { (&*pad, "") } else { ("", &*pad) };
            let _ = write!(line, "{before}{cell}{behind}  ");
        }
        out += line.trim_end();
        out.push('\n');
        if let Some(constant) = n.checked_sub(1).map(|n| &plan.constants[n]) {
            out += &explanation(constant);
        }
    }
    let sum = |of: fn(&PlannedConstant) -> Option<u64>| plan.constants.iter().filter_map(of).sum();
    let (held, kept): (u64, u64) = (sum(|one| one.held), sum(|one| one.kept));
    if held > 0 {
        let _ = write!(out, "\nheld: {}", counted(held, "byte"));
        if kept > 0 {
            let _ = write!(out, ", {} of them results of Dequantize", grouped(kept));
        }
        out.push('\n');
    }
    out
}

fn row(constant: &PlannedConstant) -> [String; 7] {
    let shape: Vec<String> = constant.shape.iter().map(i32::to_string).collect();
    [
        visible(&constant.name).into_owned(),
        shape.join("x"),
        grouped(constant.bytes_before),
        constant.form(),
        grouped(constant.bytes),
        constant.held.map_or_else(|| "-".to_owned(), grouped),
        constant.snr_db.map_or_else(|| "-".to_owned(), |snr| format!("{snr:.1}")),
    ]
}

fn explanation(constant: &PlannedConstant) -> String {
    let mut out = format!("    {}", constant.rule);
    if let Some(why) = &constant.why {
        let _ = write!(out, ": {}", visible(why));
    }
    out.push('\n');
    for reader in &constant.readers {
        let reads = match reader.reads {
            Reads::Float32 => "reads float32",
            Reads::Hybrid => "reads the codes",
            Reads::Dequantize => "reads it behind a Dequantize",
            Reads::Behind => "copies the codes, with a Dequantize behind it",
        };
        let (kind, op) = (visible(&reader.kind), reader.op);
        let _ = write!(out, "    op {op} {kind}");
        if let Some(result) = &reader.result {
            let _ = write!(out, " (added, of `{}`)", visible(result));
        }
        let _ = write!(out, ", operand {}: {reads}", reader.operand);
        if reader.subgraph != 0 {
            let _ = write!(out, " in subgraph {}", reader.subgraph);
        }
        if let Some(runs_on) = &reader.runs_on {
            let _ = write!(out, ", runs on {runs_on}");
        }
        if let Some(time) = reader.time {
            let _ = write!(out, " in {time} of the float32 time");
        }
        if let Some(why) = &reader.why {
            let _ = write!(out, "; {}", visible(why));
        }
        out.push('\n');
    }
    for other in &constant.alternatives {
        let _ = writeln!(out, "    not {}: {}", other.form, visible(&other.why_not));
    }
    out
}
