//! What one gateway hands to another of its index.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use phalanx_kvcache::feed::Cursor;
use phalanx_routing::EndpointId;
use serde::{Deserialize, Serialize};

use super::Fleet;
use super::fleet::Place;

/// What goes with an endpoint's entries: whose they are, and how far its events were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) models: BTreeSet<String>,
    pub(super) cursor: Cursor,
}

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    name: String,
    address: SocketAddr,
    models: BTreeSet<String>,
    next: u64,
    last: u64,
    whole: bool,
}

impl Tag {
    /// None of entries that are of no one moment.
    fn of(place: &Place) -> Option<Vec<u8>> {
        let (of, Cursor { next, last, whole }) = (&place.member.endpoint, place.cursor?);
        let models = place.member.models().clone();
        let written = Written { name: of.name.clone(), address: of.address, models, next, last, whole };
        serde_json::to_vec(&written).ok()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let Written { name, address, models, next, last, whole } = serde_json::from_slice(bytes).ok()?;
        Some(Self { name, address, models, cursor: Cursor { next, last, whole } })
    }
}

impl Fleet {
    /// All that the index holds, for a peer. Decisions wait meanwhile: some 20 ns a block.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let state = self.lock();
        let tag = |rank: phalanx_kvcache::RankId| {
            let place = state.places.get(rank.index()).and_then(Option::as_ref);
            place.and_then(Tag::of).unwrap_or_default()
        };
        let mut bytes = Vec::new();
        state.router.index().snapshot(tag, &mut bytes);
        bytes
    }

    /// Notes where the events of an endpoint stand that the index has.
    pub(crate) fn note_cursor(&self, id: EndpointId, cursor: Option<Cursor>) {
        if let Some(place) = self.lock().place_mut(id) {
            place.cursor = cursor;
        }
    }

    /// Where they stand.
    pub(crate) fn cursor(&self, id: EndpointId) -> Option<Cursor> {
        self.lock().place(id)?.cursor
    }
}
