//! Follows shapes and numbers through the ops of all subgraphs that can run.

use super::Fact;
use super::fact::is_known;
use crate::costs::FEW;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;
use tfq_eval::{Budget, Declared, Fidelity, Value, evaluate_op};
use tfq_ir::catalog::ops::{RANK, RESHAPE};
use tfq_ir::maps::{HashMap, IndexMap};
use tfq_ir::ops::{OpClass, OpSemantics, Shape, ShapeRule, infer, semantics_of};
use tfq_ir::{Attr, ElementType, Module, Oddity, Op, OpId, SubgraphId, TensorId};

/// What an op has to be told for the shapes that its operands have now, if anything; or why it cannot be.
pub(crate) type Mend<'m> =
    dyn Fn(&Op, SubgraphId, OpId, &[Option<Fact>]) -> Result<Option<Mended>, String> + 'm;

/// Integers that an op is told in the place of others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mended {
    /// The operand that holds them; none for the attribute of a RESHAPE.
    pub(crate) slot: Option<u32>,
    pub(crate) was: Vec<i64>,
    pub(crate) values: Vec<i64>,
}

/// What is known of the tensors of a model.
pub(crate) struct Walk<'m> {
    pub(super) module: &'m Module,
    pub(super) facts: HashMap<TensorId, Fact>,
    mend: Option<&'m Mend<'m>>,
    /// Whether ops of which nothing is known give what the file says.
    trusts: bool,
    /// What subgraphs were entered with, in all calls so far.
    pub(super) entered: IndexMap<SubgraphId, Vec<Fact>>,
    pub(super) running: Vec<SubgraphId>,
    pub(super) finished: Vec<SubgraphId>,
    /// Whether subgraphs call each other in a circle, or too deep for what is done here.
    pub(super) gives_up: bool,
    /// Ops that cannot be, and why.
    pub(crate) impossible: IndexMap<(SubgraphId, OpId), String>,
    /// What ops were told in the place of what the file says.
    pub(crate) mended: IndexMap<(SubgraphId, OpId), Mended>,
    /// Ops of which it is not known what they give.
    pub(crate) untold: IndexMap<(SubgraphId, OpId), ()>,
}

impl<'m> Walk<'m> {
    /// What follows from what the file says of inputs. What is not known to follow is not known.
    pub(crate) fn of(module: &'m Module) -> Self {
        Self::new(module, &HashMap::default(), None, false)
    }

    /// What follows where inputs have these shapes and ops are mended so; ops of which nothing is known
    /// give what the file says.
    pub(crate) fn with_inputs(
        module: &'m Module,
        bound: &HashMap<TensorId, Shape>,
        mend: Option<&'m Mend<'m>>,
    ) -> Self {
        Self::new(module, bound, mend, true)
    }

    fn new(
        module: &'m Module,
        bound: &HashMap<TensorId, Shape>,
        mend: Option<&'m Mend<'m>>,
        trusts: bool,
    ) -> Self {
        let mut walk = Self {
            module,
            facts: HashMap::default(),
            mend,
            trusts,
            entered: IndexMap::default(),
            running: Vec::new(),
            finished: Vec::new(),
            gives_up: false,
            impossible: IndexMap::default(),
            mended: IndexMap::default(),
            untold: IndexMap::default(),
        };
        for sg in entries(module) {
            let inputs = module.subgraph(sg).inputs().iter().map(|id| match bound.get(id) {
                Some(shape) => Fact::of_shape(shape.clone()),
                None => Fact { value: None, ..Fact::of_file(module, sg, *id) },
            });
            walk.enter(sg, inputs.collect());
        }
        if walk.gives_up {
            walk.facts.clear();
            walk.finished.clear();
        }
        walk
    }

    /// The subgraphs that can run, those that others call first.
    pub(crate) fn subgraphs(&self) -> &[SubgraphId] {
        &self.finished
    }

    /// Whether nothing can be told, since subgraphs call each other in a circle.
    pub(crate) fn gave_up(&self) -> bool {
        self.gives_up
    }

