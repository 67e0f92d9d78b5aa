//! What `litert.toml` claims, on the real runtime: one test for each of its rules, and one for
//! each case with the pipelines.
//!
//! A *rule* test builds the models of one op that the rule decides: every case of `cases.rs` in
//! every form of `forms.rs` for which the target, asked, comes to this rule. Where the rule says
//! of all kernels of a target that they run them, all must do what the float model with the same
//! weights does; where it says that some fail, some must. A *pipeline* test runs passes on the
//! float model for each target: no op of the result may read a form that a rule excludes, and on
//! all kernels of the target the result must do what the float model does. `dequantize.rs` does
//! the same for the forms that a Dequantize reads, and `load.rs` for what is refused whatever
//! kernels can do.
//!
//! Without `TFQ_RUNTIME` they are ignored, and the rest runs: what the target says of the models
//! that do not load, the coverage, and `docs/target-matrix.md`, which
//! `MATRIX=write cargo test --test matrix` writes.

#[path = "matrix/cases.rs"]
mod cases;
mod common;
#[path = "matrix/dequantize.rs"]
mod dequantize;
#[path = "matrix/forms.rs"]
mod forms;
#[path = "matrix/load.rs"]
mod load;
#[path = "matrix/runner.rs"]
mod runner;
#[path = "common/trials.rs"]
mod trials;

use cases::Case;
use common::root;
use libtest_mimic::Failed;
use std::fmt::Write;
use std::fs;
use std::sync::Arc;
use tfq_opt::ir::text::{ParseOptions, parse};
use tfq_opt::ir::{ElementType, Module, OpId, SubgraphId};
use tfq_opt::runtime::{Kernels, Runtime};
use tfq_opt::target::{Target, WeightForm};
use tfq_opt::{Optimizer, Source};
use trials::Trials;

/// The shipped targets that the runtime can prove, and the kernels that each is about: all of them
/// have the rules of the first.
const TARGETS: [(&str, &[Kernels]); 3] = [
    ("litert", &Kernels::ALL),
    ("litert-cpu", &[Kernels::Reference, Kernels::Optimized]),
    ("litert-xnnpack", &[Kernels::Xnnpack]),
];
const DATA: &str = "crates/tfq-target/data/litert.toml";
const DOCUMENT: &str = "docs/target-matrix.md";
/// Weights are exact here, so what is left is the 8 bits that hybrid kernels give activations:
/// about 48 dB of a uniform input, less where rows are short.
const HYBRID_DB: f64 = 30.0;

/// Pipelines that must not touch what a rule excludes, and the decibels that their results keep:
/// 8 bits with a scale per channel or per tensor, 11 bits of float16.
const PIPELINES: [(&str, &str, f64); 5] = [
    ("int8", "quantize-weights{min-elements=1},insert-dequant,eliminate-dead-buffers", 25.0),
    ("int8 without hybrid", "quantize-weights{min-elements=1 hybrid=off},insert-dequant", 30.0),
    ("int8 per tensor", "quantize-weights{min-elements=1 granularity=tensor},insert-dequant", 25.0),
    ("float16", "quantize-weights{min-elements=1 type=float16},insert-dequant", 55.0),
    ("default", "default", 25.0),
];

/// Why no models are built for some rules.
const NOT_BUILT: &str = "none built: refused without a look at kernels";

fn main() {
    let plan = Arc::new(Plan::new());
    let mut trials = Trials::from_args();
    let (covered, written) = (Arc::clone(&plan), Arc::clone(&plan));
    trials.test("every_rule_has_a_case", move || covered.coverage());
    trials.test("the_document_is_up_to_date", move || document(&written));
    for rule in &plan.rules {
        let (plan, n) = (Arc::clone(&plan), rule.number);
        if rule.models.is_empty() {
            trials.ignored(rule.test_name(), NOT_BUILT);
        } else {
            trials.with_runtime(rule.test_name(), move |runtime| plan.check_rule(n, runtime));
        }
    }
    for (n, check) in plan.dequantize.iter().enumerate() {
        let plan = Arc::clone(&plan);
        trials.with_runtime(check.test_name(), move |runtime| plan.dequantize[n].run(runtime));
    }
    for (n, check) in plan.load.iter().enumerate() {
        let [asked, run] = [Arc::clone(&plan), Arc::clone(&plan)];
        let name = check.test_name();
        trials.test(format!("{name}/told_apart"), move || asked.load[n].told_apart());
        trials.with_runtime(name, move |runtime| run.load[n].run(runtime));
    }
    for (n, case) in plan.cases.iter().enumerate() {
        let plan = Arc::clone(&plan);
        let name = format!("pipelines/{}", case.name.replace(' ', "_"));
        trials.with_runtime(name, move |runtime| check_pipelines(&plan.cases[n], runtime));
    }
    trials.run()
}

