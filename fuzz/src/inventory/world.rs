//! A ledger, its receipts, and the model that it must agree with.

use std::collections::BTreeMap;

use phalanx_topology::{Demand, Inventory, NodeId, Receipt, ShapeIndex, ShapeMix};

use super::model::{Model, Node};

/// Versions remembered, to ask what changed since.
const HISTORY: usize = 6;

/// States remembered, to compare their hashes.
const STATES: usize = 32;

/// One ledger beside its model.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) inventory: Inventory,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) model: Model,
    /// The demands that must be warm, the one warmed last at the end.
    pub(crate) warm: Vec<Demand>,
    pub(crate) limit: usize,
    /// A transaction was forgotten, or this is a copy from within one: what it held was never committed.
    pub(crate) dirty: bool,
    /// Whether a receipt of another ledger was taken for one of this: then a receipt of its own may be refused.
    pub(crate) foreign: bool,
    history: Vec<(u64, Vec<Node>)>,
    hashes: BTreeMap<Vec<Node>, u64>,
    /// The state's hash and the version after the last operation.
    stand: Option<(u64, u64)>,
}

impl World {
    pub(crate) fn new(inventory: Inventory) -> Self {
        let model = Model::new(inventory.topology());
        let (receipts, warm) = (Vec::new(), Vec::new());
        let (history, hashes, stand) = (Vec::new(), BTreeMap::new(), None);
        Self { inventory, receipts, model, warm, limit: 64, dirty: false, foreign: false, history, hashes, stand }
    }

    /// A fork of the ledger, with no receipt.
    pub(crate) fn fork(&self) -> Self {
        Self {
            inventory: self.inventory.fork(),
            receipts: Vec::new(),
            model: self.model.clone(),
            warm: self.warm.clone(),
            limit: self.limit,
            dirty: self.dirty,
            foreign: self.foreign,
            history: self.history.clone(),
            hashes: self.hashes.clone(),
            stand: None,
        }
    }

    /// A transaction begins, or a demand is warmed: what was forgotten counts as committed long ago.
    pub(crate) fn settle(&mut self) {
        if self.dirty {
            self.warm.clear();
            self.dirty = false;
        }
    }

    /// The ledger is another from here on.
    pub(crate) fn moved(&mut self, inventory: Inventory, model: Model) {
        (self.inventory, self.model, self.dirty) = (inventory, model, false);
        for (version, _) in self.history.drain(..) {
            assert!(self.inventory.changes_since(version).is_none(), "it was another ledger's version");
        }
        self.hashes.clear();
    }

    /// This is a copy that was made within a transaction: nothing is known of its versions.
    pub(crate) fn forget_versions(&mut self) {
        self.history.clear();
    }

    /// Warms a demand, in the model's order too.
    pub(crate) fn warm(&mut self, demand: &Demand) {
        self.settle();
        self.inventory.warm(demand);
        self.warm.retain(|warm| warm != demand);
        self.warm.push(demand.clone());
        self.shrink();
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.inventory.set_index_limit(limit);
        self.limit = limit;
        self.shrink();
    }

    fn shrink(&mut self) {
        let excess = self.warm.len().saturating_sub(self.limit);
        self.warm.drain(..excess);
    }

    /// All that must hold, asked with one demand more than those that are warm.
    pub(crate) fn check(&mut self, demand: &Demand) {
        self.model.check(&self.inventory);
        self.check_fits(demand);
        assert_eq!(self.inventory.index(demand).is_some(), !self.dirty && self.warm.contains(demand), "{demand:?}");
        for warm in &self.warm {
            match self.inventory.index(warm) {
                Some(index) => self.check_index(index),
                None => assert!(self.dirty, "{warm:?} is not warm any more"),
            }
        }
        let hash = self.inventory.state_hash();
        self.check_hash(hash);
        self.check_changes();
        self.stand = Some((hash, self.inventory.version()));
    }

    /// What is done to another ledger leaves this one as it was when it was checked.
    pub(crate) fn stand_still(&mut self) {
        let now = (self.inventory.state_hash(), self.inventory.version());
        assert_eq!(*self.stand.get_or_insert(now), now, "what is done to one ledger changes no other");
    }

