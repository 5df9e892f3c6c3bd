use super::*;

/// The message of what is wrong with a cluster in JSON.
#[track_caller]
fn wrong(json: &str) -> String {
    match serde_json::from_str::<Cluster>(json) {
        Ok(cluster) => cluster.build().expect_err(json).to_string(),
        Err(error) => error.to_string(),
    }
}

fn build(json: &str) -> Inventory {
    let cluster: Cluster = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let again: Cluster =
        serde_json::from_str(&serde_json::to_string(&cluster).expect("plain data")).expect("its own text");
    assert_eq!(cluster, again);
    cluster.build().unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// A cluster of one rack with these fields in its only entry of nodes.
fn nodes(fields: &str) -> String {
    format!(r#"{{"levels": ["rack"], "nodes": [{{"names": "n[1-2]", "in": {{"rack": "r"}}, {fields}}}]}}"#)
}

#[test]
fn nodes_get_what_they_have() {
    let inventory = build(&nodes(
        r#""devices": 8, "kind": "H100", "islands": ["0-3", "4-7"], "numa": ["0-7"], "resources": {"cpu": 64}, "cordoned": true"#,
    ));
    for name in ["n1", "n2"] {
        let node = inventory.topology().node(name).expect("it is there");
        assert_eq!((inventory.devices(node).len(), inventory.kind(node)), (8, Some("H100")));
        assert_eq!((inventory.islands(node).len(), inventory.numa(node).len()), (2, 1));
        let cpu = inventory.find_resource("cpu").expect("it is named");
        assert_eq!((inventory.free(node, cpu), inventory.is_cordoned(node)), (64, true));
    }
}

#[test]
fn held_pods_hold_room_on_nodes_that_are_gone_too() {
    let json = r#"{"levels": ["rack"], "nodes": [{"names": "n[1-2]", "devices": 8, "resources": {"cpu": 8}, "removed": true}], "held": [
        {"nodes": "n[1-2]", "count": 3, "demand": {"devices": 1, "resources": {"cpu": 2}}},
        {"nodes": "n2", "demand": {"devices": 2}, "at": "0,7"},
        {"nodes": "n2", "count": 2, "demand": {"share": 400}, "at": "6"}
    ]}"#;
    let inventory = build(json);
    let [n1, n2] = ["n1", "n2"].map(|name| inventory.topology().node(name).expect("it is there"));
    assert_eq!(inventory.free_devices(n1).to_string(), "3-7");
    // Named devices are taken first.
    assert_eq!(inventory.free_devices(n2).to_string(), "4-5");
    assert_eq!((inventory.left(n2, 6), inventory.is_removed(n2)), (200, true));
    let cpu = inventory.find_resource("cpu").expect("it is named");
    assert_eq!(inventory.free(n2, cpu), 2);
}

#[test]
fn several_topologies_divide_the_same_nodes() {
    let json = r#"{"name": "network", "levels": ["block", "rack"],
        "domains": [
            {"name": "b1", "level": "block", "domains": ["r[1-2]"], "nodes": ["n5"]},
            {"name": "r1", "level": "rack", "nodes": ["n[1-2]"]},
            {"name": "r2", "level": "rack", "nodes": ["n[3-4]"]}
        ],
        "topologies": [
            {"name": "power", "levels": ["feed"]},
            {"name": "cooling", "levels": ["loop"], "domains": [{"name": "l1", "level": "loop", "nodes": ["n[1-5]"]}]}
        ],
        "nodes": [{"names": "n[1-5]", "in": {"power/feed": "f{1}"}, "devices": 1}, {"names": "lone", "devices": 1}]}"#;
    let inventory = build(json);
    let topology = inventory.topology();
    let paths: Vec<String> = topology.nodes().map(|node| topology.node_path(node)).collect();
    assert_eq!(paths, ["b1//n5", "b1/r1/n1", "b1/r1/n2", "b1/r2/n3", "b1/r2/n4", "lone"]);
    let names: Vec<&str> = topology.trees().map(|tree| topology.tree_name(tree)).collect();
    assert_eq!(names, ["network", "power", "cooling"]);
    let feed = crate::form::level(topology, "power/feed").expect("it is there");
    assert_eq!(topology.domains(feed).len(), 5);
    let cooling = topology.tree("cooling").expect("it is there");
    assert_eq!(topology.tree_len(cooling), 5, "the lone node is outside");
}

