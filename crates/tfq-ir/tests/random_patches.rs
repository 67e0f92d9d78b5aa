//! Random patches on random graphs, against a model made of plain vectors. The model applies
//! every patch and looks at the outcome as a whole; what `Patch` refuses must be what comes out
//! wrong there, and what it accepts must look the same in both.

mod common;

use common::{MAIN, custom, float, main};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use tfq_ir::{
    ConstantPool, InsertionPoint, Module, OpId, Operands, Patch, SubgraphBuilder, TensorId,
    TensorRef, Use,
};

/// Ops and tensors by number, counted from the start and never reused.
#[derive(Clone, Debug)]
struct Model {
    tensors: Vec<usize>,
    /// In execution order.
    ops: Vec<ModelOp>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

#[derive(Clone, Debug)]
struct ModelOp {
    number: usize,
    operands: Vec<Option<usize>>,
    results: Vec<usize>,
}

impl Model {
    fn at(&self, op: usize) -> usize {
        self.ops.iter().position(|o| o.number == op).expect("the op is there")
    }

    fn op(&mut self, op: usize) -> &mut ModelOp {
        let at = self.at(op);
        &mut self.ops[at]
    }

    /// Where in the order each tensor is computed.
    fn producers(&self) -> HashMap<usize, usize> {
        let each = self.ops.iter().enumerate();
        each.flat_map(|(at, op)| op.results.iter().map(move |t| (*t, at))).collect()
    }

    fn uses(&self, tensor: usize) -> Vec<(usize, u32)> {
        let each = self.ops.iter().flat_map(|op| {
            op.operands.iter().zip(0..).map(|(operand, slot)| (op.number, slot, *operand))
        });
        each.filter(|(.., t)| *t == Some(tensor)).map(|(op, slot, _)| (op, slot)).collect()
    }

    /// Whether this can follow `before`: a sound graph in which all that is needed is an input or
    /// computed, and nothing that is needed has lost the op that computed it.
    fn follows(&self, before: &Model) -> bool {
        let there: HashSet<usize> = self.tensors.iter().copied().collect();
        let made = self.producers();
        let results = || self.ops.iter().flat_map(|op| &op.results);
        let read = || self.ops.iter().flat_map(|op| op.operands.iter().flatten());
        let mut needed = read().chain(&self.outputs).chain(&self.inputs);
        let was_made = before.producers();
        let given = |t: &usize| self.inputs.contains(t) && !was_made.contains_key(t);
        let in_order = |at: usize, tensor: &usize| {
            self.inputs.contains(tensor) || made.get(tensor).is_none_or(|made| *made < at)
        };
        results().all(|t| there.contains(t))
            && results().count() == made.len()
            && needed.all(|t| there.contains(t) && (made.contains_key(t) || given(t)))
            && self
                .ops
                .iter()
                .enumerate()
                .all(|(at, op)| op.operands.iter().flatten().all(|tensor| in_order(at, tensor)))
    }
}

/// The module, the model, and which handle each number has.
struct Both {
    module: Module,
    model: Model,
    tensors: Vec<TensorId>,
    ops: Vec<OpId>,
}

/// A patch under construction, and the model as it will be.
struct Edit<'a> {
    both: &'a Both,
    patch: Patch,
    after: Model,
    new_tensors: usize,
    new_ops: usize,
    behind: HashMap<usize, usize>,
    erased_ops: Vec<usize>,
    /// What it returns, even in place of no output: that is not erased, and keeps its value.
    returned: Vec<usize>,
}

#[derive(Clone, Copy)]
enum At {
    Before(usize),
    After(usize),
    End,
}

impl<'a> Edit<'a> {
    fn new(both: &'a Both) -> Self {
        Self {
            both,
            patch: Patch::new(MAIN, "random"),
            after: both.model.clone(),
            new_tensors: 0,
            new_ops: 0,
            behind: HashMap::new(),
            erased_ops: Vec::new(),
            returned: Vec::new(),
        }
    }

    fn tensor_ref(&self, tensor: usize) -> TensorRef {
        match self.both.tensors.get(tensor) {
            Some(id) => TensorRef::Old(*id),
            None => TensorRef::New((tensor - self.both.tensors.len()) as u32),
        }
    }

