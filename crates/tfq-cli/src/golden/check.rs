//! `tfq-opt golden check`.

use super::console::{on_ci, say};
use super::outcome::outcome;
use super::place::{GoldenFolder, chosen, failure, shown};
use super::report::{self, Report, State, Verdict};
use crate::diagnostics::{self, Failure};
use clap::ValueEnum;
use std::process::ExitCode;
use tfq_golden::{Entry, Folder, FolderError, Golden, GoldenError, compare};

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
    place: GoldenFolder,
}

const STATUS: &str = "\
Exit status: 0 all goldens are met, 1 one is not, its model is missing or cannot be processed, or the index does \
not name a golden that is there, 2 wrong usage.";

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
        match self {
            Self::Auto => !on_ci(),
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
        verdicts.push(check(&folder, entry, writes));
    }
    // Files that nobody checks any more would pass for goldens that are met.
    let stale = if args.names.is_empty() { folder.stale().map_err(failure)? } else { Vec::new() };
    let stale: Vec<String> = stale.iter().map(|path| shown(path)).collect();
    let report = Report { folder: &folder, writes, verdicts: &verdicts, stale: &stale };
    let text = match args.format {
        Format::Human => report::human(&report),
        Format::Json => report::json(&report),
        Format::Junit => report::junit(&report),
        Format::Github => report::github(&report),
    };
    say(&text)?;
    let met = verdicts.iter().all(|verdict| matches!(verdict.state, State::Same(_)));
    Ok(if met && stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn check(folder: &Folder, entry: &Entry, writes: bool) -> Verdict {
    let name = &entry.name;
    let mut verdict = Verdict {
        name: name.clone(),
        file: shown(&folder.golden_path(name)),
        line: None,
        state: State::Error { message: String::new(), help: None },
        pending: None,
        unwritten: None,
    };
    // A report that cannot be kept for review is worth as much.
    let keep = |verdict: &mut Verdict, new: &Golden| match writes
        .then(|| folder.write_pending(name, new))
    {
        Some(Ok(path)) => verdict.pending = Some(shown(&path)),
        Some(Err(error)) => verdict.unwritten = Some(cause(error)),
        None => (),
    };
    let error = |failure: Failure| {
        let (message, help) = failure.told();
        State::Error { message, help }
    };
    let model = folder.resolve(&entry.model);
    if !model.exists() {
        let message = format!("its model is missing: {}", shown(&model));
        let help = "put the model there, or `tfq-opt golden prune` to give the golden up";
        verdict.state = State::Error { message, help: Some(help.to_owned()) };
        return verdict;
    }
    let new = match outcome(folder, entry) {
        Ok(outcome) => outcome.golden,
        Err(failure) => {
            verdict.state = error(failure);
            return verdict;
        }
    };
    let accepted = match folder.golden(name) {
        Ok(accepted) => accepted,
        Err(wrong) => {
            verdict.line = wrong.line();
            verdict.state = error(failure(wrong));
            return verdict;
        }
    };
    let Some(accepted) = accepted else {
        keep(&mut verdict, &new);
        let message = format!("the golden is missing: {}", shown(&folder.golden_path(name)));
        let help = match &verdict.pending {
            Some(_) => "look at the new result and accept it with `tfq-opt golden review`",
            None => "restore the file",
        };
        verdict.state = State::Error { message, help: Some(help.to_owned()) };
        return verdict;
    };
    let comparison = compare(&accepted, &new);
    verdict.line = comparison.line;
    if !comparison.is_same() || comparison.level.is_some() {
        keep(&mut verdict, &new);
    } else if writes {
        // What waited for review is not so any more.
        verdict.unwritten = folder.reject(name).err().map(cause);
    }
    verdict.state = match comparison.is_same() {
        true => State::Same(comparison),
        false => State::Differs(comparison),
    };
    verdict
}

/// Why a file for review could not be written or removed, on one line.
fn cause(error: FolderError) -> String {
    match error {
        FolderError::File { error, .. }
        | FolderError::Golden { error: GoldenError::File(error), .. } => diagnostics::cause(&error),
        error => error.to_string(),
    }
}
