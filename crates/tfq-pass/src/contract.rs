//! What a pass may do to the numbers that a model computes, and whether it kept to that. Edits tell
//! what it did; nothing looks at what they did not touch.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tfq_ir::maps::HashSet;
use tfq_ir::{
    Applied, Edit, ElementType, LoggedEdit, Module, Op, OpChange, OpId, OpKind, Quantization,
    Signature, Subgraph, SubgraphId, Tensor, TensorId, TensorLink, visible,
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
    /// Constants are stored with fewer bits.
    Quantizing,
    /// What the model takes and returns changes.
    ChangesSignature,
}

impl NumericContract {
    /// All of them, from the strictest to the loosest.
    pub const ALL: [Self; 6] = [
        Self::Annotation,
        Self::Exact,
        Self::ExactButNanAndZero,
        Self::Reassociating,
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
            Self::Quantizing => "quantising: constants are stored with fewer bits",
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
    let edits = &after.edits()[before.edits().len()..];
    if edits.is_empty() {
        return None;
    }
    let did = Did { before, after, edits, patches: &after.journal()[before.journal().len()..] };
    if let Some(kind) = did.undeclared_op(writes) {
        return Some(format!("it adds {kind}, which is not among the ops that it declares"));
    }
    let forbidden = |least, what: &dyn Fn() -> Option<String>| {
        if allowed < least { what() } else { None }
    };
    let what = forbidden(NumericContract::Exact, &|| did.more_than_annotations())
        .or_else(|| forbidden(NumericContract::Reassociating, &|| did.other_values()))
        .or_else(|| forbidden(NumericContract::Quantizing, &|| did.narrow_types()))
        .or_else(|| forbidden(NumericContract::ChangesSignature, &|| did.other_signature()))?;
    Some(format!("it is declared {}, and {what}", allowed.declared()))
}

/// What a pass did.
struct Did<'a> {
    before: &'a Module,
    after: &'a Module,
    edits: &'a [LoggedEdit],
    patches: &'a [Arc<Applied>],
}

