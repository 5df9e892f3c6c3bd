//! What each objective means for equal pods, written down plainly: full tables where the planner searches, and lists where it
//! halves.

use std::collections::BTreeMap;

use phalanx_topology::{Inventory, LevelId};

/// Equal pods in slices, by level (0 to 2) and size, coarse to fine.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) count: u64,
    pub(crate) devices: u32,
    pub(crate) slices: Vec<(usize, u64)>,
    pub(crate) hard: Option<usize>,
}

impl Ask {
    /// The same, slices that bind all or lie within what does told as the level that binds: they cut nothing.
    pub(crate) fn plain(&self) -> Self {
        let mut plain = self.clone();
        let whole = self.slices.iter().filter(|&&(_, size)| size == self.count).map(|&(level, _)| level);
        plain.hard = plain.hard.max(whole.max());
        plain.slices.retain(|&(level, _)| plain.hard.is_none_or(|hard| hard < level));
        plain
    }
}

/// The depth of the nodes.
const BOTTOM: usize = 2;

#[derive(Clone, Debug)]
struct Domain {
    depth: usize,
    parent: Option<usize>,
    children: Vec<usize>,
    /// At the bottom, the node.
    node: Option<usize>,
    /// A node outside the tree is a domain of its own at each level.
    outside: bool,
    cap: u64,
}

/// The cluster with how many pods fit where, in path order.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    domains: Vec<Domain>,
    roots: Vec<usize>,
    /// How many pods a domain of each depth takes at a time.
    granules: [u64; 3],
    nodes: usize,
}

/// What is used at each depth: domains, and their capacity in sum.
type Cost = [(u64, u64); 3];

/// The best way to place so many pods: what it costs below, the nodes as bits, and how many each of the domains has, if
/// those are not nodes.
#[derive(Clone, Debug)]
struct Way {
    cost: Cost,
    nodes: u64,
    units: Vec<u64>,
}

impl Way {
    /// Cheaper, or as cheap and earlier in path order: the first domain of which one has more pods decides, and between
    /// nodes the first that only one of them uses.
    fn is_better(&self, other: Option<&Self>) -> bool {
        other.is_none_or(|other| {
            let first = (self.nodes ^ other.nodes).trailing_zeros();
            let earlier =
                self.units > other.units || self.units == other.units && first < 64 && self.nodes >> first & 1 == 1;
            self.cost < other.cost || self.cost == other.cost && earlier
        })
    }
}

#[derive(Debug)]
pub(crate) struct Best {
    /// The depth of the ancestor, or 0 for the cluster.
    pub(crate) from: usize,
    pub(crate) cost: Vec<(u64, u64)>,
    pub(crate) nodes: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Spread {
    pub(crate) root: Option<usize>,
    /// Domains with their pods, and the nodes used in each.
    pub(crate) units: Vec<(usize, u64, Vec<usize>)>,
}

impl Tree {
    pub(crate) fn new(inventory: &Inventory, ask: &Ask) -> Self {
        let topology = inventory.topology();
        let mut tree = Self { domains: Vec::new(), roots: Vec::new(), granules: [1; 3], nodes: topology.len() };
        let mut known = BTreeMap::new();
        for node in topology.nodes() {
            let mut parent = None;
            for depth in 0..=BOTTOM {
                let domain = topology.domain_of(node, LevelId::new(depth as u8));
                let new = tree.domains.len();
                let at = domain.map_or(new, |domain| *known.entry(domain).or_insert(new));
                if at == new {
                    let (children, outside) = (Vec::new(), domain.is_none());
                    tree.domains.push(Domain { depth, parent, children, node: None, outside, cap: 0 });
                    match parent {
                        Some(parent) => tree.domains[parent].children.push(at),
                        None => tree.roots.push(at),
                    }
                }
                parent = Some(at);
            }
            let bottom = parent.expect("there are levels");
            tree.domains[bottom].node = Some(node.index());
            let fits = u64::from(inventory.free_devices(node).len() / ask.devices);
            let inside = ask.hard.is_some() || !ask.slices.is_empty();
            tree.domains[bottom].cap = if inside && tree.domains[bottom].outside { 0 } else { fits };
        }
        for (depth, granule) in tree.granules.iter_mut().enumerate() {
            let inside = ask.slices.iter().filter(|&&(level, _)| level >= depth);
            *granule = inside.map(|&(_, size)| size).max().unwrap_or(1);
        }
        for depth in (0..=BOTTOM).rev() {
            let size = ask.slices.iter().find(|&&(level, _)| level == depth).map_or(1, |&(_, size)| size);
            for at in 0..tree.domains.len() {
                if tree.domains[at].depth == depth {
                    let children = tree.domains[at].children.clone();
                    let sum = children.iter().map(|&child| tree.domains[child].cap).sum::<u64>();
                    let cap = if depth == BOTTOM { tree.domains[at].cap } else { sum };
                    tree.domains[at].cap = cap / size * size;
                }
            }
        }
        // A part takes no more than the whole.
        for at in 0..tree.domains.len() {
            if let Some(parent) = tree.domains[at].parent {
                tree.domains[at].cap = tree.domains[at].cap.min(tree.domains[parent].cap);
            }
        }
        tree
    }

