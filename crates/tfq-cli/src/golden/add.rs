//! `tfq-opt golden add`.

use super::console::say;
use super::outcome::outcome_on;
use super::place::{GoldenFolder, failure};
use crate::diagnostics::{Failure, named};
use crate::emit::Detail;
use crate::model::{self, ReadArgs};
use crate::outputs;
use crate::passes::{FollowArg, PassArgs};
use crate::plan;
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use tfq_golden::{Entry, Folder, FolderError};
use tfq_ir::counted;
use tfq_text as text;
use tfq_tflite::Access;

#[derive(Debug, clap::Args)]
#[command(
    mut_arg("pipeline", |arg| arg.help("Read the passes from a file, each time that the golden is checked")),
    mut_arg("plan", |arg| arg.help("Do with each weight what the plan in a file says, which is read each time too")),
)]
pub(crate) struct Args {
    /// The model, as .tflite or as text
    model: PathBuf,

    #[command(flatten)]
    run: PassArgs,

    #[command(flatten)]
    follow: FollowArg,

    /// How much of the model is compared
    #[arg(long, value_enum, default_value_t = Detail::Quant, value_name = "LEVEL")]
    level: Detail,

    /// The golden's name [default: that of the model's file]
    #[arg(long)]
    name: Option<String>,

    /// Keep the model's structure without its weights beside the golden, and check that
    #[arg(long)]
    skeleton: bool,

    /// Replace a golden of the same name
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    reading: ReadArgs,

    #[command(flatten)]
    place: GoldenFolder,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.follow.file().is_some() {
        plan::check_alone(&args.run.ways)?;
    }
    if model::is_standard(&args.model) {
        let help = "write the model to a file, which is read again at each check";
        return Err(Failure::usage("a golden cannot be of standard input", help));
    }
    let mut folder = Folder::open_or_new(&args.place.dir).map_err(failure)?;
    let entry = entry(args)?;
    if let Some(problem) = entry.name_problem() {
        let message = format!("`{}` cannot be the name of a golden", entry.name);
        return Err(Failure::usage(&message, &format!("give another with --name: {problem}")));
    }
    if folder.entry(&entry.name).is_some() && !args.replace {
        return Err(failure(FolderError::Taken(entry.name)));
    }
    outputs::check_folder(&args.place.dir)?;
    let written = folder.files_of(&entry.name, args.skeleton.then_some(&*entry.model));
    let read = [Some(args.model.clone()), args.reading.side_file_of(&args.model)];
    let read = read.into_iter().flatten().chain(args.run.files());
    let read = read.chain(args.follow.file().map(PathBuf::from));
    outputs::check_in_folder(&written, &read.collect::<Vec<_>>())?;
    // Nothing is written before it is known that the pipeline runs.
    let module = model::load(&args.model, &args.reading)?;
    let constants = outputs::constants_of(&args.model, &model::external_groups(&module));
    outputs::check_in_folder(&written, &constants)?;
    let bytes = if args.skeleton {
        text::print_skeleton(&module).into()
    } else {
        model::read(&args.model, Access::Whole)?
    };
    let outcome = outcome_on(&folder, &entry, &args.model, bytes.clone())?;
    tfq_tflite::check_inputs().map_err(|changed| Failure::changed(&changed))?;
    let name = entry.name.clone();
    let skeleton = args.skeleton.then_some(bytes);
    folder.add(entry, &outcome.golden, skeleton, args.replace).map_err(failure)?;

    let changing =
        outcome.golden.sections.iter().filter(|section| section.body != "no change\n").count();
    say(&format!(
        "{}: {}, {} with changes\n",
        named(folder.golden_path(&name)),
        counted(outcome.golden.sections.len(), "step"),
        changing
    ))
}

fn entry(args: &Args) -> Result<Entry, Failure> {
    let stem = args.model.file_stem().unwrap_or_default().to_string_lossy();
    let name = args.name.clone().unwrap_or_else(|| tfq_golden::name_from(&stem));
    let PassArgs { passes, pipeline, target, ways, .. } = &args.run;
    let unsaid = || args.run.optimizing().unwrap_or("default").to_owned();
    let mut passes = passes.clone().unwrap_or_else(unsaid);
    if let Some(shaping) = args.run.shaping() {
        if pipeline.is_some() || ways.is_told() {
            return Err(Failure::usage(
                "an entry names passes, a file of them or how weights are stored",
                "put set-batch or set-shape into the passes",
            ));
        }
        passes = format!("{shaping},{passes}");
    }
    let relative = |file: &Path| relative(file, &args.place.dir);
    let level = args.level.to_possible_value().expect("no level is hidden");
    Ok(Entry {
        model: if args.skeleton { format!("{name}.tfg") } else { relative(&args.model)? },
        name,
        passes: pipeline.is_none().then_some(passes),
        pipeline: pipeline.as_deref().map(relative).transpose()?,
        prefer: ways.prefer.map(|prefer| prefer.name().to_owned()),
        float16: ways.float16,
        weight_only: ways.weight_only,
        keep: ways.keep.clone(),
        plan: args.follow.file().map(relative).transpose()?,
        target: match model::is_target_file(target) {
            true => relative(Path::new(target))?,
            false => target.to_string_lossy().into_owned(),
        },
        level: level.get_name().to_owned(),
        input: String::new(),
        tool: String::new(),
        skeleton_of: args.skeleton.then(|| named(&args.model)),
        // A skeleton has all that it needs.
        side_file: args
            .reading
            .side_file
            .as_deref()
            .filter(|_| !args.skeleton)
            .map(relative)
            .transpose()?,
        fills: args.reading.fills && !args.skeleton,
        drop_unknown: args.reading.drop_unknown && !args.skeleton,
    })
}

/// A file as seen from the folder, with `/` between the parts.
fn relative(file: &Path, folder: &Path) -> Result<String, Failure> {
    let failed = |error| Failure::file("cannot read", file, &error);
    let (found, folder) = (file.canonicalize().map_err(failed)?, whole(folder));
    // The index is a text, which must name the file so that it is found again: by the name that
    // was given, where it is a link to one that no text can name.
    let found = match found.to_str() {
        Some(_) => found,
        None => std::path::absolute(file).map_err(failed)?,
    };
    let path = pathdiff::diff_paths(&found, &folder).unwrap_or(found);
    let no_text = || Failure::Model {
        message: format!("the index cannot name {}, whose path is not UTF-8", named(file)),
        help: Some("rename the file, or give a link to it".to_owned()),
    };
    let whole = path.to_str().ok_or_else(no_text)?;
    let parts = path.components().map(|part| part.as_os_str().to_string_lossy());
    Ok(match path.is_absolute() {
        true => whole.to_owned(),
        false => parts.collect::<Vec<_>>().join("/"),
    })
}

/// The path without links, as far as there is something at it.
fn whole(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(_), Some(parent), Some(name)) if parent.as_os_str().is_empty() => {
            whole(Path::new(".")).join(name)
        }
        (Err(_), Some(parent), Some(name)) => whole(parent).join(name),
        (found, ..) => found.unwrap_or_else(|_| path.to_owned()),
    }
}
