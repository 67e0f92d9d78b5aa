//! Conditions of data files, and what they are asked about.
//!
//! `inN` and `outN` are the op's operands and results. A condition on one that is left out does not
//! hold. `ins` and `outs` are all of them that are there: what is asked must hold of each.
//!
//! | condition | holds where |
//! |---|---|
//! | `in2` | the operand is there |
//! | `in0=INT8\|UINT8` | its type is one of these |
//! | `in0=INT8/tensor` | its type is this, and it has one scale, which names dimension 0 |
//! | `in0.computed` | it is neither a constant nor a constant behind a Dequantize |
//! | `in1.sparse` | it is stored sparse |
//! | `in1.rank=2`, `in1.rank>6`, `in1.dim0<4` | its rank or a dimension of it compares so (`=`, `<`, `>`) |
//! | `in0.dims>0`, `in0.last>15`, `in0.elements=1` | each of its dimensions, its last one, or the number of its elements compares so |
//! | `in1.values>0` | it is a constant of integers (INT32, INT64) that all compare so |
//! | `in1.static` | it has bytes in the file, or a delegate unpacks what has (rows of `[[delegate]]` only) |
//! | `in1.static=FLOAT16` | a delegate unpacks it from a constant of one of these types |
//! | `in1.scales=dim0`, `in1.scales=axis` | it has as many scales as that dimension, or its quantised one, has indices |
//! | `in1.scales>1` | it has several scales |
//! | `in1.scales-along=0` | it has one scale, or several along this dimension with zero points 0; all are positive, normal and finite |
//! | `in1.zero-point` | it has a zero point other than 0 |
//! | `in0.quantised-as=out0` | both have the same scale and zero point |
//! | `in3.spans=in0` | it is a vector of as many elements as the other has dimensions |
//! | `one-type` | operands and results have one type |
//! | `scale.in0*in1/out0<256` | scales compare so |
//! | `inputs=2`, `inputs>5`, `results<2` | so many operands, left-out ones included, or results |
//! | `version=8` | the version of the op |
//! | `attr.keep_num_dims`, `attr.batch_dims=0`, `attr.padding=SAME\|VALID` | the attribute, or its schema default, is true or one of these values; a text is this one |
//! | `attr.block_size>1`, `attr.stride_w>attr.filter_width` | it compares so with a number, or with another attribute |
//! | `attr.new_shape.longer=8` | the attribute is a list of more elements, or has more bytes |
//! | `attr.new_shape.values<1` | the attribute is a list of numbers that all compare so |
//! | `unknown-type` | an attribute that names an element type has a value that stands for none |
//! | `no-subgraph` | an attribute that names a subgraph to call names none (-1) |
//! | `same-subgraph` | two attributes name one subgraph to call |
//! | `callee-misfit=1` | a subgraph that it calls does not take as many as the operands but for the first 1, or does not return as many as the results; one that is asked whether to go on, not one |
//! | `no-options` | it has no options table, or that of another op |
//! | `in-place` | it computes a tensor that it reads |
//! | `grouped` | data and filter (operands 0 and 1, rank 4) differ in their last and last-but-none dimension: input channels |
//!
//! The following ask about a weight, so only rules of a target have them:
//!
//! | condition | holds where |
//! |---|---|
//! | `weight-computed` | the weight is no constant of the model |
//! | `weight-sparse` | it is stored sparse |
//! | `zero-point` | it has the form in question already, with a zero point other than 0 |
//! | `bad-scale` | it has the form in question already, with a scale that is not positive, normal and finite |
//! | `weights-disagree` | another weight of the op has another form, and is no float32 constant that could get it |
//! | `row-not-multiple=4` | the elements for one index of axis 0 are no multiple of this |
//! | `block-not-multiple=32` | the block size is no multiple of this |
//! | `block-misfit` | blocks do not fill the rows of a matrix, or have scales that are not float16 |
//! | `activation-not-float32` | the op's float data is missing or has another type |
//! | `bias-float16` | a bias is a float16 constant, or one behind a Dequantize |
//! | `bias-not-float32` | a bias is there and has another type |
//! | `bias-computed` | a bias is `computed` as above |
//! | `maybe-grouped` | `grouped`, or the number of channels of the data is not known |
//! | `depth-multiplier-differs` | the attribute `depth_multiplier` times the channels of the data is not those of the filter, or unknown |
//! | `several-batches` | more than one batch dimension of operand 0 is, or may be, above 1, and operand 1 has no 1 third from the end |
//!
//! Types are those that consumers were written for (`Tensor::expressed`) where a condition is about
//! activations and biases, and stored ones elsewhere.

