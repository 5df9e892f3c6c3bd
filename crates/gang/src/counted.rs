//! Bounds that are counted pod by pod: what they leave of a scope's domain.

use phalanx_topology::{DomainId, NodeId};

use crate::capacity::Capacity;
use crate::scope::Scope;
use crate::shaping::Shaping;
use crate::work::Work;

impl<'a> Work<'a> {
    /// Of a scope with a spread: what each domain needs so that none falls behind, and what each may have in all.
    #[expect(clippy::type_complexity, reason = "two lists of a domain and a number")]
    pub(crate) fn spread(
        &self,
        opened: usize,
        pool: usize,
        want: u64,
    ) -> Option<(Vec<(Option<DomainId>, u64)>, Vec<(DomainId, u64)>)> {
        let (scope, domain) = (self.opened[opened].scope, self.opened[opened].domain);
        let Some((level, skew)) = scope.spread else { return Some((Vec::new(), Vec::new())) };
        let counted = self.counted(opened, self.holder(opened));
        let caps = self.shaped(opened, pool, &[]);
        let has = |domain: DomainId| self.tally.in_domain(self.number(opened), domain);
        let domains: Vec<DomainId> = self.problem.tree.domains_in(domain, level).map(DomainId::new).collect();
        let room = |most: u64| -> u64 {
            domains.iter().map(|&domain| caps.of(domain).min(most.saturating_sub(has(domain)))).sum()
        };
        // The least that the fullest must have; with none on the emptiest it may have the skew.
        let (mut low, mut high) =
            (u64::from(skew), domains.iter().map(|&domain| has(domain)).max().unwrap_or(0) + want);
        high = high.max(low);
        while low < high {
            let middle = low + (high - low) / 2;
            if room(middle) >= want { high = middle } else { low = middle + 1 }
        }
        let floor = low.saturating_sub(u64::from(skew));
        let behind = |&domain: &DomainId| (Some(domain), floor.saturating_sub(has(domain)));
        let needs: Vec<_> = counted.iter().map(behind).filter(|&(_, need)| need > 0).collect();
        // What is missing elsewhere cannot come here.
        let inside = needs.iter().all(|&(at, _)| at.is_some_and(|at| self.problem.tree.is_within(at, domain)));
        let enough = inside && room(low) >= want && needs.iter().map(|&(_, need)| need).sum::<u64>() <= want;
        let clips = domains.iter().map(|&domain| (domain, low)).collect();
        enough.then_some((needs, clips))
    }

