//! `phalanx place` on a file with a cluster and gangs of its own, and its picture.

#[path = "support/run.rs"]
mod run;
#[path = "support/scratch.rs"]
mod scratch;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use run::{json, phalanx, refused, stderr, stdout};
use scratch::Scratch;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/placement.yaml");

/// 12,500 nodes of eight devices: racks of 64, 16 racks a block.
const LARGE: &str = r#"
cluster:
  levels: [block, rack]
  nodes:
    - {names: "b[01-12]-r[01-16]-n[01-64]", in: {block: "b{1}", rack: "r{2}"}, devices: 8, kind: H100}
    - {names: "b13-r[01-03]-n[01-64]", in: {block: b13, rack: "r{1}"}, devices: 8, kind: H100}
    - {names: "b13-r04-n[01-20]", in: {block: b13, rack: r04}, devices: 8, kind: H100}
  held:
    - {nodes: "b[01-12]-r[01-16]-n[01-19]", demand: {devices: 8}}
    - {nodes: "b[01-06]-r[01-16]-n[20-38]", demand: {devices: 3}}
gangs:
  - group: {name: train, required: block, pods: 100, slices: [{level: rack, size: 4}], demand: {devices: 8}}
"#;

/// A small cluster with what is given as its gangs.
fn small(gangs: &str) -> String {
    let nodes = "{names: 'r[1-2]-n[1-2]', in: {rack: 'r{1}'}, devices: 8}";
    format!("cluster:\n  levels: [rack]\n  nodes:\n    - {nodes}\ngangs:\n{gangs}\n")
}

fn drawn(args: &[&str], name: &str) -> (Option<i32>, String) {
    let file = Scratch::new(name, "");
    let output = phalanx(&[args, &["--svg", file.path()]].concat());
    (output.status.code(), fs::read_to_string(file.path()).expect("it was drawn"))
}

