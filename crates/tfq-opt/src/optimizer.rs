//! Lift, run a pipeline, check, lower: the whole way of a model.

use crate::size::{self, Bounded, Limit};
use crate::start::Start;
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;
use std::collections::BTreeSet;
use std::sync::Arc;
use tfq_edits::{Blobs, Edits, EditsError};
use tfq_ir::{
    BufferId, Edit, LoggedEdit, Module, Subgraph, SubgraphId, VerifyError, cut_label, visible,
};
use tfq_pass::invariant::SETTLED;
use tfq_pass::{
    AskedSize, Event, NeededSize, Pipeline, PipelineError, Registry, Report, RunCheck, RunError,
    RunOptions, SpanKind, Timeline, Unloadable, Unrunnable,
};
use tfq_target::Target;
use tfq_tflite::{Image, LiftError, LiftOptions, LowerError, LowerOptions, Placement};

/// A model to be optimised.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// The bytes of a `.tflite` file. Constants stay slices of them.
    Bytes(Bytes),
    /// A model of the generated code, whose bytes are copied once.
    Model(tfq_schema::tflite::Model<'a>),
    /// A model that was read before; see [`crate::load()`].
    Module(Box<Module>),
}

impl From<Module> for Source<'_> {
    fn from(module: Module) -> Self {
        Self::Module(Box::new(module))
    }
}

impl From<Bytes> for Source<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Source<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<&[u8]> for Source<'_> {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(bytes))
    }
}

impl<'a> From<tfq_schema::tflite::Model<'a>> for Source<'a> {
    fn from(model: tfq_schema::tflite::Model<'a>) -> Self {
        Self::Model(model)
    }
}

/// Why a model could not be optimised.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error(transparent)]
    Lift(#[from] LiftError),
    /// It is text, and not as it should be.
    #[error("{error}")]
    Text {
        /// The whole text.
        text: String,
        /// What is wrong with it, and where.
        error: Box<tfq_text::ParseError>,
    },
    /// A pass failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Edits could not be read, or do not fit the model.
    #[error(transparent)]
    Edits(#[from] EditsError),
    /// It is broken: passes left it so with the verifier off, or edits did.
    #[error("the result is not well-formed: {0}")]
    Malformed(VerifyError),
    /// The target would refuse the result or compute it wrongly.
    #[error("the target `{target}` cannot run the result: {first}{more}")]
    Unrunnable {
        /// The target.
        target: String,
        /// The first place.
        first: Box<Unrunnable>,
        /// How many places follow, in words.
        more: String,
        /// Passes that mend the first.
        mended_by: Vec<String>,
    },
    /// The target's runtime would not load the result, or would read where nothing of it is.
    #[error("the target `{target}` does not take the {}: {first}{more}", if *came { "model" } else { "result" })]
    Unloadable {
        /// The target.
        target: String,
        /// The first place.
        first: Unloadable,
        /// How many places follow, in words.
        more: String,
        /// Whether the input is like that, so that no pass is to blame.
        came: bool,
    },
    /// It could not be written.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// What edits made of it is no result: one of the above, which no pass is to blame for.
    #[error("{error}")]
    Replayed {
        /// What is wrong with it.
        error: Box<Error>,
        /// The first edit after which it is not well-formed, where it is not: its number, and what
        /// it is called.
        first: Option<(usize, String)>,
    },
}

impl Error {
    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Lift(error) => error.help().map(str::to_owned),
            Self::Text { error, .. } => error.help.clone(),
            Self::Edits(error) => error.help.clone(),
            Self::Unrunnable { mended_by, .. } => {
                Some(format!("run {} after the other passes", one_of(mended_by)?))
            }
            Self::Unloadable { came: true, .. } => {
                Some("pass --allow-unloadable to write it all the same".to_owned())
            }
            Self::Unloadable { came: false, .. } => {
                Some("this is a mistake in a pass; nothing was written".to_owned())
            }
            Self::Lower(LowerError::TooLarge { .. }) => {
                Some("pass --constants=outside, or leave the choice to the tool".to_owned())
            }
            Self::Run(error) if error.is_mistake() => {
                Some("this is a mistake in the pass; nothing was written".to_owned())
            }
            Self::Malformed(_) => {
                Some("with the verifier on, the pass that broke it is named".to_owned())
            }
            Self::Run(RunError::Requires { ensured_by, .. }) => {
                Some(format!("run {} before it", one_of(ensured_by)?))
            }
            Self::Replayed { error, first } => match (&**error, first) {
                (_, Some((n, label))) => {
                    let label = visible(label);
                    Some(format!(
                        "it is so from edits[{n}] on, `{label}`, which is to be corrected"
                    ))
                }
                (Self::Unrunnable { mended_by, target, .. }, None) => {
                    Some(match one_of(mended_by) {
                        Some(passes) => format!(
                            "let the edits do what {passes} does, too; those of another target are to \
                         be made anew of the model before them, with --target={target}"
                        ),
                        None => format!(
                            "the edits are of another target, as it seems: make them anew of the model \
                         before them, with --target={target}"
                        ),
                    })
                }
                (Self::Unloadable { .. }, None) => {
                    Some("the edits ask for it, and are to be corrected".to_owned())
                }
                (error, None) => error.help(),
            },
            Self::Lower(LowerError::SkeletonTooLarge { .. }) | Self::Run(_) => None,
        }
    }

    /// The error where it is of what edits made.
    fn replayed(self) -> Self {
        match self {
            Self::Unrunnable { .. } | Self::Unloadable { came: false, .. } => {
                Self::Replayed { error: Box::new(self), first: None }
            }
            other => other,
        }
    }
}

