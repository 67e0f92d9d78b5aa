//! The built-in passes: one test for each case file under `tests/passes`, and what must hold
//! for every model and pipeline.
//!
//! A case is `tests/passes/<pass>/<case>.tfg`, a model as text behind comments that say what is
//! run and what this shows:
//!
//! ```text
//! // passes: remove-identities
//! // The sentence that says what this shows.
//! tfg 1 quant
//! subgraph @main { ... }
//! ```
//!
//! or `<case>.case`, which names a model of `tests/models`:
//!
//! ```text
//! model: ops/fc_bias
//! with: w[3] = NaN
//! passes: quantize-weights,insert-dequant
//! The sentence that says what this shows.
//! ```
//!
//! `with` is optional, and so is a line `target: tflite-2.5`, `litert` being the target where
//! none is named. The golden `snapshots/passes/<pass>/<case>.snap` is what the pipeline changed
//! in the text of the model, and what it said. `cargo insta review` shows and accepts changes.

mod common;
#[path = "passes/properties.rs"]
mod properties;
#[path = "passes/values.rs"]
mod values;

use common::{files, lifted, lowered, root, with_value};
use libtest_mimic::{Arguments, Failed, Trial};
use similar::{ChangeTag, TextDiff};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tfq_opt::ir::Module;
use tfq_opt::ir::text::{Level, ParseOptions, parse, print, print_with_side};
use tfq_opt::pass::{Report, check_runnable};
use tfq_opt::{Optimizer, target::Target};