#[test]
fn the_example_is_placed_whole() {
    let answer = json(&phalanx(&["place", EXAMPLE, "-o", "json"]));
    let gangs = answer.as_array().expect("an array");
    assert_eq!(gangs.len(), 5);
    for gang in gangs {
        assert_eq!(gang["placed"], true, "{gang}");
    }
    let train = &gangs[0];
    assert_eq!((&train["level"], &train["running"].as_array().map(Vec::len)), (&"block".into(), &Some(4)));
    let pods = train["pods"].as_array().expect("pods");
    let ranks: BTreeSet<u64> = pods.iter().filter_map(|pod| pod["rank"].as_u64()).collect();
    assert_eq!(ranks, (4..16).collect(), "the first four run");
    for pod in pods {
        assert_eq!(pod["devices"].as_array().map(Vec::len), Some(4), "{pod}");
    }
    assert_eq!((&pods[0]["node"], &pods[1]["node"]), (&"h-2-04".into(), &"h-2-04".into()), "back where they were");
    let unmet = &train["unmet"][0];
    assert_eq!((&unmet["group"], &unmet["level"]), (&"train".into(), &"rack".into()));
    let block = |pod: &Value| pod["path"].as_str().and_then(|path| path.split('/').nth(1)).map(str::to_owned);
    let chat: BTreeSet<_> =
        gangs[1..3].iter().flat_map(|gang| gang["pods"].as_array().expect("pods")).map(block).collect();
    assert_eq!(chat.len(), 1, "both are bound to one block: {chat:?}");
    assert_eq!(gangs[2]["pods"][0]["milli"], 250);
    let extras = gangs[1]["extras"].as_array().expect("extras");
    assert!(extras.iter().any(|extra| extra["group"] == "chat/decode"), "{extras:?}");
    let objectives: Vec<_> = gangs.iter().filter_map(|gang| gang["objective"].as_str()).collect();
    assert_eq!(objectives, ["tight", "tight", "least-free", "spread", "fragmentation"]);

    let page = stdout(&phalanx(&["place", EXAMPLE]));
    for part in ["RANK", "train-0-4 … train-0-5", "0-3 | 4-7", "(250m each)", "not met: train in one rack", "PROOF"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn a_gang_without_a_place_is_told_with_all_reasons() {
    let file = Scratch::new(
        "no.yaml",
        &small(
            "  - group: {name: a, required: rack, pods: 3, demand: {devices: 8}}\n  - group: {name: b, pods: 4, demand: {devices: 8}}",
        ),
    );
    let output = phalanx(&["place", file.path(), "-o", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rejection = &answer[0]["rejection"];
    assert_eq!(
        (&rejection["wanted"], &rejection["level"], &rejection["best"]["fits"]),
        (&3.into(), &"rack".into(), &2.into())
    );
    assert_eq!((&rejection["reasons"][0]["nodes"], &rejection["nodes"]), (&4.into(), &4.into()));
    assert!(rejection["counterfactual"].as_str().is_some_and(|told| told.contains("bound to no level")), "{rejection}");
    assert_eq!(answer[1]["placed"], true, "what comes after it is planned all the same");
    assert!(stdout(&phalanx(&["place", file.path()])).contains("a has no place: group \"a\" needs 3 pods in one rack"));
}

#[test]
fn bounds_that_running_pods_break_and_extras_without_room_are_told() {
    let gang = "  - group: {name: g, min: 1, max: 9, required: rack, pods: 2, demand: {devices: 8}}
    running: [{nodes: 'r[1-2]-n1'}]";
    let file = Scratch::new("broken.yaml", &small(gang));
    let answer = json(&phalanx(&["place", file.path(), "-o", "json"]));
    let violated = &answer[0]["violated"][0];
    assert_eq!((&violated["group"], &violated["bound"]), (&"g".into(), &"not in one rack".into()));
    assert_eq!(answer[0]["extras"][0]["pending"], 8);
    let page = stdout(&phalanx(&["place", file.path()]));
    assert!(page.contains("g: broken where pods run: g is not in one rack (r2-n1)"), "{page}");
    assert!(page.contains("g: 0 of 8 replicas of g above the minimum have room"), "{page}");
}

#[test]
fn the_command_line_has_the_last_word_on_objective_and_budget() {
    let file = Scratch::new(
        "flags.yaml",
        &small("  - {group: {name: g, pods: 4, demand: {devices: 1}}, objective: {name: tight}}"),
    );
    let nodes = |more: &[&str]| {
        let answer = json(&phalanx(&[&["place", file.path(), "-o", "json"], more].concat()));
        let pods = answer[0]["pods"].as_array().expect("pods").clone();
        pods.iter().map(|pod| pod["node"].to_string()).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((nodes(&[]), nodes(&["--objective", "spread:node"]), nodes(&["--budget", "0"])), (1, 4, 1));
    let line = ["place", "--cluster", "r{a:8 b:8}", "--gang", "2p(1)", "-o", "json", "--objective"];
    let fragmentation = json(&phalanx(&[&line[..], &["fragmentation:1x8"]].concat()));
    assert_eq!(fragmentation[0]["objective"], "fragmentation");
    refused(&[&line[..], &["best"]].concat(), &["--objective", "\"best\"", "one of tight, greedy-best-fit"]);
    refused(&[&line[..], &["spread:shelf"]].concat(), &["--objective", "shelf", "rack, node"]);
    refused(&["place", file.path(), "--budget", "many"], &["--budget", "many"]);
    refused(&["place", file.path(), "--svg", "/does/not/exist/x.svg"], &["--svg", "/does/not/exist"]);
}

#[test]
fn gangs_of_lines_share_keys_too() {
    let cluster = "b1{r1{n1:8xH100 n2:8xH100}} b2{r2{n3:8xA100 n4:8xA100!}}";
    let args = [
        "place",
        "--cluster",
        cluster,
        "--gang",
        "1p(8) kinds=A100 bind=block:k",
        "--gang",
        "1p(8) bind=block:k",
        "-o",
        "json",
    ];
    let output = phalanx(&args);
    assert_eq!(output.status.code(), Some(1), "the only other node there is cordoned: {}", stdout(&output));
    let args = [
        "place",
        "--cluster",
        cluster,
        "--gang",
        "2x1p(0.5) exclusive=node",
        "--gang",
        "2p(8) homogeneous required=rack",
    ];
    refused(&["place", "--cluster", cluster, "--gang", "slice=rack:2"], &["column 1", "pods before slice="]);
    let page = stdout(&phalanx(&args));
    assert!(page.contains("(500m each)") && page.contains("no place"), "{page}");
}

#[test]
fn mistakes_are_told_with_file_line_and_column() {
    let gang = |group: &str| small(&format!("  - group: {{name: g, {group}}}"));
    let present = |list: &str| gang(&format!("replicas: 2, pods: 2, demand: {{devices: 1}}}}\n    {list} #"));
    let cases = [
        (small("  - group: {name: g, pod: 1}"), ":6:22: unknown field `pod`, expected one of name, replicas"),
        (
            gang("pods: -1, demand: {devices: 1}"),
            ":6:28: gangs[0].group.pods: expected a whole number from 0 to 4294967295",
        ),
        (
            gang("pods: 3, demand: {devices: 1}, slices: [{level: rack, size: 2}]"),
            ":6:76: gangs[0].group.slices[0].size: ",
        ),
        (
            gang("pods: 1, demand: {devices: 1}, required: shelf"),
            ":6:53: gangs[0].group.required: found level \"shelf\", expected one of rack, node",
        ),
        (
            gang("min: 2, max: 1, pods: 1, demand: {devices: 1}"),
            ":6:22: gangs[0].group.min: group \"g\": min 2 exceeds max 1",
        ),
        (gang("pods: 1, demand: {share: 1001}"), ":6:40: gangs[0].group.demand.share: a share of 1001 milli"),
        (gang("pods: 1, pods: 2, demand: {devices: 1}"), ":6:31: duplicate mapping key: pods"),
        (small("  - {}").replace("levels: [rack]", "levels: [rack"), ":3:"),
        (
            small("  []").replace("devices: 8", "devices: 80"),
            ":4:52: cluster.nodes[0].devices: node \"r1-n1\" has 80 devices",
        ),
        (
            small("  []").replace("r[1-2]-n", "[1-99]-[1-9999]-n"),
            "cluster.nodes[0].names: found 1979802 nodes, expected at most 262144",
        ),
        (small("  []") + "---\nmore: 1\n", ": expected one document"),
        ("gangs: []\n".to_owned(), ":1:1: missing field `cluster`"),
        (small("  []"), ": gangs: found none, expected a gang or more"),
        (gang("pods: 1, demand: {devices: 1.5}"), ":6:49: gangs[0].group.demand.devices: expected whole devices"),
        (gang("pods: 1, demand: {share: 0.5}"), "gangs[0].group.demand.share: expected thousandths of one device"),
        (gang("pods: [1], demand: {devices: 1}"), "gangs[0].group.pods: expected one value, found a list"),
        (gang("pods: 1, demand: {share: 5, devices: 1}"), "expected one of both: devices are whole"),
        (
            present("running: [{pods: 0-5, nodes: r1-n1}]"),
            ":7:16: gangs[0].running[0].pods: found pod 2, expected pods 0-1",
        ),
        (
            present("former: [{replica: [2], nodes: r1-n1}]"),
            ":7:25: gangs[0].former[0].replica[0]: found replica 2 of \"g\", expected replicas 0-1",
        ),
        (gang("pods: 1, demand: {devices: 1}") + "objective: best", "unknown variant `best`, expected one of tight"),
        (
            gang("pods: 1, demand: {devices: 1}") + "objective: spread",
            "objective.level: found nothing, expected the level",
        ),
    ];
    for (number, (text, message)) in cases.iter().enumerate() {
        let file = Scratch::new(&format!("wrong-{number}.yaml"), text);
        refused(&["place", file.path()], &[file.path(), message]);
    }
    let good = Scratch::new("good.yaml", &small("  []"));
    refused(&["place", good.path(), EXAMPLE], &[good.path(), "expected no other file"]);
    refused(&["place", good.path(), "--level", "rack=x"], &["--level", "leave it out"]);
    refused(&["place", good.path(), "--schema"], &["--schema"]);
}

#[test]
fn what_holds_no_gang_is_no_answer() {
    for (number, text) in ["", "# nothing\n", "---\n"].iter().enumerate() {
        let file = Scratch::new(&format!("none-{number}.yaml"), text);
        refused(&["place", file.path()], &["nothing to place", "expected manifests", "`cluster` and `gangs`"]);
    }
    refused(&["place", "--cluster", "r{n:8}", "--gang", "0p(1)"], &["--gang '0p(1)': nothing to place"]);
    let none = Scratch::new("no-pods.yaml", &small("  - group: {name: g, pods: 0, demand: {devices: 1}}"));
    let output = phalanx(&["place", none.path()]);
    assert!(output.status.success() && stderr(&output).contains("gang g: nothing to place"), "{}", stderr(&output));
}

#[test]
fn what_no_node_has_is_a_warning_that_tells_what_there_is() {
    let words = |args: &[&str]| {
        let output = phalanx(args);
        (output.status.code(), stderr(&output))
    };
    let cluster = ["place", "--cluster", "r{a:8xH100(cpu=4) b:8xA100}", "--gang"];
    let (code, told) = words(&[&cluster[..], &["1p(1,cpus=2) kinds=H10"]].concat());
    assert_eq!(code, Some(1));
    for part in ["kind \"H10\"; there is H100, A100", "resource \"cpus\"; there is cpu\n"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (code, told) = words(&[&cluster[..], &["1p(4,numa)", "--gang", "1p(4,island)"]].concat());
    assert_eq!(code, Some(0));
    assert!(told.contains("gang 1p(4,numa): no node says which NUMA zones"), "{told}");
    assert!(told.contains("gang 1p(4,island): no node says which islands"), "{told}");
    let gang = "  - group: {name: g, kinds: [H10], pods: 1, demand: {devices: 1, resources: {cpus: 1}}}";
    let file = Scratch::new("slips.yaml", &small(gang));
    let (code, told) = words(&["place", file.path()]);
    assert_eq!(code, Some(1));
    assert!(told.contains("kind \"H10\"; there is") && told.contains("resource \"cpus\"; there is none"), "{told}");
    // What is sound is not warned of.
    assert_eq!(words(&["place", EXAMPLE]), (Some(0), String::new()));
    assert_eq!(words(&[&cluster[..], &["1p(1,cpu=2) kinds=H100"]].concat()), (Some(0), String::new()));
    let picture = Scratch::new("picture.png", "");
    let (_, told) = words(&["place", EXAMPLE, "--svg", picture.path()]);
    assert!(told.contains("what is drawn is SVG"), "{told}");
}

#[test]
fn pods_that_run_count_as_there() {
    let gang = |pods: u32| {
        small(&format!(
            "  - group: {{name: g, min: 1, max: {pods}, pods: 1, demand: {{devices: 8}}}}
    running: [{{nodes: r1-n1}}]"
        ))
    };
    for (pods, told) in [(4, " 4 of 4, 1 runs "), (5, " 4 of 5, 1 runs ")] {
        let file = Scratch::new(&format!("runs-{pods}.yaml"), &gang(pods));
        let page = stdout(&phalanx(&["place", file.path()]));
        assert!(page.contains(told), "{told}: {page}");
    }
    let page = stdout(&phalanx(&["place", "--cluster", "a:8 b:8", "--gang", "2p(1)"]));
    assert!(page.contains("2 of 2  node "), "outside the tree, but on one node: {page}");
}

#[test]
fn an_objective_can_be_its_name_alone() {
    let gang = "  - group: {name: g, pods: 1, demand: {devices: 1}}\n    objective: balanced
  - group: {name: h, pods: 1, demand: {devices: 1}}\nobjective: least-free";
    let file = Scratch::new("words.yaml", &small(gang));
    let answer = json(&phalanx(&["place", file.path(), "-o", "json"]));
    assert_eq!((&answer[0]["objective"], &answer[1]["objective"]), (&"balanced".into(), &"least-free".into()));
    let schema: Value = serde_json::from_str(&stdout(&phalanx(&["place", "--schema"]))).expect("JSON");
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).expect("YAML");
    let mut seen = BTreeSet::new();
    check(&read(&small(gang)), &schema, &schema, "", &mut seen).expect("it is of the schema");
    assert!(check(&read(&small(&gang.replace("balanced", "best"))), &schema, &schema, "", &mut seen).is_err());
}

#[test]
fn depth_is_no_danger() {
    let nested = |deep: usize| {
        let group =
            format!("{}pods: 1, demand: {{devices: 1}}{}", "name: a, groups: [{".repeat(deep), "}]".repeat(deep));
        small(&format!("  - group: {{{}}}", group.replacen("pods", "name: a, pods", 1)))
    };
    let fits = Scratch::new("deep-31.yaml", &nested(31));
    assert_eq!(phalanx(&["place", fits.path()]).status.code(), Some(0));
    for (deep, message) in [(32, "nested 33 deep, at most 32 is possible"), (10_000, "nested too deep")] {
        let file = Scratch::new(&format!("deep-{deep}.yaml"), &nested(deep));
        refused(&["place", file.path()], &[file.path(), message]);
    }
    let block: String = (0..2_000).map(|at| format!("{:1$}- groups:\n", "", 2 * at + 8)).collect();
    let file = Scratch::new("deep-block.yaml", &small(&format!("  - group:\n      name: g\n      groups:\n{block}")));
    refused(&["place", file.path()], &[file.path(), "nested too deep"]);
}

#[test]
fn a_large_cluster_is_a_few_lines_and_a_readable_picture() {
    let file = Scratch::new("large.yaml", LARGE);
    let args = ["place", file.path()];
    let (code, picture) = drawn(&args, "large.svg");
    assert_eq!(code, Some(0));
    assert!(picture.contains("1 of 1 gangs placed on 12,500 nodes") && picture.len() < 400_000, "{}", picture.len());
    // Racks with pods show those nodes, all others are one bar each.
    assert_eq!(picture.matches(" rank ").count(), 100);
    assert!(picture.contains(">28 others</text>") && picture.contains("rack r16: 64 nodes"), "{picture}");
    assert_eq!(drawn(&args, "again.svg").1, picture, "the same bytes");
    let page = stdout(&phalanx(&args));
    assert!(page.contains("100 nodes of b") && page.contains("more pods; -o json has all"), "{page}");
}

#[test]
fn the_picture_shows_every_state_and_stands_alone() {
    let (code, picture) = drawn(&["place", EXAMPLE], "example.svg");
    assert_eq!(code, Some(0));
    for part in [
        "5 of 5 gangs placed on 22 nodes",
        ">free on a cordoned node<",
        ">of a node that is gone<",
        ">runs already: its gang's colour, paler<",
        ">a pod's rank: its number in its gang, from 0<",
        ">above the minimum<",
        ">train: 16 pods<",
        "<title>train rank 15: devices 4-7</title>",
        ">outside the tree<",
        ">rack-4<",
    ] {
        assert!(picture.contains(part), "{part}");
    }
    for outer in ["href", "<script", "<image", "@import", "url(http"] {
        assert!(!picture.contains(outer), "{outer}");
    }
    assert_eq!(picture.matches("<g>").count(), picture.matches("</g>").count());
    let hostile = Scratch::new(
        "hostile.yaml",
        &small("  - {name: '<b>&\"x\"</b>', group: {name: g, pods: 1, demand: {devices: 1}}}"),
    );
    let (_, picture) = drawn(&["place", hostile.path()], "hostile.svg");
    assert!(picture.contains("&lt;b&gt;&amp;&quot;x&quot;&lt;/b&gt;") && !picture.contains("<b>"), "{picture}");
    // Manifests and lines are drawn the same way, and so is what has no place.
    let (code, picture) = drawn(&["place", "--cluster", "r{n:8}", "--gang", "1p(9)"], "line.svg");
    assert_eq!((code, picture.contains("1p(9): no place")), (Some(1), true));
    let (code, _) = drawn(&["place", "--cluster", "", "--gang", "0..1p(1)"], "empty.svg");
    assert_eq!(code, Some(0));
}

/// The schema that a `$ref` or the schema itself is.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let Some(name) = schema["$ref"].as_str() else { return schema };
    root.pointer(name.strip_prefix('#').expect("a reference into the same document")).expect("it is there")
}

/// Checks a value by what the schema uses of JSON Schema, and notes which properties it has.
fn check(value: &Value, schema: &Value, root: &Value, path: &str, seen: &mut BTreeSet<String>) -> Result<(), String> {
    let schema = resolved(schema, root);
    if let Some(any) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let tried: Vec<_> = any.iter().map(|one| check(value, one, root, path, seen)).collect();
        return if tried.iter().any(Result::is_ok) { Ok(()) } else { Err(format!("{path}: {tried:?}")) };
    }
    if let Some(fixed) = schema.get("const") {
        return if value == fixed { Ok(()) } else { Err(format!("{path}: {value} is not {fixed}")) };
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        other => return Err(format!("{path}: the schema says type {other}")),
    };
    let is = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    if !types.iter().any(is) {
        return Err(format!("{path}: {value} is none of {types:?}"));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_i64(), value.as_i64())
        && number < least
    {
        return Err(format!("{path}: {number} is below {least}"));
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        check(item, &schema["items"], root, &format!("{path}[{at}]"), seen)?;
    }
    let Some(fields) = value.as_object() else { return Ok(()) };
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for name in required {
        fields.get(name).ok_or_else(|| format!("{path}: {name} is missing"))?;
    }
    for (name, inner) in fields {
        let path = format!("{path}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(property), _) => {
                seen.insert(property["description"].as_str().unwrap_or_default().to_owned());
                check(inner, property, root, &path, seen)?;
            }
            (None, Value::Object(_)) => check(inner, &schema["additionalProperties"], root, &path, seen)?,
            (None, _) => return Err(format!("{path}: no such property")),
        }
    }
    Ok(())
}

/// The descriptions of all properties of all types, and the types that are open.
fn properties(schema: &Value, into: &mut BTreeSet<String>) {
    for inner in schema["$defs"].as_object().into_iter().flatten().map(|(_, inner)| inner).chain([schema]) {
        let Some(fields) = inner["properties"].as_object() else { continue };
        assert_eq!(inner["additionalProperties"], false, "what is not known is an error: {inner}");
        for (name, property) in fields {
            let told = property["description"].as_str().unwrap_or_else(|| panic!("{name} has no description"));
            assert!(into.insert(told.to_owned()) || told.starts_with("The nodes") || SHARED.contains(&told), "{told}");
        }
    }
}

/// What fields of several types say of themselves.
const SHARED: [&str; 2] = ["The level of the domains.", "The key."];

#[test]
fn the_schema_is_true_of_the_example_which_shows_every_field() {
    let schema: Value = serde_json::from_str(&stdout(&phalanx(&["place", "--schema"]))).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let example = fs::read_to_string(Path::new(EXAMPLE)).expect("the example is there");
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).expect("YAML");
    let mut seen = BTreeSet::new();
    check(&read(&example), &schema, &schema, "", &mut seen).expect("the example is of the schema");
    // A topology is given by its nodes or by its domains: the example's first one is not by its domains.
    let domains = small("  - group: {name: g, pods: 1, demand: {devices: 1}}")
        .replace("in: {rack: 'r{1}'}, ", "")
        .replace("levels: [rack]", "levels: [rack]\n  domains: [{name: r1, level: rack, nodes: ['r[1-2]-n1']}]");
    check(&read(&domains), &schema, &schema, "", &mut seen).expect("it is of the schema");
    let file = Scratch::new("domains.yaml", &domains);
    assert_eq!(phalanx(&["place", file.path()]).status.code(), Some(0));
    let mut all = BTreeSet::new();
    properties(&schema, &mut all);
    let missing: Vec<_> = all.difference(&seen).collect();
    assert!(missing.is_empty(), "the example does not show: {missing:?}");

    for text in [LARGE, &small("  []")] {
        check(&read(text), &schema, &schema, "", &mut seen).expect("it is of the schema");
    }
    // What the command refuses as no such form is not of the schema either.
    for (good, bad) in [
        ("maxSkew: 1", "skew: 1"),
        ("pods: 4", "pods: four"),
        ("pods: 4", "pods: -4"),
        ("name: tight", "name: best"),
        ("within: island", "within: rack"),
        ("key: chat}", "}"),
    ] {
        let broken = example.replacen(good, bad, 1);
        assert_ne!(broken, example, "{good}");
        assert!(check(&read(&broken), &schema, &schema, "", &mut seen).is_err(), "{bad}");
        let file = Scratch::new("off.yaml", &broken);
        refused(&["place", file.path()], &[file.path()]);
    }
}
