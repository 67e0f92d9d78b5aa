//! Options that show what passes do, and what is done when one fails.

use super::diagnostics::{self, Failure, named};
use super::outputs::{self, Inputs};
use super::{list, model};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tfq_ir::{Module, did_you_mean};
use tfq_opt::debug::Reproducer;
use tfq_opt::pass::{Event, Pipeline, Why};
use tfq_text::{Level, print, visible};
use tfq_tflite::{Image, write_atomically, write_bytes};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Seeing what passes do")]
pub(crate) struct Debug {
    /// Tell what the rules of a pass found at a tensor: which guard refused
    #[arg(long, value_name = "PASS@TENSOR", value_parser = why)]
    pub(crate) why: Option<Why>,

    /// Tell which pass made or changed each op and tensor
    #[arg(long)]
    pub(crate) provenance: bool,

    /// Show what each pass changed, as a diff of the model's text
    #[arg(long, value_name = "PASS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    print_diff: Option<String>,

    /// Print the model before a pass, or before each
    #[arg(long, value_name = "PASS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    print_ir_before: Option<String>,

    /// Print the model after a pass, or after each
    #[arg(long, value_name = "PASS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    print_ir_after: Option<String>,

    /// Print the model after each pass
    #[arg(long)]
    print_ir_after_all: bool,

    /// Print the model after a pass, or after each, where it changed something
    #[arg(long, value_name = "PASS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    print_ir_after_change: Option<String>,

    /// Print the model as a pass that failed left it
    #[arg(long)]
    print_ir_after_failure: bool,

    /// Print models and diffs to files in this folder, numbered, instead of standard error
    #[arg(long, value_name = "DIR")]
    print_ir_dir: Option<PathBuf>,

    /// How much of a model is printed: topology, types, quant, stats, hash or full
    #[arg(long, value_name = "LEVEL", default_value = "quant", value_parser = level)]
    print_ir_level: Level,

    /// Log what is done: -v passes, -vv patches
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Write where the time went to a file that Chrome's tracing page and Perfetto open
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,

    /// Keep only so many of the patches that the passes apply
    #[arg(long, value_name = "N", help_heading = "Finding mistakes in passes")]
    pub(crate) stop_after_patch: Option<usize>,

    /// Do not verify the model after each pass
    #[arg(long, help_heading = "Finding mistakes in passes")]
    pub(crate) no_verify: bool,

    /// Make the graph in an order of chance, which must not change the result
    #[arg(long, value_name = "SEED", help_heading = "Finding mistakes in passes")]
    pub(crate) shuffle: Option<u64>,

    /// Where a pass that fails leaves itself and the model before it, without weights; written
    /// by default where the pass is to blame [default: tfq-opt-reproducer.tfg]
    #[arg(long, value_name = "FILE", help_heading = "Finding mistakes in passes")]
    pub(crate) reproducer: Option<PathBuf>,

    /// Run the pass of a reproducer on its model
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Finding mistakes in passes",
        conflicts_with_all = ["input", "passes", "pipeline", "target"]
    )]
    pub(crate) run_reproducer: Option<PathBuf>,
}

fn level(text: &str) -> Result<Level, String> {
    let names: Vec<&str> = Level::ALL.iter().map(|level| level.name()).collect();
    let wanted = || format!("one of {} is wanted", names.join(", "));
    Level::from_name(text).ok_or_else(wanted)
}

fn why(text: &str) -> Result<Why, String> {
    match text.split_once('@') {
        Some((pass, tensor)) if !pass.is_empty() && !tensor.is_empty() => {
            Ok(Why { pass: pass.to_owned(), tensor: tensor.to_owned() })
        }
        _ => Err("the name of a pass, @ and the name of a tensor are wanted".to_owned()),
    }
}

impl Debug {
    /// Names of passes in the options must be those of passes.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        for (_, pass) in self.asked() {
            list::find(pass)?;
        }
        if let Some(dir) = &self.print_ir_dir {
            fs::create_dir_all(dir).map_err(|error| Failure::file("cannot make", dir, &error))?;
            outputs::check_folder(dir)?;
        }
        Ok(())
    }
}

/// What a dump tells: before a pass, after it, what failed, or what changed.
const DUMPS: [(&str, &str); 4] =
    [("before", "tfg"), ("after", "tfg"), ("failure", "tfg"), ("diff", "diff")];

/// Whether a file has a name that dumps have: `001-fold-constants-after.tfg`.
fn is_dump_name(name: &str) -> bool {
    let digits = name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let is_end = |(when, suffix): &(&str, &str)| name.ends_with(&format!("-{when}.{suffix}"));
    digits >= 3 && name[digits..].starts_with('-') && DUMPS.iter().any(is_end)
}

