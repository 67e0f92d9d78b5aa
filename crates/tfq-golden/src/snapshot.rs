//! Goldens as insta snapshots of a Rust test.
//!
//! ```no_run
//! use tfq_golden::assert_pipeline_snapshot;
//! use tfq_golden::snapshot::{Level, Settings};
//!
//! #[test]
//! fn what_the_default_pipeline_does() {
//!     let settings = Settings::new(&tfq_passes::builtin());
//!     assert_pipeline_snapshot!("models/detector.tflite", "default", settings);
//!
//!     let settings = settings.level(Level::Stats).name("detector-statistics");
//!     assert_pipeline_snapshot!("models/detector.tflite", "default", settings);
//! }
//! ```
//!
//! A pipeline of five passes gives six snapshots: `detector@01-quantize-weights` and so on, and
//! `detector@final`. All are compared before the test fails, so that one run of `cargo insta
//! review` shows everything that moved.

use crate::golden::{body, summary};
use crate::section::Section;
use crate::{Recording, record, same_text};
use bytes::Bytes;
use insta::Comparator;
use insta::internals::SnapshotContents;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use tfq_ir::visible_path;
use tfq_ir::{Module, counted};
use tfq_pass::{Pipeline, Registry};
use tfq_target::Target;
use tfq_text as text;
use tfq_text::ParseOptions;
use tfq_tflite::{Access, LiftOptions};

pub use tfq_text::Level;

/// A result of this many lines or less is shown in the final snapshot.
const SMALL: usize = 60;

/// How snapshots of a pipeline are made and where they lie.
#[derive(Clone, Debug)]
pub struct Settings {
    level: Level,
    target: String,
    folder: PathBuf,
    name: Option<String>,
    description: Option<String>,
    input_file: Option<PathBuf>,
    registry: Registry,
    one_file: bool,
    small: usize,
}

impl Settings {
    /// Pipelines of these passes; level `quant`, target `litert`, the folder `snapshots` beside
    /// the test's file.
    pub fn new(registry: &Registry) -> Self {
        Self {
            level: Level::Quant,
            target: "litert".to_owned(),
            folder: PathBuf::from("snapshots"),
            name: None,
            description: None,
            input_file: None,
            registry: registry.clone(),
            one_file: false,
            small: SMALL,
        }
    }

    /// How much of the model is compared.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The runtime that the result is for, by name.
    #[must_use]
    pub fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Where the snapshots lie, relative to the test's file.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        folder.as_ref().clone_into(&mut self.folder);
        self
    }

    /// What the snapshots are named, if not after the model's file.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// A sentence for the head of the snapshots.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        self.description = Some(description.to_owned());
        self
    }

    /// The file that the snapshots are about, for their head.
    #[must_use]
    pub fn input_file(mut self, file: impl AsRef<Path>) -> Self {
        self.input_file = Some(file.as_ref().to_owned());
        self
    }

    /// One snapshot with all passes in it instead of one for each.
    #[must_use]
    pub fn one_file(mut self) -> Self {
        self.one_file = true;
        self
    }

    /// How many lines a result may have to be shown as a whole: 60 by default.
    #[must_use]
    pub fn whole_up_to(mut self, lines: usize) -> Self {
        self.small = lines;
        self
    }
}

/// A model that snapshots are made of.
#[derive(Clone, Debug)]
pub enum Model {
    /// A file, `.tflite` or text. A text's constants may be made up.
    File(PathBuf),
    /// The bytes of a file.
    Bytes(Bytes),
    /// A model that was read before.
    Module(Box<Module>),
}

macro_rules! model_from {
    ($($from:ty => |$value:ident| $model:expr),+ $(,)?) => {
        $(impl From<$from> for Model {
            fn from($value: $from) -> Self {
                $model
            }
        })+
    };
}

model_from! {
    &str => |path| Self::File(path.into()),
    String => |path| Self::File(path.into()),
    &String => |path| Self::File(path.into()),
    &Path => |path| Self::File(path.into()),
    PathBuf => |path| Self::File(path),
    &PathBuf => |path| Self::File(path.clone()),
    &[u8] => |bytes| Self::Bytes(Bytes::copy_from_slice(bytes)),
    Vec<u8> => |bytes| Self::Bytes(bytes.into()),
    Bytes => |bytes| Self::Bytes(bytes),
    Module => |module| Self::Module(Box::new(module)),
    &Module => |module| Self::Module(Box::new(module.clone())),
}

impl Model {
    fn name(&self) -> Option<String> {
        let Self::File(path) = self else { return None };
        Some(path.file_stem()?.to_string_lossy().into_owned())
    }

    fn module(self) -> Result<Module, String> {
        let (bytes, place) = match self {
            Self::Module(module) => return Ok(*module),
            Self::Bytes(bytes) => (bytes, "the model".to_owned()),
            Self::File(path) => {
                let bytes = tfq_tflite::read(&path, Access::Whole)
                    .map_err(|error| format!("{}: {error}", visible_path(&path)))?;
                (bytes, visible_path(&path))
            }
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let options = ParseOptions { fills: true, ..ParseOptions::default() };
                text::parse(text, &options).map_err(|error| format!("{place}:{error}"))
            }
            Err(_) => tfq_tflite::lift(&bytes, &LiftOptions::default())
                .map_err(|error| format!("{place}: {error}")),
        }
    }
}

