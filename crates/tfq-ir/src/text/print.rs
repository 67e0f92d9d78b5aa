//! From a model to text.

use crate::catalog::{self, AttrInfo, AttrType, ListType};
use crate::text::names::{self, Names};
use crate::text::side::{self, Hash};
use crate::text::values::{self, Number};
use crate::text::{INLINE_BYTES, INLINE_ELEMENTS, Level, VERSION, quote, stats, type_name};
use crate::{
    Attr, Attributes, BufferId, CacheReason, Module, Op, OpCode, OpId, OpKind, Quantization,
    QuantizationDetails, SparseIndex, Sparsity, Subgraph, SubgraphId, Tensor, TensorId, TensorLink,
    VariantSubType,
};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

pub(super) fn print(module: &Module, level: Level) -> String {
    distinct(module, level, None, || Aside::Nothing).0
}

pub(super) fn print_with_side(module: &Module) -> (String, Vec<u8>) {
    let (text, side) =
        distinct(module, Level::Full, None, || Aside::Bytes(side::Writer::default()));
    (text, side.finish())
}

pub(super) fn print_skeleton(module: &Module) -> String {
    distinct(module, Level::Full, None, || Aside::Fills).0
}

pub(super) fn print_subgraph(module: &Module, id: SubgraphId, level: Level) -> String {
    distinct(module, level, Some(id), || Aside::Nothing).0
}

/// Prints with as many digits of each hash as tell all of them apart.
fn distinct(
    module: &Module,
    level: Level,
    only: Option<SubgraphId>,
    aside: fn() -> Aside,
) -> (String, side::Writer) {
    let mut hashes = HashMap::new();
    let mut digits = [8, 16, 64].into_iter();
    loop {
        let last = digits.len() == 1;
        let digits = digits.next().expect("the last round returns");
        let mut printer = Printer::new(module, level, only, aside(), digits, hashes);
        match only {
            Some(id) => printer.subgraph(id),
            None => printer.model(),
        }
        if !printer.collided || last {
            let side = match printer.aside {
                Aside::Bytes(side) => side,
                Aside::Nothing | Aside::Fills => side::Writer::default(),
            };
            return (printer.out, side);
        }
        hashes = printer.hashes;
    }
}

/// What becomes of bytes that the text does not write out.
enum Aside {
    Nothing,
    Bytes(side::Writer),
    /// Fills take their place.
    Fills,
}

struct Printer<'m> {
    module: &'m Module,
    level: Level,
    aside: Aside,
    out: String,
    subgraphs: Vec<Arc<str>>,
    /// `None` for subgraphs that are not printed.
    names: Vec<Option<Names>>,
    /// Hashes of constants by place; many tensors may share one.
    hashes: HashMap<(usize, usize), Hash>,
    digits: usize,
    /// What the digits that are shown stand for.
    shown: HashMap<String, Hash>,
    collided: bool,
    /// The tensor that shows what a buffer holds.
    owners: HashMap<BufferId, (SubgraphId, TensorId)>,
    /// Buffers whose bytes the text has somewhere.
    written: HashSet<BufferId>,
}

impl<'m> Printer<'m> {
    fn new(
        module: &'m Module,
        level: Level,
        only: Option<SubgraphId>,
        aside: Aside,
        digits: usize,
        hashes: HashMap<(usize, usize), Hash>,
    ) -> Self {
        let wanted = |id| only.is_none_or(|only| only == id);
        let names = module.subgraphs();
        Self {
            module,
            level,
            aside,
            out: String::new(),
            subgraphs: names::of_subgraphs(module),
            names: names.map(|(id, graph)| wanted(id).then(|| Names::new(module, graph))).collect(),
            hashes,
            digits,
            shown: HashMap::new(),
            collided: false,
            owners: HashMap::new(),
            written: HashSet::new(),
        }
    }

    fn model(&mut self) {
        let module = self.module;
        let layout = (self.level == Level::Full).then(|| Layout::new(module));
        let level = if matches!(self.aside, Aside::Fills) { "skeleton" } else { self.level.name() };
        _ = writeln!(self.out, "tfg {VERSION} {level}");
        if self.level >= Level::Types {
            self.header(layout.as_ref());
        }
        for signature in &module.signatures {
            self.out.push_str("\nsignature ");
            self.optional(signature.key.as_deref());
            let target = signature.subgraph as usize;
            self.out.push(' ');
            match self.subgraphs.get(target) {
                Some(name) => quote::name(&mut self.out, '@', name),
                None => _ = write!(self.out, "{target}"),
            }
            if let Some(tag) = signature.deprecated_tag.as_deref().filter(|_| layout.is_some()) {
                self.out.push_str(" tag ");
                quote::string(&mut self.out, tag);
            }
            self.out.push_str(" {\n");
            for (word, list) in [("input", &signature.inputs), ("output", &signature.outputs)] {
                for (name, link) in list {
                    _ = write!(self.out, "  {word} ");
                    self.optional(name.as_deref());
                    self.out.push_str(" = ");
                    self.link(target, link);
                    self.out.push('\n');
                }
            }
            self.out.push_str("}\n");
        }
        for id in module.subgraph_ids() {
            self.out.push('\n');
            self.subgraph(id);
        }
        if self.level >= Level::Quant {
            self.dequant_cache();
        }
        if self.level >= Level::Types && !module.trailer.is_empty() {
            self.out.push_str("\ntrailer = ");
            self.blob(&module.trailer);
            self.out.push('\n');
        }
        if let Some(layout) = &layout {
            self.file(layout);
        }
    }

