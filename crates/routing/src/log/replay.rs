//! A log, told to a balancer again.

use core::time::Duration;
use std::collections::BTreeMap;

use super::line::{self, Decide, Line, Said};
use super::{Answer, Difference, LogError, Report};
use crate::adapter::{AdapterId, AdapterReading};
use crate::balancer::Balancer;
use crate::endpoint::{Endpoint, EndpointId};
use crate::evidence::Noted;
use crate::explanation::{Explanation, Factor};
use crate::label::Labels;
use crate::pair::{PairId, PairRequest};
use crate::policy::{Combination, Policy};
use crate::pool::PoolId;
use crate::request::{Evidence, Refusal, Request};
use crate::reservation::Reservation;
use crate::seed::Seed;
use crate::signals::Signals;

/// How far the slot of an endpoint may be above the number of those that joined: a fleet has fewer gaps, and what lies
/// between takes memory.
const MOST_GAP: usize = 1 << 16;

/// A balancer with what the log says of it.
pub(super) struct Replay<P> {
    balancer: Balancer,
    policies: P,
    /// Whether the policies are others than those of the log.
    others: bool,
    pools: usize,
    /// By their numbers in the log; none for one that other policies make impossible.
    pairs: Vec<Option<PairId>>,
    joined: usize,
    /// Requests that were sent, and are not settled, by number.
    open: BTreeMap<u64, Reservation>,
    report: Report,
}

impl<P: FnMut(usize, &Policy) -> Policy> Replay<P> {
    pub(super) fn new(seed: u64, policies: P) -> Self {
        Self {
            balancer: Balancer::new(Seed::from(seed)),
            policies,
            others: false,
            pools: 0,
            pairs: Vec::new(),
            joined: 0,
            open: BTreeMap::new(),
            report: Report::default(),
        }
    }

    /// Compares endpoints only: costs and ties are of other policies.
    pub(super) fn of_others(mut self) -> Self {
        self.others = true;
        self
    }

    pub(super) fn run(mut self, lines: &[Line], left_out: Option<usize>) -> Result<Report, LogError> {
        for (line, number) in lines.iter().zip(2..) {
            self.apply(line, number).map_err(|problem| LogError::Order { line: number, problem })?;
        }
        self.report.left_out = left_out;
        Ok(self.report)
    }

