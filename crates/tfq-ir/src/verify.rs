//! Whether a module is well-formed: what every pass may rely on and must keep.
//!
//! The rules, in the order in which they are checked:
//! 1. subgraph numbers in attributes name subgraphs; signatures and metadata name what exists, and
//!    operator codes operators;
//! 2. results of an op are dense, and no tensor has two producers; of two options tables the first
//!    is one of `builtin_options` and the second of `builtin_options_2`, or one would be lost;
//! 3. an op reads what was computed before it;
//! 4. a constant has the bytes that its shape and type ask for (more is allowed, the loader
//!    accepts it), and is not computed by an op;
//! 5. scales and zero points are as many as the loader wants: none, one, or one for each index
//!    of the quantised dimension, which must exist;
//! 6. linked tensors (blockwise scales) exist, and a link that is a number is that of no tensor;
//! 7. the expressed type is float32: that is what a Dequantize gives.
//!
//! Tensors that a file holds against rules 2 to 4 although the runtime runs it are accepted when
//! it is read ([`crate::Oddity`]); these rules hold for all others.

use crate::catalog::{self, OptionsUnion};
use crate::maps::HashMap;
use crate::visible;
use crate::words::{counted, grouped};
use crate::{
    Attributes, ElementType, Module, Op, OpId, OpKind, Quantization, Subgraph, SubgraphId,
    TensorId, TensorLink,
};
use std::cell::OnceCell;

/// A damaged model may break a rule as often as it has bytes; the first ones tell enough.
const MOST_ERRORS: usize = 100;
/// Names in messages are cut off here, in characters: a damaged file may hold huge ones.
const LABEL: usize = 100;

/// One broken rule, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct VerifyError {
    /// The place in words: subgraph, op, tensor.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

impl Module {
    /// Checks every rule everywhere and returns what is broken, the first hundred of it.
    pub fn verify(&self) -> Result<(), Vec<VerifyError>> {
        let mut errors = Vec::new();
        if self.subgraphs().len() == 0 {
            errors.push(error("the model", "it has no subgraph"));
        }
        for (id, graph) in self.subgraphs() {
            Verify { module: self, id, graph, makers: OnceCell::new(), errors: &mut errors }.run();
        }
        self.verify_signatures(&mut errors);
        for (n, code) in self.op_codes.iter().enumerate() {
            let OpKind::Builtin(builtin) = code.kind() else { continue };
            if catalog::op_by_code(builtin).is_none() {
                let what = format!("there is no builtin operator {builtin}");
                errors.push(error(format!("operator code {n}"), what));
            }
        }
        for entry in self.metadata.iter() {
            if entry.buffer.0 as usize >= self.constants().len() {
                let place = format!("metadata `{}`", entry.name.as_deref().unwrap_or(""));
                errors.push(error(place, format!("there is no buffer {}", entry.buffer.0)));
            }
        }
        errors.truncate(MOST_ERRORS);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Whether nothing was done to the module since it was this one that a rule is about: names,
    /// notes, operator versions, records and texts are in none. Where this holds, the rules do if
    /// they did.
    pub fn is_only_annotated_since(&self, before: &Self) -> bool {
        self.summary_since(before).is_some_and(|summary| !summary.breakable)
    }

    fn verify_signatures(&self, errors: &mut Vec<VerifyError>) {
        for signature in &self.signatures {
            if errors.len() >= MOST_ERRORS {
                return;
            }
            let Some(graph) = self.find_subgraph(SubgraphId(signature.subgraph)) else { continue };
            for (name, link) in signature.inputs.iter().chain(&signature.outputs) {
                let gone = matches!(link, TensorLink::Tensor(id) if !graph.contains_tensor(*id));
                if gone {
                    let place = format!("signature `{}`", signature.key.as_deref().unwrap_or(""));
                    let name = name.as_deref().unwrap_or("");
                    errors.push(error(place, format!("`{name}` names a tensor that is gone")));
                } else if let Some(number) = taken(*link, graph) {
                    let place = format!("signature `{}`", signature.key.as_deref().unwrap_or(""));
                    let name = name.as_deref().unwrap_or("");
                    let what = format!("`{name}` has number {number}, which a tensor has now");
                    errors.push(error(place, what));
                }
            }
        }
    }
}

/// Whether the numbers of scales and zero points are such that the loader takes them.
pub(crate) fn counts_fit(q: &Quantization, shape: &[i32]) -> bool {
    let scales = q.scale.len();
    // Without scales the loader ignores the rest.
    if scales == 0
        || !matches!(
            q.details,
            crate::QuantizationDetails::None | crate::QuantizationDetails::Custom(_)
        )
    {
        return true;
    }
    if q.zero_point.len() != scales {
        return false;
    }
    if shape.is_empty() {
        return true;
    }
    let fits = |channels: &i32| usize::try_from(*channels) == Ok(scales);
    let dimension = usize::try_from(q.quantized_dimension).ok();
    match dimension.and_then(|dimension| shape.get(dimension)) {
        Some(channels) => scales == 1 || fits(channels),
        // Old converters gave a bias the dimension of its filter. Microcontroller runtimes take
        // that, so it is kept where it is found; nothing here writes it.
        None => scales == 1 || shape.iter().any(fits),
    }
}

struct Verify<'a> {
    module: &'a Module,
    id: SubgraphId,
    graph: &'a Subgraph,
    /// Which op computes a tensor, the first where several do, and as what number. Nothing asks
    /// where no op reads what was not computed before it.
    makers: OnceCell<HashMap<TensorId, (usize, OpId)>>,
    errors: &'a mut Vec<VerifyError>,
}

