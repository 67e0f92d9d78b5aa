//! Lifting and lowering lose nothing, and put bytes where they belong.

mod common;

use bytes::Bytes;
use common::{assert_same, float, large_options, lifted, lowered, model, models, op, try_lift};
use flatbuffers::{FlatBufferBuilder, VerifierOptions};
use std::io::{self, IoSlice, Write};
use std::ops::Range;
use std::sync::Arc;
use tfq_ir::catalog::ops;
use tfq_ir::{
    BufferId, CacheReason, ConstantPool, CustomOptions, DEQUANT_CACHE_METADATA, DequantCache,
    DequantCacheEntry, Edit, ElementType, InsertionPoint, Metadata, Module, Op, OpCode, OpId,
    OpKind, Patch, Reason, Record, RecordEntry, Recorded, Signature, SubgraphBuilder, SubgraphId,
    Tensor,
};
use tfq_schema::{annotations, tflite as fb};
use tfq_tflite::{
    LiftError, LiftOptions, LowerOptions, Placement, lift, lift_model, lower, lower_into,
};

const EVERYWHERE: [Placement; 3] = [Placement::Auto, Placement::Inline, Placement::Outside];

fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK")
}

#[test]
fn every_model_comes_back_equal_and_a_second_time_byte_for_byte() {
    for (name, file) in models() {
        let first = lifted(&file);
        let once = lowered(&first, Placement::Auto);
        let second = lifted(&once);
        assert_same(&name, &first, &second);
        assert_eq!(first.constants_outside(), second.constants_outside(), "{name}");
        assert_eq!(large_options(&first), large_options(&second), "{name}");
        assert_eq!(first.trailer().len(), second.trailer().len(), "{name}");
        assert!(is_zip(first.trailer()) || first.trailer() == second.trailer(), "{name}");
        assert!(lowered(&second, Placement::Auto) == once, "{name}");
    }
}

#[test]
fn every_model_round_trips_with_its_constants_in_either_place() {
    for (name, file) in models() {
        let first = lifted(&file);
        for placement in [Placement::Inline, Placement::Outside] {
            let once = lowered(&first, placement);
            let second = lifted(&once);
            assert_same(&name, &first, &second);
            assert!(lowered(&second, placement) == once, "{name} {placement:?}");
            // The place is remembered, where there is a constant that may go outside.
            if second.constants_outside() == (placement == Placement::Outside) {
                assert!(lowered(&second, Placement::Auto) == once, "{name} {placement:?}");
            }
        }
    }
}

#[test]
fn every_model_goes_into_a_builder() {
    for (name, file) in models() {
        let first = lifted(&file);
        let mut fbb = FlatBufferBuilder::new();
        lower_into(&first, &mut fbb).unwrap();
        let bytes = Bytes::copy_from_slice(fbb.finished_data());
        let second = lifted(&bytes);
        assert_same(&name, &first, &second);
        assert!(second.trailer().is_empty() && !second.constants_outside(), "{name}");
        assert!(!large_options(&second).contains(&true), "{name}");
        assert_aligned(&name, &bytes);

        let generated = fb::root_as_model(&bytes).unwrap();
        assert_same(&name, &first, &lift_model(generated, &LiftOptions::default()).unwrap());
    }
}

#[test]
fn a_builder_is_reused() {
    let mut fbb = FlatBufferBuilder::new();
    let module = lifted(&model("digits/digits_gru.tflite"));
    lower_into(&module, &mut fbb).unwrap();
    let once = fbb.finished_data().to_vec();
    fbb.reset();
    lower_into(&module, &mut fbb).unwrap();
    assert_eq!(fbb.finished_data(), once);
}

// Where constants lie.

/// Where each buffer's data lie in the file, and whether that is outside the flatbuffer.
fn placed(file: &[u8]) -> Vec<Option<(Range<usize>, bool)>> {
    // Shared bytes count each time, which the default limit does not allow for.
    let limits = VerifierOptions { max_apparent_size: usize::MAX, ..Default::default() };
    let model = fb::root_as_model_with_opts(&limits, file).unwrap();
    let place = |buffer: fb::Buffer<'_>| match buffer.data() {
        Some(data) => {
            let at = data.bytes().as_ptr() as usize - file.as_ptr() as usize;
            Some((at..at + data.len(), false))
        }
        None if buffer.offset() > 1 => {
            let at = buffer.offset() as usize;
            Some((at..at + buffer.size() as usize, true))
        }
        None => None,
    };
    model.buffers().unwrap().iter().map(place).collect()
}

fn assert_aligned(name: &str, file: &[u8]) {
    for (range, _) in placed(file).into_iter().flatten() {
        // Small ones get what their elements need.
        let align = if range.len() < 64 { 8 } else { 16 };
        assert_eq!(range.start % align, 0, "{name}: {} bytes", range.len());
    }
}

#[test]
fn constants_are_aligned_in_every_placement() {
    for (name, file) in models() {
        for placement in EVERYWHERE {
            assert_aligned(&name, &lowered(&lifted(&file), placement));
        }
    }
    // Lengths that would push the next one off.
    let entries = (0..40_usize).map(|n| Some(Bytes::from(vec![1; n * n * 3]))).collect();
    let module = of_constants(entries);
    for placement in EVERYWHERE {
        assert_aligned("odd lengths", &lowered(&module, placement));
    }
    // More than fits the small form, which is one ordinary flatbuffer.
    let entries = (0..40_usize).map(|n| Some(Bytes::from(vec![1; 4001 + n]))).collect();
    let module = of_constants(entries);
    for placement in EVERYWHERE {
        assert_aligned("large", &lowered(&module, placement));
    }
}