/// A tensor before and after, with its subgraphs.
struct Twin<'a> {
    id: TensorId,
    before: Option<(SubgraphId, &'a Tensor)>,
    after: (SubgraphId, &'a Tensor),
}

impl<'a> Did<'a> {
    /// An op that was added or made of another one, and that the pass does not declare.
    fn undeclared_op(&self, writes: &[OpKind]) -> Option<OpKind> {
        let made = self.edits.iter().filter_map(|logged| logged.edit.patch());
        let made =
            made.flat_map(|patch| patch.op_changes()).filter_map(|(id, change)| match change {
                OpChange::Op(_) => self.op_before(*id).map(|(_, op)| (*id, Some(&op.kind))),
                _ => None,
            });
        let added = self.patches.iter().flat_map(|patch| patch.added_ops());
        let mut all = added.map(|op| (*op, None)).chain(made);
        all.find_map(|(op, was)| {
            // A later patch of the pass may have erased it.
            let (_, graph) = graph_of(self.after, op.origin())?;
            let kind = &graph.contains_op(op).then(|| graph.op(op))?.kind;
            (was != Some(kind) && !writes.contains(kind)).then(|| kind.clone())
        })
    }

    fn op_before(&self, op: OpId) -> Option<(&'a Subgraph, &'a Op)> {
        let (_, graph) = graph_of(self.before, op.origin())?;
        graph.contains_op(op).then(|| (graph, graph.op(op)))
    }

    fn more_than_annotations(&self) -> Option<String> {
        self.edits.iter().find_map(|logged| match &*logged.edit {
            Edit::Patch(patch) => (!patch.only_annotates()).then(|| "changed ops".to_owned()),
            Edit::Versions(..)
            | Edit::Constant(_)
            | Edit::Release(_)
            | Edit::Metadata(..)
            | Edit::MetadataBuffers(_)
            | Edit::Description(_)
            | Edit::Record(..) => None,
            edit => Some(format!("did this: {}", visible(&edit.label()))),
        })
    }

    /// Tensors that patches changed or added, and that are still there.
    fn tensors(&self) -> impl Iterator<Item = Twin<'a>> + use<'a> {
        let (before, after) = (self.before, self.after);
        let mut seen: HashSet<TensorId> = HashSet::default();
        let touched = self.patches.iter().flat_map(|patch| patch.tensors.iter().copied());
        touched.filter(move |id| seen.insert(*id)).filter_map(move |id| {
            let twin = |module: &'a Module| {
                let (sg, graph) = graph_of(module, id.origin())?;
                graph.contains_tensor(id).then(|| (sg, graph.tensor(id)))
            };
            Some(Twin { id, before: twin(before), after: twin(after)? })
        })
    }

    /// A constant that ops read with other values than before.
    fn other_values(&self) -> Option<String> {
        let outside = self.edits.iter().any(|l| matches!(&*l.edit, Edit::External(..)));
        if outside {
            return Some("changed the constants outside of the model".to_owned());
        }
        let of_tensor = self.tensors().find_map(|twin| {
            let (old_sg, old) = twin.before?;
            let (sg, new) = twin.after;
            let graph = self.after.subgraph(sg);
            let is_read = graph.is_output(twin.id) || !graph.uses(twin.id).is_empty();
            let bytes = self.before.constant(old_sg, twin.id)?;
            let differs = match self.after.constant(sg, twin.id) {
                Some(now) => differ((old, bytes), (new, now)),
                None => graph.producer(twin.id).is_none(),
            };
            let differs = differs || old.external_buffer != new.external_buffer;
            (is_read && differs).then(|| format!("gave `{}` other values", visible(old.label())))
        });
        of_tensor.or_else(|| self.other_operand())
    }

    /// An op that is what it was, and reads one constant in the place of another with other values.
    /// Where more of it changed, the values may have to.
    fn other_operand(&self) -> Option<String> {
        let mut seen: HashSet<OpId> = HashSet::default();
        let ops = self.patches.iter().flat_map(|patch| patch.ops.iter().copied());
        ops.filter(|op| seen.insert(*op)).find_map(|id| {
            let (old_graph, old) = self.op_before(id)?;
            let (_, graph) = graph_of(self.after, id.origin())?;
            let op = graph.contains_op(id).then(|| graph.op(id))?;
            let computes_alike = old.kind == op.kind
                && (&old.attrs, &old.extra_attrs) == (&op.attrs, &op.extra_attrs)
                && old.custom_options == op.custom_options
                && old_graph.results(id) == graph.results(id);
            let (reads, now) = (old_graph.operands(id), graph.operands(id));
            if !computes_alike || reads.len() != now.len() {
                return None;
            }
            let mut changed = reads.iter().zip(&now).filter(|(old, new)| old != new);
            let (&(Some(was), Some(is)), None) = (&pair(changed.next()?), changed.next()) else {
                return None;
            };
            let constant = |module: &'a Module, id: TensorId| {
                let (sg, graph) = graph_of(module, id.origin())?;
                Some((graph.tensor(id), &module.constant(sg, id)?[..]))
            };
            let (was, is) = (constant(self.before, was)?, constant(self.after, is)?);
            differ(was, is).then(|| {
                let was = visible(was.0.label());
                format!("lets {} read other values than those of `{was}`", op.kind)
            })
        })
    }

    /// A narrow or quantised form of a tensor that the model had nowhere before.
    fn narrow_types(&self) -> Option<String> {
        let mut known: Option<HashSet<u64>> = None;
        self.tensors().find_map(|Twin { before, after: (_, tensor), .. }| {
            let form = narrow_form(tensor)?;
            if before.is_some_and(|(_, old)| narrow_form(old) == Some(form)) {
                return None;
            }
            let known = known.get_or_insert_with(|| {
                let graphs = self.before.subgraphs().map(|(_, graph)| graph);
                let tensors = graphs.flat_map(|graph| graph.tensors().map(|id| graph.tensor(id)));
                tensors.filter_map(|tensor| Some(hash(narrow_form(tensor)?))).collect()
            });
            (!known.contains(&hash(form))).then(|| {
                let label = visible(tensor.label());
                format!("brought in a quantised type: `{label}` is {}", tensor.ty)
            })
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
            if let Some((old, new)) = pairs.find(|(old, new)| !old.is_alike(new)) {
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
        let alike = |old: TensorLink, new: TensorLink, sgs: (u32, u32)| match (
            link(self.before, sgs.0, old),
            link(self.after, sgs.1, new),
        ) {
            (Some(old), Some(new)) => old.is_alike(&new),
            _ => old == new,
        };
        let mut pairs = before.iter().zip(after);
        let differs = pairs.find(|(old, new)| {
            let sgs = (old.subgraph, new.subgraph);
            let lengths = |one: &Signature| (one.inputs.len(), one.outputs.len());
            let ports = |one: &'a Signature| one.inputs.iter().chain(&one.outputs);
            let mut both = ports(old).zip(ports(new));
            let same = both
                .all(|((old_name, old), (name, new))| old_name == name && alike(*old, *new, sgs));
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

    fn is_alike(&self, other: &Self) -> bool {
        self.ty() == other.ty() && self.0.shape == other.0.shape
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

fn pair<T: Copy>((a, b): (&T, &T)) -> (T, T) {
    (*a, *b)
}

/// Whether two constants that are stored alike have other bytes, or those of one are read
/// otherwise. What changed both ways may be the same numbers in another form.
fn differ((a, old): (&Tensor, &[u8]), (b, new): (&Tensor, &[u8])) -> bool {
    let stored_alike = a.ty == b.ty && same_quantization(a, b);
    let same_bytes = (old.as_ptr(), old.len()) == (new.as_ptr(), new.len()) || old == new;
    stored_alike != same_bytes
}

fn same_quantization(a: &Tensor, b: &Tensor) -> bool {
    let numbers = |tensor: &Tensor| tensor.quantization.clone().filter(|q| !q.scale.is_empty());
    // A scale that is no number is itself all the same.
    let bits = |q: &Quantization| q.scale.iter().map(|scale| scale.to_bits()).collect::<Vec<_>>();
    match (numbers(a), numbers(b)) {
        (Some(a), Some(b)) => {
            bits(&a) == bits(&b)
                && a.zero_point == b.zero_point
                && (a.scale.len() == 1 || a.quantized_dimension == b.quantized_dimension)
        }
        (a, b) => a.is_none() == b.is_none(),
    }
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
    if let Some(Quantization { min, max, scale, zero_point, details, quantized_dimension }) =
        quantization
    {
        for floats in [min, max, scale] {
            floats.len().hash(&mut hasher);
            floats.iter().for_each(|float| float.to_bits().hash(&mut hasher));
        }
        (zero_point, quantized_dimension, format!("{details:?}")).hash(&mut hasher);
    }
    hasher.finish()
}
