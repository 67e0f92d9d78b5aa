use crate::quantize_weights::{Priority, WeightPlan};
use crate::stored::{AS_FLOAT, in_front_of_densify};
use bytes::Bytes;
use std::borrow::Cow;
use tfq_ir::catalog::ops::{DENSIFY, DEQUANTIZE};
use tfq_ir::maps::{HashSet, IndexMap, IndexSet};
use tfq_ir::{
    Attr, BufferId, ElementType, Module, OpId, Patch, QuantizationDetails, SubgraphId, Tensor,
    TensorId, Use, counted, grouped,
};
use tfq_numeric::{ChannelLayout, affine_values, from_f16};
use tfq_pass::analysis::HybridVerdicts;
use tfq_pass::{Eligibility, NeededSize, OptionValue, Pass, PassError, Session, declare_pass};
use tfq_target::{ASYMMETRIC, Granularity, Objective, Reading, Verdict, WeightForm, WeightOperand};

tfq_pass::option_enum! {
    /// Which weights are stored as float32.
    pub enum Which {
        /// All that are quantised.
        All = "all",
        /// Those that neither ops nor a Dequantize of the target read, or that would cost memory
        /// where that matters most.
        Unreadable = "unreadable",
    }
}

declare_pass! {
    contract: Quantizing, scope: Subgraph;
    /// Stores quantised weights as float32 again.
    ///
    /// ## What it does
    /// A quantised or float16 constant that a DEQUANTIZE makes float32, or that an op reads as a
    /// weight next to float activations, gives way to a float32 constant of the values that it
    /// stands for. The DEQUANTIZE goes, also one behind a lookup that copies codes, and so does a
    /// DENSIFY between a sparse constant and what reads it. So a model of another tool can be
    /// quantised anew, or run where there are no quantised weights. The integer constants go with
    /// `eliminate-dead-buffers`. With `quantize-weights{type=float16},insert-dequant` behind it,
    /// weights are float16 then.
    ///
    /// With `only=unreadable` it takes those that neither an op nor a Dequantize of the target
    /// reads, as all are for `float-only`; a kernel that came after the last release of the target
    /// reads nothing there, and XNNPACK loads no op whose int8 weights a DENSIFY computes. With
    /// `prefer=ram` it also takes those that only a Dequantize could read,
    /// where the runtime would hold more for that than for float32 (`tflm`). The model did not run
    /// there in either case, and the file grows for it as much as it takes.
    ///
    /// Left alone, each with a remark: sparse constants that an op reads itself, those with scales
    /// for blocks, those that something else than ops refers to, and those of ops whose activations
    /// are integers too.
    ///
    /// ## When it is safe
    /// What a DEQUANTIZE computed keeps its bits. An op that read the codes rounded its
    /// activations, and does not any longer: its results are closer to those of the float model.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,4]
    ///   %w = const : i8[2,4] q(0.5) = [1, 2, 3, 4, 5, 6, 7, 8]
    ///   %y = FULLY_CONNECTED.v3(%x, %w, _) : f32[1,2]
    ///   output %y
    /// }
    /// ```
    /// becomes with `dequantize-weights,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,4]
    ///   %w = const : f32[2,4] = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]
    ///   %y = FULLY_CONNECTED.v3(%x, %w, _) : f32[1,2]
    ///   output %y
    /// }
    /// ```
    pub struct DequantizeWeights {
        /// Which weights: all, or those that the target reads in no way.
        pub only: Which = Which::All,
        /// With `only=unreadable`, what to weigh against the size of the file, as for
        /// `quantize-weights`.
        pub prefer: Priority = Priority::Target,
    }
}

