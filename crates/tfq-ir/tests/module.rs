//! The module's own lists: dropping what nothing refers to, and the rules of `verify`.

mod common;

use common::{MAIN, add_tensor, apply, bytes, chain, float, main, op, relu, text};
use std::sync::Arc;
use tfq_ir::catalog::{self, ops};
use tfq_ir::{
    Attr, Attributes, BufferId, CacheReason, ConstantPool, DEQUANT_CACHE_METADATA, DequantCache,
    DequantCacheEntry, Edit, ElementType, InsertionPoint, Metadata, Module, Numbers, Op, OpCode,
    OpId, OpKind, Patch, Quantization, QuantizationDetails, QuantizationRare, Signature, Sparsity,
    Subgraph, SubgraphBuilder, SubgraphId, Tensor, TensorId, TensorLink, TensorRare,
};

// Dropping.

fn constant(name: &str, buffer: u32) -> Tensor {
    Tensor { buffer: BufferId(buffer), ..float(name) }
}

/// One tensor per buffer number.
fn graph_of_constants(number: u32, buffers: &[u32]) -> Subgraph {
    let mut builder = SubgraphBuilder::numbered(SubgraphId(number), None);
    for n in buffers {
        builder.tensor(constant("w", *n));
    }
    builder.finish(Vec::new(), Vec::new())
}

/// A pool whose entry `n` is `n` + 8 bytes long.
fn pool(len: usize) -> ConstantPool {
    ConstantPool::new((0..len).map(|n| (n > 0).then(|| bytes(n + 8))).collect())
}

fn buffers_of(graph: &Subgraph) -> Vec<u32> {
    graph.tensors().map(|t| graph.tensor(t).buffer.0).collect()
}

#[test]
fn unused_buffers_go_and_every_reference_follows() {
    let graphs = vec![graph_of_constants(0, &[6, 0, 2, 6]), graph_of_constants(1, &[8])];
    let mut module = Module::new(graphs, pool(10));
    let entry = |name: &str, buffer| Metadata { name: text(name), buffer: BufferId(buffer) };
    module = module.rebuilt(|parts| parts.metadata = vec![entry("m", 4), entry("of a tensor", 6)]);
    // Numbers that name no buffer are kept as they are.
    module = module.rebuilt(|parts| parts.metadata_buffer = vec![5, -1, 99, 4]);
    module.verify().unwrap();

    let (count, dropped) = module.prune_buffers();
    // 1, 3, 7 and 9 were nobody's.
    assert_eq!((count, dropped), (4, 9 + 11 + 15 + 17));
    assert_eq!(buffers_of(main(&module)), [4, 0, 1, 4]);
    assert_eq!(buffers_of(module.subgraph(SubgraphId(1))), [5]);
    assert_eq!(module.metadata(), [entry("m", 2), entry("of a tensor", 4)]);
    assert_eq!(module.metadata_buffer(), [3, -1, 99, 2]);
    let lengths: Vec<_> = module.constants().iter().map(|(_, b)| b.map(|b| b.len())).collect();
    assert_eq!(lengths, [None, Some(10), Some(12), Some(13), Some(14), Some(16)]);
    assert_eq!(module.metadata_bytes("m").map(|b| b.len()), Some(12));
    module.verify().unwrap();

    let entry = module.journal().last().unwrap();
    assert_eq!((entry.subgraph, entry.label()), (None, "drop 4 buffers"));
    assert_eq!(entry.bytes_dropped(), dropped);
}

#[test]
fn nothing_is_dropped_and_nothing_journalled_when_all_is_used() {
    let mut module = Module::new(vec![graph_of_constants(0, &[1, 2])], pool(3));
    assert_eq!(module.prune_buffers(), (0, 0));
    assert_eq!((module.prune_op_codes(), module.prune_subgraphs()), (0, 0));
    assert!(module.journal().is_empty());
    // What comes after may leave something unused.
    module.prune_buffers();
    module.apply(Edit::Description(text("of the model"))).unwrap();
    assert_eq!(module.prune_buffers(), (0, 0));
    module.add_constant(bytes(3));
    assert_eq!((module.prune_buffers(), module.prune_buffers()), ((1, 3), (0, 0)));
}

