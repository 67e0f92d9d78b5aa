//! What the runtime takes though the flatbuffers crate does not: it is read, and written so that
//! nothing is lost. Each file was run on LiteRT 2.3.0, with all kernels.

mod common;

use bytes::Bytes;
use common::{assert_same, lifted, lowered};
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use std::collections::HashSet;
use tfq_ir::{Module, Oddity, bytes_of_text};
use tfq_schema::tflite as fb;
use tfq_text::{Level, ParseOptions, parse, print, print_with_side};
use tfq_tflite::Placement;

/// What a test has to say of a model of `y = MUL(RELU(x), w)`.
#[derive(Default)]
struct Parts<'a> {
    name: Option<&'a [u8]>,
    mul_tag: Option<fb::BuiltinOptions>,
    quantization: Option<WIPOffset<fb::QuantizationParameters<'a>>>,
    /// Tensors beside, each with a buffer of its own of the same bytes.
    shared: Option<(usize, WIPOffset<flatbuffers::Vector<'a, u8>>)>,
    /// What RELU computes has bytes.
    constant_result: bool,
    /// The order of the ops.
    order: &'a [usize],
}

fn model<'a>(mut fbb: FlatBufferBuilder<'a>, parts: Parts<'a>) -> Vec<u8> {
    let name = |fbb: &mut FlatBufferBuilder<'a>, bytes: &[u8]| -> WIPOffset<&'a str> {
        WIPOffset::new(fbb.create_byte_string(bytes).value())
    };
    let w = fbb.create_vector(&[0_u8, 0, 0x80, 0x3f]);
    let mut buffers = vec![fb::Buffer::create(&mut fbb, &Default::default())];
    buffers.push(fb::Buffer::create(
        &mut fbb,
        &fb::BufferArgs { data: Some(w), ..Default::default() },
    ));
    let shape = fbb.create_vector(&[1]);
    let mut tensors = Vec::new();
    for (label, buffer) in [("x", 0), ("h", u32::from(parts.constant_result)), ("w", 1), ("y", 0)] {
        let text = if label == "h" { parts.name.unwrap_or(b"h") } else { label.as_bytes() };
        let args = fb::TensorArgs {
            name: Some(name(&mut fbb, text)),
            shape: Some(shape),
            buffer,
            quantization: parts.quantization.filter(|_| label == "w"),
            ..Default::default()
        };
        tensors.push(fb::Tensor::create(&mut fbb, &args));
    }
    if let Some((count, data)) = parts.shared {
        for _ in 0..count {
            let args = fb::BufferArgs { data: Some(data), ..Default::default() };
            buffers.push(fb::Buffer::create(&mut fbb, &args));
            let buffer = buffers.len() as u32 - 1;
            let args = fb::TensorArgs { shape: Some(shape), buffer, ..Default::default() };
            tensors.push(fb::Tensor::create(&mut fbb, &args));
        }
    }
    let codes = [19_i8, 18].map(|code| {
        let args = fb::OperatorCodeArgs {
            deprecated_builtin_code: code,
            builtin_code: fb::BuiltinOperator(code.into()),
            ..Default::default()
        };
        fb::OperatorCode::create(&mut fbb, &args)
    });
    let edges: [(&[i32], &[i32]); 2] = [(&[0], &[1]), (&[1, 2], &[3])];
    let mut operators = Vec::new();
    for (n, (inputs, outputs)) in edges.into_iter().enumerate() {
        let args = fb::OperatorArgs {
            opcode_index: n as u32,
            inputs: Some(fbb.create_vector(inputs)),
            outputs: Some(fbb.create_vector(outputs)),
            builtin_options_type: parts.mul_tag.filter(|_| n == 1).unwrap_or_default(),
            ..Default::default()
        };
        operators.push(fb::Operator::create(&mut fbb, &args));
    }
    let order = if parts.order.is_empty() { &[0, 1] } else { parts.order };
    let operators: Vec<_> = order.iter().map(|n| operators[*n]).collect();
    let args = fb::SubGraphArgs {
        tensors: Some(fbb.create_vector(&tensors)),
        inputs: Some(fbb.create_vector(&[0])),
        outputs: Some(fbb.create_vector(&[3])),
        operators: Some(fbb.create_vector(&operators)),
        name: parts.name.map(|text| name(&mut fbb, text)),
        ..Default::default()
    };
    let graph = fb::SubGraph::create(&mut fbb, &args);
    let args = fb::ModelArgs {
        version: 3,
        operator_codes: Some(fbb.create_vector(&codes)),
        subgraphs: Some(fbb.create_vector(&[graph])),
        buffers: Some(fbb.create_vector(&buffers)),
        description: parts.name.map(|text| name(&mut fbb, text)),
        ..Default::default()
    };
    let root = fb::Model::create(&mut fbb, &args);
    fb::finish_model_buffer(&mut fbb, root);
    fbb.finished_data().to_vec()
}

