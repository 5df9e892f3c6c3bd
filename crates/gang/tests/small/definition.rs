//! What a placement is, spelled out: slow, and without a thought for how it is found.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_topology::{Demand, DomainId, Inventory, KindId, KindSet, LevelId, NodeId};

use super::spec::{Content, Line, Pod, bind_key, exclusive_key};

/// A gang on an inventory with what is there.
#[derive(Clone, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) lines: Vec<Line<'a>>,
    pub(crate) inventory: &'a Inventory,
    pub(crate) running: BTreeMap<Pod, NodeId>,
    /// Pods of other gangs by the key that they are bound to.
    pub(crate) bound: Vec<(String, NodeId)>,
    /// Pods of other gangs by the key that keeps them apart.
    pub(crate) excluded: Vec<(String, NodeId)>,
}

/// For each group that says something of kinds, those that it may have.
pub(crate) type Choice = Vec<(usize, Vec<KindId>)>;

impl<'a> Case<'a> {
    pub(crate) fn is_within(&self, row: usize, outer: usize) -> bool {
        row == outer || self.lines[row].parent.is_some_and(|parent| self.is_within(parent, outer))
    }

    /// The pods of the minimum: of each group the replicas with most pods running, then those of lowest ordinal.
    pub(crate) fn minimum(&self) -> Vec<Pod> {
        let mut pods = Vec::new();
        self.collect(0, &mut Vec::new(), &mut pods);
        pods
    }

    pub(crate) fn missing(&self) -> Vec<Pod> {
        self.minimum().into_iter().filter(|pod| !self.running.contains_key(pod)).collect()
    }

    fn collect(&self, row: usize, ordinals: &mut Vec<u32>, pods: &mut Vec<Pod>) {
        let spec = self.lines[row].spec;
        let mut order: Vec<u32> = (0..spec.max).collect();
        order.sort_by_key(|&ordinal| {
            ordinals.push(ordinal);
            let runs = self.running.keys().filter(|pod| self.is_in(pod, row, ordinals)).count() as u32;
            ordinals.pop();
            // Beyond its own minimum a replica is no better.
            std::cmp::Reverse(runs.min((spec.min_pods() / spec.min.max(1)).max(1)))
        });
        let mut chosen = order[..spec.min as usize].to_vec();
        chosen.sort_unstable();
        for ordinal in chosen {
            ordinals.push(ordinal);
            match &spec.body {
                Content::Pods { count, .. } => {
                    pods.extend((0..*count).map(|ordinal| Pod { row, ordinals: ordinals.clone(), ordinal }));
                }
                Content::Groups(_) => {
                    let children = (0..self.lines.len()).filter(|&child| self.lines[child].parent == Some(row));
                    children.for_each(|child| self.collect(child, ordinals, pods));
                }
            }
            ordinals.pop();
        }
    }

    /// Whether a pod is in a replica of a group.
    pub(crate) fn is_in(&self, pod: &Pod, row: usize, ordinals: &[u32]) -> bool {
        self.is_within(pod.row, row) && pod.ordinals.starts_with(ordinals)
    }

    /// The choices of kinds, the most preferred first: the first group's changes last.
    pub(crate) fn choices(&self) -> Vec<Choice> {
        let mut choices = vec![Vec::new()];
        for (row, line) in self.lines.iter().enumerate() {
            let bounds = &line.spec.bounds;
            if bounds.kinds.is_empty() && !bounds.homogeneous {
                continue;
            }
            let mut kinds: Vec<KindId> =
                bounds.kinds.iter().map(|&of| super::cluster::kind(self.inventory, of)).collect();
            if kinds.is_empty() {
                kinds = self.inventory.kinds().collect();
                kinds.sort_by_key(|&kind| self.inventory.kind_name(kind));
            }
            // What runs is of one kind already.
            let there = self.running.iter().filter(|(pod, _)| self.is_within(pod.row, row));
            let there: Vec<_> = there.filter_map(|(_, &node)| self.inventory.kind_id(node)).collect();
            if bounds.homogeneous && there.iter().any(|kind| kinds.contains(kind)) {
                kinds.retain(|kind| there.contains(kind));
            }
            let sets: Vec<Vec<KindId>> = if bounds.homogeneous {
                kinds.iter().map(|&kind| vec![kind]).collect()
            } else {
                (1..=kinds.len()).map(|len| kinds[..len].to_vec()).collect()
            };
            let extend = |choice: Choice| {
                let with = move |set: &Vec<KindId>| choice.iter().cloned().chain([(row, set.clone())]).collect();
                sets.iter().map(with).collect::<Vec<Choice>>()
            };
            choices = choices.into_iter().flat_map(extend).collect();
        }
        choices
    }

