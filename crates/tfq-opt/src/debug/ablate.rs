//! Which constants of a model do the harm: ops get those of another model back, one at a time.

use tfq_diff::Pairs;
use tfq_ir::{
    InsertionPoint, Module, Op, OpId, Patch, Rejected, SubgraphId, Tensor, TensorId, TensorRef,
    effects,
};

/// Constants that are computed from others in more steps than this are left alone.
const DEPTH: u32 = 8;

/// An op of the second model that computes with other constants than the first model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The op's subgraph in the first model.
    pub subgraph: SubgraphId,
    /// Its position there.
    pub position: usize,
    /// Its name.
    pub kind: String,
    /// The name of its first result.
    pub name: String,
    first: OpId,
    /// The op of the second model that reads the constants, and its subgraph.
    second: (SubgraphId, OpId),
    way: Way,
}

/// How an op gets its constants back.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// It reads other operands, in these slots.
    Operands(Vec<u32>),
    /// Its results have another type, such as the codes that a lookup copies. The first model's op
    /// takes the place of what computes each of these tensors instead.
    Copy { operands: Vec<Option<TensorId>>, results: Vec<TensorId> },
}

/// Two models and where their constants differ.
///
/// ```
/// use tfq_opt::{Optimizer, debug::Ablation, load};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = tfq_opt::bytes::Bytes::from(std::fs::read(path)?);
/// let float = load(&file, &Default::default())?;
/// let quantised = Optimizer::default().run(file)?.module;
/// let ablation = Ablation::new(&float, &quantised);
/// assert!(!ablation.suspects().is_empty() && ablation.stuck().is_empty());
/// for suspect in ablation.suspects() {
///     // Run it: if it computes what the float model does, the constants of this op do the harm.
///     let _model = ablation.restored([suspect])?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Ablation<'m> {
    first: &'m Module,
    second: &'m Module,
    suspects: Vec<Suspect>,
    stuck: Vec<String>,
}

impl<'m> Ablation<'m> {
    /// Looks for ops that both models have and whose constants differ.
    pub fn new(first: &'m Module, second: &'m Module) -> Self {
        let mut ablation = Self { first, second, suspects: Vec::new(), stuck: Vec::new() };
        for pairs in tfq_diff::pairs(first, second) {
            for (a, b) in &pairs.ops {
                ablation.look(&pairs, *a, *b);
            }
        }
        ablation
    }

    /// Ops that can get their constants back, in execution order of the first model.
    pub fn suspects(&self) -> &[Suspect] {
        &self.suspects
    }

    /// Names of ops whose constants differ and that cannot get them back: what is around them
    /// has another type as well.
    pub fn stuck(&self) -> &[String] {
        &self.stuck
    }

