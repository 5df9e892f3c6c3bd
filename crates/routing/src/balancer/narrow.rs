//! Which gate is open among the candidates, and who of them is near the others.

use super::Balancer;
use crate::endpoint::Role;
use crate::evidence::Held;
use crate::line::Tokens;
use crate::policy::{Limit, Measure, Near, Policy, Trigger};
use crate::price::{self, Known};
use crate::request::{Refusal, Request};

/// Values above this count as this where they are squared.
const MOST_SQUARED: i64 = (1 << 40) - 1;

impl Balancer {
    /// Takes those out that are not near the others, and those that are expected to be late. Says which gate was open
    /// before.
    pub(super) fn narrow(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        now: i64,
        held: &Held,
        slots: &mut Vec<u32>,
    ) -> Result<Option<u32>, Refusal> {
        if policy.asks_one() {
            return Ok(None);
        }
        let open = self.relate(policy, request, held, slots);
        self.keep_timely(Role::Both, policy, request, now, |at| held.of(request.evidence, at), slots)?;
        Ok(open)
    }

    /// The first gate that is open among those listed, who are at least one. Takes those out that are not near the
    /// others.
    pub(super) fn relate(
        &self,
        policy: &Policy,
        request: &Request<'_>,
        held: &Held,
        slots: &mut Vec<u32>,
    ) -> Option<u32> {
        if !policy.is_relative() {
            return None;
        }
        let known = self.known(policy);
        let open = policy.gates().iter().position(|gate| is_open(gate.when, &known, request, held, slots));
        if let Some(near) = policy.near() {
            keep_near(near, &known, slots);
        }
        open.map(|place| place as u32)
    }
}

fn value(known: &Known<'_>, measure: Measure, at: u32) -> i64 {
    price::measure(known, measure, at as usize, Tokens::new(1, 0))
}

fn is_open(when: Trigger, known: &Known<'_>, request: &Request<'_>, held: &Held, slots: &[u32]) -> bool {
    let least = |measure| slots.iter().map(|&at| value(known, measure, at)).min().unwrap_or(0);
    let most = |measure| slots.iter().map(|&at| value(known, measure, at)).max().unwrap_or(0);
    match when {
        Trigger::Spread { measure, above, permille } => {
            let (least, most) = (least(measure), most(measure));
            most - least > i64::from(above) && i128::from(most) * 1000 > i128::from(least) * i128::from(permille)
        }
        Trigger::Most { measure, above } => most(measure) > i64::from(above),
        Trigger::Least { measure, above } => least(measure) > i64::from(above),
        Trigger::ShareAtMost(ppm) => {
            let full = request.full_tokens();
            let share = |&at: &u32| price::share(held.of(request.evidence, at as usize), full);
            slots.iter().map(share).max().unwrap_or(0) <= i64::from(ppm)
        }
    }
}

fn keep_near(near: Near, known: &Known<'_>, slots: &mut Vec<u32>) {
    let value = |at: u32| value(known, near.measure, at);
    match near.limit {
        Limit::Least { permille, above } => {
            let least = i128::from(slots.iter().map(|&at| value(at)).min().unwrap_or(0));
            let limit = least * i128::from(permille) + i128::from(above) * 1000;
            slots.retain(|&at| i128::from(value(at)) * 1000 <= limit);
        }
        Limit::Deviations(permille) => {
            let value = |at: u32| value(at).clamp(0, MOST_SQUARED) as u128;
            let count = slots.len() as u128;
            let sum: u128 = slots.iter().map(|&at| value(at)).sum();
            let squares: u128 = slots.iter().map(|&at| value(at).pow(2)).sum();
            // By the count times everything: in whole numbers, so that who stands on the limit is near.
            let variance = (count * squares).saturating_sub(sum * sum);
            let limit = variance.saturating_mul(u128::from(permille).pow(2));
            slots.retain(|&at| {
                let beyond = (count * value(at)).saturating_sub(sum);
                beyond == 0 || beyond.saturating_mul(beyond).saturating_mul(1_000_000) <= limit
            });
        }
    }
}