impl Verify<'_> {
    fn run(&mut self) {
        let flow = self.graph.flow();
        let mut early = flow.early.iter().map(|place| *place as usize).peekable();
        let mut last_known = None;
        for (n, op) in self.graph.ops().enumerate() {
            if self.errors.len() >= MOST_ERRORS {
                return;
            }
            let node = self.graph.op(op);
            if names_subgraphs(node) {
                self.subgraph_refs(n, op, node);
            }
            if let OpKind::Builtin(builtin) = node.kind
                && last_known != Some(builtin)
            {
                if builtin == catalog::ops::CUSTOM {
                    self.op(n, op, "it is a custom op, and has no name that the runtime knows");
                } else if catalog::op_by_code(builtin).is_none() {
                    self.op(n, op, format!("there is no builtin operator {builtin}"));
                } else {
                    last_known = Some(builtin);
                }
            }
            if flow.results(op) != self.graph.result_slots(op) {
                self.op(n, op, "its results have a gap");
            }
            if !tables_fit(node) {
                self.op(n, op, "its two options tables are not one of each union, in order");
            }
            if early.next_if_eq(&n).is_some() {
                self.late_operands(n, op);
            }
        }
        for (n, tensor) in self.graph.tensors().enumerate() {
            if self.errors.len() >= MOST_ERRORS {
                return;
            }
            self.tensor(n, tensor, flow.makers(tensor));
        }
        for &tensor in self.graph.inputs().iter().chain(self.graph.outputs()) {
            if !self.graph.contains_tensor(tensor) {
                let place = format!("subgraph {}", self.id.0);
                self.errors.push(error(place, "an input or output has been erased"));
            }
        }
    }

    fn subgraph_refs(&mut self, n: usize, op: OpId, node: &Op) {
        let subgraphs = self.module.subgraphs().len() as i64;
        for (name, value) in node.subgraph_refs() {
            if value < -1 || value >= subgraphs {
                let there = counted(subgraphs, "subgraph");
                self.op(n, op, format!("{name} is {value}, of {there}"));
            }
        }
    }

    /// Operands that are computed later or by the op itself. Inputs have a value from the start, even
    /// where an op writes to them later.
    fn late_operands(&mut self, n: usize, op: OpId) {
        let graph = self.graph;
        let find = || {
            let mut makers = HashMap::default();
            for (n, op) in graph.ops().enumerate() {
                for tensor in graph.results(op) {
                    makers.entry(tensor).or_insert((n, op));
                }
            }
            makers
        };
        for (slot, tensor) in graph.operands(op).into_iter().enumerate() {
            let Some(tensor) = tensor else { continue };
            let Some(&(at, producer)) = self.makers.get_or_init(find).get(&tensor) else {
                continue;
            };
            if at >= n && !graph.is_input(tensor) && graph.oddity(tensor).is_none() {
                if self.errors.len() >= MOST_ERRORS {
                    return;
                }
                let label = cut_label(graph.tensor(tensor).label());
                let by = kind(&graph.op(producer).kind);
                self.op(n, op, format!("operand {slot} (`{label}`) is computed later, by {by}"));
            }
        }
    }

    /// `makers` is how many ops compute it.
    fn tensor(&mut self, n: usize, id: TensorId, makers: usize) {
        let tensor = self.graph.tensor(id);
        let odd = || self.graph.oddity(id).is_some();
        if makers > 1 && !odd() {
            self.broken(n, id, "two ops compute it");
        }
        let bytes = self.module.constants().constant(tensor.buffer);
        if let Some(bytes) = bytes.filter(|_| !tensor.is_variable) {
            if makers > 0 && !odd() {
                self.broken(n, id, "it is a constant and computed by an op");
            }
            // Sparse tensors hold fewer elements than their shape says.
            if tensor.sparsity.is_none() && tensor.ty.bits().is_some() {
                let needed = tensor.byte_len();
                match needed {
                    None => self.broken(
                        n,
                        id,
                        format!("its shape {:?} is not one of a constant", tensor.shape),
                    ),
                    Some(needed) if needed > bytes.len() as u64 => self.broken(
                        n,
                        id,
                        format!(
                            "{} {:?} needs {}, its buffer has {}",
                            tensor.ty,
                            tensor.shape,
                            counted(needed, "byte"),
                            grouped(bytes.len() as u64)
                        ),
                    ),
                    Some(_) => (),
                }
            }
        } else if tensor.buffer.0 as usize >= self.module.constants().len() && tensor.buffer.0 != 0
        {
            let what = format!(
                "there is no buffer {}, only {}",
                tensor.buffer.0,
                self.module.constants().len()
            );
            self.broken(n, id, what);
        }
        if let Some(ty) = tensor.expressed.filter(|ty| *ty != ElementType::Float32) {
            self.broken(n, id, format!("its expressed type is {ty}, and only FLOAT32 can be"));
        }
        let Some(q) = &tensor.quantization else { return };
        if !counts_fit(q, &tensor.shape) {
            let what = format!(
                "{} and {} do not fit shape {:?} and dimension {}",
                counted(q.scale.len(), "scale"),
                counted(q.zero_point.len(), "zero point"),
                tensor.shape,
                q.quantized_dimension
            );
            self.broken(n, id, what);
        }
        if q.details.links().any(|link| !self.graph.contains_tensor(link)) {
            self.broken(n, id, "its scales or zero points are a tensor that is gone");
        }
        let mut links = q.details.scales_and_zero_points().into_iter().flatten();
        if let Some(number) = links.find_map(|link| taken(link, self.graph)) {
            let what =
                format!("its scales or zero points have number {number}, which a tensor has now");
            self.broken(n, id, what);
        }
    }

    fn op(&mut self, n: usize, op: OpId, what: impl Into<String>) {
        let place = format!("subgraph {}, op {n} ({})", self.id.0, kind(&self.graph.op(op).kind));
        self.errors.push(error(place, what));
    }

    fn broken(&mut self, n: usize, tensor: TensorId, what: impl Into<String>) {
        let label = cut_label(self.graph.tensor(tensor).label());
        let place = format!("subgraph {}, tensor {n} (`{label}`)", self.id.0);
        self.errors.push(error(place, what));
    }
}

