//! Data files of targets: reading and checking.

use crate::condition::{Condition, type_bit};
use crate::error::{Problem, TargetError};
use crate::form::grain;
use crate::target::{OpFacts, Target};
use serde::Deserialize;
use tfq_ir::ElementType;
use tfq_ir::catalog::{self, OpInfo};
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    extends: Option<Spanned<String>>,
    summary: String,
    kernels: Vec<Kernels>,
    #[serde(default)]
    op: Vec<Spanned<OpRow>>,
    #[serde(default)]
    rule: Vec<Spanned<RuleRow>>,
    #[serde(default)]
    dequantize: Vec<Spanned<DequantizeRow>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpRow {
    name: String,
    #[serde(default)]
    when: Vec<String>,
    weights: Vec<u32>,
    activation: Option<u32>,
    #[serde(default)]
    biases: Vec<u32>,
    channel_axis: Option<i32>,
    channel_axis_adj_y: Option<i32>,
    #[serde(default)]
    all_or_none: bool,
    #[serde(default)]
    asymmetric: bool,
    #[serde(default)]
    pass_through: bool,
    #[allow(dead_code)]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleRow {
    #[serde(default)]
    ops: Vec<String>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    granularity: Vec<Grain>,
    #[serde(default)]
    when: Vec<String>,
    optimized: Outcome,
    reference: Option<Outcome>,
    xnnpack: Option<XnnOutcome>,
    reason: Option<String>,
    #[allow(dead_code)]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DequantizeRow {
    types: Vec<String>,
    granularity: Vec<Grain>,
    #[allow(dead_code)]
    source: String,
}

/// An implementation of the ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kernels {
    Reference,
    Optimized,
    Xnnpack,
}

/// What kernels do with an op and a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Ok,
    Load,
    Prepare,
    Invoke,
    Silent,
    Crash,
    Unsupported,
    Untested,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum XnnOutcome {
    Delegated,
    Cpu,
    Prepare,
    Silent,
    Untested,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Grain {
    Tensor,
    Channel,
    Axis,
    Block,
    Unscaled,
    Other,
}

/// What happens to ops that it matches.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Codes of the ops that it is about; every op where empty.
    pub(crate) ops: Vec<i32>,
    pub(crate) types: u32,
    pub(crate) grains: u8,
    pub(crate) when: Vec<Condition>,
    pub(crate) optimized: Outcome,
    pub(crate) reference: Outcome,
    pub(crate) xnnpack: Outcome,
    pub(crate) delegated: bool,
    pub(crate) reason: String,
}

impl Rule {
    /// Whether it decides, for ops of this code, all that a later rule would.
    pub(crate) fn covers(&self, later: &Self, code: i32) -> bool {
        self.types & later.types == later.types
            && self.grains & later.grains == later.grains
            && (self.ops.is_empty() || self.ops.contains(&code))
            && self.when.iter().all(|condition| later.when.contains(condition))
    }

    /// Whether it is about every op.
    pub(crate) fn is_general(&self) -> bool {
        self.ops.is_empty()
    }

    pub(crate) fn outcome(&self, kernels: Kernels) -> Outcome {
        match kernels {
            Kernels::Reference => self.reference,
            Kernels::Optimized => self.optimized,
            Kernels::Xnnpack => self.xnnpack,
        }
    }
}

/// An `[[op]]` entry.
#[derive(Clone, Debug)]
pub(crate) struct OpEntry {
    pub(crate) code: i32,
    pub(crate) when: Vec<Condition>,
    pub(crate) facts: OpFacts,
}

/// The part of a target that its file says.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub(crate) summary: String,
    pub(crate) kernels: Vec<Kernels>,
    pub(crate) ops: Vec<OpEntry>,
    pub(crate) rules: Vec<Rule>,
    /// Sets of types and granularities.
    pub(crate) dequantize: Vec<(u32, u8)>,
    pub(crate) base: Option<&'static Target>,
}

