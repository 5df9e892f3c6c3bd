//! How many pods of a shape fit, by node and by domain, kept up to date for the shapes in use.

use std::sync::Arc;

use batch::Batch;
use climb::home;
pub(crate) use shape::Amount;
use shape::{MOST, Shape};

use crate::{Demand, DomainId, Inventory, Limit, NodeId, TreeId};

mod batch;
mod climb;
mod rows;
mod shape;

/// How many pods of one shape fit beside what runs, by node and by domain: a view of the inventory as it stands.
///
/// It exists for shapes that were [warmed](Inventory::warm), and follows every change at a cost in proportion to the nodes
/// that changed. A node counts for at most [`MOST`](Self::MOST) pods.
///
/// ```
/// # use phalanx_topology::{Demand, Inventory, Topology};
/// # use std::sync::Arc;
/// let mut inventory = Inventory::from_notation("b1{r1{n1:8 n2:8} r2{n3:8}}")?;
/// let (pod, rack) = (Demand::devices(4), inventory.topology().level("rack").unwrap());
/// inventory.warm(&pod);
///
/// let counts = |inventory: &Inventory| {
///     let index = inventory.index(&pod).unwrap();
///     (inventory.topology().domains(rack).map(|rack| index.count(rack)).collect::<Vec<_>>(), index.total())
/// };
/// assert_eq!(counts(&inventory), (vec![4, 2], 6));
///
/// let mut transaction = inventory.transaction();
/// transaction.reserve(transaction.inventory().topology().node("n1").unwrap(), &Demand::devices(1))?;
/// let receipt = transaction.commit();
/// assert_eq!(counts(&inventory), (vec![3, 2], 5));
/// # inventory.release(receipt)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ShapeIndex<'a> {
    inventory: &'a Inventory,
    warm: &'a Warm,
}

impl<'a> ShapeIndex<'a> {
    /// The most pods that one node counts for.
    pub const MOST: u32 = MOST;

    /// The shape.
    #[must_use]
    pub fn demand(&self) -> &'a Demand {
        &self.warm.shape.demand
    }

    /// How many fit on the node: [`Inventory::fits`], at most [`MOST`](Self::MOST). O(1). Panics on an unknown node.
    #[must_use]
    pub fn fits(&self, node: NodeId) -> u32 {
        self.warm.column[home(self.inventory.topology(), node)] as u32
    }

    /// How many fit in the domain: the sum over its nodes. O(1). Panics on an unknown domain.
    #[must_use]
    pub fn count(&self, domain: DomainId) -> u64 {
        self.column()[domain.index()]
    }

    /// [`count`](Self::count) for all domains, by [`DomainId`]: the domains of all trees, those of single nodes included.
    #[must_use]
    pub fn column(&self) -> &'a [u64] {
        &self.warm.column[..self.inventory.topology().domains_len()]
    }

    /// How many fit on each node outside the primary tree, in the order of their ids.
    #[must_use]
    pub fn outside(&self) -> &'a [u64] {
        &self.warm.column[self.inventory.topology().domains_len()..]
    }

    /// How many fit on all nodes together, in and outside the trees. O(1).
    #[must_use]
    pub fn total(&self) -> u64 {
        self.warm.total
    }

    /// What keeps the node from taking one more pod: [`Inventory::limiting`]. O(resources asked).
    #[must_use]
    pub fn limit(&self, node: NodeId) -> Option<Limit> {
        self.inventory.limiting(node, self.demand())
    }
}

/// The shapes that are kept up to date.
#[derive(Clone, Debug)]
pub(crate) struct Indexes {
    warm: Vec<Warm>,
    limit: usize,
    /// Counts warmings.
    clock: u64,
    /// Reservations in open transactions, which the columns do not show yet.
    open: usize,
    batch: Batch,
}

#[derive(Clone, Debug)]
struct Warm {
    shape: Arc<Shape>,
    /// By domain, then for the nodes outside the primary tree.
    column: Arc<Vec<u64>>,
    total: u64,
    /// When it was last warmed.
    warmed: u64,
}

impl Indexes {
    /// Shapes kept unless said otherwise.
    const LIMIT: usize = 64;

