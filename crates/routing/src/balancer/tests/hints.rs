//! Adapters, labels and contexts: properties.

use super::*;
use crate::AdapterState;

/// Loaded, queued, slots, and when that was read.
type Said = (Vec<u32>, Vec<u32>, Option<u32>, Duration);

/// Who has an adapter, by a look at what each engine said last and at the requests that are open.
#[derive(Default)]
struct Plain {
    said: BTreeMap<EndpointId, Said>,
    /// In the order of the world's reservations.
    open: Vec<(EndpointId, Option<u32>)>,
}

impl Plain {
    fn state(&self, world: &World, id: EndpointId, adapter: u32) -> AdapterState {
        let nothing = (Vec::new(), Vec::new(), None, world.now);
        let fresh = |of: &&Said| of.3 + Duration::from_secs(4) > world.now;
        let (loaded, queued, slots, _) = self.said.get(&id).filter(fresh).unwrap_or(&nothing);
        let promised = self.open.iter().filter(|(of, _)| *of == id).filter_map(|(_, adapter)| *adapter);
        let coming: std::collections::BTreeSet<_> =
            queued.iter().copied().chain(promised).filter(|adapter| !loaded.contains(adapter)).collect();
        let loaded: std::collections::BTreeSet<_> = loaded.iter().copied().collect();
        if loaded.contains(&adapter) {
            AdapterState::Loaded
        } else if coming.contains(&adapter) {
            AdapterState::Coming
        } else {
            match slots {
                None => AdapterState::Unknown,
                Some(slots) if loaded.len() + coming.len() < *slots as usize => AdapterState::Free,
                Some(_) => AdapterState::Full,
            }
        }
    }

    fn apply(&mut self, world: &mut World, step: &Step) {
        if let Step::Adapters { which, loaded, queued, slots } = step
            && !world.ids.is_empty()
        {
            let id = world.ids[which % world.ids.len()];
            self.said.insert(id, (loaded.clone(), queued.clone(), *slots, world.now));
        }
        if let (Step::Settle(which, _), true) = (step, !self.open.is_empty()) {
            self.open.swap_remove(which % self.open.len());
        }
        let mut sent = None;
        world.apply(step, |_, request, decision| {
            sent = decision.as_ref().ok().map(|of| (of.endpoint, request.adapter.map(u32::from)));
        });
        self.open.extend(sent);
    }
}

proptest! {
    /// The table of adapters against a plain look at everything, and its bits against the table.
    #[test]
    fn adapters_are_where_they_were_said_to_be(policy in policy(), seed: u64, steps in vec(step(), 1..100)) {
        let mut world = World::new(policy, seed);
        let mut plain = Plain::default();
        for step in &steps {
            plain.apply(&mut world, step);
            world.balancer.handle_timeout(world.now);
            for (id, adapter) in world.live.keys().flat_map(|id| (0..3).map(move |adapter| (*id, adapter))) {
                let state = plain.state(&world, id, adapter);
                assert_eq!(world.balancer.adapter(id, adapter.into()), state);
                for unknown in [Unknown::Worst, Unknown::Idle] {
                    let sought = world.balancer.adapters.sought(Some(adapter.into()), unknown);
                    let expected = match state {
                        AdapterState::Unknown => if unknown == Unknown::Idle { 2 } else { 3 },
                        state => state as usize,
                    };
                    assert_eq!(sought.state(id.index()), expected);
                    let mut slots = vec![u64::MAX; id.index() / 64 + 1];
                    sought.keep(expected, &mut slots);
                    assert!(crate::kinds::has(&slots, id.index()));
                }
            }
        }
        for reservation in core::mem::take(&mut world.open) {
            let _ = world.balancer.settle(reservation, Outcome::Success, world.now);
        }
        plain.open.clear();
        for id in world.live.keys() {
            assert_eq!(world.balancer.adapter(*id, 1.into()), plain.state(&world, *id, 1));
        }
    }

    /// What nobody asks for changes nothing: without an adapter all that is known of adapters is of no account.
    #[test]
    fn a_request_without_an_adapter_sees_none(policy in policy(), seed: u64, steps in vec(step(), 1..60)) {
        let mut world = World::new(policy, seed);
        for step in &steps {
            world.apply(step, |world, request, _| {
                let mut plain = *request;
                plain.adapter = None;
                let mut without = world.balancer.clone();
                for id in world.live.keys() {
                    without.adapters.leave(id.index());
                }
                let [with, without] = [world.balancer.explain(&plain, world.now), without.explain(&plain, world.now)];
                assert_eq!(with, without);
            });
        }
    }

    /// Each member is a candidate or left out, and those left out are so for the first reason that holds.
    #[test]
    fn what_does_not_fit_is_left_out(policy in policy(), seed: u64, steps in vec(step(), 1..60)) {
        let mut world = World::new(policy, seed);
        for step in &steps {
            world.apply(step, |world, request, decision| {
                let explanation = world.balancer.explain(request, world.now).expect("there is such a pool");
                let columns = &world.balancer.columns;
                for candidate in &explanation.candidates {
                    let endpoint = columns.endpoint[candidate.endpoint.index()];
                    assert!(endpoint.labels().contains(request.labels) && endpoint.takes(request.context_tokens()));
                }
                for (id, why) in &explanation.omitted {
                    let fits = world.balancer.misfit(request, id.index());
                    match why {
                        Omission::NotInPool => {}
                        Omission::LacksLabels(_) | Omission::TooShort(_) => assert_eq!(fits, Some(*why)),
                        _ => assert_eq!(fits, None),
                    }
                }
                let mut longest = explanation.omitted.iter().filter_map(|(_, why)| match why {
                    Omission::TooShort(most) => Some(*most),
                    _ => None,
                });
                match decision {
                    Err(Refusal::NoneLabeled { unknown, labels, .. }) => {
                        assert!(labels.contains(*unknown) && *labels == request.labels);
                        assert_eq!(longest.next(), None);
                    }
                    Err(Refusal::TooLong { tokens, longest: most, .. }) => {
                        assert_eq!(longest.max(), Some(*most));
                        assert!(tokens > most);
                    }
                    _ => {}
                }
            });
        }
    }
}
