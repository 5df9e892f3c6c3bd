//! What a balancer writes.

use core::time::Duration;

use serde::Serialize;

use super::line::{Decide, Head, Id, Line, NAME, Said, VERSION, id};
use super::nanos;
use super::pair::{Legs, Place};
use crate::adapter::AdapterReading;
use crate::endpoint::{Endpoint, EndpointId};
use crate::evidence::{self, Held};
use crate::flights::Flights;
use crate::health::Breaker;
use crate::pair::PairPolicy;
use crate::policy::Policy;
use crate::pool::PoolId;
use crate::request::{Refusal, Request};
use crate::reservation::{Outcome, Reservation};
use crate::seed::Seed;
use crate::signals::Signals;

/// A recorder, if there is one. A clone has none: two that go on from one log would make no log.
#[derive(Debug, Default)]
pub(crate) struct Recording(Option<Box<Recorder>>);

#[derive(Debug)]
struct Recorder {
    bytes: Vec<u8>,
    limit: usize,
    /// Something was left out, and so is all that follows.
    left_out: bool,
    /// A line of a decision, kept for its memory.
    decide: Box<Decide>,
}

impl Clone for Recording {
    fn clone(&self) -> Self {
        Self(None)
    }
}

/// The number of a request that is open, 0 otherwise.
fn number(reservation: &Reservation, flights: &Flights) -> u64 {
    flights.get(reservation.flight, reservation.serial).map_or(0, |flight| flight.serial)
}

