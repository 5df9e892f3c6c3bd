//! Caches that tell nothing: what they hold is guessed from what their endpoints are sent.

use core::time::Duration;

use phalanx_kvcache::{
    Accuracy, ApproximateConfig, ApproximateLedger, BlockHash, Change, Expectation, FleetIndex, RankId,
};

use crate::reservation::Reservation;

/// A ledger for each endpoint that is guessed, and what the prompts under way were expected to find there.
#[derive(Clone, Debug, Default)]
pub(super) struct Guesses {
    /// By slot.
    ledgers: Vec<Option<Box<ApproximateLedger>>>,
    /// By the place of a flight, with its serial number.
    sent: Vec<Option<(u64, Expectation)>>,
    /// The slot whose ledger is looked at next for what is too old.
    next: usize,
}

impl Guesses {
    /// Guesses what a slot's endpoint holds, which is nothing as yet; or that it keeps another number of blocks.
    pub(super) fn begin(&mut self, rank: RankId, capacity: u32, config: ApproximateConfig, index: &mut FleetIndex) {
        if self.ledgers.len() <= rank.index() {
            self.ledgers.resize(rank.index() + 1, None);
        }
        let mut tell = |change: Change<'_>| apply(index, rank, change);
        match &mut self.ledgers[rank.index()] {
            Some(ledger) => ledger.set_capacity(capacity, tell),
            none => {
                tell(Change::Cleared);
                *none = Some(Box::new(ApproximateLedger::with_config(capacity, config)));
            }
        }
    }

    /// Blocks that a slot's endpoint is taken to keep, if it is guessed.
    pub(super) fn capacity(&self, slot: usize) -> Option<u32> {
        Some(self.ledgers.get(slot)?.as_ref()?.capacity_blocks())
    }

    /// Guesses no longer; says whether it did.
    pub(super) fn end(&mut self, slot: usize) -> bool {
        self.ledgers.get_mut(slot).is_some_and(|ledger| ledger.take().is_some())
    }

    /// A prompt was sent to an endpoint.
    pub(super) fn learn(
        &mut self,
        reservation: &Reservation,
        blocks: &[BlockHash],
        now: Duration,
        rank: RankId,
        index: &mut FleetIndex,
    ) {
        let Some(Some(ledger)) = self.ledgers.get_mut(rank.index()) else { return };
        let expected = ledger.learn(blocks, now, |change| apply(index, rank, change));
        let place = reservation.flight as usize;
        if self.sent.len() <= place {
            self.sent.resize(place + 1, None);
        }
        self.sent[place] = Some((reservation.serial, expected));
    }

    /// A prompt was not computed where it was sent.
    pub(super) fn retract(
        &mut self,
        reservation: &Reservation,
        blocks: &[BlockHash],
        rank: RankId,
        index: &mut FleetIndex,
    ) {
        let Some(Some(ledger)) = self.ledgers.get_mut(rank.index()) else { return };
        let sent = self.sent.get_mut(reservation.flight as usize);
        if let Some((_, expected)) = sent.and_then(|sent| sent.take_if(|(serial, _)| *serial == reservation.serial)) {
            ledger.retract(&expected, blocks, |change| apply(index, rank, change));
        }
    }

    /// An answer says how many blocks of its prompt had been there; says whether that was heeded.
    pub(super) fn report(
        &mut self,
        reservation: &Reservation,
        (blocks, cached): (&[BlockHash], u32),
        now: Duration,
        rank: RankId,
        index: &mut FleetIndex,
    ) -> bool {
        let Some(Some(ledger)) = self.ledgers.get_mut(rank.index()) else { return false };
        let sent = self.sent.get_mut(reservation.flight as usize);
        let sent = sent.and_then(|sent| sent.take_if(|(serial, _)| *serial == reservation.serial));
        if let Some((_, expected)) = &sent {
            ledger.report(expected, blocks, cached, now, |change| apply(index, rank, change));
        }
        sent.is_some()
    }

    /// How well what was guessed of a slot's endpoint agreed with its reports.
    pub(super) fn accuracy(&self, slot: usize) -> Option<Accuracy> {
        Some(self.ledgers.get(slot)?.as_ref()?.accuracy())
    }

    /// Lets one endpoint forget what is too old: a little with each decision, so that one which is sent nothing does so,
    /// too.
    pub(super) fn tend(&mut self, now: Duration, ranks: &[RankId], index: &mut FleetIndex) {
        self.next = if self.next + 1 < self.ledgers.len() { self.next + 1 } else { 0 };
        let Some(Some(ledger)) = self.ledgers.get_mut(self.next) else { return };
        if ledger.next_timeout().is_some_and(|due| due <= now) {
            let rank = ranks[self.next];
            ledger.handle_timeout(now, |change| apply(index, rank, change));
        }
    }
}

/// At the index's bound blocks are left out: then less is believed.
fn apply(index: &mut FleetIndex, rank: RankId, change: Change<'_>) {
    let _ = index.apply(rank, change);
}
