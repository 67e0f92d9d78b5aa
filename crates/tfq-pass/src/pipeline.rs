//! Pipelines as text: `quantize-weights{min-elements=4096},until-stable(remove-identities)`.
//!
//! ```text
//! pipeline = [item ("," item)*]
//! item     = name ["{" [option (space option)*] "}"] ["(" string ")"] ["(" pipeline ")"]
//! option   = name "=" (value | string)
//! value    = characters other than space, "{", "}" and '"'
//! string   = characters in double quotes, where \" and \\ stand for " and \
//! ```
//!
//! White space may stand between all of these but around `=`; `#` begins a comment that ends
//! with the line.
//!
//! Three names are not passes: `repeat{max=N}(...)` runs what it holds N times or until nothing
//! changes, `until-stable{max=N}(...)` runs it until nothing changes and fails after N rounds,
//! `subgraph("name")(...)` runs it on one subgraph.

use crate::options::{OptionArg, OptionError};
use crate::{Declared, NamedPipeline, OptionValue, Pass, PassInfo, PassScope, Registry};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use tfq_ir::did_you_mean;

/// Passes with their options, ready to run. Printed, it is text that parses back to the same.
#[derive(Debug, Default)]
pub struct Pipeline {
    nodes: Vec<Node>,
}

/// A part of a pipeline.
#[derive(Debug)]
pub enum Node {
    /// A pass.
    Pass(Step),
    /// Runs its body up to `max` times, and stops earlier when a round changes nothing.
    Repeat {
        /// The largest number of rounds.
        max: u64,
        /// What is run.
        body: Pipeline,
    },
    /// Runs its body until a round changes nothing, which must happen within `max` rounds.
    UntilStable {
        /// The largest number of rounds.
        max: u64,
        /// What is run.
        body: Pipeline,
    },
    /// Runs its body on one subgraph.
    Subgraph {
        /// The name of the subgraph, or its number.
        name: String,
        /// What is run.
        body: Pipeline,
    },
}

/// One pass of a pipeline.
#[derive(Debug)]
pub struct Step {
    /// The name of the pass.
    pub name: String,
    /// The pass.
    pub pass: Box<dyn Pass>,
    /// Its description; `None` for a pass that was built in code.
    pub info: Option<PassInfo>,
    /// The options that differ from their defaults, as (name, value), in order of declaration.
    pub options: Vec<(String, String)>,
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

    /// Adds a pass that no registry knows, under a name of its own.
    #[must_use]
    pub fn then(mut self, name: &str, pass: impl Pass + 'static) -> Self {
        let pass = Box::new(pass);
        let step = Step { name: name.to_owned(), pass, info: None, options: Vec::new() };
        self.nodes.push(Node::Pass(step));
        self
    }

    /// Adds a pass that [`crate::declare_pass!`] declared, under its name and with what it
    /// declares.
    #[must_use]
    pub fn with<P: Declared + 'static>(mut self, pass: P) -> Self {
        let (info, options) = (P::info(), pass.option_texts());
        let pass = Box::new(pass);
        let name = info.name.to_string();
        self.nodes.push(Node::Pass(Step { name, pass, info: Some(info), options }));
        self
    }

    /// Reads a pipeline. A name may be that of a pass or of a pipeline, which is then put in
    /// its place.
    pub fn parse(registry: &Registry, text: &str) -> Result<Self, PipelineError> {
        let items = Parser { text, at: 0, depth: 0 }.whole()?;
        let resolve = Resolve { registry, text };
        resolve.items(&items, false)
    }

    /// Its parts in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many passes stand in it, those in loops counted once.
    pub fn len(&self) -> usize {
        let of = |node: &Node| match node {
            Node::Pass(_) => 1,
            Node::Repeat { body, .. }
            | Node::UntilStable { body, .. }
            | Node::Subgraph { body, .. } => body.len(),
        };
        self.nodes.iter().map(of).sum()
    }

    /// Whether it runs a pass of this name.
    pub fn runs(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| match node {
            Node::Pass(step) => step.name == name,
            Node::Repeat { body, .. }
            | Node::UntilStable { body, .. }
            | Node::Subgraph { body, .. } => body.runs(name),
        })
    }

    /// Whether it has no pass.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Node {
    /// Its text without the body.
    pub(crate) fn head(&self) -> String {
        match self {
            Self::Pass(step) => step.text(),
            Self::Repeat { max, .. } => format!("repeat{{max={max}}}"),
            Self::UntilStable { max, .. } => format!("until-stable{{max={max}}}"),
            Self::Subgraph { name, .. } => format!("subgraph({})", Quoted(name)),
        }
    }
}

impl Step {
    /// The pass as it would be written in a pipeline.
    pub fn text(&self) -> String {
        format!("{}{}", self.name, Options(&self.options))
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, node) in self.nodes.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            f.write_str(&node.head())?;
            match node {
                Node::Pass(_) => (),
                Node::Repeat { body, .. }
                | Node::UntilStable { body, .. }
                | Node::Subgraph { body, .. } => write!(f, "({body})")?,
            }
        }
        Ok(())
    }
}

struct Options<'a>(&'a [(String, String)]);

