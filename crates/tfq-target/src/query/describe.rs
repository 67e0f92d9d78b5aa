//! A target in words: what `tfq-opt targets` prints.

use crate::facts::condition::Site;
use crate::facts::op::OpFacts;
use crate::facts::rows::{
    Asks, KernelRule, KernelSet, Objective, OpEntry, Origin, Reading, Scope, Takes,
};
use crate::facts::tensor_test::type_bit;
use crate::facts::versions;
use crate::form::{Granularity, WeightForm, grain};
use crate::query::question::as_stored;
use crate::query::releases::dequantize_version;
use crate::target::Target;
use serde::Serialize;
use tfq_ir::catalog::{op_by_code, ops::DEQUANTIZE};
use tfq_ir::{ElementType, Op, OpKind, SubgraphBuilder, Tensor};

/// A target: every row that counts for it, its own and those that it takes over.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Description {
    pub name: String,
    pub summary: String,
    /// The target whose rows come behind its own.
    pub extends: Option<String>,
    /// What a model must run on.
    pub kernels: Vec<&'static str>,
    /// The last release of the runtime that a model may ask for.
    pub max_runtime: Option<String>,
    /// What matters most where the user does not say.
    pub prefer: Objective,
    /// Whether the runtime converts a constant behind a Dequantize once.
    pub keeps_dequantized: bool,
    /// Rows about every op; they come first.
    pub every_op: Vec<RowDescription>,
    pub ops: Vec<OpDescription>,
    pub dequantize: Vec<DequantizeDescription>,
    pub since: Vec<SinceDescription>,
    pub memory: Vec<MemoryDescription>,
    pub speed: Vec<SpeedDescription>,
    /// What is refused of a model, whatever kernels can do.
    pub load: Vec<LoadDescription>,
    /// Ops whose result is not written where the model returns it.
    pub unwritten: Vec<UnwrittenDescription>,
    /// Ops whose result is computed once where they read constants.
    pub folded: Vec<FoldedDescription>,
    pub activations: Vec<ActivationsDescription>,
    /// Ops that run slowly, and what computes the same sooner.
    pub equivalent: Vec<EquivalentDescription>,
    /// What XNNPACK takes; nothing where the target does without it.
    pub delegate: Vec<DelegateDescription>,
}

/// What the target knows of an op, and the rows that decide about its weights: the first that fits.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct OpDescription {
    pub name: &'static str,
    /// Which instances of the op it is about; all where empty.
    pub when: Vec<String>,
    pub weights: Vec<u32>,
    pub activation: Option<u32>,
    pub biases: Vec<u32>,
    pub channel_axis: Option<i32>,
    /// The axis where `adj_y` is set.
    pub channel_axis_adj_y: Option<i32>,
    pub all_or_none: bool,
    pub pass_through: bool,
    /// Some form of some weight runs without a Dequantize.
    pub hybrid: bool,
    /// The last version that the target has; `None` where it has none or nothing is known.
    pub newest_version: Option<i32>,
    pub rows: Vec<RowDescription>,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// A row.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct RowDescription {
    /// Any where empty.
    pub types: Vec<&'static str>,
    /// Any where empty.
    pub granularity: Vec<&'static str>,
    pub when: Vec<String>,
    /// Whether it runs hybrid on all kernels of the target; a Dequantize is needed otherwise.
    pub hybrid: bool,
    /// Whether XNNPACK takes the op.
    pub delegated: bool,
    /// What happens where it does not run.
    pub effect: Option<String>,
    pub reason: Option<String>,
    /// Versions of the op that it takes, of a plain instance, in order of `types` and
    /// `granularity`.
    pub versions: Vec<VersionDescription>,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// The version that an op takes with weights of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct VersionDescription {
    pub r#type: &'static str,
    pub granularity: &'static str,
    /// The value of `asymmetric_quantize_inputs`, where the op has it and it matters.
    pub asymmetric: Option<bool>,
    pub version: i32,
    pub min_runtime: Option<&'static str>,
    /// Whether the target's last release has it.
    pub within_target: bool,
}

