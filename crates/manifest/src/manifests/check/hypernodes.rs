//! The tree that HyperNodes make: what their selectors select, and whether it is a tree.

use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};

use phalanx_topology::{Member, Topology};

use super::Reading;
use crate::hypernode::{HyperNodePlaces, MemberPlace, Selector};
use crate::node::Node;
use crate::problem::{Problem, Warning};

/// Finds the members of each HyperNode among what is given, and tells what keeps them from being a tree.
pub(super) fn members(reading: &mut Reading<'_>) {
    let places = core::mem::take(&mut reading.hypernodes);
    if places.is_empty() {
        return;
    }
    let mut tree = Tree::new(reading, &places);
    for (holder, of) in places.iter().enumerate() {
        for member in &of.members {
            tree.add(holder, member);
        }
    }
    tree.tell_coarse();
    let Tree { members, mut problems, warnings, .. } = tree;
    problems.extend(tiers(reading, &places));
    for (row, mut members) in reading.found.hypernodes.iter_mut().zip(members) {
        members.sort_unstable();
        members.dedup();
        row.members = members;
    }
    reading.problems.extend(problems);
    reading.found.warnings.extend(warnings);
}

/// Whether the tiers and their names are levels.
fn tiers(reading: &Reading<'_>, places: &[HyperNodePlaces]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let rows = || reading.found.hypernodes.iter().zip(places);
    let mut names: BTreeMap<u32, (&str, &HyperNodePlaces)> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (row, place) in rows() {
        if known.insert(row.tier) && known.len() == Topology::MAX_LEVELS + 1 {
            let expected = format!("at most {} different tiers", Topology::MAX_LEVELS);
            problems.push(place.tier.problem(format!("one tier more, {}", row.tier), expected));
        }
        let Some(name) = row.tier_name() else { continue };
        let (other, first) = *names.entry(row.tier).or_insert((name, place));
        if other != name {
            let at = &first.tier_name;
            let expected = format!("{other:?}, as tier {} is called at {}:{}", row.tier, at.file, at.line);
            problems.push(place.tier_name.problem(format!("{name:?}"), expected));
        }
    }
    // A tier without a name is called by its number.
    let mut tier_of: BTreeMap<String, u32> = BTreeMap::new();
    for &tier in &known {
        if !names.contains_key(&tier) {
            tier_of.insert(format!("tier-{tier}"), tier);
        }
    }
    for (tier, (name, place)) in names {
        if let Some(other) = tier_of.insert(name.to_owned(), tier) {
            let expected = format!("a name of its own for tier {tier}: tier {other} is called so");
            problems.push(place.tier_name.problem(format!("{name:?}"), expected));
        }
    }
    problems
}

struct Tree<'a> {
    reading: &'a Reading<'a>,
    nodes: BTreeMap<&'a str, &'a Node>,
    /// Nodes by those labels that selectors ask for first.
    labelled: BTreeMap<(&'a str, &'a str), Vec<&'a Node>>,
    hypernodes: BTreeMap<&'a str, usize>,
    /// Which HyperNode holds each node, and each HyperNode.
    holder_of_node: BTreeMap<&'a str, usize>,
    holder: Vec<Option<usize>>,
    members: Vec<Vec<Member>>,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
    /// HyperNodes that hold one of their own tier or a higher one, as a cycle has to.
    coarse: Vec<(usize, usize, &'a MemberPlace)>,
}

impl<'a> Tree<'a> {
    fn new(reading: &'a Reading<'a>, places: &'a [HyperNodePlaces]) -> Self {
        let found = &reading.found;
        let selectors = places.iter().flat_map(|of| &of.members).filter_map(|member| match &member.selector {
            Selector::Labels(labels) => labels.labels().keys().next(),
            _ => None,
        });
        let keys: BTreeSet<&String> = selectors.collect();
        let mut labelled: BTreeMap<_, Vec<&Node>> = BTreeMap::new();
        for node in &found.nodes {
            for (key, value) in node.labels().iter().filter(|(key, _)| keys.contains(key)) {
                labelled.entry((key.as_str(), value.as_str())).or_default().push(node);
            }
        }
        Self {
            reading,
            nodes: found.nodes.iter().map(|node| (node.name(), node)).collect(),
            labelled,
            hypernodes: found.hypernodes.iter().zip(0..).map(|(row, at)| (row.name(), at)).collect(),
            holder_of_node: BTreeMap::new(),
            holder: vec![None; places.len()],
            members: vec![Vec::new(); places.len()],
            problems: Vec::new(),
            warnings: Vec::new(),
            coarse: Vec::new(),
        }
    }

    fn add(&mut self, holder: usize, member: &'a MemberPlace) {
        let before = (self.members[holder].len(), self.problems.len());
        if member.is_node {
            self.add_nodes(holder, member);
        } else {
            self.add_hypernodes(holder, member);
        }
        if before == (self.members[holder].len(), self.problems.len()) && !matches!(member.selector, Selector::Name(_))
        {
            self.warnings.push(member.place.warning("selects nothing that is given"));
        }
    }

