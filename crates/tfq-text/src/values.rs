//! Elements of constants and lists of numbers as text.

use crate::format::INLINE_ELEMENTS;
use crate::quote;
use half::{bf16, f16};
use std::cmp::Ordering;
use std::fmt::Write;
use std::str::FromStr;
use tfq_ir::ElementType;
use tfq_ir::quote_into;

/// Strings that take more than this many bytes of text are not written out, however few.
const LONGEST_STRINGS: usize = 240;

/// The elements of a constant as text; `None` where there are many or they would not come back
/// as the same bytes.
pub(super) fn inline(
    ty: ElementType,
    shape: &[i32],
    elements: Option<u64>,
    bytes: &[u8],
) -> Option<String> {
    let elements = elements.filter(|n| *n <= INLINE_ELEMENTS as u64)?;
    let text = written(ty, shape, elements, bytes, usize::MAX)?;
    let is_long = ty == ElementType::String && text.len() > LONGEST_STRINGS;
    (!is_long).then_some(text)
}

/// As [`inline`], however many there are. Those that repeat are written once, with their number.
pub(super) fn whole(
    ty: ElementType,
    shape: &[i32],
    elements: Option<u64>,
    bytes: &[u8],
) -> Option<String> {
    written(ty, shape, elements?, bytes, SHORTEST_RUN)
}

/// So many equal elements are written as one with their number.
const SHORTEST_RUN: usize = 4;

fn written(
    ty: ElementType,
    shape: &[i32],
    elements: u64,
    bytes: &[u8],
    shortest_run: usize,
) -> Option<String> {
    // There are no elements without bytes, so that what is counted here ends.
    let elements =
        usize::try_from(elements).ok().filter(|n| *n <= bytes.len().saturating_mul(4))?;
    let mut list = List { out: String::new(), shortest_run, last: String::new(), times: 0 };
    match ty {
        ElementType::String => {
            let strings = strings(bytes).filter(|list| list.len() == elements)?;
            for text in strings {
                let mut one = String::new();
                match std::str::from_utf8(text) {
                    Ok(text) => quote_into(&mut one, text),
                    Err(_) => quote::bytes(&mut one, text),
                }
                list.add(one);
            }
        }
        _ => {
            if ty.bytes_for(elements as u64) != Some(bytes.len() as u64) {
                return None;
            }
            for n in 0..elements {
                let mut one = String::new();
                element(&mut one, ty, bytes, n)?;
                list.add(one);
            }
            // Bits behind the last element must be 0.
            let bits = elements as u64 * u64::from(ty.bits()?);
            if !bits.is_multiple_of(8) && bytes.last().is_some_and(|last| last >> (bits % 8) != 0) {
                return None;
            }
        }
    }
    let list = list.finish();
    Some(if shape.is_empty() { list } else { format!("[{list}]") })
}

/// Elements one after the other, with those that repeat held back until their number is known.
struct List {
    out: String,
    shortest_run: usize,
    last: String,
    times: usize,
}

impl List {
    fn add(&mut self, one: String) {
        if self.times == 0 || one != self.last {
            self.flush();
            self.last = one;
        }
        self.times += 1;
    }

    fn flush(&mut self) {
        let separator = |out: &str| if out.is_empty() { "" } else { ", " };
        if self.times >= self.shortest_run {
            _ = write!(self.out, "{}{} * {}", separator(&self.out), self.times, self.last);
        } else {
            for _ in 0..self.times {
                self.out.push_str(separator(&self.out));
                self.out.push_str(&self.last);
            }
        }
        self.times = 0;
    }

    fn finish(mut self) -> String {
        self.flush();
        self.out
    }
}

