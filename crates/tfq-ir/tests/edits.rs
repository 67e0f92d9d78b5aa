//! What an edit can say, and that what is applied is what is logged.

mod common;

use bytes::Bytes;
use common::random_edits::{KINDS, Step, blockwise, edit, record_of, rich, signature};
use common::{
    Chain, MAIN, apply, bytes, chain, custom, custom_chain, float, main, op, refuse, relu, text,
};
use proptest::prelude::*;
use std::sync::Arc;
use tfq_ir::catalog::ops;
use tfq_ir::{
    Attr, BufferId, BufferRef, ConstantPool, DEQUANT_CACHE_METADATA, Edit, ElementType,
    ExternalBuffer, InsertionPoint, Module, Op, OpChange, OpId, OpKind, Patch, Quantization,
    QuantizationDetails, Reason, Record, RecordEntry, Recorded, Signature, Sparsity,
    SubgraphBuilder, SubgraphId, Tensor, TensorChange, TensorId, TensorLink, TensorRare, TensorRef,
    Use, VariantSubType,
};

/// All that a module is, internals of the graph included, but for the numbers of its epochs, which
/// never come back.
fn state(module: &Module) -> String {
    let all = format!("{module:#?}");
    all.lines().filter(|line| !line.trim_start().starts_with("epoch:")).collect()
}

#[test]
fn a_patch_adds_constants_and_the_scales_that_quantisation_names_in_one_piece() {
    let (mut module, c) = custom_chain();
    let applied = apply(&mut module, |p| {
        let scales = p.new_constant(Tensor::new("scales", ElementType::Float16, [1]), bytes(2));
        let weight = Tensor::new("w", ElementType::Int8, [2]);
        let weight = Tensor { quantization: blockwise(scales.id()), ..weight };
        let weight = p.new_constant(weight, bytes(2));
        p.set_quantization(c.b, blockwise(scales.id()));
        p.set_operand(c.add, 1, weight);
    });
    let [scales, weight] = applied.added_tensors()[..] else { panic!("{applied:?}") };
    let graph = main(&module);
    assert_eq!(graph.operand(c.add, 1), Some(weight));
    for tensor in [weight, c.b] {
        assert_eq!(graph.tensor(tensor).links().collect::<Vec<_>>(), [scales]);
    }
    assert!(applied.constants().eq([BufferId(1), BufferId(2)]));
    assert_eq!(module.constant(MAIN, weight), Some(&bytes(2)));
    assert_eq!(graph.tensor(scales).buffer, BufferId(1));
    // They are counted, so that nobody erases them.
    assert_eq!(
        refuse(&mut module, |p| p.erase_tensor(scales)),
        Reason::ErasedInUse("scales".into())
    );
    // One constant can be that of several tensors.
    apply(&mut module, |p| {
        let buffer = p.add_constant(bytes(8));
        for name in ["one", "two"] {
            let tensor = p.add_tensor(float(name));
            p.set_buffer(tensor, buffer);
        }
    });
    let shared = main(&module).tensors().filter(|id| main(&module).tensor(*id).buffer.0 == 3);
    assert_eq!(shared.count(), 2);
}

#[test]
fn a_patch_that_names_constants_or_tensors_that_are_not_there_is_refused() {
    let (mut module, c) = chain();
    assert_eq!(refuse(&mut module, |p| p.set_buffer(c.a, BufferRef::New(0))), Reason::Dangling);
    assert_eq!(refuse(&mut module, |p| p.set_buffer(c.a, BufferId(9))), Reason::Buffer);
    let released = module.apply(Edit::Release(vec![BufferId(1), BufferId(9)])).unwrap_err();
    assert_eq!(released.reason, Reason::Buffer);
    let upcoming = TensorRef::New(0).id();
    assert_eq!(
        refuse(&mut module, |p| p.set_quantization(c.a, blockwise(upcoming))),
        Reason::Dangling
    );
    assert_eq!(refuse(&mut module, |p| p.set_name(TensorRef::New(0), None)), Reason::Dangling);
    assert_eq!(
        refuse(&mut module, |p| p.set_intermediate(c.add, 0, Some(TensorRef::New(0)))),
        Reason::Dangling
    );
    assert_eq!(refuse(&mut module, |p| p.set_inputs([TensorRef::New(0)])), Reason::Dangling);
    // Such a handle means nothing elsewhere.
    assert!(!main(&module).contains_tensor(upcoming));
}

#[test]
fn a_patch_sets_all_that_a_tensor_is() {
    let (mut module, c) = custom_chain();
    let sparsity = Some(Arc::new(Sparsity { traversal_order: vec![0], ..Sparsity::default() }));
    let types = vec![VariantSubType { shape: vec![1], ty: ElementType::Int8, has_rank: true }];
    let new = TensorRef::New(0);
    let applied = apply(&mut module, |p| {
        p.add_tensor(float("new"));
        for tensor in [TensorRef::from(c.b), new] {
            p.set_name(tensor, text("other"));
            for change in [
                TensorChange::Type(ElementType::Int32),
                TensorChange::Shape(Arc::new([3, 1])),
                TensorChange::ShapeSignature(Arc::new([-1, 1])),
                TensorChange::HasRank(true),
                TensorChange::Variable(true),
                TensorChange::ExternalBuffer(5),
                TensorChange::Sparsity(sparsity.clone()),
                TensorChange::VariantTensors(types.clone()),
                TensorChange::Quantization(Some(Arc::new(Quantization::symmetric(vec![1.0], 0)))),
            ] {
                p.change_tensor(tensor, change);
            }
        }
    });
    let rare = TensorRare {
        shape_signature: Arc::new([-1, 1]),
        external_buffer: 5,
        sparsity,
        variant_tensors: types,
    };
    let expected = Tensor {
        has_rank: true,
        is_variable: true,
        quantization: Some(Arc::new(Quantization::symmetric(vec![1.0], 0))),
        rare: rare.into(),
        ..Tensor::new("other", ElementType::Int32, [3, 1])
    };
    for tensor in [c.b, applied.tensors[0]] {
        assert_eq!(*main(&module).tensor(tensor), expected);
    }
    // What was there before was retyped; ops that read or compute it are touched.
    assert_eq!((&applied.retyped[..], &applied.ops[..]), (&[c.b][..], &[c.add, c.second][..]));
}