/// A model of these buffers, behind the empty one, with a byte tensor for each.
fn of_constants(entries: Vec<Option<Bytes>>) -> Module {
    let mut builder = SubgraphBuilder::new(None);
    for (n, entry) in entries.iter().enumerate() {
        let shape = [entry.as_ref().map_or(0, Bytes::len) as i32];
        let tensor = Tensor::new(format!("t{n}"), tfq_ir::ElementType::UInt8, shape);
        builder.tensor(Tensor { buffer: BufferId(n as u32 + 1), ..tensor });
    }
    let pool = ConstantPool::new([None].into_iter().chain(entries).collect());
    Module::new(vec![builder.finish(vec![], vec![])], pool)
}

#[test]
fn empty_buffers_and_buffers_without_data_stay_apart() {
    let entries = vec![None, Some(Bytes::new()), Some(Bytes::from_static(&[1])), None];
    for placement in EVERYWHERE {
        let module = of_constants(entries.clone());
        let once = lowered(&module, placement);
        let second = lifted(&once);
        assert_same("entries", &module, &second);
        assert!(lowered(&second, Placement::Auto) == once);
    }
}

#[test]
fn buffers_that_share_their_bytes_are_written_once() {
    // Below and above the size from which constants follow the flatbuffer.
    for len in [1000, 100_000] {
        let whole = Bytes::from((0..len).map(|n| n as u8).collect::<Vec<_>>());
        let part = whole.slice(8..len / 2);
        let equal = Bytes::copy_from_slice(&whole);
        let entries = [&whole, &part, &whole, &equal, &part].map(|b| Some(b.clone())).to_vec();
        let module = of_constants(entries);
        for placement in EVERYWHERE {
            let file = lowered(&module, placement);
            let [None, Some(a), Some(b), Some(c), Some(d), Some(e)] = &placed(&file)[..] else {
                panic!("five buffers follow the empty one")
            };
            assert_eq!((a, b), (c, e));
            assert_ne!(a, d, "equal bytes in two places stay in two");
            assert!(file.len() < 3 * len + 2000);
            assert_same("shared", &module, &lifted(&file));
        }
    }
}

#[test]
fn shared_bytes_count_once_towards_the_size() {
    // 3 GB if each were written.
    let entry = Some(Bytes::from(vec![0; 1 << 20]));
    let module = of_constants(vec![entry; 3000]);
    let image = lower(&module, &LowerOptions::default()).unwrap();
    assert!(image.len() < 2 << 20);
    assert!(placed(&image.to_vec()).iter().flatten().all(|(_, outside)| !outside));
    lower_into(&module, &mut FlatBufferBuilder::new()).unwrap();
}

#[test]
fn metadata_stays_inside_when_constants_go_outside() {
    for name in ["odd/metadata.tflite", "odd/metadata_buffer.tflite"] {
        let module = lifted(&model(name));
        let file = lowered(&module, Placement::Outside);
        let placed = placed(&file);
        for entry in module.metadata() {
            let outside = placed[entry.buffer.0 as usize].as_ref().is_some_and(|(_, out)| *out);
            assert!(!outside, "{name}: {:?}", entry.name);
        }
        assert!(placed.iter().flatten().any(|(_, outside)| *outside), "{name}");
    }
}

/// Takes writes and tells which bytes came from inside `input`.
struct Watch {
    input: Range<usize>,
    from_input: usize,
    other: usize,
}

impl Watch {
    fn take(&mut self, bytes: &[u8]) {
        let inside = self.input.contains(&(bytes.as_ptr() as usize));
        *(if inside { &mut self.from_input } else { &mut self.other }) += bytes.len();
    }
}

