//! Tests of whether a kernel had better read an op's activations as they are, for the
//! `[[activations]]` rows of a data file.
//!
//! | test | holds where |
//! |---|---|
//! | `never-negative` | no weight is negative |
//! | `half-zero` | at least half of the weights are 0, and not all of them |
//! | `along-time=64` | the weight is the filter of a convolution with a kernel of one row or column, and a window of it reads at least so many numbers |
//! | `one-channel` | that filter reads one channel |
//! | `first` | no op with weights lies between the inputs of the model and the op, and none of these inputs is a state |
//! | `table` | the same, and these inputs have no more dimensions than a table: each number of a row is another quantity |
//! | `row-at-most=128` | a row of the weight, which gives one number, has no more elements |
//! | `delegated-as-float` | XNNPACK takes the op with float32 weights |

use crate::error::Problem;

/// What is asked about an op, its weight and what is in front of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ActivationTest {
    NeverNegative,
    HalfZero,
    AlongTime(u64),
    OneChannel,
    First,
    Table,
    RowAtMost(u64),
    DelegatedAsFloat,
}

const PLAIN: [(&str, ActivationTest); 6] = [
    ("never-negative", ActivationTest::NeverNegative),
    ("half-zero", ActivationTest::HalfZero),
    ("one-channel", ActivationTest::OneChannel),
    ("first", ActivationTest::First),
    ("table", ActivationTest::Table),
    ("delegated-as-float", ActivationTest::DelegatedAsFloat),
];
type OfNumber = fn(u64) -> ActivationTest;
const WITH_NUMBER: [(&str, OfNumber); 2] =
    [("along-time", ActivationTest::AlongTime), ("row-at-most", ActivationTest::RowAtMost)];

impl ActivationTest {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        if let Some((_, test)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(*test);
        }
        let (name, number) = text.split_once('=').unwrap_or((text, ""));
        match WITH_NUMBER.iter().find(|(known, _)| *known == name) {
            Some((_, test)) => {
                number.parse().map(test).map_err(|_| Problem::Number(number.to_owned()))
            }
            None => Err(Problem::UnknownActivationTest(text.to_owned())),
        }
    }

    /// Names for suggestions where one is misspelt.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        PLAIN.iter().map(|(name, _)| *name).chain(["along-time=64", "row-at-most=128"])
    }
}
