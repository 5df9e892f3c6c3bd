use std::collections::BTreeMap;

use super::*;
use crate::seed::Seed;

mod http;
mod naive;
mod worked;

fn table(routes: impl IntoIterator<Item = ModelRoute>) -> RouteTable {
    RouteTable::new(routes).expect("valid routes")
}

#[track_caller]
fn check(table: &RouteTable, request: &RouteRequest<'_>, expected: Option<&str>) {
    assert_eq!(table.find(request).ok().and_then(|found| found.target().server()), expected, "{request:?}");
}

#[test]
fn shares_follow_the_weights_and_keys_keep_their_target() {
    let table = table([ModelRoute::new("r", "m", [Target::new("a", 70), Target::new("b", 30), Target::new("c", 0)])]);
    let mut counts = BTreeMap::new();
    for key in 0..100_000 {
        let server = table.resolve("m", key).expect("routed").server().expect("a server");
        assert_eq!(table.resolve("m", key).expect("routed").server(), Some(server));
        *counts.entry(server).or_insert(0_u32) += 1;
    }
    // Three standard deviations of a binomial with p = 0.7 over 100,000 draws are 435.
    assert!((69_565..70_435).contains(&counts["a"]), "{counts:?}");
    assert!(!counts.contains_key("c"));
}

#[test]
fn targets_without_weights_share_equally() {
    let table = table([ModelRoute::new("r", "m", [Target::to("a"), Target::to("b"), Target::external("x")])]);
    let count = |wanted: &Target| (0..30_000).filter(|&key| table.resolve("m", key) == Ok(wanted)).count();
    // Three standard deviations of a binomial with p = 1/3 over 30,000 draws are 245.
    assert!(table.routes()[0].targets().all(|target| (9_755..10_245).contains(&count(target))));
}

#[test]
fn the_oldest_route_has_the_model() {
    let routes = [
        ModelRoute::new("young", "m", [Target::new("y", 1)]).with_order(2),
        ModelRoute::new("b", "m", [Target::new("b", 1)]).with_order(1),
        ModelRoute::new("a", "m", [Target::new("a", 1)]).with_order(1),
    ];
    let table = table(routes);
    assert_eq!(table.resolve("m", 0).expect("routed").server(), Some("a"));
    assert_eq!(table.routes().len(), 3);
    assert_eq!(table.models().collect::<Vec<_>>(), ["m"]);
}

#[test]
fn age_is_time_then_version_then_name() {
    let second = core::time::Duration::from_secs;
    let routes = [
        ModelRoute::to("a-none", "s"),
        ModelRoute::to("b-late", "s").with_age(second(2), 1),
        ModelRoute::to("c-version-10", "s").with_age(second(1), 10),
        ModelRoute::to("e-version-9", "s").with_age(second(1), 9),
        ModelRoute::to("d-version-9", "s").with_age(second(1), 9),
    ];
    let table = table(routes);
    let names: Vec<_> = table.routes().iter().map(ModelRoute::name).collect();
    assert_eq!(names, ["d-version-9", "e-version-9", "c-version-10", "b-late", "a-none"]);
}

#[test]
fn faults_are_named() {
    let check = |route: ModelRoute, expected: &str| {
        assert_eq!(RouteTable::new([route]).expect_err("a fault").to_string(), expected);
    };
    check(ModelRoute::to("", "s"), "route \"\" has neither a model name nor an adapter: expected one at least");
    check(ModelRoute::to("m", "s").with_adapters([""]), "route \"m\" has an alias or adapter without a name");
    check(ModelRoute::with_rules("r", "m", []), "route \"r\" has no rules: expected at least one");
    check(ModelRoute::to("m", ""), "route \"m\" rule 0 has a target without a name");
    check(ModelRoute::new("r", "m", []), "route \"r\" rule 0 has no targets: expected at least one");
    let second = |target| ModelRoute::with_rules("r", "m", [Rule::to("s"), Rule::new([Target::new("s", 1), target])]);
    check(second(Target::new("t", 101)), "route \"r\" rule 1 gives \"t\" weight 101: expected 0 to 100");
    let some = "route \"r\" rule 1 gives \"t\" no weight: expected one for every target or for none";
    check(second(Target::to("t")), some);
    let none = ModelRoute::new("r", "m", [Target::new("s", 0), Target::new("t", 0)]);
    check(none, "route \"r\" rule 0 gives every target weight 0: expected one above 0");
    let outside = ModelRoute::new("r", "m", [Target::external("x")]).with_adapters(["a"]);
    let expected = "expected servers only, adapters are not for providers";
    check(outside, &format!("route \"r\" rule 0 leads to the external provider \"x\": {expected}"));
    let twice = RouteTable::new([ModelRoute::to("m", "s"), ModelRoute::to("m", "t")]);
    assert_eq!(twice.expect_err("a fault").to_string(), "route \"m\" is given twice");
}

#[test]
fn another_seed_draws_other_targets() {
    let plain = table([ModelRoute::new("r", "m", [Target::new("a", 50), Target::new("b", 50)])]);
    let seeded = plain.clone().with_seed(Seed::from(1));
    let differ = (0..1000).filter(|&key| plain.resolve("m", key) != seeded.resolve("m", key)).count();
    assert!((400..600).contains(&differ), "{differ}");
}

