//! Values in NumPy's files: `.npy`, and the `.npz` that holds several of them.

use crate::value::{MAX_BYTES, Value, bytes_of, invalid};
use npyz::{DType, NpyFile, NpyHeader, Order, WriteOptions, WriterBuilder};
use std::io::{self, Read, Seek, Write};
use tfq_ir::{ElementType, counted, grouped};
use zip::ZipArchive;

/// The longest header that is read, as in NumPy: a text of this size is parsed in no time.
const MAX_HEADER: u32 = 10_000;
/// How deep brackets may lie in a header, whose parser calls itself for each.
const MAX_DEPTH: u32 = 8;

/// Calls a macro with every element type that a `.npy` file can hold, its name there
/// without the byte order, and its Rust type.
macro_rules! with_types {
    ($use:ident) => {
        $use! {
            Float32 "f4" f32, Float64 "f8" f64, Float16 "f2" half::f16, Int8 "i1" i8,
            Int16 "i2" i16, Int32 "i4" i32, Int64 "i8" i64, UInt8 "u1" u8, UInt16 "u2" u16,
            UInt32 "u4" u32, UInt64 "u8" u64
        }
    };
}

/// Reads an array of numbers or booleans, in either byte order and in C or Fortran order. Takes
/// no more memory than a small multiple of what the file holds, whatever its header says.
pub fn read_npy(mut from: impl Read) -> io::Result<Value> {
    let header = header(&mut from)?;
    let shape: io::Result<Vec<usize>> =
        header.shape().iter().map(|d| usize::try_from(*d).map_err(io::Error::other)).collect();
    let (shape, order) = (shape?, header.order());
    let dtype = header.dtype();
    let name = match &dtype {
        DType::Plain(name) => name.to_string(),
        other => return Err(unsupported(&other.descr())),
    };
    // Dimensions were seen to multiply without an overflow.
    let claimed = dtype.num_bytes().and_then(|bytes| header.len().checked_mul(bytes as u64));
    let Some(claimed) = claimed.filter(|bytes| *bytes <= MAX_BYTES) else {
        return Err(invalid(&format!(
            "its header claims more than {} of data",
            counted(MAX_BYTES, "byte")
        )));
    };
    let mut data = Vec::new();
    from.take(claimed).read_to_end(&mut data)?;
    if data.len() as u64 != claimed {
        let (claimed, found) = (counted(claimed, "byte"), grouped(data.len() as u64));
        return Err(invalid(&format!(
            "the file ends too early: its header claims {claimed} of data, {found} follow"
        )));
    }
    let file = NpyFile::with_header(header, &data[..]);
    macro_rules! read {
        ($($ty:ident $code:literal $rust:ty),*) => {
            match &name[1..] {
                $($code => {
                    let numbers: Vec<$rust> = file.into_vec()?;
                    (ElementType::$ty, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
                })*
                "b1" => {
                    let flags: Vec<bool> = file.into_vec()?;
                    (ElementType::Bool, flags.into_iter().map(u8::from).collect())
                }
                _ => return Err(unsupported(&name)),
            }
        };
    }
    let (ty, data): (ElementType, Vec<u8>) = with_types!(read);
    debug_assert_eq!(bytes_of(ty, &shape), Some(data.len() as u64), "{claimed} bytes were read");
    let value = Value { ty, shape, data };
    Ok(if order == Order::Fortran { row_major(value) } else { value })
}

/// Reads the arrays of an archive, as `numpy.savez` writes it, with their names.
pub fn read_npz(from: impl Read + Seek) -> io::Result<Vec<(String, Value)>> {
    let mut archive = ZipArchive::new(from)?;
    let mut arrays = Vec::new();
    let mut total = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index(index)?;
        let file = entry.name()?.into_owned();
        let Some(name) = npyz::npz::array_name_from_file_name(&file) else { continue };
        let value = read_npy(entry).map_err(|error| {
            io::Error::new(error.kind(), format!("its array `{}`: {error}", tfq_ir::visible(name)))
        })?;
        // What is packed may unfold to far more than the file has.
        total += value.data.len() as u64;
        if total > MAX_BYTES {
            return Err(invalid(&format!(
                "its arrays take more than {}",
                counted(MAX_BYTES, "byte")
            )));
        }
        arrays.push((name.to_owned(), value));
    }
    Ok(arrays)
}