    fn apply(&mut self, line: &Line, number: usize) -> Result<(), String> {
        let time = Duration::from_nanos;
        match line {
            Line::MaxAge { age } => self.balancer.set_max_age(time(*age)),
            Line::Breaker { breaker } => self.balancer.set_breaker(*breaker),
            Line::Pool { policy } => {
                let policy = (self.policies)(self.pools, policy);
                self.pools += 1;
                self.balancer.add_pool(policy);
            }
            Line::Policy { pool, policy } => {
                let policy = (self.policies)(*pool as usize, policy);
                let changed = self.balancer.set_policy(PoolId(*pool), policy);
                expect(changed, || format!("pool {pool}: expected one that is there and that no pair is chosen from"))?;
            }
            Line::Join {
                endpoint,
                seats,
                kv_tokens,
                prefill_token,
                decode_token,
                labels,
                context_tokens,
                name,
                place,
            } => {
                let of = Endpoint::new().with_seats(*seats).with_kv_tokens(*kv_tokens);
                let of = of.with_prefill_token(time(*prefill_token)).with_decode_token(time(*decode_token));
                let of = of.with_labels(Labels::from(*labels));
                let of = context_tokens.map_or(of, |most| of.with_context_tokens(most));
                let of = name.map_or(of, |name| of.with_name_hash(name));
                self.join(*endpoint, place.put(of))?;
            }
            Line::Leave { endpoint } => {
                let there = self.balancer.leave(line::endpoint(*endpoint));
                expect(there, || {
                    format!("endpoint {endpoint:?} is not there; expected one that joined and has not left")
                })?;
            }
            Line::Enter { pool, endpoint } => {
                let entered = self.balancer.enter(PoolId(*pool), line::endpoint(*endpoint));
                expect(entered, || {
                    format!("pool {pool}, endpoint {endpoint:?}: expected a pool, and an endpoint that is not in it")
                })?;
            }
            Line::Exit { pool, endpoint } => {
                let left = self.balancer.exit(PoolId(*pool), line::endpoint(*endpoint));
                expect(left, || format!("pool {pool}, endpoint {endpoint:?}: expected an endpoint of the pool"))?;
            }
            Line::Signals { endpoint, read, waiting, running, kv_used_ppm, ttft, tpot } => {
                let (read, ttft, tpot) = (time(*read), ttft.map(time), tpot.map(time));
                let (waiting, running, kv_used_ppm) = (*waiting, *running, *kv_used_ppm);
                let signals = Signals { read, waiting, running, kv_used_ppm, ttft, tpot };
                let taken = self.balancer.signals(line::endpoint(*endpoint), signals);
                expect(taken, || {
                    format!("signals of endpoint {endpoint:?}: expected one that is there, and none read later before")
                })?;
            }
            Line::Adapters { endpoint, read, loaded, queued, slots } => {
                let ids = |numbers: &[u32]| numbers.iter().copied().map(AdapterId::from).collect::<Vec<_>>();
                let (loaded, queued) = (ids(loaded), ids(queued));
                let reading = AdapterReading { loaded: &loaded, queued: &queued, slots: *slots, read: time(*read) };
                let taken = self.balancer.adapters(line::endpoint(*endpoint), &reading);
                expect(taken, || {
                    format!("adapters of endpoint {endpoint:?}: expected one that is there, and none read later before")
                })?;
            }
            Line::Timeout { now } => self.balancer.handle_timeout(time(*now)),
            Line::Decide(asked) => self.decide(asked, number)?,
            Line::Pair { policy } => match self.balancer.add_pair(policy.clone()) {
                Ok(pair) => self.pairs.push(Some(pair)),
                Err(_) if self.others => self.pairs.push(None),
                Err(error) => return Err(error.to_string()),
            },
            Line::DecidePair { pair, asked } => self.decide_pair(*pair, asked, number)?,
            Line::Adopt { endpoint, prompt_tokens, uncached_tokens, came, now } => {
                let (id, now) = (line::endpoint(*endpoint), time(*now));
                let adopted = self.balancer.adopt(id, *prompt_tokens, *uncached_tokens, *came, now);
                let adopted = adopted.ok_or_else(|| gone(*endpoint))?;
                self.open.insert(adopted.serial, adopted);
            }
            Line::FirstToken { of, now } => match self.find(*of)? {
                Some(mut reservation) => {
                    self.balancer.first_token(&mut reservation, time(*now));
                    self.open.insert(*of, reservation);
                }
                None => self.balancer.pass(time(*now)),
            },
            Line::Generated { of, tokens } => {
                if let Some(reservation) = self.find(*of)? {
                    self.balancer.generated(&reservation, *tokens);
                    self.open.insert(*of, reservation);
                }
            }
            Line::Settle { of, outcome, now } => match self.find(*of)? {
                Some(reservation) => {
                    self.balancer.settle(reservation, (*outcome).into(), time(*now));
                }
                None => self.balancer.pass(time(*now)),
            },
            Line::Reclaim { age, now } => {
                self.balancer.reclaim(time(*age), time(*now));
                let balancer = &self.balancer;
                self.open.retain(|_, reservation| balancer.is_open(reservation));
            }
            // Where it is said, reading ends.
            Line::LeftOut {} => {}
        }
        Ok(())
    }

    fn join(&mut self, id: line::Id, endpoint: Endpoint) -> Result<(), String> {
        let slot = id.0 as usize;
        expect(slot <= self.joined + MOST_GAP, || {
            format!("slot {slot}: expected {} at the most", self.joined + MOST_GAP)
        })?;
        self.joined += 1;
        let joined = self.balancer.join_at(slot, endpoint);
        expect(joined == Some(line::endpoint(id)), || {
            let slot = joined.map_or_else(|| "a slot that is vacant".to_owned(), |id| format!("{:?}", line::id(id)));
            format!("endpoint {id:?} cannot have joined; expected {slot}")
        })
    }

    /// Takes an open request out; none for the number 0.
    fn find(&mut self, of: u64) -> Result<Option<Reservation>, String> {
        if of == 0 {
            return Ok(None);
        }
        match self.open.remove(&of) {
            Some(reservation) => Ok(Some(reservation)),
            None => Err(format!("of {of}: no such request is open; expected the number of one that is, or 0")),
        }
    }