#[test]
fn what_only_dropped_subgraphs_had_is_dropped_after_them() {
    let (call, _) = graph_of_ops((0, vec![op(ops::ADD)]));
    let mut other = SubgraphBuilder::numbered(SubgraphId(1), None);
    let w = other.tensor(constant("w", 1));
    other.op(Op { code: Some(1), ..relu() }, &[Some(w)], &[]);
    let module = Module::new(vec![call, other.finish(vec![], vec![])], pool(2));
    let codes = [ops::ADD, ops::RELU].map(|code| OpCode::for_kind(&OpKind::Builtin(code), 1));
    let mut module = module.rebuilt(|parts| parts.op_codes = codes.to_vec());
    let ports = Signature {
        key: text("s"),
        inputs: Vec::new(),
        outputs: Vec::new(),
        subgraph: 1,
        deprecated_tag: None,
    };
    module.apply(Edit::Signatures(vec![ports])).unwrap();
    let prune = |module: &mut Module| {
        let (buffers, codes) = (module.prune_buffers().0, module.prune_op_codes());
        (buffers, codes, module.prune_subgraphs())
    };
    assert_eq!([prune(&mut module), prune(&mut module)], [(0, 1, 0), (0, 0, 0)]);
    module.apply(Edit::Signatures(Vec::new())).unwrap();
    assert_eq!(prune(&mut module), (0, 0, 1));
    assert_eq!(prune(&mut module), (1, 1, 0));
}

#[test]
fn buffer_0_stays_even_if_nobody_names_it() {
    let mut module = Module::new(vec![graph_of_constants(0, &[2])], pool(3));
    assert_eq!(module.prune_buffers().0, 1);
    assert_eq!(buffers_of(main(&module)), [1]);
    assert_eq!(module.constants().len(), 2);
    assert_eq!(module.constants().get(BufferId::NONE), None);
    let mut empty = Module::new(vec![graph_of_constants(0, &[])], ConstantPool::default());
    assert_eq!(empty.prune_buffers(), (0, 0));
}

#[test]
fn unused_operator_codes_go_and_ops_follow() {
    let code = |builtin, version| OpCode::for_kind(&OpKind::Builtin(builtin), version);
    let coded = |builtin, n| Op { code: n, ..op(builtin) };
    let mut builder = SubgraphBuilder::new(None);
    let x = builder.tensor(float("x"));
    let made = [coded(ops::ADD, Some(3)), coded(ops::RELU, Some(1)), coded(ops::RELU, None)]
        .map(|op| builder.op(op, &[Some(x), Some(x)], &[]));
    let module = Module::new(vec![builder.finish(vec![x], vec![])], ConstantPool::default());
    let codes = [code(ops::ADD, 1), code(ops::RELU, 1), code(ops::ADD, 2), code(ops::ADD, 3)];
    let mut module = module.rebuilt(|parts| parts.op_codes = codes.to_vec());

    assert_eq!(module.prune_op_codes(), 2);
    assert_eq!(module.op_codes(), [code(ops::RELU, 1), code(ops::ADD, 3)]);
    assert_eq!(made.map(|op| main(&module).op(op).code), [Some(1), Some(0), None]);
    assert_eq!(module.journal().last().unwrap().label(), "drop 2 operator codes");
}

/// An op with subgraph numbers in these attributes.
fn calling(code: i32, refs: &[(&str, Attr)]) -> Op {
    let mut op = op(code);
    for (name, value) in refs {
        op.attrs.as_mut().unwrap().set(name, value.clone()).unwrap();
    }
    op
}

fn graph_of_ops((number, list): (u32, Vec<Op>)) -> (Subgraph, Vec<OpId>) {
    let mut builder = SubgraphBuilder::numbered(SubgraphId(number), None);
    let x = builder.tensor(float("x"));
    let ids = list.into_iter().map(|op| builder.op(op, &[Some(x)], &[])).collect();
    (builder.finish(vec![x], Vec::new()), ids)
}

