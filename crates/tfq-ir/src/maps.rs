//! Maps and sets with a quick hash.
//!
//! Handles and numbers are looked up several times for each op, which the standard library's hash,
//! made to withstand attacks, takes longer for than all else. This one is seeded anew in each
//! process. Nothing may depend on the order of a `HashMap` or `HashSet`, with either hash.

/// The hash.
pub use foldhash::fast::RandomState;

/// [`std::collections::HashMap`].
pub type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
/// [`std::collections::HashSet`].
pub type HashSet<T> = std::collections::HashSet<T, RandomState>;
/// [`indexmap::IndexMap`].
pub type IndexMap<K, V> = indexmap::IndexMap<K, V, RandomState>;
/// [`indexmap::IndexSet`].
pub type IndexSet<T> = indexmap::IndexSet<T, RandomState>;
