//! Prefill and decode as one choice.

mod explain;
mod search;
mod side;

use core::time::Duration;

use self::search::Meeting;
use self::side::{ALONE, Side};
use super::Balancer;
use crate::endpoint::Role;
use crate::evidence::{self, Held};
use crate::line::Tokens;
use crate::pair::{PairDecision, PairError, PairId, PairLeg, PairOrder, PairPolicy, PairRequest, Transfer};
use crate::policy::{Combination, Picker};
use crate::pool::{Pool, bits};
use crate::price;
use crate::request::Refusal;
use crate::seed::Stage;

/// Levels of a prompt that many hold to the same depth, of which each is looked at as a whole. What lies deeper is looked
/// at one by one.
const LEVELS: usize = 7;

/// What the choice of a pair needs on its way, kept for its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairing {
    held: Held,
    /// By slot, the wide level that it is in; by level, the tokens that are held there. Level 0 holds nothing.
    level: Vec<u32>,
    levels: Vec<u32>,
    /// By class, whether it is in a domain that is known.
    known: Vec<bool>,
    mask: Vec<u64>,
    prefill: Side,
    decode: Side,
    meeting: Meeting,
    tied: Vec<u32>,
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
    fn held(&self, at: usize) -> u32 {
        held(&self.held, &self.level, &self.levels, at)
    }
}