#[test]
fn scales_are_held_to_the_shape_that_the_patch_gives() {
    let (mut module, c) = custom_chain();
    let q = |scales| Some(Arc::new(Quantization::symmetric(vec![1.0; scales], 0)));
    apply(&mut module, |p| {
        p.set_quantization(c.b, q(3));
        p.change_tensor(c.b, TensorChange::Shape(Arc::new([3])));
    });
    let reason = refuse(&mut module, |p| {
        p.change_tensor(c.b, TensorChange::Shape(Arc::new([2])));
    });
    assert!(matches!(reason, Reason::Quantization { scales: 3, .. }), "{reason}");
}

#[test]
fn an_op_becomes_another_with_the_same_operands_and_results() {
    let (mut module, c) = chain();
    let applied = apply(&mut module, |p| {
        p.set_op(c.add, op(ops::MUL));
        p.set_attr(c.add, "fused_activation_function", Attr::Int(1));
        p.set_note(c.add, "why", Attr::Int(2));
    });
    let graph = main(&module);
    let mul = graph.op(c.add);
    assert!(mul.kind.is(ops::MUL) && mul.int("fused_activation_function") == Some(1));
    assert_eq!(
        (graph.operand(c.add, 0), graph.results(c.add)[..].to_vec()),
        (Some(c.b), vec![c.y])
    );
    assert_eq!((&applied.ops[..], mul.notes.len()), (&[c.add][..], 1));
    // Attributes are those of what the op has become.
    assert_eq!(
        refuse(&mut module, |p| {
            p.set_op(c.first, Op::new(OpKind::Custom("mine".into())));
            p.set_attr(c.first, "axis", Attr::Int(1));
        }),
        Reason::NoOptions("CUSTOM \"mine\"".into())
    );
}

#[test]
fn an_operand_is_left_out_and_a_scratch_tensor_named() {
    let (mut module, c) = custom_chain();
    apply(&mut module, |p| {
        p.clear_operand(c.add, 0);
        let scratch = p.add_tensor(float("scratch"));
        p.set_intermediate(c.add, 1, Some(scratch));
    });
    let graph = main(&module);
    assert_eq!(graph.operands(c.add)[..], [None, Some(c.a)]);
    let [None, Some(scratch)] = graph.intermediates(c.add)[..] else { panic!("it has one") };
    assert!(module.references(MAIN, scratch).scratch);
    let in_use = Reason::ErasedInUse("scratch".into());
    assert_eq!(refuse(&mut module, |p| p.erase_tensor(scratch)), in_use);
    assert_eq!(
        refuse(&mut module, |p| {
            p.set_intermediate(c.add, 1, None::<TensorRef>);
            p.set_intermediate(c.second, 0, Some(scratch));
            p.erase_tensor(scratch);
        }),
        in_use
    );
    apply(&mut module, |p| {
        p.set_intermediate(c.add, 1, None::<TensorRef>);
        p.erase_tensor(scratch);
    });
    assert_eq!(main(&module).intermediates(c.add)[..], [None, None]);
}

#[test]
fn inputs_and_outputs_are_set() {
    let (mut module, c) = custom_chain();
    let applied = apply(&mut module, |p| {
        let more = p.add_tensor(float("more"));
        p.set_inputs([more, c.x.into()]);
        p.set_outputs([TensorRef::Old(c.a), c.y.into(), c.a.into()]);
        p.set_operand(c.add, 1, more);
    });
    let graph = main(&module);
    assert_eq!(graph.inputs(), [applied.tensors[0], c.x]);
    assert_eq!(graph.outputs(), [c.a, c.y, c.a]);
    assert!(graph.is_output(c.a) && graph.is_input(applied.tensors[0]));

    // What is read must have a value.
    assert_eq!(refuse(&mut module, |p| p.set_inputs([c.x.into()])), Reason::NoValue("more".into()));
    apply(&mut module, |p| {
        let buffer = p.add_constant(bytes(8));
        p.set_buffer(applied.tensors[0], buffer);
        p.set_inputs([c.x.into()]);
    });
    // An input that an op writes to may be read before; another tensor may not.
    apply(&mut module, |p| {
        let made = p.add_tensor(float("made"));
        p.add_op(relu(), InsertionPoint::End, &[Some(c.x.into())], &[made]);
        p.set_operand(c.first, 0, made);
        p.set_inputs([c.x.into(), made]);
    });
    let reason = refuse(&mut module, |p| p.set_inputs([c.x.into()]));
    assert_eq!(reason, Reason::Order { op: "CUSTOM \"Any\"".into(), tensor: "made".into() });
    // An output that is none any more can go.
    assert_eq!(
        refuse(&mut module, |p| {
            p.set_outputs([c.a.into()]);
            p.erase_op(c.add);
            p.erase_tensor(c.a);
        }),
        Reason::ErasedInUse("a".into())
    );
    apply(&mut module, |p| {
        p.set_outputs([c.a.into()]);
        p.erase_op(c.add);
        p.erase_tensor(c.y);
    });
}