/// Parses what is before the data, where it is no larger and no more nested than any header.
fn header(from: &mut impl Read) -> io::Result<NpyHeader> {
    let none = || invalid("it is no .npy file");
    let mut start = vec![0; 8];
    from.read_exact(&mut start).map_err(|_| none())?;
    let width = match start[..] {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => 2,
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => 4,
        _ => return Err(none()),
    };
    let mut length = [0; 4];
    from.read_exact(&mut length[..width]).map_err(|_| none())?;
    start.extend(&length[..width]);
    let length = u32::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(invalid(&format!(
            "its header has {}, at most {} are read",
            counted(length, "byte"),
            grouped(MAX_HEADER.into())
        )));
    }
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text).map_err(|_| none())?;
    if !is_plain(&text) {
        return Err(invalid("its header is none of an array of numbers"));
    }
    NpyHeader::from_reader(&[start, text].concat()[..])
}

/// Whether brackets are nested as in a header, and no dimensions multiply to a number that is too
/// large for 64 bits: numbers together are more than each shape among them.
fn is_plain(header: &[u8]) -> bool {
    let (mut depth, mut deepest) = (0_u32, 0);
    for byte in header {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => (),
        }
        deepest = deepest.max(depth);
    }
    let digits = header.split(|byte| !byte.is_ascii_digit()).filter(|run| !run.is_empty());
    let product = digits.clone().try_fold(1_u64, |product, run| {
        let number = std::str::from_utf8(run).ok()?.parse::<u64>().ok()?;
        product.checked_mul(number.max(1))
    });
    deepest <= MAX_DEPTH && product.is_some()
}

/// Writes a value; an error where NumPy has no type for its elements.
pub fn write_npy(to: impl Write, value: &Value) -> io::Result<()> {
    let shape: Vec<u64> = value.shape.iter().map(|d| *d as u64).collect();
    macro_rules! write {
        ($($ty:ident $code:literal $rust:ty),*) => {
            match value.ty {
                $(ElementType::$ty => {
                    let (chunks, _) = value.data.as_chunks::<{ size_of::<$rust>() }>();
                    let mut out = WriteOptions::new().default_dtype().shape(&shape).writer(to).begin_nd()?;
                    out.extend(chunks.iter().map(|bytes| <$rust>::from_le_bytes(*bytes)))?;
                    out.finish()
                })*
                ElementType::Bool => {
                    let mut out = WriteOptions::new().default_dtype().shape(&shape).writer(to).begin_nd()?;
                    out.extend(value.data.iter().map(|byte| *byte != 0))?;
                    out.finish()
                }
                _ => Err(unsupported(value.ty.name())),
            }
        };
    }
    with_types!(write)
}

fn unsupported(name: &str) -> io::Error {
    invalid(&format!("elements of type {name} have no counterpart"))
}

