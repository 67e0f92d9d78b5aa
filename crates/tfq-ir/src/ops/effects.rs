//! What ops do besides computing their results, and which tensors share memory.

mod calls;

pub use calls::{CallEffects, aliased_operand, effects};

/// What running an op does or depends on besides its operands and results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Its results depend on state: variables, hash tables.
    pub reads_state: bool,
    /// It changes state, or a variable that it takes as an operand.
    pub writes_state: bool,
    /// Its results differ from run to run.
    pub random: bool,
    /// Nobody knows: a custom op.
    pub unknown: bool,
}

impl Effects {
    /// None at all.
    pub const NONE: Self =
        Self { reads_state: false, writes_state: false, random: false, unknown: false };
    pub(super) const UNKNOWN: Self = Self { unknown: true, ..Self::NONE };
    pub(super) const ALL: Self =
        Self { reads_state: true, writes_state: true, random: true, unknown: true };

    /// Whether the op may be dropped where nobody reads its results. One that only reads state
    /// may.
    pub fn is_droppable(self) -> bool {
        !self.writes_state && !self.unknown
    }

    /// Whether equal operands give equal results, always: two such ops may be made one, and
    /// one whose operands are constants may be computed beforehand.
    pub fn is_pure(self) -> bool {
        self == Self::default()
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            reads_state: self.reads_state || other.reads_state,
            writes_state: self.writes_state || other.writes_state,
            random: self.random || other.random,
            unknown: self.unknown || other.unknown,
        }
    }
}
