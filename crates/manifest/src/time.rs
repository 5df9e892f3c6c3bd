//! Times as Kubernetes writes them.

use core::time::Duration;

/// A time as RFC 3339 has it, `2026-01-02T03:04:05Z` or with an offset, since 1970. `None` when it is not written like one or
/// is before 1970.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let end = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(end);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let offset = match zone.split_at(1) {
        ("Z" | "z", "") => 0,
        (sign, hours) => {
            let [hour, minute] = numbers(hours, ':', [2, 2])?;
            if hour > 23 || minute > 59 {
                return None;
            }
            (hour * 3600 + minute * 60) * if sign == "+" { 1 } else { -1 }
        }
    };
    // A second of 60 is a leap second.
    if !(1..=12).contains(&month)
        || !(1..=days_in(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(Duration::new(u64::try_from(seconds).ok()?, nanos(fraction)?))
}

/// Numbers of these many digits, with `mark` between them.
fn numbers<const N: usize>(text: &str, mark: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut parts = text.split(mark);
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// What stands after the point of a second, in nanoseconds, rounded down.
fn nanos(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain([b'0'; 9]).take(9);
    Some(digits.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0')))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar, of a year of four digits.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leap_days(before) - leap_days(1969);
    years + (1..month).map(|month| days_in(year, month)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1970() {
        let check = |text, seconds, nanos| assert_eq!(parse(text), Some(Duration::new(seconds, nanos)), "{text}");
        check("1970-01-01T00:00:00Z", 0, 0);
        check("2000-02-29T12:00:00Z", 951_825_600, 0);
        check("2026-01-02T03:04:05Z", 1_767_323_045, 0);
        check("2026-01-02T03:04:05.25Z", 1_767_323_045, 250_000_000);
        check("2026-01-02T05:04:05+02:00", 1_767_323_045, 0);
        check("2026-01-01 20:34:05-06:30", 1_767_323_045, 0);
        check("2016-12-31T23:59:60Z", 1_483_228_800, 0);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "now",
            "2026-01-02",
            "2026-13-02T03:04:05Z",
            "2026-02-29T03:04:05Z",
            "2026-01-02T24:04:05Z",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05Zulu",
            "2026-01-02T03:04:05+2:00",
            "2026-1-02T03:04:05Z",
            "1969-12-31T23:59:59Z",
            "2026-01-02T03:04:05\u{e9}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
