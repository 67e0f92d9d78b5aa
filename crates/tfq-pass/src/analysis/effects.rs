//! What ops do besides computing, and which tensors look at the same bytes.

use super::interface::{Analysis, AnalysisInput};
use tfq_ir::maps::IndexMap;
use tfq_ir::{Effects, OpId, TensorId, aliased_operand, effects};

/// What each op does besides computing its results, and which tensors may share memory.
#[derive(Debug)]
pub struct OpEffects;

/// The result of [`OpEffects`].
#[derive(Debug, Default)]
pub struct EffectTable {
    effects: IndexMap<OpId, Effects>,
    aliases: IndexMap<TensorId, TensorId>,
}

impl EffectTable {
    /// The effects of an op, those of subgraphs that it calls included.
    pub fn of(&self, op: OpId) -> Effects {
        self.effects.get(&op).copied().unwrap_or(Effects { unknown: true, ..Effects::default() })
    }

    /// The tensor at whose bytes this one looks in another way: the operand of a RESHAPE and
    /// so on, as far up as that goes; itself where there is none.
    pub fn storage(&self, tensor: TensorId) -> TensorId {
        self.aliases.get(&tensor).copied().unwrap_or(tensor)
    }
}

impl Analysis for OpEffects {
    type Result = EffectTable;
    const NAME: &'static str = "effects";
    const LOOKS_AT_CALLEES: bool = true;

    fn compute(input: AnalysisInput<'_>, _: Option<&EffectTable>) -> EffectTable {
        let graph = input.module.subgraph(input.subgraph);
        let mut table = EffectTable::default();
        for op in graph.ops() {
            table.effects.insert(op, effects(input.module, input.subgraph, op));
            let aliased = aliased_operand(graph.op(op)).and_then(|slot| graph.operand(op, slot));
            // In execution order, so that the operand's own storage is known.
            if let (Some(operand), [result]) = (aliased, &graph.results(op)[..]) {
                table.aliases.insert(*result, table.storage(operand));
            }
        }
        table
    }
}