fn held(held: &Held, level: &[u32], levels: &[u32], at: usize) -> u32 {
    let narrow = held.narrow(at);
    if narrow > 0 || levels.len() <= 1 { narrow } else { levels[level[at] as usize] }
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
            && !(1..=64).contains(&decodes)
        {
            return Err(PairError::Decodes { decodes });
        }
        self.pairs.push(policy);
        Ok(PairId(u32::try_from(self.pairs.len() - 1).expect("there are fewer than 2^32 pair policies")))
    }

    /// Chooses who computes the prompt of `request` and who answers, and counts the load of both at once. Each part's
    /// reservation is settled for itself, on every path.
    ///
    /// A retry excludes an endpoint that failed, whatever its part was; so it ends after as many steps as there are
    /// endpoints.
    ///
    /// The time grows with the endpoints of both pools, and with the pairs of classes that go together: a class has one
    /// domain, group, connector and rank. Endpoints of which the evidence says something are looked at one by one, against
    /// each class. Allocates nothing once the buffers are warm.
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
        let found = found?;
        // A log tells of single endpoints: it ends here.
        self.recording.leave_out();

        let policy = &self.pairs[request.pair.index()];
        let transfer = found.transfer(policy, request, self.pairing.held(found.decode.0));
        let decode = self.book_part(request, found.decode, found.prefill.is_none());
        let prefill = found.prefill.map(|prefill| self.book_part(request, prefill, true));
        Ok(PairDecision { prefill, decode, transfer, cost: found.cost(), ties: found.ties })
    }

    /// Counts an endpoint's part.
    fn book_part(&mut self, request: &PairRequest<'_>, (at, cost): (usize, i64), computes: bool) -> PairLeg {
        let prompt = request.prompt_tokens;
        let cached_tokens = self.pairing.held(at).min(prompt.saturating_sub(1));
        let uncached_tokens = if computes { prompt - cached_tokens } else { prompt.min(1) };
        let reservation = self.book(at, (prompt, uncached_tokens));
        // What one endpoint computes for another is no prompt of its own.
        if computes && self.means.uncached.note(uncached_tokens) {
            self.refresh_all();
        }
        PairLeg { endpoint: reservation.endpoint, cached_tokens, uncached_tokens, cost, reservation }
    }

    fn pair(&self, request: &PairRequest<'_>, now: i64, pairing: &mut Pairing) -> Result<Found, Refusal> {
        let unknown = Refusal::UnknownPair { pair: request.pair.index() };
        let policy = self.pairs.get(request.pair.index()).ok_or(unknown)?;
        let ask = Ask { request, policy, now };
        self.prepare(&ask, pairing);
        let alone = self.may_meet_itself(policy);
        let computes = self.gather(&ask, Role::Prefill, alone, pairing);
        self.gather(&ask, Role::Decode, alone, pairing)?;
        let local = policy.local;
        if local.within.is_some() {
            let stays = self.local(&ask, i64::MAX, pairing);
            let few = |found: &Found| {
                let prompt = request.prompt_tokens;
                local.holds_within(prompt - pairing.held(found.decode.0).min(prompt.saturating_sub(1)), prompt)
            };
            if let Some(found) = stays.filter(few) {
                return Ok(found);
            }
        }
        let found = computes.and_then(|()| {
            let (prefills, decodes) = (pairing.prefill.slots.len() as u32, pairing.decode.slots.len() as u32);
            pairing.meet(&ask, &self.classes, self.seed).ok_or(Refusal::NoPair { prefills, decodes })
        });
        let most = match &found {
            Ok(found) if local.when_cheaper => found.cost(),
            Err(_) if local.is_allowed => i64::MAX,
            _ => return found,
        };
        self.local(&ask, most, pairing).map_or(found, Ok)
    }

    /// Takes up the evidence and who is in a known domain.
    fn prepare(&self, ask: &Ask<'_>, pairing: &mut Pairing) {
        let evidence = ask.request.evidence;
        pairing.held.fill(evidence, &self.columns);
        pairing.levels.clear();
        pairing.levels.push(0);
        pairing.level.clear();
        if evidence::wide(evidence).next().is_some() {
            pairing.level.resize(self.columns.len(), 0);
            for (wide, level) in evidence::wide(evidence).zip(1..) {
                pairing.levels.push(wide.tokens);
                for at in bits(wide.slots).take_while(|at| *at < self.columns.len()) {
                    if pairing.level[at] == 0 {
                        pairing.level[at] = level;
                    }
                }
            }
        }
        pairing.known.clear();
        pairing.known.resize(self.classes.len(), false);
        for (id, class) in self.classes.iter() {
            pairing.known[id] = ask.policy.links.knows(class.domain);
        }
    }

    /// Whether an endpoint could have both parts, so that it has to be kept from being paired with itself.
    fn may_meet_itself(&self, policy: &PairPolicy) -> bool {
        let (prefill, decode) = (&self.pools[policy.prefill.index()], &self.pools[policy.decode.index()]);
        let both = prefill.members.iter().zip(&decode.members).enumerate();
        both.filter(|(_, (one, other))| *one & *other != 0)
            .any(|(word, (one, other))| bits(&[one & other]).any(|bit| self.has_both_roles(word * 64 + bit)))
    }

    fn has_both_roles(&self, at: usize) -> bool {
        self.classes.class(self.classes.of(at)).role == Role::Both
    }

    /// The pool of a part.
    fn pool_of(&self, policy: &PairPolicy, role: Role) -> &Pool {
        let pool = if role == Role::Prefill { policy.prefill } else { policy.decode };
        &self.pools[pool.index()]
    }

    /// Those who may have a part, with what they cost as far as it matters.
    fn gather(&self, ask: &Ask<'_>, role: Role, alone: bool, pairing: &mut Pairing) -> Result<(), Refusal> {
        let Pairing { held: narrow, level, levels, known: known_class, mask, prefill, decode, .. } = pairing;
        let decodes = role == Role::Decode;
        let side = if decodes { decode } else { prefill };
        let pool = self.pool_of(ask.policy, role);
        let known = self.known(&pool.policy);
        let prompt = ask.request.prompt_tokens;
        let whole = Tokens::new(prompt, if decodes { u32::MAX } else { 0 });
        let holds_some = !narrow.touched().is_empty() || levels.len() > 1;
        let tokens = |at: usize| {
            if decodes || !holds_some { whole } else { Tokens::new(prompt, held(narrow, level, levels, at)) }
        };
        // Of those who answer, those who hold as much of the prompt are alike.
        let other = &self.pools[ask.policy.prefill.index()];
        let classes = self.classes.len();
        let deeper = levels.len().saturating_sub(1 + LEVELS);
        let unit = |at: usize, class: usize| {
            if !decodes {
                return class as u32;
            }
            if narrow.narrow(at) > 0 || (alone && other.has(at) && self.has_both_roles(at)) {
                return ALONE;
            }
            match level.get(at).map_or(0, |level| *level as usize) {
                0 => class as u32,
                level if level <= deeper => ALONE,
                level => ((level - deeper) * classes + class) as u32,
            }
        };
        let fits = |of: Role| of == role || of == Role::Both;
        let has = |class: usize| known_class[class] && fits(self.classes.class(class).role);
        side.clear(classes * if decodes { levels.len() - deeper } else { 1 });
        if pool.is_local && ask.request.subset.is_none() {
            mask.clear();
            mask.extend_from_slice(&pool.members);
            for at in ask.request.excluded.iter().filter_map(|id| self.columns.at(*id)) {
                if let Some(word) = mask.get_mut(at / 64) {
                    *word &= !(1 << (at % 64));
                }
            }
            let (steady, falling) = (pool.steady.lines(), pool.falling.lines());
            for at in bits(mask) {
                let class = self.classes.of(at);
                if !has(class) {
                    continue;
                }
                let tokens = tokens(at);
                if !steady[at].is_never() {
                    let line = &steady[at];
                    let exact = 2 * i64::from(tokens.uncached) <= line.exact_to;
                    side.push(at, unit(at, class), line.at(tokens), exact);
                } else if !falling[at].is_never() {
                    side.push(at, unit(at, class), falling[at].at(tokens) - ask.now, false);
                }
            }
        }
        let cost = |at: usize| price::cost(pool.policy.combination(), &known, at, tokens(at), ask.now);
        if side.slots.is_empty() {
            self.of_role(ask, role, known_class, &mut side.slots)
                .map_err(|why| Refusal::OfRole { role, why: Box::new(why) })?;
            side.weigh(|at| (unit(at, self.classes.of(at)), cost(at)));
        }
        let exact = !decodes && alone || decodes && matches!(ask.policy.order, PairOrder::Walk { .. });
        side.settle(exact, cost);
        Ok(())
    }

    /// The endpoints that may have a part, ascending, by a look at everyone.
    fn of_role(&self, ask: &Ask<'_>, role: Role, known: &[bool], slots: &mut Vec<u32>) -> Result<(), Refusal> {
        let pool = self.pool_of(ask.policy, role);
        let fits = |at: &usize| {
            let has = self.classes.class(self.classes.of(*at)).role;
            pool.has(*at) && (has == role || has == Role::Both)
        };
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
        slots.retain(|&at| known[self.classes.of(at as usize)]);
        let candidates = slots.len() as u32;
        if slots.is_empty() {
            let domain = self.classes.class(self.classes.of(first as usize)).domain;
            return Err(Refusal::UnknownDomain { domain, domains: ask.policy.links.domains() });
        }
        slots.retain(|&at| !ask.request.excluded.contains(&self.columns.id(at as usize)));
        if slots.is_empty() {
            return Err(Refusal::AllExcluded { candidates });
        }
        self.filter(pool, slots)
    }

    /// The decode endpoint that computes the prompt at the least cost, if that is no more than `most`.
    fn local(&self, ask: &Ask<'_>, most: i64, pairing: &mut Pairing) -> Option<Found> {
        let Pairing { held: narrow, level, levels, decode, tied, .. } = pairing;
        let pool = self.pool_of(ask.policy, Role::Decode);
        let known = self.known(&pool.policy);
        let prompt = ask.request.prompt_tokens;
        let mut least = most;
        tied.clear();
        for &slot in &decode.slots {
            let at = slot as usize;
            let tokens = Tokens::new(prompt, held(narrow, level, levels, at));
            let (steady, falling) = (pool.steady.line(at), pool.falling.line(at));
            let exactly = || price::cost(pool.policy.combination(), &known, at, tokens, ask.now);
            let cost = if !steady.is_never() {
                let bound = steady.at(tokens);
                if bound <= least && 2 * i64::from(tokens.uncached) > steady.exact_to { exactly() } else { bound }
            } else if falling.is_never() || falling.at(tokens) - ask.now <= least {
                exactly()
            } else {
                continue;
            };
            if cost < least {
                least = cost;
                tied.clear();
            }
            if cost == least {
                tied.push(slot);
            }
        }
        let at = *tied.get(self.seed.draw(Stage::Tie, ask.request.key, tied.len() as u32) as usize)?;
        Some(Found { prefill: None, decode: (at as usize, least), transfer: 0, ties: tied.len() as u64 })
    }
}

#[cfg(test)]
mod tests;
