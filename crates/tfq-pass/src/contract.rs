//! What a pass may do to the numbers that a model computes, and whether it kept to that. Edits tell
//! what it did; nothing looks at what they did not touch.

use crate::touched::Marks;
use crate::written;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tfq_ir::maps::HashSet;
use tfq_ir::ops::{OpClass, Shape, semantics_of};
use tfq_ir::{
    Applied, EditSummary, ElementType, Module, Op, OpId, OpKind, Operands, Quantization,
    QuantizationRare, Signature, Subgraph, SubgraphId, Tensor, TensorId, TensorLink, visible,
};

tfq_json::closed!(NumericContract);

/// What a pass may do to the numbers that a model computes, from the strictest to the loosest: each
/// may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case")]
pub enum NumericContract {
    /// Nothing but names, notes, operator versions and metadata changes.
    Annotation,
    /// Every output keeps its bits, and what ops read keeps its values.
    Exact,
    /// As exact, but NaN may become another NaN or a number, and -0.0 may become 0.0.
    ExactButNanAndZero,
    /// Sums and products of floats may be grouped otherwise, also in constants.
    Reassociating,
    /// Numbers of a quantised tensor may be one step off, as other kernels round them.
    Rounding,
    /// Constants are stored in another type.
    Quantizing,
    /// What the model takes and returns changes.
    ChangesSignature,
}

impl NumericContract {
    /// All of them, from the strictest to the loosest.
    pub const ALL: [Self; 7] = [
        Self::Annotation,
        Self::Exact,
        Self::ExactButNanAndZero,
        Self::Reassociating,
        Self::Rounding,
        Self::Quantizing,
        Self::ChangesSignature,
    ];

    /// Its name in descriptors and goldens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Annotation => "annotation",
            Self::Exact => "exact",
            Self::ExactButNanAndZero => "exact-but-nan-and-zero",
            Self::Reassociating => "reassociating",
            Self::Rounding => "rounding",
            Self::Quantizing => "quantizing",
            Self::ChangesSignature => "changes-signature",
        }
    }

    /// As what a pass is declared, in a sentence.
    fn declared(self) -> &'static str {
        match self {
            Self::Annotation => "to change notes and metadata only",
            Self::Exact => "exact",
            Self::ExactButNanAndZero => "exact but for NaN and -0.0",
            Self::Reassociating => "to group floats otherwise",
            Self::Rounding => "to round quantised numbers otherwise",
            Self::Quantizing => "quantising",
            Self::ChangesSignature => "to change inputs and outputs",
        }
    }
}

impl fmt::Display for NumericContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Annotation => "annotation: only notes and metadata change",
            Self::Exact => "exact: outputs keep their bits",
            Self::ExactButNanAndZero => "exact but for NaN and -0.0: other outputs keep their bits",
            Self::Reassociating => "re-associating: floats are rounded at other places",
            Self::Rounding => "rounding: quantised numbers may be one step off",
            Self::Quantizing => "quantising: constants are stored in another type",
            Self::ChangesSignature => "changes the signature: inputs and outputs are others",
        })
    }
}

/// What the pass did that this contract does not allow, or that adds other ops than these; `None`
/// where it kept to both.
pub(crate) fn breach(
    allowed: NumericContract,
    writes: &[OpKind],
    before: &Module,
    after: &Module,
) -> Option<String> {
    if after.is_untouched_since(before) {
        return None;
    }
    let Some(summary) = after.summary_since(before) else {
        return Some("it put another model in the place of the one that it was given".to_owned());
    };
    let patches = &after.journal()[before.journal().len()..];
    let did = Did { before, after, summary: &summary, patches, known: OnceCell::new() };
    if let Some(kind) = did.undeclared_op(writes) {
        return Some(format!("it adds {kind}, which is not among the ops that it declares"));
    }
    let forbidden = |least| allowed < least;
    let exact = forbidden(NumericContract::Reassociating);
    if let Some(kind) = exact.then(|| did.undeclared_attributes(writes)).flatten() {
        return Some(format!(
            "it is declared {}, and sets attributes of {kind}, which is not among the ops that it \
             declares",
            allowed.declared()
        ));
    }
    let beyond = || summary.beyond_annotations.clone();
    let what = forbidden(NumericContract::Exact).then(beyond).flatten();
    let what = what.or_else(|| {
        let values = forbidden(NumericContract::Reassociating);
        forbidden(NumericContract::Quantizing).then(|| did.other_constants(values)).flatten()
    });
    let signature = || did.other_signature();
    let what =
        what.or_else(|| forbidden(NumericContract::ChangesSignature).then(signature).flatten())?;
    Some(format!("it is declared {}, and {what}", allowed.declared()))
}

