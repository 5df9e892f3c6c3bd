//! How many pods of a demand fit, as a column by domain.

use std::borrow::Cow;

use phalanx_topology::{Demand, DomainId, Inventory, NodeId};

use crate::Gang;
use crate::tree::Tree;

/// How many pods of one demand fit in each domain, the nodes included. It is the inventory's own column where that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Capacity<'a> {
    by_domain: Cow<'a, [u64]>,
    /// Nodes outside the tree, by name.
    outside: Vec<(NodeId, u64)>,
    whole: u64,
    /// Whether every domain holds what its children do, no less.
    pub(crate) is_sum: bool,
}

impl<'a> Capacity<'a> {
    pub(crate) fn new(inventory: &'a Inventory, tree: Tree<'_>, demand: &Demand, buffer: &mut Vec<u32>) -> Self {
        if let Some(index) = inventory.index(demand) {
            let column = index.column();
            let outside: Vec<_> = tree.outside().map(|node| (node, u64::from(index.fits(node)))).collect();
            return Self::of_column(tree, Cow::Borrowed(column), outside);
        }
        inventory.fits_everywhere(demand, buffer);
        let outside = tree.outside().map(|node| (node, clamp(buffer[node.index()]))).collect();
        let mut column = vec![0; tree.topology.domains_len()];
        for domain in tree.domains(tree.bottom()) {
            column[domain.index()] = clamp(buffer[tree.node(domain).index()]);
        }
        sum_up(tree, &mut column, |_, sum| sum);
        Self::of_column(tree, Cow::Owned(column), outside)
    }

    /// No column at all.
    pub(crate) fn none() -> Self {
        Self { by_domain: Cow::Borrowed(&[]), outside: Vec::new(), whole: 0, is_sum: true }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.by_domain.is_empty() && self.outside.is_empty()
    }

    /// A column that holds its sums, and the nodes outside.
    pub(crate) fn of_column(tree: Tree<'_>, column: Cow<'a, [u64]>, outside: Vec<(NodeId, u64)>) -> Self {
        let inside: u64 = tree.domains(tree.top()).map(|domain| column[domain.index()]).sum();
        let whole = inside + outside.iter().map(|&(_, fits)| fits).sum::<u64>();
        Self { by_domain: column, outside, whole, is_sum: true }
    }

    /// The same, without a copy of the column.
    pub(crate) fn borrowed(&self) -> Capacity<'_> {
        Capacity { by_domain: Cow::Borrowed(&self.by_domain), outside: self.outside.clone(), ..*self }
    }

    /// The same without the nodes outside the tree.
    pub(crate) fn inside(&self) -> Capacity<'_> {
        let outside: Vec<_> = self.outside.iter().map(|&(node, _)| (node, 0)).collect();
        let whole = self.whole - self.outside.iter().map(|&(_, fits)| fits).sum::<u64>();
        Capacity { by_domain: Cow::Borrowed(&self.by_domain), outside, whole, is_sum: self.is_sum }
    }

    /// Takes note that `fits` pods fit on the node now.
    pub(crate) fn set(&mut self, tree: Tree<'_>, node: NodeId, fits: u32) {
        let fits = clamp(fits);
        match tree.domain(node) {
            None => {
                if let Some((_, was)) = self.outside.iter_mut().find(|(outside, _)| *outside == node) {
                    self.whole = self.whole - *was + fits;
                    *was = fits;
                }
            }
            Some(mut domain) => {
                let was = self.by_domain[domain.index()];
                if was == fits {
                    return;
                }
                self.whole = self.whole - was + fits;
                let column = self.by_domain.to_mut();
                loop {
                    let cap = &mut column[domain.index()];
                    *cap = *cap - was + fits;
                    match tree.topology.parent(domain) {
                        Some(parent) => domain = parent,
                        None => break,
                    }
                }
            }
        }
    }

    pub(crate) fn of(&self, domain: DomainId) -> u64 {
        self.by_domain[domain.index()]
    }

    /// The domain's capacity, or the whole cluster's.
    pub(crate) fn within(&self, domain: Option<DomainId>) -> u64 {
        domain.map_or(self.whole, |domain| self.by_domain.get(domain.index()).copied().unwrap_or(0))
    }

    pub(crate) fn of_node(&self, tree: Tree<'_>, node: NodeId) -> u64 {
        match tree.domain(node) {
            Some(domain) => self.of(domain),
            None => self.outside.iter().find(|&&(outside, _)| outside == node).map_or(0, |&(_, fits)| fits),
        }
    }

    pub(crate) fn by_domain(&self) -> &[u64] {
        &self.by_domain
    }

    pub(crate) fn outside(&self) -> &[(NodeId, u64)] {
        &self.outside
    }
}

/// Sums a column up from the nodes; `shape` may change each domain's sum. Children come after their parents, so going
/// backwards every domain is complete before it is added.
pub(crate) fn sum_up(tree: Tree<'_>, column: &mut [u64], mut shape: impl FnMut(DomainId, u64) -> u64) {
    for level in tree.levels().rev().skip(1) {
        for domain in tree.domains(level) {
            let sum = tree.topology.children(domain).map(|child| column[child.index()]).sum();
            column[domain.index()] = shape(domain, sum);
        }
    }
}

/// More pods than a gang can have count as so many, so that sums cannot overflow.
fn clamp(fits: u32) -> u64 {
    u64::from(fits.min(Gang::MAX_PODS))
}
