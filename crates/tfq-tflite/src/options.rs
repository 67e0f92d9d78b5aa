//! Options tables to attributes and back, driven by the op catalogue.

use crate::scan::{array_at, field_at, u32_at};
use bytes::Bytes;
use flatbuffers::{
    FlatBufferBuilder, TableUnfinishedWIPOffset, UOffsetT, UnionWIPOffset, WIPOffset,
};
use std::sync::Arc;
use tfq_ir::catalog::{AttrInfo, AttrType, ListType, OptionsInfo, Width};
use tfq_ir::{Attr, Attributes, bytes_of_text, text_from_bytes};

/// Reads the options table at `at` of a verified model.
pub(crate) fn read(file: &Bytes, at: usize, options: &'static OptionsInfo) -> Attributes {
    let mut attrs = Attributes::new(options);
    for info in options.attrs {
        let Some(at) = field_at(file, at, usize::from(info.id)) else { continue };
        let value = read_value(file, at, info.ty);
        attrs.set(info.name, value).expect("a value read as the attribute's type has that type");
    }
    attrs
}

fn read_value(file: &Bytes, at: usize, ty: AttrType) -> Attr {
    let int = |ty| Attr::Int(read_int(file, at, ty));
    let target = || at + u32_at(file, at);
    match ty {
        AttrType::Bool => Attr::Bool(file[at] != 0),
        AttrType::F32 => Attr::Float(f32::from_le_bytes(array_at(file, at))),
        AttrType::F64 => Attr::Float(f64::from_le_bytes(array_at(file, at)) as f32),
        AttrType::String => {
            let (first, len) = span(file, target());
            Attr::String(Arc::from(text_from_bytes(&file[first..first + len])))
        }
        AttrType::Bytes => {
            let (first, len) = span(file, target());
            Attr::Bytes(file.slice(first..first + len))
        }
        AttrType::List(list) => {
            let (first, len) = span(file, target());
            match list {
                ListType::Bool => Attr::Bools((0..len).map(|n| file[first + n] != 0).collect()),
                ListType::F32 => {
                    let float = |n| f32::from_le_bytes(array_at(file, first + 4 * n));
                    Attr::Floats((0..len).map(float).collect())
                }
                list => {
                    let ty = element(list);
                    let size = int_size(ty);
                    Attr::Ints((0..len).map(|n| read_int(file, first + size * n, ty)).collect())
                }
            }
        }
        ty => int(ty),
    }
}

/// First byte and element count of the vector or string at `at`.
pub(crate) fn span(file: &[u8], at: usize) -> (usize, usize) {
    (at + 4, u32_at(file, at))
}

fn element(list: ListType) -> AttrType {
    match list {
        ListType::Bool => AttrType::Bool,
        ListType::I8 => AttrType::I8,
        ListType::U8 => AttrType::U8,
        ListType::I16 => AttrType::I16,
        ListType::U16 => AttrType::U16,
        ListType::I32 => AttrType::I32,
        ListType::U32 => AttrType::U32,
        ListType::I64 => AttrType::I64,
        ListType::U64 => AttrType::U64,
        ListType::F32 => AttrType::F32,
        ListType::Enum(info) => AttrType::Enum(info),
    }
}

fn int_size(ty: AttrType) -> usize {
    match ty {
        AttrType::I8 | AttrType::U8 => 1,
        AttrType::I16 | AttrType::U16 => 2,
        AttrType::I64 | AttrType::U64 => 8,
        AttrType::Enum(info) => match info.width {
            Width::I8 | Width::U8 => 1,
            Width::I32 | Width::U32 => 4,
        },
        _ => 4,
    }
}

fn is_signed(ty: AttrType) -> bool {
    match ty {
        AttrType::Enum(info) => matches!(info.width, Width::I8 | Width::I32),
        ty => matches!(ty, AttrType::I8 | AttrType::I16 | AttrType::I32 | AttrType::I64),
    }
}

