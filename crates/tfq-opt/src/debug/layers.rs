//! Where along the graph two models part.

use std::path::Path;
use tfq_diff::Pairs;
use tfq_ir::maps::HashMap;
use tfq_ir::{ElementType, Module, SubgraphId, Tensor, TensorId};
use tfq_runtime::{
    Difference, Interface, Kernels, Loaded, Mismatch, RuntimeError, Tally, Value, Worker, run_like,
};

/// A tensor that an op of both models computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The op's position in its subgraph of the first model.
    pub op: usize,
    /// The op's name.
    pub kind: String,
    /// The tensor's name.
    pub name: String,
    /// How its value in the second model differs.
    pub difference: Result<Difference, Mismatch>,
    /// Noise per signal power that is not in the op's operands: the tensor's own, less the
    /// largest of theirs. 0 for an op that runs other subgraphs: noise comes in there.
    pub added: f64,
}

/// The layers of one subgraph, as a signature ran it.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The subgraph in the first model.
    pub subgraph: SubgraphId,
    /// What calls it; `None` for the one that the signature runs.
    pub call: Option<Call>,
    /// In how many samples it ran.
    pub runs: usize,
    /// Tensors that both models have, in execution order of the first model.
    pub layers: Vec<Layer>,
    /// Names of tensors of the first model that the second does not compute.
    pub unmatched: Vec<String>,
    /// Names of tensors that have no value after a run, in one model or both: nothing reads them,
    /// or they are no numbers.
    pub unseen: Vec<String>,
}

/// An op that runs another subgraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The op's subgraph.
    pub subgraph: SubgraphId,
    /// The op's position there.
    pub op: usize,
    /// The op's name.
    pub kind: String,
    /// What the subgraph is to the op: `body`, `then`.
    pub role: String,
}

/// All that a signature runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers {
    /// The signature's name; `None` for the main subgraph of a model without signatures.
    pub signature: Option<String>,
    /// The subgraph that it is, and then those that are called from it, callers first.
    pub sections: Vec<Section>,
}

impl Layers {
    /// The layers that add most noise, worst first: positions of section and layer. The
    /// noise that comes in there need not be what matters at the outputs.
    pub fn drops(&self, count: usize) -> Vec<(usize, usize)> {
        let all = self.sections.iter().enumerate().flat_map(|(s, section)| {
            section.layers.iter().enumerate().map(move |(n, layer)| ((s, n), layer.added))
        });
        let mut all: Vec<((usize, usize), f64)> = all.filter(|(_, added)| *added > 0.0).collect();
        all.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        all.into_iter().take(count).map(|(place, _)| place).collect()
    }
}

/// A model and the file that it lies in.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The file.
    pub path: &'a Path,
    /// What it holds.
    pub module: &'a Module,
}

