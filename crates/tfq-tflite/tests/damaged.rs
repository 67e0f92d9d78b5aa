//! Damaged and hostile files: one error or a module, never a panic, never a long wait.

mod common;

use bytes::Bytes;
use common::{Random, assert_same, float, lifted, lowered, model, models, op, try_lift};
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use tfq_ir::catalog::ops;
use tfq_ir::{ConstantPool, Module, SubgraphBuilder, bytes_of_text};
use tfq_schema::tflite as fb;
use tfq_tflite::{LiftError, LiftOptions, Placement, lift};

/// Lifts, and checks that what comes out can be used.
fn survives(name: &str, file: &Bytes) -> bool {
    let lifted = try_lift(file);
    let dropped = lift(file, &LiftOptions { drop_unknown: true });
    if lifted.is_ok() {
        assert!(dropped.is_ok(), "{name}");
    }
    let (Ok(module), place) = (dropped, [Placement::Auto, Placement::Outside]) else {
        return false;
    };
    for placement in place {
        let once = lowered(&module, placement);
        let second = try_lift(&once).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_same(name, &module, &second);
        assert!(lowered(&second, placement) == once, "{name}");
    }
    true
}

#[test]
fn a_model_cut_off_anywhere_is_refused_or_right() {
    for name in
        ["odd/identity.tflite", "odd/custom_options_outside.tflite", "odd/external_buffer.tflite"]
    {
        let file = model(name);
        for len in 0..file.len() {
            survives(&format!("{name} cut to {len}"), &file.slice(..len));
        }
    }
    for (name, file) in models().iter().filter(|(_, file)| file.len() > 20_000) {
        let mut right = 0;
        for n in 0..200 {
            let len = file.len() * n / 200;
            right += usize::from(survives(&format!("{name} cut to {len}"), &file.slice(..len)));
        }
        // A cut in the padding at the end loses nothing; any other is noticed.
        assert!(right < 5, "{name}: {right}");
    }
}

#[test]
fn a_model_with_one_byte_changed_is_refused_or_right() {
    let mut random = Random(1);
    let files = models();
    let mut right = 0;
    for n in 0..2000 {
        let (name, file) = &files[n % files.len()];
        let mut bytes = file.to_vec();
        // The head, where the tables are, as often as anywhere.
        let end = if n % 2 == 0 { bytes.len() } else { bytes.len().min(1000) };
        let at = random.below(end);
        bytes[at] ^= 1 << random.below(8);
        right += usize::from(survives(&format!("{name}, flip at {at}"), &bytes.into()));
    }
    assert!((200..1900).contains(&right), "{right} of 2000 went through");
}

