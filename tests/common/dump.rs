//! A module as text for goldens: one line for each tensor, op and entry, in the order of the
//! file, with names and no counters, so that a change moves the lines that it is about.

use std::collections::HashMap;
use std::fmt::Write;
use tfq_opt::format::DEQUANT_CACHE_METADATA;
use tfq_opt::ir::{
    Attr, Attributes, BufferId, Module, OpId, Subgraph, SubgraphId, Tensor, TensorId, TensorLink,
};

/// The whole module. Every line starts with what it is about.
pub(crate) fn dump(module: &Module) -> String {
    let mut out = String::new();
    let codes: Vec<String> =
        module.op_codes.iter().map(|code| format!("{} v{}", code.kind(), code.version)).collect();
    line(&mut out, format!("operators: {}", codes.join(", ")));
    line(&mut out, format!("buffers: {}", module.constants().len()));
    for entry in &module.metadata {
        let bytes = module.constants().get(entry.buffer).map_or(&[][..], |bytes| &bytes[..]);
        let name = entry.name.as_deref().unwrap_or("?");
        let text = String::from_utf8_lossy(bytes.split(|b| *b == 0).next().unwrap_or_default());
        let shown = match name {
            "min_runtime_version" => format!(" {text}"),
            DEQUANT_CACHE_METADATA => cache(bytes),
            _ => hash(bytes),
        };
        line(&mut out, format!("metadata {name}:{shown}"));
    }
    for signature in &module.signatures {
        let graph = module.subgraphs().nth(signature.subgraph as usize).map(|(_, graph)| graph);
        let links = |list: &[(Option<_>, TensorLink)]| {
            let text = |(name, link): &(Option<std::sync::Arc<str>>, TensorLink)| {
                let tensor = match (link, graph) {
                    (TensorLink::Tensor(id), Some(graph)) => label(graph, *id),
                    (link, _) => format!("{link:?}"),
                };
                format!("{}={tensor}", name.as_deref().unwrap_or("?"))
            };
            list.iter().map(text).collect::<Vec<_>>().join(", ")
        };
        let key = signature.key.as_deref().unwrap_or("?");
        let (inputs, outputs) = (links(&signature.inputs), links(&signature.outputs));
        let sg = signature.subgraph;
        line(&mut out, format!("signature {key}: subgraph {sg} ({inputs}) -> ({outputs})"));
    }
    for (id, graph) in module.subgraphs() {
        let name = graph.name.as_deref().map_or(String::new(), |name| format!(" {name:?}"));
        line(&mut out, format!("subgraph {}{name}:", id.0));
        subgraph(&mut out, module, id, graph);
    }
    out
}

/// The record of `annotate-dequant-cache`, a line for each Dequantize.
fn cache(bytes: &[u8]) -> String {
    let cache = tfq_schema::annotations::root_as_dequant_cache(bytes).expect("it is a record");
    let mut text = format!(" version {}, {} bytes kept", cache.version(), cache.total_bytes());
    for entry in cache.entries().into_iter().flatten() {
        let name = entry.name().unwrap_or("?");
        let why = entry.reason().variant_name().unwrap_or("?");
        let (kept, anew) = (entry.bytes(), entry.bytes_per_invoke());
        let (sg, op) = (entry.subgraph(), entry.operator());
        write!(text, "\n  {name} (op {sg}.{op}): {why}, {kept} bytes kept, {anew} anew")
            .expect("strings take all text");
    }
    text
}

fn line(out: &mut String, text: String) {
    writeln!(out, "{}", text.trim_end()).expect("strings take all text");
}

fn subgraph(out: &mut String, module: &Module, id: SubgraphId, graph: &Subgraph) {
    let shared = shared_buffers(module);
    for &input in graph.inputs() {
        line(out, format!("  input {}", typed(graph, input)));
    }
    for tensor in graph.tensors() {
        let node = graph.tensor(tensor);
        if let Some(bytes) = module.constant(id, tensor) {
            let all = shared.get(&node.buffer).map_or(String::new(), |n| format!(", 1 of {n}"));
            line(out, format!("  const {}{}{all}", typed(graph, tensor), hash(bytes)));
        } else if !graph.is_connected(tensor) {
            line(out, format!("  unused {}", typed(graph, tensor)));
        }
    }
    for op in graph.ops() {
        line(out, format!("  {}", op_text(graph, op)));
    }
    for &output in graph.outputs() {
        line(out, format!("  output {}", typed(graph, output)));
    }
}

