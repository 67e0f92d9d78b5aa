//! The description of a pass, from which command line, documentation and tests take all they say.

use crate::options::{OptionArg, OptionError, OptionInfo};
use crate::{Context, Invariant, PassError};
use std::fmt;
use tfq_ir::Module;
use tfq_ir::catalog::op_by_code;

/// A rewrite of the model.
///
/// Contract: given a module that verifies, `run` leaves a module that verifies. It keeps no
/// state from one run to the next, and changes structure through patches only.
pub trait Pass: fmt::Debug + Send + Sync {
    /// Rewrites the model.
    fn run(&self, module: &mut Module, cx: &mut Context<'_>) -> Result<(), PassError>;
}

/// What a pass may do to the numbers that a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumericContract {
    /// Every output keeps its bits.
    Exact,
    /// Constants are stored with fewer bits.
    Quantizing,
    /// Nothing but notes and metadata changes.
    Annotation,
}

impl fmt::Display for NumericContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact: outputs keep their bits",
            Self::Quantizing => "quantising: constants are stored with fewer bits",
            Self::Annotation => "annotation: only notes and metadata change",
        })
    }
}

/// What a pass looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassScope {
    /// The whole model.
    Module,
    /// Each subgraph by itself: those of [`Context::subgraphs`].
    Subgraph,
}

/// Everything that command line, documentation and tests know about a pass.
#[derive(Debug)]
pub struct PassInfo {
    /// The module that declares it, which is also its file's name: `quantize_weights`.
    pub module: &'static str,
    /// The doc comment of the declaration, which is the manual; its first line is the summary.
    pub docs: &'static str,
    /// What it may do to numbers.
    pub contract: NumericContract,
    /// Whether it can run on one subgraph.
    pub scope: PassScope,
    /// Operators that it may add ([`tfq_ir::catalog::ops`]); the manager refuses others.
    pub writes: &'static [i32],
    /// What must hold before it runs; the manager checks it.
    pub requires: &'static [&'static Invariant],
    /// What holds after it; the manager checks it.
    pub ensures: &'static [&'static Invariant],
    /// Its options, in the order of the declaration.
    pub options: &'static [OptionInfo],
    /// Where it is declared, for the message about two passes of one name.
    pub origin: &'static str,
    #[doc(hidden)]
    pub build: fn(&[OptionArg<'_>]) -> Result<Built, OptionError>,
}

/// A pass, and its options that differ from their defaults.
type Built = (Box<dyn Pass>, Vec<(String, String)>);

impl PassInfo {
    /// The name on the command line: `quantize-weights`.
    pub fn name(&self) -> String {
        self.module.replace('_', "-")
    }

    /// The first line of the manual.
    pub fn summary(&self) -> &'static str {
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
        let names: Vec<&str> =
            self.writes.iter().filter_map(|code| Some(op_by_code(*code)?.name)).collect();
        if !names.is_empty() {
            lines.push(format!("Adds ops of these kinds only: {}.", names.join(", ")));
        }
        let docs = |invariants: &[&Invariant]| {
            invariants.iter().map(|known| known.docs).collect::<Vec<_>>().join("; ")
        };
        if !self.requires.is_empty() {
            lines.push(format!("Needs before it: {}.", docs(self.requires)));
        }
        if !self.ensures.is_empty() {
            lines.push(format!("Holds after it: {}.", docs(self.ensures)));
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

    /// The pass with all options at their defaults.
    pub fn with_defaults(&self) -> Box<dyn Pass> {
        (self.build)(&[]).expect("defaults are valid options").0
    }
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

/// A pass that [`declare_pass!`](crate::declare_pass) declared.
pub trait Declared: Pass {
    /// Its description.
    fn info() -> &'static PassInfo
    where
        Self: Sized;

    /// Its options that differ from their defaults, as (name, value).
    fn option_texts(&self) -> Vec<(String, String)>;
}

/// Declares the pass of this module: its struct, whose fields are its options with their
/// defaults, and `INFO`, which describes it. The doc comment is the user's manual.
///
/// `writes: [DEQUANTIZE]` behind the scope names operators that the pass may add; `requires:
/// [SETTLED]` and `ensures: [SETTLED]` name invariants. The manager holds the pass to all.
#[macro_export]
macro_rules! declare_pass {
    (
        contract: $contract:ident, scope: $scope:ident
        $(, writes: [$($writes:ident),*])?
        $(, requires: [$($requires:ident),*])?
        $(, ensures: [$($ensures:ident),*])?;
        $(#[doc = $doc:literal])+
        $vis:vis struct $pass:ident {
            $( $(#[doc = $field_doc:literal])+ $field_vis:vis $field:ident : $ty:ty = $default:expr, )*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        $vis struct $pass {
            $( $(#[doc = $field_doc])+ $field_vis $field: $ty, )*
        }

        impl Default for $pass {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        /// Describes the pass.
        pub(crate) static INFO: $crate::PassInfo = $crate::PassInfo {
            module: $crate::private::last_segment(module_path!()),
            docs: concat!($($doc, "\n"),+),
            contract: $crate::NumericContract::$contract,
            scope: $crate::PassScope::$scope,
            writes: &[$($($crate::private::ops::$writes),*)?],
            requires: &[$($(&$crate::invariant::$requires),*)?],
            ensures: &[$($(&$crate::invariant::$ensures),*)?],
            options: &[
                $( $crate::OptionInfo {
                    field: stringify!($field),
                    docs: concat!($($field_doc, "\n"),+),
                    ty: || <$ty as $crate::OptionValue>::type_name(),
                    kind: || <$ty as $crate::OptionValue>::kind(),
                    default: || <$ty as $crate::OptionValue>::text(&<$pass>::default().$field),
                }, )*
            ],
            origin: concat!(env!("CARGO_PKG_NAME"), " ", file!()),
            build: |args| {
                #[allow(unused_mut)]
                let mut pass = <$pass>::default();
                for arg in args {
                    $(
                        if $crate::private::set_option(stringify!($field), arg, &mut pass.$field)? {
                            continue;
                        }
                    )*
                    return Err(arg.unknown());
                }
                let options = $crate::Declared::option_texts(&pass);
                Ok((Box::new(pass), options))
            },
        };

        impl $crate::Declared for $pass {
            fn info() -> &'static $crate::PassInfo {
                &INFO
            }

            fn option_texts(&self) -> Vec<(String, String)> {
                #[allow(unused_mut)]
                let mut options = Vec::new();
                $( $crate::private::option_text(
                    stringify!($field),
                    &self.$field,
                    &Self::default().$field,
                    &mut options,
                ); )*
                options
            }
        }
    };
}

/// `a::b::c` becomes `c`.
pub const fn last_segment(path: &'static str) -> &'static str {
    let bytes = path.as_bytes();
    let mut start = bytes.len();
    while start > 0 && bytes[start - 1] != b':' {
        start -= 1;
    }
    match std::str::from_utf8(bytes.split_at(start).1) {
        Ok(segment) => segment,
        Err(_) => panic!("module paths are ASCII at `::`"),
    }
}
