//! What differs between two subgraphs whose ops and tensors are paired.

use crate::constants::{self, Numbers};
use crate::diff::{
    Class, Classes, ConstantDiff, FieldChange, OpDiff, OpSide, Rename, Row, Status, SubgraphDiff,
    TensorDiff, TensorSide,
};
use crate::elided::{self, Elided};
use crate::graph::{Graph, Node, Role, same_bytes};
use crate::matching::{self, Matching};
use bytes::Bytes;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tfq_ir::catalog::AttrInfo;
use tfq_ir::{
    Attr, Attributes, BufferId, ElementType, Module, Op, Quantization, QuantizationDetails,
    SubgraphId, Tensor, TensorId, TensorLink, counted,
};
use tfq_text::{Elision, Parts, quoted};

/// How to compare.
#[derive(Clone, Copy, Debug)]
pub struct DiffOptions {
    /// Whether constants that differ are hashed, and their errors measured. Without it only
    /// the fact is reported.
    pub measure: bool,
}

impl Default for DiffOptions {
    fn default() -> Self {
        Self { measure: true }
    }
}

/// Both models and what prints them.
pub(crate) struct Sides<'s, 'm> {
    pub(crate) before: &'m Module,
    pub(crate) after: &'m Module,
    pub(crate) elided: [&'m Elided; 2],
    pub(crate) a: &'s mut Parts<'m>,
    pub(crate) b: &'s mut Parts<'m>,
}

/// A subgraph that both models have.
pub(crate) struct Pair<'m> {
    a: Graph<'m>,
    b: Graph<'m>,
    matching: Matching,
    /// In which subgraph of the second model each subgraph of the first is found; shared by all
    /// pairs, of which there are as many as it is long.
    subgraphs: Arc<[Option<u32>]>,
}

impl<'m> Pair<'m> {
    pub(crate) fn new(
        sides: &Sides<'_, 'm>,
        a: SubgraphId,
        b: SubgraphId,
        subgraphs: Arc<[Option<u32>]>,
    ) -> Self {
        let [before, after] = sides.elided;
        let a = Graph::new(sides.before, before, a);
        let b = Graph::new(sides.after, after, b);
        let matching = matching::matching(&a, &b);
        Self { a, b, matching, subgraphs }
    }

    /// Whether two tensors are one, by their handles.
    pub(crate) fn same(&self, a: TensorId, b: TensorId) -> bool {
        match (self.a.numbers.get(&a), self.b.numbers.get(&b)) {
            (Some(a), Some(b)) => self.matching.tensors.paired(*a, *b),
            _ => false,
        }
    }

    pub(crate) fn diff(
        &self,
        sides: &mut Sides<'_, 'm>,
        options: &DiffOptions,
        moved: &mut Classes,
    ) -> SubgraphDiff {
        let (a, b) = (&self.a, &self.b);
        let mut diff = SubgraphDiff {
            status: Status::Changed,
            before: Some(sides.a.subgraph_name(a.id).to_owned()),
            after: Some(sides.b.subgraph_name(b.id).to_owned()),
            fields: Vec::new(),
            renamed: Vec::new(),
            ops: Vec::new(),
            tensors: Vec::new(),
            reordered: 0,
            rows: Vec::new(),
            ids: (Some(a.id), Some(b.id)),
        };
        if a.graph.name.as_deref().unwrap_or("") != b.graph.name.as_deref().unwrap_or("") {
            moved.note(Class::Formatting);
        }
        self.inputs_and_outputs(sides, &mut diff, moved);
        self.renames(sides, &mut diff, moved);
        self.ops(sides, &mut diff, moved);
        self.tensors(sides, options, &mut diff, moved);
        diff.reordered = self.reordered();
        if diff.reordered > 0 {
            moved.note(Class::Formatting);
        }
        diff
    }