#[test]
fn an_input_that_a_signature_takes_cannot_be_erased() {
    let (mut module, c) = custom_chain();
    module.apply(Edit::Signatures(vec![signature(0, &[c.x], &[c.y])])).unwrap();
    let without = |p: &mut Patch| {
        p.set_inputs([]);
        p.clear_operand(c.first, 0);
        p.erase_tensor(c.x);
    };
    assert_eq!(refuse(&mut module, without), Reason::ErasedInUse("x".into()));
    module.apply(Edit::Signatures(vec![signature(0, &[], &[c.y])])).unwrap();
    apply(&mut module, without);
}

#[test]
fn words_of_authors() {
    let (mut module, c) = chain();
    // ADD(b, a) becomes MUL(a, constant).
    let graph = main(&module).clone();
    apply(&mut module, |p| {
        let two = p.new_constant(float("two"), bytes(8));
        p.replace_op(&graph, c.add, op(ops::MUL), &[Some(c.a.into()), Some(two)]);
    });
    let graph = main(&module).clone();
    let (mul, _) = graph.producer(c.y).expect("it is computed");
    assert!(graph.op(mul).kind.is(ops::MUL) && !graph.contains_op(c.add));
    // A NEG between `a` and the MUL.
    apply(&mut module, |p| {
        let at = Use { op: mul, slot: 0 };
        p.insert_on_operand(&graph, at, op(ops::NEG), float("minus")).expect("it is read");
        assert_eq!(p.insert_on_operand(&graph, Use { op: mul, slot: 7 }, relu(), float("")), None);
    });
    let graph = main(&module).clone();
    let minus = graph.operand(mul, 0).expect("it is there");
    let (neg, _) = graph.producer(minus).expect("it is computed");
    assert_eq!(graph.operands(neg)[..], [Some(c.a)]);
    // The NEG takes over what the MUL computed.
    apply(&mut module, |p| assert_eq!(p.fuse_into_producer(&graph, mul, 0), Some(neg)));
    let graph = main(&module).clone();
    assert_eq!(graph.results(neg)[..], [c.y]);
    assert!(!graph.contains_op(mul) && !graph.contains_tensor(minus));
    // Two ops read `a`.
    let mut patch = Patch::new(MAIN, "nothing");
    assert_eq!(patch.fuse_into_producer(&graph, neg, 0), None);
    assert!(patch.is_empty());
}

#[test]
fn a_version_for_an_op_that_is_gone_is_refused_and_not_logged() {
    let (mut module, c) = chain();
    module.apply(Edit::Versions(MAIN, vec![(c.first, 4)])).unwrap();
    assert_eq!(main(&module).op(c.first).version, 4);
    assert!(module.journal().is_empty(), "it changes nothing that is computed");
    apply(&mut module, |p| {
        p.replace_uses(&main(&chain().0).clone(), c.b, c.a);
        p.set_operand(c.add, 0, c.a);
        p.erase_op(c.second);
    });
    let before = state(&module);
    let stale = Edit::Versions(MAIN, vec![(c.add, 2), (c.second, 2)]);
    assert_eq!(module.apply(stale).unwrap_err().reason, Reason::StaleOp);
    let nowhere = Edit::Versions(SubgraphId(4), vec![]);
    assert_eq!(module.apply(nowhere).unwrap_err().reason, Reason::Subgraph);
    assert_eq!(state(&module), before);
    let (mut again, _) = chain();
    again.replay(module.edits()).unwrap();
    assert_eq!(state(&again), before);
}

/// Callers find the first of a key only. What came in so may stay.
#[test]
fn no_two_signatures_get_one_key() {
    let (mut module, c) = chain();
    let named =
        |key: Option<&str>| Signature { key: key.map(Into::into), ..signature(0, &[c.x], &[c.y]) };
    let of = |keys: &[Option<&str>]| {
        Edit::Signatures(keys.iter().map(|key| named(*key)).collect::<Vec<_>>())
    };
    module.apply(of(&[Some("a"), Some("b")])).unwrap();
    for keys in [[Some("a"), Some("a")], [Some("a\0b"), Some("a")], [None, Some("")]] {
        let error = module.apply(of(&keys)).unwrap_err();
        let key = keys[1].unwrap().to_owned();
        assert_eq!(error.reason, Reason::SignatureTwice { key }, "{keys:?}");
    }
    let error = module.apply(of(&[Some("k\0a"), Some("k\0b")])).unwrap_err().to_string();
    assert!(error.contains("callers find the first only; for the runtime a key ends"), "{error}");

    let twice = [named(Some("a")), named(Some("a"))].to_vec();
    let mut twice = module.rebuilt(|parts| parts.signatures = twice);
    twice.apply(of(&[Some("a"), Some("b"), Some("a")])).unwrap();
    let error = twice.apply(of(&[Some("a"), Some("a"), Some("a")])).unwrap_err();
    assert_eq!(error.reason, Reason::SignatureTwice { key: "a".to_owned() });
}

