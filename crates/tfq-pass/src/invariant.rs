//! What passes need of a model and what they leave it with.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock};
use tfq_ir::{Module, Numbers, SubgraphId, counted};

/// Where an invariant does not hold in these subgraphs, in words.
type BrokenFn = dyn Fn(&Module, &[SubgraphId]) -> Option<String> + Send + Sync;

/// A property of models that passes name in `requires` and `ensures`. Written down, it is its
/// name, and only [`SETTLED`] and [`COMPACT`] can be read back.
#[derive(Clone)]
pub struct Invariant(Arc<Property>);

struct Property {
    name: Cow<'static, str>,
    docs: Cow<'static, str>,
    broken: Box<BrokenFn>,
}

impl Invariant {
    /// A property of this name. `docs` says it as part of a sentence; `broken` tells where it
    /// does not hold in these subgraphs, and is `None` where it does.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        docs: impl Into<Cow<'static, str>>,
        broken: impl Fn(&Module, &[SubgraphId]) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let (name, docs) = (name.into(), docs.into());
        Self(Arc::new(Property { name, docs, broken: Box::new(broken) }))
    }

    /// Its name: `settled`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What it says, as part of a sentence.
    pub fn docs(&self) -> &str {
        &self.0.docs
    }

    /// Where it does not hold in these subgraphs, in words; `None` where it does.
    pub fn broken(&self, module: &Module, subgraphs: &[SubgraphId]) -> Option<String> {
        (self.0.broken)(module, subgraphs)
    }
}

/// Every quantised constant is read by ops that take it as it is.
pub static SETTLED: LazyLock<Invariant> = LazyLock::new(|| {
    Invariant::new("settled", "no constant waits for a Dequantize", |module, subgraphs| {
        subgraphs.iter().find_map(|sg| {
            let graph = module.subgraph(*sg);
            let waiting = graph.tensors().find(|id| graph.tensor(*id).expressed.is_some())?;
            let place = module.tensor_place(*sg, waiting);
            Some(format!("{place} waits for a Dequantize"))
        })
    })
});

/// Nothing in the file's lists of buffers and operator codes is unused, but for buffers that
/// metadata numbers.
pub static COMPACT: LazyLock<Invariant> = LazyLock::new(|| {
    Invariant::new("compact", "every buffer and operator code is in use", |module, _| {
        let numbers = Numbers { buffers: true, ..Numbers::default() };
        let buffers = match module.numbered_by_metadata(numbers) {
            Some(_) => 0,
            None => module.unused_buffers(),
        };
        let codes = module.unused_op_codes();
        (buffers + codes > 0).then(|| {
            format!(
                "unused are {} and {}",
                counted(buffers, "buffer"),
                counted(codes, "operator code")
            )
        })
    })
});

impl PartialEq for Invariant {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Invariant {}

impl fmt::Debug for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Invariant").field(&self.name()).finish()
    }
}

impl Serialize for Invariant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Invariant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let mut known = [&SETTLED, &COMPACT].into_iter();
        let found = known.find(|known| known.name() == name).map(|known| Self::clone(known));
        found.ok_or_else(|| {
            let message = format!("there is no invariant {name:?}: they are settled and compact");
            serde::de::Error::custom(message)
        })
    }
}
