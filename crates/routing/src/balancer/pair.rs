//! Prefill and decode as one choice.

mod explain;
mod order;
mod part;
mod record;
mod search;
mod side;

use core::time::Duration;

use self::part::Part;
use self::search::{Meeting, Search};
use self::side::{Order, Side};
use super::Balancer;
use super::choose::Scratch;
use crate::endpoint::Role;
use crate::evidence::Held;
use crate::pair::{
    Class, PairDecision, PairError, PairId, PairLeg, PairOrder, PairPolicy, PairRequest, Sorted, Transfer,
};
use crate::policy::{Combination, Picker};
use crate::pool::Pool;
use crate::request::{Refusal, Request};

/// What the choice of a pair needs on its way, kept for its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairing {
    /// With the evidence.
    scratch: Scratch,
    order: Order,
    prefill: Side,
    decode: Side,
    meeting: Meeting,
}

/// Who was chosen: the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    /// With its cost.
    prefill: Option<(usize, i64)>,
    decode: (usize, i64),
    /// Nanoseconds of the transfer.
    transfer: i64,
    ties: u64,
}

/// What is asked, and when.
#[derive(Clone, Copy)]
struct Ask<'a> {
    request: &'a PairRequest<'a>,
    policy: &'a PairPolicy,
    now: i64,
}

impl<'a> Ask<'a> {
    /// The request as it is asked of the pool for a part, among those that are looked at there.
    fn of(&self, role: Role) -> Request<'a> {
        let (pool, most) =
            if role == Role::Prefill { (self.policy.prefill, 1) } else { (self.policy.decode, u32::MAX) };
        let request = self.request.of_pool(pool);
        // Who computes the prompt has no more of the answer than its first token.
        Request { subset: None, output_tokens: request.output_tokens.min(most), ..request }
    }

    /// What counts as held by a candidate for a part: one that answers has what was computed for it.
    fn held(&self, role: Role, held: &Held, at: usize) -> u32 {
        if role == Role::Decode { u32::MAX } else { held.of(self.request.evidence, at) }
    }
}

impl Found {
    fn cost(&self) -> i64 {
        self.prefill.map_or(0, |(_, cost)| cost) + self.transfer + self.decode.1
    }

    /// What is moved if the decode endpoint holds so many tokens.
    fn transfer(&self, policy: &PairPolicy, request: &PairRequest<'_>, held: u32) -> Transfer {
        if self.prefill.is_none() {
            return Transfer::default();
        }
        Transfer {
            tokens: request.prompt_tokens - held.min(request.prompt_tokens),
            bytes: policy.bytes(request.prompt_tokens, held),
            time: Duration::from_nanos(self.transfer.unsigned_abs()),
        }
    }
}

impl Pairing {
    /// Tokens of the prompt that the endpoint of a slot holds.
    fn held(&self, request: &PairRequest<'_>, at: usize) -> u32 {
        self.scratch.held.of(request.evidence, at)
    }
}

impl Balancer {
    /// A new pair policy over two pools that exist.
    ///
    /// # Errors
    ///
    /// A [`PairError`]: a pool that does not exist, one whose policy does not weigh in nanoseconds (by
    /// [`Combination::Cost`]) or does not pick the best, or a walk over too few or too many.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Link, LinkCosts, PairError, PairPolicy, Policy, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let prefill = balancer.add_pool(Policy::phalanx());
    /// let decode = balancer.add_pool(Policy::least_request());
    /// let link = Link::new(Duration::from_micros(20), 21_000);
    /// let links = LinkCosts::uniform(1, link, link)?;
    /// let refused = balancer.add_pair(PairPolicy::new(prefill, decode, links, 128 << 10));
    /// assert!(matches!(refused, Err(PairError::NotTime { pool: 1, .. })));
    /// # Ok::<(), phalanx_routing::LinkError>(())
    /// ```
    pub fn add_pair(&mut self, policy: PairPolicy) -> Result<PairId, PairError> {
        for pool in [policy.prefill, policy.decode] {
            let pool = pool.index();
            let of = &self.pools.get(pool).ok_or(PairError::UnknownPool { pool })?.policy;
            let name = || of.name().to_owned();
            let is_plain = of.gates().is_empty() && of.near().is_none();
            if !is_plain || !matches!(of.combination(), Combination::Cost(_)) {
                return Err(PairError::NotTime { pool, policy: name() });
            }
            if of.picker() != Picker::Best {
                return Err(PairError::Drawn { pool, policy: name() });
            }
        }
        if let PairOrder::Walk { decodes } = policy.order
            && !(1..=PairOrder::MOST_DECODES).contains(&decodes)
        {
            return Err(PairError::Decodes { decodes });
        }
        for (pool, role) in [(policy.prefill, Role::Prefill), (policy.decode, Role::Decode)] {
            self.sort(pool.index(), role);
        }
        self.recording.pair(&policy);
        self.pairs.push(policy);
        Ok(PairId(u32::try_from(self.pairs.len() - 1).expect("there are fewer than 2^32 pair policies")))
    }

