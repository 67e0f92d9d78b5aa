//! Patches: each reason to refuse one, and what each operation does.

mod common;

use common::{
    Chain, MAIN, add_tensor, apply, bytes, chain, custom, custom_chain, float, main, op, operands,
    refuse, refuse_patch, relu, text,
};
use std::sync::Arc;
use tfq_ir::catalog::{ops, options_by_name};
use tfq_ir::{
    Attr, AttrError, Attributes, BufferId, ConstantPool, ElementType, InsertionPoint, Module, Op,
    OpKind, Patch, Quantization, QuantizationDetails, Reason, Signature, SubgraphBuilder,
    SubgraphId, Tensor, TensorChange, TensorId, TensorLink, TensorRef,
};

fn is_in_use(reason: &Reason, tensor: &str) -> bool {
    *reason == Reason::ErasedInUse(tensor.into())
}

fn signature(inputs: &[TensorId], outputs: &[TensorId]) -> Signature {
    let list = |ids: &[TensorId]| {
        ids.iter().map(|id| (text("name"), TensorLink::Tensor(*id))).collect::<Vec<_>>()
    };
    Signature {
        key: text("serving_default"),
        inputs: list(inputs),
        outputs: list(outputs),
        subgraph: 0,
        deprecated_tag: None,
    }
}

fn blockwise(scales: TensorLink) -> Arc<Quantization> {
    let zero_points = TensorLink::Raw(-1);
    let details = QuantizationDetails::Blockwise {
        scales,
        zero_points,
        block_size: 2,
        block_shape: Vec::new(),
    };
    Arc::new(Quantization { rare: details.into(), ..Quantization::default() })
}

// Refusals. `refuse` proves for each that nothing changed.

#[test]
fn a_subgraph_that_is_not_there() {
    let (mut module, _) = chain();
    let patch = Patch::new(SubgraphId(1), "test");
    assert_eq!(refuse_patch(&mut module, patch), Reason::Subgraph);
}

#[test]
fn handles_of_what_was_erased() {
    let (mut module, c) = chain();
    apply(&mut module, |patch| {
        patch.set_operand(c.add, 0, c.a);
        patch.erase_op(c.second);
        patch.erase_tensor(c.b);
    });
    type Build = Box<dyn Fn(&mut Patch)>;
    let stale_op: Vec<Build> = vec![
        Box::new(move |p| p.set_operand(c.second, 0, c.a)),
        Box::new(move |p| p.set_result(c.second, 0, c.a)),
        Box::new(move |p| p.set_attr(c.second, "axis", Attr::Int(0))),
        Box::new(move |p| p.set_note(c.second, "note", Attr::Int(0))),
        Box::new(move |p| p.set_version(c.second, 2)),
        Box::new(move |p| p.erase_op(c.second)),
        Box::new(move |p| _ = p.add_op(relu(), InsertionPoint::After(c.second), &[], &[])),
        Box::new(move |p| _ = p.add_op(relu(), InsertionPoint::Before(c.second), &[], &[])),
    ];
    for build in stale_op {
        assert_eq!(refuse(&mut module, build), Reason::StaleOp);
    }
    let stale_tensor: Vec<Build> = vec![
        Box::new(move |p| p.set_operand(c.add, 0, c.b)),
        Box::new(move |p| p.set_result(c.add, 0, c.b)),
        Box::new(move |p| p.replace_output(c.b, c.a)),
        Box::new(move |p| p.replace_output(c.y, c.b)),
        Box::new(move |p| p.set_name(c.b, None)),
        Box::new(move |p| p.set_type(c.b, ElementType::Int8)),
        Box::new(move |p| p.set_buffer(c.b, BufferId(0))),
        Box::new(move |p| p.set_quantization(c.b, None)),
        Box::new(move |p| p.set_quantization(c.a, Some(blockwise(TensorLink::Tensor(c.b))))),
        Box::new(move |p| p.set_expressed(c.b, None)),
        Box::new(move |p| p.erase_tensor(c.b)),
        Box::new(move |p| _ = p.add_op(relu(), InsertionPoint::End, &[Some(c.b.into())], &[])),
    ];
    for build in stale_tensor {
        assert_eq!(refuse(&mut module, build), Reason::StaleTensor);
    }
}

#[test]
fn references_to_what_the_patch_does_not_add() {
    let (mut module, c) = chain();
    let mut other = Patch::new(MAIN, "other");
    let of_another_patch = other.add_tensor(float("new"));
    let reason = refuse(&mut module, |patch| patch.set_operand(c.add, 0, of_another_patch));
    assert_eq!(reason, Reason::Dangling);
    let reason = refuse(&mut module, |patch| patch.replace_output(c.y, TensorRef::New(0)));
    assert_eq!(reason, Reason::Dangling);
}

