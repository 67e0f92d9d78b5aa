//! What a row says of an operator.

use crate::ops::effects::Effects;
use crate::ops::fused_activation::Activation;
use crate::{ElementType, Op};

/// What is known of an operator of the format.
#[derive(Debug)]
pub struct OpSemantics {
    /// In order. The last may be variadic.
    pub operands: &'static [OperandInfo],
    /// Fewest operands.
    pub least_operands: usize,
    /// Most operands; `None` for any number.
    pub most_operands: Option<usize>,
    /// In order. The last may be variadic.
    pub results: &'static [ResultInfo],
    /// The types of the results, the last one for all that follow.
    pub types: &'static [TypeRule],
    /// The shapes of the results.
    pub shape: ShapeRule,
    /// What kind of operator it is.
    pub class: OpClass,
    /// Whether results hold values of operands unchanged, or a fill, so that operands and
    /// results must be quantised alike.
    pub moves_values: bool,
    /// Whether the first result is the bytes of operand 0, looked at in another way.
    pub view: bool,
    /// How the quantisations of operands and results relate.
    pub quantization: QuantizationRule,
    /// Where axes are named; `None`: nowhere.
    pub axis: Option<AxisRule>,
    /// The operand that holds positions along an axis of another, and that other.
    pub selects: Option<(u8, u8)>,
    /// Whether the layout NHWC (or NDHWC) is built in.
    pub channels_last: bool,
    /// What it does besides, those of called subgraphs and variables among operands aside:
    /// [`crate::effects()`] knows of these.
    pub effects: Effects,
    /// Whether all operands may be swapped.
    pub commutative: bool,
    /// The operator that does the same with operands swapped.
    pub mirror: Option<i32>,
    /// Operands whose memory the runtime's planner may give to the first result.
    pub shares_memory_with: &'static [u8],
    /// Operands of which only the shape matters.
    pub shape_only: &'static [u8],
    /// What it can apply to its results; `None` where it has no attribute for it.
    pub activations: Option<&'static [Activation]>,
    /// An error at run time that depends on values.
    pub may_fail: Option<&'static str>,
    /// An attribute and a value with which the op is another one, which this does not describe.
    pub except: Option<(&'static str, &'static str)>,
    /// Where this is from.
    pub source: Provenance,
}

/// An operand of an operator.
#[derive(Debug)]
pub struct OperandInfo {
    /// `filter`
    pub name: &'static str,
    /// What it is to the operator.
    pub role: OperandRole,
    /// Whether it may be left out (-1).
    pub optional: bool,
    /// Whether the list of operands may end before it.
    pub trailing: bool,
    /// Whether any number of these may follow.
    pub variadic: bool,
}

/// What an operand is to its operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandRole {
    /// Data.
    Activation,
    /// Usually constant, with a quantisation of its own.
    Weight,
    /// As a weight, and added to the results.
    Bias,
    /// A shape, axis, size or permutation, usually constant.
    Param,
    /// Data that is used as positions.
    Index,
    /// One value of the element type.
    Scalar,
    /// A variable that the op reads and updates in place.
    State,
    /// A resource.
    Handle,
    /// Passed to a subgraph.
    Argument,
    /// Only its shape matters.
    ShapeOnly,
}

/// A result of an operator.
#[derive(Debug)]
pub struct ResultInfo {
    /// `output`
    pub name: &'static str,
    /// Whether an attribute or a subgraph says how many of these there are.
    pub variadic: bool,
    /// Whether it is not there in one mode of the operator.
    pub optional: bool,
}

