//! `tfq-opt golden`: what pipelines do to models, accepted once and checked ever after.

mod add;
mod bisect;
mod check;
mod prune;
mod report;
mod review;

use super::args::Prefer;
use super::diagnostics::{Failure, cause, named};
use super::model::{self, Reading};
use super::shown::Shown;
use super::tool;
use bytes::Bytes;
use clap::ValueEnum;
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tfq_golden::{Entry, Folder, FolderError, Golden, Header, Recorder, Recording, input_hash};
use tfq_opt::diff::Style;
use tfq_opt::format::Access;
use tfq_opt::ir::did_you_mean;
use tfq_opt::ir::text::Level;
use tfq_opt::pass::Pipeline;
use tfq_opt::{Optimizer, Source};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run a pipeline on a model and accept what it does as a golden
    Add(add::Args),
    /// Run pipelines again and compare with the goldens
    Check(check::Args),
    /// Look at new results, and accept or reject them
    Review(review::Args),
    /// Remove goldens that the index does not name, and entries whose model is gone
    Prune(prune::Args),
    /// Find the first pass, and in it the first patch, that does not do what was accepted
    Bisect(bisect::Args),
}

/// Where the goldens are.
#[derive(Debug, clap::Args)]
struct Place {
    /// The folder with the goldens and their index
    #[arg(long, default_value = "goldens", value_name = "FOLDER")]
    dir: PathBuf,
}

impl Place {
    fn open(&self) -> Result<Folder, Failure> {
        Folder::open(&self.dir).map_err(failure)
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let done = |result: Result<(), Failure>| result.map(|()| ExitCode::SUCCESS);
    match &args.command {
        Command::Add(add) => done(add::run(add)),
        Command::Check(check) => check::run(check),
        Command::Review(review) => done(review::run(review)),
        Command::Prune(prune) => done(prune::run(prune)),
        Command::Bisect(bisect) => done(bisect::run(bisect)),
    }
}

fn failure(error: FolderError) -> Failure {
    let message = error.to_string();
    match error {
        FolderError::NoIndex(_) => {
            let help = "make the first with `tfq-opt golden add MODEL`, or name another folder \
                        with --dir";
            Failure::Model { message, help: Some(help.to_owned()) }
        }
        FolderError::Index { path, text, span, message } => {
            Failure::excerpt(&named(path), text, span, message)
        }
        FolderError::Golden { .. } => {
            let help = "restore the file, or make the golden again with `tfq-opt golden add \
                        --replace`";
            Failure::Model { message, help: Some(help.to_owned()) }
        }
        FolderError::Taken(_) => Failure::usage(&message, "give another --name, or --replace it"),
        FolderError::File { path, error } => {
            Failure::Model { message: format!("{}: {}", named(path), cause(&error)), help: None }
        }
    }
}

/// What an entry of the index gives now.
struct Outcome {
    golden: Golden,
    recording: Recording,
}

/// Runs the pipeline of an entry on its model.
fn outcome(folder: &Folder, entry: &Entry) -> Result<Outcome, Failure> {
    let input = shortened(&folder.resolve(&entry.model));
    let bytes = model::read(&input, Access::Whole)?;
    outcome_on(folder, entry, &input, bytes)
}

/// Runs the pipeline of an entry on these bytes of a model, which `input` names.
fn outcome_on(
    folder: &Folder,
    entry: &Entry,
    input: impl AsRef<Path>,
    bytes: Bytes,
) -> Result<Outcome, Failure> {
    let input = input.as_ref();
    let pipeline = pipeline(folder, entry)?;
    let level = Level::from_name(&entry.level).expect("the index has names of levels only");
    let hash = input_hash(&bytes);
    let header = Header::new(&entry.model, &hash, &pipeline, &entry.target, level);
    let reading = Reading {
        fills: entry.fills,
        drop_unknown: entry.drop_unknown,
        side_file: entry.side_file.as_ref().map(|file| shown(&folder.resolve(file)).into()),
    };
    let source = Source::from_either(bytes, &reading.options(input)?)
        .map_err(|error| Failure::model(input, error))?;
    let target = match model::is_target_file(&entry.target) {
        true => shortened(&folder.resolve(&entry.target)).into_os_string(),
        false => entry.target.clone().into(),
    };
    let mut optimizer =
        Optimizer::in_registry(tool::registry(), pipeline).for_target(model::target(&target)?);
    optimizer.lift.drop_unknown = entry.drop_unknown;
    // What is recorded is not written.
    optimizer.allow_unloadable = true;
    let mut recorder = Recorder::new(level);
    let result = optimizer
        .run_observed(source, |event| recorder.event(&event))
        .map_err(|error| Failure::model(input, error))?;
    let recording = recorder.finish(&result.module);
    Ok(Outcome { golden: Golden::new(header, &recording), recording })
}

/// How a golden of an entry would be made now.
fn header(folder: &Folder, entry: &Entry) -> Result<Header, Failure> {
    let bytes = model::read(shortened(&folder.resolve(&entry.model)), Access::Whole)?;
    let level = Level::from_name(&entry.level).expect("the index has names of levels only");
    let (hash, pipeline) = (input_hash(&bytes), pipeline(folder, entry)?);
    Ok(Header::new(&entry.model, &hash, &pipeline, &entry.target, level))
}

/// The passes of an entry.
fn pipeline(folder: &Folder, entry: &Entry) -> Result<Pipeline, Failure> {
    match (&entry.passes, &entry.pipeline) {
        (_, Some(file)) => {
            let file = shortened(&folder.resolve(file));
            let text = std::fs::read_to_string(&file);
            let text = text.map_err(|error| Failure::file("cannot read", &file, &error))?;
            model::pipeline(&named(&file), &text)
        }
        (Some(passes), None) if passes == "default" && entry.prefer.is_some() => {
            let name = entry.prefer.as_deref().unwrap_or_default();
            let prefer = Prefer::from_str(name, false).map_err(|_| {
                let message = format!("golden `{}`: `{name}` is nothing to prefer", entry.name);
                Failure::usage(&message, "prefer size, ram or latency")
            })?;
            model::pipeline("--prefer", &model::default_pipeline(Some(prefer)))
        }
        (Some(passes), None) => {
            model::pipeline(&format!("passes of golden `{}`", entry.name), passes)
        }
        (None, None) => unreachable!("the index has one of both"),
    }
}

/// A path for people.
fn shown(path: &Path) -> String {
    named(shortened(path))
}

/// `model.tflite` for `goldens/../model.tflite`.
fn shortened(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::ParentDir, Some(Component::Normal(_))) => _ = parts.pop(),
            (Component::CurDir, _) => (),
            _ => parts.push(part),
        }
    }
    // A link may lead elsewhere, and then only the long path is right.
    let short: PathBuf = parts.iter().collect();
    let same = match (path.canonicalize(), short.canonicalize()) {
        (Ok(long), Ok(short)) => long == short,
        // A folder that is not there yet leads nowhere.
        (Err(_), _) => true,
        (Ok(_), Err(_)) => false,
    };
    if same { short } else { path.to_owned() }
}