    /// What is known of a tensor.
    pub(crate) fn fact(&self, sg: SubgraphId, id: TensorId) -> Fact {
        match self.facts.get(&id) {
            Some(fact) => fact.clone(),
            None if self.module.subgraph(sg).producer(id).is_some() => Fact::unknown(),
            None => Fact::of_file(self.module, sg, id),
        }
    }

    /// What is known of a tensor, where an op or a caller gives it.
    pub(super) fn given(&self, id: TensorId) -> Option<&Fact> {
        self.facts.get(&id)
    }

    pub(super) fn operands(&self, sg: SubgraphId, op: OpId) -> Vec<Option<Fact>> {
        let operands = self.module.subgraph(sg).operands(op).into_iter();
        operands.map(|id| id.map(|id| self.fact(sg, id))).collect()
    }

    pub(super) fn op(&mut self, sg: SubgraphId, op: OpId) {
        let graph = self.module.subgraph(sg);
        let at = (sg, op);
        self.impossible.shift_remove(&at);
        self.mended.shift_remove(&at);
        self.untold.shift_remove(&at);
        let given = match graph.op(op).kind.runs_subgraphs() {
            true => self.call(sg, op),
            false => self.plain(sg, op),
        };
        for (n, id) in graph.results(op).into_iter().enumerate() {
            let tensor = graph.tensor(id);
            // What several ops compute, or what stays from run to run, has no one shape.
            let odd = graph.oddity(id).is_some_and(|odd| odd != Oddity::ConstantComputed);
            let mut fact = given.get(n).cloned().filter(|_| !odd && !tensor.is_variable);
            if let Some(fact) = fact.as_mut().filter(|_| tensor.scales() > 0) {
                (fact.value, fact.integers) = (None, None);
            }
            self.facts.insert(id, fact.unwrap_or_else(Fact::unknown));
        }
    }

    fn plain(&mut self, sg: SubgraphId, op: OpId) -> Vec<Fact> {
        let graph = self.module.subgraph(sg);
        let mut node = Cow::Borrowed(graph.op(op));
        let mut facts = self.operands(sg, op);
        if let Some(mend) = self.mend {
            match mend(&node, sg, op, &facts) {
                Ok(None) => (),
                Ok(Some(mended)) => {
                    tell(node.to_mut(), &mut facts, &mended);
                    self.mended.insert((sg, op), mended);
                }
                Err(why) => _ = self.impossible.insert((sg, op), why),
            }
        }
        let results: Vec<_> = graph.results(op).into_iter().map(|id| graph.tensor(id)).collect();
        let stated =
            || results.iter().map(|tensor| Fact::of_shape(Shape::of_tensor(tensor, false)));
        let what = semantics_of(&node);
        let untold = what.is_none_or(|what| {
            matches!(what.shape, ShapeRule::Declared | ShapeRule::Unknown | ShapeRule::Callee)
        });
        if untold {
            self.untold.insert((sg, op), ());
            return if self.trusts { stated().collect() } else { Vec::new() };
        }
        let operands = graph.operands(op);
        let contents = |id: TensorId| self.module.fixed_constant(sg, id).map(|bytes| &bytes[..]);
        let seen: Vec<_> = operands
            .iter()
            .zip(&facts)
            .map(|(id, fact)| {
                let (id, fact) = ((*id)?, fact.as_ref()?);
                Some(fact.operand(graph.tensor(id), contents(id)))
            })
            .collect();
        let types: Vec<_> =
            results.iter().map(|tensor| Some(tensor.expressed.unwrap_or(tensor.ty))).collect();
        let mut given: Vec<Fact> = match infer(&node, &seen, &types) {
            Ok(given) => given.into_iter().map(|given| Fact::of_shape(given.shape)).collect(),
            Err(error) => {
                self.impossible.insert((sg, op), error.to_string());
                return Vec::new();
            }
        };
        let declared: Vec<_> = results
            .iter()
            .map(|tensor| Declared { ty: tensor.ty, quantization: tensor.quantization.clone() })
            .collect();
        let quantized = operands.iter().flatten().any(|id| graph.tensor(*id).scales() > 0);
        if let Some(what) = what.filter(|_| !quantized) {
            let types = operands.iter().map(|id| match id {
                Some(id) => graph.tensor(*id).ty,
                None => ElementType::Int32,
            });
            let types: Vec<_> = types.collect();
            add_numbers(&node, what, &facts, &types, &declared, &mut given);
        }
        given
    }
}

