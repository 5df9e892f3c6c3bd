//! Adapters by their names.

use std::collections::BTreeMap;

use phalanx_kvcache::ApproximateConfig;
use phalanx_routing::{AdapterId, AdapterReading, EndpointId, RouteTable, Signals};
use phalanx_signals::EngineMetrics;

use super::Desk;

/// Names that are numbered at the most, those of the routes aside.
const MOST: usize = 1 << 16;

/// Numbers for names: those that routes know, then those that only engines tell of, which take up an engine's slots too.
#[derive(Debug)]
pub(super) struct Adapters {
    numbers: BTreeMap<String, AdapterId>,
    /// How many more there may be.
    left: usize,
}

impl Adapters {
    pub(super) fn new(routes: &RouteTable) -> Self {
        let numbers = routes.adapters().zip(0..).map(|(name, number)| (name.to_owned(), AdapterId::from(number)));
        Self { numbers: numbers.collect(), left: MOST }
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
            } else if self.left > 0 {
                self.left -= 1;
                let id = AdapterId::from(self.numbers.len() as u32);
                self.numbers.insert(name.clone(), id);
                ids.push(id);
            }
        }
        let is_whole = ids.len() == names.len();
        (ids, is_whole)
    }
}

impl Desk {
    /// How many blocks of the gateway's size an engine can keep, as far as it says.
    fn blocks(&self, page: &EngineMetrics) -> Option<u32> {
        let tokens = page.blocks?.checked_mul(page.block_size?.into())?;
        let blocks = tokens / u64::from(self.hasher.block_size().tokens());
        u32::try_from(blocks).ok().filter(|blocks| *blocks > 0)
    }

    /// Tells the router what an endpoint's metrics say.
    pub(crate) fn signals(&self, index: usize, signals: Signals, page: &EngineMetrics) {
        let id: EndpointId = self.ids[index];
        let mut state = self.lock();
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