/// Texts are the same as [`same_text`] says, for [`insta::Settings::set_comparator`]: a text of a
/// model that was only laid out anew passes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SameModel;

impl Comparator for SameModel {
    fn matches(&self, reference: &insta::Snapshot, test: &insta::Snapshot) -> bool {
        match (reference.contents(), test.contents()) {
            (SnapshotContents::Text(a), SnapshotContents::Text(b)) => {
                same_text(&a.to_string(), &b.to_string())
            }
            (a, b) => a == b,
        }
    }

    fn dyn_clone(&self) -> Box<dyn Comparator> {
        Box::new(*self)
    }
}

/// One snapshot to be compared.
#[doc(hidden)]
pub struct Shot {
    pub name: String,
    pub content: String,
    pub settings: insta::Settings,
}

/// Runs the pipeline and gives what is to be compared.
///
/// # Panics
/// If the model, the pipeline or the target is wrong, or a pass fails.
#[doc(hidden)]
#[track_caller]
pub fn shots(model: impl Into<Model>, pipeline: &str, settings: &Settings) -> Vec<Shot> {
    match make(model.into(), pipeline, settings) {
        Ok(shots) => shots,
        Err(message) => panic!("no snapshot of `{pipeline}`: {message}"),
    }
}

fn make(model: Model, pipeline: &str, settings: &Settings) -> Result<Vec<Shot>, String> {
    let name = settings.name.clone().or_else(|| model.name());
    let name = name.ok_or("give it a name: Settings::name")?;
    let text = |error: &dyn std::error::Error| error.to_string();
    let passes = Pipeline::parse(&settings.registry, pipeline).map_err(|error| text(&error))?;
    let target = Target::named(&settings.target)
        .ok_or_else(|| format!("there is no target `{}`", settings.target))?;
    let recording =
        record(model.module()?, &passes, &target, settings.level).map_err(|error| text(&error))?;
    let mut base = insta::Settings::clone_current();
    base.set_comparator(Box::new(SameModel));
    base.set_snapshot_path(&settings.folder);
    base.set_omit_expression(true);
    base.set_prepend_module_to_snapshot(!settings.one_file);
    let mut described = format!("{name}: {pipeline}");
    if let Some(more) = &settings.description {
        described = format!("{described}\n{more}");
    }
    base.set_description(described);
    if let Some(file) = &settings.input_file {
        base.set_input_file(file);
    }
    let shot = |suffix: Option<String>, content: String| {
        let mut settings = base.clone();
        if let Some(suffix) = suffix {
            settings.set_snapshot_suffix(suffix);
        }
        Shot { name: name.clone(), content, settings }
    };
    let small = recording.text.lines().count() <= settings.small;
    let whole = small.then_some(recording.text.as_str());
    if settings.one_file {
        return Ok(vec![shot(None, body(&recording.sections, &summary(&recording), whole))]);
    }
    let each = recording.sections.iter().enumerate().map(|(n, section)| {
        let Section { body, .. } = section;
        let pass = section.pass().replace(' ', "-");
        shot(Some(format!("{:02}-{pass}", n + 1)), body.clone())
    });
    let last = shot(Some("final".to_owned()), end(&recording, whole));
    Ok(each.chain([last]).collect())
}

fn end(recording: &Recording, whole: Option<&str>) -> String {
    let text = whole.map_or(String::new(), |text| format!("\n\n{text}"));
    summary(recording) + &text
}

/// Compares all of them, and fails after the last if some differ.
///
/// # Panics
/// If a snapshot differs.
#[doc(hidden)]
#[track_caller]
pub fn assert_all(shots: &[Shot], assert: impl Fn(&Shot)) {
    let differs = |shot: &&Shot| {
        let one = || shot.settings.bind(|| assert(shot));
        catch_unwind(AssertUnwindSafe(one)).is_err()
    };
    let failed: Vec<&Shot> = shots.iter().filter(differs).collect();
    if failed.is_empty() {
        return;
    }
    let names = failed.iter().map(|shot| match shot.settings.snapshot_suffix() {
        Some(suffix) => format!("{}@{suffix}", shot.name),
        None => shot.name.clone(),
    });
    let names = names.collect::<Vec<_>>().join(", ");
    panic!("{} of {} not as accepted: {names}", failed.len(), counted(shots.len(), "snapshot"));
}

/// Runs a pipeline on a model and compares what each pass did, and the result, with insta
/// snapshots. The model is a path, the bytes of a file or a [`tfq_ir::Module`]; the third
/// argument is a [`Settings`].
#[macro_export]
macro_rules! assert_pipeline_snapshot {
    ($model:expr, $pipeline:expr, $settings:expr $(,)?) => {{
        let shots = $crate::snapshot::shots($model, $pipeline, &$settings);
        $crate::snapshot::assert_all(&shots, |shot| {
            $crate::insta::assert_snapshot!(shot.name.as_str(), shot.content.as_str());
        });
    }};
}
