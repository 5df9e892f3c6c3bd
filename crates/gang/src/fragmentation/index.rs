//! The best node for one pod after another.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use phalanx_topology::{Demand, DeviceSet, Inventory, NodeId, ShapeMix, Topology};

use super::Fragmentation;
use super::outlook::Outlook;
use super::ranking::Ranking;
use super::site::{Scratch, Site};

/// Finds the best node for one pod after another under the objective [`Fragmentation`]: always the same as scoring every
/// node, but in proportion to what changed.
///
/// It remembers a score for each node and each demand that it was asked about, and follows one inventory by its
/// [change log](Inventory::changes_since). Asked about a demand again, it scores the nodes that changed since: on a
/// cluster where each pod changes one node and a hundred demands take turns, some tens of nodes. It reads all nodes anew,
/// which is slow but exact, when the log does not reach back far enough, when it is given an inventory over another
/// topology, and each time it is asked while a transaction is open that holds something.
///
/// For a fork it needs a copy of its own, made when the fork is made: two inventories that went different ways cannot be
/// told apart by their versions.
///
/// ```
/// # use phalanx_gang::FragmentationIndex;
/// # use phalanx_topology::{Demand, Inventory, ShapeMix};
/// let mut inventory = Inventory::from_notation("r1{n1:8 n2:4} r2{n3:8}")?;
/// let four = Demand::devices(4);
/// let mut index = FragmentationIndex::new(ShapeMix::new([(Demand::devices(8), 1), (four.clone(), 1)])?);
/// let mut places = Vec::new();
/// while let Some((node, devices)) = index.best(&inventory, &four) {
///     let mut transaction = inventory.transaction();
///     transaction.claim(node, devices, &four)?;
///     drop(transaction.commit());
///     places.push(format!("{} {devices}", inventory.topology().node_name(node)));
/// }
/// // The node that is no use to a pod of eight goes first; and no second one is broken before the first is full.
/// assert_eq!(places, ["n2 0-3", "n1 0-3", "n1 4-7", "n3 0-3", "n3 4-7"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FragmentationIndex {
    objective: Fragmentation,
    followed: Option<Followed>,
    sites: Vec<Site>,
    log: Log,
    columns: Vec<Column>,
    by_demand: BTreeMap<Demand, usize>,
    limit: usize,
    /// Counts questions.
    clock: u64,
    scratch: Scratch,
}

/// The inventory as it was last seen.
#[derive(Clone, Debug)]
struct Followed {
    topology: Arc<Topology>,
    version: u64,
    hash: u64,
}

/// The scores of one demand.
#[derive(Clone, Debug)]
struct Column {
    demand: Demand,
    ranking: Ranking,
    /// Up to where in the log it has followed.
    at: u64,
    asked: u64,
}

/// Which nodes were read anew, latest last.
#[derive(Clone, Debug, Default)]
struct Log {
    nodes: Vec<u32>,
    /// The position of the first of them among all that there ever were.
    start: u64,
    /// By node: its latest position.
    latest: Vec<u64>,
}

impl FragmentationIndex {
    /// Demands remembered unless said otherwise.
    const LIMIT: usize = 256;