#[test]
fn signatures_and_records_are_held_to_what_there_is() {
    let (mut module, c) = chain();
    let applied = apply(&mut module, |p| _ = p.add_tensor(float("gone")));
    apply(&mut module, |p| p.erase_tensor(applied.tensors[0]));
    let gone = Edit::Signatures(vec![signature(0, &applied.tensors, &[])]);
    assert_eq!(module.apply(gone).unwrap_err().reason, Reason::StaleTensor);
    let nowhere = Edit::Signatures(vec![signature(3, &[c.x], &[])]);
    assert_eq!(module.apply(nowhere).unwrap_err().reason, Reason::ForeignTensor);
    let record = |key: &str, record| Edit::Record(key.into(), Some(Arc::new(record)));
    let error = module.apply(record("mine", record_of(c.add))).unwrap_err();
    assert_eq!(error.reason, Reason::RecordKey("mine".into()));
    let told = "patch `set record `mine`` refused: `mine` is no key of a record: it is words of";
    assert!(error.to_string().starts_with(told), "{error}");
    // That of cached results tells of a DEQUANTIZE only, and in one form.
    let of_add = record(DEQUANT_CACHE_METADATA, record_of(c.add));
    let error = module.apply(of_add).unwrap_err();
    assert!(matches!(&error.reason, Reason::Record(key, _) if **key == *DEQUANT_CACHE_METADATA));
    module.apply(record("acme.mine", record_of(c.add))).unwrap();
    assert_eq!(module.record("acme.mine"), Some(&record_of(c.add)));
    let about = Record { about: vec![250], ..Record::default() };
    let error = module.apply(record("acme.mine", about)).unwrap_err();
    assert_eq!(error.reason, Reason::RecordOperator("acme.mine".into(), 250));
    // A record is written in the place of metadata of its name, which would have no effect.
    for bytes in [Some(bytes(1)), None] {
        let error = module.apply(Edit::Metadata("acme.mine".into(), bytes)).unwrap_err();
        assert_eq!(error.reason, Reason::MetadataOfRecord("acme.mine".into()));
        assert!(error.to_string().ends_with("change the record, or drop it first"), "{error}");
    }
    // Metadata that is no record keeps its name, and is not dropped as one.
    module.apply(Edit::Metadata("acme.build".into(), Some(bytes(1)))).unwrap();
    let error = module.apply(record("acme.build", Record::default())).unwrap_err();
    assert_eq!(error.reason, Reason::RecordName("acme.build".into()));
    let drop = Edit::Record("acme.build".into(), None);
    assert_eq!(module.apply(drop).unwrap_err().reason, Reason::RecordName("acme.build".into()));
}

/// An edit does not make a model that no runtime can call; what came in so may stay.
#[test]
fn signatures_name_what_their_subgraph_takes_and_returns() {
    let (mut module, c) = chain();
    let told = |module: &mut Module, signatures: &[Signature]| {
        let edit = Edit::Signatures(signatures.to_vec());
        module.apply(edit).map(|_| ()).map_err(|error| error.reason.to_string())
    };
    let good = signature(0, &[c.x], &[c.y]);
    let mut wrong = Vec::new();
    for (inputs, outputs, what) in [
        (
            &[c.a],
            &[c.y],
            "input `` would be `a`, which the subgraph does not take; let it take that",
        ),
        (
            &[c.x],
            &[c.b],
            "output `` would be `b`, which the subgraph does not return; let it return that",
        ),
    ] {
        wrong.push((signature(0, inputs, outputs), format!("signature `serve`: {what}")));
    }
    let number = |signature: &Signature, number| {
        let mut signature = signature.clone();
        signature.outputs[0].1 = TensorLink::Raw(number);
        signature
    };
    let gone = "signature `serve`: output `` would be 9, which names no tensor; a handle such as \"@0%0\" does";
    wrong.push((number(&good, 9), gone.to_owned()));
    let nowhere = "signature `serve` would be of subgraph 7, of 1 subgraph";
    wrong.push((signature(7, &[], &[]), nowhere.to_owned()));
    for (signature, what) in &wrong {
        let error = told(&mut module, std::slice::from_ref(signature)).unwrap_err();
        assert!(error.starts_with(what), "{error}");
    }
    told(&mut module, std::slice::from_ref(&good)).unwrap();
    // What is there already is no fault of who sends it again, with more beside it.
    for (signature, _) in &wrong {
        let mut module = module.rebuilt(|parts| parts.signatures = vec![signature.clone()]);
        let beside = Signature { key: Some("beside".into()), ..good.clone() };
        told(&mut module, &[beside, signature.clone()]).unwrap();
    }
    let mut module = module.rebuilt(|parts| parts.signatures = vec![number(&good, 9)]);
    let error = told(&mut module, &[number(&good, 8)]).unwrap_err();
    assert!(error.starts_with("signature `serve`: output `` would be 8,"), "{error}");
}

#[test]
fn what_signatures_name_stays_an_input_or_output() {
    let (mut module, c) = custom_chain();
    module.apply(Edit::Signatures(vec![signature(0, &[c.x], &[c.y])])).unwrap();
    let lost = |tensor: &str, verb| Reason::PortLost { tensor: tensor.into(), verb };
    let unread = |p: &mut Patch| {
        p.set_inputs([]);
        p.clear_operand(c.first, 0);
    };
    assert_eq!(refuse(&mut module, unread), lost("x", "take"));
    assert_eq!(refuse(&mut module, |p| p.set_outputs([c.b.into()])), lost("y", "return"));
    // What signatures follow to is to be returned, and nothing else.
    let elsewhere = |p: &mut Patch| {
        p.replace_output(c.y, c.a);
        p.set_outputs([c.b.into()]);
    };
    assert_eq!(refuse(&mut module, elsewhere), lost("y", "return"));
    let mut two = module.clone();
    apply(&mut two, |p| p.set_outputs([c.y.into(), c.b.into()]));
    two.apply(Edit::Signatures(vec![signature(0, &[c.x], &[c.y, c.b])])).unwrap();
    let onto_another = |p: &mut Patch| {
        p.replace_output(c.b, c.y);
        p.set_outputs([c.b.into()]);
    };
    assert_eq!(refuse(&mut two, onto_another), lost("y", "return"));
    apply(&mut two, |p| {
        p.replace_output(c.b, c.a);
        p.set_outputs([c.a.into(), c.y.into()]);
    });
    assert_eq!(two.signatures(), [signature(0, &[c.x], &[c.y, c.a])]);
    apply(&mut module, |p| p.set_outputs([c.b.into(), c.y.into()]));
    apply(&mut module, |p| p.replace_output(c.y, c.a));
    assert_eq!(module.signatures(), [signature(0, &[c.x], &[c.a])]);
    module.apply(Edit::Signatures(vec![signature(0, &[], &[])])).unwrap();
    apply(&mut module, |p| p.set_outputs([]));
    apply(&mut module, unread);
}

