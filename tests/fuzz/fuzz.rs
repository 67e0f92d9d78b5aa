//! What no example thought of: texts, files and models made from random bytes. `cargo test` tries
//! some hundreds of each; `docs/fuzzing.md` says how a fuzzer tries them for as long as one likes.

#![cfg(test)]

mod any_module;
mod damage;
#[path = "../common/large.rs"]
mod large;

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use large::Large;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use tfq_golden::{Golden, Header, blame, compare, record, same_text};
use tfq_ir::{ElementType, Module};
use tfq_opt::diff::{DiffOptions, Style, diff, html};
use tfq_opt::edits::{Blobs, Edits};
use tfq_opt::pass::{Pipeline, RunError};
use tfq_opt::target::Target;
use tfq_opt::{Error, Optimizer};
use tfq_text as text;
use tfq_text::{Level, ParseError, ParseOptions};
use tfq_tflite::{LiftError, LiftOptions, LowerOptions, lift, lower};

/// How often `cargo test` tries each.
const ITERATIONS: usize = 500;
/// Texts and files are not made longer than about this.
const MOST_BYTES: usize = 1 << 16;
/// Made-up constants may take this many bytes; a text of one line can ask for gigabytes.
const MAX_FILL_BYTES: u64 = 1 << 18;

#[test]
fn a_text_is_refused_or_comes_back() {
    static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let of = |module: &Module| Level::ALL.map(|level| text::print(module, level));
        let small = small_models().into_iter().map(|file| lifted(&file).unwrap());
        let texts = small.chain(large_models(3)).flat_map(|module| of(&module));
        texts.map(String::into_bytes).collect()
    });
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let source = spliced(&SEEDS, &WORDS, input);
        let source = String::from_utf8_lossy(&source);
        match parsed(&source, None) {
            Ok(module) => comes_back(&module),
            Err(error) => {
                let place = source.get(error.span).expect("the place is in the text");
                let before = &source[..place.as_ptr() as usize - source.as_ptr() as usize];
                assert_eq!(error.line, before.matches('\n').count() + 1);
            }
        }
    });
}

#[test]
fn a_file_is_refused_or_comes_back() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        if let Ok(module) = lifted(&some_file(&mut Unstructured::new(input))) {
            comes_back(&module);
        }
    });
}

#[test]
fn a_model_comes_back() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let module = some_model(&mut Unstructured::new(input));
        if module.verify().is_ok() {
            comes_back(&module);
        }
    });
}

/// Every pass, and options that let it work on small constants too.
const PIPELINES: [&str; 6] = [
    "default",
    "quantize-weights{min-elements=1},hybrid-eligibility,insert-dequant,eliminate-dead-buffers,\
     annotate-dequant-cache",
    "quantize-weights{min-elements=1 compat=toco},insert-dequant",
    "quantize-weights{min-elements=1 type=float16},insert-dequant,merge-equal-buffers",
    "quantize-weights{min-elements=1 granularity=tensor hybrid=off},insert-dequant",
    "until-stable(remove-identities,cancel-quantize-dequantize,eliminate-dead-ops),\
     eliminate-dead-buffers",
];

#[test]
fn a_pipeline_refuses_a_model_or_keeps_it_well_formed() {
    static OPTIMIZERS: LazyLock<Vec<Optimizer>> = LazyLock::new(|| {
        let targets = || Target::names().map(|name| Target::named(name).expect("it is shipped"));
        let of = |p| {
            let mut of = Optimizer::parse(p).unwrap_or_else(|error| panic!("{p}: {error}"));
            of.allow_unloadable = true;
            of
        };
        let all = PIPELINES.into_iter().flat_map(|p| targets().map(move |t| of(p).for_target(t)));
        all.collect()
    });
    LazyLock::force(&OPTIMIZERS);
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let mut input = Unstructured::new(input);
        let optimizer = input.choose(&OPTIMIZERS).expect("there are some");
        let Some(module) = any_sound(&mut input) else { return };
        match optimizer.run(module.clone()) {
            Ok(result) => {
                let shown = || text::print(&module, Level::Hash);
                assert_eq!(result.module.verify(), Ok(()), "{}", shown());
                let file = lowered(&result.module);
                assert_eq!(lifted(&file).err(), None, "its own file is refused:\n{}", shown());
            }
            // A model may have what a pipeline or target cannot bear, but no mistake is to blame.
            Err(Error::Run(error)) => {
                let ours = error.is_mistake()
                    || matches!(error, RunError::Unstable { .. } | RunError::Cycle { .. });
                assert!(!ours, "{error}:\n{}", text::print(&module, Level::Hash));
            }
            Err(_) => (),
        }
    });
}