#[test]
fn a_tree_by_domains_is_the_tree_by_nodes() {
    let by_nodes = build(
        r#"{"levels": ["block", "rack"], "nodes": [{"names": "b[1-2]-r[1-3]-n[1-2]", "in": {"block": "b{1}", "rack": "b{1}-r{2}"}}]}"#,
    );
    let by_domains = build(
        r#"{"levels": ["block", "rack"], "nodes": [{"names": "b[1-2]-r[1-3]-n[1-2]"}], "domains": [
            {"name": "b1", "level": "block", "domains": ["b1-r[1-3]"]}, {"name": "b2", "level": "block", "domains": ["b2-r[1-3]"]},
            {"name": "b1-r1", "level": "rack", "nodes": ["b1-r1-n[1-2]"]}, {"name": "b1-r2", "level": "rack", "nodes": ["b1-r2-n[1-2]"]},
            {"name": "b1-r3", "level": "rack", "nodes": ["b1-r3-n[1-2]"]}, {"name": "b2-r1", "level": "rack", "nodes": ["b2-r1-n[1-2]"]},
            {"name": "b2-r2", "level": "rack", "nodes": ["b2-r2-n[1-2]"]}, {"name": "b2-r3", "level": "rack", "nodes": ["b2-r3-n[1-2]"]}]}"#,
    );
    assert_eq!(by_nodes.topology(), by_domains.topology());
}

