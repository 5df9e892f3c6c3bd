//! Requests with their arrival times.

mod parse;

use core::time::Duration;

use thiserror::Error;

pub use self::parse::TraceError;

/// Prompt tokens for each block id of a trace.
pub const TRACE_BLOCK_TOKENS: u32 = 512;

/// The longest time from a trace's first arrival to its last: ten years of 365 days. A simulation's clock counts
/// nanoseconds, and has room for more than fifty times that.
pub const TRACE_MAX_SPAN: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Requests by arrival; those of the same time in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    requests: Vec<TraceRequest>,
}

/// One request of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRequest {
    /// Arrival, since the trace's first, which is at 0; at most [`TRACE_MAX_SPAN`].
    pub at: Duration,
    /// Length of the prompt, at least 1.
    pub prompt_tokens: u32,
    /// Length of the answer, at least 1.
    pub output_tokens: u32,
    /// An id for each [`TRACE_BLOCK_TOKENS`] tokens of the prompt, the last one perhaps in part. Requests that begin with
    /// the same ids begin with the same tokens.
    pub blocks: Vec<u64>,
}

/// Why a trace cannot be had at a speed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SpeedError {
    /// The speed is no positive number.
    #[error("speed: expected a positive number")]
    NotPositive,
    /// The trace would take longer than [`TRACE_MAX_SPAN`].
    #[error(
        "speed: expected one at which the trace's {span:?} last at most {}s (10 years), got a smaller one",
        TRACE_MAX_SPAN.as_secs()
    )]
    TooSlow {
        /// From the first arrival to the last, as the trace is.
        span: Duration,
    },
}

impl Trace {
    /// Reads Mooncake's JSON lines: an object with `timestamp` (ms), `input_length` and `output_length` (tokens) and
    /// `hash_ids` (one for each 512 prompt tokens) on each line. Other fields and empty lines are passed over.
    ///
    /// Lines may come in any order, and timestamps may count from any time, such as 1970: the smallest one becomes 0.
    ///
    /// # Errors
    /// [`TraceError`] names the line, the field and what was expected; a timestamp more than [`TRACE_MAX_SPAN`] after the
    /// smallest is one.
    ///
    /// ```
    /// use phalanx_sim::Trace;
    ///
    /// let line = r#"{"timestamp": 0, "input_length": 600, "output_length": 10, "hash_ids": [1, 2]}"#;
    /// assert_eq!(Trace::parse(line)?.len(), 1);
    ///
    /// let error = Trace::parse(&line.replace("600", "-6")).unwrap_err();
    /// assert_eq!(error.to_string(), "line 1: input_length: expected a whole number from 1 to 4294967295, got -6");
    /// # Ok::<(), phalanx_sim::TraceError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut requests = parse::requests(text)?;
        requests.sort_by_key(|request| request.at);
        Ok(Self { requests })
    }

    /// The first `requests` requests only.
    ///
    /// ```
    /// # let line = r#"{"timestamp": 0, "input_length": 600, "output_length": 10, "hash_ids": [1, 2]}"#;
    /// # let trace = phalanx_sim::Trace::parse(line)?;
    /// assert_eq!(trace.limited(0).len(), 0);
    /// # Ok::<(), phalanx_sim::TraceError>(())
    /// ```
    #[must_use]
    pub fn limited(mut self, requests: usize) -> Self {
        self.requests.truncate(requests);
        self
    }

    /// The same requests `times` times as fast; below 1 that is slower.
    ///
    /// # Errors
    /// [`SpeedError::NotPositive`] unless `times` is above 0 and finite; [`SpeedError::TooSlow`] if the last request would
    /// arrive later than [`TRACE_MAX_SPAN`].
    ///
    /// ```
    /// use core::time::Duration;
    /// # let line = r#"{"timestamp": 0, "input_length": 600, "output_length": 10, "hash_ids": [1, 2]}"#;
    /// # let trace = phalanx_sim::Trace::parse(&format!("{line}\n{}", line.replace(": 0", ": 3000")))?;
    /// assert_eq!(trace.faster(2.0)?.requests()[1].at, Duration::from_millis(1500));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn faster(mut self, times: f64) -> Result<Self, SpeedError> {
        if !times.is_finite() || times <= 0.0 {
            return Err(SpeedError::NotPositive);
        }
        let span = self.span();
        for request in &mut self.requests {
            let at = Duration::try_from_secs_f64(request.at.as_secs_f64() / times).ok();
            request.at = at.filter(|at| *at <= TRACE_MAX_SPAN).ok_or(SpeedError::TooSlow { span })?;
        }
        Ok(self)
    }

    /// The requests, by arrival.
    pub fn requests(&self) -> &[TraceRequest] {
        &self.requests
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// From the first arrival to the last.
    pub fn span(&self) -> Duration {
        match (self.requests.first(), self.requests.last()) {
            (Some(first), Some(last)) => last.at - first.at,
            _ => Duration::ZERO,
        }
    }
}
