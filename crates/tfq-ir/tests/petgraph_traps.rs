//! What petgraph does that an IR must not: each trap is sprung, and does no harm.

mod common;

use common::{MAIN, apply, chain, float, main, op, operands, refuse, relu};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tfq_ir::catalog::ops;
use tfq_ir::{
    ConstantPool, InsertionPoint, Module, OpId, Patch, Quantization, QuantizationDetails, Reason,
    Subgraph, SubgraphBuilder, SubgraphId, Tensor, TensorId, TensorLink, TensorRef, Use,
};

// Trap 1: edges come back newest first, so their order is the history of the graph.

/// CONCATENATION of three inputs.
fn three_operands() -> (Module, OpId, [TensorId; 3]) {
    let mut builder = SubgraphBuilder::new(None);
    let inputs = ["p", "q", "r"].map(|name| builder.tensor(float(name)));
    let out = builder.tensor(float("out"));
    let concat = builder.op(op(ops::CONCATENATION), &inputs.map(Some), &[out]);
    let main = builder.finish(inputs.to_vec(), vec![out]);
    (Module::new(vec![main], ConstantPool::new(vec![None])), concat, inputs)
}

#[test]
fn operands_come_by_slot_whatever_was_rewired_last() {
    let (mut module, concat, [p, q, r]) = three_operands();
    assert_eq!(main(&module).operands(concat), operands(&[p, q, r]));

    let applied = apply(&mut module, |patch| {
        let new = patch.add_tensor(float("new"));
        patch.add_op(relu(), InsertionPoint::Before(concat), &[Some(q.into())], &[new]);
        patch.set_operand(concat, 1, new);
    });
    let new = applied.tensors[0];
    assert_eq!(main(&module).operands(concat), operands(&[p, new, r]));

    apply(&mut module, |patch| patch.set_operand(concat, 0, r));
    let graph = main(&module);
    assert_eq!(graph.operands(concat), operands(&[r, new, r]));
    assert_eq!([0, 1, 2, 3].map(|n| graph.operand(concat, n)), [Some(r), Some(new), Some(r), None]);
}

#[test]
fn a_tensor_read_twice_by_one_op_has_two_uses_that_move_apart() {
    let (mut module, chain) = chain();
    let (a, b, add) = (chain.a, chain.b, chain.add);
    apply(&mut module, |patch| patch.set_operand(add, 0, a));
    assert_eq!(main(&module).operands(add), operands(&[a, a]));
    let second = chain.second;
    let uses = [(second, 0), (add, 0), (add, 1)].map(|(op, slot)| Use { op, slot });
    assert_eq!(main(&module).uses(a).to_vec(), uses);

    apply(&mut module, |patch| patch.set_operand(add, 1, b));
    assert_eq!(main(&module).operands(add), operands(&[a, b]));
    apply(&mut module, |patch| patch.set_operand(add, 1, a));

    let mut patch = Patch::new(MAIN, "all at once");
    patch.replace_uses(main(&module), a, chain.x);
    module.apply(patch).unwrap();
    assert_eq!(main(&module).operands(add), operands(&[chain.x, chain.x]));
    assert!(main(&module).uses(a).is_empty());
}

#[test]
fn uses_come_in_execution_order_then_by_slot() {
    let (mut module, chain) = chain();
    let (a, first) = (chain.a, chain.first);
    // Added last, runs before the other two readers.
    let applied = apply(&mut module, |patch| {
        let out = patch.add_tensor(float("out"));
        patch.add_op(op(ops::ADD), InsertionPoint::After(first), &[Some(a.into()); 2], &[out]);
    });
    let uses = [(applied.ops[0], 0), (applied.ops[0], 1), (chain.second, 0), (chain.add, 1)];
    assert_eq!(main(&module).uses(a).to_vec(), uses.map(|(op, slot)| Use { op, slot }));
}

// Trap 2: an index that was freed names the next node that is added.

fn panics<T>(read: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(read)).is_err()
}

