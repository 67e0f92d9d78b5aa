//! `tfq-opt passes` and `tfq-opt explain`.

use super::diagnostics::Failure;
use serde_json::json;
use std::io::{self, Write};
use tfq_opt::builtin;
use tfq_opt::pass::PassInfo;

pub(crate) fn passes(as_json: bool) -> io::Result<()> {
    let registry = builtin();
    let mut out = io::stdout().lock();
    if as_json {
        let passes: Vec<_> = registry.passes().map(pass_json).collect();
        let pipelines: Vec<_> = registry
            .pipelines()
            .map(|p| {
                let steps: Vec<_> =
                    p.steps.iter().map(|(pass, why)| json!({ "pass": pass, "why": why })).collect();
                json!({ "name": p.name, "summary": p.summary, "steps": steps })
            })
            .collect();
        return writeln!(out, "{:#}", json!({ "passes": passes, "pipelines": pipelines }));
    }
    writeln!(out, "Passes:")?;
    for info in registry.passes() {
        writeln!(out, "  {}\n      {}", info.name(), info.summary())?;
        for option in info.options {
            let (name, ty) = (option.name(), option.type_name());
            let default = match option.default_text() {
                text if text.is_empty() => String::new(),
                text => format!(" [{text}]"),
            };
            writeln!(out, "        {name}={ty}{default}")?;
            writeln!(out, "            {}", option.summary())?;
        }
    }
    writeln!(out, "\nPipelines:")?;
    for pipeline in registry.pipelines() {
        writeln!(out, "  {}\n      {}", pipeline.name, pipeline.summary)?;
        for (pass, why) in pipeline.steps {
            writeln!(out, "        {pass:24} {why}")?;
        }
    }
    writeln!(out, "\n`tfq-opt explain PASS` prints a pass's manual.")
}

/// The pass of this name.
pub(crate) fn find(name: &str) -> Result<&'static PassInfo, Failure> {
    let registry = builtin();
    registry.pass(name).ok_or_else(|| {
        let names: Vec<String> = registry.passes().map(PassInfo::name).collect();
        let help = format!("passes are {}", names.join(", "));
        Failure::usage(&format!("there is no pass `{name}`"), &help)
    })
}

pub(crate) fn explain(name: &str) -> Result<(), Failure> {
    let info = find(name)?;
    let mut out = io::stdout().lock();
    manual(&mut out, info).map_err(super::output_failure)
}

fn manual(out: &mut impl Write, info: &PassInfo) -> io::Result<()> {
    writeln!(out, "# {}\n\n{}\n", info.name(), info.manual())?;
    for line in info.declares() {
        writeln!(out, "{line}")?;
    }
    if !info.options.is_empty() {
        writeln!(out, "\n## Options")?;
    }
    for option in info.options {
        let (name, ty, default) = (option.name(), option.type_name(), option.default_text());
        writeln!(out, "{name}={ty}\n    {} Default: {default:?}.", option.summary())?;
    }
    Ok(())
}

fn pass_json(info: &PassInfo) -> serde_json::Value {
    let options: Vec<_> = info
        .options
        .iter()
        .map(|o| {
            json!({
                "name": o.name(),
                "type": o.type_name(),
                "default": o.default_text(),
                "doc": o.summary(),
            })
        })
        .collect();
    json!({
        "name": info.name(),
        "summary": info.summary(),
        "manual": info.manual(),
        "contract": info.contract.to_string(),
        "options": options,
    })
}
