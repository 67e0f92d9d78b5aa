//! Data files of targets: reading and checking. The format is explained at the top of
//! `data/litert.toml`.

use crate::error::{Problem, TargetError};
use crate::facts::activation_test::ActivationTest;
use crate::facts::condition::{Condition, op_named};
use crate::facts::file::{
    ActivationsRow, Caps, DelegateRow, DequantizeRow, EquivalentRow, File, FoldedRow, Grain,
    LoadRow, MemoryRow, OpRow, RuleRow, SinceRow, Spanned, SpeedRow, UnwrittenRow, XnnOutcome,
    line_ends,
};
use crate::facts::load_test::LoadTest;
use crate::facts::op::OpFacts;
use crate::facts::rows::{
    Activations, Asks, Delegate, Dequantize, Equivalent, Folded, KernelRule, KernelSet, Load,
    Memory, Objective, OpEntry, Origin, Outcome, Scope, Since, Speed, Takes, Unwritten,
};
use crate::facts::tensor_test::type_bit;
use crate::facts::versions;
use crate::form::grain;
use std::ops::Range;
use std::panic::UnwindSafe;
use tfq_ir::ElementType;
use tfq_ir::catalog::OpInfo;

/// What gives the `[[delegate]]` rows.
pub(crate) type ReadDelegates = Box<dyn FnOnce() -> Vec<Delegate> + Send + UnwindSafe>;

/// The part of a target that its file says.
pub(crate) struct Parsed {
    pub(crate) summary: String,
    pub(crate) kernels: Option<Vec<KernelSet>>,
    pub(crate) max_runtime: Option<String>,
    pub(crate) prefer: Option<Objective>,
    pub(crate) keeps_dequantized: Option<bool>,
    /// Codes of ops.
    pub(crate) keeps_order: Option<Vec<i32>>,
    pub(crate) ops: Vec<OpEntry>,
    pub(crate) rules: Vec<KernelRule>,
    pub(crate) dequantize: Option<Vec<Dequantize>>,
    pub(crate) since: Vec<Since>,
    pub(crate) memory: Option<Vec<Memory>>,
    pub(crate) speed: Vec<Speed>,
    pub(crate) load: Option<Vec<Load>>,
    pub(crate) unwritten: Option<Vec<Unwritten>>,
    pub(crate) equivalent: Option<Vec<Equivalent>>,
    pub(crate) folded: Option<Vec<Folded>>,
    pub(crate) activations: Option<Vec<Activations>>,
    pub(crate) delegate: ReadDelegates,
    /// The name of a target that is there.
    pub(crate) base: Option<String>,
}

/// What is wrong, and where in the file.
type At = (Range<usize>, Problem);

/// Reads a file, which may extend what `is_target` says is one.
pub(crate) fn parse(
    name: &str,
    text: &str,
    is_target: impl Fn(&str) -> bool,
) -> Result<Parsed, TargetError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(text.len()..text.len());
        TargetError::new(name, text, span, Problem::Syntax(error.message().to_owned()))
    })?;
    let line_ends = line_ends(text);
    Reader { name, line_ends }
        .read(file, is_target)
        .map_err(|(span, problem)| TargetError::new(name, text, span, problem))
}

/// A shipped file, as the build script left it: where its lines end, and what it says. It keeps the
/// `[[delegate]]` rows apart.
pub(crate) fn shipped(
    name: &'static str,
    (rest, delegate): (&[u8], &'static [u8]),
    is_target: impl Fn(&str) -> bool,
) -> Parsed {
    const READ: &str = "a test reads every shipped target";
    let read = || {
        let (line_ends, file) = postcard::from_bytes(rest).ok()?;
        Reader { name, line_ends }.read(file, is_target).ok()
    };
    let delegates = move || {
        let (line_ends, rows) = postcard::from_bytes(delegate).ok()?;
        Reader { name, line_ends }.delegates(rows).ok()
    };
    Parsed { delegate: Box::new(move || delegates().expect(READ)), ..read().expect(READ) }
}

struct Reader<'a> {
    name: &'a str,
    /// Where lines end, to number them: every row asks for its own.
    line_ends: Vec<u32>,
}

