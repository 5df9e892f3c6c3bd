//! Kubernetes quantities, exactly.

use thiserror::Error;

/// An amount as Kubernetes writes it: `8`, `500m`, `64Gi`, `1.5`, `2e3`. Exact to a billionth, rounded up beyond.
///
/// ```
/// use phalanx_manifest::Quantity;
///
/// assert_eq!(Quantity::parse("500m")?.milli_ceil(), Some(500));
/// assert_eq!(Quantity::parse("64Gi")?.units_ceil(), Some(64 << 30));
/// assert_eq!((Quantity::parse("1.5")?.units_floor(), Quantity::parse("1.5")?.units_ceil()), (Some(1), Some(2)));
/// # Ok::<(), phalanx_manifest::QuantityError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nanos: u128,
}

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// It is not written like one.
    #[error("{found:?} is no quantity: expected a number like 8, 500m, 64Gi or 1.5")]
    Malformed {
        /// The text.
        found: String,
    },
    /// It is below zero.
    #[error("{found:?} is negative: expected a quantity of 0 or more")]
    Negative {
        /// The text.
        found: String,
    },
    /// It is above what Kubernetes can count.
    #[error("{found:?} is too large: expected a quantity below 2^63")]
    TooLarge {
        /// The text.
        found: String,
    },
}

const NANO: u128 = 1_000_000_000;

impl Quantity {
    /// Reads an amount of 0 or more.
    ///
    /// # Errors
    ///
    /// See [`QuantityError`].
    ///
    /// ```
    /// assert!(phalanx_manifest::Quantity::parse("64 GB").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let found = || text.to_owned();
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let readable = whole.len() + fraction.len() > 0 && fraction.len() <= 18 && !fraction.contains('.');
        let (Some((base, exponent)), true) = (scale(suffix), readable) else {
            return Err(QuantityError::Malformed { found: found() });
        };
        let nanos = nanos(whole, fraction, base, exponent).ok_or_else(|| QuantityError::TooLarge { found: found() })?;
        if negative && nanos > 0 {
            return Err(QuantityError::Negative { found: found() });
        }
        Ok(Self { nanos })
    }

    /// In whole units, rounded up; `None` beyond u64.
    #[must_use]
    pub fn units_ceil(self) -> Option<u64> {
        u64::try_from(self.nanos.div_ceil(NANO)).ok()
    }

    /// In whole units, rounded down; `None` beyond u64.
    #[must_use]
    pub fn units_floor(self) -> Option<u64> {
        u64::try_from(self.nanos / NANO).ok()
    }

    /// In thousandths, rounded up; `None` beyond u64.
    #[must_use]
    pub fn milli_ceil(self) -> Option<u64> {
        u64::try_from(self.nanos.div_ceil(NANO / 1000)).ok()
    }

    /// In thousandths, rounded down; `None` beyond u64.
    #[must_use]
    pub fn milli_floor(self) -> Option<u64> {
        u64::try_from(self.nanos / (NANO / 1000)).ok()
    }
}

/// What a suffix multiplies with: a factor, and a power of ten.
fn scale(suffix: &str) -> Option<(u128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (1, exponent.clamp(-1000, 1000))
        }
    })
}

/// `None` when the amount is 2^63 or more. With at most 18 digits of fraction every amount below that fits: no
/// multiplication of one overflows.
fn nanos(whole: &str, fraction: &str, base: u128, exponent: i32) -> Option<u128> {
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let digits = digits.parse::<u128>().ok()?.checked_mul(base)?;
    let power = exponent + 9 - i32::try_from(fraction.len()).ok()?;
    let scaled = match u32::try_from(power) {
        Ok(power) => digits.checked_mul(10_u128.checked_pow(power)?)?,
        Err(_) => 10_u128.checked_pow(power.unsigned_abs()).map_or(1, |by| digits.div_ceil(by)),
    };
    (scaled < (1 << 63) * NANO).then_some(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, milli: u64, units: u64) {
        let quantity = Quantity::parse(text).expect("a quantity");
        assert_eq!((quantity.milli_ceil(), quantity.units_ceil()), (Some(milli), Some(units)), "{text}");
    }

    #[test]
    fn every_suffix_counts() {
        check("8", 8000, 8);
        check("+8", 8000, 8);
        check("500m", 500, 1);
        check("100u", 1, 1);
        check("1n", 1, 1);
        check("0.1Gi", 107_374_182_400, 107_374_183);
        check("1.5Ki", 1_536_000, 1536);
        check("2e3", 2_000_000, 2000);
        check("25E-1", 2500, 3);
        check("3k", 3_000_000, 3000);
        check(".5", 500, 1);
        check("5.", 5000, 5);
        check("0", 0, 0);
        check("-0", 0, 0);
        check("0e999", 0, 0);
        check("1e-999", 1, 1);
        check("000000000000000000000000000000000000000000000000007", 7000, 7);
        let all = [("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
        for (suffix, power) in all {
            assert_eq!(Quantity::parse(&format!("1{suffix}")).map(Quantity::units_ceil), Ok(Some(10_u64.pow(power))));
        }
        for (suffix, bits) in [("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)] {
            assert_eq!(Quantity::parse(&format!("1{suffix}")).map(Quantity::units_ceil), Ok(Some(1 << bits)));
        }
        assert_eq!(Quantity::parse("9223372036854775807").map(Quantity::units_floor), Ok(Some(i64::MAX as u64)));
        assert_eq!(Quantity::parse("1.999").map(|q| (q.units_floor(), q.milli_floor())), Ok((Some(1), Some(1999))));
    }

    #[test]
    fn nothing_else_is_a_quantity() {
        for text in
            ["", ".", "-", "1.2.3", "8 ", " 8", "8gb", "1Ki2", "e3", "1e", "1e1.5", "0x8", "٣", "inf", "NaN", "1,5"]
        {
            assert_eq!(Quantity::parse(text), Err(QuantityError::Malformed { found: text.into() }), "{text:?}");
        }
        assert_eq!(Quantity::parse("-1"), Err(QuantityError::Negative { found: "-1".into() }));
        for text in ["9223372036854775808", "8Ei", "1e19", "1e999", "99999999999999999999999999999999999999999999999"] {
            assert_eq!(Quantity::parse(text), Err(QuantityError::TooLarge { found: text.into() }), "{text}");
        }
    }
}