#[test]
fn a_stale_handle_is_noticed_though_its_index_lives_on() {
    let (mut module, chain) = chain();
    let (add, y, b, second) = (chain.add, chain.y, chain.b, chain.second);
    apply(&mut module, |patch| {
        patch.replace_output(y, chain.a);
        patch.erase_op(add);
        patch.erase_op(second);
        patch.erase_tensor(y);
        patch.erase_tensor(b);
    });
    // As many nodes of each kind as were freed, so that petgraph takes every index again.
    let applied = apply(&mut module, |patch| {
        for _ in 0..2 {
            let out = patch.add_tensor(float("new"));
            patch.add_op(relu(), InsertionPoint::End, &[Some(chain.x.into())], &[out]);
        }
    });

    let graph = main(&module);
    for op in [add, second] {
        assert!(!graph.contains_op(op) && !applied.ops.contains(&op));
        assert!(panics(|| graph.op(op)));
        assert!(panics(|| graph.operands(op)));
        assert!(panics(|| graph.operand(op, 0)));
        assert!(panics(|| graph.results(op)));
        assert!(panics(|| graph.intermediates(op)));
        assert!(panics(|| graph.runs_before(chain.first, op)));
    }
    for tensor in [y, b] {
        assert!(!graph.contains_tensor(tensor) && !applied.tensors.contains(&tensor));
        assert!(panics(|| graph.tensor(tensor)));
        assert!(panics(|| graph.producer(tensor)));
        assert!(panics(|| graph.uses(tensor)));
        assert!(panics(|| graph.is_connected(tensor)));
    }
    assert_eq!(refuse(&mut module, |patch| patch.set_version(add, 2)), Reason::StaleOp);
    assert_eq!(refuse(&mut module, |patch| patch.set_name(y, None)), Reason::StaleTensor);
}

#[test]
fn handles_of_what_stays_outlive_the_erasure_of_everything_around() {
    let (mut module, chain) = chain();
    let (second, b, add) = (chain.second, chain.b, chain.add);
    apply(&mut module, |patch| {
        patch.set_operand(add, 0, chain.a);
        patch.erase_op(second);
        patch.erase_tensor(b);
    });
    let graph = main(&module);
    assert_eq!(graph.operands(add), operands(&[chain.a, chain.a]));
    assert_eq!(graph.producer(chain.a), Some((chain.first, 0)));
    assert_eq!(graph.tensor(chain.y).label(), "y");
}

// Trap 3: a topological sort breaks ties by the history of the graph.

/// Three ops that do not depend on each other, each reading `x`.
fn independent() -> (Module, Vec<OpId>, TensorId) {
    let mut builder = SubgraphBuilder::new(None);
    let x = builder.tensor(float("x"));
    let outs = ["p", "q", "r"].map(|name| builder.tensor(float(name)));
    let made = outs.map(|out| builder.op(relu(), &[Some(x)], &[out])).to_vec();
    let main = builder.finish(vec![x], outs.to_vec());
    (Module::new(vec![main], ConstantPool::new(vec![None])), made, x)
}

fn order(graph: &Subgraph) -> Vec<OpId> {
    let order: Vec<OpId> = graph.ops().collect();
    assert_eq!(order.len(), graph.op_count());
    assert!(order.windows(2).all(|pair| graph.runs_before(pair[0], pair[1])));
    order
}

#[test]
fn edges_that_come_and_go_leave_the_order_alone() {
    let (mut module, made, x) = independent();
    for &op in made.iter().rev() {
        apply(&mut module, |patch| {
            let other = patch.add_tensor(Tensor { is_variable: true, ..float("other") });
            patch.set_operand(op, 0, other);
        });
        apply(&mut module, |patch| patch.set_operand(op, 0, x));
    }
    assert_eq!(order(main(&module)), made);
}

#[test]
fn insertions_at_one_place_keep_their_order_when_keys_run_out() {
    // A gap of keys takes 24 halvings. 100 need several rounds of numbering anew.
    const COUNT: usize = 100;
    for before in [true, false] {
        let (mut module, made, x) = independent();
        let mut inserted = Vec::new();
        for _ in 0..COUNT {
            let place = if before {
                InsertionPoint::Before(made[1])
            } else {
                InsertionPoint::After(made[1])
            };
            let applied = apply(&mut module, |patch| {
                let out = patch.add_tensor(float("out"));
                patch.add_op(relu(), place, &[Some(x.into())], &[out]);
            });
            inserted.push(applied.ops[0]);
        }
        let mut expected = vec![made[0], made[1]];
        if before {
            expected.splice(1..1, inserted);
        } else {
            expected.extend(inserted.into_iter().rev());
        }
        expected.push(made[2]);
        assert_eq!(order(main(&module)), expected);
    }
}

