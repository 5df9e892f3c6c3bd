use super::*;

/// Reads `zone z: r1 n1` as a domain of a level with its members; nodes begin with 'n'.
fn rows(lines: &[&str]) -> Vec<DomainRow> {
    let row = |line: &&str| {
        let (head, members) = line.split_once(':').expect("a colon");
        let (level, name) = head.split_once(' ').expect("a level and a name");
        let member = |name: &str| if name.starts_with('n') { Member::node(name) } else { Member::domain(name) };
        DomainRow::new(name, level, members.split_whitespace().map(member))
    };
    lines.iter().map(row).collect()
}

#[track_caller]
fn check(lines: &[&str], expected: &str) {
    for reverse in [false, true] {
        let mut rows = rows(lines);
        if reverse {
            rows.reverse();
            rows.iter_mut().for_each(|row| row.members.reverse());
        }
        let error = Topology::from_domains(["zone", "block", "rack"], rows).unwrap_err();
        assert_eq!(error.to_string(), expected, "reversed: {reverse}");
    }
}

#[test]
fn a_tree_is_read() {
    let topology = Topology::from_domains(
        ["zone", "block", "rack"],
        rows(&["zone z: b n5", "block b: r1 r2", "rack r1: n2 n1 n1", "rack r2: n3", "rack r3: n4", "rack empty:"]),
    )
    .expect("the rows are sound");
    let paths: Vec<_> = topology.nodes().map(|node| topology.node_path(node)).collect();
    assert_eq!(paths, ["//r3/n4", "z///n5", "z/b/r1/n1", "z/b/r1/n2", "z/b/r2/n3"]);
    let racks = topology.domains(topology.level("rack").expect("the level exists"));
    assert_eq!(racks.map(|rack| topology.domain_name(rack).to_owned()).collect::<Vec<_>>(), ["r3", "", "r1", "r2"]);
}

#[test]
fn a_domain_may_be_called_like_a_node() {
    let rows = [DomainRow::new("x", "rack", [Member::node("x")])];
    let topology = Topology::from_domains(["rack"], rows).expect("the rows are sound");
    assert_eq!(topology.node_path(topology.node("x").expect("the node exists")), "x/x");
}

#[test]
fn mistakes_name_the_thing() {
    check(&["rack r: n1", "rack r: n2"], "domain \"r\" is listed twice");
    check(&["rack r: n1", "zone r: n2"], "domain \"r\" is listed twice");
    check(&["row r: n1"], "domain \"r\" names level \"row\", expected one of zone, block, rack");
    check(&["node r: n1"], "domain \"r\" names level \"node\", expected one of zone, block, rack");
    check(&["rack : n1"], "a domain of level \"rack\" has an empty name");
    check(&["rack a/b: n1"], "\"a/b\" contains '/', which separates the parts of a path");
    check(&["rack r: n/1"], "\"n/1\" contains '/', which separates the parts of a path");
    check(&["zone z: r q"], "\"z\" holds domain \"q\", which is not known");
    check(&["zone z: r", "zone y: r", "rack r: n1"], "domain \"r\" is in two domains, \"y\" and \"z\"");
    check(&["rack r: n1", "rack q: n1"], "node \"n1\" is in two domains, \"q\" and \"r\"");
    check(&["zone z: r n1", "rack r: n1"], "node \"n1\" is in two domains, \"r\" and \"z\"");
    check(
        &["rack r: z", "zone z: n1"],
        "domain \"z\" of level \"zone\" is in \"r\" of level \"rack\", expected a coarser level",
    );
    check(
        &["zone z: y", "zone y: n1"],
        "domain \"y\" of level \"zone\" is in \"z\" of level \"zone\", expected a coarser level",
    );
    let unnamed = [DomainRow::new("r", "rack", [Member::node("")])];
    assert_eq!(Topology::from_domains(["rack"], unnamed), Err(TopologyError::EmptyNodeName));
    assert_eq!(Topology::from_domains(Vec::<String>::new(), []), Err(TopologyError::NoLevels));
}

#[test]
fn a_cycle_is_told_from_its_least_name() {
    check(&["zone z: z"], "domain \"z\" holds itself: z > z");
    check(&["zone y: x n1", "block x: y"], "domain \"x\" holds itself: x > y > x");
    // The domain that hangs below the cycle comes first by name, but is not on it.
    check(&["zone c: b", "block b: d", "rack d: c a", "rack a: n1"], "domain \"b\" holds itself: b > d > c > b");
}

#[test]
fn no_chain_is_too_long() {
    const LEN: usize = 10_000;
    let name = |at: usize| format!("d{:05}", at % LEN);
    let chain = |len| (0..len).map(|at| DomainRow::new(name(at), "zone", [Member::domain(name(at + 1))]));
    let error = Topology::from_domains(["zone"], chain(LEN)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "domain \"d00000\" holds itself: d00000 > d00001 > d00002 > d00003 > d00004 > d00005 > d00006 > d00007 > \
         ... (10000 domains)"
    );
    let last = DomainRow::new(name(LEN - 1), "zone", [Member::node("n")]);
    let error = Topology::from_domains(["zone"], chain(LEN - 1).chain([last])).unwrap_err();
    assert!(matches!(error, TopologyError::NotFiner { .. }), "{error}");
}
