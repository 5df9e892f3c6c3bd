//! From manifests to what the pure crates work on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use phalanx_gang::{Gang, Present};
use phalanx_routing::{HttpRouteTable, HttpRouteTableError, Listeners, RouteTable, RouteTableError, Rule, Target};
use phalanx_topology::{CapacityError, Inventory, Topology, TopologyError};
use thiserror::Error;

use super::Manifests;
use crate::hypernode::HyperNode;
use crate::name::ObjectName;
use crate::node::Node;
use crate::pod::ClusterPod;
use crate::podgroup::PodGroup;
use crate::resources::OFFERED_OF_A_MAKE;
use crate::route::{ModelRoute, RouteTarget};
use crate::server::ModelServer;
use crate::serving::{Pod, SERVING_NAME, ServingGroup};

/// Why nodes make no inventory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// The levels of the settings make no tree. What nodes could get wrong was told when they were read.
    #[error(
        "levels of the settings: {0}; expected 1 to {max} different names without '/', none of them {node:?}",
        max = Topology::MAX_LEVELS,
        node = Topology::NODE_LEVEL
    )]
    Topology(TopologyError),
    /// The HyperNodes make no tree beside the labels. What they could get wrong by themselves was told when they were read.
    #[error("HyperNodes: {0}")]
    HyperNodes(TopologyError),
    /// A node cannot have what it says.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    /// Too many different resources.
    #[error("{found} different resources, expected at most {max}")]
    TooManyResources {
        /// How many the manifests name.
        found: usize,
        /// How many can be counted.
        max: usize,
    },
}