    /// Inputs and outputs.
    fn inputs_and_outputs(
        &self,
        sides: &mut Sides<'_, 'm>,
        diff: &mut SubgraphDiff,
        moved: &mut Classes,
    ) {
        let (a, b) = (&self.a, &self.b);
        for (what, first, second) in [
            ("inputs", a.graph.inputs(), b.graph.inputs()),
            ("outputs", a.graph.outputs(), b.graph.outputs()),
        ] {
            let same = first.len() == second.len()
                && first.iter().zip(second).all(|(x, y)| self.same(*x, *y));
            if !same {
                let list = |parts: &Parts<'_>, id, list: &[TensorId]| {
                    let names = list.iter().map(|t| quoted('%', parts.tensor_name(id, *t)));
                    names.collect::<Vec<_>>().join(", ")
                };
                diff.fields.push(FieldChange {
                    what: what.to_owned(),
                    before: Some(list(sides.a, a.id, first)),
                    after: Some(list(sides.b, b.id, second)),
                });
                moved.note(Class::Structure);
            }
        }
    }

    fn renames(&self, sides: &mut Sides<'_, 'm>, diff: &mut SubgraphDiff, moved: &mut Classes) {
        for (n, other) in self.matching.tensors.ab.iter().enumerate() {
            let Some(other) = *other else { continue };
            let before = sides.a.tensor_name(self.a.id, self.a.tensors[n]);
            let after = sides.b.tensor_name(self.b.id, self.b.tensors[other as usize]);
            if before != after {
                diff.renamed.push(Rename { before: before.to_owned(), after: after.to_owned() });
                moved.note(Class::Formatting);
            }
        }
    }

    /// Goes through both sequences of ops side by side.
    fn ops(&self, sides: &mut Sides<'_, 'm>, diff: &mut SubgraphDiff, moved: &mut Classes) {
        let (a, b, ops) = (&self.a, &self.b, &self.matching.ops);
        let paired: Vec<(u32, u32)> =
            ops.ab.iter().enumerate().filter_map(|(n, m)| Some((n as u32, (*m)?))).collect();
        let order: Vec<u32> = paired.iter().map(|(_, other)| *other).collect();
        let mut in_place = vec![false; a.ops.len()];
        for ((n, _), kept) in paired.iter().zip(matching::in_order(&order)) {
            in_place[*n as usize] = kept;
        }
        let mut next = 0;
        let mut removed_up_to = |end: usize, sides: &mut Sides<'_, 'm>, diff: &mut SubgraphDiff| {
            for n in next..end {
                if ops.ab[n].is_none() {
                    diff.rows.push(Row::new(Some(a.ops[n].id), None, Some(Status::Removed)));
                    diff.ops.push(one_sided(Status::Removed, a, sides.a, n as u32));
                    moved.note(Class::Structure);
                }
            }
            next = next.max(end);
        };
        let mut changed = Vec::new();
        for n in 0..b.ops.len() as u32 {
            let Some(other) = ops.ba[n as usize] else {
                diff.rows.push(Row::new(None, Some(b.ops[n as usize].id), Some(Status::Added)));
                diff.ops.push(one_sided(Status::Added, b, sides.b, n));
                changed.push(Class::Structure);
                continue;
            };
            if in_place[other as usize] {
                removed_up_to(other as usize, sides, diff);
            }
            let mut changes = self.op_changes(sides, other, n);
            if !changes.is_empty() {
                changed.push(Class::Structure);
            }
            if !in_place[other as usize] {
                changes.push(FieldChange {
                    what: "order".to_owned(),
                    before: Some(other.to_string()),
                    after: Some(n.to_string()),
                });
                changed.push(Class::Formatting);
            }
            let ids = (a.ops[other as usize].id, b.ops[n as usize].id);
            let status = (!changes.is_empty()).then_some(Status::Changed);
            diff.rows.push(Row::new(Some(ids.0), Some(ids.1), status));
            if !changes.is_empty() {
                diff.ops.push(OpDiff {
                    status: Status::Changed,
                    kind: b.ops[n as usize].op.kind.name().to_owned(),
                    before: Some(op_side(a, sides.a, other)),
                    after: Some(op_side(b, sides.b, n)),
                    changes,
                });
            }
        }
        removed_up_to(a.ops.len(), sides, diff);
        changed.into_iter().for_each(|class| moved.note(class));
    }

    fn op_changes(&self, sides: &mut Sides<'_, 'm>, a: u32, b: u32) -> Vec<FieldChange> {
        let (first, second) = (&self.a.ops[a as usize], &self.b.ops[b as usize]);
        let mut changes = Vec::new();
        let mut differ = |what: String, before: Option<String>, after: Option<String>| {
            changes.push(FieldChange { what, before, after });
        };
        self.attributes(sides, first.op, second.op, &mut differ);
        if first.op.version != second.op.version {
            let version = |op: &Op| Some(op.version.to_string());
            differ("version".to_owned(), version(first.op), version(second.op));
        }
        let (x, y) = (&first.op.custom_options, &second.op.custom_options);
        if (&x.bytes, x.format) != (&y.bytes, y.format) {
            let show = |bytes: &Option<Bytes>| bytes.as_deref().map(hashed);
            differ("custom_options".to_owned(), show(&x.bytes), show(&y.bytes));
        }
        let (x, y) = (&first.op.mutating_variable_inputs, &second.op.mutating_variable_inputs);
        if x != y {
            let show = |list: &[bool]| Some(format!("{list:?}"));
            differ("mutating_variable_inputs".to_owned(), show(x), show(y));
        }
        let results = |node: &Node<'_>| node.results.iter().map(|t| Some(*t)).collect::<Vec<_>>();
        for (what, x, y) in [
            ("operand", &first.operands, &second.operands),
            ("result", &results(first), &results(second)),
            ("scratch", &first.scratch, &second.scratch),
        ] {
            for slot in 0..x.len().max(y.len()) {
                let (before, after) = (x.get(slot), y.get(slot));
                let same = match (before, after) {
                    (Some(Some(x)), Some(Some(y))) => self.matching.tensors.paired(*x, *y),
                    (x, y) => x == y,
                };
                if same {
                    continue;
                }
                let before = before.map(|t| operand(&self.a, sides.a, *t));
                let after = after.map(|t| operand(&self.b, sides.b, *t));
                differ(format!("{what} {slot}"), before, after);
            }
        }
        changes
    }

    fn attributes(
        &self,
        sides: &mut Sides<'_, 'm>,
        a: &Op,
        b: &Op,
        differ: &mut impl FnMut(String, Option<String>, Option<String>),
    ) {
        let extra = (a.extra_attrs.as_deref(), b.extra_attrs.as_deref());
        for (x, y) in [(a.attrs.as_ref(), b.attrs.as_ref()), extra] {
            let refers = |attrs: &Attributes| attrs.options().attrs.iter().any(|i| i.subgraph);
            if x == y && !x.is_some_and(refers) {
                continue;
            }
            // No table means the same as one without values.
            let options = match (x, y) {
                (Some(x), Some(y)) if !std::ptr::eq(x.options(), y.options()) => {
                    let name = |attrs: &Attributes| Some(attrs.options().name.to_owned());
                    differ("options".to_owned(), name(x), name(y));
                    continue;
                }
                (Some(attrs), _) | (_, Some(attrs)) => attrs.options(),
                (None, None) => continue,
            };
            for info in options.attrs {
                let default = Attributes::new(options);
                let value = |attrs: Option<&Attributes>| attrs.unwrap_or(&default).get(info.name);
                let (x, y) = (value(x), value(y));
                if self.same_value(info, x.as_ref(), y.as_ref()) {
                    continue;
                }
                let shown = |parts: &mut Parts<'_>, value: &Attr| match value {
                    // A text of this level shows the number of bytes alone.
                    Attr::Bytes(bytes) if bytes.len() > 64 => hashed(bytes),
                    value => parts.attribute(info, value),
                };
                let before = x.map(|x| shown(sides.a, &x));
                let after = y.map(|y| shown(sides.b, &y));
                differ(info.name.to_owned(), before, after);
            }
        }
    }

    /// Numbers of subgraphs are the same where the subgraphs are.
    fn same_value(&self, info: &AttrInfo, a: Option<&Attr>, b: Option<&Attr>) -> bool {
        let same =
            |a: i64, b: i64| match usize::try_from(a).ok().and_then(|n| self.subgraphs.get(n)) {
                Some(found) => found.map(i64::from) == Some(b),
                None => a == b,
            };
        match (a, b) {
            (Some(Attr::Int(a)), Some(Attr::Int(b))) if info.subgraph => same(*a, *b),
            (Some(Attr::Ints(a)), Some(Attr::Ints(b))) if info.subgraph => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(*a, *b))
            }
            _ => a == b,
        }
    }

    fn tensors(
        &self,
        sides: &mut Sides<'_, 'm>,
        options: &DiffOptions,
        diff: &mut SubgraphDiff,
        moved: &mut Classes,
    ) {
        let (a, b, tensors) = (&self.a, &self.b, &self.matching.tensors);
        for n in 0..a.tensors.len() as u32 {
            if tensors.ab[n as usize].is_none() && a.roles[n as usize] != Role::Computed {
                diff.tensors.push(one_sided_tensor(Status::Removed, a, sides.a, n));
                moved.note(Class::Structure);
            }
        }
        let pairs: Vec<(u32, u32)> =
            tensors.ba.iter().enumerate().filter_map(|(n, m)| Some(((*m)?, n as u32))).collect();
        let constants = self.constants(&pairs, options);
        let mut found: HashMap<u32, TensorDiff> = HashMap::new();
        for ((x, y), constant) in pairs.into_iter().zip(constants) {
            let (first, second) = (a.tensor(x), b.tensor(y));
            let mut what = Vec::new();
            let mut note = |what: &mut Vec<&'static str>, class, aspect, differs: bool| {
                if differs {
                    what.push(aspect);
                    moved.note(class);
                }
            };
            use Class::{Structure, Weights};
            note(&mut what, Structure, "type", first.ty != second.ty);
            note(&mut what, Structure, "shape", self.shapes_differ(x, y));
            let (kind, values, ranges) = self.quantization(first, second);
            note(&mut what, Structure, "quantization", kind);
            note(&mut what, Weights, "scales", values);
            note(&mut what, Weights, "ranges", ranges);
            note(&mut what, Structure, "sparsity", first.sparsity != second.sparsity);
            note(&mut what, Structure, "variable", first.is_variable != second.is_variable);
            let external = first.external_buffer != second.external_buffer;
            note(&mut what, Structure, "external buffer", external);
            note(&mut what, Structure, "expressed type", first.expressed != second.expressed);
            let variants = first.variant_tensors != second.variant_tensors;
            note(&mut what, Structure, "elements", variants);
            note(
                &mut what,
                Weights,
                "constant",
                constant.as_ref().is_some_and(|c| !c.same_bytes()),
            );
            if what.is_empty() {
                continue;
            }
            let mut constant = constant;
            if let Some(constant) = constant.as_mut().filter(|c| !c.same_bytes()) {
                let inline = |text: String| text.strip_prefix("= ").map(str::to_owned);
                constant.values_before = inline(sides.a.content(a.id, a.tensors[x as usize]));
                constant.values_after = inline(sides.b.content(b.id, b.tensors[y as usize]));
            }
            let changed = TensorDiff {
                status: Status::Changed,
                before: Some(tensor_side(a, sides.a, x)),
                after: Some(tensor_side(b, sides.b, y)),
                what,
                constant,
            };
            found.insert(y, changed);
        }
        for n in 0..b.tensors.len() as u32 {
            if let Some(changed) = found.remove(&n) {
                diff.tensors.push(changed);
            } else if tensors.ba[n as usize].is_none() && b.roles[n as usize] != Role::Computed {
                diff.tensors.push(one_sided_tensor(Status::Added, b, sides.b, n));
                moved.note(Class::Structure);
            }
        }
    }

    fn shapes_differ(&self, x: u32, y: u32) -> bool {
        let (first, second) = (self.a.tensor(x), self.b.tensor(y));
        // A signature without an unknown dimension says nothing more than the shape.
        let signature = |t: &Tensor| {
            let says = t.shape_signature != t.shape;
            if says { t.shape_signature.clone() } else { Arc::default() }
        };
        let unranked =
            |t: &Tensor, role| t.shape.is_empty() && !t.has_rank && role != Role::Constant;
        first.shape != second.shape
            || signature(first) != signature(second)
            || unranked(first, self.a.roles[x as usize])
                != unranked(second, self.b.roles[y as usize])
    }

    /// Whether the kind of quantisation differs, the values of scales and zero points, and
    /// the ranges of calibration.
    fn quantization(&self, a: &Tensor, b: &Tensor) -> (bool, bool, bool) {
        let none = Quantization::default();
        let x = a.quantization.as_deref().unwrap_or(&none);
        let y = b.quantization.as_deref().unwrap_or(&none);
        let linked = |a: &TensorLink, b: &TensorLink| match (a, b) {
            (TensorLink::Tensor(a), TensorLink::Tensor(b)) => self.same(*a, *b),
            (a, b) => a == b,
        };
        use QuantizationDetails::{Blockwise, MultiAxis};
        let details = match (&x.details, &y.details) {
            (
                Blockwise { scales: s, zero_points: z, block_size: n, block_shape: list },
                Blockwise { scales, zero_points, block_size, block_shape },
            )
            | (
                MultiAxis { scales: s, zero_points: z, block_size: n, quantized_dimensions: list },
                MultiAxis { scales, zero_points, block_size, quantized_dimensions: block_shape },
            ) => {
                linked(s, scales)
                    && linked(z, zero_points)
                    && n == block_size
                    && list == block_shape
            }
            (a, b) => a == b,
        };
        let kind = x.scale.len() != y.scale.len()
            || x.zero_point.len() != y.zero_point.len()
            || x.quantized_dimension != y.quantized_dimension
            || !details;
        let values = !kind && (bits(&x.scale) != bits(&y.scale) || x.zero_point != y.zero_point);
        (kind, values, bits(&x.min) != bits(&y.min) || bits(&x.max) != bits(&y.max))
    }

    /// How the contents of paired tensors differ. A file may have a thousand tensors that share a
    /// buffer: what they show in one way is compared once, and each buffer is hashed once.
    fn constants(&self, pairs: &[(u32, u32)], options: &DiffOptions) -> Vec<Option<ConstantDiff>> {
        let buffers = |(x, y): (u32, u32)| (self.a.tensor(x).buffer, self.b.tensor(y).buffer);
        let bytes = |(x, y): (BufferId, BufferId)| {
            (self.a.module.constants().constant(x), self.b.module.constants().constant(y))
        };
        let mut contents: HashMap<(BufferId, BufferId), bool> = HashMap::new();
        let mut numbers: HashMap<(View<'_>, View<'_>), usize> = HashMap::new();
        let mut views: Vec<(u32, u32)> = Vec::new();
        let mut places = vec![None; pairs.len()];
        for (pair, place) in pairs.iter().zip(&mut places) {
            if bytes(buffers(*pair)) != (None, None) {
                contents.insert(buffers(*pair), false);
                let view = (View::new(&self.a, pair.0), View::new(&self.b, pair.1));
                let number = *numbers.entry(view).or_insert(views.len());
                if number == views.len() {
                    views.push(*pair);
                }
                *place = Some(number);
            }
        }
        contents.par_iter_mut().for_each(|(buffers, same)| {
            *same = matches!(bytes(*buffers), (Some(x), Some(y)) if same_bytes(x, y));
        });
        let mut found: Vec<Option<ConstantDiff>> = views
            .par_iter()
            .with_min_len(16)
            .map(|pair| {
                let same = contents[&buffers(*pair)];
                self.constant(*pair, bytes(buffers(*pair)), same, options)
            })
            .collect();
        if options.measure {
            self.hash(&views, &mut found);
        }
        places.into_iter().map(|place| found[place?].clone()).collect()
    }

    /// Fills in the hashes of what differs, but for those that a text told.
    fn hash(&self, views: &[(u32, u32)], found: &mut [Option<ConstantDiff>]) {
        let buffers = |(x, y): (u32, u32)| [self.a.tensor(x).buffer, self.b.tensor(y).buffer];
        let is_here =
            |[x, y]: [BufferId; 2]| (self.a.elided.get(x), self.b.elided.get(y)) == (None, None);
        let wanted = |side: usize| -> HashSet<BufferId> {
            let differing = views.iter().zip(&*found).filter(|(_, found)| found.is_some());
            let each = differing.map(|(pair, _)| buffers(*pair));
            each.filter(|pair| is_here(*pair)).map(|pair| pair[side]).collect()
        };
        let hashes = [(0, self.a.module), (1, self.b.module)].map(|(side, module)| {
            let hash = |buffer: BufferId| {
                let mut hasher = blake3::Hasher::new();
                hasher.update_rayon(module.constants().constant(buffer)?);
                Some((buffer, hasher.finalize().to_hex().to_string()))
            };
            wanted(side).into_par_iter().filter_map(hash).collect::<HashMap<_, _>>()
        });
        for (pair, found) in views.iter().zip(found) {
            let (Some(found), [x, y]) = (found, buffers(*pair)) else { continue };
            if is_here([x, y]) {
                found.hash_before = hashes[0].get(&x).cloned();
                found.hash_after = hashes[1].get(&y).cloned();
            }
        }
    }

    /// How the contents of two tensors differ, where they do, without hashes of what is there.
    /// `same` is whether the bytes are the same.
    fn constant(
        &self,
        (x, y): (u32, u32),
        (before, after): (Option<&Bytes>, Option<&Bytes>),
        same: bool,
        options: &DiffOptions,
    ) -> Option<ConstantDiff> {
        let (first, second) = (self.a.tensor(x), self.b.tensor(y));
        let told = (self.a.elided.get(first.buffer), self.b.elided.get(second.buffer));
        if told != (None, None) {
            return elided_constant(told, (before, after));
        }
        // The same integers are other numbers where their scales are.
        let scaled = |t: &Tensor| match t.quantization.as_deref() {
            Some(q) if !t.ty.is_float() => (bits(&q.scale), q.zero_point.clone()),
            _ => Default::default(),
        };
        if same && (!options.measure || first.ty != second.ty || scaled(first) == scaled(second)) {
            return None;
        }
        let numbers = || {
            let a = Numbers::new(self.a.module, self.a.id, first)?;
            let b = Numbers::new(self.b.module, self.b.id, second)?;
            constants::error(&a, &b)
        };
        let error = if options.measure { numbers() } else { None };
        if same && error.is_none() {
            return None;
        }
        Some(ConstantDiff { error, ..ConstantDiff::default() })
    }

    /// How many tensors that no op computes stand in another order. Inputs have an order of
    /// their own.
    fn reordered(&self) -> usize {
        let inputs: std::collections::HashSet<u32> =
            self.a.graph.inputs().iter().map(|t| self.a.numbers[t]).collect();
        let each = self.matching.tensors.ab.iter().enumerate();
        let order: Vec<u32> = each
            .filter(|(n, _)| self.a.roles[*n] != Role::Computed && !inputs.contains(&(*n as u32)))
            .filter_map(|(_, other)| *other)
            .collect();
        matching::in_order(&order).iter().filter(|kept| !**kept).count()
    }
}

