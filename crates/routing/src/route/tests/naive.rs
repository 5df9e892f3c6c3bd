//! The tables against models that look at everything.

use core::time::Duration;

use proptest::prelude::*;

use super::*;

/// A small world, so that names, conditions and ages meet often.
fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "ab", "b"])
}

fn string_match() -> impl Strategy<Value = StringMatch> {
    prop_oneof![
        Just(StringMatch::any()),
        text().prop_map(StringMatch::exact),
        text().prop_map(StringMatch::prefix),
        prop::sample::select(vec!["^a", "b$", "^$", "."]).prop_map(|text| StringMatch::regex(text).expect("valid")),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let headers = prop::collection::vec((prop::sample::select(vec!["x", "Y"]), string_match()), 0..2);
    (headers, prop::option::of(string_match()), prop::option::of(text())).prop_map(|(headers, path, model)| {
        let condition = headers.into_iter().fold(Condition::new(), |all, (name, value)| all.with_header(name, value));
        let condition = path.into_iter().fold(condition, Condition::with_path);
        model.into_iter().fold(condition, Condition::with_model)
    })
}

fn parents() -> impl Strategy<Value = Vec<ParentRef>> {
    let section = prop::option::of(prop::sample::select(vec!["http", "admin"]));
    let parent = (prop::sample::select(vec!["edge", "inner"]), section).prop_map(|(gateway, section)| {
        section.into_iter().fold(ParentRef::new(gateway).with_namespace("n"), ParentRef::with_section)
    });
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(parent, 1..3)]
}

fn route() -> impl Strategy<Value = ModelRoute> {
    let weights = prop::collection::vec(0..4_u32, 1..4).prop_filter("some weight", |all| all.iter().sum::<u32>() > 0);
    let rule = (condition(), weights).prop_map(|(condition, weights)| {
        let targets = weights.into_iter().enumerate().map(|(i, weight)| Target::new(format!("s{i}"), weight));
        Rule::new(targets).when(condition)
    });
    let rules = prop::collection::vec(rule, 1..3);
    let age = prop::option::of((0..2_u64, 0..3_u64));
    (text(), prop::collection::vec(text(), 0..3), rules, parents(), age).prop_map(
        |(model, adapters, rules, parents, age)| {
            let adapters: Vec<_> = adapters.into_iter().filter(|name| !name.is_empty()).collect();
            let model = if adapters.is_empty() && model.is_empty() { "a" } else { model };
            let route = ModelRoute::with_rules("", model, rules).with_adapters(adapters).with_parents(parents);
            age.into_iter().fold(route, |route, (at, version)| route.with_age(Duration::from_secs(at), version))
        },
    )
}

/// Routes named by their place, in one of two namespaces, and the order in which a second table is given them.
fn routes() -> impl Strategy<Value = (Vec<ModelRoute>, Vec<ModelRoute>)> {
    prop::collection::vec(route(), 0..6).prop_flat_map(|routes| {
        let routes: Vec<_> = routes
            .into_iter()
            .enumerate()
            .map(|(i, route)| renamed(&route, if i % 2 == 0 { format!("n/{i}") } else { format!("k/{i}") }))
            .collect();
        (Just(routes.clone()), Just(routes).prop_shuffle())
    })
}

fn renamed(route: &ModelRoute, name: String) -> ModelRoute {
    let (created, version) = route.age();
    let named = ModelRoute::with_rules(name, route.model(), route.rules().to_vec())
        .with_adapters(route.adapters().to_vec())
        .with_parents(route.parents().to_vec());
    created.into_iter().fold(named, |route, created| route.with_age(created, version))
}