    fn add_tensor(&mut self) -> usize {
        let number = self.both.tensors.len() + self.new_tensors;
        self.new_tensors += 1;
        let added = self.patch.add_tensor(float("new"));
        assert_eq!(added, self.tensor_ref(number));
        self.after.tensors.push(number);
        number
    }

    fn add_op(&mut self, at: At, operands: &[Option<usize>], results: &[usize]) {
        let number = self.both.ops.len() + self.new_ops;
        self.new_ops += 1;
        let (place, index) = match at {
            At::Before(op) => (InsertionPoint::Before(self.both.ops[op]), self.after.at(op)),
            At::After(op) => {
                let last = self.behind.insert(op, number).unwrap_or(op);
                (InsertionPoint::After(self.both.ops[op]), self.after.at(last) + 1)
            }
            At::End => (InsertionPoint::End, self.after.ops.len()),
        };
        let inputs: Vec<_> = operands.iter().map(|t| t.map(|t| self.tensor_ref(t))).collect();
        let outputs: Vec<_> = results.iter().map(|t| self.tensor_ref(*t)).collect();
        self.patch.add_op(custom(), place, &inputs, &outputs);
        let op = ModelOp { number, operands: operands.to_vec(), results: results.to_vec() };
        self.after.ops.insert(index, op);
    }

    fn set_operand(&mut self, op: usize, slot: usize, tensor: usize) {
        self.patch.set_operand(self.both.ops[op], slot as u32, self.tensor_ref(tensor));
        let operands = &mut self.after.op(op).operands;
        operands.resize(operands.len().max(slot + 1), None);
        operands[slot] = Some(tensor);
    }

    fn set_result(&mut self, op: usize, slot: usize, tensor: usize) {
        self.patch.set_result(self.both.ops[op], slot as u32, self.tensor_ref(tensor));
        self.after.op(op).results[slot] = tensor;
    }

    fn replace_output(&mut self, old: usize, new: usize) {
        self.patch.replace_output(self.both.tensors[old], self.tensor_ref(new));
        self.replaced(old, new);
    }

    fn replaced(&mut self, old: usize, new: usize) {
        self.returned.push(new);
        let before = self.both.model.outputs.iter();
        for (output, before) in self.after.outputs.iter_mut().zip(before) {
            if *before == old {
                *output = new;
            }
        }
    }

    fn replace_uses(&mut self, old: usize, new: usize) {
        let to = self.tensor_ref(new);
        self.patch.replace_uses(main(&self.both.module), self.both.tensors[old], to);
        for (op, slot) in self.both.model.uses(old) {
            self.after.op(op).operands[slot as usize] = Some(new);
        }
        self.replaced(old, new);
    }

    fn erase_op(&mut self, op: usize) {
        self.patch.erase_op(self.both.ops[op]);
        self.erased_ops.push(op);
    }

    fn erase_tensor(&mut self, tensor: usize) {
        self.patch.erase_tensor(self.both.tensors[tensor]);
        self.after.tensors.retain(|t| *t != tensor);
    }

    fn finish(mut self) -> (Patch, Model, bool) {
        self.after.ops.retain(|op| !self.erased_ops.contains(&op.number));
        let (made, was_made) = (self.after.producers(), self.both.model.producers());
        let valued = |t: &usize| made.contains_key(t) || !was_made.contains_key(t);
        let right = self.after.follows(&self.both.model)
            && self.returned.iter().all(|t| self.after.tensors.contains(t) && valued(t));
        (self.patch, self.after, right)
    }
}

/// A kind of patch and four numbers that settle what it does, each taken modulo what there is.
type Step = (u8, [usize; 4]);
const KINDS: u8 = 11;

