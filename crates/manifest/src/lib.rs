//! Kubernetes and Kthena manifests: read with places, checked as a whole, and turned into what the other rooms work on.
//!
//! [`Manifests::read`] takes texts and their names and gives either everything that they say or everything that is wrong
//! with them, each [`Problem`] with file, line, field, what was found and what was expected. Unknown fields are problems,
//! as under `kubectl --validate=strict`; pod specs and status are the cluster's business and stay open. What is valid
//! but not acted on in this release is kept and listed as a [`Warning`]. Read are Node and Pod, Volcano's HyperNode and
//! PodGroup, and Kthena's ModelServing, ModelServer and ModelRoute with the API groups, fields and defaults that their
//! makers give them.
//!
//! Then [`Manifests::inventory`] is the cluster, with the room that Pods hold. [`ModelServing::groups`] are the gangs to
//! place on it with the names and labels of their pods, and [`Manifests::present`] is what runs of them already;
//! [`PodGroup::gang`] is a gang of Pods of any other origin, and [`ServingGroup::pod_group`] the way back.
//! [`Manifests::route_table`] says which server has which model, and a [`ServerSelector`] which pods a server has.
//!
//! This crate reads no files and talks to no cluster.
//!
//! ```
//! use phalanx_manifest::{Manifests, Settings};
//!
//! let text = "
//! apiVersion: v1
//! kind: Node
//! metadata:
//!   name: gpu-1
//!   labels: {topology.kubernetes.io/rack: rack-1}
//! status:
//!   allocatable: {nvidia.com/gpu: 8}
//! ---
//! apiVersion: workload.serving.volcano.sh/v1alpha1
//! kind: ModelServing
//! metadata: {name: chat}
//! spec:
//!   replicas: 2
//!   template:
//!     roles:
//!     - name: decode
//!       workerReplicas: 0
//!       entryTemplate:
//!         spec: {containers: [{name: engine, resources: {limits: {nvidia.com/gpu: 4}}}]}
//! ";
//! let manifests = Manifests::read([("chat.yaml", text)], &Settings::new())?;
//! let mut inventory = manifests.inventory()?;
//! for group in manifests.servings()[0].groups() {
//!     assert_eq!(group.gang(&mut inventory)?.max_pods(), 1);
//!     assert_eq!(group.pods().map(|pod| pod.name()).collect::<Vec<_>>(), [format!("{}-decode-0-0", group.name())]);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "api")]
pub mod api;
mod demand;
mod duration;
mod field;
mod gateway;
mod http_route;
mod hypernode;
mod manifests;
mod name;
mod node;
mod parent;
mod pod;
mod podgroup;
mod policy;
mod problem;
mod quantity;
mod resources;
mod route;
mod selector;
mod server;
mod serving;
mod settings;
mod template;
mod time;
mod tree;

pub use gateway::Gateway;
pub use http_route::HttpRoute;
pub use hypernode::HyperNode;
pub use manifests::{HttpRoutesError, InventoryError, Manifests, RoutesError};
pub use name::ObjectName;
pub use node::Node;
pub use pod::{ClusterPod, PodPhase};
pub use podgroup::{PodGroup, PodGroupError, PodGroupGang, SubGroupPolicy};
pub use policy::{TopologyMode, TopologyPolicy};
pub use problem::{Problem, Problems, Warning};
pub use quantity::{Quantity, QuantityError};
pub use route::{ModelRoute, RouteRule, RouteTarget};
pub use server::{InferenceEngine, KvConnector, ModelServer, Part, Phase, ServerSelector};
pub use serving::{GroupError, ModelServing, Pod, Role, ServingGroup};
pub use settings::Settings;
pub use template::PodTemplate;
