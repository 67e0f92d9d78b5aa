//! The command without a name: runs a pipeline on a model and writes the result.

use super::args::Args;
use super::debug::{self, Watcher};
use super::diagnostics::{self, Failure, named, output_failure};
use super::emit::Form;
use super::model::Files;
use super::outputs::{self, Inputs, Outputs};
use super::plan::{self, PlanArg};
use super::shown::{Shown, standard_error};
use super::{list, misspelt, model, progress, replay, summary, timing, tool};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tfq_edits::file_hash;
use tfq_ir::{ElementType, counted};
use tfq_opt::debug::Reproducer;
use tfq_opt::pass::{Pipeline, Report, SpanKind, Timeline};
use tfq_opt::passes::{IdlePattern, IdlePatterns};
use tfq_opt::target::{Granularity, Objective, Target};
use tfq_opt::{Optimizer, Source};
use tfq_tflite::Access;

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.print_pipeline {
        let pipeline = match &args.debug.run_reproducer {
            Some(file) => reproducer(file)?.1,
            None => args.run.pipeline()?,
        };
        return writeln!(Shown(io::stdout()), "{pipeline}").map_err(output_failure);
    }
    let mut timeline = Timeline::default();
    let mut inputs = inputs(args);
    let Job { input, optimizer, target, source, bytes_in, model, form, output } =
        Job::new(args, &mut inputs, &mut timeline)?;
    let _alone = (args.threads.is_none() && bytes_in < WORTH_THREADS).then(work_alone);
    debug::log(args.debug.verbose);
    let verification = args.verify.prepare(&input, &source, &args.reading)?;
    let progress = progress::Progress::new(bytes_in, args.quiet);
    let mut watcher = Watcher::new(&args.debug, &target.to_string_lossy(), &inputs);
    let run = || {
        optimizer.run_observed(source, |event| {
            progress.event(&event);
            watcher.event(&event);
        })
    };
    let (outcome, panicked_at) = debug::catching(run);
    watcher.finish()?;
    let optimized = outcome.map_err(|error| {
        // One that breaks the model is run again, and may panic then.
        let panicked = matches!(&error, tfq_opt::Error::Run(tfq_opt::pass::RunError::Panic { .. }));
        let failure = Failure::model(&input, error);
        let failure = match panicked_at.filter(|_| panicked) {
            Some(place) => failure.with_note(&format!("it panicked at {place}")),
            None => failure,
        };
        match watcher.write_reproducer() {
            Some(help) => failure.with_note(&help),
            None => failure,
        }
    })?;
    watcher.check_why()?;
    timeline.nest(&optimized.report.timeline);
    let failed = |error: tfq_opt::Error| Failure::model(&input, error);
    let image = timeline.span(SpanKind::File, "lower", || optimized.image()).map_err(failed)?;
    let verified = verification.map(|verification| verification.check(&image)).transpose()?;
    let mut files = Files::new();
    let edits = args.edits().zip(model).map(|(file, model)| {
        let add = || replay::add_edits(file, &optimized, model, &mut files);
        timeline.span(SpanKind::File, "write edits", add)
    });
    let edits = edits.transpose()?;
    let done = |bytes| progress.written(bytes, image.len());
    let mut side_file = None;
    if let Some(output) = output {
        side_file = timeline.span(SpanKind::File, "write", || {
            let image = || Ok(image.clone());
            args.emit.add(form, image, &optimized.module, output, &mut files, done)
        })?;
    }
    // What goes into a stream cannot be taken back, so that all files are there before: a trace
    // does not show how long that took.
    if let Some(file) = &args.debug.trace {
        files.add_bytes(file, timing::trace(&timeline))?;
    }
    if output.is_some_and(model::is_stream) {
        timeline.span(SpanKind::File, "write to stream", || files.write_streams(done))?;
    }
    progress.finish();
    files.commit()?;
    let bytes_out = image.len();
    let model_file = output.filter(|_| form.is_model());
    let goes_along = outputs::goes_along(&input, model_file, &optimized.module);
    let summary = summary::Summary {
        run: summary::Run {
            target: named(&args.run.target),
            dry_run: args.dry_run,
            passes_named: args.run.passes.is_some() || args.run.pipeline.is_some(),
            timing: args.timing,
            asked: asked(args),
            hints: hints(args, optimizer.target()),
            remarks: args.remarks.as_deref(),
        },
        replayed: None,
        input: named(&input),
        optimized: &optimized,
        timeline: &timeline,
        bytes_in,
        bytes_out,
        verified: verified.as_ref(),
        output,
        side_file,
        goes_along,
        edits,
    };
    if !args.quiet {
        warn_of_idle_patterns(args, &optimized.report);
    }
    let told = report(args, &summary).map_err(output_failure);
    if let Some(form) = args.plan.as_ref().and_then(PlanArg::form) {
        plan::print(form, &optimized.report)?.map_err(output_failure)?;
    }
    // The command ends here. To take a large graph apart node by node takes longer than to write
    // it.
    std::mem::forget(optimized);
    told
}

