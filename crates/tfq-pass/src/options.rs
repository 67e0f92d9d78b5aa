//! Options of passes: how they are described, and how text becomes a value.

/// Describes an option of a pass.
#[derive(Debug)]
pub struct OptionInfo {
    #[doc(hidden)]
    pub field: &'static str,
    /// The doc comment of the field.
    pub docs: &'static str,
    #[doc(hidden)]
    pub ty: fn() -> String,
    #[doc(hidden)]
    pub kind: fn() -> OptionKind,
    #[doc(hidden)]
    pub default: fn() -> String,
}

/// What sort of value an option takes: for machines that make forms or check files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// A whole number from 0 on.
    Integer,
    /// `on` or `off`.
    Switch,
    /// One of these.
    Choice(Vec<&'static str>),
    /// Text of a form that the documentation tells.
    Text,
}

impl OptionInfo {
    /// The name in a pipeline: `min-elements`.
    pub fn name(&self) -> String {
        option_name(self.field)
    }

    /// What may be written for its value: `tensor|channel`.
    pub fn type_name(&self) -> String {
        (self.ty)()
    }

    /// What sort of value it takes.
    pub fn kind(&self) -> OptionKind {
        (self.kind)()
    }

    /// The value it has where it is not given, as it would be written.
    pub fn default_text(&self) -> String {
        (self.default)()
    }

    /// Its documentation, on one line.
    pub fn summary(&self) -> String {
        self.docs.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A type that an option can have.
pub trait OptionValue: Sized {
    /// What may be written, for messages and documentation.
    fn type_name() -> String;

    /// What sort of value it is.
    fn kind() -> OptionKind {
        OptionKind::Text
    }

    /// The value of a text, or what is wrong with it.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value as it would be written.
    fn text(&self) -> String;
}

impl OptionValue for u64 {
    fn type_name() -> String {
        "INTEGER".to_owned()
    }

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
    fn type_name() -> String {
        "on|off".to_owned()
    }

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
            fn type_name() -> String {
                [$($text),+].join("|")
            }

            fn kind() -> $crate::OptionKind {
                $crate::OptionKind::Choice(vec![$($text),+])
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
    pub name: &'a str,
    pub value: &'a str,
}

/// Why options were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// The pass has no option of this name.
    Unknown { name: String },
    /// The value is not one of the option's type.
    Value { name: String, wanted: String },
}

impl OptionArg<'_> {
    pub fn unknown(&self) -> OptionError {
        OptionError::Unknown { name: self.name.to_owned() }
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

/// `min_elements` becomes `min-elements`; a raw identifier loses its mark.
fn option_name(field: &str) -> String {
    field.trim_start_matches("r#").replace('_', "-")
}