    fn decide(&mut self, asked: &Decide, number: usize) -> Result<(), String> {
        let ids = |ids: &[line::Id]| ids.iter().copied().map(line::endpoint).collect::<Vec<_>>();
        let noted = Noted { few: asked.held.clone(), many: asked.levels.clone(), block: asked.block_tokens };
        let (subset, excluded) = (asked.subset.as_deref().map(ids), ids(&asked.excluded));
        let mut request = Request::new(PoolId(asked.pool), asked.key, asked.prompt_tokens)
            .with_evidence(Evidence::Noted(&noted))
            .with_excluded(&excluded);
        if let Some(subset) = &subset {
            request = request.with_subset(subset);
        }
        if let Some(affinity) = asked.affinity {
            request = request.with_affinity(affinity);
        }
        if let Some(adapter) = asked.adapter {
            request = request.with_adapter(adapter.into());
        }
        request = request.with_labels(Labels::from(asked.labels)).with_output_tokens(asked.output_tokens);
        request = request.with_slo(asked.slo());
        let at = Duration::from_nanos(asked.now);
        let now = Answer::from(self.balancer.redecide(&request, at));
        let was = Answer::from(&asked.answer);
        let same = if self.others { was.endpoint() == now.endpoint() } else { was == now };
        if !same {
            let difference = self.difference(&request, at, was.clone(), now);
            self.report.differences.push(Difference { line: number, ..difference });
        }
        if let (Some((most, others)), true, Some(endpoint)) = (&asked.others, same && !self.others, was.endpoint()) {
            let (others, most) = (ids(others), usize::try_from(*most).unwrap_or(usize::MAX));
            let listed = self.balancer.relist(&request, at, endpoint, most);
            if others != listed {
                let difference = Difference::of(request.pool, request.key, was.clone(), was.clone());
                self.report.differences.push(Difference { line: number, others: Some((others, listed)), ..difference });
            }
        }
        self.report.decisions += 1;
        match was {
            Answer::Refused(_) => self.report.refused += 1,
            Answer::Sent { endpoint, cached_tokens, .. } => {
                expect((asked.pool as usize) < self.pools, || {
                    format!("pool {} sent it somewhere; expected one that was added before", asked.pool)
                })?;
                let reservation = self.balancer.follow(&request, endpoint, cached_tokens);
                let reservation = reservation.ok_or_else(|| gone(line::id(endpoint)))?;
                self.open.insert(reservation.serial, reservation);
            }
            Answer::Paired { .. } => return Err("a pair; expected the answer of a pool".to_owned()),
        }
        Ok(())
    }

    fn decide_pair(&mut self, pair: u32, asked: &Decide, number: usize) -> Result<(), String> {
        let ids = |ids: &[line::Id]| ids.iter().copied().map(line::endpoint).collect::<Vec<_>>();
        let noted = Noted { few: asked.held.clone(), many: asked.levels.clone(), block: asked.block_tokens };
        let (subset, excluded) = (asked.subset.as_deref().map(ids), ids(&asked.excluded));
        let at = Duration::from_nanos(asked.now);
        let of = self.pairs.get(pair as usize).copied();
        // One that never was, or cannot be, has a number that no other has.
        let id = of.map_or(PairId(pair), |pair| pair.unwrap_or(PairId(u32::MAX)));
        let mut request = PairRequest::new(id, asked.key, asked.prompt_tokens)
            .with_evidence(Evidence::Noted(&noted))
            .with_excluded(&excluded);
        if let Some(subset) = &subset {
            request = request.with_subset(subset);
        }
        if let Some(adapter) = asked.adapter {
            request = request.with_adapter(adapter.into());
        }
        request = request.with_labels(Labels::from(asked.labels)).with_output_tokens(asked.output_tokens);
        request = request.with_slo(asked.slo());
        let (was, now) = (Answer::from(&asked.answer), self.balancer.redecide_pair(&request, at));
        let same = match (&asked.answer, &now) {
            (Said::Paired(was), Ok(now)) if self.others => was.ends() == now.ends(),
            (Said::Paired(was), Ok(now)) => was == now,
            (_, Err(refusal)) => self.others || was == Answer::Refused(refusal.clone()),
            _ => false,
        };
        let same = same && matches!(asked.answer, Said::Paired(_)) == now.is_ok();
        if !same {
            let now = now.map_or_else(Answer::Refused, |legs| Answer::from(&Said::Paired(legs)));
            let difference = Difference::of(PoolId(asked.pool), asked.key, was, now);
            self.report.differences.push(Difference { line: number, ..difference });
        }
        self.report.decisions += 1;
        let Said::Paired(legs) = &asked.answer else {
            self.report.refused += 1;
            return expect(!matches!(asked.answer, Said::Sent { .. }), || {
                "one endpoint; expected the answer of a pair policy".to_owned()
            });
        };
        let alone = legs.prefill.is_none();
        for (leg, computes) in [(Some(legs.decode), alone), (legs.prefill, true)] {
            let Some(leg) = leg else { continue };
            let tokens = (asked.prompt_tokens, leg.uncached_tokens);
            let (endpoint, adapter) = (line::endpoint(leg.endpoint), asked.adapter.map(Into::into));
            let reservation = self.balancer.follow_part(endpoint, tokens, computes, adapter);
            let reservation = reservation.ok_or_else(|| gone(leg.endpoint))?;
            self.open.insert(reservation.serial, reservation);
        }
        Ok(())
    }

