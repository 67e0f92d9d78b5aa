//! `tfq-opt inspect`.

use super::diagnostics::{Failure, named};
use super::model::{self, ReadArgs};
use super::{partitions, section_times};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;
use tfq_ir::{counted, grouped};
use tfq_opt::describe::{Finding, Inspection, OpKindInfo};
use tfq_text::{quoted, visible, visible_quoted};
use tfq_tflite::Access;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model, as .tflite or as text; - reads standard input
    model: PathBuf,

    /// As JSON
    #[arg(long)]
    json: bool,

    /// Where the model falls apart between XNNPACK and the CPU kernels, in place of what it is
    #[arg(long)]
    partitions: bool,

    /// With --partitions: measure on this runtime how long each section takes; it is libLiteRt.so, or the folder
    /// of the ai_edge_litert package or its virtual environment
    #[arg(long, value_name = "PATH", requires = "partitions")]
    runtime: Option<PathBuf>,

    /// The runtime whose releases count
    #[arg(long, default_value = "litert", value_name = "NAME")]
    target: OsString,

    #[command(flatten)]
    reading: ReadArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let target = model::target(&args.target)?;
    let bytes = model::read(&args.model, Access::Parts)?;
    let module = tfq_opt::load(&bytes, &args.reading.options(&args.model)?)
        .map_err(|error| Failure::model(&args.model, error))?;
    if args.partitions {
        let found = tfq_opt::describe::partitions(&module, &target);
        let mut found = found.ok_or_else(|| partitions::no_delegate(target.name()))?;
        let measured = match &args.runtime {
            Some(runtime) => {
                Some(section_times::measure(&args.model, &args.reading, runtime, &mut found)?)
            }
            None => None,
        };
        let text = match args.json {
            true => partitions::json(&named(&args.model), measured.as_deref(), &found),
            false => partitions::text(&named(&args.model), measured.as_deref(), &found),
        };
        return model::write_bytes("-", text);
    }
    let inspection = tfq_opt::describe::inspect(&module, &target);
    let text = if args.json {
        let mut value = serde_json::to_value(&inspection).expect("plain data has a JSON form");
        value["file"] = named(&args.model).into();
        value["file_bytes"] = bytes.len().into();
        super::json::json_text(&value)
    } else {
        text(&named(&args.model), bytes.len() as u64, &inspection, target.name())
    };
    model::write_bytes("-", text)
}

/// How many findings of a kind are listed.
const MOST_FINDINGS: usize = 20;