    /// An index that knows no inventory yet.
    ///
    /// ```
    /// # use phalanx_gang::FragmentationIndex;
    /// # use phalanx_topology::{Demand, Inventory, ShapeMix};
    /// let inventory = Inventory::from_notation("r1{n1:4}")?;
    /// let mut index = FragmentationIndex::new(ShapeMix::new([(Demand::devices(2), 1)])?);
    /// let (node, devices) = index.best(&inventory, &Demand::devices(2)).unwrap();
    /// assert_eq!((node.index(), devices.to_string().as_str()), (0, "0-1"));
    /// assert_eq!(index.best(&inventory, &Demand::devices(5)), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(mix: ShapeMix) -> Self {
        Self::of(Fragmentation::new(mix))
    }

    /// An index for an objective that exists already.
    #[must_use]
    pub fn of(objective: Fragmentation) -> Self {
        Self {
            objective,
            followed: None,
            sites: Vec::new(),
            log: Log::default(),
            columns: Vec::new(),
            by_demand: BTreeMap::new(),
            limit: Self::LIMIT,
            clock: 0,
            scratch: Scratch::default(),
        }
    }

    /// The objective.
    #[must_use]
    pub fn objective(&self) -> &Fragmentation {
        &self.objective
    }

    /// How many demands are remembered, 256 unless set and at least one; those not asked about for longest go now if there
    /// are more. A demand costs nine bytes a node. More demands than that in turn are still answered exactly, at the price
    /// of scoring all nodes each time.
    ///
    /// ```
    /// # use phalanx_gang::FragmentationIndex;
    /// # use phalanx_topology::{Demand, ShapeMix};
    /// let mut index = FragmentationIndex::new(ShapeMix::new([(Demand::devices(2), 1)])?);
    /// index.set_limit(16);
    /// # Ok::<(), phalanx_topology::MixError>(())
    /// ```
    pub fn set_limit(&mut self, demands: usize) {
        self.limit = demands.max(1);
        self.shrink_to(self.limit);
    }

    /// The node with the greatest [score](Fragmentation::score) for the demand, the first one on ties, with the devices to
    /// take there; none if it fits nowhere. O(nodes changed since this demand was asked about x (shapes + log nodes)), and
    /// O(nodes x shapes) the first time.
    pub fn best(&mut self, inventory: &Inventory, demand: &Demand) -> Option<(NodeId, DeviceSet)> {
        self.best_among(inventory, demand, 0..inventory.topology().len())
    }

    /// The same among the nodes of these ids, such as the [range](Topology::node_range) of a domain of the primary tree. Ids
    /// that no node has count for nothing.
    ///
    /// ```
    /// # use phalanx_gang::FragmentationIndex;
    /// # use phalanx_topology::{Demand, Inventory, ShapeMix};
    /// let inventory = Inventory::from_notation("r1{n1:4} r2{n2:8 n3:4}")?;
    /// let topology = inventory.topology();
    /// let r2 = topology.domains(topology.level("rack").unwrap()).nth(1).unwrap();
    /// let mut index = FragmentationIndex::new(ShapeMix::new([(Demand::devices(8), 1)])?);
    /// let (node, _) = index.best_among(&inventory, &Demand::devices(1), topology.node_range(r2)).unwrap();
    /// assert_eq!(topology.node_name(node), "n3");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn best_among(
        &mut self,
        inventory: &Inventory,
        demand: &Demand,
        nodes: Range<usize>,
    ) -> Option<(NodeId, DeviceSet)> {
        self.follow(inventory);
        let at = self.column(inventory, demand);
        let len = self.sites.len();
        let best = self.columns[at].ranking.best(nodes.start.min(len)..nodes.end.min(len))?;
        // The devices of one node are soon found again, and need not be kept for all.
        let node = NodeId::new(best as u32);
        let outlook = &self.objective.outlook;
        let (_, devices) = self.sites[best].score(outlook, inventory, node, demand, &mut self.scratch)?;
        Some((node, devices))
    }

    /// Reads the nodes that changed.
    fn follow(&mut self, inventory: &Inventory) {
        let (version, hash) = (inventory.version(), inventory.state_hash());
        let followed = self.followed.as_mut().filter(|followed| {
            let same = followed.version != version || followed.hash == hash;
            same && Arc::ptr_eq(&followed.topology, inventory.topology())
        });
        let outlook = &self.objective.outlook;
        if let Some(followed) = followed
            && let Some(changed) = inventory.changes_since(followed.version)
        {
            for node in changed {
                self.sites[node.index()].read(outlook, inventory, node, &mut self.scratch);
                self.log.push(node);
            }
            (followed.version, followed.hash) = (version, hash);
            return;
        }
        self.columns.clear();
        self.by_demand.clear();
        self.sites.resize_with(inventory.topology().len(), Site::default);
        for (site, node) in self.sites.iter_mut().zip(inventory.topology().nodes()) {
            site.read(outlook, inventory, node, &mut self.scratch);
        }
        self.log = Log::new(self.sites.len());
        // What an open transaction holds may be gone at the same version: such a state is not one to go on from.
        let settled = inventory.changes_since(version).is_some();
        self.followed = settled.then(|| Followed { topology: Arc::clone(inventory.topology()), version, hash });
    }

    /// The column of the demand, up to date.
    fn column(&mut self, inventory: &Inventory, demand: &Demand) -> usize {
        self.clock += 1;
        let known = self.by_demand.get(demand).copied().filter(|&at| self.columns[at].at >= self.log.start);
        let Some(at) = known else { return self.add_column(inventory, demand) };
        let column = &mut self.columns[at];
        column.asked = self.clock;
        for node in self.log.since(column.at) {
            let score =
                self.sites[node.index()].score(&self.objective.outlook, inventory, node, demand, &mut self.scratch);
            column.ranking.set(node.index(), score.map_or(0, |(score, _)| score.key()));
        }
        column.at = self.log.end();
        at
    }

    fn add_column(&mut self, inventory: &Inventory, demand: &Demand) -> usize {
        if let Some(&stale) = self.by_demand.get(demand) {
            self.drop_column(stale);
        }
        self.shrink_to(self.limit - 1);
        let ranking = Ranking::new(keys(&self.sites, &self.objective.outlook, inventory, demand, &mut self.scratch));
        self.columns.push(Column { demand: demand.clone(), ranking, at: self.log.end(), asked: self.clock });
        self.by_demand.insert(demand.clone(), self.columns.len() - 1);
        self.columns.len() - 1
    }

    fn shrink_to(&mut self, len: usize) {
        while self.columns.len() > len {
            let oldest = (0..self.columns.len()).min_by_key(|&at| self.columns[at].asked).expect("there is one");
            self.drop_column(oldest);
        }
    }

    fn drop_column(&mut self, at: usize) {
        let gone = self.columns.swap_remove(at);
        self.by_demand.remove(&gone.demand);
        if let Some(moved) = self.columns.get(at) {
            *self.by_demand.get_mut(&moved.demand).expect("every column is listed") = at;
        }
    }
}

