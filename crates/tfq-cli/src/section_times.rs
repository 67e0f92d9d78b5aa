//! `tfq-opt inspect --partitions --runtime`: how long sections take.

use super::diagnostics::Failure;
use super::inputs::InputArgs;
use super::model::{self, ReadArgs};
use super::running::{Error, UseRuntime};
use super::subject::Subject;
use std::path::Path;
use tfq_ir::counted;
use tfq_opt::describe::{PartitionedSubgraph, Partitioning, RunsOn, SectionInfo};
use tfq_runtime::{Engine, Kernels, RunProfile, RuntimeError, Spread, Stage};

/// Runs before those that count, and runs that count.
const WARM_UP: u32 = 3;
const RUNS: u32 = 30;

/// Adds the times of the sections of the first signature's subgraph; on what they were measured.
pub(super) fn measure(
    path: &Path,
    reading: &ReadArgs,
    runtime: &Path,
    found: &mut Partitioning,
) -> Result<String, Failure> {
    if model::is_standard(path) {
        let help = "write it to a file first";
        return Err(Failure::usage("a model from standard input cannot be run as well", help));
    }
    let running = UseRuntime::at(runtime).find()?;
    let subject = Subject::load(path, reading)?;
    let mut inputs = InputArgs::default().read()?;
    inputs.check(&subject, None)?;
    let profiles = || -> Result<(u32, Vec<RunProfile>), Error> {
        let mut worker = running.worker(Engine::Library)?;
        let model = worker.load_profiling(subject.path(), Kernels::Xnnpack, 1)?;
        let Some(signature) = model.signatures.first() else {
            return Err(RuntimeError::new(Stage::Load, "it has nothing to run").into());
        };
        let values = inputs.values(&subject, signature, 0).map_err(Error::Command)?;
        worker.run(&model, 0, values)?;
        worker.again(&model, WARM_UP)?;
        let signatures = subject.module().map(tfq_ir::Module::signatures).unwrap_or_default();
        let called =
            signatures.iter().find(|known| known.key.as_deref() == signature.key.as_deref());
        Ok((called.map_or(0, |signature| signature.subgraph), worker.profile(&model, RUNS)?))
    };
    let (number, profiles) = profiles().map_err(|error| error.on(&subject.name))?;
    if let Some(graph) = found.subgraphs.iter_mut().find(|graph| graph.number == number) {
        add_times(graph, &profiles);
    }
    let runs = counted(RUNS, "run");
    Ok(format!(
        "{}, 1 thread, median of {runs}; a partition takes the time between ops of the CPU kernels",
        running.label()
    ))
}

/// The time of a section of the CPU kernels is that of its ops, that of a partition the time between
/// these: the runtime notes no others, and what a border costs is part of it.
fn add_times(graph: &mut PartitionedSubgraph, profiles: &[RunProfile]) {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); graph.sections.len()];
    for profile in profiles {
        let spans: Vec<_> =
            graph.sections.iter().map(|section| span(section, graph.number, profile)).collect();
        for (n, (section, times)) in graph.sections.iter().zip(&mut times).enumerate() {
            let (start, end) = match (section.runs_on, spans[n]) {
                (RunsOn::Cpu, Some(span)) => span,
                (RunsOn::Cpu, None) => continue,
                (RunsOn::Xnnpack, _) => {
                    let before = spans[..n].iter().rev().find_map(|span| *span);
                    let after = spans[n + 1..].iter().find_map(|span| *span);
                    (
                        before.map_or(profile.start, |span| span.1),
                        after.map_or(profile.end, |span| span.0),
                    )
                }
            };
            times.push(end.saturating_sub(start) as f64 * 1e-6);
        }
    }
    for (section, times) in graph.sections.iter_mut().zip(&times) {
        section.seconds = Spread::of(times).map(|spread| spread.median);
    }
}

/// When the ops of a section of the CPU kernels ran.
fn span(section: &SectionInfo, subgraph: u32, profile: &RunProfile) -> Option<(u64, u64)> {
    let ran = profile.ops.iter().filter(|op| {
        section.runs_on == RunsOn::Cpu
            && op.subgraph == subgraph
            && section.ops.binary_search(&(op.op as usize)).is_ok()
    });
    ran.map(|op| (op.start, op.end))
        .reduce(|(start, end), next| (start.min(next.0), end.max(next.1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfq_runtime::OpSpan;

    fn section(runs_on: RunsOn, ops: &[usize]) -> SectionInfo {
        SectionInfo {
            runs_on,
            ops: ops.to_vec(),
            kinds: Vec::new(),
            bytes_read: Some(0),
            bytes_given: Some(0),
            left: Vec::new(),
            seconds: None,
        }
    }

    fn ran(op: u32, start: u64, end: u64) -> OpSpan {
        OpSpan { subgraph: 0, op, start, end }
    }

    #[test]
    fn a_partition_takes_what_lies_between_ops_of_the_cpu() {
        let sections = vec![
            section(RunsOn::Xnnpack, &[0, 2]),
            section(RunsOn::Cpu, &[1, 3]),
            section(RunsOn::Xnnpack, &[4]),
        ];
        let mut graph = PartitionedSubgraph {
            name: "main".into(),
            number: 0,
            ops: 5,
            taken: 3,
            partitions: 2,
            sections,
        };
        // An op of a subgraph that is called is no op of this one.
        let inside = OpSpan { subgraph: 1, op: 1, start: 0, end: 900 };
        let run = |late: u64| RunProfile {
            start: 100,
            end: 190 + late,
            ops: vec![inside, ran(1, 140, 150), ran(3, 152, 160 + late)],
        };
        add_times(&mut graph, &[run(0), run(20), run(4)]);
        let micros: Vec<f64> =
            graph.sections.iter().map(|section| (1e6 * section.seconds.unwrap()).round()).collect();
        assert_eq!(micros, [40.0, 24.0, 30.0]);
    }

    #[test]
    fn a_subgraph_that_is_one_partition_takes_the_whole_time() {
        let sections = vec![section(RunsOn::Xnnpack, &[0])];
        let mut graph = PartitionedSubgraph {
            name: "main".into(),
            number: 0,
            ops: 1,
            taken: 1,
            partitions: 1,
            sections,
        };
        add_times(&mut graph, &[RunProfile { start: 5, end: 25, ops: Vec::new() }]);
        let seconds = graph.sections[0].seconds.unwrap();
        assert!((seconds - 20e-6).abs() < 1e-9, "{seconds}");
    }
}
