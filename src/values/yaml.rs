//! YAML text to a tree of values with places, read as Helm's YAML library reads it.
//!
//! Two differences are wanted: a key that stands twice is refused, where Helm takes the last one, and so is a second
//! document, which Helm 3 overlooks and Helm 4 merges.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::error::ValuesError;
use super::node::{Node, Place, Source, Value};
use super::scalar;

/// Limit for values in one text, those behind aliases counted as often as they are used.
const MAX_NODES: usize = 250_000;
/// Limit for maps and lists within each other.
const MAX_DEPTH: usize = 100;
const TAGS: &str = "tag:yaml.org,2002:";

/// Reads one YAML document. An empty text is an empty map, as for Helm.
///
/// # Errors
///
/// Text that is not YAML, more than one document, a key that stands twice, or more values or depth than the limits; with
/// its place.
pub fn parse(source: &Arc<Source>) -> Result<Node, ValuesError> {
    let options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        emit_comments: false,
        block_scalar_eof_without_line_feed: false,
    };
    check_directives(source)?;
    let parser = Parser::new_from_str_with_options(&source.text, options);
    let mut composer = Composer { parser, source, anchors: HashMap::new(), nodes: 0 };
    let mut documents = composer.documents()?.into_iter();
    let first = documents.next();
    if let Some(second) = documents.next() {
        return Err(ValuesError::new("one YAML document is expected, this is a second one", &second.place));
    }
    let start = Place { source: source.clone(), line: 1, column: 1 };
    match first {
        None => Ok(Node::new(Value::Map(BTreeMap::new()), start)),
        Some(node @ Node { value: Value::Map(_), .. }) => Ok(node),
        Some(Node { value, place, .. }) => {
            Err(ValuesError::new(format!("values must be a map of keys, this is {}", value.kind()), &place))
        }
    }
}

/// A directive before the document is refused: Helm 4 refuses every one, and Helm 3 every version but 1.1.
fn check_directives(source: &Arc<Source>) -> Result<(), ValuesError> {
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    match source.text.lines().enumerate().find(|(_, line)| !is_blank(line)) {
        Some((index, line)) if line.starts_with('%') => {
            let place = Place { source: source.clone(), line: index + 1, column: 1 };
            Err(ValuesError::new("values have no YAML directives, leave this line out", &place))
        }
        _ => Ok(()),
    }
}

/// A node that an alias can stand for.
struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

/// Builds nodes from the parser's events.
struct Composer<'a> {
    parser: Parser<'a, StrInput<'a>>,
    source: &'a Arc<Source>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
}

impl<'a> Composer<'a> {
    fn place(&self, mark: Marker) -> Place {
        Place { source: self.source.clone(), line: mark.line(), column: mark.col() + 1 }
    }

    fn error(&self, message: impl Into<String>, mark: Marker) -> ValuesError {
        ValuesError::new(message, &self.place(mark))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), ValuesError> {
        match self.parser.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.error(format!("not valid YAML: {}", error.info()), *error.marker())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// All documents that say something.
    fn documents(&mut self) -> Result<Vec<Node>, ValuesError> {
        let mut documents = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(documents),
                (Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _) => {}
                (event, span) => {
                    let node = self.node(event, span, 0)?;
                    if node.value != Value::Null {
                        documents.push(node);
                    }
                }
            }
        }
    }

    fn count(&mut self, nodes: usize, mark: Marker) -> Result<(), ValuesError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(self.error(format!("more than {MAX_NODES} values, aliases counted as what they repeat"), mark));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, ValuesError> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} maps and lists"), span.start));
        }
        self.count(1, span.start)?;
        let before = self.nodes;
        let (value, anchor) = match event {
            Event::Alias(id) => return self.alias(id, span.start, depth),
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref(), span.start)?, anchor),
            Event::SequenceStart(_, anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(depth)?, anchor),
            other => return Err(self.error(format!("a value is expected, found {other:?}"), span.start)),
        };
        let node = Node::new(value, self.place(span.start));
        if anchor > 0 {
            let nodes = self.nodes - before + 1;
            self.count(nodes, span.start)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, depth: height(&node) });
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, mark: Marker, depth: usize) -> Result<Node, ValuesError> {
        let Some(anchored) = self.anchors.get(&id) else {
            return Err(self.error("this alias stands within what it is an alias of", mark));
        };
        let (nodes, below) = (anchored.nodes, anchored.depth);
        if depth + below > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} maps and lists"), mark));
        }
        self.count(nodes, mark)?;
        let node = self.anchors.get(&id).map(|anchored| anchored.node.clone());
        node.ok_or_else(|| self.error("an alias of nothing", mark))
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, mark: Marker) -> Result<Value, ValuesError> {
        let (is_plain, tag) = kind(style, tag);
        scalar::resolve(text, is_plain, tag.as_deref()).map_err(|message| self.error(message, mark))
    }

    fn list(&mut self, depth: usize) -> Result<Value, ValuesError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, ValuesError> {
        let mut map = BTreeMap::new();
        let mut written = BTreeSet::new();
        loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(map)),
                next => next,
            };
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let written_key = match &event {
                Event::Scalar(text, style, _, tag) => {
                    let (is_plain, tag) = kind(*style, tag.as_deref());
                    // As a value it may be none, as `.inf`; as a key it is text all the same.
                    Some(scalar::key(text, is_plain, tag.as_deref()).map_err(|error| self.error(error, span.start))?)
                }
                _ => None,
            };
            let anchored = matches!(&event, Event::Scalar(_, _, anchor, _) if *anchor > 0);
            let key = match &written_key {
                Some(text) if !anchored => {
                    self.count(1, span.start)?;
                    Node::new(Value::String(text.clone()), self.place(span.start))
                }
                _ => self.node(event, span, depth + 1)?,
            };
            let (event, value_span) = self.next()?;
            let mut node = self.node(event, value_span, depth + 1)?;
            if is_merge {
                self.merge(&mut map, node, value_span.start)?;
                continue;
            }
            let name = match written_key {
                Some(name) => name,
                None => scalar::key_of(key.value).map_err(|message| self.error(message, span.start))?,
            };
            node.key_place = Some(key.place);
            if !written.insert(name.clone()) {
                return Err(self.error(format!("the key {name:?} stands twice in one map"), span.start));
            }
            map.insert(name, node);
        }
    }

    /// `<<`: takes the entries of a map, or of several of which the first wins. What is written later wins over it, and it
    /// wins over what was written before: that, too, is go-yaml's way.
    fn merge(&self, map: &mut BTreeMap<String, Node>, node: Node, mark: Marker) -> Result<(), ValuesError> {
        let maps = match node.value {
            Value::List(items) => items,
            _ => vec![node],
        };
        for node in maps.into_iter().rev() {
            match node.value {
                Value::Map(entries) => map.extend(entries),
                other => {
                    return Err(self.error(format!("`<<` takes a map or a list of maps, found {}", other.kind()), mark));
                }
            }
        }
        Ok(())
    }
}