    /// The second model, in which these suspects compute with the first model's constants.
    pub fn restored<'s>(
        &self,
        suspects: impl IntoIterator<Item = &'s Suspect>,
    ) -> Result<Module, Rejected> {
        let mut module = self.second.clone();
        for suspect in suspects {
            let patch = self.patch(&mut module, suspect);
            module.apply(patch)?;
        }
        Ok(module)
    }

    fn look(&mut self, pairs: &Pairs, a: OpId, b: OpId) {
        let (graph, other) = (self.first.subgraph(pairs.before), self.second.subgraph(pairs.after));
        if graph.op(a).kind != other.op(b).kind {
            return;
        }
        let (of_a, of_b) = (graph.operands(a), other.operands(b));
        let mut slots = Vec::new();
        for (slot, (x, y)) in of_a.iter().zip(&of_b).enumerate() {
            let (Some(x), Some(y)) = (x, y) else { continue };
            let x = Known::of(self.first, pairs.before, *x, DEPTH);
            let y = Known::of(self.second, pairs.after, *y, DEPTH);
            if let (Some(x), Some(y)) = (x, y)
                && !x.same(self.first, pairs.before, &y, self.second, pairs.after)
            {
                slots.push(slot as u32);
            }
        }
        if slots.is_empty() {
            return;
        }
        let name = graph.results(a).first().map_or("?", |id| graph.tensor(*id).label()).to_owned();
        let ty = |id: &TensorId| graph.tensor(*id).ty;
        let other_ty = |id: &TensorId| other.tensor(*id).ty;
        let beside = of_a.iter().zip(&of_b).enumerate().all(|(slot, pair)| match pair {
            (Some(x), Some(y)) => slots.contains(&(slot as u32)) || ty(x) == other_ty(y),
            (x, y) => x.is_none() && y.is_none(),
        });
        let (results, others) = (graph.results(a), other.results(b));
        let typed = results.len() == others.len()
            && results.iter().zip(&others).all(|(x, y)| ty(x) == other_ty(y));
        let way = if beside && typed && of_a.len() == of_b.len() {
            Some(Way::Operands(slots))
        } else {
            self.copy(pairs, a, &results)
        };
        match way {
            Some(way) => self.suspects.push(Suspect {
                subgraph: pairs.before,
                position: position(self.first, pairs.before, a),
                kind: graph.op(a).kind.name().to_owned(),
                name,
                first: a,
                second: (pairs.after, b),
                way,
            }),
            None => self.stuck.push(name),
        }
    }

    /// Whether the first model's op can compute what the second model has for its results.
    fn copy(&self, pairs: &Pairs, a: OpId, results: &[TensorId]) -> Option<Way> {
        let (graph, other) = (self.first.subgraph(pairs.before), self.second.subgraph(pairs.after));
        let node = graph.op(a);
        let variable = graph.operands(a).iter().flatten().any(|id| graph.tensor(*id).is_variable);
        let scratch = graph.intermediates(a).iter().any(Option::is_some);
        if variable || scratch || !node.subgraph_refs().is_empty() {
            return None;
        }
        let twin = |id: TensorId| {
            let (_, twin) = pairs.tensors.iter().find(|(first, _)| *first == id)?;
            (graph.tensor(id).ty == other.tensor(*twin).ty).then_some(*twin)
        };
        let mut operands = Vec::new();
        for operand in graph.operands(a) {
            let known = |id| Known::of(self.first, pairs.before, id, DEPTH).is_some();
            operands.push(match operand {
                Some(id) if !known(id) => Some(twin(id)?),
                _ => None,
            });
        }
        let results: Option<Vec<TensorId>> = results.iter().map(|id| twin(*id)).collect();
        let results = results?;
        results.iter().all(|id| other.producer(*id).is_some()).then_some(())?;
        Some(Way::Copy { operands, results })
    }

    fn patch(&self, module: &mut Module, suspect: &Suspect) -> Patch {
        let graph = self.first.subgraph(suspect.subgraph);
        let (sg, op) = suspect.second;
        let mut patch = Patch::new(sg, "put constants back");
        let from = graph.operands(suspect.first);
        match &suspect.way {
            Way::Operands(slots) => {
                for slot in slots {
                    let Some(id) = from.get(*slot as usize).copied().flatten() else { continue };
                    let place = InsertionPoint::Before(op);
                    if let Some(new) = self.import(module, &mut patch, suspect.subgraph, id, place)
                    {
                        patch.set_operand(op, *slot, new);
                    }
                }
                patch.set_version(op, graph.op(suspect.first).version);
            }
            Way::Copy { operands, results } => {
                let other = self.second.subgraph(sg);
                let producers = results.iter().filter_map(|id| other.producer(*id));
                let producers: Vec<(OpId, u32)> = producers.collect();
                let Some((first, _)) = producers.first() else { return patch };
                let place = InsertionPoint::Before(*first);
                let mut inputs: Vec<Option<TensorRef>> = Vec::new();
                for (slot, known) in operands.iter().enumerate() {
                    inputs.push(match (known, from.get(slot).copied().flatten()) {
                        (Some(twin), _) => Some((*twin).into()),
                        (None, Some(id)) => {
                            self.import(module, &mut patch, suspect.subgraph, id, place)
                        }
                        (None, None) => None,
                    });
                }
                for ((producer, slot), id) in producers.iter().zip(results) {
                    let unread = Tensor { name: None, ..other.tensor(*id).clone() };
                    let unread = patch.add_tensor(unread);
                    patch.set_result(*producer, *slot, unread);
                }
                let node = Op { code: None, ..graph.op(suspect.first).clone() };
                let results: Vec<TensorRef> = results.iter().map(|id| (*id).into()).collect();
                patch.add_op(node, place, &inputs, &results);
            }
        }
        patch
    }

    /// A constant of the first model, with the ops that compute it from others.
    fn import(
        &self,
        module: &mut Module,
        patch: &mut Patch,
        sg: SubgraphId,
        id: TensorId,
        place: InsertionPoint,
    ) -> Option<TensorRef> {
        let known = Known::of(self.first, sg, id, DEPTH)?;
        self.import_known(module, patch, sg, &known, place)
    }

    fn import_known(
        &self,
        module: &mut Module,
        patch: &mut Patch,
        sg: SubgraphId,
        known: &Known,
        place: InsertionPoint,
    ) -> Option<TensorRef> {
        let graph = self.first.subgraph(sg);
        match known {
            Known::Constant(id) => {
                let mut tensor = graph.tensor(*id).clone();
                tensor.buffer = module.add_constant(self.first.constant(sg, *id)?.clone());
                Some(patch.add_tensor(tensor))
            }
            Known::Computed { op, operands, result } => {
                let mut inputs = Vec::new();
                for operand in operands {
                    inputs.push(match operand {
                        Some(known) => Some(self.import_known(module, patch, sg, known, place)?),
                        None => None,
                    });
                }
                let result = patch.add_tensor(graph.tensor(*result).clone());
                let node = Op { code: None, ..graph.op(*op).clone() };
                patch.add_op(node, place, &inputs, &[result]);
                Some(result)
            }
        }
    }
}