/// Runs a pipeline on models.
///
/// ```
/// use tfq_opt::{Error, Optimizer, Source, pass::Event};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = std::fs::read(path)?;
/// let mut optimizer = Optimizer::default();
/// // The first patches alone, to see what the others change.
/// optimizer.stop_after_patch = Some(1);
/// let mut passes = Vec::new();
/// let result = optimizer.run_observed(&file[..], |event| {
///     if let Event::End { report, .. } = event {
///         passes.push(report.name.clone());
///     }
/// })?;
/// assert_eq!(passes[0], "fold-constants");
/// assert_eq!(result.kept.map(|(kept, _)| kept), Some(1));
///
/// // What does not run on the target is no result.
/// let halved = Optimizer::parse("quantize-weights{type=float16}")?.run(Source::from(file));
/// let error = halved.unwrap_err();
/// assert!(matches!(error, Error::Unrunnable { .. }));
/// assert_eq!(error.help().as_deref(), Some("run `insert-dequant` after the other passes"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Optimizer {
    pub(crate) pipeline: Pipeline,
    pub(crate) target: Arc<Target>,
    /// Where passes are found that the pipeline does not name, to complete a state or to help
    /// with an error.
    registry: Registry,
    /// How strictly models are read.
    pub lift: LiftOptions,
    /// How models are written.
    pub lower: LowerOptions,
    /// How pipelines are run.
    pub run_options: RunOptions,
    /// Whether to go on with a model that the target's runtime refuses to load. What passes make
    /// of it never has more to refuse. Signatures of the input that do not work are never in the
    /// way, as long as the model loads.
    pub allow_unloadable: bool,
    /// Of all patches that the pipeline applies, keep only so many, and complete that state so
    /// that it runs.
    pub stop_after_patch: Option<usize>,
    /// Make the graph in an order of chance with this seed, which must not change the result:
    /// for tests of determinism. What is done is done to another graph then, so that
    /// [`Optimized::edits`] gives nothing.
    pub shuffle: Option<u64>,
    /// Never give a larger file than the one that came in: what only costs is undone, all of it
    /// where it must be. What the model needs to run on the target, and what an option asks for, is
    /// done all the same. It is for pipelines that the user did not name, such as
    /// [`Self::default`]. A model that came as text or a module has no file to be held to.
    pub never_larger: bool,
    /// With [`Self::never_larger`], allow a file that is larger by 2 %, or by 5 kB where that is more:
    /// for pipelines that give bytes for time.
    pub may_grow: bool,
}

