//! Numbers that JSON as it is found in the wild would not carry: it has no NaN and no infinity,
//! some writers drop the sign of -0.0, and many readers take every number for a double.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A 32-bit float: a number, or as a string what JSON has no number for, `nan`, `inf`, `-inf`,
/// `-0.0`, or the bits as `0x7fc00001`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Float(pub(crate) f32);

/// The NaN that is meant where no bits are given.
const NAN: u32 = 0x7fc0_0000;

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0;
        if is_number(value) {
            return serializer.serialize_f32(value);
        }
        let word = match value {
            _ if value.to_bits() == NAN => "nan",
            f32::INFINITY => "inf",
            f32::NEG_INFINITY => "-inf",
            _ if value.to_bits() == (-0.0_f32).to_bits() => "-0.0",
            _ => return serializer.collect_str(&format_args!("{:#010x}", value.to_bits())),
        };
        serializer.serialize_str(word)
    }
}

/// Whether a number in JSON gives these bits back. Readers go by way of a double, and not all of
/// them give the nearest one.
fn is_number(value: f32) -> bool {
    let Ok(double) = value.to_string().parse::<f64>() else { return false };
    let near = [double.next_down(), double, double.next_up()];
    value.is_finite()
        && value.to_bits() != (-0.0_f32).to_bits()
        && (value == 0.0 || near.iter().all(|near| (*near as f32).to_bits() == value.to_bits()))
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FloatVisitor).map(Self)
    }
}

struct FloatVisitor;

