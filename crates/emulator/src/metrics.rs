//! Prometheus metrics under vLLM's names and labels.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use phalanx_engine::Load;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

use crate::adapters::Adapters;

const FIRST_TOKEN_SECONDS: [f64; 21] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0,
];
const INTER_TOKEN_SECONDS: [f64; 19] =
    [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0];
const REQUEST_SECONDS: [f64; 17] =
    [0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    finished_reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheConfig {
    block_size: u32,
    num_gpu_blocks: u32,
}

/// Lists with commas between names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoraRequests {
    max_lora: u32,
    running_lora_adapters: String,
    waiting_lora_adapters: String,
}

/// The metrics of one engine. Cheap to clone: clones count into the same values.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    running: Gauge,
    waiting: Gauge,
    kv_usage: Gauge<f64, AtomicU64>,
    prefix_queries: Counter,
    prefix_hits: Counter,
    prompt_tokens: Counter,
    generation_tokens: Counter,
    preemptions: Counter,
    success: Family<Reason, Counter>,
    first_token: Histogram,
    inter_token: Histogram,
    request: Histogram,
    lora: Family<LoraRequests, Gauge<f64, AtomicU64>>,
}

impl Metrics {
    pub(crate) fn new(model: &str, block_size: u32, blocks: u32, has_adapters: bool) -> Self {
        let mut registry = Registry::with_labels(
            [("engine".into(), "0".into()), ("model_name".into(), model.to_owned().into())].into_iter(),
        );
        let metrics = Self {
            registry: Arc::default(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            kv_usage: Gauge::default(),
            prefix_queries: Counter::default(),
            prefix_hits: Counter::default(),
            prompt_tokens: Counter::default(),
            generation_tokens: Counter::default(),
            preemptions: Counter::default(),
            success: Family::default(),
            first_token: Histogram::new(FIRST_TOKEN_SECONDS),
            inter_token: Histogram::new(INTER_TOKEN_SECONDS),
            request: Histogram::new(REQUEST_SECONDS),
            lora: Family::default(),
        };
        let cache = Family::<CacheConfig, Gauge>::default();
        cache.get_or_create(&CacheConfig { block_size, num_gpu_blocks: blocks }).set(1);
        registry.register("vllm:num_requests_running", "Requests in the running batch", metrics.running.clone());
        registry.register("vllm:num_requests_waiting", "Requests that wait for a seat", metrics.waiting.clone());
        registry.register("vllm:kv_cache_usage_perc", "Share of KV blocks in use, 0 to 1", metrics.kv_usage.clone());
        registry.register("vllm:cache_config_info", "Block size and count of the KV cache", cache);
        registry.register("vllm:prefix_cache_queries", "Prompt tokens looked up", metrics.prefix_queries.clone());
        registry.register("vllm:prefix_cache_hits", "Prompt tokens found in the cache", metrics.prefix_hits.clone());
        registry.register("vllm:prompt_tokens", "Prompt tokens processed", metrics.prompt_tokens.clone());
        registry.register("vllm:generation_tokens", "Tokens generated", metrics.generation_tokens.clone());
        registry.register("vllm:num_preemptions", "Sequences preempted", metrics.preemptions.clone());
        registry.register("vllm:request_success", "Requests that ended, by reason", metrics.success.clone());
        registry.register("vllm:time_to_first_token_seconds", "Arrival to first token", metrics.first_token.clone());
        registry.register("vllm:inter_token_latency_seconds", "Token to token", metrics.inter_token.clone());
        registry.register("vllm:e2e_request_latency_seconds", "Arrival to last token", metrics.request.clone());
        if has_adapters {
            let help = "Adapters that are in use; the value is the time, in Unix seconds";
            registry.register("vllm:lora_requests_info", help, metrics.lora.clone());
        }
        Self { registry: Arc::new(registry), ..metrics }
    }

    pub(crate) fn prefilled(&self, prompt_tokens: u32, cached_tokens: u32, after: Duration) {
        self.prefix_queries.inc_by(u64::from(prompt_tokens));
        self.prefix_hits.inc_by(u64::from(cached_tokens));
        self.prompt_tokens.inc_by(u64::from(prompt_tokens));
        self.first_token.observe(after.as_secs_f64());
    }

    /// A token came, the first one or `after` the one before it.
    pub(crate) fn generated(&self, after: Option<Duration>) {
        self.generation_tokens.inc();
        if let Some(after) = after {
            self.inter_token.observe(after.as_secs_f64());
        }
    }

    pub(crate) fn finished(&self, after: Duration) {
        self.success.get_or_create(&Reason { finished_reason: "length" }).inc();
        self.request.observe(after.as_secs_f64());
    }

    pub(crate) fn aborted(&self) {
        self.success.get_or_create(&Reason { finished_reason: "abort" }).inc();
    }

    pub(crate) fn preempted(&self, count: u64) {
        self.preemptions.inc_by(count);
    }

    /// The whole page, with the gauges set from `load` and the adapters.
    pub(crate) fn page(&self, load: &Load, adapters: &Adapters) -> String {
        if adapters.slots() > 0 {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
            let labels = LoraRequests {
                max_lora: adapters.slots(),
                running_lora_adapters: adapters.in_slots().join(","),
                // One that is asked for takes a slot at once.
                waiting_lora_adapters: String::new(),
            };
            self.lora.clear();
            self.lora.get_or_create(&labels).set(now);
        }
        self.running.set(i64::from(load.running));
        self.waiting.set(i64::from(load.waiting));
        self.kv_usage.set(f64::from(load.kv_used_blocks) / f64::from(load.kv_blocks.max(1)));
        let mut page = String::new();
        text::encode(&mut page, &self.registry).expect("writing to a string cannot fail");
        page
    }
}
