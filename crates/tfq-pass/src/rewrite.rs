//! Rules: a pattern, guards and a replacement, applied until nothing matches.
//!
//! ```
//! use tfq_ir::catalog::ops::{DEQUANTIZE, QUANTIZE};
//! use tfq_pass::rewrite::{Rule, any, op};
//!
//! let rule = Rule::new(
//!     "quantise what was dequantised",
//!     op(QUANTIZE).operand(0, op(DEQUANTIZE).operand(0, any("x"))),
//! )
//! .guard("same type", |m| m.same_type("x", "result"))
//! .forward("x");
//! assert_eq!(rule.name(), "quantise what was dequantised");
//! ```

mod driver;
mod pattern;

pub use driver::apply_rules;
pub use pattern::{Match, OpPattern, Pattern, any, constant, op, op_of};

use tfq_ir::Patch;

type GuardFn = Box<dyn Fn(&Match<'_>) -> bool + Send + Sync>;
type Rewrite = Box<dyn Fn(&Match<'_>, &mut Patch) + Send + Sync>;

/// A rewrite of a few ops.
pub struct Rule {
    name: &'static str,
    benefit: u32,
    root: OpPattern,
    guards: Vec<(&'static str, GuardFn)>,
    rewrite: Rewrite,
}

impl Rule {
    /// A rule that matches where `root` does. It changes nothing until [`Self::replace`] or
    /// [`Self::forward`] says what becomes of the match.
    pub fn new(name: &'static str, root: OpPattern) -> Self {
        Self { name, benefit: 1, root, guards: Vec::new(), rewrite: Box::new(|_, _| ()) }
    }

    /// Tries the rule before those with a smaller benefit. It is 1 where it is not set.
    #[must_use]
    pub fn benefit(mut self, benefit: u32) -> Self {
        self.benefit = benefit;
        self
    }

    /// A condition beyond the pattern. Its name is what `--why` and remarks show where it
    /// does not hold, so it says what must be true.
    #[must_use]
    pub fn guard(
        mut self,
        name: &'static str,
        holds: impl Fn(&Match<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.guards.push((name, Box::new(holds)));
        self
    }

    /// What becomes of the match.
    #[must_use]
    pub fn replace(
        mut self,
        rewrite: impl Fn(&Match<'_>, &mut Patch) + Send + Sync + 'static,
    ) -> Self {
        self.rewrite = Box::new(rewrite);
        self
    }

    /// Lets everything that reads the root's result read the tensor of this name, and drops
    /// the root and what only it used. A result that the subgraph returns keeps its name: the
    /// tensor's producer then writes it.
    #[must_use]
    pub fn forward(self, name: &'static str) -> Self {
        self.guard("nothing else holds the tensor to its place", move |m| m.can_forward(name))
            .replace(move |m, patch| m.forward(patch, name))
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The match at an op, or how near it comes.
    fn at<'a>(&self, site: pattern::Site<'a>) -> Result<Match<'a>, Miss> {
        let found =
            self.root.matches(site).map_err(|(nodes, what)| Miss { nodes, guard: None, what })?;
        for (name, holds) in &self.guards {
            if !holds(&found) {
                let what = format!("it does not hold that {name}");
                return Err(Miss { nodes: found.nodes(), guard: Some(name), what });
            }
        }
        Ok(found)
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule").field("name", &self.name).field("benefit", &self.benefit).finish()
    }
}

/// Why a rule did not apply at an op whose kind is that of its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Miss {
    /// How many nodes of the pattern matched: the more, the nearer.
    pub(crate) nodes: usize,
    /// The guard that refused, where the whole pattern matched.
    pub(crate) guard: Option<&'static str>,
    /// The reason in words.
    pub(crate) what: String,
}