    pub(crate) fn new() -> Self {
        Self { warm: Vec::new(), limit: Self::LIMIT, clock: 0, open: 0, batch: Batch::default() }
    }

    /// A transaction holds one reservation more.
    pub(crate) fn open(&mut self) {
        self.open += 1;
    }

    /// A transaction is rid of this many reservations: undone, or committed.
    pub(crate) fn close(&mut self, reservations: usize) {
        self.open -= reservations;
    }

    /// Whether the ledger is ahead of the columns.
    pub(crate) fn is_dirty(&self) -> bool {
        self.open > 0
    }

    fn find(&self, demand: &Demand) -> Option<usize> {
        self.warm.iter().position(|warm| warm.shape.demand == *demand)
    }

    /// Drops what was not warmed for longest until so many are left; returns the memory of the last one that went.
    fn shrink_to(&mut self, len: usize) -> Vec<u64> {
        let mut memory = Vec::new();
        while self.warm.len() > len {
            let oldest = (0..self.warm.len()).min_by_key(|&at| self.warm[at].warmed).expect("there is one");
            memory = Arc::try_unwrap(self.warm.swap_remove(oldest).column).unwrap_or_default();
        }
        memory
    }

    fn update(&mut self, inventory: &Inventory) {
        if self.warm.is_empty() {
            return;
        }
        self.batch.gather(inventory, self.warm.iter().map(|warm| &*warm.shape));
        for warm in &mut self.warm {
            // What does not change stays shared with forks.
            if self.batch.count(inventory, &warm.shape, &warm.column) {
                let column: &mut Vec<u64> = Arc::make_mut(&mut warm.column);
                let delta = self.batch.add(column);
                warm.total = warm.total.wrapping_add(delta);
            }
        }
    }
}

impl Inventory {
    /// Counts how many pods of this demand fit everywhere, and keeps the counts up to date from now on; nothing to do if
    /// they already are. The demand that was not warmed for longest goes when there are too many. O(nodes) the first
    /// time, O(demands kept) again.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory};
    /// let mut inventory = Inventory::from_notation("r1{n1:8 n2:7}")?;
    /// let pair = Demand::devices(2);
    /// assert!(inventory.index(&pair).is_none());
    /// inventory.warm(&pair);
    /// assert_eq!(inventory.index(&pair).unwrap().total(), 7);
    /// # Ok::<(), phalanx_topology::NotationError>(())
    /// ```
    pub fn warm(&mut self, demand: &Demand) {
        self.settle();
        self.indexes.clock += 1;
        let warmed = self.indexes.clock;
        if let Some(at) = self.indexes.find(demand) {
            self.indexes.warm[at].warmed = warmed;
        } else if let Some(others) = self.indexes.limit.checked_sub(1) {
            let mut column = self.indexes.shrink_to(others);
            let mut fits = self.indexes.batch.rows.take_fits();
            self.fits_everywhere(demand, &mut fits);
            let total = self.sum_up(&fits, &mut column);
            self.indexes.batch.rows.put_fits(fits);
            self.indexes.warm.push(Warm {
                shape: Arc::new(Shape::new(demand)),
                column: Arc::new(column),
                total,
                warmed,
            });
        }
    }

    /// How many demands are kept warm, 64 unless set; those not warmed for longest go now if there are more. A demand costs
    /// eight bytes a domain, and a few nanoseconds for every node that changes.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory};
    /// let mut inventory = Inventory::from_notation("r1{n1:8 n2:7}")?;
    /// inventory.warm(&Demand::devices(1));
    /// inventory.warm(&Demand::devices(2));
    /// inventory.set_index_limit(1);
    /// assert!(inventory.index(&Demand::devices(1)).is_none());
    /// assert!(inventory.index(&Demand::devices(2)).is_some());
    /// # Ok::<(), phalanx_topology::NotationError>(())
    /// ```
    pub fn set_index_limit(&mut self, demands: usize) {
        self.indexes.limit = demands;
        self.indexes.shrink_to(demands);
    }

