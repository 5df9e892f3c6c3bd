//! Text from anywhere: an answer, never a panic.

use phalanx_gang::Options;
use proptest::collection::vec;
use proptest::prelude::*;

use super::examples::{KTHENA, NODES, VOLCANO};
use crate::{Manifests, Settings};

/// Reads, and does with the result what a caller would.
fn use_all(text: &str) {
    let Ok(manifests) = Manifests::read([("f", text)], &Settings::new()) else { return };
    let _ = manifests.route_table();
    let mut inventory = manifests.inventory();
    for serving in manifests.servings() {
        if let (Ok(inventory), Some(group)) = (&mut inventory, serving.groups().next())
            && let Ok(gang) = group.gang(inventory)
            && gang.max_pods() <= 1000
        {
            let options = Options::new().present(manifests.present(&group, &gang, inventory));
            assert!(phalanx_gang::plan(&gang, inventory, &options).is_ok(), "Pods are taken for what they are");
        }
        for pod in serving.groups().take(3).flat_map(|group| group.pods().take(5)) {
            for server in manifests.servers() {
                let _ = server.selector().matches(&pod.labels());
            }
        }
    }
    for group in manifests.pod_groups() {
        if let Ok(inventory) = &mut inventory
            && let Ok(of) = group.gang(&manifests, inventory)
        {
            let options = Options::new().present(of.present(inventory));
            assert!(phalanx_gang::plan(of.gang(), inventory, &options).is_ok(), "Pods are taken for what they are");
        }
    }
    for warning in manifests.warnings() {
        assert!(warning.line >= 1 && !warning.message.is_empty());
    }
}

/// What a change puts in place of some text.
fn poison() -> impl Strategy<Value = String> {
    let known = [
        "",
        "null",
        "~",
        "-1",
        "-9223372036854775809",
        "99999999999999999999999999999999999999999",
        "1e308",
        "1e309",
        ".nan",
        "0x7fffffffffffffff",
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        "[[[[[[[[[[",
        "{a: {a: {a: {a:",
        "&a [*a]",
        "*a",
        "!!binary x",
        "<<: ",
        "? ",
        "- ",
        ": ",
        "\n",
        "\t",
        "---\n",
        "...\n",
        "\u{0}",
        "é",
        "\u{feff}",
        "%YAML 9.9\n",
        "|\n",
        ">-\n",
        "#",
        "99999999Ei",
        "-0",
        "1n",
        "2147483647",
        "2147483648",
        "true",
        "kind: List\nitems:\n",
        "100%",
        "4294967295%",
    ];
    prop_oneof![4 => proptest::sample::select(known.map(str::to_owned).to_vec()), 1 => "\\PC{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_manifest_never_panics(changes in vec((any::<prop::sample::Index>(), 0..12_usize, poison()), 1..5)) {
        let mut text: Vec<char> = [KTHENA, NODES, VOLCANO].join("\n---\n").chars().collect();
        for (at, length, poison) in changes {
            let start = at.index(text.len() + 1);
            let end = text.len().min(start + length);
            text.splice(start..end, poison.chars());
        }
        use_all(&text.into_iter().collect::<String>());
    }

    #[test]
    fn a_value_of_any_type_anywhere_never_panics(line in any::<prop::sample::Index>(), poison in poison()) {
        let all = [KTHENA, NODES, VOLCANO].join("\n---\n");
        let lines: Vec<&str> = all.lines().collect();
        let at = line.index(lines.len());
        let changed = lines.iter().enumerate().map(|(index, row)| {
            let key = row.split_once(':').map_or(*row, |(key, _)| key);
            if index == at { format!("{key}: {poison}\n") } else { format!("{row}\n") }
        });
        use_all(&changed.collect::<String>());
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,200}") {
        use_all(&text);
    }
}

#[test]
fn deep_nesting_is_a_problem_and_not_an_overflow() {
    let deep: [String; 4] = [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        (0..3000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        format!("apiVersion: v1\nkind: Node\nmetadata: {{name: m}}\nstatus: {}{}", "[".repeat(60), "]".repeat(60)),
    ];
    for text in &deep[..3] {
        assert!(Manifests::read([("f", text.as_str())], &Settings::new()).is_err());
    }
    use_all(&deep[3]);
}

#[test]
fn aliases_do_not_multiply_without_bound() {
    let levels: String =
        (1..12).map(|level| format!("a{level}: &a{level} [{}]\n", format!("*a{},", level - 1).repeat(10))).collect();
    let bomb = format!("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{levels}");
    assert!(Manifests::read([("f", bomb.as_str())], &Settings::new()).is_err());
}

#[test]
fn many_objects_are_read() {
    let nodes: String = (0..2000)
        .map(|n| {
            format!("---\napiVersion: v1\nkind: Node\nmetadata: {{name: n{n}}}\nstatus: {{capacity: {{cpu: 1}}}}\n")
        })
        .collect();
    let manifests = Manifests::read([("f", nodes.as_str())], &Settings::new()).expect("valid");
    assert_eq!(manifests.nodes().len(), 2000);
}
