//! Plugins: what changes pods before they are created.

mod leader_worker_set;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

pub(crate) use self::leader_worker_set::{NAME as LWS_NAME, WORKER_INDEX as LWS_WORKER_INDEX};
use crate::{PodKey, Spec};

/// One step of the chain that changes pods before they are created: its name, which pods it is for, and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Its name: one of [`Plugin::KNOWN`].
    pub name: String,
    /// Its type, as it is written: `BuiltIn` is the only one.
    pub kind: String,
    /// The roles whose pods it is for; all of them when it names none.
    pub roles: Vec<String>,
    /// Which pods of these roles it is for.
    pub target: Target,
    /// What `demo-pod-tweaks` does. `lws-standard-labels` has no settings.
    pub config: Tweaks,
}

/// Which pods of a role a plugin is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// All of them.
    #[default]
    All,
    /// The entries.
    Entry,
    /// The workers.
    Worker,
}

/// What goes over a pod's template: all that plugins ask, in the order of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tweaks {
    /// `spec.runtimeClassName`.
    pub runtime_class: Option<String>,
    /// `spec.hostname`.
    pub hostname: Option<String>,
    /// `spec.subdomain`.
    pub subdomain: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Variables to add to every container and init container, after its own.
    pub env: Vec<Variable>,
}

/// A variable of a container's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// As it is.
    Text(String),
    /// From elsewhere (`valueFrom`), in whatever form the caller wrote it; it is handed back unread.
    From(String),
}

/// What is wrong with a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PluginError {
    /// There is no plugin of this name.
    #[error("name: {0:?} is not known, expected one of demo-pod-tweaks, lws-standard-labels")]
    Unknown(String),
    /// Plugins from elsewhere are not run.
    #[error("type: {0:?} is not known, expected BuiltIn")]
    Kind(String),
    /// A scope that names what is not there.
    #[error("scope.roles: there is no role {0:?}")]
    Role(String),
}

const TWEAKS: &str = "demo-pod-tweaks";
const LWS: &str = "lws-standard-labels";

impl Variable {
    /// A variable with a value as it is.
    ///
    /// ```
    /// use phalanx_serving::{Value, Variable};
    ///
    /// assert_eq!(Variable::new("GROUP_SIZE", "4").value, Value::Text("4".to_owned()));
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Value::Text(value.into()) }
    }
}

impl Plugin {
    /// The names of the plugins that there are.
    pub const KNOWN: [&'static str; 2] = [TWEAKS, LWS];

    /// A plugin for all pods, without settings.
    ///
    /// ```
    /// use phalanx_serving::{Plugin, Role, Spec, Target, TemplateRef, Tweaks, tweaks};
    /// use phalanx_serving::ReplicaKey;
    ///
    /// let mut gvisor = Plugin::new("demo-pod-tweaks");
    /// gvisor.config.runtime_class = Some("gvisor".to_owned());
    /// gvisor.target = Target::Worker;
    /// let role = Role::new("decode", TemplateRef::new("entry", 1)).workers(1, TemplateRef::new("worker", 2));
    /// let mut spec = Spec::new("default", "chat", [role]);
    /// spec.plugins.push(gvisor);
    ///
    /// let replica = ReplicaKey::new(0, "decode", 0);
    /// assert_eq!(tweaks(&spec, &replica.pod(0), 2), Tweaks::default());
    /// assert_eq!(tweaks(&spec, &replica.pod(1), 2).runtime_class.as_deref(), Some("gvisor"));
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: "BuiltIn".to_owned(),
            roles: Vec::new(),
            target: Target::All,
            config: Tweaks::default(),
        }
    }

    /// Whether it is known and names roles that there are.
    pub(crate) fn check(&self, roles: &BTreeSet<&str>) -> Result<(), PluginError> {
        if !Self::KNOWN.contains(&self.name.as_str()) {
            return Err(PluginError::Unknown(self.name.clone()));
        }
        if self.kind != "BuiltIn" {
            return Err(PluginError::Kind(self.kind.clone()));
        }
        match self.roles.iter().find(|role| !roles.contains(role.as_str())) {
            Some(role) => Err(PluginError::Role(role.clone())),
            None => Ok(()),
        }
    }

    fn is_for(&self, pod: &PodKey) -> bool {
        let of_role = self.roles.is_empty() || self.roles.contains(&pod.of.role);
        let of_kind = match self.target {
            Target::All => true,
            Target::Entry => pod.is_entry(),
            Target::Worker => !pod.is_entry(),
        };
        of_role && of_kind
    }
}

/// What the plugins of a ModelServing do to a pod, which is one of `size` in its role replica. Plugins that are not known do
/// nothing; [`Spec::check`] refuses them.
#[must_use]
pub fn tweaks(spec: &Spec, pod: &PodKey, size: u32) -> Tweaks {
    let mut whole = Tweaks::default();
    for plugin in spec.plugins.iter().filter(|plugin| plugin.is_for(pod)) {
        match plugin.name.as_str() {
            TWEAKS => whole.put(plugin.config.clone()),
            LWS => whole.put(leader_worker_set::tweaks(spec, pod, size)),
            _ => {}
        }
    }
    whole
}

impl Tweaks {
    /// Puts others over these.
    fn put(&mut self, other: Self) {
        self.runtime_class = other.runtime_class.or(self.runtime_class.take());
        self.hostname = other.hostname.or(self.hostname.take());
        self.subdomain = other.subdomain.or(self.subdomain.take());
        self.labels.extend(other.labels);
        self.annotations.extend(other.annotations);
        self.env.extend(other.env);
    }
}

impl Spec {
    /// Whether its pods are to look like those of the LeaderWorkerSet that it was made from.
    pub(crate) fn looks_like(&self) -> Option<&str> {
        let asked = self.plugins.iter().any(|plugin| plugin.name == LWS);
        self.leader_worker_set.as_deref().filter(|_| asked)
    }
}