#[test]
fn unreached_subgraphs_go_and_every_reference_follows() {
    let int = |n| Attr::Int(n);
    let list = |n: &[i64]| Attr::Ints(n.into());
    // 0 main; 2, 3 its loop; 5 reached from 3; 7 through a list; 9 a signature's. The others
    // are nobody's, though 1 and 4 call each other and 6 calls 2.
    let calls = [
        vec![
            calling(
                ops::WHILE,
                &[("cond_subgraph_index", int(2)), ("body_subgraph_index", int(3))],
            ),
            calling(ops::STABLEHLO_CASE, &[("branch_subgraph_indices", list(&[7, 0, 7]))]),
        ],
        vec![calling(ops::CALL_ONCE, &[("init_subgraph_index", int(4))])],
        vec![],
        vec![
            calling(ops::IF, &[("then_subgraph_index", int(5)), ("else_subgraph_index", int(2))]),
            // -1 means none.
            calling(ops::STABLEHLO_COMPOSITE, &[("decomposition_subgraph_index", int(-1))]),
        ],
        vec![calling(ops::CALL_ONCE, &[("init_subgraph_index", int(1))])],
        vec![],
        vec![calling(ops::CALL_ONCE, &[("init_subgraph_index", int(2))])],
        vec![],
        vec![],
        vec![],
    ];
    let (graphs, ids): (Vec<_>, Vec<_>) = (0..).zip(calls).map(graph_of_ops).unzip();
    let mut module = Module::new(graphs, ConstantPool::default());
    let signature = |subgraph| Signature {
        key: None,
        inputs: Vec::new(),
        outputs: Vec::new(),
        subgraph,
        deprecated_tag: None,
    };
    // The last one names no subgraph, which is kept as it is.
    module = module.rebuilt(|parts| parts.signatures = [0, 9, 9, 77].map(signature).to_vec());
    let entry = |subgraph, op, bytes| DequantCacheEntry {
        subgraph: SubgraphId(subgraph),
        op,
        reason: CacheReason::CachedConstant,
        bytes,
        bytes_per_invoke: 0,
    };
    let entries = vec![entry(6, ids[6][0], 1), entry(3, ids[3][0], 2)];
    module = module.with_dequant_cache(Some(DequantCache { entries }));
    module.verify().unwrap();

    assert_eq!(module.prune_subgraphs(), 4);
    // 0 2 3 5 7 9 became 0 1 2 3 4 5.
    let refs = |graph: u32, op: usize, old: usize| {
        module.subgraph(SubgraphId(graph)).op(ids[old][op]).subgraph_refs()
    };
    assert_eq!(refs(0, 0, 0), [("cond_subgraph_index", 1), ("body_subgraph_index", 2)]);
    let branches = [4, 0, 4].map(|n| ("branch_subgraph_indices", n));
    assert_eq!(refs(0, 1, 0), branches);
    assert_eq!(refs(2, 0, 3), [("then_subgraph_index", 3), ("else_subgraph_index", 1)]);
    assert_eq!(refs(2, 1, 3), [("decomposition_subgraph_index", -1)]);
    let signed: Vec<u32> = module.signatures().iter().map(|s| s.subgraph).collect();
    assert_eq!(signed, [0, 5, 5, 77]);
    // What was found out about a subgraph moves and goes with it.
    assert_eq!(module.dequant_cache().as_ref().unwrap().entries, [entry(2, ids[3][0], 2)]);
    assert_eq!(module.journal().last().unwrap().label(), "drop 4 subgraphs");
    module.verify().unwrap();
}

#[test]
fn references_in_a_second_options_table_count_too() {
    let extra = calling(ops::CALL_ONCE, &[("init_subgraph_index", Attr::Int(2))]);
    let mut double = op(ops::ADD);
    double.extra_attrs = extra.attrs.map(Box::new);
    let (first, ids) = graph_of_ops((0, vec![double]));
    let graphs = vec![first, graph_of_ops((1, vec![])).0, graph_of_ops((2, vec![])).0];
    let mut module = Module::new(graphs, ConstantPool::default());
    assert_eq!(module.prune_subgraphs(), 1);
    assert_eq!(main(&module).op(ids[0]).subgraph_refs(), [("init_subgraph_index", 1)]);
}

#[test]
fn metadata_is_set_without_touching_what_shares_its_bytes() {
    let mut module = Module::new(vec![graph_of_constants(0, &[1])], pool(2));
    module = module
        .rebuilt(|parts| parts.metadata = vec![Metadata { name: text("m"), buffer: BufferId(1) }]);
    module.apply(Edit::Metadata("m".into(), Some(bytes(3)))).unwrap();
    assert_eq!(module.metadata_bytes("m"), Some(&bytes(3)));
    assert_eq!(module.constant(MAIN, main(&module).tensors().next().unwrap()), Some(&bytes(9)));
    module.apply(Edit::Metadata("other".into(), Some(bytes(4)))).unwrap();
    assert_eq!(module.metadata().len(), 2);
    assert_eq!(module.metadata_bytes("other"), Some(&bytes(4)));
    assert_eq!(module.metadata_bytes("none"), None);
    module.verify().unwrap();
}

#[test]
fn metadata_of_the_old_list_keeps_its_bytes_too() {
    let mut module = Module::new(vec![graph_of_constants(0, &[])], pool(2));
    module = module
        .rebuilt(|parts| parts.metadata = vec![Metadata { name: text("m"), buffer: BufferId(1) }]);
    module = module.rebuilt(|parts| parts.metadata_buffer = vec![1]);
    let old = module.constants().get(BufferId(1)).cloned();
    module.apply(Edit::Metadata("m".into(), Some(bytes(3)))).unwrap();
    assert_eq!(module.metadata_bytes("m"), Some(&bytes(3)));
    assert_eq!(module.constants().get(BufferId(1)).cloned(), old);
}