fn element(out: &mut String, ty: ElementType, bytes: &[u8], n: usize) -> Option<()> {
    use ElementType::*;
    macro_rules! at {
        ($number:ty, $size:literal) => {
            <$number>::from_le_bytes(bytes.get($size * n..$size * n + $size)?.try_into().ok()?)
        };
    }
    let part = |bits: usize| bytes[n * bits / 8] >> (n * bits % 8) & ((1 << bits) - 1);
    match ty {
        Float32 => float32(out, at!(f32, 4)),
        Float64 => float64(out, at!(f64, 8)),
        Float16 => float_bits(out, at!(f16, 2).to_f32(), at!(u16, 2), f16::NAN.to_bits()),
        BFloat16 => float_bits(out, at!(bf16, 2).to_f32(), at!(u16, 2), bf16::NAN.to_bits()),
        Complex64 => {
            let n = 2 * n;
            let at =
                |n: usize| Some(f32::from_le_bytes(bytes.get(4 * n..4 * n + 4)?.try_into().ok()?));
            out.push('(');
            float32(out, at(n)?);
            out.push_str(", ");
            float32(out, at(n + 1)?);
            out.push(')');
        }
        Complex128 => {
            let n = 2 * n;
            let at =
                |n: usize| Some(f64::from_le_bytes(bytes.get(8 * n..8 * n + 8)?.try_into().ok()?));
            out.push('(');
            float64(out, at(n)?);
            out.push_str(", ");
            float64(out, at(n + 1)?);
            out.push(')');
        }
        Int8 => _ = write!(out, "{}", bytes[n] as i8),
        UInt8 => _ = write!(out, "{}", bytes[n]),
        Int16 => _ = write!(out, "{}", at!(i16, 2)),
        UInt16 => _ = write!(out, "{}", at!(u16, 2)),
        Int32 => _ = write!(out, "{}", at!(i32, 4)),
        UInt32 => _ = write!(out, "{}", at!(u32, 4)),
        Int64 => _ = write!(out, "{}", at!(i64, 8)),
        UInt64 => _ = write!(out, "{}", at!(u64, 8)),
        Int4 => _ = write!(out, "{}", (part(4) << 4) as i8 >> 4),
        UInt4 => _ = write!(out, "{}", part(4)),
        Int2 => _ = write!(out, "{}", (part(2) << 6) as i8 >> 6),
        Bool => out.push_str(match bytes[n] {
            0 => "false",
            1 => "true",
            _ => return None,
        }),
        Float8E4M3Fn | Float8E5M2 => _ = write!(out, "0x{:02x}", bytes[n]),
        String | Resource | Variant => return None,
    }
    Some(())
}

pub(super) fn float32(out: &mut String, v: f32) {
    if v.is_nan() && v.to_bits() != f32::NAN.to_bits() {
        _ = write!(out, "0x{:08x}", v.to_bits());
    } else {
        float(out, format_args!("{v:?}"));
    }
}

fn float64(out: &mut String, v: f64) {
    if v.is_nan() && v.to_bits() != f64::NAN.to_bits() {
        _ = write!(out, "0x{:016x}", v.to_bits());
    } else {
        float(out, format_args!("{v:?}"));
    }
}

fn float_bits(out: &mut String, v: f32, bits: u16, nan: u16) {
    if v.is_nan() && bits != nan {
        _ = write!(out, "0x{bits:04x}");
    } else {
        float(out, format_args!("{v:?}"));
    }
}

fn float(out: &mut String, v: std::fmt::Arguments<'_>) {
    let start = out.len();
    _ = out.write_fmt(v);
    if &out[start..] == "NaN" {
        out.replace_range(start.., "nan");
    }
}

/// The strings of a string tensor, if that is the form which [`pack_strings`] gives them.
fn strings(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let number = |n: usize| -> Option<usize> {
        let at = bytes.get(4 * n..4 * n + 4)?;
        usize::try_from(i32::from_le_bytes(at.try_into().ok()?)).ok()
    };
    let count = number(0).filter(|n| *n <= bytes.len() / 4)?;
    let list: Option<Vec<&[u8]>> =
        (0..count).map(|n| bytes.get(number(1 + n)?..number(2 + n)?)).collect();
    list.filter(|list| pack_strings(list) == bytes)
}