impl Optimizer {
    /// Runs this pipeline, of passes of the registry or others, for the target `litert`. In the
    /// registry it looks for passes that the pipeline does not name.
    ///
    /// ```
    /// use tfq_opt::pass::{Pipeline, Registry};
    /// use tfq_opt::passes::{QuantizeWeights, WeightType};
    /// use tfq_opt::{Optimizer, builtin};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
    /// # let file = std::fs::read(path)?;
    /// let help = |registry: &Registry| {
    ///     let halve = QuantizeWeights { r#type: WeightType::Float16, ..Default::default() };
    ///     let optimizer = Optimizer::in_registry(registry, Pipeline::new().with(halve));
    ///     optimizer.run(&file[..]).expect_err("ops read no float16").help()
    /// };
    /// assert_eq!(help(&builtin()).as_deref(), Some("run `insert-dequant` after the other passes"));
    /// assert_eq!(help(&Registry::default()), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn in_registry(registry: &Registry, pipeline: Pipeline) -> Self {
        let target = Target::named("litert").expect("it is shipped");
        Self {
            pipeline,
            target,
            registry: registry.clone(),
            lift: LiftOptions::default(),
            lower: LowerOptions::default(),
            run_options: RunOptions::default(),
            allow_unloadable: false,
            stop_after_patch: None,
            shuffle: None,
            never_larger: false,
            may_grow: false,
        }
    }

    /// Runs a pipeline of passes of the registry, given as text. With `default` it is
    /// [`Self::never_larger`].
    pub fn parse_in(registry: &Registry, pipeline: &str) -> Result<Self, PipelineError> {
        let optimizer = Self::in_registry(registry, Pipeline::parse(registry, pipeline)?);
        Ok(Self { never_larger: pipeline.trim() == "default", ..optimizer })
    }

    /// Makes models for this target.
    #[must_use]
    pub fn for_target(mut self, target: impl Into<Arc<Target>>) -> Self {
        self.target = target.into();
        self
    }

    /// The runtime that models are made for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Optimises a model.
    pub fn run<'a>(&self, source: impl Into<Source<'a>>) -> Result<Optimized, Error> {
        self.run_observed(source, |_| ())
    }

    /// Optimises a model, telling before and after each pass.
    pub fn run_observed<'a>(
        &self,
        source: impl Into<Source<'a>>,
        observe: impl FnMut(Event<'_>),
    ) -> Result<Optimized, Error> {
        let mut timeline = Timeline::default();
        let (module, input) = self.read(source.into(), &mut timeline)?;
        let module = match self.shuffle {
            Some(seed) => module.shuffled(seed),
            None => module,
        };
        let mut optimized = self.run_module(module, input, timeline, observe)?;
        if self.shuffle.is_some() {
            optimized.start = None;
        }
        Ok(optimized)
    }

    /// Does to a model what a run did to it, or what a plugin asks for, in the place of the
    /// pipeline. What comes out is checked as the result of a run is.
    ///
    /// ```
    /// use tfq_opt::Optimizer;
    /// use tfq_opt::edits::{Blobs, Edits};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
    /// # let file = std::fs::read(path)?;
    /// let edits = Edits::parse(
    ///     r#"{"tfq_edits": 1, "edits": [{"edit": {"description": "for the demo"}}]}"#,
    /// )?;
    /// let result = Optimizer::default().replay(file, &edits, &Blobs::new())?;
    /// assert_eq!(result.module.description().map(|text| &**text), Some("for the demo"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn replay<'a>(
        &self,
        source: impl Into<Source<'a>>,
        edits: &Edits,
        blobs: &Blobs,
    ) -> Result<Optimized, Error> {
        let mut timeline = Timeline::default();
        let (start, input) = self.read(source.into(), &mut timeline)?;
        self.replay_on(start, input, edits, blobs, timeline)
    }

    /// As [`Self::replay`], of edits that are read once the model is: for one of very many ops they
    /// may be many ([`Limits::of`](tfq_edits::Limits::of)).
    pub fn replay_for<'a, E: From<Error>>(
        &self,
        source: impl Into<Source<'a>>,
        edits: impl FnOnce(&Module) -> Result<Edits, E>,
        blobs: &Blobs,
    ) -> Result<Optimized, E> {
        let mut timeline = Timeline::default();
        let (start, input) = self.read(source.into(), &mut timeline)?;
        let edits = edits(&start)?;
        Ok(self.replay_on(start, input, &edits, blobs, timeline)?)
    }

    fn replay_on(
        &self,
        start: Module,
        input: Option<Bytes>,
        edits: &Edits,
        blobs: &Blobs,
        mut timeline: Timeline,
    ) -> Result<Optimized, Error> {
        let mut module = start.clone();
        let apply = || edits.apply_numbered(&mut module, blobs);
        let numbers = timeline.span(SpanKind::File, "replay", apply)?;
        if let Err(error) = well_formed(&module) {
            let (error, first) = (Box::new(error), first_malformed(start, &module, &numbers));
            return Err(Error::Replayed { error, first });
        }
        tfq_pass::update_versions(&mut module, &start, &self.target);
        let done = Done { start, module, report: Report::default(), kept: None, input };
        self.finish(done, false, timeline).map_err(Error::replayed)
    }

    /// The model, and its file where it came as bytes.
    fn read(
        &self,
        source: Source<'_>,
        timeline: &mut Timeline,
    ) -> Result<(Module, Option<Bytes>), Error> {
        let mut lift = |bytes: Bytes| {
            let lifted = || tfq_tflite::lift(&bytes, &self.lift);
            let module = timeline.span(SpanKind::File, "lift", lifted)?;
            Ok::<_, Error>((module, Some(bytes)))
        };
        match source {
            Source::Bytes(bytes) => lift(bytes),
            Source::Model(model) => lift(Bytes::copy_from_slice(model._tab.buf())),
            Source::Module(module) => Ok((*module, None)),
        }
    }

    fn run_module(
        &self,
        mut module: Module,
        input: Option<Bytes>,
        mut timeline: Timeline,
        observe: impl FnMut(Event<'_>),
    ) -> Result<Optimized, Error> {
        let start = module.clone();
        let mut options = self.run_options.clone();
        options.keep_edits |= self.stop_after_patch.is_some();
        let limit = input.as_ref().filter(|_| self.never_larger).map(|input| self.limit(input));
        if let Some(room) = limit.and_then(Limit::room) {
            options.resources.insert(room);
        }
        let mut report =
            tfq_pass::run(&mut module, &self.pipeline, &self.target, &options, observe)
                .map_err(|error| error.in_registry(&self.registry))?;
        timeline.nest(&report.timeline);
        if self.run_options.skip_verifier {
            well_formed(&module)?;
        }
        let patches = report.passes.iter().map(|pass| pass.patches).sum();
        let mut kept = None;
        if let Some(count) = self.stop_after_patch {
            kept = Some((count.min(patches), patches));
            module = self.state_after(&start, &module, count)?;
            if count < patches {
                report.keep_patches(count, &start, &module);
            }
        }
        let done = Done { start, module, report, kept, input };
        self.finish(done, self.never_larger && kept.is_none(), timeline)
    }

    /// Checks a result. With `bounded` it is made no larger than the input.
    fn finish(
        &self,
        done: Done,
        bounded: bool,
        mut timeline: Timeline,
    ) -> Result<Optimized, Error> {
        let Done { start, mut module, mut report, kept, input } = done;
        let span = timeline.begin(SpanKind::File, "check that it runs");
        let untouched = module.is_untouched_since(&start);
        let start = self.start(start, input.as_ref());
        let checked = module.clone();
        // With what the passes found out goes its memory.
        let verdicts = std::mem::take(&mut report.verdicts);
        let check = RunCheck::knowing(&checked, &self.target, &verdicts);
        let mut wrong = match check.all() {
            none if none.is_empty() => none,
            _ => check.since(start.get()?),
        };
        let mut unrunnable = check.quantized();
        drop((check, verdicts));
        timeline.end(span);
        report.timeline = timeline;
        if !wrong.is_empty() {
            let first = wrong.swap_remove(0);
            let (target, more) = (self.target.name().to_owned(), and_more(wrong.len()));
            let mended_by = first.unmet.as_ref().map_or(Vec::new(), |unmet| {
                self.registry.ensuring(unmet.name()).map(|info| info.name.to_string()).collect()
            });
            let first = Box::new(first);
            return Err(Error::Unrunnable { target, first, more, mended_by });
        }
        // Where another layout is asked for, or less than all that is there, the input is no
        // measure.
        let comparable = !self.lift.drop_unknown && self.lower.placement == Placement::Auto;
        let mut as_it_was = comparable && untouched;
        let mut lowered = None;
        // Without what is needed the model would not run on the target.
        let bounded = bounded
            && report.products.get::<NeededSize>().is_none()
            && report.products.get::<AskedSize>().is_none();
        let (mut mended, mut undone) = (None, None);
        if let Some(input) = input.as_ref().filter(|_| comparable && bounded && !untouched) {
            let limit = self.limit(input);
            // What keeps the model from running on the target as it came is put right whatever that
            // takes.
            let has_to = || {
                let came = RunCheck::new(start.get()?, &self.target).quantized();
                if came.len() > unrunnable.len() {
                    let stays =
                        |one: &Unrunnable| unrunnable.iter().any(|left| left.place == one.place);
                    mended = came.into_iter().find(|one| !stays(one));
                }
                Ok::<_, Error>(mended.is_some())
            };
            let (record, lower) = (start.record(), &self.lower);
            match size::bounded(&module, record, &mut report, lower, limit, has_to)? {
                Bounded::Whole(image) => lowered = Some(image),
                Bounded::Bare(bare, image) => (module, lowered) = (*bare, Some(image)),
                Bounded::Undone(by) => {
                    (module, as_it_was, undone) = (start.get()?.clone(), true, Some(by));
                    report.raised_runtime = None;
                }
            }
        }
        if !module.is_untouched_since(&checked) {
            unrunnable = RunCheck::new(&module, &self.target).quantized();
        }
        size::tell_of_record(&module, start.record(), &mut report);
        let unloadable = self.unloadable(&start, &module)?;
        Ok(Optimized {
            made: module.clone(),
            module,
            report,
            kept,
            unloadable,
            unrunnable,
            mended,
            undone,
            lower: self.lower,
            start: start.into_kept().filter(|_| self.run_options.keep_edits),
            input,
            as_it_was,
            lowered,
        })
    }

    /// How large the result may be with [`Self::never_larger`].
    fn limit(&self, input: &Bytes) -> Limit {
        Limit::new(input.len() as u64, self.may_grow)
    }

    /// The model that came, which is let go of where its file has it.
    fn start(&self, module: Module, input: Option<&Bytes>) -> Start {
        let RunOptions { keep_edits, keep_history, .. } = self.run_options;
        // What was shuffled has other handles than its file.
        match input.filter(|_| self.shuffle.is_none() && !keep_edits && !keep_history) {
            Some(file) => Start::of_file(&module, file.clone(), self.lift),
            None => Start::kept(module),
        }
    }

    /// For what the target refuses the result: nothing, unless it is in the input as well, and
    /// allowed there or met by callers of a signature only.
    fn unloadable(&self, start: &Start, end: &Module) -> Result<Vec<Unloadable>, Error> {
        if tfq_pass::check_loadable(end, &self.target).is_empty() {
            return Ok(Vec::new());
        }
        let (came, made) = tfq_pass::check_loadable_since(end, start.get()?, &self.target);
        let came_so = made.is_empty();
        let refused = if came_so { &came } else { &made };
        let is_error =
            |one: &&Unloadable| !came_so || !(self.allow_unloadable || one.by_signature_only);
        let mut refused = refused.iter().filter(is_error);
        let Some(first) = refused.next().cloned() else { return Ok(came) };
        let (target, more) = (self.target.name().to_owned(), and_more(refused.count()));
        Err(Error::Unloadable { target, first, more, came: came_so })
    }

    /// The state after the first `patches` patches of a run from `start` to `end`.
    fn state_after(&self, start: &Module, end: &Module, patches: usize) -> Result<Module, Error> {
        let edits = &end.edits()[start.edits().len()..];
        let is_patch = |n: &usize| edits[*n].edit.is_journalled();
        let mut ends = (0..edits.len()).filter(is_patch).map(|n| n + 1);
        let end = patches.checked_sub(1).map_or(Some(0), |n| ends.nth(n));
        // With the last patch comes what was done after it: metadata, and operator versions.
        let count = end.filter(|_| ends.next().is_some()).unwrap_or(edits.len());
        self.completed(start, &edits[..count])
    }

    /// The state after these edits of `start`, completed so that it runs: a state between
    /// passes may hold quantised constants whose readers were not served yet.
    pub(crate) fn completed(&self, start: &Module, edits: &[LoggedEdit]) -> Result<Module, Error> {
        let mut module = start.clone();
        module.replay(edits).expect("the edits were applied once");
        // What a pass replaced it lets go of in the end, which these edits may not reach.
        let buffers = |graph: &'_ Subgraph| -> Vec<BufferId> {
            graph.tensors().map(|id| graph.tensor(id).buffer).collect()
        };
        let before: BTreeSet<BufferId> = start.subgraphs().flat_map(|(_, g)| buffers(g)).collect();
        let is_there = |id: &BufferId| (id.0 as usize) < module.constants().len();
        let release = Edit::Release(before.into_iter().filter(is_there).collect());
        module.apply(release).expect("they are there");
        let subgraphs: Vec<SubgraphId> = module.subgraph_ids().collect();
        if SETTLED.broken(&module, &subgraphs).is_some()
            && let Some(info) = self.registry.ensuring(SETTLED.name()).next()
        {
            let complete = Pipeline::parse(&self.registry, &info.name);
            let complete = complete.expect("a pass of the registry runs with its defaults");
            // What it does belongs to what was done to the model.
            let options = RunOptions { keep_edits: true, ..RunOptions::default() };
            tfq_pass::run(&mut module, &complete, &self.target, &options, |_| ())?;
        }
        tfq_pass::update_versions(&mut module, start, &self.target);
        Ok(module)
    }
}

