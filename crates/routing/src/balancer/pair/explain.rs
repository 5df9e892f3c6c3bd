//! Why a pair: every candidate for both parts.

use core::time::Duration;

use super::{Ask, Balancer, Found, Pairing};
use crate::balancer::explain;
use crate::endpoint::{EndpointId, Role};
use crate::explanation::{Candidate, Explanation, Omission, PairExplanation};
use crate::line::Tokens;
use crate::pair::{Class, PairOrder, PairRequest, Transfer};
use crate::price;
use crate::request::Refusal;

impl Balancer {
    /// The candidates for both parts of `request` with their costs, and the pair that
    /// [`decide_pair`](Self::decide_pair) would choose at that time. Changes nothing; allocates, and looks at everyone, so
    /// keep it off the hot path.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownPair`]. A request that would be refused otherwise has an explanation that shows why, with nothing
    /// chosen.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Link, LinkCosts, Local, PairPolicy, PairRequest, Policy, Role, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let [prefill, decode] = [Policy::phalanx(), Policy::phalanx()].map(|policy| balancer.add_pool(policy));
    /// let link = Link::new(Duration::from_micros(5), 21_000);
    /// let links = LinkCosts::uniform(1, link, link)?;
    /// let pair = balancer.add_pair(PairPolicy::new(prefill, decode, links, 1 << 17).with_local(Local::NEVER))?;
    /// let computes = balancer.join(Endpoint::new().with_role(Role::Prefill));
    /// let answers = balancer.join(Endpoint::new().with_role(Role::Decode));
    /// balancer.enter(prefill, computes);
    /// balancer.enter(decode, answers);
    /// let explanation = balancer.explain_pair(&PairRequest::new(pair, 1, 8192), Duration::ZERO)?;
    /// assert_eq!(explanation.prefill.chosen, Some(computes));
    /// assert_eq!(explanation.decode.chosen, Some(answers));
    /// let parts = explanation.prefill.candidates[0].total + explanation.decode.candidates[0].total;
    /// let moving = explanation.transfer.time.as_nanos() as i64;
    /// assert_eq!(explanation.total, Some(parts + moving));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain_pair(&self, request: &PairRequest<'_>, now: Duration) -> Result<PairExplanation, Refusal> {
        let unknown = Refusal::UnknownPair { pair: request.pair.index() };
        let policy = self.pairs.get(request.pair.index()).ok_or(unknown)?;
        // As a decision would, without a trace.
        if self.next_timeout().is_some_and(|due| due <= now) {
            let mut then = self.clone();
            then.handle_timeout(now);
            return then.explain_pair(request, now);
        }
        let elapsed = self.nanos(now);
        let ask = Ask { request, policy, now: elapsed };
        let mut pairing = Pairing::default();
        let found = self.pair(request, elapsed, &mut pairing).ok();
        let mut prefill = self.part(&ask, now, Role::Prefill, &pairing);
        let mut decode = self.part(&ask, now, Role::Decode, &pairing);
        prefill.chosen = found.and_then(|found| found.prefill).map(|(at, _)| self.columns.id(at));
        decode.chosen = found.map(|found| self.columns.id(found.decode.0));

