//! The pattern driver and the helpers for tidying up.

mod common;

use bytes::Bytes;
use common::{try_pass, with_pass};
use tfq_ir::catalog::ops::{ADD, FULLY_CONNECTED, MUL, NEG, RESHAPE, SPLIT, SUB};
use tfq_ir::ops::OperandRole::{Activation, Bias, Weight};
use tfq_ir::{Module, SubgraphId};
use tfq_pass::analysis::UseLists;
use tfq_pass::rewrite::{
    OpPattern, Root, Rule, any, apply_rules, canonicalize, constant, custom_op, erase_dead_ops,
    expressed, merge_equal_ops, op, op_of, read_of, tensor, unserved,
};
use tfq_pass::{PassError, Report, RunOptions, Session, Why};
use tfq_text::{Level, ParseOptions, parse, print};

const MAIN: SubgraphId = SubgraphId(0);

fn read(text: &str) -> Module {
    read_with(text, "")
}

fn read_with(text: &str, signature: &str) -> Module {
    let text = format!("tfg 1 quant\nsubgraph @main {{\n{text}\n}}\n{signature}");
    let options = ParseOptions { fills: true, ..ParseOptions::default() };
    parse(&text, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// The ops of the main subgraph as text, one a line.
fn ops(module: &Module) -> String {
    let text = print(module, Level::Topology);
    let lines = text.lines().filter(|line| line.contains('('));
    lines.map(|line| format!("{}\n", line.trim())).collect()
}

type Work = fn(&mut Session<'_>) -> Result<usize, PassError>;

fn apply(module: &mut Module, work: Work, options: &RunOptions) -> Report {
    try_pass(module, options, move |session| work(session).map(|_| ())).unwrap()
}

/// Negates float32 constants beforehand.
fn fold_neg() -> Rule {
    Rule::new("negate a constant", op(NEG).operand(0, constant("x"))).fold(|m| {
        let bytes = m.bytes("x")?;
        let negated = bytes.chunks_exact(4).flat_map(|b| {
            let value = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            (-value).to_le_bytes()
        });
        Some(negated.collect::<Vec<u8>>().into())
    })
}

#[test]
fn constants_fold_as_far_as_they_go() {
    let mut module = read(
        "%x = input : f32[2]
         %c = const : f32[2] = [1.0, 2.0]
         %n = NEG(%c) : f32[2]
         %p = NEG(%n) : f32[2]
         %y = ADD(%x, %p) : f32[2]
         %z = NEG(%c) : f32[2]
         output %y
         output %z",
    );
    let work: Work = |session| apply_rules(session, MAIN, &[fold_neg()]);
    let report = apply(&mut module, work, &RunOptions::default());
    // What the subgraph returns is computed by an op still.
    assert_eq!(ops(&module), "%y = ADD(%x, %p)\n%z = NEG(%c)\n");
    let graph = module.subgraph(MAIN);
    let p = graph.tensors().find(|id| graph.tensor(*id).label() == "p").unwrap();
    let bytes: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(module.constant(MAIN, p), Some(&Bytes::from(bytes)));
    let count = report.passes[0].rules["negate a constant"];
    assert_eq!((count.applied, count.refused), (2, 1));
}

#[test]
fn an_op_without_a_result_is_no_place_for_a_rule() {
    let mut module = read("%c = const : f32[2] = [1.0, 2.0]\nNEG(%c)");
    let negated: Work = |session| {
        let rule = Rule::new("a NEG", op(NEG))
            .guard("it has a type", |m| !m.tensor("result").shape.is_empty());
        apply_rules(session, MAIN, &[rule.forward("result")])
    };
    let report = apply(&mut module, negated, &RunOptions::default());
    assert_eq!(report.passes[0].nearest.as_ref().unwrap().reason, "the op has no result");
}

#[test]
fn equal_ops_merge_and_dead_ones_go() {
    let mut module = read(
        "%x = input : f32[2]
         %c = const : f32[2] = [1.0, 2.0]
         %d = const : f32[2] as %c
         %a = ADD(%x, %c) : f32[2]
         %b = ADD(%x, %d) : f32[2]
         %other = ADD(%x, %c) {fused_activation_function = RELU} : f32[2]
         %dead = NEG(%b) : f32[2]
         %deader = NEG(%dead) : f32[2]
         %r = RANDOM_UNIFORM(%x) : f32[2]
         %s = RANDOM_UNIFORM(%x) : f32[2]
         %handle = VAR_HANDLE() : resource[]
         ASSIGN_VARIABLE(%handle, %x)
         %m = MUL(%a, %b) : f32[2]
         %n = MUL(%r, %s) : f32[2]
         output %m
         output %n
         output %other",
    );
    let merge: Work = |session| merge_equal_ops(session, MAIN);
    let dead: Work = |session| erase_dead_ops(session, MAIN);
    assert_eq!(apply(&mut module, merge, &RunOptions::default()).passes[0].patches, 1);
    assert_eq!(apply(&mut module, dead, &RunOptions::default()).passes[0].patches, 2);
    // Numbers of chance are never the same, and a variable is written for its own sake.
    assert_eq!(
        ops(&module),
        "%a = ADD(%x, %c)\n%other = ADD(%x, %c)\n%r = RANDOM_UNIFORM(%x)\n\
         %s = RANDOM_UNIFORM(%x)\n%handle = VAR_HANDLE()\nASSIGN_VARIABLE(%handle, %x)\n\
         %m = MUL(%a, %a)\n%n = MUL(%r, %s)\n"
    );
}

#[test]
fn a_constant_that_the_caller_may_set_is_none_to_rules() {
    let mut module = read(
        "%a = input const : f32[2] = [1.0, 2.0]
         %b = input const : f32[2] as %a
         %n = NEG(%a) : f32[2]
         %p = NEG(%b) : f32[2]
         %y = ADD(%n, %p) : f32[2]
         output %y",
    );
    let before = ops(&module);
    let work: Work = |session| canonicalize(session, MAIN, &[fold_neg()]);
    let why = Some(Why { pass: "test".to_owned(), tensor: "n".to_owned() });
    let report = apply(&mut module, work, &RunOptions { why, ..RunOptions::default() });
    assert_eq!(ops(&module), before);
    let outcome = &report.passes[0].answers[0].outcome;
    assert_eq!(outcome, "the constant `a` may be set by a caller");
}

#[test]
fn what_something_else_than_ops_refers_to_stays() {
    let mut module = read_with(
        "%x = input : f32[2]
         %shape = const : i32[1] = [2]
         %c = const : f32[2] = [1.0, 2.0]
         %a = NEG(%x) : f32[2]
         %y = RESHAPE(%a, %shape) : f32[2]
         %r = RESHAPE(%a, %shape) : f32[2]
         %n = NEG(%c) : f32[2]
         %z = ADD(%r, %n) : f32[2]
         output %y
         output %z",
        "signature \"f\" @main { output \"a\" = %a output \"r\" = %r output \"n\" = %n }",
    );
    let before = ops(&module);
    let work: Work = |session| {
        let forward = Rule::new("forward", op(RESHAPE).operand(0, any("x"))).forward("x");
        apply_rules(session, MAIN, &[forward, fold_neg()])
    };
    apply(&mut module, work, &RunOptions::default());
    assert_eq!(ops(&module), before);
}

#[test]
fn canonical_form_needs_all_three() {
    // Folding makes the ADDs equal, merging them leaves the second dead.
    let mut module = read(
        "%x = input : f32[2]
         %c = const : f32[2] = [1.0, 2.0]
         %n = NEG(%c) : f32[2]
         %a = ADD(%x, %n) : f32[2]
         %unused = NEG(%a) : f32[2]
         %b = ADD(%x, %n) : f32[2]
         %y = MUL(%a, %b) : f32[2]
         output %y",
    );
    let work: Work = |session| canonicalize(session, MAIN, &[fold_neg()]);
    apply(&mut module, work, &RunOptions::default());
    assert_eq!(ops(&module), "%a = ADD(%x, %n)\n%y = MUL(%a, %a)\n");
    let again = apply(&mut module, work, &RunOptions::default());
    assert_eq!(again.passes[0].patches, 0);
}

/// Reads of `%c` by another op than ADD read `%x`; a name that is too long is cut.
fn rules() -> Vec<Rule> {
    vec![
        Rule::new("read the input instead", read_of(constant("c")))
            .when("the op is no ADD", |m| !m.graph().op(m.root()).kind.is(ADD))
            .guard("the op reads it first", |m| m.slot() == 0)
            .replace(|m, patch| patch.set_operand(m.root(), m.slot(), m.graph().inputs()[0])),
        Rule::new("cut a name", tensor(any("t")))
            .when("it is long", |m| m.tensor("t").label().len() > 8)
            .replace(|m, patch| patch.set_name(m.id("t"), Some(m.tensor("t").label()[..8].into()))),
    ]
}

#[test]
fn rules_match_at_reads_and_at_tensors_and_say_why_not() {
    let mut module = read(
        "%x = input : f32[2]
         %c = const : f32[2] = [1.0, 2.0]
         %a = ADD(%x, %c) : f32[2]
         %b_is_long = NEG(%c) : f32[2]
         %d = MUL(%b_is_long, %c) : f32[2]
         output %a
         output %d",
    );
    let work: Work = |session| apply_rules(session, MAIN, &rules());
    let why = Some(Why { pass: "test".to_owned(), tensor: "c".to_owned() });
    let report = apply(&mut module, work, &RunOptions { why, ..RunOptions::default() });
    assert_eq!(ops(&module), "%a = ADD(%x, %c)\n%b_is_lon = NEG(%x)\n%d = MUL(%b_is_lon, %c)\n");
    let answers: Vec<String> = report.passes[0]
        .answers
        .iter()
        .map(|answer| format!("{}: {}: {}", answer.place, answer.rule, answer.outcome))
        .collect();
    assert_eq!(
        answers,
        [
            "NEG `b_is_long`: read the input instead: applied",
            "ADD `a`: read the input instead: it does not hold that the op is no ADD",
            "MUL `d`: read the input instead: it does not hold that the op reads it first",
            "`c`: cut a name: it does not hold that it is long",
        ]
    );
}

#[test]
fn the_larger_benefit_goes_first_and_threads_do_not_matter() {
    let mut text = String::from("%x = input : f32[2]\n%shape = const : i32[1] = [2]\n");
    let mut last = "x".to_owned();
    for n in 0..5000 {
        let kind = if n % 3 == 0 { "RESHAPE(%{last}, %shape)" } else { "NEG(%{last})" };
        text += &format!("%t{n} = {} : f32[2]\n", kind.replace("{last}", &last));
        last = format!("t{n}");
    }
    let text = format!("{text}output %{last}");
    let work: Work = |session| {
        let rules = [
            Rule::new("drop a RESHAPE", op(RESHAPE).operand(0, any("x"))).forward("x"),
            Rule::new("drop a pair", op(NEG).operand(0, op(NEG).operand(0, any("x"))))
                .benefit(2)
                .forward("x"),
        ];
        apply_rules(session, MAIN, &rules)
    };
    let results: Vec<String> = [1, 2, 7]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut module = read(&text);
            pool.install(|| apply(&mut module, work, &RunOptions::default()));
            print(&module, Level::Full)
        })
        .collect();
    assert!(results[0] == results[1] && results[0] == results[2]);
    let kinds = ops(&read(&text)).lines().count();
    assert_eq!(kinds, 5000);
    let left = results[0].lines().filter(|line| line.contains("NEG(")).count();
    // All pairs cancel in the end but for what the output holds to its place.
    assert!(left <= 3, "{left} ops are left");
}

/// Reads the result of what matches instead of its root, under the name of the rule.
fn forwards(name: &'static str, root: impl Into<Root>) -> Rule {
    Rule::new(name, root).forward("x")
}

#[test]
fn operands_are_named_by_what_they_are_to_the_op() {
    let mut module = read(
        "%x = input : f32[1,2]
         %w = const : f32[2,2] = [1.0, 2.0, 3.0, 4.0]
         %b = const : f32[2] = [1.0, 2.0]
         %y = FULLY_CONNECTED(%x, %w, %b) : f32[1,2]
         %z = FULLY_CONNECTED(%y, %w, _) : f32[1,2]
         output %z",
    );
    let work: Work = |session| {
        let rule = Rule::new(
            "name what it reads",
            op(FULLY_CONNECTED).role(Weight, constant("w")).role(Bias, constant("b")),
        )
        .when("it is not yet", |m| m.tensor("b").label() == "b")
        .replace(|m, patch| {
            patch.set_name(m.id("w"), Some("weights".into()));
            patch.set_name(m.id("b"), Some("bias".into()));
        });
        apply_rules(session, MAIN, &[rule])
    };
    let why = Some(Why { pass: "test".to_owned(), tensor: "z".to_owned() });
    let report = apply(&mut module, work, &RunOptions { why, ..RunOptions::default() });
    assert_eq!(
        ops(&module),
        "%y = FULLY_CONNECTED(%x, %weights, %bias)\n%z = FULLY_CONNECTED(%y, %weights, _)\n"
    );
    assert_eq!(report.passes[0].answers[0].outcome, "FULLY_CONNECTED has no operand 2");
}

#[test]
fn operands_that_commute_are_looked_at_both_ways() {
    let text = "%x = input : f32[2]
         %z = input : f32[2]
         %c = const : f32[2] = [0.0, 0.0]
         %a = ADD(%c, %x) : f32[2]
         %p = MUL(%a, %z) : f32[2]
         %q = MUL(%z, %a) : f32[2]
         %y = SUB(%p, %q) : f32[2]
         output %y";
    // The names decide between the orders of both, and so do conditions.
    let work: Work = |session| {
        let both = op(ADD).operand(0, any("x")).operand(1, constant("zero")).in_any_order();
        let product = op(MUL).operand(0, both).operand(1, any("z")).in_any_order();
        let rule = Rule::new("multiply what is added to", product)
            .when("the other is the second input", |m| m.id("z") == m.graph().inputs()[1])
            .replace(|m, patch| {
                let slot = u32::from(m.graph().operand(m.root(), 0) == Some(m.id("z")));
                patch.set_operand(m.root(), slot, m.id("x"));
            });
        let one_way = Rule::new(
            "never",
            op(MUL).operand(0, any("same")).operand(1, any("same")).in_any_order(),
        )
        .replace(|m, patch| patch.erase_op(m.root()));
        apply_rules(session, MAIN, &[rule, one_way])
    };
    let mut module = read(text);
    apply(&mut module, work, &RunOptions::default());
    assert_eq!(
        ops(&module),
        "%a = ADD(%c, %x)\n%p = MUL(%x, %z)\n%q = MUL(%z, %x)\n%y = SUB(%p, %q)\n"
    );
}

#[test]
fn any_result_of_an_op_is_found_where_the_pattern_says_so() {
    let text = "%x = input : f32[2,2]
         %axis = const : i32[] = [0]
         %s, %t = SPLIT(%axis, %x) {num_splits = 2} : (f32[1,2], f32[1,2])
         %a = NEG(%s) : f32[1,2]
         %b = NEG(%t) : f32[1,2]
         output %a
         output %b";
    let renamed = |split: fn() -> OpPattern| {
        let mut module = read(text);
        with_pass(&mut module, move |session| {
            let rule = Rule::new("mark", op(NEG).operand(0, split().operand(1, any("x"))))
                .when("it is not marked", |m| m.tensor("result").label().len() == 1)
                .replace(|m, patch| {
                    let marked = format!("{}_split", m.tensor("result").label());
                    patch.set_name(m.id("result"), Some(marked.into()));
                });
            apply_rules(session, MAIN, &[rule]).map(|_| ())
        });
        let graph = module.subgraph(MAIN);
        graph.outputs().iter().map(|id| graph.tensor(*id).label().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(renamed(|| op(SPLIT)), ["a_split", "b"]);
    assert_eq!(renamed(|| op(SPLIT).result(1)), ["a", "b_split"]);
    assert_eq!(renamed(|| op(SPLIT).any_result()), ["a_split", "b_split"]);
}

#[test]
fn custom_ops_are_found_by_their_names() {
    let mut module = read(
        "%x = input : f32[2]
         %a = custom \"Same\"(%x) : f32[2]
         %b = custom \"Other\"(%a) : f32[2]
         %y = NEG(%b) : f32[2]
         output %y",
    );
    let work: Work = |session| {
        let rule = forwards("drop it", custom_op("Same").operand(0, any("x")));
        apply_rules(session, MAIN, &[rule])
    };
    apply(&mut module, work, &RunOptions::default());
    assert!(ops(&module).contains("(%x)") && !ops(&module).contains("Same"), "{}", ops(&module));
}

#[test]
fn a_rule_that_could_not_be_as_it_says_is_refused_when_it_is_built() {
    type Build = fn() -> Rule;
    let refused: [(Build, &str); 7] = [
        (
            || Rule::new("r", op(ADD).role(Activation, any("x"))),
            "rule `r`: ADD has 2 operands of role Activation, not one",
        ),
        (
            || Rule::new("r", op(NEG).operand(0, op(ADD).role(Weight, any("x")))),
            "rule `r`: ADD has 0 operands of role Weight, not one",
        ),
        (
            || Rule::new("r", op_of(&[ADD, SUB]).in_any_order()),
            "rule `r`: SUB has no two operands that commute",
        ),
        (
            || Rule::new("r", op(ADD).operand(2, any("x")).in_any_order()),
            "rule `r`: ADD has no operand 2",
        ),
        (|| Rule::new("r", op(127)), "rule `r`: there is no operator 127"),
        (
            || Rule::new("r", op(NEG).operand(0, any("input"))).forward("inptu"),
            "rule `r` names no tensor `inptu`; did you mean `input`?",
        ),
        (
            || Rule::new("r", op(NEG).operand(0, op(ADD))).forward("x"),
            "rule `r` names no tensor `x`",
        ),
    ];
    for (build, what) in refused {
        let said = std::panic::catch_unwind(build).unwrap_err();
        assert_eq!(said.downcast_ref::<String>().unwrap(), what);
    }
}

#[test]
fn rules_match_at_constants_that_no_kernel_reads_and_at_those_that_stand_for_others() {
    let mut module = read(
        "%x = input : f32[4]
         %c = const : i8[4] q(0.5) expressed f32 = [1, 2, 3, 4]
         %w = const : i8[4,4] q(0.5) = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
         %a = ADD(%x, %c) : f32[4]
         %y = FULLY_CONNECTED(%a, %w, _) : f32[1,4]
         output %y",
    );
    let work: Work = |session| {
        let read_x = Rule::new("read the input", unserved("w"))
            .replace(|m, patch| patch.set_operand(m.root(), m.slot(), m.graph().inputs()[0]));
        let plain = Rule::new("take it as it is", expressed("w"))
            .replace(|m, patch| patch.set_expressed(m.id("w"), None));
        apply_rules(session, MAIN, &[read_x, plain])
    };
    let report = apply(&mut module, work, &RunOptions::default());
    assert_eq!(ops(&module), "%a = ADD(%x, %x)\n%y = FULLY_CONNECTED(%a, %w, _)\n");
    let graph = module.subgraph(MAIN);
    assert!(graph.tensors().all(|id| graph.tensor(id).expressed.is_none()));
    assert_eq!(report.passes[0].patches, 2);
}

/// Puts a copy in the place of the second read of a constant, until each is read once.
fn one_reader_each() -> Rule {
    Rule::new("one reader each", read_of(constant("w")))
        .asks::<UseLists>()
        .when("something else reads it before", |m| {
            let uses = m.analysis::<UseLists>().uses(m.id("w"));
            uses.first().is_some_and(|first| (first.op, first.slot) != (m.root(), m.slot()))
        })
        .replace(|m, patch| {
            let own = patch.add_tensor(m.tensor("w").clone());
            patch.set_operand(m.root(), m.slot(), own);
        })
}

#[test]
fn rules_see_what_analyses_find_out_after_each_patch() {
    let mut module = read(
        "%x = input : f32[2]
         %c = const : f32[2] = [1.0, 2.0]
         %a = ADD(%x, %c) : f32[2]
         %b = MUL(%a, %c) : f32[2]
         %d = SUB(%b, %c) : f32[2]
         output %d",
    );
    let report = apply(
        &mut module,
        |session| apply_rules(session, MAIN, &[one_reader_each()]),
        &RunOptions::default(),
    );
    assert_eq!(report.passes[0].patches, 2);
    let graph = module.subgraph(MAIN);
    let readers = graph.tensors().filter(|id| module.constant(MAIN, *id).is_some());
    assert!(readers.map(|id| graph.uses(id).len()).eq([1, 1, 1]));
}

#[test]
fn an_analysis_that_a_rule_does_not_ask_for_is_a_mistake_of_the_pass() {
    let mut module = read("%x = input : f32[2]\n%y = NEG(%x) : f32[2]\noutput %y");
    let forgetful = |session: &mut Session<'_>| {
        let rule = Rule::new("forgetful", op(NEG).operand(0, any("x")))
            .when("it is read once", |m| m.analysis::<UseLists>().uses(m.id("x")).len() == 1);
        apply_rules(session, MAIN, &[rule]).map(|_| ())
    };
    let error = try_pass(&mut module, &RunOptions::default(), forgetful).unwrap_err();
    assert!(error.to_string().contains("does not ask for the analysis `use-lists`"), "{error}");
}
