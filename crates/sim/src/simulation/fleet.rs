//! Engines, router and index of one run, and the order in which they act.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;

use phalanx_engine::{Engine, Event, EventKind, Rejection, Request as EngineRequest, RequestId};
use phalanx_kvcache::{ChainHasher, Change, FleetIndex, IndexConfig, Overlap, RankId};
use phalanx_routing::{EndpointId, Outcome, Request, Reservation, Router};

use super::{Simulation, TRACE_BLOCK};
use crate::report::Samples;
use crate::{Trace, TraceRequest};

/// The state of one run. Engine `i` has the endpoint and the rank at place `i`.
pub(super) struct Fleet {
    engines: Vec<Engine>,
    endpoints: Vec<EndpointId>,
    ranks: Vec<RankId>,
    router: Router,
    index: FleetIndex,
    /// (time, engine) at which an engine has something to do. An engine whose time has changed since is due at another
    /// entry as well: `due` tells which one counts.
    agenda: BinaryHeap<Reverse<(Duration, usize)>>,
    due: Vec<Option<Duration>>,
    /// By number of the request.
    flights: Vec<Flight>,
    samples: Samples,
    overlap: Overlap,
    held: Vec<(RankId, u32)>,
    evidence: Vec<(EndpointId, u32)>,
    events: Vec<Event>,
}

/// A request that was dispatched.
struct Flight {
    arrival: Duration,
    prompt_tokens: u32,
    first_token: Duration,
    /// Until it is settled.
    reservation: Option<Reservation>,
}

impl Fleet {
    pub(super) fn new(simulation: &Simulation, trace: &Trace) -> Self {
        let engines = simulation.engines.get();
        let mut router = Router::new(simulation.policy, simulation.seed);
        // Room for all that the engines can hold: the index leaves nothing out.
        let mut index = FleetIndex::with_config(IndexConfig::new().max_bytes(usize::MAX));
        Self {
            engines: (0..engines).map(|_| Engine::new(simulation.config.clone())).collect(),
            endpoints: (0..engines).map(|_| router.join()).collect(),
            ranks: (0..engines).map(|_| index.join()).collect(),
            router,
            index,
            agenda: BinaryHeap::new(),
            due: vec![None; engines as usize],
            flights: Vec::with_capacity(trace.len()),
            samples: Samples {
                first_arrival: trace.requests().first().map_or(Duration::ZERO, |request| request.at),
                ..Samples::default()
            },
            overlap: Overlap::new(),
            held: Vec::new(),
            evidence: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Lets everything happen that is due before `now`. What is due at `now` itself comes after the arrivals of then.
    pub(super) fn advance_before(&mut self, now: Duration) {
        while let Some(&Reverse((at, engine))) = self.agenda.peek()
            && at < now
        {
            self.agenda.pop();
            self.advance(engine, at);
        }
    }

    /// Decides where a request goes, and hands it in there.
    pub(super) fn dispatch(&mut self, request: &TraceRequest) {
        let number = self.flights.len() as u64;
        let (now, prompt_tokens) = (request.at, request.prompt_tokens);
        let full = TRACE_BLOCK.blocks_full(prompt_tokens) as usize;
        let blocks = ChainHasher::chain_ids(&request.blocks[..full]);
        self.index.overlap(&blocks, &mut self.overlap);
        self.evidence.clear();
        self.overlap.pairs_into(&mut self.held);
        let held = self.held.iter();
        self.evidence.extend(held.map(|&(rank, blocks)| (self.endpoints[rank.index()], blocks * TRACE_BLOCK.tokens())));

        let asked = Request {
            key: number,
            prompt_tokens,
            evidence: &self.evidence,
            candidates: &self.endpoints,
            excluded: &[],
        };
        let decision = self.router.decide(&asked, now).expect("the fleet has engines, in order");
        let engine = decision.endpoint.index();
        let submitted = self.engines[engine].submit(
            EngineRequest {
                id: RequestId(number),
                blocks,
                prompt_tokens,
                output_tokens: request.output_tokens,
                transferred: false,
            },
            now,
        );
        let reservation = match submitted {
            Ok(()) => Some(decision.reservation),
            Err(rejection) => {
                assert!(matches!(rejection, Rejection::TooLarge { .. }), "a trace's requests are sound: {rejection}");
                self.router.settle(decision.reservation, Outcome::Error, now);
                self.samples.rejected += 1;
                None
            }
        };
        self.flights.push(Flight { arrival: now, prompt_tokens, first_token: now, reservation });
        self.note_due(engine);
    }

    /// Runs until no engine has anything left to do.
    pub(super) fn finish(mut self) -> Samples {
        while let Some(Reverse((at, engine))) = self.agenda.pop() {
            self.advance(engine, at);
        }
        assert_eq!(self.router.outstanding(), 0, "every reservation is settled");
        self.samples
    }

    fn advance(&mut self, engine: usize, at: Duration) {
        if self.due[engine] != Some(at) {
            return;
        }
        self.due[engine] = None;
        let mut events = core::mem::take(&mut self.events);
        self.engines[engine].advance(at, &mut events);
        for event in events.drain(..) {
            self.observe(engine, event);
        }
        self.events = events;
        self.note_due(engine);
    }

    fn note_due(&mut self, engine: usize) {
        let due = self.engines[engine].next_timeout();
        if self.due[engine] != due {
            self.due[engine] = due;
            self.agenda.extend(due.map(|at| Reverse((at, engine))));
        }
    }

    /// Tells router, index and report what an engine did.
    fn observe(&mut self, engine: usize, Event { at, kind }: Event) {
        match kind {
            EventKind::Cache(event) => {
                let applied = self.index.apply(self.ranks[engine], Change::from(&event)).expect("the rank has joined");
                debug_assert_eq!(
                    (applied.unplaced, applied.left_out),
                    (0, 0),
                    "events come in order, and there is room"
                );
            }
            EventKind::FirstToken { id, .. } => {
                let flight = &mut self.flights[id.0 as usize];
                flight.first_token = at;
                let reservation = flight.reservation.as_mut().expect("a request in flight has load");
                self.router.first_token(reservation, at);
                self.samples.ttft.push(nanos(at - flight.arrival));
            }
            EventKind::Finished { id, cached_tokens, output_tokens } => {
                let flight = &mut self.flights[id.0 as usize];
                let reservation = flight.reservation.take().expect("a request in flight has load");
                self.router.settle(reservation, Outcome::Success, at);
                let samples = &mut self.samples;
                samples.e2e.push(nanos(at - flight.arrival));
                if output_tokens > 1 {
                    samples.tpot.push(nanos(at - flight.first_token) / u64::from(output_tokens - 1));
                }
                samples.prompt_tokens += u64::from(flight.prompt_tokens);
                samples.cached_tokens += u64::from(cached_tokens);
                samples.output_tokens += u64::from(output_tokens);
                samples.last_completion = samples.last_completion.max(at);
            }
            _ => {}
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