impl Reader<'_> {
    fn read(&self, file: File, is_target: impl Fn(&str) -> bool) -> Result<Parsed, At> {
        let base = match file.extends {
            Some(base) if !is_target(base.get_ref()) => {
                return Err((base.span(), Problem::UnknownBase(base.into_inner())));
            }
            base => base.map(Spanned::into_inner),
        };
        if file.kernels.as_ref().map_or(base.is_none(), Vec::is_empty) {
            return Err((0..0, Problem::NoKernels));
        }
        let max_runtime = match file.max_runtime {
            Some(text) => Some(release(text)?),
            None => None,
        };
        let ops = file.op.into_iter().map(|row| self.op(row)).collect::<Result<_, _>>()?;
        let keeps_order = file
            .keeps_order
            .map(|ops| ops.iter().map(|op| Ok(op_at(op)?.code)).collect::<Result<_, At>>());
        let dequantize = file.dequantize.map(|rows| {
            rows.into_iter().map(|row| self.dequantize(row)).collect::<Result<_, At>>()
        });
        let memory = file
            .memory
            .map(|rows| rows.into_iter().map(|row| self.memory(row)).collect::<Result<_, At>>());
        let load = file
            .load
            .map(|rows| rows.into_iter().map(|row| self.load(row)).collect::<Result<_, At>>());
        let unwritten = file
            .unwritten
            .map(|rows| rows.into_iter().map(|row| self.unwritten(row)).collect::<Result<_, At>>());
        let folded = file
            .folded
            .map(|rows| rows.into_iter().map(|row| self.folded(row)).collect::<Result<_, At>>());
        let activations = file.activations.map(|rows| {
            rows.into_iter().map(|row| self.activations(row)).collect::<Result<_, At>>()
        });
        let equivalent = file.equivalent.map(|rows| {
            rows.into_iter().map(|row| self.equivalent(row)).collect::<Result<_, At>>()
        });
        let delegate = self.delegates(file.delegate)?;
        Ok(Parsed {
            summary: file.summary,
            kernels: file.kernels,
            max_runtime,
            prefer: file.prefer,
            keeps_dequantized: file.keeps_dequantized,
            keeps_order: keeps_order.transpose()?,
            ops,
            rules: self.rules(file.rule)?,
            dequantize: dequantize.transpose()?,
            since: file.since.into_iter().map(|row| self.since(row)).collect::<Result<_, _>>()?,
            memory: memory.transpose()?,
            speed: file.speed.into_iter().map(|row| self.speed(row)).collect::<Result<_, _>>()?,
            load: load.transpose()?,
            unwritten: unwritten.transpose()?,
            folded: folded.transpose()?,
            activations: activations.transpose()?,
            equivalent: equivalent.transpose()?,
            delegate: Box::new(|| delegate),
            base,
        })
    }

    fn origin(&self, span: &Range<usize>, source: String) -> Origin {
        let line = 1 + self.line_ends.partition_point(|end| (*end as usize) < span.start);
        Origin { target: self.name.to_owned(), line, source }
    }

    fn op(&self, row: Spanned<OpRow>) -> Result<OpEntry, At> {
        let span = row.span();
        let row = row.into_inner();
        let info = op_at(&row.name)?;
        let (when, texts) = conditions(&row.when, &[info])?;
        let delegated_as_float = match &row.delegated_as_float {
            Some(texts) => Some(conditions(texts, &[info])?.0),
            None => None,
        };
        let lists = [&row.when[..], row.delegated_as_float.as_deref().unwrap_or_default()];
        let all = when.iter().chain(delegated_as_float.iter().flatten());
        for (condition, text) in all.zip(lists.into_iter().flatten()) {
            if condition.needs_weight() {
                return Err((text.span(), Problem::NeedsWeight(text.get_ref().clone())));
            }
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
        let origin = self.origin(&span, row.source);
        let (code, spreads_scale) = (info.code, row.spreads_scale);
        Ok(OpEntry { code, when, texts, facts, spreads_scale, delegated_as_float, origin })
    }

    fn rules(&self, rows: Vec<Spanned<RuleRow>>) -> Result<Vec<KernelRule>, At> {
        let mut rules: Vec<KernelRule> = Vec::with_capacity(rows.len());
        for row in rows {
            let span = row.span();
            let rule = self.rule(row)?;
            // General rules come before all others, wherever they stand.
            let covers = |earlier: &&KernelRule| match rule.scope.ops.as_slice() {
                [] => earlier.scope.is_general() && earlier.scope.covers(&rule.scope, 0),
                ops => ops.iter().any(|op| earlier.scope.covers(&rule.scope, *op)),
            };
            if let Some(earlier) = rules.iter().find(covers) {
                return Err((span, Problem::Unreachable(earlier.origin.line)));
            }
            rules.push(rule);
        }
        Ok(rules)
    }

    fn rule(&self, row: Spanned<RuleRow>) -> Result<KernelRule, At> {
        let span = row.span();
        let row = row.into_inner();
        let scope = scope(&row.ops, &row.types, &row.granularity, &row.when)?;
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
            return Err((span, Problem::NoReason));
        }
        Ok(KernelRule {
            scope,
            optimized,
            reference,
            xnnpack,
            delegated,
            reason: row.reason.unwrap_or_default(),
            origin: self.origin(&span, row.source),
        })
    }

    fn dequantize(&self, row: Spanned<DequantizeRow>) -> Result<Dequantize, At> {
        let span = row.span();
        let row = row.into_inner();
        Ok(Dequantize {
            types: type_set(&row.types)?,
            grains: grain_set(&row.granularity),
            zero_points: row.zero_points.map(release).transpose()?,
            origin: self.origin(&span, row.source),
        })
    }

    fn since(&self, row: Spanned<SinceRow>) -> Result<Since, At> {
        let span = row.span();
        let row = row.into_inner();
        let runtime = match row.runtime.get_ref().as_str() {
            "unknown" => None,
            _ => Some(release(row.runtime)?),
        };
        Ok(Since {
            scope: scope(&row.ops, &row.types, &row.granularity, &row.when)?,
            runtime,
            origin: self.origin(&span, row.source),
        })
    }

    fn memory(&self, row: Spanned<MemoryRow>) -> Result<Memory, At> {
        let span = row.span();
        let row = row.into_inner();
        if !(row.bytes >= 0.0 && row.bytes.is_finite()) {
            return Err((span, Problem::Number(row.bytes.to_string())));
        }
        let infos = row.ops.iter().map(op_at).collect::<Result<Vec<_>, _>>()?;
        Ok(Memory {
            ops: infos.iter().map(|info| info.code).collect(),
            read: row.read,
            types: if row.types.is_empty() { u32::MAX } else { type_set(&row.types)? },
            kernels: row.kernels,
            bytes: row.bytes,
            origin: self.origin(&span, row.source),
        })
    }

    fn speed(&self, row: Spanned<SpeedRow>) -> Result<Speed, At> {
        let span = row.span();
        let row = row.into_inner();
        if !(row.times > 0.0 && row.times.is_finite()) {
            return Err((span, Problem::Number(row.times.to_string())));
        }
        if row.times > 1.0 && row.reason.is_none() {
            return Err((span, Problem::NoReason));
        }
        Ok(Speed {
            scope: scope(&row.ops, &row.types, &row.granularity, &row.when)?,
            kernels: row.kernels,
            float32_kernels: row.float32_kernels.unwrap_or(row.kernels),
            processor: row.processor,
            times: row.times,
            reason: row.reason.unwrap_or_default(),
            origin: self.origin(&span, row.source),
        })
    }

    fn load(&self, row: Spanned<LoadRow>) -> Result<Load, At> {
        let span = row.span();
        let row = row.into_inner();
        let (asks, texts) = match &row.when[..] {
            [test] if row.ops.is_empty() => {
                let unknown = || Problem::UnknownLoadTest(test.get_ref().clone());
                let named = LoadTest::named(test.get_ref());
                (
                    Asks::Test(named.ok_or_else(|| (test.span(), unknown()))?),
                    vec![test.get_ref().clone()],
                )
            }
            _ if row.ops.is_empty() => return Err((span, Problem::OneLoadTest)),
            texts => {
                let (ops, when, written) = ops_when(&row.ops, texts)?;
                (Asks::Ops(ops, when), written)
            }
        };
        if matches!(asks, Asks::Ops(..)) && row.reason.is_none() {
            return Err((span, Problem::NoReason));
        }
        let origin = self.origin(&span, row.source);
        Ok(Load { asks, texts, fails: row.fails, reason: row.reason.unwrap_or_default(), origin })
    }

    fn activations(&self, row: Spanned<ActivationsRow>) -> Result<Activations, At> {
        let span = row.span();
        let row = row.into_inner();
        let infos = row.ops.iter().map(op_at).collect::<Result<Vec<_>, _>>()?;
        let parse = |text: &Spanned<String>| {
            ActivationTest::parse(text.get_ref()).map_err(|problem| (text.span(), problem))
        };
        Ok(Activations {
            rule: row.rule,
            ops: infos.iter().map(|info| info.code).collect(),
            when: row.when.iter().map(parse).collect::<Result<_, _>>()?,
            texts: row.when.into_iter().map(Spanned::into_inner).collect(),
            prefer: row.prefer,
            reason: row.reason,
            origin: self.origin(&span, row.source),
        })
    }

    fn equivalent(&self, row: Spanned<EquivalentRow>) -> Result<Equivalent, At> {
        let span = row.span();
        let row = row.into_inner();
        for times in [row.xnnpack, row.optimized] {
            if !(times > 0.0 && times.is_finite()) {
                return Err((span, Problem::Number(times.to_string())));
            }
        }
        let (ops, when, texts) = ops_when(&row.ops, &row.when)?;
        Ok(Equivalent {
            ops,
            when,
            texts,
            name: row.name,
            xnnpack: row.xnnpack,
            optimized: row.optimized,
            at_borders: row.at_borders,
            reason: row.reason,
            origin: self.origin(&span, row.source),
        })
    }

    fn delegates(&self, rows: Vec<Spanned<DelegateRow>>) -> Result<Vec<Delegate>, At> {
        rows.into_iter().map(|row| self.delegate(row)).collect()
    }

    fn delegate(&self, row: Spanned<DelegateRow>) -> Result<Delegate, At> {
        let span = row.span();
        let row = row.into_inner();
        if row.takes == Takes::No && row.reason.is_none() {
            return Err((span, Problem::NoReason));
        }
        let (ops, when, texts) = ops_when(&row.ops, &row.when)?;
        let (takes, reason) = (row.takes, row.reason.unwrap_or_default());
        Ok(Delegate { ops, when, texts, takes, reason, origin: self.origin(&span, row.source) })
    }

    fn unwritten(&self, row: Spanned<UnwrittenRow>) -> Result<Unwritten, At> {
        let span = row.span();
        let row = row.into_inner();
        let (ops, when, texts) = ops_when(&row.ops, &row.when)?;
        let origin = self.origin(&span, row.source);
        Ok(Unwritten { ops, when, texts, kernels: row.kernels, reason: row.reason, origin })
    }

    fn folded(&self, row: Spanned<FoldedRow>) -> Result<Folded, At> {
        let span = row.span();
        let row = row.into_inner();
        let (ops, ..) = ops_when(&row.ops, &[])?;
        Ok(Folded { ops, kernels: row.kernels, origin: self.origin(&span, row.source) })
    }
}