    /// The last check: the same state made anew has the same hash, and every receipt can be given back.
    pub(crate) fn finish(mut self, demand: &Demand) {
        let anew = self.model.rebuild(&self.inventory);
        assert_eq!(anew.state_hash(), self.inventory.state_hash(), "the hash depends on the state alone");
        self.check_mix(demand);
        for receipt in self.receipts.drain(..) {
            let expected = self.model.release(receipt.reservations());
            assert!(expected || self.foreign, "the receipt is of this inventory");
            assert_eq!(self.inventory.release(receipt).is_ok(), expected);
        }
        self.check(demand);
        let anew = self.model.rebuild(&self.inventory);
        assert_eq!(anew.state_hash(), self.inventory.state_hash(), "the hash depends on the state alone");
    }

    fn check_fits(&self, demand: &Demand) {
        let mut column = Vec::new();
        self.inventory.fits_everywhere(demand, &mut column);
        for (at, node) in self.model.nodes.iter().enumerate() {
            let id = NodeId::new(at as u32);
            let fits = node.fits(demand, &self.model.kinds);
            assert_eq!(self.inventory.fits(id, demand), fits, "{demand:?} on {}", node.name);
            assert_eq!(column[at], fits, "{demand:?} on {}", node.name);
            let chosen = node.choose(demand, &self.model.kinds);
            assert_eq!(self.inventory.limiting(id, demand), chosen.err(), "{demand:?} on {}", node.name);
            assert_eq!(chosen.is_ok(), fits > 0, "{demand:?} on {}", node.name);
        }
    }

    fn check_index(&self, index: ShapeIndex<'_>) {
        let topology = self.inventory.topology();
        let kinds = &self.model.kinds;
        let fits =
            |node: NodeId| u64::from(self.model.nodes[node.index()].fits(index.demand(), kinds).min(ShapeIndex::MOST));
        let recount: Vec<u64> = topology.nodes().map(fits).collect();
        for node in topology.nodes() {
            assert_eq!(u64::from(index.fits(node)), recount[node.index()], "{:?} on {node}", index.demand());
        }
        assert_eq!(index.column().len(), topology.domains_len());
        for level in topology.trees().flat_map(|tree| topology.tree_levels(tree)) {
            for domain in topology.domains(level) {
                let sum: u64 = topology.nodes_of(domain).map(|node| recount[node.index()]).sum();
                assert_eq!(index.count(domain), sum, "{:?} in {}", index.demand(), topology.domain_path(domain));
            }
        }
        assert_eq!(index.outside(), &recount[topology.tree_nodes().end..]);
        assert_eq!(index.total(), recount.iter().sum::<u64>());
    }

    fn check_hash(&mut self, hash: u64) {
        // What is the same but in what there is, not in what is free, may have one hash; so the whole state is the key.
        match self.hashes.get(&self.model.nodes) {
            Some(&known) => assert_eq!(hash, known, "equal states have equal hashes"),
            None if self.hashes.len() < STATES => {
                self.hashes.insert(self.model.nodes.clone(), hash);
            }
            None => {}
        }
    }

    fn check_changes(&mut self) {
        let (version, now) = (self.inventory.version(), &self.model.nodes);
        for (then, nodes) in &self.history {
            assert!(*then < version || nodes == now, "a change has another version");
            let Some(changes) = self.inventory.changes_since(*then) else { continue };
            assert!(!self.dirty, "an open transaction's changes are not told");
            let mut patched = nodes.clone();
            changes.for_each(|node| patched[node.index()].clone_from(&now[node.index()]));
            assert!(patched == *now, "a change since version {then} is not told");
        }
        assert_eq!(self.inventory.changes_since(version).is_some(), !self.dirty, "of the last version all is known");
        if self.history.last().is_none_or(|&(last, _)| last < version) {
            if self.history.len() == HISTORY {
                self.history.remove(version as usize % HISTORY);
            }
            self.history.push((version, now.clone()));
        }
    }

    fn check_mix(&self, demand: &Demand) {
        let shapes = self.warm.iter().chain([demand]).cloned().zip(1..);
        let mix = ShapeMix::new(shapes).expect("there is one, and the weights are small");
        let topology = self.inventory.topology();
        let lost: u64 = topology.nodes().map(|node| self.inventory.fragmentation(node, &mix)).sum();
        assert_eq!(self.inventory.fragmentation_total(&mix), lost);
        let left = |node: &Node| (0..64).map(|device| u64::from(node.left(device))).sum::<u64>();
        for level in topology.levels() {
            for domain in topology.domains(level) {
                let left: u64 = topology.nodes_of(domain).map(|node| left(&self.model.nodes[node.index()])).sum();
                assert!(self.inventory.stranded(domain, &mix) <= left, "no more is stranded than is left");
            }
        }
    }
}
