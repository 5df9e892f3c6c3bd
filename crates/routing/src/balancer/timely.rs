//! What an answer is expected to take, and who keeps a promise.

use core::time::Duration;

use super::Balancer;
use crate::endpoint::{EndpointId, Role};
use crate::line::Tokens;
use crate::policy::{FailMode, Policy};
use crate::price::{self, Known};
use crate::request::{Refusal, Request};
use crate::slo::{Forecast, Slo};

impl Balancer {
    /// What an answer is expected to take at an endpoint that gets the request now: until its first token the prompts
    /// that wait there, less what has been made of the first of them, and what is not cached of this one, at the pace
    /// that was learned, and what it takes until the request's adapter is there; for each further token a step of all sequences in flight and this one, 30 µs and 80 ns for each
    /// token of a prompt more than a step without them, which is learned. `None` for an endpoint that left.
    ///
    /// Before anything is learned, the expectations are those that the [`Endpoint`](crate::Endpoint) states.
    #[must_use]
    pub fn forecast(&self, endpoint: EndpointId, request: &Request<'_>, now: Duration) -> Option<Forecast> {
        let at = self.columns.at(endpoint)?;
        let mut held = crate::evidence::Held::default();
        held.fill(request.evidence, &self.columns);
        let elapsed = self.nanos(now);
        let unknown = self.pools.get(request.pool.index()).map_or_else(Default::default, |pool| pool.policy.unknown());
        let tokens = Tokens::new(request.prompt_tokens, held.of(request.evidence, at));
        Some(forecast(&self.known_of(unknown, request), at, tokens, elapsed))
    }

    /// What the policy wants of an answer; nothing if it does not care.
    pub(super) fn promise(policy: &Policy, request: &Request<'_>) -> Option<(Slo, FailMode)> {
        let targets = policy.targets()?;
        let slo = targets.slo(request.slo);
        (slo != Slo::default()).then_some((slo, targets.fail))
    }

    /// Whether somebody who is the best of all is the best of those who keep the promise, too.
    pub(super) fn is_timely(&self, policy: &Policy, request: &Request<'_>, now: i64, at: usize, held: u32) -> bool {
        let Some((slo, _)) = Self::promise(policy, request) else { return true };
        let known = self.known_of(policy.unknown(), request);
        forecast(&known, at, Tokens::new(request.prompt_tokens, held), now).meets(slo)
    }

    /// Leaves out those who are expected to be too late with their part: who computes the prompt has to do with the time to
    /// the first token, and who answers with the time for each further one.
    pub(super) fn keep_timely(
        &self,
        part: Role,
        policy: &Policy,
        request: &Request<'_>,
        now: i64,
        held: impl Fn(usize) -> u32,
        slots: &mut Vec<u32>,
    ) -> Result<(), Refusal> {
        let Some((slo, fail)) = Self::promise(policy, request) else { return Ok(()) };
        let slo = match part {
            Role::Both => slo,
            Role::Prefill => Slo { tpot: None, ..slo },
            Role::Decode => Slo { ttft: None, ..slo },
        };
        let known = self.known_of(policy.unknown(), request);
        let tokens = |at: usize| Tokens::new(request.prompt_tokens, held(at));
        let is_timely = |at: u32| forecast(&known, at as usize, tokens(at as usize), now).meets(slo);
        if slots.iter().any(|&at| is_timely(at)) {
            slots.retain(|&at| is_timely(at));
        } else if fail == FailMode::Closed {
            return Err(Refusal::AllLate { candidates: slots.len() as u32 });
        }
        Ok(())
    }
}

fn forecast(known: &Known<'_>, at: usize, tokens: Tokens, now: i64) -> Forecast {
    let (ttft, tpot) = price::forecast(known, at, tokens, now);
    let nanos = |time: i64| Duration::from_nanos(time.max(0).unsigned_abs());
    Forecast { ttft: nanos(ttft), tpot: nanos(tpot) }
}
