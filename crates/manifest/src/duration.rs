//! Durations as Kubernetes writes them.

use core::time::Duration;

/// A duration of 0 or more: `30s`, `1m30s`, `1.5h`, `100ms`, `0`. `None` when it is not written like one or is too long.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 8] = [
        // The longest first: `ms` is no `m` with a rest.
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos = 0_u64;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let (suffix, unit) = UNITS.iter().find(|(suffix, _)| tail.starts_with(suffix))?;
        nanos = nanos.checked_add(scaled(number, *unit)?)?;
        rest = &tail[suffix.len()..];
        if rest.is_empty() {
            return Some(Duration::from_nanos(nanos));
        }
    }
}

/// `number` of a unit in nanoseconds, rounded down.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Eighteen digits reach below a nanosecond of an hour.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let parts: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = parts * u128::from(unit) / 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        let check = |text, nanos| assert_eq!(parse(text), Some(Duration::from_nanos(nanos)), "{text}");
        check("0", 0);
        check("0s", 0);
        check("30s", 30_000_000_000);
        check("+1m30s", 90_000_000_000);
        check("1.5h", 5_400_000_000_000);
        check("100ms", 100_000_000);
        check("2µs3ns", 2003);
        check(".5s", 500_000_000);
        check("1.s", 1_000_000_000);
        check("0.3333333333333333333333s", 333_333_333);
    }

    #[test]
    fn nothing_else_is_a_duration() {
        for text in ["", "30", "s", "-1s", "1d", "1 s", "1..5s", ".s", "99999999999h", "1s2", "é"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
