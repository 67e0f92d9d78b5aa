//! Models as text and back.

mod common;

use bytes::Bytes;
use common::{MAIN, chain, main, relu, text as some};
use proptest::prelude::*;
use std::sync::Arc;
use tfq_ir::catalog::{self, ops};
use tfq_ir::text::{self, Level, ParseError, ParseOptions};
use tfq_ir::{
    Attr, Attributes, BufferId, CacheReason, ConstantPool, DequantCache, DequantCacheEntry,
    DimensionMetadata, ElementType, ExternalBuffer, Metadata, Module, Op, OpCode, OpKind, Patch,
    Place, Quantization, QuantizationDetails, Signature, SparseIndex, Sparsity, Subgraph,
    SubgraphBuilder, SubgraphId, Tensor, TensorId, TensorLink, VariantSubType,
};

fn with_side(side: Vec<u8>) -> ParseOptions {
    ParseOptions { side: Some(side.into()), ..ParseOptions::default() }
}

fn with_fills() -> ParseOptions {
    ParseOptions { fills: true, ..ParseOptions::default() }
}

fn parse(text: &str) -> Module {
    text::parse(text, &ParseOptions::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: &str) -> ParseError {
    text::parse(text, &ParseOptions::default()).expect_err(text)
}

fn tensor(graph: &Subgraph, name: &str) -> TensorId {
    graph.tensors().find(|id| graph.tensor(*id).name.as_deref() == Some(name)).expect(name)
}

fn random_bytes(len: usize, seed: u64) -> Bytes {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8 & 0x3f
    };
    (0..len).map(|_| next()).collect::<Vec<u8>>().into()
}

