//! `tfq-opt passes` and `tfq-opt explain`.

use super::diagnostics::Failure;
use super::json::json_text;
use super::shown::Shown;
use super::tool::{self, registry};
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use tfq_ir::did_you_mean;
use tfq_opt::pass::{NamedPipeline, OptionInfo, OptionKind, PassInfo};

pub(crate) fn passes(as_json: bool) -> io::Result<()> {
    let registry = registry();
    let mut out = Shown(io::stdout().lock());
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
        return write!(out, "{}", json_text(&json!({ "passes": passes, "pipelines": pipelines })));
    }
    writeln!(out, "Passes:")?;
    for info in registry.passes() {
        writeln!(out, "  {}\n      {}", info.name, info.summary())?;
        for option in &info.options {
            let (name, ty) = (&option.name, option.type_name());
            let default = match &*option.default {
                "" => String::new(),
                text => format!(" [{text}]"),
            };
            writeln!(out, "        {name}={ty}{default}")?;
            writeln!(out, "            {}", option.summary())?;
        }
    }
    writeln!(out, "\nPipelines:")?;
    for pipeline in registry.pipelines() {
        writeln!(out, "  {}\n      {}", pipeline.name, pipeline.summary)?;
        for (pass, why) in &pipeline.steps {
            writeln!(out, "        {pass:24} {why}")?;
        }
    }
    writeln!(out, "\n`{} explain PASS` prints a pass's manual.", tool::name())
}

/// The pass of this name.
pub(crate) fn find(name: &str) -> Result<&'static PassInfo, Failure> {
    let registry = registry();
    registry.pass(name).ok_or_else(|| {
        let names: Vec<&str> = registry.passes().map(|info| &*info.name).collect();
        let help = did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| format!("passes are {}", names.join(", ")));
        Failure::usage(&format!("there is no pass `{name}`"), &help)
    })
}

pub(crate) fn explain(name: &str) -> Result<(), Failure> {
    let registry = registry();
    let mut out = Shown(io::stdout().lock());
    let told = match (registry.pass(name), registry.pipeline(name)) {
        (Some(info), _) => manual(&mut out, info),
        (None, Some(pipeline)) => steps(&mut out, pipeline),
        (None, None) => {
            let passes: Vec<&str> = registry.passes().map(|info| &*info.name).collect();
            let pipelines: Vec<&str> = registry.pipelines().map(|p| &*p.name).collect();
            let known = pipelines.iter().chain(&passes).copied();
            let help = did_you_mean(name, known).unwrap_or_else(|| {
                let [passes, pipelines] = [passes, pipelines].map(|names| names.join(", "));
                format!("passes are {passes}; pipelines are {pipelines}")
            });
            let message = format!("there is no pass and no pipeline `{name}`");
            return Err(Failure::usage(&message, &help));
        }
    };
    told.map_err(super::diagnostics::output_failure)
}

fn steps(out: &mut impl Write, pipeline: &NamedPipeline) -> io::Result<()> {
    let NamedPipeline { name, summary, steps } = pipeline;
    writeln!(out, "# {name}\n\nA pipeline: {summary}.\n")?;
    for (n, (pass, why)) in steps.iter().enumerate() {
        writeln!(out, "{}. {pass}\n    {why}", n + 1)?;
    }
    writeln!(out, "\n`{} explain PASS` prints a pass's manual.", tool::name())
}

fn manual(out: &mut impl Write, info: &PassInfo) -> io::Result<()> {
    writeln!(out, "# {}\n\n{}\n", info.name, info.manual())?;
    for line in info.declares() {
        writeln!(out, "{line}")?;
    }
    if !info.options.is_empty() {
        writeln!(out, "\n## Options")?;
    }
    for option in &info.options {
        let (name, ty, default) = (&option.name, option.type_name(), &option.default);
        writeln!(out, "{name}={ty}\n    {} Default: {default:?}.", option.summary())?;
    }
    Ok(())
}

/// A JSON Schema with a definition for each pass: an object of its options, by name.
pub(crate) fn schema() -> Value {
    let option = |o: &OptionInfo| {
        let default = &o.default;
        let mut schema = match &o.kind {
            OptionKind::Integer => json!({
                "type": "integer",
                "minimum": 0,
                "default": default.parse::<u64>().ok(),
            }),
            OptionKind::Switch => json!({ "type": "boolean", "default": default == "on" }),
            OptionKind::Choice(values) => json!({ "enum": values, "default": default }),
            OptionKind::Text(_) => json!({ "type": "string", "default": default }),
        };
        schema["description"] = o.summary().into();
        (o.name.to_string(), schema)
    };
    let pass = |info: &PassInfo| {
        let options: Map<String, Value> = info.options.iter().map(option).collect();
        let schema = json!({
            "type": "object",
            "description": info.summary(),
            "properties": options,
            "additionalProperties": false,
        });
        (info.name.to_string(), schema)
    };
    let passes: Map<String, Value> = registry().passes().map(pass).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Passes of {} and their options", tool::name()),
        "$defs": passes,
    })
}

fn pass_json(info: &PassInfo) -> serde_json::Value {
    let options: Vec<_> = info
        .options
        .iter()
        .map(|o| {
            json!({
                "name": o.name,
                "type": o.type_name(),
                "default": o.default,
                "doc": o.summary(),
            })
        })
        .collect();
    json!({
        "name": info.name,
        "summary": info.summary(),
        "manual": info.manual(),
        "contract": info.contract.to_string(),
        "declares": info.declares(),
        "options": options,
    })
}
