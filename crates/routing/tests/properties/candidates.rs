//! Who may be chosen, and that somebody is.

use super::*;
use phalanx_routing::Refusal;

/// A fleet of which some have left, some are in another pool only, and some are asked for or excluded.
#[derive(Clone, Debug)]
struct Asked {
    states: Vec<State>,
    outside: Vec<bool>,
    subset: Option<Vec<usize>>,
    excluded: Vec<usize>,
    filters: Vec<Filter>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let measure = prop::sample::select(vec![Measure::Waiting, Measure::InFlight, Measure::PendingTokens]);
    let fail = prop_oneof![Just(FailMode::Closed), Just(FailMode::Open)];
    let filter = (measure, 0..50_u32, fail).prop_map(|(measure, below, fail)| Filter { measure, below, fail });
    let subset = proptest::option::of(vec(0..9_usize, 0..6));
    (states(), vec(prop::bool::weighted(0.2), 8), subset, vec(0..9_usize, 0..5), vec(filter, 0..3))
        .prop_map(|(states, outside, subset, excluded, filters)| Asked { states, outside, subset, excluded, filters })
}

impl Asked {
    fn fleet(&self, preset: Policy) -> Fleet {
        let policy = preset.with_filters(self.filters.clone()).expect("of the endpoint");
        let mut fleet = Fleet::new(policy, &self.states);
        for (id, outside) in fleet.ids.clone().into_iter().zip(&self.outside) {
            assert_eq!(*outside && fleet.balancer.exit(fleet.pool, id), *outside);
        }
        fleet
    }

    /// Ids by places; the one beyond the last is a stranger's, who has left.
    fn ids(&self, fleet: &Fleet, places: &[usize]) -> Vec<EndpointId> {
        let mut other = Balancer::new(Seed::from(1));
        let mut stranger = || {
            let gone = other.join(Endpoint::new());
            other.leave(gone);
            let again = other.join(Endpoint::new());
            other.leave(again);
            again
        };
        places.iter().map(|at| fleet.ids.get(*at).copied().unwrap_or_else(&mut stranger)).collect()
    }

    fn value(&self, measure: Measure, at: usize) -> u64 {
        let state = &self.states[at];
        match measure {
            Measure::Waiting => state.waiting.into(),
            Measure::InFlight => state.prompts.len() as u64,
            _ => state.prompts.iter().filter(|(_, came)| !came).map(|(prompt, _)| u64::from(*prompt)).sum(),
        }
    }

    /// The places of those who are in the pool, asked for and not excluded; and of them those who pass the filters, if
    /// none leaves nobody.
    fn expected(&self) -> (Vec<usize>, Result<Vec<usize>, usize>) {
        let eligible: Vec<_> = (0..self.states.len())
            .filter(|at| !self.outside[*at] && !self.excluded.contains(at))
            .filter(|at| self.subset.as_ref().is_none_or(|subset| subset.contains(at)))
            .collect();
        let mut left = eligible.clone();
        for (place, filter) in self.filters.iter().enumerate() {
            let passes = |at: &usize| self.value(filter.measure, *at) < u64::from(filter.below);
            if left.iter().any(passes) {
                left.retain(passes);
            } else if filter.fail == FailMode::Closed {
                return (eligible, Err(place));
            }
        }
        (eligible, Ok(left))
    }
}

proptest! {
    /// Property 1: the chosen endpoint is in the pool, was asked for, is not excluded, and passes every hard filter.
    /// Property 11: somebody is chosen if anybody may be, unless a closed filter refuses, which is then named.
    #[test]
    fn property_01_11_whoever_may_be_chosen_is(preset in any_preset(), asked in asked(), key: u64) {
        let mut fleet = asked.fleet(preset);
        let (subset, excluded) = (asked.subset.as_ref().map(|of| asked.ids(&fleet, of)), asked.ids(&fleet, &asked.excluded));
        let held = fleet.held.clone();
        let mut request = Request::new(fleet.pool, key, PROMPT).with_affinity(key % 5);
        request = request.with_evidence(Evidence::Tokens(&held)).with_excluded(&excluded);
        if let Some(subset) = &subset {
            request = request.with_subset(subset);
        }
        let explanation = fleet.balancer.explain(&request, Duration::ZERO).expect("there is such a pool");
        let answer = fleet.balancer.decide(&request, Duration::ZERO);
        let (eligible, left) = asked.expected();
        match (&answer, left) {
            (Ok(decision), Ok(left)) => {
                let at = fleet.ids.iter().position(|id| *id == decision.endpoint).expect("it joined");
                prop_assert!(left.contains(&at), "{at} is none of {left:?}");
                prop_assert_eq!(explanation.chosen, Some(decision.endpoint));
                let near = explanation.omitted.iter().filter(|(_, why)| *why == Omission::Far).count();
                prop_assert_eq!(explanation.candidates.len() + near, left.len());
            }
            (Err(refusal), Ok(left)) => {
                prop_assert!(left.is_empty() && eligible.is_empty(), "{refusal} of {left:?}");
                let nobody = matches!(refusal, Refusal::NoCandidates { .. } | Refusal::AllExcluded { .. });
                prop_assert!(nobody, "{refusal}");
            }
            (answer, Err(place)) => {
                if eligible.is_empty() {
                    prop_assert!(answer.is_err());
                } else {
                    let filtered = matches!(answer, Err(Refusal::AllFiltered { filter, .. }) if *filter == place as u32);
                    prop_assert!(filtered, "{answer:?} instead of filter {place}");
                }
                prop_assert!(explanation.chosen.is_none() && explanation.candidates.is_empty());
            }
        }
        if let Err(refusal) = answer {
            prop_assert_eq!(fleet.balancer.outstanding(), fleet.open.len());
            prop_assert!(!refusal.to_string().is_empty());
        }
    }

    /// Property 27: one who excludes each endpoint that failed asks everyone once at the most, and then is told that all
    /// are excluded.
    #[test]
    fn property_27_retries_end(preset in any_preset(), states in states(), key: u64, keep_load: bool) {
        let policy = preset.with_filters(vec![]).expect("none");
        let mut fleet = Fleet::new(policy, &states);
        let held = fleet.held.clone();
        let mut excluded = Vec::new();
        loop {
            let request = Request::new(fleet.pool, key, PROMPT).with_affinity(key);
            let request = request.with_evidence(Evidence::Tokens(&held)).with_excluded(&excluded);
            match fleet.balancer.decide(&request, Duration::ZERO) {
                Ok(decision) => {
                    prop_assert!(!excluded.contains(&decision.endpoint));
                    excluded.push(decision.endpoint);
                    if keep_load {
                        fleet.open.push(decision.reservation);
                    } else {
                        let _ = fleet.balancer.settle(decision.reservation, Outcome::Error, Duration::ZERO);
                    }
                }
                Err(refusal) => {
                    prop_assert_eq!(refusal, Refusal::AllExcluded { candidates: states.len() as u32 });
                    break;
                }
            }
        }
        prop_assert_eq!(excluded.len(), states.len());
    }
}
