//! `--set`, `--set-string` and `--set-json`: Helm's grammar, written into the values that are there already.
//!
//! Into them, not over them: `a[0].b=1` changes the element that a file defined and leaves its other keys alone. What
//! Helm takes without a word is taken here too, and what it refuses is refused; where Helm 3 and Helm 4 disagree on a
//! half written assignment, the one that refuses is followed.

mod json;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::ValuesError;
use super::node::{Node, Place, Source, Value};

/// Helm's limit for an index.
const MAX_INDEX: usize = 65_536;
/// Helm's limit for dots in a name.
const MAX_NAMES: usize = 30;
/// Limit for indices in a row, as in `a[0][0]`. Helm has none and pays with its stack.
const MAX_INDICES: usize = 30;
/// Limit for list items that all flags together may make, which Helm does not have: each of a few letters could ask for
/// [`MAX_INDEX`] of them.
const MAX_ITEMS: usize = 4 * MAX_INDEX;

/// What the values of a flag are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `--set`: booleans, null and integers are told from text.
    Typed,
    /// `--set-string`: everything is text.
    Text,
    /// `--set-json`: each value is JSON.
    Json,
}

/// Writes flags into values. One for all flags of a run, since they share a limit.
#[derive(Debug, Default)]
pub struct Setter {
    items: usize,
}

impl Setter {
    /// Writes the assignments of one flag into the values.
    ///
    /// # Errors
    ///
    /// What Helm refuses, and what is beyond a limit, with the flag and the place in its text.
    pub fn apply(&mut self, kind: Kind, source: &Arc<Source>, values: &mut Node) -> Result<(), ValuesError> {
        let start = Place { source: source.clone(), line: 1, column: 1 };
        if kind == Kind::Json && source.text.trim_start().starts_with('{') {
            super::merge::merge(values, json::whole(source, &start)?);
            return Ok(());
        }
        let Value::Map(map) = &mut values.value else {
            return Err(ValuesError::new(format!("values must be a map, found {}", values.value.kind()), &start));
        };
        let mut assignments = Assignments::new(kind, source, &mut self.items);
        while assignments.key(map, 0)? == Flow::More {}
        Ok(())
    }
}

/// Whether there is more to read. Helm takes a text that ends within a name or index for finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    More,
    End,
}

/// A text that is being read.
struct Assignments<'a> {
    kind: Kind,
    source: &'a Arc<Source>,
    /// The characters and where each starts in bytes.
    text: Vec<(usize, char)>,
    at: usize,
    /// Where lines start.
    lines: Vec<usize>,
    items: &'a mut usize,
}

impl<'a> Assignments<'a> {
    fn new(kind: Kind, source: &'a Arc<Source>, items: &'a mut usize) -> Self {
        let text: Vec<(usize, char)> = source.text.char_indices().collect();
        let breaks = text.iter().enumerate().filter(|(_, (_, c))| *c == '\n').map(|(index, _)| index + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Self { kind, source, text, at: 0, lines, items }
    }

    fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(0);
        Place { source: self.source.clone(), line, column: at - start + 1 }
    }

