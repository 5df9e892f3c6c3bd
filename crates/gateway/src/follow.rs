//! What the gateway learns of its endpoints without asking with a request: their metrics and their KV events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use phalanx_kvcache::{Applied, Change};
use phalanx_routing::EndpointId;
use phalanx_signals::{EventReport, EventSource, Follower, MetricsSource, ScrapeReport, Scraper, ScraperConfig, Watch};

use crate::config::{Endpoint, Pool};
use crate::desk::{Desk, Fleet};

/// Blocks that are changed at a time: decisions wait no longer than for these.
const PIECE: usize = 256;
/// How long a page of metrics may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// After how many intervals without a new page an engine's metrics are forgotten.
const INTERVALS: u32 = 5;

/// What follows the endpoints until it is dropped.
#[derive(Debug)]
pub(crate) struct Follow {
    fleet: Arc<Fleet>,
    followers: BTreeMap<EndpointId, Follower>,
    scraper: Scraper,
    /// What is read of whom, and its number.
    sources: BTreeMap<EndpointId, (MetricsSource, usize)>,
}

impl Follow {
    /// Follows every endpoint that says where.
    pub(crate) fn start(desk: &Desk) -> Self {
        let fleet = Arc::clone(&desk.fleet);
        let config = ScraperConfig::new().with_timeout(TIMEOUT);
        let load = Arc::clone(&fleet);
        let scraper = Scraper::start(&config, Vec::new(), fleet.epoch(), move |source, signals, page| {
            load.signals(source, signals, page);
        });
        let mut follow = Self { fleet, followers: BTreeMap::new(), scraper, sources: BTreeMap::new() };
        follow.change(desk);
        follow
    }

    /// Follows those of the next configuration; who is in both is followed on.
    pub(crate) fn change(&mut self, desk: &Desk) {
        let members: BTreeMap<_, _> = desk.members().iter().map(|member| (member.id, &member.endpoint)).collect();
        // An endpoint whose events come from elsewhere is another one.
        self.followers.retain(|id, _| members.get(id).is_some_and(|endpoint| endpoint.kv_events.is_some()));
        let read = std::mem::take(&mut self.sources);
        for (id, (source, number)) in read {
            if members.get(&id).is_some_and(|endpoint| endpoint.metrics.as_ref() == Some(&source)) {
                self.sources.insert(id, (source, number));
            } else {
                self.scraper.remove(number);
                self.fleet.forget_source(number);
            }
        }
        for (id, endpoint) in members {
            if let Some(source) = &endpoint.kv_events {
                self.followers.entry(id).or_insert_with(|| follower(&self.fleet, id, source.clone()));
            }
            if let Some(source) = &endpoint.metrics
                && !self.sources.contains_key(&id)
            {
                let number = self.scraper.add(source.clone());
                self.fleet.tell_source(number, id);
                self.sources.insert(id, (source.clone(), number));
            }
        }
    }

    /// How it goes with the KV events of an endpoint, if they are followed.
    pub(crate) fn kv_events(&self, id: EndpointId) -> Option<&Watch<EventReport>> {
        self.followers.get(&id).map(Follower::watch)
    }

    /// How it goes with the metrics of an endpoint, if they are read.
    pub(crate) fn metrics(&self, id: EndpointId) -> Option<&Watch<ScrapeReport>> {
        let (_, number) = self.sources.get(&id)?;
        self.scraper.watch(*number)
    }
}

fn follower(fleet: &Arc<Fleet>, id: EndpointId, source: EventSource) -> Follower {
    let cursor = fleet.cursor(id);
    if cursor.is_none() {
        // What was guessed or told by somebody else until now.
        let _ = fleet.apply(id, Change::Cleared);
    }
    let (cache, place) = (Arc::clone(fleet), Arc::clone(fleet));
    let sink = move |change: Change<'_>| {
        let mut applied = Applied::default();
        in_pieces(change, |piece| applied += cache.apply(id, piece));
        applied
    };
    let at = move |cursor| place.note_cursor(id, cursor);
    Follower::resume(source, fleet.hasher.block_size(), id.index() as u64, cursor, sink, at)
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

/// How old metrics may be until they are forgotten: by the longest interval.
pub(crate) fn max_age(pools: &BTreeMap<String, Pool>) -> Duration {
    let endpoints = pools.values().flat_map(|pool| &pool.endpoints);
    let interval = endpoints.filter_map(|Endpoint { metrics, .. }| metrics.as_ref().map(MetricsSource::interval)).max();
    interval.unwrap_or(Duration::from_secs(1)).saturating_mul(INTERVALS).saturating_add(TIMEOUT)
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