fn read_int(file: &[u8], at: usize, ty: AttrType) -> i64 {
    match (int_size(ty), is_signed(ty)) {
        (1, true) => i64::from(file[at] as i8),
        (1, false) => i64::from(file[at]),
        (2, true) => i64::from(i16::from_le_bytes(array_at(file, at))),
        (2, false) => i64::from(u16::from_le_bytes(array_at(file, at))),
        (4, true) => i64::from(i32::from_le_bytes(array_at(file, at))),
        (4, false) => i64::from(u32::from_le_bytes(array_at(file, at))),
        _ => i64::from_le_bytes(array_at(file, at)),
    }
}

/// A table under construction.
type Open = WIPOffset<TableUnfinishedWIPOffset>;

/// Writes an options table.
pub(crate) fn write(
    fbb: &mut FlatBufferBuilder<'_>,
    attrs: &Attributes,
) -> WIPOffset<UnionWIPOffset> {
    // Vectors and strings come before the table that refers to them.
    let parts: Vec<(&AttrInfo, &Attr, Option<UOffsetT>)> = attrs
        .set_values()
        .map(|(info, value)| (info, value, write_part(fbb, info.ty, value)))
        .collect();
    let table: Open = fbb.start_table();
    // Wide fields first, so that no padding stands between them.
    for size in [8, 4, 2, 1] {
        for (info, value, part) in &parts {
            write_field(fbb, info, value, *part, size);
        }
    }
    let done = fbb.end_table(table);
    WIPOffset::new(done.value())
}

fn write_part(fbb: &mut FlatBufferBuilder<'_>, ty: AttrType, value: &Attr) -> Option<UOffsetT> {
    let at = match value {
        Attr::String(text) => fbb.create_byte_string(&bytes_of_text(text)).value(),
        Attr::Bytes(bytes) => fbb.create_vector(bytes.as_ref()).value(),
        Attr::Bools(list) => fbb.create_vector(list.as_ref()).value(),
        Attr::Floats(list) => fbb.create_vector(list.as_ref()).value(),
        Attr::Ints(list) => {
            let AttrType::List(list_type) = ty else {
                unreachable!("attributes hold values of their types")
            };
            macro_rules! vector {
                ($int:ty) => {
                    fbb.create_vector(&list.iter().map(|v| *v as $int).collect::<Vec<_>>()).value()
                };
            }
            match int_size(element(list_type)) {
                1 => vector!(u8),
                2 => vector!(u16),
                4 => vector!(u32),
                _ => vector!(u64),
            }
        }
        Attr::Bool(_) | Attr::Int(_) | Attr::Float(_) => return None,
    };
    Some(at)
}

/// Writes the field if it takes `size` bytes in the table.
fn write_field(
    fbb: &mut FlatBufferBuilder<'_>,
    info: &AttrInfo,
    value: &Attr,
    part: Option<UOffsetT>,
    size: usize,
) {
    let slot = 4 + 2 * info.id;
    match (value, part, size) {
        (_, Some(part), 4) => {
            let part: WIPOffset<UnionWIPOffset> = WIPOffset::new(part);
            fbb.push_slot_always(slot, part);
        }
        (Attr::Bool(v), _, 1) => fbb.push_slot_always(slot, *v),
        (Attr::Float(v), _, 4) if info.ty != AttrType::F64 => fbb.push_slot_always(slot, *v),
        (Attr::Float(v), _, 8) if info.ty == AttrType::F64 => {
            fbb.push_slot_always(slot, f64::from(*v))
        }
        (Attr::Int(v), _, size) if size == int_size(info.ty) => match size {
            1 => fbb.push_slot_always(slot, *v as u8),
            2 => fbb.push_slot_always(slot, *v as u16),
            4 => fbb.push_slot_always(slot, *v as u32),
            _ => fbb.push_slot_always(slot, *v as u64),
        },
        _ => (),
    }
}
