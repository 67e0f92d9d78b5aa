//! What a person wants to know of a model first.

use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use tfq_ir::catalog::ops;
use tfq_ir::maps::IndexMap;
use tfq_ir::{
    BufferId, ElementType, Module, OpId, OpKind, QuantizationDetails, Subgraph, SubgraphId, Tensor,
    TensorId,
};
use tfq_target::Target;
use tfq_text::{Level, Parts};

/// How many of the largest constants are listed.
const BIGGEST: usize = 10;

/// A model in short. Serialises to what `tfq-opt inspect --json` prints; tensors and subgraphs
/// go by the names that the text form gives them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// Free text of the file.
    pub description: Option<String>,
    /// The first runtime (TensorFlow's numbering) that has every op in its version; `None`
    /// where the target knows none of them.
    pub min_runtime: Option<String>,
    /// Inputs of the main subgraph.
    pub inputs: Vec<PortInfo>,
    /// Its outputs.
    pub outputs: Vec<PortInfo>,
    /// Functions to be called by name.
    pub signatures: Vec<SignatureInfo>,
    /// All subgraphs.
    pub subgraphs: Vec<SubgraphInfo>,
    /// In which arithmetic the model computes.
    pub quantization: QuantizationState,
    /// Operators, by bytes of constants that they read, then by how many there are.
    pub ops: Vec<OpKindInfo>,
    /// Constants, which count once however many tensors share them.
    pub constants: SizeInfo,
    /// Constants by type, largest first.
    pub types: Vec<TypeInfo>,
    /// The largest constants.
    pub biggest: Vec<ConstantInfo>,
    /// Constants in other files, by file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<ExternalInfo>,
    /// Metadata entries.
    pub metadata: Vec<MetadataInfo>,
    /// What follows the model in its file.
    pub trailer: Option<TrailerInfo>,
    /// Tensors without a single value, which passes leave alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub odd: Vec<Finding>,
    /// Ops that do not go with their operands, their options or the results that are declared, by
    /// the table of operators. The model may run all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contradictions: Vec<Finding>,
    /// For what the target's runtime refuses the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unloadable: Vec<Finding>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Finding {
    pub place: String,
    pub what: String,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct PortInfo {
    pub name: String,
    /// Type, shape and quantisation as in the text form: `f32[1,?,28]`.
    pub tensor: String,
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct SignatureInfo {
    pub key: Option<String>,
    pub subgraph: u32,
    pub inputs: Vec<Option<String>>,
    pub outputs: Vec<Option<String>>,
}

/// A subgraph.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct SubgraphInfo {
    pub name: String,
    pub ops: usize,
    pub tensors: usize,
}

/// Ops of a kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpKindInfo {
    /// Operator name.
    pub kind: String,
    /// Whether the runtime must be taught it.
    pub custom: bool,
    /// Versions that occur, in ascending order.
    pub versions: Vec<i32>,
    /// How many there are.
    pub count: usize,
    /// Bytes of constants; one that several kinds read counts for the first.
    pub constant_bytes: u64,
}

/// How many, and how large together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct SizeInfo {
    pub count: usize,
    pub bytes: u64,
}

/// Constants of a type.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct TypeInfo {
    #[serde(rename = "type")]
    pub ty: &'static str,
    pub count: usize,
    pub bytes: u64,
}

/// A constant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConstantInfo {
    /// Its subgraph.
    pub subgraph: String,
    /// The first tensor that shows it.
    pub name: String,
    /// Type, shape and quantisation as in the text form.
    pub tensor: String,
    /// Its size.
    pub bytes: u64,
    /// Operators that read that tensor.
    pub readers: Vec<String>,
}

/// Constants in another file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExternalInfo {
    /// Its name, which the runtime looks for in the folder of the model.
    pub file: Option<String>,
    /// How many there are.
    pub count: usize,
    /// Their bytes together.
    pub bytes: u64,
}

/// An entry of the metadata.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetadataInfo {
    /// Its name.
    pub name: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// Its bytes, where they are a short text.
    pub text: Option<String>,
}

/// What follows the model in its file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrailerInfo {
    /// Its size.
    pub bytes: u64,
    /// Names of the files in it, where it is a zip.
    pub files: Option<Vec<String>>,
}

