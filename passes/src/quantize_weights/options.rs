//! The types of the options.

use globset::{Glob, GlobSet, GlobSetBuilder};
use tfq_ir::OpKind;
use tfq_ir::catalog::op_by_name;
use tfq_pass::{OptionKind, OptionValue};

tfq_pass::option_enum! {
    /// What has a scale of its own.
    pub enum ScalesPer {
        /// The whole constant.
        Tensor = "tensor",
        /// Each output channel.
        Channel = "channel",
    }
}

tfq_pass::option_enum! {
    /// The type that weights get.
    pub enum WeightType {
        /// 8-bit integers, symmetric.
        Int8 = "int8",
        /// 16-bit floats.
        Float16 = "float16",
    }
}

impl WeightType {
    /// Bytes of an element.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::Int8 => 1,
            Self::Float16 => 2,
        }
    }
}

tfq_pass::option_enum! {
    /// Which operands are quantised.
    pub enum QuantizedOperands {
        /// Weights, also those that an op hands to a subgraph which reads them as such.
        Weights = "weights",
        /// All but biases.
        All = "all",
    }
}

tfq_pass::option_enum! {
    /// Whose arithmetic and choices are followed.
    pub enum Compat {
        /// Our own.
        None = "none",
        /// TensorFlow's legacy quantizer.
        Toco = "toco",
    }
}

tfq_pass::option_enum! {
    /// What matters most.
    pub enum Priority {
        /// What the target says.
        Target = "target",
        /// A small file.
        Size = "size",
        /// Little memory at run time.
        Ram = "ram",
        /// Quick answers.
        Latency = "latency",
        /// Quick answers as far as the file is at most 1.5 % or 2 kB larger for them.
        Balanced = "balanced",
    }
}

impl Priority {
    /// The choice, where the target would choose this.
    pub(crate) fn or(self, target: tfq_target::Objective) -> tfq_target::Objective {
        match self {
            Self::Target => target,
            Self::Size => tfq_target::Objective::Size,
            Self::Ram => tfq_target::Objective::Ram,
            Self::Latency => tfq_target::Objective::Latency,
            Self::Balanced => tfq_target::Objective::Balanced,
        }
    }
}

/// TensorFlow's tool leaves smaller constants alone.
pub(super) const LEGACY_MIN_ELEMENTS: u64 = 1024;

/// How many elements a constant must have to be quantised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinElements {
    /// A twentieth of all that the model stores, from 64 to 1024.
    #[default]
    Auto,
    /// So many.
    Number(u64),
}

impl OptionValue for MinElements {
    fn kind() -> OptionKind {
        OptionKind::Text("auto|INTEGER".into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            number => match number.parse() {
                Ok(number) => Ok(Self::Number(number)),
                Err(_) => Err("auto or a whole number from 0 on is wanted".to_owned()),
            },
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Operators by name, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpList(pub Vec<OpKind>);

impl OpList {
    /// Whether the operator is one of them.
    pub fn contains(&self, kind: &OpKind) -> bool {
        self.0.contains(kind)
    }
}

impl OptionValue for OpList {
    fn kind() -> OptionKind {
        OptionKind::Text("OP,...".into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let ops = names.map(|name| match op_by_name(name) {
            Some(op) => Ok(OpKind::Builtin(op.code)),
            None => Err(format!("`{name}` is no operator; names are as in the schema, CONV_2D")),
        });
        ops.collect::<Result<_, _>>().map(Self)
    }

    fn text(&self) -> String {
        self.0.iter().map(OpKind::name).collect::<Vec<_>>().join(",")
    }
}

/// Patterns of names, separated by commas; `*` stands for any text and `?` for one character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globs(pub Vec<String>);

impl Globs {
    /// Which of the patterns the name is one of.
    pub(super) fn matcher(&self) -> GlobSet {
        let mut all = GlobSetBuilder::new();
        self.0.iter().filter_map(|glob| Glob::new(glob).ok()).for_each(|glob| _ = all.add(glob));
        all.build().unwrap_or_default()
    }
}

/// A pattern that fits no weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdlePattern {
    /// The pattern.
    pub pattern: String,
    /// One that would fit and is much like it.
    pub meant: Option<String>,
}

/// The patterns of [`super::QuantizeWeights::keep`] that fit no weight: a
/// [product](tfq_pass::Report::products) of the pass, where there are some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdlePatterns(pub Vec<IdlePattern>);

impl OptionValue for Globs {
    fn kind() -> OptionKind {
        OptionKind::Text("GLOB,...".into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let globs = text.split(',').map(str::trim).filter(|glob| !glob.is_empty());
        let checked = globs.map(|glob| match Glob::new(glob) {
            Ok(_) => Ok(glob.to_owned()),
            Err(error) => Err(format!("`{glob}` is no pattern: {}", error.kind())),
        });
        checked.collect::<Result<_, _>>().map(Self)
    }

    fn text(&self) -> String {
        self.0.join(",")
    }
}

/// Custom ops with weights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomOps(pub Vec<CustomOp>);

/// A custom op with weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomOp {
    /// Its name in the model.
    pub name: String,
    /// Operand indices of its weights.
    pub weights: Vec<u32>,
    /// Whether it reads int8 weights itself.
    pub hybrid: bool,
}

impl CustomOps {
    /// The entry for an op.
    pub fn get(&self, kind: &OpKind) -> Option<&CustomOp> {
        let OpKind::Custom(name) = kind else { return None };
        self.0.iter().find(|op| op.name == **name)
    }
}

impl OptionValue for CustomOps {
    fn kind() -> OptionKind {
        OptionKind::Text("NAME:INDEX[:INDEX...][:hybrid],...".into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(custom_op).collect::<Result<_, _>>().map(Self)
    }

    fn text(&self) -> String {
        let entry = |op: &CustomOp| {
            let indices: Vec<String> = op.weights.iter().map(|n| format!(":{n}")).collect();
            let hybrid = if op.hybrid { ":hybrid" } else { "" };
            format!("{}{}{hybrid}", op.name, indices.concat())
        };
        self.0.iter().map(entry).collect::<Vec<_>>().join(",")
    }
}

fn custom_op(text: &str) -> Result<CustomOp, String> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let (mut weights, mut hybrid) = (Vec::new(), false);
    for part in parts {
        if part == "hybrid" {
            hybrid = true;
        } else {
            let index = part.parse().map_err(|_| format!("`{part}` is no operand index"))?;
            weights.push(index);
        }
    }
    if name.is_empty() || weights.is_empty() {
        return Err(format!("`{text}` lacks a name or an operand index"));
    }
    Ok(CustomOp { name: name.to_owned(), weights, hybrid })
}
