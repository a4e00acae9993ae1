//! Durations as Go writes them (`5m0s`, `1.5h`, `300ms`), since that is how Helm and Kubernetes users write them.

use std::time::Duration;

/// Text that is not a positive duration in Go's syntax.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration, give one such as 30s, 5m or 1h30m")]
pub struct InvalidDuration(String);

/// Reads a duration: decimal numbers, each with a unit (`ns`, `us`, `µs`, `ms`, `s`, `m`, `h`). A bare `0` needs none.
///
/// # Errors
///
/// [`InvalidDuration`] for anything else, negative durations and more than a hundred years included.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    read(text).ok_or_else(|| InvalidDuration(text.to_owned()))
}

fn read(text: &str) -> Option<Duration> {
    const LONGEST: f64 = 100.0 * 365.0 * 24.0 * 3600.0;
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| c != '.' && !c.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len()));
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    (seconds <= LONGEST).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_writes() {
        for (text, seconds) in
            [("5m0s", 300.0), ("1.5h", 5400.0), ("300ms", 0.3), ("1h30m", 5400.0), ("0", 0.0), (".5s", 0.5)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in ["", "5", "m", "5 m", "-5m", "5min", "1.2.3s", ".s", "1e9s", "999999999h", "+"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