/// The arithmetic of a model as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Weights and activations are floating-point numbers.
    Float,
    /// Weights are half-precision numbers, which are converted for the ops.
    Float16,
    /// Ops with floating-point activations read weights that are integers.
    DynamicRange,
    /// Weights are integers, which are converted for the ops.
    WeightOnly,
    /// Weights and activations are integers, except for conversions of inputs and outputs.
    FullInteger,
    /// Some ops compute with integers, others with floating-point numbers.
    Mixed,
    /// No op has floating-point or quantised operands.
    None,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float => "float",
            Self::Float16 => "float16",
            Self::DynamicRange => "dynamic range (hybrid)",
            Self::WeightOnly => "weight-only",
            Self::FullInteger => "full integer",
            Self::Mixed => "mixed",
            Self::None => "none",
        })
    }
}

/// The arithmetic of a model, and the ops by theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct QuantizationState {
    /// Of the whole.
    pub scheme: Scheme,
    /// Ops on floating-point numbers alone.
    pub float_ops: usize,
    /// Ops with floating-point activations and quantised constants.
    pub hybrid_ops: usize,
    /// Ops with quantised activations.
    pub integer_ops: usize,
    /// Dequantize of an integer constant.
    pub dequantized_constants: usize,
    /// Dequantize of a half-precision constant.
    pub float16_constants: usize,
    /// Quantize, and Dequantize of activations.
    pub conversions: usize,
    /// Ops on neither, for example on shapes and indices.
    pub other_ops: usize,
}

/// Looks a model over.
pub fn inspect(module: &Module, target: &Target) -> Inspection {
    let mut parts = Parts::new(module, Level::Quant);
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    if let Some((id, graph)) = module.subgraphs().next() {
        let mut port = |tensor: &TensorId| PortInfo {
            name: parts.tensor_name(id, *tensor).to_owned(),
            tensor: parts.tensor(id, *tensor),
        };
        inputs.extend(graph.inputs().iter().map(&mut port));
        outputs.extend(graph.outputs().iter().map(&mut port));
    }
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    let signatures = module.signatures().iter().map(|signature| SignatureInfo {
        key: text(&signature.key),
        subgraph: signature.subgraph,
        inputs: signature.inputs.iter().map(|(name, _)| text(name)).collect(),
        outputs: signature.outputs.iter().map(|(name, _)| text(name)).collect(),
    });
    let subgraphs = module.subgraphs().map(|(id, graph)| SubgraphInfo {
        name: parts.subgraph_name(id).to_owned(),
        ops: graph.op_count(),
        tensors: graph.tensor_count(),
    });
    let (signatures, subgraphs) = (signatures.collect(), subgraphs.collect());
    let constants = Constants::of(module);
    let min_runtime = target.model_min_runtime(module);
    Inspection {
        description: module.description().map(|text| text.to_string()),
        min_runtime: Some(min_runtime).filter(|release| !release.is_empty()),
        inputs,
        outputs,
        signatures,
        subgraphs,
        quantization: quantization(module),
        ops: op_list(module, &constants),
        constants: constants.total(),
        types: constants.types(),
        biggest: constants.biggest(module, &mut parts),
        external: external(module),
        metadata: metadata(module),
        trailer: trailer(module.trailer()),
        odd: module
            .oddities()
            .map(|(sg, id, why)| Finding {
                place: module.tensor_place(sg, id).to_string(),
                what: why.to_string(),
            })
            .collect(),
        contradictions: module
            .contradictions()
            .map(|(sg, op, what)| Finding {
                place: module.op_place(sg, op).to_string(),
                what: tfq_ir::visible(&what.to_string()).into_owned(),
            })
            .collect(),
        unloadable: tfq_pass::check_loadable(module, target)
            .into_iter()
            .map(|refused| Finding { place: refused.place, what: refused.what })
            .collect(),
    }
}

/// Buffers that are constants, each with the first tensor that shows it and the kind of the
/// first op that reads it.
struct Constants(IndexMap<BufferId, Constant>);

struct Constant {
    place: (SubgraphId, TensorId),
    ty: ElementType,
    bytes: u64,
    reader: Option<OpKind>,
}

impl Constants {
    fn of(module: &Module) -> Self {
        let mut found: IndexMap<BufferId, Constant> = IndexMap::default();
        for (id, graph) in module.subgraphs() {
            for tensor in graph.tensors() {
                let Some(bytes) = module.constant(id, tensor) else { continue };
                let data = graph.tensor(tensor);
                let constant = found.entry(data.buffer).or_insert_with(|| Constant {
                    place: (id, tensor),
                    ty: data.ty,
                    bytes: bytes.len() as u64,
                    reader: None,
                });
                if constant.reader.is_none() {
                    let reader = graph.uses(tensor).first().map(|u| graph.op(u.op).kind.clone());
                    constant.reader = reader;
                }
            }
        }
        Self(found)
    }

    fn total(&self) -> SizeInfo {
        SizeInfo { count: self.0.len(), bytes: self.0.values().map(|c| c.bytes).sum() }
    }

