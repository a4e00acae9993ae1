//! What a scalar of YAML stands for, by the rules of go-yaml 2, with which Helm reads values: YAML 1.1 as far as its
//! users know it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Number;

use super::node::{Value, number};

/// A scalar as its tag or its look makes it; `Err` says why it cannot be that.
pub fn resolve(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Value, String> {
    match raw(text, is_plain, tag)? {
        Value::Number(exact) => Ok(Value::Number(number(exact))),
        other => Ok(other),
    }
}

/// The same, with numbers as they are before they pass through Go's JSON.
fn raw(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Value, String> {
    match tag {
        None if is_plain => by_look(text),
        Some(tag @ ("bool" | "int" | "float" | "null")) => {
            let value = by_look(text)?;
            let fits = match &value {
                Value::Null => tag == "null",
                Value::Bool(_) => tag == "bool",
                Value::Number(_) => tag == "float" || tag == "int" && integer(&text.replace('_', "")).is_some(),
                _ => false,
            };
            fits.then_some(value).ok_or_else(|| format!("{text:?} is no !!{tag}"))
        }
        Some("binary") => {
            let base64: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let bytes = STANDARD.decode(base64).map_err(|_| format!("{text:?} is no !!binary, which is base64"))?;
            Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Some("timestamp") => Err("there is no !!timestamp in values, write it as text".to_owned()),
        // Quoted, or of a tag that means nothing here.
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// The key of a map that a scalar stands for. JSON has text only: numbers and booleans are written as Go writes them.
pub fn key(text: &str, is_plain: bool, tag: Option<&str>) -> Result<String, String> {
    if is_plain && tag.is_none() {
        match text {
            ".nan" | ".NaN" | ".NAN" => return Ok(".nan".to_owned()),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Ok(".inf".to_owned()),
            "-.inf" | "-.Inf" | "-.INF" => return Ok("-.inf".to_owned()),
            _ => {}
        }
    }
    key_of(raw(text, is_plain, tag)?)
}

/// The key that a value stands for which was not written as a key: behind an alias.
pub fn key_of(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Ok(number.to_string()),
            (None, Some(number)) => Err(format!("the key {number} is beyond the integers that a key may be, quote it")),
            (None, None) => Ok(float_key(number.as_f64().unwrap_or_default())),
        },
        other => Err(format!("a key must be text, found {}", other.kind())),
    }
}

fn by_look(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => return Err(format!("{text} is no number that JSON has")),
        _ => match text.as_bytes() {
            [b'0'..=b'9' | b'+' | b'-', ..] => {
                let plain = text.replace('_', "");
                let found = integer(&plain).or_else(|| float(&plain));
                found.map_or_else(|| Value::String(text.to_owned()), Value::Number)
            }
            [b'.', ..] => float(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
            _ => Value::String(text.to_owned()),
        },
    })
}

/// An integer in any of Go's notations: `12`, `0x1f`, `0b101`, `0o17` and, as of old, `017`.
fn integer(plain: &str) -> Option<Number> {
    let (is_negative, unsigned) = match plain.as_bytes() {
        [b'-', ..] => (true, &plain[1..]),
        [b'+', ..] => (false, &plain[1..]),
        _ => (false, plain),
    };
    let (digits, radix) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&unsigned[2..], 16),
        [b'0', b'b' | b'B', ..] => (&unsigned[2..], 2),
        [b'0', b'o' | b'O', ..] => (&unsigned[2..], 8),
        [b'0', _, ..] => (&unsigned[1..], 8),
        _ => (unsigned, 10),
    };
    // go-yaml's own notation of binary numbers takes a second sign.
    if let Some(digits @ ("+" | "-")) = plain.strip_prefix("0b").and_then(|digits| digits.get(..1)) {
        return i64::from_str_radix(&plain[2..], 2).ok().filter(|_| plain.len() > 2 + digits.len()).map(Number::from);
    }
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    if is_negative {
        (size <= 1 << 63).then(|| size.wrapping_neg().cast_signed().into())
    } else if plain.starts_with('+') && size > i64::MAX as u64 {
        None
    } else {
        Some(size.into())
    }
}