    /// What concerns the model and stands in one line each.
    fn header(&mut self, layout: Option<&Layout>) {
        let module = self.module;
        let start = self.out.len();
        if module.version != 3 {
            _ = writeln!(self.out, "version {}", module.version);
        }
        if let Some(text) = &module.description {
            self.out.push_str("description ");
            quote::string(&mut self.out, text);
            self.out.push('\n');
        }
        for (n, entry) in module.metadata.iter().enumerate() {
            self.out.push_str("metadata ");
            self.optional(entry.name.as_deref());
            if let Some(place) = layout.and_then(|layout| layout.metadata[n]) {
                _ = write!(self.out, " buffer {place}");
            }
            self.out.push_str(" = ");
            match module.constants().get(entry.buffer) {
                Some(bytes) => {
                    self.blob(bytes);
                    self.written.insert(entry.buffer);
                }
                None => self.out.push_str("none"),
            }
            self.out.push('\n');
        }
        for name in &module.external_buffer_groups {
            self.out.push_str("external_group ");
            self.optional(name.as_deref());
            self.out.push('\n');
        }
        for buffer in &module.external_buffers {
            _ = write!(
                self.out,
                "external_buffer {} {{group = {}, offset = {}, length = {}",
                buffer.id, buffer.group, buffer.offset, buffer.length
            );
            if let Some(packing) = &buffer.packing {
                self.out.push_str(", packing = ");
                quote::string(&mut self.out, packing);
            }
            self.out.push_str("}\n");
        }
        if self.out.len() > start {
            self.out.insert(start, '\n');
        }
    }

    fn subgraph(&mut self, id: SubgraphId) {
        let graph = self.module.subgraph(id);
        let names = self.names[id.0 as usize].take().expect("subgraphs are printed once");
        self.out.push_str("subgraph ");
        quote::name(&mut self.out, '@', &self.subgraphs[id.0 as usize]);
        self.out.push_str(" {\n");
        let place = Place { id, graph, names: &names };
        let start = self.out.len();
        let mut seen = HashSet::new();
        for input in graph.inputs() {
            if seen.insert(*input) {
                self.declaration(&place, *input, true);
            } else {
                self.out.push_str("  input ");
                self.tensor_name(&place, *input);
                self.out.push('\n');
            }
        }
        for tensor in &names.declared {
            self.declaration(&place, *tensor, false);
        }
        if self.out.len() > start && graph.op_count() > 0 {
            self.out.push('\n');
        }
        for op in graph.ops() {
            self.op(&place, op);
        }
        if self.out.len() > start && !graph.outputs().is_empty() {
            self.out.push('\n');
        }
        for output in graph.outputs() {
            self.out.push_str("  output ");
            self.tensor_name(&place, *output);
            self.out.push('\n');
        }
        self.out.push_str("}\n");
        self.names[id.0 as usize] = Some(names);
    }

    /// A tensor that no op computes.
    fn declaration(&mut self, place: &Place<'_>, id: TensorId, input: bool) {
        let tensor = place.graph.tensor(id);
        let constant = self.module.constant(place.id, id).is_some();
        self.out.push_str("  ");
        self.tensor_name(place, id);
        self.out.push_str(" = ");
        let kind = match (tensor.is_variable, constant) {
            (true, _) => Some("variable"),
            (false, true) => Some("const"),
            (false, false) => None,
        };
        self.out.push_str(match (input, kind) {
            (true, None) => "input",
            (true, Some("const")) => "input const",
            (true, Some(_)) => "input variable",
            (false, Some(kind)) => kind,
            (false, None) => "tensor",
        });
        if self.level >= Level::Types {
            self.out.push_str(" : ");
            self.description(place, tensor, constant);
            self.content(place, id, tensor);
        }
        self.out.push('\n');
    }

