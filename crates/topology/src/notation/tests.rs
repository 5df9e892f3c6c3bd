use proptest::prelude::*;

use super::*;

fn paths(line: &str) -> Vec<String> {
    let inventory = Inventory::from_notation(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let topology = inventory.topology();
    let path = |node| format!("{}:{}", topology.node_path(node), inventory.free_devices(node).len());
    topology.nodes().map(path).collect()
}

#[test]
fn levels_are_named_from_the_inside() {
    assert_eq!(paths("b1{r1{n1:8 n2:8} r2{n3:4}}"), ["b1/r1/n1:8", "b1/r1/n2:8", "b1/r2/n3:4"]);
    let levels = |line: &str| {
        let inventory = Inventory::from_notation(line).expect("a cluster");
        let topology = inventory.topology();
        topology.levels().map(|level| topology.level_name(level).to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(levels("r{n:1}"), "rack node");
    assert_eq!(levels("b{r{n:1}}"), "block rack node");
    assert_eq!(levels("z{b{r{n:1}}}"), "zone block rack node");
}

#[test]
fn nodes_further_out_pass_through_and_outside_is_outside() {
    assert_eq!(paths("b1{n2:2 r1{n1:1}} "), ["b1//n2:2", "b1/r1/n1:1"]);
    let inventory = Inventory::from_notation("b{r{n:1}} lone:3").expect("a cluster");
    assert_eq!((inventory.topology().outside_len(), inventory.free_devices_total()), (1, 4));
    assert_eq!(Inventory::from_notation("").expect("no node").topology().len(), 0);
}

#[test]
fn resources_are_counted() {
    let mut inventory = Inventory::from_notation("r{a:0(cpu=6,memory=18446744073709551615) b:1}").expect("a cluster");
    let (cpu, memory) = (inventory.resource("cpu"), inventory.resource("memory"));
    let a = inventory.topology().node("a").expect("it is there");
    assert_eq!((inventory.free(a, cpu), inventory.free(a, memory)), (6, u64::MAX));
}

#[test]
fn kinds_islands_and_cordons_follow_the_devices() {
    let inventory = Inventory::from_notation("r{a:8xH100/4(cpu=6)! b:3xA100-80GB/2 c:0x4! d:2}").expect("a cluster");
    let node = |name| inventory.topology().node(name).expect("it is there");
    let islands = |name| inventory.islands(node(name)).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((inventory.kind(node("a")), islands("a")), (Some("H100"), vec!["0-3".to_owned(), "4-7".to_owned()]));
    assert_eq!((inventory.kind(node("b")), islands("b")), (Some("A100-80GB"), vec!["0-1".to_owned(), "2".to_owned()]));
    assert_eq!((inventory.kind(node("c")), inventory.kind(node("d"))), (Some("4"), Some("gpu")));
    assert_eq!(["a", "b", "c", "d"].map(|name| inventory.is_cordoned(node(name))), [true, false, true, false]);
}

#[test]
fn mistakes_are_told_with_their_column() {
    let cases = [
        ("r{n:8x}", 7, "'}'", "the kind of the devices"),
        ("r{n:8/0}", 7, "0", "1 to 64"),
        ("r{n:8/}", 7, "'}'", "1 to 64"),
        ("r{n:8!(cpu=1)}", 7, "'('", "a name"),
        ("r{n:8", 6, "the end", "`}`"),
        ("r{n:8}}", 7, "'}'", "a name"),
        ("r{n}", 4, "'}'", "`{` after a domain's name or `:`"),
        ("r{n:65}", 5, "65", "0 to 64"),
        ("r{n:99999999999999999999}", 5, "99999999999999999999", "0 to 64"),
        ("r{n:1(cpu)}", 10, "')'", "`=`"),
        ("r{n:1(cpu=1}", 12, "'}'", "`,` or `)`"),
        ("r{n:1(cpu=-1)}", 11, "'-'", "a whole number"),
        ("{n:1}", 1, "'{'", "a name"),
        ("r{n:1 /:2}", 7, "'/'", "a name"),
    ];
    for (line, column, found, expected) in cases {
        let message = Inventory::from_notation(line).expect_err(line).to_string();
        assert!(message.starts_with(&format!("at column {column}: found {found}, ")), "{line}: {message}");
        assert!(message.contains(expected), "{line}: {message}");
    }
    assert_eq!(
        Inventory::from_notation("a{b{c{d{n:1}}}}").expect_err("four levels").to_string(),
        "at column 8: 4 levels above the nodes, expected at most 3 (zone, block, rack)"
    );
    let deep = "a{".repeat(10_000);
    assert!(matches!(Inventory::from_notation(&deep), Err(NotationError::TooDeep { depth: 4, .. })));
    assert!(matches!(Inventory::from_notation("r{n:1 n:2}"), Err(NotationError::Topology(_))));
    let many: Vec<String> = (0..65).map(|i| format!("x{i}=1")).collect();
    let many = Inventory::from_notation(&format!("r{{n:1({})}}", many.join(",")));
    assert!(matches!(many, Err(NotationError::TooManyResources { max: 64, .. })));
    let kinds: Vec<String> = (0..65).map(|i| format!("n{i}:1xk{i}")).collect();
    assert!(matches!(Inventory::from_notation(&kinds.join(" ")), Err(NotationError::Capacity(_))));
}

proptest! {
    #[test]
    fn no_line_panics(line in "[a-c{}:0-9(),= x/!]{0,60}|\\PC{0,40}") {
        let _ = Inventory::from_notation(&line);
    }

    #[test]
    fn every_node_stands_where_it_was_put(racks in proptest::collection::vec(proptest::collection::vec(0..=64_u32, 0..4), 0..5)) {
        let rack = |(r, nodes): (usize, &Vec<u32>)| {
            let nodes: Vec<String> = nodes.iter().enumerate().map(|(n, devices)| format!("n{r}-{n}:{devices}")).collect();
            format!("r{r}{{{}}}", nodes.join(" "))
        };
        let line = format!("b{{{}}}", racks.iter().enumerate().map(rack).collect::<Vec<_>>().join(" "));
        let expected: Vec<String> = racks.iter().enumerate().flat_map(|(r, nodes)| {
            nodes.iter().enumerate().map(move |(n, devices)| format!("b/r{r}/n{r}-{n}:{devices}"))
        }).collect();
        prop_assert_eq!(if racks.iter().all(Vec::is_empty) { Vec::new() } else { paths(&line) }, expected);
    }
}