/// What a patch replaces as an output and does not return is nobody's.
#[test]
fn what_is_replaced_and_not_returned_can_go() {
    let (mut module, c) = custom_chain();
    let other = apply(&mut module, |p| {
        let other = p.add_tensor(float("other"));
        p.add_op(custom(), InsertionPoint::End, &[Some(c.a.into())], &[other]);
    });
    let (tensor, op) = (other.added_tensors()[0], other.ops[0]);
    apply(&mut module, |p| {
        p.replace_output(c.y, tensor);
        p.set_outputs([c.b.into()]);
        p.erase_op(op);
        p.erase_tensor(tensor);
    });
}

/// The way that the messages tell.
#[test]
fn an_input_that_a_signature_takes_is_replaced_in_three_steps() {
    let (mut module, c) = custom_chain();
    module.apply(Edit::Signatures(vec![signature(0, &[c.x], &[c.y])])).unwrap();
    let applied = apply(&mut module, |p| {
        let other = p.add_tensor(float("other"));
        p.set_inputs([c.x.into(), other]);
        p.set_operand(c.first, 0, other);
    });
    let other = applied.added_tensors()[0];
    module.apply(Edit::Signatures(vec![signature(0, &[other], &[c.y])])).unwrap();
    apply(&mut module, |p| {
        p.set_inputs([other.into()]);
        p.erase_tensor(c.x);
    });
    assert_eq!(main(&module).inputs(), [other]);
}

#[test]
fn no_bytes_of_a_constant_are_left_over() {
    let (mut module, _) = chain();
    let [ty, shape] = [(ElementType::Int8, 2), (ElementType::Float32, 1)];
    let made = apply(&mut module, |p| _ = p.new_constant(float("w"), bytes(8))).tensors[0];
    let left_over = |ty, shape: i32, taken, bytes| Reason::BytesLeftOver {
        tensor: "w".into(),
        ty,
        shape: vec![shape],
        taken,
        bytes,
    };
    let narrow = |p: &mut Patch| p.set_type(made, ty.0);
    assert_eq!(refuse(&mut module, narrow), left_over(ty.0, ty.1, 2, 8));
    let short = |p: &mut Patch| p.change_tensor(made, TensorChange::Shape([1].into()));
    assert_eq!(refuse(&mut module, short), left_over(shape.0, shape.1, 4, 8));
    let longer = |p: &mut Patch| {
        let buffer = p.add_constant(bytes(12));
        p.set_buffer(made, buffer);
    };
    assert_eq!(refuse(&mut module, longer), left_over(ElementType::Float32, 2, 8, 12));
    // Bytes that go with the type may come along, and what came so may go on so.
    apply(&mut module, |p| {
        let buffer = p.add_constant(bytes(2));
        p.set_type(made, ElementType::Int8);
        p.set_buffer(made, buffer);
    });
    apply(&mut module, |p| {
        let mut odd = float("odd");
        odd.buffer = BufferId(1);
        p.add_tensor(odd);
    });
}

#[test]
fn a_constant_does_not_become_an_input() {
    let (mut module, c) = chain();
    let made = apply(&mut module, |p| _ = p.new_constant(float("w"), bytes(8))).tensors[0];
    let inputs = [c.x.into(), made.into()];
    assert_eq!(refuse(&mut module, |p| p.set_inputs(inputs)), Reason::ConstantInput("w".into()));
    apply(&mut module, |p| {
        p.set_inputs(inputs);
        p.set_buffer(made, BufferId::NONE);
    });
    // Nor does an input become a constant.
    let filled = |p: &mut Patch| {
        let buffer = p.add_constant(bytes(8));
        p.set_buffer(c.x, buffer);
    };
    let again = |p: &mut Patch| {
        filled(p);
        p.set_inputs([c.x.into()]);
    };
    let constant = Reason::ConstantInput("x".into());
    assert_eq!(refuse(&mut module, filled), constant);
    assert_eq!(refuse(&mut module, again), constant);
    let old = module.add_constant(bytes(8));
    assert_eq!(refuse(&mut module, |p| p.set_buffer(c.x, old)), constant);
    let new = |p: &mut Patch| {
        let new = p.new_constant(float("new"), bytes(8));
        p.set_inputs([c.x.into(), new]);
    };
    assert_eq!(refuse(&mut module, new), Reason::ConstantInput("new".into()));
    apply(&mut module, |p| {
        filled(p);
        p.set_inputs([made.into()]);
    });
}