use crate::error::Problem;
use crate::facts::attr_test::{AttrTest, float_bits};
use crate::facts::op::OpFacts;
use crate::facts::relation_test::{Port, ScaleRatio, quantised_alike};
use crate::facts::tensor_test::{Compare, TensorTest, all_values, parse_compare, type_bit};
use crate::form::{Granularity, WeightForm, quantized_axis};
use smallvec::SmallVec;
use std::cell::OnceCell;
use tfq_ir::catalog::{self, AttrDefault, AttrType, OpInfo, ops};
use tfq_ir::{
    Attr, ElementType, Module, Op, OpId, Operands, QuantizationDetails, Subgraph, SubgraphId,
    Tensor, TensorId, TensorLink,
};

/// The attribute that makes a hybrid kernel quantise activations asymmetrically.
pub const ASYMMETRIC: &str = "asymmetric_quantize_inputs";
/// The attribute that names the subgraph which tells a loop whether to go on.
const CONDITION: &str = "cond_subgraph_index";

/// Conditions that take nothing but their name, and what `parse` makes of them.
const WEIGHT_TESTS: [(&str, WeightTest); 13] = [
    ("weight-computed", WeightTest::Computed),
    ("weight-sparse", WeightTest::Sparse),
    ("zero-point", WeightTest::ZeroPoint),
    ("bad-scale", WeightTest::BadScale),
    ("weights-disagree", WeightTest::Disagree),
    ("block-misfit", WeightTest::BlockMisfit),
    ("activation-not-float32", WeightTest::ActivationNotFloat32),
    ("bias-float16", WeightTest::BiasFloat16),
    ("bias-not-float32", WeightTest::BiasNotFloat32),
    ("bias-computed", WeightTest::BiasComputed),
    ("maybe-grouped", WeightTest::MaybeGrouped),
    ("depth-multiplier-differs", WeightTest::DepthMultiplierDiffers),
    ("several-batches", WeightTest::SeveralBatches),
];

/// Names for suggestions where a condition is misspelt.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let weight = WEIGHT_TESTS.iter().map(|(name, _)| *name);
    weight.chain([
        "grouped",
        "in-place",
        "no-options",
        "no-subgraph",
        "one-type",
        "same-subgraph",
        "unknown-type",
        "row-not-multiple=2",
        "block-not-multiple=32",
    ])
}

/// A condition, perhaps negated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Present(Port),
    Tensor(Port, TensorTest),
    Computed(Port),
    Sparse(Port),
    Static(Port),
    UnpackedFrom(Port, u32),
    Values(Port, Compare, i64),
    ScalesOfAxis(Port),
    QuantisedAs(Port, Port),
    Spans(Port, Port),
    OneType,
    Scales(Box<ScaleRatio>),
    Operands(Compare, usize),
    Results(Compare, usize),
    Version(i32),
    Attr(AttrTest),
    UnknownType,
    NoSubgraph,
    SameSubgraph,
    CalleeMisfit(usize),
    NoOptions,
    InPlace,
    Grouped,
    Weight(WeightTest),
}

/// What is asked about the weight in question.
#[derive(Clone, Copy, Debug, PartialEq)]
enum WeightTest {
    Computed,
    Sparse,
    ZeroPoint,
    BadScale,
    Disagree,
    RowNotMultiple(u64),
    BlockNotMultiple(u32),
    BlockMisfit,
    ActivationNotFloat32,
    BiasFloat16,
    BiasNotFloat32,
    BiasComputed,
    MaybeGrouped,
    DepthMultiplierDiffers,
    SeveralBatches,
}

/// The operator of this name.
pub(crate) fn op_named(name: &str) -> Result<&'static OpInfo, Problem> {
    catalog::op_by_name(name).ok_or_else(|| Problem::UnknownOp(name.to_owned()))
}