impl fmt::Display for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (name, value)) in self.0.iter().enumerate() {
            f.write_str(if n == 0 { "{" } else { " " })?;
            if value.is_empty() || value.contains(ends_value) {
                write!(f, "{name}={}", Quoted(value))?;
            } else {
                write!(f, "{name}={value}")?;
            }
        }
        if self.0.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

/// A string as it is written.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', r"\\").replace('"', r#"\""#))
    }
}

/// Whether a value without quotes ends before this character.
fn ends_value(c: char) -> bool {
    c.is_whitespace() || matches!(c, '{' | '}' | '"')
}

/// An item as it was written.
struct Item<'a> {
    name: &'a str,
    span: Range<usize>,
    options: Vec<Written<'a>>,
    argument: Option<(Cow<'a, str>, Range<usize>)>,
    body: Option<Vec<Item<'a>>>,
}

struct Written<'a> {
    name: &'a str,
    name_span: Range<usize>,
    value: Cow<'a, str>,
    value_span: Range<usize>,
}

const DEFAULT_ROUNDS: u64 = 10;
/// Loops and subgraphs in each other: more than anyone needs, and less than the stack holds.
const MOST_NESTED: usize = 64;

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
            let items = Parser { text, at: 0, depth: 0 }.whole();
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

impl Item<'_> {
    /// Where something in parentheses begins that a pass does not take.
    fn extra_span(&self) -> Option<Range<usize>> {
        let argument = self.argument.as_ref().map(|(_, span)| span.clone());
        argument.or_else(|| self.body.as_ref().map(|_| self.span.clone()))
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

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// How many parentheses are open.
    depth: usize,
}

impl<'a> Parser<'a> {
    fn whole(mut self) -> Result<Vec<Item<'a>>, PipelineError> {
        let items = self.items()?;
        if self.rest().is_empty() {
            return Ok(items);
        }
        Err(self.error(if self.rest().starts_with(')') {
            "nothing is open that `)` could close"
        } else {
            "a comma is wanted between passes"
        }))
    }

    /// Items up to the end or a closing parenthesis.
    fn items(&mut self) -> Result<Vec<Item<'a>>, PipelineError> {
        let mut items = Vec::new();
        self.space();
        if self.rest().is_empty() || self.rest().starts_with(')') {
            return Ok(items);
        }
        loop {
            items.push(self.item()?);
            self.space();
            if !self.eat(',') {
                return Ok(items);
            }
            self.space();
        }
    }

    fn item(&mut self) -> Result<Item<'a>, PipelineError> {
        let (name, span) = self.name("the name of a pass is wanted")?;
        let mut item = Item { name, span, options: Vec::new(), argument: None, body: None };
        self.space();
        if self.eat('{') {
            loop {
                self.space();
                if self.eat('}') {
                    break;
                }
                if self.rest().is_empty() {
                    return Err(self.error("`}` is missing"));
                }
                if self.rest().starts_with([',', ';']) {
                    return Err(PipelineError {
                        help: Some("write {type=float16 min-elements=1}".to_owned()),
                        ..self.error("options are parted by spaces")
                    });
                }
                item.options.push(self.option()?);
            }
            self.space();
        }
        while item.body.is_none() && self.rest().starts_with('(') {
            if self.depth == MOST_NESTED {
                let most = format!("no more than {MOST_NESTED} parentheses may be open");
                return Err(self.error(&most));
            }
            self.at += 1;
            self.depth += 1;
            self.space();
            if item.argument.is_none() && self.rest().starts_with('"') {
                item.argument = Some(self.string()?);
                self.space();
            } else {
                item.body = Some(self.items()?);
            }
            if !self.eat(')') {
                return Err(self.error("`)` is missing"));
            }
            self.depth -= 1;
            self.space();
        }
        Ok(item)
    }

    fn option(&mut self) -> Result<Written<'a>, PipelineError> {
        let (name, name_span) = self.name("the name of an option is wanted")?;
        if !self.eat('=') {
            return Err(self.error("`=` and a value are wanted"));
        }
        let (value, value_span) = if self.rest().starts_with('"') {
            self.string()?
        } else {
            let start = self.at;
            let len = self.rest().find(ends_value).unwrap_or(self.rest().len());
            self.at += len;
            (self.text[start..self.at].into(), start..self.at)
        };
        Ok(Written { name, name_span, value, value_span })
    }

    /// Text in double quotes.
    fn string(&mut self) -> Result<(Cow<'a, str>, Range<usize>), PipelineError> {
        let start = self.at;
        self.at += 1;
        let rest = self.rest();
        let mut text = Cow::Borrowed("");
        let mut done = 0;
        loop {
            let Some(len) = rest[done..].find(['"', '\\']) else {
                return Err(self.error("the closing `\"` is missing"));
            };
            text += &rest[done..done + len];
            done += len + 1;
            if rest.as_bytes()[done - 1] == b'"' {
                self.at += done;
                return Ok((text, start..self.at));
            }
            let Some(escaped) = rest[done..].chars().next().filter(|c| matches!(c, '"' | '\\'))
            else {
                self.at += done - 1;
                return Err(
                    self.error("in quotes, a backslash stands before `\"` or another backslash")
                );
            };
            text.to_mut().push(escaped);
            done += 1;
        }
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

    /// Skips white space and comments.
    fn space(&mut self) {
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
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