#[test]
fn uses_of_buffers_are_counted_as_they_change() {
    let graphs = vec![graph_of_constants(0, &[6, 0, 2, 6, 7]), graph_of_constants(1, &[3, 6])];
    let pool = ConstantPool::new((0..10).map(|n| (n > 0).then(|| bytes(8))).collect());
    let mut module = Module::new(graphs, pool);
    module = module.rebuilt(|parts| {
        parts.metadata = vec![Metadata { name: text("m"), buffer: BufferId(4) }];
        parts.metadata_buffer = vec![5, -1, 99, 4];
        let signed = |subgraph| Signature {
            key: text("s"),
            inputs: Vec::new(),
            outputs: Vec::new(),
            subgraph,
            deprecated_tag: None,
        };
        parts.signatures = vec![signed(1)];
    });
    let check = |module: &Module| {
        let listed = |id: u32| module.metadata_buffer().iter().filter(|n| **n == id as i32).count();
        for id in 0..100 {
            let of =
                |(_, graph): (_, &Subgraph)| buffers_of(graph).iter().filter(|n| **n == id).count();
            let named = module.metadata().iter().filter(|entry| entry.buffer.0 == id).count();
            assert_eq!(module.metadata_uses(BufferId(id)), named + listed(id), "{id}");
            let uses = module.subgraphs().map(of).sum::<usize>() + named + listed(id);
            assert_eq!(module.buffer_uses(BufferId(id)), uses, "{id}");
        }
    };
    check(&module);
    let before = module.clone();
    let [first, second, third] = [0, 1, 2].map(|n| main(&module).tensors().nth(n).unwrap());
    apply(&mut module, |patch| {
        let new = patch.add_constant(bytes(8));
        let added = patch.add_tensor(constant("added", 8));
        patch.set_buffer(first, BufferId(9));
        patch.set_buffer(second, new);
        // The last one counts.
        patch.set_buffer(second, BufferId(2));
        patch.set_buffer(added, new);
        patch.erase_tensor(third);
    });
    check(&module);
    module.apply(Edit::MetadataBuffers(vec![1, 1, 2])).unwrap();
    check(&module);
    module.apply(Edit::Metadata("m".into(), Some(bytes(3)))).unwrap();
    check(&module);
    let released = module.apply(Edit::Release((0..10).map(BufferId).collect())).unwrap();
    assert_eq!(released.released(), [5, 8].map(BufferId));
    assert!(module.prune_buffers().0 > 0);
    check(&module);
    module.apply(Edit::Signatures(Vec::new())).unwrap();
    assert_eq!(module.prune_subgraphs(), 1);
    check(&module);
    check(&before);
}

fn with_metadata(mut module: Module, name: &str) -> Module {
    module.apply(Edit::Metadata(name.into(), Some(bytes(1)))).unwrap();
    module
}

#[test]
fn what_metadata_numbers_is_not_pruned() {
    let module = || {
        let graphs = vec![graph_of_constants(0, &[2]), graph_of_constants(1, &[])];
        Module::new(graphs, pool(3))
    };
    for (name, subgraphs, buffers) in [
        ("anything", 1, 1),
        // Ours goes with what it numbers, and its buffer with it.
        (DEQUANT_CACHE_METADATA, 1, 2),
        ("model_control_dependencies", 0, 1),
        ("OfflineMemoryAllocation", 0, 1),
        ("COMPRESSION_METADATA", 0, 0),
    ] {
        let mut module = with_metadata(module(), name);
        assert_eq!((module.unused_subgraphs(), module.unused_buffers()), (1, 1));
        assert_eq!((module.prune_subgraphs(), module.prune_buffers().0), (subgraphs, buffers));
        let renumbered =
            Numbers { subgraphs: subgraphs > 0, buffers: buffers > 0, ..Numbers::default() };
        let journal = module.journal().iter();
        let moved = journal.fold(Numbers::default(), |all, patch| all.or(patch.renumbers()));
        assert_eq!(moved, renumbered, "{name}");
    }
}

#[test]
fn computations_of_a_custom_call_are_called() {
    let list = Attr::Ints(vec![2].into());
    let call = calling(ops::STABLEHLO_CUSTOM_CALL, &[("called_computations", list)]);
    let (first, ids) = graph_of_ops((0, vec![call]));
    let graphs = vec![first, graph_of_ops((1, vec![])).0, graph_of_ops((2, vec![])).0];
    let mut module = Module::new(graphs, ConstantPool::default());
    assert_eq!(module.prune_subgraphs(), 1);
    assert_eq!(main(&module).op(ids[0]).subgraph_refs(), [("called_computations", 1)]);
}