    fn at_depth(&self, depth: usize) -> Vec<usize> {
        (0..self.domains.len()).filter(|&at| self.domains[at].depth == depth && !self.domains[at].outside).collect()
    }

    pub(crate) fn nodes_in(&self, domain: usize) -> Vec<usize> {
        match self.domains[domain].node {
            Some(node) => vec![node],
            None => self.domains[domain].children.iter().flat_map(|&child| self.nodes_in(child)).collect(),
        }
    }

    /// The pods of a domain.
    pub(crate) fn sum_in(&self, counts: &[u64], domain: usize) -> u64 {
        self.nodes_in(domain).into_iter().map(|node| counts[node]).sum()
    }

    /// What pods on these nodes use, from a depth down.
    pub(crate) fn cost(&self, counts: &[u64], from: usize) -> Vec<(u64, u64)> {
        let used = |depth: usize| {
            let all = 0..self.domains.len();
            all.filter(move |&at| self.domains[at].depth == depth && self.sum_in(counts, at) > 0)
        };
        (from..=BOTTOM)
            .map(|depth| (used(depth).count() as u64, used(depth).map(|at| self.domains[at].cap).sum()))
            .collect()
    }

    /// So many pods on these nodes, the roomiest filled first, the earlier among equals.
    pub(crate) fn filled(&self, nodes: &[usize], count: u64) -> Vec<u64> {
        let cap = |node: usize| self.domains.iter().find(|at| at.node == Some(node)).map_or(0, |at| at.cap);
        let mut order = nodes.to_vec();
        order.sort_by_key(|&node| (std::cmp::Reverse(cap(node)), node));
        let (mut counts, mut left) = (vec![0; self.nodes], count);
        for node in order {
            counts[node] = cap(node).min(left);
            left -= counts[node];
        }
        counts
    }

    /// The best way for every number of pods up to one in a domain: what it costs below the domain.
    fn ways(&self, domain: usize, most: u64) -> Vec<Option<Way>> {
        let Domain { depth, cap, node, .. } = self.domains[domain];
        let most = most.min(cap);
        let mut ways = match node {
            Some(node) => {
                let way = Way { cost: Cost::default(), nodes: 1 << node, units: Vec::new() };
                vec![Some(way); most as usize + 1]
            }
            None => self.over(&self.domains[domain].children, most),
        };
        ways.iter_mut()
            .zip(0u64..)
            .filter(|(_, units)| units % self.granules[depth] != 0)
            .for_each(|(way, _)| *way = None);
        ways
    }

    /// The best way for every number of pods up to one over some domains of one depth.
    fn over(&self, domains: &[usize], most: u64) -> Vec<Option<Way>> {
        let mut best: Vec<Option<Way>> = vec![None; most as usize + 1];
        best[0] = Some(Way { cost: Cost::default(), nodes: 0, units: Vec::new() });
        for &domain in domains {
            let Domain { depth, cap, .. } = self.domains[domain];
            let inner = self.ways(domain, most);
            let before = best.clone();
            if depth < BOTTOM {
                best.iter_mut().flatten().for_each(|way| way.units.push(0));
            }
            for (units, way) in inner.iter().enumerate().skip(1) {
                let Some(way) = way else { continue };
                for (rest, other) in before[..=most as usize - units].iter().enumerate() {
                    let Some(other) = other else { continue };
                    let mut cost = other.cost;
                    for (sum, more) in cost.iter_mut().zip(way.cost) {
                        *sum = (sum.0 + more.0, sum.1 + more.1);
                    }
                    cost[depth] = (cost[depth].0 + 1, cost[depth].1 + cap);
                    if best[rest + units].as_ref().is_some_and(|best| best.cost < cost) {
                        continue;
                    }
                    let mut both = Way { cost, nodes: other.nodes | way.nodes, units: other.units.clone() };
                    if depth < BOTTOM {
                        both.units.push(units as u64);
                    }
                    if both.is_better(best[rest + units].as_ref()) {
                        best[rest + units] = Some(both);
                    }
                }
            }
        }
        best
    }

