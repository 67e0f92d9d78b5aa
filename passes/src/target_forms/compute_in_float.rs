use super::one_step::{Closeness, closeness};
use crate::costs::{PER_NUMBER, PER_SMALL_OP};
use tfq_ir::catalog::ops::{DEQUANTIZE, MAXIMUM, QUANTIZE};
use tfq_ir::maps::{HashMap, HashSet, IndexMap};
use tfq_ir::{
    ElementType, InsertionPoint, Module, Op, OpId, Patch, Subgraph, SubgraphId, Tensor, TensorId,
    TensorRare, TensorRef,
};
use tfq_pass::{Pass, PassError, Room, Session, declare_pass};
use tfq_target::{Delegation, Equivalent};

declare_pass! {
    contract: Rounding, scope: Subgraph, writes: [DEQUANTIZE, MAXIMUM, QUANTIZE];
    /// Computes int8 ops with floats where the runtime has no good kernel for int8.
    ///
    /// ## What it does
    /// An op on 8-bit codes, such as HARD_SWISH, RSQRT or SQUARED_DIFFERENCE, computes with float32: a
    /// DEQUANTIZE stands in front of it and a QUANTIZE behind. Only where the target says that this is
    /// sooner, and its delegate takes the three: XNNPACK has no int8 kernel for many ops, and each of
    /// them ends a partition. Where all that is gained is such a border, the op is left alone if what is
    /// beside it stays with the CPU kernels as well. What is rounded stays rounded: two such ops in a row
    /// keep the QUANTIZE and DEQUANTIZE between them.
    ///
    /// RSQRT of 0, and LOG, for which the int8 kernel gives the code at one end, get a MAXIMUM by a small
    /// number in front, so that no number is infinite or NaN.
    ///
    /// ## When it is safe
    /// Each number of the result is what it was or the code beside it. Of ops that work position by
    /// position every combination of codes is tried beforehand; the op stays if one is further
    /// off. For SOFTMAX, which was measured, and BATCH_MATMUL the target's rows say where no number can be. Steps
    /// may add up on the way to the outputs, and a network may amplify them. An error of the kernel at run
    /// time, as int8 RSQRT has of a number below 0, must not be possible. It is for the target's CPU: a
    /// microcontroller, or an accelerator of int8 ops, does better with the model as it was. For a target
    /// that stands for an older release, nothing is done.
    ///
    /// The file grows by some 130 bytes for each op.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : i8[1,4] q(0.05, -10)
    ///   %a = LOGISTIC(%x) : i8[1,4] q(0.00390625, -128)
    ///   %y = HARD_SWISH(%a) : i8[1,4] q(0.003, -128)
    ///   output %y
    /// }
    /// ```
    /// becomes with `compute-in-float`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : i8[1,4] q(0.05, -10)
    ///   %a = LOGISTIC(%x) : i8[1,4] q(0.00390625, -128)
    ///   %"hard_swish;in" = DEQUANTIZE.v2(%a) : f32[1,4]
    ///   %"hard_swish;out" = HARD_SWISH(%"hard_swish;in") : f32[1,4]
    ///   %y = QUANTIZE(%"hard_swish;out") : i8[1,4] q(0.003, -128)
    ///   output %y
    /// }
    /// ```
    pub struct ComputeInFloat {}
}

/// What the target calls it.
const FORM: &str = "float";
const APPLIED: &str = "rewritten";
const LEFT: &str = "left in int8";

impl Pass for ComputeInFloat {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        // What the delegate of older releases takes, nobody measured.
        if session.target().max_runtime().is_some() {
            return Ok(());
        }
        let mut room = session.resource::<Room>().map(|room| room.0);
        for sg in session.subgraphs() {
            let mut candidates = chosen(session, sg);
            if let Some(room) = &mut room {
                afford(session, sg, &mut candidates, room);
            }
            for Candidate { op, patch, reason, .. } in candidates {
                let place = session.model().op_place(sg, op).to_string();
                session.apply(patch)?;
                session.applied(APPLIED, place, format_args!("computed with floats: {reason}"));
                session.count("ops-rewritten", 1);
            }
        }
        Ok(())
    }
}

