//! Edits out of their JSON form, for the model that they are to change.

use crate::EditsError;
use crate::blobs::Blobs;
use crate::number::{Float, Int64};
use crate::wire::{
    Attribute, Blob, BufferRef, Builtin, Details, Edit, Link, Map, New, NewOp, Nullable, Op,
    OpChange, OpHandle, OpRef, Operand, Operator, Patch, Place, Plain, Port, Prune, Quantization,
    Record, Recorded, Signature, SparseIndex, Sparsity, Tensor, TensorChange, TensorHandle,
    TensorRef, Type, VariantTensor,
};
use crate::write::own_table;
use bytes::Bytes;
use data_encoding::BASE64;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use std::fmt;
use std::sync::Arc;
use tfq_ir::catalog::{self, AttrInfo, AttrType, EnumInfo, ListType, OptionsInfo};
use tfq_ir::maps::HashMap;
use tfq_ir::{
    Attr, Attributes, BufferId, DimensionMetadata, ExternalBuffer, Module, OpId, OpKind,
    QuantizationDetails, RecordEntry, Subgraph, SubgraphId, TensorId, TensorLink, VariantSubType,
    counted, did_you_mean,
};

type Read<T> = Result<T, EditsError>;

/// Where in the JSON something is.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    before: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Start(&'a str),
    Field(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    pub(crate) fn start(path: &'a str) -> Self {
        Self { before: None, step: Step::Start(path) }
    }

    fn field(&'a self, name: &'a str) -> Self {
        Self { before: Some(self), step: Step::Field(name) }
    }

    fn index(&'a self, n: usize) -> Self {
        Self { before: Some(self), step: Step::Index(n) }
    }

    fn write(&self, out: &mut String) {
        if let Some(before) = self.before {
            before.write(out);
        }
        match self.step {
            Step::Start(path) => out.push_str(path),
            Step::Field(name) => {
                out.push_str(if out.is_empty() { "" } else { "." });
                out.push_str(name);
            }
            Step::Index(n) => out.push_str(&format!("[{n}]")),
        }
    }

    fn error(&self, message: impl fmt::Display) -> EditsError {
        let mut path = String::new();
        self.write(&mut path);
        EditsError::new(path, message)
    }
}

/// Reads each of a list.
fn each<'a, T, U, C: FromIterator<U>>(
    list: &'a [T],
    at: &At<'_>,
    read: impl Fn(&'a T, &At<'_>) -> Read<U>,
) -> Read<C> {
    list.iter().enumerate().map(|(n, one)| read(one, &at.index(n))).collect()
}

/// Reads edits for a model, with the bytes that were sent along.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) module: &'a Module,
    pub(crate) blobs: &'a Blobs,
}

