//! `tfq-opt golden check`.

use super::report::{self, Report, State, Verdict};
use super::{Place, chosen, failure, outcome, say, shown};
use crate::cli::diagnostics::Failure;
use clap::ValueEnum;
use std::process::ExitCode;
use tfq_golden::{Entry, Folder, compare};

#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub(crate) struct Args {
    /// Names of goldens, or patterns such as 'digits_*' [default: all]
    names: Vec<String>,

    /// The form of the report
    #[arg(long, value_enum, default_value_t = Format::Human, value_name = "FORM")]
    format: Format,

    /// Whether results that differ are written as NAME.golden.new, for review
    #[arg(long, value_enum, default_value_t = Pending::Auto, value_name = "WHEN")]
    pending: Pending,

    #[command(flatten)]
    place: Place,
}

const STATUS: &str = "\
Exit status: 0 all goldens are met, 1 one is not, or its model is missing or cannot be processed, 2 wrong usage.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// For scripts
    Json,
    /// JUnit's XML, for most servers that run tests
    Junit,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pending {
    /// Unless the environment variable CI is set
    Auto,
    Always,
    Never,
}

impl Pending {
    fn writes(self) -> bool {
        let ci = || std::env::var("CI").is_ok_and(|ci| !["", "0", "false"].contains(&ci.as_str()));
        match self {
            Self::Auto => !ci(),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let folder = args.place.open()?;
    let writes = args.pending.writes();
    let mut verdicts = Vec::new();
    for entry in chosen(&folder, &args.names)? {
        verdicts.push(check(&folder, entry, writes)?);
    }
    let report = Report { folder: &folder, writes, verdicts: &verdicts };
    let text = match args.format {
        Format::Human => report::human(&report),
        Format::Json => report::json(&report),
        Format::Junit => report::junit(&report),
        Format::Github => report::github(&report),
    };
    say(&text)?;
    let met = verdicts.iter().all(|verdict| matches!(verdict.state, State::Same(_)));
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn check(folder: &Folder, entry: &Entry, writes: bool) -> Result<Verdict, Failure> {
    let name = &entry.name;
    let verdict = |state, pending: Option<std::path::PathBuf>| Verdict {
        name: name.clone(),
        file: shown(&folder.golden_path(name)),
        state,
        pending: pending.map(|path| shown(&path)),
    };
    let error = |failure: Failure| {
        let (message, help) = failure.told();
        verdict(State::Error { message, help }, None)
    };
    let model = folder.resolve(&entry.model);
    if !model.exists() {
        let message = format!("its model is missing: {}", shown(&model));
        let help = "put the model there, or `tfq-opt golden prune` to give the golden up";
        return Ok(verdict(State::Error { message, help: Some(help.to_owned()) }, None));
    }
    let new = match outcome(folder, entry) {
        Ok(outcome) => outcome.golden,
        Err(failure) => return Ok(error(failure)),
    };
    let accepted = match folder.golden(name) {
        Ok(accepted) => accepted,
        Err(wrong) => return Ok(error(failure(wrong))),
    };
    let Some(accepted) = accepted else {
        let pending =
            writes.then(|| folder.write_pending(name, &new)).transpose().map_err(failure)?;
        let message = format!("the golden is missing: {}", shown(&folder.golden_path(name)));
        let help = match &pending {
            Some(_) => "look at the new result and accept it with `tfq-opt golden review`",
            None => "restore the file",
        };
        return Ok(verdict(State::Error { message, help: Some(help.to_owned()) }, pending));
    };
    let comparison = compare(&accepted, &new);
    if comparison.is_same() {
        if writes {
            // What waited for review is not so any more.
            folder.reject(name).map_err(failure)?;
        }
        return Ok(verdict(State::Same(comparison), None));
    }
    let pending = writes.then(|| folder.write_pending(name, &new)).transpose().map_err(failure)?;
    Ok(verdict(State::Differs(comparison), pending))
}
