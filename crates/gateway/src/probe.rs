//! Asking endpoints whether they are well.

mod run;

use std::time::Duration;

pub(crate) use self::run::run;

/// How endpoints are asked whether they are well, whatever their requests say: `GET path`, and any status from 200 to 299
/// is well. One that is not leaves its pools until it is again; where all are down, requests are answered 503.
///
/// ```
/// use std::time::Duration;
/// use phalanx_gateway::HealthCheck;
///
/// let check = HealthCheck::get("/health")?.with_interval(Duration::from_secs(2), Duration::from_secs(1))?;
/// # Ok::<(), phalanx_gateway::HealthCheckError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    path: String,
    interval: Duration,
    timeout: Duration,
    up_after: u32,
    down_after: u32,
}

/// A field of a [`HealthCheck`] is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: found {found}; expected {expected}")]
pub struct HealthCheckError {
    field: &'static str,
    found: String,
    expected: &'static str,
}

/// What checks have said of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    is_up: bool,
    /// Answers in a row that say otherwise.
    against: u32,
}

impl HealthCheck {
    /// Asks for a path every five seconds, waits a second for the answer, and believes the third bad and the second good
    /// one in a row. An endpoint counts as well before it has been asked.
    ///
    /// # Errors
    ///
    /// [`HealthCheckError`] when the path does not begin with a slash, or could not stand in a request.
    pub fn get(path: impl Into<String>) -> Result<Self, HealthCheckError> {
        let (path, second) = (path.into(), Duration::from_secs(1));
        if !path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err() {
            return Err(HealthCheckError::new("path", format!("{path:?}"), "a path such as /health"));
        }
        Ok(Self { path, interval: 5 * second, timeout: second, up_after: 2, down_after: 3 })
    }

    /// With another interval, and another limit for the answer.
    ///
    /// # Errors
    ///
    /// [`HealthCheckError`] for an interval below 10 ms, and for a limit of 0 or above the interval.
    ///
    /// ```
    /// use std::time::Duration;
    /// use phalanx_gateway::HealthCheck;
    ///
    /// let seconds = Duration::from_secs;
    /// assert!(HealthCheck::get("/health")?.with_interval(seconds(2), seconds(3)).is_err());
    /// # Ok::<(), phalanx_gateway::HealthCheckError>(())
    /// ```
    pub fn with_interval(mut self, interval: Duration, timeout: Duration) -> Result<Self, HealthCheckError> {
        (self.interval, self.timeout) = (interval, timeout);
        if interval < Duration::from_millis(10) {
            return Err(HealthCheckError::new("interval", format!("{interval:?}"), "10 ms or more"));
        }
        if timeout.is_zero() || timeout > interval {
            return Err(HealthCheckError::new(
                "timeout",
                format!("{timeout:?}"),
                "more than 0 and no more than interval",
            ));
        }
        Ok(self)
    }

    /// Believes so many good answers in a row, and so many bad ones.
    ///
    /// # Errors
    ///
    /// [`HealthCheckError`] for 0 of either.
    ///
    /// ```
    /// use phalanx_gateway::HealthCheck;
    ///
    /// assert!(HealthCheck::get("/health")?.with_thresholds(1, 1).is_ok());
    /// assert!(HealthCheck::get("/health")?.with_thresholds(0, 1).is_err());
    /// # Ok::<(), phalanx_gateway::HealthCheckError>(())
    /// ```
    pub fn with_thresholds(mut self, up_after: u32, down_after: u32) -> Result<Self, HealthCheckError> {
        (self.up_after, self.down_after) = (up_after, down_after);
        for (field, number) in [("up_after", up_after), ("down_after", down_after)] {
            if number == 0 {
                return Err(HealthCheckError::new(field, "0".to_owned(), "1 or more"));
            }
        }
        Ok(self)
    }
}

impl HealthCheck {
    /// As it is told to whoever looks into a running gateway.
    pub(crate) fn told(&self) -> serde_json::Value {
        let Self { path, interval, timeout, up_after, down_after } = self;
        let millis = |time: &Duration| time.as_micros() as f64 / 1e3;
        serde_json::json!({
            "path": path, "interval_ms": millis(interval), "timeout_ms": millis(timeout), "up_after": up_after,
            "down_after": down_after,
        })
    }
}

impl HealthCheckError {
    fn new(field: &'static str, found: String, expected: &'static str) -> Self {
        Self { field, found, expected }
    }
}

impl Probe {
    /// An endpoint that has not been asked.
    pub(crate) fn new() -> Self {
        Self { is_up: true, against: 0 }
    }

    /// Notes an answer; says whether the endpoint went up or down by it.
    pub(crate) fn note(&mut self, is_well: bool, check: &HealthCheck) -> Option<bool> {
        if is_well == self.is_up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = if is_well { check.up_after } else { check.down_after };
        if self.against < needed {
            return None;
        }
        *self = Self { is_up: is_well, against: 0 };
        Some(is_well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_a_row_are_believed() {
        let check = HealthCheck::get("/health").and_then(|check| check.with_thresholds(2, 3)).expect("valid");
        let mut probe = Probe::new();
        let mut note =
            |answers: &str| -> Vec<_> { answers.chars().map(|answer| probe.note(answer == '+', &check)).collect() };
        assert_eq!(note("+--+--"), [None; 6]);
        assert_eq!(note("-"), [Some(false)]);
        assert_eq!(note("-+-+"), [None; 4]);
        assert_eq!(note("+"), [Some(true)]);
        assert_eq!(note("--+---"), [None, None, None, None, None, Some(false)]);
    }

    #[test]
    fn a_path_is_one_that_can_be_asked_for() {
        for path in ["", "health", "/a b", "/ü\n"] {
            assert!(HealthCheck::get(path).is_err(), "{path:?}");
        }
    }
}