pub(crate) fn parse(name: &str, text: &str) -> Result<Parsed, TargetError> {
    let at = |offset: usize, problem| {
        let line = 1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
        TargetError { target: name.to_owned(), line, problem }
    };
    let file: File = toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(text.len(), |span| span.start);
        at(offset, Problem::Syntax(error.message().to_owned()))
    })?;
    let base = match file.extends {
        Some(base) => match Target::named(base.get_ref()) {
            Some(target) => Some(target),
            None => {
                return Err(at(base.span().start, Problem::UnknownBase(base.into_inner())));
            }
        },
        None => None,
    };
    let mut ops = Vec::with_capacity(file.op.len());
    for row in file.op {
        let start = row.span().start;
        ops.push(op_entry(row.into_inner()).map_err(|problem| at(start, problem))?);
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(file.rule.len());
    let mut starts = Vec::with_capacity(file.rule.len());
    for row in file.rule {
        let start = row.span().start;
        let rule = rule(row.into_inner()).map_err(|problem| at(start, problem))?;
        // General rules come before all others, wherever they stand.
        let covers = |earlier: &Rule| match rule.ops.as_slice() {
            [] => earlier.is_general() && earlier.covers(&rule, 0),
            ops => ops.iter().any(|op| earlier.covers(&rule, *op)),
        };
        if let Some(earlier) = rules.iter().position(covers) {
            let line = at(starts[earlier], Problem::NoReason).line;
            return Err(at(start, Problem::Unreachable(line)));
        }
        starts.push(start);
        rules.push(rule);
    }
    let mut dequantize = Vec::with_capacity(file.dequantize.len());
    for row in file.dequantize {
        let types =
            type_set(&row.get_ref().types).map_err(|problem| at(row.span().start, problem))?;
        dequantize.push((types, grain_set(&row.get_ref().granularity)));
    }
    Ok(Parsed { summary: file.summary, kernels: file.kernels, ops, rules, dequantize, base })
}

fn op_entry(row: OpRow) -> Result<OpEntry, Problem> {
    let info = op_named(&row.name)?;
    let when = conditions(&row.when, &[info])?;
    if let Some((_, text)) =
        when.iter().zip(&row.when).find(|(condition, _)| condition.needs_weight())
    {
        return Err(Problem::NeedsWeight(text.clone()));
    }
    let facts = OpFacts {
        name: info.name,
        weights: row.weights,
        activation: row.activation,
        biases: row.biases,
        all_or_none: row.all_or_none,
        asymmetric_attr: row.asymmetric,
        pass_through: row.pass_through,
        hybrid: false,
        channel_axis: row.channel_axis,
        channel_axis_adj_y: row.channel_axis_adj_y,
    };
    Ok(OpEntry { code: info.code, when, facts })
}

fn rule(row: RuleRow) -> Result<Rule, Problem> {
    let infos = row.ops.iter().map(|name| op_named(name)).collect::<Result<Vec<_>, _>>()?;
    let when = conditions(&row.when, &infos)?;
    let optimized = row.optimized;
    let reference = row.reference.unwrap_or(optimized);
    let (xnnpack, delegated) = match row.xnnpack {
        None | Some(XnnOutcome::Cpu) => (optimized, false),
        Some(XnnOutcome::Delegated) => (Outcome::Ok, true),
        Some(XnnOutcome::Prepare) => (Outcome::Prepare, false),
        Some(XnnOutcome::Silent) => (Outcome::Silent, false),
        Some(XnnOutcome::Untested) => (Outcome::Untested, false),
    };
    let runs = [optimized, reference, xnnpack].iter().all(|outcome| *outcome == Outcome::Ok);
    if !runs && row.reason.is_none() {
        return Err(Problem::NoReason);
    }
    Ok(Rule {
        ops: infos.iter().map(|info| info.code).collect(),
        types: if row.types.is_empty() { u32::MAX } else { type_set(&row.types)? },
        grains: if row.granularity.is_empty() { grain::ALL } else { grain_set(&row.granularity) },
        when,
        optimized,
        reference,
        xnnpack,
        delegated,
        reason: row.reason.unwrap_or_default(),
    })
}

fn conditions(texts: &[String], ops: &[&'static OpInfo]) -> Result<Vec<Condition>, Problem> {
    texts.iter().map(|text| Condition::parse(text, ops)).collect()
}

pub(crate) fn op_named(name: &str) -> Result<&'static OpInfo, Problem> {
    catalog::op_by_name(name).ok_or_else(|| Problem::UnknownOp(name.to_owned()))
}

fn type_set(names: &[String]) -> Result<u32, Problem> {
    names.iter().try_fold(0, |set, name| {
        let ty = ElementType::from_name(name).ok_or_else(|| Problem::UnknownType(name.clone()))?;
        Ok(set | type_bit(ty))
    })
}

fn grain_set(grains: &[Grain]) -> u8 {
    grains.iter().fold(0, |set, grain| {
        set | match grain {
            Grain::Tensor => grain::TENSOR,
            Grain::Channel => grain::CHANNEL,
            Grain::Axis => grain::AXIS,
            Grain::Block => grain::BLOCK,
            Grain::Unscaled => grain::UNSCALED,
            Grain::Other => grain::OTHER,
        }
    })
}
