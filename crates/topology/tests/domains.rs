//! Explicit trees against a naive model, and hostile ones against the rules.

use std::collections::BTreeMap;

use phalanx_topology::{DomainRow, HyperNode, Member, Topology, TreeId};
use proptest::prelude::*;

mod model;

use model::Model;

const LEVELS: [&str; 3] = ["zone", "block", "rack"];

/// A tree by number: each domain's level and what it would like to be in, each node's home.
#[derive(Clone, Debug)]
struct Wish {
    domains: Vec<(usize, Option<usize>)>,
    nodes: Vec<usize>,
}

impl Wish {
    fn parent(&self, domain: usize) -> Option<usize> {
        let (level, wish) = self.domains[domain];
        let wish = wish? % self.domains.len();
        (self.domains[wish].0 < level).then_some(wish)
    }

    fn home(&self, node: usize) -> Option<usize> {
        self.nodes[node].checked_rem(self.domains.len())
    }

    fn rows(&self) -> Vec<DomainRow> {
        let row = |at: usize| {
            let held = (0..self.domains.len()).filter(|&other| self.parent(other) == Some(at));
            let nodes = (0..self.nodes.len()).filter(|&node| self.home(node) == Some(at));
            let members = held.map(|at| Member::domain(name(at))).chain(nodes.map(|at| Member::node(format!("n{at}"))));
            DomainRow::new(name(at), LEVELS[self.domains[at].0], members)
        };
        (0..self.domains.len()).map(row).collect()
    }

    fn model(&self) -> Model {
        let names = |node| {
            let mut names = vec![String::new(); LEVELS.len()];
            for at in std::iter::successors(self.home(node), |&at| self.parent(at)) {
                names[self.domains[at].0] = name(at);
            }
            names
        };
        let nodes = (0..self.nodes.len()).filter(|&node| self.home(node).is_some());
        Model { levels: LEVELS.len(), nodes: nodes.map(|node| (format!("n{node}"), names(node))).collect() }
    }
}

/// Some sort before the separator of paths, some after.
fn name(domain: usize) -> String {
    format!("{}{}", ["d", "d-", "D", "d."][domain % 4], domain / 4)
}

fn wish() -> impl Strategy<Value = Wish> {
    let domain = (0..LEVELS.len(), prop::option::weighted(0.9, any::<usize>()));
    (prop::collection::vec(domain, 0..12), prop::collection::vec(any::<usize>(), 0..14))
        .prop_map(|(domains, nodes)| Wish { domains, nodes })
}

/// Rows that may be anything, over few names.
fn anything() -> impl Strategy<Value = Vec<DomainRow>> {
    let name = || (0..6usize).prop_map(|at| ["a", "b", "c", "d", "e", "x/y"][at].to_owned());
    let member = prop_oneof![
        3 => name().prop_map(Member::Domain),
        1 => (0..9usize).prop_map(|at| Member::node(["n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", ""][at])),
    ];
    let level = prop_oneof![12 => (0..3usize).prop_map(|at| LEVELS[at]), 1 => Just("row")];
    let row = (name(), level, prop::collection::vec(member, 0..3));
    prop::collection::vec(row.prop_map(|(name, level, members)| DomainRow::new(name, level, members)), 0..5)
}

/// Whether the rules that the documentation states all hold.
fn sound(rows: &[DomainRow]) -> bool {
    let name_is_sound = |name: &str| !name.is_empty() && !name.contains('/');
    let depth = |row: &DomainRow| LEVELS.iter().position(|level| *level == row.level);
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let mut holders: BTreeMap<&Member, Vec<&str>> = BTreeMap::new();
    for row in rows {
        for member in &row.members {
            let holders = holders.entry(member).or_default();
            if !holders.contains(&row.name.as_str()) {
                holders.push(&row.name);
            }
        }
    }
    let held_well = |row: &DomainRow| {
        row.members.iter().all(|member| match member {
            Member::Node(node) => name_is_sound(node),
            Member::Domain(domain) => rows.iter().any(|other| other.name == *domain && depth(other) > depth(row)),
        })
    };
    rows.iter().all(|row| name_is_sound(&row.name) && depth(row).is_some() && held_well(row))
        && (0..names.len()).all(|at| !names[..at].contains(&names[at]))
        && holders.values().all(|holders| holders.len() == 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_tree_of_domains_is_its_model(wish in wish()) {
        let topology = Topology::from_domains(LEVELS, wish.rows()).expect("the rows are sound");
        let model = wish.model();
        prop_assert_eq!(topology.len(), model.nodes.len());
        model.check(&topology, TreeId::PRIMARY)?;
    }

    #[test]
    fn hypernodes_are_domains_with_numbers(wish in wish()) {
        // Tiers 9, 6 and 3 are the three levels; every node is known, held or not.
        let tiers: Vec<u32> = wish.domains.iter().map(|&(level, _)| 9 - 3 * level as u32).collect();
        let hypernode = |(row, tier): (DomainRow, u32)| HyperNode::new(row.name, tier, row.members).named_tier(row.level);
        let rows: Vec<HyperNode> = wish.rows().into_iter().zip(tiers).map(hypernode).collect();
        prop_assume!(!rows.is_empty());
        let levels = HyperNode::tiers(&rows).expect("the names are sound");
        let nodes = (0..wish.nodes.len() + 2).map(|node| format!("n{node}"));
        let topology = Topology::from_hypernodes(rows, nodes).expect("the rows are sound");
        let mut model = wish.model();
        prop_assert_eq!(topology.outside_len(), 2);
        // A tier that no HyperNode has is no level.
        let used = |names: &mut Vec<String>| {
            let names_of = LEVELS.iter().zip(std::mem::take(names));
            let used = names_of.filter(|(level, _)| levels.iter().any(|(_, used)| used == *level));
            names.extend(used.map(|(_, name)| name));
        };
        model.nodes.values_mut().for_each(used);
        model.levels = levels.len();
        model.check(&topology, TreeId::PRIMARY)?;
    }

    #[test]
    fn the_order_of_domains_and_members_does_not_matter((wish, order) in wish().prop_flat_map(|wish| {
        let order = Just(wish.rows()).prop_shuffle();
        (Just(wish), order)
    })) {
        let turned = order.into_iter().map(|row| DomainRow { members: row.members.into_iter().rev().collect(), ..row });
        prop_assert_eq!(Topology::from_domains(LEVELS, turned), Topology::from_domains(LEVELS, wish.rows()));
    }

    #[test]
    fn rows_are_taken_exactly_if_they_are_sound(rows in anything()) {
        let sound = sound(&rows);
        let built = Topology::from_domains(LEVELS, rows);
        prop_assert_eq!(built.is_ok(), sound, "{:?}", built.err());
    }

    #[test]
    fn a_cycle_of_any_length_is_told(len in 1..300usize, start in any::<usize>()) {
        let rows = (0..len).map(|at| {
            let next = format!("d{:03}", (at + start % len + 1) % len);
            DomainRow::new(format!("d{:03}", (at + start % len) % len), LEVELS[at % 3], [Member::domain(next)])
        });
        let error = Topology::from_domains(LEVELS, rows).unwrap_err();
        let around = (0..len).map(|at| format!("d{at:03}")).collect();
        prop_assert_eq!(error, phalanx_topology::TopologyError::Cycle { domains: around });
    }
}