    /// Type, shape and what else is known of a tensor.
    fn description(&mut self, place: &Place<'_>, tensor: &Tensor, constant: bool) {
        self.out.push_str(type_name(tensor.ty));
        let signature = &tensor.shape_signature;
        let fits = signature_fits(tensor);
        self.out.push('[');
        if tensor.shape.is_empty() && !tensor.has_rank && !constant {
            self.out.push('*');
        }
        for (n, dim) in tensor.shape.iter().enumerate() {
            if n > 0 {
                self.out.push(',');
            }
            match dim {
                1 if fits && signature[n] == -1 => self.out.push('?'),
                dim if fits && signature[n] == -1 => _ = write!(self.out, "?={dim}"),
                dim => _ = write!(self.out, "{dim}"),
            }
        }
        self.out.push(']');
        if let Some(q) = tensor.quantization.as_deref().filter(|_| self.level >= Level::Quant) {
            self.quantization(place, q);
        }
        if !fits && !signature.is_empty() {
            self.out.push_str(" signature ");
            self.every(signature);
        }
        if tensor.external_buffer != 0 {
            _ = write!(self.out, " external {}", tensor.external_buffer);
        }
        if let Some(ty) = tensor.expressed {
            _ = write!(self.out, " expressed {}", type_name(ty));
        }
        if !tensor.variant_tensors.is_empty() {
            self.out.push_str(" of (");
            for (n, variant) in tensor.variant_tensors.iter().enumerate() {
                self.separate(n);
                self.variant(variant);
            }
            self.out.push(')');
        }
        if let Some(sparsity) = &tensor.sparsity {
            self.sparsity(sparsity);
        }
    }

    fn variant(&mut self, variant: &VariantSubType) {
        self.out.push_str(type_name(variant.ty));
        if variant.shape.is_empty() && !variant.has_rank {
            self.out.push_str("[*]");
            return;
        }
        self.out.push('[');
        for (n, dim) in variant.shape.iter().enumerate() {
            _ = write!(self.out, "{}{dim}", if n > 0 { "," } else { "" });
        }
        self.out.push(']');
        if !variant.has_rank {
            self.out.push_str(" unranked");
        }
    }

    fn quantization(&mut self, place: &Place<'_>, q: &Quantization) {
        let ranges = self.level >= Level::Hash && (!q.min.is_empty() || !q.max.is_empty());
        let nothing = q.scale.is_empty()
            && q.zero_point.is_empty()
            && q.details == QuantizationDetails::None
            && !ranges;
        // An empty table is noted where the layout is.
        if nothing && (self.level < Level::Full || q.quantized_dimension == 0) {
            return;
        }
        self.out.push_str(" q(");
        let mut items = 0;
        let plain = q.zero_point.len() == q.scale.len() && q.zero_point.iter().all(|z| *z == 0);
        if !q.scale.is_empty() || !plain {
            self.list(&q.scale);
            items += 1;
        }
        if !plain {
            self.out.push_str(", ");
            match q.zero_point[..] {
                // Without brackets it would count for all scales.
                [zero] if q.scale.len() != 1 => _ = write!(self.out, "[{zero}]"),
                _ => self.list(&q.zero_point),
            }
        }
        let mut item = |out: &mut String, name: &str| {
            if items > 0 {
                out.push_str(", ");
            }
            items += 1;
            out.push_str(name);
        };
        if q.quantized_dimension != 0 || q.scale.len() > 1 {
            item(&mut self.out, "axis = ");
            _ = write!(self.out, "{}", q.quantized_dimension);
        }
        match &q.details {
            QuantizationDetails::None => (),
            QuantizationDetails::Custom(bytes) => {
                item(&mut self.out, "custom(");
                self.blob(bytes);
                self.out.push(')');
            }
            QuantizationDetails::Blockwise { scales, zero_points, block_size, block_shape } => {
                item(&mut self.out, "blockwise(");
                self.linked(place, scales, zero_points, *block_size);
                if !block_shape.is_empty() {
                    self.out.push_str(", block_shape = ");
                    self.every(block_shape);
                }
                self.out.push(')');
            }
            QuantizationDetails::MultiAxis {
                scales,
                zero_points,
                block_size,
                quantized_dimensions,
            } => {
                item(&mut self.out, "multi_axis(");
                self.linked(place, scales, zero_points, *block_size);
                self.out.push_str(", axes = ");
                self.every(quantized_dimensions);
                self.out.push(')');
            }
        }
        if ranges {
            for (name, list) in [("min = ", &q.min), ("max = ", &q.max)] {
                if !list.is_empty() {
                    item(&mut self.out, name);
                    self.list(list);
                }
            }
        }
        self.out.push(')');
    }

    fn linked(&mut self, place: &Place<'_>, scales: &TensorLink, zeros: &TensorLink, size: i32) {
        self.out.push_str("scales = ");
        self.local_link(place, scales);
        self.out.push_str(", zero_points = ");
        self.local_link(place, zeros);
        if size != 0 {
            _ = write!(self.out, ", block_size = {size}");
        }
    }

