//! What the gateway learns of its endpoints without asking with a request: their metrics and their KV events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use phalanx_kvcache::{Applied, Change};
use phalanx_signals::{EventReport, Follower, MetricsSource, ScrapeReport, Scraper, ScraperConfig, Watch};

use crate::config::{Endpoint, Pool};
use crate::desk::Desk;

/// Blocks that are changed at a time: decisions wait no longer than for these.
const PIECE: usize = 256;
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
                let follower = Follower::start(source.clone(), size, index as u64, move |change| {
                    let mut applied = Applied::default();
                    in_pieces(change, |piece| applied += cache.apply(index, piece));
                    applied
                });
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
        let scraper = Scraper::start(&config, sources, desk.epoch(), move |source, signals, page| {
            load.signals(of[source], signals, page);
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

/// A change as several small ones, one after the other.
fn in_pieces(change: Change<'_>, mut each: impl FnMut(Change<'_>)) {
    match change {
        Change::Stored { layer, mut parent, names, contents } => {
            for (piece, names) in names.chunks(PIECE).enumerate() {
                // Contents are as many as names, or none.
                let start = (piece * PIECE).min(contents.len());
                let contents = &contents[start..(start + names.len()).min(contents.len())];
                each(Change::Stored { layer, parent, names, contents });
                parent = names.last().copied();
            }
        }
        Change::Removed { layer, names } => {
            names.chunks(PIECE).for_each(|names| each(Change::Removed { layer, names }));
        }
        Change::Cleared => each(Change::Cleared),
    }
}

/// How old metrics may be until they are forgotten, where any are read: by the longest interval.
pub(crate) fn max_age(pools: &BTreeMap<String, Pool>) -> Option<Duration> {
    let endpoints = pools.values().flat_map(|pool| &pool.endpoints);
    let interval =
        endpoints.filter_map(|Endpoint { metrics, .. }| metrics.as_ref().map(MetricsSource::interval)).max()?;
    Some(interval.saturating_mul(INTERVALS).saturating_add(TIMEOUT))
}

#[cfg(test)]
mod tests {
    use phalanx_kvcache::{BlockHash, FleetIndex, Layer};

    use super::*;

    #[test]
    fn pieces_come_to_the_same_as_the_whole() {
        let blocks: Vec<_> = (1..1000).map(BlockHash).collect();
        let (first, rest) = blocks.split_at(10);
        let stored = |parent, names, contents| Change::Stored { layer: Layer::MAIN, parent, names, contents };
        let copies =
            Change::Stored { layer: Layer { group: 1, ..Layer::MAIN }, parent: None, names: &blocks, contents: &[] };
        let changes = [
            stored(None, first, first),
            stored(first.last().copied(), rest, rest),
            copies,
            Change::Removed { layer: Layer::MAIN, names: &blocks[700..] },
        ];
        let (mut whole, mut pieces) = (FleetIndex::new(), FleetIndex::new());
        let ranks = [whole.join(), pieces.join()];
        for change in changes {
            let expected = whole.apply(ranks[0], change).expect("it has joined");
            let (mut applied, mut most) = (Applied::default(), 0);
            in_pieces(change, |piece| {
                most = most.max(match piece {
                    Change::Stored { names, .. } | Change::Removed { names, .. } => names.len(),
                    Change::Cleared => 0,
                });
                applied += pieces.apply(ranks[1], piece).expect("it has joined");
            });
            assert_eq!(applied, expected);
            assert!(most <= PIECE);
        }
        assert_eq!(whole.blocks_of(ranks[0]), pieces.blocks_of(ranks[1]));
    }
}
