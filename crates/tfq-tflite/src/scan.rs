//! A walk over a file, slot by slot: whether it is a flatbuffer that can be read, what it holds
//! beyond our schema, and where it ends.
//!
//! It takes what the runtime's own check takes, which is more than the flatbuffers crate does:
//! strings that are no UTF-8, a union's tag without a value, vectors of
//! 64-bit elements that are aligned to 4, as older writers left them, and one vector that many
//! tables share. The generated accessors pass over vtable slots that they do not know. A model
//! written with a newer schema would come back without them, so the walk looks at every slot of
//! every table.

use tfq_ir::counted;
use tfq_ir::maps::HashSet;
use tfq_schema::reflection::{self, Element, Field, FieldType, TableId};

/// Something in a model that our schema does not know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Unknown {
    /// A set vtable slot.
    Slot { table: &'static str, slot: usize },
    /// A union with a tag that names no table, though it has a value.
    Tag { table: &'static str, union: &'static str, tag: u8 },
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slot { table, slot } => write!(f, "table {table}, vtable slot {slot}"),
            Self::Tag { table, union, tag } => write!(f, "table {table}, {union} with tag {tag}"),
        }
    }
}

/// What the walk found.
pub(crate) struct Scan {
    /// Each kind of unknown thing, with its number of occurrences, in order of appearance.
    pub(crate) unknown: indexmap::IndexMap<Unknown, usize>,
    /// Offset of the first byte behind the flatbuffer: every table, vector and string ends
    /// before it.
    pub(crate) end: usize,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) what: String,
    /// Whether something would lie behind the end of the file.
    pub(crate) beyond_end: bool,
}

/// A slice that is shared costs this part of its bytes for each time but the first: it is read
/// in place, but whoever looks at buffers one by one reads it again.
const SHARED_PART: u64 = 256;

/// Walks all tables, and follows no offset that it has not checked. Tables, strings and vectors
/// may be shared, which counts them again; limits that follow from the file's size leave room for
/// that and still bound the work.
pub(crate) fn scan(bytes: &[u8]) -> Result<Scan, Fault> {
    let found = Scan { unknown: indexmap::IndexMap::new(), end: 8 };
    let mut walk = Walk {
        bytes,
        found,
        // A table takes 4 bytes at least.
        tables: bytes.len() / 4,
        room: (bytes.len() as u64).saturating_mul(16).saturating_add(1 << 20),
        slices: HashSet::default(),
        field: FieldName { table: "the file", field: "root" },
    };
    let root = walk.follow(0)?;
    walk.table(root, reflection::root())?;
    Ok(walk.found)
}

struct Walk<'a> {
    bytes: &'a [u8],
    found: Scan,
    /// How many tables may still be visited.
    tables: usize,
    /// How many bytes of strings and vectors may still be.
    room: u64,
    /// Vectors of bytes that the module refers to where they lie.
    slices: HashSet<usize>,
    field: FieldName,
}

/// Where the walk is, for messages.
#[derive(Clone, Copy)]
struct FieldName {
    table: &'static str,
    field: &'static str,
}

