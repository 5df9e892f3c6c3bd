//! What the gateway learns of its endpoints without asking with a request: their metrics and their KV events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use phalanx_signals::{EventReport, Follower, MetricsSource, ScrapeReport, Scraper, ScraperConfig, Watch};

use crate::config::{Endpoint, Pool};
use crate::desk::Desk;

/// How long a page of metrics may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// After how many intervals without a new page an engine's metrics are forgotten.
const INTERVALS: u32 = 5;

/// What follows the endpoints until it is dropped.
#[derive(Debug)]
pub(crate) struct Follow {
    views: Arc<Views>,
    _followers: Vec<Follower>,
    _scraper: Scraper,
}

/// How it goes, by the endpoint's name.
#[derive(Debug, Default)]
pub(crate) struct Views {
    kv_events: BTreeMap<String, Watch<EventReport>>,
    metrics: BTreeMap<String, Watch<ScrapeReport>>,
}

impl Follow {
    /// Follows every endpoint that says where.
    pub(crate) fn start(desk: &Arc<Desk>) -> Self {
        let (mut views, mut followers) = (Views::default(), Vec::new());
        let (mut sources, mut places): (Vec<MetricsSource>, Vec<usize>) = Default::default();
        for (index, endpoint) in desk.endpoints().iter().enumerate() {
            if let Some(source) = &endpoint.kv_events {
                let cache = Arc::clone(desk);
                let size = desk.hasher.block_size();
                let follower =
                    Follower::start(source.clone(), size, index as u64, move |change| cache.apply(index, change));
                views.kv_events.insert(endpoint.name.clone(), follower.watch().clone());
                followers.push(follower);
            }
            if let Some(source) = &endpoint.metrics {
                sources.push(source.clone());
                places.push(index);
            }
        }
        let config = ScraperConfig::new().with_timeout(TIMEOUT);
        let (load, of) = (Arc::clone(desk), places.clone());
        let scraper = Scraper::start(&config, sources, desk.epoch(), move |source, signals, _| {
            load.signals(of[source], signals);
        });
        for (source, index) in places.into_iter().enumerate() {
            let watch = scraper.watch(source).expect("each source has one").clone();
            views.metrics.insert(desk.endpoint(index).name.clone(), watch);
        }
        Self { views: Arc::new(views), _followers: followers, _scraper: scraper }
    }

    pub(crate) fn views(&self) -> Arc<Views> {
        Arc::clone(&self.views)
    }
}

impl Views {
    pub(crate) fn kv_events(&self, endpoint: &str) -> Option<&Watch<EventReport>> {
        self.kv_events.get(endpoint)
    }

    pub(crate) fn metrics(&self, endpoint: &str) -> Option<&Watch<ScrapeReport>> {
        self.metrics.get(endpoint)
    }
}

/// How old metrics may be until they are forgotten, where any are read: by the longest interval.
pub(crate) fn max_age(pools: &BTreeMap<String, Pool>) -> Option<Duration> {
    let endpoints = pools.values().flat_map(|pool| &pool.endpoints);
    let interval =
        endpoints.filter_map(|Endpoint { metrics, .. }| metrics.as_ref().map(MetricsSource::interval)).max()?;
    Some(interval.saturating_mul(INTERVALS).saturating_add(TIMEOUT))
}
