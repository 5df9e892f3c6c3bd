//! Which endpoint the requests of an affinity had.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::endpoint::EndpointId;

/// No session.
const NONE: u32 = u32::MAX;

/// A bounded number of affinities, those used last, each with its endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    places: BTreeMap<u64, u32>,
    /// In a circle of use: `before` is used earlier, `after` later.
    sessions: Vec<Session>,
    vacant: Vec<u32>,
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    affinity: u64,
    endpoint: EndpointId,
    used: Duration,
    before: u32,
    after: u32,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { places: BTreeMap::new(), sessions: Vec::new(), vacant: Vec::new(), first: NONE, last: NONE }
    }
}

impl Sessions {
    /// The endpoint that an affinity had, unless that is `idle` ago or more.
    pub(crate) fn get(&self, affinity: u64, now: Duration, idle: Duration) -> Option<EndpointId> {
        let session = self.sessions[*self.places.get(&affinity)? as usize];
        (now.saturating_sub(session.used) < idle).then_some(session.endpoint)
    }

    /// Notes where an affinity went now. Those that are idle are forgotten, two at a time, and one above the bound.
    pub(crate) fn bind(&mut self, affinity: u64, endpoint: EndpointId, now: Duration, idle: Duration, most: u32) {
        for _ in 0..2 {
            if let Some(oldest) = self.sessions.get(self.first as usize)
                && now.saturating_sub(oldest.used) >= idle
            {
                self.forget(oldest.affinity);
            }
        }
        self.forget(affinity);
        if self.places.len() >= most as usize
            && let Some(oldest) = self.sessions.get(self.first as usize)
        {
            self.forget(oldest.affinity);
        }
        let session = Session { affinity, endpoint, used: now, before: self.last, after: NONE };
        let place = match self.vacant.pop() {
            Some(place) => {
                self.sessions[place as usize] = session;
                place
            }
            None => {
                self.sessions.push(session);
                (self.sessions.len() - 1) as u32
            }
        };
        match self.sessions.get_mut(self.last as usize) {
            Some(last) => last.after = place,
            None => self.first = place,
        }
        self.last = place;
        self.places.insert(affinity, place);
    }

    fn forget(&mut self, affinity: u64) {
        let Some(place) = self.places.remove(&affinity) else { return };
        let Session { before, after, .. } = self.sessions[place as usize];
        match self.sessions.get_mut(before as usize) {
            Some(session) => session.after = after,
            None => self.first = after,
        }
        match self.sessions.get_mut(after as usize) {
            Some(session) => session.before = before,
            None => self.last = before,
        }
        self.vacant.push(place);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_used_last_are_kept() {
        let id = |slot| EndpointId::new(slot, 0);
        let at = Duration::from_secs;
        let idle = at(10);
        let mut sessions = Sessions::default();
        for affinity in 0..3 {
            sessions.bind(affinity, id(affinity as u32), at(affinity), idle, 3);
        }
        sessions.bind(0, id(7), at(3), idle, 3);
        sessions.bind(9, id(9), at(4), idle, 3);
        let found = [0, 1, 2, 9].map(|affinity| sessions.get(affinity, at(5), idle));
        assert_eq!(found, [Some(id(7)), None, Some(id(2)), Some(id(9))]);
        assert_eq!(sessions.get(2, at(12), idle), None, "idle for ten seconds");
        sessions.bind(5, id(5), at(13), idle, 3);
        assert_eq!(sessions.len(), 2, "those used at 2 and at 3 are forgotten");
        assert_eq!(sessions.get(9, at(13), idle), Some(id(9)));
    }
}