impl Debug {
    /// An error where an output has the name that a dump may get in the folder of dumps.
    pub(crate) fn check_dumps(&self, outputs: &[&Path]) -> Result<(), Failure> {
        let Some(dir) = self.print_ir_dir.as_deref().and_then(|dir| dir.canonicalize().ok()) else {
            return Ok(());
        };
        let is_dump = |output: &&&Path| {
            let name = output.file_name().and_then(|name| name.to_str());
            let folder = tfq_tflite::folder_of(output).canonicalize().ok();
            folder.as_deref() == Some(&dir) && name.is_some_and(is_dump_name)
        };
        let Some(output) = outputs.iter().find(is_dump) else { return Ok(()) };
        let message =
            format!("{} has the name of a model that --print-ir-dir keeps", named(output));
        Err(Failure::usage(
            &message,
            "write to another file, or give --print-ir-dir another folder",
        ))
    }

    /// What is asked about a pass is asked about one that runs.
    pub(crate) fn check_passes<'a>(
        &'a self,
        pipeline: &Pipeline,
        others: impl IntoIterator<Item = (&'static str, &'a str)>,
    ) -> Result<(), Failure> {
        model::check_runs(pipeline, self.asked().chain(others))
    }

    /// The options that name a pass, each with its name.
    fn asked(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("--print-diff", self.print_diff.as_deref()),
            ("--print-ir-before", self.print_ir_before.as_deref()),
            ("--print-ir-after", self.print_ir_after.as_deref()),
            ("--print-ir-after-change", self.print_ir_after_change.as_deref()),
            ("--why", self.why.as_ref().map(|why| why.pass.as_str())),
        ];
        // Without a name they are about all passes.
        let named = all.into_iter().filter_map(|(option, pass)| Some((option, pass?)));
        named.filter(|(_, pass)| !pass.is_empty())
    }
}

/// Prints models while passes run, and keeps what a failure leaves.
pub(crate) struct Watcher<'a> {
    options: &'a Debug,
    target: String,
    /// What is read, of which nothing may be lost.
    inputs: Vec<PathBuf>,
    printed: usize,
    failed: Option<Failure>,
    reproducer: Option<(Reproducer, bool)>,
    /// Whether the tensor that `--why` asks about was there when its pass began or ended.
    is_there: bool,
    /// What was meant by the name of one that was not.
    meant: Option<String>,
}

impl<'a> Watcher<'a> {
    pub(crate) fn new(options: &'a Debug, target: &str, inputs: &Inputs) -> Self {
        Self {
            options,
            target: target.to_owned(),
            inputs: inputs.all(),
            printed: 0,
            failed: None,
            reproducer: None,
            is_there: false,
            meant: None,
        }
    }

    pub(crate) fn event(&mut self, event: &Event<'_>) {
        let o = self.options;
        match event {
            Event::Begin { pass, module, .. } => {
                self.look_for(pass, module);
                if wanted(&o.print_ir_before, pass) {
                    self.print("before", pass, module);
                }
            }
            Event::End { before, module, report } => {
                self.look_for(&report.name, module);
                let changed = report.patches > 0;
                let always = o.print_ir_after_all || wanted(&o.print_ir_after, &report.name);
                let now = changed && wanted(&o.print_ir_after_change, &report.name);
                if always || now {
                    self.print("after", &report.name, module);
                }
                if wanted(&o.print_diff, &report.name) {
                    self.print_diff(&report.name, before, module);
                }
            }
            Event::Failed { step, before, left, error } => {
                if o.print_ir_after_failure {
                    self.print("failure", step, left);
                }
                let file = Reproducer::new(step, &self.target, &error.to_string(), before);
                self.reproducer = Some((file, error.is_mistake()));
            }
        }
    }

    fn look_for(&mut self, pass: &str, module: &Module) {
        let Some(Why { pass: asked, tensor }) = &self.options.why else { return };
        if self.is_there || pass != asked {
            return;
        }
        let tensors = || {
            let graphs = module.subgraphs();
            graphs.flat_map(|(_, graph)| graph.tensors().map(move |id| graph.tensor(id)))
        };
        self.is_there = tensors().any(|known| known.is_called(tensor));
        if !self.is_there {
            let shown: Vec<_> = tensors().map(|known| visible(known.label())).collect();
            self.meant = did_you_mean(tensor, shown.iter().map(|name| &**name));
        }
    }

