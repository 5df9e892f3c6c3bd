//! Load that is counted, and counted back.

use super::*;
use phalanx_routing::Load;

/// What happens to a request on its way.
#[derive(Clone, Copy, Debug)]
enum End {
    Settled {
        outcome: Outcome,
        came: bool,
    },
    /// It is lost, and found when it is old.
    Lost,
    /// Its endpoint leaves first.
    Left(Outcome),
}

fn outcome() -> impl Strategy<Value = Outcome> {
    use Outcome::{ClientGone, Cut, Error, Success, Unused};
    prop::sample::select(vec![Success, Error, ClientGone, Cut, Unused])
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        8 => (outcome(), any::<bool>()).prop_map(|(outcome, came)| End::Settled { outcome, came }),
        1 => Just(End::Lost),
        1 => outcome().prop_map(End::Left),
    ]
}

proptest! {
    /// Property 10: whatever becomes of requests, and in whatever order they end, nothing is left of their load. That a
    /// reservation is settled once is held by its type: see the example at [`Reservation`].
    #[test]
    fn property_10_load_ends_with_its_request(
        preset in any_preset(),
        endpoints in 1..6_usize,
        requests in vec((1..5000_u32, end(), any::<u32>()), 1..40),
    ) {
        let mut fleet = Fleet::empty(preset, endpoints);
        let mut ends = Vec::new();
        for ((prompt, end, order), key) in requests.iter().zip(0..) {
            let request = Request::new(fleet.pool, key, *prompt).with_affinity(key % 4);
            match fleet.balancer.decide(&request, Duration::from_millis(key)) {
                Ok(decision) => ends.push((*order, *end, decision.reservation)),
                Err(_) => prop_assert!(false, "somebody is there"),
            }
        }
        let sum: u32 = fleet.ids.iter().map(|id| fleet.balancer.load(*id).in_flight).sum();
        prop_assert_eq!((sum as usize, fleet.balancer.outstanding()), (requests.len(), requests.len()));
        ends.sort_by_key(|(order, ..)| *order);
        let mut now = Duration::from_secs(1);
        let mut kept: Vec<_> = fleet.ids.clone();
        for (_, end, mut reservation) in ends {
            now += Duration::from_millis(3);
            match end {
                End::Settled { outcome, came } => {
                    if came {
                        fleet.balancer.first_token(&mut reservation, now);
                    }
                    let _ = fleet.balancer.settle(reservation, outcome, now);
                }
                End::Lost => {}
                End::Left(outcome) => {
                    let endpoint = reservation.endpoint();
                    if fleet.balancer.leave(endpoint) {
                        kept.retain(|id| *id != endpoint);
                    }
                    // Its slot has another tenant, whose account this is not.
                    let next = fleet.balancer.join(Endpoint::new());
                    let _ = fleet.balancer.settle(reservation, outcome, now);
                    prop_assert_eq!(fleet.balancer.load(next), Load::default());
                }
            }
        }
        let lost = fleet.balancer.outstanding();
        prop_assert_eq!(fleet.balancer.reclaim(Duration::from_secs(60), now + Duration::from_secs(60)), lost);
        prop_assert_eq!(fleet.balancer.outstanding(), 0);
        for id in kept {
            prop_assert_eq!(fleet.balancer.load(id), Load::default());
        }
    }

    /// Property 5: a batch of one is a single decision, and a larger one is as many of them, one after the other.
    #[test]
    fn property_05_a_batch_is_its_decisions(
        preset in any_preset(),
        states in states(),
        prompts in vec((1..5000_u32, any::<u64>(), prop::bool::weighted(0.1)), 0..12),
    ) {
        let mut fleet = Fleet::new(preset, &states);
        let held = fleet.held.clone();
        let (ids, pool) = (fleet.ids.clone(), fleet.pool);
        let requests: Vec<_> = prompts
            .iter()
            .map(|&(prompt, key, none)| {
                let request = Request::new(pool, key, prompt).with_affinity(key % 3);
                request.with_evidence(Evidence::Tokens(&held)).with_excluded(if none { &ids } else { &[] })
            })
            .collect();
        let mut single = fleet.balancer.clone();
        let one_by_one: Vec<_> = requests.iter().map(|request| single.decide(request, Duration::ZERO)).collect();
        let mut ones = fleet.balancer.clone();
        for (request, expected) in requests.iter().zip(&one_by_one) {
            let mut answers = Vec::new();
            ones.decide_batch(core::slice::from_ref(request), Duration::ZERO, &mut answers);
            prop_assert_eq!(&answers[..], core::slice::from_ref(expected));
        }
        let mut answers = Vec::new();
        fleet.balancer.decide_batch(&requests, Duration::ZERO, &mut answers);
        prop_assert_eq!(&answers, &one_by_one);
        let loads = |balancer: &Balancer| ids.iter().map(|id| balancer.load(*id)).collect::<Vec<_>>();
        prop_assert_eq!(loads(&fleet.balancer), loads(&single));
    }
}
