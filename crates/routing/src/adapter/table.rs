//! Where each adapter is: by endpoint, and by adapter as bits.

use core::time::Duration;
use std::collections::VecDeque;

use super::{AdapterId, AdapterReading, AdapterState};
use crate::endpoint::EndpointId;
use crate::kinds::{and, and_not, clear, has, set};
use crate::policy::Unknown;

/// States that a request tells apart: loaded, coming, a free slot, none free.
pub(crate) const STATES: usize = 4;

/// All that is known of adapters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Adapters {
    /// By slot of the endpoint; those that nothing was said of may be missing.
    rows: Vec<Row>,
    /// By adapter, ascending. Those that nobody has are not there.
    places: Vec<Places>,
    spare: Vec<Places>,
    /// Endpoints with a free slot for an adapter, and those that have none; the others did not say.
    free: Vec<u64>,
    full: Vec<u64>,
    /// Readings by time, for when they are too old.
    readings: VecDeque<(Duration, EndpointId)>,
    changed: Vec<AdapterId>,
}

/// The adapters of one endpoint. Lists are ascending.
#[derive(Clone, Debug, Default)]
struct Row {
    loaded: Vec<AdapterId>,
    queued: Vec<AdapterId>,
    slots: Option<u32>,
    read: Option<Duration>,
    /// Those of requests that are not settled, and how many requests that are.
    promised: Vec<(AdapterId, u32)>,
}

/// Who has one adapter, and with whom it will be, a bit for each slot.
#[derive(Clone, Debug)]
struct Places {
    adapter: AdapterId,
    loaded: Vec<u64>,
    coming: Vec<u64>,
    /// How many bits are set.
    count: u32,
}

/// What a request wants to know: where its adapter is.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'a> {
    loaded: &'a [u64],
    coming: &'a [u64],
    free: &'a [u64],
    full: &'a [u64],
    /// Whether there is an adapter; without one all is as if it were loaded.
    is_any: bool,
    /// Whether it is taken for free where nothing is known of slots.
    is_idle: bool,
}

impl Row {
    fn is_loaded(&self, adapter: AdapterId) -> bool {
        self.loaded.binary_search(&adapter).is_ok()
    }

    fn is_coming(&self, adapter: AdapterId) -> bool {
        !self.is_loaded(adapter) && (self.queued.binary_search(&adapter).is_ok() || self.place(adapter).is_ok())
    }

    fn place(&self, adapter: AdapterId) -> Result<usize, usize> {
        self.promised.binary_search_by_key(&adapter, |of| of.0)
    }

    /// Whether one more adapter fits; none if that is not known.
    fn is_free(&self) -> Option<bool> {
        let there = |adapter: &AdapterId| self.is_loaded(*adapter) || self.queued.binary_search(adapter).is_ok();
        let queued = self.queued.iter().filter(|adapter| !self.is_loaded(**adapter)).count();
        let promised = self.promised.iter().filter(|(adapter, _)| !there(adapter)).count();
        Some(self.loaded.len() + queued + promised < self.slots? as usize)
    }
}

impl Adapters {
    /// Takes in a reading; says whether it is not older than the last one.
    pub(crate) fn read(&mut self, at: usize, endpoint: EndpointId, reading: &AdapterReading<'_>, ages: bool) -> bool {
        if self.rows.get(at).and_then(|row| row.read).is_some_and(|last| last > reading.read) {
            return false;
        }
        self.tell(at, reading, Some(reading.read));
        if ages {
            // Nearly always the latest; the queue stays in order.
            let place = self.readings.partition_point(|(read, _)| *read <= reading.read);
            self.readings.insert(place, (reading.read, endpoint));
        }
        true
    }

    /// What a slot's endpoint said that it has, and what waits to be loaded there.
    pub(crate) fn told(&self, at: usize) -> (&[AdapterId], &[AdapterId]) {
        self.rows.get(at).map_or((&[], &[]), |row| (&row.loaded, &row.queued))
    }