impl Condition {
    /// Reads a condition of a row about `ops`; of a row about every op where there are none.
    pub(crate) fn parse(text: &str, ops: &[&'static OpInfo]) -> Result<Self, Problem> {
        let (negated, bare) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let test = parse_test(bare, text, ops)?;
        Ok(Self { negated, test })
    }

    pub(crate) fn needs_weight(&self) -> bool {
        matches!(self.test, Test::Weight(_))
    }

    pub(crate) fn holds(&self, site: &Site<'_>) -> bool {
        self.negated != site.test(&self.test)
    }
}

fn parse_test(bare: &str, text: &str, ops: &[&'static OpInfo]) -> Result<Test, Problem> {
    use WeightTest as W;
    let unknown = || Problem::UnknownCondition(text.to_owned());
    let number = |value: &str| value.parse::<u32>().map_err(|_| unknown());
    if let Some(attr) = bare.strip_prefix("attr.") {
        return AttrTest::parse(attr, text, ops).map(Test::Attr);
    }
    match bare {
        "grouped" => return Ok(Test::Grouped),
        "one-type" => return Ok(Test::OneType),
        "in-place" => return Ok(Test::InPlace),
        "no-options" => return Ok(Test::NoOptions),
        "no-subgraph" => return Ok(Test::NoSubgraph),
        "same-subgraph" => return Ok(Test::SameSubgraph),
        "unknown-type" => return Ok(Test::UnknownType),
        _ => (),
    }
    let weight = WEIGHT_TESTS.iter().find(|(name, _)| *name == bare).map(|(_, test)| *test);
    if let Some(weight) = weight {
        return Ok(Test::Weight(weight));
    }
    if let Some(ratio) = bare.strip_prefix("scale.") {
        return Ok(Test::Scales(Box::new(ScaleRatio::parse(ratio).ok_or_else(unknown)?)));
    }
    for (name, test) in [("inputs", Test::Operands as CountTest), ("results", Test::Results)] {
        if let Some(rest) = bare.strip_prefix(name) {
            let (compare, count) = parse_compare(rest).ok_or_else(unknown)?;
            return Ok(test(compare, usize::try_from(count).map_err(|_| unknown())?));
        }
    }
    if let Some((name, value)) = bare.split_once('=') {
        match name {
            "version" => return Ok(Test::Version(value.parse().map_err(|_| unknown())?)),
            "callee-misfit" => return Ok(Test::CalleeMisfit(number(value)? as usize)),
            "row-not-multiple" => {
                return Ok(Test::Weight(W::RowNotMultiple(number(value)?.max(1).into())));
            }
            "block-not-multiple" => {
                return Ok(Test::Weight(W::BlockNotMultiple(number(value)?.max(1))));
            }
            _ => (),
        }
    }
    let (port, rest) = Port::parse(bare).ok_or_else(unknown)?;
    if let Some(test) = TensorTest::parse(rest)? {
        return Ok(Test::Tensor(port, test));
    }
    Ok(match rest {
        "" => Test::Present(port),
        ".computed" => Test::Computed(port),
        ".sparse" => Test::Sparse(port),
        ".static" => Test::Static(port),
        ".scales=axis" => Test::ScalesOfAxis(port),
        _ => {
            if let Some(values) = rest.strip_prefix(".values") {
                let (compare, value) = parse_compare(values).ok_or_else(unknown)?;
                Test::Values(port, compare, value)
            } else if let Some(other) = rest.strip_prefix(".quantised-as=") {
                Test::QuantisedAs(port, Port::named(other).ok_or_else(unknown)?)
            } else if let Some(other) = rest.strip_prefix(".spans=") {
                Test::Spans(port, Port::named(other).ok_or_else(unknown)?)
            } else if let Some(types) = rest.strip_prefix(".static=") {
                Test::UnpackedFrom(port, type_set(types.split('|'))?)
            } else {
                return Err(unknown());
            }
        }
    })
}

type CountTest = fn(Compare, usize) -> Test;

/// The set of the types of these names.
fn type_set<'a>(names: impl Iterator<Item = &'a str>) -> Result<u32, Problem> {
    names.into_iter().try_fold(0, |set, name| {
        let ty = ElementType::from_name(name);
        Ok(set | type_bit(ty.ok_or_else(|| Problem::UnknownType(name.to_owned()))?))
    })
}

/// What tells of a tensor whether a delegate unpacks it beforehand, and from which type.
pub(crate) type Unpacks<'a> = &'a dyn Fn(TensorId) -> Option<ElementType>;

/// An op, and perhaps a weight of it in a form that it has or could get.
pub(crate) struct Site<'a> {
    module: Option<(&'a Module, SubgraphId)>,
    graph: &'a Subgraph,
    id: OpId,
    op: &'a Op,
    /// Looked up when the first condition asks, as results are.
    operands: OnceCell<Operands>,
    results: OnceCell<SmallVec<[TensorId; 2]>>,
    weight: Option<Weight<'a>>,
    supposed: Supposed,
    unpacks: Option<Unpacks<'a>>,
}

/// What is supposed of the op that it is not yet.
#[derive(Default)]
struct Supposed {
    /// Operands as they would be stored.
    stored: SmallVec<[(TensorId, Tensor); 1]>,
    asymmetric: Option<bool>,
}

struct Weight<'a> {
    id: TensorId,
    tensor: &'a Tensor,
    form: WeightForm,
    /// Whether the tensor has that form already.
    settled: bool,
    facts: &'a OpFacts,
}