    fn error(&self, message: impl Into<String>, at: usize) -> ValuesError {
        ValuesError::new(message, &self.place(at))
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).map(|(_, c)| *c)
    }

    /// Reads up to one of the characters, which is consumed and returned. A backslash takes the next one's meaning.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut read = String::new();
        while let Some(mut next) = self.peek() {
            self.at += 1;
            if stops.contains(&next) {
                return (read, Some(next));
            }
            if next == '\\' {
                let Some(escaped) = self.peek() else { break };
                self.at += 1;
                next = escaped;
            }
            read.push(next);
        }
        (read, None)
    }

    /// One name and what follows it, written into the map.
    fn key(&mut self, map: &mut BTreeMap<String, Node>, names: usize) -> Result<Flow, ValuesError> {
        let start = self.at;
        let (name, last) = self.until(&['=', '[', ',', '.']);
        match last {
            None if name.is_empty() => Ok(Flow::End),
            None => Err(self.error(format!("{name:?} has no value, expected {name}=VALUE"), start)),
            Some(',') => {
                Err(self.error(format!("{name:?} has no value, expected {name}=VALUE before the comma"), start))
            }
            Some('[') => self.list(map, name, names, start),
            Some('.') => self.map(map, name, names + 1, start),
            Some(_) => {
                let (value, flow) = self.value()?;
                self.insert(map, name, value, start);
                Ok(flow)
            }
        }
    }

    /// Helm does not write under an empty name, and does not mind one either.
    fn insert(&self, map: &mut BTreeMap<String, Node>, name: String, mut node: Node, start: usize) {
        if !name.is_empty() {
            node.key_place = Some(self.place(start));
            map.insert(name, node);
        }
    }

    /// What follows `name.`
    fn map(
        &mut self,
        map: &mut BTreeMap<String, Node>,
        name: String,
        names: usize,
        start: usize,
    ) -> Result<Flow, ValuesError> {
        if names > MAX_NAMES {
            return Err(self.error(format!("names nest deeper than {MAX_NAMES}, Helm's limit"), start));
        }
        let mut fresh = BTreeMap::new();
        let inner = match map.get_mut(&name) {
            Some(Node { value: Value::Map(inner), .. }) => inner,
            Some(other) => return Err(self.not_a("map", &name, other, start)),
            None => &mut fresh,
        };
        let flow = self.key(inner, names)?;
        if flow == Flow::More && inner.is_empty() {
            return Err(self.error(format!("{name:?} gets no value"), start));
        }
        if !fresh.is_empty() {
            let node = Node::new(Value::Map(fresh), self.place(start));
            self.insert(map, name, node, start);
        }
        Ok(flow)
    }

    /// What follows `name[`
    fn list(
        &mut self,
        map: &mut BTreeMap<String, Node>,
        name: String,
        names: usize,
        start: usize,
    ) -> Result<Flow, ValuesError> {
        let index = self.index()?;
        if let Some(node) = map.get_mut(&name) {
            return match &mut node.value {
                Value::List(list) => self.item(list, index, names, 1),
                _ => Err(self.not_a("list", &name, node, start)),
            };
        }
        let mut list = Vec::new();
        let flow = self.item(&mut list, index, names, 1)?;
        let node = Node::new(Value::List(list), self.place(start));
        self.insert(map, name, node, start);
        Ok(flow)
    }

    fn not_a(&self, kind: &str, name: &str, found: &Node, at: usize) -> ValuesError {
        self.error(format!("{name:?} is no {kind} but {}, from {}", found.value.kind(), found.place), at)
    }

    /// The number between brackets, and the closing one.
    fn index(&mut self) -> Result<usize, ValuesError> {
        let start = self.at;
        let (digits, last) = self.until(&[']']);
        if last.is_none() {
            return Err(self.error("the index has no end, expected `]`", start));
        }
        match digits.parse::<i64>() {
            Ok(index) => match usize::try_from(index) {
                Ok(index) if index <= MAX_INDEX => Ok(index),
                Ok(_) => Err(self.error(format!("the index {index} is above {MAX_INDEX}, Helm's limit"), start)),
                Err(_) => Err(self.error(format!("the index {index} is below zero"), start)),
            },
            Err(_) => Err(self.error(format!("the index {digits:?} is not a number"), start)),
        }
    }

    /// What follows `name[index]`
    fn item(&mut self, list: &mut Vec<Node>, index: usize, names: usize, indices: usize) -> Result<Flow, ValuesError> {
        let start = self.at;
        let (unexpected, stop) = self.until(&['[', '.', '=']);
        if !unexpected.is_empty() {
            return Err(self.error(format!("expected `=`, `.` or `[` after an index, found {unexpected:?}"), start));
        }
        match stop {
            None => Ok(Flow::End),
            Some('[') => {
                if indices == MAX_INDICES {
                    return Err(self.error(format!("more than {MAX_INDICES} indices in a row"), start));
                }
                let next = self.index()?;
                let mut inner = match list.get_mut(index) {
                    Some(Node { value: Value::List(inner), .. }) => return self.item(inner, next, names, indices + 1),
                    Some(Node { value: Value::Null, .. }) | None => Vec::new(),
                    Some(other) => {
                        let other = other.clone();
                        return Err(self.not_a("list", &format!("[{index}]"), &other, start));
                    }
                };
                match self.item(&mut inner, next, names, indices + 1)? {
                    Flow::End => Ok(Flow::End),
                    Flow::More => {
                        let node = Node::new(Value::List(inner), self.place(start));
                        self.put(list, index, node, start).map(|()| Flow::More)
                    }
                }
            }
            Some('.') => {
                if let Some(node) = list.get_mut(index) {
                    if !matches!(node.value, Value::Map(_)) {
                        *node = Node::new(Value::Map(BTreeMap::new()), self.place(start));
                    }
                    let Value::Map(inner) = &mut node.value else { return Ok(Flow::End) };
                    return self.key(inner, names);
                }
                let mut inner = BTreeMap::new();
                match self.key(&mut inner, names)? {
                    // Helm drops what an assignment without a value made below an index that is new.
                    Flow::End => Ok(Flow::End),
                    Flow::More => {
                        let node = Node::new(Value::Map(inner), self.place(start));
                        self.put(list, index, node, start).map(|()| Flow::More)
                    }
                }
            }
            Some(_) => {
                let (value, _) = self.value()?;
                self.put(list, index, value, start).map(|()| Flow::More)
            }
        }
    }

    /// Sets an item; the ones before it that do not exist become null.
    fn put(&mut self, list: &mut Vec<Node>, index: usize, node: Node, start: usize) -> Result<(), ValuesError> {
        if let Some(item) = list.get_mut(index) {
            *item = node;
            return Ok(());
        }
        *self.items += index + 1 - list.len();
        if *self.items > MAX_ITEMS {
            return Err(self.error(format!("the flags make more than {MAX_ITEMS} list items"), start));
        }
        let place = self.place(start);
        list.resize_with(index, || Node::new(Value::Null, place.clone()));
        list.push(node);
        Ok(())
    }

    /// What follows `=`
    fn value(&mut self) -> Result<(Node, Flow), ValuesError> {
        let start = self.at;
        if self.kind == Kind::Json {
            return Ok((self.json(start)?, Flow::More));
        }
        let (value, flow) = match self.peek() {
            None => (Value::String(String::new()), Flow::End),
            Some('{') => (Value::List(self.braces()?), Flow::More),
            Some(_) => {
                let (text, _) = self.until(&[',']);
                (self.scalar(text), Flow::More)
            }
        };
        Ok((Node::new(value, self.place(start)), flow))
    }

    /// `{x,y}`. There is no way to write an empty list: `{}` has one empty text, as in Helm.
    fn braces(&mut self) -> Result<Vec<Node>, ValuesError> {
        let brace = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            let start = self.at;
            let (text, last) = self.until(&[',', '}']);
            items.push(Node::new(self.scalar(text), self.place(start)));
            match last {
                Some(',') => {}
                Some(_) => {
                    if self.peek() == Some(',') {
                        self.at += 1;
                    }
                    return Ok(items);
                }
                None => return Err(self.error("the list has no end, expected `}`", brace)),
            }
        }
    }

    fn scalar(&self, text: String) -> Value {
        if self.kind == Kind::Text {
            return Value::String(text);
        }
        // Go takes the long s for an s where it compares words.
        match text.to_ascii_lowercase().replace('ſ', "s").as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            "0" => Value::Number(0.into()),
            // 010 may be a telephone number as well as eight or ten: text.
            lower if lower.starts_with('0') => Value::String(text),
            _ => text.parse::<i64>().map_or(Value::String(text), |number| Value::Number(number.into())),
        }
    }

    fn json(&mut self, start: usize) -> Result<Node, ValuesError> {
        let place = self.place(start);
        if self.skip_blanks() {
            return Ok(Node::new(Value::Null, place));
        }
        let value_start = self.at;
        let bytes = self.text.get(self.at).map_or(self.source.text.len(), |(byte, _)| *byte);
        let rest = self.source.text.get(bytes..).unwrap_or_default();
        let (node, length) = json::first(rest, &self.place(value_start))?;
        self.at += rest.get(..length).map_or(0, |consumed| consumed.chars().count());
        self.skip_blanks();
        Ok(node)
    }

    /// Skips blanks and one comma. Whether the comma, or the end, came before anything else.
    fn skip_blanks(&mut self) -> bool {
        while let Some(next) = self.peek() {
            if !next.is_whitespace() && next != ',' {
                return false;
            }
            self.at += 1;
            if next == ',' {
                return true;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