/// The type of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TypeRule {
    /// That of an operand.
    Same(u8),
    /// That of an operand, or the type given, which the file chooses, where the operand has one
    /// of these types, or any where there are none.
    SameOr(u8, ElementType, &'static [ElementType]),
    /// Always this.
    Fixed(ElementType),
    /// What an attribute says.
    Attribute(&'static str),
    /// What the file says, one of these, or anything where there are none. Who makes such an op
    /// and has no wish takes the first.
    Declared(&'static [ElementType]),
    /// The real type of a complex operand.
    Part(u8),
    /// What the called subgraphs say.
    Callee,
    /// It cannot be told.
    Unknown,
}

/// The shapes of the results; `docs/op-semantics.md` defines each.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum ShapeRule {
    Same(u8),
    Broadcast(&'static [u8]),
    Contents(u8),
    Scalar,
    Vector1,
    ShapeOf,
    Declared,
    Callee,
    None,
    Unknown,
    Conv2d,
    DepthwiseConv2d,
    Conv3d,
    Pool2d,
    ReduceWindow,
    StablehloReduceWindow,
    Dilate,
    FullyConnected,
    BatchMatmul,
    Reduce,
    ArgReduce,
    Topk,
    SegmentSum,
    UnsortedSegment,
    Reshape,
    Squeeze,
    ExpandDims,
    Transpose,
    Concat,
    Pack,
    Unpack,
    Split,
    SplitV,
    Slice,
    StridedSlice,
    Gather,
    GatherNd,
    StablehloGather,
    Pad,
    StablehloPad,
    Tile,
    Resize,
    SpaceToDepth,
    DepthToSpace,
    SpaceToBatchNd,
    BatchToSpaceNd,
    MatrixDiag,
    Bitcast,
    OneHot,
    Range,
    BroadcastArgs,
    Multinomial,
    Rfft2d,
    Lookup,
    EmbeddingSparse,
    HashtableLookup,
    LshProjection,
    SkipGram,
    Unique,
    Where,
    Nms,
    Lstm,
    Rnn,
    SeqRnn,
    Svdf,
    BidiLstm,
    BidiRnn,
}

/// What kind of operator it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpClass {
    /// Position by position.
    ElementwiseUnary,
    /// Position by position, after broadcasting.
    ElementwiseBinary,
    /// Position by position, after broadcasting.
    ElementwiseNary,
    /// Along one axis or some.
    AlongAxis,
    /// Windows that slide over spatial axes.
    Window,
    /// Sums of products.
    Matmul,
    /// Values are copied or dropped and change places.
    Movement,
    /// Rows of a table.
    Lookup,
    /// Without data to start from.
    Generator,
    /// The representation changes, position by position.
    Convert,
    /// The shape of the result depends on values.
    DataDependent,
    /// With a state that is a variable among the operands.
    Recurrent,
    /// Runs subgraphs.
    ControlFlow,
    /// Reads or writes resources.
    State,
    /// Nobody knows.
    Custom,
}

/// How the quantisations of operands and results relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantizationRule {
    /// There is no quantised form.
    None,
    /// Each has its own.
    Free,
    /// These operands and the results have one.
    Same(&'static [u8]),
    /// The kernel demands a certain one of the result.
    Fixed,
    /// Stored numbers are taken as they are.
    Ignored,
    /// The bias has the product of the scales of data and weights.
    Products,
    /// The op translates between stored and real numbers.
    Converts,
    /// As the called subgraphs have it.
    Callee,
    /// Recurrent ops have schemes of their own.
    Recurrent,
    /// It cannot be told.
    Unknown,
}

/// Where the axes of an operator are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisRule {
    /// Always these; negative ones count from the end.
    At(&'static [i8]),
    /// By attributes.
    Attributes(&'static [&'static str]),
    /// By the contents of an operand.
    Operand(u8),
    /// These operands have an entry for each axis.
    Each(&'static [u8]),
    /// Attributes have an entry for each axis.
    EachAttribute,
    /// As many leading ones as another operand says.
    Leading,
    /// Axis 0 of an operand.
    Table(u8),
}

/// Where a row is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Models of the op ran.
    Measured,
    /// No kernel runs it: it follows the like-named operator, or StableHLO.
    Analogy,
}

impl OpSemantics {
    /// The operand in a slot; those of a variadic one are the same.
    pub fn operand(&self, slot: usize) -> Option<&'static OperandInfo> {
        let last = self.operands.last().filter(|last| last.variadic);
        self.operands.get(slot).or(last)
    }

    /// The slots of the operands with a role, the variadic ones aside.
    pub fn slots(&self, role: OperandRole) -> impl Iterator<Item = u32> {
        let fixed = self.operands.iter().enumerate().filter(|(_, operand)| !operand.variadic);
        fixed.filter(move |(_, operand)| operand.role == role).map(|(slot, _)| slot as u32)
    }

    /// Whether it computes position by position.
    pub fn is_elementwise(&self) -> bool {
        use OpClass::*;
        matches!(self.class, ElementwiseUnary | ElementwiseBinary | ElementwiseNary)
    }

    /// The type rule of a result.
    pub fn type_rule(&self, result: usize) -> Option<TypeRule> {
        self.types.get(result).or(self.types.last()).copied()
    }

    /// Whether the operator gives values of the operand in a slot on as they are, or as another
    /// type of numbers: to the first result, and to all of a variadic one.
    pub fn passes_on(&self, slot: u32) -> bool {
        let converts = self.class == OpClass::Convert
            && self.quantization != QuantizationRule::Converts
            || self.moves_values;
        converts
            && self.operand(slot as usize).is_some_and(|info| info.role == OperandRole::Activation)
    }

    /// Where an operand holds positions along an axis of another operand: that operand and axis.
    pub fn selected_by(&self, op: &Op, slot: u32) -> Option<(u32, i64)> {
        let (_, table) = self.selects.filter(|(index, _)| u32::from(*index) == slot)?;
        Some((table.into(), op.int("axis").unwrap_or(0)))
    }

    pub(super) fn excepts(&self, op: &Op) -> bool {
        self.except.is_some_and(|(name, value)| {
            op.attrs.as_ref().and_then(|attrs| attrs.enum_name(name)) == Some(value)
        })
    }
}

// What the generated rows are written with, to keep them short.

pub(super) const BLANK: OpSemantics = OpSemantics {
    operands: &[],
    least_operands: 0,
    most_operands: None,
    results: &[],
    types: &[],
    shape: ShapeRule::Unknown,
    class: OpClass::Custom,
    moves_values: false,
    view: false,
    quantization: QuantizationRule::Unknown,
    axis: None,
    selects: None,
    channels_last: false,
    effects: Effects::NONE,
    commutative: false,
    mirror: None,
    shares_memory_with: &[],
    shape_only: &[],
    activations: None,
    may_fail: None,
    except: None,
    source: Provenance::Analogy,
};

pub(super) const fn operand(
    name: &'static str,
    role: OperandRole,
    optional: bool,
    trailing: bool,
    variadic: bool,
) -> OperandInfo {
    OperandInfo { name, role, optional, trailing, variadic }
}

pub(super) const fn result(name: &'static str, variadic: bool, optional: bool) -> ResultInfo {
    ResultInfo { name, variadic, optional }
}
