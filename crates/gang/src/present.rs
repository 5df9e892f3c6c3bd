//! What is there already when a gang is planned.

use phalanx_topology::{Inventory, NodeId};

use crate::gang::Content;
use crate::pod::Located;
use crate::{Gang, GangError, GroupId, Plan, PodId};

/// What is there already when a gang is planned: its own pods that run, where pods ran before, and where other gangs are
/// that share a key with it.
///
/// Pods that run hold their room in the inventory, and stay where they are: the plan is for the pods that are missing, and
/// every bound holds for both together.
///
/// ```
/// use phalanx_gang::{Gang, Group, Outcome, PodId, Present, Options, plan};
/// use phalanx_topology::{Demand, Inventory};
///
/// let mut inventory = Inventory::from_notation("r1{n1:8 n2:8} r2{n3:8 n4:8}")?;
/// let topology = inventory.topology().clone();
/// let (rack, n3) = (topology.level("rack").unwrap(), topology.node("n3").unwrap());
/// let gang = Gang::new(Group::pods("train", 2, Demand::devices(8)).hard(rack))?;
///
/// // Pod 0 runs on n3, so pod 1 has to come to its rack.
/// let mut transaction = inventory.transaction();
/// transaction.reserve(n3, &Demand::devices(8))?;
/// let held = transaction.commit();
/// let train = gang.group("train").unwrap();
/// let present = Present::new().running(PodId::new(train, [0], 0), n3);
/// let Outcome::Placed(plan) = plan(&gang, &inventory, &Options::new().present(present))? else { panic!("there is room") };
/// let nodes: Vec<_> = plan.placements().map(|pod| topology.node_path(pod.node())).collect();
/// assert_eq!(nodes, ["r2/n4"]);
/// # inventory.release(held)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    pub(crate) running: Vec<Located>,
    pub(crate) former: Vec<Located>,
    pub(crate) bound: Vec<(String, NodeId)>,
    pub(crate) excluded: Vec<(String, NodeId)>,
}

impl Present {
    /// Nothing is there.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A pod of the gang runs on this node. Its room is held in the inventory.
    #[must_use]
    pub fn running(mut self, pod: PodId, node: NodeId) -> Self {
        self.running.push(Located { pod, node });
        self
    }