    /// Keeps the members of a pool class by class from now on, for that part.
    fn sort(&mut self, pool: usize, role: Role) {
        if self.pools[pool].sorted(role).is_some() {
            return;
        }
        let of = &self.pools[pool];
        let mut sorted = Sorted::new(role);
        for at in of.slots() {
            let class = self.classes.of(at);
            sorted.set(at, class, self.classes.class(class).role, of.standings.line(at));
        }
        self.pools[pool].sorted.push((role, sorted));
    }

    /// Chooses who computes the prompt of `request` and who answers, and counts the load of both at once. Each part's
    /// reservation is settled for itself, on every path.
    ///
    /// A retry excludes an endpoint that failed, whatever its part was; so it ends after as many steps as there are
    /// endpoints.
    ///
    /// The time grows with the classes of both pools, with the pairs of them that go together and may have the best, and
    /// with what is known of the prompt: a class has one role, domain, group, connector and rank. Among a subset, in a
    /// [walk](PairOrder::Walk), and where filters let nobody pass, it grows with the candidates. Allocates nothing once
    /// the buffers are warm.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when no two candidates go together, and no decode endpoint may compute the prompt itself; nothing is
    /// counted then.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{
    ///     Balancer, Domain, Endpoint, Link, LinkCosts, Local, Outcome, PairPolicy, PairRequest, Policy, Seed,
    /// };
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let [prefill, decode] = [Policy::phalanx(), Policy::phalanx()].map(|policy| balancer.add_pool(policy));
    /// let near = Link::new(Duration::from_micros(5), 21_000);
    /// let far = Link::new(Duration::from_micros(50), 168_000);
    /// let links = LinkCosts::uniform(2, near, far)?;
    /// let pair = balancer.add_pair(PairPolicy::new(prefill, decode, links, 128 << 10).with_local(Local::NEVER))?;
    /// let racks = [0, 1].map(|rack| Endpoint::new().with_domain(Domain::from(rack)));
    /// let [here, there] = racks.map(|endpoint| balancer.join(endpoint));
    /// let answers = balancer.join(racks[1]);
    /// balancer.enter(prefill, here);
    /// balancer.enter(prefill, there);
    /// balancer.enter(decode, answers);
    ///
    /// // 1 GiB over the near link.
    /// let now = Duration::ZERO;
    /// let decision = balancer.decide_pair(&PairRequest::new(pair, 42, 8192), now)?;
    /// let computes = decision.prefill.expect("it may not stay local");
    /// assert_eq!((computes.endpoint, decision.decode.endpoint), (there, answers));
    /// assert_eq!(decision.transfer.time, near.transfer(1 << 30));
    /// assert_eq!(balancer.outstanding(), 2);
    /// balancer.settle(computes.reservation, Outcome::Success, now);
    /// balancer.settle(decision.decode.reservation, Outcome::Success, now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decide_pair(&mut self, request: &PairRequest<'_>, now: Duration) -> Result<PairDecision, Refusal> {
        let elapsed = self.advance(now);
        let mut pairing = core::mem::take(&mut self.pairing);
        let found = self.pair(request, elapsed, &mut pairing);
        self.pairing = pairing;
        if self.recording.is_on() {
            self.record_pair(request, now, &found);
        }
        let found = found?;

