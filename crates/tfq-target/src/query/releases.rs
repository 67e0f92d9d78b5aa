//! Releases: which version of an op a model asks for, since when the runtime has it, and what a
//! target's last release lacks.

use crate::facts::condition::Site;
use crate::facts::rows::{KernelSet, Since};
use crate::facts::tensor_test::type_bit;
use crate::facts::versions;
use crate::form::{Granularity, WeightForm};
use crate::query::question::{Question, WeightOperand, all_hold, as_stored};
use crate::target::Target;
use smallvec::SmallVec;
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::{ElementType, Module, Op, OpId, OpKind, SubgraphBuilder, SubgraphId, Tensor, closest};

/// A target to use instead of one that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// The one for the release that was named: the last that has a target, at or before it. What
    /// came between changes nothing.
    Release(&'static str),
    /// One that is spelt almost like it.
    Spelt(&'static str),
}

impl Meant {
    /// What to tell who named the other.
    pub fn help(self) -> String {
        match self {
            Self::Release(name) => format!("did you mean `{name}`, the one for that release?"),
            Self::Spelt(name) => format!("did you mean `{name}`?"),
        }
    }
}

impl Target {
    /// The shipped target that somebody means who names one that does not exist.
    pub fn meant(name: &str) -> Option<Meant> {
        let of_release = || {
            let (family, release) = name.rsplit_once('-')?;
            let is_release = versions::is_release(release);
            let caps = Self::names().filter_map(|other| {
                let (of, cap) = other.rsplit_once('-')?;
                (of == family && versions::is_release(cap)).then_some((other, cap))
            });
            let before = caps.filter(|(_, cap)| is_release && versions::reaches(release, cap));
            let last =
                before.max_by(|(_, left), (_, right)| versions::compare_releases(left, right));
            last.map(|(other, _)| Meant::Release(other))
        };
        of_release().or_else(|| closest(name, Self::names()).map(Meant::Spelt))
    }

    /// The version that the op needs as it stands, by the converters' rules. `None` where there is
    /// no rule, or where the rules name a version that no runtime registers: keep what is there.
    pub fn version(&self, module: &Module, sg: SubgraphId, op: OpId) -> Option<i32> {
        let OpKind::Builtin(code) = module.subgraph(sg).op(op).kind else { return None };
        let version = versions::rules().version(code, &Site::new(module, sg, op))?;
        let (min, max) = versions::runtimes().registered(code)?;
        (min..=max).contains(&version).then_some(version)
    }

    /// The first release of the runtime (of TensorFlow, by its numbering) that has this version of
    /// the op.
    pub fn min_runtime(&self, kind: &OpKind, version: i32) -> Option<&'static str> {
        match kind {
            OpKind::Builtin(code) => versions::runtimes().release(*code, version),
            OpKind::Custom(_) => None,
        }
    }

    /// The first release that runs the op as it stands: the one of its version, or a later one
    /// where it reads quantised weights next to float data in a way that the version does not tell.
    /// `None` where nothing is known of it.
    pub fn op_min_runtime(&self, module: &Module, sg: SubgraphId, op: OpId) -> Option<&str> {
        let graph = module.subgraph(sg);
        let node = graph.op(op);
        let OpKind::Builtin(code) = node.kind else { return None };
        let mut latest = self.min_runtime(&node.kind, node.version);
        for slot in self.weight_slots(graph, op) {
            let Some(id) = graph.operand(op, slot) else { continue };
            let form = WeightForm::of(graph.tensor(id));
            let Some(question) = self.question(WeightOperand { module, sg, op, slot }, &form)
            else {
                continue;
            };
            let site = question.site();
            let needed = versions::rules().needed(code, &site);
            let of_version = needed.and_then(|version| self.min_runtime(&node.kind, version));
            let of_form = self.since(&question, &site).and_then(|row| row.runtime.as_deref());
            let asked = versions::max_runtime(latest.into_iter().chain(of_version).chain(of_form));
            // What the kernels do is asked where it matters only: it takes longest.
            if asked != latest && self.rule(&question).is_some_and(|rule| rule.runs(&self.kernels))
            {
                latest = asked;
            }
        }
        latest
    }

    /// The first release that runs every op of the model; empty where nothing is known of any. Ops
    /// that are not in the table, custom ones among them, do not count.
    pub fn model_min_runtime(&self, module: &Module) -> String {
        let ops = module.subgraphs().flat_map(|(sg, graph)| graph.ops().map(move |op| (sg, op)));
        let releases = ops.filter_map(|(sg, op)| self.op_min_runtime(module, sg, op));
        versions::max_runtime(releases).unwrap_or_default().to_owned()
    }

    /// The first and last version of the op that the runtime loads. `None` where it has none, or
    /// nothing is known of the op; see [`Self::lacks`].
    pub fn registered_versions(&self, kind: &OpKind) -> Option<(i32, i32)> {
        let OpKind::Builtin(code) = *kind else { return None };
        let (min, max) = versions::runtimes().registered(code)?;
        match self.max_runtime.as_deref() {
            Some(cap) => Some((min, self.newest(code, cap)?)),
            None => Some((min, max)),
        }
    }

    /// Why a runtime of the target's last release does not load the op in this version, if the
    /// target has a last release and it does not.
    pub fn lacks(&self, kind: &OpKind, version: i32) -> Option<String> {
        let (OpKind::Builtin(code), Some(cap)) = (kind, self.max_runtime.as_deref()) else {
            return None;
        };
        let runtimes = versions::runtimes();
        let release = runtimes.release_of(*code, version, self.needs_reference())?;
        (!versions::reaches(cap, release)).then(|| {
            let came = self.came_with(*code, version);
            format!("version {version} of {kind} {came}, and the target ends with {cap}")
        })
    }

    /// Why a runtime of the target's last release does not load the op as it stands, where that is
    /// due to how its operands are stored: with float32 ones it would, or it is a Dequantize.
    pub fn lacks_op(&self, module: &Module, sg: SubgraphId, op: OpId) -> Option<String> {
        self.max_runtime.as_deref()?;
        let graph = module.subgraph(sg);
        let kind = &graph.op(op).kind;
        let OpKind::Builtin(code) = *kind else { return None };
        let needed = |site: &Site<'_>| {
            let version = versions::rules().needed(code, site)?;
            let (min, max) = versions::runtimes().registered(code)?;
            (min..=max).contains(&version).then_some(version)
        };
        let lacks = self.lacks(kind, needed(&Site::new(module, sg, op))?)?;
        let mut as_float = Site::new(module, sg, op);
        for id in graph.operands(op).into_iter().flatten() {
            let mut tensor = graph.tensor(id).clone();
            if tensor.quantization.is_some() {
                tensor.ty = ElementType::Float32;
                tensor.quantization = None;
            }
            as_float.suppose(id, tensor);
        }
        as_float.suppose_asymmetric(false);
        let without = needed(&as_float);
        let blameless = without.is_some_and(|version| self.lacks(kind, version).is_some());
        (code == DEQUANTIZE || !blameless).then_some(lacks)
    }

    /// Why the runtime is too old for the op as it will be, if it is.
    pub(crate) fn too_new(
        &self,
        question: &Question<'_>,
        asymmetric: Option<bool>,
    ) -> Option<String> {
        let cap = self.max_runtime.as_deref()?;
        let (code, name, form) = (question.code, question.facts.name, question.form);
        let mut site = question.site();
        let alone = SmallVec::from_slice(&[question.id]);
        let all =
            if question.facts.all_or_none { site.float_weights(question.facts) } else { alone };
        let graph = question.module.subgraph(question.sg);
        for id in all {
            site.suppose(id, as_stored(graph.tensor(id), form));
        }
        if let Some(value) = asymmetric {
            site.suppose_asymmetric(value);
        }
        match self.since(question, &site).map(|row| row.runtime.as_deref()) {
            Some(None) => {
                return Some(format!(
                    "it is not known since which release the kernel of {name} reads {form} weights so, and the target \
                     ends with {cap}"
                ));
            }
            Some(Some(release)) if !versions::reaches(cap, release) => {
                return Some(format!(
                    "the kernel of {name} reads {form} weights so since {release}, and the target ends with {cap}"
                ));
            }
            _ => (),
        }
        let version = versions::rules().needed(code, &site)?;
        if self.newest(code, cap).is_some_and(|newest| version <= newest) {
            return None;
        }
        let came = self.came_with(code, version);
        Some(format!(
            "it takes version {version} of {name}, which {came}, and the target ends with {cap}"
        ))
    }

    fn needs_reference(&self) -> bool {
        self.kernels.contains(&KernelSet::Reference)
    }

    pub(crate) fn newest(&self, code: i32, cap: &str) -> Option<i32> {
        versions::runtimes().newest(code, cap, self.needs_reference())
    }

    fn came_with(&self, code: i32, version: i32) -> String {
        let runtimes = versions::runtimes();
        let first = runtimes.release(code, version).unwrap_or("no release");
        match runtimes.release_of(code, version, self.needs_reference()) {
            Some(late) if late != first => format!("came to the reference kernels with {late}"),
            _ => format!("came with {first}"),
        }
    }

    /// The row that tells since when the kernel reads the weight so, where the version does not.
    fn since(&self, question: &Question<'_>, site: &Site<'_>) -> Option<&Since> {
        let grains = question.grains();
        self.since.iter().find(|since| {
            since.scope.is_about(question.code)
                && since.scope.types & type_bit(question.form.ty) != 0
                && since.scope.grains & grains != 0
                && all_hold(&since.scope.when, site)
        })
    }
}

/// The version of a Dequantize that reads constants of this form.
pub(crate) fn dequantize_version(ty: ElementType, granularity: Granularity) -> Option<i32> {
    // Two channels are as good as any number.
    let shape: &[i32] = match granularity {
        Granularity::PerChannel { .. } => &[2],
        _ => &[1],
    };
    let along_the_first = match granularity {
        Granularity::PerChannel { .. } => Granularity::PerChannel { axis: 0 },
        other => other,
    };
    let float = Tensor::new("w", ElementType::Float32, shape);
    let mut sg = SubgraphBuilder::new(None);
    let from = match ty {
        ElementType::Float32 => float.clone(),
        _ => as_stored(&float, WeightForm::new(ty, along_the_first)),
    };
    let (from, to) = (sg.tensor(from), sg.tensor(float));
    let op = sg.op(Op::new(OpKind::Builtin(DEQUANTIZE)), &[Some(from)], &[to]);
    let graph = sg.finish(vec![from], vec![to]);
    versions::rules().version(DEQUANTIZE, &Site::bare(&graph, op))
}
