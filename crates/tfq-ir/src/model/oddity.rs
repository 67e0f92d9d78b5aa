//! Why a tensor has no single value.

/// Why a tensor has no single value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// It has bytes in the file, and an op computes it. Which of the two a reader sees depends on
    /// the kernel: ops on shapes run when the model is prepared and replace the bytes, XNNPACK
    /// takes the bytes for the value, and other kernels write to the file's memory.
    ConstantComputed,
    /// Several ops compute it, one after the other.
    ComputedTwice,
    /// An op reads it before another computes it, or in the op that does: the reader sees what
    /// an earlier run left there.
    ReadBefore,
}

impl std::fmt::Display for Oddity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ConstantComputed => "it is a constant and computed by an op",
            Self::ComputedTwice => "several ops compute it",
            Self::ReadBefore => "it is read before an op computes it",
        })
    }
}
