//! Options of passes: how they are described, and how text becomes a value.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use tfq_json::closed;

closed!(OptionInfo, OptionKind);

/// Describes an option of a pass.
///
/// ```
/// use tfq_pass::{OptionInfo, OptionKind};
///
/// let json = r#"{ "name": "axis", "docs": "Along which axis.", "kind": "integer", "default": "0" }"#;
/// let option: OptionInfo = serde_json::from_str(json).unwrap();
/// assert_eq!(option, OptionInfo::new("axis", OptionKind::Integer, "0").docs("Along which axis."));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct OptionInfo {
    /// The name in a pipeline: `min-elements`.
    pub name: Cow<'static, str>,
    /// Its documentation: the doc comment of the field.
    #[serde(default)]
    pub docs: Cow<'static, str>,
    /// What sort of value it takes.
    pub kind: OptionKind,
    /// The value it has where it is not given, as it would be written.
    #[serde(default)]
    pub default: Cow<'static, str>,
}

/// What sort of value an option takes: for messages, and for machines that make forms or check
/// files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case")]
pub enum OptionKind {
    /// A whole number from 0 on.
    Integer,
    /// `on` or `off`.
    Switch,
    /// One of these.
    Choice(Vec<Cow<'static, str>>),
    /// Text of this form, such as `OP,...`, which the documentation tells.
    Text(Cow<'static, str>),
}

impl OptionKind {
    /// One of these values.
    pub fn choice<T: Into<Cow<'static, str>>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::Choice(values.into_iter().map(Into::into).collect())
    }

    /// The text as it is written for this kind, `true` as `on`; or what is wrong with it.
    pub(crate) fn checked(&self, text: &str) -> Result<String, String> {
        match self {
            Self::Integer => Ok(u64::parse(text)?.text()),
            Self::Switch => Ok(bool::parse(text)?.text()),
            Self::Choice(values) if values.iter().any(|value| value == text) => Ok(text.to_owned()),
            Self::Choice(values) => Err(format!("one of {} is wanted", values.join(", "))),
            Self::Text(_) => Ok(text.to_owned()),
        }
    }
}

impl OptionInfo {
    /// An option without documentation.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        kind: OptionKind,
        default: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name: name.into(), docs: Cow::Borrowed(""), kind, default: default.into() }
    }

    /// With this documentation.
    #[must_use]
    pub fn docs(mut self, docs: impl Into<Cow<'static, str>>) -> Self {
        self.docs = docs.into();
        self
    }

    /// What may be written for its value: `tensor|channel`.
    pub fn type_name(&self) -> String {
        match &self.kind {
            OptionKind::Integer => "INTEGER".to_owned(),
            OptionKind::Switch => "on|off".to_owned(),
            OptionKind::Choice(values) => values.join("|"),
            OptionKind::Text(form) => form.clone().into_owned(),
        }
    }

    /// Its documentation, on one line.
    pub fn summary(&self) -> String {
        self.docs.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A type that an option can have.
pub trait OptionValue: Sized {
    /// What sort of value it is, and what may be written.
    fn kind() -> OptionKind;

    /// The value of a text, or what is wrong with it.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value as it would be written.
    fn text(&self) -> String;
}

impl OptionValue for u64 {
    fn kind() -> OptionKind {
        OptionKind::Integer
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "a whole number from 0 on is wanted".to_owned())
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for bool {
    fn kind() -> OptionKind {
        OptionKind::Switch
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            _ => Err("on or off is wanted".to_owned()),
        }
    }

    fn text(&self) -> String {
        if *self { "on" } else { "off" }.to_owned()
    }
}

/// Declares an enum as a type of options: its values by the names that are written.
#[macro_export]
macro_rules! option_enum {
    (
        $(#[doc = $doc:literal])*
        $vis:vis enum $name:ident { $( $(#[doc = $value_doc:literal])* $value:ident = $text:literal, )+ }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $( $(#[doc = $value_doc])* $value, )+ }

        impl $crate::OptionValue for $name {
            fn kind() -> $crate::OptionKind {
                $crate::OptionKind::choice([$($text),+])
            }

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $( $text => Ok(Self::$value), )+
                    _ => Err(format!("one of {} is wanted", [$($text),+].join(", "))),
                }
            }

            fn text(&self) -> String {
                match self { $( Self::$value => $text, )+ }.to_owned()
            }
        }
    };
}

/// An option as it stands in a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct OptionArg<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, without quotes.
    pub value: &'a str,
}

/// Why options were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// The pass has no option of this name.
    #[error("there is no option `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The value is not one of the option's type.
    #[error("option `{name}`: {wanted}")]
    Value {
        /// The option.
        name: String,
        /// What would be right.
        wanted: String,
    },
}

impl OptionArg<'_> {
    #[doc(hidden)]
    pub fn unknown(&self) -> OptionError {
        OptionError::Unknown { name: self.name.to_owned() }
    }
}