/// The subgraphs that callers run: the main one and those of signatures.
pub(crate) fn entries(module: &Module) -> Vec<SubgraphId> {
    let signatures = module.signatures().iter().map(|signature| SubgraphId(signature.subgraph));
    let mut entries: Vec<_> = std::iter::once(SubgraphId(0)).chain(signatures).collect();
    entries.retain(|sg| module.find_subgraph(*sg).is_some());
    entries.sort_unstable();
    entries.dedup();
    entries
}

/// Lets an op see other integers.
fn tell(node: &mut Op, facts: &mut [Option<Fact>], mended: &Mended) {
    let Some(slot) = mended.slot else {
        if node.kind.is(RESHAPE) {
            let values = mended.values.clone();
            *node = node.clone().with("new_shape", Attr::Ints(values.into()));
        }
        return;
    };
    let Some(fact) = facts.get_mut(slot as usize).and_then(Option::as_mut) else { return };
    let ty = fact.value.as_ref().map_or(ElementType::Int32, Value::ty);
    fact.value = value(ty, &[mended.values.len()], mended.values.iter().copied());
}

/// Adds what is known of the numbers of results.
fn add_numbers(
    node: &Op,
    what: &OpSemantics,
    operands: &[Option<Fact>],
    types: &[ElementType],
    declared: &[Declared],
    given: &mut [Fact],
) {
    let few = given.iter().all(|fact| fact.static_dims().is_some_and(|dims| is_few(&dims)));
    if !few {
        return;
    }
    if let ([fact], [declared]) = (&mut *given, declared)
        && let Some(dims) = of_shape(node, what, operands)
    {
        set_integers(fact, declared.ty, dims);
        return;
    }
    let count = given.len();
    let evaluate = |values: &[Option<Value>]| {
        let made = evaluate_op(node, values, declared, &mut Budget::default()).ok()?;
        (made.fidelity == Fidelity::Exact && made.values.len() == count).then_some(made.values)
    };
    let known = |fact: &Option<Fact>| match fact {
        Some(fact) => fact.value.clone().map(Some),
        None => Some(None),
    };
    if !operands.is_empty()
        && let Some(values) = operands.iter().map(known).collect::<Option<Vec<_>>>()
    {
        let made = evaluate(&values);
        for (fact, value) in given.iter_mut().zip(made.into_iter().flatten()) {
            fact.value = Some(value);
        }
        return;
    }
    add_some(what, operands, types, declared, given, evaluate);
}

/// Adds those integers of results that are known though some operands are known in part only.
fn add_some(
    what: &OpSemantics,
    operands: &[Option<Fact>],
    types: &[ElementType],
    declared: &[Declared],
    given: &mut [Fact],
    evaluate: impl Fn(&[Option<Value>]) -> Option<Vec<Value>>,
) {
    let filled = |with: i64| -> Option<Vec<Value>> {
        let slots = operands.iter().enumerate().map(|(slot, fact)| match fact {
            Some(Fact { value: Some(value), .. }) => Some(Some(value.clone())),
            Some(fact) => {
                let dims = usizes(&fact.static_dims()?);
                let integers = integers(fact)?;
                let filled = integers.iter().map(|n| n.unwrap_or(with));
                value(*types.get(slot)?, &dims, filled).map(Some)
            }
            None => Some(None),
        });
        evaluate(&slots.collect::<Option<Vec<_>>>()?)
    };
    let in_part = |slot: usize| operands[slot].as_ref().is_some_and(|fact| fact.value.is_none());
    let moves = what.moves_values && matches!(what.class, OpClass::Movement | OpClass::Lookup);
    let moves_those = (0..operands.len()).all(|slot| !in_part(slot) || what.passes_on(slot as u32));
    if (moves || what.class == OpClass::Convert) && moves_those {
        // Those that stay the same whatever the others are come from known ones. 0 and 1 fit any type, so
        // that a CAST keeps them apart.
        let Some((zeros, ones)) = filled(0).zip(filled(1)) else { return };
        for ((fact, declared), pair) in given.iter_mut().zip(declared).zip(zeros.iter().zip(&ones))
        {
            let Some((zeros, ones)) = pair.0.integers().zip(pair.1.integers()) else { continue };
            let alike = zeros.iter().zip(&ones).map(|(a, b)| (a == b).then_some(*a));
            set_integers(fact, declared.ty, alike.collect());
        }
    } else if let (true, [fact], [declared]) = (what.is_elementwise(), given, declared) {
        let dims = usizes(&fact.static_dims().unwrap_or_default());
        // A division by what is not known might be one by 0.
        let Some(made) = filled(1).and_then(|made| made.first()?.integers()) else { return };
        let known = made.iter().enumerate().map(|(at, made)| {
            let known = operands.iter().flatten().all(|operand| {
                let shape = usizes(&operand.static_dims().unwrap_or_default());
                let from = operand.known_integers().unwrap_or_default();
                operand.value.is_some()
                    || from.get(broadcast_index(at, &dims, &shape)).is_some_and(Option::is_some)
            });
            known.then_some(*made)
        });
        set_integers(fact, declared.ty, known.collect());
    }
}

