//! Cutting a few ops out of a model.

use tfq_ir::SubgraphId;
use tfq_ir::maps::IndexSet;
use tfq_text::{Level, ParseOptions, parse, print};

const MAIN: SubgraphId = SubgraphId(0);

#[test]
fn scratch_and_outside_constants_become_no_inputs() {
    let text = "tfg 1 quant
        subgraph @main {
          %x = input : f32[1,4]
          %w = tensor : f32[4,4] external 1
          %s = tensor : f32[]
          %a = RELU(%x) : f32[1,4]
          %b = FULLY_CONNECTED(%a, %w, _) scratch(%s) : f32[1,4]
          %c = RELU(%b) : f32[1,4]
          output %c
        }";
    let module = parse(text, &ParseOptions::default()).unwrap();
    let second: IndexSet<_> = module.subgraph(MAIN).ops().skip(1).take(1).collect();
    let cut = module.extract(MAIN, &second).expect("it calls nothing");
    let graph = cut.subgraph(MAIN);
    let labels = |ids: &[tfq_ir::TensorId]| -> Vec<String> {
        ids.iter().map(|id| graph.tensor(*id).label().to_owned()).collect()
    };
    assert_eq!(
        (labels(graph.inputs()), labels(graph.outputs())),
        (vec!["a".into()], vec!["b".into()])
    );
    assert!(print(&cut, Level::Topology).contains("scratch(%s)"));
}