    /// Why an answer is another one.
    fn difference(&self, request: &Request<'_>, at: Duration, was: Answer, now: Answer) -> Difference {
        let (pool, key) = (request.pool, request.key);
        let mut difference = Difference::of(pool, key, was, now);
        let Ok(explanation) = self.balancer.explain(request, at) else { return difference };
        let Some(then) = difference.was.endpoint() else { return difference };
        difference.omission = explanation.omitted.iter().find(|(id, _)| *id == then).map(|(_, why)| *why);
        let Some(old) = explanation.candidate(then) else { return difference };
        difference.cost = Some(old.total);
        let Some(new) = difference.now.endpoint().and_then(|id| explanation.candidate(id)) else { return difference };
        difference.margin = Some(old.total - new.total);
        if old.total > new.total
            && let Some(policy) = self.balancer.policy(pool)
        {
            difference.factor = decisive(policy, &explanation, (old.endpoint, new.endpoint));
        }
        difference
    }
}

fn expect(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

fn gone(endpoint: line::Id) -> String {
    format!("endpoint {endpoint:?} is not there; expected one that joined and has not left")
}

/// Which part of a policy speaks most for `new`: the greatest difference of a sum, the first one of an order, and the
/// greatest ratio of a product.
fn decisive(policy: &Policy, why: &Explanation, (old, new): (EndpointId, EndpointId)) -> Option<Factor> {
    let new: Vec<_> = why.contributions(new).collect();
    let mut pairs = why.contributions(old).collect::<Vec<_>>().into_iter().zip(new);
    let pair = match policy.combination() {
        Combination::Sum(_) | Combination::Cost(_) | Combination::Total(_) => {
            pairs.rev().max_by_key(|(old, new)| old.amount - new.amount)
        }
        Combination::Lexicographic(_) => pairs.find(|(old, new)| old.amount != new.amount),
        Combination::Product(_) => pairs.rev().max_by(|(a, b), (c, d)| {
            let cross = |x: i64, y: i64| i128::from(x) * i128::from(y);
            // a / b against c / d: what is 0 now is the greatest ratio, unless it was 0 too.
            cross(a.amount, d.amount).cmp(&cross(c.amount, b.amount))
        }),
    };
    pair.map(|(old, _)| old.factor)
}

impl From<Result<(EndpointId, u32, i64, u32), Refusal>> for Answer {
    fn from(answer: Result<(EndpointId, u32, i64, u32), Refusal>) -> Self {
        match answer {
            Ok((endpoint, cached_tokens, cost, ties)) => Self::Sent { endpoint, cached_tokens, cost, ties },
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

impl From<&Said> for Answer {
    fn from(said: &Said) -> Self {
        Self::Refused(match *said {
            Said::Sent { endpoint, cached_tokens, cost, ties } => {
                return Self::Sent { endpoint: line::endpoint(endpoint), cached_tokens, cost, ties };
            }
            Said::UnknownPool { pool } => Refusal::UnknownPool { pool: usize::try_from(pool).unwrap_or(usize::MAX) },
            Said::NoCandidates { subset } => Refusal::NoCandidates { subset },
            Said::AllExcluded { candidates } => Refusal::AllExcluded { candidates },
            Said::NoneLabeled { labels, unknown, candidates } => {
                Refusal::NoneLabeled { labels: labels.into(), unknown: unknown.into(), candidates }
            }
            Said::TooLong { tokens, longest, candidates } => Refusal::TooLong { tokens, longest, candidates },
            Said::AllLate { candidates } => Refusal::AllLate { candidates },
            Said::AllFiltered { filter, candidates } => Refusal::AllFiltered { filter, candidates },
            Said::UnknownPair { pair } => Refusal::UnknownPair { pair: usize::try_from(pair).unwrap_or(usize::MAX) },
            Said::UnknownDomain { domain, domains } => Refusal::UnknownDomain { domain: domain.into(), domains },
            Said::NoPair { prefills, decodes } => Refusal::NoPair { prefills, decodes },
            Said::OfRole { role, ref why } => match Self::from(&**why) {
                Self::Refused(why) => Refusal::OfRole { role, why: Box::new(why) },
                sent => return sent,
            },
            Said::Paired(ref legs) => {
                let part = legs.prefill.map_or(0, |leg| leg.cost);
                return Self::Paired {
                    prefill: legs.prefill.map(|leg| line::endpoint(leg.endpoint)),
                    decode: line::endpoint(legs.decode.endpoint),
                    transfer: legs.transfer,
                    cost: part.saturating_add(legs.transfer).saturating_add(legs.decode.cost),
                    ties: legs.ties,
                };
            }
        })
    }
}

impl Difference {
    fn of(pool: PoolId, key: u64, was: Answer, now: Answer) -> Self {
        let (cost, margin, factor, omission, others) = Default::default();
        Self { line: 0, pool, key, was, now, cost, margin, factor, omission, others }
    }
}