impl Write for Watch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        slices.iter().for_each(|slice| self.take(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn constants_are_written_from_the_input_without_a_copy() {
    const LEN: usize = 8 << 20;
    let entry = |fill| Some(Bytes::from(vec![fill; LEN]));
    let made = of_constants(vec![entry(1), entry(2), entry(3)]);
    for placement in EVERYWHERE {
        let file = lowered(&made, placement);
        let image = lower(&lifted(&file), &LowerOptions::default()).unwrap();
        let start = file.as_ptr() as usize;
        let mut watch = Watch { input: start..start + file.len(), from_input: 0, other: 0 };
        image.write_to(&mut watch, |_| ()).unwrap();
        assert_eq!(watch.from_input, 3 * LEN);
        assert!(watch.other < 2000, "{} bytes of tables", watch.other);
        assert_eq!(image.len(), (watch.from_input + watch.other) as u64);
    }
}

/// Takes at most seven bytes at a time.
struct Trickle(Vec<u8>);

impl Write for Trickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(7);
        self.0.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_image_is_the_same_however_little_a_write_takes() {
    let files = ["odd/buffers_outside.tflite", "odd/zip_behind.tflite", "ops/fc_bias.tflite"];
    for name in files {
        for placement in EVERYWHERE {
            let image = lower(&lifted(&model(name)), &LowerOptions { placement }).unwrap();
            let mut out = Trickle(Vec::new());
            let mut seen = vec![0];
            image.write_to(&mut out, |done| seen.push(done)).unwrap();
            assert_eq!(out.0, image.to_vec());
            assert!(seen.is_sorted() && seen.last() == Some(&image.len()), "{name}");
        }
    }
}

// What follows the flatbuffer.

fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The stored files of a zip at the end of a file, read as a strict reader does: through the
/// end record, with offsets that count from the start of the file.
fn unzip(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let end = file.windows(4).rposition(|w| w == b"PK\x05\x06").expect("an end record");
    let (count, size, start) =
        (u16_at(file, end + 10), u32_at(file, end + 12), u32_at(file, end + 16));
    assert_eq!(start + size, end, "the directory lies right in front of the end record");
    assert_eq!(end + 22 + u16_at(file, end + 20), file.len());
    let mut at = start;
    let mut found = Vec::new();
    for _ in 0..count {
        assert_eq!(&file[at..at + 4], b"PK\x01\x02");
        let (name_len, extra, comment) =
            (u16_at(file, at + 28), u16_at(file, at + 30), u16_at(file, at + 32));
        let name = String::from_utf8(file[at + 46..at + 46 + name_len].to_vec()).unwrap();
        assert_eq!(u16_at(file, at + 10), 0, "stored, not compressed");
        let (len, local) = (u32_at(file, at + 24), u32_at(file, at + 42));
        assert_eq!(&file[local..local + 4], b"PK\x03\x04");
        let data = local + 30 + u16_at(file, local + 26) + u16_at(file, local + 28);
        found.push((name, file[data..data + len].to_vec()));
        at += 46 + name_len + extra + comment;
    }
    assert_eq!(at, end);
    found
}

/// A zip of stored files whose offsets count from `base` bytes before it.
fn zip(base: usize, files: &[(&str, &str)]) -> Vec<u8> {
    let le16 = |n: usize| (n as u16).to_le_bytes();
    let le32 = |n: usize| (n as u32).to_le_bytes();
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in files {
        let sizes = [le32(data.len()), le32(data.len())].concat();
        let common = |extra: usize| {
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0; 4], &sizes, &le16(name.len()), &le16(extra)]
                .concat()
        };
        directory.extend([b"PK\x01\x02\x14\0", &common(3)[..], &le16(0), &[0; 8]].concat());
        directory.extend([&le32(base + out.len())[..], name.as_bytes(), b"xyz"].concat());
        out.extend([b"PK\x03\x04", &common(0)[..], name.as_bytes(), data.as_bytes()].concat());
    }
    let at = base + out.len();
    let count = [le16(files.len()), le16(files.len())].concat();
    let end = [&le32(directory.len())[..], &le32(at), &le16(7), b"comment"].concat();
    out.extend([&directory[..], b"PK\x05\x06\0\0\0\0", &count, &end].concat());
    out
}

#[test]
fn a_zip_behind_the_model_is_readable_at_its_new_place() {
    let file = model("odd/zip_behind.tflite");
    let before = unzip(&file);
    assert!(before.iter().any(|(name, _)| name == "labels.txt"));
    for placement in EVERYWHERE {
        let once = lowered(&lifted(&file), placement);
        assert_eq!(unzip(&once), before);
        assert_eq!(unzip(&lowered(&lifted(&once), placement)), before);
    }
}

#[test]
fn a_zip_with_comments_extras_and_offsets_of_its_own_is_readable_too() {
    let module = lifted(&model("ops/fc_bias.tflite"));
    let plain = lowered(&module, Placement::Auto);
    let files =
        [("labels.txt", "one\ntwo\n"), ("empty", ""), ("vocab.txt", "PK\u{5}\u{6} is no end")];
    let expected: Vec<_> =
        files.iter().map(|(n, d)| ((*n).to_owned(), d.as_bytes().to_vec())).collect();
    // Offsets from the start of the file, and from the start of the zip; with padding between.
    for gap in [0, 1, 5, 16, 48] {
        for base in [plain.len() + gap, 0] {
            let file = [&plain[..], &vec![0; gap], &zip(base, &files)].concat().into();
            for placement in EVERYWHERE {
                let once = lowered(&lifted(&file), placement);
                assert_eq!(unzip(&once), expected, "gap {gap}, base {base}");
            }
        }
    }
}

#[test]
fn an_empty_or_broken_zip_is_kept_as_it_is() {
    let plain = model("ops/fc_bias.tflite");
    let whole = zip(plain.len(), &[("labels.txt", "one")]);
    let mut wrong_count = whole.clone();
    let end = whole.len() - 29;
    wrong_count[end + 10] = 2;
    let mut far = whole.clone();
    far[end + 16..end + 20].fill(0xff);
    for broken in [&whole[..whole.len() - 1], &whole[..40], &wrong_count, &far, b"PK\x03\x04"] {
        let file = [&plain[..], broken].concat().into();
        let once = lowered(&lifted(&file), Placement::Auto);
        assert!(once.ends_with(broken));
        assert!(lowered(&lifted(&once), Placement::Auto) == once);
    }
    let file = [&plain[..], &zip(plain.len(), &[])].concat().into();
    assert_eq!(unzip(&lowered(&lifted(&file), Placement::Auto)), []);
}