#[test]
fn a_record_of_cached_results_is_dropped_where_a_dequantize_changes() {
    let mut builder = SubgraphBuilder::new(None);
    let x = builder.tensor(float("x"));
    let [a, b] = ["a", "b"].map(|name| builder.tensor(float(name)));
    let first = builder.op(op(ops::DEQUANTIZE), &[Some(x)], &[a]);
    let second = builder.op(op(ops::NEG), &[Some(a)], &[b]);
    let module = Module::new(vec![builder.finish(vec![x], vec![b])], pool(1));
    let mut module = with_metadata(module, DEQUANT_CACHE_METADATA);
    let buffer = module.metadata()[0].buffer;
    let entry = DequantCacheEntry {
        subgraph: MAIN,
        op: first,
        reason: CacheReason::Variable,
        bytes: 0,
        bytes_per_invoke: 4,
    };
    let cache = DequantCache { entries: vec![entry] };
    let start = module.clone();
    module.apply(Edit::dequant_cache(Some(cache.clone()))).unwrap();
    module.apply(Edit::dequant_cache(Some(cache.clone()))).unwrap();
    assert_eq!(module.edits().len(), start.edits().len() + 1);

    let mut patch = Patch::new(MAIN, "neither reads nor makes a Dequantize");
    patch.set_operand(second, 0, x);
    module.apply(patch).unwrap();
    assert_eq!(module.dequant_cache(), Some(cache));

    let mut patch = Patch::new(MAIN, "adds one");
    let c = patch.add_tensor(float("c"));
    patch.add_op(op(ops::DEQUANTIZE), InsertionPoint::End, &[Some(x.into())], &[c]);
    module.apply(patch).unwrap();
    assert_eq!((module.dequant_cache(), module.metadata().len()), (None, 0));
    assert_eq!(module.constants().get(buffer), None);

    let changes = &module.edits()[start.edits().len()..];
    let mut again = start.clone();
    again.replay(&changes[..2]).unwrap();
    assert_eq!((again.dequant_cache().is_some(), again.metadata().len()), (true, 1));
    again.replay(&changes[2..]).unwrap();
    assert_eq!((again.dequant_cache(), again.metadata().len()), (None, 0));
}

#[test]
fn a_constant_is_what_the_runtime_takes_for_one() {
    let mut builder = SubgraphBuilder::new(None);
    let weight = builder.tensor(constant("w", 1));
    let variable = builder.tensor(Tensor { is_variable: true, ..constant("v", 1) });
    let zero = builder.tensor(constant("z", 0));
    let pool = ConstantPool::new(vec![Some(bytes(8)), Some(bytes(8))]);
    let module = Module::new(vec![builder.finish(vec![], vec![])], pool);
    let found = [weight, variable, zero].map(|t| module.constant(MAIN, t).is_some());
    assert_eq!(found, [true, false, false]);
    module.verify().unwrap();
}

#[test]
fn a_constant_is_fixed_where_neither_caller_nor_op_writes_to_it() {
    let mut builder = SubgraphBuilder::new(None);
    let [plain, input, scratch, named] =
        ["plain", "input", "scratch", "named"].map(|name| builder.tensor(constant(name, 1)));
    let y = builder.tensor(float("y"));
    let op = builder.op(relu(), &[Some(plain)], &[y]);
    builder.intermediates(op, &[Some(scratch)]);
    let graph = builder.finish(vec![input], vec![plain, y]);
    let mut module = Module::new(vec![graph], pool(2));
    module = module.rebuilt(|parts| {
        parts.signatures = vec![Signature {
            key: text("s"),
            inputs: vec![(text("in"), TensorLink::Tensor(named))],
            outputs: Vec::new(),
            subgraph: 0,
            deprecated_tag: None,
        }]
    });
    for id in [plain, input, scratch, named] {
        assert!(module.constant(MAIN, id).is_some());
        assert_eq!(module.fixed_constant(MAIN, id).is_some(), id == plain, "{id:?}");
    }
    assert!(module.fixed_constant(MAIN, y).is_none());
}

#[test]
fn operator_codes_are_written_as_old_and_new_readers_expect() {
    let old_field = |builtin| OpCode::for_kind(&OpKind::Builtin(builtin), 1).deprecated_builtin;
    assert_eq!((old_field(ops::ADD), old_field(ops::STABLEHLO_COMPOSITE)), (0, 127));
    let code = |builtin, deprecated_builtin| OpCode {
        builtin,
        deprecated_builtin,
        custom: None,
        version: 1,
    };
    assert_eq!(code(0, 9).kind(), OpKind::Builtin(ops::FULLY_CONNECTED));
    assert_eq!(code(206, 127).kind(), OpKind::Builtin(ops::STABLEHLO_COMPOSITE));
    assert_eq!(code(0, -1).kind(), OpKind::Builtin(ops::ADD));
    assert_eq!(code(ops::CUSTOM, 32).kind(), OpKind::Custom("".into()));
    for info in catalog::all_ops().iter().filter(|info| info.code != ops::CUSTOM) {
        let kind = OpKind::Builtin(info.code);
        assert_eq!(OpCode::for_kind(&kind, 3).kind(), kind);
    }
}