/// The route and rule that a request should find, by looking at all of them; and whether by adapter.
fn naive<'r>(routes: &'r [ModelRoute], request: &RouteRequest<'_>) -> Option<(&'r str, usize, bool)> {
    let by_model = routes.iter().any(|route| !request.model.is_empty() && route.model() == request.model);
    let mut best: Option<(&ModelRoute, usize)> = None;
    for route in routes {
        let named = if by_model {
            route.model() == request.model
        } else {
            route.adapters().iter().any(|adapter| adapter == request.model)
        };
        let here = match request.listener {
            Listener::Any => true,
            Listener::Default => route.parents().is_empty(),
            Listener::Gateway(listener) if route.parents().is_empty() => route.namespace() == listener.namespace(),
            Listener::Gateway(listener) => route.parents().iter().any(|parent| {
                (parent.namespace(), parent.gateway()) == (Some(listener.namespace()), listener.gateway())
                    && (parent.section().is_none() || parent.section() == Some(listener.name()))
            }),
        };
        let Some(rule) = route.rules().iter().position(|rule| rule.condition().holds(request.model, &request.head))
        else {
            continue;
        };
        let older = |a: &ModelRoute, b: &ModelRoute| {
            let age = |route: &ModelRoute| {
                let (created, version) = route.age();
                (created.unwrap_or(Duration::MAX), version)
            };
            (age(a), a.name()) < (age(b), b.name())
        };
        if named && here && best.is_none_or(|(best, _)| older(route, best)) {
            best = Some((route, rule));
        }
    }
    best.map(|(route, rule)| (route.name(), rule, !by_model))
}

proptest! {
    #[test]
    fn a_request_finds_what_looking_at_every_route_finds_in_any_order(
        (routes, shuffled) in routes(),
        model in text(),
        path in text(),
        headers in prop::collection::vec((prop::sample::select(vec!["X", "y"]), text()), 0..3),
        listener in 0..5_usize,
        key in any::<u64>(),
    ) {
        let listeners = [("n", "edge", "http"), ("n", "edge", "admin"), ("k", "edge", "http")]
            .map(|(namespace, gateway, name)| GatewayListener::new(namespace, gateway, name, 80));
        let listener = match listener {
            0 => Listener::Default,
            1 => Listener::Any,
            i => Listener::Gateway(&listeners[i - 2]),
        };
        let headers = headers.as_slice();
        let head = RequestHead { path, headers: &headers, ..RequestHead::default() };
        let request = RouteRequest { model, head, listener, key };
        let (first, second) = (table(routes.clone()), table(shuffled));
        prop_assert_eq!(&first, &second);
        let found = first.find(&request);
        let expected = naive(&routes, &request);
        prop_assert_eq!(found.as_ref().ok().map(|m| (m.route().name(), m.rule_index(), m.is_by_adapter())), expected);
        match found {
            Ok(found) => {
                prop_assert!(found.target().weight() > 0);
                prop_assert!(found.rule().targets().contains(found.target()));
                prop_assert_eq!(first.find(&request), Ok(found));
            }
            Err(error) => prop_assert!(error.to_string().contains(&format!("{model:?}")), "{}", error),
        }
    }

    #[test]
    fn a_canary_has_its_share_within_three_sigma(stable in 1..=100_u32, next in 0..=100_u32, seed in 0..1_000_u64) {
        const KEYS: u32 = 20_000;
        let targets = [Target::new("stable", stable), Target::new("next", next)];
        let table = table([ModelRoute::new("canary", "m", targets)]).with_seed(Seed::from(seed));
        let is_next = |key: &u64| table.resolve("m", *key).is_ok_and(|target| target.server() == Some("next"));
        let found = i64::try_from((0..u64::from(KEYS)).filter(is_next).count()).expect("few");
        // sigma² = n p (1 - p), in whole numbers; one in 370 draws lies outside three of them, so that four are let pass.
        let (sum, keys) = (i64::from(stable + next), i64::from(KEYS));
        let off = found * sum - keys * i64::from(next);
        prop_assert!(off * off <= 16 * keys * i64::from(next) * i64::from(stable), "{found} of {KEYS}, {next} of {sum}");
    }
}
