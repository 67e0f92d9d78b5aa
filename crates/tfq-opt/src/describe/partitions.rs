//! Where a model falls apart between a delegate and the CPU kernels.

use serde::Serialize;
use tfq_ir::maps::{HashMap, IndexMap};
use tfq_ir::{Module, OpId, Subgraph, SubgraphId, TensorId};
use tfq_target::{Delegation, Section, Target};
use tfq_text::{Level, Parts};

/// How a runtime divides a model. Serialises to what `tfq-opt inspect --partitions --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Partitioning {
    /// Subgraphs that have ops.
    pub subgraphs: Vec<PartitionedSubgraph>,
}

/// A subgraph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionedSubgraph {
    /// Its name.
    pub name: String,
    /// Its number in the file.
    pub number: u32,
    /// How many ops it has.
    pub ops: usize,
    /// How many of these XNNPACK takes.
    pub taken: usize,
    /// How many nodes of XNNPACK it makes.
    pub partitions: usize,
    /// In the order in which they run.
    pub sections: Vec<SectionInfo>,
}

/// Ops that run one behind the other on the same kernels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SectionInfo {
    /// What runs it.
    pub runs_on: RunsOn,
    /// Its ops, by their places in the subgraph.
    pub ops: Vec<usize>,
    /// Kinds of its ops, in order of their first.
    pub kinds: Vec<KindCount>,
    /// Bytes that it reads of other sections; `None` where a size is not known in the file.
    pub bytes_read: Option<u64>,
    /// Bytes that other sections read of it.
    pub bytes_given: Option<u64>,
    /// Why XNNPACK leaves its ops, those with one reason together.
    pub left: Vec<LeftOps>,
    /// How long it takes, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// What runs a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum RunsOn {
    Xnnpack,
    Cpu,
}

/// Ops of a kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct KindCount {
    pub kind: String,
    /// Whether it is a custom op.
    pub custom: bool,
    pub count: usize,
}

/// Ops of a kind that XNNPACK leaves for one reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeftOps {
    /// Operator name.
    pub kind: String,
    /// Whether it is a custom op.
    pub custom: bool,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: usize,
    /// The first result of the first of them.
    pub first: Option<String>,
}

/// Looks where a model falls apart; `None` for a target without a delegate.
pub fn partitions(module: &Module, target: &Target) -> Option<Partitioning> {
    if !target.has_delegate() {
        return None;
    }
    let mut parts = Parts::new(module, Level::Quant);
    let with_ops = module.subgraphs().filter(|(_, graph)| graph.op_count() > 0);
    let subgraphs =
        with_ops.map(|(sg, graph)| of_subgraph(module, target, &mut parts, (sg, graph)));
    Some(Partitioning { subgraphs: subgraphs.collect() })
}

fn of_subgraph(
    module: &Module,
    target: &Target,
    parts: &mut Parts<'_>,
    (sg, graph): (SubgraphId, &Subgraph),
) -> PartitionedSubgraph {
    let divided = target.partitions(module, sg);
    let place: HashMap<OpId, usize> = graph.ops().enumerate().map(|(n, op)| (op, n)).collect();
    let mut section = |section: &Section| {
        let mut kinds: IndexMap<(&str, bool), usize> = IndexMap::default();
        let mut left: IndexMap<(&str, bool, &str), LeftOps> = IndexMap::default();
        for op in &section.ops {
            let kind = &graph.op(*op).kind;
            let (name, custom) = (kind.name(), matches!(kind, tfq_ir::OpKind::Custom(_)));
            *kinds.entry((name, custom)).or_default() += 1;
            let Delegation::Left(reason) = &divided.delegations[op] else { continue };
            let first =
                || graph.results(*op).first().map(|id| parts.tensor_name(sg, *id).to_owned());
            let ops = left.entry((name, custom, reason)).or_insert_with(|| LeftOps {
                kind: name.to_owned(),
                custom,
                reason: reason.to_string(),
                count: 0,
                first: first(),
            });
            ops.count += 1;
        }
        let kinds = kinds.into_iter();
        SectionInfo {
            runs_on: if section.delegated { RunsOn::Xnnpack } else { RunsOn::Cpu },
            ops: section.ops.iter().map(|op| place[op]).collect(),
            kinds: kinds
                .map(|((kind, custom), count)| KindCount { kind: kind.to_owned(), custom, count })
                .collect(),
            bytes_read: bytes(graph, &section.reads),
            bytes_given: bytes(graph, &section.gives),
            left: left.into_values().collect(),
            seconds: None,
        }
    };
    let sections = divided.sections.iter().map(&mut section).collect();
    PartitionedSubgraph {
        name: parts.subgraph_name(sg).to_owned(),
        number: sg.0,
        ops: graph.op_count(),
        taken: divided.delegations.values().filter(|delegation| delegation.is_taken()).count(),
        partitions: divided.delegated(),
        sections,
    }
}

fn bytes(graph: &Subgraph, tensors: &[TensorId]) -> Option<u64> {
    tensors.iter().try_fold(0_u64, |sum, id| sum.checked_add(graph.tensor(*id).byte_len()?))
}
