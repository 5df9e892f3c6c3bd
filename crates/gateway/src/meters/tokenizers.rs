//! What tokenizers have done, on the page that Prometheus reads.

use std::fmt::Error;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::page::{Page, counter, set};
use crate::tokens::Counts;

impl Page {
    /// By where each was loaded from.
    pub(super) fn tokenizers(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let all: Vec<_> = self.0.tokenizers.iter().map(|one| (one.path().display().to_string(), one)).collect();
        if all.is_empty() {
            return Ok(());
        }
        let (name, help) = ("phalanx_gateway_tokenize_seconds", "On a thread of the tokenizer's, for one request");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (path, tokenizer) in &all {
            let (sum, count, buckets) = tokenizer.counts().time.read();
            let labels = [("tokenizer", path.as_str())];
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        let (name, help) = ("phalanx_gateway_tokenizer_tokens", "Tokens of prompts, by whether they were remembered");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (path, tokenizer) in &all {
            let Counts { cached, fresh, .. } = tokenizer.counts();
            for (from, count) in [("cache", cached), ("tokenizer", fresh)] {
                counter(&mut family, &[("tokenizer", path), ("from", from)], count.get())?;
            }
        }
        let (name, help) = ("phalanx_gateway_tokenizer_fallbacks", "Prompts that were cut by their text, by why");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (path, tokenizer) in &all {
            for (reason, count) in tokenizer.counts().fallbacks() {
                counter(&mut family, &[("tokenizer", path), ("reason", reason)], count)?;
            }
        }
        let (name, help) = ("phalanx_gateway_tokenizer_cache_bytes", "What a tokenizer remembers");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (path, tokenizer) in &all {
            set(&mut family, &[("tokenizer", path)], tokenizer.cache_bytes() as u64)?;
        }
        Ok(())
    }
}
