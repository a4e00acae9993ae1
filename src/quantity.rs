//! Kubernetes quantities (`250m`, `320Mi`, `1e3`), as far as this program needs them: whether the API server would take
//! one, and whether two are the same amount, since the API server rewrites `0.25` as `250m`.
//!
//! Grammar: `k8s.io/apimachinery/pkg/api/resource.Quantity`.

/// The amount in billionths, the finest that Kubernetes keeps, rounded up as it does.
///
/// `None` where the text is not a quantity, or is more than Kubernetes can hold (2⁶³).
#[must_use]
pub fn nanos(text: &str) -> Option<i128> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits_end = unsigned.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(digits_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 36 || fraction.contains('.') {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (binary, decimal) = scale(suffix)?;
    // digits * 1024^binary * 10^(decimal + 9 - fraction's length), rounded up
    let scaled = digits.checked_mul(1024_i128.checked_pow(binary)?)?;
    let exponent = decimal + 9 - i32::try_from(fraction.len()).ok()?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs());
    let amount = match power {
        _ if scaled == 0 => 0,
        Some(power) if exponent >= 0 => scaled.checked_mul(power)?,
        Some(power) => scaled / power + i128::from(scaled % power != 0),
        None if exponent >= 0 => return None,
        None => 1,
    };
    (amount <= i128::from(i64::MAX) * 1_000_000_000).then_some(if negative { -amount } else { amount })
}

/// Whether both texts are quantities and mean the same amount.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one == other || matches!((nanos(one), nanos(other)), (Some(one), Some(other)) if one == other)
}

/// Powers of 1024 and of 10 that a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "" => (0, 0),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (1, 0),
        "Mi" => (2, 0),
        "Gi" => (3, 0),
        "Ti" => (4, 0),
        "Pi" => (5, 0),
        "Ei" => (6, 0),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            (0, exponent.parse().ok()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_amount_in_other_words_is_the_same() {
        for (one, other) in [
            ("0.25", "250m"),
            ("1Gi", "1024Mi"),
            ("1e3", "1k"),
            ("1E3", "1k"),
            ("1E", "1e18"),
            ("+1", "1.000"),
            ("0.1n", "1n"),
            ("0", "0Mi"),
        ] {
            assert!(same(one, other), "{one} and {other}");
        }
        for (one, other) in [("1k", "1Ki"), ("1", "1m"), ("250m", "0.26"), ("x", "y"), ("-1", "1")] {
            assert!(!same(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn what_the_api_server_refuses_is_no_quantity() {
        for text in [
            "",
            ".",
            "1.2.3",
            "1 Gi",
            "Gi",
            "1g",
            "1kB",
            "1e",
            "1e+",
            "1e1234",
            "--1",
            "1mi",
            "ü",
            "99999999999999999999",
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }
}