/// What a pass did.
struct Did<'a> {
    before: &'a Module,
    after: &'a Module,
    summary: &'a EditSummary,
    patches: &'a [Arc<Applied>],
    /// Hashes of the narrow forms that tensors had before, once a form may be new.
    known: OnceCell<HashSet<u64>>,
}

/// A tensor before and after, with its subgraphs.
struct Twin<'a> {
    id: TensorId,
    before: Option<(SubgraphId, &'a Tensor)>,
    after: (SubgraphId, &'a Tensor),
}

impl Twin<'_> {
    /// Whether it has a narrow form, and had not the same before.
    fn has_other_narrow_form(&self) -> bool {
        let form = narrow_form(self.after.1);
        form.is_some() && self.before.is_none_or(|(_, old)| narrow_form(old) != form)
    }
}

impl<'a> Did<'a> {
    /// An op that was added or made of another one, and that the pass does not declare.
    fn undeclared_op(&self, writes: &[OpKind]) -> Option<OpKind> {
        let made = self.summary.made_of_others.iter();
        let made = made.filter_map(|op| self.op_before(*op).map(|(_, was)| (*op, Some(&was.kind))));
        // The session made the copies of outputs.
        let own = self.patches.iter().filter(|patch| patch.label() != written::LABEL);
        let added = own.flat_map(|patch| patch.added_ops());
        let mut all = added.map(|op| (*op, None)).chain(made);
        all.find_map(|(op, was)| {
            // A later patch of the pass may have erased it.
            let (_, graph) = graph_of(self.after, op.origin())?;
            let kind = &graph.contains_op(op).then(|| graph.op(op))?.kind;
            (was != Some(kind) && !writes.contains(kind)).then(|| kind.clone())
        })
    }

    /// An op that stays of its kind and has other attributes than before, where the pass does not
    /// declare that it makes such ops: it might compute something else.
    fn undeclared_attributes(&self, writes: &[OpKind]) -> Option<OpKind> {
        if !self.summary.sets_attributes {
            return None;
        }
        let mut touched = self.patches.iter().flat_map(|patch| patch.ops.iter().copied());
        touched.find_map(|id| {
            let (_, graph) = graph_of(self.after, id.origin())?;
            let op = graph.contains_op(id).then(|| graph.op(id))?;
            let (_, was) = self.op_before(id)?;
            let differs = op.kind == was.kind && !have_same_attributes(op, was);
            (differs && !writes.contains(&op.kind)).then(|| op.kind.clone())
        })
    }

    fn op_before(&self, op: OpId) -> Option<(&'a Subgraph, &'a Op)> {
        let (_, graph) = graph_of(self.before, op.origin())?;
        graph.contains_op(op).then(|| (graph, graph.op(op)))
    }