        let policy = &self.pairs[request.pair.index()];
        let held = |at: usize| self.pairing.held(request, at);
        let transfer = found.transfer(policy, request, held(found.decode.0));
        let cached = (found.prefill.map_or(0, |(at, _)| held(at)), held(found.decode.0));
        let decode = self.book_part(request, found.decode, cached.1, found.prefill.is_none());
        let prefill = found.prefill.map(|prefill| self.book_part(request, prefill, cached.0, true));
        Ok(PairDecision { prefill, decode, transfer, cost: found.cost(), ties: found.ties })
    }

    /// Counts an endpoint's part.
    fn book_part(&mut self, request: &PairRequest<'_>, (at, cost): (usize, i64), held: u32, computes: bool) -> PairLeg {
        let prompt = request.prompt_tokens;
        let cached_tokens = held.min(prompt.saturating_sub(1));
        let uncached_tokens = if computes { prompt - cached_tokens } else { prompt.min(1) };
        let reservation = self.book(at, (prompt, uncached_tokens));
        if let Some(adapter) = request.adapter() {
            self.promise_adapter(&reservation, adapter);
        }
        // What one endpoint computes for another is no prompt of its own.
        if computes {
            self.note_uncached(uncached_tokens);
        }
        PairLeg { endpoint: reservation.endpoint, cached_tokens, uncached_tokens, cost, reservation }
    }

    fn pair(&self, request: &PairRequest<'_>, now: i64, pairing: &mut Pairing) -> Result<Found, Refusal> {
        let unknown = Refusal::UnknownPair { pair: request.pair.index() };
        let policy = self.pairs.get(request.pair.index()).ok_or(unknown)?;
        let ask = Ask { request, policy, now };
        pairing.scratch.held.fill(request.evidence, &self.columns);
        pairing.order.follow(&self.classes);
        let is_walk = matches!(policy.order, PairOrder::Walk { .. });
        if request.subset.is_none()
            && !is_walk
            && self.is_plain(&ask)
            && let Some(found) = self.pair_from_standings(&ask, pairing)
        {
            return Ok(found);
        }
        self.pair_from_all(&ask, pairing)
    }

    /// By the standings of both pools; none if no two of those who stand there go together.
    fn pair_from_standings(&self, ask: &Ask<'_>, pairing: &mut Pairing) -> Option<Found> {
        let local = ask.policy.local;
        let mut stays = None;
        if local.within.is_some() {
            let found = self.local_from_standings(ask, &mut pairing.scratch, &mut pairing.decode.slots)?;
            if self.is_few(ask, &found, &pairing.scratch) {
                return Some(found);
            }
            stays = Some(found);
        }
        let Pairing { scratch, order, prefill, decode, meeting } = pairing;
        let parts = [Role::Prefill, Role::Decode].map(|role| Part::new(self, ask, role, &scratch.held));
        prefill.stand(&parts[0], order);
        decode.stand(&parts[1], order);
        let (prefill, seed) = (&mut *prefill, self.seed);
        let mut search = Search { ask, seed, parts: &parts, prefill, decode: &mut *decode, meeting, best: i64::MAX };
        let found = search.meet()?;
        if !local.when_cheaper {
            return Some(found);
        }
        let stays = stays.or_else(|| self.local_from_standings(ask, scratch, &mut decode.slots))?;
        Some(if stays.cost() <= found.cost() { stays } else { found })
    }

    /// By a look at every candidate.
    fn pair_from_all(&self, ask: &Ask<'_>, pairing: &mut Pairing) -> Result<Found, Refusal> {
        let local = ask.policy.local;
        let Pairing { scratch, order, prefill, decode, meeting } = pairing;
        let refused = |role| move |why| Refusal::OfRole { role, why: Box::new(why) };
        let computes = self.of_role(ask, Role::Prefill, &scratch.held, &mut prefill.slots);
        self.of_role(ask, Role::Decode, &scratch.held, &mut decode.slots).map_err(refused(Role::Decode))?;
        let mut stays = None;
        if local.is_allowed {
            stays = self.local(ask, &decode.slots, scratch);
            if let Some(found) = stays.filter(|found| self.is_few(ask, found, scratch)) {
                return Ok(found);
            }
        }
        if computes.is_err()
            && let Some(stays) = stays
        {
            return Ok(stays);
        }
        let found = computes.map_err(refused(Role::Prefill)).and_then(|()| {
            let parts = [Role::Prefill, Role::Decode].map(|role| Part::new(self, ask, role, &scratch.held));
            prefill.weigh(&parts[0], order);
            decode.weigh(&parts[1], order);
            let none = Refusal::NoPair { prefills: prefill.slots.len() as u32, decodes: decode.slots.len() as u32 };
            let mut search = Search { ask, seed: self.seed, parts: &parts, prefill, decode, meeting, best: i64::MAX };
            search.meet().ok_or(none)
        });
        match (found, stays) {
            (Ok(found), Some(stays)) if local.when_cheaper && stays.cost() <= found.cost() => Ok(stays),
            (Err(_), Some(stays)) => Ok(stays),
            (found, _) => found,
        }
    }

    /// Whether there is so little to compute that no pair is needed.
    fn is_few(&self, ask: &Ask<'_>, stays: &Found, scratch: &Scratch) -> bool {
        let prompt = ask.request.prompt_tokens;
        let held = scratch.held.of(ask.request.evidence, stays.decode.0);
        ask.policy.local.holds_within(prompt - held.min(prompt.saturating_sub(1)), prompt)
    }

    /// The decode endpoint that computes the prompt at the least cost, by the standings; none if nobody stands there.
    fn local_from_standings(&self, ask: &Ask<'_>, scratch: &mut Scratch, slots: &mut Vec<u32>) -> Option<Found> {
        let pool = self.pool_of(ask.policy, Role::Decode);
        let sorted = pool.sorted(Role::Decode)?;
        // A member that may not answer would be in the way.
        if sorted.has_others(|class| ask.policy.links.knows(self.classes.class(class).domain)) {
            let part = Part::new(self, ask, Role::Decode, &scratch.held);
            slots.clear();
            slots.extend(pool.slots().map(|at| at as u32).filter(|&at| part.stands(at)));
            return self.local(ask, slots, scratch);
        }
        let choice = self.choose_from_standings(pool, &ask.of(Role::Decode), ask.now, scratch)?;
        Some(Found { prefill: None, decode: (choice.at, choice.cost), transfer: 0, ties: choice.ties.into() })
    }

    /// The decode candidate that would compute the prompt at the least cost, of those who are expected to be in time with
    /// it, or of all where open targets find nobody who is.
    fn local(&self, ask: &Ask<'_>, slots: &[u32], scratch: &mut Scratch) -> Option<Found> {
        let (pool, request) = (self.pool_of(ask.policy, Role::Decode), ask.of(Role::Decode));
        let Scratch { held, weighed, .. } = &mut *scratch;
        weighed.slots.clear();
        weighed.slots.extend_from_slice(slots);
        let held = |at: usize| held.of(request.evidence, at);
        self.keep_timely(Role::Both, &pool.policy, &request, ask.now, held, &mut weighed.slots).ok()?;
        if weighed.slots.is_empty() {
            return None;
        }
        let choice = self.best_of_weighed(pool, None, &request, ask.now, scratch);
        Some(Found { prefill: None, decode: (choice.at, choice.cost), transfer: 0, ties: choice.ties.into() })
    }

    /// Whether all who stand in both pools can take a request, and cost what they cost any other one.
    fn is_plain(&self, ask: &Ask<'_>) -> bool {
        [Role::Prefill, Role::Decode].into_iter().all(|role| {
            let (pool, request) = (self.pool_of(ask.policy, role), ask.of(role));
            let is_promised = Self::promise(&pool.policy, &request).is_some();
            !is_promised && !self.sought(pool, &request).is_any() && self.fit_all(&request)
        })
    }

    /// The pool of a part.
    fn pool_of(&self, policy: &PairPolicy, role: Role) -> &Pool {
        let pool = if role == Role::Prefill { policy.prefill } else { policy.decode };
        &self.pools[pool.index()]
    }

    /// The endpoints that may have a part, ascending, by a look at everyone.
    fn of_role(&self, ask: &Ask<'_>, role: Role, held: &Held, slots: &mut Vec<u32>) -> Result<(), Refusal> {
        let pool = self.pool_of(ask.policy, role);
        let fits = |at: &usize| {
            let has = self.classes.class(self.classes.of(*at)).role;
            pool.has(*at) && (has == role || has == Role::Both)
        };
        let knows = |class: &Class| ask.policy.links.knows(class.domain);
        slots.clear();
        match ask.request.subset {
            Some(subset) => {
                slots.extend(subset.iter().filter_map(|id| self.columns.at(*id)).filter(fits).map(|at| at as u32));
                slots.sort_unstable();
                slots.dedup();
            }
            None => slots.extend(pool.slots().filter(fits).map(|at| at as u32)),
        }
        let Some(&first) = slots.first() else {
            return Err(Refusal::NoCandidates { subset: ask.request.subset.map_or(0, |subset| subset.len() as u32) });
        };
        slots.retain(|&at| knows(self.classes.class(self.classes.of(at as usize))));
        if slots.is_empty() {
            let domain = self.classes.class(self.classes.of(first as usize)).domain;
            return Err(Refusal::UnknownDomain { domain, domains: ask.policy.links.domains() });
        }
        let request = ask.of(role);
        self.keep_fitting(&request, slots)?;
        let candidates = slots.len() as u32;
        slots.retain(|&at| !ask.request.excluded.contains(&self.columns.id(at as usize)));
        if slots.is_empty() {
            return Err(Refusal::AllExcluded { candidates });
        }
        self.leave_alone(pool, slots);
        self.filter_for(pool, &self.known_for(pool, &request), slots)?;
        self.keep_timely(role, &pool.policy, &request, ask.now, |at| ask.held(role, held, at), slots)
    }
}

#[cfg(test)]
mod tests;