/// Patterns for names of goldens.
struct Patterns<'a> {
    texts: &'a [String],
    set: GlobSet,
}

impl<'a> Patterns<'a> {
    fn new(texts: &'a [String]) -> Result<Self, Failure> {
        let mut set = GlobSetBuilder::new();
        for text in texts {
            set.add(Glob::new(text).map_err(|error| {
                let help = "`*` stands for any characters, `?` for one, `{a,b}` for either";
                Failure::usage(&format!("`{text}` is no pattern: {}", error.kind()), help)
            })?);
        }
        let set = set.build().map_err(|error| Failure::usage(&error.to_string(), ""))?;
        Ok(Self { texts, set })
    }

    fn matches(&self, name: &str) -> bool {
        self.set.is_match(name)
    }

    /// Every pattern must mean something.
    fn check(&self, names: &[&str], none: impl Fn(&str) -> Failure) -> Result<(), Failure> {
        for (n, text) in self.texts.iter().enumerate() {
            if !names.iter().any(|name| self.set.matches(name).contains(&n)) {
                return Err(none(text));
            }
        }
        Ok(())
    }
}

/// The entries that these patterns name; all where there are none.
fn chosen<'f>(folder: &'f Folder, names: &[String]) -> Result<Vec<&'f Entry>, Failure> {
    let all: Vec<&str> = folder.entries().iter().map(|entry| entry.name.as_str()).collect();
    let patterns = Patterns::new(names)?;
    patterns.check(&all, |text| no_golden(folder, text))?;
    let entries = folder.entries().iter();
    Ok(entries.filter(|entry| names.is_empty() || patterns.matches(&entry.name)).collect())
}

fn no_golden(folder: &Folder, name: &str) -> Failure {
    let names: Vec<&str> = folder.entries().iter().map(|entry| entry.name.as_str()).collect();
    let help = match names.as_slice() {
        [] => "the index is empty; add a golden with `tfq-opt golden add MODEL`".to_owned(),
        names => did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| format!("goldens are {}", names.join(", "))),
    };
    Failure::usage(&format!("there is no golden `{name}` in {}", named(folder.path())), &help)
}

fn style() -> Style {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stdout().is_terminal() && !plain { Style::Ansi } else { Style::Plain }
}

/// Whether this is a server that builds and tests, where goldens are only read.
fn on_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| !["", "0", "false"].contains(&ci.as_str()))
}

/// Asks on standard output and reads a line; `None` where there is no more input.
fn ask(question: &str) -> Result<Option<String>, Failure> {
    let mut out = Shown(io::stdout().lock());
    write!(out, "{question} ").and_then(|()| out.flush()).map_err(super::output_failure)?;
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    let read = read.map_err(|error| Failure::file("cannot read", "standard input", &error))?;
    if read == 0 || !io::stdin().is_terminal() {
        // What a person types ends the line; a pipe does not show.
        writeln!(out).map_err(super::output_failure)?;
    }
    Ok((read > 0).then(|| line.trim().to_lowercase()))
}

/// Prints to standard output.
fn say(text: &str) -> Result<(), Failure> {
    Shown(io::stdout().lock()).write_all(text.as_bytes()).map_err(super::output_failure)
}

/// The same for text with colours, in which names are escaped already.
fn say_coloured(text: &str) -> Result<(), Failure> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(super::output_failure)
}
