//! What a pipeline is, and its text.

use crate::{Declared, Pass, PassInfo};
use std::fmt;
use std::ops::Range;

/// Passes with their options, ready to run. Printed, it is text that parses back to the same.
#[derive(Debug, Default)]
pub struct Pipeline {
    pub(super) nodes: Vec<Node>,
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

    /// Adds another pipeline behind it.
    #[must_use]
    pub fn followed_by(mut self, other: Self) -> Self {
        self.nodes.extend(other.nodes);
        self
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
        self.nodes.push(Node::Pass(Step::of(pass)));
        self
    }

    /// The same pipeline with this pass in the place of each of its name.
    #[must_use]
    pub fn replacing<P: Declared + Clone + 'static>(self, pass: &P) -> Self {
        let name = P::info().name.clone();
        let replaced = |node| match node {
            Node::Pass(step) if step.name == name => Node::Pass(Step::of(pass.clone())),
            Node::Pass(step) => Node::Pass(step),
            Node::Repeat { max, body } => Node::Repeat { max, body: body.replacing(pass) },
            Node::UntilStable { max, body } => {
                Node::UntilStable { max, body: body.replacing(pass) }
            }
            Node::Subgraph { name, body } => Node::Subgraph { name, body: body.replacing(pass) },
        };
        Self { nodes: self.nodes.into_iter().map(replaced).collect() }
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
    fn of<P: Declared + 'static>(pass: P) -> Self {
        let (info, options) = (P::info(), pass.option_texts());
        Self { name: info.name.to_string(), pass: Box::new(pass), info: Some(info), options }
    }

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
pub(super) fn ends_value(c: char) -> bool {
    c.is_whitespace() || matches!(c, '{' | '}' | '"')
}