    fn sparsity(&mut self, sparsity: &Sparsity) {
        self.out.push_str(" sparse(order = ");
        self.every(&sparsity.traversal_order);
        if !sparsity.block_map.is_empty() {
            self.out.push_str(", blocks = ");
            self.every(&sparsity.block_map);
        }
        for dim in &sparsity.dim_metadata {
            self.out.push_str(", ");
            match dim.format {
                0 => self.out.push_str("dense("),
                1 => self.out.push_str("csr("),
                other => _ = write!(self.out, "dim({other}, "),
            }
            _ = write!(self.out, "{}", dim.dense_size);
            for (name, index) in
                [("segments", &dim.array_segments), ("indices", &dim.array_indices)]
            {
                if *index != SparseIndex::None {
                    _ = write!(self.out, ", {name} = ");
                }
                match index {
                    SparseIndex::None => (),
                    SparseIndex::Int32(list) => {
                        self.out.push_str("i32 ");
                        self.list(list);
                    }
                    SparseIndex::Uint16(list) => {
                        self.out.push_str("u16 ");
                        self.list(list);
                    }
                    SparseIndex::Uint8(list) => {
                        self.out.push_str("u8 ");
                        self.list(list);
                    }
                }
            }
            self.out.push(')');
        }
        self.out.push(')');
    }

    /// The bytes of a tensor's buffer, or what is told of them.
    fn content(&mut self, place: &Place<'_>, id: TensorId, tensor: &Tensor) {
        let Some(bytes) = self.module.constants().constant(tensor.buffer) else { return };
        let elements = tensor.elements();
        let usual = elements.and_then(|n| tensor.ty.bytes_for(n)) == Some(bytes.len() as u64);
        let few = elements.is_some_and(|n| n <= INLINE_ELEMENTS as u64);
        if let Some(text) = values::inline(tensor.ty, &tensor.shape, elements, bytes) {
            self.out.push_str(" = ");
            self.out.push_str(&text);
        } else if bytes.len() <= INLINE_BYTES && (few || !usual) {
            self.out.push_str(" = ");
            quote::bytes(&mut self.out, bytes);
        } else {
            if tensor.is_variable && self.level < Level::Hash {
                return;
            }
            self.elided(place, id, tensor, bytes, usual);
        }
        self.written.insert(tensor.buffer);
    }

    fn elided(
        &mut self,
        place: &Place<'_>,
        id: TensorId,
        tensor: &Tensor,
        bytes: &Bytes,
        usual: bool,
    ) {
        if self.level >= Level::Hash {
            if let Some((owner, other)) = self.owners.get(&tensor.buffer).copied() {
                self.out.push_str(" as ");
                self.qualified(place, owner, other);
                return;
            }
            self.owners.insert(tensor.buffer, (place.id, id));
        }
        if !usual {
            _ = write!(self.out, " bytes({})", bytes.len());
        }
        if matches!(self.aside, Aside::Fills) {
            let name = place.names.get(id).map_or("", |name| name);
            self.out.push_str(" fill ");
            match stats(tensor.ty, bytes) {
                Some(s) if usual && s.min == s.max => {
                    _ = write!(self.out, "const({})", s.min);
                }
                Some(s) if usual => {
                    let float = tensor.ty.is_float();
                    let edge =
                        |v: f64| if float { format!("{:?}", v as f32) } else { format!("{v}") };
                    _ = write!(
                        self.out,
                        "gaussian(seed = {}, mean = {}, std = {}, min = {}, max = {})",
                        super::fill::seed_of(name),
                        stats::short(s.mean),
                        stats::short(s.std),
                        edge(s.min),
                        edge(s.max)
                    );
                }
                _ => self.out.push_str("const(0)"),
            }
            return;
        }
        if self.level >= Level::Hash {
            self.out.push(' ');
            self.digest(bytes);
        }
        if self.level >= Level::Stats
            && let Some(s) = stats(tensor.ty, bytes)
        {
            let edge = |v: f64| if tensor.ty.is_float() { stats::short(v) } else { v.to_string() };
            _ = write!(
                self.out,
                " {{min = {}, max = {}, mean = {}, std = {}",
                edge(s.min),
                edge(s.max),
                stats::short(s.mean),
                stats::short(s.std)
            );
            if s.zeros > 0 {
                let part = 100.0 * s.zeros as f64 / s.count as f64;
                _ = write!(self.out, ", zeros = {}%", stats::short(part));
            }
            if s.nonfinite > 0 {
                _ = write!(self.out, ", nonfinite = {}", s.nonfinite);
            }
            self.out.push('}');
        }
    }

