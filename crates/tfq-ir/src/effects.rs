//! What ops do besides computing their results, and which tensors share memory.

use crate::catalog::ops;
use crate::{Module, Op, OpId, OpKind, SubgraphId};
use indexmap::IndexSet;

/// What running an op does or depends on besides its operands and results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Its results depend on state: variables, hash tables.
    pub reads_state: bool,
    /// It changes state, or a variable that it takes as an operand.
    pub writes_state: bool,
    /// Its results differ from run to run.
    pub random: bool,
    /// Nobody knows: a custom op.
    pub unknown: bool,
}

impl Effects {
    /// Whether the op may be dropped where nobody reads its results. One that only reads state
    /// may.
    pub fn is_droppable(self) -> bool {
        !self.writes_state && !self.unknown
    }

    /// Whether equal operands give equal results, always: two such ops may be made one, and
    /// one whose operands are constants may be computed beforehand.
    pub fn is_pure(self) -> bool {
        self == Self::default()
    }

    fn or(self, other: Self) -> Self {
        Self {
            reads_state: self.reads_state || other.reads_state,
            writes_state: self.writes_state || other.writes_state,
            random: self.random || other.random,
            unknown: self.unknown || other.unknown,
        }
    }
}

/// The effects of an op, those of subgraphs that it calls included.
pub fn effects(module: &Module, sg: SubgraphId, op: OpId) -> Effects {
    let mut called = IndexSet::new();
    effects_of(module, sg, op, &mut called)
}

fn effects_of(
    module: &Module,
    sg: SubgraphId,
    op: OpId,
    called: &mut IndexSet<SubgraphId>,
) -> Effects {
    let graph = module.subgraph(sg);
    let node = graph.op(op);
    let mut effects = own_effects(node);
    // Recurrent ops keep their state in a variable that they take as an operand.
    let operands = graph.operands(op);
    let variable = operands.iter().flatten().any(|id| graph.tensor(*id).is_variable);
    if variable || node.mutating_variable_inputs.contains(&true) {
        effects.reads_state = true;
        effects.writes_state = true;
    }
    for (_, callee) in node.subgraph_refs() {
        let Ok(number) = u32::try_from(callee) else { continue };
        let callee = SubgraphId(number);
        // A subgraph that is being looked at already adds nothing new.
        if number as usize >= module.subgraphs().len() || !called.insert(callee) {
            continue;
        }
        for op in module.subgraph(callee).ops() {
            effects = effects.or(effects_of(module, callee, op, called));
        }
    }
    effects
}

fn own_effects(op: &Op) -> Effects {
    let OpKind::Builtin(code) = op.kind else {
        return Effects { unknown: true, ..Effects::default() };
    };
    let none = Effects::default();
    match code {
        ops::READ_VARIABLE | ops::HASHTABLE_FIND | ops::HASHTABLE_SIZE => {
            Effects { reads_state: true, ..none }
        }
        // A handle is the same at each run, but making one registers the resource.
        ops::VAR_HANDLE
        | ops::HASHTABLE
        | ops::HASHTABLE_IMPORT
        | ops::ASSIGN_VARIABLE
        | ops::CALL_ONCE => Effects { writes_state: true, ..none },
        ops::RANDOM_UNIFORM | ops::RANDOM_STANDARD_NORMAL | ops::MULTINOMIAL => {
            Effects { random: true, ..none }
        }
        // Its state is an operand, and the new state a result.
        ops::STABLEHLO_RNG_BIT_GENERATOR => none,
        ops::CUSTOM | ops::DELEGATE | ops::CALL | ops::STABLEHLO_CUSTOM_CALL => {
            Effects { unknown: true, ..none }
        }
        _ => none,
    }
}

/// The operand whose memory the op's first result may be, since it only looks at the same
/// bytes in another way. The runtime's memory planner may put both in one place.
pub fn aliased_operand(op: &Op) -> Option<u32> {
    match op.kind {
        OpKind::Builtin(ops::RESHAPE | ops::EXPAND_DIMS | ops::SQUEEZE | ops::BITCAST) => Some(0),
        _ => None,
    }
}