#[test]
fn an_alias_is_a_name_and_the_served_name_takes_its_place() {
    let route =
        ModelRoute::new("r", "gpt-4", [Target::to("s").serving("meta/llama")]).with_aliases(["gpt-4o", "gpt-4"]);
    let table = table([route]);
    assert_eq!(table.models().collect::<Vec<_>>(), ["gpt-4", "gpt-4o"]);
    let found = table.find(&RouteRequest::new("gpt-4o", 1)).expect("routed");
    assert_eq!((found.served_model(), found.is_by_adapter(), found.rule_index()), (Some("meta/llama"), false, 0));
    assert_eq!((found.route().name(), found.rule().name()), ("r", ""));
}

#[test]
fn an_adapter_is_looked_up_only_where_no_route_names_the_model() {
    let never = Condition::new().with_model("other");
    let table = table([
        ModelRoute::with_rules("named", "sql", [Rule::to("named").when(never)]),
        ModelRoute::new("base", "llama", [Target::to("base").serving("meta/llama")]).with_adapters(["sql", "poetry"]),
    ]);
    let error = |model| table.find(&RouteRequest::new(model, 1)).map(|_| ()).expect_err("no route").to_string();
    assert_eq!(error("sql"), "no rule of the routes for model \"sql\" takes this request");
    assert_eq!(error("prose"), "no route for model \"prose\"");
    let poetry = table.find(&RouteRequest::new("poetry", 1)).expect("routed");
    assert_eq!((poetry.is_by_adapter(), poetry.served_model()), (true, None));
    assert_eq!(table.adapters().collect::<Vec<_>>(), ["poetry"]);
}

#[test]
fn conditions_are_met_all_at_once_and_a_missing_header_is_an_empty_one() {
    let at = |path, headers| RequestHead { path, headers, ..RequestHead::default() };
    let condition = Condition::new()
        .with_header("X-User", StringMatch::regex("^beta-").expect("valid"))
        .with_header("x-empty", StringMatch::exact(""))
        .with_path(StringMatch::prefix("/v1"))
        .with_model("m");
    assert!(condition.holds("m", &at("/v1/chat", &[("x-user", "beta-1")])));
    assert!(condition.holds("m", &at("/v1/chat", &[("x-user", "beta-1"), ("x-empty", "")])));
    assert!(!condition.holds("k", &at("/v1/chat", &[("x-user", "beta-1")])));
    assert!(!condition.holds("m", &at("/v2/chat", &[("x-user", "beta-1")])));
    assert!(!condition.holds("m", &at("/v1/chat", &[("x-user", "a-beta-1")])));
    assert!(!condition.holds("m", &at("/v1/chat", &[])));
    assert!(!condition.holds("m", &at("/v1/chat", &[("x-user", "beta-1"), ("x-empty", "1")])));
    // The first header of a name counts.
    assert!(condition.holds("m", &at("/v1", &[("x-user", "beta-1"), ("x-user", "no")])));
}

#[test]
fn parents_decide_on_which_listener_a_route_is_taken() {
    let http = GatewayListener::new("prod", "edge", "http", 80);
    let admin = GatewayListener::new("prod", "edge", "admin", 81);
    let other = GatewayListener::new("dev", "edge", "http", 80);
    let free = || ModelRoute::to("m", "s");
    let named = |name: &str| ModelRoute::new(name, "m", [Target::to("s")]);
    let taken = |route: ModelRoute| {
        let table = table([route]);
        let on = |listener| table.find(&RouteRequest { listener, ..RouteRequest::new("m", 1) }).is_ok();
        let all = [Listener::Default, Listener::Gateway(&http), Listener::Gateway(&admin), Listener::Gateway(&other)];
        assert!(on(Listener::Any));
        all.map(on)
    };
    assert_eq!(taken(free()), [true, false, false, false]);
    assert_eq!(taken(named("prod/r")), [true, true, true, false]);
    assert_eq!(taken(named("prod/r").with_parents([ParentRef::new("edge")])), [false, true, true, false]);
    assert_eq!(
        taken(named("prod/r").with_parents([ParentRef::new("edge").with_section("http")]))[..3],
        [false, true, false]
    );
    assert_eq!(taken(named("prod/r").with_parents([ParentRef::new("edge").with_port(81)]))[..3], [false, false, true]);
    let foreign = ParentRef::new("edge").with_namespace("dev");
    assert_eq!(taken(named("prod/r").with_parents([foreign.clone()])), [false, false, false, true]);
    let both = named("prod/r").with_parents([foreign, ParentRef::new("edge").with_section("admin")]);
    assert_eq!(taken(both), [false, false, true, true]);
    let elsewhere = table([named("prod/r").with_parents([ParentRef::new("edge")])]);
    let error = elsewhere.resolve("m", 1).expect_err("another listener").to_string();
    assert_eq!(error, "no route for model \"m\" is taken on this listener");
}