impl<'a> Site<'a> {
    /// An op of a module.
    pub(crate) fn new(module: &'a Module, sg: SubgraphId, id: OpId) -> Self {
        Self { module: Some((module, sg)), ..Self::bare(module.subgraph(sg), id) }
    }

    /// An op without the constants of its module: everything counts as computed.
    pub(crate) fn bare(graph: &'a Subgraph, id: OpId) -> Self {
        Self {
            module: None,
            graph,
            id,
            op: graph.op(id),
            operands: OnceCell::new(),
            results: OnceCell::new(),
            weight: None,
            supposed: Supposed::default(),
            unpacks: None,
        }
    }

    /// Asks about this operand, stored in this form.
    pub(crate) fn with_weight(
        mut self,
        id: TensorId,
        form: WeightForm,
        facts: &'a OpFacts,
    ) -> Self {
        let tensor = self.graph.tensor(id);
        let settled = WeightForm::of(tensor) == form;
        self.weight = Some(Weight { id, tensor, form, settled, facts });
        self
    }

    /// The op as a delegate sees it that unpacks some constants beforehand.
    pub(crate) fn unpacking(mut self, unpacks: Unpacks<'a>) -> Self {
        self.unpacks = Some(unpacks);
        self
    }

    /// Supposes that the operand is stored like this.
    pub(crate) fn suppose(&mut self, id: TensorId, stored: Tensor) {
        self.supposed.stored.push((id, stored));
    }

    /// Supposes that this is the value of `asymmetric_quantize_inputs`, where the op has that
    /// attribute.
    pub(crate) fn suppose_asymmetric(&mut self, value: bool) {
        self.supposed.asymmetric = Some(value);
    }

    /// The weights of the op that are float32 constants.
    pub(crate) fn float_weights(&self, facts: &OpFacts) -> SmallVec<[TensorId; 4]> {
        let weights = facts.weights.iter().filter_map(|slot| self.operand(*slot));
        weights
            .filter(|(id, weight)| weight.ty == ElementType::Float32 && self.is_constant(*id))
            .map(|(id, _)| id)
            .collect()
    }

    fn operands(&self) -> &Operands {
        self.operands.get_or_init(|| self.graph.operands(self.id))
    }

    fn results(&self) -> &[TensorId] {
        self.results.get_or_init(|| self.graph.results(self.id))
    }

    fn port(&self, port: Port) -> Option<&Tensor> {
        let id = self.port_id(port)?;
        let supposed = self.supposed.stored.iter().find(|(of, _)| *of == id);
        Some(supposed.map_or_else(|| self.graph.tensor(id), |(_, stored)| stored))
    }

    fn port_id(&self, port: Port) -> Option<TensorId> {
        match port {
            Port::In(slot) => self.operands().get(slot).copied().flatten(),
            Port::Out(slot) => self.results().get(slot).copied(),
            Port::Ins | Port::Outs => None,
        }
    }

    /// Whether it holds of the tensor; of all of them, where several are meant.
    fn each(&self, port: Port, holds: impl Fn(TensorId, &Tensor) -> bool) -> bool {
        let holds = |id: TensorId| {
            let supposed = self.supposed.stored.iter().find(|(of, _)| *of == id);
            holds(id, supposed.map_or_else(|| self.graph.tensor(id), |(_, stored)| stored))
        };
        match port {
            Port::Ins => self.operands().iter().flatten().all(|id| holds(*id)),
            Port::Outs => self.results().iter().all(|id| holds(*id)),
            one => self.port_id(one).is_some_and(holds),
        }
    }