// The rules of `verify`, each with what looks like a breach and is none.

fn broken(module: &Module) -> String {
    let errors = module.verify().expect_err("a rule is broken");
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].to_string()
}

fn of_tensor(tensor: Tensor, pool: ConstantPool) -> Module {
    let mut builder = SubgraphBuilder::new(None);
    builder.tensor(tensor);
    Module::new(vec![builder.finish(vec![], vec![])], pool)
}

#[test]
fn a_model_has_a_subgraph() {
    assert_eq!(broken(&Module::default()), "the model: it has no subgraph");
    of_tensor(float("t"), ConstantPool::default()).verify().unwrap();
}

#[test]
fn attributes_name_subgraphs_that_are_there() {
    let module = |n| {
        let refs = [("init_subgraph_index", Attr::Int(n))];
        let (graph, _) = graph_of_ops((0, vec![calling(ops::CALL_ONCE, &refs)]));
        Module::new(vec![graph], ConstantPool::default())
    };
    for n in [1, -2] {
        let place = "subgraph 0, op 0 (CALL_ONCE): init_subgraph_index is";
        assert_eq!(broken(&module(n)), format!("{place} {n}, of 1 subgraph"));
    }
    for n in [0, -1] {
        module(n).verify().unwrap();
    }
}

#[test]
fn signatures_name_tensors_that_are_there() {
    let (mut module, c) = chain();
    let gone = add_tensor(&mut module, float("gone"));
    apply(&mut module, |patch| patch.erase_tensor(gone));
    let signature = |link, subgraph| Signature {
        key: text("s"),
        inputs: Vec::new(),
        outputs: vec![(text("out"), link)],
        subgraph,
        deprecated_tag: None,
    };
    module =
        module.rebuilt(|parts| parts.signatures = vec![signature(TensorLink::Tensor(gone), 0)]);
    assert_eq!(broken(&module), "signature `s`: `out` names a tensor that is gone");
    // Numbers that never named anything are as they were in the file.
    let links = [(TensorLink::Raw(99), 0), (TensorLink::Tensor(c.a), 0), (TensorLink::Raw(1), 7)];
    module = module.rebuilt(|parts| {
        parts.signatures = links.map(|(link, subgraph)| signature(link, subgraph)).to_vec()
    });
    module.verify().unwrap();
}

#[test]
fn metadata_names_buffers_that_are_there() {
    let mut module = of_tensor(float("t"), pool(2));
    let entry = |n| vec![Metadata { name: text("m"), buffer: BufferId(n) }];
    module = module.rebuilt(|parts| parts.metadata = entry(2));
    assert_eq!(broken(&module), "metadata `m`: there is no buffer 2");
    module = module.rebuilt(|parts| parts.metadata = entry(1));
    module.verify().unwrap();
}

#[test]
fn tensors_name_buffers_that_are_there() {
    let error = broken(&of_tensor(constant("t", 3), pool(3)));
    assert_eq!(error, "subgraph 0, tensor 0 (`t`): there is no buffer 3, only 3");
    of_tensor(constant("t", 2), pool(3)).verify().unwrap();
    // Buffer 0 needs not exist.
    of_tensor(float("t"), ConstantPool::default()).verify().unwrap();
}

#[test]
fn a_tensor_has_one_producer() {
    let module = |second: usize| {
        let mut builder = SubgraphBuilder::new(None);
        let [x, a, b] = ["x", "a", "b"].map(|name| builder.tensor(float(name)));
        builder.op(relu(), &[Some(x)], &[a]);
        builder.op(relu(), &[Some(x)], &[[a, b][second]]);
        Module::new(vec![builder.finish(vec![x], vec![a])], ConstantPool::default())
    };
    assert_eq!(broken(&module(0)), "subgraph 0, tensor 1 (`a`): two ops compute it");
    module(1).verify().unwrap();
}