#[test]
fn a_model_with_a_word_changed_is_refused_or_right() {
    let mut random = Random(2);
    let words = [0, 1, 4, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    for (name, file) in models().iter().filter(|(_, file)| file.len() < 7000) {
        for _ in 0..40 {
            let mut bytes = file.to_vec();
            let at = random.below(bytes.len().min(1000) / 4) * 4;
            let word = words[random.below(words.len())];
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
            survives(&format!("{name}, {word:#x} at {at}"), &bytes.into());
        }
    }
}

#[test]
fn noise_is_refused() {
    let mut random = Random(3);
    for n in 0..2000 {
        let mut bytes: Vec<u8> = (0..random.below(600)).map(|_| random.next() as u8).collect();
        if n % 2 == 0 && bytes.len() >= 8 {
            let root = random.below(bytes.len()) as u32;
            bytes[..4].copy_from_slice(&root.to_le_bytes());
            bytes[4..8].copy_from_slice(b"TFL3");
        }
        survives(&format!("noise {n}"), &bytes.into());
    }
}

#[test]
fn other_files_are_told_by_their_look() {
    let error = |bytes: &'static [u8]| try_lift(&Bytes::from_static(bytes)).unwrap_err();
    assert_eq!(error(b""), LiftError::Empty);
    for (bytes, what) in [
        (&b"PK\x03\x04 and more"[..], "zip"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
        (b"\x08\x07\x12\x07pytorch", "ONNX"),
        (b"hello, world", "TFL3"),
        (b"TFL", "TFL3"),
    ] {
        let error = error(bytes);
        assert!(matches!(error, LiftError::NotTflite { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn a_version_other_than_3_is_refused() {
    let mut module = lifted(&model("odd/identity.tflite"));
    module = module.rebuilt(|parts| parts.version = 4);
    let error = try_lift(&lowered(&module, Placement::Auto)).unwrap_err();
    assert_eq!(error.to_string(), "the model: its version is 4, only 3 is known");
}

fn is_damaged(error: &LiftError) -> bool {
    matches!(error, LiftError::Damaged { .. } | LiftError::CutOff { .. })
}

// What is large and right.

#[test]
fn a_model_of_300_000_ops_and_tensors_is_accepted() {
    const COUNT: usize = 300_000;
    let mut builder = SubgraphBuilder::new(None);
    let mut last = builder.tensor(float("x", &[1]));
    let first = last;
    for n in 0..COUNT {
        let next = builder.tensor(float(&format!("t{n}"), &[1]));
        builder.op(op(ops::RELU), &[Some(last)], &[next]);
        last = next;
    }
    let graph = builder.finish(vec![first], vec![last]);
    let module = Module::new(vec![graph], ConstantPool::new(vec![None]));
    let file = lowered(&module, Placement::Auto);
    let second = lifted(&file);
    let (_, graph) = second.subgraphs().next().unwrap();
    assert_eq!((graph.op_count(), graph.tensor_count()), (COUNT, COUNT + 1));
    assert!(lowered(&second, Placement::Auto) == file);
}

// Bombs: small files that say much. Where time or memory went with what they say, the tests would
// take minutes; tests/scale.rs counts.

#[derive(Default)]
struct Parts<'a> {
    subgraphs: Vec<WIPOffset<fb::SubGraph<'a>>>,
    buffers: Vec<WIPOffset<fb::Buffer<'a>>>,
    metadata: Vec<WIPOffset<fb::Metadata<'a>>>,
    signatures: Vec<WIPOffset<fb::SignatureDef<'a>>>,
}

fn finish<'a>(mut fbb: FlatBufferBuilder<'a>, mut parts: Parts<'a>) -> Vec<u8> {
    if parts.subgraphs.is_empty() {
        parts.subgraphs.push(fb::SubGraph::create(&mut fbb, &Default::default()));
    }
    if parts.buffers.is_empty() {
        parts.buffers.push(fb::Buffer::create(&mut fbb, &Default::default()));
    }
    // RELU
    let args = fb::OperatorCodeArgs { deprecated_builtin_code: 19, ..Default::default() };
    let code = fb::OperatorCode::create(&mut fbb, &args);
    let args = fb::ModelArgs {
        version: 3,
        operator_codes: Some(fbb.create_vector(&[code])),
        subgraphs: Some(fbb.create_vector(&parts.subgraphs)),
        buffers: Some(fbb.create_vector(&parts.buffers)),
        metadata: Some(fbb.create_vector(&parts.metadata)),
        signature_defs: Some(fbb.create_vector(&parts.signatures)),
        ..Default::default()
    };
    let root = fb::Model::create(&mut fbb, &args);
    fb::finish_model_buffer(&mut fbb, root);
    fbb.finished_data().to_vec()
}

fn refused(file: Vec<u8>, what: &str) {
    let error = try_lift(&file.into()).expect_err("it is a bomb");
    assert!(error.to_string().contains(what), "{error}");
}

#[test]
fn one_long_string_named_everywhere_is_refused() {
    let mut fbb = FlatBufferBuilder::new();
    let name = fbb.create_string(&"n".repeat(1 << 20));
    let args = fb::MetadataArgs { name: Some(name), buffer: 0 };
    let entry = fb::Metadata::create(&mut fbb, &args);
    let parts = Parts { metadata: vec![entry; 100_000], ..Default::default() };
    refused(finish(fbb, parts), "referred to over and over");
}

#[test]
fn subgraphs_that_multiply_what_they_share_are_refused() {
    let mut fbb = FlatBufferBuilder::new();
    let tensor = fb::Tensor::create(&mut fbb, &Default::default());
    let tensors = Some(fbb.create_vector(&vec![tensor; 50_000]));
    let graph = fb::SubGraph::create(&mut fbb, &fb::SubGraphArgs { tensors, ..Default::default() });
    let parts = Parts { subgraphs: vec![graph; 50_000], ..Default::default() };
    refused(finish(fbb, parts), "too many tables");
}

#[test]
fn buffers_that_overlap_behind_the_model_are_refused() {
    let mut fbb = FlatBufferBuilder::new();
    let buffers = (0..10_000_u64)
        .map(|n| {
            let args = fb::BufferArgs { offset: 16 + n, size: 100_000, ..Default::default() };
            fb::Buffer::create(&mut fbb, &args)
        })
        .collect();
    let parts = Parts { buffers, ..Default::default() };
    let mut file = finish(fbb, parts);
    file.resize(file.len().max(200_000), 0);
    refused(file, "many times over");
}

#[test]
fn buffers_that_are_the_same_behind_the_model_are_not_refused() {
    let mut fbb = FlatBufferBuilder::new();
    let buffers = (0..10_000_u64)
        .map(|_| {
            let args = fb::BufferArgs { offset: 16, size: 100_000, ..Default::default() };
            fb::Buffer::create(&mut fbb, &args)
        })
        .collect();
    let parts = Parts { buffers, ..Default::default() };
    let mut file = finish(fbb, parts);
    file.resize(file.len().max(200_000), 0);
    let module = try_lift(&file.into()).unwrap();
    assert!(lowered(&module, Placement::Auto).len() < 1_000_000);
}

/// A subgraph of many ops that share their lists, and with many tensors that are all inputs.
fn ops_and_ends(ops: usize, reads: &[i32], scratch: &[i32], ends: usize) -> Vec<u8> {
    let mut fbb = FlatBufferBuilder::new();
    let tensors: Vec<_> =
        (0..ends).map(|_| fb::Tensor::create(&mut fbb, &Default::default())).collect();
    let tensors = Some(fbb.create_vector(&tensors));
    let args = fb::OperatorArgs {
        inputs: Some(fbb.create_vector(reads)),
        intermediates: Some(fbb.create_vector(scratch)),
        ..Default::default()
    };
    let operators: Vec<_> = (0..ops).map(|_| fb::Operator::create(&mut fbb, &args)).collect();
    let operators = Some(fbb.create_vector(&operators));
    let inputs = Some(fbb.create_vector(&(0..ends as i32).rev().collect::<Vec<_>>()));
    let args =
        fb::SubGraphArgs { tensors, operators, inputs, outputs: inputs, ..Default::default() };
    let graph = fb::SubGraph::create(&mut fbb, &args);
    let parts = Parts { subgraphs: vec![graph], ..Default::default() };
    finish(fbb, parts)
}

#[test]
fn models_with_100_000_of_anything_are_read() {
    // Many ops times many inputs; one op of many operands; many ops with one scratch tensor.
    try_lift(&ops_and_ends(100_000, &[0], &[], 100_000).into()).unwrap();
    try_lift(&ops_and_ends(2, &vec![0; 200_000], &[], 1).into()).unwrap();
    try_lift(&ops_and_ends(100_000, &[0], &[0], 1).into()).unwrap();
    try_lift(&ops_and_ends(2, &[0], &vec![0; 200_000], 1).into()).unwrap();
}

#[test]
fn an_error_about_a_long_name_stays_short() {
    let mut fbb = FlatBufferBuilder::new();
    let name = Some(fbb.create_string(&"n".repeat(200_000)));
    let args = fb::TensorArgs { name, buffer: 9, ..Default::default() };
    let tensor = fb::Tensor::create(&mut fbb, &args);
    let tensors = Some(fbb.create_vector(&[tensor]));
    let numbers = Some(fbb.create_vector(&[0]));
    let args = fb::OperatorArgs { inputs: numbers, outputs: numbers, ..Default::default() };
    let operator = fb::Operator::create(&mut fbb, &args);
    let operators = Some(fbb.create_vector(&vec![operator; 50_000]));
    let args = fb::SubGraphArgs { tensors, operators, ..Default::default() };
    let graph = fb::SubGraph::create(&mut fbb, &args);
    let file = finish(fbb, Parts { subgraphs: vec![graph], ..Default::default() });
    let error = try_lift(&file.into()).unwrap_err();
    assert!(error.to_string().len() < 1000);
}

#[test]
fn thousands_of_unknown_fields_are_refused_in_few_words() {
    // A vtable as long as there is, of slots that all name the table's one field.
    let mut file = finish(FlatBufferBuilder::new(), Parts::default());
    let root = file.len() as u32;
    file[..4].copy_from_slice(&root.to_le_bytes());
    file.extend(8_i32.wrapping_neg().to_le_bytes());
    file.extend(3_u32.to_le_bytes());
    file.extend([0xfc, 0xff, 8, 0, 4, 0]);
    file.extend([0; 2 * 20]);
    file.resize(root as usize + 8 + 0xfffc, 4);
    for entry in file[root as usize + 8 + 4 + 2 * 21..].chunks_exact_mut(2) {
        entry.copy_from_slice(&[4, 0]);
    }
    let error = try_lift(&file.into()).unwrap_err();
    assert!(matches!(error, LiftError::Unknown { .. }), "{error}");
    assert!(error.to_string().len() < 2000);
}

#[test]
fn a_vtable_too_short_for_its_own_lengths_is_refused() {
    // Four bytes are read of it.
    for len in [0_u16, 2] {
        let mut file = b"\x08\0\0\0TFL3".to_vec();
        file.extend((-4_i32).to_le_bytes());
        file.extend(len.to_le_bytes());
        let error = try_lift(&file.into()).unwrap_err();
        assert!(is_damaged(&error), "{error}");
    }
}

// The deprecated field of signatures, which the generated code passes over.

/// A model with one signature, in which the last field is a tag. The second number is where the
/// offset to it lies.
fn tagged() -> (Vec<u8>, usize) {
    let mut fbb = FlatBufferBuilder::new();
    let (key, tag) = (fbb.create_string("key"), fbb.create_string("the tag"));
    let table = fbb.start_table();
    fbb.push_slot_always(fb::SignatureDef::VT_SIGNATURE_KEY, key);
    fbb.push_slot_always(4 + 2 * 3, tag);
    let signature = WIPOffset::new(fbb.end_table(table).value());
    let file = finish(fbb, Parts { signatures: vec![signature], ..Default::default() });
    let loc = {
        let model = fb::root_as_model(&file).unwrap();
        let signature = model.signature_defs().unwrap().get(0);
        signature._tab.loc() + usize::from(signature._tab.vtable().get(4 + 2 * 3))
    };
    (file, loc)
}

#[test]
fn the_deprecated_tag_of_a_signature_comes_back() {
    let (file, _) = tagged();
    let first = lifted(&file.into());
    assert_eq!(first.signatures()[0].deprecated_tag.as_deref(), Some("the tag"));
    let once = lowered(&first, Placement::Auto);
    let second = lifted(&once);
    assert_eq!(second.signatures(), first.signatures());
    assert!(lowered(&second, Placement::Auto) == once);
}

#[test]
fn a_deprecated_tag_that_is_damaged_is_refused() {
    let (file, at) = tagged();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut file = file.clone();
        change(&mut file);
        let error = try_lift(&file.into()).unwrap_err();
        assert!(is_damaged(&error), "{error}");
    };
    for offset in [u32::MAX, 0x7fff_ffff, file.len() as u32, (file.len() - at - 2) as u32] {
        refused(&|file| file[at..at + 4].copy_from_slice(&offset.to_le_bytes()));
    }
    let tag = file.windows(7).position(|w| w == b"the tag").unwrap();
    for len in [u32::MAX, 0x7fff_ffff, file.len() as u32] {
        refused(&|file| file[tag - 4..tag].copy_from_slice(&len.to_le_bytes()));
    }
    // What is no UTF-8 is kept.
    let mut file = file.clone();
    file[tag] = 0xff;
    let signature = lifted(&file.into()).signatures()[0].clone();
    assert_eq!(&*bytes_of_text(&signature.deprecated_tag.unwrap()), b"\xffhe tag");
}

// What the verifier does not look at.

#[test]
fn numbers_that_name_nothing_are_refused_by_place() {
    // A vector that is there once in the file, and the number that takes its place.
    let file = model("ops/fc_bias.tflite");
    let module = lifted(&file);
    let (_, graph) = module.subgraphs().next().unwrap();
    let count = graph.tensor_count() as i32;
    let vectors = |model: fb::Model<'_>| {
        let graph = model.subgraphs().unwrap().get(0);
        let op = graph.operators().unwrap().get(0);
        [graph.inputs(), graph.outputs(), op.inputs(), op.outputs()]
            .map(|list| list.unwrap().bytes().as_ptr() as usize - file.as_ptr() as usize)
    };
    let places = vectors(fb::root_as_model(&file).unwrap());
    let whats = ["input", "output", "operand 0", "result 0"];
    for (at, what) in places.into_iter().zip(whats) {
        for number in [count, i32::MAX, i32::MIN, -2] {
            let mut bytes = file.to_vec();
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            let error = try_lift(&bytes.into()).unwrap_err();
            assert!(matches!(error, LiftError::Invalid { .. }), "{error}");
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}

#[test]
fn bytes_behind_the_model_that_are_not_there_are_refused() {
    for (offset, size) in [(2, u64::MAX), (u64::MAX, 1), (1 << 40, 0), (2, 1 << 20)] {
        let mut fbb = FlatBufferBuilder::new();
        let args = fb::BufferArgs { offset, size, ..Default::default() };
        let buffers = vec![fb::Buffer::create(&mut fbb, &args)];
        let file = finish(fbb, Parts { buffers, ..Default::default() });
        refused(file, "end beyond the file");
    }
    // Offsets 0 and 1 mean that there is nothing, whatever the size.
    for offset in [0, 1] {
        let mut fbb = FlatBufferBuilder::new();
        let args = fb::BufferArgs { offset, size: u64::MAX, ..Default::default() };
        let buffers = vec![fb::Buffer::create(&mut fbb, &args)];
        let file = finish(fbb, Parts { buffers, ..Default::default() });
        assert_eq!(try_lift(&file.into()).unwrap().constants().len(), 1);
    }
}