/// What Dequantize reads.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct DequantizeDescription {
    pub types: Vec<&'static str>,
    pub granularity: Vec<&'static str>,
    /// The release since which zero points other than 0 are read; `None` where they are not.
    pub zero_points: Option<String>,
    pub versions: Vec<VersionDescription>,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// Since when a kernel reads a weight so, where the operator version does not tell.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct SinceDescription {
    pub ops: Vec<&'static str>,
    pub types: Vec<&'static str>,
    pub granularity: Vec<&'static str>,
    pub when: Vec<String>,
    /// `None` where it is not known.
    pub runtime: Option<String>,
    /// Whether the target's last release has it.
    pub within_target: bool,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// What the runtime holds for a weight.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct MemoryDescription {
    /// Any where empty.
    pub ops: Vec<&'static str>,
    pub read: Reading,
    pub types: Vec<&'static str>,
    /// Any where empty.
    pub kernels: Vec<&'static str>,
    pub bytes_per_element: f64,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// What the runtime refuses, or cannot read without harm.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct LoadDescription {
    /// Parts of other kinds where empty.
    pub ops: Vec<&'static str>,
    pub when: Vec<String>,
    pub effect: String,
    pub reason: Option<String>,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// How long a kernel that reads codes takes beside the one for float32.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct SpeedDescription {
    /// Any where empty.
    pub ops: Vec<&'static str>,
    pub types: Vec<&'static str>,
    pub granularity: Vec<&'static str>,
    pub when: Vec<String>,
    /// What reads the codes.
    pub kernels: &'static str,
    /// What computes with float32 weights.
    pub float32_kernels: &'static str,
    pub processor: String,
    /// The time of the one as a part of the other's.
    pub times: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// Ops whose result is computed once where they read constants.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct FoldedDescription {
    pub ops: Vec<&'static str>,
    /// Any where empty.
    pub kernels: Vec<&'static str>,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// Ops whose result is not written where the model returns it.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct UnwrittenDescription {
    pub ops: Vec<&'static str>,
    pub when: Vec<String>,
    /// Any where empty.
    pub kernels: Vec<&'static str>,
    pub reason: String,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// Ops that run slowly, and what computes the same sooner.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct EquivalentDescription {
    pub ops: Vec<&'static str>,
    pub when: Vec<String>,
    #[serde(rename = "as")]
    pub name: String,
    /// Time of a model as a part of its time before, with XNNPACK.
    pub xnnpack: f64,
    /// The same on the CPU kernels alone.
    pub optimized: f64,
    /// Whether all that is gained is a border between partitions that goes.
    pub at_borders: bool,
    pub reason: String,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// Ops that read their activations as they are.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct ActivationsDescription {
    pub rule: String,
    /// Any where empty.
    pub ops: Vec<&'static str>,
    pub when: Vec<String>,
    /// What must matter most; anything where empty.
    pub prefer: Vec<Objective>,
    pub reason: String,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// Whether XNNPACK takes ops: the first row that fits decides.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct DelegateDescription {
    pub ops: Vec<&'static str>,
    pub when: Vec<String>,
    pub takes: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(flatten)]
    pub origin: OriginDescription,
}

/// Where a row stands and where it is from.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct OriginDescription {
    /// File of which target.
    pub file: String,
    pub line: usize,
    pub source: String,
}

