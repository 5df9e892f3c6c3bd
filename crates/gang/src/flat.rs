//! Gangs that come to equal pods under bounds that a column of capacities can tell: they are placed exactly.

use phalanx_topology::{Demand, DeviceSet, DomainId, LevelId, NodeId};

use crate::capacity::Capacity;
use crate::choice::{Choice, cluster, items};
use crate::problem::Problem;
use crate::scope::Scope;
use crate::shaping::Shaping;
use crate::{Objective, budget::Steps};

/// Equal pods, what binds them all, and what binds parts of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flat {
    pub(crate) demand: usize,
    pub(crate) count: u64,
    /// The finest level that binds all.
    pub(crate) hard: Option<LevelId>,
    /// The domain that all have to be in.
    pub(crate) fixed: Option<DomainId>,
    /// The nodes of pods that run.
    pub(crate) running: Vec<NodeId>,
    pub(crate) shaping: Shaping,
    /// Pods are spread over the domains of the level, by at most so much.
    pub(crate) spread: Option<(LevelId, u64)>,
    /// The group that asks it.
    spread_row: usize,
    /// The finest level that binds that group.
    spread_in: Option<LevelId>,
}

impl Flat {
    /// The gang's scope as equal pods; none if it is more than that.
    pub(crate) fn of(problem: &Problem<'_>, scope: &Scope) -> Option<Self> {
        let mut flat = Self { running: scope.all_running(), ..Self::default() };
        // Of what runs beyond the minimum counts tell, not columns.
        if problem.is_counted && problem.running.len() > flat.running.len() {
            return None;
        }
        let (mut at, mut times, mut bound) = (scope, 1u64, None);
        let mut beside = false;
        loop {
            beside |= !at.running.is_empty();
            flat.add(problem, at, times, &mut bound)?;
            match (&at.pools[..], &at.classes[..]) {
                ([pool], []) => {
                    (flat.demand, flat.count) = (pool.demand, u64::from(pool.count) * times);
                    break;
                }
                // Pods that run beside what a finer level binds have no part in it.
                ([], [class]) if !beside || class.scope.hard <= bound => {
                    times *= u64::from(class.count);
                    at = &class.scope;
                }
                _ => return None,
            }
        }
        flat.shaping.inside |= flat.hard.is_some();
        if let Some(fixed) = flat.fixed {
            // Those that run elsewhere do so already, and say nothing of where the others go.
            let level = problem.tree.topology.level_of(fixed);
            flat.running.retain(|&node| problem.tree.domain_at(node, level) == Some(fixed));
        }
        let told = flat.spread.is_none()
            || (flat.shaping.slices.is_empty() && flat.shaping.clips.is_empty() && flat.spread_in == flat.hard);
        told.then_some(flat)
    }

    /// Adds the bounds of one scope, of which there are so many in all; none if a column cannot tell them.
    fn add(&mut self, problem: &Problem<'_>, scope: &Scope, times: u64, bound: &mut Option<LevelId>) -> Option<()> {
        let finer = scope.hard.filter(|&hard| bound.is_none_or(|bound| hard > bound));
        let pods: u64 = scope.pods().iter().sum();
        if times == 1 {
            self.hard = self.hard.max(scope.hard);
            self.fixed = scope.fixed.or(self.fixed);
            if let Some((level, key)) = scope.shared
                && let Some(domain) = problem.shared(key, level)
            {
                // Finer than what is fixed already, or the same, or there is no such place.
                let tree = problem.tree;
                match self.fixed {
                    Some(fixed) if tree.is_within(fixed, Some(domain)) => {}
                    Some(fixed) if !tree.is_within(domain, Some(fixed)) => self.shaping.most.push((fixed, 0)),
                    _ => self.fixed = Some(domain),
                }
            }
            if let Some((level, skew)) = scope.spread {
                self.shaping.inside = true;
                let holder = (*bound).max(scope.hard);
                // Within one domain of the level there is nothing to spread.
                if holder.is_none_or(|holder| holder < level) {
                    if self.spread.is_some() || !self.running.is_empty() {
                        return None;
                    }
                    self.spread = Some((level, u64::from(skew)));
                    self.spread_row = scope.row.unwrap_or(0);
                    self.spread_in = holder;
                }
            }
            if let Some(most) = scope.per_node {
                if self.shaping.per_node.is_some() && !self.running.is_empty() {
                    return None;
                }
                let most = u64::from(most);
                self.shaping.per_node = Some(self.shaping.per_node.map_or(most, |other| other.min(most)));
                let there =
                    scope.instance.as_ref().map(|of| problem.running.nodes(problem.gang, scope.row.unwrap_or(0), of));
                for node in there.into_iter().flatten() {
                    match self.shaping.on_node.iter_mut().find(|(at, _)| *at == node) {
                        Some((_, there)) => *there += 1,
                        None => self.shaping.on_node.push((node, 1)),
                    }
                }
            }
        } else {
            if scope.per_node.is_some() || scope.spread.is_some() || scope.shared.is_some() || scope.instance.is_some()
            {
                return None;
            }
            // Whether a replica gets what it prefers is not for a column to say, unless it is bound so anyway.
            if scope.preferred.iter().any(|&level| scope.hard.is_none_or(|hard| hard < level)) {
                return None;
            }
            if let Some(level) = finer {
                self.shaping.slices.push((level, pods));
                self.shaping.inside = true;
            }
        }
        if let Some((level, key)) = scope.exclusive {
            self.shaping.inside = true;
            self.shaping.most.extend(problem.excluded(key, level).into_iter().map(|domain| (domain, 0)));
            if times > 1 {
                // Each replica is in a domain of its own, if it is in one at all.
                if (*bound).max(scope.hard).is_none_or(|hard| hard < level) || !self.running.is_empty() {
                    return None;
                }
                // Several that keep apart may have to be together because of a group around them.
                if self.shaping.slices.iter().any(|&(at, size)| at >= level && size > pods) {
                    return None;
                }
                self.shaping.clips.push((level, pods));
            }
        }
        *bound = (*bound).max(scope.hard);
        Some(())
    }