/// A value that the file says.
enum Known {
    Constant(TensorId),
    /// Dequantised, unpacked or moved.
    Computed {
        op: OpId,
        operands: Vec<Option<Known>>,
        result: TensorId,
    },
}

impl Known {
    fn of(module: &Module, sg: SubgraphId, id: TensorId, depth: u32) -> Option<Self> {
        let graph = module.subgraph(sg);
        if module.fixed_constant(sg, id).is_some() {
            let linked = graph.tensor(id).links().next().is_some();
            return (!linked).then_some(Self::Constant(id));
        }
        let (op, _) = graph.producer(id)?;
        let alone = graph.results(op).len() == 1 && graph.op(op).subgraph_refs().is_empty();
        if depth == 0 || !alone || !effects(module, sg, op).is_pure() {
            return None;
        }
        let operands = graph.operands(op);
        if operands.iter().all(Option::is_none) {
            return None;
        }
        let operands: Option<Vec<Option<Self>>> = operands
            .into_iter()
            .map(|operand| match operand {
                Some(operand) => Self::of(module, sg, operand, depth - 1).map(Some),
                None => Some(None),
            })
            .collect();
        Some(Self::Computed { op, operands: operands?, result: id })
    }

    fn same(
        &self,
        module: &Module,
        sg: SubgraphId,
        other: &Self,
        other_module: &Module,
        other_sg: SubgraphId,
    ) -> bool {
        let (graph, other_graph) = (module.subgraph(sg), other_module.subgraph(other_sg));
        match (self, other) {
            (Self::Constant(a), Self::Constant(b)) => {
                let (x, y) = (graph.tensor(*a), other_graph.tensor(*b));
                let bytes = (module.constant(sg, *a), other_module.constant(other_sg, *b));
                x.ty == y.ty
                    && x.shape == y.shape
                    && x.scales() == y.scales()
                    && (x.scales() == 0 || x.quantization == y.quantization)
                    && bytes.0 == bytes.1
            }
            (
                Self::Computed { op, operands, .. },
                Self::Computed { op: other_op, operands: others, .. },
            ) => {
                graph.op(*op).kind == other_graph.op(*other_op).kind
                    && operands.len() == others.len()
                    && operands.iter().zip(others).all(|pair| match pair {
                        (Some(x), Some(y)) => x.same(module, sg, y, other_module, other_sg),
                        (x, y) => x.is_none() && y.is_none(),
                    })
            }
            _ => false,
        }
    }
}

/// The position of an op in its subgraph.
pub(super) fn position(module: &Module, sg: SubgraphId, op: OpId) -> usize {
    module.subgraph(sg).ops().position(|other| other == op).unwrap_or_default()
}
