//! The cost of an endpoint for a request, term by term.

use core::fmt;

use crate::columns::Load;
use crate::policy::{Policy, PrefixAware};

/// What a part of a cost stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Term {
    /// Round-robin: the number of the last decision that chose the endpoint.
    Turn,
    /// Least-load: requests in flight there, each worth more than any backlog.
    InFlight,
    /// Prompt tokens that wait to be computed there.
    Waiting,
    /// Prompt tokens of this request that its cache does not hold.
    Own,
    /// What computing them costs the requests that decode there.
    DelayDecoding,
    /// What computing them costs the requests whose prompts wait there.
    DelayPrefilling,
    /// What one more sequence costs in each step of the requests there.
    Sequence,
}

/// A part of a cost. The parts of a candidate add up to its total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contribution {
    /// What it stands for.
    pub term: Term,
    /// How much it adds, in the policy's unit.
    pub cost: u64,
}

/// What is known of one candidate for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) load: Load,
    pub(crate) turn: u64,
    pub(crate) prompt_tokens: u32,
    pub(crate) uncached_tokens: u32,
}

/// The terms of one candidate, at most as many as the longest policy has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    parts: [Contribution; 5],
    len: usize,
}

/// Counts and backlogs above these score as these: with u16 weights no sum can overflow.
const MAX_REQUESTS: u32 = (1 << 14) - 1;
const MAX_BACKLOG: u64 = (1 << 40) - 1;
/// A request in flight outweighs every backlog.
const IN_FLIGHT: u64 = 1 << 40;

impl Cost {
    pub(crate) fn of(policy: &Policy, facts: &Facts) -> Self {
        match policy {
            Policy::RoundRobin => Self::from_parts([(Term::Turn, facts.turn)]),
            Policy::LeastLoad => Self::from_parts([
                (Term::InFlight, u64::from(facts.load.in_flight.min(MAX_REQUESTS)) * IN_FLIGHT),
                (Term::Waiting, facts.load.pending_tokens.min(MAX_BACKLOG)),
            ]),
            Policy::PrefixAware(knobs) => Self::prefix_aware(knobs, facts),
        }
    }

    /// In thousandths of a prefill token.
    fn prefix_aware(knobs: &PrefixAware, facts: &Facts) -> Self {
        let Facts { load, prompt_tokens, uncached_tokens, .. } = facts;
        let own = u64::from(*uncached_tokens);
        let count = |requests: u32| u64::from(requests.min(MAX_REQUESTS));
        let sequence =
            u64::from(knobs.sequence_millitokens) + u64::from(*prompt_tokens) * u64::from(knobs.context_millitokens);
        Self::from_parts([
            (Term::Waiting, load.pending_tokens.min(MAX_BACKLOG) * 1000),
            (Term::Own, own * 1000),
            (Term::DelayDecoding, own * u64::from(knobs.decoding_permille) * count(load.decoding())),
            (Term::DelayPrefilling, own * u64::from(knobs.prefilling_permille) * count(load.prefilling)),
            (Term::Sequence, sequence * count(load.in_flight)),
        ])
    }
}

impl Cost {
    fn from_parts<const N: usize>(terms: [(Term, u64); N]) -> Self {
        let mut parts = [Contribution { term: Term::Turn, cost: 0 }; 5];
        for (part, (term, cost)) in parts.iter_mut().zip(terms) {
            *part = Contribution { term, cost };
        }
        Self { parts, len: N }
    }

    pub(crate) fn total(&self) -> u64 {
        self.parts[..self.len].iter().map(|part| part.cost).sum()
    }

    pub(crate) fn parts(&self) -> &[Contribution] {
        &self.parts[..self.len]
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Turn => "turn",
            Self::InFlight => "in flight",
            Self::Waiting => "waiting",
            Self::Own => "own",
            Self::DelayDecoding => "delay of decoding",
            Self::DelayPrefilling => "delay of prefilling",
            Self::Sequence => "sequence",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overflows_at_the_largest_inputs() {
        let load = Load { in_flight: u32::MAX, prefilling: u32::MAX / 2, pending_tokens: u64::MAX };
        let facts = Facts { load, turn: u64::MAX, prompt_tokens: u32::MAX, uncached_tokens: u32::MAX };
        let knobs = PrefixAware::new()
            .with_decoding_permille(u16::MAX)
            .with_prefilling_permille(u16::MAX)
            .with_sequence_millitokens(u16::MAX)
            .with_context_millitokens(u16::MAX);
        for policy in Policy::all().iter().copied().chain([Policy::PrefixAware(knobs)]) {
            assert!(Cost::of(&policy, &facts).total() > 0);
        }
    }

    #[test]
    fn prefix_aware_prices_each_term_in_thousandths_of_a_token() {
        let load = Load { in_flight: 5, prefilling: 2, pending_tokens: 700 };
        let facts = Facts { load, turn: 9, prompt_tokens: 1000, uncached_tokens: 400 };
        let cost = Cost::of(&Policy::PrefixAware(PrefixAware::new()), &facts);
        let expected = [
            (Term::Waiting, 700_000),
            (Term::Own, 400_000),
            (Term::DelayDecoding, 400 * 150 * 3),
            (Term::DelayPrefilling, 400 * 500 * 2),
            (Term::Sequence, (17_000 + 1000 * 46) * 5),
        ];
        assert_eq!(cost.parts().iter().map(|part| (part.term, part.cost)).collect::<Vec<_>>(), expected);
    }
}