/// All that says how a tensor's bytes are to be read.
#[derive(PartialEq, Eq, Hash)]
struct View<'m> {
    buffer: BufferId,
    ty: ElementType,
    shape: &'m [i32],
    scales: Vec<u32>,
    zeros: &'m [i64],
    dimension: i32,
    is_sparse: bool,
    /// The tensor itself, where its scales are in others.
    linked: Option<u32>,
}

impl<'m> View<'m> {
    fn new(graph: &Graph<'m>, n: u32) -> Self {
        let tensor = graph.tensor(n);
        let q = tensor.quantization.as_deref();
        Self {
            buffer: tensor.buffer,
            ty: tensor.ty,
            shape: &tensor.shape,
            scales: q.map_or_else(Vec::new, |q| bits(&q.scale)),
            zeros: q.map_or(&[], |q| &q.zero_point),
            dimension: q.map_or(0, |q| q.quantized_dimension),
            is_sparse: tensor.sparsity.is_some(),
            linked: q.filter(|q| q.details.links().next().is_some()).map(|_| n),
        }
    }
}

/// Numbers such that one which is no number equals itself.
fn bits(list: &[f32]) -> Vec<u32> {
    list.iter().map(|v| v.to_bits()).collect()
}

/// How two constants differ of which one or both are known by hearsay only.
fn elided_constant(
    said: (Option<&Elision>, Option<&Elision>),
    bytes: (Option<&Bytes>, Option<&Bytes>),
) -> Option<ConstantDiff> {
    // Bytes that are there are hashed only where there is a hash to compare with.
    let known = |said: Option<&Elision>, other: Option<&Elision>, bytes: Option<&Bytes>| {
        let hashed = other.is_some_and(|other| other.hash.is_some());
        let hash = bytes.filter(|_| hashed).map(|bytes| blake3::hash(bytes).to_hex().to_string());
        said.cloned().unwrap_or(Elision { hash, statistics: None })
    };
    let (a, b) = (known(said.0, said.1, bytes.0), known(said.1, said.0, bytes.1));
    elided::differ(&a, &b).then_some(ConstantDiff {
        hash_before: a.hash,
        hash_after: b.hash,
        statistics_before: a.statistics,
        statistics_after: b.statistics,
        ..ConstantDiff::default()
    })
}