fn names_subgraphs(op: &Op) -> bool {
    let some = |attrs: &Attributes| attrs.options().attrs.iter().any(|info| info.subgraph);
    op.attrs.as_ref().is_some_and(some) || op.extra_attrs.as_deref().is_some_and(some)
}

/// Whether two options tables are one of each union.
fn tables_fit(op: &Op) -> bool {
    let union = |attrs: &Attributes| attrs.options().union;
    let Some(second) = op.extra_attrs.as_deref() else { return true };
    op.attrs.as_ref().map(union) == Some(OptionsUnion::BuiltinOptions)
        && union(second) == OptionsUnion::BuiltinOptions2
}

/// The number in a link that named no tensor when it was read, where one has it by now.
fn taken(link: TensorLink, graph: &Subgraph) -> Option<i32> {
    let TensorLink::Raw(number) = link else { return None };
    usize::try_from(number).is_ok_and(|n| n < graph.tensor_count()).then_some(number)
}

/// The beginning of a name that a message tells: it may be of a file, and of any length.
pub fn cut_label(label: &str) -> &str {
    label.char_indices().nth(LABEL).map_or(label, |(end, _)| &label[..end])
}

fn kind(kind: &OpKind) -> String {
    cut_label(&kind.to_string()).to_owned()
}

fn error(place: impl Into<String>, what: impl Into<String>) -> VerifyError {
    // Names in it are as the file has them.
    let [place, what] = [place.into(), what.into()].map(|text| visible(&text).into_owned());
    VerifyError { place, what }
}