#[test]
fn a_model_is_itself_and_any_two_can_be_compared() {
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let mut input = Unstructured::new(input);
        let measure = input.arbitrary().unwrap_or(false);
        let compare = |a: &Module, b: &Module| diff(a, b, &DiffOptions { measure });
        let Some(first) = any_sound(&mut input) else { return };
        let itself = compare(&first, &first);
        assert!(itself.is_identical(), "{}\n{itself:?}", text::print(&first, Level::Hash));
        // The same once more, with handles and constants of its own.
        let (full, side) = text::print_with_side(&first);
        let copy = reparsed(&full, Some(&side));
        let copied = compare(&first, &copy);
        assert!(copied.is_identical(), "{}\n{copied:?}", text::print(&first, Level::Hash));

        let Some(second) = any_sound(&mut input) else { return };
        let there = compare(&first, &second);
        let back = compare(&second, &first);
        assert_eq!(there.is_identical(), back.is_identical(), "{there:?}\n{back:?}");
        for style in [Style::Plain, Style::Ansi] {
            assert_ne!(there.to_text(style), "");
        }
        assert_ne!(there.to_markdown(), "");
        assert_ne!(html(&first, &second, &there, ["a", "b"]), "");
        assert!(there.to_json().starts_with('{'));
    });
}

#[test]
fn what_is_told_of_a_model_can_be_told_of_any() {
    static PIPELINE: LazyLock<Pipeline> =
        LazyLock::new(|| Pipeline::parse(&tfq_opt::builtin(), PIPELINES[1]).unwrap());
    let target = &*Target::named("litert").expect("it is shipped");
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let mut input = Unstructured::new(input);
        let level = *input.choose(&Level::ALL).expect("there are some");
        let Some(module) = any_sound(&mut input) else { return };
        let inspection = tfq_opt::describe::inspect(&module, target);
        assert_eq!(inspection.subgraphs.len(), module.subgraphs().len());
        assert_ne!(tfq_opt::describe::dot(&module), "");
        assert!(tfq_opt::describe::graph_json(&module).is_object());

        let Ok(recording) = record(module, &PIPELINE, target, level) else { return };
        let header = Header::new("model.tflite", "blake3:0", &PIPELINE, "litert", level);
        let golden = Golden::new(header, &recording);
        let mut read = Golden::parse(&golden.print()).expect("its own golden is read");
        read.side.clone_from(&golden.side);
        let compared = compare(&read, &golden);
        assert!(compared.kinds.is_empty(), "{:?}\n{}", compared.kinds, golden.print());
        assert!(same_text(&golden.text, &recording.text));
        assert!(blame(&read, &recording).is_none());
    });
}