#[test]
fn scales_are_in_a_tensor_that_is_there() {
    let (mut module, c) = chain();
    let of = |scales, zero_points| {
        let details = QuantizationDetails::Blockwise {
            scales,
            zero_points,
            block_size: 2,
            block_shape: Vec::new(),
        };
        Some(Arc::new(Quantization { rare: details.into(), ..Quantization::default() }))
    };
    let link = TensorLink::Tensor(c.b);
    let raw = TensorLink::Raw;
    for (what, number, q) in [
        ("scales", -1, of(raw(-1), raw(-1))),
        ("scales", 9, of(raw(9), link)),
        ("zero points", 9, of(link, raw(9))),
        ("zero points", -2, of(link, raw(-2))),
    ] {
        let dead = |tensor: &str| Reason::QuantizationLink { tensor: tensor.into(), what, number };
        assert_eq!(refuse(&mut module, |p| p.set_quantization(c.a, q.clone())), dead("a"));
        let new = Tensor { quantization: q, ..float("new") };
        assert_eq!(refuse(&mut module, |p| _ = p.add_tensor(new)), dead("new"));
    }
    apply(&mut module, |p| p.set_quantization(c.a, of(link, raw(-1))));
    // One that came with a number keeps it while the other changes.
    let mut builder = SubgraphBuilder::new(None);
    let [x, b] = ["x", "b"].map(|name| builder.tensor(float(name)));
    let w = builder.tensor(Tensor { quantization: of(raw(9), raw(9)), ..float("w") });
    let graph = builder.finish(vec![x, b, w], vec![x]);
    let mut module = Module::new(vec![graph], ConstantPool::new(vec![None]));
    let link = TensorLink::Tensor(b);
    let dead = |what, number| Reason::QuantizationLink { tensor: "w".into(), what, number };
    for (what, q) in [("scales", of(raw(8), raw(9))), ("zero points", of(raw(9), raw(8)))] {
        assert_eq!(refuse(&mut module, |p| p.set_quantization(w, q)), dead(what, 8));
    }
    for q in [of(raw(9), link), of(link, raw(9))] {
        let mut module = module.clone();
        apply(&mut module, |p| p.set_quantization(w, q));
    }
}

#[test]
fn external_buffers_have_ids_and_groups() {
    let (mut module, _) = chain();
    let buffer = |id, group| ExternalBuffer { id, group, offset: 0, length: 4, packing: None };
    let external =
        |buffers: &[ExternalBuffer]| Edit::External(vec![text("weights.bin")], buffers.to_vec());
    let all = [
        (vec![buffer(1, 1)], Reason::ExternalGroup { id: 1, group: 1, of: 1 }),
        (vec![buffer(0, 0)], Reason::ExternalZero),
        (vec![buffer(1, 0), buffer(2, 0), buffer(1, 0)], Reason::ExternalTwice(1)),
    ];
    for (buffers, reason) in all {
        assert_eq!(module.apply(external(&buffers)).unwrap_err().reason, reason);
        // A file that has it so already may be handed on so.
        let mut odd = module.rebuilt(|parts| {
            parts.external_buffer_groups = vec![text("weights.bin")];
            parts.external_buffers.clone_from(&buffers);
        });
        odd.apply(external(&buffers)).unwrap();
        assert_eq!(odd.external_buffers(), buffers);
    }
    module.apply(external(&[buffer(1, 0), buffer(2, 0)])).unwrap();
    // That another buffer came so, or this one with another group, is no excuse.
    for group in [1, 5] {
        let reason = module.apply(external(&[buffer(1, group)])).unwrap_err().reason;
        assert_eq!(reason, Reason::ExternalGroup { id: 1, group, of: 1 });
    }
    let without = Edit::External(Vec::new(), vec![buffer(1, 0)]);
    let reason = module.apply(without).unwrap_err().reason;
    assert_eq!(reason, Reason::ExternalGroup { id: 1, group: 0, of: 0 });
}

/// A record that nothing would ever put right is refused, and says why.
#[test]
fn a_record_that_cannot_be_right_is_refused() {
    let mut module = rich();
    let graph = main(&module);
    let [dequantize, add, _] = graph.ops().collect::<Vec<_>>()[..] else { panic!("{graph:?}") };
    let x = graph.inputs()[0];
    let upcoming = Patch::new(MAIN, "add").add_tensor(float("new")).id();
    let apply = |module: &mut Module, key: &str, about: &[i32], entries: &[RecordEntry]| {
        let record = Record { entries: entries.to_vec(), about: about.to_vec() };
        let edit = Edit::Record(key.into(), Some(Arc::new(record)));
        module.apply(edit).map(|_| ()).map_err(|error| error.to_string())
    };
    let entry = |of, bytes: &[u8]| RecordEntry { of, bytes: Bytes::copy_from_slice(bytes) };
    for (of, wanted) in [
        (Recorded::Op("@0#99".parse().unwrap()), "op `@0#99` is not there, and never was"),
        (Recorded::Tensor("@0%99".parse().unwrap()), "tensor `@0%99` is not there, and never was"),
        // A tensor by the handle of an op, and the other way round.
        (Recorded::Op(x.to_string().replace('%', "#").parse().unwrap()), "is not there"),
        (Recorded::Tensor(add.to_string().replace('#', "%").parse().unwrap()), "is not there"),
        (Recorded::Tensor(upcoming), "is not there"),
    ] {
        let error = apply(&mut module, "acme.mine", &[ops::ADD], &[entry(of, &[])]).unwrap_err();
        assert!(error.contains("record `acme.mine` cannot say that"), "{error}");
        assert!(error.contains(wanted), "{error}");
    }
    // What was erased may be told of still, which readers skip.
    let erased = Edit::from({
        let mut patch = Patch::new(MAIN, "erase");
        let gone = patch.add_tensor(float("gone"));
        assert_eq!(gone, TensorRef::New(0));
        patch
    });
    let gone = module.apply(erased).unwrap().tensors[0];
    let mut patch = Patch::new(MAIN, "erase");
    patch.erase_tensor(gone);
    module.apply(patch).unwrap();
    apply(&mut module, "acme.mine", &[], &[entry(Recorded::Tensor(gone), &[])]).unwrap();

    let said = |reason: u8, bytes: u64, per_invoke: u64| {
        let numbers = [bytes.to_le_bytes(), per_invoke.to_le_bytes()].concat();
        [vec![reason], numbers].concat()
    };
    let of = Recorded::Op(dequantize);
    let cache = |module: &mut Module, about: &[i32], entries: &[RecordEntry]| {
        apply(module, DEQUANT_CACHE_METADATA, about, entries)
    };
    let only = [ops::DEQUANTIZE];
    for (about, entries, wanted) in [
        (&[][..], vec![entry(of, &said(0, 8, 0))], "it must be about DEQUANTIZE alone"),
        (&[ops::ADD, ops::DEQUANTIZE], vec![], "it must be about DEQUANTIZE alone"),
        (&only, vec![entry(of, &said(4, 0, 0))], "two counts of 8 bytes each"),
        (&only, vec![entry(of, &[0])], "two counts of 8 bytes"),
        (&only, vec![entry(Recorded::Tensor(x), &said(0, 8, 0))], "not that of an op"),
        (&only, vec![entry(Recorded::Op(add), &said(0, 8, 0))], "ADD `b`: it is no DEQUANTIZE"),
        (&only, vec![entry(of, &said(0, 8, 8))], "computed once and takes RAM, or"),
        (&only, vec![entry(of, &said(1, 8, 8))], "at each run and takes none"),
        (&only, vec![entry(of, &said(0, 8, 0)); 2], "DEQUANTIZE `a`: it has two entries"),
    ] {
        let error = cache(&mut module, about, &entries).unwrap_err();
        assert!(error.contains(wanted), "{error}\n{wanted}");
    }
    let others: Vec<OpId> = module.ops_of_kind(ops::DEQUANTIZE).map(|(_, op, _)| op).collect();
    let most = |op: &OpId| entry(Recorded::Op(*op), &said(0, u64::MAX / 2, 0));
    let all: Vec<RecordEntry> = others.iter().map(most).collect();
    let error = cache(&mut module, &only, &all).unwrap_err();
    assert!(error.contains("more bytes than can be counted"), "{error}");
    cache(&mut module, &only, &all[..2]).unwrap();
    assert_eq!(module.dequant_cache().unwrap().total_bytes(), u64::MAX - 1);
}