    /// Tensors that patches changed or added, and that are still there.
    fn tensors(&self) -> impl Iterator<Item = Twin<'a>> + use<'a> {
        let (before, after) = (self.before, self.after);
        let mut seen = Marks::default();
        let touched = self.patches.iter().flat_map(|patch| patch.tensors.iter().copied());
        touched.filter_map(move |id| {
            let twin = |module: &'a Module| {
                let (sg, graph) = graph_of(module, id.origin())?;
                graph.contains_tensor(id).then(|| (sg, graph.tensor(id)))
            };
            let after = twin(after).filter(|(sg, _)| seen.insert(*sg, id.number()))?;
            Some(Twin { id, before: twin(before), after })
        })
    }

    /// A constant that ops read with other values than before, where that is forbidden, and a narrow
    /// or quantised form of a tensor that the model had nowhere before.
    fn other_constants(&self, values: bool) -> Option<String> {
        if values && self.summary.sets_external {
            return Some("changed the constants outside of the model".to_owned());
        }
        let mut narrow = None;
        for twin in self.tensors() {
            if values && self.has_other_values(&twin) {
                let label = twin.before.map_or("", |(_, old)| old.label());
                return Some(format!("gave `{}` other values", visible(label)));
            }
            if narrow.is_none() && twin.has_other_narrow_form() {
                narrow = self.narrow_type(&twin);
            }
        }
        let operand = || values.then(|| self.other_operand()).flatten();
        operand().or(narrow)
    }

    /// Whether ops read other values of a constant than before.
    fn has_other_values(&self, twin: &Twin<'a>) -> bool {
        let Some((old_sg, old)) = twin.before else { return false };
        let Some(bytes) = self.before.constant(old_sg, twin.id) else { return false };
        let (sg, new) = twin.after;
        let graph = self.after.subgraph(sg);
        let differs = match self.after.constant(sg, twin.id) {
            Some(now) => differ((old, bytes), (new, now)),
            None => graph.producer(twin.id).is_none(),
        };
        (differs || old.external_buffer != new.external_buffer)
            && (graph.is_output(twin.id) || graph.is_read(twin.id))
    }

    /// An op that is what it was, and reads a constant in the place of another with other values.
    /// Where other operands changed too, the values may have to, unless the op [`rounds`] what
    /// it makes of them.
    fn other_operand(&self) -> Option<String> {
        if !self.summary.sets_operands {
            return None;
        }
        let mut seen = Marks::default();
        let mut ops = self.patches.iter().flat_map(|patch| patch.ops.iter().copied());
        ops.find_map(|id| {
            let (sg, graph) = graph_of(self.after, id.origin())?;
            if !graph.contains_op(id) || !seen.insert(sg, id.number()) {
                return None;
            }
            let (old_graph, old) = self.op_before(id)?;
            let (reads, now) = (old_graph.operands(id), graph.operands(id));
            // Most ops are touched by what became of a tensor.
            if reads == now {
                return None;
            }
            let op = graph.op(id);
            let computes_alike = old.kind == op.kind
                && have_same_attributes(old, op)
                && old_graph.results(id) == graph.results(id);
            if !computes_alike || commute(op, &reads, &now) {
                return None;
            }
            let constant = |module: &'a Module, id: TensorId| {
                let (sg, graph) = graph_of(module, id.origin())?;
                Some((graph.tensor(id), &module.constant(sg, id)?[..]))
            };
            let has_effect = |(tensor, bytes): &(&Tensor, &[u8])| {
                rounds(op, tensor) && bytes.iter().any(|byte| *byte != 0)
            };
            let slots = 0..reads.len().max(now.len());
            let come_or_gone = slots.into_iter().find_map(|slot| {
                let at = |operands: &Operands| operands.get(slot).copied().flatten();
                let (module, id, does) = match (at(&reads), at(&now)) {
                    (Some(id), None) => (self.before, id, "no longer read"),
                    (None, Some(id)) => (self.after, id, "also read"),
                    _ => return None,
                };
                let (tensor, _) = constant(module, id).filter(has_effect)?;
                Some(format!("lets {} {does} `{}`", op.kind, visible(tensor.label())))
            });
            if come_or_gone.is_some() || reads.len() != now.len() {
                return come_or_gone;
            }
            let changed = reads.iter().zip(&now).filter(|(old, new)| old != new);
            let constants = changed.map(|(old, new)| {
                Some((constant(self.before, (*old)?)?, constant(self.after, (*new)?)?))
            });
            let differs = |twins: &Option<(_, _)>| twins.is_none_or(|(was, is)| differ(was, is));
            let others: Vec<_> = constants.filter(differs).collect();
            let is_alone = others.len() == 1;
            let mut twins = others.into_iter().flatten();
            let ((was, _), _) = twins.find(|((was, _), _)| is_alone || rounds(op, was))?;
            let label = visible(was.label());
            Some(format!("lets {} read other values than those of `{label}`", op.kind))
        })
    }

    /// The narrow form of a tensor, where the model had it nowhere before.
    fn narrow_type(&self, twin: &Twin<'a>) -> Option<String> {
        let (_, tensor) = twin.after;
        let known = self.known.get_or_init(|| {
            let graphs = self.before.subgraphs().map(|(_, graph)| graph);
            let tensors = graphs.flat_map(|graph| graph.tensors().map(|id| graph.tensor(id)));
            tensors.filter_map(|tensor| Some(hash(narrow_form(tensor)?))).collect()
        });
        (!known.contains(&hash(narrow_form(tensor)?))).then(|| {
            let label = visible(tensor.label());
            format!("brought in a quantised type: `{label}` is {}", tensor.ty)
        })
    }

    /// What a caller sees otherwise: what the main subgraph takes and returns, and the signatures.
    fn other_signature(&self) -> Option<String> {
        let main = |module: &'a Module| module.subgraphs().next().map(|(_, graph)| graph);
        let (before, after) = (main(self.before)?, main(self.after)?);
        let seen = |graph: &'a Subgraph, ids: &'a [TensorId]| {
            ids.iter().map(|id| Seen::of(graph, *id)).collect::<Vec<_>>()
        };
        for (what, old, new) in [
            ("input", seen(before, before.inputs()), seen(after, after.inputs())),
            ("output", seen(before, before.outputs()), seen(after, after.outputs())),
        ] {
            if old.len() != new.len() {
                return Some(format!("gave the model {} {what}s, not {}", new.len(), old.len()));
            }
            let mut pairs = old.iter().zip(&new);
            let alike = |old: &Seen<'_>, new: &Seen<'_>| match what {
                "input" => old.is_taken_alike(new),
                _ => old.is_given_alike(new),
            };
            if let Some((old, new)) = pairs.find(|(old, new)| !alike(old, new)) {
                return Some(format!("made {new} of the {what} {old}"));
            }
        }
        self.other_signatures().map(|key| match key {
            Some(key) => format!("changed signature `{}`", visible(key)),
            None => "changed the signatures".to_owned(),
        })
    }

    /// The key of the first signature that differs, if they are as many.
    fn other_signatures(&self) -> Option<Option<&'a str>> {
        let (before, after) = (self.before.signatures(), self.after.signatures());
        if before.len() != after.len() {
            return Some(None);
        }
        let link = |module: &'a Module, sg: u32, link: TensorLink| {
            let id = link.tensor()?;
            let graph = module.find_subgraph(SubgraphId(sg))?;
            graph.contains_tensor(id).then(|| Seen::of(graph, id))
        };
        let alike = |old: TensorLink, new: TensorLink, sgs: (u32, u32), taken: bool| match (
            link(self.before, sgs.0, old),
            link(self.after, sgs.1, new),
        ) {
            (Some(old), Some(new)) if taken => old.is_taken_alike(&new),
            (Some(old), Some(new)) => old.is_given_alike(&new),
            _ => old == new,
        };
        let mut pairs = before.iter().zip(after);
        let differs = pairs.find(|(old, new)| {
            let sgs = (old.subgraph, new.subgraph);
            let lengths = |one: &Signature| (one.inputs.len(), one.outputs.len());
            let same = |old: &[(_, TensorLink)], new: &[(_, TensorLink)], taken| {
                let mut both = old.iter().zip(new);
                both.all(|((old_name, old), (name, new)): (&(Option<Arc<str>>, _), &(_, _))| {
                    old_name == name && alike(*old, *new, sgs, taken)
                })
            };
            let same =
                same(&old.inputs, &new.inputs, true) && same(&old.outputs, &new.outputs, false);
            old.key != new.key || lengths(old) != lengths(new) || !same
        });
        differs.map(|(old, _)| old.key.as_deref())
    }
}