/// The same value, whose elements were stored first index fastest.
fn row_major(value: Value) -> Value {
    let width = value.data.len() / value.elements().max(1);
    let mut data = Vec::with_capacity(value.data.len());
    let mut index = vec![0; value.shape.len()];
    for _ in 0..value.elements() {
        let (mut at, mut stride) = (0, 1);
        for (i, d) in index.iter().zip(&value.shape) {
            at += i * stride;
            stride *= d;
        }
        data.extend_from_slice(&value.data[at * width..][..width]);
        for (i, d) in index.iter_mut().zip(&value.shape).rev() {
            *i += 1;
            if *i < *d {
                break;
            }
            *i = 0;
        }
    }
    Value { data, ..value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as NumPy writes it.
    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut header = header.to_owned();
        while !(10 + header.len() + 1).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn values_come_back() {
        for (ty, data) in [
            (ElementType::Float32, vec![0, 0, 128, 63, 0, 0, 0, 64]),
            (ElementType::Float16, vec![0, 60, 0, 64]),
            (ElementType::Int64, vec![1; 16]),
            (ElementType::UInt8, vec![1, 255]),
            (ElementType::Bool, vec![1, 0]),
        ] {
            let value = Value { ty, shape: vec![1, 2], data };
            let mut file = Vec::new();
            write_npy(&mut file, &value).unwrap();
            assert_eq!(read_npy(&file[..]).unwrap(), value);
        }
        let scalar = Value { ty: ElementType::Int8, shape: vec![], data: vec![7] };
        let mut file = Vec::new();
        write_npy(&mut file, &scalar).unwrap();
        assert_eq!(read_npy(&file[..]).unwrap(), scalar);
    }

    #[test]
    fn other_orders_become_ours() {
        let fortran =
            file("{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3), }", &[0, 3, 1, 4, 2, 5]);
        assert_eq!(read_npy(&fortran[..]).unwrap().data, [0, 1, 2, 3, 4, 5]);
        let big = file("{'descr': '>i2', 'fortran_order': False, 'shape': (1,), }", &[1, 2]);
        assert_eq!(read_npy(&big[..]).unwrap().data, [2, 1]);
    }

    /// As `numpy.savez` and `numpy.savez_compressed` write it.
    fn archive(method: zip::CompressionMethod, entries: &[(&str, &[u8])]) -> io::Cursor<Vec<u8>> {
        let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        for (name, contents) in entries {
            archive.start_file(*name, options).unwrap();
            archive.write_all(contents).unwrap();
        }
        archive.finish().unwrap()
    }

    #[test]
    fn archives_hold_arrays_by_name() {
        let ids = file("{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", &[7, 0, 0, 0]);
        let flag = file("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", &[1]);
        for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
            let entries = [("ids:0.npy", &ids[..]), ("README", b"no array"), ("b.npy", &flag[..])];
            let found = read_npz(archive(method, &entries)).unwrap();
            let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["ids:0", "b"]);
            assert_eq!(found[0].1.numbers().unwrap(), [7.0]);
            assert_eq!(found[1].1.ty, ElementType::Bool);
        }
    }

    #[test]
    fn archives_that_are_none_are_errors() {
        let stored = zip::CompressionMethod::Stored;
        let error = read_npz(archive(stored, &[("x.npy", b"no array")])).unwrap_err();
        assert!(error.to_string().starts_with("its array `x`: "), "{error}");
        assert!(read_npz(io::Cursor::new(b"no archive")).is_err());
    }

    #[test]
    fn what_is_no_array_of_numbers_is_an_error() {
        let complex = file("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", &[0; 8]);
        let error = read_npy(&complex[..]).unwrap_err();
        assert_eq!(error.to_string(), "elements of type <c8 have no counterpart");
        for none in [&b"not a file of NumPy"[..], b"", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x04\x00 ,"]
        {
            assert_eq!(read_npy(none).unwrap_err().to_string(), "it is no .npy file");
        }
        let packed = Value { ty: ElementType::Int4, shape: vec![2], data: vec![0] };
        assert!(write_npy(&mut Vec::new(), &packed).is_err());
    }

    #[test]
    fn a_header_that_claims_more_than_the_file_holds_is_an_error() {
        let of = |shape: &str| {
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
            read_npy(&file(&header, &[0; 4])[..])
                .map(|value| value.shape)
                .map_err(|e| e.to_string())
        };
        assert_eq!(of("(1,)"), Ok(vec![1]));
        let early = "the file ends too early: its header claims 8 bytes of data, 4 follow";
        assert_eq!(of("(2,)"), Err(early.to_owned()));
        let early = of("(536870912,)").unwrap_err();
        assert!(early.ends_with("claims 2 147 483 648 bytes of data, 4 follow"), "{early}");
        let much = "its header claims more than 2 147 483 648 bytes of data";
        assert_eq!(of("(536870913,)"), Err(much.to_owned()));
        assert_eq!(of("(1099511627776, 65536)"), Err(much.to_owned()));
        for shape in
            ["(4294967296, 4294967296)", "(0, 4294967296, 4294967296)", "(9999999999999999999999,)"]
        {
            let none = "its header is none of an array of numbers";
            assert_eq!(of(shape), Err(none.to_owned()), "{shape}");
        }
    }

    #[test]
    fn a_header_is_short_and_flat() {
        let nested = file(&format!("{}{}", "(".repeat(9000), ")".repeat(900)), &[]);
        assert!(read_npy(&nested[..]).is_err());
        let long = [&b"\x93NUMPY\x02\x00"[..], &u32::MAX.to_le_bytes(), b"{}"].concat();
        let error = read_npy(&long[..]).unwrap_err().to_string();
        assert_eq!(error, "its header has 4 294 967 295 bytes, at most 10 000 are read");
    }
}
