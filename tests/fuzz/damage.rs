//! Changes of a file where they matter: in one field, length or offset of its flatbuffer. Bytes
//! that change anywhere are found out by the first check in most cases; these get farther.

use arbitrary::{Result, Unstructured};
use std::collections::{HashMap, HashSet};
use tfq_schema::reflection::{self, Element, FieldType, TableId};

/// More places than this are not looked for; a file of the fuzzers has fewer.
const MOST_SITES: usize = 1 << 16;

/// What stands at a place of the file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Site {
    /// A number of so many bytes.
    Number(usize),
    /// How far a vtable is in front of its table.
    Vtable,
    /// How long a vtable or a table is, or where a field lies in it.
    Slot,
    /// How far it is to another place of this kind.
    Offset(Kind),
    /// How many elements a vector has, or bytes a string.
    Length,
    /// Bytes of a string.
    Text,
}

/// What an offset leads to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Table(TableId),
    Vector(Element),
    String,
}

/// Changes a file of a model, which is sound, at some places.
pub(crate) fn damage(u: &mut Unstructured<'_>, file: &mut Vec<u8>) -> Result<()> {
    let mut walk = Walk { file, sites: Vec::new(), places: HashMap::new(), seen: HashSet::new() };
    walk.offset(0, Kind::Table(reflection::root()));
    let Walk { sites, places, .. } = walk;
    for _ in 0..u.int_in_range(1..=3)? {
        let (at, site) = *u.choose(&sites)?;
        change(u, file, at, site, &places)?;
    }
    if u.int_in_range(0..=15)? == 15 {
        file.truncate(u.int_in_range(0..=file.len())?);
    }
    Ok(())
}

fn change(
    u: &mut Unstructured<'_>,
    file: &mut [u8],
    at: usize,
    site: Site,
    places: &HashMap<Kind, Vec<usize>>,
) -> Result<()> {
    let (width, value) = match site {
        Site::Number(width) => (width, number(u, read(file, at, width))?),
        Site::Vtable => (4, number(u, read(file, at, 4))?),
        Site::Slot => (2, number(u, read(file, at, 2))?),
        Site::Length => (4, number(u, read(file, at, 4))?),
        Site::Text => (1, u64::from(u.arbitrary::<u8>()?)),
        // To something else of its kind for the most part: that is sound, or almost.
        Site::Offset(kind) if u.int_in_range(0..=3)? > 0 => {
            let behind = &places[&kind];
            let place = *u.choose(&behind[behind.partition_point(|place| *place <= at)..])?;
            (4, (place - at) as u64)
        }
        Site::Offset(_) => (4, number(u, read(file, at, 4))?),
    };
    file[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    Ok(())
}

/// A number that something may not expect.
fn number(u: &mut Unstructured<'_>, old: u64) -> Result<u64> {
    Ok(match u.int_in_range(0..=9)? {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => i32::MAX as u64,
        4 => i64::MAX as u64,
        5 => old.wrapping_add(1),
        6 => old.wrapping_sub(1),
        7 => old.wrapping_mul(2),
        8 => u64::from(u.arbitrary::<u8>()?),
        _ => u.arbitrary()?,
    })
}

fn read(file: &[u8], at: usize, width: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes[..width].copy_from_slice(&file[at..at + width]);
    u64::from_le_bytes(bytes)
}

/// Collects every place of a sound file.
struct Walk<'f> {
    file: &'f [u8],
    sites: Vec<(usize, Site)>,
    places: HashMap<Kind, Vec<usize>>,
    seen: HashSet<(usize, Kind)>,
}

impl Walk<'_> {
    fn offset(&mut self, at: usize, kind: Kind) {
        self.sites.push((at, Site::Offset(kind)));
        let place = at + self.u32(at);
        if self.sites.len() > MOST_SITES || !self.seen.insert((place, kind)) {
            return;
        }
        let places = self.places.entry(kind).or_default();
        places.insert(places.partition_point(|known| *known < place), place);
        match kind {
            Kind::Table(id) => self.table(place, id),
            Kind::Vector(element) => self.vector(place, element),
            Kind::String => {
                self.sites.push((place, Site::Length));
                let text = place + 4..place + 4 + self.u32(place);
                self.sites.extend(text.take(8).map(|at| (at, Site::Text)));
            }
        }
    }

    fn table(&mut self, table: usize, id: TableId) {
        self.sites.push((table, Site::Vtable));
        let distance = self.u32(table) as i32;
        let vtable = (table as i64 - i64::from(distance)) as usize;
        self.sites.extend([(vtable, Site::Slot), (vtable + 2, Site::Slot)]);
        for slot in 0..(self.u16(vtable) - 4) / 2 {
            let entry = vtable + 4 + 2 * slot;
            self.sites.push((entry, Site::Slot));
            let (offset, field) = (self.u16(entry), id.get().field(slot));
            let (Some(field), true) = (field, offset > 0) else { continue };
            let at = table + offset;
            match field.ty {
                FieldType::Scalar(scalar) | FieldType::Enum(_, scalar) => {
                    self.sites.push((at, Site::Number(scalar.size())));
                }
                FieldType::UnionTag(_) => self.sites.push((at, Site::Number(1))),
                FieldType::String => self.offset(at, Kind::String),
                FieldType::Table(id) => self.offset(at, Kind::Table(id)),
                FieldType::Vector(element) => self.offset(at, Kind::Vector(element)),
                FieldType::Union(union) => {
                    let tag = self.u16(vtable + 4 + 2 * (slot - 1));
                    let member = (tag > 0).then(|| self.file[table + tag]);
                    if let Some((_, Some(id))) = member.and_then(|tag| union.get().member(tag)) {
                        self.offset(at, Kind::Table(id));
                    }
                }
            }
        }
    }

    fn vector(&mut self, vector: usize, element: Element) {
        self.sites.push((vector, Site::Length));
        let size = element.size();
        for n in 0..self.u32(vector).min(1 << 10) {
            let at = vector + 4 + n * size;
            match element {
                Element::Scalar(_) | Element::Enum(..) if n < 16 => {
                    self.sites.push((at, Site::Number(size)));
                }
                Element::Scalar(_) | Element::Enum(..) => (),
                Element::String => self.offset(at, Kind::String),
                Element::Table(id) => self.offset(at, Kind::Table(id)),
            }
        }
    }

    fn u16(&self, at: usize) -> usize {
        read(self.file, at, 2) as usize
    }

    fn u32(&self, at: usize) -> usize {
        read(self.file, at, 4) as usize
    }
}
