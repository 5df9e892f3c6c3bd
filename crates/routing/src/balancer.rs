//! Load, policies and seed together: which endpoint a request goes to.

mod adapters;
mod batch;
mod book;
mod change;
mod choose;
mod clock;
mod compare;
mod draw;
mod explain;
mod few;
mod fit;
mod health;
mod layers;
mod list;
mod look;
mod narrow;
mod pair;
mod recording;
mod refresh;
mod timely;
mod usual;
mod weigh;

use core::time::Duration;
use std::collections::VecDeque;

use self::choose::Scratch;
use self::health::Watch;
use self::pair::Pairing;
use self::usual::Usual;
use crate::adapter::{Adapters, Sought};
use crate::columns::Columns;
use crate::endpoint::{Endpoint, EndpointId};
use crate::flights::Flights;
use crate::kinds::Kinds;
use crate::log::Recording;
use crate::pair::{Classes, PairPolicy};
use crate::policy::{Policy, Unknown};
use crate::pool::{Pool, PoolId};
use crate::price::Known;
use crate::request::{Decision, Refusal, Request};
use crate::reservation::{Outcome, Reservation, Settled};
use crate::seed::Seed;
use crate::signals::Signals;

/// Decides where requests go, and owns the load that comes from it.
///
/// Endpoints join once and enter pools; each pool has a policy. A decision counts its load at once and hands out a
/// [`Reservation`], which has to be settled on every path. All state is here: a clone makes the same decisions.
///
/// Times are since an epoch of the caller's, the same in every call. A time before the latest one that was given counts
/// as that one.
#[derive(Clone, Debug)]
pub struct Balancer {
    seed: Seed,
    columns: Columns,
    flights: Flights,
    pools: Vec<Pool>,
    /// By slot, the pools that its endpoint is in.
    pools_of: Vec<Vec<u32>>,
    decisions: u64,
    usual: Usual,
    /// The first time that was given, and the latest one since then.
    origin: Option<Duration>,
    elapsed: Duration,
    max_age: Option<Duration>,
    /// Readings by time, for when they are too old.
    readings: VecDeque<(Duration, EndpointId)>,
    adapters: Adapters,
    kinds: Kinds,
    watch: Watch,
    scratch: Scratch,
    classes: Classes,
    pairs: Vec<PairPolicy>,
    pairing: Pairing,
    recording: Recording,
}