    /// Keeps only these demands warm, of those that are. A fork that changes something pays for each warm demand once, when
    /// it ceases to share the counts with its origin: a fork that is to answer one question is best rid of the others.
    ///
    /// ```
    /// # use phalanx_topology::{Demand, Inventory};
    /// let mut inventory = Inventory::from_notation("r1{n1:8 n2:7}")?;
    /// let [pair, four] = [2, 4].map(Demand::devices);
    /// inventory.warm(&pair);
    /// inventory.warm(&four);
    /// let mut what_if = inventory.fork();
    /// what_if.keep_warm(&[four.clone()]);
    /// what_if.set_cordoned(inventory.topology().node("n1").unwrap(), true);
    /// assert_eq!(what_if.index(&four).unwrap().total(), 1);
    /// assert!(what_if.index(&pair).is_none());
    /// # Ok::<(), phalanx_topology::NotationError>(())
    /// ```
    pub fn keep_warm(&mut self, demands: &[Demand]) {
        self.indexes.warm.retain(|warm| demands.contains(&warm.shape.demand));
    }

    /// How many pods of this demand fit, by node and by domain; none if it was not [warmed](Self::warm) or had to go, and
    /// while a transaction is open that holds something, since the counts follow at its commit. A copy that was made
    /// meanwhile has nothing warm. O(demands kept).
    #[must_use]
    pub fn index(&self, demand: &Demand) -> Option<ShapeIndex<'_>> {
        if self.indexes.is_dirty() {
            return None;
        }
        let at = self.indexes.find(demand)?;
        Some(ShapeIndex { inventory: self, warm: &self.indexes.warm[at] })
    }

    /// Counts one change, of these nodes: all that is derived from the ledger follows.
    pub(crate) fn touch(&mut self, nodes: impl IntoIterator<Item = NodeId>) {
        let mut indexes = std::mem::replace(&mut self.indexes, Indexes::new());
        indexes.batch.start(nodes);
        indexes.update(self);
        self.version += 1;
        self.changes.push(indexes.batch.rows.nodes());
        self.indexes = indexes;
    }

    /// Counts changes from here on, with no change known before.
    pub(crate) fn start_at(&mut self, version: u64) {
        self.version = version;
        self.changes = crate::changes::Changes::new(version);
    }

    /// Warms what another inventory keeps warm, in the same order.
    pub(crate) fn warm_like(&mut self, other: &Self) {
        self.set_index_limit(other.indexes.limit);
        let mut warm: Vec<&Warm> = other.indexes.warm.iter().collect();
        warm.sort_unstable_by_key(|warm| warm.warmed);
        warm.iter().for_each(|warm| self.warm(&warm.shape.demand));
    }

    /// Makes sure that no transaction is open: who has the inventory to themselves knows that none is, unless one was
    /// forgotten or this is a copy that was made through one. What it held was never counted.
    pub(crate) fn settle(&mut self) {
        if self.indexes.is_dirty() {
            self.indexes.warm.clear();
            self.indexes.open = 0;
            self.start_at(self.version + 1);
        }
    }

    /// Makes the column of a shape of which so many fit on each node; returns their sum.
    fn sum_up(&self, fits: &[u32], column: &mut Vec<u64>) -> u64 {
        let topology = self.topology();
        let nodes = fits.iter().map(|&fits| u64::from(fits.min(MOST)));
        column.clear();
        column.reserve_exact(topology.domains_len() + topology.outside_len());
        for tree in topology.trees() {
            let start = column.len();
            let leaves = topology.domains(topology.tree_node_level(tree));
            column.resize(topology.tree_domains(tree).len() - leaves.len() + start, 0);
            let above = start..column.len();
            if tree == TreeId::PRIMARY {
                column.extend(nodes.clone().take(leaves.len()));
            } else {
                let node = |at| topology.node_at(tree, at).index();
                column.extend((0..leaves.len()).map(|at| u64::from(fits[node(at)].min(MOST))));
            }
            // Finer domains have greater ids, so they are summed first.
            for domain in above.rev() {
                let children = topology.children(DomainId::new(domain as u32));
                let len = children.len();
                let first = children.map(DomainId::index).next().unwrap_or(0);
                column[domain] = column[first..first + len].iter().sum();
            }
        }
        column.extend(nodes.clone().skip(topology.tree_len(TreeId::PRIMARY)));
        nodes.sum()
    }
}