/// What is to be done, read and checked.
struct Job<'a> {
    input: PathBuf,
    optimizer: Optimizer,
    /// As the user named it: a target of a file is found by its path only.
    target: OsString,
    source: Source<'static>,
    bytes_in: u64,
    /// The hash of the model's file, where the edits are wanted.
    model: Option<String>,
    form: Form,
    output: Option<&'a Path>,
}

impl<'a> Job<'a> {
    fn new(args: &'a Args, inputs: &mut Inputs, timeline: &mut Timeline) -> Result<Self, Failure> {
        args.debug.check()?;
        let form = args.emit.form(args.output.as_deref())?;
        let output = form.output(args.output.as_deref()).filter(|_| !args.dry_run);
        if args.json {
            outputs::check_json(output)?;
        }
        let followed = args.plan.as_ref().is_some_and(|plan| plan.file().is_some());
        if followed {
            plan::check_alone(&args.run.ways)?;
        }
        let to_standard_output = [
            ("the edits", args.edits().is_some_and(model::is_standard_output)),
            ("the plan", args.plan.as_ref().is_some_and(|plan| plan.form().is_some())),
            ("--json", args.json),
            ("the model", output.is_some_and(model::is_standard_output)),
        ];
        let mut there = to_standard_output.iter().filter(|(_, is_there)| *is_there);
        if let (Some((one, _)), Some((other, _))) = (there.next(), there.next()) {
            let message = format!("{one} and {other} would both go to standard output");
            return Err(Failure::usage(&message, "leave out one of them, or name a file"));
        }
        if let Some(pass) = args.remarks.as_deref().filter(|pass| !pass.is_empty()) {
            list::find(pass)?;
        }
        check_outputs(args, form, output, inputs)?;
        if let Some(file) = &args.debug.run_reproducer {
            return Self::reproduce(args, file, form, output, inputs);
        }
        let Some(input) = args.input.clone() else {
            return Err(Failure::usage(
                "no INPUT is given",
                "give a .tflite file, or - for standard input",
            ));
        };
        if let Some(failure) = misspelt::word(input.as_os_str()) {
            return Err(failure);
        }
        let target = args.run.target.clone();
        let optimizer = optimizer(args, args.run.pipeline()?, &target)?;
        let read = || {
            let model = model::source(&input, &args.reading, access(args))?;
            Ok((model.size(&input)?, model))
        };
        let (bytes_in, loaded) = timeline.span(SpanKind::File, "read", read)?;
        if inputs.add_constants(&input, &loaded.external_groups()) {
            check_outputs(args, form, output, inputs)?;
        }
        let model::Loaded { source, file } = loaded;
        let model = args.edits().is_some().then(|| file_hash(&file));
        Ok(Self { input, optimizer, target, source, bytes_in, model, form, output })
    }

