//! What must be true of an answer.

use std::collections::BTreeSet;

use phalanx_routing::{
    Balancer, Combination, Decision, EndpointId, Explanation, FailMode, Omission, Picker, PoolId, Refusal, Request,
};

/// Whom a request could go to, but for the policy.
pub(super) struct Eligible<'a> {
    pub(super) pool: PoolId,
    /// Whether the pool exists.
    pub(super) known: bool,
    /// Those of the pool that are asked for.
    pub(super) asked: BTreeSet<EndpointId>,
    pub(super) excluded: &'a [EndpointId],
}

impl Eligible<'_> {
    fn is_left(&self, id: EndpointId) -> bool {
        self.asked.contains(&id) && !self.excluded.contains(&id)
    }
}

/// The answer is one that may be given, and the one that was explained.
pub(super) fn explained(
    balancer: &Balancer,
    request: &Request<'_>,
    eligible: &Eligible<'_>,
    answer: &Result<Decision, Refusal>,
    explanation: Result<Explanation, Refusal>,
) {
    let explanation = match explanation {
        Ok(explanation) => explanation,
        Err(refusal) => {
            assert!(!eligible.known && matches!(refusal, Refusal::UnknownPool { .. }));
            assert_eq!(answer.as_ref().err(), Some(&refusal));
            return;
        }
    };
    assert!(eligible.known);
    let is_left = |id: &&EndpointId| eligible.is_left(**id);
    let left = eligible.asked.iter().filter(is_left).count();
    match answer {
        Ok(decision) => {
            let id = decision.endpoint;
            assert!(eligible.is_left(id), "{id:?} may not be chosen");
            assert_eq!(explanation.chosen, Some(id));
            let filtered = |(of, why): &(EndpointId, Omission)| *of == id && matches!(why, Omission::Filtered(_));
            assert!(!explanation.omitted.iter().any(filtered), "{id:?} was filtered out");
            let total = explanation.candidate(id).map(|candidate| candidate.total);
            let least = explanation.candidates.iter().map(|candidate| candidate.total).min();
            let policy = balancer.policy(eligible.pool).expect("it exists");
            if policy.picker() == Picker::Best {
                assert_eq!((total, least), (Some(decision.cost), Some(decision.cost)), "the least is chosen");
            }
        }
        Err(Refusal::NoCandidates { .. }) => assert!(eligible.asked.is_empty()),
        Err(Refusal::AllExcluded { candidates }) => {
            assert_eq!((left, *candidates as usize), (0, eligible.asked.len()));
            assert!(left == 0 && *candidates > 0);
        }
        Err(Refusal::AllFiltered { filter, candidates }) => {
            let of = balancer.policy(eligible.pool).expect("it exists").filters()[*filter as usize];
            assert!(left > 0 && of.fail == FailMode::Closed && *candidates as usize <= left);
        }
        Err(refusal) => panic!("{refusal} in a pool that exists"),
    }
    assert!(answer.is_ok() || (explanation.chosen.is_none() && explanation.candidates.is_empty()));
    adds_up(balancer, request, eligible, &explanation);
}

/// Everyone is either weighed or left out, and parts make the total.
fn adds_up(balancer: &Balancer, request: &Request<'_>, eligible: &Eligible<'_>, explanation: &Explanation) {
    let left_out: BTreeSet<_> = explanation.omitted.iter().map(|(id, _)| *id).collect();
    let weighed: BTreeSet<_> = explanation.candidates.iter().map(|candidate| candidate.endpoint).collect();
    assert!(left_out.is_disjoint(&weighed));
    assert!(eligible.asked.iter().all(|id| left_out.contains(id) || weighed.contains(id)));
    assert!(weighed.iter().all(|id| eligible.is_left(*id)));
    let policy = balancer.policy(eligible.pool).expect("it exists");
    let combination = match explanation.gate {
        Some(gate) => &policy.gates()[gate as usize].combination,
        None => policy.combination(),
    };
    for candidate in &explanation.candidates {
        assert_eq!(candidate.cached_tokens.checked_add(candidate.uncached_tokens), Some(request.prompt_tokens()));
        let parts = explanation.contributions(candidate.endpoint).map(|part| i128::from(part.amount));
        let total = i128::from(candidate.total);
        match combination {
            Combination::Sum(_) | Combination::Total(_) => assert_eq!(parts.sum::<i128>(), total),
            // Costs have an end.
            Combination::Cost(_) => assert_eq!(parts.sum::<i128>().min(1 << 60), total),
            Combination::Product(_) => {
                let product = parts.fold(1, i128::saturating_mul);
                assert!(product == total || total >= 1 << 36, "{product} is not {total}");
            }
            _ => {}
        }
    }
}

/// What is listed besides could have been chosen, is not the one that was, and comes once.
pub(super) fn listed(eligible: &Eligible<'_>, answer: &Result<Decision, Refusal>, most: usize, others: &[EndpointId]) {
    assert!(others.len() <= most);
    let Ok(decision) = answer else { return assert!(others.is_empty()) };
    assert!(others.iter().all(|id| eligible.is_left(*id) && *id != decision.endpoint));
    let once: BTreeSet<_> = others.iter().collect();
    assert_eq!(once.len(), others.len());
}