impl Both {
    fn new(inputs: usize, list: &[[usize; 3]]) -> Self {
        let mut builder = SubgraphBuilder::new(None);
        let mut tensors: Vec<TensorId> =
            (0..inputs).map(|_| builder.tensor(float("input"))).collect();
        let mut model = Model {
            tensors: Vec::new(),
            ops: Vec::new(),
            inputs: (0..inputs).collect(),
            outputs: Vec::new(),
        };
        let mut made = Vec::new();
        for (number, picks) in list.iter().enumerate() {
            let operands = picks.map(|n| n % (tensors.len() + 1));
            // One number more than there are tensors stands for "left out".
            let operands: Vec<_> =
                operands.iter().map(|n| (*n < tensors.len()).then_some(*n)).collect();
            let ids: Vec<_> = operands.iter().map(|n| n.map(|n| tensors[n])).collect();
            let results: Vec<usize> = (0..1 + picks[0] % 2).map(|n| tensors.len() + n).collect();
            let new: Vec<_> = results.iter().map(|_| builder.tensor(float("made"))).collect();
            made.push(builder.op(custom(), &ids, &new));
            tensors.extend(new);
            model.ops.push(ModelOp { number, operands, results });
        }
        model.tensors = (0..tensors.len()).collect();
        // The last one twice.
        model.outputs = [1, 2, 1].map(|n| tensors.len().saturating_sub(n)).to_vec();
        let ids = |list: &[usize]| list.iter().map(|n| tensors[*n]).collect::<Vec<_>>();
        let graph = builder.finish(ids(&model.inputs), ids(&model.outputs));
        let module = Module::new(vec![graph], ConstantPool::new(vec![None]));
        Self { module, model, tensors, ops: made }
    }

    fn pick_tensor(&self, n: usize) -> usize {
        self.model.tensors[n % self.model.tensors.len()]
    }

    fn edit(&self, (kind, [a, b, c, d]): Step) -> (Patch, Model, bool) {
        let mut edit = Edit::new(self);
        let old = &self.model;
        let Some(picked) = (!old.ops.is_empty()).then(|| &old.ops[a % old.ops.len()]) else {
            let new = edit.add_tensor();
            edit.add_op(At::End, &[Some(self.pick_tensor(b))], &[new]);
            return edit.finish();
        };
        let op = picked.number;
        let at = [At::Before(op), At::After(op), At::End][b % 3];
        let result = picked.results[c % picked.results.len()];
        match kind % KINDS {
            0 => {
                let new: Vec<_> = (0..1 + d % 2).map(|_| edit.add_tensor()).collect();
                let operands = [Some(self.pick_tensor(c)), None, Some(self.pick_tensor(d))];
                edit.add_op(at, &operands, &new);
            }
            1 => {
                let tensor = if d % 2 == 0 { result } else { self.pick_tensor(d) };
                let new = edit.add_tensor();
                edit.add_op(at, &[Some(tensor)], &[new]);
                edit.replace_uses(tensor, new);
            }
            2 => edit.set_operand(op, c % (picked.operands.len() + 2), self.pick_tensor(d)),
            3 => {
                let inner = edit.add_tensor();
                let slot = picked.results.iter().position(|t| *t == result).expect("picked");
                edit.set_result(op, slot, inner);
                edit.add_op(at, &[Some(inner)], &[result]);
            }
            4 => {
                for tensor in picked.results.clone() {
                    if b % 4 != 0 {
                        let other = picked.operands.iter().flatten().next();
                        edit.replace_uses(tensor, other.map_or(self.pick_tensor(d), |t| *t));
                    }
                    if c % 4 != 0 {
                        edit.erase_tensor(tensor);
                    }
                }
                edit.erase_op(op);
            }
            5 => {
                let mut operands = picked.operands.clone();
                operands.reverse();
                edit.add_op(at, &operands, &picked.results);
                edit.erase_op(op);
            }
            6 => edit.replace_output(self.pick_tensor(c), self.pick_tensor(d)),
            7 => edit.erase_tensor(self.pick_tensor(c)),
            8 => {
                let mut last = self.pick_tensor(c);
                for n in 0..1 + d % 5 {
                    let new = edit.add_tensor();
                    let at = if n % 2 == 0 { at } else { At::After(op) };
                    edit.add_op(at, &[Some(last)], &[new]);
                    last = new;
                }
            }
            9 => {
                let tensor = if b % 2 == 0 { edit.add_tensor() } else { self.pick_tensor(d) };
                let slot = picked.results.iter().position(|t| *t == result).expect("picked");
                edit.set_result(op, slot, tensor);
            }
            _ => {
                let other = &old.ops[d % old.ops.len()];
                if other.number != op {
                    edit.set_result(op, 0, other.results[0]);
                    edit.set_result(other.number, 0, picked.results[0]);
                }
            }
        }
        edit.finish()
    }

