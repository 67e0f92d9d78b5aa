//! An entry of the index.

use serde::{Deserialize, Serialize};

/// One golden: what is run, and on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The golden's name; its file is `NAME.golden`.
    pub name: String,
    /// The model, relative to the folder, with `/` between the parts.
    pub model: String,
    /// Passes in order, if they are not those of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes: Option<String>,
    /// The file with the passes, relative to the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// What the default pipeline weighs against size, where that is not the target's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<String>,
    /// Whether the default pipeline stores weights as float16.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub float16: bool,
    /// Whether the default pipeline lets no op read int8 weights itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weight_only: bool,
    /// Patterns of names that the default pipeline leaves as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// The file with the plan of weights that is followed, relative to the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The target by name.
    pub target: String,
    /// The level of the text by name.
    pub level: String,
    /// [`crate::file_hash`] of the model for which the golden was accepted.
    pub input: String,
    /// The tool that made the accepted golden.
    pub tool: String,
    /// The model that the skeleton beside the golden was made from, as it was named then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skeleton_of: Option<String>,
    /// The file with the constants of a model that is text, relative to the folder, where it is
    /// not the one beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_file: Option<String>,
    /// Whether constants that a text leaves out are made up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fills: bool,
    /// Whether what this version does not know is dropped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop_unknown: bool,
}

/// A name for a golden of a model's file of this name: what names of goldens cannot have becomes
/// `_`.
pub fn name_from(stem: &str) -> String {
    let name = stem.trim_start_matches(['.', '-']);
    name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.+@=".contains(c)
}

impl Entry {
    /// What is wrong with its name, if anything: it is a name of a file as well.
    pub fn name_problem(&self) -> Option<&'static str> {
        let name = &self.name;
        if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(is_plain) {
            return Some(
                "names of goldens are made of letters, digits and _ - . + @ =, and begin with a letter or digit",
            );
        }
        None
    }
}