/// All of a subgraph that only one model has.
pub(crate) fn alone<'m>(
    status: Status,
    module: &'m Module,
    parts: &mut Parts<'m>,
    id: SubgraphId,
) -> SubgraphDiff {
    let elided = Elided::default();
    let graph = Graph::new(module, &elided, id);
    let name = Some(parts.subgraph_name(id).to_owned());
    let ops = 0..graph.ops.len() as u32;
    let tensors =
        (0..graph.tensors.len() as u32).filter(|n| graph.roles[*n as usize] != Role::Computed);
    let added = status == Status::Added;
    let side = |found: bool, id| found.then_some(id);
    SubgraphDiff {
        status,
        before: name.clone().filter(|_| !added),
        after: name.filter(|_| added),
        fields: Vec::new(),
        renamed: Vec::new(),
        rows: graph
            .ops
            .iter()
            .map(|op| Row::new(side(!added, op.id), side(added, op.id), Some(status)))
            .collect(),
        ids: ((!added).then_some(id), added.then_some(id)),
        ops: ops.map(|n| one_sided(status, &graph, parts, n)).collect(),
        tensors: tensors.map(|n| one_sided_tensor(status, &graph, parts, n)).collect(),
        reordered: 0,
    }
}

fn one_sided(status: Status, graph: &Graph<'_>, parts: &mut Parts<'_>, n: u32) -> OpDiff {
    let side = op_side(graph, parts, n);
    let (before, after) = sided(status, side);
    let kind = graph.ops[n as usize].op.kind.name().to_owned();
    OpDiff { status, kind, before, after, changes: Vec::new() }
}