#[test]
fn insertions_in_front_of_all_ops_keep_their_order_when_keys_run_out() {
    let (mut module, made, x) = independent();
    let mut expected = made.clone();
    for _ in 0..100 {
        let first = expected[0];
        let applied = apply(&mut module, |patch| {
            let out = patch.add_tensor(float("out"));
            patch.add_op(relu(), InsertionPoint::Before(first), &[Some(x.into())], &[out]);
        });
        expected.insert(0, applied.ops[0]);
    }
    assert_eq!(order(main(&module)), expected);
}

#[test]
fn ops_of_one_patch_at_one_place_run_in_the_order_they_were_added() {
    let (mut module, made, x) = independent();
    let places =
        [InsertionPoint::After(made[0]), InsertionPoint::Before(made[1]), InsertionPoint::End];
    let applied = apply(&mut module, |patch| {
        // Each op reads the one before it at its place, so that a wrong order is refused.
        let mut last = [TensorRef::from(x); 3];
        for n in 0..120 {
            let at = n % 3;
            let out = patch.add_tensor(float("out"));
            patch.add_op(relu(), places[at], &[Some(last[at])], &[out]);
            last[at] = out;
        }
    });
    let at = |at: usize| applied.ops.iter().copied().skip(at).step_by(3);
    let expected: Vec<OpId> = [made[0]]
        .into_iter()
        .chain(at(0))
        .chain(at(1))
        .chain([made[1], made[2]])
        .chain(at(2))
        .collect();
    assert_eq!(order(main(&module)), expected);
}

#[test]
fn erasing_the_first_and_the_last_op_keeps_the_order_of_the_rest() {
    let (mut module, made, x) = independent();
    for gone in [made[0], made[2]] {
        let out = main(&module).results(gone)[0];
        apply(&mut module, |patch| {
            patch.erase_op(gone);
            patch.replace_output(out, x);
        });
    }
    assert_eq!(order(main(&module)), [made[1]]);
    let applied = apply(&mut module, |patch| {
        for place in
            [InsertionPoint::End, InsertionPoint::Before(made[1]), InsertionPoint::After(made[1])]
        {
            let out = patch.add_tensor(float("out"));
            patch.add_op(relu(), place, &[Some(x.into())], &[out]);
        }
    });
    let [end, before, after] = applied.ops[..] else { panic!("three ops were added") };
    assert_eq!(order(main(&module)), [before, made[1], after, end]);
}

// Trap 4: copies through serde or `filter_map` have their edges in another order.

#[test]
fn a_snapshot_keeps_operands_and_order_and_does_not_see_later_patches() {
    let (mut module, chain) = chain();
    let (first, add, x) = (chain.first, chain.add, chain.x);
    apply(&mut module, |patch| patch.set_operand(add, 0, x));
    let snapshot = module.clone();
    let then = format!("{snapshot:?}");
    assert_eq!(then, format!("{:?}", module));

    for _ in 0..40 {
        apply(&mut module, |patch| {
            let out = patch.add_tensor(float("out"));
            patch.add_op(relu(), InsertionPoint::After(first), &[Some(x.into())], &[out]);
            patch.set_name(x, None);
            patch.set_version(first, 9);
            patch.set_operand(add, 0, chain.a);
        });
    }
    assert_eq!(format!("{snapshot:?}"), then);

    // The other way round: the snapshot goes its own way from the same place.
    let now = format!("{:?}", module);
    let mut snapshot = snapshot;
    apply(&mut snapshot, |patch| patch.set_name(chain.y, None));
    assert_eq!(format!("{:?}", module), now);
    let graph = main(&snapshot);
    assert_eq!(graph.operands(add), operands(&[x, chain.a]));
    assert_eq!(order(graph), [first, chain.second, add]);
}

// Trap 5: `add_edge` takes an edge that closes a cycle.

fn is_order(reason: Reason) -> bool {
    matches!(reason, Reason::Order { .. })
}

#[test]
fn a_patch_that_would_close_a_cycle_is_refused() {
    let (mut module, chain) = chain();
    let (first, second, y, b) = (chain.first, chain.second, chain.y, chain.b);
    assert!(is_order(refuse(&mut module, |patch| patch.set_operand(first, 0, y))), "over all ops");
    assert!(is_order(refuse(&mut module, |patch| patch.set_operand(second, 0, b))), "onto itself");
    assert!(
        is_order(refuse(&mut module, |patch| {
            let [p, q] = ["p", "q"].map(|name| patch.add_tensor(float(name)));
            patch.add_op(relu(), InsertionPoint::End, &[Some(p)], &[q]);
            patch.add_op(relu(), InsertionPoint::End, &[Some(q)], &[p]);
        })),
        "among new ops"
    );
}