/// A string tensor's bytes: how many, where each begins and the last ends, the strings.
pub(super) fn pack_strings<T: AsRef<[u8]>>(list: &[T]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend((list.len() as i32).to_le_bytes());
    let mut at = 4 * (list.len() + 2);
    for text in list {
        out.extend((at as i32).to_le_bytes());
        at += text.as_ref().len();
    }
    out.extend((at as i32).to_le_bytes());
    for text in list {
        out.extend(text.as_ref());
    }
    out
}

/// An element in a text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar<'a> {
    /// Decimal digits, perhaps with a sign, a point and an exponent; `inf`, `nan`.
    Number(&'a str),
    /// `0x…`, the bits of a float.
    Bits(&'a str),
    Bool(bool),
}

/// Packs elements as they come.
pub(super) struct Packer {
    ty: ElementType,
    out: Vec<u8>,
    count: usize,
}

impl Packer {
    pub(super) fn new(ty: ElementType) -> Self {
        Self { ty, out: Vec::new(), count: 0 }
    }

    pub(super) fn finish(self) -> (Vec<u8>, usize) {
        (self.out, self.count)
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Has the last element `times` times; there were `before` without it.
    pub(super) fn repeat(&mut self, before: usize, times: u64) {
        let bits = self.ty.bits().map_or(8, |bits| bits as usize);
        if bits >= 8 {
            let one = self.out[before * bits / 8..].to_vec();
            (1..times).for_each(|_| self.out.extend_from_slice(&one));
            self.count += times as usize - 1;
            return;
        }
        let last = *self.out.last().expect("an element was added");
        let value = (last >> (before * bits % 8)) as i8;
        (1..times).for_each(|_| {
            self.push_part(bits, value);
            self.count += 1;
        });
    }

    /// Adds an element; `false` if the type cannot hold it.
    pub(super) fn push(&mut self, scalar: Scalar<'_>) -> bool {
        self.try_push(scalar).is_some()
    }

    pub(super) fn push_complex(&mut self, re: Scalar<'_>, im: Scalar<'_>) -> bool {
        let part = match self.ty {
            ElementType::Complex64 => ElementType::Float32,
            ElementType::Complex128 => ElementType::Float64,
            _ => return false,
        };
        let whole = std::mem::replace(&mut self.ty, part);
        let done = self.push(re) && self.push(im);
        self.ty = whole;
        self.count -= usize::from(done);
        done
    }

    fn try_push(&mut self, scalar: Scalar<'_>) -> Option<()> {
        use ElementType::*;
        macro_rules! number {
            ($number:ty) => {
                match scalar {
                    Scalar::Number(text) => {
                        self.out.extend(text.parse::<$number>().ok()?.to_le_bytes())
                    }
                    _ => return None,
                }
            };
        }
        macro_rules! float {
            ($number:ty, $bits:ty, $from:expr) => {
                match scalar {
                    Scalar::Number(text) => {
                        let value: $number = $from(text)?;
                        self.out.extend(value.to_le_bytes())
                    }
                    Scalar::Bits(text) => {
                        self.out.extend(<$bits>::from_str_radix(text, 16).ok()?.to_le_bytes())
                    }
                    Scalar::Bool(_) => return None,
                }
            };
        }
        match self.ty {
            Float32 => float!(f32, u32, f32_of),
            Float64 => float!(f64, u64, |t: &str| decimal(t, f64::is_finite)),
            Float16 => float!(f16, u16, |t: &str| match t {
                "nan" => Some(f16::NAN),
                t => {
                    let value = f16::from_f64(decimal(t, f64::is_finite)?);
                    kept(t, value, value.is_finite(), value.to_bits() << 1 == 0)
                }
            }),
            BFloat16 => float!(bf16, u16, |t: &str| match t {
                "nan" => Some(bf16::NAN),
                t => {
                    let value = bf16::from_f64(decimal(t, f64::is_finite)?);
                    kept(t, value, value.is_finite(), value.to_bits() << 1 == 0)
                }
            }),
            Int8 => number!(i8),
            UInt8 => number!(u8),
            Int16 => number!(i16),
            UInt16 => number!(u16),
            Int32 => number!(i32),
            UInt32 => number!(u32),
            Int64 => number!(i64),
            UInt64 => number!(u64),
            Bool => match scalar {
                Scalar::Bool(value) => self.out.push(u8::from(value)),
                _ => return None,
            },
            Float8E4M3Fn | Float8E5M2 => match scalar {
                Scalar::Bits(text) => self.out.push(u8::from_str_radix(text, 16).ok()?),
                _ => return None,
            },
            Int4 => self.push_part(4, small(scalar, -8, 7)?),
            UInt4 => self.push_part(4, small(scalar, 0, 15)?),
            Int2 => self.push_part(2, small(scalar, -2, 1)?),
            String | Complex64 | Complex128 | Resource | Variant => return None,
        }
        self.count += 1;
        Some(())
    }

    fn push_part(&mut self, bits: usize, value: i8) {
        let shift = self.count * bits % 8;
        if shift == 0 {
            self.out.push(0);
        }
        let mask = (1_u8 << bits) - 1;
        *self.out.last_mut().expect("pushed") |= (value as u8 & mask) << shift;
    }
}

/// A number in decimal digits, or `inf` or `nan`.
pub(super) fn decimal<T>(text: &str, is_finite: impl Fn(T) -> bool) -> Option<T>
where
    T: Copy + Default + FromStr + PartialEq,
{
    let value: T = text.parse().ok()?;
    kept(text, value, is_finite(value), value == T::default())
}

fn f32_of(text: &str) -> Option<f32> {
    decimal(text, f32::is_finite)
}

/// What is written in digits is not to become infinite or 0 unsaid.
fn kept<T>(text: &str, value: T, is_finite: bool, is_zero: bool) -> Option<T> {
    let mut digits = text.bytes().take_while(|b| !matches!(b, b'e' | b'E'));
    let changed = match (is_finite, is_zero) {
        (false, _) => text.bytes().any(|b| b.is_ascii_digit()),
        (_, true) => digits.any(|digit| matches!(digit, b'1'..=b'9')),
        _ => false,
    };
    (!changed).then_some(value)
}

fn small(scalar: Scalar<'_>, least: i8, most: i8) -> Option<i8> {
    let Scalar::Number(text) = scalar else { return None };
    text.parse().ok().filter(|v| (least..=most).contains(v))
}

/// A number of the lists in quantisation and sparsity.
pub(super) trait Number: Copy {
    const SIZE: usize;
    fn write(self, out: &mut String);
    fn parse(scalar: Scalar<'_>) -> Option<Self>;
    fn put(self, out: &mut Vec<u8>);
    fn get(bytes: &[u8]) -> Self;
    /// An order in which no two numbers of different bits are equal, NaN among them.
    fn compare(&self, other: &Self) -> Ordering;
    fn to_f64(self) -> f64;
    fn from_f64(v: f64) -> Self;
}

macro_rules! integers {
    ($($number:ty),*) => {$(
        impl Number for $number {
            const SIZE: usize = size_of::<$number>();
            fn write(self, out: &mut String) {
                _ = write!(out, "{self}");
            }
            fn parse(scalar: Scalar<'_>) -> Option<Self> {
                match scalar {
                    Scalar::Number(text) => text.parse().ok(),
                    _ => None,
                }
            }
            fn put(self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
            fn get(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("chunks are exact"))
            }
            fn compare(&self, other: &Self) -> Ordering {
                self.cmp(other)
            }
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn from_f64(v: f64) -> Self {
                v.round() as Self
            }
        }
    )*};
}

integers!(i32, i64, u8, u16);

impl Number for f32 {
    const SIZE: usize = 4;
    fn write(self, out: &mut String) {
        float32(out, self);
    }
    fn parse(scalar: Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Number(text) => f32_of(text),
            Scalar::Bits(text) => u32::from_str_radix(text, 16).ok().map(f32::from_bits),
            Scalar::Bool(_) => None,
        }
    }
    fn put(self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }
    fn get(bytes: &[u8]) -> Self {
        Self::from_le_bytes(bytes.try_into().expect("chunks are exact"))
    }
    fn compare(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn from_f64(v: f64) -> Self {
        v as f32
    }
}
