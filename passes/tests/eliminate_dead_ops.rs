//! `eliminate-dead-ops` on what no model of `tests/models` has.

use tfq_ir::Module;
use tfq_ir::text::{Level, ParseOptions, parse, print};
use tfq_pass::{Pipeline, RemarkKind, Report, RunOptions, run};
use tfq_passes::EliminateDeadOps;
use tfq_target::Target;

fn model(text: &str) -> Module {
    parse(text, &ParseOptions::default()).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn eliminated(text: &str) -> (Module, Report) {
    let mut module = model(text);
    let target = Target::named("litert").expect("it is shipped");
    let pipeline = Pipeline::new().with(EliminateDeadOps {});
    let report = run(&mut module, &pipeline, target, &RunOptions::default(), |_| ());
    (module, report.unwrap_or_else(|error| panic!("{error}")))
}

/// Asserts that the pass makes `after` of `before`, and nothing of `after`.
#[track_caller]
fn becomes(before: &str, after: &str) {
    let after = print(&model(after), Level::Quant);
    assert_eq!(print(&eliminated(before).0, Level::Quant), after);
    assert_eq!(print(&eliminated(&after).0, Level::Quant), after);
}

#[track_caller]
fn stays(text: &str) -> Report {
    let (module, report) = eliminated(text);
    assert_eq!(print(&module, Level::Quant), print(&model(text), Level::Quant));
    report
}

#[test]
fn the_examples_of_the_manual_hold() {
    let info = tfq_passes::ALL.iter().find(|info| info.name() == "eliminate-dead-ops").unwrap();
    let examples = info.examples();
    assert_eq!(examples.len(), 1);
    becomes(&examples[0].before, &examples[0].after);
}

#[test]
fn an_op_with_one_result_that_is_read_stays() {
    let text = |tail: &str| {
        format!(
            "tfg 1 quant
            subgraph @main {{
              %x = input : f32[4]
              %axis = const : i32[] = 0
              %a, %b = SPLIT(%axis, %x) {{num_splits = 2}} : (f32[2], f32[2])
              {tail}
              output %a
            }}"
        )
    };
    stays(&text(""));
    becomes(&text("%c = NEG(%b) : f32[2]"), &text(""));
}

#[test]
fn an_op_of_a_custom_kind_stays_with_a_remark() {
    let report = stays(
        "tfg 1 quant
        subgraph @main {
          %x = input : f32[4]
          %y = custom \"Log\"(%x) : f32[4]
          output %x
        }",
    );
    let (_, remark) = report.remarks().next().expect("it is told");
    assert_eq!(remark.kind, RemarkKind::Missed);
    assert_eq!(remark.place, "CUSTOM \"Log\" `y`");
    assert_eq!(remark.message, "nobody reads what it computes, but it may do more");
}

#[test]
fn a_branch_that_assigns_a_variable_keeps_the_op_that_calls_it() {
    let text = |then: &str| {
        format!(
            "tfg 1 quant
            subgraph @main {{
              %c = input : bool[]
              %x = input : f32[4]
              %y = IF(%c, %x) {{then_subgraph_index = @then, else_subgraph_index = @else}} : f32[4]
              output %x
            }}
            subgraph @then {{
              %v = input : f32[4]
              {then}
              %r = NEG(%v) : f32[4]
              output %r
            }}
            subgraph @else {{
              %v = input : f32[4]
              %r = RELU(%v) : f32[4]
              output %r
            }}"
        )
    };
    let assign = "%h = VAR_HANDLE() {shared_name = \"s\"} : resource[]
                  ASSIGN_VARIABLE(%h, %v)";
    let report = stays(&text(assign));
    let (_, remark) = report.remarks().next().expect("it is told");
    assert_eq!(remark.message, "nobody reads what it computes, but it changes state");

    let (module, report) = eliminated(&text(""));
    assert_eq!(report.statistic("ops-dropped"), 1);
    let main = module.subgraphs().next().unwrap().1;
    assert_eq!(main.op_count(), 0);
}

#[test]
fn a_result_that_a_signature_or_a_quantisation_names_stays() {
    stays(
        "tfg 1 quant
        subgraph @main {
          %x = input : f32[4]
          %y = RELU(%x) : f32[4]
          %named = NEG(%x) : f32[4]
          output %y
        }
        signature \"serve\" @main { input \"x\" = %x output \"y\" = %y output \"named\" = %named }",
    );
    stays(
        "tfg 1 quant
        subgraph @main {
          %x = input : f32[1,32]
          %s = input : f16[1,1]
          %w = const : i4[1,32] q(blockwise(scales = %scales, zero_points = -1, block_size = 32)) fill const(1)
          %scales = NEG(%s) : f16[1,1]
          %y = FULLY_CONNECTED(%x, %w, _) : f32[1,1]
          output %y
        }",
    );
}
