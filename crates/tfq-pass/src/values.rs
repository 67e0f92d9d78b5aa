//! Values of passes that the framework carries without knowing them.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::sync::Arc;
use tfq_ir::maps::IndexMap;

/// Values by their types, one of each: what callers hand to passes
/// ([`crate::RunOptions::resources`]) and what passes hand back ([`crate::Report::products`]).
///
/// ```
/// use tfq_pass::Values;
///
/// struct Samples(Vec<f32>);
///
/// let mut values = Values::default();
/// values.insert(Samples(vec![0.5]));
/// assert_eq!(values.get::<Samples>().map(|samples| samples.0.len()), Some(1));
/// assert!(values.get::<String>().is_none());
/// ```
#[derive(Clone, Default)]
pub struct Values(IndexMap<TypeId, (&'static str, Arc<dyn Any + Send + Sync>)>);

impl Values {
    /// Adds a value, in the place of one of the same type.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), (type_name::<T>(), Arc::new(value)));
    }

    /// The value of this type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.1.downcast_ref()
    }

    /// Adds all of the others, in the place of those of the same types.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.values().map(|(name, _)| name)).finish()
    }
}

/// What a pass hands over where the model would not run on the target without what it did: that is
/// kept whatever it takes of the file.
#[derive(Clone, Copy, Debug)]
pub struct NeededSize;

/// What a pass hands over where it did what the user asked for by an option: that is kept though
/// the file grows for it.
#[derive(Clone, Copy, Debug)]
pub struct AskedSize;

/// By how many bytes the caller lets the file grow for time, among the resources. Passes that would
/// take more do what gains most; without it they do all.
#[derive(Clone, Copy, Debug)]
pub struct Room(pub u64);