/// A model with everything that the format has and that a text must carry.
fn everything() -> Module {
    let mut pool = ConstantPool::new(vec![Some(Bytes::new())]);
    let shared = random_bytes(256, 1);
    let mut b = SubgraphBuilder::new(some("main"));
    b.debug_metadata_index(7);
    let named = |name: &str, ty, shape: &[i32]| Tensor::new(name, ty, shape.to_vec());
    let f32s = |name: &str, shape: &[i32]| named(name, ElementType::Float32, shape);

    // Inputs: with unknown dimensions, twice in the list, a constant, a variable.
    let mut x = f32s("x", &[1, 4, 16]);
    x.shape_signature = [-1, -1, 16].into();
    x.has_rank = true;
    let x = b.tensor(x);
    let mut fixed = f32s("serving_default/in:0", &[2, 2]);
    fixed.buffer = pool.push(Bytes::from(vec![0; 16]));
    let fixed = b.tensor(fixed);
    let mut state_in = f32s("state in", &[1]);
    state_in.is_variable = true;
    state_in.shape_signature = [1].into();
    let state_in = b.tensor(state_in);

    // Names: missing, empty, used twice, one that a suffix would make.
    let mut nameless = f32s("", &[2]);
    nameless.name = None;
    let nameless = b.tensor(nameless);
    let empty = b.tensor(f32s("", &[2]));
    let twice = [b.tensor(f32s("a", &[2])), b.tensor(f32s("a", &[2])), b.tensor(f32s("a.2", &[2]))];
    let odd = b.tensor(f32s("\"quoted\"\n\u{202e}ü//x", &[2]));

    // Constants of each type, small and large.
    let mut constants = Vec::new();
    for code in 0..23 {
        let ty = ElementType::from_code(code).unwrap();
        let Some(size) = ty.bytes_for(3) else { continue };
        let mut t = named(&format!("few_{code}"), ty, &[3]);
        let mut bytes = random_bytes(size as usize, 3);
        if ty == ElementType::Bool {
            bytes = Bytes::from_static(&[0, 1, 1]);
        }
        t.buffer = pool.push(bytes);
        constants.push(b.tensor(t));
        let mut t = named(&format!("many_{code}"), ty, &[9, 5]);
        t.buffer =
            pool.push(random_bytes(ty.bytes_for(45).unwrap() as usize, u64::from(code as u8)));
        constants.push(b.tensor(t));
    }
    let special: Vec<u8> = [f32::NAN, f32::INFINITY, f32::from_bits(0x7fc0_0001), -0.0, 1e-40, 0.1]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let mut t = f32s("special", &[6]);
    t.buffer = pool.push(special.into());
    constants.push(b.tensor(t));
    // Bytes that are no elements, more bytes than elements, no bytes, no shape.
    for (name, ty, shape, len) in [
        ("bool_2", ElementType::Bool, &[2][..], 2),
        ("longer", ElementType::Int8, &[4], 9),
        ("far_longer", ElementType::Int8, &[4], 900),
        ("none", ElementType::Int8, &[0], 0),
        ("scalar", ElementType::Int32, &[], 4),
        ("resource", ElementType::Resource, &[1], 5),
        ("padding", ElementType::Int4, &[3], 2),
    ] {
        let mut t = named(name, ty, shape);
        t.buffer = pool.push(if len == 0 { Bytes::new() } else { Bytes::from(vec![0x7e; len]) });
        constants.push(b.tensor(t));
    }
    let mut t = named("strings", ElementType::String, &[2]);
    let strings = b"\x02\0\0\0\x10\0\0\0\x12\0\0\0\x13\0\0\0hi\xff";
    t.buffer = pool.push(Bytes::from_static(strings));
    constants.push(b.tensor(t));
    // Two tensors on one buffer, and buffers that share or equal their bytes.
    let mut one = named("one", ElementType::UInt8, &[256]);
    one.buffer = pool.push(shared.clone());
    let mut two = named("two", ElementType::UInt8, &[256]);
    two.buffer = one.buffer;
    let mut three = named("three", ElementType::UInt8, &[256]);
    three.buffer = pool.push(shared.clone());
    let mut four = named("four", ElementType::UInt8, &[256]);
    four.buffer = pool.push(Bytes::copy_from_slice(&shared));
    constants.extend([one, two, three, four].map(|t| b.tensor(t)));
    pool.push(Bytes::from_static(b"nobody refers to this"));
    let empty_buffer = ConstantPool::len(&pool) as u32;
    pool = ConstantPool::new(pool.iter().map(|(_, b)| b.cloned()).chain([None]).collect());
    let mut unused = f32s("unused", &[-1]);
    unused.buffer = BufferId(empty_buffer);
    unused.external_buffer = 3;
    unused.shape_signature = [5, 6].into();
    let unused = b.tensor(unused);

    // Quantisation.
    let quantised = [
        Quantization::default(),
        Quantization { scale: vec![0.5], zero_point: vec![-3], ..Quantization::default() },
        Quantization { min: vec![-1.0], max: vec![f32::NAN], ..Quantization::default() },
        Quantization { quantized_dimension: 2, ..Quantization::default() },
        Quantization { zero_point: vec![1], ..Quantization::default() },
        Quantization::symmetric((1..=40).map(|v| v as f32 / 7.0).collect(), 1),
        Quantization::symmetric(vec![0.25; 40], 1),
        Quantization {
            scale: vec![0.1; 3],
            zero_point: vec![4, -4, 0],
            quantized_dimension: 1,
            min: (0..20).map(|v| v as f32).collect(),
            ..Quantization::default()
        },
        Quantization {
            details: QuantizationDetails::Custom(random_bytes(80, 5)),
            ..Quantization::default()
        },
        Quantization {
            details: QuantizationDetails::Blockwise {
                scales: TensorLink::Tensor(constants[0]),
                zero_points: TensorLink::Raw(-1),
                block_size: 32,
                block_shape: vec![1, 32],
            },
            ..Quantization::default()
        },
        Quantization {
            details: QuantizationDetails::MultiAxis {
                scales: TensorLink::Tensor(constants[1]),
                zero_points: TensorLink::Raw(9999),
                block_size: 0,
                quantized_dimensions: vec![0, 1],
            },
            ..Quantization::default()
        },
    ];
    let mut last = x;
    for (n, q) in quantised.into_iter().enumerate() {
        let channels = q.scale.len().max(2) as i32;
        let mut t = named(&format!("q{n}"), ElementType::Int8, &[1, channels]);
        t.quantization = Some(Arc::new(q));
        let y = b.tensor(t);
        b.op(relu(), &[Some(last)], &[y]);
        last = y;
    }
    // Sparse, variant, expressed.
    let mut sparse = f32s("sparse", &[4, 4]);
    sparse.sparsity = Some(Arc::new(Sparsity {
        traversal_order: vec![0, 1],
        block_map: vec![1],
        dim_metadata: vec![
            DimensionMetadata { dense_size: 4, ..DimensionMetadata::default() },
            DimensionMetadata {
                format: 1,
                array_segments: SparseIndex::Int32((0..30).collect()),
                array_indices: SparseIndex::Uint16(vec![1, 2]),
                ..DimensionMetadata::default()
            },
            DimensionMetadata {
                format: 5,
                array_segments: SparseIndex::Uint8(vec![3; 9]),
                array_indices: SparseIndex::Uint8(vec![]),
                ..DimensionMetadata::default()
            },
        ],
    }));
    let mut constants_of_sparse = pool.iter().map(|(_, b)| b.cloned()).collect::<Vec<_>>();
    constants_of_sparse.push(Some(random_bytes(80, 9)));
    sparse.buffer = BufferId(constants_of_sparse.len() as u32 - 1);
    let mut pool = ConstantPool::new(constants_of_sparse);
    let sparse = b.tensor(sparse);
    let mut list = named("list", ElementType::Variant, &[]);
    list.variant_tensors = vec![
        VariantSubType { shape: vec![2, -1], ty: ElementType::Float32, has_rank: true },
        VariantSubType { shape: vec![2], ty: ElementType::Int64, has_rank: false },
        VariantSubType { shape: vec![], ty: ElementType::Bool, has_rank: false },
        VariantSubType { shape: vec![], ty: ElementType::Bool, has_rank: true },
    ];
    let list = b.tensor(list);
    let mut weights = named("weights", ElementType::Int8, &[2, 2]);
    weights.expressed = Some(ElementType::Float32);
    weights.buffer = pool.push(Bytes::from_static(&[1, 2, 3, 4]));
    let weights = b.tensor(weights);
    let mut state = f32s("state", &[20]);
    state.is_variable = true;
    state.buffer = pool.push(random_bytes(80, 11));
    let state = b.tensor(state);

    // Ops: options of all kinds, several results, none, left-out operands, scratch.
    let conv = |edit: &dyn Fn(&mut Op)| {
        let mut op = common::op(ops::CONV_2D);
        edit(&mut op);
        op
    };
    let set = |op: &mut Op, name: &'static str, value: Attr| {
        op.attrs.as_mut().unwrap().set(name, value).unwrap();
    };
    let full = conv(&|op| {
        op.version = 3;
        op.code = Some(2);
        op.debug_metadata_index = 4;
        set(op, "padding", Attr::Int(1));
        set(op, "stride_w", Attr::Int(-7));
        set(op, "fused_activation_function", Attr::Int(99));
    });
    b.op(full, &[Some(x), None, Some(nameless), None], &[empty]);
    let mut no_table = conv(&|op| op.attrs = None);
    no_table.code = Some(0);
    b.op(no_table, &[], &[twice[0]]);
    let other = catalog::options_by_name("Pool2DOptions").unwrap();
    let two_tables = conv(&|op| {
        op.attrs = Some(Attributes::new(other));
        let mut extra =
            Attributes::new(catalog::options_by_name("StablehloGatherOptions").unwrap());
        extra.set("offset_dims", Attr::Ints([1, -2].into())).unwrap();
        extra.set("collapsed_slice_dims", Attr::Ints([].into())).unwrap();
        op.extra_attrs = Some(Box::new(extra));
    });
    b.op(two_tables, &[Some(odd)], &[twice[1]]);
    let mut softmax = common::op(ops::SOFTMAX);
    set(&mut softmax, "beta", Attr::Float(f32::from_bits(0x7fc0_1234)));
    b.op(softmax, &[Some(sparse)], &[twice[2]]);
    let mut composite = common::op(ops::STABLEHLO_COMPOSITE);
    set(&mut composite, "name", Attr::String("a \"b\"\t".into()));
    set(&mut composite, "decomposition_subgraph_index", Attr::Int(1));
    set(&mut composite, "composite_attributes", Attr::Bytes(random_bytes(70, 2)));
    let second = b.tensor(Tensor::new("second result", ElementType::Int32, [1]));
    b.op(composite, &[Some(x)], &[list, second]);
    let mut when = common::op(ops::IF);
    set(&mut when, "then_subgraph_index", Attr::Int(1));
    set(&mut when, "else_subgraph_index", Attr::Int(-1));
    b.op(when, &[Some(x)], &[]);
    let mut custom = Op::new(OpKind::Custom("Über \"op\"".into()));
    custom.custom_options.bytes = Some(random_bytes(100, 6));
    custom.custom_options.format = 3;
    custom.custom_options.large = true;
    custom.mutating_variable_inputs = vec![false, true];
    custom.code = Some(3);
    // It writes to an input, and to state.
    let made_state = b.tensor({
        let mut t = f32s("made_state", &[2]);
        t.is_variable = true;
        t
    });
    let id = b.op(custom, &[Some(state)], &[state_in, made_state]);
    b.intermediates(id, &[Some(unused), None]);
    let mut dequantize = Op::new(OpKind::Builtin(ops::DEQUANTIZE));
    dequantize.attrs =
        Some(Attributes::new(catalog::options_by_name("DequantizeOptions").unwrap()));
    let wide = b.tensor(f32s("wide", &[2, 2]));
    let cached = b.op(dequantize, &[Some(weights)], &[wide]);
    let outputs = vec![wide, x, wide, constants[0]];
    let first = b.finish(vec![x, fixed, x, state_in], outputs);

    // Subgraphs: without a name, with the same name, referring to another's buffer.
    let mut b = SubgraphBuilder::new(None);
    let mut w = named("w", ElementType::UInt8, &[256]);
    w.buffer = first.tensor(tensor(&first, "one")).buffer;
    let w = b.tensor(w);
    let second = b.finish(vec![w], vec![w]);
    let third = SubgraphBuilder::new(some("main")).finish(vec![], vec![]);

    let names = [("wide", wide), ("x", x)];
    let mut m = Module::new(vec![first, second, third], pool);
    m.description = some("line\nline");
    m.op_codes = vec![
        OpCode::for_kind(&OpKind::Builtin(ops::CONV_2D), 1),
        OpCode { builtin: 0, deprecated_builtin: 19, custom: None, version: 1 },
        OpCode { builtin: 3, deprecated_builtin: 2, custom: some("left over"), version: 3 },
        OpCode::for_kind(&OpKind::Custom("Über \"op\"".into()), 1),
        OpCode { builtin: ops::CUSTOM, deprecated_builtin: 32, custom: None, version: -2 },
        OpCode::for_kind(&OpKind::Builtin(ops::STABLEHLO_GATHER), 1),
    ];
    let buffer = m.add_constant(Bytes::from_static(b"1.5.0\0"));
    m.metadata = vec![
        Metadata { name: some("min_runtime_version"), buffer },
        Metadata { name: None, buffer },
        Metadata { name: some(""), buffer: BufferId(empty_buffer) },
    ];
    let buffer = m.add_constant(random_bytes(500, 4));
    m.metadata.push(Metadata { name: some("large"), buffer });
    m.metadata_buffer = vec![1, -1];
    m.external_buffer_groups = vec![some("weights.bin"), None];
    m.external_buffers = vec![
        ExternalBuffer { id: 3, group: 0, offset: 64, length: 128, packing: some("p") },
        ExternalBuffer { id: 4, group: 9, offset: 0, length: u64::MAX, packing: None },
    ];
    m.signatures = vec![
        Signature {
            key: some("serving_default"),
            inputs: vec![(some("x"), TensorLink::Tensor(x)), (None, TensorLink::Raw(77))],
            outputs: names.iter().map(|(n, id)| (some(n), TensorLink::Tensor(*id))).collect(),
            subgraph: 0,
            deprecated_tag: some("tag"),
        },
        Signature {
            key: None,
            inputs: vec![],
            outputs: vec![],
            subgraph: 12,
            deprecated_tag: None,
        },
    ];
    m.trailer = Bytes::from_static(b"PK\x03\x04");
    m.constants_outside = true;
    m.dequant_cache = Some(DequantCache {
        entries: vec![DequantCacheEntry {
            subgraph: MAIN,
            op: cached,
            reason: CacheReason::CachedConstant,
            bytes: 16,
            bytes_per_invoke: 0,
        }],
    });
    m.verify().expect("it is sound");
    m
}

