//! Many manifests at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::field::Field;
use crate::gateway::Gateway;
use crate::http_route::HttpRoute;
use crate::hypernode::{HyperNode, HyperNodePlaces};
use crate::name::{Metadata, ObjectName};
use crate::node::Node;
use crate::pod::{ClusterPod, PodPlaces};
use crate::podgroup::PodGroup;
use crate::policy::PolicyPlace;
use crate::problem::{Place, Problem, Problems, Sink, Warning};
use crate::route::{ModelRoute, RoutePlaces};
use crate::server::ModelServer;
use crate::serving::{Member, ModelServing};
use crate::settings::Settings;
use crate::tree::{self, Value};

mod check;
mod convert;

pub use convert::{HttpRoutesError, InventoryError, RoutesError};

/// Everything that a set of sources says, valid as a whole. Objects stand in the order in which they were read.
///
/// ```
/// use phalanx_manifest::{Manifests, Settings};
///
/// let node = "
/// apiVersion: v1
/// kind: Node
/// metadata: {name: gpu-1, labels: {topology.kubernetes.io/rack: r1}}
/// status: {allocatable: {cpu: 96, nvidia.com/gpu: 8}}
/// ";
/// let manifests = Manifests::read([("node.yaml", node)], &Settings::new())?;
/// assert_eq!(manifests.nodes()[0].accelerators(), Some(("nvidia.com/gpu", 8)));
/// assert_eq!(manifests.nodes()[0].amounts()["cpu"], 96_000);
/// # Ok::<(), phalanx_manifest::Problems>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Manifests {
    settings: Settings,
    nodes: Vec<Node>,
    hypernodes: Vec<HyperNode>,
    servings: Vec<ModelServing>,
    pods: Vec<ClusterPod>,
    pod_groups: Vec<PodGroup>,
    /// The Pods that name each PodGroup.
    grouped: BTreeMap<ObjectName, Vec<usize>>,
    /// The Pods that belong to each group of a ModelServing, by the positions of both.
    members: BTreeMap<(usize, u32), Vec<(usize, Member)>>,
    servers: Vec<ModelServer>,
    routes: Vec<ModelRoute>,
    gateways: Vec<Gateway>,
    http_routes: Vec<HttpRoute>,
    warnings: Vec<Warning>,
}

/// Kinds that are read, with the API that has them.
const KINDS: [(&str, &str); 9] = [
    ("PodGroup", "scheduling.volcano.sh/v1beta1"),
    ("Pod", "v1"),
    ("Node", "v1"),
    ("HyperNode", "topology.volcano.sh/v1alpha1"),
    ("ModelServing", "workload.serving.volcano.sh/v1alpha1"),
    ("ModelServer", "networking.serving.volcano.sh/v1alpha1"),
    ("ModelRoute", "networking.serving.volcano.sh/v1alpha1"),
    ("Gateway", "gateway.networking.k8s.io/v1"),
    ("HTTPRoute", "gateway.networking.k8s.io/v1"),
];

/// Kinds whose names are those of other APIs' kinds as well.
const SHARED_KINDS: [&str; 2] = ["PodGroup", "Gateway"];

/// What was read so far, and where each object stands by kind and name.
struct Reading<'a> {
    settings: &'a Settings,
    found: Manifests,
    seen: BTreeMap<(&'static str, String), Place>,
    /// What each HyperNode says of others, and where.
    hypernodes: Vec<HyperNodePlaces>,
    /// Where the policies of each ModelServing stand.
    policies: Vec<Vec<PolicyPlace>>,
    /// Where the policies of each PodGroup stand.
    group_policies: Vec<Vec<PolicyPlace>>,
    /// Where each Pod stands.
    pods: Vec<PodPlaces>,
    /// Where the selector of each server stands.
    selectors: Vec<Place>,
    /// Where each route stands, and what it names.
    routes: Vec<RoutePlaces>,
    problems: Vec<Problem>,
}