impl Recording {
    pub(crate) fn begin(&mut self, seed: Seed, max_age: Option<Duration>, breaker: Option<Breaker>, limit: usize) {
        let recorder = Recorder { bytes: Vec::new(), limit, left_out: false, decide: Box::default() };
        let recorder = self.0.insert(Box::new(recorder));
        recorder.write(&Head { log: NAME.to_owned(), version: VERSION, seed: seed.into() });
        if let Some(age) = max_age {
            self.max_age(age);
        }
        if breaker.is_some() {
            self.breaker(breaker.as_ref());
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether something could not be written: then nothing is any more.
    pub(crate) fn has_left_out(&self) -> bool {
        self.0.as_ref().is_some_and(|recorder| recorder.left_out)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |recorder| &recorder.bytes)
    }

    pub(crate) fn take(&mut self, out: &mut Vec<u8>) {
        if let Some(recorder) = &mut self.0 {
            out.append(&mut recorder.bytes);
        }
    }

    pub(crate) fn max_age(&mut self, age: Duration) {
        self.note(|| Some(Line::MaxAge { age: nanos(age)? }));
    }

    pub(crate) fn breaker(&mut self, breaker: Option<&Breaker>) {
        self.note(|| Some(Line::Breaker { breaker: breaker.copied() }));
    }

    pub(crate) fn policy(&mut self, pool: PoolId, policy: &Policy) {
        self.note(|| Some(Line::Policy { pool: pool.0, policy: policy.clone() }));
    }

    pub(crate) fn pool(&mut self, policy: &Policy) {
        self.note(|| Some(Line::Pool { policy: policy.clone() }));
    }

    pub(crate) fn join(&mut self, endpoint: EndpointId, of: &Endpoint) {
        self.note(|| {
            Some(Line::Join {
                endpoint: id(endpoint),
                seats: of.seats(),
                kv_tokens: of.kv_tokens(),
                prefill_token: nanos(of.prefill_token())?,
                decode_token: nanos(of.decode_token())?,
                labels: of.labels().bits(),
                context_tokens: of.context_tokens(),
                name: of.name_hash(),
                place: Place::of(of),
            })
        });
    }

    pub(crate) fn leave(&mut self, endpoint: EndpointId) {
        self.note(|| Some(Line::Leave { endpoint: id(endpoint) }));
    }

    pub(crate) fn enter(&mut self, pool: PoolId, endpoint: EndpointId) {
        self.note(|| Some(Line::Enter { pool: pool.0, endpoint: id(endpoint) }));
    }

    pub(crate) fn exit(&mut self, pool: PoolId, endpoint: EndpointId) {
        self.note(|| Some(Line::Exit { pool: pool.0, endpoint: id(endpoint) }));
    }

    pub(crate) fn signals(&mut self, endpoint: EndpointId, signals: &Signals) {
        let Signals { read, waiting, running, kv_used_ppm, ttft, tpot } = *signals;
        // A latency that a log cannot hold counts as the greatest that a balancer knows, and so does this.
        let latency = |time: Option<Duration>| time.map(|time| nanos(time).unwrap_or(u64::MAX));
        let (ttft, tpot) = (latency(ttft), latency(tpot));
        self.note(|| {
            Some(Line::Signals {
                endpoint: id(endpoint),
                read: nanos(read)?,
                waiting,
                running,
                kv_used_ppm,
                ttft,
                tpot,
            })
        });
    }

    pub(crate) fn adapters(&mut self, endpoint: EndpointId, reading: &AdapterReading<'_>) {
        self.note(|| {
            Some(Line::Adapters {
                endpoint: id(endpoint),
                read: nanos(reading.read)?,
                loaded: reading.loaded.iter().copied().map(u32::from).collect(),
                queued: reading.queued.iter().copied().map(u32::from).collect(),
                slots: reading.slots,
            })
        });
    }

    pub(crate) fn timeout(&mut self, now: Duration) {
        self.note(|| Some(Line::Timeout { now: nanos(now)? }));
    }

    /// Where a list was asked for, `others` are on it, of so many at the most.
    pub(crate) fn decide(
        &mut self,
        request: &Request<'_>,
        now: Duration,
        held: &Held,
        answer: Result<(EndpointId, u32, i64, u32), Refusal>,
        others: Option<(usize, &[EndpointId])>,
    ) {
        let said = answer.map_or_else(Said::from, |(endpoint, cached_tokens, cost, ties)| Said::Sent {
            endpoint: id(endpoint),
            cached_tokens,
            cost,
            ties,
        });
        let others = others
            .map(|(most, others)| (u32::try_from(most).unwrap_or(u32::MAX), others.iter().copied().map(id).collect()));
        self.answer(None, request, now, held, said, others);
    }

    pub(crate) fn pair(&mut self, policy: &PairPolicy) {
        self.note(|| Some(Line::Pair { policy: policy.clone() }));
    }

    /// `request` is what is asked of the pool of those who answer.
    pub(crate) fn decide_pair(
        &mut self,
        pair: u32,
        request: &Request<'_>,
        now: Duration,
        held: &Held,
        answer: Result<Legs, Refusal>,
    ) {
        self.answer(Some(pair), request, now, held, answer.map_or_else(Said::from, Said::Paired), None);
    }

    fn answer(
        &mut self,
        pair: Option<u32>,
        request: &Request<'_>,
        now: Duration,
        held: &Held,
        said: Said,
        others: Option<(u32, Vec<Id>)>,
    ) {
        let Some(recorder) = &mut self.0 else { return };
        let Some(now) = nanos(now) else { return recorder.leave_out() };
        let mut line = core::mem::take(&mut recorder.decide);
        (line.now, line.pool, line.key) = (now, request.pool.0, request.key);
        (line.prompt_tokens, line.block_tokens) = (request.prompt_tokens, request.block_tokens());
        line.affinity = request.affinity;
        line.others = others;
        line.adapter = request.adapter.map(u32::from);
        (line.labels, line.output_tokens) = (request.labels.bits(), request.output_tokens);
        // The longest time that a log can hold is as good as a longer one; none would be what the policy's targets say.
        let most = |time: Option<Duration>| time.map(|time| nanos(time).unwrap_or(u64::MAX));
        (line.ttft, line.tpot) = (most(request.slo.ttft), most(request.slo.tpot));
        line.held.clear();
        line.levels.clear();
        // Evidence is not looked at where there is no pool.
        if !matches!(said, Said::UnknownPool { .. } | Said::UnknownPair { .. }) {
            line.held.extend(held.pairs());
            let wide = evidence::wide(request.evidence);
            line.levels.extend(wide.map(|wide| (wide.tokens, wide.slots.to_vec())));
        }
        line.subset = request.subset.map(|subset| {
            let mut ids = line.subset.take().unwrap_or_default();
            ids.clear();
            ids.extend(subset.iter().copied().map(id));
            ids
        });
        line.excluded.clear();
        line.excluded.extend(request.excluded.iter().copied().map(id));
        line.answer = said;
        let line = match pair {
            None => Line::Decide(line),
            Some(pair) => Line::DecidePair { pair, asked: line },
        };
        recorder.write(&line);
        if let Line::Decide(line) | Line::DecidePair { asked: line, .. } = line {
            recorder.decide = line;
        }
    }

    pub(crate) fn adopt(&mut self, endpoint: EndpointId, tokens: (u32, u32), came: bool, now: Duration) {
        let (prompt_tokens, uncached_tokens) = tokens;
        self.note(|| {
            Some(Line::Adopt { endpoint: id(endpoint), prompt_tokens, uncached_tokens, came, now: nanos(now)? })
        });
    }

    pub(crate) fn first_token(&mut self, reservation: &Reservation, flights: &Flights, now: Duration) {
        self.note(|| Some(Line::FirstToken { of: number(reservation, flights), now: nanos(now)? }));
    }

    pub(crate) fn generated(&mut self, reservation: &Reservation, tokens: u32) {
        self.note(|| Some(Line::Generated { of: reservation.serial, tokens }));
    }

    pub(crate) fn settle(&mut self, reservation: &Reservation, flights: &Flights, outcome: Outcome, now: Duration) {
        self.note(|| {
            Some(Line::Settle { of: number(reservation, flights), outcome: outcome.into(), now: nanos(now)? })
        });
    }

    pub(crate) fn reclaim(&mut self, age: Duration, now: Duration) {
        // No flight is as old as what a log cannot hold: all times in it are less.
        self.note(|| Some(Line::Reclaim { age: nanos(age).unwrap_or(u64::MAX), now: nanos(now)? }));
    }

    fn note(&mut self, line: impl FnOnce() -> Option<Line>) {
        let Some(recorder) = &mut self.0 else { return };
        match line() {
            Some(line) => recorder.write(&line),
            None => recorder.leave_out(),
        }
    }
}

impl Recorder {
    fn write(&mut self, line: &impl Serialize) {
        if self.left_out {
            return;
        }
        let before = self.bytes.len();
        let written = serde_json::to_writer(&mut self.bytes, line);
        self.bytes.push(b'\n');
        if written.is_err() || self.bytes.len() > self.limit {
            self.bytes.truncate(before);
            self.leave_out();
        }
    }

    /// Ends the log.
    fn leave_out(&mut self) {
        if !self.left_out {
            self.left_out = true;
            self.bytes.extend_from_slice(b"{\"do\":\"left-out\"}\n");
        }
    }
}
