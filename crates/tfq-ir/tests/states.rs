//! States of a module: history, provenance, epochs, effects, and the shuffled twin.

use tfq_ir::catalog::ops;
use tfq_ir::{
    Attr, CallEffects, Effects, History, InsertionPoint, Module, Op, OpKind, Patch, SubgraphId,
    Tensor, effects,
};
use tfq_text::{Level, ParseOptions, parse, print};

const MAIN: SubgraphId = SubgraphId(0);

fn read(text: &str) -> Module {
    parse(text, &ParseOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn two_ops() -> Module {
    read(
        "tfg 1 quant
        signature \"run\" @main { input \"x\" = %x output \"y\" = %y }
        subgraph @main {
          %x = input : f32[4]
          %a = RELU(%x) : f32[4]
          %y = NEG(%a) : f32[4]
          output %y
        }",
    )
}

/// Puts an ABS behind the op that computes the tensor of this name.
fn insert_abs(module: &mut Module, name: &str) {
    let graph = module.subgraph(MAIN);
    let tensor = graph.tensors().find(|id| graph.tensor(*id).label() == name).unwrap();
    let (producer, _) = graph.producer(tensor).unwrap();
    let mut patch = Patch::new(MAIN, "insert an ABS");
    let mut twin: Tensor = graph.tensor(tensor).clone();
    twin.name = Some(format!("{name}_abs").into());
    let twin = patch.add_tensor(twin);
    let abs = Op::new(OpKind::Builtin(ops::ABS));
    patch.add_op(abs, InsertionPoint::After(producer), &[Some(tensor.into())], &[twin]);
    patch.replace_uses(graph, tensor, twin);
    module.apply(patch).unwrap();
}

#[test]
fn every_state_can_be_had_again_and_undone_to() {
    let mut module = two_ops();
    let mut history = History::new(&module);
    let mut texts = vec![print(&module, Level::Full)];
    for (n, name) in ["a", "a_abs", "y", "a", "a_abs"].into_iter().enumerate() {
        insert_abs(&mut module, name);
        texts.push(print(&module, Level::Full));
        if n == 2 {
            history.mark(&module);
        }
    }
    for (count, text) in texts.iter().enumerate() {
        let state = history.state(module.edits(), count);
        assert_eq!(print(&state, Level::Full), *text, "after {count} changes");
        assert_eq!(state.journal().len(), count);
    }
    history.undo(&mut module, 2);
    assert_eq!(print(&module, Level::Full), texts[2]);
    // What was undone can be followed by something else.
    insert_abs(&mut module, "y");
    assert_eq!(module.journal().len(), 3);
    module.verify().unwrap();
}

#[test]
fn ops_and_tensors_know_who_made_them() {
    let mut module = two_ops();
    module.set_pass(Some("first".into()));
    insert_abs(&mut module, "a");
    module.set_pass(Some("second".into()));
    insert_abs(&mut module, "a_abs");
    let graph = module.subgraph(MAIN);
    let origins = module.op_origins(MAIN);
    let passes: Vec<Vec<&str>> = graph
        .ops()
        .map(|op| {
            let applied = origins.get(&op).into_iter().flatten();
            applied.filter_map(|applied| applied.pass().map(|pass| &**pass)).collect()
        })
        .collect();
    // RELU is untouched, the first ABS was made, the second made, NEG rewired twice.
    assert_eq!(passes, [vec![], vec!["first"], vec!["second"], vec!["first", "second"]]);
    let tensors = module.tensor_origins(MAIN);
    let made: Vec<&str> = tensors.keys().map(|id| graph.tensor(*id).label()).collect();
    assert_eq!(made, ["a_abs", "a_abs_abs"]);
    // A replay keeps them.
    let mut again = two_ops();
    again.replay(module.edits()).unwrap();
    assert_eq!(again.journal()[1].pass().map(|pass| &**pass), Some("second"));
}

#[test]
fn an_epoch_never_comes_back() {
    let mut module = two_ops();
    let start = module.clone();
    insert_abs(&mut module, "a");
    let first = module.subgraph(MAIN).epoch();
    assert_ne!(first, start.subgraph(MAIN).epoch());
    let snapshot = module.clone();
    assert_eq!(snapshot.subgraph(MAIN).epoch(), first);
    module = start.clone();
    assert_eq!(module.subgraph(MAIN).epoch(), start.subgraph(MAIN).epoch());
    insert_abs(&mut module, "y");
    assert_ne!(module.subgraph(MAIN).epoch(), first, "another state, another epoch");
}

#[test]
fn a_shuffled_module_is_the_same_model() {
    let text = "tfg 1 quant
        signature \"run\" @main { input \"x\" = %x output \"y\" = %y }
        subgraph @main {
          %x = input : f32[1,4]
          %w = const : f32[4,4] fill gaussian(seed = 1, std = 0.1)
          %b = const : f32[4] = [1.0, 2.0, 3.0, 4.0]
          %a = FULLY_CONNECTED(%x, %w, %b) : f32[1,4]
          %c = ADD(%a, %a) : f32[1,4]
          %y = SUB(%c, %a) : f32[1,4]
          output %y
        }";
    let module = read(text);
    for seed in 0..20 {
        let twin = module.shuffled(seed);
        twin.verify().unwrap();
        assert_eq!(print(&twin, Level::Full), print(&module, Level::Full), "seed {seed}");
        assert_eq!(twin.structural_hash(), module.structural_hash());
    }
    let ids = |module: &Module| module.subgraph(MAIN).tensors().collect::<Vec<_>>();
    assert!((0..20).any(|seed| ids(&module.shuffled(seed)) != ids(&module)));
}

#[test]
fn what_differs_in_structure_has_another_hash_and_names_and_notes_have_another_state() {
    let hashes = |tensor: &str, op: &str| {
        let module = read(&format!(
            "tfg 1 full
            subgraph @main {{
              %x = input : f32[1,4]
              %w = {tensor}
              %b = const : f32[4] = [1.0, 2.0, 3.0, 4.0]
              %y = {op} : f32[1,4]
              output %y
            }}"
        ));
        (module.structural_hash(), module.state_hash())
    };
    let (weight, op) = ("const : i8[4,4] q(0.5) fill const(1)", "FULLY_CONNECTED(%x, %w, %b)");
    let same = hashes(weight, op);
    assert_eq!(same, hashes(weight, op));
    for weight in [
        "const : i8[4,4] q(0.25) fill const(1)",
        "const : i8[4,4] q(0.5) expressed f32 fill const(1)",
        "const : u8[4,4] q(0.5) fill const(1)",
        "const : i8[16] q(0.5) fill const(1)",
        "variable : i8[4,4] q(0.5) fill const(1)",
        "const : i8[4,4] q(0.5) external 3 fill const(1)",
    ] {
        assert_ne!(hashes(weight, op).0, same.0, "{weight}");
    }
    for op in [
        "FULLY_CONNECTED(%x, %w, _)",
        "FULLY_CONNECTED(%x, %w, %b, _)",
        "FULLY_CONNECTED(%x, %w) scratch(%b)",
        "FULLY_CONNECTED(%x, %w, %b) mutates [true]",
        "FULLY_CONNECTED(%x, %w, %b) options(b\"a\")",
        "FULLY_CONNECTED(%x, %w, %b) {fused_activation_function = RELU}",
    ] {
        assert_ne!(hashes(weight, op).0, same.0, "{op}");
    }
    for op in
        ["FULLY_CONNECTED.v2(%x, %w, %b)", "FULLY_CONNECTED(%x, %w, %b) notes(\"hybrid\" = true)"]
    {
        let other = hashes(weight, op);
        assert!(other.0 == same.0 && other.1 != same.1, "{op}");
    }
}

#[test]
fn effects_come_from_the_op_its_variables_and_what_it_calls() {
    let text = "tfg 1 types
        subgraph @main {
          %x = input : f32[4]
          %p = input : bool[]
          %r = RANDOM_UNIFORM(%x) : f32[4]
          %a = ADD(%x, %r) : f32[4]
          %c = IF(%p, %a) {then_subgraph_index = 1, else_subgraph_index = 2} : f32[4]
          %d = IF(%p, %c) {then_subgraph_index = 2, else_subgraph_index = 2} : f32[4]
          %u = custom \"mine\"(%d) : f32[4]
          output %u
        }
        subgraph @stores {
          %v = input : f32[4]
          %handle = VAR_HANDLE() : resource[]
          ASSIGN_VARIABLE(%handle, %v)
          output %v
        }
        subgraph @plain {
          %v = input : f32[4]
          %n = NEG(%v) : f32[4]
          output %n
        }";
    let module = read(text);
    let found: Vec<Effects> =
        module.subgraph(MAIN).ops().map(|op| effects(&module, MAIN, op)).collect();
    let none = Effects::default();
    assert_eq!(
        found,
        [
            Effects { random: true, ..none },
            none,
            Effects { writes_state: true, ..none },
            none,
            Effects { unknown: true, ..none },
        ]
    );
    assert!(found[0].is_droppable() && !found[0].is_pure());
    assert!(!found[2].is_droppable() && !found[4].is_droppable());
}

/// Two subgraphs that call each other, one that calls itself, and numbers that name none.
#[test]
fn effects_of_calls_that_go_round_are_found_for_one_op_and_for_all_alike() {
    let call = |callee: i64| {
        format!("IF(%p, %x) {{then_subgraph_index = {callee}, else_subgraph_index = {callee}}}")
    };
    let graph = |name: &str, callee: i64, more: &str| {
        let call = call(callee);
        format!(
            "subgraph @{name} {{ %p = input : bool[] %x = input : f32[4]\n\
             %y = {call} : f32[4]\n {more}\n output %y }}\n"
        )
    };
    let text = "tfg 1 types\n".to_owned()
        + &graph("main", 1, "")
        + &graph("ping", 2, "%r = RANDOM_UNIFORM(%x) : f32[4]")
        + &graph("pong", 1, "%h = VAR_HANDLE() : resource[]")
        + &graph("self", 3, "")
        + &graph("nobody", -1, "");
    let module = read(&text);
    let calls = CallEffects::new(&module);
    let first = |sg: u32| module.subgraph(SubgraphId(sg)).ops().next().unwrap();
    for (id, graph) in module.subgraphs() {
        for op in graph.ops() {
            assert_eq!(calls.of(&module, id, op), effects(&module, id, op), "subgraph {}", id.0);
        }
    }
    let both = Effects { random: true, writes_state: true, ..Effects::default() };
    for sg in 0..3 {
        assert_eq!(effects(&module, SubgraphId(sg), first(sg)), both);
    }
    for sg in 3..5 {
        assert!(effects(&module, SubgraphId(sg), first(sg)).is_pure());
    }
    assert!(calls.covers(&module, SubgraphId(3), first(3)));
    let later =
        read(&text.replace("graph @self { ", "graph @self { %h = VAR_HANDLE() : resource[]\n"));
    let handle = later.subgraph(SubgraphId(3)).ops().next().unwrap();
    assert!(!calls.covers(&later, SubgraphId(3), handle));
}

#[test]
fn notes_of_passes_survive_the_text() {
    let mut module = two_ops();
    let op = module.subgraph(MAIN).ops().next().unwrap();
    let mut patch = Patch::new(MAIN, "leave notes");
    let notes = [
        ("text", Attr::String("a \"b\"".into())),
        ("flag", Attr::Bool(true)),
        ("number", Attr::Int(-3)),
        ("half", Attr::Float(0.5)),
        ("infinite", Attr::Float(f32::NEG_INFINITY)),
        ("slots", Attr::Ints([1, 2].into())),
        ("none", Attr::Ints([].into())),
        ("halves", Attr::Floats([0.5, 1e20].into())),
        ("flags", Attr::Bools([true, false].into())),
        ("raw", Attr::Bytes(vec![0, 255].into())),
    ];
    for (name, value) in &notes {
        patch.set_note(op, *name, value.clone());
    }
    module.apply(patch).unwrap();
    let again = read(&print(&module, Level::Full));
    let op = again.subgraph(MAIN).ops().next().unwrap();
    let found = &again.subgraph(MAIN).op(op).notes;
    assert_eq!(found.len(), notes.len());
    for (name, value) in notes {
        assert_eq!(found[name], value, "{name}");
    }
}
