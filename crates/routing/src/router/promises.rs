//! Prompts under way: what endpoints will hold soon.

use phalanx_kvcache::BlockHash;

use crate::endpoint::EndpointId;
use crate::reservation::Reservation;

/// Lists of blocks that are kept for the next prompts.
const SPARE: usize = 4096;
/// Blocks that are compared at once.
const AT_ONCE: usize = 8;

/// Prompts without a first token, in the order of their blocks: those that begin alike stand together.
///
/// A prompt that comes or goes costs a search among them, and so does a question, with a step for each that begins alike.
#[derive(Clone, Debug)]
pub(super) struct Promises {
    /// By the place of the flight.
    prompts: Vec<Prompt>,
    order: Vec<Entry>,
    /// Blocks of all prompts, and how many they may be.
    blocks: usize,
    limit: usize,
    spare: Vec<Vec<BlockHash>>,
}

#[derive(Clone, Debug, Default)]
struct Prompt {
    /// That of the flight; 0 if there is none.
    serial: u64,
    blocks: Vec<BlockHash>,
}

/// A place in the order.
#[derive(Clone, Copy, Debug)]
struct Entry {
    flight: u32,
    /// Blocks that it has in common with the one before.
    alike: u32,
    endpoint: EndpointId,
}

impl Promises {
    /// None yet, and never more than so many bytes of blocks.
    pub(super) fn new(bytes: usize) -> Self {
        let limit = bytes / size_of::<BlockHash>();
        Self { prompts: Vec::new(), order: Vec::new(), blocks: 0, limit, spare: Vec::new() }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Promises the blocks of a prompt to the endpoint of its reservation: its first ones if all would pass the limit.
    pub(super) fn make(&mut self, reservation: &Reservation, blocks: &[BlockHash]) {
        let (flight, place) = (reservation.flight, reservation.flight as usize);
        if self.prompts.len() <= place {
            self.prompts.resize_with(place + 1, Prompt::default);
        }
        // What had the place before was taken back.
        self.take(flight);
        let blocks = &blocks[..blocks.len().min(self.limit - self.blocks)];
        if blocks.is_empty() {
            return;
        }
        let at = self.search(blocks, flight);
        let before = at.checked_sub(1).map_or(0, |at| common(self.path(at), blocks, 0));
        if at < self.order.len() {
            let behind = common(self.path(at), blocks, 0);
            self.order[at].alike = behind as u32;
        }
        self.order.insert(at, Entry { flight, alike: before as u32, endpoint: reservation.endpoint });
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.extend_from_slice(blocks);
        self.blocks += kept.len();
        self.prompts[place] = Prompt { serial: reservation.serial, blocks: kept };
    }

    /// The blocks that were promised with a reservation, unless they came.
    pub(super) fn blocks(&self, reservation: &Reservation) -> &[BlockHash] {
        let prompt = self.prompts.get(reservation.flight as usize);
        prompt.filter(|prompt| prompt.serial == reservation.serial).map_or(&[], |prompt| &prompt.blocks)
    }

    /// Takes back what was promised with a reservation.
    pub(super) fn end(&mut self, reservation: &Reservation) {
        let prompt = self.prompts.get(reservation.flight as usize);
        if prompt.is_some_and(|prompt| prompt.serial == reservation.serial) {
            self.take(reservation.flight);
        }
    }

    /// Takes back what was promised to an endpoint, after a look at every prompt.
    pub(super) fn leave(&mut self, endpoint: EndpointId) {
        let mut at = 0;
        while let Some(entry) = self.order.get(at) {
            // The next one takes the place of one that goes.
            if entry.endpoint == endpoint {
                self.take(entry.flight);
            } else {
                at += 1;
            }
        }
    }

    fn take(&mut self, flight: u32) {
        let prompt = &self.prompts[flight as usize];
        if prompt.serial == 0 {
            return;
        }
        let at = self.search(&prompt.blocks, flight);
        let gone = self.order.remove(at);
        if let Some(next) = self.order.get_mut(at) {
            next.alike = next.alike.min(gone.alike);
        }
        let mut blocks = core::mem::take(&mut self.prompts[flight as usize]).blocks;
        self.blocks -= blocks.len();
        blocks.clear();
        if self.spare.len() < SPARE {
            self.spare.push(blocks);
        }
    }

    /// Fills `found` with the endpoints to which more than `above` of a prompt's first blocks are promised, and how many;
    /// an endpoint as often as there are prompts.
    pub(super) fn ask(&self, blocks: &[BlockHash], above: u32, found: &mut Vec<(EndpointId, u32)>) {
        found.clear();
        let at = self.search(blocks, 0);
        let shared = |at: usize| common(self.path(at), blocks, 0) as u32;
        let (before, behind) = self.order.split_at(at);
        let mut alike = if behind.is_empty() { 0 } else { shared(at) };
        for (place, entry) in behind.iter().enumerate() {
            alike = if place == 0 { alike } else { alike.min(entry.alike) };
            if alike <= above {
                break;
            }
            found.push((entry.endpoint, alike));
        }
        let mut alike = if before.is_empty() { 0 } else { shared(at - 1) };
        for entry in before.iter().rev() {
            if alike <= above {
                break;
            }
            found.push((entry.endpoint, alike));
            alike = alike.min(entry.alike);
        }
    }

    fn path(&self, at: usize) -> &[BlockHash] {
        &self.prompts[self.order[at].flight as usize].blocks
    }

    /// Where a prompt stands, or would.
    fn search(&self, blocks: &[BlockHash], flight: u32) -> usize {
        let (mut low, mut high) = (0, self.order.len());
        // What it has in common with those that stand there: all between them have as much.
        let (mut at_low, mut at_high) = (0, 0);
        while low < high {
            let middle = usize::midpoint(low, high);
            let other = self.path(middle);
            let alike = common(other, blocks, at_low.min(at_high));
            let is_before = match (other.get(alike), blocks.get(alike)) {
                (Some(other), Some(own)) => other.0 < own.0,
                (None, None) => self.order[middle].flight < flight,
                (other, _) => other.is_none(),
            };
            if is_before {
                (low, at_low) = (middle + 1, alike);
            } else {
                (high, at_high) = (middle, alike);
            }
        }
        low
    }
}

/// How many blocks two prompts have in common, where so many are known to be.
fn common(one: &[BlockHash], other: &[BlockHash], known: usize) -> usize {
    let len = one.len().min(other.len());
    let mut at = known;
    while at + AT_ONCE <= len && one[at..at + AT_ONCE] == other[at..at + AT_ONCE] {
        at += AT_ONCE;
    }
    at + one[at..len].iter().zip(&other[at..len]).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn blocks() -> impl Strategy<Value = Vec<BlockHash>> {
        vec(0..3_u64, 0..24).prop_map(|blocks| blocks.into_iter().map(|block| BlockHash(block / 2)).collect())
    }

    fn reservation(flight: u32, serial: u64) -> Reservation {
        Reservation { endpoint: EndpointId::new(flight % 5, 0), flight, serial, prefilling: true }
    }

    proptest! {
        #[test]
        fn questions_are_answered_as_by_a_look_at_each(
            steps in vec((0..12_u32, proptest::option::weighted(0.7, blocks()), any::<bool>()), 1..60),
            asked in blocks(),
            above in 0..6_u32,
            limit in prop_oneof![Just(usize::MAX), 0..100_usize],
        ) {
            let mut promises = Promises::new(limit.saturating_mul(8));
            let mut naive: Vec<Option<(Reservation, Vec<BlockHash>)>> = (0..12).map(|_| None).collect();
            for ((flight, blocks, is_late), serial) in steps.into_iter().zip(1..) {
                let place = flight as usize;
                match blocks {
                    Some(blocks) => {
                        naive[place] = None;
                        let used: usize = naive.iter().flatten().map(|(_, blocks)| blocks.len()).sum();
                        promises.make(&reservation(flight, serial), &blocks);
                        let fits = blocks[..blocks.len().min(promises.limit - used)].to_vec();
                        naive[place] = Some((reservation(flight, serial), fits));
                    }
                    // One that was settled late takes nothing from who has its place.
                    None if is_late => promises.end(&reservation(flight, serial)),
                    None => {
                        if let Some((own, _)) = naive[place].take() {
                            promises.end(&own);
                        }
                    }
                }
                let all = || naive.iter().flatten().filter(|(_, blocks)| !blocks.is_empty());
                prop_assert_eq!(promises.len(), all().count());
                let mut found = Vec::new();
                promises.ask(&asked, above, &mut found);
                let mut expected: Vec<_> = all()
                    .map(|(of, blocks)| (of.endpoint, common(blocks, &asked, 0) as u32))
                    .filter(|(_, alike)| *alike > above)
                    .collect();
                found.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
            let gone = EndpointId::new(1, 0);
            promises.leave(gone);
            prop_assert!(promises.order.iter().all(|entry| entry.endpoint != gone));
            for (own, _) in naive.iter().flatten() {
                promises.end(own);
            }
            prop_assert_eq!((promises.len(), promises.blocks), (0, 0));
        }
    }
}
