//! What shells ask for to complete arguments. The binary itself answers, so that targets,
//! passes and files are those of now.

use super::check::for_shell;
use super::diagnostics::Failure;
use super::diagnostics::output_failure;
use super::model;
use super::tool::{self, registry};
use clap::Command;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap_complete::Shell;
use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Shells};
use std::ffi::{OsStr, OsString};
use std::io;
use std::process::ExitCode;
use tfq_opt::pass::PassInfo;
use tfq_opt::target::Target;

/// The variable by which a shell's script asks.
const VARIABLE: &str = "TFQ_OPT_COMPLETE";

const SHELLS: Shells<'static> = Shells(&[
    &WholeWords,
    &clap_complete::env::Elvish,
    &clap_complete::env::Fish,
    &clap_complete::env::Powershell,
    &clap_complete::env::Zsh,
]);

/// Answers a shell that wants an argument completed, if one asks.
pub(super) fn answer() -> Option<ExitCode> {
    let here = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(described)
        .var(VARIABLE)
        .shells(SHELLS)
        .try_complete(std::env::args_os(), here.as_deref());
    match asked {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        Err(error) => Some(super::diagnostics::print_usage(&error)),
    }
}

/// Prints the script that has a shell ask.
pub(super) fn script(shell: Shell) -> Result<(), Failure> {
    let completer = SHELLS.completer(&shell.to_string()).expect("every shell has its completer");
    let program = std::env::args_os().next().unwrap_or_else(|| tool::name().into());
    // One that was found by its name is found again.
    let program = match std::path::Path::new(&program).components().count() {
        1 => program,
        _ => std::env::current_exe().map_or(program, OsString::from),
    };
    let (name, mut script) = (tool::name(), Vec::new());
    completer
        .write_registration(VARIABLE, name, name, &program.to_string_lossy(), &mut script)
        .map_err(output_failure)?;
    model::write_bytes("-", script)
}

/// The command with the names of passes and targets where they are wanted, for shells and the
/// manual page.
pub(super) fn described() -> Command {
    let mut passes = format!("Passes (see `{} explain PASS`):\n", tool::name());
    for info in registry().passes() {
        passes += &format!("  {}: {}\n", info.name, info.summary());
    }
    with_values(super::args::command()).after_long_help(passes)
}

fn with_values(command: Command) -> Command {
    let command_name = command.get_name().to_owned();
    let command = command.mut_args(|arg| {
        let is_of = |command: &str| command_name == command;
        match arg.get_id().as_str() {
            "pass" if is_of("explain") => arg.value_parser(explained_names()),
            "pass"
            | "remarks"
            | "print_diff"
            | "print_ir_before"
            | "print_ir_after"
            | "print_ir_after_change" => arg.value_parser(pass_names()),
            "passes" if arg.get_action().takes_values() => {
                arg.add(ArgValueCompleter::new(pipelines))
            }
            "target" => arg.add(ArgValueCompleter::new(targets)),
            "name" if is_of("targets") => arg.add(ArgValueCompleter::new(targets)),
            _ => arg,
        }
    });
    command.mut_subcommands(with_values)
}

fn pass_names() -> PossibleValuesParser {
    PossibleValuesParser::new(passes().collect::<Vec<_>>())
}

fn passes() -> impl Iterator<Item = PossibleValue> {
    let value =
        |info: &PassInfo| PossibleValue::new(info.name.to_string()).help(info.summary().to_owned());
    registry().passes().map(value)
}

/// Passes and pipelines.
fn explained_names() -> PossibleValuesParser {
    let named = registry().pipelines();
    let named = named.map(|p| PossibleValue::new(p.name.to_string()).help(p.summary.to_string()));
    PossibleValuesParser::new(passes().chain(named).collect::<Vec<_>>())
}

/// Names of targets, and files that describe some.
fn targets(begun: &OsStr) -> Vec<CompletionCandidate> {
    let named = Target::names().filter_map(Target::named);
    let named = named.map(|target| (target.name().to_owned(), target.summary().to_owned()));
    let file = PathCompleter::any()
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml") || path.is_dir());
    let mut found = candidates("", &begun.to_string_lossy(), named);
    found.extend(file.complete(begun));
    found
}

/// Pipelines and passes, each behind what stands before it.
fn pipelines(begun: &OsStr) -> Vec<CompletionCandidate> {
    let text = begun.to_string_lossy();
    let at = text.rfind([',', '(']).map_or(0, |at| at + 1);
    let (before, begun) = text.split_at(at);
    let passes = registry().passes().map(|p| (p.name.to_string(), p.summary().to_owned()));
    let named = registry().pipelines().map(|p| (p.name.to_string(), p.summary.to_string()));
    candidates(before, begun, named.chain(passes))
}

/// Those names that begin so, with what stood before.
fn candidates(
    before: &str,
    begun: &str,
    names: impl Iterator<Item = (String, String)>,
) -> Vec<CompletionCandidate> {
    let fitting = names.filter(|(name, _)| name.starts_with(begun));
    fitting
        .map(|(name, help)| {
            CompletionCandidate::new(format!("{before}{name}")).help(Some(help.into()))
        })
        .collect()
}

/// Bash, told whole arguments: Readline parts `--target=litert` at the `=`, and then wants only
/// what is behind it.
struct WholeWords;

const BASH: &str = r#"
_tfq_opt() {
    local IFS=$'\013' words=() word part= joined= i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if ((i == COMP_CWORD)) && [[ "$word" != "=" ]]; then word="$2"; fi
        if ((i > 1)) && [[ "$word" == "=" || -n "$joined" ]]; then
            words[${#words[@]}-1]+="$word"
        else
            words+=("$word")
        fi
        if [[ "$word" == "=" && -z "$joined" ]]; then joined=1; else joined=; fi
    done
    word="${words[${#words[@]}-1]}"
    if [[ "$word" == --*=* ]]; then part="${word%"${word##*=}"}"; fi
    COMPREPLY=( $( \
        _CLAP_IFS="$IFS" \
        _CLAP_COMPLETE_INDEX=$((${#words[@]} - 1)) \
        _CLAP_COMPLETE_COMP_TYPE="$COMP_TYPE" \
        _CLAP_COMPLETE_SPACE=false \
        VARIABLE=bash \
        PROGRAM -- "${words[@]}" 2> /dev/null \
    ) )
    COMPREPLY=("${COMPREPLY[@]#"$part"}")
    if [[ ${#COMPREPLY[@]} == 1 && "${COMPREPLY[0]}" =~ [=/,]$ ]]; then
        compopt -o nospace 2> /dev/null
    fi
}
complete -o bashdefault -o default -F _tfq_opt NAME
"#;

impl EnvCompleter for WholeWords {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        _: &str,
        program: &str,
        to: &mut dyn io::Write,
    ) -> io::Result<()> {
        let program = format!("'{}'", program.replace('\'', r"'\''"));
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let function: String = ['_'].into_iter().chain(name.chars().map(plain)).collect();
        let script = BASH.replace("_tfq_opt", &function).replace("NAME", &for_shell(name));
        let script = script.replace("VARIABLE", variable).replace("PROGRAM", &program);
        to.write_all(script.trim_start().as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        here: Option<&std::path::Path>,
        to: &mut dyn io::Write,
    ) -> io::Result<()> {
        Bash.write_complete(command, words, here, to)
    }
}