/// The keys of all nodes.
fn keys(sites: &[Site], outlook: &Outlook, inventory: &Inventory, demand: &Demand, scratch: &mut Scratch) -> Vec<u64> {
    let mut keys: Vec<u64> = Vec::with_capacity(sites.len());
    for (node, site) in inventory.topology().nodes().zip(sites) {
        // Neighbours are often of one make, and in one state where nothing runs yet.
        let before = node.index().checked_sub(1).map(|before| NodeId::new(before as u32));
        let twin = before.filter(|&before| {
            let same_amounts = |&(resource, _): &(_, _)| {
                let [a, b] = [before, node].map(|node| super::site::free(inventory, node, resource));
                a == b
            };
            sites[before.index()] == *site
                && demand.resources().iter().all(same_amounts)
                && inventory.islands(before) == inventory.islands(node)
                && inventory.numa(before) == inventory.numa(node)
        });
        keys.push(match twin {
            Some(before) => keys[before.index()],
            None => site.score(outlook, inventory, node, demand, scratch).map_or(0, |(score, _)| score.key()),
        });
    }
    keys
}

impl Log {
    fn new(nodes: usize) -> Self {
        // Position 0 is never used, so that it means no change.
        Self { nodes: Vec::new(), start: 1, latest: vec![0; nodes] }
    }

    fn push(&mut self, node: NodeId) {
        // Columns further behind than this may as well score all nodes.
        let most = self.latest.len().max(1024);
        if self.nodes.len() >= 2 * most {
            self.nodes.drain(..most);
            self.start += most as u64;
        }
        self.latest[node.index()] = self.end();
        self.nodes.push(node.index() as u32);
    }

    fn end(&self) -> u64 {
        self.start + self.nodes.len() as u64
    }

    /// The nodes from a position on that is still here, each once.
    fn since(&self, at: u64) -> impl Iterator<Item = NodeId> {
        let nodes = self.nodes[(at - self.start) as usize..].iter().zip(at..);
        nodes.filter(|&(&node, at)| self.latest[node as usize] == at).map(|(&node, _)| NodeId::new(node))
    }
}