impl Balancer {
    /// A balancer without endpoints or pools.
    ///
    /// ```
    /// use phalanx_routing::{Balancer, Seed};
    ///
    /// assert_eq!(Balancer::new(Seed::from(0)).outstanding(), 0);
    /// ```
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            columns: Columns::default(),
            flights: Flights::default(),
            pools: Vec::new(),
            pools_of: Vec::new(),
            decisions: 0,
            usual: Usual::default(),
            origin: None,
            elapsed: Duration::ZERO,
            max_age: None,
            readings: VecDeque::new(),
            adapters: Adapters::default(),
            kinds: Kinds::default(),
            watch: Watch::default(),
            scratch: Scratch::default(),
            classes: Classes::default(),
            pairs: Vec::new(),
            pairing: Pairing::default(),
            recording: Recording::default(),
        }
    }

    /// Takes signals, and what was said of adapters, that were read longer ago than this for unknown. Without it they hold until the next ones.
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.set_max_age(age);
        self
    }

    /// With another age from now on. What was read while there was none holds until the next reading.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Seed, Signals};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// balancer.set_max_age(Duration::from_secs(5));
    /// let endpoint = balancer.join(Endpoint::new());
    /// balancer.signals(endpoint, Signals { waiting: Some(3), ..Signals::unknown(Duration::from_secs(1)) });
    /// balancer.set_max_age(Duration::from_secs(9));
    /// assert_eq!(balancer.next_timeout(), Some(Duration::from_secs(10)));
    /// ```
    pub fn set_max_age(&mut self, age: Duration) {
        if self.max_age == Some(age) {
            return;
        }
        self.max_age = Some(age);
        self.recording.max_age(age);
    }

    /// A new pool without endpoints.
    ///
    /// ```
    /// use phalanx_routing::{Balancer, Policy, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let pool = balancer.add_pool(Policy::phalanx());
    /// assert_eq!(balancer.policy(pool).map(Policy::name), Some("phalanx"));
    /// ```
    pub fn add_pool(&mut self, policy: Policy) -> PoolId {
        self.recording.pool(&policy);
        self.pools.push(Pool::new(policy));
        PoolId(u32::try_from(self.pools.len() - 1).expect("there are fewer than 2^32 pools"))
    }

    /// A new endpoint without load, in no pool yet. The slot of one that left is used again.
    ///
    /// ```
    /// use phalanx_routing::{Balancer, Endpoint, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let ids = [Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
    /// assert_eq!(ids.map(|id| id.index()), [0, 1]);
    /// ```
    pub fn join(&mut self, endpoint: Endpoint) -> EndpointId {
        self.join_at(self.columns.vacant(), endpoint).expect("the slot is vacant")
    }

    /// A new endpoint in a slot of the caller's choice, such as the number of its rank in a fleet index. `None` if the slot
    /// is taken, or its ids are used up.
    ///
    /// ```
    /// use phalanx_routing::{Balancer, Endpoint, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// assert_eq!(balancer.join_at(5, Endpoint::new()).map(|id| id.index()), Some(5));
    /// assert_eq!(balancer.join_at(5, Endpoint::new()), None);
    /// ```
    pub fn join_at(&mut self, slot: usize, endpoint: Endpoint) -> Option<EndpointId> {
        let id = self.columns.join(slot, endpoint)?;
        self.columns.account[slot].means = self.usual.means();
        self.columns.account[slot].pace.follow(self.usual.pace());
        self.classes.join(slot, &endpoint);
        self.kinds.join(slot, &endpoint);
        if self.pools_of.len() < self.columns.len() {
            self.pools_of.resize(self.columns.len(), Vec::new());
        }
        self.recording.join(id, &endpoint);
        Some(id)
    }

    /// Takes an endpoint out of all pools and for good: it is not chosen again, and reservations that name it settle
    /// without effect on the slot's next tenant. `false` when it had left already.
    ///
    /// ```
    /// use phalanx_routing::{Balancer, Endpoint, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let endpoint = balancer.join(Endpoint::new());
    /// assert!(balancer.leave(endpoint));
    /// assert!(!balancer.leave(endpoint));
    /// ```
    pub fn leave(&mut self, endpoint: EndpointId) -> bool {
        let Some(at) = self.columns.at(endpoint) else { return false };
        for pool in core::mem::take(&mut self.pools_of[at]) {
            self.set_member(PoolId(pool), endpoint, false);
        }
        self.classes.leave(at);
        self.kinds.leave(at, &self.columns.endpoint[at]);
        self.adapters.leave(at);
        self.forget_outcomes(at);
        self.recording.leave(endpoint);
        self.columns.leave(endpoint)
    }

    /// Puts an endpoint into a pool. `false` when it was there, or one of them does not exist.
    ///
    /// ```
    /// use phalanx_routing::{Balancer, Endpoint, Policy, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let (pool, endpoint) = (balancer.add_pool(Policy::phalanx()), balancer.join(Endpoint::new()));
    /// assert!(balancer.enter(pool, endpoint));
    /// assert!(!balancer.enter(pool, endpoint));
    /// ```
    pub fn enter(&mut self, pool: PoolId, endpoint: EndpointId) -> bool {
        let entered = self.set_member(pool, endpoint, true);
        if entered {
            self.recording.enter(pool, endpoint);
        }
        entered
    }

    /// Takes an endpoint out of a pool; what it has in flight stays counted. `false` when it was not there.
    pub fn exit(&mut self, pool: PoolId, endpoint: EndpointId) -> bool {
        let left = self.set_member(pool, endpoint, false);
        if left {
            self.recording.exit(pool, endpoint);
        }
        left
    }

    fn set_member(&mut self, id: PoolId, endpoint: EndpointId, member: bool) -> bool {
        let (Some(at), Some(pool)) = (self.columns.at(endpoint), self.pools.get_mut(id.index())) else { return false };
        if !pool.set(endpoint, self.columns.endpoint[at].name_hash(), member) {
            return false;
        }
        let out = u32::from(!self.columns.record[at].is_in());
        if member {
            self.pools_of[at].push(id.0);
            pool.out += out;
        } else {
            self.pools_of[at].retain(|of| *of != id.0);
            pool.out -= out;
        }
        self.refresh_in(id.index(), at);
        true
    }

    /// Notes what an engine reported. An older reading than the last one is passed over; `false` then, and for an endpoint
    /// that left.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Seed, Signals};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let endpoint = balancer.join(Endpoint::new());
    /// let at = |seconds| Signals { waiting: Some(3), ..Signals::unknown(Duration::from_secs(seconds)) };
    /// assert!(balancer.signals(endpoint, at(5)));
    /// assert!(!balancer.signals(endpoint, at(4)));
    /// ```
    pub fn signals(&mut self, endpoint: EndpointId, signals: Signals) -> bool {
        let Some(at) = self.columns.at(endpoint) else { return false };
        if self.columns.read[at].is_some_and(|last| last > signals.read) {
            return false;
        }
        self.recording.signals(endpoint, &signals);
        self.columns.set_signals(at, &signals);
        if self.max_age.is_some() {
            // Nearly always the latest; the queue stays in order.
            let place = self.readings.partition_point(|(read, _)| *read <= signals.read);
            self.readings.insert(place, (signals.read, endpoint));
        }
        self.refresh(at);
        true
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.next_stale().into_iter().chain(self.next_trial()).chain(self.adapters_due()).min()
    }

    /// When the oldest reading is too old.
    fn next_stale(&self) -> Option<Duration> {
        let (read, _) = self.readings.front()?;
        Some(read.saturating_add(self.max_age?))
    }

    /// Forgets signals, and readings of adapters, that are too old by now, and puts those on trial whose pause has ended. A
    /// decision does so first, too.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Seed, Signals};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0)).with_max_age(Duration::from_secs(5));
    /// let endpoint = balancer.join(Endpoint::new());
    /// balancer.signals(endpoint, Signals { waiting: Some(3), ..Signals::unknown(Duration::from_secs(1)) });
    /// assert_eq!(balancer.next_timeout(), Some(Duration::from_secs(6)));
    /// balancer.handle_timeout(Duration::from_secs(6));
    /// assert_eq!(balancer.next_timeout(), None);
    /// ```
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.next_timeout().is_some_and(|due| due <= now) {
            self.recording.timeout(now);
            self.forget(now);
        }
    }

    fn forget(&mut self, now: Duration) {
        self.try_out(now);
        self.forget_adapters(now);
        while let Some(due) = self.next_stale()
            && due <= now
        {
            let Some((read, endpoint)) = self.readings.pop_front() else { return };
            if let Some(at) = self.columns.at(endpoint)
                && self.columns.read[at] == Some(read)
            {
                self.columns.forget_signals(at);
                self.refresh(at);
            }
        }
    }

    /// Chooses an endpoint for `request` and counts its load there at once.
    ///
    /// Under a policy whose cost of an endpoint depends on nothing but that endpoint, the time grows with what is known of
    /// the prompt and with the logarithm of the pool; otherwise, and among a subset, with the number of candidates.
    /// Allocates nothing once the buffers are warm.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when no candidate is left; nothing is counted then.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Policy, Refusal, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let pool = balancer.add_pool(Policy::phalanx());
    /// let fleet = [Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
    /// fleet.map(|endpoint| balancer.enter(pool, endpoint));
    ///
    /// let request = Request::new(pool, 1, 1000);
    /// let decision = balancer.decide(&request.with_excluded(&fleet[..1]), Duration::ZERO)?;
    /// assert_eq!(decision.endpoint, fleet[1]);
    ///
    /// let refused = balancer.decide(&request.with_excluded(&fleet), Duration::ZERO);
    /// assert_eq!(refused, Err(Refusal::AllExcluded { candidates: 2 }));
    /// # let _ = decision;
    /// # Ok::<(), Refusal>(())
    /// ```
    pub fn decide(&mut self, request: &Request<'_>, now: Duration) -> Result<Decision, Refusal> {
        let elapsed = self.advance(now);
        self.settle_scores(request.pool);
        let mut scratch = core::mem::take(&mut self.scratch);
        let choice = self.choose(request, elapsed, &mut scratch);
        if self.recording.is_on() {
            self.record_choice(request, now, &choice, &scratch.held, None);
        }
        self.scratch = scratch;
        Ok(self.book_choice(request, choice?))
    }

    /// Notes that the first token of the answer came: the prompt is computed, and its tokens wait no longer. Teaches the
    /// endpoint's pace. Does nothing the second time.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let (pool, endpoint) = (balancer.add_pool(Policy::phalanx()), balancer.join(Endpoint::new()));
    /// balancer.enter(pool, endpoint);
    /// let mut reservation = balancer.decide(&Request::new(pool, 1, 10), Duration::ZERO)?.reservation;
    /// assert_eq!(balancer.load(endpoint).pending_tokens, 10);
    /// balancer.first_token(&mut reservation, Duration::from_millis(5));
    /// assert_eq!((balancer.load(endpoint).pending_tokens, balancer.load(endpoint).decoding()), (0, 1));
    /// # let _ = reservation;
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    pub fn first_token(&mut self, reservation: &mut Reservation, now: Duration) {
        self.advance(now);
        self.recording.first_token(reservation, &self.flights, now);
        if core::mem::take(&mut reservation.prefilling)
            && let Some(at) = self.end_prefill(reservation.flight, reservation.serial, true)
        {
            self.refresh(at);
        }
    }

    /// Notes how many tokens an answer had, for what answers are usually like, and for what a token of them takes there.
    pub fn generated(&mut self, reservation: &Reservation, tokens: u32) {
        if self.is_open(reservation) {
            self.recording.generated(reservation, tokens);
            self.flights.set_generated(reservation.flight, tokens);
            self.note_output(tokens);
        }
    }

    /// Takes back the load of a request that ended, whether its first token came or not, and tells how long it took.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Outcome, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let (pool, endpoint) = (balancer.add_pool(Policy::phalanx()), balancer.join(Endpoint::new()));
    /// balancer.enter(pool, endpoint);
    /// let reservation = balancer.decide(&Request::new(pool, 1, 10), Duration::from_secs(3))?.reservation;
    /// let settled = balancer.settle(reservation, Outcome::ClientGone, Duration::from_secs(4));
    /// assert_eq!(settled.total, Duration::from_secs(1));
    /// assert_eq!((balancer.load(endpoint).in_flight, balancer.totals(endpoint).client_gone), (0, 1));
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "a reservation is settled once")]
    pub fn settle(&mut self, reservation: Reservation, outcome: Outcome, now: Duration) -> Settled {
        self.advance(now);
        self.recording.settle(&reservation, &self.flights, outcome, now);
        self.end(reservation.flight, reservation.serial, outcome)
    }

    /// Settles, as [`Outcome::Cut`], what was decided `age` ago or earlier: reservations that were lost. Says how many.
    /// Settling one of them later has no effect. Linear in the requests in flight.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let (pool, endpoint) = (balancer.add_pool(Policy::phalanx()), balancer.join(Endpoint::new()));
    /// balancer.enter(pool, endpoint);
    /// core::mem::forget(balancer.decide(&Request::new(pool, 1, 10), Duration::ZERO)?);
    /// assert_eq!(balancer.reclaim(Duration::from_secs(600), Duration::from_secs(3600)), 1);
    /// assert_eq!(balancer.outstanding(), 0);
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    pub fn reclaim(&mut self, age: Duration, now: Duration) -> usize {
        self.advance(now);
        self.recording.reclaim(age, now);
        let old = |(place, flight): (u32, &crate::flights::Flight)| {
            (self.elapsed.saturating_sub(flight.decided) >= age).then_some((place, flight.serial))
        };
        let lost: Vec<_> = self.flights.iter().filter_map(old).collect();
        for &(place, serial) in &lost {
            self.end(place, serial, Outcome::Cut);
        }
        lost.len()
    }

    fn known(&self, policy: &Policy) -> Known<'_> {
        self.known_as(policy.unknown())
    }

    fn known_as(&self, unknown: Unknown) -> Known<'_> {
        let sought = Sought::NOTHING;
        Known { columns: &self.columns, unknown, sought }
    }

    /// With the request's adapter, whether a policy looks at it or not.
    fn known_of(&self, unknown: Unknown, request: &Request<'_>) -> Known<'_> {
        Known { sought: self.adapters.sought(request.adapter, unknown), ..self.known_as(unknown) }
    }
}

#[cfg(test)]
pub(crate) mod tests;