    /// What the pods of each group of pods ask under a choice; none if a pod could be of no kind.
    pub(crate) fn demands(&self, choice: &Choice) -> Option<BTreeMap<usize, Demand>> {
        let mut demands = BTreeMap::new();
        for (row, line) in self.lines.iter().enumerate() {
            let Content::Pods { ask, .. } = &line.spec.body else { continue };
            let around = choice.iter().filter(|(outer, _)| self.is_within(row, *outer));
            let sets: Vec<BTreeSet<KindId>> = around.map(|(_, kinds)| kinds.iter().copied().collect()).collect();
            let mut kinds = KindSet::default();
            if let Some(first) = sets.first() {
                kinds = first.iter().copied().filter(|kind| sets.iter().all(|set| set.contains(kind))).collect();
                if kinds.is_empty() {
                    return None;
                }
            }
            demands.insert(row, ask.demand(self.inventory).of_kinds(kinds));
        }
        Some(demands)
    }

    /// Whether new pods keep to every bound together with those that run; spreads only if these are all, because what is
    /// missing may even them out. Running pods that break a bound stay; new ones are held to the majority's domain.
    pub(crate) fn holds(&self, new: &[(Pod, NodeId)], demands: &BTreeMap<usize, Demand>, whole: bool) -> bool {
        let all: Vec<(&Pod, NodeId, bool)> = (self.running.iter().map(|(pod, &node)| (pod, node, false)))
            .chain(new.iter().map(|(pod, node)| (pod, *node, true)))
            .collect();
        let mut replicas: BTreeSet<(usize, Vec<u32>)> = BTreeSet::new();
        for (pod, ..) in &all {
            for (row, line) in self.lines.iter().enumerate().filter(|&(row, _)| self.is_within(pod.row, row)) {
                replicas.insert((row, pod.ordinals[..line.depth].to_vec()));
            }
        }
        replicas.iter().all(|(row, ordinals)| self.replica_holds(*row, ordinals, &all, demands, whole))
    }

