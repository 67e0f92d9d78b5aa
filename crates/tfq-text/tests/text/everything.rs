//! A model that has all of it, and what two such have in common.

use crate::common::{self, MAIN, relu, text as some};
use crate::{tensor, with_side};
use bytes::Bytes;
use std::sync::Arc;
use tfq_ir::catalog::{self, ops};
use tfq_ir::{
    Attr, Attributes, BufferId, CacheReason, ConstantPool, DequantCache, DequantCacheEntry,
    DimensionMetadata, ElementType, ExternalBuffer, Metadata, Module, Op, OpCode, OpKind,
    Quantization, QuantizationDetails, QuantizationRare, Record, RecordEntry, Recorded, Signature,
    SparseIndex, Sparsity, Subgraph, SubgraphBuilder, SubgraphId, Tensor, TensorId, TensorLink,
    VariantSubType,
};
use tfq_text as text;

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
pub(crate) fn everything() -> Module {
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
        Quantization { scale: vec![0.5], zero_point: vec![-3].into(), ..Quantization::default() },
        Quantization {
            rare: QuantizationRare {
                min: vec![-1.0],
                max: vec![f32::NAN],
                ..QuantizationRare::default()
            }
            .into(),
            ..Quantization::default()
        },
        Quantization { quantized_dimension: 2, ..Quantization::default() },
        Quantization { zero_point: vec![1].into(), ..Quantization::default() },
        Quantization::symmetric((1..=40).map(|v| v as f32 / 7.0).collect(), 1),
        Quantization::symmetric(vec![0.25; 40], 1),
        Quantization {
            scale: vec![0.1; 3],
            zero_point: vec![4, -4, 0].into(),
            quantized_dimension: 1,
            rare: QuantizationRare {
                min: (0..20).map(|v| v as f32).collect(),
                ..QuantizationRare::default()
            }
            .into(),
        },
        Quantization {
            rare: QuantizationDetails::Custom(random_bytes(80, 5)).into(),
            ..Quantization::default()
        },
        Quantization {
            rare: QuantizationDetails::Blockwise {
                scales: TensorLink::Tensor(constants[0]),
                zero_points: TensorLink::Raw(-1),
                block_size: 32,
                block_shape: vec![1, 32],
            }
            .into(),
            ..Quantization::default()
        },
        Quantization {
            rare: QuantizationDetails::MultiAxis {
                scales: TensorLink::Tensor(constants[1]),
                zero_points: TensorLink::Raw(9999),
                block_size: 0,
                quantized_dimensions: vec![0, 1],
            }
            .into(),
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
    let payload = random_bytes(100, 6);
    custom.custom_options.bytes = Some(payload.clone());
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
    // Options that have the bytes of others, and such that only equal them.
    for bytes in [payload.clone(), Bytes::copy_from_slice(&payload), payload.clone()] {
        let mut custom = Op::new(OpKind::Custom("same".into()));
        custom.custom_options.bytes = Some(bytes);
        custom.custom_options.large = true;
        b.op(custom, &[], &[]);
    }
    let mut dequantize = Op::new(OpKind::Builtin(ops::DEQUANTIZE));
    dequantize.attrs =
        Some(Attributes::new(catalog::options_by_name("DequantizeOptions").unwrap()));
    let wide = b.tensor(f32s("wide", &[2, 2]));
    let cached = b.op(dequantize, &[Some(weights)], &[wide]);
    let outputs = vec![wide, x, wide, constants[0]];
    let first = b.finish(vec![x, fixed, x, state_in], outputs);

    // Subgraphs: without a name, with the same name, referring to another's buffer.
    let mut b = SubgraphBuilder::numbered(SubgraphId(1), None);
    let mut w = named("w", ElementType::UInt8, &[256]);
    w.buffer = first.tensor(tensor(&first, "one")).buffer;
    let w = b.tensor(w);
    let second = b.finish(vec![w], vec![w]);
    let third = SubgraphBuilder::numbered(SubgraphId(2), some("main")).finish(vec![], vec![]);

    let names = [("wide", wide), ("x", x)];
    let mut m = Module::new(vec![first, second, third], pool);
    m = m.rebuilt(|parts| parts.description = some("line\nline"));
    m = m.rebuilt(|parts| {
        parts.op_codes = vec![
            OpCode::for_kind(&OpKind::Builtin(ops::CONV_2D), 1),
            OpCode { builtin: 0, deprecated_builtin: 19, custom: None, version: 1 },
            OpCode { builtin: 3, deprecated_builtin: 2, custom: some("left over"), version: 3 },
            OpCode::for_kind(&OpKind::Custom("Über \"op\"".into()), 1),
            OpCode { builtin: ops::CUSTOM, deprecated_builtin: 32, custom: None, version: -2 },
            OpCode::for_kind(&OpKind::Builtin(ops::STABLEHLO_GATHER), 1),
        ]
    });
    let buffer = m.add_constant(Bytes::from_static(b"1.5.0\0"));
    m = m.rebuilt(|parts| {
        parts.metadata = vec![
            Metadata { name: some("min_runtime_version"), buffer },
            Metadata { name: None, buffer },
            Metadata { name: some(""), buffer: BufferId(empty_buffer) },
        ]
    });
    let buffer = m.add_constant(random_bytes(500, 4));
    m = m.rebuilt(|parts| parts.metadata.push(Metadata { name: some("large"), buffer }));
    m.add_constant(payload);
    m = m.rebuilt(|parts| parts.metadata_buffer = vec![1, -1]);
    m = m.rebuilt(|parts| parts.external_buffer_groups = vec![some("weights.bin"), None]);
    m = m.rebuilt(|parts| {
        parts.external_buffers = vec![
            ExternalBuffer { id: 3, group: 0, offset: 64, length: 128, packing: some("p") },
            ExternalBuffer { id: 4, group: 9, offset: 0, length: u64::MAX, packing: None },
        ]
    });
    m = m.rebuilt(|parts| {
        parts.signatures = vec![
            Signature {
                key: some("serving_default"),
                inputs: vec![(some("x"), TensorLink::Tensor(x)), (None, TensorLink::Raw(7777))],
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
        ]
    });
    m = m.rebuilt(|parts| parts.trailer = Bytes::from_static(b"PK\x03\x04"));
    m = m.rebuilt(|parts| parts.constants_outside = true);
    m = m.rebuilt(|parts| {
        parts.set_dequant_cache(Some(DequantCache {
            entries: vec![DequantCacheEntry {
                subgraph: MAIN,
                op: cached,
                reason: CacheReason::CachedConstant,
                bytes: 16,
                bytes_per_invoke: 0,
            }],
        }));
    });
    let tensor = m.subgraph(MAIN).tensors().next().unwrap();
    let silent = m.subgraph(MAIN).ops().find(|op| m.subgraph(MAIN).results(*op).is_empty());
    let ops = [Some(cached), silent].into_iter().flatten().map(Recorded::Op);
    let entries =
        ops.chain([Recorded::Tensor(tensor), Recorded::Tensor(tensor)]).zip([1, 0, 70, 3]);
    let entries =
        entries.map(|(of, len)| RecordEntry { of, bytes: Bytes::from(vec![0xfe; len]) }).collect();
    let record = Record { entries, about: vec![ops::ADD, ops::RELU] };
    m = m.with_records([("acme.ranges".into(), Arc::new(record))].into_iter().collect());
    m = m.with_records([("acme.empty".into(), Arc::default())].into_iter().collect());
    m.verify().expect("it is sound");
    m
}

/// A model in a form that is equal where the models are: names in place of handles.
pub(crate) fn dump(m: &Module) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let sharing: Vec<Vec<u32>> = {
        let mut groups: Vec<((usize, usize), Vec<u32>)> = Vec::new();
        let mut add = |number, bytes: &Bytes| {
            let key = (bytes.as_ptr() as usize, bytes.len());
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(number),
                None => groups.push((key, vec![number])),
            }
        };
        for (id, bytes) in m.constants().iter() {
            let Some(bytes) = bytes.filter(|b| !b.is_empty()) else { continue };
            add(id.0, bytes);
        }
        let ops = m.subgraphs().flat_map(|(_, g)| g.ops().map(|op| &g.op(op).custom_options));
        for (n, options) in ops.filter(|options| options.large).enumerate() {
            add(1_000_000 + n as u32, options.bytes.as_ref().unwrap());
        }
        groups.into_iter().map(|(_, group)| group).collect()
    };
    let entries: Vec<_> = m.constants().iter().collect();
    writeln!(
        out,
        "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {entries:?} {sharing:?}",
        m.version(),
        m.description(),
        m.metadata(),
        m.metadata_buffer(),
        m.external_buffer_groups(),
        m.external_buffers(),
        m.op_codes(),
        m.trailer(),
        m.constants_outside()
    )
    .unwrap();
    let number = |graph: &Subgraph, id: TensorId| graph.tensors().position(|t| t == id);
    let link = |graph: Option<&Subgraph>, link: &TensorLink| match (graph, link) {
        (Some(graph), TensorLink::Tensor(id)) => format!("{:?}", number(graph, *id)),
        (_, link) => format!("{link:?}"),
    };
    for s in m.signatures() {
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
    let named = |of: Recorded| {
        let (_, graph) = m.subgraphs().find(|(_, graph)| graph.origin() == of.origin()).unwrap();
        match of {
            Recorded::Op(op) => format!("op {:?}", graph.ops().position(|other| other == op)),
            Recorded::Tensor(tensor) => format!("tensor {:?}", number(graph, tensor)),
        }
    };
    for (key, record) in m.records() {
        let entries: Vec<_> =
            record.entries.iter().map(|entry| (named(entry.of), &entry.bytes)).collect();
        writeln!(out, "{key} {:?} {entries:?}", record.about).unwrap();
    }
    if let Some(cache) = m.dequant_cache() {
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
pub(crate) fn settle_codes(m: &Module) -> String {
    let (text, side) = text::print_with_side(m);
    dump(&text::parse(&text, &with_side(side)).unwrap())
}