#[test]
fn a_patch_that_lets_an_op_read_what_is_computed_later_is_refused() {
    let (mut module, chain) = chain();
    let (a, b, second, add) = (chain.a, chain.b, chain.second, chain.add);
    assert!(
        is_order(refuse(&mut module, |patch| {
            let out = patch.add_tensor(float("out"));
            patch.add_op(relu(), InsertionPoint::Before(second), &[Some(b.into())], &[out]);
        })),
        "a new op in front of the producer"
    );
    assert!(
        is_order(refuse(&mut module, |patch| {
            let new = patch.add_tensor(float("new"));
            patch.add_op(relu(), InsertionPoint::After(second), &[Some(a.into())], &[new]);
            patch.set_operand(second, 0, new);
        })),
        "an old op that reads a new one behind it"
    );
    assert!(
        is_order(refuse(&mut module, |patch| {
            let other = patch.add_tensor(float("other"));
            patch.set_result(second, 0, other);
            patch.add_op(relu(), InsertionPoint::After(add), &[Some(other)], &[b.into()]);
        })),
        "a result that moves behind a reader which the patch does not mention"
    );
}

// What petgraph leaves to its users as well: an index says nothing of the graph that it is of.

/// Two subgraphs alike, so that every handle of one has the numbers of one of the other.
fn twins() -> (Module, [(TensorId, TensorId, OpId); 2]) {
    let made = [0, 1].map(|number| {
        let mut builder = SubgraphBuilder::numbered(SubgraphId(number), None);
        let [x, y] = ["x", "y"].map(|name| builder.tensor(float(name)));
        let op = builder.op(relu(), &[Some(x)], &[y]);
        (builder.finish(vec![x], vec![y]), (x, y, op))
    });
    let [(first, one), (second, other)] = made;
    (Module::new(vec![first, second], ConstantPool::new(vec![None])), [one, other])
}

#[test]
fn a_handle_of_another_subgraph_is_refused_and_never_another_tensor() {
    let (mut module, [(_, y, op), (foreign_x, foreign_y, foreign_op)]) = twins();
    assert_eq!(op.number(), foreign_op.number());
    assert_ne!(op, foreign_op);
    let graph = main(&module);
    assert!(!graph.contains_op(foreign_op) && !graph.contains_tensor(foreign_x));
    assert!(panics(|| graph.tensor(foreign_x)) && panics(|| graph.results(foreign_op)));
    assert!(!graph.is_input(foreign_x) && !graph.is_output(foreign_y));

    let mut refused = |change: &dyn Fn(&mut Patch)| refuse(&mut module, |patch| change(patch));
    let name = || Some("renamed".into());
    assert_eq!(refused(&|p| p.set_name(foreign_x, name())), Reason::ForeignTensor);
    assert_eq!(refused(&|p| p.set_operand(op, 0, foreign_x)), Reason::ForeignTensor);
    assert_eq!(refused(&|p| p.set_operand(foreign_op, 0, y)), Reason::ForeignOp);
    assert_eq!(refused(&|p| p.replace_output(y, foreign_y)), Reason::ForeignTensor);
    assert_eq!(refused(&|p| p.erase_op(foreign_op)), Reason::ForeignOp);
    assert_eq!(refused(&|p| p.erase_tensor(foreign_x)), Reason::ForeignTensor);
    assert_eq!(refused(&|p| p.set_version(foreign_op, 2)), Reason::ForeignOp);
    let scales = |p: &mut Patch| {
        let details = QuantizationDetails::Blockwise {
            scales: TensorLink::Tensor(foreign_x),
            zero_points: TensorLink::Raw(-1),
            block_size: 32,
            block_shape: Vec::new(),
        };
        p.set_quantization(
            y,
            Some(Quantization { rare: details.into(), ..Quantization::default() }.into()),
        );
    };
    assert_eq!(refused(&scales), Reason::ForeignTensor);
    module.verify().unwrap();
}

#[test]
#[should_panic(expected = "two subgraphs were built under the number 0")]
fn subgraphs_of_one_number_make_no_module() {
    let graph = || SubgraphBuilder::new(None).finish(vec![], vec![]);
    Module::new(vec![graph(), graph()], ConstantPool::default());
}