fn one_sided_tensor(
    status: Status,
    graph: &Graph<'_>,
    parts: &mut Parts<'_>,
    n: u32,
) -> TensorDiff {
    let (before, after) = sided(status, tensor_side(graph, parts, n));
    TensorDiff { status, before, after, what: Vec::new(), constant: None }
}

fn sided<T>(status: Status, side: T) -> (Option<T>, Option<T>) {
    if status == Status::Added { (None, Some(side)) } else { (Some(side), None) }
}

fn op_side(graph: &Graph<'_>, parts: &mut Parts<'_>, n: u32) -> OpSide {
    let node = &graph.ops[n as usize];
    let name = |t: &u32| parts.tensor_name(graph.id, graph.tensors[*t as usize]).to_owned();
    let result = node.results.first().map(name);
    OpSide { position: n as usize, result, line: parts.op(graph.id, node.id) }
}

fn tensor_side(graph: &Graph<'_>, parts: &mut Parts<'_>, n: u32) -> TensorSide {
    let id = graph.tensors[n as usize];
    let bytes = graph.module.constants().constant(graph.graph.tensor(id).buffer);
    TensorSide {
        name: parts.tensor_name(graph.id, id).to_owned(),
        description: parts.tensor(graph.id, id),
        bytes: bytes.map(|bytes| bytes.len() as u64),
    }
}

/// An operand as the text has it.
fn operand(graph: &Graph<'_>, parts: &Parts<'_>, n: Option<u32>) -> String {
    n.map_or_else(
        || "_".to_owned(),
        |n| quoted('%', parts.tensor_name(graph.id, graph.tensors[n as usize])),
    )
}

/// Bytes without a type, in short.
pub(crate) fn hashed(bytes: &[u8]) -> String {
    let hash = blake3::hash(bytes).to_hex();
    format!("{} #{}", counted(bytes.len(), "byte"), &hash[..8])
}