fn float(plain: &str) -> Option<Number> {
    let looks_so = plain.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    plain.parse().ok().filter(|_| looks_so).and_then(Number::from_f64)
}

/// Go's shortest form of a float of 32 bits: with an exponent below 1e-4 and from 1e6 on.
fn float_key(float: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "32 bits are what Helm's YAML library takes here")]
    let float = float as f32;
    if float.is_infinite() {
        return if float > 0.0 { ".inf".to_owned() } else { "-.inf".to_owned() };
    }
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => float.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Data, json};

    use super::super::node::{Node, Place, Source};
    use super::*;

    fn plain(text: &str) -> Data {
        let place = Place { source: Source::new("v", text), line: 1, column: 1 };
        resolve(text, true, None)
            .map_or_else(|error| json!({ "error": error }), |value| Node::new(value, place).to_json())
    }

    #[test]
    fn words_and_numbers_are_those_of_yaml_1_1() {
        for (text, expected) in [
            ("y", json!(true)),
            ("off", json!(false)),
            ("oFF", json!("oFF")),
            ("~", json!(null)),
            ("", json!(null)),
            ("nULL", json!("nULL")),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("0b-1", json!(-1)),
            ("0o17", json!(15)),
            ("017", json!(15)),
            ("-017", json!(-15)),
            ("08", json!(8)),
            ("1_000", json!(1000)),
            ("_1", json!("_1")),
            ("+7", json!(7)),
            ("+-7", json!("+-7")),
            ("1e3", json!(1000)),
            ("1.0", json!(1)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            (".", json!(".")),
            ("1.2.3", json!("1.2.3")),
            ("1:30", json!("1:30")),
            ("2024-01-01", json!("2024-01-01")),
            ("1e999", json!("1e999")),
            ("9007199254740993", json!(9_007_199_254_740_992_i64)),
            ("12345678901234567890", json!(12_345_678_901_234_567_890_f64)),
            ("-9223372036854775808", json!(-9_223_372_036_854_775_808_f64)),
            ("0x", json!("0x")),
            ("-", json!("-")),
            ("<<", json!("<<")),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
        assert_eq!(plain(".inf"), json!({"error": ".inf is no number that JSON has"}));
    }

    #[test]
    fn a_tag_is_kept_or_refused() {
        let tagged = |text, tag| resolve(text, true, Some(tag));
        assert_eq!(tagged("5", "str"), Ok(Value::String("5".to_owned())));
        assert_eq!(tagged("yes", "bool"), Ok(Value::Bool(true)));
        assert_eq!(tagged("x", "int"), Err("\"x\" is no !!int".to_owned()));
        assert_eq!(tagged("1.5", "int"), Err("\"1.5\" is no !!int".to_owned()));
        assert_eq!(tagged("aGk=", "binary"), Ok(Value::String("hi".to_owned())));
        assert!(tagged("?", "binary").is_err());
        assert!(tagged("2001-01-01", "timestamp").is_err());
        assert_eq!(tagged("1", "mine"), Ok(Value::String("1".to_owned())));
    }

    #[test]
    fn keys_are_text_as_go_writes_it() {
        for (text, expected) in [
            ("yes", "true"),
            ("0x10", "16"),
            ("1.5", "1.5"),
            ("1e21", "1e+21"),
            ("1e6", "1e+06"),
            ("0.00001", "1e-05"),
            ("1e3", "1000"),
            ("-0.0", "-0"),
            ("1e300", ".inf"),
            ("-.INF", "-.inf"),
            ("9007199254740993", "9007199254740993"),
        ] {
            assert_eq!(key(text, true, None).unwrap(), expected, "{text}");
        }
        for text in ["~", "18446744073709551615"] {
            assert!(key(text, true, None).is_err(), "{text}");
        }
    }
}