/// Why routes make no table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(transparent)]
pub struct RoutesError(#[from] RouteTableError);

/// Why HTTPRoutes make no table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(transparent)]
pub struct HttpRoutesError(#[from] HttpRouteTableError);

/// More resources than any cluster has.
const MAX_RESOURCES: usize = 1000;

impl Manifests {
    /// The name of the tree that HyperNodes make, where it is the second one.
    pub const HYPERNODES: &str = "hypernodes";

    /// The cluster that the Nodes make: their tree, and what they offer. The tree is that of the HyperNodes, if any are
    /// given, one level a tier; else by the labels of the levels of the settings. With HyperNodes *and* levels that the
    /// settings [name](crate::Settings::with_levels) there are both: the labels make the primary tree, by which nodes are named
    /// and ordered, and the HyperNodes a second one, [`HYPERNODES`](Self::HYPERNODES).
    ///
    /// Pods that have a node hold their room on it, until they end; where they ask more than the node has, as much as there
    /// is. Nodes that are unschedulable are cordoned.
    ///
    /// Accelerators count as devices, of the node's [kind](Node::kind), or of a kind that is called like their resource. Their resource only tells makes apart: a node that has some offers 64 of it, the most devices there can be,
    /// and a pod asks 1, so that it finds devices of its own make only. `pods` counts pods.
    ///
    /// # Errors
    ///
    /// When the levels of the settings are none that a topology can have, or there are more kinds of devices or resources
    /// than can be counted. HyperNodes that were read without problems are always a tree.
    ///
    /// ```
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let node = "{apiVersion: v1, kind: Node, metadata: {name: gpu-1}, status: {allocatable: {nvidia.com/gpu: 8}}}";
    /// let inventory = Manifests::read([("n.yaml", node)], &Settings::new())?.inventory()?;
    /// assert_eq!(inventory.free_devices_total(), 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inventory(&self) -> Result<Inventory, InventoryError> {
        let topology = Arc::new(self.topology()?);
        let roles = self.servings.iter().flat_map(|serving| &serving.roles);
        let templates = roles.flat_map(|role| [Some(&role.entry), role.worker.as_ref()]).flatten();
        let offered = self.nodes.iter().flat_map(|node| node.amounts().keys());
        let asked = templates.flat_map(|template| template.requests().keys());
        let held = self.pods.iter().flat_map(|pod| pod.requests().keys());
        let names: BTreeSet<&String> = offered.chain(asked).chain(held).collect();
        if names.len() > MAX_RESOURCES {
            return Err(InventoryError::TooManyResources { found: names.len(), max: MAX_RESOURCES });
        }
        let mut inventory = Inventory::new(Arc::clone(&topology));
        for name in names {
            inventory.resource(name);
        }
        for node in &self.nodes {
            let id = topology.node(node.name()).expect("the topology has every node");
            for (name, amount) in node.amounts() {
                let resource = inventory.resource(name);
                inventory.set_capacity(id, resource, *amount)?;
            }
            if let Some((resource, count)) = node.accelerators() {
                let make = inventory.resource(resource);
                inventory.set_capacity(id, make, OFFERED_OF_A_MAKE)?;
                inventory.set_devices(id, count, node.kind().unwrap_or(resource))?;
            }
        }
        let mut transaction = inventory.transaction();
        for pod in &self.pods {
            if let Some(node) = pod.holds().and_then(|name| topology.node(name)) {
                pod.hold(node, &mut transaction);
            }
        }
        // Nobody gives back what is there already.
        let _ = transaction.commit();
        for node in self.nodes.iter().filter(|node| node.is_unschedulable()) {
            inventory.set_cordoned(topology.node(node.name()).expect("the topology has every node"), true);
        }
        Ok(inventory)
    }

    /// What is there already of a group of one of these ModelServings, for planning its [`gang`](ServingGroup::gang): the
    /// Pods that [stay](crate::ClusterPod::stays) run, whatever their containers do, so that only the others are planned; those
    /// that [have ended](crate::ClusterPod::has_ended) ran on their nodes before, and should go back there. A Pod is the
    /// group's by the labels and the name that Kthena gives it, in the namespace of the ModelServing. One that is being
    /// deleted holds its room until it is gone, and counts as gone.
    ///
    /// The inventory is one of [`inventory`](Self::inventory), which holds the room of all Pods. A Pod does not say which
    /// devices it has: those of lowest index are taken to be.
    ///
    /// ```
    /// use phalanx_gang::{Options, Outcome, plan};
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let text = "
    /// {apiVersion: v1, kind: Node, metadata: {name: n1}, status: {allocatable: {nvidia.com/gpu: 8}}}
    /// ---
    /// {apiVersion: v1, kind: Node, metadata: {name: n2}, status: {allocatable: {nvidia.com/gpu: 8}}}
    /// ---
    /// apiVersion: workload.serving.volcano.sh/v1alpha1
    /// kind: ModelServing
    /// metadata: {name: chat}
    /// spec:
    ///   template:
    ///     roles:
    ///     - name: decode
    ///       replicas: 2
    ///       workerReplicas: 0
    ///       entryTemplate: &pod {spec: {containers: [{resources: {limits: {nvidia.com/gpu: 8}}}]}}
    /// ---
    /// apiVersion: v1
    /// kind: Pod
    /// metadata:
    ///   name: chat-0-decode-1-0
    ///   labels:
    ///     modelserving.volcano.sh/name: chat
    ///     modelserving.volcano.sh/group-name: chat-0
    ///     modelserving.volcano.sh/role: decode
    ///     modelserving.volcano.sh/role-id: decode-1
    /// spec: {nodeName: n1, containers: [{resources: {limits: {nvidia.com/gpu: 8}}}]}
    /// status: {phase: Running}
    /// ";
    /// let manifests = Manifests::read([("dump.yaml", text)], &Settings::new())?;
    /// let mut inventory = manifests.inventory()?;
    /// let group = manifests.servings()[0].groups().next().unwrap();
    /// let gang = group.gang(&mut inventory)?;
    /// let options = Options::new().present(manifests.present(&group, &gang, &inventory));
    /// let Outcome::Placed(plan) = plan(&gang, &inventory, &options)? else { panic!("there is room") };
    /// let missing: Vec<_> = plan.placements().filter_map(|place| Some(group.pod(&plan, &place)?.name())).collect();
    /// assert_eq!(missing, ["chat-0-decode-0-0"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn present(&self, group: &ServingGroup<'_>, gang: &Gang, inventory: &Inventory) -> Present {
        self.members(group).fold(Present::new(), |present, (pod, there)| {
            let node = there.node().and_then(|name| inventory.topology().node(name));
            match (node, pod.id(gang)) {
                (Some(node), Some(id)) if there.stays().is_some() => present.running(id, node),
                (Some(node), Some(id)) if there.has_ended() => present.former(id, node),
                _ => present,
            }
        })
    }

    /// The Pods of a group of one of these ModelServings, with the pod that each is.
    ///
    /// ```
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let text = "
    /// apiVersion: workload.serving.volcano.sh/v1alpha1
    /// kind: ModelServing
    /// metadata: {name: chat}
    /// spec:
    ///   template:
    ///     roles: [{name: decode, workerReplicas: 0, entryTemplate: {spec: {containers: [{}]}}}]
    /// ";
    /// let manifests = Manifests::read([("chat.yaml", text)], &Settings::new())?;
    /// assert_eq!(manifests.members(&manifests.servings()[0].groups().next().unwrap()).count(), 0, "no Pod is given");
    /// # Ok::<(), phalanx_manifest::Problems>(())
    /// ```
    pub fn members<'a>(
        &'a self,
        group: &ServingGroup<'a>,
    ) -> impl Iterator<Item = (Pod<'a>, &'a ClusterPod)> + use<'a> {
        let serving = self.servings.iter().position(|serving| serving.name == *group.serving().name());
        let members = serving.and_then(|serving| self.members.get(&(serving, group.ordinal())));
        let group = *group;
        let all = members.into_iter().flatten();
        all.filter_map(move |(at, member)| Some((member.pod(group)?, &self.pods[*at])))
    }

    /// The Pods that name a PodGroup, in the order in which they were read.
    pub(crate) fn pods_of(&self, group: &ObjectName) -> impl Iterator<Item = &ClusterPod> {
        self.grouped.get(group).into_iter().flatten().map(|at| &self.pods[*at])
    }

    /// Whether a PodGroup is that of a group of one of these ModelServings, which is planned by itself: see
    /// [`ServingGroup::pod_group`].
    ///
    /// ```
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let text = "
    /// {apiVersion: scheduling.volcano.sh/v1beta1, kind: PodGroup, metadata: {name: train}, spec: {minMember: 2}}
    /// ";
    /// let manifests = Manifests::read([("train.yaml", text)], &Settings::new())?;
    /// assert!(!manifests.is_of_serving(&manifests.pod_groups()[0]));
    /// # Ok::<(), phalanx_manifest::Problems>(())
    /// ```
    #[must_use]
    pub fn is_of_serving(&self, group: &PodGroup) -> bool {
        let serving = group.labels.get(SERVING_NAME);
        serving.is_some_and(|name| {
            let name = ObjectName::new(group.name.namespace(), name);
            self.servings.iter().any(|serving| serving.name == name)
        })
    }

    /// The tree or trees.
    fn topology(&self) -> Result<Topology, InventoryError> {
        let by_labels = || {
            let rows = self.nodes.iter().map(|node| (node.name(), node.labels()));
            Topology::from_labels(self.settings.levels(), rows).map_err(InventoryError::Topology)
        };
        if self.hypernodes.is_empty() {
            return by_labels();
        }
        let rows = self.hypernodes.iter().map(HyperNode::row);
        let tree = Topology::from_hypernodes(rows, self.nodes.iter().map(Node::name));
        let tree = tree.map_err(InventoryError::HyperNodes)?;
        if !self.settings.names_levels() {
            return Ok(tree);
        }
        by_labels()?.with_tree(Self::HYPERNODES, &tree).map_err(InventoryError::HyperNodes)
    }

    /// The routes by model and adapter. Targets name their servers and providers as `namespace/name`, as [`ObjectName`]
    /// displays, and the model as their server serves it; see [`server`](Self::server).
    ///
    /// # Errors
    ///
    /// None for manifests that were read without problems.
    ///
    /// ```
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let table = Manifests::read([("empty.yaml", "")], &Settings::new())?.route_table()?;
    /// assert_eq!(table.models().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn route_table(&self) -> Result<RouteTable, RoutesError> {
        let served: BTreeMap<&ObjectName, &str> =
            self.servers.iter().filter_map(|server| Some((&server.name, server.model()?))).collect();
        Ok(RouteTable::new(self.routes.iter().map(|route| converted(route, &served)))?)
    }

    /// The HTTPRoutes by how specific they are. Backends name their InferencePools as `namespace/name`.
    ///
    /// # Errors
    ///
    /// None for manifests that were read without problems.
    ///
    /// ```
    /// use phalanx_manifest::{Manifests, Settings};
    /// use phalanx_routing::{Listener, RequestHead};
    ///
    /// let text = "
    /// apiVersion: gateway.networking.k8s.io/v1
    /// kind: HTTPRoute
    /// metadata: {name: chat}
    /// spec:
    ///   rules:
    ///   - matches: [{path: {value: /v1/chat}}]
    ///     backendRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: llama}]
    /// ";
    /// let table = Manifests::read([("chat.yaml", text)], &Settings::new())?.http_route_table()?;
    /// let head = RequestHead { path: "/v1/chat/completions", ..RequestHead::default() };
    /// let found = table.find(&head, Listener::Default, 7)?;
    /// assert_eq!(found.backend().map(|backend| backend.pool()), Some("default/llama"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn http_route_table(&self) -> Result<HttpRouteTable, HttpRoutesError> {
        Ok(HttpRouteTable::new(self.http_routes.iter().map(|route| route.route.clone()))?)
    }

    /// The HTTP listeners of all Gateways.
    ///
    /// ```
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let text = "
    /// apiVersion: gateway.networking.k8s.io/v1
    /// kind: Gateway
    /// metadata: {name: edge}
    /// spec: {gatewayClassName: phalanx, listeners: [{name: http, port: 80, protocol: HTTP, hostname: '*.example.com'}]}
    /// ";
    /// let listeners = Manifests::read([("edge.yaml", text)], &Settings::new())?.listeners();
    /// assert_eq!(listeners.choose("chat.example.com", 80).map(|listener| listener.gateway()), Some("edge"));
    /// # Ok::<(), phalanx_manifest::Problems>(())
    /// ```
    #[must_use]
    pub fn listeners(&self) -> Listeners {
        Listeners::new(self.gateways.iter().flat_map(|gateway| gateway.listeners.iter().cloned()))
    }

    /// The ModelServer of a name as route targets give it: `namespace/name`.
    ///
    /// ```
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// assert!(Manifests::read([("empty.yaml", "")], &Settings::new())?.server("default/chat").is_none());
    /// # Ok::<(), phalanx_manifest::Problems>(())
    /// ```
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&ModelServer> {
        self.servers.iter().find(|server| server.name.to_string() == name)
    }
}

/// A route as the routing crate has it; `served` has the names under which servers serve their models.
fn converted(route: &ModelRoute, served: &BTreeMap<&ObjectName, &str>) -> phalanx_routing::ModelRoute {
    let named = |name: &str| ObjectName::new(route.name.namespace(), name);
    let target = |target: &RouteTarget| {
        let to = match (target.server().map(named), target.provider()) {
            (Some(server), _) => {
                let model = served.get(&server).copied();
                model.into_iter().fold(Target::to(server.to_string()), Target::serving)
            }
            (None, provider) => Target::external(named(provider.unwrap_or_default()).to_string()),
        };
        to.with_weight(target.weight())
    };
    let rules = route.rules.iter().map(|rule| {
        let targets = rule.targets().iter().map(target);
        Rule::new(targets).when(rule.condition().clone()).with_name(rule.name())
    });
    let made = phalanx_routing::ModelRoute::with_rules(route.name.to_string(), route.model(), rules)
        .with_adapters(route.adapters.iter().cloned())
        .with_parents(route.parents.iter().cloned());
    route.created.into_iter().fold(made, |made, created| made.with_age(created, route.version))
}
