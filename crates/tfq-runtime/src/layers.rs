//! Where along the graph two models part.

use crate::metrics::{Difference, Mismatch};
use crate::protocol::OpResult;
use crate::value::{Signature, Value};
use crate::worker::{Loaded, Worker};
use crate::{Kernels, RunError, Stage};
use std::collections::HashMap;
use std::path::Path;

/// A tensor that an op of both models computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The op's position in the first model.
    pub op: usize,
    /// The op's name.
    pub kind: String,
    /// The tensor's name.
    pub name: String,
    /// How its value in the second model differs.
    pub difference: Result<Difference, Mismatch>,
    /// Noise per signal power that came in here: the tensor's own, less the largest of the
    /// op's operands.
    pub added: f64,
}

/// All layers, in execution order of the first model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layers {
    /// Tensors that both models have.
    pub matched: Vec<Layer>,
    /// Names of tensors of the first model that the second does not compute.
    pub unmatched: Vec<String>,
}

impl Layers {
    /// Positions in `matched` of the layers where the most noise comes in, worst first.
    pub fn worst(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> =
            (0..self.matched.len()).filter(|n| self.matched[*n].added > 0.0).collect();
        order.sort_by(|a, b| self.matched[*b].added.total_cmp(&self.matched[*a].added));
        order.truncate(count);
        order
    }
}

/// Runs a signature of both models, with every tensor kept, and compares what their ops
/// compute. Tensors match by name; where several have one name, by order. `start` makes Python
/// workers; the kernels must be no delegate, which would swallow tensors.
pub fn layers<E: From<RunError>>(
    start: impl Fn() -> Result<Worker, RunError>,
    models: [&Path; 2],
    kernels: Kernels,
    signature: Option<&str>,
    inputs: impl Fn(&Signature) -> Result<Vec<Value>, E>,
) -> Result<Layers, E> {
    let mut sides = Vec::new();
    for model in models {
        let mut worker = start()?;
        let loaded = worker.load_keeping_tensors(model, kernels)?;
        let index = signature.map_or(Ok(0), |key| loaded.position(key))?;
        let Some(described) = loaded.signatures.get(index) else {
            return Err(RunError::new(Stage::Load, "the model has nothing to run").into());
        };
        worker.run(&loaded, index, inputs(described)?)?;
        let ops = worker.ops(&loaded)?;
        sides.push((worker, loaded, ops));
    }
    let [first, second] = &mut sides[..] else { unreachable!("there are two models") };
    Ok(walk(first, second)?)
}

type Side = (Worker, Loaded, Vec<OpResult>);

fn walk(first: &mut Side, second: &mut Side) -> Result<Layers, RunError> {
    let mut others: HashMap<&str, std::collections::VecDeque<&OpResult>> = HashMap::new();
    for result in &second.2 {
        others.entry(&result.name).or_default().push_back(result);
    }
    let mut layers = Layers::default();
    let mut noise: HashMap<usize, f64> = HashMap::new();
    for result in &first.2 {
        let Some(other) = others.get_mut(result.name.as_str()).and_then(|same| same.pop_front())
        else {
            layers.unmatched.push(result.name.clone());
            continue;
        };
        // One at a time: all tensors of a large model may not fit beside each other.
        let wanted = one(&mut first.0, &first.1, result.tensor)?;
        let found = one(&mut second.0, &second.1, other.tensor)?;
        let difference = difference((result, &wanted), (other, &found));
        let own = difference.as_ref().map_or(0.0, relative_noise);
        let operands = result.operands.iter().filter_map(|tensor| noise.get(tensor));
        let added = own - operands.copied().fold(0.0, f64::max);
        noise.insert(result.tensor, own);
        layers.matched.push(Layer {
            op: result.op,
            kind: result.kind.clone(),
            name: result.name.clone(),
            difference,
            added: added.max(0.0),
        });
    }
    Ok(layers)
}

fn one(worker: &mut Worker, model: &Loaded, tensor: usize) -> Result<Value, RunError> {
    let values = worker.tensors(model, vec![tensor])?;
    let missing = || RunError::new(Stage::Output, format!("tensor {tensor} has no value"));
    values.into_iter().next().ok_or_else(missing)
}

fn relative_noise(difference: &Difference) -> f64 {
    10_f64.powf(-difference.snr_db / 10.0)
}

/// Compares real numbers where one of the two stores codes of them.
fn difference(
    (of_first, wanted): (&OpResult, &Value),
    (of_second, found): (&OpResult, &Value),
) -> Result<Difference, Mismatch> {
    if of_first.quantization == of_second.quantization || wanted.shape != found.shape {
        return Difference::between(wanted, found);
    }
    let mismatch = || Mismatch { wanted: wanted.form(), found: found.form() };
    let real = |result: &OpResult, value: &Value| -> Option<Vec<f64>> {
        let (scale, zero) = result.quantization.unwrap_or((1.0, 0));
        Some(value.numbers()?.into_iter().map(|code| scale * (code - zero as f64)).collect())
    };
    let (x, y) = (real(of_first, wanted), real(of_second, found));
    let found = x.zip(y).and_then(|(x, y)| Difference::of_numbers(&x, &y));
    found.ok_or_else(mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfq_ir::ElementType;

    fn result(quantization: Option<(f64, i64)>) -> OpResult {
        OpResult {
            op: 0,
            kind: "ADD".to_owned(),
            tensor: 1,
            operands: vec![0],
            name: "y".to_owned(),
            quantization,
        }
    }

    #[test]
    fn codes_are_compared_as_the_numbers_they_stand_for() {
        let float = Value {
            ty: ElementType::Float32,
            shape: vec![2],
            data: [1.0_f32, -1.0].iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        let codes = Value { ty: ElementType::Int8, shape: vec![2], data: vec![12, 8] };
        let quantised = result(Some((0.5, 10)));
        let found = difference((&result(None), &float), (&quantised, &codes)).unwrap();
        assert_eq!(found.differing, 0);
        // Without a scale they are no numbers of the same kind.
        assert!(difference((&result(None), &float), (&result(None), &codes)).is_err());
    }

    #[test]
    fn the_worst_layers_are_those_where_noise_comes_in() {
        let layer = |added| Layer {
            op: 0,
            kind: String::new(),
            name: String::new(),
            difference: Ok(Difference::of_numbers(&[], &[]).unwrap()),
            added,
        };
        let layers = Layers {
            matched: vec![layer(0.0), layer(0.1), layer(0.3), layer(0.2)],
            unmatched: Vec::new(),
        };
        assert_eq!(layers.worst(2), [2, 3]);
        assert_eq!(layers.worst(9), [2, 3, 1]);
    }
}