impl Pass for DequantizeWeights {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        // Who follows a plan wants what the run did that it is of.
        let plan = session.resource::<WeightPlan>();
        let prefer =
            plan.and_then(|plan| Priority::parse(&plan.prefer).ok()).unwrap_or(self.prefer);
        let prefer = prefer.or(session.target().prefer());
        let mut done: IndexSet<BufferId> = IndexSet::default();
        for sg in session.subgraphs() {
            if self.only == Which::Unreadable && !may_have_unread(session, sg, prefer) {
                continue;
            }
            let quantised = match_quantised(session, sg);
            if self.only == Which::All {
                tell_of_integers(session, sg, &quantised);
            }
            let misleading = match self.only {
                Which::All => HashSet::default(),
                Which::Unreadable => misleading(session, sg, &quantised),
            };
            for (id, readers) in quantised {
                let need = match self.only {
                    Which::All => None,
                    Which::Unreadable if misleading.contains(&id) => Some(Need::Unread),
                    Which::Unreadable => match need(session, sg, id, &readers, prefer) {
                        None => continue,
                        need => need,
                    },
                };
                let graph = session.model().subgraph(sg);
                let buffer = graph.tensor(in_front_of_densify(graph, id).1).buffer;
                if !widen(session, sg, id, &readers)? {
                    continue;
                }
                // One that several subgraphs show is one weight.
                let first = done.insert(buffer);
                if first {
                    session.count("constants-dequantized", 1);
                }
                match need {
                    None => (),
                    Some(Need::Unread) => session.produce(NeededSize),
                    Some(Need::Memory(bytes)) => {
                        session.produce(NeededSize);
                        if first {
                            session.count("dequantized-for-ram", 1);
                        }
                        session.count("dequantized-for-ram-bytes", bytes);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Why the model needs a weight as float32.
enum Need {
    /// Some reader gets at the numbers in no other way on the target.
    Unread,
    /// Behind a Dequantize, the runtime would hold so many bytes.
    Memory(u64),
}

/// Whether the subgraph has a constant that the model may need as float32.
fn may_have_unread(session: &Session<'_>, sg: SubgraphId, prefer: Objective) -> bool {
    let (module, target) = (session.model(), session.target());
    let graph = module.subgraph(sg);
    graph.tensors().any(|id| {
        let form = WeightForm::of(graph.tensor(id));
        let dequantized = || target.dequantize_supports(form.ty, form.granularity);
        let sparse = graph.tensor(id).sparsity.is_some();
        is_narrow(form.ty)
            && (prefer == Objective::Ram || sparse || !dequantized())
            && module.constant(sg, id).is_some()
    })
}

/// Whether weights are stored in this type where they take less room than float32.
fn is_narrow(ty: ElementType) -> bool {
    use ElementType::{BFloat16, Float16, Int2, Int4, Int8, Int16, UInt8};
    matches!(ty, Int8 | UInt8 | Int16 | Int4 | Int2 | Float16 | BFloat16)
}

/// Why the target needs the weight as float32, if it does: some reader gets at the numbers in no
/// way, or behind a Dequantize only, which the input does not have.
fn need(
    session: &Session<'_>,
    sg: SubgraphId,
    id: TensorId,
    readers: &[Reader],
    prefer: Objective,
) -> Option<Need> {
    let (target, input) = (session.target(), session.input(sg));
    let form = WeightForm::of(session.model().subgraph(sg).tensor(id));
    let verdicts = session.analysis::<HybridVerdicts>(sg);
    let densified = in_front_of_densify(session.model().subgraph(sg), id).0.is_some();
    let is_refused = |reader: &Reader| match *reader {
        // Of what an op computes there is no verdict.
        Reader::Weight(op, slot) if densified => {
            !target.hybrid(input.weight(op, slot), &form).is_hybrid()
                && !target.computes(input.weight(op, slot), &form)
        }
        Reader::Weight(op, slot) => {
            let verdict = verdicts.of(input, op, slot);
            matches!(verdict.as_deref(), Some(Eligibility::Dequantize { .. }))
                && !target.computes(input.weight(op, slot), &form)
        }
        Reader::Dequantize(_) | Reader::Lookup(..) => false,
    };
    if !target.dequantize_supports(form.ty, form.granularity) {
        let through = |reader: &Reader| !matches!(reader, Reader::Weight(..));
        let unread = readers.iter().any(|reader| through(reader) || is_refused(reader));
        return unread.then_some(Need::Unread);
    }
    if prefer != Objective::Ram || densified || !readers.iter().any(is_refused) {
        return None;
    }
    // By the rule for a weight that came as float32: what is not known is no less.
    let float32 = WeightForm::new(ElementType::Float32, Granularity::Unscaled);
    let held = |as_float: bool| {
        let bytes = |reader: &Reader| {
            let Reader::Weight(op, slot) = *reader else { return Some(0) };
            let (reading, form) = match (as_float, is_refused(reader)) {
                (true, _) => (Reading::Float32, &float32),
                (false, true) => (Reading::Dequantize, &form),
                (false, false) => (Reading::Hybrid, &form),
            };
            target.held_bytes(input.weight(op, slot), reading, form, false)
        };
        readers.iter().map(bytes).sum::<Option<u64>>()
    };
    let (behind, plain) = (held(false), held(true));
    match (behind, plain) {
        (Some(behind), Some(plain)) if behind <= plain => None,
        (behind, _) => Some(Need::Memory(behind.unwrap_or(0))),
    }
}

/// What DENSIFY ops compute that XNNPACK takes for constant int8 weights of an op. It does not prepare
/// the op then, and the model does not load.
fn misleading(
    session: &Session<'_>,
    sg: SubgraphId,
    quantised: &IndexMap<TensorId, Vec<Reader>>,
) -> HashSet<TensorId> {
    let graph = session.model().subgraph(sg);
    let dense = quantised.iter().filter_map(|(id, readers)| {
        let tensor = graph.tensor(*id);
        let made = in_front_of_densify(graph, *id).0.is_some() && is_holdable(tensor);
        Some((*id, readers, tensor.byte_len().filter(|_| made)? as usize))
    });
    let dense: Vec<_> = dense.collect();
    let mut found = HashSet::default();
    let Some(most) = dense.iter().map(|(.., bytes)| *bytes).max() else { return found };
    // As if they were constants, which all have the same bytes.
    let mut seen = session.model().clone();
    let zeros = Bytes::from(vec![0; most]);
    for (id, readers, bytes) in dense {
        let tensor = graph.tensor(id);
        let mut patch = Patch::new(sg, "see what a DENSIFY makes as a constant");
        let constant = patch.new_constant(tensor.clone(), zeros.slice(..bytes));
        let weights = readers.iter().filter_map(|reader| match *reader {
            Reader::Weight(op, slot) => Some((op, slot)),
            Reader::Dequantize(_) | Reader::Lookup(..) => None,
        });
        weights.clone().for_each(|(op, slot)| patch.set_operand(op, slot, constant));
        if seen.apply(patch).is_err() {
            continue;
        }
        let is_delegated = |(op, slot)| {
            let weight = WeightOperand { module: &seen, sg, op, slot };
            let verdict = session.target().hybrid(weight, &WeightForm::of(tensor));
            matches!(verdict, Verdict::Hybrid { delegated: true })
        };
        if weights.clone().any(is_delegated) {
            found.insert(id);
        }
    }
    found
}

/// How float32 numbers come from a quantised constant.
#[derive(Clone, Copy, Debug)]
enum Reader {
    /// An op reads it as a weight.
    Weight(OpId, u32),
    /// A DEQUANTIZE computes them.
    Dequantize(OpId),
    /// An op copies codes from it, which a DEQUANTIZE makes float32.
    Lookup(OpId, u32, OpId),
}

fn match_quantised(session: &Session<'_>, sg: SubgraphId) -> IndexMap<TensorId, Vec<Reader>> {
    let (input, graph) = (session.input(sg), session.model().subgraph(sg));
    let verdicts = session.analysis::<HybridVerdicts>(sg);
    let mut found: IndexMap<TensorId, Vec<Reader>> = IndexMap::default();
    let is_constant = |id: TensorId| {
        let narrow = graph.tensor(id).ty != ElementType::Float32;
        narrow && session.model().constant(sg, in_front_of_densify(graph, id).1).is_some()
    };
    for op in graph.ops() {
        if let Some((id, readers)) = densified(session, sg, op) {
            found.entry(id).or_default().extend(readers);
        }
        if !graph.op(op).kind.is(DEQUANTIZE) {
            for (slot, _) in verdicts.of_op(input, op) {
                let id = graph.operand(op, slot).expect("it has a verdict");
                found.entry(id).or_default().push(Reader::Weight(op, slot));
            }
            for (id, slot) in tables(session, sg, op).filter(|(id, _)| is_constant(*id)) {
                let known = found.entry(id).or_default();
                if !known.iter().any(|reader| reader.is(op, slot)) {
                    known.push(Reader::Weight(op, slot));
                }
            }
            continue;
        }
        let Some(id) = graph.operand(op, 0) else { continue };
        let is_float = |id: &TensorId| graph.tensor(*id).ty == ElementType::Float32;
        if !graph.results(op).iter().all(is_float) {
            continue;
        }
        if is_constant(id) {
            found.entry(id).or_default().push(Reader::Dequantize(op));
        } else if let Some((lookup, slot)) = lookup_in_front(session, sg, op) {
            let table = graph.operand(lookup, slot).filter(|id| is_constant(*id));
            let reader = Reader::Lookup(lookup, slot, op);
            table.into_iter().for_each(|id| found.entry(id).or_default().push(reader));
        }
    }
    found
}

/// Tells of weights of ops that compute with integers: there is no float32 next to them.
fn tell_of_integers(
    session: &Session<'_>,
    sg: SubgraphId,
    quantised: &IndexMap<TensorId, Vec<Reader>>,
) {
    let module = session.model();
    let graph = module.subgraph(sg);
    let mut told: IndexSet<TensorId> = IndexSet::default();
    for op in graph.ops() {
        for slot in session.target().weight_slots(graph, op) {
            let Some(id) = graph.operand(op, slot) else { continue };
            let tensor = graph.tensor(id);
            let is_weight = is_narrow(tensor.ty)
                && tensor.scales() > 0
                && module.constant(sg, id).is_some()
                && !quantised.contains_key(&id);
            if is_weight && told.insert(id) {
                let reader = module.op_place(sg, op);
                let message = format!(
                    "{reader} computes with integers (static quantisation), and its activations would have to be float32 too"
                );
                session.missed("integer op", module.tensor_place(sg, id).to_string(), message);
            }
        }
    }
}

/// What a DENSIFY makes of a sparse constant, where ops next to float activations read it as a
/// weight. A DEQUANTIZE finds it itself.
fn densified(
    session: &Session<'_>,
    sg: SubgraphId,
    densify: OpId,
) -> Option<(TensorId, Vec<Reader>)> {
    let (module, target) = (session.model(), session.target());
    let graph = module.subgraph(sg);
    let sparse = graph.operand(densify, 0).filter(|_| graph.op(densify).kind.is(DENSIFY))?;
    let [dense] = graph.results(densify)[..] else { return None };
    let narrow = is_narrow(graph.tensor(sparse).ty) && module.constant(sg, sparse).is_some();
    let weight = |u: Use| {
        let activation = target.facts_of(graph, u.op).and_then(|facts| facts.activation);
        let activation = activation.and_then(|slot| graph.operand(u.op, slot));
        let is_float = activation.is_some_and(|id| graph.tensor(id).ty == ElementType::Float32);
        let is_weight = target.weight_slots(graph, u.op).contains(&u.slot);
        (is_float && is_weight).then_some(Reader::Weight(u.op, u.slot))
    };
    let readers: Vec<Reader> = graph.uses(dense).into_iter().filter_map(weight).collect();
    (narrow && !readers.is_empty()).then_some((dense, readers))
}

impl Reader {
    fn is(&self, op: OpId, slot: u32) -> bool {
        matches!(self, Self::Weight(known, of) if (*known, *of) == (op, slot))
    }
}

/// What an op without activations looks float32 numbers up in.
fn tables(
    session: &Session<'_>,
    sg: SubgraphId,
    op: OpId,
) -> impl Iterator<Item = (TensorId, u32)> {
    let graph = session.model().subgraph(sg);
    let is_float = |id: &TensorId| graph.tensor(*id).ty == ElementType::Float32;
    let facts = session.target().facts_of(graph, op);
    let looks_up = facts.filter(|facts| facts.activation.is_none() && !facts.pass_through);
    let slots = looks_up.filter(|_| graph.results(op).iter().all(is_float));
    let slots = slots.map_or(&[][..], |facts| &facts.weights).iter();
    slots.filter_map(move |slot| Some((graph.operand(op, *slot)?, *slot)))
}

/// The op that copies codes for this DEQUANTIZE and for nobody else, and where it reads its table.
fn lookup_in_front(session: &Session<'_>, sg: SubgraphId, dequantize: OpId) -> Option<(OpId, u32)> {
    let graph = session.model().subgraph(sg);
    let codes = graph.operand(dequantize, 0)?;
    let (lookup, _) = graph.producer(codes)?;
    let facts = session.target().facts_of(graph, lookup).filter(|facts| facts.pass_through)?;
    let alone = graph.is_read_once(codes) && !session.model().references(sg, codes).any();
    let slot = *facts.weights.first()?;
    // What it copies is read with the scale of its result.
    let [table, copied] = [graph.operand(lookup, slot)?, codes].map(|id| graph.tensor(id));
    let (of_table, of_copied) = (table.quantization.as_deref()?, copied.quantization.as_deref()?);
    let alike = table.ty == copied.ty
        && of_table.scale.len() == 1
        && of_table.scale == of_copied.scale
        && of_table.zero_point == of_copied.zero_point;
    (alone && alike).then_some((lookup, slot))
}

/// Whether it did.
fn widen(
    session: &mut Session<'_>,
    sg: SubgraphId,
    id: TensorId,
    readers: &[Reader],
) -> Result<bool, PassError> {
    let module = session.model();
    let place = module.tensor_place(sg, id).to_string();
    let values = match values(module, sg, id) {
        Ok(values) => values,
        Err((rule, message)) => {
            session.missed(rule, place, message);
            return Ok(false);
        }
    };
    let graph = module.subgraph(sg);
    let (densify, source) = in_front_of_densify(graph, id);
    let (old, was) = (graph.tensor(id), module.constant(sg, source).map_or(0, Bytes::len));
    let shown = |op: &OpId| graph.results(*op).iter().any(|id| module.references(sg, *id).any());
    let named = readers.iter().find_map(|reader| match reader {
        Reader::Dequantize(op) => Some(*op).filter(shown),
        Reader::Weight(..) | Reader::Lookup(..) => None,
    });
    if let Some(op) = named {
        let message = format!("{} computes an output of it", module.op_place(sg, op));
        session.missed("output", place, message);
        return Ok(false);
    }
    let mut patch = Patch::new(sg, AS_FLOAT);
    let (now, ty) = (values.len(), old.ty);
    let float = patch.new_constant(
        Tensor {
            name: old.name.clone(),
            has_rank: old.has_rank,
            ..Tensor::new(old.label(), ElementType::Float32, old.shape.clone())
        },
        values,
    );
    let mut read: IndexSet<(OpId, u32)> = IndexSet::default();
    for reader in readers {
        match *reader {
            Reader::Weight(op, slot) => {
                patch.set_operand(op, slot, float);
                if graph.op(op).bool(ASYMMETRIC) == Some(true) {
                    patch.set_attr(op, ASYMMETRIC, Attr::Bool(false));
                }
                read.insert((op, slot));
            }
            Reader::Dequantize(op) => {
                for result in graph.results(op) {
                    patch.replace_uses(graph, result, float);
                    patch.erase_tensor(result);
                }
                patch.erase_op(op);
                read.insert((op, 0));
            }
            Reader::Lookup(lookup, slot, op) => {
                patch.set_operand(lookup, slot, float);
                patch.erase_op(op);
                let result = graph.results(op)[0];
                patch.set_result(lookup, 0, result);
                patch.erase_tensor(graph.operand(op, 0).expect("it was matched"));
                read.insert((lookup, slot));
            }
        }
    }
    let all_read = graph.all_uses(id, |u| read.contains(&(u.op, u.slot)));
    if all_read && !module.references(sg, id).any() {
        patch.erase_tensor(id);
        densify.into_iter().for_each(|op| patch.erase_op(op));
    }
    if let Some(forbidden) = session.forbidden(&patch) {
        session.missed(tfq_pass::rewrite::FORBIDDEN, place, forbidden);
        return Ok(false);
    }
    session.apply(patch)?;
    let told =
        format!("{ty} to FLOAT32, {} to {}", grouped(was as u64), counted(now as u64, "byte"));
    session.applied("dequantised", place, told);
    Ok(true)
}

/// The float32 values of a constant, or why they are not to be had.
fn values(module: &Module, sg: SubgraphId, id: TensorId) -> Result<Bytes, (&'static str, String)> {
    let graph = module.subgraph(sg);
    let (densify, id) = in_front_of_densify(graph, id);
    let tensor = graph.tensor(id);
    let other = |what: &str| Err(("other form", format!("it is stored {what}")));
    let needed = tensor.byte_len().and_then(|len| usize::try_from(len).ok());
    let constant = module.constant(sg, id);
    let bytes: Option<Cow<'_, [u8]>> = match tensor.sparsity.as_deref() {
        Some(_) if densify.is_none() => return other("sparse"),
        Some(sparsity) => {
            let Some(width) = whole_bytes(tensor.ty).filter(|_| is_holdable(tensor)) else {
                return other("sparse");
            };
            let dense = constant.and_then(|bytes| sparsity.to_dense(&tensor.shape, width, bytes));
            dense.map(Cow::Owned)
        }
        None => constant.zip(needed).and_then(|(bytes, len)| bytes.get(..len)).map(Cow::Borrowed),
    };
    let Some(bytes) = bytes.as_deref() else {
        return other("in fewer bytes than its shape asks for");
    };
    let elements = tensor.elements().unwrap_or(0) as usize;
    let Some(codes) = codes(tensor.ty, bytes, elements) else {
        return match tensor.ty {
            ElementType::Float16 => Ok(from_f16(bytes)),
            ElementType::BFloat16 => {
                Ok(bytes.as_chunks().0.iter().flat_map(|[a, b]| [0, 0, *a, *b]).collect())
            }
            ty => other(&format!("as {ty}")),
        };
    };
    let Some(q) = tensor.quantization.as_deref().filter(|q| !q.scale.is_empty()) else {
        return other("without a scale");
    };
    if q.details != QuantizationDetails::None {
        return other("with scales of another kind");
    }
    let shape: Option<Vec<usize>> =
        tensor.shape.iter().map(|dim| usize::try_from(*dim).ok()).collect();
    let layout = match q.scale.len() {
        1 => Some(ChannelLayout::per_tensor(elements)),
        scales => {
            shape.zip(usize::try_from(q.quantized_dimension).ok()).and_then(|(shape, axis)| {
                ChannelLayout::new(&shape, axis).filter(|layout| layout.channels == scales)
            })
        }
    };
    let zero_points = match &q.zero_point[..] {
        [] => vec![0; q.scale.len()],
        points => points.to_vec(),
    };
    let small = |zero_point: &i64| i16::try_from(*zero_point).is_ok();
    if !q.scale.iter().all(|scale| scale.is_finite()) || !zero_points.iter().all(small) {
        return other("with a scale or zero point that is none");
    }
    let Some(layout) = layout.filter(|_| zero_points.len() == q.scale.len()) else {
        return other("with scales that do not fit its shape");
    };
    Ok(affine_values(&codes, layout, &q.scale, &zero_points).into())
}

/// Whether a model can hold all elements as float32: a few bytes may stand for a great many.
fn is_holdable(tensor: &Tensor) -> bool {
    let bytes = tensor.elements().and_then(|elements| elements.checked_mul(4));
    bytes.is_some_and(|bytes| bytes < 1 << 31)
}

/// The size of an element of a narrow type that takes no part of a byte.
fn whole_bytes(ty: ElementType) -> Option<usize> {
    let bits = ty.bits().filter(|bits| is_narrow(ty) && bits % 8 == 0)?;
    Some(bits as usize / 8)
}

/// The integers that a constant holds; those of less than a byte are packed from the lowest bits on.
fn codes(ty: ElementType, bytes: &[u8], elements: usize) -> Option<Vec<i32>> {
    let packed = |bits: u32| {
        let each = 8 / bits;
        let of_byte = |byte: u8| {
            (0..each).map(move |n| i32::from((byte << (8 - bits * (n + 1))) as i8 >> (8 - bits)))
        };
        bytes.iter().flat_map(move |byte| of_byte(*byte)).take(elements).collect()
    };
    Some(match ty {
        ElementType::Int8 => bytes.iter().map(|byte| i32::from(*byte as i8)).collect(),
        ElementType::UInt8 => bytes.iter().map(|byte| i32::from(*byte)).collect(),
        ElementType::Int16 => {
            bytes.as_chunks().0.iter().map(|two| i32::from(i16::from_le_bytes(*two))).collect()
        }
        ElementType::Int4 => packed(4),
        ElementType::Int2 => packed(2),
        _ => return None,
    })
}
