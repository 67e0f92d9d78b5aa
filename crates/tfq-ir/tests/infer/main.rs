//! What [`tfq_ir::ops::infer`] says of results: beside what the runtime gives (`measured`), of
//! tensors of which not all is known (`unknown`), of ops that call subgraphs (`calls`), against
//! what files claim (`contradictions`), and where patches make ops (`patches`).

mod calls;
mod contradictions;
mod measured;
mod patches;
mod unknown;

use tfq_ir::ops::{ResultFacts, infer_op};
use tfq_ir::{Module, SubgraphId};
use tfq_text as text;
use tfq_text::ParseOptions;

const MAIN: SubgraphId = SubgraphId(0);

fn parse(text: &str) -> Module {
    let options = ParseOptions { fills: true, ..ParseOptions::default() };
    text::parse(text, &options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What the last op of the first subgraph gives: `f32[2,?]`, `no …` for what it cannot have.
fn told(module: &Module) -> String {
    let op = module.subgraph(MAIN).ops().last().expect("an op");
    match infer_op(module, MAIN, op) {
        Ok(results) => results.iter().map(shown).collect::<Vec<_>>().join(", "),
        Err(error) => format!("no: {error}"),
    }
}

fn shown(result: &ResultFacts) -> String {
    let types: Vec<_> = result.types.iter().map(|ty| ty.name()).collect();
    let types = if types.is_empty() { "any".to_owned() } else { types.join(" or ") };
    format!("{types}{}", result.shape)
}
