//! Records of any key in the metadata, under `schema/tfq_annotations.fbs`: each in an entry that is
//! named after its key. Whatever else an entry holds is passed on as it is.

use crate::metadata::{Numbers, PRODUCER, has_identifier};
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;
use std::sync::Arc;
use tfq_ir::maps::{HashSet, IndexMap};
use tfq_ir::{
    DEQUANT_CACHE_METADATA, Module, OpKind, Record, RecordEntry, Recorded, catalog, is_record_key,
};
use tfq_schema::annotations as fb;

/// The layout that we read and write.
const VERSION: u32 = 1;
/// What tells a record from other metadata.
const IDENTIFIER: &str = "TFQR";

/// A record with the numbers of a file.
#[derive(Debug, PartialEq)]
struct Rows {
    about: Vec<i32>,
    entries: Vec<Row>,
}

/// An entry with the numbers of a file, and what tells whether they are still right.
#[derive(Debug, PartialEq)]
struct Row {
    subgraph: u32,
    /// -1 for none, as is the tensor's.
    operator: i32,
    tensor: i32,
    name: Option<Arc<str>>,
    code: i32,
    content: Bytes,
}

/// The records that the file has, by key.
pub(crate) fn read(module: &Module) -> IndexMap<Arc<str>, Arc<Record>> {
    let mut numbers = None;
    let mut records = IndexMap::default();
    for (key, bytes) in first_of_each_name(module) {
        if key.as_ref() == DEQUANT_CACHE_METADATA {
            continue;
        }
        let Some(rows) = decode(key, bytes) else { continue };
        let numbers = numbers.get_or_insert_with(|| Numbers::of(module));
        let record = numbers.record(module, &rows);
        records.extend(record.map(|record| (key.clone(), Arc::new(record))));
    }
    records
}

/// The records that are to be written, by key, as entries of metadata; those aside that the file
/// has already.
pub(crate) fn outstanding(module: &Module) -> Vec<(Arc<str>, Bytes)> {
    let others = module.records().filter(|(key, _)| key.as_ref() != DEQUANT_CACHE_METADATA);
    let mut numbers = None;
    let mut there = None;
    let mut all = Vec::new();
    for (key, record) in others {
        let numbers = numbers.get_or_insert_with(|| Numbers::of(module));
        let rows = numbers.rows(module, record);
        let there = there.get_or_insert_with(|| first_of_each_name(module));
        let said = there.get(key).and_then(|bytes| decode(key, bytes));
        if said.as_ref() != Some(&rows) {
            all.push((key.clone(), encode(key, &rows)));
        }
    }
    all
}

/// What metadata holds, by name. Of several entries of one name the first counts, as everywhere.
fn first_of_each_name(module: &Module) -> IndexMap<&Arc<str>, &Bytes> {
    let mut seen = HashSet::default();
    let named = module.metadata().iter().filter_map(|entry| Some((entry.name.as_ref()?, entry)));
    let first = named.filter(|(name, _)| seen.insert(*name));
    let bytes = |buffer| module.constants().get(buffer);
    first.filter_map(|(name, entry)| Some((name, bytes(entry.buffer)?))).collect()
}

impl Numbers {
    /// The record of these rows, where all that they say is true of the model.
    fn record(&self, module: &Module, rows: &Rows) -> Option<Record> {
        let entry = |row: &Row| {
            let at = row.subgraph as usize;
            let of = match (usize::try_from(row.operator), usize::try_from(row.tensor)) {
                (Ok(n), Err(_)) => Recorded::Op(*self.ops.get(at)?.get(n)?),
                (Err(_), Ok(n)) => Recorded::Tensor(*self.tensors.get(at)?.get(n)?),
                _ => return None,
            };
            Some(RecordEntry { of, bytes: row.content.clone() })
        };
        let entries = rows.entries.iter().map(entry).collect::<Option<Vec<_>>>()?;
        let record = Record { entries, about: rows.about.clone() };
        let is_known = record.unknown_operator().is_none();
        (is_known && self.rows(module, &record) == *rows).then_some(record)
    }

    /// The entries about what the model still has.
    fn rows(&self, module: &Module, record: &Record) -> Rows {
        let entries = module.recorded(record).map(|(sg, entry)| {
            let graph = module.subgraph(sg);
            let (operator, tensor, named, code) = match entry.of {
                Recorded::Op(op) => {
                    let code = match graph.op(op).kind {
                        OpKind::Builtin(code) => code,
                        OpKind::Custom(_) => catalog::ops::CUSTOM,
                    };
                    (self.op(op) as i32, -1, graph.results(op).first().copied(), code)
                }
                Recorded::Tensor(tensor) => (-1, self.tensor(tensor) as i32, Some(tensor), -1),
            };
            Row {
                subgraph: sg.0,
                operator,
                tensor,
                name: named.and_then(|tensor| graph.tensor(tensor).name.clone()),
                code,
                content: entry.bytes.clone(),
            }
        });
        Rows { entries: entries.collect(), about: record.about.clone() }
    }
}

fn encode(key: &str, rows: &Rows) -> Bytes {
    let mut fbb = FlatBufferBuilder::new();
    let entries: Vec<_> = rows
        .entries
        .iter()
        .map(|row| {
            let name = row.name.as_ref().map(|name| fbb.create_string(name));
            let content = Some(fbb.create_vector(&row.content));
            fb::RecordEntry::create(
                &mut fbb,
                &fb::RecordEntryArgs {
                    subgraph: row.subgraph,
                    operator: row.operator,
                    tensor: row.tensor,
                    name,
                    code: row.code,
                    content,
                },
            )
        })
        .collect();
    let entries = Some(fbb.create_vector(&entries));
    let about = Some(fbb.create_vector(&rows.about));
    let key = Some(fbb.create_string(key));
    let producer = Some(fbb.create_string(PRODUCER));
    let root = fb::Record::create(
        &mut fbb,
        &fb::RecordArgs { version: VERSION, producer, key, about, entries },
    );
    fbb.finish(root, Some(IDENTIFIER));
    Bytes::copy_from_slice(fbb.finished_data())
}

/// What a record says, where it is one of this key and version and all of it can be understood.
fn decode(key: &str, bytes: &Bytes) -> Option<Rows> {
    if !has_identifier(bytes, IDENTIFIER) || !is_record_key(key) {
        return None;
    }
    let record = flatbuffers::root::<fb::Record>(bytes).ok()?;
    if record.version() != VERSION || record.key() != Some(key) {
        return None;
    }
    let entry = |entry: fb::RecordEntry<'_>| Row {
        subgraph: entry.subgraph(),
        operator: entry.operator(),
        tensor: entry.tensor(),
        name: entry.name().map(Arc::from),
        code: entry.code(),
        content: entry
            .content()
            .map_or_else(Bytes::new, |content| bytes.slice_ref(content.bytes())),
    };
    Some(Rows {
        about: record.about().into_iter().flatten().collect(),
        entries: record.entries().into_iter().flatten().map(entry).collect(),
    })
}
