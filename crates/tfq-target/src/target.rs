//! Targets: what they are made of. `query` has what they are asked.

use crate::error::TargetError;
use crate::facts::file::{CapRow, Caps};
use crate::facts::read::{self, Parsed};
use crate::facts::rows::{
    Activations, Delegate, Dequantize, Equivalent, Folded, KernelRule, KernelSet, Load, Memory,
    Objective, OpEntry, Since, Speed, Unwritten,
};
use crate::facts::versions::{compare_releases, reaches};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, OnceLock};

/// Shipped targets: name and data file, in the form that the build script gives it. The version
/// caps of `data/tflite.toml` come on top.
const FILES: &[(&str, &[u8], &[u8])] = include!(concat!(env!("OUT_DIR"), "/targets.rs"));

/// A runtime, as far as this project must know it: which kernels read which weights, and which
/// versions of operators there are.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) name: String,
    pub(crate) summary: String,
    /// The target whose rows come behind its own.
    pub(crate) base: Option<String>,
    /// A model for the target must run on all of these.
    pub(crate) kernels: Vec<KernelSet>,
    /// The last release of the runtime that a model for the target may ask for.
    pub(crate) max_runtime: Option<String>,
    pub(crate) prefer: Objective,
    pub(crate) keeps_dequantized: bool,
    /// Codes of ops.
    pub(crate) keeps_order: Vec<i32>,
    pub(crate) ops: Vec<OpEntry>,
    /// In order of precedence, those about every op before all others.
    pub(crate) rules: Vec<KernelRule>,
    pub(crate) dequantize: Vec<Dequantize>,
    pub(crate) since: Vec<Since>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) speed: Vec<Speed>,
    pub(crate) load: Vec<Load>,
    pub(crate) unwritten: Vec<Unwritten>,
    pub(crate) equivalent: Vec<Equivalent>,
    pub(crate) folded: Vec<Folded>,
    pub(crate) activations: Vec<Activations>,
    /// In order of precedence; read when they are asked for.
    pub(crate) delegate: Arc<LazyDelegates>,
    by_op: Vec<ByOp>,
}

/// The `[[delegate]]` rows, of which there are many and for which few runs ask.
pub(crate) struct LazyDelegates(LazyLock<Vec<Delegate>, read::ReadDelegates>);

impl Deref for LazyDelegates {
    type Target = [Delegate];

    fn deref(&self) -> &[Delegate] {
        &self.0
    }
}

impl fmt::Debug for LazyDelegates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The rows about one op, by their places: a great many ops ask for them.
#[derive(Clone, Debug)]
struct ByOp {
    code: i32,
    /// Those of the op table.
    entries: Vec<usize>,
    /// Those of the kernel rules, and those about every op, with the types and granularities that
    /// they are about.
    rules: Vec<(u32, u8, usize)>,
}

impl Target {
    /// A shipped target.
    pub fn named(name: &str) -> Option<Arc<Self>> {
        static TARGETS: [OnceLock<Arc<Target>>; FILES.len()] =
            [const { OnceLock::new() }; FILES.len()];
        let is_target = |base: &str| Self::named(base).is_some();
        let Some(n) = FILES.iter().position(|(shipped, ..)| *shipped == name) else {
            return caps().iter().find(|cap| cap.name == name).map(Cap::target);
        };
        let (name, bytes, delegate) = FILES[n];
        let read = || Arc::new(Self::new(name, read::shipped(name, (bytes, delegate), is_target)));
        Some(Arc::clone(TARGETS[n].get_or_init(read)))
    }