    /// A place for all, on the finest level that has one; none if there is none. It is exact while the steps last.
    pub(crate) fn solve(&self, problem: &Problem<'_>, steps: &mut Steps) -> Option<Choice> {
        let plain = problem.room.of(self.demand);
        if self.count == 0 {
            return Some(Choice { units: Vec::new(), optimal: true });
        }
        if let Some((level, skew)) = self.spread {
            return self.solve_spread(problem, plain, (level, skew), steps);
        }
        if self.shaping.is_empty() {
            return self.place(problem, plain, &vec![1; problem.tree.levels().len()], steps);
        }
        let caps = self.shaping.apply(problem.tree, plain);
        self.place(problem, &caps, &self.shaping.granules(problem.tree), steps)
    }

    /// With the counts of the domains of a level apart by at most `skew`. It is not proven to be the best.
    fn solve_spread(
        &self,
        problem: &Problem<'_>,
        plain: &Capacity<'_>,
        (level, skew): (LevelId, u64),
        steps: &mut Steps,
    ) -> Option<Choice> {
        let tree = problem.tree;
        let granules = vec![1; tree.levels().len()];
        let clipped = |most: u64| {
            let mut shaping = self.shaping.clone();
            shaping.clips.push((level, most));
            shaping.apply(tree, plain)
        };
        // With none on some domain there are at most `skew` on each.
        if let Some(choice) = self.place(problem, &clipped(skew), &granules, steps) {
            return Some(Choice { optimal: false, ..choice });
        }
        let unbound = self.shaping.apply(tree, plain);
        for domain in self.targets(problem, &unbound) {
            let fits = problem.fits_at_first(self.spread_row);
            let counted: Vec<DomainId> =
                tree.domains_in(domain, level).map(DomainId::new).filter(|&at| fits(at)).collect();
            let least = counted.iter().map(|&domain| unbound.of(domain)).min().unwrap_or(0);
            // More on the fullest needs more on the emptiest, so the first that is enough is found by halving.
            let (mut low, mut high) = (1, least.min(self.count / (counted.len() as u64).max(1)));
            while low < high {
                let middle = low + (high - low) / 2;
                if clipped(middle + skew).within(domain) >= self.count { high = middle } else { low = middle + 1 }
            }
            let caps = clipped(low + skew);
            if low == high && caps.within(domain) >= self.count {
                return self.place_spread(problem, &caps, &granules, (&counted, low), steps);
            }
        }
        None
    }

    /// At least `low` on each of the domains, the rest on the first that have room.
    fn place_spread(
        &self,
        problem: &Problem<'_>,
        caps: &Capacity<'_>,
        granules: &[u64],
        (counted, low): (&[DomainId], u64),
        steps: &mut Steps,
    ) -> Option<Choice> {
        let mut left = self.count - low * counted.len() as u64;
        let mut choice = Choice { units: Vec::new(), optimal: false };
        for &domain in counted {
            let more = left.min(caps.of(domain) - low);
            left -= more;
            choice.units.extend(problem.fill(caps, granules, Some(domain), low + more, steps)?.units);
        }
        Some(choice)
    }