/// A tensor as a caller sees it.
struct Seen<'a>(&'a Tensor);

impl<'a> Seen<'a> {
    fn of(graph: &'a Subgraph, id: TensorId) -> Self {
        Self(graph.tensor(id))
    }

    /// What was quantised and waits for a Dequantize counts as what it will be.
    fn ty(&self) -> ElementType {
        self.0.expressed.unwrap_or(self.0.ty)
    }

    /// Whether a caller may set what it could, and no more: dimensions that are left open stay so.
    fn is_taken_alike(&self, other: &Self) -> bool {
        let opens = |tensor: &Tensor| {
            (0..tensor.shape.len()).map(|n| tensor.known_dim(n).is_none()).collect::<Vec<_>>()
        };
        self.ty() == other.ty() && self.0.shape == other.0.shape && opens(self.0) == opens(other.0)
    }

    /// Whether a caller gets what the file told, which may say more of dimensions that were left open.
    fn is_given_alike(&self, other: &Self) -> bool {
        let told = |tensor: &Tensor| Shape::of_tensor(tensor, false);
        let says_more = told(self.0) != told(other.0) && told(self.0).agrees(&told(other.0));
        self.ty() == other.ty() && (self.0.shape == other.0.shape || says_more)
    }
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({} {:?})", visible(self.0.label()), self.ty(), self.0.shape)
    }
}

