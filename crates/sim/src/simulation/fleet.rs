//! Engines, router and index of one run, and the order in which they act.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;

use phalanx_engine::{Engine, Event, EventKind, Rejection, Request as EngineRequest, RequestId};
use phalanx_kvcache::{ChainHasher, Change, IndexConfig};
use phalanx_routing::{Endpoint, EndpointId, Outcome, PoolId, Request, Reservation, Router, Signals};

use super::{Simulation, TRACE_BLOCK};
use crate::report::{GOOD_TPOT, GOOD_TTFT, Samples};
use crate::{Trace, TraceRequest};

/// The state of one run. Engine `i` has the endpoint at place `i`.
pub(super) struct Fleet {
    engines: Vec<Engine>,
    endpoints: Vec<EndpointId>,
    router: Router,
    pool: PoolId,
    /// (time, engine) at which an engine has something to do. An engine whose time has changed since is due at another
    /// entry as well: `due` tells which one counts.
    agenda: BinaryHeap<Reverse<(Duration, usize)>>,
    due: Vec<Option<Duration>>,
    /// By number of the request.
    flights: Vec<Flight>,
    samples: Samples,
    /// Recent times of each engine, as its metrics would show them.
    ttft: Vec<Recent>,
    tpot: Vec<Recent>,
    events: Vec<Event>,
}

/// A decayed mean in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Recent(Option<u64>);

impl Recent {
    fn note(&mut self, nanos: u64) {
        self.0 = Some(self.0.map_or(nanos, |mean| mean - mean / 8 + nanos / 8));
    }

    fn get(self) -> Option<Duration> {
        self.0.map(Duration::from_nanos)
    }
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
        // Room for all that the engines can hold: the index leaves nothing out.
        let config = IndexConfig::new().max_bytes(usize::MAX);
        let mut router = Router::new(TRACE_BLOCK, simulation.seed).with_index(config);
        let pool = router.balancer_mut().add_pool(simulation.policy.clone());
        let config = &simulation.config;
        let endpoint = Endpoint::new()
            .with_seats(config.max_sequences())
            .with_kv_tokens(config.kv_tokens())
            .with_prefill_token(config.step_time().prefill_token());
        let endpoints: Vec<_> = (0..engines).map(|_| router.join(endpoint)).collect();
        for &endpoint in &endpoints {
            router.balancer_mut().enter(pool, endpoint);
        }
        Self {
            engines: (0..engines).map(|_| Engine::new(simulation.config.clone())).collect(),
            endpoints,
            router,
            pool,
            agenda: BinaryHeap::new(),
            due: vec![None; engines as usize],
            flights: Vec::with_capacity(trace.len()),
            samples: Samples {
                first_arrival: trace.requests().first().map_or(Duration::ZERO, |request| request.at),
                ..Samples::default()
            },
            ttft: vec![Recent::default(); engines as usize],
            tpot: vec![Recent::default(); engines as usize],
            events: Vec::new(),
        }
    }

    /// Tells the router what idle engines show, before the first request.
    pub(super) fn open(&mut self) {
        for engine in 0..self.engines.len() {
            self.report(engine, self.samples.first_arrival);
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
        let asked = Request::new(self.pool, number, prompt_tokens);
        let Ok(decision) = self.router.decide(&asked, &blocks, now) else {
            // A filter of the policy left nobody: the client is told so.
            self.samples.rejected += 1;
            self.flights.push(Flight { arrival: now, prompt_tokens, first_token: now, reservation: None });
            return;
        };
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
                let _ = self.router.settle(decision.reservation, Outcome::Error, now);
                self.samples.rejected += 1;
                None
            }
        };
        self.flights.push(Flight { arrival: now, prompt_tokens, first_token: now, reservation });
        self.report(engine, now);
        self.note_due(engine);
    }

    /// Runs until no engine has anything left to do.
    pub(super) fn finish(mut self) -> Samples {
        while let Some(Reverse((at, engine))) = self.agenda.pop() {
            self.advance(engine, at);
        }
        assert_eq!(self.router.balancer().outstanding(), 0, "every reservation is settled");
        self.samples
    }

    fn advance(&mut self, engine: usize, at: Duration) {
        if self.due[engine] != Some(at) {
            return;
        }
        self.due[engine] = None;
        let mut events = core::mem::take(&mut self.events);
        self.engines[engine].advance(at, &mut events);
        self.report(engine, at);
        for event in events.drain(..) {
            self.observe(engine, event);
        }
        self.events = events;
        self.note_due(engine);
    }

    /// Tells the router what the engine's metrics would show.
    fn report(&mut self, engine: usize, at: Duration) {
        let load = self.engines[engine].load();
        let used = u64::from(load.kv_used_blocks) * 1_000_000 / u64::from(load.kv_blocks.max(1));
        let signals = Signals {
            waiting: Some(load.waiting),
            running: Some(load.running),
            kv_used_ppm: Some(used as u32),
            ttft: self.ttft[engine].get(),
            tpot: self.tpot[engine].get(),
            ..Signals::unknown(at)
        };
        self.router.balancer_mut().signals(self.endpoints[engine], signals);
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
                let applied =
                    self.router.apply(self.endpoints[engine], Change::from(&event)).expect("the rank has joined");
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
                self.ttft[engine].note(nanos(at - flight.arrival));
            }
            EventKind::Finished { id, cached_tokens, output_tokens } => {
                let flight = &mut self.flights[id.0 as usize];
                let reservation = flight.reservation.take().expect("a request in flight has load");
                self.router.balancer_mut().generated(&reservation, output_tokens);
                let _ = self.router.settle(reservation, Outcome::Success, at);
                let samples = &mut self.samples;
                samples.e2e.push(nanos(at - flight.arrival));
                let mut tpot = None;
                if output_tokens > 1 {
                    let each = nanos(at - flight.first_token) / u64::from(output_tokens - 1);
                    samples.tpot.push(each);
                    self.tpot[engine].note(each);
                    tpot = Some(each);
                }
                let ttft = nanos(flight.first_token - flight.arrival);
                samples.good += u64::from(ttft <= GOOD_TTFT && tpot.is_none_or(|tpot| tpot <= GOOD_TPOT));
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