fn main() {
    let mut trials = vec![
        Trial::test("every_golden_has_its_case", every_golden_has_its_case),
        Trial::test("every_pass_has_a_case_that_changes_and_one_that_stays", pairs),
    ];
    let cases = root().join("tests/passes");
    for path in ["case", "tfg"].into_iter().flat_map(|kind| files(&cases, kind)) {
        let inside = path.strip_prefix(&cases).expect("it is in the folder").with_extension("");
        trials.push(Trial::test(inside.display().to_string(), move || case(&path)));
    }
    trials.extend(properties::trials());
    trials.extend(values::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}

/// A case file as it is written.
struct Case {
    /// What the golden's head says of the model.
    model: String,
    input: Vec<u8>,
    passes: String,
    target: String,
    why: String,
}

const KEYS: [&str; 4] = ["model", "with", "passes", "target"];

impl Case {
    fn read(path: &Path) -> Result<Self, Failed> {
        let text = fs::read_to_string(path)?;
        let is_text = path.extension().is_some_and(|e| e == "tfg");
        let said: Vec<&str> = match is_text {
            true => text.lines().map_while(|line| line.strip_prefix("// ")).collect(),
            false => text.lines().collect(),
        };
        let key = |name: &str| {
            let line = said.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.map(str::to_owned)
        };
        let is_key = |line: &&&str| KEYS.iter().any(|key| line.starts_with(&format!("{key}: ")));
        let why: Vec<&str> = said.iter().filter(|line| !is_key(line)).copied().collect();
        if why.is_empty() {
            return Err("add a line that says what the case shows".into());
        }
        let (model, input) = if is_text {
            let options = ParseOptions { fills: true, ..ParseOptions::default() };
            let module = parse(&text, &options).map_err(|e| format!("{}: {e}", path.display()))?;
            ("the text".to_owned(), lowered(&module))
        } else {
            let model = key("model").ok_or("add a line `model: ops/fc_bias`")?;
            let with = key("with");
            let input = changed(common::model(&model), with.as_deref())?;
            (with.map_or(model.clone(), |with| format!("{model} with {with}")), input)
        };
        Ok(Self {
            model,
            input,
            passes: key("passes").ok_or("add a line `passes: quantize-weights`")?,
            target: key("target").unwrap_or_else(|| "litert".to_owned()),
            why: why.join(" "),
        })
    }
}

/// The model with other numbers in its constants.
fn changed(mut bytes: Vec<u8>, with: Option<&str>) -> Result<Vec<u8>, Failed> {
    for change in with.iter().flat_map(|with| with.split("; ")) {
        let wanted = "write `with: NAME[INDEX] = VALUE`, more of them behind `; `";
        let (place, value) = change.split_once(" = ").ok_or(wanted)?;
        let place = place.strip_suffix(']').and_then(|place| place.rsplit_once('['));
        let (name, index) = place.ok_or(wanted)?;
        bytes = with_value(&bytes, name, index.parse()?, value.parse()?);
    }
    Ok(bytes)
}

fn case(path: &Path) -> Result<(), Failed> {
    let case = Case::read(path)?;
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let pass = folder.to_string_lossy().replace('_', "-");
    if tfq_opt::builtin().pass(&pass).is_none() {
        return Err(format!("the folder is named after no pass: {pass}").into());
    }
    let before = lifted(&case.input);
    before.verify().map_err(|errors| format!("the model is not well-formed: {}", errors[0]))?;
    let target = Target::named(&case.target).ok_or("the target is not shipped")?;
    let mut optimizer = Optimizer::parse(&case.passes)?.for_target(Arc::clone(&target));
    // A case is about passes, whether the target would load the rest of its model or not.
    optimizer.allow_unloadable = true;
    optimizer.run_options.keep_edits = true;
    let golden = match optimizer.run(&case.input[..]) {
        Err(error) => {
            let help = error.help().map_or(String::new(), |help| format!("\nhelp: {help}"));
            format!("# Refused\n{error}{help}\n")
        }
        Ok(result) => {
            let output = result.to_vec()?;
            let module = lifted(&output);
            if let Err(errors) = module.verify() {
                return Err(format!("the result is not well-formed: {}", errors[0]).into());
            }
            if let Some(wrong) = check_runnable(&module, &target).first() {
                return Err(format!("the result does not run: {wrong}").into());
            }
            let mut replayed = before.clone();
            common::replay_as_json(&mut replayed, &result)?;
            if shown(&replayed) != shown(&result.module)
                || lowered(&replayed) != lowered(&result.module)
            {
                return Err("replaying the edits gives another model".into());
            }
            if optimizer.run(&output[..])?.to_vec()? != output {
                return Err("a second run changes the result again".into());
            }
            let (text, side) = print_with_side(&module);
            let options = ParseOptions { side: Some(side.into()), ..ParseOptions::default() };
            if lowered(&parse(&text, &options)?) != output {
                return Err("the result's text does not parse back to it".into());
            }
            let [before, after] = [&before, &module].map(shown);
            let (delta, remarks) = (delta(&before, &after), remarks(&result.report));
            format!("# Delta\n{delta}\n# Remarks\n{remarks}")
        }
    };
    let inside = path.strip_prefix(root().join("tests")).expect("it is in the folder");
    insta::with_settings!({
        snapshot_path => root().join("snapshots").join(inside.parent().unwrap_or(inside)),
        prepend_module_to_snapshot => false,
        omit_expression => true,
        description => format!("{}: {}\n{}", case.model, case.passes, case.why),
        input_file => path,
    }, {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        insta::assert_snapshot!(stem.as_ref(), golden);
    });
    Ok(())
}

/// The text of a model, and what no text below level `full` tells: how long the file's lists are.
fn shown(module: &Module) -> String {
    let (buffers, codes) = (module.constants().len(), module.op_codes().len());
    format!("// {buffers} buffers, {codes} operator codes\n{}", print(module, Level::Hash))
}

/// Below this many lines a delta shows the whole model.
const SMALL: usize = 24;

/// What changed: `-` and `+` lines, and the lines around them.
fn delta(before: &str, after: &str) -> String {
    if before == after {
        return "none\n".to_owned();
    }
    let diff = TextDiff::from_lines(before, after);
    let changes: Vec<_> = diff.iter_all_changes().collect();
    let mut shown = vec![changes.len() <= SMALL; changes.len()];
    for at in (0..changes.len()).filter(|at| changes[*at].tag() != ChangeTag::Equal) {
        shown[at.saturating_sub(1)..(at + 2).min(changes.len())].fill(true);
    }
    let mut text = String::new();
    for (at, change) in changes.iter().enumerate() {
        if shown[at] {
            text += &format!("{} {}", change.tag(), change.value());
        } else if at == 0 || shown[at - 1] {
            text += "  ...\n";
        }
    }
    text
}

fn remarks(report: &Report) -> String {
    let remarks = report.remarks().map(|(pass, r)| {
        let kind = format!("{:?}", r.kind).to_lowercase();
        format!("{pass}: {kind} ({}): {}: {}\n", r.rule, r.place, r.message)
    });
    let text: String = remarks.collect();
    if text.is_empty() { "none\n".to_owned() } else { text }
}

fn every_golden_has_its_case() -> Result<(), Failed> {
    let goldens = root().join("snapshots/passes");
    for golden in files(&goldens, "snap") {
        let inside = golden.strip_prefix(&goldens)?;
        let case = root().join("tests/passes").join(inside);
        if !["case", "tfg"].iter().any(|kind| case.with_extension(kind).exists()) {
            return Err(format!("{} has no case in tests/passes", golden.display()).into());
        }
    }
    Ok(())
}

/// Every change has its twin: a case that looks similar and stays.
fn pairs() -> Result<(), Failed> {
    for info in tfq_opt::builtin().all_passes() {
        let module = info.name.replace('-', "_");
        let folder = root().join("snapshots/passes").join(&module);
        let texts: Vec<String> =
            files(&folder, "snap").iter().flat_map(fs::read_to_string).collect();
        let stay = texts.iter().filter(|text| text.contains("# Delta\nnone")).count();
        if stay == 0 {
            return Err(format!("{}: add a case that stays as it is", module).into());
        }
        // The notes of the one are not in the file, and the other has nothing to do.
        let stays = ["hybrid_eligibility", "trigger_failure"].contains(&&*module);
        if stay == texts.len() && !stays {
            return Err(format!("{}: add a case that changes something", module).into());
        }
    }
    Ok(())
}