    fn types(&self) -> Vec<TypeInfo> {
        let mut types: IndexMap<ElementType, TypeInfo> = IndexMap::default();
        for constant in self.0.values() {
            let empty = TypeInfo { ty: constant.ty.name(), count: 0, bytes: 0 };
            let info = types.entry(constant.ty).or_insert(empty);
            info.count += 1;
            info.bytes += constant.bytes;
        }
        let mut types: Vec<TypeInfo> = types.into_values().collect();
        types.sort_by_key(|info| (std::cmp::Reverse(info.bytes), info.ty));
        types
    }

    fn biggest(&self, module: &Module, parts: &mut Parts<'_>) -> Vec<ConstantInfo> {
        let mut all: Vec<&Constant> = self.0.values().collect();
        all.sort_by_key(|constant| std::cmp::Reverse(constant.bytes));
        all.truncate(BIGGEST);
        let each = all.into_iter().map(|constant| {
            let (id, tensor) = constant.place;
            let graph = module.subgraph(id);
            let readers: BTreeSet<String> =
                graph.uses(tensor).iter().map(|u| graph.op(u.op).kind.name().to_owned()).collect();
            ConstantInfo {
                subgraph: parts.subgraph_name(id).to_owned(),
                name: parts.tensor_name(id, tensor).to_owned(),
                tensor: parts.tensor(id, tensor),
                bytes: constant.bytes,
                readers: readers.into_iter().collect(),
            }
        });
        each.collect()
    }
}

fn op_list(module: &Module, constants: &Constants) -> Vec<OpKindInfo> {
    let mut kinds: IndexMap<OpKind, (BTreeSet<i32>, usize, u64)> = IndexMap::default();
    for (_, graph) in module.subgraphs() {
        for op in graph.ops() {
            let op = graph.op(op);
            let info = kinds.entry(op.kind.clone()).or_default();
            info.0.insert(op.version);
            info.1 += 1;
        }
    }
    for constant in constants.0.values() {
        if let Some(info) = constant.reader.as_ref().and_then(|kind| kinds.get_mut(kind)) {
            info.2 += constant.bytes;
        }
    }
    let mut list: Vec<OpKindInfo> = kinds
        .into_iter()
        .map(|(kind, (versions, count, constant_bytes))| OpKindInfo {
            kind: kind.name().to_owned(),
            custom: matches!(kind, OpKind::Custom(_)),
            versions: versions.into_iter().collect(),
            count,
            constant_bytes,
        })
        .collect();
    list.sort_by(|a, b| {
        let key = |info: &OpKindInfo| (info.constant_bytes, info.count);
        key(b).cmp(&key(a)).then_with(|| a.kind.cmp(&b.kind))
    });
    list
}

fn quantization(module: &Module) -> QuantizationState {
    let mut state = QuantizationState {
        scheme: Scheme::None,
        float_ops: 0,
        hybrid_ops: 0,
        integer_ops: 0,
        dequantized_constants: 0,
        float16_constants: 0,
        conversions: 0,
        other_ops: 0,
    };
    for (id, graph) in module.subgraphs() {
        for op in graph.ops() {
            *match arithmetic(module, id, graph, op) {
                Arithmetic::Float => &mut state.float_ops,
                Arithmetic::Hybrid => &mut state.hybrid_ops,
                Arithmetic::Integer => &mut state.integer_ops,
                Arithmetic::DequantizedConstant => &mut state.dequantized_constants,
                Arithmetic::Float16Constant => &mut state.float16_constants,
                Arithmetic::Conversion => &mut state.conversions,
                Arithmetic::Other => &mut state.other_ops,
            } += 1;
        }
    }
    let integer_weights = state.hybrid_ops + state.dequantized_constants > 0;
    let float = state.float_ops + state.float16_constants > 0 || integer_weights;
    state.scheme = match (state.integer_ops > 0, float) {
        (true, true) => Scheme::Mixed,
        (true, false) => Scheme::FullInteger,
        (false, true) if state.hybrid_ops > 0 => Scheme::DynamicRange,
        (false, true) if integer_weights => Scheme::WeightOnly,
        (false, true) if state.float16_constants > 0 => Scheme::Float16,
        (false, true) => Scheme::Float,
        (false, false) => Scheme::None,
    };
    state
}

enum Arithmetic {
    Float,
    Hybrid,
    Integer,
    DequantizedConstant,
    Float16Constant,
    Conversion,
    Other,
}