/// Reads, writes and reads again, and by way of text; what is written is settled.
fn round_trip(name: &str, file: Vec<u8>) -> Module {
    let module = lifted(&file.into());
    let once = lowered(&module, Placement::Auto);
    let again = lifted(&once);
    assert_same(name, &module, &again);
    assert!(lowered(&again, Placement::Auto) == once, "{name}");
    let (text, side) = print_with_side(&module);
    let options = ParseOptions { side: Some(Bytes::from(side)), ..Default::default() };
    let parsed = parse(&text, &options).unwrap_or_else(|error| panic!("{error:?} in\n{text}"));
    assert!(lowered(&parsed, Placement::Auto) == once, "{name}\n{text}");
    module
}

#[test]
fn names_that_are_no_utf8_keep_their_bytes() {
    for name in
        [&b"h\xff\xfe"[..], b"\xc3(", b"a\xe2\x82", b"\xed\xa0\x80", "\u{10ff80}".as_bytes()]
    {
        let file =
            model(FlatBufferBuilder::new(), Parts { name: Some(name), ..Default::default() });
        let module = round_trip("a name", file);
        let (_, graph) = module.subgraphs().next().unwrap();
        let names = [
            graph.tensor(graph.tensors().nth(1).unwrap()).name.clone(),
            graph.name.clone(),
            module.description().cloned(),
        ];
        for found in names {
            assert_eq!(bytes_of_text(&found.unwrap()), name);
        }
        assert!(lowered(&module, Placement::Auto).windows(name.len()).any(|part| part == name));
    }
    let file =
        model(FlatBufferBuilder::new(), Parts { name: Some(b"h\xff"), ..Default::default() });
    let text = print(&lifted(&file.into()), Level::Types);
    assert!(text.contains("%\"h\\xff\" = RELU(%x)"), "{text}");
}

#[test]
fn a_tag_without_a_value_is_read() {
    let mul_tag = Some(fb::BuiltinOptions::MulOptions);
    let file = model(FlatBufferBuilder::new(), Parts { mul_tag, ..Default::default() });
    let module = round_trip("a tag", file);
    let (_, graph) = module.subgraphs().next().unwrap();
    assert!(graph.op(graph.ops().nth(1).unwrap()).attrs.is_none());
}

#[test]
fn a_vector_of_64_bit_numbers_may_lie_anywhere() {
    let mut places = HashSet::new();
    for padding in 0..4_usize {
        let mut fbb = FlatBufferBuilder::new();
        let scale = fbb.create_vector(&[1.0_f32]);
        // A zero point in two halves, which only asks for an alignment of 4.
        let halves = fbb.create_vector(&[0x5566_7788_u32, 0x1122_3344]);
        let zero_point = WIPOffset::new(halves.value());
        let args = fb::QuantizationParametersArgs {
            scale: Some(scale),
            zero_point: Some(zero_point),
            ..Default::default()
        };
        let quantization = Some(fb::QuantizationParameters::create(&mut fbb, &args));
        // What is written later lies before it, and so moves it.
        let name = vec![b'h'; 1 + 4 * padding];
        let parts = Parts { quantization, name: Some(&name), ..Default::default() };
        let mut file = model(fbb, parts);
        let bytes = 0x1122_3344_5566_7788_u64.to_le_bytes();
        let at = file.windows(8).position(|part| part == bytes).unwrap();
        places.insert(at % 8);
        file[at - 4] = 1;
        let module = round_trip("a zero point", file);
        let (_, graph) = module.subgraphs().next().unwrap();
        let w = graph.tensor(graph.tensors().nth(2).unwrap());
        assert_eq!(w.quantization.as_ref().unwrap().zero_point[..], [0x1122_3344_5566_7788]);
    }
    assert!(places.contains(&4), "none lies where the flatbuffers crate refuses it");
}

#[test]
fn buffers_may_share_a_vector() {
    let mut fbb = FlatBufferBuilder::new();
    let data = fbb.create_vector(&vec![7_u8; 80_000]);
    let file = model(fbb, Parts { shared: Some((500, data)), ..Default::default() });
    assert!(file.len() < 120_000);
    let module = round_trip("a vector", file);
    assert!(lowered(&module, Placement::Auto).len() < 120_000, "it is written once");
}

#[test]
fn tensors_without_a_single_value_are_read_and_told_of() {
    for (name, parts, oddity) in [
        (
            "a constant",
            Parts { constant_result: true, ..Default::default() },
            Oddity::ConstantComputed,
        ),
        (
            "computed twice",
            Parts { order: &[0, 0, 1], ..Default::default() },
            Oddity::ComputedTwice,
        ),
        ("read before", Parts { order: &[1, 0], ..Default::default() }, Oddity::ReadBefore),
    ] {
        let module = round_trip(name, model(FlatBufferBuilder::new(), parts));
        let found: Vec<_> = module
            .oddities()
            .map(|(sg, id, why)| {
                assert!(module.constant(sg, id).is_none());
                (module.subgraph(sg).tensor(id).label().to_owned(), why)
            })
            .collect();
        assert_eq!(found, [("h".to_owned(), oddity)]);
        assert_same(name, &module, &module.shuffled(1));
    }
}
