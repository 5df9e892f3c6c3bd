//! An engine's page of metrics, read.

mod adapters;
mod families;
mod meter;
mod sample;
mod tally;

use core::time::Duration;

pub use self::adapters::AdapterMetrics;
pub use self::meter::Meter;
use self::sample::{Line, Sample, line};
use self::tally::Tally;

/// What one page of an engine's metrics says. What it does not say is `None`, never 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineMetrics {
    /// Requests that wait for a seat.
    pub waiting: Option<u32>,
    /// Requests with a seat.
    pub running: Option<u32>,
    /// Share of the KV memory in use, in parts of a million: at most a million.
    pub kv_used_ppm: Option<u32>,
    /// Tokens a KV block.
    pub block_size: Option<u32>,
    /// Blocks of the KV memory.
    pub blocks: Option<u64>,
    /// Times to first token, since the engine started.
    pub first_token: Option<Observed>,
    /// Times from one token to the next, since the engine started.
    pub inter_token: Option<Observed>,
    /// Where its adapters are.
    pub adapters: Option<AdapterMetrics>,
    /// Lines that are none of the format, and values that cannot be: they are passed over.
    pub bad_lines: u32,
}

/// Times that were observed: how many, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// How many.
    pub count: u64,
    /// All of them together.
    pub total: Duration,
}

impl EngineMetrics {
    /// Reads a page of Prometheus or OpenMetrics text under the names of vLLM, SGLang, TensorRT-LLM or Triton, of older
    /// versions as well. Of several series of a name (data-parallel ranks) requests, blocks and times are added up, and
    /// shares are averaged.
    ///
    /// Any bytes are a page: names that are not known are skipped unread, and what is wrong with the others is counted.
    /// It takes one pass, and memory for no more than the names of adapters, 4,096 at most.
    ///
    /// ```
    /// use phalanx_signals::EngineMetrics;
    ///
    /// let page = b"# TYPE vllm:num_requests_waiting gauge\n\
    ///     vllm:num_requests_waiting{engine=\"0\",model_name=\"tiny\"} 2.0\n\
    ///     vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"tiny\"} 0.25\n\
    ///     something_else 7\n";
    /// let metrics = EngineMetrics::read(page);
    /// assert_eq!((metrics.waiting, metrics.kv_used_ppm, metrics.running), (Some(2), Some(250_000), None));
    /// ```
    #[must_use]
    pub fn read(page: &[u8]) -> Self {
        Self::read_samples(page, |_| true)
    }

    /// Reads a page for one data-parallel rank: what the page says of others, by the label `engine` (vLLM) or `dp_rank`
    /// (SGLang), is passed over.
    ///
    /// ```
    /// use phalanx_signals::EngineMetrics;
    ///
    /// let page = b"vllm:num_requests_waiting{engine=\"0\"} 2\nvllm:num_requests_waiting{engine=\"1\"} 5\n";
    /// assert_eq!(EngineMetrics::read_rank(page, 1).waiting, Some(5));
    /// ```
    #[must_use]
    pub fn read_rank(page: &[u8], rank: u32) -> Self {
        let is_other = |value: std::borrow::Cow<'_, str>| value.parse() != Ok(rank);
        Self::read_samples(page, |sample| {
            !sample.label(b"engine").or_else(|| sample.label(b"dp_rank")).is_some_and(is_other)
        })
    }

    fn read_samples(page: &[u8], is_wanted: impl Fn(&Sample<'_>) -> bool) -> Self {
        let mut tally = Tally::default();
        for text in page.split(|&byte| byte == b'\n') {
            match line(text) {
                Line::Nothing => {}
                Line::Bad => tally.bad += 1,
                Line::Sample(sample) if is_wanted(&sample) => tally.take(&sample),
                Line::Sample(_) => {}
            }
        }
        tally.metrics()
    }

    /// Whether the page says anything of an engine's load: one that does not is no engine's.
    #[must_use]
    pub fn is_of_an_engine(&self) -> bool {
        self.waiting.is_some() || self.running.is_some() || self.kv_used_ppm.is_some()
    }
}

#[cfg(test)]
mod tests;
