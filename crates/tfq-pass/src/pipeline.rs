//! Pipelines as text: `quantize-weights{min-elements=4096 type=float16},insert-dequant`.
//!
//! ```text
//! pipeline = [item ("," item)*]
//! item     = name ["{" [option (space option)*] "}"]
//! option   = name "=" value
//! value    = characters other than space, "{", "}" and '"'; or any in double quotes
//! ```

use crate::options::{OptionArg, OptionError};
use crate::{OptionInfo, Pass, PassInfo, Registry};
use std::ops::Range;

/// Passes with their options, ready to run.
#[derive(Debug, Default)]
pub struct Pipeline {
    steps: Vec<Step>,
}

/// One pass of a pipeline.
#[derive(Debug)]
pub struct Step {
    /// The name of the pass.
    pub name: String,
    /// The pass.
    pub pass: Box<dyn Pass>,
    /// Its description; `None` for a pass that was built in code.
    pub info: Option<&'static PassInfo>,
}

/// What is wrong with the text of a pipeline, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PipelineError {
    /// The whole text.
    pub text: String,
    /// The bytes of it that are meant.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What stands at the span.
    pub label: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Pipeline {
    /// A pipeline without passes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pass with its options as its struct has them.
    #[must_use]
    pub fn then(mut self, name: &str, pass: impl Pass + 'static) -> Self {
        self.steps.push(Step { name: name.to_owned(), pass: Box::new(pass), info: None });
        self
    }

    /// Reads a pipeline. A name may be that of a pass or of a pipeline, which is then put in
    /// its place.
    pub fn parse(registry: &Registry, text: &str) -> Result<Self, PipelineError> {
        let items = Parser { text, at: 0 }.pipeline()?;
        let mut steps = Vec::new();
        for item in items {
            resolve(registry, text, &item, &mut steps)?;
        }
        Ok(Self { steps })
    }

    /// The passes in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// An item as it was written.
struct Item<'a> {
    name: &'a str,
    span: Range<usize>,
    options: Vec<Written<'a>>,
}

struct Written<'a> {
    name: &'a str,
    name_span: Range<usize>,
    value: &'a str,
    value_span: Range<usize>,
}

fn resolve(
    registry: &Registry,
    text: &str,
    item: &Item<'_>,
    steps: &mut Vec<Step>,
) -> Result<(), PipelineError> {
    let error = |span: &Range<usize>, message: String, label: String, help: Option<String>| {
        Err(PipelineError { text: text.to_owned(), span: span.clone(), message, label, help })
    };
    if let Some(named) = registry.pipeline(item.name) {
        if let Some(option) = item.options.first() {
            let message = format!("the pipeline `{}` takes no options", item.name);
            let help = Some("write its passes out to give them options".to_owned());
            return error(&option.name_span, message, "not here".to_owned(), help);
        }
        for (step, _) in named.steps {
            steps.extend(Pipeline::parse(registry, step)?.steps);
        }
        return Ok(());
    }
    let Some(info) = registry.pass(item.name) else {
        let names = registry.names();
        let message = format!("there is no pass `{}`", item.name);
        let label = "unknown pass".to_owned();
        return error(&item.span, message, label, Some(suggestion(item.name, &names, "passes")));
    };
    for (n, option) in item.options.iter().enumerate() {
        if item.options[..n].iter().any(|earlier| earlier.name == option.name) {
            let message = format!("option `{}` is given twice", option.name);
            return error(&option.name_span, message, "the second time".to_owned(), None);
        }
    }
    let args: Vec<OptionArg<'_>> =
        item.options.iter().map(|o| OptionArg { name: o.name, value: o.value }).collect();
    let span_of =
        |name: &str| item.options.iter().find(|o| o.name == name).expect("it was written");
    match (info.build)(&args) {
        Ok(pass) => {
            steps.push(Step { name: info.name(), pass, info: Some(info) });
            Ok(())
        }
        Err(OptionError::Unknown { name }) => {
            let names: Vec<String> = info.options.iter().map(OptionInfo::name).collect();
            let message = format!("`{}` has no option `{name}`", item.name);
            let help = if names.is_empty() {
                format!("`{}` takes no options", item.name)
            } else {
                let list = info.options.iter().map(|o| format!("{}={}", o.name(), o.type_name()));
                let close = closest(&name, &names).map(|c| format!("did you mean `{c}`? "));
                let list = list.collect::<Vec<_>>().join(", ");
                format!("{}its options are {list}", close.unwrap_or_default())
            };
            error(&span_of(&name).name_span, message, "unknown option".to_owned(), Some(help))
        }
        Err(OptionError::Value { name, wanted }) => {
            let option = span_of(&name);
            let message = format!("`{}` is no value of option `{name}`", option.value);
            error(&option.value_span, message, wanted, None)
        }
    }
}

fn suggestion(name: &str, names: &[String], what: &str) -> String {
    match closest(name, names) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("{what} are {}", names.join(", ")),
    }
}

fn closest<'a>(name: &str, names: &'a [String]) -> Option<&'a String> {
    let similar = names.iter().map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    let best = similar.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn pipeline(mut self) -> Result<Vec<Item<'a>>, PipelineError> {
        let mut items = Vec::new();
        self.space();
        if self.rest().is_empty() {
            return Ok(items);
        }
        loop {
            items.push(self.item()?);
            self.space();
            match self.rest().chars().next() {
                None => return Ok(items),
                Some(',') => self.at += 1,
                Some(_) => return Err(self.error("a comma is wanted between passes")),
            }
            self.space();
        }
    }

    fn item(&mut self) -> Result<Item<'a>, PipelineError> {
        let (name, span) = self.name("the name of a pass is wanted")?;
        let mut options = Vec::new();
        if self.eat('{') {
            loop {
                self.space();
                if self.eat('}') {
                    break;
                }
                if self.rest().is_empty() {
                    return Err(self.error("`}` is missing"));
                }
                options.push(self.option()?);
            }
        }
        Ok(Item { name, span, options })
    }

    fn option(&mut self) -> Result<Written<'a>, PipelineError> {
        let (name, name_span) = self.name("the name of an option is wanted")?;
        if !self.eat('=') {
            return Err(self.error("`=` and a value are wanted"));
        }
        let start = self.at;
        if self.eat('"') {
            let Some(len) = self.rest().find('"') else {
                return Err(self.error("the closing `\"` is missing"));
            };
            let value = &self.rest()[..len];
            self.at += len + 1;
            return Ok(Written { name, name_span, value, value_span: start..self.at });
        }
        let end = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '"');
        let len = self.rest().find(end).unwrap_or(self.rest().len());
        let value = &self.rest()[..len];
        self.at += len;
        Ok(Written { name, name_span, value, value_span: start..self.at })
    }

    fn name(&mut self, wanted: &str) -> Result<(&'a str, Range<usize>), PipelineError> {
        let end = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let len = self.rest().find(end).unwrap_or(self.rest().len());
        if len == 0 {
            return Err(self.error(wanted));
        }
        let span = self.at..self.at + len;
        self.at += len;
        Ok((&self.text[span.clone()], span))
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, wanted: &str) -> PipelineError {
        let len = self.rest().chars().next().map_or(0, char::len_utf8);
        let label = if len == 0 { "the text ends here" } else { "here" };
        PipelineError {
            text: self.text.to_owned(),
            span: self.at..self.at + len,
            message: wanted.to_owned(),
            label: label.to_owned(),
            help: None,
        }
    }
}
