//! `tfq-opt golden review`.

use super::console::{ask, on_ci, say, say_coloured, style};
use super::outcome::header;
use super::place::{GoldenFolder, Patterns, failure};
use super::report::reasons;
use crate::diagnostics::Failure;
use similar::TextDiff;
use tfq_golden::{Folder, Golden, Section, compare};
use tfq_ir::counted;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Accept new results of these names without asking
    #[arg(long, value_name = "PATTERN")]
    accept: Vec<String>,

    /// Accept all new results
    #[arg(long, conflicts_with_all = ["accept", "reject", "reject_all"])]
    accept_all: bool,

    /// Reject new results of these names without asking
    #[arg(long, value_name = "PATTERN")]
    reject: Vec<String>,

    /// Reject all new results
    #[arg(long, conflicts_with_all = ["accept", "reject"])]
    reject_all: bool,

    #[command(flatten)]
    place: GoldenFolder,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut folder = args.place.open()?;
    let waiting: Vec<String> = folder.waiting().into_iter().map(str::to_owned).collect();
    let (accept, reject) = (Patterns::new(&args.accept)?, Patterns::new(&args.reject)?);
    let names: Vec<&str> = waiting.iter().map(String::as_str).collect();
    for patterns in [&accept, &reject] {
        patterns.check(&names, |text| {
            let message = format!("no new result matches `{text}`");
            let help = match names.as_slice() {
                [] => "no result waits for review; `tfq-opt golden check` writes them".to_owned(),
                names => format!("new results are of {}", names.join(", ")),
            };
            Failure::usage(&message, &help)
        })?;
    }
    if let Some(both) = names.iter().find(|name| accept.matches(name) && reject.matches(name)) {
        let message = format!("`{both}` is to be accepted and rejected");
        return Err(Failure::usage(&message, "make the patterns narrower"));
    }
    if !waiting.is_empty() && on_ci() {
        let help = "review at your desk and commit the goldens with the change that moved them; \
                    this is one where the environment variable CI is not set";
        return Err(Failure::usage("results are not accepted or rejected where CI is set", help));
    }
    if waiting.is_empty() {
        return say("no result waits for review\n");
    }
    if args.accept_all || args.reject_all || !(args.accept.is_empty() && args.reject.is_empty()) {
        for name in &waiting {
            if args.accept_all || accept.matches(name) {
                accept_one(&mut folder, name)?;
            } else if args.reject_all || reject.matches(name) {
                reject_one(&folder, name)?;
            }
        }
        return Ok(());
    }
    interactive(&mut folder, &waiting)
}

fn interactive(folder: &mut Folder, waiting: &[String]) -> Result<(), Failure> {
    let mut left = waiting.len();
    'all: for (n, name) in waiting.iter().enumerate() {
        say(&format!("{} of {}: {name}\n\n", n + 1, waiting.len()))?;
        show(folder, name)?;
        loop {
            let Some(answer) = ask("[y] accept  [n] reject  [s] skip  [q] quit?")? else {
                break 'all;
            };
            match answer.as_str() {
                "y" | "yes" | "a" | "accept" => accept_one(folder, name)?,
                "n" | "no" | "r" | "reject" => reject_one(folder, name)?,
                "s" | "skip" => break,
                "q" | "quit" => break 'all,
                _ => continue,
            }
            left -= 1;
            break;
        }
    }
    if left > 0 {
        return say(&format!("{} left for review\n", counted(left, "result")));
    }
    Ok(())
}

fn accept_one(folder: &mut Folder, name: &str) -> Result<(), Failure> {
    let outdated = match folder.pending(name).map_err(failure)? {
        Some(new) => outdated(folder, name, &new),
        None => None,
    };
    folder.accept(name).map_err(failure)?;
    let outdated = outdated.map_or(String::new(), |what| format!(", {what}"));
    say(&format!("accepted {name}{outdated}\n"))
}

/// What changed since a new result was made, which is not that of the present any more.
fn outdated(folder: &Folder, name: &str, new: &Golden) -> Option<String> {
    let now = header(folder, folder.entry(name)?).ok()?;
    let what = [
        ("model", now.input != new.header.input),
        ("pipeline", now.passes != new.header.passes),
        ("plan", now.plan != new.header.plan),
        ("target", now.target != new.header.target),
        ("level", now.level != new.header.level),
    ];
    let (what, _) = what.into_iter().find(|(_, differs)| *differs)?;
    Some(format!("whose {what} changed since; `tfq-opt golden check` makes the result of now"))
}

fn reject_one(folder: &Folder, name: &str) -> Result<(), Failure> {
    folder.reject(name).map_err(failure)?;
    say(&format!("rejected {name}\n"))
}

/// Tells how the new result differs from the accepted one.
fn show(folder: &Folder, name: &str) -> Result<(), Failure> {
    let Some(new) = folder.pending(name).map_err(failure)? else { return Ok(()) };
    let Some(accepted) = folder.golden(name).map_err(failure)? else {
        return say(&format!("new\n\n{}\n", new.print()));
    };
    if let Some(what) = outdated(folder, name, &new) {
        say(&format!("a result {what}\n"))?;
    }
    let comparison = compare(&accepted, &new);
    let kinds: Vec<&str> = comparison.kinds.iter().map(|kind| kind.name()).collect();
    let kinds = if kinds.is_empty() { "the same result".to_owned() } else { kinds.join(", ") };
    say(&format!("{kinds}\n"))?;
    for line in reasons(&comparison) {
        say(&format!("  {line}\n"))?;
    }
    // Its first line was told above.
    if let Some((_, details)) = comparison.details(style()).split_once('\n') {
        say_coloured(&format!("\nThe result:\n{details}"))?;
    }
    let steps = steps(&accepted, &new);
    if !steps.is_empty() {
        say(&format!("\nThe steps:\n{steps}"))?;
    }
    say("\n")
}

/// Line by line, what the passes did otherwise.
fn steps(accepted: &Golden, new: &Golden) -> String {
    let text = |golden: &Golden| -> String {
        let sections = golden.sections.iter();
        sections.map(|Section { title, body }| format!("{title}\n{body}")).collect()
    };
    let (old, new) = (text(accepted), text(new));
    let diff = TextDiff::from_lines(&old, &new);
    let mut out = String::new();
    for group in diff.grouped_ops(1) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            out += &format!("{} | {}", change.tag(), change.value());
        }
    }
    out
}