    /// How many pods of a pool fit where, under the bounds of its scope and those around it.
    pub(crate) fn shaped(&self, opened: usize, pool: usize, clips: &[(DomainId, u64)]) -> Capacity<'_> {
        let (scope, domain, tree) = (self.opened[opened].scope, self.opened[opened].domain, self.problem.tree);
        let caps = self.room.of(scope.pools[pool].demand);
        let mut shaping = Shaping::default();
        let all = tree.domains_in(domain, tree.bottom()).map(|at| tree.node(DomainId::new(at)));
        let outside: Vec<NodeId> = if domain.is_none() { tree.outside().collect() } else { Vec::new() };
        for node in all.chain(outside) {
            if caps.of_node(tree, node) > 0 {
                let room = self
                    .chain(opened)
                    .map(|(number, scope)| self.tally.room(tree, scope, self.number(number), node))
                    .min();
                match (room, tree.domain(node)) {
                    (Some(u32::MAX) | None, _) => {}
                    (Some(room), Some(domain)) => shaping.most.push((domain, u64::from(room))),
                    (Some(0), None) => shaping.inside = true,
                    (Some(room), None) => {
                        shaping.per_node = shaping.per_node.or(Some(u64::MAX));
                        shaping.on_node.push((node, u64::MAX - u64::from(room)));
                    }
                }
            }
        }
        for &(domain, most) in clips {
            shaping.most.push((domain, most.saturating_sub(self.tally.in_domain(self.number(opened), domain))));
        }
        // An extra inside what is complete and spread goes where that stays even.
        for (around, _) in self.chain(opened).skip(1).filter(|&(around, _)| self.opened[around].class == usize::MAX) {
            shaping.most.extend(self.evenly(around));
        }
        shaping.apply(tree, caps)
    }

    /// How many more of its pods each domain of an opened scope with a spread may have as things stand.
    fn evenly(&self, opened: usize) -> Vec<(DomainId, u64)> {
        let Some((level, skew)) = self.opened[opened].scope.spread else { return Vec::new() };
        let holder = self.holder(opened);
        let has = |domain: DomainId| self.tally.in_domain(self.number(opened), domain);
        let least = self.counted(opened, holder).into_iter().map(has).min().unwrap_or(0);
        let most = least + u64::from(skew);
        let domains = self.problem.tree.domains_in(holder, level).map(DomainId::new);
        domains.map(|domain| (domain, most.saturating_sub(has(domain)))).collect()
    }

    /// The domains over which an opened scope with a spread has to be even: inside the one that holds it, where one of its
    /// pods runs or fitted at first.
    fn counted(&self, opened: usize, holder: Option<DomainId>) -> Vec<DomainId> {
        let scope = self.opened[opened].scope;
        let Some((level, _)) = scope.spread else { return Vec::new() };
        let Some(row) = scope.row else { return Vec::new() };
        let fits = self.problem.fits_at_first(row);
        let counts = |&at: &DomainId| fits(at) || self.tally.in_domain(self.number(opened), at) > 0;
        self.problem.tree.domains_in(holder, level).map(DomainId::new).filter(counts).collect()
    }

    /// The smallest domain that an opened scope is bound to. It may have been tried in a smaller one.
    fn holder(&self, opened: usize) -> Option<DomainId> {
        let topology = self.problem.tree.topology;
        let level = self.chain(opened).filter_map(|(_, scope)| scope.hard).max()?;
        let tried = self.chain(opened).find_map(|(number, _)| self.opened[number].domain);
        std::iter::successors(tried, |&domain| topology.parent(domain)).find(|&at| topology.level_of(at) <= level)
    }

    /// Whether an opened scope is spread as evenly as it asks, if anything comes to it.
    pub(crate) fn is_even(&self, opened: usize) -> bool {
        let scope = self.opened[opened].scope;
        scope.spread.is_none() || scope.is_complete() || { self.is_even_in(opened, self.holder(opened)) }
    }

    /// Whether an opened scope and those around it are spread as evenly as they ask, one of their pods being on the node.
    pub(crate) fn is_even_around(&self, opened: usize, node: NodeId) -> bool {
        self.chain(opened).filter(|(_, scope)| scope.spread.is_some()).all(|(number, _)| {
            let bound = self.chain(number).filter_map(|(_, scope)| scope.hard).max();
            self.is_even_in(number, bound.and_then(|level| self.problem.tree.domain_at(node, level)))
        })
    }

    fn is_even_in(&self, opened: usize, holder: Option<DomainId>) -> bool {
        let Some((_, skew)) = self.opened[opened].scope.spread else { return true };
        let counts =
            self.counted(opened, holder).into_iter().map(|domain| self.tally.in_domain(self.number(opened), domain));
        let (least, most) = counts.fold((u64::MAX, 0), |(least, most), count| (least.min(count), most.max(count)));
        most.saturating_sub(least) <= u64::from(skew)
    }

    /// An opened scope and those around it, from the inside out.
    pub(crate) fn chain(&self, opened: usize) -> impl Iterator<Item = (usize, &'a Scope)> {
        let parent = |&(number, _): &(usize, &'a Scope)| {
            let parent = self.opened[number].parent;
            (parent != number).then(|| (parent, self.opened[parent].scope))
        };
        std::iter::successors(Some((opened, self.opened[opened].scope)), parent)
    }

    /// Whether all bounds that are counted let one more pod of an opened scope onto a node.
    pub(crate) fn allows(&self, opened: usize, node: NodeId) -> bool {
        let tree = self.problem.tree;
        !self.problem.is_counted
            || self.chain(opened).all(|(number, scope)| self.tally.allows(tree, scope, self.number(number), node))
    }
}
