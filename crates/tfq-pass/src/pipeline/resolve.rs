//! From items to passes.

use super::ast::{Node, Pipeline, PipelineError, Step};
use super::parse::{self, Item, Written};
use crate::options::{OptionArg, OptionError};
use crate::{NamedPipeline, OptionValue, PassInfo, PassScope, Registry};
use std::ops::Range;
use tfq_ir::did_you_mean;

/// How many rounds a loop has where it does not say.
const DEFAULT_ROUNDS: u64 = 10;

impl Pipeline {
    /// Reads a pipeline. A name may be that of a pass or of a pipeline, which is then put in
    /// its place.
    pub fn parse(registry: &Registry, text: &str) -> Result<Self, PipelineError> {
        let items = parse::items(text)?;
        let resolve = Resolve { registry, text };
        resolve.items(&items, false)
    }
}

struct Resolve<'a> {
    registry: &'a Registry,
    text: &'a str,
}

impl Resolve<'_> {
    fn items(&self, items: &[Item<'_>], in_subgraph: bool) -> Result<Pipeline, PipelineError> {
        let mut nodes = Vec::new();
        for item in items {
            self.item(item, in_subgraph, &mut nodes)?;
        }
        Ok(Pipeline { nodes })
    }

    fn item(
        &self,
        item: &Item<'_>,
        in_subgraph: bool,
        nodes: &mut Vec<Node>,
    ) -> Result<(), PipelineError> {
        for (n, option) in item.options.iter().enumerate() {
            if item.options[..n].iter().any(|earlier| earlier.name == option.name) {
                let message = format!("option `{}` is given twice", option.name);
                return self.error(&option.name_span, message, "the second time", None);
            }
        }
        match item.name {
            "repeat" | "until-stable" => {
                let max = self.rounds(item)?;
                let body = self.body(item, in_subgraph)?;
                nodes.push(match item.name {
                    "repeat" => Node::Repeat { max, body },
                    _ => Node::UntilStable { max, body },
                });
                return Ok(());
            }
            "subgraph" => {
                let Some((name, _)) = &item.argument else {
                    let help = Some("write subgraph(\"main\")(passes)".to_owned());
                    let message = "which subgraph is meant is missing".to_owned();
                    return self.error(&item.span, message, "here", help);
                };
                if let Some(option) = item.options.first() {
                    let message = format!("`subgraph` has no option `{}`", option.name);
                    let help = Some("it takes a name: subgraph(\"main\")(passes)".to_owned());
                    return self.error(&option.name_span, message, "unknown option", help);
                }
                let body = self.body(item, true)?;
                nodes.push(Node::Subgraph { name: name.clone().into_owned(), body });
                return Ok(());
            }
            _ => (),
        }
        if let Some(span) = item.extra_span() {
            let message = format!("`{}` takes nothing in parentheses", item.name);
            return self.error(&span, message, "not here", None);
        }
        if let Some(named) = self.registry.pipeline(item.name) {
            if let Some(option) = item.options.first() {
                let message = format!("the pipeline `{}` takes no options", item.name);
                let help = Some("write its passes out to give them options".to_owned());
                return self.error(&option.name_span, message, "not here", help);
            }
            return self.named(item, named, in_subgraph, nodes);
        }
        self.pass(item, in_subgraph, nodes)
    }

    fn named(
        &self,
        item: &Item<'_>,
        named: &NamedPipeline,
        in_subgraph: bool,
        nodes: &mut Vec<Node>,
    ) -> Result<(), PipelineError> {
        for (text, _) in &named.steps {
            let items = parse::items(text);
            let resolve = Resolve { registry: self.registry, text };
            // The steps are not in the text that the user sees.
            match items.and_then(|items| resolve.items(&items, in_subgraph)) {
                Ok(pipeline) => nodes.extend(pipeline.nodes),
                Err(error) => {
                    let message = format!("the pipeline `{}`: {}", item.name, error.message);
                    return self.error(&item.span, message, &error.label, error.help);
                }
            }
        }
        Ok(())
    }

    fn pass(
        &self,
        item: &Item<'_>,
        in_subgraph: bool,
        nodes: &mut Vec<Node>,
    ) -> Result<(), PipelineError> {
        let Some(info) = self.registry.pass(item.name) else {
            let names = self.registry.names();
            let message = format!("there is no pass `{}`", item.name);
            let help = Some(suggestion(item.name, &names, "passes"));
            return self.error(&item.span, message, "unknown pass", help);
        };
        if in_subgraph && info.scope == PassScope::Module {
            let message = format!("`{}` looks at the whole model", item.name);
            let help = Some("move it out of subgraph(...)".to_owned());
            return self.error(&item.span, message, "it cannot run on one subgraph", help);
        }
        let args: Vec<OptionArg<'_>> =
            item.options.iter().map(|o| OptionArg { name: o.name, value: &o.value }).collect();
        let written = |name: &str| {
            item.options.iter().find(|o| o.name == name).expect("the option was written")
        };
        for option in &item.options {
            self.not_parted_by_commas(info, option)?;
        }
        match info.build(&args) {
            Ok((pass, options)) => {
                let (name, info) = (info.name.to_string(), Some(info.clone()));
                nodes.push(Node::Pass(Step { name, pass, info, options }));
                Ok(())
            }
            Err(OptionError::Unknown { name }) => {
                let message = format!("`{}` has no option `{name}`", item.name);
                let help = Some(options_help(info, &name));
                self.error(&written(&name).name_span, message, "unknown option", help)
            }
            Err(OptionError::Value { name, wanted }) => {
                let option = written(&name);
                let message = format!("`{}` is no value of option `{name}`", option.value);
                self.error(&option.value_span, message, &wanted, None)
            }
        }
    }

    /// An error where a value ends with a comma, or another option begins behind one. A value
    /// that means that is quoted.
    fn not_parted_by_commas(
        &self,
        info: &PassInfo,
        option: &Written<'_>,
    ) -> Result<(), PipelineError> {
        let written = &self.text[option.value_span.clone()];
        let names: Vec<String> = info.options.iter().map(|o| o.name.to_string()).collect();
        let is_option = |at: usize| {
            if at + 1 == written.len() {
                return true;
            }
            let name = written[at + 1..].split_once('=').map(|(name, _)| name);
            name.is_some_and(|name| names.iter().any(|known| known == name))
        };
        let mut commas = written.match_indices([',', ';']).map(|(at, _)| at);
        let Some(at) = commas.find(|at| is_option(*at)).filter(|_| !written.starts_with('"'))
        else {
            return Ok(());
        };
        let (value, next) = (&written[..at], &written[at + 1..]);
        let next = if next.is_empty() { "..." } else { next };
        let help = format!("write {}{{{}={value} {next}}}", info.name, option.name);
        let span = option.value_span.start + at..option.value_span.start + at + 1;
        let message = "options are parted by spaces".to_owned();
        self.error(&span, message, "not by this", Some(help))
    }

    fn body(&self, item: &Item<'_>, in_subgraph: bool) -> Result<Pipeline, PipelineError> {
        match &item.body {
            Some(items) => self.items(items, in_subgraph),
            None => {
                let message = format!("`{}` needs passes in parentheses", item.name);
                self.error(&item.span, message, "followed by nothing to run", None)
            }
        }
    }

    fn rounds(&self, item: &Item<'_>) -> Result<u64, PipelineError> {
        if let Some((_, span)) = &item.argument {
            let message = format!("`{}` takes passes, not a name", item.name);
            return self.error(span, message, "not here", None);
        }
        let mut max = DEFAULT_ROUNDS;
        for option in &item.options {
            if option.name != "max" {
                let message = format!("`{}` has no option `{}`", item.name, option.name);
                let help = Some(format!("its option is max=INTEGER, by default {DEFAULT_ROUNDS}"));
                return self.error(&option.name_span, message, "unknown option", help);
            }
            max = match u64::parse(&option.value) {
                Ok(max) if max > 0 => max,
                _ => {
                    let message = format!("`{}` is no value of option `max`", option.value);
                    return self.error(
                        &option.value_span,
                        message,
                        "a number from 1 on is wanted",
                        None,
                    );
                }
            };
        }
        Ok(max)
    }

    fn error<T>(
        &self,
        span: &Range<usize>,
        message: String,
        label: &str,
        help: Option<String>,
    ) -> Result<T, PipelineError> {
        let (text, label) = (self.text.to_owned(), label.to_owned());
        Err(PipelineError { text, span: span.clone(), message, label, help })
    }
}

fn options_help(info: &PassInfo, name: &str) -> String {
    let names: Vec<String> = info.options.iter().map(|o| o.name.to_string()).collect();
    if names.is_empty() {
        return format!("`{}` takes no options", info.name);
    }
    let list = info.options.iter().map(|o| format!("{}={}", o.name, o.type_name()));
    let list = list.collect::<Vec<_>>().join(", ");
    match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(meant) => format!("{meant} its options are {list}"),
        None => format!("its options are {list}"),
    }
}

fn suggestion(name: &str, names: &[String], what: &str) -> String {
    let meant = did_you_mean(name, names.iter().map(String::as_str));
    meant.unwrap_or_else(|| format!("{what} are {}", names.join(", ")))
}
