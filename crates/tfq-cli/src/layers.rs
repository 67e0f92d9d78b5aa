//! `compare --per-layer`.

use super::diagnostics::Failure;
use super::differences::{difference_json, numbers};
use super::inputs::Inputs;
use super::running::{Error, Running};
use super::subject::Subject;
use serde_json::{Value as Json, json};
use std::io::{self, Write};
use tfq_ir::SubgraphId;
use tfq_opt::debug::{Call, Layers, Section, Side, layers};
use tfq_runtime::{Engine, Kernels};
use tfq_text::visible;

/// How many layers are marked as the ones that add most noise.
const MARKED: usize = 3;

/// The first kernels that are no delegate: that would swallow tensors.
pub(super) fn kernels(kernels: &[Kernels]) -> Result<Kernels, Failure> {
    kernels.iter().copied().find(|kind| *kind != Kernels::Xnnpack).ok_or_else(|| {
        let help = "add reference or optimized to --kernels";
        Failure::usage("XNNPACK does not show what it computes inside", help)
    })
}

/// Runs both models and compares what their ops compute.
pub(super) fn find(
    running: &Running,
    [a, b]: [&Subject; 2],
    kernels: Kernels,
    signature: Option<&str>,
    inputs: &Inputs,
) -> Result<Vec<Layers>, Failure> {
    let (Some(first), Some(second)) = (a.module(), b.module()) else { return Ok(Vec::new()) };
    let sides = [Side { path: a.path(), module: first }, Side { path: b.path(), module: second }];
    let values =
        |signature: &_, sample| inputs.values(a, signature, sample).map_err(Error::Command);
    let start = || running.worker(Engine::Python);
    layers(start, sides, kernels, signature, inputs.samples(), values)
        .map_err(|error| error.on(&a.name))
}

/// `gain` tells what an op gains by A's constants, if it is a culprit, where that was measured.
pub(super) fn print(
    out: &mut impl Write,
    all: &[Layers],
    gain: Option<&impl Fn(SubgraphId, usize) -> Option<f64>>,
) -> io::Result<()> {
    for layers in all {
        let drops = layers.drops(MARKED);
        for (s, section) in layers.sections.iter().enumerate() {
            writeln!(out)?;
            writeln!(out, "{}", title(layers, section))?;
            if section.runs == 0 {
                continue;
            }
            writeln!(
                out,
                "{:>5} {:>9} {:>9} {:>9}  what it computes",
                "op", "SNR dB", "cosine", "max err"
            )?;
            for (n, layer) in section.layers.iter().enumerate() {
                write!(out, "{:>5} ", layer.op)?;
                numbers(out, &layer.difference)?;
                write!(out, "  {} {}", visible(&layer.kind), visible(&layer.name))?;
                match drops.iter().position(|at| *at == (s, n)) {
                    Some(0) => write!(out, "  <-- adds most noise")?,
                    Some(rank) => write!(out, "  <-- adds noise ({})", rank + 1)?,
                    None => (),
                }
                let culprit = gain.and_then(|gain| gain(section.subgraph, layer.op));
                match culprit {
                    Some(gain) if gain.is_finite() => {
                        writeln!(out, "  <-- culprit: {gain:+.1} dB with A's constants")?;
                    }
                    Some(_) => writeln!(out, "  <-- culprit: equal outputs with A's constants")?,
                    None => writeln!(out)?,
                }
            }
            for (what, names) in
                [("not in B", &section.unmatched), ("without a value", &section.unseen)]
            {
                if !names.is_empty() {
                    writeln!(out, "{what}: {}", visible(&names.join(", ")))?;
                }
            }
        }
    }
    if gain.is_none() && all.iter().any(|layers| !layers.drops(1).is_empty()) {
        writeln!(out)?;
        writeln!(
            out,
            "note: that is local, and in shares of the signal, not in dB; --ablate measures what matters at the outputs"
        )?;
    }
    Ok(())
}

/// `serving_default`, or `body of WHILE 3, the last time`.
fn title(layers: &Layers, section: &Section) -> String {
    let signature = visible(layers.signature.as_deref().unwrap_or("main"));
    match &section.call {
        None => signature.into_owned(),
        Some(Call { subgraph, op, kind, role }) => {
            let kind = visible(kind);
            let place = match subgraph.0 {
                0 => String::new(),
                n => format!(" of subgraph {n}"),
            };
            let when = if section.runs == 0 { "did not run" } else { "the last time that it ran" };
            format!("{signature}: {role} of {kind} {op}{place}, {when}")
        }
    }
}

pub(super) fn json(layers: &Layers) -> Json {
    let section = |section: &Section| {
        let matched: Vec<Json> = section
            .layers
            .iter()
            .map(|layer| {
                let mut object = difference_json(&layer.difference);
                object["op"] = layer.op.into();
                object["kind"] = layer.kind.clone().into();
                object["name"] = layer.name.clone().into();
                object["added_noise"] = layer.added.into();
                object
            })
            .collect();
        let call = section.call.as_ref().map(|call| {
            let Call { subgraph, op, kind, role } = call;
            json!({ "subgraph": subgraph.0, "op": op, "kind": kind, "role": role })
        });
        json!({
            "subgraph": section.subgraph.0,
            "call": call,
            "runs": section.runs,
            "matched": matched,
            "unmatched": section.unmatched,
            "without_value": section.unseen,
        })
    };
    let drops = layers.drops(MARKED).into_iter();
    let drops: Vec<Json> =
        drops.map(|(section, layer)| json!({ "section": section, "layer": layer })).collect();
    json!({
        "signature": layers.signature,
        "sections": layers.sections.iter().map(section).collect::<Vec<_>>(),
        "drops": drops,
    })
}
