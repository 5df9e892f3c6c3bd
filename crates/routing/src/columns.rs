//! What is known of each endpoint, one column a fact.

use core::time::Duration;

use crate::endpoint::{Endpoint, EndpointId};
use crate::flights::Row;
use crate::health::Record;
use crate::load::{Load, Totals};
use crate::pace::Pace;
use crate::price::Means;
use crate::signals::Signals;
use crate::step::Step;

/// What stands for a signal that is not known.
pub(crate) const UNKNOWN: u32 = u32::MAX;
/// Counts above these count as these, so that no product of a few of them overflows.
pub(crate) const MOST_REQUESTS: u32 = (1 << 14) - 1;
const MOST_TOKENS: u64 = (1 << 40) - 1;

/// What prices are made from, side by side, since all of it is read and written together.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Account {
    pub(crate) load: Load,
    /// Prompts without a first token, and when the first of them had its turn.
    pub(crate) row: Row,
    /// Signals, [`UNKNOWN`] where they are.
    pub(crate) waiting: u32,
    pub(crate) running: u32,
    pub(crate) kv_used: u32,
    /// Requests of others that ran and that waited there when the signals were read: what the engine had beyond this
    /// router's own, in the proportion of all. Each less than 2^14; with one router they are nothing.
    pub(crate) others_running: u32,
    pub(crate) others_waiting: u32,
    pub(crate) head_since: Duration,
    pub(crate) pace: Pace,
    /// What was usual when its load last changed, or later.
    pub(crate) means: Means,
}

impl Account {
    fn new(endpoint: &Endpoint) -> Self {
        Self {
            load: Load::default(),
            row: Row::EMPTY,
            waiting: UNKNOWN,
            running: UNKNOWN,
            kv_used: UNKNOWN,
            others_running: 0,
            others_waiting: 0,
            head_since: Duration::ZERO,
            pace: Pace::expected(endpoint.prefill_token()),
            means: Means::default(),
        }
    }

    /// Finds the requests of others in what the engine says.
    fn note_others(&mut self) {
        let (running, waiting) = (self.running.min(MOST_REQUESTS), self.waiting.min(MOST_REQUESTS));
        let all = running + waiting;
        let is_known = self.running != UNKNOWN && self.waiting != UNKNOWN;
        let others = if is_known { all.saturating_sub(self.load.in_flight) } else { 0 };
        // Less than 2^29: 15 bits times 14.
        let part = |of: u32| (others * of).checked_div(all).unwrap_or(0);
        (self.others_running, self.others_waiting) = (part(running), part(waiting));
    }
}

/// A row a slot. A slot whose endpoint left stays until the next one joins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    generation: Vec<u32>,
    live: Vec<bool>,
    free: Vec<u32>,
    pub(crate) endpoint: Vec<Endpoint>,
    pub(crate) account: Vec<Account>,
    pub(crate) totals: Vec<Totals>,
    /// The number of the last decision that chose it; 0 when none did.
    pub(crate) turn: Vec<u64>,
    /// The same, of those that were sent there with nothing of the prompt held.
    pub(crate) cold_turn: Vec<u64>,
    pub(crate) step: Vec<Step>,
    /// Latencies in microseconds, [`UNKNOWN`] where they are.
    pub(crate) ttft: Vec<u32>,
    pub(crate) tpot: Vec<u32>,
    pub(crate) read: Vec<Option<Duration>>,
    pub(crate) record: Vec<Record>,
}

impl Columns {
    /// The slot for the next endpoint: the one that was left last, or a new one.
    pub(crate) fn vacant(&self) -> usize {
        self.free.last().map_or(self.live.len(), |slot| *slot as usize)
    }

    /// Gives a slot that is vacant to an endpoint.
    pub(crate) fn join(&mut self, at: usize, endpoint: Endpoint) -> Option<EndpointId> {
        if at < self.live.len() {
            let place = self.free.iter().rposition(|slot| *slot as usize == at)?;
            self.free.remove(place);
        }
        while self.live.len() <= at {
            let slot = u32::try_from(self.live.len()).expect("there are fewer than 2^32 endpoints");
            if (slot as usize) < at {
                self.free.push(slot);
            }
            self.push();
        }
        self.live[at] = true;
        self.endpoint[at] = endpoint;
        self.account[at] = Account::new(&endpoint);
        self.step[at] = Step::expected(endpoint.decode_token());
        Some(EndpointId::new(at as u32, self.generation[at]))
    }

