//! A walk over a verified model, slot by slot: what it holds beyond our schema, and where it ends.
//!
//! The generated accessors pass over vtable slots that they do not know. A model written with
//! a newer schema would come back without them, so the walk looks at every slot of every table.

use tfq_schema::reflection::{self, Element, Field, FieldType, TableId};

/// Something in a model that our schema does not know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Unknown {
    /// A set vtable slot.
    Slot { table: &'static str, slot: usize },
    /// A union with a tag that names no table.
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

/// Walks all tables. The buffer must have passed the verifier, which bounds the number of
/// tables and their depth, and so bounds this walk. The verifier does not look at deprecated
/// and unknown fields, so the walk checks that those lie inside their tables and the file;
/// the error is the byte offset of one that does not.
pub(crate) fn scan(bytes: &[u8]) -> Result<Scan, usize> {
    let mut walk = Walk { bytes, found: Scan { unknown: indexmap::IndexMap::new(), end: 8 } };
    walk.table(u32_at(bytes, 0), reflection::root())?;
    Ok(walk.found)
}

struct Walk<'a> {
    bytes: &'a [u8],
    found: Scan,
}

impl Walk<'_> {
    fn table(&mut self, at: usize, id: TableId) -> Result<(), usize> {
        let table = id.get();
        let vtable = vtable_of(self.bytes, at);
        let vtable_bytes = u16_at(self.bytes, vtable);
        // The verifier takes vtables too short to hold the two lengths.
        if vtable_bytes < 4 {
            return Err(vtable);
        }
        let table_bytes = u16_at(self.bytes, vtable + 2);
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
            if offset + field.ty.inline_size() > table_bytes {
                return Err(at + offset);
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
    ) -> Result<(), usize> {
        match field.ty {
            FieldType::Scalar(_) | FieldType::Enum(..) | FieldType::UnionTag(_) => Ok(()),
            FieldType::String => self.string(at + u32_at(self.bytes, at), field.deprecated),
            FieldType::Table(id) => self.table(at + u32_at(self.bytes, at), id),
            FieldType::Vector(element) => self.vector(at + u32_at(self.bytes, at), element),
            FieldType::Union(id) => {
                let tag_at = field_at(self.bytes, table_at, usize::from(field.id) - 1);
                let tag = tag_at.map_or(0, |at| self.bytes[at]);
                let union = id.get();
                match union.member(tag) {
                    Some((_, Some(member))) => self.table(at + u32_at(self.bytes, at), member),
                    Some((_, None)) => Ok(()),
                    None => {
                        self.note(Unknown::Tag { table: table.name, union: union.name, tag });
                        Ok(())
                    }
                }
            }
        }
    }

    fn vector(&mut self, at: usize, element: Element) -> Result<(), usize> {
        let len = u32_at(self.bytes, at);
        let first = at + 4;
        self.reach(first + len * element.size())?;
        for n in 0..len {
            let at = first + 4 * n;
            match element {
                Element::Scalar(_) | Element::Enum(..) => return Ok(()),
                Element::String => self.string(at + u32_at(self.bytes, at), false)?,
                Element::Table(id) => self.table(at + u32_at(self.bytes, at), id)?,
            }
        }
        Ok(())
    }

    fn string(&mut self, at: usize, unverified: bool) -> Result<(), usize> {
        if unverified {
            let len = self.bytes.get(at..at + 4).map(|_| u32_at(self.bytes, at)).ok_or(at)?;
            let text = self.bytes.get(at + 4..at + 4 + len).ok_or(at)?;
            std::str::from_utf8(text).map_err(|_| at)?;
        }
        // A zero byte follows each string; some writers leave it out at the end of the file.
        let end = at + 4 + u32_at(self.bytes, at);
        self.reach((end + 1).min(self.bytes.len()))
    }

    fn reach(&mut self, end: usize) -> Result<(), usize> {
        self.found.end = self.found.end.max(end);
        if end <= self.bytes.len() { Ok(()) } else { Err(end) }
    }

    fn note(&mut self, what: Unknown) {
        *self.found.unknown.entry(what).or_default() += 1;
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
