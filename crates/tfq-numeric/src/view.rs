//! Float32 weights as they lie in a file.

/// Little-endian float32 values in a byte slice of any alignment, typically a memory-mapped file.
///
/// The values stay bytes until a kernel loads them: `from_le_bytes` on a `[u8; 4]` compiles to the
/// same unaligned vector load that an aligned `&[f32]` would get, so a constant at an odd file
/// offset needs neither a copy nor a second code path.
#[derive(Clone, Copy, Debug)]
pub struct F32View<'a> {
    values: &'a [[u8; 4]],
}

impl<'a> F32View<'a> {
    /// `None` when `bytes` is not a whole number of float32 values.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (values, rest) = bytes.as_chunks();
        rest.is_empty().then_some(Self { values })
    }

    /// Number of values.
    pub fn len(self) -> usize {
        self.values.len()
    }

    pub fn is_empty(self) -> bool {
        self.values.is_empty()
    }

    /// The value at `index`, counted in values.
    pub fn get(self, index: usize) -> Option<f32> {
        self.values.get(index).map(|value| f32::from_le_bytes(*value))
    }

    pub fn iter(self) -> impl ExactSizeIterator<Item = f32> + DoubleEndedIterator + 'a {
        self.values.iter().map(|value| f32::from_le_bytes(*value))
    }

    pub(crate) fn values(self) -> &'a [[u8; 4]] {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_whole_values_at_any_alignment() {
        let bytes: Vec<u8> = [0u8]
            .into_iter()
            .chain([1.5f32, -0.0].into_iter().flat_map(f32::to_le_bytes))
            .collect();
        let view = F32View::new(&bytes[1..]).unwrap();
        assert_eq!(view.len(), 2);
        assert_eq!(view.get(0), Some(1.5));
        assert_eq!(view.get(2), None);
        assert!(view.iter().nth(1).unwrap().is_sign_negative());
        assert!(F32View::new(&bytes).is_none());
        assert!(F32View::new(&[]).unwrap().is_empty());
    }
}
