//! The samples of a page, added up.

use core::time::Duration;

use super::families::{Age, Family, Part};
use super::sample::Sample;
use super::{AdapterMetrics, EngineMetrics, Observed};

/// What came so far. Sums are of finite values of no sign.
#[derive(Debug, Default)]
pub(super) struct Tally {
    waiting: Option<f64>,
    running: Option<f64>,
    /// Sum and number, by age of the name.
    used: [(f64, u32); 2],
    block_size: Option<f64>,
    blocks: Option<f64>,
    first_token: Histogram,
    /// By age of the name.
    inter_token: [Histogram; 2],
    /// The newest, and when it was so.
    adapters: Option<(f64, AdapterMetrics)>,
    pub(super) bad: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Histogram {
    count: Option<f64>,
    sum: Option<f64>,
}

impl Tally {
    pub(super) fn take(&mut self, sample: &Sample<'_>) {
        let value = sample.value;
        if !value.is_finite() || value < 0.0 {
            self.bad = self.bad.saturating_add(1);
            return;
        }
        match sample.family {
            Family::Waiting => add(&mut self.waiting, value),
            Family::Running => add(&mut self.running, value),
            Family::Used(age) => self.share(age, value),
            Family::Memory { size, count } => {
                let number =
                    |label| sample.label(label)?.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0);
                self.block_size = number(size).or(self.block_size);
                number(count).into_iter().for_each(|count| add(&mut self.blocks, count));
            }
            Family::BlockSize => self.block_size = Some(value),
            Family::Blocks => add(&mut self.blocks, value),
            Family::FirstToken(part) => self.first_token.add(part, value),
            Family::InterToken(age, part) => self.inter_token[age as usize].add(part, value),
            Family::Adapters => {
                if self.adapters.as_ref().is_none_or(|(newest, _)| value >= *newest) {
                    self.adapters = AdapterMetrics::read(sample).map(|read| (value, read)).or(self.adapters.take());
                }
            }
            Family::TritonRequests => match sample.label(b"request_type").as_deref() {
                Some("waiting") => add(&mut self.waiting, value),
                Some("scheduled") => add(&mut self.running, value),
                _ => {}
            },
            Family::TritonMemory => match sample.label(b"kv_cache_block_type").as_deref() {
                Some("fraction") => self.share(Age::Now, value),
                Some("tokens_per") => self.block_size = Some(value),
                Some("max") => add(&mut self.blocks, value),
                _ => {}
            },
        }
    }

    pub(super) fn metrics(self) -> EngineMetrics {
        let used = self.used.into_iter().find(|(_, series)| *series > 0);
        let inter_token = self.inter_token.into_iter().find_map(|histogram| histogram.observed());
        EngineMetrics {
            waiting: self.waiting.map(whole),
            running: self.running.map(whole),
            kv_used_ppm: used.map(|(sum, series)| whole(sum / f64::from(series) * 1e6).min(1_000_000)),
            block_size: self.block_size.map(whole).filter(|tokens| *tokens > 0),
            blocks: self.blocks.map(|blocks| blocks.round() as u64),
            first_token: self.first_token.observed(),
            inter_token,
            adapters: self.adapters.map(|(_, adapters)| adapters),
            bad_lines: self.bad,
        }
    }

    fn share(&mut self, age: Age, value: f64) {
        let (sum, series) = &mut self.used[age as usize];
        // Engines overshoot by what is in flight.
        *sum += value.min(1.0);
        *series = series.saturating_add(1);
    }
}

impl Histogram {
    fn add(&mut self, part: Part, value: f64) {
        match part {
            Part::Count => add(&mut self.count, value),
            Part::Sum => add(&mut self.sum, value),
        }
    }

    fn observed(self) -> Option<Observed> {
        let total = Duration::try_from_secs_f64(self.sum?).ok()?;
        Some(Observed { count: self.count?.round() as u64, total })
    }
}

fn add(sum: &mut Option<f64>, value: f64) {
    *sum = Some(sum.unwrap_or(0.0) + value);
}

/// The nearest whole number that there is.
fn whole(value: f64) -> u32 {
    value.round() as u32
}