        let locals = if policy.local.is_allowed { self.locals(&ask, &decode, &pairing) } else { Vec::new() };
        let transfer = found.map_or(Transfer::default(), |found| {
            found.transfer(policy, request, pairing.held(request, found.decode.0))
        });
        Ok(PairExplanation {
            margin: found.and_then(|found| self.margin(&ask, &found, (&prefill, &decode), &locals, &pairing)),
            prefill,
            decode,
            transfer,
            local: locals.iter().min_by_key(|(id, cost)| (*cost, *id)).copied(),
            total: found.map(|found| found.cost()),
            ties: found.map_or(0, |found| found.ties),
        })
    }

    /// The candidates for one part.
    fn part(&self, ask: &Ask<'_>, now: Duration, role: Role, pairing: &Pairing) -> Explanation {
        let pool = self.pool_of(ask.policy, role);
        let request = ask.of(role);
        let mut slots = Vec::new();
        let (mut candidates, mut parts) = Default::default();
        if self.of_role(ask, role, &pairing.scratch.held, &mut slots).is_ok() {
            let held = |at: usize| ask.held(role, &pairing.scratch.held, at);
            (candidates, parts) = self.weighed_with(pool, None, &request, (ask.now, now), held, &slots);
            for candidate in &mut candidates {
                let held = pairing.held(ask.request, candidate.endpoint.index());
                candidate.cached_tokens = held.min(request.prompt_tokens.saturating_sub(1));
            }
        }
        let omitted = self.left_out(ask, role, &candidates);
        let least = candidates.iter().map(|candidate: &Candidate| candidate.total).min();
        let ties = candidates.iter().filter(|candidate| Some(candidate.total) == least).count() as u32;
        Explanation {
            policy: pool.policy.name().to_owned(),
            chosen: None,
            ties,
            gate: None,
            margin: explain::margin(&candidates),
            candidates,
            omitted,
            parts,
        }
    }

    /// Who is not weighed for a part, and why.
    fn left_out(&self, ask: &Ask<'_>, role: Role, weighed: &[Candidate]) -> Vec<(EndpointId, Omission)> {
        let pool = self.pool_of(ask.policy, role);
        let mut omitted = Vec::new();
        let mut left = Vec::new();
        let mut look = |id: EndpointId| {
            let Some(at) = self.columns.at(id).filter(|at| pool.has(*at)) else {
                omitted.push((id, Omission::NotInPool));
                return;
            };
            let class = self.classes.class(self.classes.of(at));
            let has = class.role;
            if has != role && has != Role::Both {
                omitted.push((id, Omission::OtherRole));
            } else if !ask.policy.links.knows(class.domain) {
                omitted.push((id, Omission::UnknownDomain));
            } else {
                left.push(at as u32);
            }
        };
        match ask.request.subset {
            Some(subset) => subset.iter().for_each(|&id| look(id)),
            None => pool.slots().for_each(|at| look(self.columns.id(at))),
        }
        left.sort_unstable();
        left.dedup();
        let request = ask.of(role);
        self.unfit(&request, &mut left, &mut omitted);
        let mut omit = |left: &mut Vec<u32>, why: Omission, kept: &dyn Fn(u32) -> bool| {
            left.retain(|&at| {
                omitted.extend((!kept(at)).then(|| (self.columns.id(at as usize), why)));
                kept(at)
            });
        };
        omit(&mut left, Omission::Excluded, &|at| !request.excluded.contains(&self.columns.id(at as usize)));
        if left.iter().any(|&at| !self.is_out(at as usize)) {
            omit(&mut left, Omission::Out, &|at| !self.is_out(at as usize));
        }
        self.filtered(&pool.policy, &self.known_for(pool, &request), &mut left, &mut omitted);
        // What else is missing is expected to be late.
        let late = left.iter().map(|&at| self.columns.id(at as usize));
        let late = late.filter(|id| weighed.binary_search_by_key(id, |of| of.endpoint).is_err());
        omitted.extend(late.map(|id| (id, Omission::Late)));
        omitted.sort_unstable_by_key(|(id, _)| *id);
        omitted.dedup();
        omitted
    }

    /// What it costs each decode candidate to compute the prompt itself.
    fn locals(&self, ask: &Ask<'_>, decode: &Explanation, pairing: &Pairing) -> Vec<(EndpointId, i64)> {
        let (pool, request) = (self.pool_of(ask.policy, Role::Decode), ask.of(Role::Decode));
        let known = self.known_for(pool, &request);
        let held = |at: usize| pairing.held(ask.request, at);
        let mut slots: Vec<_> = decode.candidates.iter().map(|of| of.endpoint.index() as u32).collect();
        if self.keep_timely(Role::Both, &pool.policy, &request, ask.now, held, &mut slots).is_err() {
            return Vec::new();
        }
        let cost = |at: usize| {
            let tokens = Tokens::new(ask.request.prompt_tokens, held(at));
            (self.columns.id(at), price::cost(pool.policy.combination(), &known, at, tokens, ask.now))
        };
        slots.into_iter().map(|at| cost(at as usize)).collect()
    }

    /// By how much the next total is above the one chosen, if that is the least.
    fn margin(
        &self,
        ask: &Ask<'_>,
        found: &Found,
        (prefill, decode): (&Explanation, &Explanation),
        locals: &[(EndpointId, i64)],
        pairing: &Pairing,
    ) -> Option<i64> {
        if ask.policy.order != PairOrder::Joint {
            return None;
        }
        let chosen = found.cost();
        // Prefill candidates by class and cost.
        let class = |id: EndpointId| self.classes.of(id.index());
        let mut computing: Vec<_> =
            prefill.candidates.iter().map(|of| (class(of.endpoint), of.total, of.endpoint)).collect();
        computing.sort_unstable();
        let compared = ask.policy.local.when_cheaper || found.prefill.is_none();
        let mut least = i64::MAX;
        let mut next = i64::MAX;
        let mut see = |total: i64| {
            least = least.min(total);
            if total > chosen {
                next = next.min(total);
            }
        };
        locals.iter().filter(|_| compared).for_each(|(_, cost)| see(*cost));
        for of in &decode.candidates {
            let to = self.classes.class(class(of.endpoint));
            let bytes = ask.policy.bytes(ask.request.prompt_tokens, pairing.held(ask.request, of.endpoint.index()));
            for group in computing.chunk_by(|one, other| one.0 == other.0) {
                let from = self.classes.class(group[0].0);
                let alike = (from.connector, from.group) == (to.connector, to.group);
                if !alike || !Class::fits(from.rank, to.rank) {
                    continue;
                }
                let more = ask.policy.links.to(to.domain)[from.domain.index()].nanos(bytes) + of.total;
                let others = |&&(_, _, id): &&(usize, i64, EndpointId)| id != of.endpoint;
                let above = group.partition_point(|(_, cost, _)| cost + more <= chosen);
                group.iter().find(others).iter().for_each(|(_, cost, _)| see(cost + more));
                group[above..].iter().find(others).iter().for_each(|(_, cost, _)| see(cost + more));
            }
        }
        (least >= chosen && next < i64::MAX).then(|| next - chosen)
    }
}
