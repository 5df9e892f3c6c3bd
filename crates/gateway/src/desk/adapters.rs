//! Adapters by their names.

use std::collections::BTreeMap;

use phalanx_kvcache::ApproximateConfig;
use phalanx_routing::{AdapterId, AdapterReading, RouteTable, Signals};
use phalanx_signals::EngineMetrics;

use super::Fleet;

/// Names that are numbered at the most, those of the routes aside.
const MOST: usize = 1 << 16;

/// Numbers for names: those that routes know, then those that only engines tell of, which take up an engine's slots too.
#[derive(Debug, Default)]
pub(super) struct Adapters {
    numbers: BTreeMap<String, AdapterId>,
    /// How many only engines tell of.
    told: usize,
}

impl Adapters {
    /// Numbers for the adapters of routes too; who has one keeps it.
    pub(super) fn know(&mut self, routes: &RouteTable) {
        for name in routes.adapters() {
            self.number(name);
        }
    }

    fn number(&mut self, name: &str) -> AdapterId {
        let next = AdapterId::from(self.numbers.len() as u32);
        *self.numbers.entry(name.to_owned()).or_insert(next)
    }

    /// All names, with their numbers.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, AdapterId)> {
        self.numbers.iter().map(|(name, id)| (name.as_str(), *id))
    }

    pub(super) fn get(&self, name: &str) -> Option<AdapterId> {
        self.numbers.get(name).copied()
    }

    /// The numbers of some names, and whether each has one.
    fn all(&mut self, names: &[String]) -> (Vec<AdapterId>, bool) {
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            if let Some(id) = self.get(name) {
                ids.push(id);
            } else if self.told < MOST {
                self.told += 1;
                ids.push(self.number(name));
            }
        }
        let is_whole = ids.len() == names.len();
        (ids, is_whole)
    }
}

impl Fleet {
    /// How many blocks of the gateway's size an engine can keep, as far as it says.
    fn blocks(&self, page: &EngineMetrics) -> Option<u32> {
        let tokens = page.blocks?.checked_mul(page.block_size?.into())?;
        let blocks = tokens / u64::from(self.hasher.block_size().tokens());
        u32::try_from(blocks).ok().filter(|blocks| *blocks > 0)
    }

    /// Tells the router what the metrics of a source say.
    pub(crate) fn signals(&self, source: usize, signals: Signals, page: &EngineMetrics) {
        let mut state = self.lock();
        let state = &mut *state;
        // One that is forgotten may have been read once more.
        let Some(&id) = state.sources.get(&source) else { return };
        // An older reading than the last one is passed over.
        let _ = state.router.balancer_mut().signals(id, signals);
        if let (Some(blocks), Some(before)) = (self.blocks(page), state.router.guessed_capacity(id))
            && blocks != before
        {
            state.router.guess(id, blocks, ApproximateConfig::new());
        }
        if let Some(told) = &page.adapters {
            let (loaded, first) = state.adapters.all(&told.running);
            let (queued, second) = state.adapters.all(&told.waiting);
            // Where some are left out, whether a slot is free is not known.
            let slots = told.slots.filter(|_| first && second);
            let reading = AdapterReading { loaded: &loaded, queued: &queued, slots, read: signals.read };
            state.router.balancer_mut().adapters(id, &reading);
        }
    }
}