    /// The oldest reading that may count.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.readings.front().map(|(read, _)| *read)
    }

    /// Forgets the oldest reading, where it counts; `at` tells the slot of an endpoint.
    pub(crate) fn forget_oldest(&mut self, at: impl Fn(EndpointId) -> Option<usize>) {
        if let Some((read, endpoint)) = self.readings.pop_front()
            && let Some(at) = at(endpoint)
            && self.rows.get(at).is_some_and(|row| row.read == Some(read))
        {
            let nothing = AdapterReading { loaded: &[], queued: &[], slots: None, read };
            self.tell(at, &nothing, None);
        }
    }

    fn tell(&mut self, at: usize, reading: &AdapterReading<'_>, read: Option<Duration>) {
        let mut changed = core::mem::take(&mut self.changed);
        changed.clear();
        let row = self.row(at);
        // Room for what decisions will promise, which ask for none themselves.
        row.promised.reserve(4);
        changed.extend(row.loaded.iter().chain(&row.queued));
        for (list, told) in [(&mut row.loaded, reading.loaded), (&mut row.queued, reading.queued)] {
            list.clear();
            list.extend_from_slice(told);
            list.sort_unstable();
            list.dedup();
        }
        (row.slots, row.read) = (reading.slots, read);
        changed.extend(row.loaded.iter().chain(&row.queued));
        for &adapter in &changed {
            self.mark(at, adapter);
        }
        self.mark_free(at);
        self.changed = changed;
    }

    /// Counts a request with an adapter at an endpoint.
    pub(crate) fn promise(&mut self, at: usize, adapter: AdapterId) {
        let row = self.row(at);
        match row.place(adapter) {
            Ok(place) => row.promised[place].1 += 1,
            Err(place) => {
                row.promised.insert(place, (adapter, 1));
                self.mark(at, adapter);
                self.mark_free(at);
            }
        }
    }

    /// Takes a request off that was counted.
    pub(crate) fn settle(&mut self, at: usize, adapter: AdapterId) {
        let Some(row) = self.rows.get_mut(at) else { return };
        let Ok(place) = row.place(adapter) else { return };
        row.promised[place].1 -= 1;
        if row.promised[place].1 == 0 {
            row.promised.remove(place);
            self.mark(at, adapter);
            self.mark_free(at);
        }
    }

    /// Forgets all of an endpoint.
    pub(crate) fn leave(&mut self, at: usize) {
        if at >= self.rows.len() {
            return;
        }
        let promised = core::mem::take(&mut self.rows[at].promised);
        for (adapter, _) in promised {
            self.mark(at, adapter);
        }
        let nothing = AdapterReading { loaded: &[], queued: &[], slots: None, read: Duration::ZERO };
        self.tell(at, &nothing, None);
    }

    fn row(&mut self, at: usize) -> &mut Row {
        if self.rows.len() <= at {
            self.rows.resize(at + 1, Row::default());
        }
        &mut self.rows[at]
    }

    /// Brings the bits of an adapter at an endpoint up to date.
    fn mark(&mut self, at: usize, adapter: AdapterId) {
        let row = &self.rows[at];
        let (loaded, coming) = (row.is_loaded(adapter), row.is_coming(adapter));
        let place = match self.places.binary_search_by_key(&adapter, |of| of.adapter) {
            Ok(place) => place,
            Err(_) if !loaded && !coming => return,
            Err(place) => {
                let fresh = || Places { adapter, loaded: Vec::new(), coming: Vec::new(), count: 0 };
                let places = self.spare.pop().unwrap_or_else(fresh);
                self.places.insert(place, Places { adapter, ..places });
                place
            }
        };
        let places = &mut self.places[place];
        for (slots, is) in [(&mut places.loaded, loaded), (&mut places.coming, coming)] {
            let was = clear(slots, at);
            if is {
                set(slots, at);
            }
            places.count = places.count + u32::from(is) - u32::from(was);
        }
        if places.count == 0 {
            // All its bits are clear.
            let places = self.places.remove(place);
            self.spare.push(places);
        }
    }

    fn mark_free(&mut self, at: usize) {
        let free = self.rows[at].is_free();
        for (slots, is) in [(&mut self.free, free == Some(true)), (&mut self.full, free == Some(false))] {
            clear(slots, at);
            if is {
                set(slots, at);
            }
        }
    }

    fn places(&self, adapter: AdapterId) -> Option<&Places> {
        let place = self.places.binary_search_by_key(&adapter, |of| of.adapter).ok()?;
        self.places.get(place)
    }

    /// Where an adapter is with an endpoint.
    pub(crate) fn state(&self, at: usize, adapter: AdapterId) -> AdapterState {
        let Some(row) = self.rows.get(at) else { return AdapterState::Unknown };
        match row.is_free() {
            _ if row.is_loaded(adapter) => AdapterState::Loaded,
            _ if row.is_coming(adapter) => AdapterState::Coming,
            Some(true) => AdapterState::Free,
            Some(false) => AdapterState::Full,
            None => AdapterState::Unknown,
        }
    }

    /// Where an adapter is, for a policy that takes what is not known for this.
    pub(crate) fn sought(&self, adapter: Option<AdapterId>, unknown: Unknown) -> Sought<'_> {
        let Some(adapter) = adapter else { return Sought::NOTHING };
        let (loaded, coming) = self.places(adapter).map_or((&[][..], &[][..]), |of| (&of.loaded, &of.coming));
        let is_idle = unknown == Unknown::Idle;
        Sought { loaded, coming, free: &self.free, full: &self.full, is_any: true, is_idle }
    }
}

impl Sought<'_> {
    /// No adapter.
    pub(crate) const NOTHING: Self =
        Self { loaded: &[], coming: &[], free: &[], full: &[], is_any: false, is_idle: false };

    pub(crate) fn is_any(&self) -> bool {
        self.is_any
    }

    /// The state of an endpoint, below [`STATES`].
    pub(crate) fn state(&self, at: usize) -> usize {
        if !self.is_any || has(self.loaded, at) {
            0
        } else if has(self.coming, at) {
            1
        } else if has(self.free, at) || (self.is_idle && !has(self.full, at)) {
            2
        } else {
            3
        }
    }

    /// Leaves those of one state.
    pub(crate) fn keep(&self, state: usize, slots: &mut [u64]) {
        match (state, self.is_idle) {
            (0, _) => return and(slots, self.loaded),
            (1, _) => return and(slots, self.coming),
            (2, true) => and_not(slots, self.full),
            (2, false) => and(slots, self.free),
            (_, true) => and(slots, self.full),
            (_, false) => and_not(slots, self.free),
        }
        and_not(slots, self.coming);
        and_not(slots, self.loaded);
    }
}