#[test]
fn bytes_of_no_meaning_are_kept_and_padding_is_not() {
    let module = lifted(&model("odd/garbage_behind.tflite"));
    assert!(!module.trailer().is_empty());
    assert!(lowered(&module, Placement::Outside).ends_with(module.trailer()));

    let plain = lowered(&lifted(&model("ops/fc_bias.tflite")), Placement::Auto);
    let behind = |bytes: &[u8]| -> Bytes { [&plain[..], bytes].concat().into() };
    assert!(lifted(&behind(&[0; 15])).trailer().is_empty());
    let mut random = common::Random(3);
    for len in 0..200 {
        for zeros in 0..len.min(80) {
            let mut bytes = vec![0; len];
            bytes[zeros..].iter_mut().for_each(|b| *b = random.next() as u8);
            let file = behind(&bytes);
            let first = lifted(&file);
            let once = lowered(&first, Placement::Auto);
            let second = lifted(&once);
            assert!(file.ends_with(first.trailer()) && once.ends_with(first.trailer()));
            assert_eq!(second.trailer(), first.trailer(), "{zeros} zeros of {len}");
            assert!(lowered(&second, Placement::Auto) == once);
        }
    }
}

#[test]
fn zeros_behind_a_model_are_judged_alike_the_second_time() {
    let mut places = [false; 16];
    for (name, file) in models().into_iter().filter(|(_, file)| file.len() < 5000) {
        for zeros in 0..100 {
            for last in ["", "PK\u{3}\u{4}", "x"] {
                let file = [&file[..], &vec![0; zeros], last.as_bytes()].concat().into();
                let once = lowered(&lifted(&file), Placement::Auto);
                let twice = lowered(&lifted(&once), Placement::Auto);
                assert!(twice == once, "{name}, {zeros} zeros and {last:?}");
            }
            places[(file.len() + zeros) % 16] = true;
        }
    }
    assert_eq!(places, [true; 16]);
}

#[test]
fn custom_options_outside_go_outside_again() {
    let module = lifted(&model("odd/custom_options_outside.tflite"));
    assert!(large_options(&module).contains(&true));
    let inside = lifted(&model("odd/custom_options_inside.tflite"));
    let bytes = |module: &Module| {
        let graph = module.subgraph(SubgraphId(0));
        graph.ops().map(|op| graph.op(op).custom_options.bytes.clone()).collect::<Vec<_>>()
    };
    for placement in EVERYWHERE {
        let second = lifted(&lowered(&module, placement));
        assert_eq!(bytes(&second), bytes(&inside));
        assert_eq!(large_options(&second), large_options(&module));
    }
}

