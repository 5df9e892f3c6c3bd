//! The router: load, policy and seed together.

use core::time::Duration;

use crate::columns::{Columns, Load, Totals};
use crate::cost::{Cost, Facts};
use crate::endpoint::EndpointId;
use crate::explanation::{Candidate, Explanation, Omission};
use crate::policy::Policy;
use crate::request::{Decision, Refusal, Request};
use crate::reservation::{Outcome, Reservation, Settled};
use crate::seed::{Seed, Stage};

/// Decides where requests go, and owns the load that comes from it.
///
/// All its state is here: a clone makes the same decisions. Times are since an epoch of the caller's, the same in every
/// call; they measure, and no cost depends on them.
#[derive(Clone, Debug)]
pub struct Router {
    policy: Policy,
    seed: Seed,
    columns: Columns,
    decisions: u64,
    outstanding: u32,
    /// The candidates of least cost so far; kept for its memory.
    tied: Vec<(EndpointId, u32)>,
}

/// The endpoint picked among the tied, what it holds, and how many they were.
struct Pick {
    endpoint: EndpointId,
    cached_tokens: u32,
    cost: u64,
    ties: u32,
}

impl Router {
    /// A router without endpoints.
    ///
    /// ```
    /// use phalanx_routing::{Policy, Router, Seed};
    ///
    /// let router = Router::new(Policy::parse("round-robin")?, Seed::from(0));
    /// assert_eq!(router.outstanding(), 0);
    /// # Ok::<(), phalanx_routing::UnknownPolicy>(())
    /// ```
    #[must_use]
    pub fn new(policy: Policy, seed: Seed) -> Self {
        Self { policy, seed, columns: Columns::default(), decisions: 0, outstanding: 0, tied: Vec::new() }
    }

    /// Adds an endpoint without load. The slot of one that left is used again.
    ///
    /// ```
    /// use phalanx_routing::{Policy, Router, Seed};
    ///
    /// let mut router = Router::new(Policy::LeastLoad, Seed::from(0));
    /// assert_eq!([router.join().index(), router.join().index()], [0, 1]);
    /// ```
    pub fn join(&mut self) -> EndpointId {
        self.columns.join()
    }

    /// Removes an endpoint: it is not chosen again, and reservations that name it settle without effect on the slot's
    /// next tenant. `false` when it had left already.
    ///
    /// ```
    /// use phalanx_routing::{Policy, Router, Seed};
    ///
    /// let mut router = Router::new(Policy::LeastLoad, Seed::from(0));
    /// let endpoint = router.join();
    /// assert!(router.leave(endpoint));
    /// assert!(!router.leave(endpoint));
    /// ```
    pub fn leave(&mut self, endpoint: EndpointId) -> bool {
        self.columns.leave(endpoint)
    }

    /// Chooses an endpoint for `request` and counts its load there at once.
    ///
    /// Linear in the three lists of the request; allocates nothing once as many candidates have tied as ever will.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when no candidate is left or a list is out of order; nothing is counted then.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Policy, Refusal, Request, Router, Seed};
    ///
    /// let mut router = Router::new(Policy::LeastLoad, Seed::from(0));
    /// let fleet = [router.join(), router.join()];
    /// let request = Request { key: 1, prompt_tokens: 10, evidence: &[], candidates: &fleet, excluded: &fleet[..1] };
    /// let decision = router.decide(&request, Duration::ZERO)?;
    /// assert_eq!(decision.endpoint, fleet[1]);
    ///
    /// let retry = Request { excluded: &fleet, ..request };
    /// assert_eq!(router.decide(&retry, Duration::ZERO), Err(Refusal::AllExcluded { candidates: 2 }));
    /// # let _ = decision;
    /// # Ok::<(), Refusal>(())
    /// ```
    pub fn decide(&mut self, request: &Request<'_>, now: Duration) -> Result<Decision, Refusal> {
        request.check_order()?;
        let mut tied = core::mem::take(&mut self.tied);
        let pick = self.pick(request, &mut tied);
        self.tied = tied;
        let Pick { endpoint, cached_tokens, cost, ties } = pick?;

        let (cached_tokens, uncached_tokens) = request.split(cached_tokens);
        let reservation = Reservation { endpoint, uncached_tokens, decided: now, first_token: None };
        self.decisions += 1;
        self.outstanding = self.outstanding.saturating_add(1);
        self.columns.begin(&reservation, self.decisions);
        Ok(Decision { endpoint, cached_tokens, uncached_tokens, cost, ties, reservation })
    }