/// What was done to a model, to be checked.
struct Done {
    start: Module,
    module: Module,
    report: Report,
    kept: Option<(usize, usize)>,
    input: Option<Bytes>,
}

/// An optimised model.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = std::fs::read(path)?;
/// let result = tfq_opt::Optimizer::default().run(file)?;
/// // In memory; an image writes itself to a file with constants from the mapped input.
/// assert_eq!(result.to_vec()?.len() as u64, result.image()?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Optimized {
    /// The model.
    pub module: Module,
    /// What the passes did.
    pub report: Report,
    /// How many patches were kept of how many, where [`Optimizer::stop_after_patch`] was set.
    /// The report tells of these.
    pub kept: Option<(usize, usize)>,
    /// For what the target refuses the model, as it did the input: where that was allowed
    /// ([`Optimizer::allow_unloadable`]), or only callers of a signature meet it.
    pub unloadable: Vec<Unloadable>,
    /// Quantised constants that came in so and that the target has no kernels for, where no pass
    /// put that right.
    pub unrunnable: Vec<Unrunnable>,
    /// What the target would refuse of the input, of the first op of which it does, where the file
    /// grew to put that right though [`Optimizer::never_larger`] is set.
    pub mended: Option<Unrunnable>,
    /// By how many bytes the file would have grown, where that was undone.
    pub undone: Option<u64>,
    lower: LowerOptions,
    /// The model as it was, where the edits were kept.
    start: Option<Module>,
    /// What was read, where it came as bytes.
    input: Option<Bytes>,
    /// The module as it came out of the run: what follows is known of that.
    made: Module,
    /// Whether nothing was changed and nothing asked for another layout.
    as_it_was: bool,
    /// Its image, where a limit of size asked for that.
    lowered: Option<Image>,
}

