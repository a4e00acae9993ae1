//! From the tree of values to the program's types, by serde, with every error at the place of the value it is about.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::error::ValuesError;
use super::node::{Node, Value};

/// Reads a type from a node.
///
/// # Errors
///
/// A wrong type, an unknown or missing key, or what the type itself refuses, with its place.
pub fn decode<T: de::DeserializeOwned>(node: &Node) -> Result<T, ValuesError> {
    T::deserialize(Decoder(node)).map_err(|error| error.or_at(&node.place))
}

/// Keys that people put a level too high, by the key that they belong below.
const HOMES: [(&str, &[&str]); 3] = [
    ("scheduling", &["nodeSelector", "tolerations"]),
    ("overhead", &["podFixed"]),
    ("podFixed", &["cpu", "memory", "ephemeral-storage"]),
];

impl de::Error for ValuesError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::unplaced(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            Unexpected::Bool(value) => value.to_string(),
            Unexpected::Unsigned(value) => format!("the number {value}"),
            Unexpected::Signed(value) => format!("the number {value}"),
            Unexpected::Float(value) => format!("the number {value}"),
            Unexpected::Str(text) => format!("the string {text:?}"),
            Unexpected::Unit | Unexpected::Option => "null".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a map".to_owned(),
            other => other.to_string(),
        };
        let expected = match expected.to_string().as_str() {
            "a sequence" => "a list".to_owned(),
            expected if expected.starts_with("struct ") => "a map".to_owned(),
            expected => expected.to_owned(),
        };
        let is_plain = matches!(
            unexpected,
            Unexpected::Bool(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_)
        );
        let hint = if is_plain && expected == "a string" { ": quote it, or use --set-string" } else { "" };
        Self::unplaced(format!("expected {expected}, found {found}{hint}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let parent = HOMES.iter().find(|(parent, keys)| expected.contains(parent) && keys.contains(&field));
        Self::unplaced(match parent {
            Some((parent, _)) => format!("unknown key `{field}`, it belongs below `{parent}`"),
            None => unknown("key", field, expected),
        })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::unplaced(unknown("value", variant, expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::unplaced(format!("the key `{field}` is missing"))
    }
}

/// What to say of a word that is none of the known ones: the likeliest that was meant, or else all of them.
#[must_use]
pub fn unknown(what: &str, given: &str, known: &[&str]) -> String {
    match likeliest(given, known) {
        Some(word) => format!("unknown {what} `{given}`, did you mean `{word}`?"),
        None => format!("unknown {what} `{given}`, known are {}", known.join(", ")),
    }
}

/// The word that was likely meant, if one is near enough.
#[must_use]
pub fn likeliest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|word| (strsim::jaro_winkler(given, word), *word));
    near.filter(|(likeness, _)| *likeness > 0.8).max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, word)| word)
}

struct Decoder<'a>(&'a Node);

impl<'a> Decoder<'a> {
    fn unexpected(&self) -> Unexpected<'a> {
        match &self.0.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => number
                .as_i64()
                .map(Unexpected::Signed)
                .or_else(|| number.as_u64().map(Unexpected::Unsigned))
                .unwrap_or_else(|| Unexpected::Float(number.as_f64().unwrap_or(f64::NAN))),
            Value::String(text) => Unexpected::Str(text),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }

    fn wrong_type(&self, expected: &dyn de::Expected) -> ValuesError {
        <ValuesError as de::Error>::invalid_type(self.unexpected(), expected).or_at(&self.0.place)
    }
}

/// Only maps, lists and strings are asked for by name; `visit_any` serves the rest.
impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = ValuesError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValuesError> {
        let place = &self.0.place;
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => visitor.visit_i64(value),
                (None, Some(value)) => visitor.visit_u64(value),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Map(map) => visitor.visit_map(Entries { entries: map.iter(), value: None }),
        }
        .map_err(|error: ValuesError| error.or_at(place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValuesError> {
        match &self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValuesError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValuesError> {
        match &self.0.value {
            Value::String(text) => visitor
                .visit_enum(text.as_str().into_deserializer())
                .map_err(|error: ValuesError| error.or_at(&self.0.place)),
            _ => Err(self.wrong_type(&"a string")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ValuesError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ValuesError> {
        self.0.next().map(|node| seed.deserialize(Decoder(node)).map_err(|error| error.or_at(&node.place))).transpose()
    }
}

struct Entries<'a> {
    entries: std::collections::btree_map::Iter<'a, String, Node>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ValuesError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValuesError> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some(node);
        let key: StrDeserializer<'_, ValuesError> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.or_at(node.key_place.as_ref().unwrap_or(&node.place)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ValuesError> {
        match self.value.take() {
            Some(node) => seed.deserialize(Decoder(node)).map_err(|error| error.or_at(&node.place)),
            None => Err(ValuesError::unplaced("a value was asked for before its key")),
        }
    }
}