    /// Applies a patch to both, and tells whether it was accepted.
    fn step(&mut self, step: Step) -> Result<bool, TestCaseError> {
        let (patch, after, right) = self.edit(step);
        let before = format!("{:?}", self.module);
        match self.module.apply(patch) {
            Ok(applied) => {
                prop_assert!(right, "accepted: {step:?} on {:?}", self.model);
                self.ops.extend(applied.added_ops());
                self.tensors.extend(applied.added_tensors());
                self.model = after;
            }
            Err(rejected) => {
                prop_assert!(!right, "{rejected}: {step:?} on {:?}", self.model);
                prop_assert_eq!(format!("{:?}", self.module), before);
            }
        }
        self.agree()?;
        Ok(right)
    }

    fn agree(&self) -> Result<(), TestCaseError> {
        let graph = main(&self.module);
        let ids = |list: &[usize]| list.iter().map(|n| self.tensors[*n]).collect::<Vec<_>>();
        prop_assert_eq!(self.module.verify(), Ok(()));
        let order: Vec<OpId> = self.model.ops.iter().map(|op| self.ops[op.number]).collect();
        prop_assert_eq!(graph.ops().collect::<Vec<_>>(), order);
        prop_assert_eq!(graph.tensors().collect::<Vec<_>>(), ids(&self.model.tensors));
        prop_assert_eq!(graph.op_count(), self.model.ops.len());
        prop_assert_eq!(graph.tensor_count(), self.model.tensors.len());
        prop_assert_eq!(graph.inputs(), ids(&self.model.inputs));
        prop_assert_eq!(graph.outputs(), ids(&self.model.outputs));
        for op in &self.model.ops {
            let id = self.ops[op.number];
            let expected: Operands =
                op.operands.iter().map(|n| n.map(|n| self.tensors[n])).collect();
            prop_assert_eq!(graph.operands(id), expected);
            prop_assert_eq!(graph.results(id).to_vec(), ids(&op.results));
        }
        let made = self.model.producers();
        for &tensor in &self.model.tensors {
            let id = self.tensors[tensor];
            let uses = self.model.uses(tensor);
            let uses: Vec<Use> =
                uses.iter().map(|(op, slot)| Use { op: self.ops[*op], slot: *slot }).collect();
            prop_assert_eq!(graph.uses(id).to_vec(), uses);
            let producer = made.get(&tensor).map(|at| self.ops[self.model.ops[*at].number]);
            prop_assert_eq!(graph.producer(id).map(|(op, _)| op), producer);
        }
        // A handle means its own node as long as that is there, and nothing afterwards.
        let live: HashSet<usize> = self.model.tensors.iter().copied().collect();
        for (number, id) in self.tensors.iter().enumerate() {
            prop_assert_eq!(graph.contains_tensor(*id), live.contains(&number));
        }
        let live: HashSet<usize> = self.model.ops.iter().map(|op| op.number).collect();
        for (number, id) in self.ops.iter().enumerate() {
            prop_assert_eq!(graph.contains_op(*id), live.contains(&number));
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn patches_agree_with_a_model_made_of_vectors(
        inputs in 1_usize..4,
        list in prop::collection::vec(any::<[usize; 3]>(), 0..12),
        steps in prop::collection::vec(any::<Step>(), 1..60),
    ) {
        let mut both = Both::new(inputs, &list);
        let mut again = both.module.clone();
        both.agree()?;
        for step in steps {
            both.step(step)?;
        }
        again.replay(both.module.edits()).expect("it was applied once");
        both.module = again;
        both.agree()?;
    }
}

#[test]
fn the_random_patches_are_right_and_wrong_often_enough() {
    let mut both = Both::new(2, &[[0, 1, 2], [3, 1, 0], [2, 2, 4]]);
    let (mut state, mut accepted) = (7_usize, [0; KINDS as usize]);
    for n in 0..1000 {
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 33
        };
        let step = ((n % accepted.len()) as u8, [next(), next(), next(), next()]);
        let right = both.step(step).expect("both agree");
        accepted[step.0 as usize] += usize::from(right);
    }
    assert!(accepted.iter().all(|count| (5..=100).contains(count)), "{accepted:?}");
    assert!(accepted.iter().sum::<usize>() < 900, "{accepted:?}");
}