/// An op that may compute with floats.
struct Candidate {
    op: OpId,
    patch: Patch,
    /// What it takes of the file, by estimate.
    bytes: u64,
    /// Time of a model as a part of its time before.
    times: f64,
    at_borders: bool,
    reason: String,
}

/// The ops to rewrite. What is asked is asked of the model as it came, so that no op waits for another.
fn chosen(session: &Session<'_>, sg: SubgraphId) -> Vec<Candidate> {
    let (module, target) = (session.model(), session.target());
    let (mut candidates, rewritten) = candidates(session, sg);
    if candidates.is_empty() || !target.has_delegate() {
        return candidates;
    }
    let left = |op: OpId, why: &str| session.missed(LEFT, module.op_place(sg, op), why);
    let taken = target.delegations(&rewritten, sg);
    candidates.retain(|one| {
        let graph = rewritten.subgraph(sg);
        let around = neighbours(graph, one.op).into_iter().chain([one.op]);
        let all_taken = around.into_iter().all(|op| taken[&op].is_taken());
        if !all_taken {
            left(one.op, "XNNPACK would not take it on floats either");
        }
        all_taken
    });
    let borders = borders(module.subgraph(sg), &target.delegations(module, sg), &candidates);
    candidates.retain(|one| {
        let gains = !one.at_borders || borders.contains(&one.op);
        if !gains {
            left(one.op, "what is beside it stays with the CPU kernels");
        }
        gains
    });
    candidates
}

/// Leaves those for which the file has no room, where those come first that gain most.
fn afford(session: &Session<'_>, sg: SubgraphId, candidates: &mut Vec<Candidate>, room: &mut u64) {
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    order.sort_by(|a, b| a.times.total_cmp(&b.times));
    let mut affordable = HashSet::default();
    for one in order {
        match room.checked_sub(one.bytes) {
            Some(rest) => {
                *room = rest;
                affordable.insert(one.op);
            }
            None => {
                let place = session.model().op_place(sg, one.op);
                session.missed(LEFT, place, "the file would grow too much");
            }
        }
    }
    candidates.retain(|one| affordable.contains(&one.op));
}

/// The ops that the target would rather have on floats, and that can be; and the model if all were.
fn candidates(session: &Session<'_>, sg: SubgraphId) -> (Vec<Candidate>, Module) {
    let module = session.model();
    let mut rewritten = module.clone();
    let mut found = Vec::new();
    for op in module.subgraph(sg).ops() {
        let better = session.target().equivalent(module, sg, op);
        let Some(better) = better.filter(|better| better.name == FORM) else { continue };
        let written = on_floats(module, sg, op).and_then(|(patch, bytes)| {
            session.forbidden(&patch).map_or(Ok(()), Err)?;
            rewritten.apply(patch.clone()).map_err(|rejected| rejected.to_string())?;
            Ok((patch, bytes))
        });
        match written {
            Ok((patch, bytes)) => {
                let Equivalent { times, at_borders, reason, .. } = better;
                let reason = reason.to_owned();
                found.push(Candidate { op, patch, bytes, times, at_borders, reason });
            }
            Err(why) => session.missed(LEFT, module.op_place(sg, op), why),
        }
    }
    (found, rewritten)
}

/// The candidates with which a border between partitions goes: all ops that the delegate leaves and
/// that hang together with them are candidates too, and it takes one beside these.
fn borders(
    graph: &Subgraph,
    delegations: &IndexMap<OpId, Delegation<'_>>,
    candidates: &[Candidate],
) -> HashSet<OpId> {
    let all: HashSet<OpId> = candidates.iter().map(|one| one.op).collect();
    let mut seen = HashSet::default();
    let mut found = HashSet::default();
    for first in candidates {
        if !seen.insert(first.op) {
            continue;
        }
        let (mut together, mut next) = (vec![first.op], 0);
        let (mut beside_taken, mut only_candidates) = (false, true);
        while let Some(op) = together.get(next).copied() {
            next += 1;
            for beside in neighbours(graph, op) {
                if delegations[&beside].is_taken() {
                    beside_taken = true;
                } else if !all.contains(&beside) {
                    only_candidates = false;
                } else if seen.insert(beside) {
                    together.push(beside);
                }
            }
        }
        if beside_taken && only_candidates {
            found.extend(together);
        }
    }
    found
}

