//! When a request that an endpoint failed is sent to another one.

mod budget;

use std::time::Duration;

use http::StatusCode;

pub(crate) use self::budget::Budget;

/// How often a request may be sent, to which ends, and after which pauses: always before the first byte of an answer has
/// reached its client, and always to another endpoint.
///
/// A connection that is refused, and one that breaks before the response head, lead to another try; so does a head that
/// comes later than [`Timeouts::per_try`](crate::Timeouts::per_try) allows. An answer of a status does so when
/// [`with_statuses`](Self::with_statuses) names it: by default none does, and an engine's 400, 429 or 500 reaches the client
/// as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    tries: u32,
    share_permille: u32,
    per_second: u32,
    pause: Duration,
    longest_pause: Duration,
    statuses: Vec<StatusCode>,
}

/// A field of a [`Retry`] is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: found {found}; expected {expected}")]
pub struct RetryError {
    field: &'static str,
    found: String,
    expected: &'static str,
}

impl Retry {
    /// Up to three tries, the second after at most 5 ms and a pause never longer than 100 ms; of recent requests a fifth,
    /// and ten a second beyond that, may be sent again; no status leads to another try.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tries: 3,
            share_permille: 200,
            per_second: 10,
            pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(100),
            statuses: Vec::new(),
        }
    }

    /// With so many endpoints tried, the first included: 1 never tries another.
    ///
    /// # Errors
    ///
    /// [`RetryError`] for 0.
    ///
    /// ```
    /// use phalanx_gateway::Retry;
    ///
    /// assert!(Retry::new().with_tries(1).is_ok());
    /// assert!(Retry::new().with_tries(0).is_err());
    /// ```
    pub fn with_tries(mut self, tries: u32) -> Result<Self, RetryError> {
        self.tries = tries;
        if tries == 0 { Err(RetryError::new("tries", tries, "1 or more")) } else { Ok(self) }
    }

    /// With a budget for further tries, so that they do not fall on a fleet in need like a second load: this many
    /// thousandths of the requests, and this many a second beyond that. What ten seconds give may be saved up.
    ///
    /// # Errors
    ///
    /// [`RetryError`] for a share above 1,000.
    ///
    /// ```
    /// use phalanx_gateway::Retry;
    ///
    /// let tenth = Retry::new().with_budget(100, 3)?;
    /// assert!(Retry::new().with_budget(1001, 3).is_err());
    /// # Ok::<(), phalanx_gateway::RetryError>(())
    /// ```
    pub fn with_budget(mut self, share_permille: u32, per_second: u32) -> Result<Self, RetryError> {
        (self.share_permille, self.per_second) = (share_permille, per_second);
        if share_permille > 1000 {
            return Err(RetryError::new("share", share_permille, "1,000 thousandths at the most"));
        }
        Ok(self)
    }

    /// With a pause before the second try of at most `first`, and of at most twice as much before each further one, up to
    /// `longest`. How much of it is waited is drawn from the gateway's seed and the request.
    ///
    /// # Errors
    ///
    /// [`RetryError`] when the first is longer than the longest, or the longest than a minute.
    ///
    /// ```
    /// use std::time::Duration;
    /// use phalanx_gateway::Retry;
    ///
    /// let millis = Duration::from_millis;
    /// assert!(Retry::new().with_pause(millis(1), millis(50)).is_ok());
    /// assert!(Retry::new().with_pause(millis(51), millis(50)).is_err());
    /// ```
    pub fn with_pause(mut self, first: Duration, longest: Duration) -> Result<Self, RetryError> {
        (self.pause, self.longest_pause) = (first, longest);
        if first > longest {
            return Err(RetryError::new("pause", format!("{first:?}"), "no more than the longest pause"));
        }
        if longest > Duration::from_secs(60) {
            return Err(RetryError::new("longest_pause", format!("{longest:?}"), "a minute at the most"));
        }
        Ok(self)
    }

    /// With answers of these statuses tried elsewhere while there is an elsewhere; the last one reaches the client as it is.
    ///
    /// # Errors
    ///
    /// [`RetryError`] for a status that says nothing of the endpoint: one below 500 other than 408, 425 and 429.
    ///
    /// ```
    /// use phalanx_gateway::Retry;
    ///
    /// assert!(Retry::new().with_statuses([502, 503, 504]).is_ok());
    /// assert!(Retry::new().with_statuses([400]).is_err());
    /// ```
    pub fn with_statuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Result<Self, RetryError> {
        self.statuses.clear();
        for number in statuses {
            let wrong = || RetryError::new("statuses", number, "408, 425, 429 or 500 to 599");
            if !matches!(number, 408 | 425 | 429 | 500..=599) {
                return Err(wrong());
            }
            self.statuses.push(StatusCode::from_u16(number).map_err(|_| wrong())?);
        }
        Ok(self)
    }

    /// As it is told to whoever looks into a running gateway.
    pub(crate) fn told(&self) -> serde_json::Value {
        let Self { tries, share_permille, per_second, pause, longest_pause, statuses } = self;
        let millis = |time: &Duration| time.as_micros() as f64 / 1e3;
        let statuses: Vec<_> = statuses.iter().map(StatusCode::as_u16).collect();
        serde_json::json!({
            "tries": tries, "share_permille": share_permille, "per_second": per_second, "pause_ms": millis(pause),
            "longest_pause_ms": millis(longest_pause), "statuses": statuses,
        })
    }

    /// Whether so many endpoints tried are enough.
    pub(crate) fn is_enough(&self, tried: usize) -> bool {
        tried >= self.tries as usize
    }

    /// Whether an answer of this status is tried elsewhere.
    pub(crate) fn is_again(&self, status: StatusCode) -> bool {
        !self.statuses.is_empty() && self.statuses.contains(&status)
    }

    /// The pause before the next try, after so many: drawn from `draw`, which is the request's own.
    pub(crate) fn pause_after(&self, tried: usize, draw: u64) -> Duration {
        let doublings = u32::try_from(tried.saturating_sub(1)).unwrap_or(u32::MAX).min(20);
        let most = self.pause.saturating_mul(1 << doublings).min(self.longest_pause);
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        let drawn = mix(draw.wrapping_add(tried as u64));
        // The upper half of the product is a draw from 0 to the most.
        let part = (u128::from(drawn) * u128::from(nanos)) >> 64;
        Duration::from_nanos(u64::try_from(part).unwrap_or(nanos))
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryError {
    fn new(field: &'static str, found: impl ToString, expected: &'static str) -> Self {
        Self { field, found: found.to_string(), expected }
    }
}

/// A bijection that leaves no two bits alike (the finalizer of `SplitMix64`).
fn mix(mut number: u64) -> u64 {
    number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_are_the_same_for_the_same_draw() {
        let millis = Duration::from_millis;
        let retry = Retry::new().with_pause(millis(8), millis(20)).expect("in order");
        for (tried, most) in [(1, 8), (2, 16), (3, 20), (70, 20)] {
            let drawn: Vec<_> = (0..100).map(|draw| retry.pause_after(tried, draw)).collect();
            assert!(drawn.iter().all(|pause| *pause <= millis(most)), "{tried}: {drawn:?}");
            assert!(drawn.iter().any(|pause| *pause > millis(most * 9 / 10)), "{tried}: {drawn:?}");
            assert!(drawn.iter().any(|pause| *pause < millis(most / 10 + 1)), "{tried}: {drawn:?}");
            assert_eq!(drawn[7], retry.pause_after(tried, 7));
        }
        let none = retry.with_pause(Duration::ZERO, Duration::ZERO).expect("in order");
        assert_eq!(none.pause_after(2, 9), Duration::ZERO);
    }
}
