//! Passes that do what they do not declare, or worse: the manager says so and puts the model back.

use bytes::Bytes;
use std::sync::Arc;
use tfq_ir::catalog::ops;
use tfq_ir::{
    Attr, Edit, ElementType, InsertionPoint, Module, Op, OpId, OpKind, Patch, Quantization,
    Signature, SubgraphId, Tensor, TensorId, TensorLink,
};
use tfq_pass::{
    Event, NumericContract, PassDescriptor, PassError, PassInfo, Pipeline, Registry, Report,
    RunError, RunOptions, Session, pass_fn, run,
};
use tfq_target::Target;
use tfq_text::{Level, ParseOptions, parse, print};

const MAIN: SubgraphId = SubgraphId(0);

const MODEL: &str = "\
tfg 1 quant
subgraph @main {
  %x = input : f32[2,2]
  %w = const : f32[2,2] = [1, 2, 3, 4]
  %twin = const : f32[2,2] = [1, 2, 3, 4]
  %other = const : f32[2,2] = [1, 2, 3, 5]
  %codes = const : i8[2,2] q(0.5) = [1, 2, 3, 4]
  %a = MUL(%x, %w) : f32[2,2]
  %b = ADD(%a, %twin) : f32[2,2]
  %c = SUB(%b, %other) : f32[2,2]
  %d = DEQUANTIZE(%codes) : f32[2,2]
  %y = ADD(%c, %d) : f32[2,2]
  %e = ADD(%w, %other) : f32[2,2]
  %below = const : i32[2,2] = [0, 1, 0, 0]
  %above = const : i32[2,2] = [1, 0, 0, 0]
  %f = PAD(%x, %below) : f32[3,2]
  %g = PAD(%f, %above) : f32[4,2]
  %finer = const : i8[2,2] q(0.25) = [1, 2, 3, 4]
  %h = DEQUANTIZE(%finer) : f32[2,2]
  %bias = const : f32[2] = [1, 2]
  %i = FULLY_CONNECTED(%x, %w, %bias) : f32[2,2]
  %j = FULLY_CONNECTED(%x, %w, _) : f32[2,2]
  output %y
}
";