/// Codes of ops, what must hold of them, and that as it is written.
type OpsWhen = (Vec<i32>, Vec<Condition>, Vec<String>);

/// The codes of ops, and conditions that ask nothing about a weight of theirs.
fn ops_when(ops: &[Spanned<String>], when: &[Spanned<String>]) -> Result<OpsWhen, At> {
    let infos = ops.iter().map(op_at).collect::<Result<Vec<_>, _>>()?;
    let (conditions, texts) = conditions(when, &infos)?;
    match conditions.iter().zip(when).find(|(condition, _)| condition.needs_weight()) {
        Some((_, text)) => Err((text.span(), Problem::NeedsWeight(text.get_ref().clone()))),
        None => Ok((infos.iter().map(|info| info.code).collect(), conditions, texts)),
    }
}

fn release(text: Spanned<String>) -> Result<String, At> {
    if versions::is_release(text.get_ref()) {
        Ok(text.into_inner())
    } else {
        Err((text.span(), Problem::Release(text.into_inner())))
    }
}

fn scope(
    ops: &[Spanned<String>],
    types: &[Spanned<String>],
    grains: &[Grain],
    when: &[Spanned<String>],
) -> Result<Scope, At> {
    let infos = ops.iter().map(op_at).collect::<Result<Vec<_>, _>>()?;
    let (when, texts) = conditions(when, &infos)?;
    Ok(Scope {
        ops: infos.iter().map(|info| info.code).collect(),
        types: if types.is_empty() { u32::MAX } else { type_set(types)? },
        grains: if grains.is_empty() { grain::ALL } else { grain_set(grains) },
        when,
        texts,
    })
}

fn conditions(
    texts: &[Spanned<String>],
    ops: &[&'static OpInfo],
) -> Result<(Vec<Condition>, Vec<String>), At> {
    let parse = |text: &Spanned<String>| {
        let condition = Condition::parse(text.get_ref(), ops);
        condition
            .map(|condition| (condition, text.get_ref().clone()))
            .map_err(|problem| (text.span(), problem))
    };
    texts.iter().map(parse).collect()
}

fn op_at(name: &Spanned<String>) -> Result<&'static OpInfo, At> {
    op_named(name.get_ref()).map_err(|problem| (name.span(), problem))
}

fn type_set(names: &[Spanned<String>]) -> Result<u32, At> {
    names.iter().try_fold(0, |set, name| {
        let ty = ElementType::from_name(name.get_ref())
            .ok_or_else(|| (name.span(), Problem::UnknownType(name.get_ref().clone())))?;
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

/// The shipped version caps, as the build script left them.
pub(crate) fn caps() -> Caps {
    const CAPS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/caps.bin"));
    postcard::from_bytes(CAPS).expect("a test reads every shipped target")
}