fn text(file: &str, bytes: u64, model: &Inspection, target: &str) -> String {
    let mut out = String::new();
    _ = writeln!(out, "{file}: {}", counted(bytes as usize, "byte"));
    if let Some(description) = &model.description {
        _ = writeln!(out, "  description      {}", visible_quoted(description));
    }
    let runtime = model.min_runtime.as_deref().unwrap_or("unknown");
    _ = writeln!(out, "  minimum runtime  {runtime}");
    _ = writeln!(out, "  quantisation     {}", quantization(model));
    let ops: usize = model.subgraphs.iter().map(|graph| graph.ops).sum();
    let tensors: usize = model.subgraphs.iter().map(|graph| graph.tensors).sum();
    _ = writeln!(
        out,
        "  size             {}, {}, {} of {} bytes",
        counted(ops, "op"),
        counted(tensors, "tensor"),
        counted(model.constants.count, "constant"),
        grouped(model.constants.bytes)
    );

    ports(&mut out, "inputs", &model.inputs);
    ports(&mut out, "outputs", &model.outputs);
    if !model.signatures.is_empty() {
        out.push_str("\nsignatures\n");
    }
    for signature in &model.signatures {
        let name = |name: &Option<String>| visible_quoted(name.as_deref().unwrap_or_default());
        let list = |list: &[Option<String>]| list.iter().map(name).collect::<Vec<_>>().join(", ");
        let key = name(&signature.key);
        let (inputs, outputs) = (list(&signature.inputs), list(&signature.outputs));
        _ = writeln!(out, "  {key} ({inputs}) -> ({outputs})");
    }
    if model.subgraphs.len() > 1 {
        out.push_str("\nsubgraphs\n");
        for graph in &model.subgraphs {
            let name = quoted('@', &graph.name);
            _ = writeln!(
                out,
                "  {name}  {}, {}",
                counted(graph.ops, "op"),
                counted(graph.tensors, "tensor")
            );
        }
    }
    op_table(&mut out, &model.ops);
    if !model.types.is_empty() {
        out.push_str("\nconstants by type\n");
    }
    for ty in &model.types {
        let share = percent(ty.bytes, model.constants.bytes);
        _ = writeln!(
            out,
            "  {:13} {:>6}  {:>15} bytes  {share}",
            ty.ty,
            ty.count,
            grouped(ty.bytes)
        );
    }
    if !model.biggest.is_empty() {
        out.push_str("\nlargest constants\n");
    }
    for constant in &model.biggest {
        let share = percent(constant.bytes, model.constants.bytes);
        let mut name = quoted('%', &constant.name);
        if model.subgraphs.len() > 1 {
            name.insert_str(0, &format!("{} ", quoted('@', &constant.subgraph)));
        }
        let readers = match &constant.readers[..] {
            [] => "unused".to_owned(),
            readers => format!("for {}", visible(&readers.join(", "))),
        };
        let bytes = grouped(constant.bytes);
        _ = writeln!(out, "  {bytes:>15} bytes  {share}  {name} : {}, {readers}", constant.tensor);
    }
    if !model.external.is_empty() {
        out.push_str("\nconstants in other files\n");
    }
    for external in &model.external {
        let file = visible_quoted(external.file.as_deref().unwrap_or_default());
        let count = counted(external.count, "constant");
        _ = writeln!(out, "  {file}  {count}, {} bytes", grouped(external.bytes));
    }
    if !model.metadata.is_empty() {
        out.push_str("\nmetadata\n");
    }
    for entry in &model.metadata {
        let name = visible_quoted(entry.name.as_deref().unwrap_or_default());
        let text =
            entry.text.as_ref().map_or(String::new(), |text| format!("  {}", visible_quoted(text)));
        _ = writeln!(out, "  {name}  {} bytes{text}", grouped(entry.bytes));
    }
    if let Some(trailer) = &model.trailer {
        let files = match &trailer.files {
            Some(files) => {
                let names = files.iter().map(|name| visible_quoted(name));
                format!("zip of {}", names.collect::<Vec<_>>().join(", "))
            }
            None => "of unknown form".to_owned(),
        };
        _ = writeln!(out, "\nbehind the model\n  {} bytes, {files}", grouped(trailer.bytes));
    }
    findings(&mut out, "tensors without a single value, which passes leave alone", &model.odd);
    let heading = "ops that do not go with their operands, options or results";
    findings(&mut out, heading, &model.contradictions);
    let refused = format!("not taken by the target `{target}`");
    findings(&mut out, &refused, &model.unloadable);
    out
}

fn findings(out: &mut String, heading: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    _ = writeln!(out, "\n{heading}");
    for Finding { place, what } in findings.iter().take(MOST_FINDINGS) {
        _ = writeln!(out, "  {place}: {what}");
    }
    if let n @ 1.. = findings.len().saturating_sub(MOST_FINDINGS) {
        _ = writeln!(out, "  and {n} more");
    }
}

fn quantization(model: &Inspection) -> String {
    let state = &model.quantization;
    let counts = [
        (state.integer_ops, "integer op"),
        (state.hybrid_ops, "hybrid op"),
        (state.float_ops, "float op"),
        (state.dequantized_constants, "dequantised integer constant"),
        (state.float16_constants, "dequantised float16 constant"),
        (state.conversions, "conversion"),
        (state.other_ops, "other op"),
    ];
    let told = counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| counted(n, what));
    let told = told.collect::<Vec<_>>().join(", ");
    if told.is_empty() { state.scheme.to_string() } else { format!("{}: {told}", state.scheme) }
}

fn ports(out: &mut String, what: &str, ports: &[tfq_opt::describe::PortInfo]) {
    _ = writeln!(out, "\n{what}");
    for port in ports {
        _ = writeln!(out, "  {} : {}", quoted('%', &port.name), port.tensor);
    }
}

fn op_table(out: &mut String, ops: &[OpKindInfo]) {
    if ops.is_empty() {
        return;
    }
    let name = |info: &OpKindInfo| match info.custom {
        true => format!("custom {}", visible_quoted(&info.kind)),
        false => info.kind.clone(),
    };
    let width = ops.iter().map(|info| name(info).chars().count()).max().unwrap_or(0).max(8);
    _ = writeln!(out, "\n{:w$}  count  bytes of constants  versions", "ops", w = width + 2);
    for info in ops {
        let versions: Vec<String> = info.versions.iter().map(i32::to_string).collect();
        _ = writeln!(
            out,
            "  {:width$}  {:>5}  {:>18}  {}",
            name(info),
            info.count,
            grouped(info.constant_bytes),
            versions.join(", ")
        );
    }
}

fn percent(part: u64, of: u64) -> String {
    format!("{:5.1} %", 100.0 * part as f64 / of.max(1) as f64)
}
