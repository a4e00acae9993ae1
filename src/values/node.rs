//! A tree of values in which every node knows where it was written, so that a mistake found after merging is still
//! told at the place where it was made.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Number;

/// A text that values came from: a file, a flag, a preset.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// What the user calls it: a path, or `--set`.
    pub name: String,
    /// The whole text, for the line that a message shows.
    pub text: String,
}

impl Source {
    /// A source under a name.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }
}

/// A place in a source, for messages. Lines and columns count characters from 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// Where the text is from.
    pub source: Arc<Source>,
    /// Line, from 1; 0 where it is not known.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for Place {
    /// `values.yaml:3:5`, or the source's name alone where the line is not known.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.source.name)?;
        if self.line > 0 { write!(formatter, ":{}:{}", self.line, self.column) } else { Ok(()) }
    }
}

impl Place {
    /// The line itself with a caret under the column, indented to stand below a message; empty if there is no such line.
    #[must_use]
    pub fn snippet(&self) -> String {
        /// Longer lines are cut around the caret: a message is read on a terminal.
        const WIDTH: usize = 100;
        let Some(line) = self.line.checked_sub(1).and_then(|index| self.source.text.lines().nth(index)) else {
            return String::new();
        };
        let characters: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let caret = self.column.saturating_sub(1).min(characters.len());
        let start = if characters.len() <= WIDTH { 0 } else { caret.saturating_sub(WIDTH / 2) };
        let shown: String = characters.iter().skip(start).take(WIDTH).collect();
        let gutter = self.line.to_string();
        format!(
            "\n{blank} |\n{gutter} | {shown}\n{blank} | {caret}^",
            blank = " ".repeat(gutter.len()),
            caret = " ".repeat(caret - start)
        )
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value itself.
    pub value: Value,
    /// Where the value stands.
    pub place: Place,
    /// Where its key stands, if it is in a map.
    pub key_place: Option<Place>,
}

/// What YAML and JSON can say.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, which deletes when merged.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or a float.
    Number(Number),
    /// Text.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// A map, its keys in order as Helm prints them.
    Map(BTreeMap<String, Node>),
}

impl Value {
    /// What messages call this kind of value.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Node {
    /// A node at a place.
    #[must_use]
    pub fn new(value: Value, place: Place) -> Self {
        Self { value, place, key_place: None }
    }

    /// An empty map, of which it can only be said that it is from this source.
    #[must_use]
    pub fn empty_map(source: &str) -> Self {
        Self::new(Value::Map(BTreeMap::new()), Place { source: Source::new(source, ""), line: 0, column: 0 })
    }

    /// The entry of a map; `None` also where this is not a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The value without its places.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::String(text) => text.clone().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(map) => map.iter().map(|(key, node)| (key.clone(), node.to_json())).collect(),
        }
    }
}

/// A number as Helm keeps it: values pass through Go's JSON, where each is a float of 64 bits. Whole ones that such a float
/// holds exactly stay integers.
#[must_use]
pub fn number(number: Number) -> Number {
    const EXACT: u64 = 1 << 53;
    let is_exact = number.as_i64().is_some_and(|value| value.unsigned_abs() <= EXACT);
    if is_exact { number } else { number.as_f64().and_then(whole_or_float).unwrap_or(number) }
}

fn whole_or_float(float: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.fract() == 0.0 && float.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and within 2^53")]
        return Some((float as i64).into());
    }
    Number::from_f64(float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_points_at_the_column() {
        let source = Source::new("v.yaml", "a: 1\n  b: x\n");
        let place = Place { source, line: 2, column: 6 };
        assert_eq!(place.to_string(), "v.yaml:2:6");
        assert_eq!(place.snippet(), "\n  |\n2 |   b: x\n  |      ^");
    }

    #[test]
    fn a_snippet_of_a_very_long_line_is_cut_around_the_caret() {
        let source = Source::new("v.yaml", "x".repeat(5000));
        let snippet = Place { source, line: 1, column: 3000 }.snippet();
        assert!(snippet.lines().all(|line| line.len() < 110), "{snippet}");
        assert!(snippet.ends_with('^'));
    }

    #[test]
    fn a_place_beyond_the_text_has_no_snippet() {
        let source = Source::new("v.yaml", "");
        assert_eq!(Place { source: source.clone(), line: 9, column: 9 }.snippet(), "");
        assert_eq!(Place { source, line: 0, column: 0 }.snippet(), "");
    }
}
