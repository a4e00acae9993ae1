//! Helm's two ways of laying values over each other.

use std::collections::btree_map::Entry;

use super::node::{Node, Value};

/// Lays one layer of the user's values over the earlier ones: maps deeply, anything else replaced. A null stays, so that
/// it can still delete a default ([`coalesce`]).
pub fn merge(base: &mut Node, over: Node) {
    match (&mut base.value, over) {
        (Value::Map(base), Node { value: Value::Map(over), .. }) => {
            for (key, node) in over {
                match base.entry(key) {
                    Entry::Occupied(mut entry) => merge(entry.get_mut(), node),
                    Entry::Vacant(entry) => {
                        entry.insert(node);
                    }
                }
            }
        }
        (_, over) => *base = over,
    }
}

/// Lays the user's values over the defaults of a chart: maps deeply, anything else replaced. A null deletes a default and
/// goes with it. Where there is no default it stays, as in Helm; a null among the defaults is none, as in Helm 4.
#[must_use]
pub fn coalesce(mut defaults: Node, user: &Node) -> Node {
    let mut user = user.clone();
    if let (Value::Map(defaults), Value::Map(user)) = (&mut defaults.value, &mut user.value) {
        // At the top a null goes even where the default is null itself.
        user.retain(|key, node| node.value != Value::Null || defaults.remove(key).is_none());
    }
    without_nulls(&mut defaults, false);
    overlay(&mut defaults, user);
    defaults
}

fn overlay(base: &mut Node, over: Node) {
    match (&mut base.value, over) {
        (Value::Map(base), Node { value: Value::Map(over), .. }) => {
            for (key, node) in over {
                match base.entry(key) {
                    Entry::Occupied(entry) if node.value == Value::Null => {
                        entry.remove();
                    }
                    Entry::Occupied(mut entry) => overlay(entry.get_mut(), node),
                    Entry::Vacant(entry) => {
                        entry.insert(node);
                    }
                }
            }
        }
        (_, over) => *base = over,
    }
}

/// Nulls in maps say "not this one". In a list a null is an item, and stays.
pub fn remove_nulls(node: &mut Node) {
    without_nulls(node, true);
}

fn without_nulls(node: &mut Node, in_lists: bool) {
    match &mut node.value {
        Value::Map(map) => {
            map.retain(|_, node| node.value != Value::Null);
            for node in map.values_mut() {
                without_nulls(node, in_lists);
            }
        }
        Value::List(items) if in_lists => {
            for node in items {
                without_nulls(node, in_lists);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::node::Source;
    use super::super::yaml::parse;
    use super::*;

    fn node(text: &str) -> Node {
        parse(&Source::new("v.yaml", text)).unwrap()
    }

    fn coalesced(defaults: &str, layers: &[&str]) -> serde_json::Value {
        let mut user = node("");
        for layer in layers {
            merge(&mut user, node(layer));
        }
        coalesce(node(defaults), &user).to_json()
    }

    #[test]
    fn maps_merge_deeply_and_all_else_is_replaced() {
        assert_eq!(
            coalesced("a: {b: 1, c: [1, 2]}", &["a: {c: [3]}", "a: {d: 4}"]),
            json!({"a": {"b": 1, "c": [3], "d": 4}})
        );
        assert_eq!(coalesced("a: {b: 1}", &["a: 2"]), json!({"a": 2}));
        assert_eq!(coalesced("a: [1]", &["a: {b: 1}"]), json!({"a": {"b": 1}}));
    }

    #[test]
    fn null_deletes_a_default_and_can_be_taken_back() {
        assert_eq!(coalesced("a: {b: 1, c: 2}", &["a: {b: null}"]), json!({"a": {"c": 2}}));
        assert_eq!(coalesced("a: {b: 1}", &["a: {b: null}", "a: {b: 3}"]), json!({"a": {"b": 3}}));
        assert_eq!(coalesced("a: 1", &["a: null"]), json!({}));
    }

    #[test]
    fn null_stays_where_there_is_no_default() {
        assert_eq!(coalesced("a: {b: 1}", &["a: {c: null}", "d: null"]), json!({"a": {"b": 1, "c": null}, "d": null}));
        assert_eq!(coalesced("a: null", &["a: null"]), json!({}));
        assert_eq!(coalesced("a: {b: null, c: [null]}\nd: null", &[]), json!({"a": {"c": [null]}}));
        assert_eq!(coalesced("a: {b: null}", &["a: {b: null}"]), json!({"a": {"b": null}}));
    }

    #[test]
    fn a_merged_value_keeps_the_place_where_it_was_written() {
        let mut user = parse(&Source::new("one.yaml", "a: {b: 1}\n")).unwrap();
        merge(&mut user, parse(&Source::new("two.yaml", "x: 1\na: {c: 2}\n")).unwrap());
        let a = user.get("a").unwrap();
        assert_eq!(a.get("b").unwrap().place.source.name, "one.yaml");
        assert_eq!(a.get("c").unwrap().place.to_string(), "two.yaml:2:8");
    }
}