#[test]
fn edits_are_refused_or_applied() {
    /// A model, and the edits that a run made of it with what lies beside them.
    type Run = (Module, Vec<u8>, Vec<u8>);
    static RUNS: LazyLock<Vec<Run>> = LazyLock::new(|| {
        let run = |pipeline: &str| {
            let mut optimizer = Optimizer::parse(pipeline).expect("it is a pipeline");
            optimizer.run_options.keep_edits = true;
            optimizer.allow_unloadable = true;
            let small = small_models().into_iter().map(|file| lifted(&file).unwrap());
            let runs = small.chain(large_models(3)).filter_map(|module| {
                let done = optimizer.run(module.clone()).ok()?;
                let mut blobs = Blobs::new();
                let edits = done.edits(&mut blobs)?;
                let log = edits.to_json();
                (!edits.is_empty()).then(|| (module, log.into_bytes(), blobs.to_side_file()))
            });
            runs.collect::<Vec<_>>()
        };
        PIPELINES.into_iter().flat_map(run).collect()
    });
    /// Which checks what edits made.
    static REPLAY: LazyLock<Optimizer> = LazyLock::new(|| {
        let mut optimizer = Optimizer::default();
        optimizer.allow_unloadable = true;
        optimizer
    });
    LazyLock::force(&RUNS);
    bolero::check!().with_iterations(ITERATIONS).for_each(|input: &[u8]| {
        let mut input = Unstructured::new(input);
        let (module, log, side) = input.choose(&RUNS).expect("there are some");
        let log = match input.int_in_range(0..=3).unwrap_or(0) {
            0 => {
                let rest = input.bytes(input.len()).unwrap_or_default();
                spliced(std::slice::from_ref(log), &EDIT_WORDS, rest)
            }
            _ => rearranged(log, &mut input),
        };
        let blobs = Blobs::from_side_file(&Bytes::from_static(side)).expect("it is a side file");
        let mut changed = module.clone();
        let Ok(edits) = Edits::parse(&String::from_utf8_lossy(&log)) else { return };
        match edits.apply(&mut changed, &blobs) {
            Ok(()) => {
                let shown = || String::from_utf8_lossy(&log).into_owned();
                let mut blobs_again = Blobs::new();
                let again = Edits::of_log(module, changed.edits(), &mut blobs_again);
                let mut replayed = module.clone();
                let outcome = again.apply(&mut replayed, &blobs_again);
                outcome.unwrap_or_else(|error| panic!("{error}\n{}", shown()));
                assert_eq!(replayed.state_hash(), changed.state_hash(), "{}", shown());
                let done = REPLAY.replay(module.clone(), &edits, &blobs);
                if changed.verify().is_err() {
                    let Err(Error::Replayed { error, .. }) = done else {
                        panic!("it is taken:\n{}", shown());
                    };
                    assert!(matches!(*error, Error::Malformed(_)), "{error}:\n{}", shown());
                    return;
                }
                if let Ok(done) = done {
                    assert_eq!(done.module.verify(), Ok(()), "{}", shown());
                    assert_eq!(lifted(&lowered(&done.module)).err(), None, "{}", shown());
                }
                assert_same_file(
                    "a replay differs",
                    &shown(),
                    &lowered(&replayed),
                    &lowered(&changed),
                );
            }
            Err(_) => assert_eq!(changed.state_hash(), module.state_hash()),
        }
    });
}

/// What edits may have much of, or in the place of something else.
const EDIT_WORDS: [&str; 20] = [
    "[",
    "]",
    "{",
    "}",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "4294967295",
    "1e400",
    "\"@0%1\"",
    "\"@0#1\"",
    "\"@9%9\"",
    "{\"new\": 0}",
    "{\"new\": 7}",
    "\"nan\"",
    "\"CONV_2D\"",
    "\"FLOAT16\"",
];

/// Fields that a patch or what is in it may have.
const EDIT_FIELDS: [&str; 24] = [
    "add_constants",
    "add_tensors",
    "add_ops",
    "set_operands",
    "set_results",
    "set_intermediates",
    "replace_outputs",
    "set_inputs",
    "set_outputs",
    "change_tensors",
    "change_ops",
    "erase_ops",
    "erase_tensors",
    "buffer",
    "quantization",
    "sparsity",
    "expressed",
    "shape_signature",
    "variant_tensors",
    "attributes",
    "notes",
    "second",
    "code",
    "mutates",
];

/// Values that fit somewhere, and those at the end of what does.
const EDIT_VALUES: [&str; 32] = [
    "0",
    "1",
    "3",
    "-1",
    "65535",
    "2147483647",
    "-2147483648",
    "4294967295",
    "9223372036854775807",
    "1e300",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"nan\"",
    "\"INT4\"",
    "\"FLOAT32\"",
    "\"RELU\"",
    "\"end\"",
    "\"@0%0\"",
    "\"@0%1\"",
    "\"@0#3\"",
    "\"@4294967294%4294967294\"",
    "{\"new\": 0}",
    "{\"buffer\": 1}",
    "{\"base64\": \"AAEC\"}",
    "{\"operator\": \"RELU\"}",
    "{\"type\": \"FLOAT32\", \"shape\": [2147483647, 2147483647, 2147483647]}",
    "{\"tensor\": \"@0%1\", \"set\": {\"buffer\": {\"new\": 0}}}",
    "{\"edit\": {\"prune\": \"buffers\"}}",
    "{\"edit\": {\"prune\": \"subgraphs\"}}",
];

/// A document of which some values are elsewhere, more than once, or others. What is left of it can
/// be read more often than with bytes cut out.
fn rearranged(log: &[u8], input: &mut Unstructured<'_>) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(log).expect("it is JSON");
    let changes = input.int_in_range(1..=6).unwrap_or(1);
    // Where the input ends, fewer changes are made.
    _ = (0..changes).try_for_each(|_| rearrange(&mut document, input));
    document.to_string().into_bytes()
}