impl Reader<'_> {
    pub(crate) fn edit(&self, edit: &Edit, at: &At<'_>) -> Read<tfq_ir::Edit> {
        use tfq_ir::Edit as Ir;
        Ok(match edit {
            Edit::Patch(patch) => self.patch(patch, &at.field("patch"))?.into(),
            Edit::Versions { subgraph, versions } => {
                let at = at.field("versions");
                let graph = self.subgraph(*subgraph, &at.field("subgraph"))?;
                let place = at.field("versions");
                let versions = each(versions, &place, |one, at| {
                    Ok((self.op_of(graph, one.op, &at.field("op"))?, one.version))
                })?;
                Ir::Versions(SubgraphId(*subgraph), versions)
            }
            Edit::Constant(blob) => Ir::Constant(self.blob(blob, &at.field("constant"))?),
            Edit::Release(ids) => {
                Ir::Release(each(ids, &at.field("release"), |id, at| self.buffer(*id, at))?)
            }
            Edit::Metadata { name, content } => {
                let at = at.field("metadata");
                let content = self.some_blob(&content.0, &at.field("content"))?;
                Ir::Metadata(name.as_str().into(), content)
            }
            Edit::MetadataBuffers(list) => Ir::MetadataBuffers(list.clone()),
            Edit::Description(text) => Ir::Description(shared(&text.0)),
            Edit::Trailer(blob) => Ir::Trailer(self.blob(blob, &at.field("trailer"))?),
            Edit::External { groups, buffers } => {
                let buffer = |one: &crate::wire::ExternalBuffer| ExternalBuffer {
                    id: one.id,
                    group: one.group,
                    offset: one.offset.0,
                    length: one.length.0,
                    packing: shared(&one.packing),
                };
                let groups = groups.iter().map(shared).collect();
                Ir::External(groups, buffers.iter().map(buffer).collect())
            }
            Edit::Signatures(all) => {
                let at = at.field("signatures");
                Ir::Signatures(each(all, &at, |one, at| self.signature(one, at))?)
            }
            Edit::Record { key, record } => {
                let at = at.field("record");
                let at = at.field("record");
                let record =
                    record.0.as_ref().map(|record| self.record(record, &at)).transpose()?;
                Ir::Record(key.as_str().into(), record.map(Arc::new))
            }
            Edit::Prune(Prune::Buffers) => Ir::PruneBuffers,
            Edit::Prune(Prune::OperatorCodes) => Ir::PruneOpCodes,
            Edit::Prune(Prune::Subgraphs) => Ir::PruneSubgraphs,
        })
    }

    fn patch(&self, patch: &Patch, at: &At<'_>) -> Read<tfq_ir::Patch> {
        let graph = self.subgraph(patch.subgraph, &at.field("subgraph"))?;
        PatchReader { of: *self, graph, patch }.read(at)
    }

    fn subgraph(&self, number: u32, at: &At<'_>) -> Read<&Subgraph> {
        let found = self.module.subgraphs().nth(number as usize);
        let count = || counted(self.module.subgraphs().len(), "subgraph");
        let none = || format!("there is no subgraph {number}: the model has {}", count());
        found.map(|(_, graph)| graph).ok_or_else(|| at.error(none()))
    }

    fn op_of(&self, graph: &Subgraph, OpHandle(id): OpHandle, at: &At<'_>) -> Read<OpId> {
        match graph.contains_op(id) {
            true => Ok(id),
            false => Err(self.no_handle(graph, "op", id.origin(), &id, at)),
        }
    }

    fn tensor_of(
        &self,
        graph: &Subgraph,
        TensorHandle(id): TensorHandle,
        at: &At<'_>,
    ) -> Read<TensorId> {
        match graph.contains_tensor(id) {
            true => Ok(id),
            false => Err(self.no_handle(graph, "tensor", id.origin(), &id, at)),
        }
    }

    fn no_handle(
        &self,
        graph: &Subgraph,
        kind: &str,
        origin: u32,
        handle: &dyn fmt::Display,
        at: &At<'_>,
    ) -> EditsError {
        let error = |what: &str, help: &str| {
            at.error(format!("{kind} `{handle}` {what}")).help(Some(help.to_owned()))
        };
        if origin == graph.origin() {
            let help = "handles are those of the model as the edits before this one left it";
            return error("does not exist: it was erased, or never was there", help);
        }
        match self.module.by_origin(origin) {
            Some(_) => {
                let own = graph.origin();
                let what = format!("is of subgraph @{origin}, where one of @{own} belongs");
                error(&what, "a patch changes one subgraph; send one for each")
            }
            None => error("is of a subgraph that does not exist", "send a handle of the model"),
        }
    }

    fn buffer(&self, id: u32, at: &At<'_>) -> Read<BufferId> {
        let count = self.module.constants().len();
        match id == 0 || (id as usize) < count {
            true => Ok(BufferId(id)),
            false => Err(at.error(format!(
                "there is no constant {id}: the model has {}",
                counted(count, "buffer")
            ))),
        }
    }

    fn signature(&self, one: &Signature, at: &At<'_>) -> Read<tfq_ir::Signature> {
        let graph = self.module.subgraphs().nth(one.subgraph as usize).map(|(_, graph)| graph);
        let ports = |list: &[Port], at: At<'_>| {
            each(list, &at, |port, at| {
                let at = at.field("tensor");
                let link = match (port.tensor, graph) {
                    (Link::Raw(number), _) => TensorLink::Raw(number),
                    (Link::Old(id), Some(graph)) => {
                        TensorLink::Tensor(self.tensor_of(graph, id, &at)?)
                    }
                    (Link::Old(_), None) => {
                        let none = format!("there is no subgraph {}", one.subgraph);
                        return Err(at.error(none));
                    }
                    (Link::New(_), _) => {
                        let help = "send the patch first, and the handle that its tensor got";
                        return Err(at
                            .error("a signature adds no tensors")
                            .help(Some(help.to_owned())));
                    }
                };
                Ok((shared(&port.name), link))
            })
        };
        Ok(tfq_ir::Signature {
            key: shared(&one.key),
            inputs: ports(&one.inputs, at.field("inputs"))?,
            outputs: ports(&one.outputs, at.field("outputs"))?,
            subgraph: one.subgraph,
            deprecated_tag: shared(&one.deprecated_tag),
        })
    }

    fn record(&self, record: &Record, at: &At<'_>) -> Read<tfq_ir::Record> {
        // A record may tell of what is gone: readers skip it.
        let entries = each(&record.entries, &at.field("entries"), |entry, at| {
            let bytes = self.blob(&entry.content, &at.field("content"))?;
            let of = match entry.of {
                Recorded::Op(op) => tfq_ir::Recorded::Op(op.0),
                Recorded::Tensor(tensor) => tfq_ir::Recorded::Tensor(tensor.0),
            };
            Ok(RecordEntry { of, bytes })
        })?;
        let about = each(&record.about, &at.field("about"), builtin)?;
        Ok(tfq_ir::Record { entries, about })
    }

    fn some_blob(&self, blob: &Option<Blob>, at: &At<'_>) -> Read<Option<Bytes>> {
        blob.as_ref().map(|blob| self.blob(blob, at)).transpose()
    }

    fn blob(&self, blob: &Blob, at: &At<'_>) -> Read<Bytes> {
        match blob {
            Blob::Base64(text) => {
                BASE64.decode(text.as_bytes()).map(Bytes::from).map_err(|error| {
                    let help = "the alphabet is that of RFC 4648 with + and /, padded with =";
                    at.field("base64")
                        .error(format!("it is no base64: {error}"))
                        .help(Some(help.to_owned()))
                })
            }
            Blob::Buffer(id) => {
                let at = at.field("buffer");
                let bytes = self.module.constants().get(self.buffer(*id, &at)?).cloned();
                bytes.ok_or_else(|| at.error(format!("constant {id} has no bytes")))
            }
            Blob::New(_) => {
                let what = "only constants that the same patch adds can be named like this";
                Err(at.field("new").error(what))
            }
            Blob::Blake3(digits) => {
                let at = at.field("blake3");
                let is_lower = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                let hash = blake3::Hash::from_hex(digits).ok().filter(|_| is_lower);
                let hash = hash.ok_or_else(|| {
                    at.error("it is no hash: 64 hexadecimal digits in lower case are wanted")
                })?;
                let help = "send them along, or in base64 where they are few";
                self.blobs.get(&hash).map_err(|error| at.error(error).help(Some(help.to_owned())))
            }
        }
    }

    fn op(&self, op: &Op, at: &At<'_>) -> Read<tfq_ir::Op> {
        let kind = match &op.operator {
            Operator::Custom(custom) => OpKind::Custom(custom.custom.as_str().into()),
            Operator::Builtin(code) => OpKind::Builtin(builtin(code, &at.field("operator"))?),
        };
        let own = own_table(&kind);
        let table = match &op.table {
            Some(name) => Some(table_of(name, &at.field("table"))?),
            None => own,
        };
        if op.no_table && (op.table.is_some() || !op.attributes.0.is_empty()) {
            return Err(at.field("no_table").error("it goes with no table and no attributes"));
        }
        let attrs = match table.filter(|_| !op.no_table) {
            Some(table) => Some(self.attributes(table, &op.attributes, &at.field("attributes"))?),
            None => match op.attributes.0.first() {
                None => None,
                Some(_) => {
                    let what = format!("{kind} has no table of attributes of its own");
                    let help = "leave them out, or say which `table` they are of";
                    return Err(at.field("attributes").error(what).help(Some(help.to_owned())));
                }
            },
        };
        let extra_attrs = match &op.second {
            None => None,
            Some(second) => {
                let at = at.field("second");
                let options = table_of(&second.table, &at.field("table"))?;
                let place = at.field("attributes");
                Some(Box::new(self.attributes(options, &second.attributes, &place)?))
            }
        };
        let custom_options = match &op.custom_options {
            None => tfq_ir::CustomOptions::default(),
            Some(custom) => tfq_ir::CustomOptions {
                bytes: self
                    .some_blob(&custom.content, &at.field("custom_options").field("content"))?,
                format: custom.format,
                large: custom.large,
            },
        };
        if let Some(code) = op.code.filter(|code| *code as usize >= self.module.op_codes().len()) {
            let count = counted(self.module.op_codes().len(), "operator code");
            let what = format!("there is no operator code {code}: the model has {count}");
            let help = "leave it out: an op that is new gets one when the model is written";
            return Err(at.field("code").error(what).help(Some(help.to_owned())));
        }
        let mut read = tfq_ir::Op::new(kind);
        read.version = op.version;
        read.code = op.code;
        read.attrs = attrs;
        read.extra_attrs = extra_attrs;
        read.custom_options = custom_options;
        read.mutating_variable_inputs = op.mutates.clone();
        read.debug_metadata_index = op.debug_metadata_index;
        let notes = at.field("notes");
        for (name, value) in &op.notes.0 {
            let value = self.attribute(value, &notes.field(name))?;
            read.notes.insert(name.clone().into(), value);
        }
        Ok(read)
    }

    fn attributes(
        &self,
        options: &'static OptionsInfo,
        values: &Map<Plain>,
        at: &At<'_>,
    ) -> Read<Attributes> {
        let mut attrs = Attributes::new(options);
        for (name, value) in &values.0 {
            let at = at.field(name);
            let Some((_, info)) = options.attr(name) else {
                let help = did_you_mean(name, options.attrs.iter().map(|info| info.name));
                return Err(at.error(format!("{} has no such attribute", options.name)).help(help));
            };
            let value = self.plain(info, value, &at)?;
            attrs.set(name, value).map_err(|error| at.error(error))?;
        }
        Ok(attrs)
    }

    /// A value of the type that the schema says.
    fn plain(&self, info: &AttrInfo, value: &Plain, at: &At<'_>) -> Read<Attr> {
        let list = |value: &Plain| match value {
            Plain::List(list) => Ok(list.clone()),
            _ => Err(at.error("a list is wanted")),
        };
        Ok(match info.ty {
            AttrType::Bool => Attr::Bool(boolean(value, at)?),
            AttrType::F32 | AttrType::F64 => Attr::Float(float(value, at)?),
            AttrType::String => match value {
                Plain::Text(text) => Attr::String(text.as_str().into()),
                _ => return Err(at.error("a string is wanted")),
            },
            AttrType::Bytes => match value {
                Plain::Bytes(blob) => Attr::Bytes(self.blob(blob, at)?),
                _ => return Err(at.error("bytes are wanted, as {\"base64\": …}")),
            },
            AttrType::List(ListType::Bool) => {
                Attr::Bools(each::<_, _, Vec<_>>(&list(value)?, at, boolean)?.into())
            }
            AttrType::List(ListType::F32) => {
                Attr::Floats(each::<_, _, Vec<_>>(&list(value)?, at, float)?.into())
            }
            AttrType::List(ty) => {
                let values = match ty {
                    ListType::Enum(values) => Some(values),
                    _ => None,
                };
                let int = |value: &Plain, at: &At<'_>| integer(value, values, at);
                Attr::Ints(each::<_, _, Vec<_>>(&list(value)?, at, int)?.into())
            }
            AttrType::Enum(values) => Attr::Int(integer(value, Some(values), at)?),
            _ => Attr::Int(integer(value, None, at)?),
        })
    }

    /// A value that says its type.
    fn attribute(&self, value: &Attribute, at: &At<'_>) -> Read<Attr> {
        Ok(match value {
            Attribute::Bool(v) => Attr::Bool(*v),
            Attribute::Int(Int64(v)) => Attr::Int(*v),
            Attribute::Float(Float(v)) => Attr::Float(*v),
            Attribute::String(v) => Attr::String(v.as_str().into()),
            Attribute::Bytes(v) => Attr::Bytes(self.blob(v, &at.field("bytes"))?),
            Attribute::Bools(v) => Attr::Bools(v.as_slice().into()),
            Attribute::Ints(v) => Attr::Ints(v.iter().map(|v| v.0).collect()),
            Attribute::Floats(v) => Attr::Floats(v.iter().map(|v| v.0).collect()),
            Attribute::Enum(_) => {
                let help = "send it as an int or a string";
                return Err(at
                    .field("enum")
                    .error("a note is of no enum")
                    .help(Some(help.to_owned())));
            }
        })
    }
}

