//! A gang's line, read anew and without mercy: it is known to be sound.

use phalanx_topology::{Demand, Inventory, LevelId};

use crate::planned::{Row, Spec};

/// Reads the line of a gang that was accepted.
pub(super) fn read(line: &str, inventory: &mut Inventory) -> Spec {
    let mut rows = vec![Row { path: "gang".to_owned(), min: 1, max: 1, ..Row::default() }];
    for word in line.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let last = rows.len() - 1;
        match name {
            "required" => rows[0].hard = Some(level(inventory, value)),
            "preferred" => rows[0].preferred.push(level(inventory, value)),
            "spread" => rows[0].spread = Some(sized(inventory, value)),
            "per-node" => rows[0].per_node = Some(number(value)),
            "homogeneous" => rows[0].homogeneous = true,
            "bind" => rows[0].bound = keyed(inventory, value).map(|(level, key)| (level, key.expect("a key"))),
            "kinds" => {
                let id = |kind| inventory.intern_kind(kind).expect("it was interned");
                rows[0].kinds = value.split(',').map(id).collect();
            }
            "slice" => rows[last].slices.push(sized(inventory, value)),
            "exclusive" => rows[last].exclusive = keyed(inventory, value),
            _ => rows.push(pods(word, last, inventory)),
        }
    }
    Spec { rows }
}

fn number(text: &str) -> u32 {
    text.parse().expect("a number")
}

fn level(inventory: &Inventory, name: &str) -> LevelId {
    let topology = inventory.topology();
    let found = match name.split_once('/') {
        Some((tree, level)) => topology.tree(tree).and_then(|tree| topology.level_in(tree, level)),
        None => topology.level(name),
    };
    found.expect("a level")
}

fn sized(inventory: &Inventory, text: &str) -> (LevelId, u32) {
    let (name, size) = text.split_once(':').expect("a level and a number");
    (level(inventory, name), number(size))
}

fn keyed(inventory: &Inventory, text: &str) -> Option<(LevelId, Option<String>)> {
    let (name, key) = text.split_once(':').map_or((text, None), |(name, key)| (name, Some(key.to_owned())));
    Some((level(inventory, name), key))
}

/// Such as `2..3x4p(8,cpu=6)`.
fn pods(word: &str, at: usize, inventory: &mut Inventory) -> Row {
    let (count, asked) = word.split_once("p(").expect("pods");
    let asked = asked.strip_suffix(')').expect("pods");
    let range = |text: &str| match text.split_once("..") {
        Some((min, max)) => (number(min), number(max)),
        None => (number(text), number(text)),
    };
    let ((min, max), count) = match count.split_once('x') {
        Some((replicas, pods)) => (range(replicas), number(pods)),
        None if count.contains("..") => (range(count), 1),
        None => ((1, 1), number(count)),
    };
    let pods = Some((count, demand(asked, inventory)));
    Row { path: format!("gang/{at}"), min, max, pods, ..Row::default() }
}

fn demand(asked: &str, inventory: &mut Inventory) -> Demand {
    let mut parts = asked.split(',');
    let first = parts.next().expect("devices");
    let share = |milli: u32| Demand::share(milli).expect("a share");
    let mut demand = if let Some(milli) = first.strip_suffix('m') {
        share(number(milli))
    } else if let Some(part) = first.strip_prefix("0.") {
        share(number(&format!("{part:0<3}")))
    } else {
        Demand::devices(number(first))
    };
    for part in parts {
        demand = match part {
            "island" => demand.within_island(),
            "numa" => demand.within_numa(),
            _ => {
                let (name, amount) = part.split_once('=').expect("a resource");
                demand.with(inventory.resource(name), amount.parse().expect("an amount"))
            }
        };
    }
    demand
}
