//! Two endpoints for a request.

use std::time::Duration;

use phalanx_routing::{
    Domain, Endpoint, EndpointId, Evidence, Link, LinkCosts, Local, PairLeg, PairOrder, PairPolicy, PairRequest,
    PoolId, Refusal, Role, Slo,
};

use super::{Open, World};
use crate::bytes::Bytes;

/// What of an endpoint matters for pairs.
pub(super) fn place(bytes: &mut Bytes<'_>, endpoint: Endpoint) -> Endpoint {
    let role = [Role::Both, Role::Prefill, Role::Decode][bytes.below(3)];
    let domain = Domain::from(if bytes.byte() == 255 { u32::MAX } else { u32::from(bytes.byte() % 3) });
    let mut endpoint = endpoint.with_role(role).with_domain(domain).with_connector(u32::from(bytes.byte() / 200));
    if bytes.byte() < 50 {
        endpoint = endpoint.with_group(bytes.below(3) as u32);
    }
    if bytes.byte() < 50 { endpoint.with_rank(bytes.below(2) as u32) } else { endpoint }
}

/// A policy for two of the pools, which may be the same or none.
pub(super) fn policy(bytes: &mut Bytes<'_>, [prefill, decode]: [PoolId; 2]) -> PairPolicy {
    let mut link = || Link::new(Duration::from_nanos(bytes.amount().saturating_mul(1000)), bytes.amount() as u32);
    let (near, far) = (link(), link());
    let links = LinkCosts::uniform(2 + u32::from(bytes.flag()), near, far).expect("in range");
    let local = [Local::NEVER, Local::WHEN_CHEAPER, Local::AT_NEED, Local::DYNAMO][bytes.below(4)];
    let order = match bytes.below(5) {
        0 => PairOrder::DecodeFirst,
        1 => PairOrder::Walk { decodes: u32::from(bytes.byte() % 70) },
        _ => PairOrder::Joint,
    };
    PairPolicy::new(prefill, decode, links, bytes.amount() as u32).with_local(local).with_order(order)
}

impl World {
    pub(super) fn decide_pair(&mut self, bytes: &mut Bytes<'_>) {
        let Some((pair, pools)) = self.pair else { return };
        let (key, prompt) = (u64::from(bytes.byte()), bytes.amount() as u32);
        let held: Vec<_> = self.ids(bytes, 5).into_iter().map(|id| (id, bytes.amount() as u32)).collect();
        let excluded = self.ids(bytes, 3);
        let subset = (bytes.byte() < 60).then(|| self.ids(bytes, 6));
        let mut request = PairRequest::new(pair, key, prompt);
        request = request.with_evidence(Evidence::Tokens(&held)).with_excluded(&excluded);
        if let Some(subset) = &subset {
            request = request.with_subset(subset);
        }
        if key % 3 == 0 {
            request = request.with_adapter((key as u32 % 4).into());
        }
        if key % 7 == 0 {
            request = request.with_slo(Slo { ttft: Some(Duration::MAX), tpot: Some(Duration::ZERO) });
        }
        let may = |id: EndpointId, pool: PoolId, role: Role| {
            let of = self.endpoints[&id].role();
            let asked = subset.as_ref().is_none_or(|subset| subset.contains(&id)) && !excluded.contains(&id);
            asked && (of == role || of == Role::Both) && self.live.get(&id).is_some_and(|pools| pools.contains(&pool))
        };
        let why = self.balancer.explain_pair(&request, self.now).expect("there is such a pair");
        let mut again = self.balancer.clone();
        let answer = self.balancer.decide_pair(&request, self.now);
        assert_eq!(answer, again.decide_pair(&request, self.now), "the same state, the same answer");
        self.decisions += 1;
        assert_eq!(why.decode.chosen, answer.as_ref().ok().map(|decision| decision.decode.endpoint));
        assert_eq!(why.total, answer.as_ref().ok().map(|decision| decision.cost));
        let decision = match answer {
            Ok(decision) => decision,
            Err(refusal) => {
                let of = matches!(refusal, Refusal::OfRole { .. } | Refusal::NoPair { .. });
                return assert!(of && !refusal.to_string().is_empty(), "{refusal}");
            }
        };
        let decode = decision.decode.endpoint;
        assert!(may(decode, pools[1], Role::Decode), "{decode:?} may not answer");
        if let Some(leg) = &decision.prefill {
            assert!(may(leg.endpoint, pools[0], Role::Prefill) && leg.endpoint != decode);
            let [one, other] = [leg.endpoint, decode].map(|id| self.endpoints[&id]);
            assert_eq!((one.group(), one.connector()), (other.group(), other.connector()));
            assert!(one.rank() == other.rank() || one.rank().is_none() || other.rank().is_none());
            assert_eq!(decision.cost, leg.cost + decision.decode.cost + decision.transfer.time.as_nanos() as i64);
        }
        self.note_part(prompt, decision.decode);
        if let Some(leg) = decision.prefill {
            self.note_part(prompt, leg);
        }
    }

    fn note_part(&mut self, prompt: u32, leg: PairLeg) {
        let PairLeg { endpoint, uncached_tokens: uncached, reservation, .. } = leg;
        assert!(uncached <= prompt && self.balancer.is_open(&reservation));
        self.open.push(Open { endpoint, prompt, uncached, prefilling: true, reservation, lost: false });
    }
}