    /// Names of the shipped targets.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let files = FILES.iter().map(|(name, ..)| *name);
        files.chain(caps().iter().map(|cap| cap.name.as_str()))
    }

    /// The shipped target that ends first of those that have release `from`, and its last release;
    /// `None` where it does not end before `to`.
    pub fn keeping_to(from: &str, to: &str) -> Option<(&'static str, &'static str)> {
        let releases = caps().iter().map(|cap| (cap.name.as_str(), cap.row.max_runtime.as_str()));
        let with = releases.filter(|(_, last)| reaches(last, from));
        let first = with.min_by(|(_, a), (_, b)| compare_releases(a, b));
        first.filter(|(_, last)| !reaches(last, to))
    }

    /// Reads a target from its data file. `data/litert.toml` explains the format.
    pub fn parse(name: &str, text: &str) -> Result<Self, TargetError> {
        let parsed = read::parse(name, text, |base| Self::named(base).is_some())?;
        Ok(Self::new(name, parsed))
    }

    fn new(name: &str, parsed: Parsed) -> Self {
        let base = parsed.base.as_deref().and_then(Self::named);
        let base_delegate = base.as_ref().map(|base| Arc::clone(&base.delegate));
        let own = parsed.delegate;
        let delegate = LazyDelegates(LazyLock::new(Box::new(move || {
            let mut rows = own();
            rows.extend(base_delegate.iter().flat_map(|base| base.iter().cloned()));
            rows
        })));
        let mut target = Self {
            name: name.to_owned(),
            summary: parsed.summary,
            base: None,
            kernels: parsed.kernels.unwrap_or_default(),
            max_runtime: parsed.max_runtime,
            prefer: parsed.prefer.unwrap_or(Objective::Size),
            keeps_dequantized: parsed.keeps_dequantized.unwrap_or(true),
            keeps_order: parsed.keeps_order.clone().unwrap_or_default(),
            ops: parsed.ops,
            rules: parsed.rules,
            dequantize: parsed.dequantize.clone().unwrap_or_default(),
            since: parsed.since,
            memory: parsed.memory.clone().unwrap_or_default(),
            speed: parsed.speed,
            load: parsed.load.clone().unwrap_or_default(),
            unwritten: parsed.unwritten.clone().unwrap_or_default(),
            equivalent: parsed.equivalent.clone().unwrap_or_default(),
            folded: parsed.folded.clone().unwrap_or_default(),
            activations: parsed.activations.clone().unwrap_or_default(),
            delegate: Arc::new(delegate),
            by_op: Vec::new(),
        };
        if let Some(base) = base {
            target.base = Some(base.name.clone());
            if target.kernels.is_empty() {
                target.kernels.clone_from(&base.kernels);
            }
            target.max_runtime = target.max_runtime.or_else(|| base.max_runtime.clone());
            target.prefer = parsed.prefer.unwrap_or(base.prefer);
            if parsed.keeps_order.is_none() {
                target.keeps_order.clone_from(&base.keeps_order);
            }
            target.keeps_dequantized = parsed.keeps_dequantized.unwrap_or(base.keeps_dequantized);
            target.ops.extend(base.ops.iter().cloned());
            target.rules.extend(base.rules.iter().cloned());
            target.since.extend(base.since.iter().cloned());
            target.speed.extend(base.speed.iter().cloned());
            // What Dequantize reads, and what the runtime holds and refuses, is replaced, not
            // added to.
            if parsed.dequantize.is_none() {
                target.dequantize.clone_from(&base.dequantize);
            }
            if parsed.memory.is_none() {
                target.memory.clone_from(&base.memory);
            }
            if parsed.load.is_none() {
                target.load.clone_from(&base.load);
            }
            if parsed.unwritten.is_none() {
                target.unwritten.clone_from(&base.unwritten);
            }
            if parsed.equivalent.is_none() {
                target.equivalent.clone_from(&base.equivalent);
            }
            if parsed.folded.is_none() {
                target.folded.clone_from(&base.folded);
            }
            if parsed.activations.is_none() {
                target.activations.clone_from(&base.activations);
            }
        }
        target.rules.sort_by_key(|rule| !rule.scope.is_general());
        target.sort_by_op();
        target.find_hybrid_ops();
        target
    }

    /// The target up to a release of the runtime.
    fn capped(&self, cap: &Cap) -> Self {
        let mut target = Self {
            name: cap.name.clone(),
            summary: cap.row.summary.clone(),
            base: Some(self.name.clone()),
            kernels: cap.kernels.clone(),
            max_runtime: Some(cap.row.max_runtime.clone()),
            ..self.clone()
        };
        target.find_hybrid_ops();
        target
    }

    fn sort_by_op(&mut self) {
        let codes: BTreeSet<i32> = self.ops.iter().map(|entry| entry.code).collect();
        let rows_of = |code| {
            let rules = self.rules.iter().enumerate().map(|(n, rule)| (n, &rule.scope));
            let about = rules.filter(|(_, scope)| scope.is_about(code));
            ByOp {
                code,
                entries: (0..self.ops.len()).filter(|n| self.ops[*n].code == code).collect(),
                rules: about.map(|(n, scope)| (scope.types, scope.grains, n)).collect(),
            }
        };
        self.by_op = codes.into_iter().map(rows_of).collect();
    }

    fn of_op(&self, code: i32) -> Option<&ByOp> {
        let at = self.by_op.binary_search_by_key(&code, |rows| rows.code).ok()?;
        Some(&self.by_op[at])
    }

    /// The rows of the op table about ops of this code.
    pub(crate) fn entries_of(&self, code: i32) -> impl Iterator<Item = &OpEntry> {
        let places = self.of_op(code).map_or(&[][..], |rows| &rows.entries);
        places.iter().map(|n| &self.ops[*n])
    }

    /// The kernel rules about weights of an op of the op table, in order of precedence: those about
    /// one of these types and of these granularities.
    pub(crate) fn rules_of(
        &self,
        code: i32,
        (types, grains): (u32, u8),
    ) -> impl Iterator<Item = &KernelRule> {
        let places = self.of_op(code).map_or(&[][..], |rows| &rows.rules);
        let about = move |row: &&(u32, u8, usize)| row.0 & types != 0 && row.1 & grains != 0;
        places.iter().filter(about).map(|(.., n)| &self.rules[*n])
    }

    fn find_hybrid_ops(&mut self) {
        for entry in &mut self.ops {
            let code = entry.code;
            entry.facts.hybrid = self.rules.iter().enumerate().any(|(n, rule)| {
                rule.scope.ops.contains(&code)
                    && rule.runs(&self.kernels)
                    && !self.rules[..n]
                        .iter()
                        .any(|earlier| earlier.scope.covers(&rule.scope, code))
            });
        }
    }

    /// Its name, for example `litert`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it stands for, in one line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// What matters most to who runs models there, where the user does not say.
    pub fn prefer(&self) -> Objective {
        self.prefer
    }

    /// Whether the runtime converts a constant behind a Dequantize once and keeps the result. If
    /// not, it does so in every invocation.
    pub fn keeps_dequantized(&self) -> bool {
        self.keeps_dequantized
    }

    /// The last release of the runtime that a model may ask for, by TensorFlow's numbering: `2.5`
    /// for all of 2.5. `None` where the newest counts.
    pub fn max_runtime(&self) -> Option<&str> {
        self.max_runtime.as_deref()
    }
}