    fn reproduce(
        args: &'a Args,
        file: &Path,
        form: Form,
        output: Option<&'a Path>,
        inputs: &mut Inputs,
    ) -> Result<Self, Failure> {
        let (reproducer, pipeline) = reproducer(file)?;
        let target = OsString::from(&reproducer.target);
        let optimizer = optimizer(args, pipeline, &target)?;
        let module = reproducer.module().map_err(|error| Failure::model(file, error))?;
        if inputs.add_constants_of(file, &module) {
            check_outputs(args, form, output, inputs)?;
        }
        let bytes_in = model::size(file, &module)?;
        let (input, source, model) = (file.to_owned(), module.into(), None);
        Ok(Self { input, optimizer, target, source, bytes_in, model, form, output })
    }
}

/// What a file says that a failed run left, and the pass in it.
fn reproducer(file: &Path) -> Result<(Reproducer, Pipeline), Failure> {
    let text = tfq_tflite::read_text(file, tfq_tflite::MOST_TEXT)
        .map_err(|error| Failure::file("cannot read", file, &error))?;
    let reproducer = Reproducer::parse(&text).map_err(|error| Failure::Model {
        message: format!("{}: {error}", named(file)),
        help: Some("a run in which a pass fails writes one; see --reproducer".to_owned()),
    })?;
    let pipeline = model::pipeline(&named(file), &reproducer.pipeline)?;
    Ok((reproducer, pipeline))
}

/// All that is read, whatever comes of it.
fn inputs(args: &Args) -> Inputs {
    let model = args.input.as_ref().map(|input| args.reading.files(input)).unwrap_or_default();
    let plan = args.plan.as_ref().and_then(PlanArg::file).map(PathBuf::from);
    let others = [args.debug.run_reproducer.clone(), plan];
    let others = others.into_iter().flatten();
    let others = others.chain(args.run.files()).chain(args.verify.files()).collect();
    Inputs { model, others, ..Inputs::default() }
}

/// The option by which the user says how ops are to read weights.
fn asked(args: &Args) -> Option<String> {
    let ways = &args.run.ways;
    let followed = args.plan.as_ref().is_some_and(|plan| plan.file().is_some());
    let prefer = || ways.prefer.map(|prefer| format!("--prefer={}", prefer.name()));
    let weight_only = ways.weight_only.then(|| "--weight-only".to_owned());
    weight_only.or_else(|| followed.then(|| "the plan".to_owned())).or_else(prefer)
}

/// What else the target could take where the default pipeline leaves constants as they are.
fn hints(args: &Args, target: &Target) -> Vec<(&'static str, String)> {
    if args.run.names_passes() || args.debug.run_reproducer.is_some() {
        return Vec::new();
    }
    if args.run.optimize {
        let grow = (!args.run.may_grow()).then_some("--allow=grow keeps them within 2 % or 5 kB");
        return grow.map(|hint| (summary::UNDONE, hint.to_owned())).into_iter().collect();
    }
    let halves = || "--float16 stores them in half the bytes".to_owned();
    let smaller = || "--prefer=size weighs the file alone".to_owned();
    let dequantizes = |ty| target.dequantize_supports(ty, Granularity::PerTensor);
    let takes_halves = dequantizes(ElementType::Float16)
        && !dequantizes(ElementType::Int8)
        && !args.run.ways.float16;
    let is_for_size = args.run.ways.prefer.is_some()
        || matches!(target.prefer(), Objective::Size | Objective::Balanced);
    let halves = takes_halves.then(|| ("no kernel", halves()));
    let smaller = (!is_for_size).then(|| ("better float32", smaller()));
    halves.into_iter().chain(smaller).collect()
}

/// A mistyped pattern would pass unnoticed, and the weights with it.
fn warn_of_idle_patterns(args: &Args, report: &Report) {
    let idle = report.products.get::<IdlePatterns>().map_or(&[][..], |idle| &idle.0);
    for IdlePattern { pattern, meant } in idle {
        let option = if args.run.ways.keep.contains(pattern) { "--keep" } else { "keep" };
        let hint = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "--plan lists the weights and the ops that read them".to_owned(),
        };
        diagnostics::warning(&format!("{option}={pattern} fits no weight; {hint}"));
    }
}

