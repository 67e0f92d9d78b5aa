//! Types that are read from one form of JSON only. What serde derives takes a list of the fields
//! for an object as well, and `{"end": null}` for `"end"`; and where a choice of one has two keys,
//! or none, it says what the reader of JSON expected next.
//!
//! Internal crate: of types that others read, users import those.

use serde::de::{
    DeserializeSeed, EnumAccess, Error, IntoDeserializer, MapAccess, VariantAccess, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};
use std::fmt;
use std::marker::PhantomData;

/// Reading and writing of types that have `#[serde(remote = "Self")]`, so that what serde derives
/// for them goes by way of [`Closed`].
#[macro_export]
macro_rules! closed {
    ($($name:ident),+ $(,)?) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                Self::deserialize($crate::Closed(deserializer))
            }
        }
    )+};
}

/// Reads structs from objects, and enums from a string or an object of exactly one key.
#[derive(Debug)]
pub struct Closed<D>(pub D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Closed<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Object(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Choice { visitor, names: Names(names) })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Object<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(map)
    }
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Object<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

struct Choice<V> {
    visitor: V,
    names: Names,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Choice<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.names)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        self.visitor.visit_enum(Word(name, PhantomData))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<V::Value, A::Error> {
        let names = self.names;
        let value = self.visitor.visit_enum(OnlyKey { map: &mut map, names })?;
        match map.next_key::<String>()? {
            None => Ok(value),
            Some(more) => Err(A::Error::custom(format!("{names} is wanted, not `{more}` as well"))),
        }
    }
}

/// A choice without a value.
struct Word<'a, E>(&'a str, PhantomData<E>);

impl<'de, E: Error> EnumAccess<'de> for Word<'_, E> {
    type Error = E;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), E> {
        Ok((seed.deserialize(self.0.into_deserializer())?, self))
    }
}

impl<E: Error> Word<'_, E> {
    fn lacks_value(&self) -> E {
        E::custom(format!("`{0}` has a value: {{\"{0}\": …}} is wanted", self.0))
    }
}

impl<'de, E: Error> VariantAccess<'de> for Word<'_, E> {
    type Error = E;

    fn unit_variant(self) -> Result<(), E> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, E> {
        Err(self.lacks_value())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, E> {
        Err(self.lacks_value())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, E> {
        Err(self.lacks_value())
    }
}

/// A choice with its value: the only key of an object.
struct OnlyKey<'a, A> {
    map: &'a mut A,
    names: Names,
}

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for OnlyKey<'_, A> {
    type Error = A::Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), A::Error> {
        match self.map.next_key_seed(seed)? {
            Some(name) => Ok((name, self)),
            None => Err(A::Error::custom(format!("{} is wanted, not none", self.names))),
        }
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for OnlyKey<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        Err(A::Error::custom("it has no value: its name as a string is wanted"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.map.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(Object(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(Object(visitor))
    }
}

/// The names of a choice.
#[derive(Clone, Copy)]
struct Names(&'static [&'static str]);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("exactly one of ")?;
        for (n, name) in self.0.iter().enumerate() {
            write!(f, "{}`{name}`", if n > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}
