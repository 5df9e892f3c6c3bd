//! What must hold for any plan and any rejection, checked against the definition and without the planner's own code.

mod bounds;
mod ranks;
mod rejection;
mod room;

use phalanx_gang::{Fragmentation, Gang, GangError, Group, Objective, Plan, Proof};
use phalanx_topology::{Demand, Inventory, KindId, LevelId, ShapeMix, Topology, TreeId};

use bounds::check_bounds;
pub(crate) use rejection::{check_counterfactual, check_rejection};

/// One group of a gang, as its author wrote it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// Names from the root's down, joined by `/`.
    pub(crate) path: String,
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// The pods of one replica; none for a group of groups.
    pub(crate) pods: Option<(u32, Demand)>,
    pub(crate) hard: Option<LevelId>,
    pub(crate) preferred: Vec<LevelId>,
    pub(crate) slices: Vec<(LevelId, u32)>,
    pub(crate) spread: Option<(LevelId, u32)>,
    pub(crate) exclusive: Option<(LevelId, Option<String>)>,
    pub(crate) bound: Option<(LevelId, String)>,
    pub(crate) per_node: Option<u32>,
    pub(crate) kinds: Vec<KindId>,
    pub(crate) homogeneous: bool,
}

impl Row {
    /// Whether it says nothing but how many pods, what they ask and a hard level.
    pub(crate) fn is_plain(&self) -> bool {
        self.slices.is_empty()
            && self.spread.is_none()
            && self.exclusive.is_none()
            && self.bound.is_none()
            && self.per_node.is_none()
            && self.kinds.is_empty()
            && !self.homogeneous
    }
}

/// The groups of a gang, each after the one around it.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) rows: Vec<Row>,
}

/// One replica: its row, and the ordinals from the root's down to its own.
type Replica = (usize, Vec<u32>);

impl Spec {
    fn row(&self, path: &str) -> usize {
        self.rows.iter().position(|row| row.path == path).unwrap_or_else(|| panic!("{path:?} is no group of the gang"))
    }

    /// The name of a row below this path, if it is one just below.
    fn child<'a>(&'a self, row: usize, path: &str) -> Option<&'a str> {
        let name = self.rows[row].path.strip_prefix(path)?.strip_prefix('/')?;
        (!name.contains('/')).then_some(name)
    }

    /// The rows from the root's down to this one.
    fn chain(&self, row: usize) -> Vec<usize> {
        let path = &self.rows[row].path;
        let around = |outer: &usize| {
            let rest = path.strip_prefix(self.rows[*outer].path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        (0..self.rows.len()).filter(around).collect()
    }

    /// How many pods the minimum has.
    fn min_pods(&self) -> u64 {
        let pods = self.rows.iter().enumerate().filter_map(|(at, row)| Some((at, row.pods.as_ref()?.0)));
        let replicas = |row| self.chain(row).iter().map(|&row| u64::from(self.rows[row].min)).product::<u64>();
        pods.map(|(at, count)| replicas(at) * u64::from(count)).sum()
    }

    /// The tree whose levels the gang names.
    fn tree(&self, topology: &Topology) -> TreeId {
        let levels = self.rows.iter().flat_map(|row| {
            let keyed = row.exclusive.iter().map(|(level, _)| level).chain(row.bound.iter().map(|(level, _)| level));
            let sized = row.slices.iter().chain(&row.spread).map(|(level, _)| level);
            row.hard.iter().chain(&row.preferred).chain(sized).chain(keyed)
        });
        levels.copied().next().map_or(TreeId::PRIMARY, |level| topology.tree_of(level))
    }

    /// What each pod asks, by group.
    pub(crate) fn demands(&self) -> impl Iterator<Item = &Demand> {
        self.rows.iter().filter_map(|row| Some(&row.pods.as_ref()?.1))
    }

    /// Every objective that the gang can be planned for.
    pub(crate) fn objectives(&self, topology: &Topology) -> Vec<Objective> {
        let plain = [Objective::Tight, Objective::GreedyBestFit, Objective::LeastFree, Objective::Balanced];
        let spread = topology.tree_levels(self.tree(topology)).map(|level| Objective::Spread { level });
        // What is expected is more of the same, and something else.
        let other = Demand::devices(3);
        let mix = ShapeMix::new(self.demands().chain([&other]).cloned().zip(1..)).expect("few shapes are a mix");
        let fragmentation = Objective::Fragmentation(Fragmentation::new(mix));
        plain.into_iter().chain(spread).chain([fragmentation]).collect()
    }

    /// The gang as the planner has it.
    pub(crate) fn gang(&self) -> Result<Gang, GangError> {
        Gang::new(self.group(0))
    }

    fn group(&self, at: usize) -> Group {
        let row = &self.rows[at];
        let name = row.path.rsplit('/').next().unwrap_or_default();
        let mut group = match &row.pods {
            Some((count, demand)) => Group::pods(name, *count, demand.clone()),
            None => {
                let inner = (0..self.rows.len()).filter(|&inner| self.child(inner, &row.path).is_some());
                Group::of(name, inner.map(|inner| self.group(inner)))
            }
        };
        group = group.between(row.min, row.max).kinds(row.kinds.iter().copied());
        group = row.hard.into_iter().fold(group, Group::hard);
        group = row.preferred.iter().copied().fold(group, Group::prefer);
        group = row.slices.iter().fold(group, |group, &(level, size)| group.slices(level, size));
        group = row.spread.into_iter().fold(group, |group, (level, skew)| group.spread(level, skew));
        group = match row.exclusive.clone() {
            Some((level, Some(key))) => group.exclusive_as(level, key),
            Some((level, None)) => group.exclusive(level),
            None => group,
        };
        group = row.bound.clone().into_iter().fold(group, |group, (level, key)| group.bind(level, key));
        group = row.per_node.into_iter().fold(group, Group::per_node);
        if row.homogeneous { group.homogeneous() } else { group }
    }
}

/// Whether a plan for a gang of which nothing runs yet keeps every promise: the minimum is whole, nothing is given twice,
/// every bound holds, and to commit it and to release that changes nothing.
pub(crate) fn check_plan(spec: &Spec, inventory: &Inventory, plan: &Plan, objective: &Objective) {
    ranks::check_ranks(spec, plan);
    check_bounds(spec, inventory, plan);
    let topology = inventory.topology();
    let least = plan.placements().take(plan.min_pods()).map(|pod| pod.node());
    let common = topology.common_domain_in(spec.tree(topology), least);
    assert_eq!(plan.level(), common.map(|domain| topology.level_of(domain)), "the level that is reached");
    // To spread is not to look for the finest level.
    let spread = matches!(objective, Objective::Spread { .. });
    assert!(spread || plan.proof() != Proof::Optimal || plan.is_level_proven(), "the best is on the finest level");
    assert!(plan.violated().is_empty(), "nothing ran that could break a bound: {:?}", plan.violated());
    check_room(spec, inventory, plan);
}

/// Whether a plan gives nothing twice, and to commit it and to release that changes nothing.
pub(crate) fn check_room(spec: &Spec, inventory: &Inventory, plan: &Plan) {
    room::check_room(spec, inventory, plan);
    assert_eq!(plan.version(), inventory.version());
    let mut fork = inventory.fork();
    let before = fork.state_hash();
    let receipt = plan.commit(&mut fork).expect("the plan was made on this inventory");
    assert_eq!(receipt.reservations().len(), plan.placements().len());
    fork.release(receipt).expect("it was committed here");
    assert_eq!(fork.state_hash(), before, "to commit and to release changes nothing");
}