impl Optimized {
    /// What was done to the model, with the bytes that go beside it; `None` unless
    /// [`RunOptions::keep_edits`] asked for it, with [`Optimizer::shuffle`], and where
    /// [`Self::module`] was changed by something else than edits since.
    ///
    /// ```
    /// use tfq_opt::Optimizer;
    /// use tfq_opt::edits::{Blobs, Edits};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
    /// # let file = std::fs::read(path)?;
    /// let mut optimizer = Optimizer::default();
    /// optimizer.run_options.keep_edits = true;
    /// let result = optimizer.run(&file[..])?;
    /// let mut blobs = Blobs::new();
    /// let json = result.edits(&mut blobs).expect("they were kept").to_json();
    ///
    /// let again = optimizer.replay(&file[..], &Edits::parse(&json)?, &blobs)?;
    /// assert_eq!(again.to_vec()?, result.to_vec()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn edits(&self, blobs: &mut Blobs) -> Option<Edits> {
        let start = self.start.as_ref().filter(|start| self.module.continues(start))?;
        let done = self.module.edits().get(start.edits().len()..)?;
        Some(Edits::of_log(start, done, blobs))
    }

    /// The file, not yet in one place: constants that no pass touched are still those of the
    /// input.
    pub fn image(&self) -> Result<Image, Error> {
        let as_made = self.module.is_untouched_since(&self.made);
        let image = match &self.lowered {
            Some(image) if as_made => image.clone(),
            _ => tfq_tflite::lower(&self.module, &self.lower)?,
        };
        let Some(input) = self.input.clone() else { return Ok(image) };
        // Alignment may cost a few bytes; a model in which nothing changed never grows by it.
        match as_made && self.as_it_was && image.len() > input.len() as u64 {
            true => Ok(Image::of_file(input)),
            false => Ok(image.made_from(input)),
        }
    }

    /// The file in memory.
    pub fn to_vec(&self) -> Result<Vec<u8>, Error> {
        Ok(self.image()?.to_vec())
    }

    /// Builds and finishes the flatbuffer in `builder`. What followed the flatbuffer in its
    /// file has no place there and is left out.
    ///
    /// ```
    /// use tfq_opt::{Optimizer, flatbuffers::FlatBufferBuilder};
    /// # fn main() -> Result<(), tfq_opt::Error> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
    /// # let file = std::fs::read(path).unwrap();
    /// let result = Optimizer::default().run(file)?;
    /// let mut builder = FlatBufferBuilder::new();
    /// result.write_into(&mut builder)?;
    /// assert!(tfq_opt::tflite::root_as_model(builder.finished_data()).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If that takes more than a flatbuffer can, 2 GiB: [`Self::image`] can have constants behind
    /// it.
    pub fn write_into(&self, builder: &mut FlatBufferBuilder<'_>) -> Result<(), Error> {
        Ok(tfq_tflite::lower_into(&self.module, builder)?)
    }
}

/// What the first edit since `start` is called after which the module is not well-formed.
fn first_malformed(start: Module, module: &Module, numbers: &[usize]) -> Option<(usize, String)> {
    let edits = module.edits().get(start.edits().len()..)?;
    let mut state = start;
    let first = edits.iter().position(|logged| {
        state.replay(std::slice::from_ref(logged)).is_err() || state.verify().is_err()
    })?;
    Some((*numbers.get(first)?, cut_label(&edits[first].edit.label()).to_owned()))
}

fn well_formed(module: &Module) -> Result<(), Error> {
    module.verify().map_err(|mut errors| Error::Malformed(errors.swap_remove(0)))
}

/// Names of passes of which any one will do.
fn one_of(names: &[String]) -> Option<String> {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    (!quoted.is_empty()).then(|| quoted.join(" or "))
}

fn and_more(n: usize) -> String {
    if n == 0 { String::new() } else { format!(" (and {n} more)") }
}
