//! Where constants lie in memory.

use bytes::Bytes;
use std::collections::BTreeSet;
use tfq_ir::{Applied, BufferId, Module};

/// The address of bytes, and how many there are.
pub(super) type PlaceInMemory = (usize, usize);

/// Where the constants of a module lie in memory. Those that lie in one place lie in one place of
/// the file too, so that it matters whether the bytes of an edit are those of a constant.
#[derive(Debug, Default)]
pub(super) struct ConstantPlaces {
    /// All constants that have bytes, so that where one of a place is let go the next is found.
    by_place: BTreeSet<(PlaceInMemory, BufferId)>,
    by_number: Vec<Option<PlaceInMemory>>,
}

impl ConstantPlaces {
    pub(super) fn of(module: &Module) -> Self {
        let mut places = Self::default();
        for (id, bytes) in module.constants().iter() {
            places.set(id, bytes);
        }
        places
    }

    /// After an edit of the module.
    pub(super) fn follow(&mut self, module: &Module, applied: &Applied) {
        if applied.renumbers().buffers {
            *self = Self::of(module);
            return;
        }
        for id in applied.released().iter().copied().chain(applied.constants()) {
            self.set(id, module.constants().get(id));
        }
    }

    fn set(&mut self, id: BufferId, bytes: Option<&Bytes>) {
        let at = id.0 as usize;
        if at >= self.by_number.len() {
            self.by_number.resize(at + 1, None);
        }
        let now = bytes.filter(|bytes| !bytes.is_empty()).map(place_of);
        if let Some(before) = std::mem::replace(&mut self.by_number[at], now) {
            self.by_place.remove(&(before, id));
        }
        self.by_place.extend(now.map(|now| (now, id)));
    }

    /// The first constant with the bytes that lie here.
    pub(super) fn find(&self, bytes: &Bytes) -> Option<BufferId> {
        let place = place_of(bytes);
        let (found, id) = self.by_place.range((place, BufferId::NONE)..).next()?;
        (*found == place).then_some(*id)
    }
}

pub(super) fn place_of(bytes: &Bytes) -> PlaceInMemory {
    (bytes.as_ptr() as usize, bytes.len())
}
