//! The description of a pass, from which command line, documentation and tests take all they say.

use crate::options::{OptionArg, OptionError, OptionInfo, OptionValues};
use crate::pass::Pass;
use crate::{Invariant, NumericContract};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use tfq_ir::OpKind;
use tfq_json::closed;

/// What a pass looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case")]
pub enum PassScope {
    /// The whole model.
    Module,
    /// Each subgraph by itself: those of [`crate::Session::subgraphs`].
    Subgraph,
}

/// What a pass says of itself: everything that command line, documentation and tests know about
/// it. It is data, and has a JSON form, in which passes that are not written in Rust declare
/// themselves.
///
/// ```
/// use tfq_pass::PassDescriptor;
///
/// let json = r#"{
///   "name": "drop-floor",
///   "docs": "Drops ops that do nothing.\n\n## What it does\n...",
///   "contract": "exact",
///   "scope": "subgraph",
///   "writes": ["DEQUANTIZE", { "custom": "MyOp" }],
///   "ensures": ["settled"],
///   "options": [{ "name": "max", "docs": "How many.", "kind": "integer", "default": "10" }]
/// }"#;
/// let descriptor: PassDescriptor = serde_json::from_str(json).unwrap();
/// assert_eq!(descriptor.summary(), "Drops ops that do nothing.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct PassDescriptor {
    /// The name on the command line: `quantize-weights`.
    pub name: Cow<'static, str>,
    /// The manual, as Markdown: the doc comment of the declaration. Its first line is the
    /// summary.
    pub docs: Cow<'static, str>,
    /// What it may do to numbers.
    pub contract: NumericContract,
    /// Whether it can run on one subgraph.
    pub scope: PassScope,
    /// Kinds of ops that it may add, and whose attributes it may set where it is exact; the manager
    /// refuses others.
    #[serde(default, with = "kinds", skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<OpKind>,
    /// What must hold before it runs; the manager checks it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Invariant>,
    /// What holds after it; the manager checks it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ensures: Vec<Invariant>,
    /// Its options, in the order in which they are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<OptionInfo>,
    /// Where it is from, for the message about two passes of one name.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub origin: Cow<'static, str>,
    /// Left out of lists, completions and documents. It runs like any other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

impl PassDescriptor {
    /// A pass of subgraphs that is exact, adds no ops and has no options.
    pub fn new(name: impl Into<Cow<'static, str>>, docs: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            docs: docs.into(),
            contract: NumericContract::Exact,
            scope: PassScope::Subgraph,
            writes: Vec::new(),
            requires: Vec::new(),
            ensures: Vec::new(),
            options: Vec::new(),
            origin: Cow::Borrowed(""),
            hidden: false,
        }
    }

    /// The first line of the manual.
    pub fn summary(&self) -> &str {
        self.docs.trim_start().lines().next().unwrap_or_default().trim()
    }

    /// The manual without the blank in front of each line of a doc comment.
    pub fn manual(&self) -> String {
        let lines = self.docs.lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    }

    /// What the pass declares and the manager holds it to, as sentences.
    pub fn declares(&self) -> Vec<String> {
        let mut lines = vec![format!("Numeric contract: {}.", self.contract)];
        let names: Vec<String> = self.writes.iter().map(OpKind::to_string).collect();
        if !names.is_empty() {
            lines.push(format!("Adds ops of these kinds only: {}.", names.join(", ")));
        }
        let docs = |invariants: &[Invariant]| {
            invariants.iter().map(Invariant::docs).collect::<Vec<_>>().join("; ")
        };
        if !self.requires.is_empty() {
            lines.push(format!("Needs before it: {}.", docs(&self.requires)));
        }
        if !self.ensures.is_empty() {
            lines.push(format!("Holds after it: {}.", docs(&self.ensures)));
        }
        lines
    }

    /// The examples of the manual: what follows `## Example`, as a pair of `tfg` blocks with the
    /// pipeline between them in backticks. A test runs each.
    pub fn examples(&self) -> Vec<Example> {
        let manual = self.manual();
        let Some((_, section)) = manual.split_once("## Example") else { return Vec::new() };
        let parts: Vec<&str> = section.split("```").collect();
        let block = |text: &str| text.strip_prefix("tfg\n").map(str::to_owned);
        let examples = parts[1..].chunks_exact(4).filter_map(|parts| {
            let pipeline = parts[1].split('`').nth(1)?.to_owned();
            Some(Example { before: block(parts[0])?, pipeline, after: block(parts[2])? })
        });
        examples.collect()
    }

    /// What is wrong with the description itself: names that could not be written in a pipeline,
    /// defaults that are no values.
    pub(crate) fn fault(&self) -> Option<String> {
        if let Some(what) = name_fault(&self.name) {
            return Some(what);
        }
        let of_option = |(n, option): (usize, &OptionInfo)| {
            let OptionInfo { name, kind, default, .. } = option;
            if let Some(what) = name_fault(name) {
                return Some(format!("option {name:?}: {what}"));
            }
            if self.options[..n].iter().any(|earlier| earlier.name == *name) {
                return Some(format!("option `{name}` is declared twice"));
            }
            let wanted = kind.checked(default).err()?;
            Some(format!("option `{name}`: its default is {default:?}, and {wanted}"))
        };
        self.options.iter().enumerate().find_map(of_option)
    }
}