/// The options of a pass that was described at run time: all that its description names, with
/// the values that were given or else the defaults.
#[derive(Clone, Debug)]
pub struct OptionValues<'a> {
    infos: &'a [OptionInfo],
    texts: Vec<Cow<'a, str>>,
}

impl<'a> OptionValues<'a> {
    /// Takes the arguments if they are as they are described.
    pub(crate) fn new(
        infos: &'a [OptionInfo],
        args: &[OptionArg<'_>],
    ) -> Result<Self, OptionError> {
        let mut texts: Vec<Cow<'a, str>> =
            infos.iter().map(|info| Cow::Borrowed(&*info.default)).collect();
        for arg in args {
            let Some(at) = infos.iter().position(|info| info.name == arg.name) else {
                return Err(arg.unknown());
            };
            let text = infos[at].kind.checked(arg.value);
            let wrong = |wanted| OptionError::Value { name: arg.name.to_owned(), wanted };
            texts[at] = Cow::Owned(text.map_err(wrong)?);
        }
        Ok(Self { infos, texts })
    }

    /// The value of the option of this name, as it is written.
    ///
    /// # Panics
    /// If the description has no such option.
    pub fn text(&self, name: &str) -> &str {
        let at = self.infos.iter().position(|info| info.name == name);
        &self.texts[at.unwrap_or_else(|| panic!("the description has no option `{name}`"))]
    }

    /// The value of the option of this name: a `u64` of an integer, a `bool` of a switch.
    ///
    /// # Errors
    /// If the text is none of the type, which can only be where the description says less than
    /// the type.
    ///
    /// # Panics
    /// If the description has no such option.
    pub fn get<T: OptionValue>(&self, name: &str) -> Result<T, OptionError> {
        let value = T::parse(self.text(name));
        value.map_err(|wanted| OptionError::Value { name: name.to_owned(), wanted })
    }

    /// Those that differ from their defaults, as (name, value), in the order of the description.
    pub(crate) fn given(&self) -> Vec<(String, String)> {
        let all = self.infos.iter().zip(&self.texts);
        let differ = all.filter(|(info, text)| info.default != **text);
        differ.map(|(info, text)| (info.name.to_string(), text.to_string())).collect()
    }
}

/// Sets `target` if `arg` is the option of this field, and tells whether it was.
pub fn set_option<T: OptionValue>(
    field: &str,
    arg: &OptionArg<'_>,
    target: &mut T,
) -> Result<bool, OptionError> {
    if arg.name != option_name(field) {
        return Ok(false);
    }
    *target = T::parse(arg.value)
        .map_err(|wanted| OptionError::Value { name: arg.name.to_owned(), wanted })?;
    Ok(true)
}

/// Adds an option as it would be written, if it differs from its default.
pub fn option_text<T: OptionValue>(
    field: &str,
    value: &T,
    default: &T,
    options: &mut Vec<(String, String)>,
) {
    let text = value.text();
    if text != default.text() {
        options.push((option_name(field), text));
    }
}

/// The option that a field is.
pub fn option_info<T: OptionValue>(
    field: &'static str,
    docs: &'static str,
    default: &T,
) -> OptionInfo {
    OptionInfo::new(option_name(field), T::kind(), default.text()).docs(docs)
}

/// `min_elements` becomes `min-elements`; a raw identifier loses its mark.
fn option_name(field: &str) -> String {
    field.trim_start_matches("r#").replace('_', "-")
}
