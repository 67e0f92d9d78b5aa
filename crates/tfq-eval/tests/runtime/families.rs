//! All models: by operator and type.

use crate::maker::{Made, Maker};

/// Models of one operator and one combination of types.
pub(crate) struct Family {
    pub(crate) op: &'static str,
    pub(crate) types: String,
    make: Box<dyn Fn(&mut Maker) + Sync>,
}

impl Family {
    pub(crate) fn new(
        op: &'static str,
        types: impl Into<String>,
        make: impl Fn(&mut Maker) + Sync + 'static,
    ) -> Self {
        Self { op, types: types.into(), make: Box::new(make) }
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.op, self.types)
    }

    /// The model of a seed.
    pub(crate) fn model(&self, seed: u64) -> Made {
        // Families of one seed should not look alike.
        let name = self.name();
        let hash = name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut maker = Maker::new(hash);
        (self.make)(&mut maker);
        maker.made()
    }
}

pub(crate) fn all() -> Vec<Family> {
    let mut all = crate::elementwise::families();
    all.extend(crate::movement::families());
    all.extend(crate::sums::families());
    all
}