/// What keeps a name from being written in a pipeline.
pub(crate) fn name_fault(name: &str) -> Option<String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(fits) {
        return Some("a name is made of letters, digits, `-`, `_` and `.`".to_owned());
    }
    None
}

/// An example of a pass's manual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The model before, as text.
    pub before: String,
    /// What is run.
    pub pipeline: String,
    /// The model after, as text.
    pub after: String,
}

closed!(PassScope, PassDescriptor);

/// A pass as it was built, and its options that differ from their defaults, as (name, value).
pub type Built = (Box<dyn Pass>, Vec<(String, String)>);

/// Builds a pass from the options of a pipeline.
type Factory = dyn Fn(&[OptionArg<'_>]) -> Result<Built, OptionError> + Send + Sync;

/// A pass as registries hold it: its description, and how it is built. A clone is the same one.
///
/// [`declare_pass!`](crate::declare_pass) makes one of a struct. A pass of which everything is
/// known at run time only, one from a plugin for example, is made of a descriptor and a closure:
///
/// ```
/// use tfq_pass::{OptionInfo, OptionKind, Pass, PassDescriptor, PassError, PassInfo, Session};
///
/// #[derive(Debug)]
/// struct Refuse {
///     reason: String,
///     times: u64,
/// }
///
/// impl Pass for Refuse {
///     fn run(&self, _: &mut Session<'_>) -> Result<(), PassError> {
///         Err(PassError::Unsupported(format!("{} times {}", self.times, self.reason)))
///     }
/// }
///
/// let reason = String::from("no");
/// let mut descriptor = PassDescriptor::new("refuse", "Gives up.");
/// descriptor.options.push(OptionInfo::new("times", OptionKind::Integer, "1"));
/// let info = PassInfo::new(descriptor, move |options| {
///     Ok(Box::new(Refuse { reason: reason.clone(), times: options.get("times")? }))
/// });
/// assert_eq!(info.name, "refuse");
/// ```
#[derive(Clone)]
pub struct PassInfo {
    descriptor: Arc<PassDescriptor>,
    factory: Arc<Factory>,
}

impl PassInfo {
    /// A pass of this description, which `build` makes with the options that it describes: they
    /// were checked, and each has a value.
    pub fn new(
        descriptor: PassDescriptor,
        build: impl Fn(&OptionValues<'_>) -> Result<Box<dyn Pass>, OptionError> + Send + Sync + 'static,
    ) -> Self {
        let descriptor = Arc::new(descriptor);
        let described = Arc::clone(&descriptor);
        let factory = move |args: &[OptionArg<'_>]| {
            let options = OptionValues::new(&described.options, args)?;
            Ok((build(&options)?, options.given()))
        };
        Self { descriptor, factory: Arc::new(factory) }
    }

    /// A pass of this description, which reads its options itself: as [`Self::new`] where the
    /// description cannot say what values are right.
    pub fn with_factory(
        descriptor: PassDescriptor,
        factory: impl Fn(&[OptionArg<'_>]) -> Result<Built, OptionError> + Send + Sync + 'static,
    ) -> Self {
        Self { descriptor: Arc::new(descriptor), factory: Arc::new(factory) }
    }

    /// Its description.
    pub fn descriptor(&self) -> &PassDescriptor {
        &self.descriptor
    }

    /// The pass with these options, and those of them that differ from their defaults.
    pub fn build(&self, args: &[OptionArg<'_>]) -> Result<Built, OptionError> {
        (self.factory)(args)
    }
}

impl Deref for PassInfo {
    type Target = PassDescriptor;

    fn deref(&self) -> &PassDescriptor {
        &self.descriptor
    }
}

impl fmt::Debug for PassInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PassInfo").field(&self.descriptor).finish()
    }
}

/// Kinds of ops as they are written: `"DEQUANTIZE"`, and `{"custom": "Name"}`.
mod kinds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tfq_ir::OpKind;
    use tfq_ir::catalog::op_by_name;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Kind {
        Builtin(String),
        Custom(Custom),
    }

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Self", deny_unknown_fields)]
    struct Custom {
        custom: String,
    }

    tfq_json::closed!(Custom);

    pub(super) fn serialize<S: Serializer>(
        kinds: &[OpKind],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(kinds.iter().map(|kind| match kind {
            OpKind::Builtin(_) => Kind::Builtin(kind.name().into()),
            OpKind::Custom(name) => Kind::Custom(Custom { custom: name.to_string() }),
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<OpKind>, D::Error> {
        let kinds = Vec::<Kind>::deserialize(deserializer)?;
        let kind = |kind| match kind {
            Kind::Custom(Custom { custom }) => Ok(OpKind::Custom(custom.into())),
            Kind::Builtin(name) => match op_by_name(&name) {
                Some(op) => Ok(OpKind::Builtin(op.code)),
                None => Err(serde::de::Error::custom(format!(
                    "{name:?} is no operator; names are as in the schema, CONV_2D"
                ))),
            },
        };
        kinds.into_iter().map(kind).collect()
    }
}