#[test]
fn an_op_reads_what_was_computed_before_it() {
    let module = |read: usize, input: bool| {
        let mut builder = SubgraphBuilder::new(None);
        let tensors = ["x", "a", "b"].map(|name| builder.tensor(float(name)));
        let [x, a, b] = tensors;
        builder.op(relu(), &[Some(tensors[read])], &[a]);
        builder.op(op(ops::ADD), &[Some(a), Some(x)], &[b]);
        let inputs = if input { vec![x, b] } else { vec![x] };
        Module::new(vec![builder.finish(inputs, vec![b])], ConstantPool::default())
    };
    let later = "subgraph 0, op 0 (RELU): operand 0 (`b`) is computed later, by ADD";
    assert_eq!(broken(&module(2, false)), later);
    let itself = "subgraph 0, op 0 (RELU): operand 0 (`a`) is computed later, by RELU";
    assert_eq!(broken(&module(1, false)), itself);
    module(0, false).verify().unwrap();
    // An input has a value from the start, though an op writes to it.
    module(2, true).verify().unwrap();
}

#[test]
fn a_constant_has_the_bytes_that_its_shape_asks_for() {
    let pool = |len| ConstantPool::new(vec![None, Some(bytes(len))]);
    let shaped = |ty, shape: &[i32]| Tensor { buffer: BufferId(1), ..Tensor::new("t", ty, shape) };
    let matrix = || shaped(ElementType::Float32, &[2, 3]);
    let error = broken(&of_tensor(matrix(), pool(23)));
    let place = "subgraph 0, tensor 0 (`t`): ";
    assert_eq!(error, format!("{place}FLOAT32 [2, 3] needs 24 bytes, its buffer has 23"));
    let error = broken(&of_tensor(shaped(ElementType::Int4, &[3, 3]), pool(4)));
    assert_eq!(error, format!("{place}INT4 [3, 3] needs 5 bytes, its buffer has 4"));
    for shape in [&[-1, 3][..], &[i32::MAX, i32::MAX, i32::MAX]] {
        let error = broken(&of_tensor(shaped(ElementType::Float32, shape), pool(24)));
        assert_eq!(error, format!("{place}its shape {shape:?} is not one of a constant"));
    }

    // More is allowed, as are scalars, nothing, and whatever has no elements of a fixed size.
    of_tensor(matrix(), pool(25)).verify().unwrap();
    of_tensor(shaped(ElementType::Int4, &[3, 3]), pool(5)).verify().unwrap();
    of_tensor(shaped(ElementType::Float32, &[]), pool(4)).verify().unwrap();
    of_tensor(shaped(ElementType::Float32, &[0, 7]), pool(0)).verify().unwrap();
    of_tensor(shaped(ElementType::String, &[1 << 30]), pool(1)).verify().unwrap();
    let sparsity = Some(Arc::new(Sparsity::default()));
    let rare = TensorRare { sparsity, ..TensorRare::default() };
    of_tensor(Tensor { rare: rare.into(), ..matrix() }, pool(1)).verify().unwrap();
    of_tensor(Tensor { is_variable: true, ..matrix() }, pool(1)).verify().unwrap();
    of_tensor(Tensor { buffer: BufferId::NONE, ..matrix() }, pool(1)).verify().unwrap();
}

#[test]
fn a_constant_is_not_computed() {
    let module = |tensor: Tensor| {
        let mut builder = SubgraphBuilder::new(None);
        let x = builder.tensor(float("x"));
        let y = builder.tensor(tensor);
        builder.op(relu(), &[Some(x)], &[y]);
        Module::new(vec![builder.finish(vec![x], vec![y])], pool(2))
    };
    let error = broken(&module(constant("y", 1)));
    assert_eq!(error, "subgraph 0, tensor 1 (`y`): it is a constant and computed by an op");
    module(Tensor { is_variable: true, ..constant("y", 1) }).verify().unwrap();
    module(constant("y", 0)).verify().unwrap();
}

