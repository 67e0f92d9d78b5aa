//! `tfq-opt golden add`.

use super::{Place, counted, failure, outcome, say};
use crate::cli::diagnostics::Failure;
use crate::cli::emit::Detail;
use crate::cli::model::{self, Reading};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use tfq_golden::{Entry, Folder};
use tfq_opt::ir::text;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model, as .tflite or as text
    model: String,

    /// Passes in order [default: default]
    #[arg(long, value_name = "PIPELINE")]
    passes: Option<String>,

    /// Read the passes from a file, each time that the golden is checked
    #[arg(long, value_name = "FILE", conflicts_with = "passes")]
    pipeline: Option<String>,

    /// The runtime that the result is for
    #[arg(long, default_value = "litert", value_name = "NAME")]
    target: String,

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

    /// Go on with a model of a newer format, and lose what this version does not know
    #[arg(long)]
    drop_unknown: bool,

    /// Make up constants that a text leaves out, of the same statistics
    #[arg(long)]
    fills: bool,

    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.model == "-" {
        let help = "write the model to a file, which is read again at each check";
        return Err(Failure::usage("a golden cannot be of standard input", help));
    }
    let mut folder = Folder::open_or_new(&args.place.dir).map_err(failure)?;
    let mut entry = entry(args)?;
    if let Some(problem) = entry.name_problem() {
        let message = format!("`{}` cannot be the name of a golden", entry.name);
        return Err(Failure::usage(&message, &format!("give another with --name: {problem}")));
    }
    if folder.entry(&entry.name).is_some() && !args.replace {
        let message = format!("there is a golden `{}` already", entry.name);
        let help = "give another --name, or --replace it";
        return Err(Failure::usage(&message, help));
    }
    // Nothing is written before it is known that the pipeline runs.
    let model = model::load(&args.model, &reading(args))?;
    model::target(&entry.target)?;
    let new_folder = !folder.path().exists();
    let prepared = prepare(args, &mut folder, &mut entry, &model);
    let outcome = prepared.and_then(|()| outcome(&folder, &entry)).inspect_err(|_| {
        if args.skeleton {
            _ = std::fs::remove_file(folder.resolve(&entry.model));
        }
        if new_folder {
            // It goes only if it is empty.
            _ = std::fs::remove_dir(folder.path());
        }
    })?;
    entry.input.clone_from(&outcome.golden.header.input);
    entry.tool.clone_from(&outcome.golden.header.tool);
    let name = entry.name.clone();
    folder.write_golden(&name, &outcome.golden).map_err(failure)?;
    folder.reject(&name).map_err(failure)?;
    folder.put(entry);
    folder.save().map_err(failure)?;

    let changing =
        outcome.golden.sections.iter().filter(|section| section.body != "no change\n").count();
    say(&format!(
        "{}: {}, {} with changes\n",
        folder.golden_path(&name).display(),
        counted(outcome.golden.sections.len(), "step"),
        changing
    ))
}

/// Puts the skeleton where the golden will read it, and names files relative to the folder.
fn prepare(
    args: &Args,
    folder: &mut Folder,
    entry: &mut Entry,
    model: &tfq_opt::ir::Module,
) -> Result<(), Failure> {
    let dir = folder.path().display().to_string();
    std::fs::create_dir_all(folder.path())
        .map_err(|error| Failure::file("cannot make", &dir, &error))?;
    if args.skeleton {
        let place = folder.resolve(&entry.model);
        model::write_bytes(&place.display().to_string(), text::print_skeleton(model))?;
    } else {
        entry.model = relative(&args.model, folder.path())?;
    }
    if let Some(file) = &args.pipeline {
        entry.pipeline = Some(relative(file, folder.path())?);
    }
    Ok(())
}

fn entry(args: &Args) -> Result<Entry, Failure> {
    let stem = Path::new(&args.model).file_stem().unwrap_or_default().to_string_lossy();
    let name = args.name.clone().unwrap_or_else(|| stem.into_owned());
    let passes = args.passes.clone().unwrap_or_else(|| "default".to_owned());
    let level = args.level.to_possible_value().expect("no level is hidden");
    Ok(Entry {
        model: if args.skeleton { format!("{name}.tfg") } else { args.model.clone() },
        name,
        passes: args.pipeline.is_none().then_some(passes),
        pipeline: args.pipeline.clone(),
        target: args.target.clone(),
        level: level.get_name().to_owned(),
        input: String::new(),
        tool: String::new(),
        skeleton_of: args.skeleton.then(|| args.model.clone()),
        // A skeleton has all that it needs.
        fills: args.fills && !args.skeleton,
        drop_unknown: args.drop_unknown && !args.skeleton,
    })
}

fn reading(args: &Args) -> Reading {
    Reading { drop_unknown: args.drop_unknown, side_file: None, fills: args.fills }
}

/// A file as seen from the folder, with `/` between the parts.
fn relative(file: &str, folder: &Path) -> Result<String, Failure> {
    let whole = |path: &Path| -> Result<PathBuf, Failure> {
        path.canonicalize()
            .map_err(|error| Failure::file("cannot read", &path.display().to_string(), &error))
    };
    let (file, folder) = (whole(Path::new(file))?, whole(folder)?);
    let path = pathdiff::diff_paths(&file, &folder).unwrap_or(file);
    let parts = path.components().map(|part| part.as_os_str().to_string_lossy());
    Ok(if path.is_absolute() {
        path.to_string_lossy().into_owned()
    } else {
        parts.collect::<Vec<_>>().join("/")
    })
}