#[test]
fn two_producers_of_a_tensor() {
    let (mut module, c) = chain();
    let x = [Some(c.x.into())];
    let taken = refuse(&mut module, |patch| {
        patch.add_op(relu(), InsertionPoint::End, &x, &[c.y.into()]);
    });
    assert_eq!(taken, Reason::TwoProducers("y".into()));
    let both_new = refuse(&mut module, |patch| {
        let new = patch.add_tensor(float("new"));
        patch.add_op(relu(), InsertionPoint::End, &x, &[new]);
        patch.add_op(relu(), InsertionPoint::End, &x, &[new]);
    });
    assert_eq!(both_new, Reason::TwoProducers("new".into()));
    let one_op_twice = refuse(&mut module, |patch| {
        let new = patch.add_tensor(float("new"));
        patch.add_op(op(ops::SPLIT), InsertionPoint::End, &x, &[new, new]);
    });
    assert_eq!(one_op_twice, Reason::TwoProducers("new".into()));
}

#[test]
fn a_gap_in_the_results() {
    let (mut module, c) = custom_chain();
    let gap = refuse(&mut module, |patch| {
        let new = patch.add_tensor(float("new"));
        patch.set_result(c.add, 2, new);
    });
    assert_eq!(gap, Reason::MissingResult(r#"CUSTOM "Any""#.into()));
    let far = refuse(&mut module, |patch| {
        let new = patch.add_tensor(float("new"));
        patch.set_result(c.add, u32::MAX, new);
    });
    assert_eq!(far, Reason::MissingResult(r#"CUSTOM "Any""#.into()));
    // Whatever the order in which they are named, results without a gap are welcome.
    let applied = apply(&mut module, |patch| {
        let new = ["p", "q"].map(|name| patch.add_tensor(float(name)));
        patch.set_result(c.add, 2, new[1]);
        patch.set_result(c.add, 1, new[0]);
    });
    let results = [c.y, applied.tensors[0], applied.tensors[1]];
    assert_eq!(main(&module).results(c.add).to_vec(), results);
}

#[test]
fn an_operand_slot_that_would_use_up_memory() {
    let (mut module, c) = custom_chain();
    for slot in [u32::MAX, 1 << 16] {
        let reason = refuse(&mut module, |patch| patch.set_operand(c.add, slot, c.a));
        assert_eq!(reason, Reason::Slot { op: r#"CUSTOM "Any""#.into(), slot });
    }
    apply(&mut module, |patch| patch.set_operand(c.add, 300, c.a));
    assert_eq!(main(&module).operands(c.add).len(), 301);
}

#[test]
fn an_operand_that_is_there_is_set_however_many_there_are() {
    const MANY: usize = 70_000;
    let mut builder = SubgraphBuilder::default();
    let [x, y, z] = ["x", "y", "z"].map(|name| builder.tensor(float(name)));
    let op = builder.op(custom(), &vec![Some(x); MANY], &[z]);
    let graph = builder.finish(vec![x, y], vec![z]);
    let mut module = Module::new(vec![graph], ConstantPool::default());
    let last = MANY as u32 - 1;
    apply(&mut module, |patch| patch.set_operand(op, last, y));
    assert_eq!(main(&module).operand(op, last), Some(y));
    let reason = refuse(&mut module, |patch| patch.set_operand(op, MANY as u32, y));
    assert!(matches!(reason, Reason::Slot { .. }), "{reason}");
}

#[test]
fn an_operand_before_it_is_computed() {
    let (mut module, c) = chain();
    let reason = refuse(&mut module, |patch| patch.set_operand(c.first, 0, c.y));
    assert_eq!(reason, Reason::Order { op: "RELU".into(), tensor: "y".into() });
}

#[test]
fn what_nothing_gives_a_value() {
    let (mut module, c) = custom_chain();
    let loose = add_tensor(&mut module, float("loose"));
    let no_value = |name: &str| Reason::NoValue(name.into());
    assert_eq!(refuse(&mut module, |p| p.set_operand(c.add, 1, loose)), no_value("loose"));
    assert_eq!(refuse(&mut module, |p| p.replace_output(c.y, loose)), no_value("loose"));
    assert_eq!(refuse(&mut module, |p| p.set_outputs([loose.into()])), no_value("loose"));
    let new_op = refuse(&mut module, |p| {
        let [new, made] = ["new", "made"].map(|name| p.add_tensor(float(name)));
        p.add_op(custom(), InsertionPoint::End, &[Some(new)], &[made]);
    });
    assert_eq!(new_op, no_value("new"));
    // What an erased op would read does not matter.
    apply(&mut module, |p| {
        p.set_operand(c.add, 1, loose);
        p.replace_output(c.y, c.b);
        p.erase_op(c.add);
        p.erase_tensor(c.y);
    });

    // A constant, a variable, an input, a result, a constant in another file, nothing to be read.
    let (mut module, c) = custom_chain();
    let read = |p: &mut Patch, tensor| p.set_operand(c.add, 1, tensor);
    let constant = apply(&mut module, |p| {
        let constant = p.new_constant(float("constant"), bytes(8));
        read(p, constant);
    });
    let variable = apply(&mut module, |p| {
        let variable = p.add_tensor(Tensor { is_variable: true, ..float("variable") });
        read(p, variable);
    });
    apply(&mut module, |p| {
        let input = p.add_tensor(float("input"));
        p.set_inputs([c.x.into(), input]);
        read(p, input);
    });
    apply(&mut module, |p| {
        let made = p.add_tensor(float("made"));
        p.add_op(custom(), InsertionPoint::Before(c.add), &[], &[made]);
        read(p, made);
    });
    apply(&mut module, |p| {
        let mut outside = float("outside");
        outside.external_buffer = 1;
        let outside = p.add_tensor(outside);
        read(p, outside);
    });
    apply(&mut module, |p| {
        let none = p.add_tensor(Tensor::new("none", ElementType::Float32, [0]));
        read(p, none);
    });

    // What is in use keeps its value.
    for (tensor, change) in [
        (constant.tensors[0], TensorChange::Buffer(BufferId::NONE.into())),
        (variable.tensors[0], TensorChange::Variable(false)),
    ] {
        let name = main(&module).tensor(tensor).label().to_owned();
        apply(&mut module, |p| read(p, tensor.into()));
        let reason = refuse(&mut module, |p| p.change_tensor(tensor, change.clone()));
        assert_eq!(reason, no_value(&name));
        apply(&mut module, |p| read(p, c.a.into()));
        apply(&mut module, |p| p.change_tensor(tensor, change));
    }
}

/// The runtime may take such a model, which goes on as it came.
#[test]
fn what_came_without_a_value_goes_on_so() {
    let mut builder = SubgraphBuilder::new(None);
    let [x, lost, unread, y] = ["x", "lost", "unread", "y"].map(|n| builder.tensor(float(n)));
    let op = builder.op(custom(), &[Some(lost)], &[y]);
    let graph = builder.finish(vec![x], vec![y, lost]);
    let mut module = Module::new(vec![graph], ConstantPool::new(vec![None]));
    let graph = main(&module).clone();
    let made = apply(&mut module, |p| {
        _ = p.replace_op(&graph, op, custom(), &[Some(lost.into()), Some(x.into())]);
    });
    apply(&mut module, |p| p.set_outputs([lost.into()]));
    apply(&mut module, |p| p.change_tensor(lost, TensorChange::ShapeSignature([-1].into())));
    let reason = refuse(&mut module, |p| p.set_operand(made.ops[0], 1, unread));
    assert_eq!(reason, Reason::NoValue("unread".into()));
}

#[test]
fn erasing_a_tensor_that_something_needs() {
    let (mut module, c) = chain();
    for (tensor, name) in [(c.x, "x"), (c.a, "a"), (c.y, "y")] {
        let reason = refuse(&mut module, |patch| patch.erase_tensor(tensor));
        assert!(is_in_use(&reason, name), "{reason}");
    }
    let its_producer_stays = refuse(&mut module, |patch| {
        patch.set_operand(c.add, 0, c.a);
        patch.erase_tensor(c.b);
    });
    assert!(is_in_use(&its_producer_stays, "b"));
    let the_patch_reads_it = refuse(&mut module, |patch| {
        patch.replace_output(c.y, c.x);
        patch.erase_op(c.add);
        patch.erase_tensor(c.y);
        patch.add_op(relu(), InsertionPoint::End, &[Some(c.y.into())], &[]);
    });
    assert!(is_in_use(&the_patch_reads_it, "y"));
    let the_patch_writes_it = refuse(&mut module, |patch| {
        patch.replace_output(c.y, c.x);
        patch.erase_op(c.add);
        patch.erase_tensor(c.y);
        patch.add_op(relu(), InsertionPoint::End, &[Some(c.x.into())], &[c.y.into()]);
    });
    assert!(is_in_use(&the_patch_writes_it, "y"));
    let the_patch_returns_it = refuse(&mut module, |patch| {
        patch.set_operand(c.add, 0, c.a);
        patch.replace_output(c.y, c.b);
        patch.erase_op(c.second);
        patch.erase_tensor(c.b);
    });
    assert!(is_in_use(&the_patch_returns_it, "b"));
}

#[test]
fn erasing_the_scratch_tensor_of_an_op() {
    let mut builder = SubgraphBuilder::new(None);
    let [x, y, scratch] = ["x", "y", "scratch"].map(|name| builder.tensor(float(name)));
    let lstm = builder.op(op(ops::UNIDIRECTIONAL_SEQUENCE_LSTM), &[Some(x)], &[y]);
    builder.intermediates(lstm, &[None, Some(scratch)]);
    let graph = builder.finish(vec![x], vec![y]);
    let mut module = Module::new(vec![graph], ConstantPool::default());

    let reason = refuse(&mut module, |patch| patch.erase_tensor(scratch));
    assert!(is_in_use(&reason, "scratch"));
    apply(&mut module, |patch| {
        patch.replace_output(y, x);
        patch.erase_op(lstm);
        patch.erase_tensor(scratch);
    });
}

#[test]
fn erasing_a_tensor_that_quantisation_names() {
    let (mut module, c) = chain();
    let scales = add_tensor(&mut module, float("scales"));
    let in_one_patch = refuse(&mut module, |patch| {
        patch.set_quantization(c.a, Some(blockwise(TensorLink::Tensor(scales))));
        patch.erase_tensor(scales);
    });
    assert!(is_in_use(&in_one_patch, "scales"));
    apply(&mut module, |patch| {
        patch.set_quantization(c.a, Some(blockwise(TensorLink::Tensor(scales))));
    });
    let reason = refuse(&mut module, |patch| patch.erase_tensor(scales));
    assert!(is_in_use(&reason, "scales"));
    apply(&mut module, |patch| {
        patch.set_quantization(c.a, None);
        patch.erase_tensor(scales);
    });
}

#[test]
fn references_follow_every_patch() {
    let (mut module, c) = chain();
    let scales = add_tensor(&mut module, float("scales"));
    let agree = |module: &Module| {
        let all = module.all_references(MAIN);
        for id in main(module).tensors() {
            assert_eq!(all.get(&id).copied().unwrap_or_default(), module.references(MAIN, id));
        }
        module.references(MAIN, scales)
    };
    assert!(!agree(&module).any());
    let named = Some(blockwise(TensorLink::Tensor(scales)));
    apply(&mut module, |patch| {
        patch.set_quantization(c.a, named.clone());
        patch.set_quantization(c.b, named.clone());
    });
    assert!(agree(&module).quantization);
    apply(&mut module, |patch| patch.set_quantization(c.a, None));
    assert!(agree(&module).quantization);
    apply(&mut module, |patch| {
        patch.set_operand(c.add, 0, c.a);
        patch.erase_op(c.second);
        patch.erase_tensor(c.b);
    });
    assert!(!agree(&module).any());
    module = module.rebuilt(|parts| parts.signatures = vec![signature(&[c.x], &[c.y, scales])]);
    let found = agree(&module);
    assert!(found.signature_output && !found.output && !found.input);
    module = module.rebuilt(|parts| parts.signatures = vec![signature(&[scales], &[])]);
    assert!(agree(&module).input);
}

#[test]
fn references_by_signatures_follow_subgraphs_that_get_other_numbers() {
    let (module, _) = chain();
    let graph = |number| {
        let mut builder = SubgraphBuilder::numbered(SubgraphId(number), None);
        let [x, y] = ["x", "y"].map(|name| builder.tensor(float(name)));
        builder.op(relu(), &[Some(x)], &[y]);
        (builder.finish(vec![x], vec![y]), x, y)
    };
    let ((unreached, ..), (named, x, y)) = (graph(1), graph(2));
    let mut module = module.rebuilt(|parts| {
        parts.subgraphs.extend([unreached, named]);
        parts.signatures = vec![Signature { subgraph: 2, ..signature(&[x], &[y]) }];
    });
    let named = |module: &Module| -> Vec<u32> {
        let all = |sg| module.all_references(SubgraphId(sg));
        let subgraphs = 0..module.subgraphs().len() as u32;
        subgraphs.filter(|sg| all(*sg).values().any(|found| found.signature_output)).collect()
    };
    assert_eq!(named(&module), [2]);
    assert_eq!(module.prune_subgraphs(), 1);
    assert_eq!(named(&module), [1]);
}

#[test]
fn erasing_a_tensor_that_a_signature_names() {
    let (mut module, c) = chain();
    // Signatures may name tensors that are no inputs and outputs of the subgraph.
    module = module.rebuilt(|parts| parts.signatures.push(signature(&[c.x], &[c.b])));
    let erase = |patch: &mut Patch| {
        patch.set_operand(c.add, 0, c.a);
        patch.erase_op(c.second);
        patch.erase_tensor(c.b);
    };
    assert!(is_in_use(&refuse(&mut module, erase), "b"));
    apply(&mut module, |patch| {
        erase(patch);
        patch.replace_output(c.b, c.a);
    });
    assert_eq!(module.signatures()[0], signature(&[c.x], &[c.a]));
}

#[test]
fn taking_away_the_producer_of_what_is_read() {
    let (mut module, c) = chain();
    let gone = Reason::ErasedProducer("RELU".into(), "b".into());
    assert_eq!(refuse(&mut module, |patch| patch.erase_op(c.second)), gone);
    let writes_elsewhere = refuse(&mut module, |patch| {
        let new = patch.add_tensor(float("new"));
        patch.set_result(c.second, 0, new);
    });
    assert_eq!(writes_elsewhere, gone);
}

#[test]
fn an_output_of_another_shape_or_type() {
    let (mut module, c) = chain();
    let (old, new) = ("y".to_owned(), "new".to_owned());
    let mismatch = Reason::Mismatch { old, new };
    let int = Tensor::new("new", ElementType::Int8, [2]);
    let long = Tensor::new("new", ElementType::Float32, [3]);
    for tensor in [int.clone(), long] {
        let reason = refuse(&mut module, |patch| {
            let new = patch.add_tensor(tensor);
            patch.replace_output(c.y, new);
        });
        assert_eq!(reason, mismatch);
    }
    // What counts is the type after the patch.
    let reason = refuse(&mut module, |patch| {
        patch.set_type(c.a, ElementType::Int8);
        patch.replace_output(c.y, c.a);
    });
    assert_eq!(reason, Reason::Mismatch { old: "y".into(), new: "a".into() });
    let int = add_tensor(&mut module, int);
    apply(&mut module, |patch| {
        patch.set_type(int, ElementType::Float32);
        patch.change_tensor(int, TensorChange::Variable(true));
        patch.replace_output(c.y, int);
    });
}

#[test]
fn an_output_whose_storage_was_quantised_is_replaced_by_the_type_it_had() {
    let (mut module, c) = chain();
    apply(&mut module, |patch| {
        patch.set_type(c.y, ElementType::Int8);
        patch.set_expressed(c.y, Some(ElementType::Float32));
    });
    apply(&mut module, |patch| {
        let new = patch.add_tensor(float("new"));
        patch.add_op(op(ops::DEQUANTIZE), InsertionPoint::End, &[Some(c.y.into())], &[new]);
        patch.replace_output(c.y, new);
    });
}

#[test]
fn scales_that_the_loader_would_refuse() {
    let (mut module, c) = chain();
    let three = || Some(Arc::new(Quantization::symmetric(vec![1.0; 3], 0)));
    let expected = Reason::Quantization {
        tensor: "a".into(),
        scales: 3,
        zero_points: 3,
        shape: vec![2],
        dimension: 0,
    };
    assert_eq!(refuse(&mut module, |patch| patch.set_quantization(c.a, three())), expected);
    let added = refuse(&mut module, |patch| {
        patch.add_tensor(Tensor { quantization: three(), ..float("a") });
    });
    assert_eq!(added, expected);
}

#[test]
fn attributes_that_the_table_cannot_hold() {
    let (mut module, c) = chain();
    let unknown = refuse(&mut module, |patch| patch.set_attr(c.add, "axis", Attr::Int(0)));
    let name = "axis".to_owned();
    assert_eq!(unknown, Reason::Attr(AttrError::Unknown { options: "AddOptions", name }));
    let name = "fused_activation_function";
    for value in [Attr::Int(128), Attr::Bool(true), Attr::Ints(Arc::new([0]))] {
        let wrong = refuse(&mut module, |patch| patch.set_attr(c.add, name, value));
        assert_eq!(wrong, Reason::Attr(AttrError::Type { options: "AddOptions", name }));
    }
    let none = refuse(&mut module, |patch| patch.set_attr(c.first, name, Attr::Int(0)));
    assert_eq!(none, Reason::NoOptions("RELU".into()));
}

#[test]
fn one_fault_spoils_the_whole_patch() {
    let (mut module, c) = chain();
    refuse(&mut module, |patch| {
        patch.set_name(c.a, text("renamed"));
        patch.set_version(c.add, 5);
        let new = patch.add_tensor(float("new"));
        patch.add_op(relu(), InsertionPoint::After(c.first), &[Some(c.a.into())], &[new]);
        patch.replace_output(c.y, new);
        patch.erase_tensor(c.x);
    });
    assert!(module.journal().is_empty());
}

// What is not refused, though it looks like it.

#[test]
fn what_an_erased_op_reads_is_not_looked_at() {
    let (mut module, c) = chain();
    let mut patch = Patch::new(MAIN, "test");
    // The new op stands behind `second`, which would read it, were it not erased.
    let new = patch.add_tensor(float("new"));
    patch.add_op(relu(), InsertionPoint::After(c.second), &[Some(c.x.into())], &[new]);
    patch.replace_uses(main(&module), c.a, new);
    patch.set_operand(c.add, 0, new);
    patch.erase_op(c.second);
    patch.erase_op(c.first);
    patch.erase_tensor(c.a);
    patch.erase_tensor(c.b);
    module.apply(patch).unwrap();
    module.verify().unwrap();
}

#[test]
fn a_result_moves_behind_a_reader_that_the_patch_rewires() {
    let (mut module, c) = chain();
    let applied = apply(&mut module, |patch| {
        let inner = patch.add_tensor(float("inner"));
        patch.set_result(c.second, 0, inner);
        patch.set_operand(c.add, 0, inner);
        patch.add_op(relu(), InsertionPoint::End, &[Some(inner)], &[c.b.into()]);
    });
    assert_eq!(main(&module).operands(c.add), operands(&[applied.tensors[0], c.a]));
}

#[test]
fn an_input_may_be_read_before_an_op_writes_to_it() {
    let mut builder = SubgraphBuilder::new(None);
    let [x, state, y] = ["x", "state", "y"].map(|name| builder.tensor(float(name)));
    let reader = builder.op(op(ops::ADD), &[Some(x), Some(x)], &[y]);
    builder.op(relu(), &[Some(y)], &[state]);
    let graph = builder.finish(vec![x, state], vec![y]);
    let mut module = Module::new(vec![graph], ConstantPool::default());
    apply(&mut module, |patch| patch.set_operand(reader, 1, state));
}

// What each operation does.

#[test]
fn added_tensors_stand_behind_all_others() {
    let (mut module, c) = chain();
    let applied = apply(&mut module, |patch| {
        patch.add_tensor(float("p"));
        patch.add_tensor(float("q"));
    });
    let tensors: Vec<TensorId> = main(&module).tensors().collect();
    assert_eq!(tensors[..4], [c.x, c.a, c.b, c.y]);
    assert_eq!(tensors[4..], applied.tensors[..]);
    assert_eq!((applied.tensors_added(), applied.ops_added()), (2, 0));
    assert!(!main(&module).is_connected(tensors[5]));
}

#[test]
fn an_added_op_keeps_operands_that_are_left_out() {
    let (mut module, c) = chain();
    let applied = apply(&mut module, |patch| {
        let new = patch.add_tensor(float("new"));
        let inputs = [Some(c.x.into()), Some(c.a.into()), None];
        patch.add_op(custom(), InsertionPoint::End, &inputs, &[new]);
    });
    let added = main(&module).operands(applied.ops[0]);
    assert_eq!(added.to_vec(), [Some(c.x), Some(c.a), None]);
}

#[test]
fn operands_grow_to_the_slot_that_is_set() {
    let (mut module, c) = custom_chain();
    apply(&mut module, |patch| patch.set_operand(c.first, 2, c.x));
    assert_eq!(main(&module).operands(c.first).to_vec(), [Some(c.x), None, Some(c.x)]);
}

#[test]
fn outputs_and_signatures_follow_a_replaced_output() {
    let graph = |number| {
        let mut builder = SubgraphBuilder::numbered(SubgraphId(number), None);
        let [x, y] = ["x", "y"].map(|name| builder.tensor(float(name)));
        builder.op(relu(), &[Some(x)], &[y]);
        // Twice the same output, and one that is an input too.
        (builder.finish(vec![x], vec![y, x, y]), x, y)
    };
    let ((main_graph, x, y), (other, other_x, other_y)) = (graph(0), graph(1));
    let module = Module::new(vec![main_graph, other], ConstantPool::default());
    let elsewhere = Signature { subgraph: 1, ..signature(&[other_x], &[other_y]) };
    let mut module = module.rebuilt(|parts| {
        let mut first = signature(&[x, y], &[y, x]);
        first.outputs.push((None, TensorLink::Raw(77)));
        parts.signatures = vec![first, elsewhere.clone()];
    });

    let new = apply(&mut module, |patch| {
        let new = patch.add_tensor(float("new"));
        patch.add_op(relu(), InsertionPoint::End, &[Some(y.into())], &[new]);
        patch.replace_output(y, new);
    })
    .tensors[0];
    assert_eq!(main(&module).outputs(), [new, x, new]);
    assert!(main(&module).is_output(new) && !main(&module).is_output(y));
    let mut expected = signature(&[x, y], &[new, x]);
    expected.outputs.push((None, TensorLink::Raw(77)));
    assert_eq!(module.signatures(), [expected, elsewhere]);
    assert_eq!(module.subgraph(SubgraphId(1)).outputs(), [other_y, other_x, other_y]);
}

#[test]
fn of_two_replacements_of_an_output_the_last_one_counts() {
    let (mut module, c) = chain();
    apply(&mut module, |patch| {
        patch.replace_output(c.y, c.a);
        patch.replace_output(c.y, c.b);
    });
    assert_eq!(main(&module).outputs(), [c.b]);
}

#[test]
fn outputs_that_trade_places() {
    let mut builder = SubgraphBuilder::new(None);
    let [x, y] = ["x", "y"].map(|name| builder.tensor(float(name)));
    builder.op(relu(), &[Some(x)], &[y]);
    let mut module =
        Module::new(vec![builder.finish(vec![x], vec![x, y])], ConstantPool::default());
    apply(&mut module, |patch| {
        patch.replace_output(x, y);
        patch.replace_output(y, x);
    });
    assert_eq!(main(&module).outputs(), [y, x]);
}

#[test]
fn replaced_uses_take_outputs_along_but_not_what_the_patch_adds() {
    let (mut module, c) = chain();
    let mut patch = Patch::new(MAIN, "test");
    let new = patch.add_tensor(float("new"));
    let added = patch.add_op(relu(), InsertionPoint::After(c.first), &[Some(c.a.into())], &[new]);
    patch.replace_uses(main(&module), c.a, new);
    assert_eq!(added, tfq_ir::OpRef::New(0));
    let applied = module.apply(patch).unwrap().clone();
    let (new, added) = (applied.tensors[0], applied.ops[0]);
    let graph = main(&module);
    assert_eq!(graph.operands(added), operands(&[c.a]));
    assert_eq!(graph.operands(c.second), operands(&[new]));
    assert_eq!(graph.operands(c.add), operands(&[c.b, new]));
    assert_eq!(graph.producer(c.a), Some((c.first, 0)));
}

#[test]
fn a_result_moves_from_one_op_to_another() {
    let (mut module, c) = chain();
    let applied = apply(&mut module, |patch| {
        let inner = patch.add_tensor(float("inner"));
        patch.set_result(c.second, 0, inner);
        patch.add_op(relu(), InsertionPoint::After(c.second), &[Some(inner)], &[c.b.into()]);
    });
    let (inner, added) = (applied.tensors[0], applied.ops[0]);
    let graph = main(&module);
    assert_eq!(graph.results(c.second).to_vec(), [inner]);
    assert_eq!(graph.producer(c.b), Some((added, 0)));
    assert_eq!(graph.operands(c.add), operands(&[c.b, c.a]));
    assert_eq!(applied.ops[..], [added, c.second]);
}

#[test]
fn an_op_takes_the_place_of_another() {
    let (mut module, c) = chain();
    let applied = apply(&mut module, |patch| {
        patch.add_op(relu(), InsertionPoint::Before(c.add), &[Some(c.b.into())], &[c.y.into()]);
        patch.erase_op(c.add);
    });
    let graph = main(&module);
    assert_eq!(graph.ops().collect::<Vec<_>>(), [c.first, c.second, applied.ops[0]]);
    assert_eq!(graph.producer(c.y), Some((applied.ops[0], 0)));
    assert!(!graph.contains_op(c.add));
    assert_eq!((applied.ops_added(), applied.erased().len()), (1, 1));
}

#[test]
fn two_ops_trade_their_results() {
    let mut builder = SubgraphBuilder::new(None);
    let [x, p, q] = ["x", "p", "q"].map(|name| builder.tensor(float(name)));
    let makers = [p, q].map(|out| builder.op(relu(), &[Some(x)], &[out]));
    let graph = builder.finish(vec![x], vec![p, q]);
    let mut module = Module::new(vec![graph], ConstantPool::default());
    apply(&mut module, |patch| {
        patch.set_result(makers[0], 0, q);
        patch.set_result(makers[1], 0, p);
    });
    assert_eq!(main(&module).producer(p), Some((makers[1], 0)));
    assert_eq!(main(&module).producer(q), Some((makers[0], 0)));
}

#[test]
fn erased_ops_and_tensors_are_gone_from_every_list() {
    let (mut module, c) = chain();
    let edges = main(&module).edge_count();
    let applied = apply(&mut module, |patch| {
        patch.set_operand(c.add, 0, c.a);
        patch.erase_op(c.second);
        patch.erase_tensor(c.b);
    });
    let graph = main(&module);
    assert_eq!(graph.ops().collect::<Vec<_>>(), [c.first, c.add]);
    assert_eq!(graph.tensors().collect::<Vec<_>>(), [c.x, c.a, c.y]);
    assert_eq!((graph.op_count(), graph.tensor_count()), (2, 3));
    assert_eq!(graph.edge_count(), edges - 2);
    assert_eq!((applied.erased().len(), applied.tensors_erased()), (1, 1));
    // What is gone is not listed as touched.
    assert_eq!((&applied.ops[..], &applied.tensors[..]), (&[c.add][..], &[][..]));
}

#[test]
fn the_list_of_tensors_keeps_its_order_when_most_are_erased() {
    let (mut module, c) = chain();
    let added = apply(&mut module, |patch| {
        for n in 0..200 {
            patch.add_tensor(float(&format!("t{n}")));
        }
    });
    let (kept, gone): (Vec<_>, Vec<_>) =
        added.tensors.iter().enumerate().partition(|(n, _)| n % 20 == 0);
    for (_, tensor) in gone {
        apply(&mut module, |patch| patch.erase_tensor(*tensor));
    }
    let expected = [c.x, c.a, c.b, c.y].into_iter().chain(kept.into_iter().map(|(_, id)| *id));
    assert!(main(&module).tensors().eq(expected));
}

#[test]
fn edits_of_a_tensor() {
    let (mut module, c) = chain();
    let buffer = module.add_constant(bytes(2));
    let weight = add_tensor(&mut module, float("w"));
    let q = Arc::new(Quantization::symmetric(vec![0.5], 0));
    let applied = apply(&mut module, |patch| {
        patch.set_operand(c.add, 1, weight);
        patch.set_name(weight, text("first"));
        patch.set_name(weight, text("last"));
        patch.set_type(weight, ElementType::Int8);
        patch.set_buffer(weight, buffer);
        patch.set_quantization(weight, Some(q.clone()));
        patch.set_expressed(weight, Some(ElementType::Float32));
    });
    let tensor = main(&module).tensor(weight);
    assert_eq!(tensor.label(), "last");
    assert_eq!((tensor.ty, tensor.buffer), (ElementType::Int8, buffer));
    assert_eq!((tensor.quantization.as_ref(), tensor.scales()), (Some(&q), 1));
    assert_eq!(tensor.expressed, Some(ElementType::Float32));
    assert_eq!(module.constant(MAIN, weight), Some(&bytes(2)));
    assert_eq!((&applied.ops[..], &applied.tensors[..]), (&[c.add][..], &[weight][..]));
}

#[test]
fn attributes_are_set_and_go_back_to_their_defaults() {
    let (mut module, c) = chain();
    let name = "fused_activation_function";
    let set = |op: &Op| {
        let attrs = op.attrs.as_ref().unwrap();
        attrs.set_values().map(|(info, value)| (info.name, value.clone())).collect::<Vec<_>>()
    };
    let applied = apply(&mut module, |patch| {
        // The schema's order counts, not the order of setting.
        patch.set_attr(c.add, "pot_scale_int16", Attr::Bool(false));
        patch.set_attr(c.add, name, Attr::Int(3));
    });
    assert_eq!(applied.ops[..], [c.add]);
    let add = main(&module).op(c.add);
    assert_eq!(set(add), [(name, Attr::Int(3)), ("pot_scale_int16", Attr::Bool(false))]);
    assert_eq!(add.attrs.as_ref().unwrap().enum_name(name), Some("RELU6"));
    assert_eq!(add.bool("pot_scale_int16"), Some(false));

    apply(&mut module, |patch| {
        patch.set_attr(c.add, name, Attr::Int(0));
        patch.set_attr(c.add, "pot_scale_int16", Attr::Bool(true));
    });
    let add = main(&module).op(c.add);
    assert_eq!(set(add), []);
    assert_eq!((add.int(name), add.bool("pot_scale_int16")), (Some(0), Some(true)));
    assert_eq!(add.attrs, op(ops::ADD).attrs);
}

#[test]
fn floats_are_told_apart_by_their_bits() {
    let mut attrs = Attributes::new(options_by_name("SoftmaxOptions").unwrap());
    for value in [-0.0, f32::NAN, 1.0] {
        attrs.set("beta", Attr::Float(value)).unwrap();
        assert_eq!(attrs.get("beta"), Some(Attr::Float(value)));
        assert_eq!(attrs.set_values().count(), 1);
    }
    attrs.set("beta", Attr::Float(0.0)).unwrap();
    assert_eq!(attrs.set_values().count(), 0);
}

#[test]
fn notes_and_versions_do_not_count_as_touching_an_op() {
    let (mut module, c) = chain();
    let applied = apply(&mut module, |patch| {
        patch.set_note(c.add, "hybrid", Attr::Bool(true));
        patch.set_note(c.add, "hybrid", Attr::Bool(false));
        patch.set_version(c.add, 4);
    });
    let add = main(&module).op(c.add);
    assert_eq!(add.notes["hybrid"], Attr::Bool(false));
    assert_eq!((add.notes.len(), add.version), (1, 4));
    assert!(applied.ops.is_empty() && applied.tensors.is_empty());
}

#[test]
fn an_op_that_is_changed_and_erased_is_just_erased() {
    let (mut module, c) = chain();
    let applied = apply(&mut module, |patch| {
        patch.replace_output(c.y, c.b);
        patch.set_attr(c.add, "pot_scale_int16", Attr::Bool(false));
        patch.set_note(c.add, "note", Attr::Int(1));
        patch.set_operand(c.add, 0, c.x);
        patch.set_name(c.y, None);
        patch.erase_op(c.add);
        patch.erase_tensor(c.y);
    });
    assert!(applied.ops.is_empty() && applied.tensors.is_empty());
}

#[test]
fn the_journal_holds_every_patch_in_order_and_no_refused_one() {
    let (mut module, Chain { add, a, x, .. }) = chain();
    for (label, operand) in [("first", a), ("second", x)] {
        let mut patch = Patch::new(MAIN, label);
        patch.set_operand(add, 0, operand);
        module.apply(patch).unwrap();
        refuse(&mut module, |patch| patch.erase_tensor(x));
    }
    let journal: Vec<_> =
        module.journal().iter().map(|a| (a.subgraph, a.label(), a.ops.to_vec())).collect();
    let (first, second) = ((Some(MAIN), "first", vec![add]), (Some(MAIN), "second", vec![add]));
    assert_eq!(journal, [first, second]);
}

#[test]
fn an_empty_patch_says_so() {
    let (_, c) = chain();
    let mut patch = Patch::new(MAIN, "test");
    assert!(patch.is_empty());
    patch.set_note(c.add, "note", Attr::Int(1));
    assert!(!patch.is_empty());
}

#[test]
fn a_custom_op_is_told_from_a_builtin_of_its_name() {
    let custom = OpKind::Custom("ADD".into());
    assert_eq!(custom.name(), "ADD");
    assert!(!custom.is(ops::ADD) && OpKind::Builtin(ops::ADD).is(ops::ADD));
    assert_eq!(
        (custom.to_string(), OpKind::Builtin(-5).to_string()),
        ("CUSTOM \"ADD\"".to_owned(), "UNKNOWN".to_owned())
    );
}
