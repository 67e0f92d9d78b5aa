//! What was paired.

/// Pairs of numbers, from both sides.
pub(crate) struct Pairing {
    pub(crate) ab: Vec<Option<u32>>,
    pub(crate) ba: Vec<Option<u32>>,
}

impl Pairing {
    pub(crate) fn new(a: usize, b: usize) -> Self {
        Self { ab: vec![None; a], ba: vec![None; b] }
    }

    /// Each with that at the same place.
    pub(crate) fn in_place(count: usize) -> Self {
        let all: Vec<Option<u32>> = (0..count as u32).map(Some).collect();
        Self { ab: all.clone(), ba: all }
    }

    /// Pairs them, unless one is taken.
    pub(crate) fn pair(&mut self, a: u32, b: u32) -> bool {
        if !self.free(a, b) {
            return false;
        }
        self.ab[a as usize] = Some(b);
        self.ba[b as usize] = Some(a);
        true
    }

    pub(crate) fn free(&self, a: u32, b: u32) -> bool {
        self.ab[a as usize].is_none() && self.ba[b as usize].is_none()
    }

    pub(crate) fn paired(&self, a: u32, b: u32) -> bool {
        self.ab[a as usize] == Some(b)
    }
}