    fn op(&mut self, place: &Place<'_>, id: OpId) {
        let op = place.graph.op(id);
        let results = place.graph.results(id);
        self.out.push_str("  ");
        for (n, result) in results.iter().enumerate() {
            self.separate(n);
            self.tensor_name(place, *result);
        }
        if !results.is_empty() {
            self.out.push_str(" = ");
        }
        self.kind(&op.kind);
        if op.version != 1 && self.level >= Level::Quant {
            _ = write!(self.out, ".v{}", op.version);
        }
        self.out.push('(');
        for (n, operand) in place.graph.operands(id).into_iter().enumerate() {
            self.separate(n);
            self.operand(place, operand);
        }
        self.out.push(')');
        let scratch = place.graph.intermediates(id);
        if !scratch.is_empty() {
            self.out.push_str(" scratch(");
            for (n, operand) in scratch.into_iter().enumerate() {
                self.separate(n);
                self.operand(place, operand);
            }
            self.out.push(')');
        }
        if self.level >= Level::Types {
            self.options(op);
            let described: Vec<Option<&Tensor>> = results
                .iter()
                .map(|id| {
                    Some(place.graph.tensor(*id)).filter(|_| !place.names.inputs.contains(id))
                })
                .collect();
            self.result_types(place, &described);
        }
        self.out.push('\n');
    }

    fn result_types(&mut self, place: &Place<'_>, results: &[Option<&Tensor>]) {
        if results.iter().all(Option::is_none) {
            return;
        }
        self.out.push_str(if results.len() > 1 { " : (" } else { " : " });
        for (n, tensor) in results.iter().enumerate() {
            self.separate(n);
            let Some(tensor) = tensor else {
                // It has its type where it is declared as an input.
                self.out.push('_');
                continue;
            };
            self.description(place, tensor, false);
            if tensor.is_variable {
                self.out.push_str(" variable");
            }
        }
        if results.len() > 1 {
            self.out.push(')');
        }
    }

    fn options(&mut self, op: &Op) {
        let custom = &op.custom_options;
        if *custom != Default::default() {
            self.out.push_str(" options(");
            match &custom.bytes {
                Some(bytes) => self.blob(bytes),
                None => self.out.push_str("none"),
            }
            if custom.format != 0 {
                _ = write!(self.out, ", format = {}", custom.format);
            }
            if custom.large {
                self.out.push_str(", large");
            }
            self.out.push(')');
        }
        if !op.mutating_variable_inputs.is_empty() {
            self.out.push_str(" mutates ");
            self.plain(&op.mutating_variable_inputs, |out, v| out.push_str(truth(*v)));
        }
        if self.level == Level::Full {
            if op.debug_metadata_index != -1 {
                _ = write!(self.out, " debug {}", op.debug_metadata_index);
            }
            if let Some(nth) = self.nth_code(op) {
                _ = write!(self.out, " code {nth}");
            }
        }
        let expected = match op.kind {
            OpKind::Builtin(code) => catalog::op_by_code(code).and_then(|info| info.options),
            OpKind::Custom(_) => None,
        };
        match &op.attrs {
            None if expected.is_some() && self.level == Level::Full => {
                self.out.push_str(" {none}");
            }
            None => (),
            Some(attrs) => {
                let usual = expected.is_some_and(|info| info.name == attrs.options().name);
                if !usual || attrs.set_values().next().is_some() {
                    self.attributes(attrs, !usual);
                }
            }
        }
        if let Some(attrs) = &op.extra_attrs {
            if op.attrs.is_none() && (expected.is_none() || self.level < Level::Full) {
                self.out.push_str(" {none}");
            }
            self.attributes(attrs, true);
        }
    }

    /// Which of the operator codes of its kind an op has, where it is not the first.
    fn nth_code(&self, op: &Op) -> Option<usize> {
        let codes = &self.module.op_codes;
        let own = op.code? as usize;
        codes.get(own).filter(|code| code.kind() == op.kind)?;
        let nth = codes[..own].iter().filter(|code| code.kind() == op.kind).count();
        (nth > 0).then_some(nth)
    }

    fn attributes(&mut self, attrs: &Attributes, named: bool) {
        self.out.push_str(" {");
        if named {
            self.out.push_str(attrs.options().name);
            if attrs.set_values().next().is_some() {
                self.out.push_str(": ");
            }
        }
        for (n, (info, value)) in attrs.set_values().enumerate() {
            self.separate(n);
            self.out.push_str(info.name);
            self.out.push_str(" = ");
            self.attribute(info, value);
        }
        self.out.push('}');
    }

    fn attribute(&mut self, info: &AttrInfo, value: &Attr) {
        match value {
            Attr::Bool(v) => self.out.push_str(truth(*v)),
            Attr::Int(v) => self.int(info, *v),
            Attr::Float(v) => values::float32(&mut self.out, *v),
            Attr::String(v) => quote::string(&mut self.out, v),
            Attr::Bytes(v) => self.blob(v),
            Attr::Bools(v) => self.plain(v, |out, v| out.push_str(truth(*v))),
            Attr::Floats(v) => self.plain(v, |out, v| values::float32(out, *v)),
            Attr::Ints(v) => {
                self.out.push('[');
                for (n, v) in v.iter().enumerate() {
                    self.separate(n);
                    self.int(info, *v);
                }
                self.out.push(']');
            }
        }
    }