#[test]
fn a_module_is_known_by_its_edits() {
    let (start, c) = chain();
    let (other, _) = chain();
    assert!(start.clone().continues(&start) && start.is_untouched_since(&start));
    assert!(!other.continues(&start) && !other.is_untouched_since(&start));
    let renamed = |name| {
        let mut module = start.clone();
        apply(&mut module, |p| p.set_name(c.a, text(name)));
        module
    };
    let (one, two) = (renamed("one"), renamed("two"));
    assert!(one.continues(&start) && !start.continues(&one));
    assert!(!two.continues(&one) && !one.is_untouched_since(&start));
    // What no edit leads to is another module.
    for other in [
        one.clone().with_dequant_cache(None),
        one.clone().with_oddities(|_, _| true),
        one.clone().with_records([("acme.mine".into(), Arc::default())].into_iter().collect()),
        start.shuffled(3),
    ] {
        assert!(!other.continues(&start) && !other.is_untouched_since(&one));
        assert!(!other.is_untouched_since(&start) && other.is_untouched_since(&other));
        let mut changed = other.clone();
        changed.apply(Edit::MetadataBuffers(vec![7])).unwrap();
        assert!(changed.continues(&other) && !changed.continues(&start));
    }
}

#[test]
fn edits_that_are_summed_up_are_known_only_from_where_that_began() {
    let (start, c) = chain();
    let rename = |module: &mut Module, name| apply(module, |p| p.set_name(c.a, text(name)));
    let mut module = start.clone();
    rename(&mut module, "kept");
    module.sum_edits();
    let begun = module.clone();
    rename(&mut module, "one");
    let (half, mut other) = (module.clone(), module.clone());
    rename(&mut module, "two");
    rename(&mut other, "two");
    assert!(module.edits().is_empty() && module.edit_count() == 3);
    assert!(module.continues(&begun) && module.is_only_annotated_since(&begun));
    // Both may have come from there, and nobody kept how.
    assert!(!module.continues(&half) && module.summary_since(&half).is_none());
    assert!(!module.is_untouched_since(&other) && !module.continues(&start));
    module.apply(Edit::MetadataBuffers(vec![])).unwrap();
    assert!(!module.is_only_annotated_since(&begun));
    module.forget_edits();
    rename(&mut module, "kept again");
    assert_eq!((module.edits().len(), module.edit_count()), (1, 5));
}

/// Applies random edits, and tells which kinds were taken.
fn run(module: &mut Module, steps: &[Step]) -> Vec<u8> {
    let mut taken = Vec::new();
    for step in steps {
        let before = state(module);
        let (count, told) = (module.edits().len(), module.journal().len());
        match module.apply(edit(*step, module)) {
            Ok(_) if module.edits().len() > count => {
                let is_told = module.edits()[count].edit.is_journalled();
                assert_eq!(module.journal().len(), told + usize::from(is_told), "{step:?}");
                taken.push(step.0 % KINDS);
            }
            Ok(_) => assert_eq!(state(module), before, "nothing to do: {step:?}"),
            Err(error) => assert_eq!(state(module), before, "{error}: {step:?}"),
        }
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_applied_is_what_is_logged(
        steps in prop::collection::vec(any::<Step>(), 1..30),
        cut in any::<prop::sample::Index>(),
    ) {
        let start = rich();
        let mut module = start.clone();
        let cut = cut.index(steps.len());
        run(&mut module, &steps[..cut]);
        let half = module.clone();
        run(&mut module, &steps[cut..]);
        let (first, rest) = module.edits().split_at(half.edits().len());
        let mut again = start.clone();
        again.replay(first).expect("they were applied once");
        prop_assert_eq!(state(&again), state(&half));
        again.replay(rest).expect("they were applied once");
        prop_assert_eq!(state(&again), state(&module));
        prop_assert!(again.continues(&start) && module.continues(&half));
        let mut summed = half.clone();
        summed.sum_edits();
        let begun = summed.clone();
        summed.replay(rest).expect("they were applied once");
        let [kept, summed] = [(&module, &half), (&summed, &begun)]
            .map(|(after, before)| format!("{:?}", after.summary_since(before).unwrap()));
        prop_assert_eq!(kept, summed);
    }
}

#[test]
fn random_edits_are_of_all_kinds() {
    let mut state = 7_usize;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 33
    };
    let mut taken = [0; KINDS as usize];
    for _ in 0..40 {
        let steps: Vec<Step> =
            (0..40).map(|_| (next() as u8, [next(), next(), next(), next()])).collect();
        for kind in run(&mut rich(), &steps) {
            taken[usize::from(kind)] += 1;
        }
    }
    assert!(taken.iter().all(|count| *count >= 5), "{taken:?}");
}

