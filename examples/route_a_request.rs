//! Decides where requests go, as a gateway would: a route names the server, the balancer picks the endpoint by what each
//! one's cache holds and by its load, and the load is settled when the answer ends.
//!
//! Paste the body of `main` into a gateway: `decide` on arrival, `first_token` on the first byte of the answer, `settle`
//! on every way out. Time is since an epoch of your own, and `key` is a hash of the request's id.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use phalanx_routing::{Balancer, Endpoint, Evidence, ModelRoute, Outcome, Policy, Request, RouteTable, Seed, Target};

/// What a gateway knows of a request: the prompt's tokens, and how many of them each endpoint holds.
struct Arrival {
    id: u64,
    prompt_tokens: u32,
    held: [u32; 3],
}

/// Costs in milliseconds: the third request leaves the holder of its prefix to the prompt that waits there.
const EXPECTED: &str = "\
request 1 to stable, endpoint 2: 0 of 2000 tokens cached, 3 tied
  endpoint 0: own 161 + recompute 30
  endpoint 1: own 161 + recompute 30
  endpoint 2: own 161 + recompute 30
request 2 to stable, endpoint 1: 16000 of 30000 tokens cached, 1 tied
  endpoint 0: own 2415 + recompute 450
  endpoint 1: own 1127 + recompute 210
  endpoint 2: wait 151 + own 2415 + delay-prefilling 1207 + sequence 97 + recompute 450
request 3 to stable, endpoint 0: 0 of 30000 tokens cached, 1 tied
  endpoint 0: own 2415 + recompute 450
  endpoint 1: wait 1117 + own 1127 + delay-prefilling 563 + sequence 97 + recompute 210
  endpoint 2: wait 141 + own 2415 + delay-prefilling 1207 + sequence 97 + recompute 450
endpoint 2: Success after 900ms
endpoint 1: ClientGone after 890ms
endpoint 0: Success after 880ms";

/// Routes three requests and tells what was decided.
///
/// # Panics
///
/// When a decision is not the one that this example explains.
pub fn main() {
    // 95 % of the model's requests go to the stable server, the rest to the next release.
    let targets = [Target::new("stable", 95), Target::new("next", 5)];
    let table = RouteTable::new([ModelRoute::new("chat", "llama-70b", targets)]).expect("the routes are sound");

    let mut balancer = Balancer::new(Seed::from(7));
    let pool = balancer.add_pool(Policy::phalanx());
    let fleet = [(); 3].map(|()| balancer.join(Endpoint::new()));
    for endpoint in fleet {
        balancer.enter(pool, endpoint);
    }

    // The second request shares a long prefix with what endpoint 1 holds; the third has the same, while 1 is busy.
    let arrivals = [
        Arrival { id: 1, prompt_tokens: 2_000, held: [0, 0, 0] },
        Arrival { id: 2, prompt_tokens: 30_000, held: [0, 16_000, 0] },
        Arrival { id: 3, prompt_tokens: 30_000, held: [0, 16_000, 0] },
    ];
    let mut lines = Vec::new();
    let mut open = Vec::new();
    for (arrival, at) in arrivals.iter().zip(0..) {
        let now = Duration::from_millis(10 * at);
        let target = table.resolve("llama-70b", arrival.id).expect("the model has a route");
        let server = target.server().expect("no provider is outside the cluster");
        let evidence: Vec<_> = fleet.iter().copied().zip(arrival.held).filter(|(_, tokens)| *tokens > 0).collect();
        let request = Request::new(pool, arrival.id, arrival.prompt_tokens).with_evidence(Evidence::Tokens(&evidence));
        let explanation = balancer.explain(&request, now).expect("the pool is there");
        let decision = balancer.decide(&request, now).expect("an endpoint is left");
        assert_eq!(explanation.chosen, Some(decision.endpoint), "what is explained is what is done");
        lines.push(format!(
            "request {} to {server}, endpoint {}: {} of {} tokens cached, {} tied",
            arrival.id,
            decision.endpoint.index(),
            decision.cached_tokens,
            arrival.prompt_tokens,
            decision.ties,
        ));
        for candidate in &explanation.candidates {
            let terms: Vec<_> = (explanation.contributions(candidate.endpoint).filter(|part| part.amount > 0))
                .map(|part| format!("{} {}", part.factor, part.amount / 1_000_000))
                .collect();
            lines.push(format!("  endpoint {}: {}", candidate.endpoint.index(), terms.join(" + ")));
        }
        open.push(decision.reservation);
    }

    // Whatever happens to a request, its reservation is settled, and the load is gone.
    for (mut reservation, outcome) in open.into_iter().zip([Outcome::Success, Outcome::ClientGone, Outcome::Success]) {
        if outcome == Outcome::Success {
            balancer.first_token(&mut reservation, Duration::from_millis(400));
        }
        let endpoint = reservation.endpoint().index();
        let settled = balancer.settle(reservation, outcome, Duration::from_millis(900));
        lines.push(format!("endpoint {endpoint}: {outcome:?} after {:?}", settled.total));
    }

    for line in &lines {
        println!("{line}");
    }
    assert_eq!(lines.join("\n"), EXPECTED);
    assert_eq!(balancer.outstanding(), 0);
}