    fn place(&self, problem: &Problem<'_>, caps: &Capacity<'_>, granules: &[u64], steps: &mut Steps) -> Option<Choice> {
        let tree = problem.tree;
        let most = most_on_node(&problem.gang.demands()[self.demand]);
        for level in self.attempts(problem) {
            match level {
                Some(level) if level == tree.bottom() && self.count > most => {}
                Some(level) => {
                    let range = tree.domains_in(self.fixed, level);
                    let column = &caps.by_domain()[range.start as usize..range.end as usize];
                    let running = self.around(problem, level);
                    let holds = |at: usize| {
                        let domain = DomainId::new(range.start + at as u32);
                        running.is_none_or(|running| running == domain)
                    };
                    let least = (0..column.len())
                        .filter(|&at| column[at] >= self.count && holds(at))
                        .map(|at| column[at])
                        .min();
                    let Some(least) = least else { continue };
                    // Of equal ones the levels below choose, or the first is taken.
                    let compared = matches!(problem.options.objective, Objective::Tight);
                    let equal = (0..column.len()).filter(|&at| column[at] == least && holds(at));
                    let equal = equal.take(if compared { usize::MAX } else { 1 });
                    let domains = equal.map(|at| DomainId::new(range.start + at as u32));
                    let equal = items(caps.by_domain(), domains);
                    return Some(problem.deal(caps, granules, &equal, tree.depth(level), self.count, steps));
                }
                None => {
                    if caps.within(None) >= self.count {
                        return Some(problem.deal(caps, granules, &cluster(tree, caps), 0, self.count, steps));
                    }
                }
            }
        }
        None
    }

    /// The levels to try, from the finest to what binds all; none stands for the whole cluster.
    fn attempts(&self, problem: &Problem<'_>) -> impl Iterator<Item = Option<LevelId>> + use<> {
        let (tree, hard) = (problem.tree, self.hard);
        let fixed = self.fixed.map(|domain| tree.topology.level_of(domain));
        let coarsest = hard.max(fixed);
        // To spread is to use what there is, not to keep together.
        let spread = matches!(problem.options.objective, Objective::Spread { .. });
        let finest = if spread { coarsest } else { Some(tree.bottom()) };
        let common = problem.tree.common(self.running.iter().copied());
        let reach = match (self.running.is_empty(), common) {
            (true, _) => finest,
            (false, Some(common)) => finest.min(Some(tree.topology.level_of(common))).max(coarsest),
            (false, None) => coarsest,
        };
        let levels: Vec<LevelId> = tree
            .levels()
            .rev()
            .filter(|&level| coarsest.is_none_or(|coarsest| level >= coarsest))
            .filter(|&level| reach.is_some_and(|reach| level <= reach))
            .collect();
        levels.into_iter().map(Some).chain(coarsest.is_none().then_some(None))
    }

    /// How many pods fit where, under all bounds that can be told of single domains.
    pub(crate) fn reach<'a>(&self, problem: &Problem<'_>, plain: &'a Capacity<'_>) -> Capacity<'a> {
        // Whole slices are told of domains, not of the nodes in them.
        let mut shaping = Shaping { slices: Vec::new(), ..self.shaping.clone() };
        if let Some(fixed) = self.fixed {
            let level = problem.tree.topology.level_of(fixed);
            let others = problem.tree.domains(level).filter(|&domain| domain != fixed);
            shaping.most.extend(others.map(|domain| (domain, 0)));
            // A bound is told of nodes, too.
            let inside = |node: DomainId| problem.tree.is_within(node, Some(fixed));
            let nodes = problem.tree.domains(problem.tree.bottom()).filter(|&node| !inside(node));
            shaping.most.extend(nodes.map(|node| (node, 0)));
        }
        let kept: Vec<DomainId> =
            shaping.most.iter().filter(|&&(_, most)| most == 0).map(|&(domain, _)| domain).collect();
        for domain in kept {
            let nodes = problem.tree.domains_in(Some(domain), problem.tree.bottom());
            shaping.most.extend(nodes.map(|node| (DomainId::new(node), 0)));
        }
        shaping.apply(problem.tree, plain)
    }

    /// Whether a place that is found is on the finest level that has one.
    pub(crate) fn is_level_proven(&self, problem: &Problem<'_>) -> bool {
        self.spread.is_none() && !matches!(problem.options.objective, Objective::Spread { .. })
    }

    /// The domain of a level that running pods are in, all of them or most.
    fn around(&self, problem: &Problem<'_>, level: LevelId) -> Option<DomainId> {
        if self.running.is_empty() || self.fixed.is_some_and(|fixed| problem.tree.topology.level_of(fixed) >= level) {
            return None;
        }
        crate::running::majority(problem.tree.topology, level, &self.running)
    }

    /// The domains that may hold all, by capacity; the whole cluster where nothing binds.
    fn targets(&self, problem: &Problem<'_>, caps: &Capacity<'_>) -> Vec<Option<DomainId>> {
        let fixed = self.fixed.map(|domain| problem.tree.topology.level_of(domain));
        let Some(level) = self.hard.max(fixed) else { return vec![None] };
        let range = problem.tree.domains_in(self.fixed, level);
        let mut domains: Vec<DomainId> =
            range.map(DomainId::new).filter(|&domain| caps.of(domain) >= self.count).collect();
        domains.sort_by_key(|&domain| (caps.of(domain), domain));
        domains.into_iter().map(Some).collect()
    }
}

/// The most pods of a demand that a node can ever hold.
fn most_on_node(demand: &Demand) -> u64 {
    let milli = u64::from(DeviceSet::MAX) * 1000;
    let asked = u64::from(demand.device_count()) * 1000 + u64::from(demand.milli());
    milli.checked_div(asked).unwrap_or(u64::MAX)
}
