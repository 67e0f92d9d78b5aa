//! `tfq-opt golden prune`.

use super::console::{ask, say};
use super::place::{GoldenFolder, failure, shown};
use crate::diagnostics::Failure;
use std::path::PathBuf;
use tfq_ir::counted;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Remove without asking
    #[arg(long)]
    yes: bool,

    /// Tell what would be removed, and remove nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    #[command(flatten)]
    place: GoldenFolder,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut folder = args.place.open()?;
    let gone: Vec<String> =
        folder.without_model().into_iter().map(|entry| entry.name.clone()).collect();
    let kept = folder.entries().iter().filter(|entry| !gone.contains(&entry.name));
    let kept: Vec<&str> = kept.map(|entry| entry.name.as_str()).collect();
    let files: Vec<PathBuf> = folder.strays(&kept).map_err(failure)?;
    if gone.is_empty() && files.is_empty() {
        return say("nothing to remove\n");
    }
    for name in &gone {
        let model = folder.entry(name).map_or(String::new(), |e| shown(&folder.resolve(&e.model)));
        say(&format!("entry {name}, whose model is gone: {model}\n"))?;
    }
    for file in &files {
        say(&format!("{}\n", shown(file)))?;
    }
    if args.dry_run {
        return Ok(());
    }
    let count = counted(gone.len() + files.len(), "item");
    if !args.yes && !matches!(ask(&format!("remove {count}? [y/N]"))?.as_deref(), Some("y" | "yes"))
    {
        return say("nothing was removed\n");
    }
    if !gone.is_empty() {
        folder.forget(&gone).map_err(failure)?;
    }
    for file in &files {
        std::fs::remove_file(file).map_err(|error| Failure::file("cannot remove", file, &error))?;
    }
    say(&format!("removed {count}\n"))
}