/// Describes a target.
pub fn describe(target: &Target) -> Description {
    let rules = |code: Option<i32>| {
        let of = move |rule: &&KernelRule| match code {
            Some(code) => rule.scope.ops.contains(&code),
            None => rule.scope.is_general(),
        };
        target.rules.iter().filter(of)
    };
    // What stands behind a row without any condition never decides.
    let decided = |rule: &&KernelRule| {
        let scope = &rule.scope;
        scope.types == u32::MAX && scope.grains == grain::ALL && scope.when.is_empty()
    };
    let until_decided = |code: Option<i32>| {
        let end = rules(code).position(|rule| decided(&rule)).map_or(usize::MAX, |n| n + 1);
        rules(code).take(end)
    };
    let all_hidden = rules(None).any(|rule| decided(&rule));
    let mut ops = Vec::new();
    for (n, entry) in target.ops.iter().enumerate() {
        // One of its own hides that of the target it extends.
        let hidden = |earlier: &OpEntry| {
            earlier.code == entry.code
                && earlier.when.iter().all(|condition| entry.when.contains(condition))
        };
        if target.ops[..n].iter().any(hidden) {
            continue;
        }
        let facts = &entry.facts;
        let rows = until_decided(Some(entry.code)).filter(|_| !all_hidden);
        ops.push(OpDescription {
            name: facts.name,
            when: entry.texts.clone(),
            weights: facts.weights.clone(),
            activation: facts.activation,
            biases: facts.biases.clone(),
            channel_axis: facts.channel_axis,
            channel_axis_adj_y: facts.channel_axis_adj_y,
            all_or_none: facts.all_or_none,
            pass_through: facts.pass_through,
            hybrid: facts.hybrid,
            newest_version: target
                .registered_versions(&OpKind::Builtin(entry.code))
                .map(|(_, newest)| newest),
            rows: rows.map(|rule| row(target, Some((entry.code, facts)), rule)).collect(),
            origin: origin(&entry.origin),
        });
    }
    Description {
        name: target.name.clone(),
        summary: target.summary.clone(),
        extends: target.base.clone(),
        kernels: target.kernels.iter().map(|kernels| kernels_name(*kernels)).collect(),
        max_runtime: target.max_runtime.clone(),
        prefer: target.prefer,
        keeps_dequantized: target.keeps_dequantized,
        every_op: until_decided(None).map(|rule| row(target, None, rule)).collect(),
        ops,
        dequantize: dequantize(target),
        since: since(target),
        memory: memory(target),
        speed: speed(target),
        load: load(target),
        unwritten: unwritten(target),
        folded: folded(target),
        activations: activations(target),
        equivalent: equivalent(target),
        delegate: delegate(target),
    }
}

fn dequantize(target: &Target) -> Vec<DequantizeDescription> {
    let rows = target.dequantize.iter().map(|row| {
        let forms = forms(row.types, row.grains);
        let versions = forms.filter_map(|(ty, name, granularity)| {
            let version = dequantize_version(ty, granularity)?;
            Some(version_of(target, DEQUANTIZE, ty, name, None, version))
        });
        DequantizeDescription {
            types: types(row.types),
            granularity: grains(row.grains),
            zero_points: row.zero_points.clone(),
            versions: versions.collect(),
            origin: origin(&row.origin),
        }
    });
    rows.collect()
}

fn since(target: &Target) -> Vec<SinceDescription> {
    let Some(cap) = target.max_runtime.as_deref() else { return Vec::new() };
    let rows = target.since.iter().map(|row| SinceDescription {
        ops: op_names(&row.scope.ops),
        types: types(row.scope.types),
        granularity: grains(row.scope.grains),
        when: row.scope.texts.clone(),
        runtime: row.runtime.clone(),
        within_target: row.runtime.as_deref().is_some_and(|since| versions::reaches(cap, since)),
        origin: origin(&row.origin),
    });
    rows.collect()
}

fn memory(target: &Target) -> Vec<MemoryDescription> {
    let counts = |kernels: &[KernelSet]| {
        // What XNNPACK leaves runs on the optimised kernels.
        kernels.contains(&KernelSet::Optimized) || target.runs_on_any(kernels)
    };
    let rows = target.memory.iter().filter(|row| counts(&row.kernels));
    let described = rows.map(|row| MemoryDescription {
        ops: op_names(&row.ops),
        read: row.read,
        types: types(row.types),
        kernels: row.kernels.iter().map(|kernels| kernels_name(*kernels)).collect(),
        bytes_per_element: row.bytes,
        origin: origin(&row.origin),
    });
    described.collect()
}

fn speed(target: &Target) -> Vec<SpeedDescription> {
    let rows = target.speed.iter().filter(|row| {
        [row.kernels, row.float32_kernels].iter().all(|kernels| target.may_run_on(*kernels))
    });
    let described = rows.map(|row| SpeedDescription {
        ops: op_names(&row.scope.ops),
        types: types(row.scope.types),
        granularity: grains(row.scope.grains),
        when: row.scope.texts.clone(),
        kernels: kernels_name(row.kernels),
        float32_kernels: kernels_name(row.float32_kernels),
        processor: row.processor.clone(),
        times: row.times,
        reason: row.reason.clone(),
        origin: origin(&row.origin),
    });
    described.collect()
}