fn arithmetic(module: &Module, id: SubgraphId, graph: &Subgraph, op: OpId) -> Arithmetic {
    let kind = &graph.op(op).kind;
    let first = graph.operand(op, 0);
    if kind.is(ops::DEQUANTIZE) {
        return match first {
            Some(t) if module.constant(id, t).is_none() => Arithmetic::Conversion,
            Some(t) if graph.tensor(t).ty.is_float() => Arithmetic::Float16Constant,
            _ => Arithmetic::DequantizedConstant,
        };
    }
    if kind.is(ops::QUANTIZE) {
        // From one integer to another is arithmetic like any other.
        let float = first.is_none_or(|t| graph.tensor(t).ty.is_float());
        return if float { Arithmetic::Conversion } else { Arithmetic::Integer };
    }
    let (mut float, mut quantised, mut quantised_constant) = (false, false, false);
    for tensor in graph.operands(op).into_iter().flatten().chain(graph.results(op)) {
        let data = graph.tensor(tensor);
        let constant = module.constant(id, tensor).is_some();
        match (constant, is_quantised(data)) {
            (true, true) => quantised_constant = true,
            (false, true) => quantised = true,
            (_, false) => float |= data.ty.is_float(),
        }
    }
    match (float, quantised, quantised_constant) {
        (true, false, true) => Arithmetic::Hybrid,
        (_, true, _) | (false, false, true) => Arithmetic::Integer,
        (true, false, false) => Arithmetic::Float,
        (false, false, false) => Arithmetic::Other,
    }
}

/// Whether a tensor's integers stand for real numbers.
fn is_quantised(tensor: &Tensor) -> bool {
    use ElementType::{Int2, Int4, Int8, Int16, Int32, Int64, UInt4, UInt8};
    let integer = matches!(tensor.ty, Int2 | Int4 | Int8 | Int16 | Int32 | Int64 | UInt4 | UInt8);
    integer
        && tensor.quantization.as_deref().is_some_and(|q| {
            let linked = matches!(
                q.details,
                QuantizationDetails::Blockwise { .. } | QuantizationDetails::MultiAxis { .. }
            );
            !q.scale.is_empty() || linked
        })
}

fn external(module: &Module) -> Vec<ExternalInfo> {
    let groups = module.external_buffer_groups().iter().enumerate();
    let info = groups.map(|(group, file)| {
        let of_group = module.external_buffers().iter().filter(|one| one.group as usize == group);
        let lengths = of_group.map(|one| one.length);
        ExternalInfo {
            file: file.as_deref().map(str::to_owned),
            count: lengths.clone().count(),
            bytes: lengths.fold(0, u64::saturating_add),
        }
    });
    info.collect()
}

fn metadata(module: &Module) -> Vec<MetadataInfo> {
    let entries = module.metadata().iter().map(|entry| {
        let bytes = module.constants().get(entry.buffer).map_or(&[][..], |bytes| bytes);
        // Writers fill short texts up with zeros.
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let text = std::str::from_utf8(&bytes[..end]).ok().filter(|text| {
            !text.is_empty() && text.len() <= 64 && !text.chars().any(char::is_control)
        });
        MetadataInfo {
            name: entry.name.as_deref().map(str::to_owned),
            bytes: bytes.len() as u64,
            text: text.map(str::to_owned),
        }
    });
    entries.collect()
}

fn trailer(bytes: &[u8]) -> Option<TrailerInfo> {
    let some = !bytes.is_empty();
    some.then(|| TrailerInfo { bytes: bytes.len() as u64, files: zip_names(bytes) })
}

/// Names of the files in a zip, from its directory; `None` where there is none that is plain.
fn zip_names(zip: &[u8]) -> Option<Vec<String>> {
    const END_RECORD: usize = 22;
    const ENTRY: usize = 46;
    let u16_at = |at: usize| -> Option<usize> {
        Some(usize::from(u16::from_le_bytes(zip.get(at..at + 2)?.try_into().ok()?)))
    };
    // A comment of up to 64 KiB may follow the record.
    let end = (0..=zip.len().checked_sub(END_RECORD)?)
        .rev()
        .take(1 << 16)
        .find(|at| zip[*at..].starts_with(b"PK\x05\x06"))?;
    let size = u32::from_le_bytes(zip.get(end + 12..end + 16)?.try_into().ok()?);
    let mut at = end.checked_sub(usize::try_from(size).ok()?)?;
    let mut names = Vec::new();
    while at < end {
        if !zip[at..].starts_with(b"PK\x01\x02") {
            return None;
        }
        let (name, extra, comment) = (u16_at(at + 28)?, u16_at(at + 30)?, u16_at(at + 32)?);
        let bytes = zip.get(at + ENTRY..at + ENTRY + name)?;
        names.push(String::from_utf8_lossy(bytes).into_owned());
        at += ENTRY + name + extra + comment;
    }
    Some(names)
}