/// A shipped target that is another one up to a release. Most runs want no more than its name.
struct Cap {
    name: String,
    row: CapRow,
    extends: String,
    kernels: Vec<KernelSet>,
    target: OnceLock<Arc<Target>>,
}

impl Cap {
    fn target(&self) -> Arc<Target> {
        let base = || Target::named(&self.extends).expect("a test reads every shipped target");
        Arc::clone(self.target.get_or_init(|| Arc::new(base().capped(self))))
    }
}

fn caps() -> &'static [Cap] {
    static CAPS: OnceLock<Vec<Cap>> = OnceLock::new();
    CAPS.get_or_init(|| {
        let Caps { extends, kernels, cap } = read::caps();
        let of_row = |row: CapRow| Cap {
            name: format!("tflite-{}", row.max_runtime),
            row,
            extends: extends.clone(),
            kernels: kernels.clone(),
            target: OnceLock::new(),
        };
        cap.into_iter().map(of_row).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Problem;
    use crate::form::grain;

    const HEAD: &str = "summary = \"x\"\nkernels = [\"optimized\"]\n";

    fn problem(rows: &str) -> (usize, Problem) {
        let error =
            Target::parse("mine", &format!("{HEAD}{rows}")).expect_err("the file is malformed");
        assert_eq!(error.target, "mine");
        (error.line, error.problem)
    }

    #[test]
    fn shipped_targets_are_read() {
        for name in Target::names() {
            let target = Target::named(name).unwrap();
            assert_eq!(target.name(), name);
            assert!(!target.summary().is_empty());
            assert!(!target.delegate.is_empty(), "{name}");
            // Each op of the table has rules of its own, and ends with one that always decides.
            for entry in &target.ops {
                let last =
                    target.rules.iter().rfind(|rule| rule.scope.ops.contains(&entry.code)).unwrap();
                assert!(
                    last.scope.when.is_empty() && last.scope.grains == grain::ALL,
                    "{}",
                    entry.facts.name
                );
                assert_eq!(last.scope.types, u32::MAX, "{}", entry.facts.name);
                assert_eq!(
                    entry.facts.asymmetric_attr,
                    has_asymmetric_attr(entry.code),
                    "{}",
                    entry.facts.name
                );
            }
        }
        assert!(Target::named("toaster").is_none());
    }

    fn has_asymmetric_attr(code: i32) -> bool {
        let options = tfq_ir::catalog::op_by_code(code).and_then(|op| op.options);
        options.is_some_and(|options| options.attr("asymmetric_quantize_inputs").is_some())
    }

    #[test]
    fn malformed_files_are_refused_with_their_line() {
        let rule = |keys: &str| problem(&format!("\n[[rule]]\nsource = \"s\"\n{keys}\n"));
        let ok = "optimized = \"ok\"";
        assert_eq!(
            rule(&format!("{ok}\nops = [\"CONV_4D\"]")),
            (7, Problem::UnknownOp("CONV_4D".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\ntypes = [\"INT7\"]")),
            (7, Problem::UnknownType("INT7".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\nwhen = [\"full-moon\"]")),
            (7, Problem::UnknownCondition("full-moon".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\nops = [\"CONV_2D\"]\nwhen = [\"attr.adj_y\"]")),
            (8, Problem::UnknownAttribute("attr.adj_y".into(), "CONV_2D".into()))
        );
        assert_eq!(
            rule(&format!("{ok}\nops = [\"CONV_2D\"]\nwhen = [\"attr.padding=SOME\"]")),
            (8, Problem::UnknownAttribute("attr.padding=SOME".into(), "CONV_2D".into()))
        );
        assert_eq!(rule("optimized = \"silent\""), (4, Problem::NoReason));
        assert_eq!(
            rule(&format!("{ok}\n[[rule]]\nsource = \"s\"\n{ok}\ntypes = [\"INT8\"]")),
            (7, Problem::Unreachable(4))
        );
        assert!(matches!(rule("optimized = \"fine\""), (6, Problem::Syntax(_))));
        assert!(matches!(rule(&format!("{ok}\nwhem = []")), (7, Problem::Syntax(_))));
        assert!(
            matches!(problem("[[rule]]\noptimized = \"ok\"\n"), (3, Problem::Syntax(_))),
            "no source"
        );
        assert!(matches!(problem("[[rule]\n"), (3, Problem::Syntax(_))));
        let op = |when: &str| {
            problem(&format!(
                "[[op]]\nname = \"SVDF\"\nweights = [1]\nsource = \"s\"\nwhen = [\"{when}\"]\n"
            ))
        };
        assert_eq!(op("zero-point"), (7, Problem::NeedsWeight("zero-point".into())));
        let memory = |keys: &str| {
            problem(&format!("[[memory]]\nread = \"hybrid\"\nsource = \"s\"\n{keys}\n"))
        };
        assert_eq!(memory("bytes = -1.0"), (3, Problem::Number("-1".into())));
        let since = "[[since]]\nops = [\"SVDF\"]\nruntime = \"soon\"\nsource = \"s\"\n";
        assert_eq!(problem(since), (5, Problem::Release("soon".into())));
        let error = Target::parse("mine", "summary = \"x\"\n").unwrap_err();
        assert_eq!((error.line, error.problem), (1, Problem::NoKernels));
        let base = "extends = \"toaster\"\nsummary = \"x\"\nkernels = []\n";
        let error = Target::parse("mine", base).unwrap_err();
        assert_eq!(
            (error.line, error.problem.clone()),
            (1, Problem::UnknownBase("toaster".into()))
        );
        assert_eq!(
            error.to_string(),
            "target \"mine\", line 1: there is no target \"toaster\" to extend"
        );
    }

    #[test]
    fn errors_suggest_what_was_meant() {
        let help = |rows: &str| {
            let text = format!("{HEAD}[[rule]]\nsource = \"s\"\noptimized = \"ok\"\n{rows}\n");
            Target::parse("mine", &text).unwrap_err().help()
        };
        let meant = |name: &str| Some(format!("did you mean `{name}`?"));
        assert_eq!(help("ops = [\"CONV_2\"]"), meant("CONV_2D"));
        assert_eq!(help("types = [\"INT88\"]"), meant("INT8"));
        assert_eq!(help("when = [\"!bias-computd\"]"), meant("bias-computed"));
        assert_eq!(help("typs = []"), meant("types"));
        assert_eq!(help("granularity = [\"chanel\"]"), meant("channel"));
        assert!(help("when = [\"full-moon\"]").unwrap().contains("docs/targets.md"));
        let extends = |name: &str| {
            Target::parse("mine", &format!("extends = \"{name}\"\nsummary = \"x\"")).unwrap_err()
        };
        assert_eq!(extends("litert-xnpack").help(), meant("litert-xnnpack"));
        assert!(extends("toaster").help().unwrap().starts_with("targets are litert, "));
        assert_eq!(extends("toaster").span, 10..19);
    }
}