fn load(target: &Target) -> Vec<LoadDescription> {
    let rows = target.load.iter().map(|row| LoadDescription {
        ops: match &row.asks {
            Asks::Ops(ops, _) => op_names(ops),
            Asks::Test(_) => Vec::new(),
        },
        when: row.texts.clone(),
        effect: target.effect_of(|_| row.fails),
        reason: Some(row.reason.clone()).filter(|reason| !reason.is_empty()),
        origin: origin(&row.origin),
    });
    rows.collect()
}

fn unwritten(target: &Target) -> Vec<UnwrittenDescription> {
    let rows = target.unwritten.iter().filter(|row| target.runs_on_any(&row.kernels));
    let described = rows.map(|row| UnwrittenDescription {
        ops: op_names(&row.ops),
        when: row.texts.clone(),
        kernels: row.kernels.iter().map(|kernels| kernels_name(*kernels)).collect(),
        reason: row.reason.clone(),
        origin: origin(&row.origin),
    });
    described.collect()
}

fn equivalent(target: &Target) -> Vec<EquivalentDescription> {
    let described = target.equivalent.iter().map(|row| EquivalentDescription {
        ops: op_names(&row.ops),
        when: row.texts.clone(),
        name: row.name.clone(),
        xnnpack: row.xnnpack,
        optimized: row.optimized,
        at_borders: row.at_borders,
        reason: row.reason.clone(),
        origin: origin(&row.origin),
    });
    described.collect()
}

fn folded(target: &Target) -> Vec<FoldedDescription> {
    let rows = target.folded.iter().filter(|row| target.runs_on_any(&row.kernels));
    let described = rows.map(|row| FoldedDescription {
        ops: op_names(&row.ops),
        kernels: row.kernels.iter().map(|kernels| kernels_name(*kernels)).collect(),
        origin: origin(&row.origin),
    });
    described.collect()
}

fn activations(target: &Target) -> Vec<ActivationsDescription> {
    let described = target.activations.iter().map(|row| ActivationsDescription {
        rule: row.rule.clone(),
        ops: op_names(&row.ops),
        when: row.texts.clone(),
        prefer: row.prefer.clone(),
        reason: row.reason.clone(),
        origin: origin(&row.origin),
    });
    described.collect()
}

fn delegate(target: &Target) -> Vec<DelegateDescription> {
    let rows = target.delegate.iter().filter(|_| target.has_delegate());
    let described = rows.map(|row| DelegateDescription {
        ops: op_names(&row.ops),
        when: row.texts.clone(),
        takes: match row.takes {
            Takes::No => "no",
            Takes::Yes => "yes",
            Takes::WithAReader => "with-a-reader",
            Takes::WithAllReaders => "with-all-readers",
        },
        reason: row.reason.clone(),
        origin: origin(&row.origin),
    });
    described.collect()
}

fn row(target: &Target, op: Option<(i32, &OpFacts)>, rule: &KernelRule) -> RowDescription {
    let hybrid = rule.runs(&target.kernels);
    let versions = match op {
        Some((code, facts)) if hybrid => versions_of_row(target, code, facts, &rule.scope),
        _ => Vec::new(),
    };
    RowDescription {
        types: types(rule.scope.types),
        granularity: grains(rule.scope.grains),
        when: rule.scope.texts.clone(),
        hybrid,
        delegated: hybrid && rule.delegated && target.kernels.contains(&KernelSet::Xnnpack),
        effect: (!hybrid).then(|| target.effect(rule)),
        reason: (!hybrid).then(|| rule.reason.clone()),
        versions,
        origin: origin(&rule.origin),
    }
}

/// Versions that a plain instance of the op takes: of small matrices, without options.
fn versions_of_row(
    target: &Target,
    code: i32,
    facts: &OpFacts,
    scope: &Scope,
) -> Vec<VersionDescription> {
    let mut found = Vec::new();
    if scope.types == u32::MAX {
        return found;
    }
    for (ty, name, granularity) in forms(scope.types, scope.grains) {
        let of = |asymmetric| plain_version(code, facts, ty, granularity, asymmetric);
        let (plain, asymmetric) = (of(false), of(true));
        let differ = facts.asymmetric_attr && plain != asymmetric;
        let both = [(false, plain), (true, asymmetric)];
        for (flag, version) in both.into_iter().take(if differ { 2 } else { 1 }) {
            let Some(version) = version else { continue };
            found.push(version_of(target, code, ty, name, differ.then_some(flag), version));
        }
    }
    found
}

