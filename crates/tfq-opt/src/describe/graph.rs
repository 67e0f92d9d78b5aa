//! A model's graph for other tools: Graphviz and scripts.

use serde_json::{Map, Value, json};
use std::fmt::Write;
use tfq_ir::maps::HashMap;
use tfq_ir::{
    Attr, Attributes, Module, Op, OpKind, Quantization, QuantizationDetails, Subgraph, SubgraphId,
    TensorId, TensorLink, catalog,
};
use tfq_ir::{visible, visible_quoted};
use tfq_text::{Level, Parts, quoted};

/// The graph for Graphviz: a box for each op, with the constants that it reads, and an edge for
/// each tensor that goes from one to another.
pub fn dot(module: &Module) -> String {
    let mut parts = Parts::new(module, Level::Types);
    let mut out = String::from(
        "digraph model {\n  node [shape=box, style=\"rounded,filled\", fillcolor=\"#f6f8fa\", \
         fontname=\"Helvetica\", fontsize=11];\n  edge [fontname=\"Helvetica\", fontsize=9];\n",
    );
    for (id, graph) in module.subgraphs() {
        let n = id.0;
        let title = label(&quoted('@', parts.subgraph_name(id)));
        _ = writeln!(out, "  subgraph cluster_{n} {{\n    label=\"{title}\"; color=\"#d0d7de\";");
        // From which node a tensor comes.
        let mut from: HashMap<TensorId, String> = HashMap::default();
        for (at, input) in graph.inputs().iter().enumerate() {
            let node = format!("s{n}_in{at}");
            let name = label(&quoted('%', parts.tensor_name(id, *input)));
            _ = writeln!(out, "    {node} [label=\"{name}\", shape=ellipse];");
            from.entry(*input).or_insert(node);
        }
        for (at, op) in graph.ops().enumerate() {
            let node = format!("s{n}_op{at}");
            let mut lines = vec![label(&kind(graph.op(op)))];
            for operand in graph.operands(op).into_iter().flatten() {
                if module.constant(id, operand).is_some() {
                    let name = quoted('%', parts.tensor_name(id, operand));
                    lines.push(label(&format!("{name} {}", parts.tensor(id, operand))));
                }
            }
            _ = writeln!(out, "    {node} [label=\"{}\"];", lines.join("\\n"));
            for operand in graph.operands(op).into_iter().flatten() {
                if let Some(from) = from.get(&operand) {
                    let ty = label(&parts.tensor(id, operand));
                    _ = writeln!(out, "    {from} -> {node} [label=\"{ty}\"];");
                }
            }
            from.extend(graph.results(op).into_iter().map(|t| (t, node.clone())));
        }
        for (at, output) in graph.outputs().iter().enumerate() {
            let name = label(&quoted('%', parts.tensor_name(id, *output)));
            _ = writeln!(out, "    s{n}_out{at} [label=\"{name}\", shape=ellipse];");
            if let Some(from) = from.get(output) {
                let ty = label(&parts.tensor(id, *output));
                _ = writeln!(out, "    {from} -> s{n}_out{at} [label=\"{ty}\"];");
            }
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}

/// Text inside of the quotes of a label.
fn label(text: &str) -> String {
    visible(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn kind(op: &Op) -> String {
    match &op.kind {
        OpKind::Custom(name) => format!("custom {}", visible_quoted(name)),
        OpKind::Builtin(code) => match catalog::op_by_code(*code) {
            Some(info) => info.name.to_owned(),
            None => format!("builtin {code}"),
        },
    }
}

/// The graph for scripts. Tensors and subgraphs go by the names that the text form gives them,
/// which are unique, and have the handles by which edits name them (`docs/edits.md`). Contents of
/// constants are left out.
pub fn graph_json(module: &Module) -> Value {
    let parts = Parts::new(module, Level::Quant);
    let subgraph_name = |n: u32| {
        let known = (n as usize) < module.subgraphs().len();
        if known { json!(parts.subgraph_name(SubgraphId(n))) } else { json!(n) }
    };
    let signatures: Vec<Value> = module
        .signatures()
        .iter()
        .map(|signature| {
            let known = (signature.subgraph as usize) < module.subgraphs().len();
            let list = |list: &[(Option<std::sync::Arc<str>>, TensorLink)]| -> Vec<Value> {
                let tensor = |link: &TensorLink| match link {
                    TensorLink::Tensor(t) if known => {
                        json!(parts.tensor_name(SubgraphId(signature.subgraph), *t))
                    }
                    TensorLink::Tensor(_) => Value::Null,
                    TensorLink::Raw(raw) => json!(raw),
                };
                list.iter()
                    .map(|(name, link)| json!({ "name": name.as_deref(), "tensor": tensor(link) }))
                    .collect()
            };
            json!({
                "key": signature.key.as_deref(),
                "subgraph": subgraph_name(signature.subgraph),
                "inputs": list(&signature.inputs),
                "outputs": list(&signature.outputs),
            })
        })
        .collect();
    let metadata: Vec<Value> = module
        .metadata()
        .iter()
        .map(|entry| {
            let bytes = module.constants().get(entry.buffer).map_or(0, |bytes| bytes.len());
            json!({ "name": entry.name.as_deref(), "bytes": bytes })
        })
        .collect();
    let subgraphs: Vec<Value> = module
        .subgraphs()
        .map(|(id, graph)| {
            let place = Place { module, parts: &parts, id, graph };
            json!({
                "name": parts.subgraph_name(id),
                "inputs": place.names(graph.inputs().iter().map(|t| Some(*t))),
                "outputs": place.names(graph.outputs().iter().map(|t| Some(*t))),
                "tensors": graph.tensors().map(|t| place.tensor(t)).collect::<Vec<_>>(),
                "ops": graph.ops().map(|op| place.op(op)).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "schema": 1,
        "description": module.description().map(|text| &**text),
        "signatures": signatures,
        "metadata": metadata,
        "subgraphs": subgraphs,
    })
}

struct Place<'a> {
    module: &'a Module,
    parts: &'a Parts<'a>,
    id: SubgraphId,
    graph: &'a Subgraph,
}

impl Place<'_> {
    fn name(&self, tensor: TensorId) -> &str {
        self.parts.tensor_name(self.id, tensor)
    }

    fn names(&self, list: impl IntoIterator<Item = Option<TensorId>>) -> Vec<Option<&str>> {
        list.into_iter().map(|t| t.map(|t| self.name(t))).collect()
    }

    fn tensor(&self, id: TensorId) -> Value {
        let tensor = self.graph.tensor(id);
        let mut object = Map::new();
        object.insert("handle".into(), id.to_string().into());
        object.insert("name".into(), self.name(id).into());
        object.insert("type".into(), tensor.ty.name().into());
        object.insert("shape".into(), json!(&tensor.shape[..]));
        if !tensor.shape_signature.is_empty() {
            object.insert("shape_signature".into(), json!(&tensor.shape_signature[..]));
        }
        if tensor.is_variable {
            object.insert("variable".into(), true.into());
        }
        if let Some(bytes) = self.module.constants().constant(tensor.buffer) {
            object.insert("buffer".into(), tensor.buffer.0.into());
            object.insert("bytes".into(), bytes.len().into());
        }
        if let Some(q) = tensor.quantization.as_deref().filter(|q| **q != Quantization::default()) {
            object.insert("quantization".into(), self.quantization(q));
        }
        if tensor.sparsity.is_some() {
            object.insert("sparse".into(), true.into());
        }
        object.into()
    }

    fn quantization(&self, q: &Quantization) -> Value {
        let link = |link: &TensorLink| match link {
            TensorLink::Tensor(t) => json!(self.name(*t)),
            TensorLink::Raw(raw) => json!(raw),
        };
        match &q.details {
            QuantizationDetails::Blockwise { scales, zero_points, block_size, .. } => json!({
                "scales": link(scales),
                "zero_points": link(zero_points),
                "block_size": block_size,
            }),
            QuantizationDetails::MultiAxis {
                scales, zero_points, quantized_dimensions, ..
            } => {
                json!({
                    "scales": link(scales),
                    "zero_points": link(zero_points),
                    "axes": quantized_dimensions,
                })
            }
            QuantizationDetails::None | QuantizationDetails::Custom(_) => json!({
                "scale": q.scale,
                "zero_point": q.zero_point[..],
                "axis": q.quantized_dimension,
            }),
        }
    }

    fn op(&self, id: tfq_ir::OpId) -> Value {
        let op = self.graph.op(id);
        let mut object = Map::new();
        object.insert("handle".into(), id.to_string().into());
        object.insert("kind".into(), op.kind.name().into());
        if matches!(op.kind, OpKind::Custom(_)) {
            object.insert("custom".into(), true.into());
        }
        object.insert("version".into(), op.version.into());
        object.insert("operands".into(), json!(self.names(self.graph.operands(id))));
        let results = self.graph.results(id).into_iter().map(Some);
        object.insert("results".into(), json!(self.names(results)));
        let scratch = self.graph.intermediates(id);
        if !scratch.is_empty() {
            object.insert("intermediates".into(), json!(self.names(scratch)));
        }
        let mut attributes = Map::new();
        for attrs in op.attrs.iter().chain(op.extra_attrs.as_deref()) {
            self.attributes(attrs, &mut attributes);
        }
        object.insert("attributes".into(), attributes.into());
        if let Some(bytes) = &op.custom_options.bytes {
            object.insert("custom_options_bytes".into(), bytes.len().into());
        }
        object.into()
    }

    /// All attributes of a table, those at their defaults too.
    fn attributes(&self, attrs: &Attributes, out: &mut Map<String, Value>) {
        for info in attrs.options().attrs {
            let Some(value) = attrs.get(info.name) else { continue };
            let int = |v: i64| {
                use catalog::{AttrType, ListType};
                let named = match info.ty {
                    AttrType::Enum(values) | AttrType::List(ListType::Enum(values)) => {
                        values.name_of(v)
                    }
                    _ => None,
                };
                let subgraph = u32::try_from(v)
                    .ok()
                    .filter(|n| info.subgraph && (*n as usize) < self.module.subgraphs().len());
                match (named, subgraph) {
                    (Some(name), _) => json!(name),
                    (None, Some(n)) => json!(self.parts.subgraph_name(SubgraphId(n))),
                    (None, None) => json!(v),
                }
            };
            let value = match value {
                Attr::Bool(v) => json!(v),
                Attr::Int(v) => int(v),
                Attr::Float(v) => json!(v),
                Attr::String(v) => json!(&*v),
                Attr::Bytes(v) => json!({ "bytes": v.len() }),
                Attr::Bools(v) => json!(&v[..]),
                Attr::Ints(v) => v.iter().map(|v| int(*v)).collect(),
                Attr::Floats(v) => json!(&v[..]),
            };
            out.insert(info.name.into(), value);
        }
    }
}