    fn int(&mut self, info: &AttrInfo, value: i64) {
        let subgraph = usize::try_from(value).ok().and_then(|n| self.subgraphs.get(n));
        let named = match info.ty {
            AttrType::Enum(values) | AttrType::List(ListType::Enum(values)) => {
                values.name_of(value)
            }
            _ => None,
        };
        match (named, subgraph) {
            (Some(name), _) => self.out.push_str(name),
            (None, Some(name)) if info.subgraph => quote::name(&mut self.out, '@', name),
            _ => _ = write!(self.out, "{value}"),
        }
    }

    fn dequant_cache(&mut self) {
        let Some(cache) = &self.module.dequant_cache else { return };
        self.out.push_str("\ndequant_cache {\n");
        for entry in &cache.entries {
            let at = entry.subgraph.0 as usize;
            let Some(graph) = self.module.subgraphs().nth(at).map(|(_, graph)| graph) else {
                continue;
            };
            if !graph.contains_op(entry.op) {
                continue;
            }
            let Some(result) = graph.results(entry.op).first().copied() else { continue };
            self.out.push_str("  ");
            quote::name(&mut self.out, '@', &self.subgraphs[at]);
            self.out.push(' ');
            self.link(at, &TensorLink::Tensor(result));
            _ = writeln!(
                self.out,
                " {} bytes {} per_invoke {}",
                reason_name(entry.reason),
                entry.bytes,
                entry.bytes_per_invoke
            );
        }
        self.out.push_str("}\n");
    }

    /// What matters only to the file.
    fn file(&mut self, layout: &Layout) {
        let module = self.module;
        if module.constants_outside {
            self.out.push_str("\nconstants outside\n");
        }
        if !module.metadata_buffer.is_empty() {
            self.out.push_str("\nmetadata_buffer ");
            self.every(&module.metadata_buffer);
            self.out.push('\n');
        }
        if !module.op_codes.is_empty() {
            self.out.push_str("\nopcodes {\n");
            for code in &module.op_codes {
                self.op_code(code);
            }
            self.out.push_str("}\n");
        }
        for (id, graph) in module.subgraphs() {
            let names = self.names[id.0 as usize].take().expect("all subgraphs have names");
            let place = Place { id, graph, names: &names };
            let name = self.subgraphs[id.0 as usize].clone();
            self.out.push_str("\nlayout ");
            quote::name(&mut self.out, '@', &name);
            self.real_name(graph.name.as_deref(), &name);
            if graph.debug_metadata_index != -1 {
                _ = write!(self.out, " debug {}", graph.debug_metadata_index);
            }
            let count = graph.tensors().filter(|t| graph.tensor(*t).has_rank).count();
            let ranked = 2 * count > graph.tensor_count();
            self.out.push_str(if ranked { " ranked {\n" } else { " {\n" });
            for (n, tensor) in graph.tensors().enumerate() {
                self.out.push_str("  ");
                self.tensor_name(&place, tensor);
                let data = graph.tensor(tensor);
                if let Some(name) = names.get(tensor) {
                    self.real_name(data.name.as_deref(), name);
                }
                if data.has_rank != ranked {
                    self.out.push_str(if ranked { " unranked" } else { " ranked" });
                }
                if data.quantization.as_deref().is_some_and(|q| *q == Quantization::default()) {
                    self.out.push_str(" q()");
                }
                if !data.shape_signature.is_empty()
                    && data.shape_signature == data.shape
                    && data.shape.iter().all(|d| *d != -1)
                {
                    self.out.push_str(" static");
                }
                match layout.tensors[id.0 as usize][n] {
                    Slot::Next => (),
                    Slot::None => self.out.push_str(" none"),
                    Slot::Number(buffer) => _ = write!(self.out, " buffer {buffer}"),
                    Slot::As(owner, other) => {
                        self.out.push_str(" as ");
                        self.qualified(&place, owner, other);
                    }
                }
                self.out.push('\n');
            }
            self.out.push_str("}\n");
            self.names[id.0 as usize] = Some(names);
        }
        self.buffers(layout.implied);
    }

    fn op_code(&mut self, code: &OpCode) {
        let kind = code.kind();
        let usual = OpCode::for_kind(&kind, code.version);
        self.out.push_str("  ");
        self.kind(&kind);
        if code.version != 1 {
            _ = write!(self.out, ".v{}", code.version);
        }
        if code.builtin != usual.builtin {
            _ = write!(self.out, " builtin_code {}", code.builtin);
        }
        if code.deprecated_builtin != usual.deprecated_builtin {
            _ = write!(self.out, " deprecated_builtin_code {}", code.deprecated_builtin);
        }
        if code.custom != usual.custom {
            self.out.push_str(" custom_code ");
            self.optional(code.custom.as_deref());
        }
        self.out.push('\n');
    }