fn version_of(
    target: &Target,
    code: i32,
    ty: ElementType,
    granularity: &'static str,
    asymmetric: Option<bool>,
    version: i32,
) -> VersionDescription {
    VersionDescription {
        r#type: ty.name(),
        granularity,
        asymmetric,
        version,
        min_runtime: versions::runtimes().release(code, version),
        within_target: target.lacks(&OpKind::Builtin(code), version).is_none(),
    }
}

fn plain_version(
    code: i32,
    facts: &OpFacts,
    ty: ElementType,
    granularity: Granularity,
    asymmetric: bool,
) -> Option<i32> {
    let axis = facts.channel_axis.unwrap_or(0);
    let rank = 2.max(usize::try_from(axis).unwrap_or(0) + 1);
    let axis = usize::try_from(axis).unwrap_or(rank - 1);
    let granularity = match granularity {
        Granularity::PerChannel { .. } => Granularity::PerChannel { axis },
        other => other,
    };
    let mut sg = SubgraphBuilder::new(None);
    let float = Tensor::new("t", ElementType::Float32, vec![2; rank]);
    let slots = facts.weights.iter().chain(&facts.activation).chain(&facts.biases);
    let last = slots.copied().max()?;
    let mut operands = Vec::new();
    for slot in 0..=last {
        let tensor = if facts.weights.contains(&slot) {
            as_stored(&float, WeightForm::new(ty, granularity))
        } else if facts.activation == Some(slot) || facts.biases.contains(&slot) {
            float.clone()
        } else {
            Tensor::new("t", ElementType::Int32, [2])
        };
        operands.push(Some(sg.tensor(tensor)));
    }
    let result = sg.tensor(float);
    let op = sg.op(Op::new(OpKind::Builtin(code)), &operands, &[result]);
    let graph = sg.finish(operands.into_iter().flatten().collect(), vec![result]);
    let mut site = Site::bare(&graph, op);
    site.suppose_asymmetric(asymmetric);
    versions::rules().version(code, &site)
}

fn forms(types: u32, grains: u8) -> impl Iterator<Item = (ElementType, &'static str, Granularity)> {
    let types = all_types().filter(move |ty| types & type_bit(*ty) != 0);
    types.flat_map(move |ty| {
        let known = [
            (grain::TENSOR, "tensor", Granularity::PerTensor),
            (grain::CHANNEL, "channel", Granularity::PerChannel { axis: 0 }),
            (grain::UNSCALED, "unscaled", Granularity::Unscaled),
        ];
        let asked = known.into_iter().filter(move |(bit, ..)| grains & bit != 0);
        asked.map(move |(_, name, granularity)| (ty, name, granularity))
    })
}

fn all_types() -> impl Iterator<Item = ElementType> {
    (0..32).filter_map(ElementType::from_code)
}

fn types(set: u32) -> Vec<&'static str> {
    if set == u32::MAX {
        return Vec::new();
    }
    let named = all_types().filter(|ty| set & type_bit(*ty) != 0);
    named.map(ElementType::name).collect()
}

fn grains(set: u8) -> Vec<&'static str> {
    if set == grain::ALL {
        return Vec::new();
    }
    let named = [
        (grain::TENSOR, "tensor"),
        (grain::CHANNEL, "channel"),
        (grain::AXIS, "axis"),
        (grain::BLOCK, "block"),
        (grain::UNSCALED, "unscaled"),
        (grain::OTHER, "other"),
    ];
    named.into_iter().filter(|(bit, _)| set & bit != 0).map(|(_, name)| name).collect()
}

fn op_names(codes: &[i32]) -> Vec<&'static str> {
    codes.iter().filter_map(|code| op_by_code(*code)).map(|op| op.name).collect()
}

fn kernels_name(kernels: KernelSet) -> &'static str {
    match kernels {
        KernelSet::Reference => "reference",
        KernelSet::Optimized => "optimized",
        KernelSet::Xnnpack => "xnnpack",
    }
}

fn origin(origin: &Origin) -> OriginDescription {
    OriginDescription {
        file: origin.target.clone(),
        line: origin.line,
        source: origin.source.clone(),
    }
}