#[test]
fn scales_are_as_many_as_the_loader_wants() {
    let shaped = |shape: &[i32], q: Quantization| Tensor {
        quantization: Some(Arc::new(q)),
        ..Tensor::new("t", ElementType::Int8, shape)
    };
    let scales = |n, dimension| Quantization::symmetric(vec![1.0; n], dimension);
    let check = |shape: &[i32], q| of_tensor(shaped(shape, q), ConstantPool::default()).verify();
    let no_zero_points = Quantization { zero_point: Vec::new().into(), ..scales(1, 0) };

    let error = broken(&of_tensor(shaped(&[2, 3], scales(2, 1)), ConstantPool::default()));
    let what = "2 scales and 2 zero points do not fit shape [2, 3] and dimension 1";
    assert_eq!(error, format!("subgraph 0, tensor 0 (`t`): {what}"));
    for (shape, q) in [
        (&[2, 3][..], scales(3, 0)),
        (&[2, 3], scales(4, 9)),
        (&[2, 3], scales(4, -1)),
        (&[2, 3], no_zero_points.clone()),
        (&[], no_zero_points),
        (&[-1], scales(2, 0)),
    ] {
        check(shape, q).unwrap_err();
    }

    let min = QuantizationRare { min: vec![0.0], ..QuantizationRare::default() };
    let custom = QuantizationDetails::Custom(bytes(1));
    let axes = QuantizationDetails::MultiAxis {
        scales: TensorLink::Raw(-1),
        zero_points: TensorLink::Raw(99),
        block_size: 0,
        quantized_dimensions: vec![0, 1],
    };
    for (shape, q) in [
        (&[2, 3][..], scales(2, 0)),
        (&[2, 3], scales(3, 1)),
        (&[2, 3], scales(1, 1)),
        (&[2, 3], scales(1, 9)),
        (&[2, 3], scales(0, 9)),
        // Old converters gave a bias the dimension of its filter.
        (&[3], scales(3, 3)),
        (&[], scales(5, 0)),
        (&[2, 3], Quantization { zero_point: vec![1; 9].into(), rare: min.into(), ..scales(0, 0) }),
        (&[2, 3], Quantization { rare: custom.into(), ..scales(2, 0) }),
        // With scales elsewhere the ones here do not count.
        (&[2, 3], Quantization { rare: axes.into(), ..scales(9, 0) }),
    ] {
        check(shape, q.clone()).unwrap_or_else(|error| panic!("{shape:?} {q:?}: {error:?}"));
    }
}

#[test]
fn quantisation_names_tensors_that_are_there() {
    let (mut module, _) = chain();
    let gone = add_tensor(&mut module, float("gone"));
    apply(&mut module, |patch| patch.erase_tensor(gone));
    let linked = |scales: TensorId, zero_points| {
        let details = QuantizationDetails::Blockwise {
            scales: TensorLink::Tensor(scales),
            zero_points,
            block_size: 2,
            block_shape: vec![],
        };
        Some(Arc::new(Quantization { rare: details.into(), ..Quantization::default() }))
    };
    // A patch refuses this; a builder does not know better.
    let mut builder = SubgraphBuilder::new(None);
    builder.tensor(Tensor { quantization: linked(gone, TensorLink::Raw(-1)), ..float("t") });
    let graph = builder.finish(vec![], vec![]);
    let what = "its scales or zero points are a tensor that is gone";
    let error = broken(&Module::new(vec![graph], ConstantPool::default()));
    assert_eq!(error, format!("subgraph 0, tensor 0 (`t`): {what}"));
    // Numbers that never named anything are as they were in the file.
    let mut builder = SubgraphBuilder::new(None);
    let scales = builder.tensor(float("scales"));
    let quantization = linked(scales, TensorLink::Raw(1000));
    let t = builder.tensor(Tensor { quantization: quantization.clone(), ..float("t") });
    let graph = builder.finish(vec![], vec![]);
    let mut module = Module::new(vec![graph], ConstantPool::default());
    module.verify().unwrap();
    apply(&mut module, |patch| patch.set_quantization(t, quantization));
}

#[test]
fn errors_stay_few_and_short_however_damaged_the_model() {
    let mut builder = SubgraphBuilder::new(None);
    let late = builder.tensor(float(&"ä".repeat(1 << 20)));
    for _ in 0..1000 {
        builder.op(Op::new(OpKind::Custom("ö".repeat(1 << 16).into())), &[Some(late); 4], &[]);
    }
    builder.op(relu(), &[], &[late]);
    let module = Module::new(vec![builder.finish(vec![], vec![])], ConstantPool::default());
    let errors = module.verify().unwrap_err();
    assert_eq!(errors.len(), 100);
    assert!(errors.iter().all(|error| error.to_string().len() < 1000));
}

#[test]
fn a_module_of_200_000_of_everything_is_well_formed() {
    const COUNT: usize = 200_000;
    let mut builder = SubgraphBuilder::new(None);
    let tensors: Vec<TensorId> = (0..COUNT).map(|_| builder.tensor(float("t"))).collect();
    let all: Vec<Option<TensorId>> = tensors.iter().copied().map(Some).collect();
    // One op of all operands, and as many small ones, each with the same scratch tensor.
    builder.op(op(ops::CONCATENATION), &all, &[]);
    for tensor in &all {
        let small = builder.op(relu(), &[*tensor, all[0]], &[]);
        builder.intermediates(small, &[all[0]]);
    }
    let module = Module::new(vec![builder.finish(tensors, vec![])], ConstantPool::default());
    module.verify().unwrap();
}

#[test]
fn attributes_keep_values_that_the_schema_does_not_name() {
    let mut attrs = Attributes::new(catalog::options_by_name("Conv2DOptions").unwrap());
    attrs.set("padding", Attr::Int(77)).unwrap();
    assert_eq!((attrs.int("padding"), attrs.enum_name("padding")), (Some(77), None));
}