/// Sizes at which work with the square of them would take minutes.
const MANY: usize = 100_000;

/// A chain of that many ops, all of which read `w` as well.
fn long_chain() -> (Module, Vec<OpId>, TensorId) {
    let mut builder = SubgraphBuilder::new(None);
    let x = builder.tensor(float("x"));
    let w = builder.tensor(Tensor { buffer: BufferId(1), ..float("w") });
    let mut last = x;
    let mut made = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        let next = builder.tensor(float("t"));
        made.push(builder.op(op(ops::ADD), &[Some(last), Some(w)], &[next]));
        last = next;
    }
    let pool = ConstantPool::new(vec![None, Some(bytes(8))]);
    (Module::new(vec![builder.finish(vec![x], vec![last])], pool), made, w)
}

#[test]
fn one_patch_takes_time_with_its_size() {
    let (mut module, made, w) = long_chain();
    let start = module.clone();
    let graph = main(&start);
    let mut patch = Patch::new(MAIN, "replace all");
    let other = patch.new_constant(float("other"), bytes(8));
    for op_id in &made {
        patch.replace_op(
            graph,
            *op_id,
            op(ops::MUL),
            &[graph.operand(*op_id, 0).map(Into::into), Some(other)],
        );
    }
    patch.erase_tensor(w);
    let applied = module.apply(patch).unwrap();
    assert_eq!((applied.ops_added(), applied.erased().len()), (MANY, MANY));

    // All readers of one tensor, and the tensors between.
    let mut module = start.clone();
    let mut patch = Patch::new(MAIN, "go round");
    let new = patch.new_constant(float("new"), bytes(8));
    patch.replace_uses(graph, w, new);
    patch.erase_tensor(w);
    module.apply(patch).unwrap();
    let last = *made.last().expect("there are many");
    let mut patch = Patch::new(MAIN, "erase all but one");
    patch.set_operand(last, 0, graph.inputs()[0]);
    for op in &made[..MANY - 1] {
        patch.erase_op(*op);
        patch.erase_tensor(graph.results(*op)[0]);
    }
    module.apply(patch).unwrap();
    assert_eq!((main(&module).op_count(), main(&module).tensor_count()), (1, 3));
    module.verify().unwrap();
}

#[test]
fn an_op_of_many_operands_takes_time_with_their_number() {
    let many = 60_000;
    let mut builder = SubgraphBuilder::new(None);
    let x = builder.tensor(float("x"));
    let y = builder.tensor(float("y"));
    let concat = builder.op(custom(), &vec![Some(x); many], &[y]);
    let mut module = Module::new(vec![builder.finish(vec![x], vec![y])], ConstantPool::default());
    let mut patch = Patch::new(MAIN, "other operands");
    for slot in 0..many as u32 {
        let new = patch.add_tensor(Tensor { is_variable: true, ..float("v") });
        patch.set_operand(concat, slot, new);
    }
    module.apply(patch).unwrap();
    assert!(main(&module).uses(x).is_empty());
}

#[test]
fn insertions_at_one_place_take_time_with_their_number() {
    for after in [false, true] {
        let (mut module, c) = chain();
        let Chain { first, x, .. } = c;
        for _ in 0..MANY {
            let mut patch = Patch::new(MAIN, "insert");
            let new = patch.add_tensor(float("t"));
            let place =
                if after { InsertionPoint::After(first) } else { InsertionPoint::Before(first) };
            patch.add_op(relu(), place, &[Some(x.into())], &[new]);
            module.apply(patch).unwrap();
        }
        let graph = main(&module);
        let order: Vec<OpId> = graph.ops().collect();
        assert_eq!(order.len(), MANY + 3);
        assert!(order.windows(2).all(|pair| graph.runs_before(pair[0], pair[1])));
        let at = if after { 0 } else { MANY };
        assert_eq!(order[at], first);
    }
}

#[test]
fn an_edit_says_what_it_does() {
    let (_, c) = chain();
    assert_eq!(Edit::from(Patch::new(MAIN, "mine")).label(), "mine");
    let change = OpChange::Version(3);
    assert!(change.is_annotation() && !OpChange::Op(Box::new(relu())).is_annotation());
    let mut patch = Patch::new(MAIN, "notes");
    assert!(patch.only_annotates() && patch.is_empty());
    patch.set_note(c.add, "note", Attr::Int(1));
    patch.set_name(c.a, None);
    patch.set_version(c.add, 2);
    assert!(patch.only_annotates() && !patch.is_empty());
    patch.set_attr(c.add, "fused_activation_function", Attr::Int(1));
    assert!(!patch.only_annotates());
    assert_eq!(Edit::Description(Some("a".into())).label(), "set the description");
    assert_eq!(Edit::Trailer(Bytes::new()).label(), "set what follows the model");
}