fn op_text(graph: &Subgraph, op: OpId) -> String {
    let node = graph.op(op);
    let results: Vec<String> = graph.results(op).iter().map(|id| typed(graph, *id)).collect();
    let operand = |id: &Option<TensorId>| id.map_or("-".to_owned(), |id| label(graph, id));
    let operands: Vec<String> = graph.operands(op).iter().map(operand).collect();
    let attrs: Vec<String> =
        node.attrs.iter().chain(node.extra_attrs.as_deref()).flat_map(attributes).collect();
    let attrs = if attrs.is_empty() { String::new() } else { format!(" {{{}}}", attrs.join(", ")) };
    let (kind, version) = (&node.kind, node.version);
    format!("{} = {kind} v{version} ({}){attrs}", results.join(", "), operands.join(", "))
}

fn attributes(attrs: &Attributes) -> Vec<String> {
    let text = |name: &str, value: &Attr| match (attrs.enum_name(name), value) {
        (Some(value), _) => format!("{name}={value}"),
        (None, Attr::Bool(value)) => format!("{name}={value}"),
        (None, Attr::Int(value)) => format!("{name}={value}"),
        (None, Attr::Float(value)) => format!("{name}={value:?}"),
        (None, Attr::Ints(list)) => format!("{name}={list:?}"),
        (None, other) => format!("{name}={other:?}"),
    };
    attrs.set_values().map(|(info, value)| text(info.name, value)).collect()
}

/// `name: type[shape]`, scales, and what else is not usual.
fn typed(graph: &Subgraph, id: TensorId) -> String {
    let tensor = graph.tensor(id);
    let signature = match &*tensor.shape_signature {
        [] => String::new(),
        signature => format!(" signature {signature:?}"),
    };
    let variable = if tensor.is_variable { " variable" } else { "" };
    let dims: Vec<String> = tensor.shape.iter().map(i32::to_string).collect();
    let (ty, dims) = (tensor.ty, dims.join(","));
    format!("{}: {ty}[{dims}]{}{signature}{variable}", label(graph, id), scales(tensor))
}

fn scales(tensor: &Tensor) -> String {
    let Some(q) = tensor.quantization.as_deref() else { return String::new() };
    let ranges = if q.min.is_empty() { "" } else { " min/max" };
    let zero_points = if q.zero_point.iter().all(|z| *z == 0) { "" } else { " with zero points" };
    let (low, high) = q
        .scale
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), s| (low.min(*s), high.max(*s)));
    let scales = match q.scale.len() {
        0 => String::new(),
        1 => format!(" scale {low:.4e}"),
        n => format!(" {n} scales {low:.4e}..{high:.4e} along {}", q.quantized_dimension),
    };
    format!("{scales}{zero_points}{ranges}")
}

/// The name; where it is missing, empty, not unique or not plain, told apart by its number.
fn label(graph: &Subgraph, id: TensorId) -> String {
    let name = graph.tensor(id).name.as_deref().unwrap_or("");
    let alike = graph.tensors().filter(|t| graph.tensor(*t).name.as_deref() == Some(name)).count();
    if !name.is_empty() && alike == 1 {
        return name.escape_debug().to_string();
    }
    let number = graph.tensors().position(|t| t == id).expect("the tensor is there");
    format!("{}#{number}", name.escape_debug())
}

/// Buffers that several tensors show, and how many do.
fn shared_buffers(module: &Module) -> HashMap<BufferId, usize> {
    let mut shown: HashMap<BufferId, usize> = HashMap::new();
    for (_, graph) in module.subgraphs() {
        graph.tensors().for_each(|t| *shown.entry(graph.tensor(t).buffer).or_default() += 1);
    }
    shown.retain(|_, count| *count > 1);
    shown
}

/// Size and 32-bit FNV-1a hash of the bytes: enough to see that they moved.
fn hash(bytes: &[u8]) -> String {
    let fold = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    format!(" {} bytes #{:08x}", bytes.len(), bytes.iter().fold(0x811c_9dc5, fold))
}
