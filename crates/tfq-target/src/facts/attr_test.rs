//! What a condition may ask about an attribute. `condition.rs` lists them.

use crate::error::Problem;
use crate::facts::tensor_test::{Compare, parse_compare};
use tfq_ir::Attr;
use tfq_ir::catalog::{AttrInfo, AttrType, OpInfo};

/// An attribute, by its name, and what is asked about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AttrTest {
    name: Box<str>,
    asked: Asked,
}

#[derive(Clone, Debug, PartialEq)]
enum Asked {
    /// It is one of these; floats go by their bits.
    OneOf(Vec<i64>),
    Text(Box<str>),
    Than(Compare, i64),
    ThanAttr(Compare, Box<str>),
    /// It is a list, or bytes, of more elements.
    Longer(usize),
    /// It is a list of numbers that all compare so.
    All(Compare, i64),
}

/// A float among values that are compared for being equal.
pub(crate) fn float_bits(value: f32) -> i64 {
    value.to_bits().into()
}

impl AttrTest {
    /// Reads what follows `attr.` in the condition `text` of a row about `ops`.
    pub(crate) fn parse(attr: &str, text: &str, ops: &[&'static OpInfo]) -> Result<Self, Problem> {
        let of = Attribute { text, ops };
        let unknown = || Problem::UnknownCondition(text.to_owned());
        let is_list = |info: &AttrInfo| matches!(info.ty, AttrType::List(_) | AttrType::Bytes);
        let made = |name: &str, asked| Ok(Self { name: name.into(), asked });
        if let Some((name, most)) = attr.split_once(".longer=") {
            of.all_have(name, is_list)?;
            return made(name, Asked::Longer(most.parse().map_err(|_| unknown())?));
        }
        if let Some((name, compared)) = attr.split_once(".values") {
            of.all_have(name, is_list)?;
            let (compare, value) = parse_compare(compared).ok_or_else(unknown)?;
            return made(name, Asked::All(compare, value));
        }
        if let Some(at) = attr.find(['<', '>']) {
            let (compare, with) = Compare::parse(&attr[at..]).ok_or_else(unknown)?;
            let whole = |info: &AttrInfo| {
                !matches!(info.ty, AttrType::F32 | AttrType::F64 | AttrType::String)
                    && !is_list(info)
            };
            of.all_have(&attr[..at], whole)?;
            let Some(other) = with.strip_prefix("attr.") else {
                let number = with.parse().map_err(|_| unknown())?;
                return made(&attr[..at], Asked::Than(compare, number));
            };
            of.all_have(other, whole)?;
            return made(&attr[..at], Asked::ThanAttr(compare, other.into()));
        }
        let (name, values) = match attr.split_once('=') {
            Some((name, values)) => (name, Some(values)),
            None => (attr, None),
        };
        if let Some(value) = values
            && of.all_have(name, |info| matches!(info.ty, AttrType::String)).is_ok()
        {
            return made(name, Asked::Text(value.into()));
        }
        made(name, Asked::OneOf(of.values(name, values)?))
    }

    /// `number` gives numbers, defaults included, and `value` what an op has of its own.
    pub(crate) fn holds(
        &self,
        number: impl Fn(&str) -> Option<i64>,
        value: impl Fn(&str) -> Option<Attr>,
    ) -> bool {
        let than = |compare: Compare, with: Option<i64>| {
            number(&self.name).zip(with).is_some_and(|(value, with)| compare.holds(value, with))
        };
        match &self.asked {
            Asked::OneOf(values) => number(&self.name).is_some_and(|value| values.contains(&value)),
            Asked::Than(compare, with) => than(*compare, Some(*with)),
            Asked::ThanAttr(compare, with) => than(*compare, number(with)),
            Asked::Text(text) => {
                matches!(value(&self.name), Some(Attr::String(value)) if value[..] == text[..])
            }
            Asked::Longer(most) => match value(&self.name) {
                Some(Attr::Ints(list)) => list.len() > *most,
                Some(Attr::Bytes(bytes)) => bytes.len() > *most,
                _ => false,
            },
            Asked::All(compare, with) => match value(&self.name) {
                Some(Attr::Ints(list)) => list.iter().all(|value| compare.holds(*value, *with)),
                _ => false,
            },
        }
    }
}

/// The ops of a row, one of whose conditions is about an attribute.
struct Attribute<'a> {
    /// The condition.
    text: &'a str,
    ops: &'a [&'static OpInfo],
}

impl Attribute<'_> {
    fn unknown(&self, op: &str) -> Problem {
        Problem::UnknownAttribute(self.text.to_owned(), op.to_owned())
    }

    fn info(&self, op: &OpInfo, name: &str) -> Result<&'static AttrInfo, Problem> {
        let found = op.options.and_then(|options| options.attr(name));
        found.map(|(_, info)| info).ok_or_else(|| self.unknown(op.name))
    }

    /// Whether all ops have an attribute of this kind.
    fn all_have(&self, name: &str, is: impl Fn(&AttrInfo) -> bool) -> Result<(), Problem> {
        if self.ops.is_empty() {
            return Err(self.unknown("every operator"));
        }
        self.ops.iter().try_for_each(|op| match self.info(op, name)? {
            info if is(info) => Ok(()),
            _ => Err(self.unknown(op.name)),
        })
    }

    /// The values of a list, which must mean the same to all ops; true where there is none.
    fn values(&self, name: &str, values: Option<&str>) -> Result<Vec<i64>, Problem> {
        let mut parsed: Option<Vec<i64>> = None;
        for op in self.ops {
            let misfit = || self.unknown(op.name);
            let of_op: Vec<i64> = match (values, self.info(op, name)?.ty) {
                (None, AttrType::Bool) => vec![1],
                (None, _) => return Err(misfit()),
                (Some(values), ty) => values
                    .split('|')
                    .map(|value| match ty {
                        AttrType::Enum(names) => names.value_of(value),
                        AttrType::F32 => value.parse().ok().map(float_bits),
                        _ => value.parse().ok(),
                    })
                    .collect::<Option<_>>()
                    .ok_or_else(misfit)?,
            };
            if parsed.get_or_insert_with(|| of_op.clone()) != &of_op {
                return Err(misfit());
            }
        }
        parsed.ok_or_else(|| self.unknown("every operator"))
    }
}