    /// A tensor that `--why` asks about must have been there.
    pub(crate) fn check_why(&self) -> Result<(), Failure> {
        let Some(Why { pass, tensor }) = self.options.why.as_ref().filter(|_| !self.is_there)
        else {
            return Ok(());
        };
        let help = self.meant.as_deref().unwrap_or("`tfq-opt print` shows the names of all");
        let message = format!("--why: there is no tensor `{}` when {pass} runs", visible(tensor));
        Err(Failure::usage(&message, help))
    }

    /// What could not be printed.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Writes the reproducer of a failure, if there was one that asks for it, and says how to
    /// use it.
    pub(crate) fn write_reproducer(&self) -> Option<String> {
        let (reproducer, is_mistake) = self.reproducer.as_ref()?;
        let file = match &self.options.reproducer {
            Some(file) => file,
            // A reproducer that fails again tells nothing new.
            None if *is_mistake && self.options.run_reproducer.is_none() => {
                Path::new("tfq-opt-reproducer.tfg")
            }
            None => return None,
        };
        // The user did not ask for it under this name, so that it was not looked at before.
        if let Err(failure) = outputs::check_no_input(file, &self.inputs, "") {
            let message = failure.told().0;
            return Some(format!("no reproducer is written: {message}; see --reproducer"));
        }
        let image = Image::of_file(reproducer.text().into());
        let written = write_atomically(file, &image, |_| ());
        Some(match written {
            Ok(()) => format!("to see it again: tfq-opt --run-reproducer {}", named(file)),
            Err(error) => {
                format!(
                    "the reproducer cannot be written to {}: {}",
                    named(file),
                    diagnostics::cause(&error)
                )
            }
        })
    }

    fn print(&mut self, when: &str, pass: &str, module: &Module) {
        let text = print(module, self.options.print_ir_level);
        self.put(when, pass, "tfg", &text);
    }

    fn print_diff(&mut self, pass: &str, before: &Module, after: &Module) {
        let level = self.options.print_ir_level;
        let (old, new) = (print(before, level), print(after, level));
        let diff = tfq_golden::unified_diff(&old, &new);
        let text = if diff.is_empty() { "no difference\n" } else { &diff };
        self.put("diff", pass, "diff", text);
    }

    fn put(&mut self, when: &str, pass: &str, suffix: &str, text: &str) {
        self.printed += 1;
        let title = if when == "diff" { "changes of" } else { when };
        if let Err(failure) = self.put_text(when, pass, suffix, text, title) {
            self.failed.get_or_insert(failure);
        }
    }

    fn put_text(
        &self,
        when: &str,
        pass: &str,
        suffix: &str,
        text: &str,
        title: &str,
    ) -> Result<(), Failure> {
        let Some(dir) = &self.options.print_ir_dir else {
            let written = write!(io::stderr().lock(), "// {title} {pass}\n{text}");
            let place = "standard error";
            return written.map_err(|error| Failure::file("cannot write to", place, &error));
        };
        let name: String = pass
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
            .collect();
        let file = dir.join(format!("{:03}-{name}-{when}.{suffix}", self.printed));
        outputs::check_no_input(&file, &self.inputs, "give --print-ir-dir another folder")?;
        write_bytes(&file, text.to_owned())
            .map_err(|error| Failure::file("cannot write to", dir, &error))
    }
}

fn wanted(filter: &Option<String>, pass: &str) -> bool {
    filter.as_deref().is_some_and(|filter| filter.is_empty() || filter == pass)
}

static QUIET: AtomicBool = AtomicBool::new(false);
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Runs passes so that a panic in one is told once, as the error it becomes. Returns where in
/// the source the last panic was as well.
pub(crate) fn catching<T>(run: impl FnOnce() -> T) -> (T, Option<String>) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !QUIET.load(Ordering::Relaxed) {
            return default(info);
        }
        let place = info.location().map(ToString::to_string);
        *PLACE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = place;
    }));
    QUIET.store(true, Ordering::Relaxed);
    let result = run();
    QUIET.store(false, Ordering::Relaxed);
    let place = PLACE.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    (result, place)
}

/// Sets up logging to standard error.
pub(crate) fn log(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => tracing_subscriber::filter::LevelFilter::INFO,
        2 => tracing_subscriber::filter::LevelFilter::DEBUG,
        _ => tracing_subscriber::filter::LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .without_time()
        .with_target(false)
        .with_ansi(false)
        // Told on standard error, which is what failed.
        .log_internal_errors(false)
        .init();
}