    /// How many buffers there are, where that is not plain, those whose bytes stand nowhere
    /// else, and which of them share their bytes.
    fn buffers(&mut self, implied: usize) {
        let module = self.module;
        let start = self.out.len();
        for (id, bytes) in module.constants().iter() {
            let Some(bytes) = bytes.filter(|_| !self.written.contains(&id)) else { continue };
            _ = write!(self.out, "  {} = ", id.0);
            self.blob(bytes);
            self.out.push('\n');
        }
        let mut groups: Vec<Vec<u32>> = Vec::new();
        let mut group_of: HashMap<(usize, usize), usize> = HashMap::new();
        for (id, bytes) in module.constants().iter() {
            let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { continue };
            let group = *group_of.entry(key(bytes)).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(id.0);
        }
        for group in groups.iter().filter(|group| group.len() > 1) {
            self.out.push_str("  shared");
            group.iter().for_each(|id| _ = write!(self.out, " {id}"));
            self.out.push('\n');
        }
        let (more, count) = (self.out.len() > start, module.constants().len());
        let mut head = String::new();
        if more || count != implied {
            head.push_str("\nbuffers");
        }
        if count != implied {
            _ = write!(head, " {count}");
        }
        if more {
            head.push_str(" {\n");
            self.out.push('}');
        }
        if !head.is_empty() {
            self.out.insert_str(start, &head);
            self.out.push('\n');
        }
    }

    // Small pieces.

    fn separate(&mut self, n: usize) {
        if n > 0 {
            self.out.push_str(", ");
        }
    }

    fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => quote::string(&mut self.out, text),
            None => self.out.push_str("none"),
        }
    }

    fn real_name(&mut self, real: Option<&str>, printed: &str) {
        if real != Some(printed) {
            self.out.push_str(" name ");
            self.optional(real);
        }
    }

    fn kind(&mut self, kind: &OpKind) {
        match kind {
            OpKind::Custom(name) => {
                self.out.push_str("custom ");
                quote::string(&mut self.out, name);
            }
            OpKind::Builtin(code) => match catalog::op_by_code(*code) {
                Some(info) => self.out.push_str(info.name),
                None => _ = write!(self.out, "builtin {code}"),
            },
        }
    }

    fn tensor_name(&mut self, place: &Place<'_>, id: TensorId) {
        match place.names.get(id) {
            Some(name) => quote::name(&mut self.out, '%', name),
            None => self.out.push_str("-1"),
        }
    }

    fn operand(&mut self, place: &Place<'_>, id: Option<TensorId>) {
        match id {
            Some(id) => self.tensor_name(place, id),
            None => self.out.push('_'),
        }
    }

    fn local_link(&mut self, place: &Place<'_>, link: &TensorLink) {
        match link {
            TensorLink::Tensor(id) => self.tensor_name(place, *id),
            TensorLink::Raw(raw) => _ = write!(self.out, "{raw}"),
        }
    }

    fn link(&mut self, subgraph: usize, link: &TensorLink) {
        let names = self.names.get(subgraph).and_then(Option::as_ref);
        match (link, names) {
            (TensorLink::Tensor(id), Some(names)) => match names.get(*id) {
                Some(name) => quote::name(&mut self.out, '%', name),
                None => self.out.push_str("-1"),
            },
            (TensorLink::Tensor(_), None) => self.out.push_str("-1"),
            (TensorLink::Raw(raw), _) => _ = write!(self.out, "{raw}"),
        }
    }

    /// A tensor, with its subgraph where that is another.
    fn qualified(&mut self, place: &Place<'_>, subgraph: SubgraphId, id: TensorId) {
        if subgraph == place.id {
            self.tensor_name(place, id);
        } else {
            quote::name(&mut self.out, '@', &self.subgraphs[subgraph.0 as usize]);
            self.out.push(' ');
            self.link(subgraph.0 as usize, &TensorLink::Tensor(id));
        }
    }

    fn plain<T>(&mut self, list: &[T], mut write: impl FnMut(&mut String, &T)) {
        self.out.push('[');
        for (n, value) in list.iter().enumerate() {
            self.separate(n);
            write(&mut self.out, value);
        }
        self.out.push(']');
    }

    /// All of a list of numbers.
    fn every<T: Number>(&mut self, list: &[T]) {
        self.plain(list, |out, v| v.write(out));
    }

    /// A list of numbers that may be long: one alone, a few, many alike, or what range they are
    /// in.
    fn list<T: Number>(&mut self, list: &[T]) {
        match list {
            [one] => one.write(&mut self.out),
            few if few.len() <= INLINE_ELEMENTS => self.every(few),
            [first, rest @ ..] if rest.iter().all(|v| v.same(*first)) => {
                _ = write!(self.out, "[{} * ", list.len());
                first.write(&mut self.out);
                self.out.push(']');
            }
            _ => {
                let pick = |better: fn(f64, f64) -> bool| {
                    let each = list.iter().copied();
                    each.reduce(|a, b| if better(b.to_f64(), a.to_f64()) { b } else { a })
                };
                _ = write!(self.out, "[{} : ", list.len());
                pick(|a, b| a < b).into_iter().for_each(|v| v.write(&mut self.out));
                self.out.push_str("..");
                pick(|a, b| a > b).into_iter().for_each(|v| v.write(&mut self.out));
                if matches!(self.aside, Aside::Fills) {
                    self.out.push_str(" fill");
                } else if self.level >= Level::Hash {
                    let mut bytes = Vec::with_capacity(list.len() * T::SIZE);
                    list.iter().for_each(|v| v.put(&mut bytes));
                    let hash = side::hash(&bytes);
                    self.out.push(' ');
                    self.show_hash(hash, || bytes.into());
                }
                self.out.push(']');
            }
        }
    }

    /// Bytes without a type.
    fn blob(&mut self, bytes: &Bytes) {
        if bytes.len() <= INLINE_BYTES {
            quote::bytes(&mut self.out, bytes);
            return;
        }
        _ = write!(self.out, "bytes({})", bytes.len());
        if matches!(self.aside, Aside::Fills) {
            self.out.push_str(" fill");
        } else if self.level >= Level::Hash {
            self.out.push(' ');
            self.digest(bytes);
        }
    }

    fn digest(&mut self, bytes: &Bytes) {
        let hash = *self.hashes.entry(key(bytes)).or_insert_with(|| side::hash(bytes));
        self.show_hash(hash, || bytes.clone());
    }

    fn show_hash(&mut self, hash: Hash, bytes: impl FnOnce() -> Bytes) {
        let digits = side::hex(&hash, self.digits);
        self.out.push('#');
        self.out.push_str(&digits);
        self.collided |= *self.shown.entry(digits).or_insert(hash) != hash;
        if let Aside::Bytes(side) = &mut self.aside {
            side.add(hash, bytes);
        }
    }
}

