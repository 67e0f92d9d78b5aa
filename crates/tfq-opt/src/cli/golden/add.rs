//! `tfq-opt golden add`.

use super::{Place, counted, failure, outcome_on, say};
use crate::cli::diagnostics::Failure;
use crate::cli::emit::Detail;
use crate::cli::model::{self, Reading};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use tfq_golden::{Entry, Folder};
use tfq_opt::format::Access;
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

    /// The runtime that the result is for, by name or as a .toml file
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
    let bytes = if args.skeleton {
        text::print_skeleton(&model::load(&args.model, &reading(args))?).into()
    } else {
        model::read(&args.model, Access::Whole)?
    };
    let outcome = outcome_on(&folder, &entry, &args.model, bytes.clone())?;
    if args.skeleton {
        let dir = folder.path().display().to_string();
        std::fs::create_dir_all(folder.path())
            .map_err(|error| Failure::file("cannot make", &dir, &error))?;
        model::write_bytes(&folder.resolve(&entry.model).display().to_string(), bytes)?;
    }
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

fn entry(args: &Args) -> Result<Entry, Failure> {
    let stem = Path::new(&args.model).file_stem().unwrap_or_default().to_string_lossy();
    let name = args.name.clone().unwrap_or_else(|| tfq_golden::name_from(&stem));
    let passes = args.passes.clone().unwrap_or_else(|| "default".to_owned());
    let relative = |file: &str| relative(file, &args.place.dir);
    let level = args.level.to_possible_value().expect("no level is hidden");
    Ok(Entry {
        model: if args.skeleton { format!("{name}.tfg") } else { relative(&args.model)? },
        name,
        passes: args.pipeline.is_none().then_some(passes),
        pipeline: args.pipeline.as_deref().map(relative).transpose()?,
        target: match model::is_target_file(&args.target) {
            true => relative(&args.target)?,
            false => args.target.clone(),
        },
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
    let failed = |error| Failure::file("cannot read", file, &error);
    let (file, folder) = (Path::new(file).canonicalize().map_err(failed)?, whole(folder));
    let path = pathdiff::diff_paths(&file, &folder).unwrap_or(file);
    let parts = path.components().map(|part| part.as_os_str().to_string_lossy());
    Ok(if path.is_absolute() {
        path.to_string_lossy().into_owned()
    } else {
        parts.collect::<Vec<_>>().join("/")
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