fn rearrange(document: &mut Value, input: &mut Unstructured<'_>) -> Result<()> {
    let other = match input.arbitrary()? {
        true => anywhere(document, input)?.clone(),
        false => serde_json::from_str(input.choose(&EDIT_VALUES)?).expect("it is JSON"),
    };
    match (anywhere(document, input)?, input.int_in_range(0..=3)?) {
        (Value::Array(list), 0) => list.insert(input.int_in_range(0..=list.len())?, other),
        (Value::Array(list), 1) if !list.is_empty() => {
            list.remove(input.choose_index(list.len())?);
        }
        (Value::Object(fields), 0) => {
            fields.insert((*input.choose(&EDIT_FIELDS)?).to_owned(), other);
        }
        (Value::Object(fields), 1) if !fields.is_empty() => {
            let name = fields.keys().nth(input.choose_index(fields.len())?).cloned();
            fields.remove(&name.expect("there are so many"));
        }
        (value, _) => *value = other,
    }
    Ok(())
}

/// A value of the document, most often one that holds no others.
fn anywhere<'v>(document: &'v mut Value, input: &mut Unstructured<'_>) -> Result<&'v mut Value> {
    let mut at = document;
    loop {
        let count = match at {
            Value::Array(list) => list.len(),
            Value::Object(fields) => fields.len(),
            _ => 0,
        };
        if count == 0 || input.ratio(1, 8)? {
            return Ok(at);
        }
        let n = input.choose_index(count)?;
        at = match at {
            Value::Array(list) => &mut list[n],
            Value::Object(fields) => fields.values_mut().nth(n).expect("there are so many"),
            _ => unreachable!("it has none"),
        };
    }
}

/// Holds a module against what texts and files make of it.
fn comes_back(module: &Module) {
    let (full, side) = text::print_with_side(module);
    let back = reparsed(&full, Some(&side));
    assert!(text::print_with_side(&back) == (full.clone(), side.clone()), "{full}");
    let file = lowered(module);
    assert_same_file("the text says another model", &full, &lowered(&back), &file);
    let again = lifted(&file).unwrap_or_else(|e| panic!("its own file is refused: {e}\n{full}"));
    // That constants lie outside cannot be seen where none is there that may.
    if again.constants_outside() == module.constants_outside() {
        assert_same_file("a second round trip differs", &full, &lowered(&again), &file);
    }

    let hashed = text::print(module, Level::Hash);
    assert_eq!(text::print(&reparsed(&hashed, Some(&side)), Level::Hash), hashed);
    if is_not_comparable(module) {
        return;
    }
    // Constants that are made up have other statistics and hashes, and all else is the same.
    let made_up = |printed: &str, level: Level| {
        let back = reparsed(printed, None);
        assert_eq!(text::print(&back, level), text::print(module, level), "from\n{printed}");
    };
    for level in Level::ALL {
        made_up(&text::print(module, level), level.min(Level::Quant));
    }
    made_up(&text::print_skeleton(module), Level::Quant);
}

/// Whether a text may write out what it left out of another: what two tensors see differently,
/// where the small one of a few elements is written out and the large one has a hash; and long
/// strings, of which empty ones are made.
fn is_not_comparable(module: &Module) -> bool {
    let mut views = HashMap::new();
    module.subgraphs().any(|(_, graph)| {
        graph.tensors().map(|id| graph.tensor(id)).any(|tensor| {
            let view = (tensor.ty, tensor.shape.clone());
            module.constants().constant(tensor.buffer).is_some()
                && (tensor.ty == ElementType::String
                    || *views.entry(tensor.buffer).or_insert_with(|| view.clone()) != view)
        })
    })
}

/// Shows what differs as text.
fn assert_same_file(what: &str, full: &str, one: &[u8], other: &[u8]) {
    if one != other {
        let texts = [one, other].map(|f| lifted(f).map(|module| text::print(&module, Level::Full)));
        assert_eq!(texts[0], texts[1], "{what}:\n{full}");
        panic!("{what}, not as text:\n{full}");
    }
}

fn parsed(source: &str, side: Option<&[u8]>) -> Result<Module, ParseError> {
    let side = side.map(Bytes::copy_from_slice);
    let fills = side.is_none();
    text::parse(source, &ParseOptions { side, fills, max_fill_bytes: MAX_FILL_BYTES })
}