/// Reads one patch.
struct PatchReader<'a> {
    of: Reader<'a>,
    graph: &'a Subgraph,
    patch: &'a Patch,
}

impl PatchReader<'_> {
    fn read(&self, at: &At<'_>) -> Read<tfq_ir::Patch> {
        let (of, p) = (self.of, self.patch);
        let mut made = tfq_ir::Patch::new(SubgraphId(p.subgraph), p.label.clone());
        let place = at.field("add_constants");
        let mut constants: Vec<Bytes> = Vec::with_capacity(p.add_constants.len());
        for (n, blob) in p.add_constants.iter().enumerate() {
            let at = place.index(n);
            let bytes = match blob {
                Blob::New(before) => {
                    let before = constants.get(*before as usize).cloned();
                    before.ok_or_else(|| at.error("only constants before it can be named"))?
                }
                blob => of.blob(blob, &at)?,
            };
            constants.push(bytes.clone());
            made.add_constant(bytes);
        }
        let place = at.field("add_tensors");
        for (n, tensor) in p.add_tensors.iter().enumerate() {
            made.add_tensor(self.tensor(tensor, &place.index(n))?);
        }
        let place = at.field("add_ops");
        for (n, new) in p.add_ops.iter().enumerate() {
            self.add_op(new, &mut made, &place.index(n))?;
        }
        let place = at.field("set_operands");
        for (n, operand) in p.set_operands.iter().enumerate() {
            match self.slot(operand, &place.index(n))? {
                (op, Some(tensor)) => made.set_operand(op, operand.slot, tensor),
                (op, None) => made.clear_operand(op, operand.slot),
            }
        }
        let place = at.field("set_results");
        for (n, result) in p.set_results.iter().enumerate() {
            let at = place.index(n);
            let op = self.op_ref(result.op, &at.field("op"))?;
            let tensor = self.tensor_ref(result.tensor, &at.field("tensor"))?;
            made.set_result(op, result.slot, tensor);
        }
        let place = at.field("set_intermediates");
        for (n, scratch) in p.set_intermediates.iter().enumerate() {
            let (op, tensor) = self.slot(scratch, &place.index(n))?;
            made.set_intermediate(op, scratch.slot, tensor);
        }
        let place = at.field("replace_outputs");
        for (n, output) in p.replace_outputs.iter().enumerate() {
            let at = place.index(n);
            let old = of.tensor_of(self.graph, output.old, &at.field("old"))?;
            made.replace_output(old, self.tensor_ref(output.new, &at.field("new"))?);
        }
        let refs = |list: &[TensorRef], at: At<'_>| -> Read<Vec<_>> {
            each(list, &at, |tensor, at| self.tensor_ref(*tensor, at))
        };
        if let Some(inputs) = &p.set_inputs {
            made.set_inputs(refs(inputs, at.field("set_inputs"))?);
        }
        if let Some(outputs) = &p.set_outputs {
            made.set_outputs(refs(outputs, at.field("set_outputs"))?);
        }
        // Here a new tensor may name a constant that the patch adds, which inside is a change.
        for (n, tensor) in (0..).zip(&p.add_tensors) {
            if let BufferRef::New(buffer) = tensor.buffer {
                let buffer = tfq_ir::BufferRef::New(buffer.new);
                made.set_buffer(tfq_ir::TensorRef::New(n), buffer);
            }
        }
        let place = at.field("change_tensors");
        for (n, change) in p.change_tensors.iter().enumerate() {
            let at = place.index(n);
            let tensor = self.tensor_ref(change.tensor, &at.field("tensor"))?;
            made.change_tensor(tensor, self.tensor_change(&change.set, &at.field("set"))?);
        }
        self.change_ops(&mut made, &at.field("change_ops"))?;
        let place = at.field("erase_ops");
        for (n, op) in p.erase_ops.iter().enumerate() {
            made.erase_op(of.op_of(self.graph, *op, &place.index(n))?);
        }
        let place = at.field("erase_tensors");
        for (n, tensor) in p.erase_tensors.iter().enumerate() {
            made.erase_tensor(of.tensor_of(self.graph, *tensor, &place.index(n))?);
        }
        Ok(made)
    }

    fn add_op(&self, new: &NewOp, made: &mut tfq_ir::Patch, at: &At<'_>) -> Read<()> {
        let op = self.of.op(&new.op, &at.field("op"))?;
        let anchor = |op, name| {
            let at = at.field("place");
            self.of.op_of(self.graph, op, &at.field(name))
        };
        let place = match new.place {
            Place::Before(op) => tfq_ir::InsertionPoint::Before(anchor(op, "before")?),
            Place::After(op) => tfq_ir::InsertionPoint::After(anchor(op, "after")?),
            Place::End => tfq_ir::InsertionPoint::End,
        };
        let optional = |list: &[Option<TensorRef>], at: At<'_>| -> Read<Vec<_>> {
            each(list, &at, |tensor, at| tensor.map(|id| self.tensor_ref(id, at)).transpose())
        };
        let operands = optional(&new.operands, at.field("operands"))?;
        let results: Vec<_> =
            each(&new.results, &at.field("results"), |tensor, at| self.tensor_ref(*tensor, at))?;
        let scratch = optional(&new.intermediates, at.field("intermediates"))?;
        let op = made.add_op(op, place, &operands, &results);
        for (slot, tensor) in (0..).zip(scratch) {
            made.set_intermediate(op, slot, tensor);
        }
        Ok(())
    }

    fn change_ops(&self, made: &mut tfq_ir::Patch, at: &At<'_>) -> Read<()> {
        let of = self.of;
        // The tables that ops have by then, for values of enums.
        let mut tables: HashMap<OpId, Option<&'static OptionsInfo>> = HashMap::default();
        for (n, change) in self.patch.change_ops.iter().enumerate() {
            let at = at.index(n);
            let op = of.op_of(self.graph, change.op, &at.field("op"))?;
            let at = at.field("set");
            match &change.set {
                OpChange::Op(new) => {
                    let new = of.op(new, &at.field("op"))?;
                    tables.insert(op, new.attrs.as_ref().map(Attributes::options));
                    made.set_op(op, new);
                }
                OpChange::Attribute { name, value } => {
                    let now = || self.graph.op(op).attrs.as_ref().map(Attributes::options);
                    let table = *tables.entry(op).or_insert_with(now);
                    let at = at.field("attribute");
                    made.set_attr(op, name.clone(), self.set(table, name, value, &at)?);
                }
                OpChange::Note { name, value } => {
                    let at = at.field("note");
                    made.set_note(op, name.clone(), of.attribute(value, &at.field("value"))?);
                }
                OpChange::Version(version) => made.set_version(op, *version),
            }
        }
        Ok(())
    }

    /// A value for an attribute of an op that has this table.
    fn set(
        &self,
        table: Option<&'static OptionsInfo>,
        name: &str,
        value: &Attribute,
        at: &At<'_>,
    ) -> Read<Attr> {
        let table = table.ok_or_else(|| at.error("the op has no table of attributes"))?;
        let info = table.attr(name).map(|(_, info)| info).ok_or_else(|| {
            let help = did_you_mean(name, table.attrs.iter().map(|info| info.name));
            at.field("name").error(format!("{} has no attribute `{name}`", table.name)).help(help)
        })?;
        let at = at.field("value");
        match (value, info.ty) {
            (Attribute::Enum(value), AttrType::Enum(values)) => {
                integer(&Plain::Text(value.clone()), Some(values), &at.field("enum")).map(Attr::Int)
            }
            (Attribute::Enum(_), _) => {
                Err(at.field("enum").error(format!("{}.{name} is of no enum", table.name)))
            }
            (value, _) => self.of.attribute(value, &at),
        }
    }

    fn tensor_ref(&self, tensor: TensorRef, at: &At<'_>) -> Read<tfq_ir::TensorRef> {
        match tensor {
            TensorRef::Old(id) => self.of.tensor_of(self.graph, id, at).map(Into::into),
            TensorRef::New(New { new }) => {
                known(new, self.patch.add_tensors.len(), "add_tensors", at)?;
                Ok(tfq_ir::TensorRef::New(new))
            }
        }
    }

    fn op_ref(&self, op: OpRef, at: &At<'_>) -> Read<tfq_ir::OpRef> {
        match op {
            OpRef::Old(id) => self.of.op_of(self.graph, id, at).map(Into::into),
            OpRef::New(New { new }) => {
                known(new, self.patch.add_ops.len(), "add_ops", at)?;
                Ok(tfq_ir::OpRef::New(new))
            }
        }
    }

    fn buffer_ref(&self, buffer: BufferRef, at: &At<'_>) -> Read<tfq_ir::BufferRef> {
        match buffer {
            BufferRef::Old(id) => self.of.buffer(id, at).map(Into::into),
            BufferRef::New(New { new }) => {
                known(new, self.patch.add_constants.len(), "add_constants", at)?;
                Ok(tfq_ir::BufferRef::New(new))
            }
        }
    }

    fn slot(
        &self,
        operand: &Operand,
        at: &At<'_>,
    ) -> Read<(tfq_ir::OpRef, Option<tfq_ir::TensorRef>)> {
        let op = self.op_ref(operand.op, &at.field("op"))?;
        let at = at.field("tensor");
        let tensor = operand.tensor.0.map(|tensor| self.tensor_ref(tensor, &at)).transpose()?;
        Ok((op, tensor))
    }

    fn tensor_change(&self, change: &TensorChange, at: &At<'_>) -> Read<tfq_ir::TensorChange> {
        use tfq_ir::TensorChange as Ir;
        Ok(match change {
            TensorChange::Name(name) => Ir::Name(shared(&name.0)),
            TensorChange::Type(Type(ty)) => Ir::Type(*ty),
            TensorChange::Shape(shape) => Ir::Shape(shape.as_slice().into()),
            TensorChange::ShapeSignature(shape) => Ir::ShapeSignature(shape.as_slice().into()),
            TensorChange::HasRank(has) => Ir::HasRank(*has),
            TensorChange::Variable(variable) => Ir::Variable(*variable),
            TensorChange::Buffer(buffer) => {
                Ir::Buffer(self.buffer_ref(*buffer, &at.field("buffer"))?)
            }
            TensorChange::ExternalBuffer(id) => Ir::ExternalBuffer(*id),
            TensorChange::Quantization(Nullable(q)) => {
                let at = at.field("quantization");
                let q = q.as_ref().map(|q| self.quantization(q, &at)).transpose()?;
                Ir::Quantization(q.map(Arc::new))
            }
            TensorChange::Sparsity(Nullable(s)) => {
                Ir::Sparsity(s.as_ref().map(|s| Arc::new(sparsity(s))))
            }
            TensorChange::VariantTensors(types) => Ir::VariantTensors(variants(types)),
            TensorChange::Expressed(Nullable(ty)) => Ir::Expressed(ty.map(|Type(ty)| ty)),
        })
    }

    fn tensor(&self, tensor: &Tensor, at: &At<'_>) -> Read<tfq_ir::Tensor> {
        let quantization = match &tensor.quantization {
            Some(q) => Some(Arc::new(self.quantization(q, &at.field("quantization"))?)),
            None => None,
        };
        let buffer = match self.buffer_ref(tensor.buffer, &at.field("buffer"))? {
            tfq_ir::BufferRef::Old(id) => id,
            tfq_ir::BufferRef::New(_) => BufferId::NONE,
        };
        Ok(tfq_ir::Tensor {
            name: shared(&tensor.name),
            ty: tensor.ty.0,
            shape: tensor.shape.as_slice().into(),
            shape_signature: tensor.shape_signature.as_slice().into(),
            has_rank: tensor.has_rank,
            is_variable: tensor.variable,
            buffer,
            external_buffer: tensor.external_buffer,
            quantization,
            sparsity: tensor.sparsity.as_ref().map(|s| Arc::new(sparsity(s))),
            variant_tensors: variants(&tensor.variant_tensors),
            expressed: tensor.expressed.map(|Type(ty)| ty),
        })
    }

    fn quantization(&self, q: &Quantization, at: &At<'_>) -> Read<tfq_ir::Quantization> {
        let floats = |list: &[Float]| list.iter().map(|v| v.0).collect();
        let at = at.field("details");
        let link = |link: Link, kind: &str, name: &str| {
            let at = at.field(kind);
            let at = at.field(name);
            Ok(match link {
                Link::Raw(number) => TensorLink::Raw(number),
                Link::Old(id) => TensorLink::Tensor(self.of.tensor_of(self.graph, id, &at)?),
                Link::New(new) => {
                    TensorLink::Tensor(self.tensor_ref(TensorRef::New(new), &at)?.id())
                }
            })
        };
        let details = match &q.details {
            None => QuantizationDetails::None,
            Some(Details::Custom(blob)) => {
                QuantizationDetails::Custom(self.of.blob(blob, &at.field("custom"))?)
            }
            Some(Details::Blockwise { scales, zero_points, block_size, block_shape }) => {
                QuantizationDetails::Blockwise {
                    scales: link(*scales, "blockwise", "scales")?,
                    zero_points: link(*zero_points, "blockwise", "zero_points")?,
                    block_size: *block_size,
                    block_shape: block_shape.clone(),
                }
            }
            Some(Details::MultiAxis { scales, zero_points, block_size, axes }) => {
                QuantizationDetails::MultiAxis {
                    scales: link(*scales, "multi_axis", "scales")?,
                    zero_points: link(*zero_points, "multi_axis", "zero_points")?,
                    block_size: *block_size,
                    quantized_dimensions: axes.clone(),
                }
            }
        };
        Ok(tfq_ir::Quantization {
            min: floats(&q.min),
            max: floats(&q.max),
            scale: floats(&q.scale),
            zero_point: q.zero_point.iter().map(|v| v.0).collect(),
            details,
            quantized_dimension: q.axis,
        })
    }
}

