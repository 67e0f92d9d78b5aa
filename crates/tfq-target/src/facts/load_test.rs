//! Tests of what a runtime refuses whatever its kernels can do, for the `[[load]]` rows of a data
//! file.
//!
//! A row without ops has one of these tests, and the row is asked about everything that the test
//! is about. A row with ops has conditions as other rows have (`condition.rs`), all of which must
//! hold.
//!
//! | test | holds for |
//! |---|---|
//! | `custom-without-name` | an operator code of a custom op without a name |
//! | `operator-unregistered` | an operator code that the runtime has not, or not in this version |
//! | `signature-without-key` | a signature without a name |
//! | `uncountable-shape` | a tensor with a negative dimension or more bytes than there are addresses, unless its elements have no fixed size or it is a sparse constant |
//! | `quantized-dimension-misfit` | a tensor with scales whose quantised dimension is negative or beyond its rank, or has another number of indices |
//! | `several-axes-misfit` | a tensor with scales along several axes that names none, one beyond its rank, a negative block size, or tensors that are not there |
//! | `variable-with-data` | a variable with bytes in the file |
//! | `string-variable` | a variable of type STRING without bytes |
//! | `sparsity-incomplete` | a sparse constant that an op reads, without a traversal order or dimensions |
//! | `sparse-dimension-incomplete` | one with a compressed dimension without segments or indices |
//! | `sparse-dimension-format` | one with a dimension that is neither dense nor compressed |
//! | `sparse-order` | one that an op reads, whose traversal order names dimensions that it has not |
//! | `sparse-indices` | one that an op reads, whose segments or indices lie beyond their lists or its shape |
//! | `sparse-data` | one that an op reads, with fewer bytes than its indices tell of |
//! | `signature-without-subgraph` | a signature of a subgraph that is not there |
//! | `signature-input-constant` | a signature that takes a tensor with bytes in the file |
//! | `signature-inputs-missing` | a signature that has no name for an input of its subgraph that is read or returned, variables and constants aside; of two inputs of one name the last counts |
//! | `no-value` | a tensor that nothing gives a value, which an op other than a custom one reads where subgraphs are run, or which the main subgraph returns; a second operand of RESHAPE that is no list aside |
//! | `blockwise-misfit` | a constant with scales for blocks, read or returned where subgraphs are run, where the size of a block is not positive or the scales are no constant or fewer than blocks |
//! | `external-with-data` | a tensor with bytes both in the file and in another |
//! | `external-absent` | a tensor, read or returned where subgraphs are run, whose external buffer or the group of that is not there |
//! | `string-data` | a constant of type STRING, read or returned where subgraphs are run, whose table of strings leads outside of it or has not one for each element |
//! | `recursive-call` | an op that runs a subgraph which comes back to that of the op; one that only tells a kernel what to compute, as of STABLEHLO_SCATTER, is not run |

/// Tests by name, and what each is about. `read.rs` reads names.
const TESTS: [(&str, LoadTest, Subject); 23] = [
    ("custom-without-name", LoadTest::CustomWithoutName, Subject::OpCode),
    ("operator-unregistered", LoadTest::Unregistered, Subject::OpCode),
    ("signature-without-key", LoadTest::SignatureWithoutKey, Subject::Signature),
    ("uncountable-shape", LoadTest::UncountableShape, Subject::Tensor(traits::UNCOUNTABLE)),
    ("quantized-dimension-misfit", LoadTest::QuantizedDimension, Subject::Tensor(traits::SCALES)),
    ("several-axes-misfit", LoadTest::SeveralAxes, Subject::Tensor(traits::LINKS)),
    ("variable-with-data", LoadTest::VariableWithData, Subject::Tensor(traits::VARIABLE)),
    ("string-variable", LoadTest::StringVariable, Subject::Tensor(traits::VARIABLE)),
    ("sparsity-incomplete", LoadTest::SparsityIncomplete, Subject::Tensor(traits::SPARSE)),
    ("sparse-dimension-incomplete", LoadTest::SparseDimension, Subject::Tensor(traits::SPARSE)),
    ("sparse-dimension-format", LoadTest::SparseFormat, Subject::Tensor(traits::SPARSE)),
    ("sparse-order", LoadTest::SparseOrder, Subject::Tensor(traits::SPARSE)),
    ("sparse-indices", LoadTest::SparseIndices, Subject::Tensor(traits::SPARSE)),
    ("sparse-data", LoadTest::SparseData, Subject::Tensor(traits::SPARSE)),
    ("signature-without-subgraph", LoadTest::SignatureSubgraph, Subject::Signature),
    ("signature-input-constant", LoadTest::SignatureConstant, Subject::Signature),
    ("signature-inputs-missing", LoadTest::SignatureInputs, Subject::Signature),
    ("no-value", LoadTest::NoValue, Subject::Tensor(traits::NO_VALUE)),
    ("blockwise-misfit", LoadTest::Blockwise, Subject::Tensor(traits::LINKS)),
    ("external-with-data", LoadTest::ExternalWithData, Subject::Tensor(traits::EXTERNAL)),
    ("external-absent", LoadTest::ExternalAbsent, Subject::Tensor(traits::EXTERNAL)),
    ("string-data", LoadTest::StringData, Subject::Tensor(traits::STRING)),
    ("recursive-call", LoadTest::RecursiveCall, Subject::Call),
];

/// What a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    OpCode,
    Signature,
    /// A tensor with this trait. The test holds for no other, so that it is not asked about the
    /// plain tensors that a model has a great many of.
    Tensor(u8),
    /// An op that runs a subgraph.
    Call,
}

/// Sets of what is out of the ordinary about a tensor.
pub(crate) mod traits {
    /// Its elements cannot be counted, or have more bytes than there are addresses.
    pub(crate) const UNCOUNTABLE: u8 = 1;
    pub(crate) const SCALES: u8 = 2;
    /// Other tensors have its scales.
    pub(crate) const LINKS: u8 = 4;
    pub(crate) const VARIABLE: u8 = 8;
    pub(crate) const SPARSE: u8 = 16;
    /// Its bytes are in another file.
    pub(crate) const EXTERNAL: u8 = 32;
    pub(crate) const STRING: u8 = 64;
    /// Neither the file nor a caller, an op or the runtime gives it a value.
    pub(crate) const NO_VALUE: u8 = 128;
}

/// What a row without ops asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadTest {
    CustomWithoutName,
    Unregistered,
    SignatureWithoutKey,
    UncountableShape,
    QuantizedDimension,
    SeveralAxes,
    VariableWithData,
    StringVariable,
    SparsityIncomplete,
    SparseDimension,
    SparseFormat,
    SparseOrder,
    SparseIndices,
    SparseData,
    SignatureSubgraph,
    SignatureConstant,
    SignatureInputs,
    NoValue,
    Blockwise,
    ExternalWithData,
    ExternalAbsent,
    StringData,
    RecursiveCall,
}

impl LoadTest {
    pub(crate) fn named(name: &str) -> Option<Self> {
        TESTS.iter().find(|(known, ..)| *known == name).map(|(_, test, _)| *test)
    }

    /// Names for suggestions where one is misspelt.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        TESTS.iter().map(|(name, ..)| *name)
    }

    pub(crate) fn subject(self) -> Subject {
        let of_test = TESTS.iter().find(|(_, test, _)| *test == self);
        of_test.map(|(.., subject)| *subject).expect("every test has a name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_has_a_subject() {
        for (name, test, subject) in TESTS {
            assert_eq!(LoadTest::named(name), Some(test));
            assert_eq!(test.subject(), subject, "{name}");
        }
    }
}