/// A model in a form that is equal where the models are: names in place of handles.
fn dump(m: &Module) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let sharing: Vec<Vec<u32>> = {
        let mut groups: Vec<((usize, usize), Vec<u32>)> = Vec::new();
        for (id, bytes) in m.constants().iter() {
            let Some(bytes) = bytes.filter(|b| !b.is_empty()) else { continue };
            let key = (bytes.as_ptr() as usize, bytes.len());
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(id.0),
                None => groups.push((key, vec![id.0])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    };
    let entries: Vec<_> = m.constants().iter().collect();
    writeln!(
        out,
        "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {entries:?} {sharing:?}",
        m.version,
        m.description,
        m.metadata,
        m.metadata_buffer,
        m.external_buffer_groups,
        m.external_buffers,
        m.op_codes,
        m.trailer,
        m.constants_outside
    )
    .unwrap();
    let number = |graph: &Subgraph, id: TensorId| graph.tensors().position(|t| t == id);
    let link = |graph: Option<&Subgraph>, link: &TensorLink| match (graph, link) {
        (Some(graph), TensorLink::Tensor(id)) => format!("{:?}", number(graph, *id)),
        (_, link) => format!("{link:?}"),
    };
    for s in &m.signatures {
        let graph = m.subgraphs().nth(s.subgraph as usize).map(|(_, graph)| graph);
        writeln!(out, "{:?} {} {:?}", s.key, s.subgraph, s.deprecated_tag).unwrap();
        for (name, l) in s.inputs.iter().chain(&s.outputs) {
            writeln!(out, "  {name:?} {}", link(graph, l)).unwrap();
        }
    }
    for (_, g) in m.subgraphs() {
        let list = |ids: &[TensorId]| ids.iter().map(|id| number(g, *id)).collect::<Vec<_>>();
        writeln!(
            out,
            "{:?} {} {:?} {:?}",
            g.name,
            g.debug_metadata_index,
            list(g.inputs()),
            list(g.outputs())
        )
        .unwrap();
        for id in g.tensors() {
            let mut t = g.tensor(id).clone();
            if let Some(q) = t.quantization.take() {
                let mut q = (*q).clone();
                if let QuantizationDetails::Blockwise { scales, zero_points, .. }
                | QuantizationDetails::MultiAxis { scales, zero_points, .. } = &mut q.details
                {
                    write!(out, "{} {} ", link(Some(g), scales), link(Some(g), zero_points))
                        .unwrap();
                    (*scales, *zero_points) = (TensorLink::Raw(0), TensorLink::Raw(0));
                }
                t.quantization = Some(Arc::new(q));
            }
            writeln!(out, "  {t:?}").unwrap();
        }
        for id in g.ops() {
            let optional = |ids: tfq_ir::Operands| {
                ids.iter().map(|id| id.map(|id| number(g, id))).collect::<Vec<_>>()
            };
            writeln!(
                out,
                "  {:?} {:?} {:?} {:?}",
                g.op(id),
                optional(g.operands(id)),
                list(&g.results(id)),
                optional(g.intermediates(id))
            )
            .unwrap();
        }
    }
    if let Some(cache) = &m.dequant_cache {
        for entry in &cache.entries {
            let graph = m.subgraph(entry.subgraph);
            let at = graph.ops().position(|op| op == entry.op);
            writeln!(
                out,
                "{:?} {at:?} {:?} {} {}",
                entry.subgraph, entry.reason, entry.bytes, entry.bytes_per_invoke
            )
            .unwrap();
        }
    }
    out
}

/// What a text does not tell apart: an op without an operator code takes the first of its kind
/// when it is lowered.
fn settle_codes(m: &Module) -> String {
    let (text, side) = text::print_with_side(m);
    dump(&text::parse(&text, &with_side(side)).unwrap())
}

#[test]
fn everything_comes_back() {
    let module = everything();
    let (text, side) = text::print_with_side(&module);
    let back = text::parse(&text, &with_side(side.clone()))
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(text::print_with_side(&back), (text.clone(), side));
    assert_eq!(text::print(&module, Level::Full), text);
    let (before, after) = (dump(&module), dump(&back));
    for (before, after) in before.lines().zip(after.lines()) {
        let open = before.replace("code: None", "code: Some(1)");
        assert!(
            before == after
                || open == after
                || before.replace("code: None", "code: Some(0)") == after,
            "{before}\n{after}"
        );
    }
    assert_eq!(before.lines().count(), after.lines().count());
    assert_eq!(settle_codes(&back), after);
}

#[test]
fn every_level_prints_the_same_again() {
    let module = everything();
    let (_, side) = text::print_with_side(&module);
    for level in Level::ALL {
        let printed = text::print(&module, level);
        assert_eq!(text::level_of(&printed), Some(level));
        assert_eq!(Level::from_name(level.name()), Some(level));
        let options = if level >= Level::Hash { with_side(side.clone()) } else { with_fills() };
        let back = text::parse(&printed, &options).unwrap_or_else(|e| panic!("{e}\n{printed}"));
        let again = text::print(&back, level);
        if level == Level::Stats {
            // The statistics are those of what was made up.
            let lines = |text: &str| -> Vec<String> {
                text.lines().map(|l| l.split(" {min = ").next().unwrap().to_owned()).collect()
            };
            assert_eq!(lines(&again), lines(&printed));
        } else {
            assert_eq!(again, printed);
        }
        // Made-up weights leave the rest alone.
        let filled = text::parse(&printed, &with_fills()).unwrap();
        let common = level.min(Level::Quant);
        assert_eq!(text::print(&filled, common), text::print(&module, common));
    }
}

#[test]
fn a_subgraph_alone_is_a_part_of_the_whole() {
    let module = everything();
    for level in Level::ALL.into_iter().filter(|level| *level < Level::Hash) {
        let whole = text::print(&module, level);
        for id in module.subgraph_ids() {
            assert!(whole.contains(&text::print_subgraph(&module, id, level)), "{level}");
        }
    }
}

#[test]
fn a_skeleton_has_the_structure_and_none_of_the_weights() {
    let module = everything();
    let skeleton = text::print_skeleton(&module);
    let back = parse(&skeleton);
    assert_eq!(text::print(&back, Level::Quant), text::print(&module, Level::Quant));
    assert!(!skeleton.contains('#'), "{skeleton}");
}

#[test]
fn what_is_left_out_must_come_from_somewhere() {
    let source =
        "%x = input : f32[9]\n%w = const : f32[3,3]\n%y = ADD(%x, %w) : f32[9]\noutput %y\n";
    let refused = error(source);
    assert_eq!((refused.line, refused.column), (2, 6));
    assert_eq!(refused.message, "the bytes of `%w` are not in the text");
    assert!(refused.help.unwrap().contains("side file"));
    let filled = text::parse(source, &with_fills()).unwrap();
    let hashed = text::print(&filled, Level::Hash);
    assert!(hashed.contains("%w = const : f32[3,3] #"), "{hashed}");
    assert!(error(&hashed).message.contains("not in the text"));
    let (full, side) = text::print_with_side(&filled);
    let back = text::parse(&hashed, &with_side(side.clone())).unwrap();
    assert_eq!(text::print(&back, Level::Hash), hashed);
    // Another model's side file does not do.
    let other = text::print_with_side(&parse("%x = input\noutput %x")).1;
    let refused = text::parse(&full, &with_side(other)).unwrap_err();
    assert_eq!(refused.message, "the side file has no bytes of this hash");
    let refused = text::parse(&full, &with_side(side[..40].to_vec())).unwrap_err();
    assert_eq!(refused.message, "the side file is cut off or damaged");
    let mut changed = side.clone();
    *changed.last_mut().unwrap() ^= 1;
    let refused = text::parse(&full, &with_side(changed)).unwrap_err();
    assert!(refused.message.contains("the bytes of this hash have another one"), "{refused}");
    let refused = text::parse(&full, &with_side(b"TFL3".to_vec())).unwrap_err();
    assert_eq!(refused.message, "the side file does not begin with TFGSIDE1");
}

#[test]
fn constants_that_share_bytes_stay_apart_from_those_that_are_equal() {
    let module = everything();
    let (text, side) = text::print_with_side(&module);
    let back = text::parse(&text, &with_side(side)).unwrap();
    let graph = main(&back);
    let place = |name: &str| {
        let buffer = graph.tensor(tensor(graph, name)).buffer;
        (buffer, back.constants().get(buffer).unwrap().as_ptr())
    };
    assert_eq!(place("one"), place("two"));
    assert_ne!(place("one").0, place("three").0);
    assert_eq!(place("one").1, place("three").1);
    assert_ne!(place("one").1, place("four").1);
}

#[test]
fn hashes_grow_where_they_would_say_the_same() {
    // Two of some 2^17 hashes of 32 bits are alike.
    let mut seen = std::collections::HashMap::new();
    let pair = (0_u64..).find_map(|n| {
        let bytes: Vec<u8> = (0..9).flat_map(|k| (n * (k + 1)).to_le_bytes()).collect();
        let hash = *blake3::hash(&bytes).as_bytes();
        let before = seen.insert([hash[0], hash[1], hash[2], hash[3]], bytes.clone())?;
        Some([before, bytes])
    });
    let mut b = SubgraphBuilder::new(some("main"));
    let mut pool = ConstantPool::new(vec![None]);
    for (n, bytes) in pair.unwrap().into_iter().enumerate() {
        let mut t = Tensor::new(format!("w{n}"), ElementType::Int64, [9]);
        t.buffer = pool.push(bytes.into());
        b.tensor(t);
    }
    let module = Module::new(vec![b.finish(vec![], vec![])], pool);
    let (printed, side) = text::print_with_side(&module);
    let digits = printed.lines().find_map(|l| l.split('#').nth(1)).unwrap();
    assert_eq!(digits.split(' ').next().unwrap().len(), 16, "{printed}");
    let back = text::parse(&printed, &with_side(side.clone())).unwrap();
    assert_eq!(dump(&back), dump(&module));
    // With 8 digits it cannot be told which one is meant.
    let cut: String = printed
        .lines()
        .map(|l| match l.find('#') {
            Some(at) => format!("{}{}\n", &l[..at + 9], &l[at + 17..]),
            None => format!("{l}\n"),
        })
        .collect();
    let refused = text::parse(&cut, &with_side(side)).unwrap_err();
    assert_eq!(refused.message, "several entries of the side file begin with this hash");
}

/// Lines that are in one of two texts and not in the other.
fn changed_lines(before: &str, after: &str) -> usize {
    let mut left: Vec<&str> = before.lines().collect();
    let mut added = 0;
    for line in after.lines() {
        match left.iter().position(|l| *l == line) {
            Some(at) => _ = left.remove(at),
            None => added += 1,
        }
    }
    added.max(left.len())
}

/// 500 ops in a row, each with a constant.
fn long() -> Module {
    let mut b = SubgraphBuilder::new(some("main"));
    let mut pool = ConstantPool::new(vec![None]);
    let x = b.tensor(common::float("x"));
    let mut last = x;
    for n in 0..500 {
        let mut w = common::float(&format!("w{n}"));
        w.buffer = pool.push(Bytes::from(vec![n as u8; 8]));
        let w = b.tensor(w);
        let y = b.tensor(common::float(&format!("y{n}")));
        b.op(common::op(ops::ADD), &[Some(last), Some(w)], &[y]);
        last = y;
    }
    let mut module = Module::new(vec![b.finish(vec![x], vec![last])], pool);
    module.op_codes.push(OpCode::for_kind(&OpKind::Builtin(ops::ADD), 1));
    module
}

#[test]
fn one_op_more_or_less_changes_few_lines() {
    for level in Level::ALL {
        let mut module = long();
        let before = text::print(&module, level);
        let graph = main(&module);
        let (at, read) = (graph.ops().nth(250).unwrap(), tensor(graph, "y249"));
        let mut patch = Patch::new(MAIN, "insert a Relu");
        let made = patch.add_tensor(common::float("y249.relu"));
        patch.add_op(relu(), Place::Before(at), &[Some(read.into())], &[made]);
        patch.set_operand(at, 0, made);
        module.apply(patch).unwrap();
        let with = text::print(&module, level);
        let changed = changed_lines(&before, &with);
        assert!(changed <= 5, "{level}: {changed} lines for an op more");
        assert_eq!(
            with.lines().count(),
            before.lines().count() + if level == Level::Full { 2 } else { 1 }
        );

        let graph = main(&module);
        let gone = graph.ops().nth(100).unwrap();
        let (result, operand) = (tensor(graph, "y100"), tensor(graph, "y99"));
        let weight = tensor(graph, "w100");
        let mut patch = Patch::new(MAIN, "drop an Add");
        patch.replace_uses(graph, result, operand);
        patch.erase_op(gone);
        patch.erase_tensor(result);
        patch.erase_tensor(weight);
        module.apply(patch).unwrap();
        // A buffer that is left over would be one more thing for the full text to say.
        module.prune_buffers();
        let without = text::print(&module, level);
        let changed = changed_lines(&with, &without);
        assert!(changed <= 5, "{level}: {changed} lines for an op less");
    }
}

#[test]
fn names_are_made_unique_and_come_back() {
    let module = everything();
    let types = text::print(&module, Level::Types);
    for name in [
        "%const",
        "%conv_2d = ",
        "%a = ",
        "%a.3 = ",
        "%a.2 = ",
        "%\"\\\"quoted\\\"\\n\\u{202e}ü//x\"",
        "@main.2",
        "@subgraph ",
    ] {
        assert!(types.contains(name) || name == "%const", "{name}\n{types}");
    }
    let (full, _) = text::print_with_side(&module);
    assert!(full.contains("%conv_2d name \"\""), "{full}");
    assert!(full.contains("%tensor name none"), "{full}");
    assert!(full.contains("%a.3 name \"a\""), "{full}");
    assert!(full.contains("layout @subgraph name none"), "{full}");
}

#[test]
fn dimensions_say_what_the_signature_says() {
    let source = "%x = input : f32[?,?=4,16]\n%s = input : f32[]\n%u = input : f32[*]\n%c = const : f32[] = 1.0\noutput %x";
    let module = parse(source);
    let graph = main(&module);
    let x = graph.tensor(tensor(graph, "x"));
    assert_eq!((&*x.shape, &*x.shape_signature), (&[1, 4, 16][..], &[-1, -1, 16][..]));
    assert!(graph.tensor(tensor(graph, "s")).has_rank);
    assert!(!graph.tensor(tensor(graph, "u")).has_rank);
    assert!(!graph.tensor(tensor(graph, "c")).has_rank);
    let printed = text::print(&module, Level::Types);
    for line in source.lines() {
        assert!(printed.contains(line), "{printed}");
    }
}

#[test]
fn zero_points_are_spread_over_the_scales() {
    let module = parse(
        "%a = input : i8[1] q(0.5)\n%b = input : i8[2] q([0.5, 1.0], 3)\n%c = input : i8[2] q([0.5, 1.0], [3, 4])\noutput %a",
    );
    let graph = main(&module);
    let zeros = |name: &str| {
        graph.tensor(tensor(graph, name)).quantization.clone().unwrap().zero_point.clone()
    };
    assert_eq!((zeros("a"), zeros("b"), zeros("c")), (vec![0], vec![3, 3], vec![3, 4]));
}

#[test]
fn things_may_be_named_before_they_are_there() {
    let module = parse(
        "output %y\n%y = ADD(%x, %k) : f32[2]\n%k = const : f32[2] = [1.0, 2.0]\n%x = input : f32[2]",
    );
    assert_eq!(
        text::print(&module, Level::Types),
        "tfg 1 types\n\nsubgraph @main {\n  %x = input : f32[2]\n  %k = const : f32[2] = [1.0, 2.0]\n\n  %y = ADD(%x, %k) : f32[2]\n\n  output %y\n}\n"
    );
}

#[test]
fn attributes_have_their_schema_types() {
    let module = parse(
        "%x = input\n%y = CONV_2D(%x, %x) {padding = VALID, stride_w = 2, stride_h = 3, fused_activation_function = RELU6}\n%z = RESHAPE(%x) {new_shape = [2, -1]}\n%s = SOFTMAX(%x) {beta = 0.5}\noutput %y",
    );
    let graph = main(&module);
    let ops: Vec<&Op> = graph.ops().map(|op| graph.op(op)).collect();
    assert_eq!(
        ops[0].attrs.as_ref().unwrap().enum_name("fused_activation_function"),
        Some("RELU6")
    );
    assert_eq!((ops[0].int("padding"), ops[0].int("stride_h")), (Some(1), Some(3)));
    assert_eq!(ops[1].attrs.as_ref().unwrap().get("new_shape"), Some(Attr::Ints([2, -1].into())));
    assert_eq!(ops[2].attrs.as_ref().unwrap().get("beta"), Some(Attr::Float(0.5)));
}

#[test]
fn errors_say_where_and_what_to_do() {
    for (source, line, column, message, help) in [
        ("", 1, 1, "there is no subgraph", "a model begins with `subgraph @main {`"),
        ("tfg 2\n", 1, 5, "text format 2 is unknown, this is 1", ""),
        (
            "subgraf @main {}",
            1,
            1,
            "there is no section or operator `subgraf`",
            "did you mean `subgraph`?",
        ),
        (
            "%x = input\n%y = CONV2D(%x)",
            2,
            6,
            "there is no operator `CONV2D`",
            "did you mean `CONV_2D`?",
        ),
        ("%x = input\n%y = relu(%x)", 2, 6, "there is no operator `relu`", "did you mean `RELU`?"),
        ("%x = input\n%y = RELU(%w)", 2, 11, "there is no tensor `%w` in `@main`", ""),
        (
            "%image = input\n%y = RELU(%imag)",
            2,
            11,
            "there is no tensor `%imag` in `@main`",
            "did you mean `%image`?",
        ),
        ("%x = input\n%x = RELU(%x)\n%x = RELU(%x)", 3, 1, "there is a tensor `%x` already", ""),
        ("%x = input : f33[1]", 1, 14, "there is no type `f33`", "did you mean `f32`?"),
        ("%x = input : FLOAT32[1]", 1, 14, "there is no type `FLOAT32`", "did you mean `f32`?"),
        (
            "%x = input : f32[1;2]",
            1,
            19,
            "there is no place for `;` here",
            "comments begin with `//`",
        ),
        ("%x = input : f32[1 2]", 1, 20, "expected `,` or `]`, found `2`", ""),
        ("%x = input : f32[1.5]", 1, 18, "1.5 cannot be a dimension", ""),
        (
            "%x = input\n%y = CONV_2D(%x) {padding = SAMEE}",
            2,
            29,
            "Padding has no `SAMEE`",
            "did you mean `SAME`?",
        ),
        ("%x = input\n%y = CONV_2D(%x) {stride_w = 1.5}", 2, 30, "`1.5` cannot be an integer", ""),
        (
            "%x = input\n%y = CONV_2D(%x) {stride_w = 99999999999}",
            2,
            30,
            "`stride_w` cannot hold this value",
            "",
        ),
        ("%x = input\n%y = LOGISTIC(%x) {a = 1}", 2, 20, "LOGISTIC has no attributes", ""),
        (
            "%c = const : i32[2] = [1, 2, 3]",
            1,
            23,
            "3 values for 2 elements ([2])",
            "`fill const(x)` gives every element the same value",
        ),
        ("%c = const : i8[1] = [200]", 1, 23, "`200` cannot be a value of type i8", ""),
        ("%c = const : str[1] = [1]", 1, 24, "expected a string, found `1`", ""),
        (
            "%c = const : f32[2] fill gauss(seed = 1)",
            1,
            26,
            "there is no fill `gauss`",
            "fills are gaussian, uniform, ramp and const",
        ),
        (
            "%c = const : f32[2] fill gaussian(sd = 1)",
            1,
            35,
            "gaussian has no `sd`",
            "it has seed, mean, std, min, max, zeros and nonfinite",
        ),
        (
            "%c = const : f32[99999,99999] fill const(1)",
            1,
            36,
            "the text asks for more bytes than it may",
            "",
        ),
        ("description \"open\n", 1, 13, "the quote is not closed on its line", ""),
        (
            "description \"\\q\"",
            1,
            14,
            "there is no such escape",
            "escapes are \\\" \\\\ \\n \\r \\t \\0 \\xNN and \\u{…}",
        ),
        (
            "// ümläut\n  ü",
            2,
            3,
            "there is no place for `ü` here",
            "names like this are in quotes: `%\"...\"`",
        ),
        (
            "%x = input\n%y = RELU(%z)\n%z = RELU(%x)\n",
            2,
            6,
            "subgraph 0, op 0 (RELU): operand 0 (`z`) is computed later, by RELU",
            "",
        ),
        (
            "%x = input\n%y = IF(%x) {then_subgraph_index = @no}",
            2,
            36,
            "there is no subgraph `@no`",
            "",
        ),
        ("subgraph @a {}\nsubgraph @a {}", 2, 10, "there is a subgraph `@a` already", ""),
        ("%x = input\n%y = RELU.2(%x)", 2, 11, "expected a version (`v2`), found `2`", ""),
        ("%x = input\nlayout @main {}", 1, 1, "the layout of `@main` does not list `%x`", ""),
        ("%x = input\n%y, %z = SPLIT(%x, %x) : f32[1]", 2, 24, "1 types for 2 results", ""),
        (
            "%x = input : i8[1] q(0.5, 1, 2)",
            1,
            30,
            "expected `axis`, `min`, `max` or `)`, found `2`",
            "",
        ),
        ("tfg 1 qant\n%x = input", 1, 7, "there is no level `qant`", "did you mean `quant`?"),
        (
            "version 7\n%x = input",
            1,
            9,
            "a model of version 7 is no model that runs",
            "the version is 3",
        ),
        (
            "# a comment\n%x = input",
            1,
            1,
            "this is not a hash",
            "a hash has 8 to 64 hexadecimal digits; comments begin with `//`",
        ),
        (
            "%ü = input",
            1,
            2,
            "there is no place for `ü` here",
            "names like this are in quotes: `%\"...\"`",
        ),
        (
            "%x = input\n%y = RELU(%x) f32[1]",
            2,
            15,
            "there is no section or operator `f32`",
            "a type stands behind a `:`",
        ),
        ("subgraph @a {\n%x = input", 1, 10, "the `{` of this subgraph is never closed", ""),
        (
            "%x = input\n%y = CONV_2D(%x) {stride_w = 1, stride_w = 2}",
            2,
            33,
            "`stride_w` is set twice",
            "",
        ),
        ("%c = const : f32[1] = [1e400]", 1, 24, "`1e400` cannot be a value of type f32", ""),
        ("%c = const : f32[2] fill uniform(min = 3, max = 1)", 1, 26, "min 3 is above max 1", ""),
        (
            "%c = const : f32[2] fill gaussian(std = -1)",
            1,
            26,
            "a standard deviation is not below 0",
            "",
        ),
    ] {
        let refused = error(source);
        assert_eq!(
            (refused.message.as_str(), refused.line, refused.column),
            (message, line, column),
            "{source}"
        );
        assert_eq!(refused.help.as_deref().unwrap_or(""), help, "{source}");
        assert_eq!(refused.to_string(), format!("{line}:{column}: {message}"));
        assert!(source.get(refused.span.clone()).is_some(), "{source}");
    }
}

#[test]
fn what_a_text_may_ask_for_has_a_limit() {
    let options = ParseOptions { max_fill_bytes: 1000, ..ParseOptions::default() };
    assert!(text::parse("%c = const : f32[250] fill const(1)", &options).is_ok());
    for source in [
        "%c = const : f32[251] fill const(1)",
        "%c = const : f32[200] fill const(1) %d = const : f32[200] fill const(1)",
        "trailer = bytes(1001) fill %x = input",
        "%x = input : i8[1] q([99999999999 * 1])",
        "%x = input layout @main { %x buffer 4000000000 }",
        "%x = input layout @main { %x } buffers 4000000000",
    ] {
        assert!(text::parse(source, &options).is_err(), "{source}");
    }
}

#[test]
fn the_examples_of_the_documentation_are_right() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/text-format.md");
    let doc = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    let mut lines = doc.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```tfg") else { continue };
        let example: String =
            lines.by_ref().take_while(|l| *l != "```").map(|l| format!("{l}\n")).collect();
        count += 1;
        if kind.trim() == "error" {
            let refused = error(&example);
            assert!(example.contains(&format!("// {refused}\n")), "{refused}\n{example}");
            if let Some(help) = refused.help {
                assert!(example.contains(&format!("// help: {help}\n")), "{help}\n{example}");
            }
            continue;
        }
        let options = if kind.trim() == "fills" { with_fills() } else { ParseOptions::default() };
        let module = text::parse(&example, &options).unwrap_or_else(|e| panic!("{e}\n{example}"));
        let (printed, side) = text::print_with_side(&module);
        let back = text::parse(&printed, &with_side(side)).unwrap();
        assert_eq!(dump(&back), dump(&module), "{example}");
        if let Some(level) = text::level_of(&example)
            && !example.contains(" fill ")
        {
            assert_eq!(text::print(&module, level), example);
        }
    }
    assert!(count > 8, "there are {count} examples");
}

