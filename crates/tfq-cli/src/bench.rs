//! `tfq-opt bench`.

use super::diagnostics::Failure;
use super::inputs::Inputs;
use super::running::{self, Error, RunArgs, Running};
use super::shown::Shown;
use super::subject::Subject;
use serde_json::{Value as Json, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::available_parallelism;
use tfq_ir::counted;
use tfq_runtime::{
    Engine, Kernels, Loaded, Memory, RuntimeError, Spread, Stage, Worker, with_either,
};

/// Runs before the ones that count: the first computes what is cached, the second warms up.
const WARM_UP: u32 = 2;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The model, as .tflite or as text, and others to measure in turn with it
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,

    /// What computes, of reference, optimized and xnnpack
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "xnnpack", value_parser = running::kernels)]
    kernels: Vec<Kernels>,

    /// Numbers of threads that compute [default: 1 and one for each core]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Vec<u32>,

    /// How often each model runs
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Print the result as JSON, times in seconds and memory in bytes
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    on: RunArgs,
}

const HELP: &str = "\
The models are loaded in one process and run in turn, A B B A A B …, so that what else the machine
does falls on all alike. Times are of one inference; half of them lie between the quartiles. Memory
is of a process with that model alone, beyond what it had before loading: the most that was resident
at any time, mapped weights included, and what is anonymous (no file's) after the runs.";

/// What was measured of one model.
struct Measured {
    name: String,
    kernels: Kernels,
    threads: u32,
    time: Spread,
    /// The most that was resident, and what is anonymous afterwards; nothing where the system
    /// does not tell.
    memory: Option<(u64, u64)>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut inputs = args.on.inputs.read()?;
    let (subjects, running) = args.on.load(&args.models, &mut inputs)?;
    let signature = args.on.signature();
    let mut all = Vec::new();
    for kernels in &args.kernels {
        for threads in threads(args) {
            let bench =
                Bench { running: &running, inputs: &inputs, signature, kernels: *kernels, threads };
            let measured = with_either(
                |engine| bench.measure(&subjects, engine, args.runs),
                |(error, _)| error.of_model(),
            );
            all.append(&mut measured.map_err(|(error, name)| error.on(&name))?);
        }
    }
    let mut out = Shown(io::stdout().lock());
    let printed = if args.json {
        print_json(&mut out, &running, &all)
    } else {
        print(&mut out, &running, &all)
    };
    printed.map_err(super::diagnostics::output_failure)
}

fn threads(args: &Args) -> Vec<u32> {
    if !args.threads.is_empty() {
        return args.threads.clone();
    }
    let cores = available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    if cores > 1 { vec![1, cores] } else { vec![1] }
}

/// One way to run models.
struct Bench<'a> {
    running: &'a Running,
    inputs: &'a Inputs,
    signature: Option<&'a str>,
    kernels: Kernels,
    threads: u32,
}