    fn replica_holds(
        &self,
        row: usize,
        ordinals: &[u32],
        all: &[(&Pod, NodeId, bool)],
        demands: &BTreeMap<usize, Demand>,
        whole: bool,
    ) -> bool {
        let bounds = &self.lines[row].spec.bounds;
        let own: Vec<(&Pod, NodeId, bool)> =
            all.iter().copied().filter(|(pod, ..)| self.is_in(pod, row, ordinals)).collect();
        let outer = self.lines[row].parent.and_then(|outer| self.target(outer, &ordinals[..ordinals.len() - 1]));
        if let Some(level) = bounds.hard.max(bounds.bind)
            && !self.together(level, &own, outer)
        {
            return false;
        }
        if let Some(level) = bounds.bind {
            let keyed = |row: usize| self.lines[row].spec.bounds.bind == Some(level);
            let of_key = |pod: &Pod| (0..self.lines.len()).any(|outer| self.is_within(pod.row, outer) && keyed(outer));
            let fellows: Vec<_> = all.iter().copied().filter(|(pod, ..)| of_key(pod)).collect();
            let others = self.bound.iter().filter(|(key, _)| *key == bind_key(level)).map(|&(_, node)| node);
            match self.majority(level, others) {
                Some(domain) if !self.new_in(level, &own, domain) => return false,
                None if !self.together(level, &fellows, None) => return false,
                _ => {}
            }
        }
        if let Some(most) = bounds.per_node {
            let on = |node: NodeId| own.iter().filter(|&&(_, at, _)| at == node).count() as u32;
            if own.iter().any(|&(_, node, new)| new && on(node) > most) {
                return false;
            }
        }
        if let Some((level, keyed)) = bounds.exclusive {
            for &(_, node, _) in own.iter().filter(|&&(.., new)| new) {
                let Some(domain) = self.domain(node, level) else { return false };
                let is_there = |(key, node): &(String, NodeId)| {
                    keyed && *key == exclusive_key(level) && self.domain(*node, level) == Some(domain)
                };
                if self.excluded.iter().any(is_there) {
                    return false;
                }
                let is_other = |&(pod, node, _): &(&Pod, NodeId, bool)| {
                    self.domain(node, level) == Some(domain) && self.is_rival(pod, row, ordinals)
                };
                if all.iter().any(is_other) {
                    return false;
                }
            }
        }
        let kinds: Vec<KindId> = bounds.kinds.iter().map(|&of| super::cluster::kind(self.inventory, of)).collect();
        let accepts = |node: NodeId| self.inventory.kind_id(node).is_some_and(|kind| kinds.contains(&kind));
        if !kinds.is_empty() && own.iter().any(|&(_, node, new)| new && !accepts(node)) {
            return false;
        }
        if bounds.homogeneous {
            let kinds: BTreeSet<_> = own.iter().map(|&(_, node, _)| self.inventory.kind_id(node)).collect();
            let others = all.iter().filter(|(pod, ..)| self.is_within(pod.row, row));
            let kinds: BTreeSet<_> =
                kinds.into_iter().chain(others.map(|&(_, node, _)| self.inventory.kind_id(node))).collect();
            if kinds.len() > 1 || kinds.contains(&None) {
                return false;
            }
        }
        let target = self.target(row, ordinals);
        for (layer, &(level, size)) in bounds.slices.iter().enumerate() {
            let mut slices: BTreeMap<u32, Vec<(&Pod, NodeId, bool)>> = BTreeMap::new();
            own.iter().for_each(|&pod| slices.entry(pod.0.ordinal / size).or_default().push(pod));
            for (slice, pods) in &slices {
                // Coarser slices around it.
                let mut around = target;
                for &(level, wide) in &bounds.slices[..layer] {
                    let first = slice * size / wide;
                    let there = own.iter().filter(|&&(pod, _, new)| !new && pod.ordinal / wide == first);
                    let there = there.map(|&(_, node, _)| node).filter(|&node| self.is_on(node, around));
                    around = self.majority(level, there).or(around);
                }
                if !self.together(level, pods, around) {
                    return false;
                }
            }
        }
        // Where nothing comes to it, a replica stays as uneven as it is.
        let comes = own.iter().any(|&(.., new)| new);
        !whole || !comes || bounds.spread.is_none_or(|(level, skew)| self.is_even(row, &own, (level, skew), demands))
    }

    /// Whether a pod is of a replica, other than this one, that keeps apart from it.
    fn is_rival(&self, pod: &Pod, row: usize, ordinals: &[u32]) -> bool {
        let keyed = |row: usize| self.lines[row].spec.bounds.exclusive.filter(|&(_, keyed)| keyed);
        let rivals = |other: usize| other == row || keyed(row).is_some() && keyed(other) == keyed(row);
        let rows = (0..self.lines.len()).filter(|&other| self.is_within(pod.row, other) && rivals(other));
        rows.into_iter().any(|other| other != row || !pod.ordinals.starts_with(ordinals))
    }

    /// The domain that a replica has to be in because of pods that run in it, or in one around it.
    fn target(&self, row: usize, ordinals: &[u32]) -> Option<DomainId> {
        let outer = self.lines[row].parent.and_then(|outer| self.target(outer, &ordinals[..ordinals.len() - 1]));
        let bounds = &self.lines[row].spec.bounds;
        let Some(level) = bounds.hard.max(bounds.bind) else { return outer };
        if let Some(outer) = outer.filter(|&outer| self.inventory.topology().level_of(outer) >= LevelId::new(level)) {
            // A coarser level inside a finer one says nothing new.
            return Some(outer);
        }
        let there = self.running.iter().filter(|(pod, _)| self.is_in(pod, row, ordinals));
        let there = there.map(|(_, &node)| node).filter(|&node| self.is_on(node, outer));
        self.majority(level, there).or(outer)
    }