#[test]
fn custom_options_outside_may_be_empty_and_shared() {
    let bytes = Bytes::from(vec![5; 100]);
    let custom = |bytes: &Bytes, large| {
        let mut op = Op::new(OpKind::Custom("C".into()));
        op.custom_options = CustomOptions { bytes: Some(bytes.clone()), format: 0, large };
        op
    };
    let mut builder = SubgraphBuilder::new(None);
    let x = builder.tensor(float("x", &[1]));
    let empty = Bytes::new();
    for op in
        [custom(&bytes, true), custom(&empty, true), custom(&bytes, true), custom(&bytes, false)]
    {
        builder.op(op, &[Some(x)], &[]);
    }
    let graph = builder.finish(vec![x], vec![]);
    let mut module = Module::new(vec![graph], ConstantPool::new(vec![None]));
    let once = lowered(&module, Placement::Auto);
    module = module.rebuilt(|parts| parts.op_codes = lifted(&once).op_codes().to_vec());
    assert_eq!(once.windows(100).filter(|w| *w == &bytes[..]).count(), 2);
    let second = lifted(&once);
    assert_eq!(large_options(&second), [true, true, true, false]);
    let found = |module: &Module| {
        let graph = module.subgraph(SubgraphId(0));
        graph.ops().map(|op| graph.op(op).custom_options.bytes.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(&second), found(&module));
    assert!(lowered(&second, Placement::Auto) == once);
}

#[test]
fn a_buffer_outside_without_bytes_does_not_move_the_others_out() {
    let mut fbb = FlatBufferBuilder::new();
    let data = fbb.create_vector(&[1_u8; 100]);
    let buffers = [
        fb::BufferArgs::default(),
        fb::BufferArgs { data: Some(data), ..Default::default() },
        fb::BufferArgs { offset: 64, size: 0, ..Default::default() },
    ];
    let buffers = buffers.map(|args| fb::Buffer::create(&mut fbb, &args));
    let file = model_of_buffers(fbb, &buffers);
    let module = lifted(&file);
    assert!(!module.constants_outside() && module.trailer().is_empty());
    assert_eq!(module.constants().get(BufferId(2)), Some(&Bytes::new()));
    let once = lowered(&module, Placement::Auto);
    assert!(lowered(&lifted(&once), Placement::Auto) == once);
}

fn model_of_buffers<'a>(
    mut fbb: FlatBufferBuilder<'a>,
    buffers: &[flatbuffers::WIPOffset<fb::Buffer<'a>>],
) -> Bytes {
    let buffers = Some(fbb.create_vector(buffers));
    let subgraph = fb::SubGraph::create(&mut fbb, &fb::SubGraphArgs::default());
    let subgraphs = Some(fbb.create_vector(&[subgraph]));
    let args = fb::ModelArgs { version: 3, buffers, subgraphs, ..Default::default() };
    let root = fb::Model::create(&mut fbb, &args);
    fb::finish_model_buffer(&mut fbb, root);
    Bytes::copy_from_slice(fbb.finished_data())
}

// What the schema does not know.

#[test]
fn unknown_fields_are_refused_by_table_and_slot_and_dropped_on_demand() {
    for (name, what) in [
        ("odd/unknown_model_field.tflite", "table Model, vtable slot 20"),
        ("odd/unknown_tensor_field.tflite", "table Tensor, vtable slot 20"),
    ] {
        let file = model(name);
        match try_lift(&file) {
            Err(error @ LiftError::Unknown { .. }) => {
                assert!(error.to_string().contains(what), "{error}");
                assert!(error.help().unwrap().contains("--drop-unknown"));
            }
            other => panic!("{name}: {:?}", other.map(|_| ())),
        }
        let module = lift(&file, &LiftOptions { drop_unknown: true }).unwrap();
        let once = lowered(&module, Placement::Auto);
        assert_same(name, &module, &lifted(&once));
    }
}

#[test]
fn options_of_an_unknown_kind_are_refused_by_tag() {
    let mut fbb = FlatBufferBuilder::new();
    let table = fb::AddOptions::create(&mut fbb, &Default::default()).as_union_value();
    let args = fb::OperatorArgs {
        builtin_options_type: fb::BuiltinOptions(250),
        builtin_options: Some(table),
        ..Default::default()
    };
    let operator = fb::Operator::create(&mut fbb, &args);
    let operators = Some(fbb.create_vector(&[operator]));
    let args = fb::SubGraphArgs { operators, ..Default::default() };
    let subgraph = fb::SubGraph::create(&mut fbb, &args);
    let subgraphs = Some(fbb.create_vector(&[subgraph]));
    let code = fb::OperatorCode::create(&mut fbb, &Default::default());
    let operator_codes = Some(fbb.create_vector(&[code]));
    let buffer = fb::Buffer::create(&mut fbb, &Default::default());
    let buffers = Some(fbb.create_vector(&[buffer]));
    let args =
        fb::ModelArgs { version: 3, buffers, subgraphs, operator_codes, ..Default::default() };
    let root = fb::Model::create(&mut fbb, &args);
    fb::finish_model_buffer(&mut fbb, root);
    let file = Bytes::copy_from_slice(fbb.finished_data());
    let error = try_lift(&file).unwrap_err().to_string();
    assert!(error.contains("table Operator, BuiltinOptions with tag 250"), "{error}");
    let module = lift(&file, &LiftOptions { drop_unknown: true }).unwrap();
    assert_eq!(module.ops_of_kind(ops::ADD).next().unwrap().2.attrs, None);
}

// Operator codes.

fn of_ops(list: &[(i32, Option<u32>, i32)], codes: &[(i32, i32)]) -> Module {
    let mut builder = SubgraphBuilder::new(None);
    let x = builder.tensor(float("x", &[1]));
    for (builtin, code, version) in list {
        builder.op(Op { code: *code, version: *version, ..op(*builtin) }, &[Some(x)], &[]);
    }
    let graph = builder.finish(vec![x], vec![]);
    let mut module = Module::new(vec![graph], ConstantPool::new(vec![None]));
    let code =
        |(builtin, version): &(i32, i32)| OpCode::for_kind(&OpKind::Builtin(*builtin), *version);
    module = module.rebuilt(|parts| parts.op_codes = codes.iter().map(code).collect());
    module
}

/// Codes and versions of the file, and for each op which code it has.
fn coded(module: &Module) -> (Vec<(i32, i32)>, Vec<u32>) {
    let second = lifted(&lowered(module, Placement::Auto));
    let graph = second.subgraph(SubgraphId(0));
    let codes = second.op_codes().iter().map(|c| (c.builtin, c.version)).collect();
    (codes, graph.ops().map(|op| graph.op(op).code.unwrap()).collect())
}

#[test]
fn a_raised_version_raises_the_entry_for_all_its_ops() {
    let module = of_ops(&[(9, Some(0), 5), (9, Some(0), 1)], &[(9, 1), (9, 7)]);
    assert_eq!(coded(&module), (vec![(9, 5), (9, 7)], vec![0, 0]));
}

#[test]
fn versions_are_never_lowered() {
    let module = of_ops(&[(9, Some(0), 1), (0, None, 1)], &[(9, 4), (0, 3)]);
    assert_eq!(coded(&module), (vec![(9, 4), (0, 3)], vec![0, 1]));
}

#[test]
fn a_new_op_takes_the_first_entry_of_its_kind_or_gets_one() {
    let module = of_ops(
        &[(6, None, 2), (9, None, 1), (6, None, 3), (0, Some(1), 1)],
        &[(0, 1), (0, 2), (9, 1), (9, 2)],
    );
    let codes = vec![(0, 1), (0, 2), (9, 1), (9, 2), (6, 3)];
    assert_eq!(coded(&module), (codes, vec![4, 2, 4, 1]));
}

#[test]
fn an_entry_of_another_kind_or_out_of_range_is_not_taken() {
    let module = of_ops(&[(9, Some(0), 1), (0, Some(17), 1)], &[(0, 1)]);
    assert_eq!(coded(&module), (vec![(0, 1), (9, 1)], vec![1, 0]));
}

#[test]
fn old_and_new_operator_code_fields_come_back_as_they_were() {
    for name in ["odd/deprecated_code_only.tflite", "odd/builtin_code_only.tflite"] {
        let module = lifted(&model(name));
        let code = lifted(&lowered(&module, Placement::Auto)).op_codes()[0].clone();
        assert_eq!(code, module.op_codes()[0], "{name}");
        assert_ne!(i32::from(code.deprecated_builtin), code.builtin, "{name}");
    }
}

// Our own metadata.

/// The entry of a Dequantize of the main subgraph whose result of 4 bytes is kept.
fn cached(op: OpId) -> DequantCacheEntry {
    DequantCacheEntry {
        subgraph: SubgraphId(0),
        op,
        reason: CacheReason::CachedConstant,
        bytes: 4,
        bytes_per_invoke: 0,
    }
}

/// DEQUANTIZE of a constant, whose result is the output.
fn dequantized() -> (Module, DequantCacheEntry) {
    let mut builder = SubgraphBuilder::new(None);
    let weight = Tensor { buffer: BufferId(1), ..float("w", &[1]) };
    let weight = builder.tensor(weight);
    let out = builder.tensor(float("out", &[1]));
    let dequantize = builder.op(op(ops::DEQUANTIZE), &[Some(weight)], &[out]);
    let graph = builder.finish(vec![], vec![out]);
    let pool = ConstantPool::new(vec![None, Some(Bytes::from_static(&[1; 4]))]);
    let entry = cached(dequantize);
    (Module::new(vec![graph], pool), entry)
}

fn record(module: &Module) -> Bytes {
    let file = lifted(&lowered(module, Placement::Auto));
    file.metadata_bytes(DEQUANT_CACHE_METADATA).expect("it is recorded").clone()
}

#[test]
fn the_record_of_cached_results_names_ops_and_tensors_by_their_numbers_in_the_file() {
    let (mut module, entry) = dequantized();
    let mut patch = Patch::new(SubgraphId(0), "make an op");
    let made = patch.add_tensor(float("made", &[1]));
    let read = module.subgraph(SubgraphId(0)).operand(entry.op, 0).map(Into::into);
    patch.add_op(op(ops::NEG), InsertionPoint::End, &[read], &[made]);
    let made = module.apply(patch).unwrap();
    let mut patch = Patch::new(SubgraphId(0), "erase it");
    patch.erase_op(made.ops[0]);
    patch.erase_tensor(made.tensors[0]);
    module.apply(patch).unwrap();
    let gone = DequantCacheEntry { bytes: 100, op: made.ops[0], ..entry.clone() };
    module = module.rebuilt(|parts| {
        parts.set_dequant_cache(Some(DequantCache { entries: vec![entry, gone] }))
    });
    let bytes = record(&module);
    let record = tfq_schema::annotations::root_as_dequant_cache(&bytes).unwrap();
    let [entry] = record.entries().unwrap().iter().collect::<Vec<_>>()[..] else {
        panic!("the entry of an op that is gone is left out")
    };
    assert_eq!((entry.subgraph(), entry.operator(), entry.input(), entry.output()), (0, 0, 0, 1));
    assert_eq!((entry.bytes(), record.total_bytes()), (4, 4));
}

#[test]
fn a_record_of_an_earlier_run_is_replaced() {
    let (mut module, entry) = dequantized();
    module = module.rebuilt(|parts| {
        parts.set_dequant_cache(Some(DequantCache { entries: vec![entry.clone()] }))
    });
    let mut second = lifted(&lowered(&module, Placement::Auto));
    let buffers = second.constants().len();
    second = second.rebuilt(|parts| parts.set_dequant_cache(Some(DequantCache::default())));
    let third = lifted(&lowered(&second, Placement::Auto));
    assert_eq!((third.constants().len(), third.metadata().len()), (buffers, 1));
    assert_eq!(record(&second), third.metadata_bytes(DEQUANT_CACHE_METADATA).unwrap());
    assert_ne!(record(&second), record(&module));
}

#[test]
fn a_record_does_not_overwrite_what_shares_its_buffer() {
    let (mut module, entry) = dequantized();
    let name = Some(Arc::from(DEQUANT_CACHE_METADATA));
    for buffer in [0, 1] {
        module = module.rebuilt(|parts| {
            parts.metadata = vec![Metadata { name: name.clone(), buffer: BufferId(buffer) }]
        });
        module = module.rebuilt(|parts| {
            parts.set_dequant_cache(Some(DequantCache { entries: vec![entry.clone()] }))
        });
        let second = lifted(&lowered(&module, Placement::Auto));
        assert_eq!(second.constants().get(BufferId(0)), None);
        assert_eq!(second.constants().get(BufferId(1)), Some(&Bytes::from_static(&[1; 4])));
        assert_eq!(second.metadata()[0].buffer, BufferId(2));
    }
}

/// An op that nothing reads before a Dequantize of a constant, read back from a file that has a
/// record of it.
fn recorded() -> Module {
    let mut builder = SubgraphBuilder::new(None);
    let x = builder.tensor(float("x", &[1]));
    let unread = builder.tensor(float("unread", &[1]));
    builder.op(op(ops::NEG), &[Some(x)], &[unread]);
    let weight = Tensor { ty: ElementType::Int8, buffer: BufferId(1), ..float("w", &[4]) };
    let weight = builder.tensor(weight);
    let real = builder.tensor(float("real", &[1]));
    let dequantize = builder.op(op(ops::DEQUANTIZE), &[Some(weight)], &[real]);
    let graph = builder.finish(vec![x], vec![real]);
    let pool = ConstantPool::new(vec![None, Some(Bytes::from_static(&[1; 4]))]);
    let mut module = Module::new(vec![graph], pool);
    let entry = cached(dequantize);
    module = module
        .rebuilt(|parts| parts.set_dequant_cache(Some(DequantCache { entries: vec![entry] })));
    lifted(&lowered(&module, Placement::Auto))
}

/// Erases the op that computes the tensor `unread`, and the tensor.
fn erase_unread(module: &mut Module) {
    let graph = module.subgraph(SubgraphId(0));
    let unread = graph.tensors().find(|id| graph.tensor(*id).label() == "unread").unwrap();
    let op = graph.producer(unread).unwrap().0;
    let mut patch = Patch::new(SubgraphId(0), "erase");
    patch.erase_op(op);
    patch.erase_tensor(unread);
    module.apply(patch).unwrap();
}

#[test]
fn a_record_follows_the_ops_that_it_names() {
    let mut module = recorded();
    let cache = module.dequant_cache().expect("it was read");
    let [entry] = &cache.entries[..] else { panic!("there is one") };
    assert_eq!((entry.reason, entry.bytes), (CacheReason::CachedConstant, 4));
    erase_unread(&mut module);
    let bytes = record(&module);
    let record = tfq_schema::annotations::root_as_dequant_cache(&bytes).unwrap();
    let entry = record.entries().unwrap().get(0);
    assert_eq!((entry.operator(), entry.input(), entry.output()), (0, 1, 2));
    assert_eq!(entry.name(), Some("real"));
}

#[test]
fn a_record_in_the_words_of_another_version_stays_as_it_is() {
    let mut module = recorded();
    let own = record(&module);
    // The name of the producer says nothing of the model.
    let at = own.windows(7).position(|bytes| bytes == b"tfq-opt").expect("it says who wrote it");
    let mut other = own.to_vec();
    other[at..at + 7].copy_from_slice(b"another");
    let other = Bytes::from(other);
    module.apply(Edit::Record(DEQUANT_CACHE_METADATA.into(), None)).unwrap();
    module.apply(Edit::Metadata(DEQUANT_CACHE_METADATA.into(), Some(other.clone()))).unwrap();
    let mut again = lifted(&lowered(&module, Placement::Auto));
    assert_eq!(record(&again), other);
    // Until the numbers in it change.
    erase_unread(&mut again);
    assert_ne!(record(&again), other);
}

#[test]
fn a_record_that_cannot_be_read_stays_until_its_numbers_may_be_wrong() {
    let whole = record(&recorded());
    let mut other_name = whole.to_vec();
    let at = whole.windows(4).position(|bytes| bytes == b"real").expect("it names the result");
    other_name[at] = b'R';
    for bytes in [Bytes::from_static(b"newer"), whole.slice(..20), Bytes::from(other_name)] {
        let mut module = recorded();
        module.apply(Edit::Record(DEQUANT_CACHE_METADATA.into(), None)).unwrap();
        module.apply(Edit::Metadata(DEQUANT_CACHE_METADATA.into(), Some(bytes.clone()))).unwrap();
        let mut module = lifted(&lowered(&module, Placement::Auto));
        assert_eq!(module.dequant_cache(), None);
        assert_eq!(record(&module), bytes);
        erase_unread(&mut module);
        assert_eq!(module.metadata(), []);
    }
}

const KEY: &str = "acme.ranges";

/// A model with a record of an op, of one without results and of a tensor.
fn with_record() -> (Module, Record) {
    let mut builder = SubgraphBuilder::new(None);
    let x = builder.tensor(float("x", &[1]));
    let unread = builder.tensor(float("unread", &[1]));
    builder.op(op(ops::NEG), &[Some(x)], &[unread]);
    let y = builder.tensor(float("y", &[1]));
    let relu = builder.op(op(ops::RELU), &[Some(x)], &[y]);
    let sink = builder.op(Op::new(OpKind::Custom("Sink".into())), &[Some(y)], &[]);
    let graph = builder.finish(vec![x], vec![y]);
    let said = [
        (Recorded::Op(relu), &b"relu"[..]),
        (Recorded::Tensor(y), b"y"),
        (Recorded::Op(sink), b""),
        (Recorded::Tensor(y), b"y again"),
    ];
    let entries =
        said.map(|(of, bytes)| RecordEntry { of, bytes: Bytes::from_static(bytes) }).to_vec();
    let record = Record { entries, about: vec![ops::RELU] };
    let mut module = Module::new(vec![graph], ConstantPool::new(vec![None]));
    module.apply(Edit::Record(KEY.into(), Some(Arc::new(record.clone())))).unwrap();
    (module, record)
}

/// What a record says, with the numbers of ops and tensors.
fn said(module: &Module) -> Option<Vec<(String, Bytes)>> {
    let record = module.record(KEY)?;
    let entries = module.recorded(record).map(|(sg, entry)| {
        let graph = module.subgraph(sg);
        let of = match entry.of {
            Recorded::Op(op) => format!("op {:?}", graph.ops().position(|id| id == op)),
            Recorded::Tensor(id) => format!("tensor {:?}", graph.tensors().position(|t| t == id)),
        };
        (of, entry.bytes.clone())
    });
    Some(entries.collect())
}

#[test]
fn a_record_of_any_key_is_written_and_read_back() {
    let (module, record) = with_record();
    let file = lowered(&module, Placement::Auto);
    let again = lifted(&file);
    assert_eq!(again.record(KEY).map(|record| &record.about), Some(&record.about));
    assert_eq!(said(&again), said(&module));
    assert!(lowered(&again, Placement::Auto) == file);
    // As text too, and back to the same file.
    let (text, side) = tfq_text::print_with_side(&again);
    let options = tfq_text::ParseOptions { side: Some(side.into()), ..Default::default() };
    let parsed = tfq_text::parse(&text, &options).unwrap();
    assert_eq!(said(&parsed), said(&module));
    assert!(lowered(&parsed, Placement::Auto) == file);
}

#[test]
fn a_record_of_any_key_follows_what_it_names() {
    let (mut module, _) = with_record();
    let before = said(&module).unwrap();
    erase_unread(&mut module);
    for module in [&module, &lifted(&lowered(&module, Placement::Auto))] {
        let after = said(module).unwrap();
        let words: Vec<&str> = after.iter().map(|(of, _)| of.as_str()).collect();
        assert_eq!(words, ["op Some(0)", "tensor Some(1)", "op Some(1)", "tensor Some(1)"]);
        assert!(after.iter().zip(&before).all(|(after, before)| after.1 == before.1));
    }
    // One that was read from a file likewise.
    let mut read = lifted(&lowered(&with_record().0, Placement::Auto));
    erase_unread(&mut read);
    assert_eq!(said(&lifted(&lowered(&read, Placement::Auto))), said(&module));
    assert_eq!(lifted(&lowered(&read, Placement::Auto)).metadata().len(), 1);
    // In an order of chance too.
    let shuffled = with_record().0.rebuilt(|_| ()).shuffled(7);
    assert_eq!(said(&shuffled), Some(before));
}

#[test]
fn a_record_of_any_key_is_dropped_with_its_metadata() {
    let mut module = lifted(&lowered(&with_record().0, Placement::Auto));
    // A patch that changes what a RELU reads leaves the record untrue.
    let graph = module.subgraph(SubgraphId(0));
    let relu = graph.ops().find(|id| graph.op(*id).kind.is(ops::RELU)).unwrap();
    let mut patch = Patch::new(SubgraphId(0), "read something else");
    let other = patch.new_constant(float("c", &[1]), Bytes::from_static(&[0; 4]));
    patch.set_operand(relu, 0, other);
    module.apply(patch).unwrap();
    assert_eq!((said(&module), module.metadata()), (None, &[][..]));
    let mut module = lifted(&lowered(&with_record().0, Placement::Auto));
    module.apply(Edit::Record(KEY.into(), None)).unwrap();
    assert_eq!((said(&module), module.metadata()), (None, &[][..]));
}

#[test]
fn what_is_no_record_stays_ordinary_metadata() {
    let (module, _) = with_record();
    let file = lifted(&lowered(&module, Placement::Auto));
    let envelope = file.metadata_bytes(KEY).unwrap().clone();
    assert_eq!(&envelope[4..8], b"TFQR");
    let replaced = |from: &[u8], to: &[u8]| {
        let at = envelope.windows(from.len()).position(|bytes| bytes == from).unwrap();
        let mut bytes = envelope.to_vec();
        bytes[at..at + to.len()].copy_from_slice(to);
        Bytes::from(bytes)
    };
    let mut newer = FlatBufferBuilder::new();
    let key = newer.create_string(KEY);
    let args = annotations::RecordArgs { version: 2, key: Some(key), ..Default::default() };
    let root = annotations::Record::create(&mut newer, &args);
    newer.finish(root, Some("TFQR"));
    let cases = [
        ("cut off", envelope.slice(..envelope.len() / 2)),
        ("another identifier", replaced(b"TFQR", b"XXXX")),
        ("another key", replaced(b"acme.ranges", b"acme.others")),
        // The name of the result that is recorded: another tool renumbered the model.
        ("another name", replaced(b"y\0", b"z\0")),
        ("another version", Bytes::copy_from_slice(newer.finished_data())),
        ("nothing", Bytes::new()),
    ];
    for (what, bytes) in cases {
        let mut module = module.clone();
        module.apply(Edit::Record(KEY.into(), None)).unwrap();
        module.apply(Edit::Metadata(KEY.into(), Some(bytes.clone()))).unwrap();
        let mut read = lifted(&lowered(&module, Placement::Auto));
        assert_eq!(read.records().count(), 0, "{what}");
        erase_unread(&mut read);
        let read = lifted(&lowered(&read, Placement::Auto));
        assert_eq!(read.metadata_bytes(KEY), Some(&bytes), "{what}");
        // A record cannot take its place.
        let refused = read.clone().apply(Edit::Record(KEY.into(), Some(Arc::default())));
        assert_eq!(refused.unwrap_err().reason, Reason::RecordName(KEY.into()), "{what}");
    }
    for key in ["min_runtime_version", "TFLITE_METADATA", "acme", "Acme.x"] {
        let refused = module.clone().apply(Edit::Record(key.into(), Some(Arc::default())));
        assert_eq!(refused.unwrap_err().reason, Reason::RecordKey(key.into()));
    }
}

/// TensorFlow Lite refuses a signature without a list of inputs or outputs, and takes empty ones.
#[test]
fn a_signature_without_inputs_has_an_empty_list_of_them() {
    let mut builder = SubgraphBuilder::new(None);
    let y = builder.tensor(float("y", &[1]));
    let graph = builder.finish(vec![], vec![y]);
    let mut module = Module::new(vec![graph], ConstantPool::new(vec![None]));
    for tag in [None, Some("old".into())] {
        let signature = Signature {
            key: Some("s".into()),
            inputs: Vec::new(),
            outputs: Vec::new(),
            subgraph: 0,
            deprecated_tag: tag,
        };
        module = module.rebuilt(|parts| parts.signatures = vec![signature]);
        let file = lowered(&module, Placement::Auto);
        let signature = fb::root_as_model(&file).unwrap().signature_defs().unwrap().get(0);
        let (inputs, outputs) = (signature.inputs(), signature.outputs());
        assert!(inputs.is_some_and(|list| list.is_empty()));
        assert!(outputs.is_some_and(|list| list.is_empty()));
        assert!(lowered(&lifted(&file), Placement::Auto) == file);
    }
}