fn graph_of(module: &Module, origin: u32) -> Option<(SubgraphId, &Subgraph)> {
    let sg = module.by_origin(origin)?;
    Some((sg, module.subgraph(sg)))
}

fn have_same_attributes(a: &Op, b: &Op) -> bool {
    (&a.attrs, &a.extra_attrs) == (&b.attrs, &b.extra_attrs) && a.custom_options == b.custom_options
}

/// Whether the op rounds what it makes of this constant, so that nothing in another operand makes up
/// for other values. What moves or looks up values may find the same ones elsewhere, and integers
/// are counted with exactly.
fn rounds(op: &Op, constant: &Tensor) -> bool {
    use OpClass::*;
    let is_real = constant.ty.is_float() || constant.scales() > 0;
    let computes = |class| {
        let elementwise = matches!(class, ElementwiseUnary | ElementwiseBinary | ElementwiseNary);
        elementwise || matches!(class, AlongAxis | Window | Matmul | Recurrent)
    };
    is_real && semantics_of(op).is_some_and(|what| !what.moves_values && computes(what.class))
}

/// Whether the op reads its two operands the other way round, which is all the same to it. The sum of
/// more depends on their order.
fn commute(op: &Op, reads: &Operands, now: &Operands) -> bool {
    let sorted = |operands: &Operands| {
        let mut operands = operands.clone();
        operands.sort_unstable();
        operands
    };
    let commutes = semantics_of(op).is_some_and(|what| what.commutative);
    commutes && reads.len() == 2 && sorted(reads) == sorted(now)
}

/// Whether two constants hold other values. What has another type or quantisation and other bytes may
/// be the same numbers in another form, which is looked into where the shape is the same.
fn differ((a, old): (&Tensor, &[u8]), (b, new): (&Tensor, &[u8])) -> bool {
    let stored_alike = a.ty == b.ty && same_quantization(a, b);
    let same_bytes = (old.as_ptr(), old.len()) == (new.as_ptr(), new.len()) || old == new;
    if stored_alike || same_bytes {
        return stored_alike != same_bytes;
    }
    let both = (a.shape == b.shape).then(|| numbers(a, old).zip(numbers(b, new))).flatten();
    both.is_some_and(|(old, new)| !old.map(f64::to_bits).eq(new.map(f64::to_bits)))
}