/// A rule of the data file, with the models that it decides.
struct Rule {
    number: usize,
    ops: Vec<String>,
    types: Vec<String>,
    granularity: Vec<String>,
    when: Vec<String>,
    /// Of the reference kernels, the optimised ones and XNNPACK.
    claims: [String; 3],
    reason: String,
    models: Vec<Built>,
}

/// A model of one op in a form.
struct Built {
    name: String,
    /// As stored, and the float model with the same weights.
    texts: [String; 2],
}

struct Plan {
    rules: Vec<Rule>,
    dequantize: Vec<dequantize::Check>,
    load: Vec<load::Check>,
    cases: Vec<Case>,
}

impl Rule {
    fn test_name(&self) -> String {
        let ops = if self.ops.is_empty() { "every_op".to_owned() } else { self.ops.join("+") };
        let short: String = ops.chars().take(40).collect();
        format!("rules/{:02}_{short}", self.number)
    }

    /// Whether all of these kernels run what it decides. Else it is a no for the passes of a target
    /// that is about them, and claims of single kernels are about the better part of what it decides.
    fn runs(&self, kernels: &[Kernels]) -> bool {
        let claims = self.claims.iter().zip(Kernels::ALL);
        let mut claims = claims.filter(|(_, of)| kernels.contains(of));
        claims.all(|(claim, _)| claim == "ok" || claim == "delegated")
    }

    /// The targets whose passes may rely on it.
    fn targets(&self) -> impl Iterator<Item = (&'static str, &'static [Kernels])> + '_ {
        TARGETS.into_iter().filter(|(_, kernels)| self.runs(kernels))
    }

    /// Whether it says of some kernels that they fail, and how.
    fn fails(&self) -> bool {
        // What is undefined may do anything, and what is not claimed cannot be wrong.
        let vague = ["ok", "delegated", "crash", "unsupported", "untested"];
        self.claims.iter().any(|claim| !vague.contains(&claim.as_str()))
    }
}

impl Plan {
    fn new() -> Self {
        let text = fs::read_to_string(root().join(DATA)).expect("the data is there");
        let table: toml::Table = toml::from_str(&text).expect("the target's own tests read it");
        let mut rules = rules(&table);
        let load = load::all(&table);
        let numbered = numbered(table);
        let cases = cases::all();
        for case in &cases {
            for form in forms::forms() {
                let Some(texts) = forms::texts(&case.text, form) else { continue };
                let name = format!("{}, {}", case.name, form.name());
                let module = parsed(&name, &texts[0]);
                if let Some(n) = deciding(&numbered, &module) {
                    rules[n].models.push(Built { name, texts });
                }
            }
        }
        Self { rules, dequantize: dequantize::all(), load, cases }
    }

    fn coverage(&self) -> Result<(), Failed> {
        let missing: Vec<String> = self
            .rules
            .iter()
            .filter(|rule| rule.models.is_empty() && !not_built(rule))
            .map(|rule| format!("{}: {:?} {:?}", rule.test_name(), rule.types, rule.when))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join("\n");
        Err(format!("no case of tests/matrix/cases.rs comes to these rules:\n{missing}").into())
    }

