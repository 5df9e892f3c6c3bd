//! What it costs that an adapter is where it is.

use super::{PACK, term, weighed};
use crate::adapter::STATES;
use crate::line::MOST_ADDED;
use crate::policy::{Combination, Measure, Measured, ONE, Policy, Scorer, Term};

/// llm-d's scores by state: loaded, coming, a free slot, none free.
const SCORES: [i64; STATES] = [ONE, 600_000, 800_000, 0];

/// Whether what a policy makes of an endpoint depends on where the request's adapter is.
pub(crate) fn sees(policy: &Policy) -> bool {
    let mut combinations = policy.gates().iter().map(|gate| &gate.combination).chain([policy.combination()]);
    policy.filters().iter().any(|filter| filter.measure == Measure::Adapter) || combinations.any(is_part)
}

fn is_part(combination: &Combination) -> bool {
    match combination {
        Combination::Sum(parts) => parts.iter().any(|part| part.scorer == Scorer::Adapter),
        Combination::Product(measures) | Combination::Lexicographic(measures) => measures.contains(&Measure::Adapter),
        Combination::Cost(terms) => terms.iter().any(|priced| priced.term == Term::AdapterLoad),
        Combination::Total(measures) => measures.iter().any(|priced| priced.measure == Measure::Adapter),
    }
}

/// The score of a state.
pub(crate) fn score(state: usize) -> i64 {
    SCORES[state]
}

/// What a combination that has a [line](super::is_local) adds to it in a state.
pub(crate) fn cost(combination: &Combination, state: usize) -> i64 {
    let measured = |measure: Measure| if measure == Measure::Adapter { state as i64 } else { 0 };
    match combination {
        Combination::Sum(parts) => {
            let parts = parts.iter().filter(|part| part.scorer == Scorer::Adapter);
            -parts.map(|part| weighed(part, score(state))).sum::<i64>()
        }
        Combination::Product(_) => 0,
        Combination::Lexicographic(measures) => match measures.as_slice() {
            [first, second] => measured(*first) * PACK + measured(*second),
            measures => measures.first().map_or(0, |measure| measured(*measure)),
        },
        Combination::Cost(terms) => {
            let loads = terms.iter().filter(|priced| priced.term == Term::AdapterLoad);
            loads.map(|priced| term::adapter_load(priced, state)).sum()
        }
        Combination::Total(measures) => {
            let measured = measures.iter().filter(|of| of.measure == Measure::Adapter);
            measured.map(|of| priced(of, state)).sum()
        }
    }
}

/// The measure at its price.
pub(super) fn priced(measured: &Measured, state: usize) -> i64 {
    (state as i64 * i64::from(measured.permille)).min(MOST_ADDED)
}