#[test]
fn the_documentation_names_all_types_and_sections() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/text-format.md");
    let doc = std::fs::read_to_string(path).unwrap();
    for code in 0..23 {
        let ty = ElementType::from_code(code).unwrap();
        let mut b = SubgraphBuilder::new(some("main"));
        b.tensor(Tensor::new("t", ty, [1]));
        let module = Module::new(vec![b.finish(vec![], vec![])], ConstantPool::default());
        let printed = text::print(&module, Level::Types);
        let name = printed.split("%t = tensor : ").nth(1).unwrap().split('[').next().unwrap();
        assert!(doc.contains(name), "{name}");
    }
}

#[test]
fn printing_bears_with_what_is_gone() {
    let (mut module, c) = chain();
    module.signatures.push(Signature {
        key: some("k"),
        inputs: vec![(some("gone"), TensorLink::Tensor(c.b))],
        outputs: vec![],
        subgraph: 0,
        deprecated_tag: None,
    });
    module.signatures[0].subgraph = 5;
    let printed = text::print(&module, Level::Full);
    assert!(printed.contains("input \"gone\" = -1"), "{printed}");
    let empty = text::print(&Module::default(), Level::Full);
    assert!(error(&empty).message.contains("version 0"));
    let only = text::print_subgraph(&module, SubgraphId(0), Level::Full);
    assert!(only.starts_with("subgraph @main {\n"), "{only}");
}