/// Whether the patch adds so many.
fn known(n: u32, count: usize, list: &str, at: &At<'_>) -> Read<()> {
    match (n as usize) < count {
        true => Ok(()),
        false => Err(at.error(format!("there is no new {n}: `{list}` has {count}"))),
    }
}

fn builtin(code: &Builtin, at: &At<'_>) -> Read<i32> {
    match code {
        Builtin::Number(code) => Ok(*code),
        Builtin::Name(name) => catalog::op_by_name(name).map(|info| info.code).ok_or_else(|| {
            let near = did_you_mean(name, catalog::all_ops().iter().map(|info| info.name));
            let custom = || "a custom operator is {\"custom\": NAME}".to_owned();
            let help = Some(near.unwrap_or_else(custom));
            at.error(format!("there is no operator `{name}`")).help(help)
        }),
    }
}

fn table_of(name: &str, at: &At<'_>) -> Read<&'static OptionsInfo> {
    catalog::options_by_name(name).ok_or_else(|| {
        let help = did_you_mean(name, catalog::all_options().iter().map(|info| info.name));
        at.error(format!("the schema has no table `{name}`")).help(help)
    })
}

fn boolean(value: &Plain, at: &At<'_>) -> Read<bool> {
    match value {
        Plain::Bool(value) => Ok(*value),
        _ => Err(at.error("true or false is wanted")),
    }
}

fn float(value: &Plain, at: &At<'_>) -> Read<f32> {
    // The same words and bounds as elsewhere.
    let read = match value {
        Plain::Float(float) => return Ok(float.0),
        Plain::Int(value) => Float::deserialize(value.into_deserializer()),
        Plain::Number(value) => Float::deserialize(value.into_deserializer()),
        Plain::Text(text) => Float::deserialize(text.as_str().into_deserializer()),
        _ => return Err(at.error("a number is wanted")),
    };
    read.map(|float| float.0).map_err(|error: serde::de::value::Error| at.error(error))
}

/// An integer, or the name of a value of the enum.
fn integer(value: &Plain, values: Option<&'static EnumInfo>, at: &At<'_>) -> Read<i64> {
    let digits = |text: &str| Int64::deserialize(text.into_deserializer()).map(|number| number.0);
    match (value, values) {
        (Plain::Int(value), _) => Ok(*value),
        (Plain::Text(text), values) => {
            let named = values.and_then(|values| values.value_of(text));
            let number = digits(text).map_err(|error: serde::de::value::Error| error);
            match (named, number, values) {
                (Some(value), ..) | (None, Ok(value), _) => Ok(value),
                (None, Err(error), None) => Err(at.error(error)),
                (None, Err(_), Some(values)) => {
                    let help = did_you_mean(text, values.values.iter().map(|(name, _)| *name));
                    Err(at.error(format!("{} has no value `{text}`", values.name)).help(help))
                }
            }
        }
        (_, Some(_)) => Err(at.error("the name of a value is wanted")),
        (_, None) => Err(at.error("an integer is wanted")),
    }
}

fn sparsity(sparsity: &Sparsity) -> tfq_ir::Sparsity {
    let index = |index: &Option<SparseIndex>| match index {
        None => tfq_ir::SparseIndex::None,
        Some(SparseIndex::Int32(list)) => tfq_ir::SparseIndex::Int32(list.clone()),
        Some(SparseIndex::Uint16(list)) => tfq_ir::SparseIndex::Uint16(list.clone()),
        Some(SparseIndex::Uint8(list)) => tfq_ir::SparseIndex::Uint8(list.clone()),
    };
    let dimension = |dimension: &crate::wire::SparseDimension| DimensionMetadata {
        format: dimension.format,
        dense_size: dimension.dense_size,
        array_segments: index(&dimension.segments),
        array_indices: index(&dimension.indices),
    };
    tfq_ir::Sparsity {
        traversal_order: sparsity.traversal_order.clone(),
        block_map: sparsity.block_map.clone(),
        dim_metadata: sparsity.dimensions.iter().map(dimension).collect(),
    }
}

fn variants(types: &[VariantTensor]) -> Vec<VariantSubType> {
    let of = |one: &VariantTensor| VariantSubType {
        shape: one.shape.clone(),
        ty: one.ty.0,
        has_rank: one.has_rank,
    };
    types.iter().map(of).collect()
}

fn shared(text: &Option<String>) -> Option<Arc<str>> {
    text.as_deref().map(Into::into)
}