fn model() -> Module {
    parse(MODEL, &ParseOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn tensor(module: &Module, name: &str) -> TensorId {
    let graph = module.subgraph(MAIN);
    let named = |id: &TensorId| graph.tensor(*id).label() == name;
    graph.tensors().find(named).expect("it has this tensor")
}

fn op_of(module: &Module, result: &str) -> OpId {
    let made = module.subgraph(MAIN).producer(tensor(module, result));
    made.expect("an op computes it").0
}

type Work = fn(&mut Session<'_>) -> Result<(), PassError>;

/// Runs a pass that declares this contract; what it fails with has left the model as it was.
fn declared(contract: NumericContract, work: Work) -> Result<Module, RunError> {
    declared_to_write(&[ops::NEG], contract, work)
}

fn declared_to_write(
    writes: &[i32],
    contract: NumericContract,
    work: Work,
) -> Result<Module, RunError> {
    let descriptor = PassDescriptor {
        writes: writes.iter().map(|code| OpKind::Builtin(*code)).collect(),
        contract,
        ..PassDescriptor::new("test", "Does it.")
    };
    let info = PassInfo::new(descriptor, move |_| Ok(Box::new(pass_fn(work))));
    let registry = Registry::default().with_passes([info]).unwrap();
    let pipeline = Pipeline::parse(&registry, "test").unwrap();
    in_pipeline(&pipeline).map(|(module, _)| module)
}

/// Whether edits are kept or only summed up makes no difference to what a run finds.
fn in_pipeline(pipeline: &Pipeline) -> Result<(Module, Report), RunError> {
    let kept = run_with(pipeline, &RunOptions { keep_edits: true, ..RunOptions::default() });
    let summed = run_with(pipeline, &RunOptions::default());
    let shown = |outcome: &Result<(Module, Report), RunError>| match outcome {
        Ok((module, _)) => print(module, Level::Full),
        Err(error) => error.to_string(),
    };
    assert_eq!(shown(&kept), shown(&summed));
    summed
}

fn run_with(pipeline: &Pipeline, options: &RunOptions) -> Result<(Module, Report), RunError> {
    let mut module = model();
    let start = module.clone();
    let target = Target::named("litert").unwrap();
    let mut failed = 0;
    let outcome = run(&mut module, pipeline, &target, options, |event| {
        failed += usize::from(matches!(event, Event::Failed { .. }));
    });
    match outcome {
        Ok(report) => Ok((module, report)),
        Err(error) => {
            assert_eq!(failed, 1);
            assert_eq!(print(&module, Level::Full), print(&start, Level::Full));
            assert!(error.is_mistake(), "{error}");
            Err(error)
        }
    }
}

fn breach(contract: NumericContract, work: Work) -> String {
    match declared(contract, work) {
        Err(RunError::Contract { pass, what }) if pass == "test" => what,
        other => panic!("it breaks its contract: {other:?}"),
    }
}

/// The activation is in the op, whose kind stays.
#[test]
fn an_exact_pass_sets_attributes_of_ops_that_it_declares() {
    const FUSED: &str = "fused_activation_function";
    let set: Work = |session| patch(session, |p, m| p.set_attr(op_of(m, "b"), FUSED, Attr::Int(1)));
    let made_of_itself: Work = |session| {
        patch(session, |p, m| {
            let mut op = m.subgraph(MAIN).op(op_of(m, "b")).clone();
            op.attrs.as_mut().unwrap().set(FUSED, Attr::Int(1)).unwrap();
            p.set_op(op_of(m, "b"), op);
        })
    };
    let set_and_back: Work = |session| {
        patch(session, |p, m| p.set_attr(op_of(m, "b"), FUSED, Attr::Int(1)))?;
        patch(session, |p, m| p.set_attr(op_of(m, "b"), FUSED, Attr::Int(0)))
    };
    for work in [set, made_of_itself] {
        assert_eq!(
            breach(NumericContract::Exact, work),
            "it is declared exact, and sets attributes of ADD, which is not among the ops that it \
             declares"
        );
        declared_to_write(&[ops::ADD], NumericContract::Exact, work).unwrap();
        assert_eq!(needs(work), NumericContract::Reassociating);
    }
    assert_eq!(needs(set_and_back), NumericContract::Exact);
}

/// The strictest contract that allows it.
fn needs(work: Work) -> NumericContract {
    let allowed = |contract: &NumericContract| declared(*contract, work).is_ok();
    let found: Vec<bool> = NumericContract::ALL.iter().map(allowed).collect();
    let first = found.iter().position(|ok| *ok).expect("some contract allows it");
    assert!(found[first..].iter().all(|ok| *ok), "what a contract allows, looser ones do");
    NumericContract::ALL[first]
}

/// Applies one patch.
fn patch(
    session: &mut Session<'_>,
    build: impl FnOnce(&mut Patch, &Module),
) -> Result<(), PassError> {
    let mut patch = Patch::new(MAIN, "test");
    build(&mut patch, session.model());
    session.apply(patch).map(|_| ())
}

/// Gives `codes` these bytes, and the quantisation of `finer`.
fn in_the_form_of_finer(session: &mut Session<'_>, codes: &'static [u8]) -> Result<(), PassError> {
    patch(session, |p, m| {
        let form = m.subgraph(MAIN).tensor(tensor(m, "finer")).quantization.clone();
        let bytes = p.add_constant(Bytes::from_static(codes));
        p.set_quantization(tensor(m, "codes"), form);
        p.set_buffer(tensor(m, "codes"), bytes);
    })
}

fn floats(values: [f32; 4]) -> Bytes {
    values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>().into()
}

#[test]
fn contracts_are_ordered_and_named_alike_everywhere() {
    assert!(NumericContract::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    for contract in NumericContract::ALL {
        let json = serde_json::to_string(&contract).unwrap();
        assert_eq!(json, format!("\"{}\"", contract.name()));
    }
}

#[test]
fn an_exact_pass_keeps_the_values_of_what_is_read() {
    let replaced: Work = |session| {
        patch(session, |p, m| {
            let new = p.add_constant(floats([1.0, 2.0, 3.0, 4.5]));
            p.set_buffer(tensor(m, "w"), new);
        })
    };
    assert_eq!(
        breach(NumericContract::Exact, replaced),
        "it is declared exact, and gave `w` other values"
    );
    assert_eq!(
        breach(NumericContract::ExactButNanAndZero, replaced),
        "it is declared exact but for NaN and -0.0, and gave `w` other values"
    );
    assert_eq!(needs(replaced), NumericContract::Reassociating);

    // By way of another tensor.
    let moved: Work =
        |session| patch(session, |p, m| p.set_operand(op_of(m, "a"), 1, tensor(m, "other")));
    assert_eq!(
        breach(NumericContract::Exact, moved),
        "it is declared exact, and lets MUL read other values than those of `w`"
    );
    assert_eq!(needs(moved), NumericContract::Reassociating);

    // Next to another operand, whatever that is, or to a twin of one.
    let beside: Work = |session| {
        patch(session, |p, m| {
            p.set_operand(op_of(m, "c"), 0, tensor(m, "a"));
            p.set_operand(op_of(m, "c"), 1, tensor(m, "w"));
        })
    };
    assert_eq!(
        breach(NumericContract::Exact, beside),
        "it is declared exact, and lets SUB read other values than those of `other`"
    );
    assert_eq!(needs(beside), NumericContract::Reassociating);
    let beside_a_twin: Work = |session| {
        patch(session, |p, m| {
            p.set_operand(op_of(m, "e"), 0, tensor(m, "twin"));
            p.set_operand(op_of(m, "e"), 1, tensor(m, "w"));
        })
    };
    assert!(breach(NumericContract::Exact, beside_a_twin).ends_with("than those of `other`"));

    // Other scales are other values.
    let scaled: Work = |session| {
        patch(session, |p, m| {
            let q = Quantization::symmetric(vec![0.25], 0);
            p.set_quantization(tensor(m, "codes"), Some(Arc::new(q)));
        })
    };
    assert!(breach(NumericContract::Exact, scaled).ends_with("gave `codes` other values"));

    // In another form, which the model has elsewhere.
    let in_another_form: Work = |session| in_the_form_of_finer(session, &[2, 4, 6, 9]);
    assert!(breach(NumericContract::Exact, in_another_form).ends_with("gave `codes` other values"));
    let of_another_form: Work =
        |session| patch(session, |p, m| p.set_operand(op_of(m, "d"), 0, tensor(m, "finer")));
    assert!(breach(NumericContract::Exact, of_another_form).ends_with("than those of `codes`"));

    // A bias less, or one more.
    let less: Work = |session| patch(session, |p, m| p.clear_operand(op_of(m, "i"), 2));
    assert_eq!(
        breach(NumericContract::Exact, less),
        "it is declared exact, and lets FULLY_CONNECTED no longer read `bias`"
    );
    assert_eq!(needs(less), NumericContract::Reassociating);
    let more: Work =
        |session| patch(session, |p, m| p.set_operand(op_of(m, "j"), 2, tensor(m, "bias")));
    assert!(breach(NumericContract::Exact, more).ends_with("FULLY_CONNECTED also read `bias`"));

    // In two steps, one of which is none.
    let twice: Work = |session| {
        let buffer = session.apply(Edit::Constant(floats([0.0; 4])))?.constants().next().unwrap();
        patch(session, |p, m| p.set_name(tensor(m, "w"), Some("weights".into())))?;
        let id = tensor(session.model(), "weights");
        patch(session, |p, _| p.set_buffer(id, buffer))
    };
    assert!(breach(NumericContract::Exact, twice).ends_with("gave `w` other values"));
}

#[test]
fn an_exact_pass_may_do_what_changes_no_value() {
    let harmless: [Work; 8] = [
        // The same numbers in another form, which the model has elsewhere.
        |session| in_the_form_of_finer(session, &[2, 4, 6, 8]),
        // The same bytes in another place, and a twin of a tensor.
        |session| {
            patch(session, |p, m| {
                let same = p.add_constant(floats([1.0, 2.0, 3.0, 4.0]));
                p.set_buffer(tensor(m, "w"), same);
                p.set_operand(op_of(m, "b"), 1, tensor(m, "w"));
            })
        },
        // A result that was computed and is a constant now.
        |session| {
            patch(session, |p, m| {
                let bytes = p.add_constant(floats([0.5, 1.0, 1.5, 2.0]));
                p.set_buffer(tensor(m, "d"), bytes);
                p.erase_op(op_of(m, "d"));
            })
        },
        // Another constant, since the rest of the op changed with it.
        |session| {
            patch(session, |p, m| {
                let minus = p.new_constant(
                    Tensor::new("minus", ElementType::Float32, [2, 2]),
                    floats([-1.0, -2.0, -3.0, -5.0]),
                );
                p.set_operand(op_of(m, "c"), 0, minus);
                p.set_operand(op_of(m, "c"), 1, tensor(m, "b"));
            })
        },
        // Two that change places where that is all the same.
        |session| {
            patch(session, |p, m| {
                p.set_operand(op_of(m, "e"), 0, tensor(m, "other"));
                p.set_operand(op_of(m, "e"), 1, tensor(m, "w"));
            })
        },
        // One PAD for two.
        |session| {
            patch(session, |p, m| {
                let both = p.new_constant(
                    Tensor::new("both", ElementType::Int32, [2, 2]),
                    [1_i32, 1, 0, 0].map(i32::to_le_bytes).concat().into(),
                );
                p.set_operand(op_of(m, "g"), 0, tensor(m, "x"));
                p.set_operand(op_of(m, "g"), 1, both);
            })
        },
        // A constant that nothing reads any more.
        |session| {
            patch(session, |p, m| {
                p.set_operand(op_of(m, "b"), 1, tensor(m, "w"));
                let other = p.add_constant(floats([9.0; 4]));
                p.set_buffer(tensor(m, "twin"), other);
            })
        },
        // An op that is declared.
        |session| {
            patch(session, |p, m| {
                let new = p.add_tensor(Tensor::new("new", ElementType::Float32, [2, 2]));
                let neg = Op::new(OpKind::Builtin(ops::NEG));
                p.add_op(neg, InsertionPoint::End, &[Some(tensor(m, "y").into())], &[new]);
            })
        },
    ];
    for work in harmless {
        assert_eq!(needs(work), NumericContract::Exact);
    }
}

#[test]
fn what_narrows_a_constant_quantises() {
    let narrowed: Work = |session| {
        patch(session, |p, m| {
            let mut codes = m.subgraph(MAIN).tensor(tensor(m, "w")).clone();
            codes.ty = ElementType::Float16;
            p.new_constant(codes, Bytes::from_static(&[0; 8]));
        })
    };
    assert_eq!(
        breach(NumericContract::Reassociating, narrowed),
        "it is declared to group floats otherwise, and brought in a quantised type: `w` is FLOAT16"
    );
    assert_eq!(needs(narrowed), NumericContract::Quantizing);
    // A form that the model had already is none.
    let again: Work = |session| {
        patch(session, |p, m| {
            p.add_tensor(m.subgraph(MAIN).tensor(tensor(m, "codes")).clone());
        })
    };
    assert_eq!(needs(again), NumericContract::Exact);
}

#[test]
fn what_callers_see_is_the_signature() {
    let works: [(Work, &str); 5] = [
        (
            |session| {
                patch(session, |p, _| {
                    let other = Tensor::new("z", ElementType::Int64, [2, 2]);
                    let other = p.new_constant(other, Bytes::from_static(&[0; 32]));
                    p.set_outputs([other]);
                })
            },
            "made `z` (INT64 [2, 2]) of the output `y` (FLOAT32 [2, 2])",
        ),
        (
            |session| {
                patch(session, |p, m| {
                    let other = p.add_tensor(Tensor::new("z", ElementType::Float32, [1, 4]));
                    let bytes = p.add_constant(floats([0.0; 4]));
                    p.set_buffer(tensor(m, "x"), bytes);
                    p.set_inputs([other]);
                })
            },
            "made `z` (FLOAT32 [1, 4]) of the input `x` (FLOAT32 [2, 2])",
        ),
        (
            |session| {
                patch(session, |p, m| {
                    p.set_outputs([tensor(m, "y").into(), tensor(m, "a").into()]);
                })
            },
            "gave the model 2 outputs, not 1",
        ),
        (
            |session| {
                let output = (Some("y".into()), TensorLink::Tensor(tensor(session.model(), "y")));
                let signature = Signature {
                    key: Some("serve".into()),
                    inputs: Vec::new(),
                    outputs: vec![output],
                    subgraph: 0,
                    deprecated_tag: None,
                };
                session.apply(Edit::Signatures(vec![signature]))?;
                Ok(())
            },
            "changed the signatures",
        ),
        (
            |session| {
                patch(session, |p, m| {
                    let new = p.add_tensor(Tensor::new("more", ElementType::Float32, [1]));
                    p.set_inputs([tensor(m, "x").into(), new]);
                })
            },
            "gave the model 2 inputs, not 1",
        ),
    ];
    for (work, what) in works {
        let expected = format!("it is declared quantising, and {what}");
        assert_eq!(breach(NumericContract::Quantizing, work), expected);
        assert_eq!(needs(work), NumericContract::ChangesSignature);
    }
}

#[test]
fn an_annotation_changes_nothing_that_is_computed() {
    let notes: Work = |session| {
        let op = op_of(session.model(), "a");
        patch(session, |p, m| {
            p.set_note(op, "seen", Attr::Bool(true));
            p.set_name(tensor(m, "a"), Some("product".into()));
        })?;
        session.apply(Edit::Versions(MAIN, vec![(op, 2)]))?;
        session.apply(Edit::Metadata("mine".into(), Some(Bytes::from_static(b"said"))))?;
        Ok(())
    };
    assert_eq!(needs(notes), NumericContract::Annotation);
    // There and back again is more than that.
    let back: Work = |session| {
        let (op, w, twin) = (
            op_of(session.model(), "a"),
            tensor(session.model(), "w"),
            tensor(session.model(), "twin"),
        );
        patch(session, |p, _| p.set_operand(op, 1, twin))?;
        patch(session, |p, _| p.set_operand(op, 1, w))
    };
    assert_eq!(
        breach(NumericContract::Annotation, back),
        "it is declared to change notes and metadata only, and changed ops"
    );
    assert_eq!(needs(back), NumericContract::Exact);
    let trailer: Work = |session| {
        session.apply(Edit::Trailer(Bytes::new()))?;
        Ok(())
    };
    assert_eq!(
        breach(NumericContract::Annotation, trailer),
        "it is declared to change notes and metadata only, and did this: set what follows the model"
    );
}

#[test]
fn an_op_that_becomes_another_is_declared_like_a_new_one() {
    let undeclared: Work = |session| {
        patch(session, |p, m| p.set_op(op_of(m, "a"), Op::new(OpKind::Builtin(ops::DIV))))
    };
    assert_eq!(
        breach(NumericContract::ChangesSignature, undeclared),
        "it adds DIV, which is not among the ops that it declares"
    );
    let the_same: Work = |session| {
        patch(session, |p, m| {
            let op = op_of(m, "a");
            p.set_op(op, m.subgraph(MAIN).op(op).clone());
        })
    };
    assert_eq!(needs(the_same), NumericContract::Exact);
}

#[test]
fn a_pass_that_panics_in_the_middle_leaves_nothing_behind() {
    let panics: Work = |session| {
        session.apply(Edit::Constant(floats([1.0; 4])))?;
        patch(session, |p, m| p.set_name(tensor(m, "w"), None))?;
        panic!("half done");
    };
    let error = in_pipeline(&Pipeline::new().then("test", pass_fn(panics))).unwrap_err();
    assert_eq!(error.to_string(), "pass `test` panicked: half done");
}

#[test]
fn a_run_that_fails_leaves_the_edits_of_its_caller() {
    let mut module = model();
    let mut rename = Patch::new(MAIN, "rename");
    rename.set_name(tensor(&module, "a"), Some("mine".into()));
    module.apply(rename).unwrap();
    let own = module.clone();
    let target = Target::named("litert").unwrap();
    let fails: Work = |_| panic!("half done");
    for pipeline in [Pipeline::new(), Pipeline::new().then("test", pass_fn(fails))] {
        _ = run(&mut module, &pipeline, &target, &RunOptions::default(), |_| ());
        assert!(module.edits().len() == 1 && module.is_untouched_since(&own));
    }
    module.sum_edits();
    let options = RunOptions { keep_edits: true, ..RunOptions::default() };
    let rename: Work = |session| patch(session, |p, m| p.set_name(tensor(m, "b"), None));
    let pipeline = Pipeline::new().then("test", pass_fn(rename));
    run(&mut module, &pipeline, &target, &options, |_| ()).unwrap();
    assert_eq!(module.edits().len(), 1);
}

#[test]
fn edits_are_kept_where_that_is_asked_for() {
    let rename: Work = |session| patch(session, |p, m| p.set_name(tensor(m, "a"), None));
    let pipeline =
        Pipeline::new().then("first", pass_fn(rename)).then("second", pass_fn(|_| Ok(())));
    let target = Target::named("litert").unwrap();
    let ran = |options: &RunOptions| {
        let mut module = model();
        let report = run(&mut module, &pipeline, &target, options, |_| ()).unwrap();
        assert_eq!(
            report.passes.iter().map(|pass| pass.changed).collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!((module.edit_count(), module.journal().len()), (1, 1));
        module
    };
    let lean = ran(&RunOptions::default());
    assert!(lean.edits().is_empty() && !lean.is_untouched_since(&model()));
    let whole = ran(&RunOptions { keep_edits: true, ..RunOptions::default() });
    let mut again = model();
    again.replay(whole.edits()).unwrap();
    assert_eq!(print(&again, Level::Full), print(&lean, Level::Full));
}