impl Bench<'_> {
    /// All models in turn; an error goes with the name of the model.
    fn measure(
        &self,
        subjects: &[Subject],
        engine: Engine,
        runs: u32,
    ) -> Result<Vec<Measured>, (Error, String)> {
        let name = |subject: &Subject| subject.name.clone();
        let mut worker =
            self.running.worker(engine).map_err(|error| (error.into(), name(&subjects[0])))?;
        let mut models = Vec::new();
        for subject in subjects {
            let model = self.warm(&mut worker, subject).map_err(|error| (error, name(subject)))?;
            models.push(model);
        }
        let mut times = vec![Vec::with_capacity(runs as usize); models.len()];
        for round in 0..runs {
            let mut order: Vec<usize> = (0..models.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for n in order {
                let mut took = worker
                    .again(&models[n], 1)
                    .map_err(|error| (error.into(), name(&subjects[n])))?;
                times[n].append(&mut took);
            }
        }
        drop(worker);
        let mut measured = Vec::new();
        for (subject, times) in subjects.iter().zip(&times) {
            let memory = self.memory(subject, engine).map_err(|error| (error, name(subject)))?;
            let time = Spread::of(times).expect("there is at least one run");
            let (kernels, threads) = (self.kernels, self.threads);
            measured.push(Measured { name: name(subject), kernels, threads, time, memory });
        }
        Ok(measured)
    }

    /// Loads a model and runs it until it is warm.
    fn warm(&self, worker: &mut Worker, subject: &Subject) -> Result<Loaded, Error> {
        let model = worker.load(subject.path(), self.kernels, self.threads)?;
        let index = self.signature.map_or(Ok(0), |key| model.position(key))?;
        let Some(signature) = model.signatures.get(index) else {
            let message = "it has nothing to run";
            return Err(RuntimeError::new(Stage::Load, message).into());
        };
        let values = self.inputs.values(subject, signature, 0).map_err(Error::Command)?;
        worker.run(&model, index, values)?;
        worker.again(&model, WARM_UP)?;
        Ok(model)
    }

    /// What a process needs for this model alone.
    fn memory(&self, subject: &Subject, engine: Engine) -> Result<Option<(u64, u64)>, Error> {
        let mut worker = self.running.worker(engine)?;
        let Ok(before) = worker.memory() else { return Ok(None) };
        self.warm(&mut worker, subject)?;
        let after: Memory = worker.memory()?;
        let grown = |after: u64, before: u64| after.saturating_sub(before);
        Ok(Some((grown(after.peak, before.resident), grown(after.anonymous, before.anonymous))))
    }
}

fn print(out: &mut impl Write, running: &Running, all: &[Measured]) -> io::Result<()> {
    let runs = all.first().map_or(0, |m| m.time.count);
    writeln!(out, "{}, {} each", running.label(), counted(runs, "run"))?;
    writeln!(
        out,
        "{:<10} {:>7} {:>11} {:>19} {:>9} {:>9}  model",
        "kernels", "threads", "median ms", "quartiles ms", "peak MB", "anon MB"
    )?;
    for m in all {
        let Spread { lower, median, upper, .. } = m.time;
        let quartiles = format!("{:.3} – {:.3}", 1e3 * lower, 1e3 * upper);
        write!(out, "{:<10} {:>7} {:>11.3} {quartiles:>19} ", m.kernels, m.threads, 1e3 * median)?;
        match m.memory {
            Some((peak, anonymous)) => write!(out, "{:>9.1} {:>9.1}", mega(peak), mega(anonymous))?,
            None => write!(out, "{:>9} {:>9}", "?", "?")?,
        }
        writeln!(out, "  {}", m.name)?;
    }
    // One setting after the other, the models of each in order.
    let models = all
        .iter()
        .take_while(|m| m.kernels == all[0].kernels && m.threads == all[0].threads)
        .count();
    for setting in all.chunks(models.max(1)) {
        for other in &setting[1..] {
            let (first, ratio) = (&setting[0], other.time.median / setting[0].time.median);
            let (kernels, name, first_name) = (first.kernels, &other.name, &first.name);
            let threads = counted(first.threads, "thread");
            let apart = other.time.lower > first.time.upper || first.time.lower > other.time.upper;
            let what = match apart {
                true => format!("takes {ratio:.2} times as long as {first_name}"),
                // What a median says within the spread of both is chance.
                false => format!("cannot be told from {first_name} by its time ({ratio:.2} times)"),
            };
            writeln!(out, "{kernels}, {threads}: {name} {what}")?;
        }
    }
    Ok(())
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn print_json(out: &mut impl Write, running: &Running, all: &[Measured]) -> io::Result<()> {
    let rows: Vec<Json> = all
        .iter()
        .map(|m| {
            json!({
                "model": m.name,
                "kernels": m.kernels.name(),
                "threads": m.threads,
                "seconds": m.time,
                "peak_bytes": m.memory.map(|(peak, _)| peak),
                "anonymous_bytes": m.memory.map(|(_, anonymous)| anonymous),
            })
        })
        .collect();
    write!(
        out,
        "{}",
        super::json::json_text(&json!({ "runtime": running.label(), "measured": rows }))
    )
}