/// The ops that compute what an op reads, and those that read what it computes.
fn neighbours(graph: &Subgraph, op: OpId) -> Vec<OpId> {
    let operands = graph.operands(op).into_iter().flatten();
    let front = operands.filter_map(|id| graph.producer(id)).map(|(op, _)| op);
    let results = graph.results(op).into_iter();
    front.chain(results.flat_map(|id| graph.uses(id)).map(|u| u.op)).collect()
}

/// The op between a DEQUANTIZE of each operand and a QUANTIZE, and what they take of the file; or why
/// it cannot be.
fn on_floats(module: &Module, sg: SubgraphId, id: OpId) -> Result<(Patch, u64), String> {
    let graph = module.subgraph(sg);
    let op = graph.op(id);
    let [result] = graph.results(id)[..] else { return Err("it has several results".into()) };
    let operands: Option<Vec<TensorId>> = graph.operands(id).into_iter().collect();
    let operands = operands.ok_or("an operand is left out")?;
    if operands.contains(&result) {
        return Err("it computes a tensor that it reads".into());
    }
    if graph.oddity(result).is_some() {
        // The runtime may crash where another op than the file says writes into bytes of the file.
        return Err("its result has bytes in the file".into());
    }
    let tensors: Vec<&Tensor> = operands.iter().map(|id| graph.tensor(*id)).collect();
    if !tensors.iter().chain([&graph.tensor(result)]).all(|tensor| tensor.is_plain()) {
        return Err("a tensor is a variable, sparse, or waits for a Dequantize".into());
    }
    let least = match closeness(op, &tensors, graph.tensor(result))? {
        Closeness::OneStep => None,
        Closeness::FromLeast(_) if tensors.iter().any(|tensor| tensor.shape.is_empty()) => {
            return Err("beside a scalar the least number would be a vector".into());
        }
        Closeness::FromLeast(least) => Some(least),
    };
    let name = op.kind.to_string().to_lowercase();
    let mut patch = Patch::new(sg, "compute with floats");
    let mut floats: HashMap<TensorId, TensorRef> = HashMap::default();
    for (slot, operand) in operands.into_iter().enumerate() {
        let float = *floats.entry(operand).or_insert_with(|| {
            let tensor = graph.tensor(operand);
            let float = patch.add_tensor(float_like(tensor, format!("{name};in")));
            let place = InsertionPoint::Before(id);
            patch.add_op(Op::builtin(DEQUANTIZE), place, &[Some(operand.into())], &[float]);
            match least {
                Some(least) => at_least(&mut patch, id, (float, tensor), least, &name),
                None => float,
            }
        });
        patch.set_operand(id, slot as u32, float);
    }
    let float = patch.add_tensor(float_like(graph.tensor(result), format!("{name};out")));
    patch.set_result(id, 0, float);
    patch.add_op(
        Op::builtin(QUANTIZE),
        InsertionPoint::After(id),
        &[Some(float)],
        &[result.into()],
    );
    let per_name = name.len() as u64;
    let ops = floats.len() as u64 * if least.is_some() { 2 } else { 1 } + 1;
    let numbers = if least.is_some() { PER_NUMBER + per_name } else { 0 };
    Ok((patch, ops * (PER_SMALL_OP + per_name) + numbers))
}

/// The greater of a float and a number.
fn at_least(
    patch: &mut Patch,
    before: OpId,
    (float, stored): (TensorRef, &Tensor),
    least: f32,
    name: &str,
) -> TensorRef {
    let number = Tensor::new(format!("{name};least"), ElementType::Float32, [1]);
    let number = patch.new_constant(number, least.to_le_bytes().to_vec().into());
    let greater = patch.add_tensor(float_like(stored, format!("{name};from_least")));
    let operands = [Some(float), Some(number)];
    patch.add_op(Op::builtin(MAXIMUM), InsertionPoint::Before(before), &operands, &[greater]);
    greater
}

/// A tensor of floats as large as one of codes.
fn float_like(codes: &Tensor, name: String) -> Tensor {
    let shape_signature = codes.shape_signature.clone();
    Tensor {
        rare: TensorRare { shape_signature, ..TensorRare::default() }.into(),
        has_rank: codes.has_rank,
        ..Tensor::new(name, ElementType::Float32, codes.shape.clone())
    }
}