/// Runs the signatures of two models, or one of them, on some samples, with every tensor kept,
/// and compares what their ops compute, those of bodies and branches included. Of what runs
/// several times in a sample the last time counts. `start` makes Python workers; the kernels must
/// be no delegate, which would swallow tensors.
///
/// ```no_run
/// use std::path::Path;
/// use tfq_opt::debug::{Side, layers};
/// use tfq_opt::runtime::{Kernels, RuntimeError, Interface, Value, Worker};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let paths = ["model.tflite", "small.tflite"].map(Path::new);
/// let [first, second] = paths.map(|path| {
///     let file = std::fs::read(path).expect("it is there").into();
///     tfq_opt::load(&file, &Default::default()).expect("it is a model")
/// });
/// let sides =
///     [Side { path: paths[0], module: &first }, Side { path: paths[1], module: &second }];
/// let zeros = |signature: &Interface, _sample: usize| {
///     let values = signature.inputs.iter().map(|port| {
///         let shape = port.least_shape();
///         let bytes = tfq_opt::runtime::bytes_of(port.ty, &shape).expect("numbers have a size");
///         Value { ty: port.ty, shape, data: vec![0; bytes as usize] }
///     });
///     Ok::<_, RuntimeError>(values.collect())
/// };
/// let start = || Worker::python(Path::new("python3"), None);
/// for all in layers(start, sides, Kernels::Reference, None, 1, zeros)? {
///     for (section, layer) in all.drops(3) {
///         let layer = &all.sections[section].layers[layer];
///         println!("{} `{}` adds noise: {}", layer.kind, layer.name, layer.added);
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub fn layers<E: From<RuntimeError>>(
    start: impl Fn() -> Result<Worker, RuntimeError>,
    [first, second]: [Side<'_>; 2],
    kernels: Kernels,
    signature: Option<&str>,
    samples: usize,
    inputs: impl Fn(&Interface, usize) -> Result<Vec<Value>, E>,
) -> Result<Vec<Layers>, E> {
    let plans = plans([first.module, second.module]);
    let load = |side: &Side<'_>| {
        let mut worker = start()?;
        let loaded = worker.load_keeping_tensors(side.path, kernels)?;
        Ok::<_, RuntimeError>((worker, loaded))
    };
    let mut all = Vec::new();
    let described = load(&first)?.1.signatures;
    let wanted = |found: &&Interface| signature.is_none_or(|key| found.label() == key);
    for described in described.iter().filter(wanted) {
        // A model of its own for each, so that nothing is left of another signature.
        let mut walk = Walk { a: load(&first)?, b: load(&second)?, plans: &plans };
        let root = root(first.module, described);
        let mut sums = vec![Sums::new(root, None)];
        for sample in 0..samples {
            let values = inputs(described, sample)?;
            let index = walk.a.1.position(described.label())?;
            walk.a.0.run(&walk.a.1, index, values.clone())?;
            run_like(&mut walk.b.0, &walk.b.1, described, values)?;
            walk.add(&mut sums)?;
        }
        all.push(Layers { signature: described.key.clone(), sections: finish(&plans, sums) });
    }
    Ok(all)
}

/// The subgraph that a signature runs.
fn root(module: &Module, described: &Interface) -> SubgraphId {
    let key = described.key.as_deref();
    let found = module.signatures().iter().find(|s| key.is_some() && s.key.as_deref() == key);
    SubgraphId(found.map_or(0, |signature| signature.subgraph))
}

/// What is to be looked at in a subgraph.
struct SubgraphPlan {
    other: Option<SubgraphId>,
    results: Vec<Planned>,
    unmatched: Vec<String>,
    calls: Vec<PlannedCall>,
    inputs: Vec<usize>,
}

struct Planned {
    op: usize,
    kind: String,
    name: String,
    /// In the first model and in the second.
    tensors: [usize; 2],
    scales: [Option<(f64, i64)>; 2],
    operands: Vec<usize>,
    calls: bool,
}

struct PlannedCall {
    op: usize,
    kind: String,
    attribute: &'static str,
    callee: SubgraphId,
    /// With the number in the second model, where it is there.
    operands: Vec<(usize, Option<usize>)>,
    results: Vec<usize>,
}

fn plans([first, second]: [&Module; 2]) -> Vec<SubgraphPlan> {
    let mut pairs: HashMap<SubgraphId, Pairs> =
        tfq_diff::pairs(first, second).into_iter().map(|pairs| (pairs.before, pairs)).collect();
    first.subgraph_ids().map(|sg| plan(first, second, sg, pairs.remove(&sg))).collect()
}