    fn add_nodes(&mut self, holder: usize, member: &'a MemberPlace) {
        let empty = BTreeMap::new();
        let nodes: Vec<&'a str> = match &member.selector {
            Selector::Name(name) => match self.nodes.get_key_value(name.as_str()) {
                Some((name, _)) => vec![name],
                None => return self.unknown("Node", name, member),
            },
            Selector::Pattern(pattern) => {
                let prefix = literal_prefix(pattern.as_str());
                let from = (Bound::Included(prefix), Bound::Unbounded);
                let near = self.nodes.range::<str, _>(from).take_while(|(name, _)| name.starts_with(prefix));
                near.map(|(name, _)| *name).filter(|name| member.selector.selects(name, &empty)).collect()
            }
            Selector::Labels(labels) => {
                let names = |node: &&'a Node| member.selector.selects(node.name(), node.labels());
                match labels.labels().iter().next() {
                    Some((key, value)) => {
                        let near = self.labelled.get(&(key.as_str(), value.as_str())).into_iter().flatten().copied();
                        near.filter(names).map(Node::name).collect()
                    }
                    None => self.nodes.values().copied().filter(names).map(Node::name).collect(),
                }
            }
        };
        for name in nodes {
            match self.holder_of_node.insert(name, holder) {
                Some(other) if other != holder => return self.held_twice("Node", name, other, member),
                _ => self.members[holder].push(Member::node(name)),
            }
        }
    }

    fn add_hypernodes(&mut self, holder: usize, member: &'a MemberPlace) {
        let rows = &self.reading.found.hypernodes;
        let tier = rows[holder].tier;
        let children: Vec<usize> = match &member.selector {
            Selector::Name(name) => match self.hypernodes.get(name.as_str()) {
                Some(child) => vec![*child],
                None => return self.unknown("HyperNode", name, member),
            },
            // What a pattern finds by chance is no mistake: only lower tiers are asked for.
            selector => {
                let empty = BTreeMap::new();
                let lower = self.hypernodes.iter().filter(|(_, child)| rows[**child].tier < tier);
                lower.filter(|(name, _)| selector.selects(name, &empty)).map(|(_, child)| *child).collect()
            }
        };
        for child in children {
            let name = rows[child].name();
            let coarse = rows[child].tier >= tier;
            if coarse {
                self.coarse.push((holder, child, member));
            }
            match self.holder[child].replace(holder) {
                Some(other) if other != holder => return self.held_twice("HyperNode", name, other, member),
                _ if coarse => {}
                _ => self.members[holder].push(Member::domain(name)),
            }
        }
    }

    /// Tells of the HyperNodes that hold one of no lower tier, and of cycles as such.
    fn tell_coarse(&mut self) {
        // A walk up is as long as the tree is high; this many steps are for what no tree is.
        let mut steps = 1 << 24;
        for (holder, child, member) in core::mem::take(&mut self.coarse) {
            let [tier, own] = [holder, child].map(|at| self.reading.found.hypernodes[at].tier);
            let name = self.reading.found.hypernodes[child].name();
            let problem = match self.around(holder, child, &mut steps) {
                Some(around) => {
                    let expected = "members that do not hold it in turn";
                    member.place.problem(format!("{name:?}, which makes a cycle: {around}"), expected)
                }
                None => {
                    let expected = format!("one of a tier below {tier}");
                    member.place.problem(format!("{name:?}, a HyperNode of tier {own}"), expected)
                }
            };
            self.problems.push(problem);
        }
    }

    /// The names around the cycle that a HyperNode closes by holding another.
    fn around(&self, holder: usize, child: usize, steps: &mut u32) -> Option<String> {
        const TOLD: usize = 8;
        let name = |at: usize| self.reading.found.hypernodes[at].name();
        let mut chain = vec![holder];
        let mut at = holder;
        while at != child {
            *steps = steps.checked_sub(1)?;
            at = self.holder[at].filter(|_| chain.len() <= self.holder.len())?;
            chain.push(at);
        }
        let end = match chain.len() {
            ..=TOLD => name(child).to_owned(),
            len => format!("... ({len} HyperNodes)"),
        };
        let told = chain.iter().rev().take(TOLD).map(|&at| name(at));
        Some(told.chain([end.as_str()]).collect::<Vec<_>>().join(" > "))
    }

    /// Tells of a member that is not there; one that is and could not be read is told of already.
    fn unknown(&mut self, kind: &'static str, name: &str, member: &MemberPlace) {
        if !self.reading.seen.contains_key(&(kind, name.to_owned())) {
            let expected = format!("a {kind} that is given too");
            self.problems.push(member.place.problem(format!("{name:?}, which is not there"), expected));
        }
    }

    fn held_twice(&mut self, kind: &str, name: &str, other: usize, member: &MemberPlace) {
        let other = self.reading.found.hypernodes[other].name();
        let expected = format!("each {kind} in one HyperNode");
        self.problems.push(member.place.problem(format!("{kind} {name:?}, which is in {other:?} too"), expected));
    }
}

/// What every name begins with that a pattern is found in; often nothing, as nothing else is safe.
fn literal_prefix(pattern: &str) -> &str {
    let Some(rest) = pattern.strip_prefix('^').filter(|rest| !rest.contains('|')) else { return "" };
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
    // A quantifier may take the last character away.
    let quantified = rest[end..].starts_with(['*', '?', '{']);
    &rest[..if quantified { end.saturating_sub(1) } else { end }]
}

#[cfg(test)]
mod tests {
    use super::literal_prefix;

    #[test]
    fn a_prefix_is_taken_where_it_is_sure() {
        for (pattern, prefix) in [
            ("^gpu-[0-9]+$", "gpu-"),
            ("^gpu-1$", "gpu-1"),
            ("^gpu-1*", "gpu-"),
            ("^gpu-1{0,2}", "gpu-"),
            ("^a?", ""),
            ("^a+", "a"),
            ("^a.example", "a"),
            ("^a|b", ""),
            ("gpu", ""),
            ("(?i)^gpu", ""),
            ("^(?i)gpu", ""),
            ("^", ""),
        ] {
            assert_eq!(literal_prefix(pattern), prefix, "{pattern}");
        }
    }
}
