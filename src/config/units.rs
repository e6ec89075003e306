//! Durations and sizes as the config writes them.

use std::time::Duration;

/// `10s`, `500ms`, `1h30m`, `30d`.
///
/// # Errors
/// A sentence for people.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "\"{text}\" is no duration, expected for example \"10s\", \"15m\", \"4h\" or \"30d\""
        )
    };
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest).ok_or_else(wrong)?;
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis);
        total = part
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= LONGEST)
            .ok_or_else(|| format!("\"{text}\" is too long, expected less than 100 years"))?;
        rest = after;
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Ok(total)
}

const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// `1GiB`, `50MiB`, `100MB`, `4096B`: bytes.
///
/// # Errors
/// A sentence for people.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("\"{text}\" is no size, expected for example \"512KiB\", \"50MiB\" or \"1GiB\"");
    let (number, unit, after) = number_and_unit(text).ok_or_else(wrong)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    if !after.is_empty() {
        return Err(wrong());
    }
    let bytes = number.checked_mul(factor);
    bytes.ok_or_else(|| format!("\"{text}\" is too large, expected less than 16 EiB"))
}

/// The leading digits, the letters behind them, and the rest.
fn number_and_unit(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at_checked(digits)?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let letters = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (unit, after) = rest.split_at_checked(letters)?;
    Some((number.parse().ok()?, unit, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        for (text, seconds) in [
            ("10s", 10),
            ("1h30m", 5_400),
            ("30d", 2_592_000),
            ("2 w", 1_209_600),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("0s500ms"), Ok(Duration::from_millis(500)));
        for text in [
            "",
            "10",
            "s",
            "10y",
            "-1s",
            "1.5h",
            "10s5",
            "99999999999999999999d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(
            duration("18446744073709551615w")
                .unwrap_err()
                .contains("too long")
        );
        assert!(duration("40000d").unwrap_err().contains("too long"));
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("4096B", 4096),
            ("1 KiB", 1024),
            ("50MiB", 52_428_800),
            ("2GB", 2_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "10", "1Gib", "1GiB2", "-1B", "1.5GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(
            size("18446744073709551615TiB")
                .unwrap_err()
                .contains("too large")
        );
    }
}