fn plan(first: &Module, second: &Module, sg: SubgraphId, pairs: Option<Pairs>) -> SubgraphPlan {
    let graph = first.subgraph(sg);
    let numbers = numbers(first, sg);
    let other = pairs.as_ref().map(|pairs| pairs.after);
    let others: HashMap<TensorId, TensorId> =
        pairs.into_iter().flat_map(|pairs| pairs.tensors).collect();
    let in_second = other.map(|sg| (sg, self::numbers(second, sg)));
    let found = |id: TensorId| {
        let (sg, numbers) = in_second.as_ref()?;
        let other = *others.get(&id)?;
        Some((numbers[&other], second.subgraph(*sg).tensor(other)))
    };
    let mut plan = SubgraphPlan {
        other,
        results: Vec::new(),
        unmatched: Vec::new(),
        calls: Vec::new(),
        inputs: graph.inputs().iter().map(|id| numbers[id]).collect(),
    };
    for (n, op) in graph.ops().enumerate() {
        let node = graph.op(op);
        let kind = node.kind.name().to_owned();
        let operands: Vec<TensorId> = graph.operands(op).into_iter().flatten().collect();
        let results = graph.results(op);
        let runs = node.kind.runs_subgraphs();
        let refs = if runs { node.subgraph_refs() } else { Vec::new() };
        for id in &results {
            let tensor = graph.tensor(*id);
            let Some((number, other)) = found(*id) else {
                plan.unmatched.push(tensor.label().to_owned());
                continue;
            };
            plan.results.push(Planned {
                op: n,
                kind: kind.clone(),
                name: tensor.label().to_owned(),
                tensors: [numbers[id], number],
                scales: [scale(tensor), scale(other)],
                operands: operands.iter().map(|id| numbers[id]).collect(),
                calls: !refs.is_empty(),
            });
        }
        for (attribute, callee) in refs {
            let Some(callee) = u32::try_from(callee).ok().map(SubgraphId) else { continue };
            if first.subgraph_ids().any(|sg| sg == callee) {
                let pair = |id: &TensorId| (numbers[id], found(*id).map(|(number, _)| number));
                plan.calls.push(PlannedCall {
                    op: n,
                    kind: kind.clone(),
                    attribute,
                    callee,
                    operands: operands.iter().map(pair).collect(),
                    results: results.iter().map(|id| numbers[id]).collect(),
                });
            }
        }
    }
    plan
}

/// The numbers that tensors have in the file.
fn numbers(module: &Module, sg: SubgraphId) -> HashMap<TensorId, usize> {
    module.subgraph(sg).tensors().enumerate().map(|(n, id)| (id, n)).collect()
}

/// Scale and zero point, where the tensor is quantised and has one of each.
fn scale(tensor: &Tensor) -> Option<(f64, i64)> {
    let q = tensor.quantization.as_ref()?;
    match (&q.scale[..], &q.zero_point[..]) {
        ([scale], [zero]) => Some((f64::from(*scale), *zero)),
        ([scale], []) => Some((f64::from(*scale), 0)),
        _ => None,
    }
}

/// What was measured in a subgraph so far.
struct Sums {
    subgraph: SubgraphId,
    /// The position of the section that calls it, and of the call in its plan.
    caller: Option<(usize, usize)>,
    runs: usize,
    tallies: HashMap<usize, Result<Tally, Mismatch>>,
}

impl Sums {
    fn new(subgraph: SubgraphId, caller: Option<(usize, usize)>) -> Self {
        Self { subgraph, caller, runs: 0, tallies: HashMap::default() }
    }
}

/// Both models after a run.
struct Walk<'a> {
    a: (Worker, Loaded),
    b: (Worker, Loaded),
    plans: &'a [SubgraphPlan],
}