/// A subgraph that is being printed.
struct Place<'a> {
    id: SubgraphId,
    graph: &'a Subgraph,
    names: &'a Names,
}

fn key(bytes: &Bytes) -> (usize, usize) {
    (bytes.as_ptr() as usize, bytes.len())
}

fn truth(v: bool) -> &'static str {
    if v { "true" } else { "false" }
}

/// Whether `?` in place of some dimensions says what the signature says.
fn signature_fits(tensor: &Tensor) -> bool {
    let (shape, signature) = (&tensor.shape, &tensor.shape_signature);
    !shape.is_empty()
        && shape.len() == signature.len()
        && shape.iter().zip(signature.iter()).all(|(dim, known)| *known == -1 || dim == known)
}

pub(super) const REASONS: [(CacheReason, &str); 4] = [
    (CacheReason::CachedConstant, "cached_constant"),
    (CacheReason::NotAConstant, "not_a_constant"),
    (CacheReason::Variable, "variable"),
    (CacheReason::SubgraphArgument, "subgraph_argument"),
];

fn reason_name(reason: CacheReason) -> &'static str {
    REASONS.iter().find(|(known, _)| *known == reason).map_or("?", |(_, name)| name)
}

/// Which buffer each tensor has, said in such a way that one more tensor changes one line.
struct Layout {
    tensors: Vec<Vec<Slot>>,
    /// `None` where it is the next one.
    metadata: Vec<Option<u32>>,
    /// How many buffers there are at least.
    implied: usize,
}

#[derive(Clone, Copy)]
enum Slot {
    /// The one after that of the tensor before.
    Next,
    /// Number 0.
    None,
    /// The same as a tensor before.
    As(SubgraphId, TensorId),
    Number(u32),
}

impl Layout {
    fn new(module: &Module) -> Self {
        let mut next = 1;
        let mut owners: HashMap<BufferId, (SubgraphId, TensorId)> = HashMap::new();
        let mut tensors = Vec::new();
        for (id, graph) in module.subgraphs() {
            let mut slots = Vec::with_capacity(graph.tensor_count());
            for tensor in graph.tensors() {
                let buffer = graph.tensor(tensor).buffer;
                slots.push(if buffer == BufferId::NONE {
                    Slot::None
                } else if let Some((owner, other)) = owners.get(&buffer) {
                    Slot::As(*owner, *other)
                } else {
                    owners.insert(buffer, (id, tensor));
                    let slot = if buffer.0 == next { Slot::Next } else { Slot::Number(buffer.0) };
                    next = buffer.0.saturating_add(1);
                    slot
                });
            }
            tensors.push(slots);
        }
        let metadata = module.metadata.iter().map(|entry| {
            let own = entry.buffer.0 == next;
            next = entry.buffer.0.saturating_add(1);
            (!own).then_some(entry.buffer.0)
        });
        let metadata = metadata.collect();
        let named = owners.keys().map(|id| id.0).max().unwrap_or(0);
        let kept = module.metadata.iter().map(|entry| entry.buffer.0).max().unwrap_or(0);
        Self { tensors, metadata, implied: named.max(kept) as usize + 1 }
    }
}