    fn check_rule(&self, number: usize, runtime: &Runtime) -> Result<(), Failed> {
        let rule = &self.rules[number];
        let mut faults = String::new();
        let mut failures = 0;
        let relied: Vec<Kernels> =
            rule.targets().flat_map(|(_, kernels)| kernels.to_vec()).collect();
        for built in &rule.models {
            for kernels in Kernels::ALL {
                let runs = relied.contains(&kernels);
                if !runs && !rule.fails() {
                    continue;
                }
                let outcome = match self.outcome(built, kernels, runtime) {
                    Ok(outcome) => outcome,
                    // Without a float model there is nothing to claim against.
                    Err(_) if !runs => continue,
                    Err(reason) => Err(reason),
                };
                let right = outcome.as_ref().is_ok_and(|snr| *snr >= HYBRID_DB);
                failures += usize::from(!right);
                if runs && !right {
                    let outcome =
                        outcome.map_or_else(|reason| reason, |snr| format!("{snr:.1} dB"));
                    writeln!(faults, "{} on {kernels}: {outcome}", built.name)?;
                }
            }
        }
        if rule.fails() && failures == 0 {
            writeln!(faults, "nothing fails, though the rule says so: it is too careful")?;
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
    }

    /// The signal-to-noise ratio against the float model, or why the model does not run. An
    /// error where the float model itself does not.
    fn outcome(
        &self,
        built: &Built,
        kernels: Kernels,
        runtime: &Runtime,
    ) -> Result<Result<f64, String>, String> {
        let stored = parsed(&built.name, &built.texts[0]);
        let found = match runner::outputs(runtime, &stored, kernels) {
            Ok(found) => found,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let float = parsed(&built.name, &unfused(&built.texts[1]));
        let wanted = runner::outputs(runtime, &float, kernels)
            .map_err(|error| format!("the float model: {error}"))?;
        Ok(runner::snr(&wanted, &found))
    }
}

/// A float model in which activations that only the hybrid kernel of FULLY_CONNECTED fuses are
/// ops of their own.
fn unfused(text: &str) -> String {
    let Some((_, rest)) = text.split_once("%y = FULLY_CONNECTED") else { return text.to_owned() };
    let act = if rest.contains("= TANH") {
        "%y = TANH(%z) : f32[3,8]"
    } else if rest.contains("= SIGN_BIT") {
        "%zero = const : f32[1] = [0.0]\n%less = LESS(%z, %zero) : bool[3,8]\n%y = CAST(%less) : f32[3,8]"
    } else {
        return text.to_owned();
    };
    text.replace("= TANH", "= NONE")
        .replace("= SIGN_BIT", "= NONE")
        .replace("%y = FULLY_CONNECTED", "%z = FULLY_CONNECTED")
        .replace("\noutput %y", &format!("\n{act}\noutput %y"))
}

fn check_pipelines(case: &Case, runtime: &Runtime) -> Result<(), Failed> {
    let float = parsed(&case.name, &forms::float(&case.text));
    let mut faults = String::new();
    for (target, of_target) in TARGETS {
        let target = Target::named(target).expect("it is shipped");
        for (name, passes, least) in PIPELINES {
            let optimizer = Optimizer::parse(passes)?.for_target(Arc::clone(&target));
            let result = optimizer.run(Source::from(float.clone()))?.module;
            let label = format!("{name} for {}", target.name());
            if let Some(excluded) = excluded(&result, &float, &target) {
                writeln!(faults, "{label}: {excluded}")?;
            }
            for kernels in of_target {
                let Ok(wanted) = runner::outputs(runtime, &float, *kernels) else { continue };
                let outcome = runner::outputs(runtime, &result, *kernels)
                    .map_err(|error| error.to_string())
                    .and_then(|found| runner::snr(&wanted, &found));
                match outcome {
                    Ok(snr) if snr >= least => (),
                    Ok(snr) => writeln!(faults, "{label} on {kernels}: {snr:.1} dB of {least}")?,
                    Err(reason) => writeln!(faults, "{label} on {kernels}: {reason}")?,
                }
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
}

/// An op that reads a weight in a form for which the target has no kernel, and did not before.
fn excluded(result: &Module, before: &Module, target: &Target) -> Option<String> {
    if result.journal().is_empty() && result.structural_hash() == before.structural_hash() {
        return None;
    }
    for (sg, graph) in result.subgraphs() {
        for op in graph.ops() {
            for slot in target.weight_slots(graph, op) {
                let Some(id) = graph.operand(op, slot) else { continue };
                let tensor = graph.tensor(id);
                let table = target.facts_of(graph, op).is_some_and(|facts| facts.pass_through);
                if tensor.ty == ElementType::Float32 || table {
                    continue;
                }
                let verdict = target.hybrid(
                    tfq_opt::target::WeightOperand { module: result, sg, op, slot },
                    &WeightForm::of(tensor),
                );
                if !verdict.is_hybrid() {
                    let kind = &graph.op(op).kind;
                    return Some(format!("{kind} reads `{}`: {verdict:?}", tensor.label()));
                }
            }
        }
    }
    None
}

/// The rules of the data file, in its order.
fn rules(table: &toml::Table) -> Vec<Rule> {
    let rows = table["rule"].as_array().expect("there are rules");
    let strings = |row: &toml::Value, key: &str| -> Vec<String> {
        let list = row.get(key).and_then(toml::Value::as_array).cloned().unwrap_or_default();
        list.iter().map(|text| text.as_str().expect("it is text").to_owned()).collect()
    };
    rows.iter()
        .enumerate()
        .map(|(number, row)| {
            let text = |key: &str| row.get(key).and_then(toml::Value::as_str).map(str::to_owned);
            let optimized = text("optimized").expect("every rule says it");
            let reference = text("reference").unwrap_or_else(|| optimized.clone());
            let xnnpack = match text("xnnpack").as_deref() {
                None | Some("cpu") => optimized.clone(),
                Some(other) => other.to_owned(),
            };
            Rule {
                number,
                ops: strings(row, "ops"),
                types: strings(row, "types"),
                granularity: strings(row, "granularity"),
                when: strings(row, "when"),
                claims: [reference, optimized, xnnpack],
                reason: text("reason").unwrap_or_default(),
                models: Vec::new(),
            }
        })
        .collect()
}

/// The same target, in which each rule refuses with its number for a reason: so it tells which
/// of them decides.
fn numbered(mut table: toml::Table) -> Target {
    let rows = table["rule"].as_array_mut().expect("there are rules");
    for (number, row) in rows.iter_mut().enumerate() {
        let row = row.as_table_mut().expect("it is a table");
        row.remove("reference");
        row.remove("xnnpack");
        row.insert("optimized".to_owned(), "unsupported".into());
        row.insert("reason".to_owned(), format!("#{number}#").into());
    }
    let text = toml::to_string(&table).expect("it came from text");
    Target::parse("numbered", &text).expect("only outcomes and reasons changed")
}

/// The rule that decides on the first weight of the model's op.
fn deciding(target: &Target, module: &Module) -> Option<usize> {
    let (sg, op, slot) = weight(target, module)?;
    let graph = module.subgraph(sg);
    let tensor = graph.tensor(graph.operand(op, slot)?);
    let verdict = target
        .hybrid(tfq_opt::target::WeightOperand { module, sg, op, slot }, &WeightForm::of(tensor));
    format!("{verdict:?}").split('#').nth(1)?.parse().ok()
}

fn weight(target: &Target, module: &Module) -> Option<(SubgraphId, OpId, u32)> {
    module.subgraphs().find_map(|(sg, graph)| {
        graph.ops().find_map(|op| {
            let slot = *target.weight_slots(graph, op).first()?;
            Some((sg, op, slot))
        })
    })
}

fn parsed(name: &str, text: &str) -> Module {
    parse(text, &ParseOptions::default())
        .unwrap_or_else(|error| panic!("{name}: {} in\n{text}", error.message))
}

/// Whether no case reaches a rule that is about the form of a weight alone.
fn not_built(rule: &Rule) -> bool {
    let about = |word: &str| rule.when.iter().any(|when| when.contains(word));
    about("weight-sparse") || about("diagonal") || rule.granularity == ["other"]
}

/// Holds the document against the plan, or writes it.
fn document(plan: &Plan) -> Result<(), Failed> {
    let path = root().join(DOCUMENT);
    let text = markdown(plan)?;
    if std::env::var_os("MATRIX").is_some_and(|what| what == "write") {
        fs::write(&path, text)?;
        return Ok(());
    }
    if fs::read_to_string(&path)? == text {
        return Ok(());
    }
    Err(format!("{DOCUMENT} is stale: MATRIX=write cargo test --test matrix").into())
}

fn markdown(plan: &Plan) -> Result<String, std::fmt::Error> {
    let mut out = String::from(include_str!("matrix/head.md"));
    let cell = |words: &[String]| match words {
        [] => "any".to_owned(),
        words => words.join(", ").replace('|', "\\|"),
    };
    for rule in &plan.rules {
        let [reference, optimized, xnnpack] = &rule.claims;
        let ops = if rule.ops.is_empty() { "every op".to_owned() } else { rule.ops.join(", ") };
        let models = match rule.models.len() {
            0 => NOT_BUILT.to_owned(),
            count => count.to_string(),
        };
        let when =
            if rule.when.is_empty() { String::new() } else { format!("`{}`", cell(&rule.when)) };
        writeln!(
            out,
            "| {ops} | {} | {} | {when} | {optimized} | {reference} | {xnnpack} | {} | {} | {models} | [{name}](../tests/matrix.rs) |",
            cell(&rule.types),
            cell(&rule.granularity),
            rule.targets().map(|(name, _)| name).collect::<Vec<_>>().join(", "),
            rule.reason.replace('|', "\\|"),
            name = rule.test_name(),
        )?;
    }
    write!(
        out,
        "\n## Cases\n\nEach is run with every pipeline for the three targets as well, as `pipelines/NAME`.\n\n"
    )?;
    for case in &plan.cases {
        writeln!(out, "- {}", case.name)?;
    }
    Ok(out)
}