impl Walk<'_> {
    fn first(&mut self, sg: SubgraphId, tensor: usize) -> Result<Option<Value>, RuntimeError> {
        self.a.0.tensor(&self.a.1, sg.0 as usize, tensor)
    }

    fn second(&mut self, sg: SubgraphId, tensor: usize) -> Result<Option<Value>, RuntimeError> {
        self.b.0.tensor(&self.b.1, sg.0 as usize, tensor)
    }

    /// Adds what the last run computed in each subgraph that it came to.
    fn add(&mut self, sums: &mut Vec<Sums>) -> Result<(), RuntimeError> {
        let mut ran = vec![false; self.plans.len()];
        let mut todo = vec![0];
        ran[sums[0].subgraph.0 as usize] = true;
        while let Some(at) = todo.pop() {
            self.add_section(&mut sums[at])?;
            let caller = sums[at].subgraph;
            let plans = self.plans;
            for (n, call) in plans[caller.0 as usize].calls.iter().enumerate() {
                let known = sums.iter().position(|sums| sums.subgraph == call.callee);
                let callee = known.unwrap_or_else(|| {
                    sums.push(Sums::new(call.callee, Some((at, n))));
                    sums.len() - 1
                });
                if !ran[call.callee.0 as usize] && self.runs(caller, call)? {
                    ran[call.callee.0 as usize] = true;
                    todo.push(callee);
                }
            }
        }
        Ok(())
    }

    fn add_section(&mut self, sums: &mut Sums) -> Result<(), RuntimeError> {
        sums.runs += 1;
        let plans = self.plans;
        let plan = &plans[sums.subgraph.0 as usize];
        let Some(other) = plan.other else { return Ok(()) };
        for (n, planned) in plan.results.iter().enumerate() {
            // One at a time: all tensors of a large model may not fit beside each other.
            let Some(wanted) = self.first(sums.subgraph, planned.tensors[0])? else { continue };
            let Some(found) = self.second(other, planned.tensors[1])? else { continue };
            let tally = sums.tallies.entry(n).or_insert_with(|| Ok(Tally::default()));
            if let Ok(so_far) = tally
                && let Err(mismatch) = add(so_far, planned.scales, &wanted, &found)
            {
                *tally = Err(mismatch);
            }
        }
        Ok(())
    }

    /// Whether an op that ran has run a subgraph that it names, in both models.
    fn runs(&mut self, sg: SubgraphId, call: &PlannedCall) -> Result<bool, RuntimeError> {
        match call.attribute {
            "then_subgraph_index" | "else_subgraph_index" => {
                let Some((first, second)) = call.operands.first() else { return Ok(false) };
                let taken = |value: Option<Value>| value?.data.first().map(|byte| *byte != 0);
                let wanted = Some(call.attribute == "then_subgraph_index");
                if taken(self.first(sg, *first)?) != wanted {
                    return Ok(false);
                }
                let other = self.plans[sg.0 as usize].other;
                Ok(match other.zip(*second) {
                    Some((other, second)) => taken(self.second(other, second)?) == wanted,
                    None => true,
                })
            }
            // A loop that ran and has ended left another state than it found, or it would go on:
            // the condition sees nothing else.
            "body_subgraph_index" => {
                for ((operand, _), result) in call.operands.iter().zip(&call.results) {
                    let Some(after) = self.first(sg, *result)? else { continue };
                    if self.first(sg, *operand)?.is_some_and(|before| before != after) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => Ok(true),
        }
    }
}

/// Compares real numbers where one of the two stores codes of them.
fn add(
    tally: &mut Tally,
    scales: [Option<(f64, i64)>; 2],
    wanted: &Value,
    found: &Value,
) -> Result<(), Mismatch> {
    if (scales[0] == scales[1] && wanted.ty == found.ty) || wanted.shape != found.shape {
        return tally.add(wanted, found);
    }
    let mismatch = || Mismatch { wanted: wanted.form(), found: found.form() };
    let real = |scale: Option<(f64, i64)>, value: &Value| -> Option<Vec<f64>> {
        if scale.is_none() && !value.ty.is_float() && value.ty != ElementType::Bool {
            return None;
        }
        let (scale, zero) = scale.unwrap_or((1.0, 0));
        Some(value.numbers()?.into_iter().map(|code| scale * (code - zero as f64)).collect())
    };
    let (x, y) = (real(scales[0], wanted), real(scales[1], found));
    let (x, y) = x.zip(y).ok_or_else(mismatch)?;
    if tally.add_numbers(&x, &y) { Ok(()) } else { Err(mismatch()) }
}

fn finish(plans: &[SubgraphPlan], all: Vec<Sums>) -> Vec<Section> {
    let mut noise: HashMap<(SubgraphId, usize), f64> = HashMap::default();
    let mut sections: Vec<Section> = Vec::new();
    let callers: Vec<SubgraphId> = all.iter().map(|sums| sums.subgraph).collect();
    for sums in all {
        let plan = &plans[sums.subgraph.0 as usize];
        let call =
            sums.caller.map(|(at, n)| (callers[at], &plans[callers[at].0 as usize].calls[n]));
        if let Some((caller, call)) = call {
            arguments(plan, sums.subgraph, caller, call, &mut noise);
        }
        let mut layers = Vec::new();
        let mut unseen = Vec::new();
        for (n, planned) in plan.results.iter().enumerate() {
            let Some(tally) = sums.tallies.get(&n) else {
                if sums.runs > 0 {
                    unseen.push(planned.name.clone());
                }
                continue;
            };
            let difference = tally.clone().map(|tally| tally.difference());
            let own = difference.as_ref().map_or(0.0, |found| 10_f64.powf(-found.snr_db / 10.0));
            let operands = planned.operands.iter();
            let operands = operands.filter_map(|id| noise.get(&(sums.subgraph, *id)).copied());
            let added = (own - operands.fold(0.0, f64::max)).max(0.0);
            let added = if planned.calls { 0.0 } else { added };
            noise.insert((sums.subgraph, planned.tensors[0]), own);
            let (kind, name) = (planned.kind.clone(), planned.name.clone());
            layers.push(Layer { op: planned.op, kind, name, difference, added });
        }
        let call = call.map(|(subgraph, call)| Call {
            subgraph,
            op: call.op,
            kind: call.kind.clone(),
            role: call.attribute.split("_subgraph").next().unwrap_or_default().to_owned(),
        });
        let (subgraph, runs, unmatched) = (sums.subgraph, sums.runs, plan.unmatched.clone());
        sections.push(Section { subgraph, call, runs, layers, unmatched, unseen });
    }
    sections
}

/// The noise that a subgraph is called with. What a loop carries has the noise that it ends with.
fn arguments(
    plan: &SubgraphPlan,
    sg: SubgraphId,
    caller: SubgraphId,
    call: &PlannedCall,
    noise: &mut HashMap<(SubgraphId, usize), f64>,
) {
    let skip = usize::from(matches!(call.attribute, "then_subgraph_index" | "else_subgraph_index"));
    let carried = matches!(call.attribute, "cond_subgraph_index" | "body_subgraph_index");
    let operands = call.operands.iter().map(|(operand, _)| *operand).skip(skip);
    for (n, (input, operand)) in plan.inputs.iter().zip(operands).enumerate() {
        let result = call.results.get(n).filter(|_| carried);
        let of = |tensor: usize| noise.get(&(caller, tensor)).copied();
        if let Some(found) = result.and_then(|result| of(*result)).or_else(|| of(operand)) {
            noise.insert((sg, *input), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(ty: ElementType, data: Vec<u8>) -> Value {
        let shape = vec![data.len() / (ty.bits().unwrap_or(8) as usize / 8)];
        Value { ty, shape, data }
    }

    #[test]
    fn codes_are_compared_as_the_numbers_they_stand_for() {
        let float = [1.0_f32, -1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let float = value(ElementType::Float32, float);
        let codes = value(ElementType::Int8, vec![12, 8]);
        let mut tally = Tally::default();
        add(&mut tally, [None, Some((0.5, 10))], &float, &codes).unwrap();
        assert_eq!(tally.difference().differing, 0);
        // Without a scale they are no numbers of the same kind.
        assert!(add(&mut tally, [None, None], &float, &codes).is_err());
    }

    #[test]
    fn the_largest_drops_come_first() {
        let layer = |added| Layer {
            op: 0,
            kind: String::new(),
            name: String::new(),
            difference: Ok(Difference::of_numbers(&[], &[]).unwrap()),
            added,
        };
        let section = |layers| Section {
            subgraph: SubgraphId(0),
            call: None,
            runs: 1,
            layers,
            unmatched: Vec::new(),
            unseen: Vec::new(),
        };
        let sections =
            vec![section(vec![layer(0.0), layer(0.1)]), section(vec![layer(0.3), layer(0.2)])];
        let layers = Layers { signature: None, sections };
        assert_eq!(layers.drops(2), [(1, 0), (1, 1)]);
        assert_eq!(layers.drops(9), [(1, 0), (1, 1), (0, 1)]);
    }
}
