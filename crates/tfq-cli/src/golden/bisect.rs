//! `tfq-opt golden bisect`.

use super::console::say;
use super::outcome::outcome;
use super::place::{GoldenFolder, failure, no_golden};
use crate::diagnostics::Failure;
use std::fmt::Write;
use tfq_golden::{Blame, blame, compare};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The golden
    name: String,

    #[command(flatten)]
    place: GoldenFolder,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let folder = args.place.open()?;
    let entry = folder.entry(&args.name).ok_or_else(|| no_golden(&folder, &args.name))?;
    let accepted = folder.golden(&args.name).map_err(failure)?.ok_or_else(|| Failure::Model {
        message: format!("golden `{}`: there is no accepted result to compare with", args.name),
        help: Some("accept one with `tfq-opt golden check` and `review`".to_owned()),
    })?;
    let outcome = outcome(&folder, entry)?;
    let comparison = compare(&accepted, &outcome.golden);
    if let Some(level) = comparison.level {
        return Err(Failure::Model {
            message: format!(
                "golden `{}`: accepted and new result have only level {level} in common",
                args.name
            ),
            help: Some(
                "what passes changed is compared at one level: set it back, or accept the \
                        new result first"
                    .to_owned(),
            ),
        });
    }
    if comparison.is_same() {
        return Err(Failure::Model {
            message: format!("golden `{}` is met: nothing to find", args.name),
            help: None,
        });
    }
    let mut out = String::new();
    match blame(&accepted, &outcome.recording) {
        Some(blame) => tell(&blame, &mut out),
        None => {
            _ = writeln!(out, "every pass does what was accepted; the difference is in the model");
        }
    }
    if comparison.causes.iter().any(|cause| cause.what == "input") {
        out += "the model's file is another than when the golden was accepted\n";
    }
    say(&out)
}

fn tell(blame: &Blame, out: &mut String) {
    let (at, of) = blame.place;
    let instead = match &blame.instead_of {
        Some(pass) => format!(", where {pass} was accepted"),
        None => String::new(),
    };
    if at > of {
        _ = writeln!(out, "first differing pass:  {} is not run any more", blame.section);
    } else {
        _ = writeln!(out, "first differing pass:  {} (of {of}){instead}", blame.section);
    }
    match &blame.patch {
        Some((n, note)) => {
            _ = writeln!(out, "first differing patch: {n}, {}", note.label);
            for op in &note.ops {
                _ = writeln!(out, "  touches {op}");
            }
        }
        None if blame.untouched.is_empty() => {
            _ = writeln!(out, "first differing patch: none; no line of the model differs here");
        }
        None => _ = writeln!(out, "first differing patch: none of this run; one is missing"),
    }
    for name in &blame.untouched {
        _ = writeln!(out, "  {name} is not touched any more");
    }
    if !blame.lines.is_empty() {
        _ = writeln!(out, "\naccepted (-) and now (+):");
        for line in &blame.lines {
            _ = writeln!(out, "  {line}");
        }
    }
}
