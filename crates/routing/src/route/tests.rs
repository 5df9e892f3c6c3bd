use super::*;

fn table(routes: impl IntoIterator<Item = ModelRoute>) -> RouteTable {
    RouteTable::new(routes).expect("valid routes")
}

#[test]
fn shares_follow_the_weights_and_keys_keep_their_target() {
    let table = table([ModelRoute::new("r", "m", [Target::new("a", 70), Target::new("b", 30), Target::new("c", 0)])]);
    let mut counts = BTreeMap::new();
    for key in 0..100_000 {
        let server = table.resolve("m", key).expect("routed").server();
        assert_eq!(table.resolve("m", key).expect("routed").server(), server);
        *counts.entry(server).or_insert(0_u32) += 1;
    }
    // Three standard deviations of a binomial with p = 0.7 over 100,000 draws are 435.
    assert!((69_565..70_435).contains(&counts["a"]), "{counts:?}");
    assert!(!counts.contains_key("c"));
}

#[test]
fn the_oldest_route_has_the_model() {
    let routes = [
        ModelRoute::new("young", "m", [Target::new("y", 1)]).with_order(2),
        ModelRoute::new("b", "m", [Target::new("b", 1)]).with_order(1),
        ModelRoute::new("a", "m", [Target::new("a", 1)]).with_order(1),
    ];
    let table = table(routes);
    assert_eq!(table.resolve("m", 0).expect("routed").server(), "a");
    assert_eq!(table.routes().len(), 3);
    assert_eq!(table.models().collect::<Vec<_>>(), ["m"]);
}

#[test]
fn faults_are_named() {
    let check = |route: ModelRoute, expected: &str| {
        assert_eq!(RouteTable::new([route]).expect_err("a fault").to_string(), expected);
    };
    check(ModelRoute::to("", "s"), "route \"\" has no model name");
    check(ModelRoute::to("m", ""), "route \"m\" has a target without a server name");
    check(ModelRoute::new("r", "m", []), "route \"r\" has no targets: expected at least one");
    let heavy = ModelRoute::new("r", "m", [Target::new("s", 101)]);
    check(heavy, "route \"r\" gives server \"s\" weight 101: expected 0 to 100");
    let none = ModelRoute::new("r", "m", [Target::new("s", 0), Target::new("t", 0)]);
    check(none, "route \"r\" gives every target weight 0: expected one above 0");
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
