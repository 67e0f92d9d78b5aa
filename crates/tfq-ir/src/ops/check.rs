//! Whether an op and its tensors go together: what patches are held to, and what a file is told
//! about.

use super::fused_activation::{Activation, instead_of_it, not_applied};
use super::infer::{InferError, OpView, OperandFacts, Shape, stated};
use super::semantics::semantics_of;
use crate::catalog::op_by_code;
use crate::verify::cut_label;
use crate::{ElementType, Module, Op, OpId, OpKind, SubgraphId};
use smallvec::SmallVec;

/// What does not go together at an op.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Contradiction {
    /// Its operands or attributes are none of such an op.
    #[error(transparent)]
    Cannot(#[from] InferError),
    #[error("result {slot} (`{tensor}`) is {has} and the op gives {}", one_of(gives))]
    ResultType { slot: usize, tensor: String, has: ElementType, gives: SmallVec<[ElementType; 2]> },
    #[error("result {slot} (`{tensor}`) has shape {has} and the op gives {gives}")]
    ResultShape { slot: usize, tensor: String, has: Shape, gives: Shape },
    #[error("it has {has}, and {}", takes_options(*takes))]
    Options { has: &'static str, takes: Option<&'static str> },
    #[error("it cannot apply the activation {has}, {}", instead_of_it(can))]
    Activation { has: String, can: &'static [Activation] },
}

impl Contradiction {
    /// Whether both say the same of the same result or attribute, whatever the sizes.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        use Contradiction::*;
        match (self, other) {
            // That it came without a bias is no reason to take its weights away.
            (
                Cannot(InferError::LeftOut { slot: a, .. }),
                Cannot(InferError::LeftOut { slot: b, .. }),
            ) => a == b,
            (Cannot(a), Cannot(b)) => std::mem::discriminant(a) == std::mem::discriminant(b),
            (ResultType { slot: a, .. }, ResultType { slot: b, .. })
            | (ResultShape { slot: a, .. }, ResultShape { slot: b, .. }) => a == b,
            (Options { .. }, Options { .. }) | (Activation { .. }, Activation { .. }) => true,
            _ => false,
        }
    }

    /// What whoever makes such an op can do.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Cannot(_) => "give it operands and attributes that it takes",
            Self::ResultType { .. } | Self::ResultShape { .. } => {
                "declare the result so, or let another op compute it"
            }
            Self::Options { .. } => "make the attributes with the options of its own operator",
            Self::Activation { .. } => "leave the activation to an op of its own",
        }
    }
}

impl Module {
    /// Ops whose results are not what their operands and attributes give. The runtime computes
    /// the shapes of most results anew, so that such a model may run.
    pub fn contradictions(&self) -> impl Iterator<Item = (SubgraphId, OpId, Contradiction)> + '_ {
        self.subgraphs().flat_map(move |(sg, graph)| {
            graph.ops().flat_map(move |op| {
                let found = OpView::of(self, sg, op).contradictions(self);
                found.into_iter().map(move |what| (sg, op, what))
            })
        })
    }
}

impl<'a> OpView<'a> {
    /// What does not go together, where calls are calls of this module's subgraphs. Until passes
    /// have settled how an operand is read, it may be as it is stored too: lookups copy codes.
    pub(crate) fn contradictions(&self, module: &Module) -> Vec<Contradiction> {
        let mut found = self.contradictions_of(module, &self.operands);
        if found.is_empty() || self.operands.iter().flatten().all(|facts| facts.stored.is_none()) {
            return found;
        }
        let as_stored = |facts: &OperandFacts<'a>| OperandFacts {
            ty: facts.stored.unwrap_or(facts.ty),
            ..facts.clone()
        };
        let operands: Vec<_> =
            self.operands.iter().map(|facts| facts.as_ref().map(as_stored)).collect();
        let stored = self.contradictions_of(module, &operands);
        found.retain(|what| stored.iter().any(|other| other.is_like(what)));
        found
    }

    fn contradictions_of(
        &self,
        module: &Module,
        operands: &[Option<OperandFacts<'_>>],
    ) -> Vec<Contradiction> {
        let mut found = Vec::new();
        found.extend(options(self.op));
        found.extend(activation(self.op));
        let given = match self.infer(module, operands) {
            Ok(given) => given,
            Err(error) => {
                found.push(error.into());
                return found;
            }
        };
        for (slot, (given, tensor)) in given.into_iter().zip(&self.results).enumerate() {
            let label = || cut_label(tensor.label()).to_owned();
            let has = stated(tensor);
            if !given.can_be(has) {
                let gives = given.types;
                found.push(Contradiction::ResultType { slot, tensor: label(), has, gives });
            }
            let has = Shape::of_tensor(tensor, false);
            if !has.agrees(&given.shape) {
                let gives = given.shape;
                found.push(Contradiction::ResultShape { slot, tensor: label(), has, gives });
            }
        }
        found
    }
}

/// Options of another operator than its own.
fn options(op: &Op) -> Option<Contradiction> {
    let OpKind::Builtin(code) = op.kind else { return None };
    let takes = op_by_code(code)?.options.map(|options| options.name);
    let has = op.attrs.as_ref()?.options().name;
    (takes != Some(has)).then_some(Contradiction::Options { has, takes })
}

fn activation(op: &Op) -> Option<Contradiction> {
    let can = semantics_of(op)?.activations?;
    let has = not_applied(op, can)?;
    Some(Contradiction::Activation { has, can })
}

fn one_of(types: &[ElementType]) -> String {
    types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(" or ")
}

fn takes_options(options: Option<&'static str>) -> String {
    options.map_or("takes no options".to_owned(), |options| format!("takes {options}"))
}