/// Whether a scalar's look tells what it is, and the name of its tag. The tag `!` alone makes text of anything.
fn kind(style: ScalarStyle, tag: Option<&Tag>) -> (bool, Option<Cow<'static, str>>) {
    let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
    let is_plain = style == ScalarStyle::Plain && tag.as_deref() != Some("!");
    let name = tag.filter(|tag| tag != "!").map(|tag| match tag.strip_prefix(TAGS) {
        Some(name) => Cow::Owned(name.to_owned()),
        None => Cow::Borrowed("another"),
    });
    (is_plain, name)
}

/// How many maps and lists stand within each other from here on.
fn height(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Value::Map(map) => 1 + map.values().map(height).max().unwrap_or(0),
        _ => 0,
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
        let deeper: Vec<String> = (1..200).map(|level| format!("a{level}: &a{level} [*a{}]", level - 1)).collect();
        let error = read(&format!("a0: &a0 [x]\n{}\n", deeper.join("\n"))).unwrap_err().to_string();
        assert!(error.contains("nested deeper than 100 maps and lists"), "{error}");
        assert!(read("a: &a [*a]\n").is_err());
    }

    #[test]
    fn too_many_values_end_in_a_message() {
        let error = read(&format!("a: [{}]", "x,".repeat(MAX_NODES))).unwrap_err().to_string();
        assert!(error.contains("more than 250000 values"), "{error}");
    }

    #[test]
    fn keys_aliases_and_merges() {
        let text = "base: &base {a: 1, b: 2}\nyes: *base\n1: {<<: *base, b: 3}\n2.5: {b: 3, <<: *base}\n\
                    x: {<<: [{a: 5}, *base]}\n";
        assert_eq!(
            read(text).unwrap().to_json(),
            json!({"base": {"a": 1, "b": 2}, "true": {"a": 1, "b": 2}, "1": {"a": 1, "b": 3}, "2.5": {"a": 1, "b": 2}, "x": {"a": 5, "b": 2}})
        );
        for (text, expected) in [
            ("a: {<<: 1}", "v.yaml:1:9: `<<` takes a map or a list of maps, found a number"),
            ("? [a]\n: 1", "v.yaml:1:3: a key must be text, found a list"),
            ("~: 1", "v.yaml:1:1: a key must be text, found null"),
            ("a: *gone", "v.yaml:1:4: not valid YAML"),
            ("a: !!int x", "v.yaml:1:"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn an_empty_document_after_the_first_is_none() {
        assert_eq!(read("a: 1\n---\n").unwrap().to_json(), json!({"a": 1}));
        assert_eq!(read("---\n---\na: 1\n...\n").unwrap().to_json(), json!({"a": 1}));
        let error = read("a: 1\n---\nb: 2\n").unwrap_err().to_string();
        assert!(error.starts_with("v.yaml:3:1: one YAML document is expected"), "{error}");
    }
}
