//! What to do about a data file that cannot be used.

use crate::error::{Problem, TargetError};
use crate::facts::activation_test::ActivationTest;
use crate::facts::condition;
use crate::facts::load_test::LoadTest;
use crate::target::Target;
use tfq_ir::did_you_mean;

impl TargetError {
    /// What to do about it, where there is something to say: a name that is close to the one that
    /// is wrong, as a rule.
    pub fn help(&self) -> Option<String> {
        match &self.problem {
            Problem::UnknownOp(name) => {
                did_you_mean(name, tfq_ir::catalog::all_ops().iter().map(|op| op.name))
                    .or_else(|| Some("names are as in the schema, for example CONV_2D".to_owned()))
            }
            Problem::UnknownType(name) => {
                let types = (0..64).filter_map(tfq_ir::ElementType::from_code);
                did_you_mean(name, types.map(|ty| ty.name()))
            }
            Problem::UnknownBase(name) => {
                let names = || Target::names().collect::<Vec<_>>().join(", ");
                Some(
                    Target::meant(name)
                        .map_or_else(|| format!("targets are {}", names()), |meant| meant.help()),
                )
            }
            Problem::UnknownCondition(name) => {
                did_you_mean(name.trim_start_matches('!'), condition::names())
                    .or_else(|| Some("docs/targets.md lists the conditions".to_owned()))
            }
            Problem::UnknownLoadTest(name) => did_you_mean(name, LoadTest::names())
                .or_else(|| Some("docs/targets.md lists the tests".to_owned())),
            Problem::UnknownActivationTest(name) => did_you_mean(name, ActivationTest::names())
                .or_else(|| Some("docs/targets.md lists the tests".to_owned())),
            Problem::Syntax(message) => unknown_field(message),
            _ => None,
        }
    }
}

/// Messages about unknown keys and values say which there are, each between backticks behind the
/// unknown one.
fn unknown_field(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    did_you_mean(unknown, quoted)
}