    /// Notes that the first token of the answer came: the prompt is computed, and its tokens wait no longer. Does nothing
    /// the second time.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Policy, Request, Router, Seed};
    ///
    /// let mut router = Router::new(Policy::LeastLoad, Seed::from(0));
    /// let fleet = [router.join()];
    /// let request = Request { key: 1, prompt_tokens: 10, evidence: &[], candidates: &fleet, excluded: &[] };
    /// let mut reservation = router.decide(&request, Duration::ZERO)?.reservation;
    /// assert_eq!(router.load(fleet[0]).pending_tokens, 10);
    /// router.first_token(&mut reservation, Duration::from_millis(5));
    /// assert_eq!(router.load(fleet[0]).pending_tokens, 0);
    /// assert_eq!(router.load(fleet[0]).decoding(), 1);
    /// # let _ = reservation;
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    pub fn first_token(&mut self, reservation: &mut Reservation, now: Duration) {
        if reservation.is_prefilling() {
            self.columns.end_prefill(reservation);
            reservation.first_token = Some(now);
        }
    }

    /// Takes back the load of a request that ended, whether its first token came or not, and tells how long it took.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Outcome, Policy, Request, Router, Seed};
    ///
    /// let mut router = Router::new(Policy::LeastLoad, Seed::from(0));
    /// let fleet = [router.join()];
    /// let request = Request { key: 1, prompt_tokens: 10, evidence: &[], candidates: &fleet, excluded: &[] };
    /// let reservation = router.decide(&request, Duration::from_secs(3))?.reservation;
    /// let settled = router.settle(reservation, Outcome::ClientGone, Duration::from_secs(4));
    /// assert_eq!(settled.total, Duration::from_secs(1));
    /// assert_eq!(router.load(fleet[0]).in_flight, 0);
    /// assert_eq!(router.totals(fleet[0]).client_gone, 1);
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "a reservation is settled once")]
    pub fn settle(&mut self, reservation: Reservation, outcome: Outcome, now: Duration) -> Settled {
        self.columns.end(&reservation, outcome);
        self.outstanding = self.outstanding.saturating_sub(1);
        reservation.settled(now)
    }

    /// The candidates of `request` with their costs, and the one that [`decide`](Self::decide) would choose now. Changes
    /// nothing; allocates, so keep it off the hot path.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unsorted`] when a list is out of order. A request that would be refused otherwise has an explanation
    /// that shows why, with nothing chosen.
    ///
    /// ```
    /// use phalanx_routing::{Policy, Request, Router, Seed};
    ///
    /// let mut router = Router::new(Policy::parse("prefix-aware")?, Seed::from(0));
    /// let fleet = [router.join(), router.join()];
    /// let evidence = [(fleet[0], 64)];
    /// let request = Request { key: 1, prompt_tokens: 100, evidence: &evidence, candidates: &fleet, excluded: &[] };
    /// let explanation = router.explain(&request)?;
    /// assert_eq!(explanation.chosen, Some(fleet[0]));
    /// assert_eq!(explanation.candidates[0].total, 36_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain(&self, request: &Request<'_>) -> Result<Explanation, Refusal> {
        request.check_order()?;
        let mut candidates = Vec::new();
        let mut omitted = Vec::new();
        self.weigh(request, |endpoint, weighed| match weighed {
            Err(omission) => omitted.push((endpoint, omission)),
            Ok((held, facts, cost)) => {
                let (cached_tokens, uncached_tokens) = request.split(held);
                candidates.push(Candidate {
                    endpoint,
                    load: facts.load,
                    cached_tokens,
                    uncached_tokens,
                    contributions: cost.parts().to_vec(),
                    total: cost.total(),
                });
            }
        });
        let pick = self.pick(request, &mut Vec::new()).ok();
        Ok(Explanation {
            policy: self.policy,
            chosen: pick.as_ref().map(|pick| pick.endpoint),
            ties: pick.map_or(0, |pick| pick.ties),
            candidates,
            omitted,
        })
    }

    /// The policy it decides by.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The load of an endpoint; none at all for one that left.
    #[must_use]
    pub fn load(&self, endpoint: EndpointId) -> Load {
        self.columns.row(endpoint).map_or_else(Load::default, |row| self.columns.load(row))
    }

    /// How the settled requests of an endpoint ended; none for one that left.
    #[must_use]
    pub fn totals(&self, endpoint: EndpointId) -> Totals {
        self.columns.row(endpoint).map_or_else(Totals::default, |row| self.columns.totals(row))
    }

    /// Reservations not yet settled, those of endpoints that left included.
    #[must_use]
    pub fn outstanding(&self) -> u32 {
        self.outstanding
    }

    /// Shows `visit` each candidate in id order: why it is passed over, or the tokens it holds, what is known and the cost.
    fn weigh(&self, request: &Request<'_>, mut visit: impl FnMut(EndpointId, Result<(u32, Facts, Cost), Omission>)) {
        let mut evidence = request.evidence.iter().copied().peekable();
        let mut excluded = request.excluded.iter().copied().peekable();
        for &endpoint in request.candidates {
            while excluded.next_if(|&other| other < endpoint).is_some() {}
            if excluded.next_if_eq(&endpoint).is_some() {
                visit(endpoint, Err(Omission::Excluded));
                continue;
            }
            let Some(row) = self.columns.row(endpoint) else {
                visit(endpoint, Err(Omission::Left));
                continue;
            };
            while evidence.next_if(|&(other, _)| other < endpoint).is_some() {}
            let held = evidence.next_if(|&(other, _)| other == endpoint).map_or(0, |(_, tokens)| tokens);
            let facts = Facts {
                load: self.columns.load(row),
                turn: self.columns.turn(row),
                prompt_tokens: request.prompt_tokens,
                uncached_tokens: request.split(held).1,
            };
            visit(endpoint, Ok((held, facts, Cost::of(&self.policy, &facts))));
        }
    }

    fn pick(&self, request: &Request<'_>, tied: &mut Vec<(EndpointId, u32)>) -> Result<Pick, Refusal> {
        let candidates = u32::try_from(request.candidates.len()).unwrap_or(u32::MAX);
        let (mut least, mut excluded) = (u64::MAX, 0);
        tied.clear();
        self.weigh(request, |endpoint, weighed| match weighed {
            Ok((held, _, cost)) => {
                let cost = cost.total();
                if cost < least {
                    least = cost;
                    tied.clear();
                }
                if cost == least {
                    tied.push((endpoint, held));
                }
            }
            Err(Omission::Excluded) => excluded += 1,
            Err(Omission::Left) => {}
        });
        let ties = u32::try_from(tied.len()).unwrap_or(u32::MAX);
        // Turns are distinct but for endpoints that had none yet: those go in id order, as their next round will.
        let drawn = if self.policy == Policy::RoundRobin { 0 } else { self.seed.draw(Stage::Tie, request.key, ties) };
        match tied.get(drawn as usize) {
            Some(&(endpoint, cached_tokens)) => Ok(Pick { endpoint, cached_tokens, cost: least, ties }),
            None if candidates == 0 => Err(Refusal::NoCandidates),
            None if excluded == candidates => Err(Refusal::AllExcluded { candidates }),
            None => Err(Refusal::AllGone { candidates, excluded }),
        }
    }
}

#[cfg(test)]
mod tests;
