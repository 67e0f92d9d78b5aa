//! Where tensors stand in a list, or in several, to be looked up.

use crate::TensorId;
use crate::maps::HashMap;
use smallvec::SmallVec;

/// The places of each tensor.
#[derive(Clone)]
pub(crate) struct Places<P>(HashMap<TensorId, SmallVec<[P; 1]>>);

impl<P> Default for Places<P> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<P: Copy> Places<P> {
    pub(crate) fn add(&mut self, tensor: TensorId, place: P) {
        self.0.entry(tensor).or_default().push(place);
    }

    pub(crate) fn contains(&self, tensor: TensorId) -> bool {
        self.0.contains_key(&tensor)
    }

    /// Puts other tensors in the places of some; `put` does so in the list.
    pub(crate) fn replace(
        &mut self,
        moves: &HashMap<TensorId, TensorId>,
        mut put: impl FnMut(P, TensorId),
    ) {
        // Two may trade places.
        let taken = |(old, new): (&TensorId, &TensorId)| Some((*new, self.0.remove(old)?));
        let taken: Vec<_> = moves.iter().filter_map(taken).collect();
        for (new, places) in taken {
            places.iter().for_each(|place| put(*place, new));
            self.0.entry(new).or_default().extend(places);
        }
    }
}