#[test]
fn mistakes_name_the_field() {
    let cases = [
        (r#"{"nodes": []}"#, "missing field `levels`"),
        (r#"{"levels": ["rack"], "nodes": [], "racks": 3}"#, "unknown field `racks`, expected one of"),
        (r#"{"levels": [], "nodes": []}"#, "levels: a topology needs at least one level"),
        (r#"{"levels": ["a", "a"], "nodes": []}"#, "levels: level \"a\" is named twice"),
        (r#"{"name": "", "levels": ["a"], "nodes": []}"#, "name: a tree has an empty name"),
        (
            r#"{"levels": ["a"], "topologies": [{"name": "p", "levels": []}], "nodes": []}"#,
            "topologies[0].levels: a topology needs",
        ),
        (
            r#"{"levels": ["a"], "topologies": [{"name": "default", "levels": ["b"]}], "nodes": []}"#,
            "topologies[0]: tree \"default\" is named twice",
        ),
        (
            r#"{"levels": ["a"], "nodes": [{"names": "n1"}, {"names": "n[1-2]"}]}"#,
            "nodes[1].names: node \"n1\" is listed twice",
        ),
        (r#"{"levels": ["a"], "nodes": [{"names": "n/1"}]}"#, "nodes: \"n/1\" contains '/'"),
        (
            r#"{"levels": ["a"], "nodes": [{"names": "[1-9999999999]"}]}"#,
            "nodes[0].names: found 9999999999 nodes, expected at most 262144",
        ),
        (
            r#"{"levels": ["a"], "nodes": [{"names": "n", "in": {"b": "x"}}]}"#,
            "nodes[0].in: found level \"b\", expected one of a",
        ),
        (
            r#"{"levels": ["a"], "nodes": [{"names": "n[1-2]", "in": {"a": "x{2}"}}]}"#,
            "nodes[0].in.a: found \"x{2}\", expected {1} for the first",
        ),
        (
            r#"{"levels": ["a"], "domains": [{"name": "x", "level": "a"}], "nodes": [{"names": "n", "in": {"a": "x"}}]}"#,
            "nodes[0].in: found level \"a\", but domains say already",
        ),
        (
            r#"{"levels": ["a"], "domains": [{"name": "x", "level": "a", "nodes": ["m"]}], "nodes": []}"#,
            "domains[0].nodes[0]: found \"m\", expected the name of a node",
        ),
        (
            r#"{"levels": ["a"], "domains": [{"name": "x", "level": "a", "domains": ["y"]}], "nodes": []}"#,
            "domains: \"x\" holds domain \"y\", which is not known",
        ),
        (
            r#"{"levels": ["a"], "domains": [{"name": "x", "level": "a", "domains": ["x"]}], "nodes": []}"#,
            "domains: domain \"x\" holds itself",
        ),
        (
            r#"{"levels": ["a"], "nodes": [{"names": "n"}], "held": [{"nodes": "m", "demand": {"devices": 0}}]}"#,
            "held[0].nodes: found \"m\", expected the name of a node",
        ),
        (
            r#"{"levels": ["a"], "nodes": [{"names": "n"}], "held": [{"nodes": "n", "demand": {"devices": 1}}]}"#,
            "held[0]: node \"n\" has 0 devices free, 1 are asked",
        ),
        (
            r#"{"levels": ["a"], "nodes": [{"names": "n"}], "held": [{"nodes": "n", "count": 4294967295, "demand": {"devices": 0}}]}"#,
            "held[0]: found 4294967295 held pods, expected at most 1048576",
        ),
    ];
    for (json, message) in cases {
        let told = wrong(json);
        assert!(told.starts_with(message), "{json}: {told}");
    }
    let cases = [
        (r#""devices": 65"#, "nodes[0].devices: node \"n1\" has 65 devices"),
        (r#""devices": -1"#, "invalid value: integer `-1`, expected u32"),
        (r#""devices": 2, "kind": """#, "nodes[0].kind: found \"\", expected the name of a kind"),
        (r#""devices": 2, "islands": ["0-1", "x"]"#, "nodes[0].islands[1]: found \"x\", expected devices by index"),
        (r#""devices": 2, "islands": ["0-3"]"#, "nodes[0].islands: island of node \"n1\" names devices 2-3"),
        (r#""devices": 2, "numa": ["0-1", "1"]"#, "nodes[0].numa: two NUMA zones of node \"n1\" name devices 1"),
        (r#""resources": {"": 1}"#, "nodes[0].resources: found \"\", expected the name of a resource"),
    ];
    for (fields, message) in cases {
        let told = wrong(&nodes(fields));
        assert!(told.starts_with(message), "{fields}: {told}");
    }
    let many: Vec<String> = (0..65).map(|i| format!("\"x{i}\": 1")).collect();
    let told = wrong(&nodes(&format!("\"resources\": {{{}}}", many.join(","))));
    assert!(told.contains("found 65 resources, expected at most 64"), "{told}");
}

#[test]
fn demands_say_one_thing() {
    let held = |demand: &str| {
        wrong(&format!(
            r#"{{"levels": ["a"], "nodes": [{{"names": "n", "devices": 8}}], "held": [{{"nodes": "n", "demand": {demand}}}]}}"#
        ))
    };
    let cases = [
        ("{}", "held[0].demand: found \"nothing\", expected devices, share or resources"),
        (r#"{"devices": 1, "share": 5}"#, "held[0].demand: found \"devices beside share\""),
        (r#"{"share": 1001}"#, "held[0].demand.share: a share of 1001 milli, expected 1 to 1000"),
        (r#"{"devices": 1, "within": "rack"}"#, "unknown variant `rack`, expected `island` or `numa`"),
        (r#"{"devices": 1, "kinds": [""]}"#, "held[0].demand.kinds[0]: a kind has an empty name"),
        (r#"{"devices": 1, "kinds": ["H100"]}"#, "held[0]: node \"n\" is of kind \"\", expected one of H100"),
    ];
    for (demand, message) in cases {
        let told = held(demand);
        assert!(told.starts_with(message), "{demand}: {told}");
    }
}

#[test]
fn a_tree_ten_thousand_deep_is_an_error() {
    let domains: Vec<Domain> = (0..10_000)
        .map(|at| Domain {
            name: format!("d{at}"),
            level: "rack".to_owned(),
            domains: vec![format!("d{}", (at + 1) % 10_000)],
            nodes: Vec::new(),
        })
        .collect();
    let cluster = Cluster {
        name: None,
        levels: vec!["rack".to_owned()],
        domains,
        topologies: Vec::new(),
        nodes: Vec::new(),
        held: Vec::new(),
    };
    let error = cluster.build().expect_err("it goes round");
    assert_eq!(error.field(), "domains");
    assert!(
        matches!(error.problem(), FormProblem::Topology(TopologyError::Cycle { domains }) if domains.len() == 10_000)
    );
}
