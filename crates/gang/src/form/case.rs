//! What a form says, as the planner has it.

use phalanx_topology::{Demand, DeviceSet, Inventory, NodeId};

use crate::{CommitError, Gang, GangError, GroupId, Options, Outcome, Plan, PodId, plan};

/// A cluster and its gangs, to be planned one after the other: see the [module](super).
#[derive(Debug)]
pub struct Case {
    inventory: Inventory,
    requests: Vec<Request>,
}

/// A gang to be planned.
#[derive(Clone, Debug)]
pub struct Request {
    name: String,
    gang: Gang,
    options: Options,
    running: Vec<(PodId, NodeId, DeviceSet)>,
    /// Where its pods went that were planned.
    settled: Vec<(GroupId, NodeId)>,
}

impl Case {
    pub(super) fn new(inventory: Inventory, requests: Vec<Request>) -> Self {
        Self { inventory, requests }
    }

    /// The cluster, with all taken that was there and that was settled since.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The gangs in the order in which they are to be planned.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The same for another objective or budget of a gang: what its options are changed to. Panics on an unknown gang.
    pub fn adjust(&mut self, at: usize, change: impl FnOnce(Options) -> Options) {
        let options = &mut self.requests[at].options;
        *options = change(options.clone());
    }

    /// How the gang at a position is to be planned now: with the keys of what runs, and of what was settled, of all others.
    /// Panics on an unknown gang.
    #[must_use]
    pub fn options(&self, at: usize) -> Options {
        let mut options = self.requests[at].options.clone();
        let mut present = std::mem::take(&mut options.present);
        for (_, other) in self.requests.iter().enumerate().filter(|&(other, _)| other != at) {
            let running = other.running.iter().map(|(pod, node, _)| (pod.group(), *node));
            present = present.beside(&other.gang, running.chain(other.settled.iter().copied()));
        }
        options.present(present)
    }

    /// Plans the gang at a position on the cluster as it is now. Panics on an unknown gang.
    ///
    /// # Errors
    ///
    /// None that [`Scenario::build`](super::Scenario::build) has not told, unless the options were adjusted.
    pub fn plan(&self, at: usize) -> Result<Outcome, GangError> {
        plan(&self.requests[at].gang, &self.inventory, &self.options(at))
    }

    /// Takes the room of a plan of the gang at a position, and remembers where it went for those that share keys with it.
    /// Panics on an unknown gang.
    ///
    /// # Errors
    ///
    /// The cluster has changed since the plan was made.
    pub fn settle(&mut self, at: usize, plan: &Plan) -> Result<(), CommitError> {
        // It stays for good: nobody gives it back.
        drop(plan.commit(&mut self.inventory)?);
        let pods = plan.placements().map(|pod| (pod.group(), pod.node()));
        self.requests[at].settled.extend(pods);
        Ok(())
    }
}

impl Request {
    pub(super) fn new(name: String, gang: Gang, options: Options) -> Self {
        Self { name, gang, options, running: Vec::new(), settled: Vec::new() }
    }

    pub(super) fn note(&mut self, pod: PodId, node: NodeId, devices: DeviceSet) {
        self.running.push((pod, node, devices));
    }

    /// The gang's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The gang.
    #[must_use]
    pub fn gang(&self) -> &Gang {
        &self.gang
    }

    /// What each pod of a group of its pods asks; none for a group of groups. Panics on a group of another gang.
    #[must_use]
    pub fn demand(&self, group: GroupId) -> Option<&Demand> {
        self.gang.demand(group)
    }

    /// Its own options, without what other gangs share with it: see [`Case::options`].
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Its pods that run, each with its node and the devices that it holds.
    #[must_use]
    pub fn running(&self) -> &[(PodId, NodeId, DeviceSet)] {
        &self.running
    }
}