impl Manifests {
    /// Reads sources, each with a name for messages (a file's path) and its text: YAML with any number of documents, or
    /// JSON. Kinds other than Node, HyperNode, Pod, PodGroup, ModelServing, ModelServer,
    /// ModelRoute, Gateway and HTTPRoute are passed over with a warning.
    ///
    /// # Errors
    ///
    /// All problems of all sources: text that does not parse, fields that are unknown or hold what they must not, objects
    /// given twice, references to objects that are not there.
    ///
    /// ```
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let text = "apiVersion: v1\nkind: Node\nmetadata:\n  name: gpu-1\nspec:\n  unschedulable: maybe\n";
    /// let problems = Manifests::read([("node.yaml", text)], &Settings::new()).unwrap_err();
    /// assert_eq!(
    ///     problems.to_string(),
    ///     "node.yaml:6: Node gpu-1: spec.unschedulable: found \"maybe\", expected true or false"
    /// );
    /// ```
    pub fn read<'s>(
        sources: impl IntoIterator<Item = (&'s str, &'s str)>,
        settings: &Settings,
    ) -> Result<Self, Problems> {
        let mut reading = Reading {
            settings,
            found: Self {
                settings: settings.clone(),
                nodes: Vec::new(),
                hypernodes: Vec::new(),
                servings: Vec::new(),
                pods: Vec::new(),
                pod_groups: Vec::new(),
                grouped: BTreeMap::new(),
                members: BTreeMap::new(),
                servers: Vec::new(),
                routes: Vec::new(),
                gateways: Vec::new(),
                http_routes: Vec::new(),
                warnings: Vec::new(),
            },
            seen: BTreeMap::new(),
            hypernodes: Vec::new(),
            policies: Vec::new(),
            group_policies: Vec::new(),
            pods: Vec::new(),
            selectors: Vec::new(),
            routes: Vec::new(),
            problems: Vec::new(),
        };
        let mut order = Vec::new();
        for (file, text) in sources {
            let sink = Sink::new(file);
            for tree in tree::documents(text, &sink) {
                reading.object(&Field::root(&sink, &tree));
            }
            reading.problems.extend(sink.problems.into_inner());
            reading.found.warnings.extend(sink.warnings.into_inner());
            order.push(sink.file);
        }
        check::references(&mut reading);
        let Reading { mut found, mut problems, .. } = reading;
        let position = |file: &Arc<str>| order.iter().position(|other| other == file);
        problems.sort_by_cached_key(|problem| (position(&problem.file), problem.line));
        found.warnings.sort_by_cached_key(|warning| (position(&warning.file), warning.line));
        match Problems::of(problems) {
            Some(problems) => Err(problems),
            None => Ok(found),
        }
    }

    /// The Nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The HyperNodes.
    #[must_use]
    pub fn hypernodes(&self) -> &[HyperNode] {
        &self.hypernodes
    }

    /// The ModelServings.
    #[must_use]
    pub fn servings(&self) -> &[ModelServing] {
        &self.servings
    }

    /// The Pods.
    #[must_use]
    pub fn pods(&self) -> &[ClusterPod] {
        &self.pods
    }

    /// Volcano's PodGroups.
    #[must_use]
    pub fn pod_groups(&self) -> &[PodGroup] {
        &self.pod_groups
    }

    /// The ModelServers.
    #[must_use]
    pub fn servers(&self) -> &[ModelServer] {
        &self.servers
    }

    /// The ModelRoutes.
    #[must_use]
    pub fn routes(&self) -> &[ModelRoute] {
        &self.routes
    }

    /// The Gateways.
    #[must_use]
    pub fn gateways(&self) -> &[Gateway] {
        &self.gateways
    }

    /// The HTTPRoutes.
    #[must_use]
    pub fn http_routes(&self) -> &[HttpRoute] {
        &self.http_routes
    }

    /// What is valid but not acted on in this release, in the order of the sources and their lines.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How they were read.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl Reading<'_> {
    /// Reads one object, or the objects of a list.
    fn object(&mut self, root: &Field<'_>) {
        root.sink.object.borrow_mut().clear();
        let Some(mut object) = root.fields() else { return };
        let api = object.require("apiVersion", "an API group and version").and_then(|field| field.text());
        let kind_field = object.require("kind", "a kind");
        let (Some(kind_field), Some(kind)) = (&kind_field, kind_field.as_ref().and_then(Field::text)) else { return };
        if kind.ends_with("List")
            && let Some(items) = object.get("items")
        {
            items.list().unwrap_or_default().iter().for_each(|item| self.object(item));
            return;
        }
        root.sink.object.replace(label(root, kind));
        let Some(&(kind, wanted)) = KINDS.iter().find(|(known, _)| *known == kind) else {
            kind_field.warn(format!("{kind} is not read in this release"));
            return;
        };
        if let Some(api) = api.filter(|api| SHARED_KINDS.contains(&kind) && group_of(api) != group_of(wanted)) {
            // Others have kinds of these names too.
            kind_field.warn(format!("{kind} of {api} is not read in this release"));
            return;
        }
        if let Some(api) = api
            && api != wanted
            && let Some(field) = object.get("apiVersion")
        {
            field.expected(wanted);
        }
        let metadata = Metadata::read(&mut object);
        let named = metadata.is_some();
        let metadata = metadata.unwrap_or_else(|| Metadata { name: "unnamed".to_owned(), ..Metadata::default() });
        if named {
            self.count(kind, &metadata, root);
        }
        object.get("status");
        match kind {
            "Node" => self.found.nodes.push(Node::read(metadata, &mut object)),
            "HyperNode" => {
                if let Some((row, places)) = HyperNode::read(metadata, &mut object) {
                    self.found.hypernodes.push(row);
                    self.hypernodes.push(places);
                }
            }
            "Pod" => {
                if let Some((pod, places)) = ClusterPod::read(&metadata, &mut object) {
                    self.found.pods.push(pod);
                    self.pods.push(places);
                }
            }
            "PodGroup" => {
                if let Some((group, places)) = PodGroup::read(metadata, &mut object) {
                    self.found.pod_groups.push(group);
                    self.group_policies.push(places);
                }
            }
            "ModelServing" => {
                if let Some((serving, places)) = ModelServing::read(metadata, &mut object) {
                    self.found.servings.push(serving);
                    self.policies.push(places);
                }
            }
            "ModelServer" => {
                if let Some((server, place)) = ModelServer::read(&metadata, &mut object) {
                    self.found.servers.push(server);
                    self.selectors.push(place);
                }
            }
            "Gateway" => self.found.gateways.extend(Gateway::read(&metadata, &mut object)),
            "HTTPRoute" => self.found.http_routes.extend(HttpRoute::read(&metadata, &mut object)),
            _ => {
                if let Some((route, places)) = ModelRoute::read(&metadata, &mut object) {
                    self.found.routes.push(route);
                    self.routes.push(places);
                }
            }
        }
        object.finish();
    }

    /// Notes that the object is there, once.
    fn count(&mut self, kind: &'static str, metadata: &Metadata, root: &Field<'_>) {
        let name = if is_cluster_wide(kind) { metadata.name.clone() } else { metadata.object_name().to_string() };
        let place = root.place();
        if let Some(first) = self.seen.get(&(kind, name.clone())) {
            let expected = format!("each object once; the first is at {}:{}", first.file, first.line);
            self.problems.push(place.problem(format!("a second {kind} {name}"), expected));
        } else {
            self.seen.insert((kind, name), place);
        }
    }
}

/// The group of an API's name and version.
fn group_of(api: &str) -> &str {
    api.split_once('/').map_or("", |(group, _)| group)
}

/// Whether objects of a kind are in no namespace.
fn is_cluster_wide(kind: &str) -> bool {
    matches!(kind, "Node" | "HyperNode")
}

/// How messages name an object: its kind, namespace and name, as far as they can be read.
fn label(root: &Field<'_>, kind: &str) -> String {
    let get = |tree: &Value, key: &str| match tree {
        Value::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, tree)| tree.value.clone()),
        _ => None,
    };
    let metadata = get(&root.tree.value, "metadata").unwrap_or(Value::Null);
    match (get(&metadata, "name"), get(&metadata, "namespace")) {
        (Some(Value::Text(name)), _) if is_cluster_wide(kind) => format!("{kind} {name}"),
        (Some(Value::Text(name)), Some(Value::Text(namespace))) => format!("{kind} {namespace}/{name}"),
        (Some(Value::Text(name)), _) => format!("{kind} default/{name}"),
        _ => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests;
