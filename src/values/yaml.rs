//! YAML text to a tree of values with places, read as Helm's YAML library reads it (YAML 1.1's booleans and octals).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_yaml::{Location, Spanned};

use super::error::ValuesError;
use super::node::{Node, Place, Source, Value};

/// Reads one YAML document. An empty text is an empty map, as for Helm.
///
/// # Errors
///
/// Text that is not YAML, more than one document, a duplicate key, or more nodes, depth or aliases than the parser's
/// budget allows; with its place.
pub fn parse(source: &Arc<Source>) -> Result<Node, ValuesError> {
    let start = Place { source: source.clone(), line: 1, column: 1 };
    let options = serde_yaml::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: 100_000 },
    };
    let parsed: Option<Parsed> = serde_yaml::from_str_with_options(&source.text, options).map_err(|error| {
        let place = error.location().map_or_else(|| start.clone(), |location| place(source, location));
        ValuesError::new(format!("not valid YAML: {}", message(&error)), &place)
    })?;
    let node = parsed.map_or_else(|| Node::new(Value::Null, start.clone()), |parsed| parsed.into_node(source));
    match node.value {
        Value::Map(_) => Ok(node),
        Value::Null => Ok(Node::new(Value::Map(BTreeMap::new()), start)),
        other => Err(ValuesError::new(format!("values must be a map of keys, this is {}", other.kind()), &node.place)),
    }
}

/// The parser's message without the place, which stands in front already.
fn message(error: &serde_yaml::Error) -> String {
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or_default();
    first.split(" at line ").next().unwrap_or(first).trim_start_matches("error: ").to_owned()
}

fn place(source: &Arc<Source>, location: Location) -> Place {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Place { source: source.clone(), line: number(location.line()), column: number(location.column()) }
}

/// What the parser hands over: values with the parser's own locations.
struct Parsed(Spanned<Shape>);

enum Shape {
    Scalar(Value),
    List(Vec<Parsed>),
    Map(Vec<(Spanned<String>, Parsed)>),
}

impl Parsed {
    fn into_node(self, source: &Arc<Source>) -> Node {
        let value = match self.0.value {
            Shape::Scalar(value) => value,
            Shape::List(items) => Value::List(items.into_iter().map(|item| item.into_node(source)).collect()),
            Shape::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, parsed)| {
                        let mut node = parsed.into_node(source);
                        node.key_place = Some(place(source, key.referenced));
                        (key.value, node)
                    })
                    .collect(),
            ),
        };
        Node::new(value, place(source, self.0.referenced))
    }
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar(Value::Number(value.into())))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Shape, E> {
        Number::from_f64(value)
            .map(|number| Shape::Scalar(Value::Number(number)))
            .ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar(Value::String(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Scalar(Value::Null))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Shape, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        Shape::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Shape::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut entries: Vec<(Spanned<String>, Parsed)> = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.value.as_str()).collect();
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(A::Error::custom(format_args!("the key {:?} stands twice in one map", pair[0]))),
            None => Ok(Shape::Map(entries)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Node, ValuesError> {
        parse(&Source::new("v.yaml", text))
    }

    #[test]
    fn every_node_knows_its_place() {
        let node = read("a:\n  - b: 1\n  - c\n").unwrap();
        assert_eq!(node.to_json(), json!({"a": [{"b": 1}, "c"]}));
        let a = node.get("a").unwrap();
        assert_eq!(a.key_place.as_ref().unwrap().to_string(), "v.yaml:1:1");
        let Value::List(items) = &a.value else { panic!("{a:?}") };
        assert_eq!(items[0].get("b").unwrap().place.to_string(), "v.yaml:2:8");
        assert_eq!(items[1].place.to_string(), "v.yaml:3:5");
    }

    #[test]
    fn scalars_are_what_helm_takes_them_for() {
        let node = read("a: yes\nb: \"yes\"\nc: 0x10\nd: 1.5\ne: ~\nf: 010\ng:\nh: 2024-01-01\ni: !!str 5\n").unwrap();
        assert_eq!(
            node.to_json(),
            json!({"a": true, "b": "yes", "c": 16, "d": 1.5, "e": null, "f": 8, "g": null, "h": "2024-01-01", "i": "5"})
        );
    }

    #[test]
    fn no_text_is_an_empty_map() {
        for text in ["", "\n", "# only a comment\n", "---\n", "null"] {
            assert_eq!(read(text).unwrap().to_json(), json!({}), "{text:?}");
        }
    }

    #[test]
    fn broken_yaml_is_told_with_its_place() {
        let error = read("a: 1\nb: [1, 2\nc: 3\n").unwrap_err().to_string();
        assert!(error.starts_with("v.yaml:3:"), "{error}");
        assert!(error.contains("not valid YAML"), "{error}");
    }

    #[test]
    fn what_is_no_map_is_refused() {
        let error = read("- a\n").unwrap_err().to_string();
        assert!(error.starts_with("v.yaml:1:1: values must be a map of keys, this is a list"), "{error}");
        assert!(read("a: 1\n---\nb: 2\n").is_err());
    }

    #[test]
    fn a_duplicate_key_is_refused() {
        let error = read("a: 1\nb: 1\na: 2\n").unwrap_err().to_string();
        assert!(error.starts_with("v.yaml:3:1"), "{error}");
    }

    #[test]
    fn an_alias_bomb_ends_in_a_message() {
        let levels: Vec<String> =
            (1..10).map(|level| format!("a{level}: &a{level} [{}]", format!("*a{}, ", level - 1).repeat(10))).collect();
        let text = format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{}\n", levels.join("\n"));
        assert!(read(&text).is_err());
        let mut deep = "a: ".to_owned() + &"[".repeat(100_000);
        deep.push('\n');
        assert!(read(&deep).is_err());
    }
}