    /// Whether the new ones of these pods are in the domain where most of those that run are, or all in one.
    fn together(&self, level: u8, pods: &[(&Pod, NodeId, bool)], outer: Option<DomainId>) -> bool {
        let there = pods.iter().filter(|&&(.., new)| !new).map(|&(_, node, _)| node);
        match self.majority(level, there.filter(|&node| self.is_on(node, outer))) {
            Some(domain) => self.new_in(level, pods, domain),
            None => {
                let new = pods.iter().filter(|&&(.., new)| new);
                let domains: BTreeSet<_> = new.map(|&(_, node, _)| self.domain(node, level)).collect();
                domains.len() <= 1 && !domains.contains(&None)
            }
        }
    }

    fn new_in(&self, level: u8, pods: &[(&Pod, NodeId, bool)], domain: DomainId) -> bool {
        pods.iter().filter(|&&(.., new)| new).all(|&(_, node, _)| self.domain(node, level) == Some(domain))
    }

    /// The domain with most of these nodes, the first of those that have as many.
    fn majority(&self, level: u8, nodes: impl Iterator<Item = NodeId>) -> Option<DomainId> {
        let mut counts = BTreeMap::<DomainId, usize>::new();
        nodes.filter_map(|node| self.domain(node, level)).for_each(|domain| *counts.entry(domain).or_default() += 1);
        let most = counts.values().copied().max()?;
        counts.into_iter().find(|&(_, count)| count == most).map(|(domain, _)| domain)
    }

    fn is_even(
        &self,
        row: usize,
        own: &[(&Pod, NodeId, bool)],
        (level, skew): (u8, u32),
        demands: &BTreeMap<usize, Demand>,
    ) -> bool {
        // Within the domain of the innermost level that binds the pods.
        let around = std::iter::successors(Some(row), |&row| self.lines[row].parent);
        let finest = around.map(|row| &self.lines[row].spec.bounds).filter_map(|of| of.hard.max(of.bind)).max();
        let some = own.iter().find(|&&(.., new)| new).or(own.first()).map(|&(_, node, _)| node);
        let holder = finest.and_then(|level| self.domain(some?, level));
        let topology = self.inventory.topology();
        let mut counts = BTreeMap::<DomainId, u32>::new();
        for node in topology.nodes().filter(|&node| self.is_on(node, holder)) {
            let fits =
                |(&of, demand): (&usize, &Demand)| self.can_be_in(of, row) && self.inventory.fits(node, demand) > 0;
            if let Some(domain) = self.domain(node, level)
                && demands.iter().any(fits)
            {
                counts.entry(domain).or_default();
            }
        }
        for &(_, node, new) in own {
            match self.domain(node, level) {
                Some(domain) => *counts.entry(domain).or_default() += 1,
                None if new => return false,
                None => {}
            }
        }
        let (least, most) = (counts.values().min().copied(), counts.values().max().copied());
        most.unwrap_or(0) - least.unwrap_or(0) <= skew
    }

    /// Whether a replica of a group can have pods of a group in it.
    fn can_be_in(&self, row: usize, outer: usize) -> bool {
        row == outer
            || self.lines[row].spec.max > 0
                && self.lines[row].parent.is_some_and(|parent| self.can_be_in(parent, outer))
    }

    fn is_on(&self, node: NodeId, domain: Option<DomainId>) -> bool {
        let topology = self.inventory.topology();
        domain.is_none_or(|domain| topology.domain_of(node, topology.level_of(domain)) == Some(domain))
    }

    pub(crate) fn domain(&self, node: NodeId, level: u8) -> Option<DomainId> {
        self.inventory.topology().domain_of(node, LevelId::new(level))
    }

    /// Whether pods that run keep to all bounds (spreads aside), as if all of them were new.
    pub(crate) fn is_sound(&self) -> bool {
        let new: Vec<(Pod, NodeId)> = self.running.iter().map(|(pod, &node)| (pod.clone(), node)).collect();
        let before = Case { running: BTreeMap::new(), ..self.clone() };
        before.holds(&new, &BTreeMap::new(), false)
    }
}