    /// The smallest domain that holds all, on the finest level that has one; `None` for the cluster.
    fn ancestor(&self, ask: &Ask) -> Option<Option<usize>> {
        for depth in (ask.hard.unwrap_or(0)..=BOTTOM).rev() {
            let holds = self.at_depth(depth).into_iter().filter(|&at| self.domains[at].cap >= ask.count);
            if let Some(least) = holds.min_by_key(|&at| (self.domains[at].cap, at)) {
                return Some(Some(least));
            }
        }
        let whole: u64 = self.roots.iter().map(|&at| self.domains[at].cap).sum();
        (ask.hard.is_none() && whole >= ask.count).then_some(None)
    }
}

fn bits(nodes: u64) -> Vec<usize> {
    (0..64).filter(|at| nodes >> at & 1 == 1).collect()
}

/// The least cost of all splits, and of those the first nodes in path order.
pub(crate) fn tight(tree: &Tree, ask: &Ask) -> Option<Best> {
    let count = ask.count as usize;
    let of = |way: Way, from: usize| Best { from, cost: way.cost[from..].to_vec(), nodes: bits(way.nodes) };
    for depth in (ask.hard.unwrap_or(0)..=BOTTOM).rev() {
        let mut best: Option<Way> = None;
        for at in tree.at_depth(depth).into_iter().filter(|&at| tree.domains[at].cap >= ask.count) {
            if let Some(mut way) = tree.ways(at, ask.count)[count].clone() {
                way.cost[depth] = (1, tree.domains[at].cap);
                if best.as_ref().is_none_or(|best| way.cost < best.cost) {
                    best = Some(way);
                }
            }
        }
        if let Some(way) = best {
            return Some(of(way, depth));
        }
    }
    if ask.hard.is_some() {
        return None;
    }
    tree.over(&tree.roots, ask.count)[count].clone().map(|way| of(way, 0))
}

/// Deals pods to domains of one depth with these capacities, in whole slices of so many.
type Split = fn(&[u64], u64, u64) -> Vec<u64>;

/// From the ancestor down, in each domain by itself.
pub(crate) fn top_down(tree: &Tree, ask: &Ask, split: Split) -> Option<Vec<u64>> {
    let mut counts = vec![0; tree.nodes];
    match tree.ancestor(ask)? {
        Some(domain) => down(tree, &[domain], ask.count, |_, want, _| vec![want], split, &mut counts),
        None => down(tree, &tree.roots, ask.count, split, split, &mut counts),
    }
    Some(counts)
}

fn down(tree: &Tree, domains: &[usize], want: u64, first: Split, split: Split, counts: &mut [u64]) {
    let caps: Vec<u64> = domains.iter().map(|&at| tree.domains[at].cap).collect();
    let Some(&some) = domains.first() else { return };
    for (&at, units) in domains.iter().zip(first(&caps, want, tree.granules[tree.domains[some].depth])) {
        match tree.domains[at].node {
            Some(node) => counts[node] += units,
            None if units > 0 => down(tree, &tree.domains[at].children, units, split, split, counts),
            None => {}
        }
    }
}

/// All of each by descending capacity; as soon as the rest fits into one, the smallest that holds the rest takes it.
pub(crate) fn best_fit(caps: &[u64], want: u64, _: u64) -> Vec<u64> {
    let (mut units, mut left) = (vec![0; caps.len()], want);
    while left > 0 {
        let free = |&at: &usize| units[at] == 0 && caps[at] > 0;
        let holds = (0..caps.len()).filter(free).filter(|&at| caps[at] >= left);
        if let Some(at) = holds.min_by_key(|&at| (caps[at], at)) {
            units[at] = left;
            break;
        }
        let most = (0..caps.len()).filter(free).min_by_key(|&at| (std::cmp::Reverse(caps[at]), at));
        let at = most.expect("they hold all");
        units[at] = caps[at];
        left -= caps[at];
    }
    units
}

/// Each filled by ascending capacity until the rest is placed.
pub(crate) fn least_free(caps: &[u64], want: u64, _: u64) -> Vec<u64> {
    let (mut units, mut left) = (vec![0; caps.len()], want);
    while left > 0 {
        let free = (0..caps.len()).filter(|&at| units[at] == 0 && caps[at] > 0);
        let at = free.min_by_key(|&at| (caps[at], at)).expect("they hold all");
        units[at] = caps[at].min(left);
        left -= units[at];
    }
    units
}

/// Parts that differ by one at most on the fewest domains that can take them, of least capacity in sum.
pub(crate) fn balanced(caps: &[u64], want: u64, granule: u64) -> Vec<u64> {
    let (caps, want): (Vec<u64>, u64) = (caps.iter().map(|cap| cap / granule).collect(), want / granule);
    for parts in 1..=caps.len() {
        let (less, larger) = (want / parts as u64, (want % parts as u64) as usize);
        let by_cap = |exact: bool| {
            let mut list: Vec<usize> = (0..caps.len()).filter(|&at| caps[at] > 0).collect();
            list.retain(|&at| if exact { caps[at] == less } else { caps[at] > less });
            list.sort_by_key(|&at| (caps[at], at));
            list
        };
        // As many as may be are just large enough for the smaller part.
        let mut chosen = by_cap(true);
        chosen.truncate(parts - larger);
        let roomy = by_cap(false);
        let missing = parts - chosen.len();
        if less == 0 || roomy.len() < missing {
            continue;
        }
        chosen.extend(&roomy[..missing]);
        chosen.sort_by_key(|&at| (std::cmp::Reverse(caps[at]), at));
        let mut units = vec![0; caps.len()];
        for (position, at) in chosen.into_iter().enumerate() {
            units[at] = (less + u64::from(position < larger)) * granule;
        }
        return units;
    }
    let whole: Vec<u64> = caps.iter().map(|cap| cap * granule).collect();
    best_fit(&whole, want * granule, granule)
}

/// The least number on the fullest domain of a level, within the smallest domain of the hard level that holds all; inside
/// each tight.
pub(crate) fn spread(tree: &Tree, ask: &Ask, level: usize) -> Option<Spread> {
    let cap = |at: usize| tree.domains[at].cap;
    let root = match ask.hard {
        None => None,
        Some(hard) => {
            let holds = tree.at_depth(hard).into_iter().filter(|&at| cap(at) >= ask.count);
            Some(holds.min_by_key(|&at| (cap(at), at))?)
        }
    };
    let is_in = |at: usize| {
        let mut around = std::iter::successors(Some(at), |&at| tree.domains[at].parent);
        root.is_none_or(|root| around.any(|at| at == root))
    };
    let domains: Vec<usize> = match root {
        Some(root) if tree.domains[root].depth >= level => vec![root],
        _ => (0..tree.domains.len()).filter(|&at| tree.domains[at].depth == level && is_in(at)).collect(),
    };
    if domains.iter().map(|&at| cap(at)).sum::<u64>() < ask.count {
        return None;
    }
    let granule = if domains.len() == 1 { 1 } else { tree.granules[level] };
    let (caps, want): (Vec<u64>, u64) = (domains.iter().map(|&at| cap(at) / granule).collect(), ask.count / granule);
    let most = (0..).find(|&most| caps.iter().map(|&cap| cap.min(most)).sum::<u64>() >= want).expect("there is room");
    let mut units: Vec<u64> = caps.iter().map(|&cap| cap.min(most)).collect();
    let mut full: Vec<usize> = (0..caps.len()).filter(|&at| units[at] == most).collect();
    full.sort_by_key(|&at| (caps[at], std::cmp::Reverse(at)));
    let over = units.iter().sum::<u64>() - want;
    full.into_iter().take(over as usize).for_each(|at| units[at] -= 1);
    let units = domains.into_iter().zip(units).map(|(at, units)| {
        let units = units * granule;
        let way = tree.ways(at, units)[units as usize].clone().expect("whole slices have a way");
        (at, units, if units == 0 { Vec::new() } else { bits(way.nodes) })
    });
    Some(Spread { root, units: units.collect() })
}
