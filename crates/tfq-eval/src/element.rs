//! Elements as the bytes of a tensor hold them: little-endian.

use half::{bf16, f16};
use std::marker::PhantomData;
use tfq_ir::ElementType;

/// A type that elements can have.
pub(crate) trait Element: Copy + PartialEq + Default + Send + Sync + 'static {
    const TY: ElementType;
    const BYTES: usize;

    /// From so many bytes as it has.
    fn load(bytes: &[u8]) -> Self;

    fn store(self, out: &mut Vec<u8>);
}

macro_rules! elements {
    ($($ty:ty => $name:ident),* $(,)?) => {$(
        impl Element for $ty {
            const TY: ElementType = ElementType::$name;
            const BYTES: usize = size_of::<$ty>();

            #[inline]
            fn load(bytes: &[u8]) -> Self {
                let mut all = [0; size_of::<$ty>()];
                all.copy_from_slice(bytes);
                Self::from_le_bytes(all)
            }

            #[inline]
            fn store(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

elements! {
    f32 => Float32, f64 => Float64, f16 => Float16, bf16 => BFloat16,
    i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
    u8 => UInt8, u16 => UInt16, u32 => UInt32, u64 => UInt64,
}

impl Element for bool {
    const TY: ElementType = ElementType::Bool;
    const BYTES: usize = 1;

    #[inline]
    fn load(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }

    #[inline]
    fn store(self, out: &mut Vec<u8>) {
        out.push(self.into());
    }
}

/// Integers that count with wrap-around.
pub(crate) trait Int: Element + Ord {
    const MIN: Self;
    const MAX: Self;

    fn wrapping_add(self, other: Self) -> Self;
    /// The value as a wider number; of 64 bits without sign the bits.
    fn wide(self) -> i64;
    /// The low bits.
    fn cut(wide: i64) -> Self;
}

macro_rules! integers {
    ($($ty:ty)*) => {$(
        impl Int for $ty {
            const MIN: Self = <$ty>::MIN;
            const MAX: Self = <$ty>::MAX;

            #[inline]
            fn wrapping_add(self, other: Self) -> Self {
                <$ty>::wrapping_add(self, other)
            }

            #[inline]
            fn wide(self) -> i64 {
                self as i64
            }

            #[inline]
            fn cut(wide: i64) -> Self {
                wide as $ty
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 u8 u16 u32 u64);

/// Elements where they lie, which need not be aligned.
#[derive(Debug)]
pub(crate) struct View<'a, T> {
    bytes: &'a [u8],
    elements: PhantomData<T>,
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}

impl<'a, T: Element> View<'a, T> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, elements: PhantomData }
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        self.bytes.len() / T::BYTES
    }

    /// # Panics
    ///
    /// Where there is no such element.
    #[inline]
    pub(crate) fn at(self, n: usize) -> T {
        T::load(&self.bytes[n * T::BYTES..][..T::BYTES])
    }

    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = T> + DoubleEndedIterator + 'a {
        self.bytes.chunks_exact(T::BYTES).map(T::load)
    }
}

/// The bytes of elements.
pub(crate) fn stored<T: Element>(elements: impl IntoIterator<Item = T>) -> Vec<u8> {
    let elements = elements.into_iter();
    let mut out = Vec::with_capacity(elements.size_hint().0 * T::BYTES);
    elements.for_each(|element| element.store(&mut out));
    out
}

/// Runs code with `$T` for the type of elements, one of those listed, or gives `None`.
macro_rules! for_type {
    ($ty:expr, [$($name:ident $of:ty),* $(,)?], $T:ident => $body:expr) => {
        match $ty {
            $(tfq_ir::ElementType::$name => {
                type $T = $of;
                Some($body)
            })*
            _ => None,
        }
    };
}
pub(crate) use for_type;