/// Pieces of texts, so that most of what is put together gets past the lexer.
const PIECES: [&str; 62] = [
    "%x",
    "%y",
    "%w",
    "@main",
    "@f",
    "input",
    "output",
    "const",
    "variable",
    "tensor",
    "subgraph",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    "=",
    ":",
    "*",
    "?",
    "..",
    ".",
    "f32",
    "i8",
    "str",
    "c64",
    "variant",
    "CONV_2D",
    "IF",
    "RELU",
    "custom",
    "\"s\"",
    "b\"\\x00\"",
    "#01234567",
    "0x7f",
    "1",
    "-1",
    "0.5",
    "9",
    "99999999999",
    "fill",
    "gaussian",
    "const(1)",
    "bytes(70)",
    "as",
    "q(",
    "axis",
    "sparse(",
    "blockwise(",
    "none",
    "layout",
    "buffers",
    "opcodes",
    "metadata",
    "signature",
    "dequant_cache",
    "\n",
    "padding = SAME",
    "then_subgraph_index = @f",
    "nan",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(source in "\\PC{0,200}", fills: bool) {
        let options = ParseOptions { fills, max_fill_bytes: 1 << 20, ..ParseOptions::default() };
        if let Err(error) = text::parse(&source, &options) {
            prop_assert!(source.get(error.span).is_some());
        }
    }

    #[test]
    fn any_pieces_are_read_or_refused(pieces in proptest::collection::vec(0..PIECES.len(), 0..60), fills: bool) {
        let source: Vec<&str> = pieces.iter().map(|n| PIECES[*n]).collect();
        let source = source.join(" ");
        let options = ParseOptions { fills, max_fill_bytes: 1 << 20, ..ParseOptions::default() };
        match text::parse(&source, &options) {
            Err(error) => prop_assert!(source.get(error.span).is_some()),
            Ok(module) => {
                let (printed, side) = text::print_with_side(&module);
                let back = text::parse(&printed, &with_side(side)).unwrap();
                prop_assert_eq!(text::print(&back, Level::Full), printed);
            }
        }
    }

    #[test]
    fn a_text_with_a_piece_changed_is_read_or_refused(
        at in 0.0..1.0_f64,
        cut in 0..20_usize,
        piece in 0..PIECES.len(),
        level in 0..6_usize,
    ) {
        let source = &FULL.with(|texts| texts[level].clone());
        let mut start = (source.len() as f64 * at) as usize;
        while !source.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = (start + cut).min(source.len());
        while !source.is_char_boundary(end) {
            end += 1;
        }
        let changed = format!("{}{}{}", &source[..start], PIECES[piece], &source[end..]);
        let options = ParseOptions { fills: true, max_fill_bytes: 1 << 20, ..ParseOptions::default() };
        match text::parse(&changed, &options) {
            Err(error) => prop_assert!(changed.get(error.span).is_some()),
            Ok(module) => {
                let (printed, side) = text::print_with_side(&module);
                let back = text::parse(&printed, &with_side(side));
                prop_assert!(back.is_ok(), "{:?}", back.err());
                prop_assert_eq!(text::print(&back.unwrap(), Level::Full), printed);
            }
        }
    }
}

thread_local! {
    static FULL: Vec<String> = {
        let module = everything();
        Level::ALL.into_iter().map(|level| text::print(&module, level)).collect()
    };
}