/// Sets what is known of the integers of a result.
fn set_integers(fact: &mut Fact, ty: ElementType, integers: Arc<[Option<i64>]>) {
    let all: Option<Vec<i64>> = integers.iter().copied().collect();
    let shape = usizes(&fact.static_dims().unwrap_or_default());
    fact.value = all.and_then(|all| value(ty, &shape, all.into_iter()));
    fact.integers = Some(integers).filter(|_| fact.value.is_none()).filter(is_known);
}

/// Whether a tensor has so few elements that its numbers are looked at.
fn is_few(dims: &[i32]) -> bool {
    let count = dims.iter().try_fold(1_u64, |all, dim| all.checked_mul(*dim as u64));
    count.is_some_and(|count| count <= FEW)
}

fn usizes(dims: &[i32]) -> Vec<usize> {
    dims.iter().map(|dim| *dim as usize).collect()
}

/// The integers of an operand that has few, as far as they are known.
fn integers(fact: &Fact) -> Option<Vec<Option<i64>>> {
    let dims = fact.static_dims().filter(|dims| is_few(dims))?;
    let unknown = || Some(vec![None; usizes(&dims).into_iter().product()]);
    fact.known_integers().or_else(unknown)
}

/// Where an operand of a smaller shape has what the result has at an index.
fn broadcast_index(at: usize, dims: &[usize], shape: &[usize]) -> usize {
    let (mut at, mut index, mut step) = (at, 0, 1);
    for (n, dim) in dims.iter().rev().enumerate() {
        let along = at % dim;
        at /= dim;
        let Some(size) = shape.len().checked_sub(n + 1).map(|axis| shape[axis]) else { break };
        index += if size == 1 { 0 } else { along * step };
        step *= size;
    }
    index
}

/// The integers that an op makes of the shape of its operand, as far as that is known.
fn of_shape(
    node: &Op,
    what: &OpSemantics,
    operands: &[Option<Fact>],
) -> Option<Arc<[Option<i64>]>> {
    let dims = || operands.first()?.as_ref()?.shape.dims();
    if what.shape == ShapeRule::ShapeOf {
        return Some(dims()?.iter().map(|dim| dim.map(i64::from)).collect());
    }
    node.kind.is(RANK).then(|| Some([Some(dims()?.len() as i64)].into()))?
}

/// A value of these integers.
fn value(ty: ElementType, shape: &[usize], integers: impl Iterator<Item = i64>) -> Option<Value> {
    let bytes: Vec<u8> = match ty {
        ElementType::Int64 => integers.flat_map(i64::to_le_bytes).collect(),
        ElementType::Int32 => {
            let narrow = integers.map(|n| i32::try_from(n).ok()).collect::<Option<Vec<_>>>()?;
            narrow.into_iter().flat_map(i32::to_le_bytes).collect()
        }
        _ => return None,
    };
    Value::new(ty, shape, Bytes::from(bytes))
}