/// Whatever is written can be written, and is none of the files that are read.
fn check_outputs(
    args: &Args,
    form: Form,
    output: Option<&Path>,
    inputs: &Inputs,
) -> Result<(), Failure> {
    let side = output.and_then(|output| args.emit.side_file(form, output));
    let debug = &args.debug;
    let edits_side = args.edits().and_then(replay::side_file);
    let others =
        [args.edits(), edits_side.as_deref(), debug.trace.as_deref(), debug.reproducer.as_deref()];
    let others: Vec<&Path> = others.into_iter().flatten().collect();
    let all = [output, side.as_deref()].into_iter().flatten();
    debug.check_dumps(&all.chain(others.iter().copied()).collect::<Vec<_>>())?;
    let outputs = Outputs { result: output, side: side.as_deref(), others };
    outputs::check(&outputs, inputs, Some(args.overwrite))
}

fn optimizer(args: &Args, pipeline: Pipeline, target: &OsStr) -> Result<Optimizer, Failure> {
    if let Some(threads) = args.threads {
        start_threads(threads).map_err(|error| {
            let threads = counted(threads, "thread");
            Failure::usage(&format!("{threads} cannot be started"), &error.to_string())
        })?;
    }
    let remarks = args.remarks.as_deref().filter(|pass| !pass.is_empty());
    let planner = args.plan.as_ref().map(|_| ("--plan", plan::PLANNER));
    args.debug.check_passes(
        &pipeline,
        remarks.map(|pass| ("--remarks", pass)).into_iter().chain(planner),
    )?;
    let mut optimizer =
        Optimizer::in_registry(tool::registry(), pipeline).for_target(model::target(target)?);
    optimizer.lift.drop_unknown = args.reading.drop_unknown;
    optimizer.allow_unloadable = args.allow_unloadable;
    optimizer.lower.placement = args.constants.into();
    optimizer.run_options.keep_edits = args.edits().is_some();
    if let Some(plan) = &args.plan {
        plan.prepare(&mut optimizer)?;
    }
    optimizer.run_options.explain = args.remarks.is_some();
    optimizer.run_options.why.clone_from(&args.debug.why);
    optimizer.run_options.missed_only = args.remarks.is_none() && args.debug.why.is_none();
    optimizer.run_options.skip_verifier = args.debug.no_verify;
    optimizer.stop_after_patch = args.debug.stop_after_patch;
    optimizer.shuffle = args.debug.shuffle;
    // Who names passes knows what they should do.
    optimizer.never_larger = !args.run.names_passes();
    optimizer.may_grow = args.run.may_grow();
    Ok(optimizer)
}

/// Below this many bytes of a model, starting and waking threads takes longer than they save.
const WORTH_THREADS: u64 = 32 << 20;

/// While the result lives, this thread shares its work with no other. The pool is no global one: a
/// thread that a pass starts would wait there for this thread, which may wait for it.
fn work_alone() -> Option<rayon::ThreadPool> {
    // Where this thread is at work in a pool already, it stays there.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok()
}

fn start_threads(threads: usize) -> Result<(), rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()
}

/// Passes and writing look at every constant.
fn access(args: &Args) -> Access {
    let passes = args.run.passes.as_deref().is_none_or(|passes| !passes.trim().is_empty());
    let writes = args.output.is_some() && !args.dry_run;
    if passes || writes { Access::Whole } else { Access::Parts }
}

fn report(args: &Args, summary: &summary::Summary<'_>) -> io::Result<()> {
    if !args.json {
        let mut out = standard_error();
        if let Some(pass) = &args.remarks {
            summary.remarks(&mut out, pass)?;
        }
        if let Some(why) = &args.debug.why {
            summary.why(&mut out, why)?;
        }
        if args.debug.provenance {
            summary.provenance(&mut out)?;
        }
        if args.stats {
            summary.stats(&mut out)?;
        }
        if args.timing {
            timing::tree(summary.timeline, &mut out)?;
        }
    }
    summary.tell(args.json, args.quiet)
}