/// The numbers that a constant stands for, of types for which doubles hold them all.
fn numbers<'a>(tensor: &'a Tensor, bytes: &'a [u8]) -> Option<Box<dyn Iterator<Item = f64> + 'a>> {
    fn each<'a, const N: usize>(
        bytes: &'a [u8],
        number: impl Fn([u8; N]) -> f64 + 'a,
    ) -> Box<dyn Iterator<Item = f64> + 'a> {
        Box::new(bytes.as_chunks().0.iter().map(move |one| number(*one)))
    }
    let stored = match tensor.ty {
        ElementType::Int8 => each(bytes, |one| i8::from_le_bytes(one).into()),
        ElementType::UInt8 => each(bytes, |one| u8::from_le_bytes(one).into()),
        ElementType::Int16 => each(bytes, |one| i16::from_le_bytes(one).into()),
        ElementType::Float32 => each(bytes, |one| f32::from_le_bytes(one).into()),
        _ => return None,
    };
    if tensor.sparsity.is_some() {
        return None;
    }
    let Some(q) = tensor.quantization.as_deref().filter(|q| !q.scale.is_empty()) else {
        return Some(stored);
    };
    let channel = || tensor.shape.get(usize::try_from(q.quantized_dimension).ok()? + 1..);
    let step = match q.scale.len() {
        1 => 1,
        _ => channel()?.iter().try_fold(1_usize, |n, dim| n.checked_mul((*dim).max(1) as usize))?,
    };
    Some(Box::new(stored.enumerate().map(move |(at, code)| {
        let channel = at / step % q.scale.len();
        let zero = q.zero_point.get(channel).or(q.zero_point.first()).copied().unwrap_or(0);
        (code - zero as f64) * f64::from(q.scale[channel])
    })))
}

fn same_quantization(a: &Tensor, b: &Tensor) -> bool {
    let [a, b] = [a, b].map(|tensor| tensor.quantization.as_ref().filter(|q| !q.scale.is_empty()));
    let (Some(a), Some(b)) = (a, b) else { return a.is_none() == b.is_none() };
    // A scale that is no number is itself all the same.
    let same_scales = || {
        let mut pairs = a.scale.iter().zip(&b.scale);
        a.scale.len() == b.scale.len() && pairs.all(|(a, b)| a.to_bits() == b.to_bits())
    };
    Arc::ptr_eq(a, b)
        || same_scales()
            && a.zero_point == b.zero_point
            && (a.scale.len() == 1 || a.quantized_dimension == b.quantized_dimension)
}

/// Type and quantisation, where these can hold less than float32 does.
fn narrow_form(tensor: &Tensor) -> Option<(ElementType, Option<&Quantization>)> {
    use ElementType::*;
    let narrow = matches!(
        tensor.ty,
        Float16 | BFloat16 | Float8E4M3Fn | Float8E5M2 | Int8 | Int16 | Int4 | Int2 | UInt8 | UInt4
    );
    (narrow || tensor.scales() > 0).then_some((tensor.ty, tensor.quantization.as_deref()))
}

fn hash((ty, quantization): (ElementType, Option<&Quantization>)) -> u64 {
    let mut hasher = DefaultHasher::new();
    ty.hash(&mut hasher);
    if let Some(Quantization { scale, zero_point, quantized_dimension, rare }) = quantization {
        let QuantizationRare { min, max, details } = &**rare;
        for floats in [min, max, scale] {
            floats.len().hash(&mut hasher);
            floats.iter().for_each(|float| float.to_bits().hash(&mut hasher));
        }
        (zero_point, quantized_dimension, format!("{details:?}")).hash(&mut hasher);
    }
    hasher.finish()
}
