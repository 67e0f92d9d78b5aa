//! From a model to text.

mod layout;
mod op;
mod pieces;
mod printer;
mod quantization;
mod steering;
mod tensor;

use crate::names::{self, Names};
use crate::side::{self, Hash};
use crate::{Level, VERSION, quote};
use layout::Layout;
use printer::{Aside, Printed, Printer};
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use tfq_ir::quote_into;
use tfq_ir::{
    Attr, CacheReason, DEQUANT_CACHE_METADATA, Module, OpCode, OpId, OpKind, Recorded, SubgraphId,
    TensorId, TensorLink, catalog,
};

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

fn nth_of_their_kind(codes: &[OpCode]) -> Vec<usize> {
    let mut counts: HashMap<OpKind, usize> = HashMap::new();
    let nth = codes.iter().map(|code| {
        let count = counts.entry(code.kind()).or_default();
        *count += 1;
        *count - 1
    });
    nth.collect()
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
        let steering = match aside {
            Aside::Fills => steering::constants(module),
            Aside::Nothing | Aside::Bytes(_) => HashSet::new(),
        };
        Self {
            module,
            level,
            aside,
            out: String::new(),
            subgraphs: names::of_subgraphs(module),
            names: names.map(|(id, graph)| wanted(id).then(|| Names::new(module, graph))).collect(),
            hashes,
            nth_codes: nth_of_their_kind(module.op_codes()),
            digits,
            shown: HashMap::new(),
            collided: false,
            owners: HashMap::new(),
            written: HashSet::new(),
            steering,
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
        for signature in module.signatures() {
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
                quote_into(&mut self.out, tag);
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
        if self.level >= Level::Types {
            self.records();
        }
        if self.level >= Level::Types && !module.trailer().is_empty() {
            self.out.push_str("\ntrailer = ");
            self.blob(module.trailer());
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
        if module.version() != 3 {
            _ = writeln!(self.out, "version {}", module.version());
        }
        if let Some(text) = &module.description() {
            self.out.push_str("description ");
            quote_into(&mut self.out, text);
            self.out.push('\n');
        }
        // What the first metadata of a record's key holds is what the record says. It is the
        // record's place in the file, which is for layouts, or tells it from others of the name.
        let mut of_records: HashMap<&str, Vec<usize>> = HashMap::new();
        for (n, entry) in module.metadata().iter().enumerate().filter(|_| layout.is_none()) {
            let key = entry.name.as_deref().filter(|key| *key != DEQUANT_CACHE_METADATA);
            if let Some(key) = key.filter(|key| module.record(key).is_some()) {
                of_records.entry(key).or_default().push(n);
            }
        }
        for (n, entry) in module.metadata().iter().enumerate() {
            let of_key = entry.name.as_deref().and_then(|key| of_records.get(key));
            let of_record = of_key.is_some_and(|of_key| of_key[0] == n);
            if of_record && of_key.is_some_and(|of_key| of_key.len() == 1) {
                continue;
            }
            self.out.push_str("metadata ");
            self.optional(entry.name.as_deref());
            if let Some(place) = layout.and_then(|layout| layout.metadata[n]) {
                _ = write!(self.out, " buffer {place}");
            }
            if of_record {
                self.out.push_str(" of record");
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
        for name in module.external_buffer_groups() {
            self.out.push_str("external_group ");
            self.optional(name.as_deref());
            self.out.push('\n');
        }
        for buffer in module.external_buffers() {
            _ = write!(
                self.out,
                "external_buffer {} {{group = {}, offset = {}, length = {}",
                buffer.id, buffer.group, buffer.offset, buffer.length
            );
            if let Some(packing) = &buffer.packing {
                self.out.push_str(", packing = ");
                quote_into(&mut self.out, packing);
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
        let place = Printed { id, graph, names: &names };
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

    fn dequant_cache(&mut self) {
        let Some(cache) = self.module.dequant_cache() else { return };
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
}

/// Records of any key; that of cached Dequantize results has a form of its own.
impl Printer<'_> {
    fn records(&mut self) {
        let module = self.module;
        let mut orders = HashMap::new();
        for (key, record) in module.records().filter(|(key, _)| ***key != *DEQUANT_CACHE_METADATA) {
            self.out.push_str("\nrecord ");
            quote_into(&mut self.out, key);
            if !record.about.is_empty() {
                self.out.push_str(" about (");
                for (n, code) in record.about.iter().enumerate() {
                    self.separate(n);
                    self.kind(&OpKind::Builtin(*code));
                }
                self.out.push(')');
            }
            self.out.push_str(" {\n");
            for (sg, entry) in module.recorded(record) {
                let (at, graph) = (sg.0 as usize, module.subgraph(sg));
                self.out.push_str("  ");
                quote::name(&mut self.out, '@', &self.subgraphs[at]);
                match entry.of {
                    Recorded::Tensor(tensor) => {
                        self.out.push_str(" tensor ");
                        self.link(at, &TensorLink::Tensor(tensor));
                    }
                    Recorded::Op(op) => {
                        self.out.push_str(" op ");
                        let result = graph.results(op).first().copied();
                        let is_its =
                            |id: &TensorId| graph.producer(*id).is_some_and(|of| of.0 == op);
                        match result.filter(is_its) {
                            Some(result) => self.link(at, &TensorLink::Tensor(result)),
                            None => {
                                let order: &HashMap<OpId, usize> = orders
                                    .entry(sg)
                                    .or_insert_with(|| graph.ops().zip(0..).collect());
                                _ = write!(self.out, "{}", order[&op]);
                            }
                        }
                    }
                }
                self.out.push_str(" = ");
                self.blob(&entry.bytes);
                self.out.push('\n');
            }
            self.out.push_str("}\n");
        }
    }
}

/// Single parts of a model as text, with the names that the whole text has.
pub struct Parts<'m>(Printer<'m>);

impl<'m> Parts<'m> {
    /// Prints parts of `module` as a text of this level shows them.
    pub fn new(module: &'m Module, level: Level) -> Self {
        Self(Printer::new(module, level, None, Aside::Nothing, 8, HashMap::new()))
    }

    /// The name of a subgraph, without its `@`.
    pub fn subgraph_name(&self, id: SubgraphId) -> &str {
        &self.0.subgraphs[id.0 as usize]
    }

    /// The name of a tensor, without its `%`; it is unique in its subgraph.
    pub fn tensor_name(&self, subgraph: SubgraphId, id: TensorId) -> &str {
        self.0.names[subgraph.0 as usize]
            .as_ref()
            .and_then(|names| names.get(id))
            .map_or("?", |n| n)
    }

    /// The line of an op, without indentation.
    pub fn op(&mut self, subgraph: SubgraphId, id: OpId) -> String {
        let line = self.with(subgraph, |printer, place| printer.op(place, id));
        line.trim().to_owned()
    }

    /// Type, shape and quantisation of a tensor: `i8[8,3,3,1] q(0.011)`.
    pub fn tensor(&mut self, subgraph: SubgraphId, id: TensorId) -> String {
        let constant = self.0.module.constant(subgraph, id).is_some();
        self.with(subgraph, |printer, place| {
            printer.description(place, place.graph.tensor(id), constant);
        })
    }

    /// What the text shows of a tensor's constant, for example `= [1, 2]`; nothing for a tensor
    /// that is none.
    pub fn content(&mut self, subgraph: SubgraphId, id: TensorId) -> String {
        let text = self.with(subgraph, |printer, place| {
            printer.content(place, id, place.graph.tensor(id));
        });
        text.trim().to_owned()
    }

    /// The value of an attribute: enums and subgraphs go by name.
    pub fn attribute(&mut self, info: &catalog::AttrInfo, value: &Attr) -> String {
        self.0.attribute(info, value);
        std::mem::take(&mut self.0.out)
    }

    fn with(
        &mut self,
        id: SubgraphId,
        print: impl FnOnce(&mut Printer<'m>, &Printed<'_>),
    ) -> String {
        let printer = &mut self.0;
        let names = printer.names[id.0 as usize].take().expect("all subgraphs have names");
        print(printer, &Printed { id, graph: printer.module.subgraph(id), names: &names });
        printer.names[id.0 as usize] = Some(names);
        // Each part stands for itself, so none refers to another.
        printer.owners.clear();
        std::mem::take(&mut printer.out)
    }
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
