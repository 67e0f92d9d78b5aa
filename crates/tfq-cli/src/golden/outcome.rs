//! What an entry of the index gives now.

use super::place::{shortened, shown};
use crate::diagnostics::{Failure, named};
use crate::model::{self, PreferArg, ReadArgs, Ways};
use crate::{plan, tool};
use bytes::Bytes;
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use tfq_golden::{Entry, Folder, Golden, Header, Recorder, Recording, file_hash};
use tfq_opt::pass::Pipeline;
use tfq_opt::{Optimizer, Source};
use tfq_text::Level;
use tfq_tflite::Access;

/// What an entry of the index gives now.
pub(super) struct FreshGolden {
    pub(super) golden: Golden,
    pub(super) recording: Recording,
}

/// Runs the pipeline of an entry on its model.
pub(super) fn outcome(folder: &Folder, entry: &Entry) -> Result<FreshGolden, Failure> {
    let input = shortened(&folder.resolve(&entry.model));
    let bytes = model::read(&input, Access::Whole)?;
    outcome_on(folder, entry, &input, bytes)
}

/// Runs the pipeline of an entry on these bytes of a model, which `input` names.
pub(super) fn outcome_on(
    folder: &Folder,
    entry: &Entry,
    input: impl AsRef<Path>,
    bytes: Bytes,
) -> Result<FreshGolden, Failure> {
    let input = input.as_ref();
    let pipeline = pipeline(folder, entry)?;
    if entry.plan.is_some() {
        plan::check_follower(&pipeline)?;
    }
    let level = Level::from_name(&entry.level).expect("the index has names of levels only");
    let hash = file_hash(&bytes);
    let header = header_of(folder, entry, &hash, &pipeline, level)?;
    let reading = ReadArgs {
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
    if let Some(file) = plan_of(folder, entry) {
        plan::follow(&file, &mut optimizer)?;
    }
    // What is recorded is not written.
    optimizer.allow_unloadable = true;
    let mut recorder = Recorder::new(level);
    let result = optimizer
        .run_observed(source, |event| recorder.event(&event))
        .map_err(|error| Failure::model(input, error))?;
    let recording = recorder.finish(&result.module);
    Ok(FreshGolden { golden: Golden::new(header, &recording), recording })
}

/// How a golden of an entry would be made now.
pub(super) fn header(folder: &Folder, entry: &Entry) -> Result<Header, Failure> {
    let bytes = model::read(shortened(&folder.resolve(&entry.model)), Access::Whole)?;
    let level = Level::from_name(&entry.level).expect("the index has names of levels only");
    let (hash, pipeline) = (file_hash(&bytes), pipeline(folder, entry)?);
    header_of(folder, entry, &hash, &pipeline, level)
}

fn header_of(
    folder: &Folder,
    entry: &Entry,
    model: &str,
    pipeline: &Pipeline,
    level: Level,
) -> Result<Header, Failure> {
    let mut header = Header::new(&entry.model, model, pipeline, &entry.target, level);
    if let Some(file) = plan_of(folder, entry) {
        header.plan = Some(file_hash(model::read_settings(&file)?.as_bytes()));
    }
    Ok(header)
}

/// The file with the plan of an entry.
fn plan_of(folder: &Folder, entry: &Entry) -> Option<PathBuf> {
    entry.plan.as_ref().map(|file| shortened(&folder.resolve(file)))
}

/// The passes of an entry.
fn pipeline(folder: &Folder, entry: &Entry) -> Result<Pipeline, Failure> {
    match (&entry.passes, &entry.pipeline) {
        (_, Some(file)) => {
            let file = shortened(&folder.resolve(file));
            model::pipeline(&named(&file), &model::read_settings(&file)?)
        }
        (Some(passes), None) if passes == "default" => {
            let prefer = entry.prefer.as_deref().map(|name| {
                PreferArg::from_str(name, false).map_err(|_| {
                    let message = format!("golden `{}`: `{name}` is nothing to prefer", entry.name);
                    Failure::usage(&message, "prefer size, ram, latency or balanced")
                })
            });
            let (float16, weight_only) = (entry.float16, entry.weight_only);
            let keep = entry.keep.clone();
            let ways = Ways { prefer: prefer.transpose()?, float16, weight_only, keep };
            let place = format!("options of golden `{}`", entry.name);
            model::pipeline(&place, &model::default_pipeline(&ways))
        }
        (Some(passes), None) => {
            model::pipeline(&format!("passes of golden `{}`", entry.name), passes)
        }
        (None, None) => unreachable!("the index has one of both"),
    }
}