impl Walk<'_> {
    fn table(&mut self, at: usize, id: TableId) -> Result<(), Fault> {
        let table = id.get();
        self.tables = self.tables.checked_sub(1).ok_or_else(|| {
            self.fault("too many tables, for the same ones are named over and over".to_owned())
        })?;
        let distance = i64::from(self.u32(at)? as u32 as i32);
        let vtable = usize::try_from(at as i64 - distance).ok().filter(|at| at % 2 == 0);
        let Some(vtable) = vtable else {
            return Err(self.fault(format!("the table at byte offset {at} has no list of fields")));
        };
        let (vtable_bytes, table_bytes) = (self.u16(vtable)?, self.u16(vtable + 2)?);
        if vtable_bytes < 4 || vtable_bytes % 2 != 0 {
            let what = format!(
                "the list of fields at byte offset {vtable} has {}",
                counted(vtable_bytes, "byte")
            );
            return Err(self.fault(what));
        }
        self.reach(vtable + vtable_bytes)?;
        self.reach(at + table_bytes)?;
        for slot in 0..(vtable_bytes - 4) / 2 {
            let offset = u16_at(self.bytes, vtable + 4 + 2 * slot);
            if offset == 0 {
                continue;
            }
            let Some(field) = table.field(slot) else {
                self.note(Unknown::Slot { table: table.name, slot });
                continue;
            };
            self.field = FieldName { table: table.name, field: field.name };
            if offset < 4 || offset + field.ty.inline_size() > table_bytes {
                let what = format!("a field at byte offset {} lies out of its table", at + offset);
                return Err(self.fault(what));
            }
            self.field(at, at + offset, field, table)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        table_at: usize,
        at: usize,
        field: &'static Field,
        table: &'static reflection::Table,
    ) -> Result<(), Fault> {
        match field.ty {
            FieldType::Scalar(_) | FieldType::Enum(..) | FieldType::UnionTag(_) => Ok(()),
            FieldType::String => self.string_at(at),
            FieldType::Table(id) => {
                let to = self.follow(at)?;
                self.table(to, id)
            }
            FieldType::Vector(element) => {
                let sliced = matches!(
                    (table.name, field.name),
                    ("Buffer", "data") | ("Operator", "custom_options")
                );
                self.vector(at, element, sliced)
            }
            FieldType::Union(id) => {
                let tag_at = field_at(self.bytes, table_at, usize::from(field.id) - 1);
                let tag = tag_at.map_or(0, |at| self.bytes[at]);
                let union = id.get();
                match union.member(tag) {
                    Some((_, Some(member))) => {
                        let to = self.follow(at)?;
                        self.table(to, member)
                    }
                    // A value without a tag may be a table of any kind.
                    Some((_, None)) | None => {
                        self.note(Unknown::Tag { table: table.name, union: union.name, tag });
                        Ok(())
                    }
                }
            }
        }
    }

    fn vector(&mut self, at: usize, element: Element, sliced: bool) -> Result<(), Fault> {
        let at = self.follow(at)?;
        let len = self.u32(at)?;
        let first = at + 4;
        self.reach(first + len * element.size())?;
        let again = sliced && !self.slices.insert(at);
        let bytes = (len * element.size()) as u64;
        self.spend(if again { bytes / SHARED_PART } else { bytes })?;
        let place = self.field;
        for n in 0..len {
            let at = first + 4 * n;
            match element {
                Element::Scalar(_) | Element::Enum(..) => return Ok(()),
                Element::String => self.string_at(at)?,
                Element::Table(id) => {
                    let to = self.follow(at)?;
                    self.table(to, id)?;
                }
            }
            self.field = place;
        }
        Ok(())
    }

    fn string_at(&mut self, at: usize) -> Result<(), Fault> {
        let at = self.follow(at)?;
        let len = self.u32(at)?;
        self.spend(len as u64)?;
        let end = at + 4 + len;
        self.reach(end)?;
        // A zero byte follows each string; some writers leave it out at the end of the file.
        match self.bytes.get(end) {
            None => Ok(()),
            Some(0) => self.reach(end + 1),
            Some(_) => Err(self.fault(format!("the string at byte offset {at} has no end"))),
        }
    }

    /// Where the offset that stands here leads.
    fn follow(&self, at: usize) -> Result<usize, Fault> {
        let to = at + self.u32(at)?;
        if to == at || !to.is_multiple_of(4) {
            return Err(self.fault(format!("the offset at byte offset {at} leads to {to}")));
        }
        Ok(to)
    }

    fn u16(&self, at: usize) -> Result<usize, Fault> {
        if at + 2 <= self.bytes.len() {
            Ok(u16_at(self.bytes, at))
        } else {
            Err(self.beyond(at + 2))
        }
    }

    fn u32(&self, at: usize) -> Result<usize, Fault> {
        if at + 4 <= self.bytes.len() {
            Ok(u32_at(self.bytes, at))
        } else {
            Err(self.beyond(at + 4))
        }
    }

    fn reach(&mut self, end: usize) -> Result<(), Fault> {
        self.found.end = self.found.end.max(end);
        if end <= self.bytes.len() { Ok(()) } else { Err(self.beyond(end)) }
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Fault> {
        self.room = self
            .room
            .checked_sub(bytes)
            .ok_or_else(|| self.fault("the same bytes are referred to over and over".to_owned()))?;
        Ok(())
    }

    fn note(&mut self, what: Unknown) {
        *self.found.unknown.entry(what).or_default() += 1;
    }

    fn beyond(&self, end: usize) -> Fault {
        let what = format!(
            "something ends at byte offset {end}, and the file has {}",
            counted(self.bytes.len(), "byte")
        );
        Fault { beyond_end: true, ..self.fault(what) }
    }

    fn fault(&self, what: String) -> Fault {
        let FieldName { table, field } = self.field;
        Fault { what: format!("{table}.{field}: {what}"), beyond_end: false }
    }
}

/// Where the value of a slot lies; `None` where the table does not set it.
pub(crate) fn field_at(bytes: &[u8], table: usize, slot: usize) -> Option<usize> {
    let vtable = vtable_of(bytes, table);
    let entry = 4 + 2 * slot;
    if entry + 2 > u16_at(bytes, vtable) {
        return None;
    }
    match u16_at(bytes, vtable + entry) {
        0 => None,
        offset => Some(table + offset),
    }
}

fn vtable_of(bytes: &[u8], table: usize) -> usize {
    let distance = i32::from_le_bytes(array_at(bytes, table));
    (table as i64 - i64::from(distance)) as usize
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes(array_at(bytes, at)))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(array_at(bytes, at)) as usize
}

pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has N bytes")
}