    /// The bytes that the file has for a tensor, whoever computes it as well.
    fn stored_bytes(&self, id: TensorId) -> Option<&'a [u8]> {
        let (module, _) = self.module?;
        let tensor = Some(self.graph.tensor(id)).filter(|tensor| !tensor.is_variable)?;
        let bytes = module.constants().constant(tensor.buffer)?;
        let there = !bytes.is_empty() || tensor.elements() == Some(0);
        there.then_some(&bytes[..])
    }

    fn unpacked_from(&self, id: TensorId) -> Option<ElementType> {
        self.unpacks.and_then(|unpacks| unpacks(id))
    }

    fn operand(&self, slot: u32) -> Option<(TensorId, &'a Tensor)> {
        let id = self.port_id(Port::In(slot as usize))?;
        Some((id, self.graph.tensor(id)))
    }

    fn is_constant(&self, id: TensorId) -> bool {
        self.module.is_some_and(|(module, sg)| {
            module.constant(sg, id).is_some_and(|bytes| !bytes.is_empty())
        })
    }

    /// The tensor that a Dequantize makes this one of.
    fn dequantized(&self, id: TensorId) -> Option<TensorId> {
        let (producer, _) = self.graph.producer(id)?;
        if self.graph.op(producer).kind.is(ops::DEQUANTIZE) {
            self.graph.operand(producer, 0)
        } else {
            None
        }
    }

    fn is_computed(&self, id: TensorId) -> bool {
        !self.is_constant(id)
            && !self.dequantized(id).is_some_and(|source| self.is_constant(source))
    }

    fn attr(&self, name: &str) -> Option<i64> {
        if let Some(supposed) = self.supposed.asymmetric.filter(|_| name == ASYMMETRIC) {
            return Some(supposed.into());
        }
        let value = match self.op.attrs.as_ref().and_then(|attrs| attrs.get(name)) {
            Some(value) => value,
            None => match self.op.kind {
                tfq_ir::OpKind::Builtin(code) => {
                    let (_, info) = catalog::op_by_code(code)?.options?.attr(name)?;
                    match info.default {
                        AttrDefault::Bool(value) => Attr::Bool(value),
                        AttrDefault::Int(value) => Attr::Int(value),
                        AttrDefault::Float(value) => Attr::Float(value as f32),
                        AttrDefault::None => return None,
                    }
                }
                tfq_ir::OpKind::Custom(_) => return None,
            },
        };
        match value {
            Attr::Int(value) => Some(value),
            Attr::Bool(value) => Some(value.into()),
            Attr::Float(value) => Some(float_bits(value)),
            _ => None,
        }
    }

    fn test(&self, test: &Test) -> bool {
        match test {
            Test::Present(port) => self.each(*port, |_, _| true),
            Test::Tensor(port, test) => self.each(*port, |_, tensor| test.holds(tensor)),
            Test::Computed(port) => self.each(*port, |id, _| self.is_computed(id)),
            Test::Sparse(port) => self.each(*port, |_, tensor| tensor.sparsity.is_some()),
            Test::Static(port) => self.each(*port, |id, _| {
                self.stored_bytes(id).is_some() || self.unpacked_from(id).is_some()
            }),
            Test::UnpackedFrom(port, types) => self.each(*port, |id, _| {
                self.unpacked_from(id).is_some_and(|ty| types & type_bit(ty) != 0)
            }),
            Test::Values(port, compare, value) => self.each(*port, |id, tensor| {
                let holds = |number| compare.holds(number, *value);
                self.stored_bytes(id).is_some_and(|bytes| all_values(tensor, bytes, holds))
            }),
            Test::ScalesOfAxis(port) => self.each(*port, |_, tensor| {
                let axis = tensor.quantization.as_deref().and_then(|q| quantized_axis(tensor, q));
                axis.is_some_and(|(_, len)| len == tensor.scales())
            }),
            Test::QuantisedAs(port, other) => self.port(*other).is_some_and(|other| {
                self.each(*port, |_, tensor| quantised_alike(tensor, other))
            }),
            Test::Spans(port, other) => self.port(*other).is_some_and(|other| {
                let rank = i32::try_from(other.shape.len()).unwrap_or(i32::MAX);
                self.each(*port, |_, tensor| tensor.shape[..] == [rank])
            }),
            Test::OneType => {
                let first = self.port(Port::Out(0)).map(|tensor| tensor.ty);
                let same = |_, tensor: &Tensor| Some(tensor.ty) == first;
                self.each(Port::Ins, same) && self.each(Port::Outs, same)
            }
            Test::Scales(ratio) => ratio.holds(|port| self.port(port)),
            Test::Operands(compare, count) => compare.holds(self.operands().len(), *count),
            Test::Results(compare, count) => compare.holds(self.results().len(), *count),
            Test::Version(version) => self.op.version == *version,
            Test::Attr(test) => test
                .holds(|name| self.attr(name), |name| self.op.attrs.as_ref().and_then(|attrs| attrs.get(name))),
            Test::UnknownType => self.op.attrs.iter().any(|attrs| {
                attrs.options().attrs.iter().any(|info| {
                    let AttrType::Enum(names) = info.ty else { return false };
                    names.name == "TensorType"
                        && matches!(attrs.get(info.name), Some(Attr::Int(value)) if names.name_of(value).is_none())
                })
            }),
            Test::NoSubgraph => self.op.subgraph_refs().iter().any(|(_, value)| *value < 0),
            Test::SameSubgraph => {
                let called = self.op.subgraph_refs();
                called.windows(2).any(|pair| pair[0].1 == pair[1].1)
            }
            Test::CalleeMisfit(skipped) => self.calls_amiss(*skipped),
            Test::NoOptions => {
                let own = self.op.kind.options();
                let there = self.op.attrs.as_ref().map(|attrs| attrs.options().name);
                own.is_some_and(|own| there != Some(own.name))
            }
            Test::InPlace => {
                self.operands().iter().flatten().any(|id| self.results().contains(id))
            }
            Test::Grouped => match (self.port(Port::In(0)), self.port(Port::In(1))) {
                (Some(data), Some(filter)) => {
                    data.shape.len() == 4
                        && filter.shape.len() == 4
                        && data.shape[3] != filter.shape[3]
                }
                _ => false,
            },
            Test::Weight(test) => {
                self.weight.as_ref().is_some_and(|weight| self.weight_test(weight, *test))
            }
        }
    }

    /// Whether a subgraph that it calls does not take its operands, but for the first ones, or does not
    /// return its results.
    fn calls_amiss(&self, skipped: usize) -> bool {
        let Some((module, _)) = self.module else { return false };
        let taken = self.operands().len().saturating_sub(skipped);
        let results = self.results().len();
        self.op.subgraph_refs().into_iter().any(|(name, value)| {
            let there = |callee: &u32| (*callee as usize) < module.subgraphs().len();
            let Some(callee) = u32::try_from(value).ok().filter(there) else { return false };
            let callee = module.subgraph(SubgraphId(callee));
            let returned = if name == CONDITION { 1 } else { results };
            callee.inputs().len() != taken || callee.outputs().len() != returned
        })
    }

    fn weight_test(&self, weight: &Weight<'_>, test: WeightTest) -> bool {
        let tensor = weight.tensor;
        // Parameters say something about the form in question only where the tensor has that form
        // already.
        let parameters = || tensor.quantization.as_deref().filter(|_| weight.settled);
        let mut biases = weight.facts.biases.iter().filter_map(|slot| self.operand(*slot));
        match test {
            WeightTest::Computed => !self.is_constant(weight.id),
            WeightTest::Sparse => tensor.sparsity.is_some(),
            WeightTest::ZeroPoint => {
                parameters().is_some_and(|q| q.zero_point.iter().any(|zero| *zero != 0))
            }
            WeightTest::BadScale => parameters()
                .is_some_and(|q| q.scale.iter().any(|scale| !(scale.is_normal() && *scale > 0.0))),
            WeightTest::Disagree => self.weights_disagree(weight),
            WeightTest::RowNotMultiple(n) => row_elements(tensor).is_none_or(|row| row % n != 0),
            WeightTest::BlockNotMultiple(n) => match weight.form.granularity {
                Granularity::Blockwise { block } => block == 0 || block % n != 0,
                _ => true,
            },
            WeightTest::BlockMisfit => {
                let Granularity::Blockwise { block } = weight.form.granularity else { return true };
                let fits = tensor.shape.len() == 2
                    && row_elements(tensor)
                        .is_some_and(|row| row.checked_rem(block.into()) == Some(0));
                !fits || parameters().is_some_and(|q| !self.has_float16_scales(&q.details))
            }
            WeightTest::ActivationNotFloat32 => weight.facts.activation.is_some_and(|slot| {
                self.operand(slot).is_none_or(|(_, data)| written_for(data) != ElementType::Float32)
            }),
            WeightTest::BiasFloat16 => biases.any(|(id, bias)| {
                let float16 = |id| self.graph.tensor(id).ty == ElementType::Float16;
                bias.ty == ElementType::Float16
                    || self
                        .dequantized(id)
                        .is_some_and(|source| float16(source) && self.is_constant(source))
            }),
            WeightTest::BiasNotFloat32 => {
                biases.any(|(_, bias)| written_for(bias) != ElementType::Float32)
            }
            WeightTest::BiasComputed => biases.any(|(id, _)| self.is_computed(id)),
            WeightTest::MaybeGrouped => {
                let data = self.port(Port::In(0)).filter(|data| data.shape.len() == 4);
                data.and_then(|data| data.known_dim(3))
                    .is_none_or(|c| Some(&c) != tensor.shape.get(3))
            }
            WeightTest::DepthMultiplierDiffers => {
                let data = self.port(Port::In(0)).filter(|data| data.shape.len() == 4);
                let channels = data.and_then(|data| data.known_dim(3)).map(i64::from);
                let multiplied =
                    channels.zip(self.attr("depth_multiplier")).map(|(c, m)| c.saturating_mul(m));
                multiplied.is_none() || multiplied != tensor.shape.get(3).map(|dim| i64::from(*dim))
            }
            WeightTest::SeveralBatches => {
                let third_is_one = self
                    .port(Port::In(1))
                    .is_some_and(|rhs| rhs.shape.iter().nth_back(2) == Some(&1));
                let Some(data) = self.port(Port::In(0)).filter(|data| data.shape.len() >= 2) else {
                    return true;
                };
                let batches = data.shape.len() - 2;
                let large = |n: &usize| data.known_dim(*n).is_none_or(|dim| dim > 1);
                !third_is_one && (0..batches).filter(large).count() > 1
            }
        }
    }

    fn weights_disagree(&self, weight: &Weight<'_>) -> bool {
        // A weight that is float32 still will get the form together with the others.
        let undecided = weight.tensor.ty == ElementType::Float32;
        let mut others = weight.facts.weights.iter().filter_map(|slot| self.operand(*slot));
        others.any(|(id, other)| {
            let agrees = if other.ty == ElementType::Float32 {
                undecided && self.is_constant(id)
            } else {
                let form = WeightForm::of(other);
                // What matters of the granularity is whether there is one scale.
                form.ty == weight.form.ty
                    && (form.granularity == weight.form.granularity
                        || (other.scales() == 1
                            && single_scale(weight.tensor, weight.form.granularity)))
            };
            id != weight.id && !agrees
        })
    }

    fn has_float16_scales(&self, details: &QuantizationDetails) -> bool {
        match details {
            QuantizationDetails::Blockwise { scales: TensorLink::Tensor(id), .. } => {
                self.graph.contains_tensor(*id) && self.graph.tensor(*id).ty == ElementType::Float16
            }
            _ => false,
        }
    }
}

/// Whether the granularity comes down to one scale for this tensor.
pub(crate) fn single_scale(tensor: &Tensor, granularity: Granularity) -> bool {
    match granularity {
        Granularity::PerTensor => true,
        Granularity::PerChannel { axis } => tensor.shape.get(axis) == Some(&1),
        _ => false,
    }
}

/// The type that consumers of the tensor were written for.
fn written_for(tensor: &Tensor) -> ElementType {
    tensor.expressed.unwrap_or(tensor.ty)
}

/// Elements for one index of the first axis.
fn row_elements(tensor: &Tensor) -> Option<u64> {
    let (_, row) = tensor.shape.split_first()?;
    row.iter().try_fold(1_u64, |n, dim| n.checked_mul(u64::try_from(*dim).ok()?))
}