    fn push(&mut self) {
        self.generation.push(0);
        self.live.push(false);
        self.endpoint.push(Endpoint::new());
        self.account.push(Account::new(&Endpoint::new()));
        self.totals.push(Totals::default());
        self.turn.push(0);
        self.cold_turn.push(0);
        self.step.push(Step::expected(Endpoint::new().decode_token()));
        self.ttft.push(UNKNOWN);
        self.tpot.push(UNKNOWN);
        self.read.push(None);
        self.record.push(Record::default());
    }

    pub(crate) fn leave(&mut self, id: EndpointId) -> bool {
        let Some(at) = self.at(id) else { return false };
        self.live[at] = false;
        self.account[at] = Account::new(&self.endpoint[at]);
        self.totals[at] = Totals::default();
        self.turn[at] = 0;
        self.cold_turn[at] = 0;
        self.record[at] = Record::default();
        self.forget_signals(at);
        // A slot that has used up its generations is given up, so that no id ever comes back.
        if let Some(next) = self.generation[at].checked_add(1) {
            self.generation[at] = next;
            self.free.push(at as u32);
        }
        true
    }

    /// The place of `id`, unless that endpoint left.
    pub(crate) fn at(&self, id: EndpointId) -> Option<usize> {
        let at = id.index();
        (at < self.live.len() && self.live[at] && self.generation[at] == id.generation()).then_some(at)
    }

    /// The endpoint that has a slot now.
    pub(crate) fn id(&self, at: usize) -> EndpointId {
        EndpointId::new(at as u32, self.generation[at])
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    pub(crate) fn is_live(&self, at: usize) -> bool {
        self.live[at]
    }

    pub(crate) fn set_signals(&mut self, at: usize, signals: &Signals) {
        let count = |value: Option<u32>| value.map_or(UNKNOWN, |value| value.min(UNKNOWN - 1));
        let micros = |time: Option<Duration>| {
            time.map_or(UNKNOWN, |time| u32::try_from(time.as_micros()).unwrap_or(UNKNOWN).min(UNKNOWN - 1))
        };
        self.account[at].waiting = count(signals.waiting);
        self.account[at].running = count(signals.running);
        self.account[at].kv_used = signals.kv_used_ppm.map_or(UNKNOWN, |used| used.min(1_000_000));
        self.ttft[at] = micros(signals.ttft);
        self.tpot[at] = micros(signals.tpot);
        self.read[at] = Some(signals.read);
        self.account[at].note_others();
    }

    pub(crate) fn forget_signals(&mut self, at: usize) {
        self.account[at].waiting = UNKNOWN;
        self.account[at].running = UNKNOWN;
        self.account[at].kv_used = UNKNOWN;
        self.ttft[at] = UNKNOWN;
        self.tpot[at] = UNKNOWN;
        self.read[at] = None;
        self.account[at].note_others();
    }

    /// Requests in flight, as far as they count.
    pub(crate) fn in_flight(&self, at: usize) -> i64 {
        self.account[at].load.in_flight.min(MOST_REQUESTS).into()
    }

    pub(crate) fn prefilling(&self, at: usize) -> i64 {
        self.account[at].load.prefilling.min(MOST_REQUESTS).into()
    }

    pub(crate) fn decoding(&self, at: usize) -> i64 {
        self.account[at].load.decoding().min(MOST_REQUESTS).into()
    }

    pub(crate) fn pending_tokens(&self, at: usize) -> i64 {
        self.account[at].load.pending_tokens.min(MOST_TOKENS) as i64
    }

    pub(crate) fn held_tokens(&self, at: usize) -> i64 {
        self.account[at].load.prompt_tokens.min(MOST_TOKENS) as i64
    }
}
