//! Requests with their arrival times.

mod parse;

use core::time::Duration;

use thiserror::Error;

pub use self::parse::TraceError;

/// Prompt tokens for each block id of a trace.
pub const TRACE_BLOCK_TOKENS: u32 = 512;

/// Requests by arrival; those of the same time in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    requests: Vec<TraceRequest>,
}

/// One request of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRequest {
    /// Arrival, since the trace's own start.
    pub at: Duration,
    /// Length of the prompt, at least 1.
    pub prompt_tokens: u32,
    /// Length of the answer, at least 1.
    pub output_tokens: u32,
    /// An id for each [`TRACE_BLOCK_TOKENS`] tokens of the prompt, the last one perhaps in part. Requests that begin with
    /// the same ids begin with the same tokens.
    pub blocks: Vec<u64>,
}

/// A speed that is no positive number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("speed: expected a positive number")]
#[non_exhaustive]
pub struct SpeedError;

impl Trace {
    /// Reads Mooncake's JSON lines: an object with `timestamp` (ms), `input_length` and `output_length` (tokens) and
    /// `hash_ids` (one for each 512 prompt tokens) on each line. Other fields and empty lines are passed over.
    ///
    /// # Errors
    /// [`TraceError`] names the line, the field and what was expected.
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

    /// The same requests `times` times as fast; below 1 that is slower. Arrivals saturate at the largest duration.
    ///
    /// # Errors
    /// [`SpeedError`] unless `times` is above 0 and finite.
    ///
    /// ```
    /// use core::time::Duration;
    /// # let line = r#"{"timestamp": 3000, "input_length": 600, "output_length": 10, "hash_ids": [1, 2]}"#;
    /// # let trace = phalanx_sim::Trace::parse(line)?;
    /// assert_eq!(trace.faster(2.0)?.requests()[0].at, Duration::from_millis(1500));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn faster(mut self, times: f64) -> Result<Self, SpeedError> {
        if !times.is_finite() || times <= 0.0 {
            return Err(SpeedError);
        }
        for request in &mut self.requests {
            let seconds = request.at.as_secs_f64() / times;
            request.at = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
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