    /// All pods of a plan run where it put them: it was committed, and the next plan is for what is missing beside them.
    ///
    /// ```
    /// use phalanx_gang::{Gang, Group, Options, Outcome, Present, plan};
    /// use phalanx_topology::{Demand, Inventory};
    ///
    /// let mut inventory = Inventory::from_notation("r1{n1:8 n2:4}")?;
    /// let gang = Gang::new(Group::pods("decode", 1, Demand::devices(8)).between(1, 2))?;
    /// let Outcome::Placed(first) = plan(&gang, &inventory, &Options::new())? else { panic!("there is room") };
    /// let held = first.commit(&mut inventory)?;
    /// assert_eq!(first.extras()[0].pending(), 1, "n2 is too small");
    ///
    /// // Later n2 has more devices, and the extra comes.
    /// let n2 = inventory.topology().node("n2").unwrap();
    /// inventory.set_devices(n2, 8, "gpu")?;
    /// let options = Options::new().present(Present::new().running_plan(&first));
    /// let Outcome::Placed(second) = plan(&gang, &inventory, &options)? else { panic!("the minimum runs") };
    /// assert_eq!(second.placements().map(|pod| pod.node()).collect::<Vec<_>>(), [n2]);
    /// # inventory.release(held)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn running_plan(self, plan: &Plan) -> Self {
        plan.placements().fold(self, |present, pod| present.running(pod.id(), pod.node()))
    }

    /// A pod of the gang ran on this node before, and should go back there if it can: to weights that are loaded and
    /// caches that are warm. Pods return where their node has room and no bound speaks against it; if the rest then has no
    /// place, the gang is planned as if none had run.
    ///
    /// ```
    /// use phalanx_gang::{Gang, Group, Outcome, PodId, Present, Options, plan};
    /// use phalanx_topology::{Demand, Inventory};
    ///
    /// let inventory = Inventory::from_notation("r1{n1:8 n2:8}")?;
    /// let n2 = inventory.topology().node("n2").unwrap();
    /// let gang = Gang::new(Group::pods("train", 1, Demand::devices(8)))?;
    /// let present = Present::new().former(PodId::new(gang.group("train").unwrap(), [0], 0), n2);
    /// let Outcome::Placed(plan) = plan(&gang, &inventory, &Options::new().present(present))? else { panic!("there is room") };
    /// assert_eq!(plan.placements().next().unwrap().node(), n2, "without history it were n1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn former(mut self, pod: PodId, node: NodeId) -> Self {
        self.former.push(Located { pod, node });
        self
    }

    /// A pod of another gang that is bound to this key runs on this node: groups of this gang with the key have to come
    /// to its domain. Of pods in several domains the most count, the first in path order among equals.
    ///
    /// ```
    /// use phalanx_gang::{Gang, Group, Outcome, Present, Options, plan};
    /// use phalanx_topology::{Demand, Inventory};
    ///
    /// let inventory = Inventory::from_notation("b1{r1{n1:8}} b2{r2{n2:8}}")?;
    /// let topology = inventory.topology().clone();
    /// let block = topology.level("block").unwrap();
    /// let gang = Gang::new(Group::pods("extra", 1, Demand::devices(8)).bind(block, "replica-0"))?;
    /// let present = Present::new().bind("replica-0", topology.node("n2").unwrap());
    /// let Outcome::Placed(plan) = plan(&gang, &inventory, &Options::new().present(present))? else { panic!("there is room") };
    /// assert_eq!(topology.node_path(plan.placements().next().unwrap().node()), "b2/r2/n2");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn bind(mut self, key: impl Into<String>, node: NodeId) -> Self {
        self.bound.push((key.into(), node));
        self
    }

    /// A pod of another gang with this key of exclusivity runs on this node: groups of this gang with the key keep out of
    /// its domain.
    ///
    /// ```
    /// use phalanx_gang::{Gang, Group, Outcome, Present, Options, plan};
    /// use phalanx_topology::{Demand, Inventory};
    ///
    /// let inventory = Inventory::from_notation("r1{n1:8 n2:8} r2{n3:8}")?;
    /// let topology = inventory.topology().clone();
    /// let rack = topology.level("rack").unwrap();
    /// let gang = Gang::new(Group::pods("w", 1, Demand::devices(8)).exclusive_as(rack, "tenants"))?;
    /// let present = Present::new().exclude("tenants", topology.node("n2").unwrap());
    /// let Outcome::Placed(plan) = plan(&gang, &inventory, &Options::new().present(present))? else { panic!("there is room") };
    /// assert_eq!(topology.node_path(plan.placements().next().unwrap().node()), "r2/n3");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn exclude(mut self, key: impl Into<String>, node: NodeId) -> Self {
        self.excluded.push((key.into(), node));
        self
    }

    /// Pods of another gang are there, each a group of pods of that gang and the pod's node: for the keys of that gang's
    /// groups this says [`bind`](Self::bind) and [`exclude`](Self::exclude). O(pods x depth). Panics on a group that is not
    /// of that gang.
    ///
    /// ```
    /// use phalanx_gang::{Gang, Group, Outcome, Present, Options, plan};
    /// use phalanx_topology::{Demand, Inventory};
    ///
    /// let inventory = Inventory::from_notation("b1{r1{n1:8 n2:8}} b2{r2{n3:8 n4:8}}")?;
    /// let block = inventory.topology().level("block").unwrap();
    /// let part = |name| Gang::new(Group::pods(name, 1, Demand::devices(8)).bind(block, "replica-0"));
    /// let (base, more) = (part("base")?, part("more")?);
    /// let n3 = inventory.topology().node("n3").unwrap();
    /// let present = Present::new().beside(&base, [(base.group("base").unwrap(), n3)]);
    /// let outcome = plan(&more, &inventory, &Options::new().present(present))?;
    /// let node = outcome.plan().unwrap().placements().next().unwrap().node();
    /// assert!(inventory.topology().node_path(node).starts_with("b2/"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn beside(mut self, gang: &Gang, pods: impl IntoIterator<Item = (GroupId, NodeId)>) -> Self {
        for (group, node) in pods {
            let mut row = Some(group.index());
            while let Some(at) = row {
                let of = &gang.rows()[at];
                self.bound.extend(of.shared.map(|(_, key)| (gang.shared_keys()[key].clone(), node)));
                let apart = of.exclusive.and_then(|(_, key)| gang.apart_keys()[key].clone());
                self.excluded.extend(apart.map(|key| (key, node)));
                row = of.parent;
            }
        }
        self
    }

    /// Whether every pod is one of the gang's, listed once, and every node exists.
    pub(crate) fn check(&self, gang: &Gang, inventory: &Inventory) -> Result<(), GangError> {
        let len = inventory.topology().len();
        let located = self.running.iter().chain(&self.former).map(|located| located.node);
        let others = self.bound.iter().chain(&self.excluded).map(|&(_, node)| node);
        if let Some(node) = located.chain(others).find(|node| node.index() >= len) {
            return Err(GangError::UnknownNode { node: node.index(), len });
        }
        for list in [&self.running, &self.former] {
            let mut pods: Vec<&PodId> = list.iter().map(|located| &located.pod).collect();
            if let Some(pod) = pods.iter().find(|pod| !exists(gang, pod)) {
                return Err(GangError::NoSuchPod { pod: told(gang, pod) });
            }
            pods.sort_unstable();
            if let Some(pair) = pods.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(GangError::DuplicatePod { pod: told(gang, pair[0]) });
            }
        }
        Ok(())
    }
}

fn exists(gang: &Gang, pod: &PodId) -> bool {
    let Some(row) = gang.rows().get(pod.group().index()) else { return false };
    let Content::Pods { count, .. } = row.content else { return false };
    let mut at = Some(pod.group().index());
    for &ordinal in pod.ordinals().iter().rev() {
        let Some(row) = at else { return false };
        if ordinal >= gang.rows()[row].max {
            return false;
        }
        at = gang.rows()[row].parent;
    }
    at.is_none() && pod.ordinal() < count
}

fn told(gang: &Gang, pod: &PodId) -> String {
    let group = gang.rows().get(pod.group().index()).map_or("?", |row| &row.path);
    format!("{group} {:?} {}", pod.ordinals(), pod.ordinal())
}