fn reparsed(source: &str, side: Option<&[u8]>) -> Module {
    parsed(source, side).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

fn lifted(file: &[u8]) -> Result<Module, LiftError> {
    lift(&Bytes::copy_from_slice(file), &LiftOptions { drop_unknown: true })
}

fn lowered(module: &Module) -> Vec<u8> {
    lower(module, &LowerOptions::default()).expect("it is far from 2 GiB").to_vec()
}

/// The models of `tests/models` of which a fuzzer can try thousands a second.
fn small_models() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let paths = ["odd", "ops"]
        .into_iter()
        .flat_map(|name| folder.join(name).read_dir().unwrap().map(|entry| entry.unwrap().path()));
    // Sorted, so that an input means the same tomorrow.
    let mut paths: Vec<_> =
        paths.filter(|p| p.extension().is_some_and(|e| e == "tflite")).collect();
    paths.sort();
    let files: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    files.into_iter().filter(|file| file.len() < 4000).collect()
}

/// Models with much of one thing.
fn large_models(n: usize) -> impl Iterator<Item = Module> {
    Large::ALL.into_iter().map(move |large| large.model(n))
}

/// A module that nobody looked at yet.
fn some_model(input: &mut Unstructured<'_>) -> Module {
    match input.int_in_range(0..=7).unwrap_or(0) {
        7 => some_large(input).unwrap_or_default(),
        _ => any_module::module(input),
    }
}

fn some_large(input: &mut Unstructured<'_>) -> Result<Module> {
    let most = if input.int_in_range(0..=7)? == 7 { 400 } else { 20 };
    Ok(input.choose(&Large::ALL)?.model(input.int_in_range(1..=most)?))
}

/// The bytes of a file of which most, but not all, is sound.
fn some_file(input: &mut Unstructured<'_>) -> Vec<u8> {
    static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        small_models().into_iter().chain(large_models(3).map(|module| lowered(&module))).collect()
    });
    let mut file = match input.int_in_range(0..=3).unwrap_or(0) {
        0 => return spliced(&SEEDS, &[], input.bytes(input.len()).unwrap_or_default()),
        1 => {
            let module = some_model(input);
            if module.verify().is_ok() { lowered(&module) } else { SEEDS[0].clone() }
        }
        _ => input.choose(&SEEDS).expect("there are seeds").clone(),
    };
    // Where the input ends, fewer changes are made.
    _ = damage::damage(input, &mut file);
    file
}

/// A well-formed module of any kind, be it made or read.
fn any_sound(input: &mut Unstructured<'_>) -> Option<Module> {
    let module = match input.arbitrary().unwrap_or(false) {
        true => some_model(input),
        false => {
            let len = input.len();
            let part = input.bytes(len / 2).unwrap_or_default();
            lifted(&some_file(&mut Unstructured::new(part))).ok()?
        }
    };
    module.verify().is_ok().then_some(module)
}

/// What a text may have much of.
const WORDS: [&str; 24] = [
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "\"",
    "%a = ",
    "%a, ",
    "@main ",
    "= ",
    ", ",
    "fill const(1) ",
    "notes(\"a\" = [",
    "q(0.5) ",
    "const : f32[8] ",
    "[0, ",
    "-",
    "1e",
    "9",
    "x",
    "\\u{",
    "\n",
    "//",
];

/// One of the seeds, with pieces cut out and others put in, as the input says: bytes, a word many
/// times, or what stands elsewhere. A fuzzer that changes the input changes few bytes at few
/// places, which is what leaves most of it readable.
fn spliced(seeds: &[Vec<u8>], words: &[&str], input: &[u8]) -> Vec<u8> {
    let mut input = Unstructured::new(input);
    let mut bytes = input.choose(seeds).expect("there are seeds").clone();
    while !input.is_empty() && bytes.len() < MOST_BYTES {
        let start = input.int_in_range(0..=bytes.len()).unwrap_or(0);
        let cut = usize::from(input.arbitrary::<u8>().unwrap_or(0) % 32);
        let end = (start + cut).min(bytes.len());
        let put = some_bytes(&mut input, &bytes, words).unwrap_or_default();
        bytes.splice(start..end, put);
    }
    bytes
}

fn some_bytes(input: &mut Unstructured<'_>, bytes: &[u8], words: &[&str]) -> Result<Vec<u8>> {
    Ok(match input.int_in_range(0..=7)? {
        7 if !words.is_empty() => {
            input.choose(words)?.repeat(input.int_in_range(1..=2000)?).into_bytes()
        }
        6 => {
            let start = input.int_in_range(0..=bytes.len())?;
            let len = input.int_in_range(0..=300)?;
            bytes[start..].iter().copied().take(len).collect()
        }
        _ => {
            let len = usize::from(input.arbitrary::<u8>()? % 32);
            input.bytes(len.min(input.len()))?.to_vec()
        }
    })
}