impl Visitor<'_> for FloatVisitor {
    type Value = f32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a 32-bit float (a number, \"nan\", \"inf\", \"-inf\", \"-0.0\" or bits as \
             \"0x7fc00001\")",
        )
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f32, E> {
        let float = value as f32;
        match float.is_finite() {
            true => Ok(float),
            false => Err(E::invalid_value(Unexpected::Float(value), &self)),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f32, E> {
        Ok(value as f32)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<f32, E> {
        Ok(value as f32)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f32, E> {
        let bits = || {
            let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 8)?;
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u32::from_str_radix(digits, 16).ok().filter(|_| is_hex).map(f32::from_bits)
        };
        let float = match text {
            "nan" => Some(f32::from_bits(NAN)),
            "inf" => Some(f32::INFINITY),
            "-inf" => Some(f32::NEG_INFINITY),
            "-0.0" => Some(-0.0),
            _ => bits(),
        };
        float.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// What every reader of JSON takes for the same integer.
pub(crate) const EXACT: u64 = 1 << 53;

/// A 64-bit integer: a number, or its digits as a string where a double would not hold it.
macro_rules! integer {
    ($name:ident, $type:ty, $visitor:ident, $expected:literal) => {
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(pub(crate) $type);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                #[allow(unused_comparisons)]
                let size = if self.0 < 0 { self.0.wrapping_neg() as u64 } else { self.0 as u64 };
                match size <= EXACT {
                    true => self.0.serialize(serializer),
                    false => serializer.collect_str(&self.0),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor).map(Self)
            }
        }

        struct $visitor;

        impl Visitor<'_> for $visitor {
            type Value = $type;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expected)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<$type, E> {
                let wrong = || E::invalid_value(Unexpected::Signed(value), &self);
                value.try_into().map_err(|_| wrong())
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<$type, E> {
                let wrong = || E::invalid_value(Unexpected::Unsigned(value), &self);
                value.try_into().map_err(|_| wrong())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                let number = text.parse::<$type>().ok();
                let number = number.filter(|number| number.to_string() == text);
                number.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
    };
}

integer!(Int64, i64, Int64Visitor, "a 64-bit integer (a number, or its digits as a string)");
integer!(
    Uint64,
    u64,
    Uint64Visitor,
    "an unsigned 64-bit integer (a number, or its digits as a string)"
);

#[cfg(test)]
mod schema {
    use super::{Float, Int64, Uint64};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde::Serialize;
    use std::borrow::Cow;

    /// The least number that is rounded to infinity: halfway from the greatest float to 2¹²⁸.
    const BEYOND: f64 = (f32::MAX as f64) + (1_u128 << 103) as f64;

    impl JsonSchema for Float {
        fn schema_name() -> Cow<'static, str> {
            "Float".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "A 32-bit float. A string where JSON has no number: a NaN, an \
                    infinity, -0.0, or the bits.",
                "anyOf": [
                    { "type": "number", "exclusiveMinimum": -BEYOND, "exclusiveMaximum": BEYOND },
                    { "type": "string", "pattern": "^(nan|inf|-inf|-0\\.0|0x[0-9a-fA-F]{8})$" },
                ],
            })
        }
    }

    fn integer<T: Serialize>(description: &str, range: [T; 2], pattern: &str) -> Schema {
        let [least, most] = range;
        json_schema!({
            "description": description,
            "anyOf": [
                { "type": "integer", "minimum": least, "maximum": most },
                { "type": "string", "pattern": pattern },
            ],
        })
    }

    impl JsonSchema for Int64 {
        fn schema_name() -> Cow<'static, str> {
            "Int64".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            let what = "A 64-bit integer. A string of its digits where a double does not hold it.";
            integer(what, [i64::MIN, i64::MAX], "^(0|-?[1-9][0-9]{0,18})$")
        }
    }

    impl JsonSchema for Uint64 {
        fn schema_name() -> Cow<'static, str> {
            "Uint64".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            let what = "An unsigned 64-bit integer. A string of its digits where a double does \
                        not hold it.";
            integer(what, [u64::MIN, u64::MAX], "^(0|[1-9][0-9]{0,19})$")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes_back(bits: u32) -> String {
        let written = serde_json::to_string(&Float(f32::from_bits(bits))).unwrap();
        let read: Float = serde_json::from_str(&written).unwrap();
        assert_eq!(read.0.to_bits(), bits, "{written}");
        written
    }

    #[test]
    fn floats_come_back_bit_for_bit() {
        let cases = [
            (0.1_f32.to_bits(), "0.1"),
            (0, "0.0"),
            (0x8000_0000, "\"-0.0\""),
            (NAN, "\"nan\""),
            (0x7fc0_0001, "\"0x7fc00001\""),
            (0xffc0_0000, "\"0xffc00000\""),
            (f32::INFINITY.to_bits(), "\"inf\""),
            (f32::NEG_INFINITY.to_bits(), "\"-inf\""),
            (1, "1e-45"),
            (f32::MAX.to_bits(), "3.4028235e+38"),
        ];
        for (bits, written) in cases {
            assert_eq!(comes_back(bits), written);
        }
        let mut bits = 1_u32;
        for _ in 0..200_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            comes_back(bits);
        }
    }

    #[test]
    fn integers_come_back_and_are_strings_where_a_double_would_round_them() {
        for (value, written) in [
            (0, "0"),
            (-1, "-1"),
            (1 << 53, "9007199254740992"),
            ((1 << 53) + 1, "\"9007199254740993\""),
            (i64::MIN, "\"-9223372036854775808\""),
            (i64::MAX, "\"9223372036854775807\""),
        ] {
            assert_eq!(serde_json::to_string(&Int64(value)).unwrap(), written);
            assert_eq!(serde_json::from_str::<Int64>(written).unwrap().0, value);
        }
        // Whoever writes numbers of that size as such is understood as well.
        assert_eq!(serde_json::from_str::<Int64>("9007199254740993").unwrap().0, (1 << 53) + 1);
        assert_eq!(serde_json::to_string(&Uint64(u64::MAX)).unwrap(), "\"18446744073709551615\"");
        for wrong in ["1.0", "\"01\"", "\"+1\"", "\"\"", "9223372036854775808", "null"] {
            assert!(serde_json::from_str::<Int64>(wrong).is_err(), "{wrong}");
        }
        for wrong in ["\"NaN\"", "1e39", "\"0x1\"", "\"0x+1234567\"", "\"1\"", "true"] {
            assert!(serde_json::from_str::<Float>(wrong).is_err(), "{wrong}");
        }
    }
}
