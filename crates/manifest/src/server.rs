//! ModelServers.

use core::time::Duration;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::duration;
use crate::field::{Field, Fields};
use crate::name::{Metadata, ObjectName, is_label_key, some_labels};
use crate::problem::Place;
use crate::serving::{GROUP_NAME, ROLE_ID};

/// The pods that serve a model, and how they are spoken to.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelServer {
    pub(crate) name: ObjectName,
    pub(crate) model: Option<String>,
    pub(crate) engine: InferenceEngine,
    pub(crate) port: u16,
    pub(crate) timeout: Option<Duration>,
    pub(crate) kv_connector: Option<KvConnector>,
    pub(crate) selector: ServerSelector,
    pub(crate) json: Json,
}

/// Which engine the pods run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InferenceEngine {
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
}

/// What hands the KV of prefill pods to decode pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KvConnector {
    /// A store that all pods share, of which requests say nothing.
    Http,
    /// LMCache, likewise.
    Lmcache,
    /// vLLM's NIXL connector.
    Nixl,
    /// Mooncake, spoken to as NIXL.
    Mooncake,
}

/// Which pods of its namespace a ModelServer sends requests to.
///
/// ```
/// use std::collections::BTreeMap;
/// use phalanx_manifest::{Manifests, Phase, Settings};
///
/// let text = "
/// apiVersion: networking.serving.volcano.sh/v1alpha1
/// kind: ModelServer
/// metadata: {name: chat}
/// spec:
///   inferenceEngine: vLLM
///   workloadPort: {port: 8000}
///   workloadSelector:
///     matchLabels: {app: chat}
///     pdGroup:
///       groupKey: group
///       prefillLabels: {role: prefill}
///       decodeLabels: {role: decode}
/// ";
/// let manifests = Manifests::read([("server.yaml", text)], &Settings::new())?;
/// let selector = manifests.servers()[0].selector();
/// let pod = |labels: &[(&str, &str)]| -> BTreeMap<String, String> {
///     labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
/// };
/// let part = selector.matches(&pod(&[("app", "chat"), ("role", "decode"), ("group", "chat-0")])).unwrap();
/// assert_eq!((part.phase, part.group.as_str()), (Phase::Decode, "chat-0"));
/// assert!(selector.matches(&pod(&[("app", "other")])).is_none());
/// # Ok::<(), phalanx_manifest::Problems>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSelector {
    labels: BTreeMap<String, String>,
    pairing: Option<Pairing>,
}

/// How prefill pods and decode pods find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pairing {
    group_key: String,
    prefill: BTreeMap<String, String>,
    decode: BTreeMap<String, String>,
}

/// What a selected pod does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// Which requests it takes.
    pub phase: Phase,
    /// Its pairing group: prefill and decode go together only inside one. Empty for pods that do both.
    pub group: String,
}

/// Which phase of a request a pod computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Prompts only.
    Prefill,
    /// Answers only.
    Decode,
    /// Whole requests.
    Both,
}

impl ModelServer {
    /// The server, and where its selector stands.
    pub(crate) fn read(metadata: &Metadata, object: &mut Fields<'_>) -> Option<(Self, Place)> {
        let mut spec = object.require("spec", "a ModelServer's spec")?.fields()?;
        let model = spec.get("model").and_then(|field| {
            let text = field.non_empty()?;
            if text.chars().count() > 256 {
                field.wrong(format!("{} characters", text.chars().count()), "256 at most");
            }
            Some(text.to_owned())
        });
        let engine = spec.require("inferenceEngine", "vLLM or SGLang").and_then(|field| {
            Some([InferenceEngine::Vllm, InferenceEngine::Sglang][field.choice(&["vLLM", "SGLang"])?])
        });
        let selector_field = spec.require("workloadSelector", "the labels of the pods");
        let selector = selector_field.as_ref().and_then(selector);
        let port = spec.require("workloadPort", "the port of the pods").and_then(|field| port(&field));
        let timeout = spec.get("trafficPolicy").and_then(|field| traffic(&field));
        let kv_connector = spec.get("kvConnector").and_then(|field| {
            let mut fields = field.fields()?;
            let kinds = [KvConnector::Http, KvConnector::Lmcache, KvConnector::Nixl, KvConnector::Mooncake];
            let chosen = fields.get("type").and_then(|field| field.choice(&["http", "lmcache", "nixl", "mooncake"]));
            fields.finish();
            chosen.map(|chosen| kinds[chosen])
        });
        spec.finish();
        let (name, json) = (metadata.object_name(), object.field().json());
        let server =
            Self { name, model, engine: engine?, port: port?, timeout, kv_connector, selector: selector?, json };
        Some((server, selector_field?.place()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The name under which the pods serve the model, when requests are to be rewritten to it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Which engine the pods run.
    #[must_use]
    pub fn engine(&self) -> InferenceEngine {
        self.engine
    }

    /// The port of the pods.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How long a pod may take until its response head; above 0.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// What hands KV from prefill pods to decode pods, where it says so.
    #[must_use]
    pub fn kv_connector(&self) -> Option<KvConnector> {
        self.kv_connector
    }

    /// Which pods of its namespace it has.
    #[must_use]
    pub fn selector(&self) -> &ServerSelector {
        &self.selector
    }

    /// The manifest, whole.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }
}

impl ServerSelector {
    /// What a pod with these labels does for the server; `None` when it does nothing for it. A pod that both sets of
    /// pairing labels describe decodes. Ask it about entry pods: workers often have the same labels but take no requests.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> Option<Part> {
        let has = |wanted: &BTreeMap<String, String>| wanted.iter().all(|(key, value)| labels.get(key) == Some(value));
        if !has(&self.labels) {
            return None;
        }
        let Some(pairing) = &self.pairing else { return Some(Part { phase: Phase::Both, group: String::new() }) };
        let group = labels.get(&pairing.group_key)?.clone();
        if has(&pairing.decode) {
            Some(Part { phase: Phase::Decode, group })
        } else if has(&pairing.prefill) {
            Some(Part { phase: Phase::Prefill, group })
        } else {
            None
        }
    }

    /// Whether it tells the replicas of one role apart.
    pub(crate) fn names_a_replica(&self) -> bool {
        let sets = self.pairing.iter().flat_map(|pairing| [&pairing.prefill, &pairing.decode]).chain([&self.labels]);
        sets.flat_map(BTreeMap::keys).any(|key| key == GROUP_NAME || key == ROLE_ID)
    }

    /// Whether prefill and decode are separate.
    #[must_use]
    pub fn is_disaggregated(&self) -> bool {
        self.pairing.is_some()
    }
}

fn selector(field: &Field<'_>) -> Option<ServerSelector> {
    let mut fields = field.fields()?;
    let labels = fields.require("matchLabels", "at least one label").map(|field| some_labels(&field));
    let pairing = fields.get("pdGroup").map(|field| pairing(&field));
    fields.finish();
    let pairing = match pairing {
        Some(pairing) => Some(pairing?),
        None => None,
    };
    Some(ServerSelector { labels: labels?, pairing })
}

fn pairing(field: &Field<'_>) -> Option<Pairing> {
    let mut fields = field.fields()?;
    let group_key = fields.require("groupKey", "a label key").and_then(|field| {
        let key = field.text()?;
        is_label_key(key).then(|| key.to_owned()).or_else(|| {
            field.expected("a label key");
            None
        })
    });
    let prefill = fields.require("prefillLabels", "at least one label").map(|field| some_labels(&field));
    let decode = fields.require("decodeLabels", "at least one label").map(|field| some_labels(&field));
    fields.finish();
    Some(Pairing { group_key: group_key?, prefill: prefill?, decode: decode? })
}

fn port(field: &Field<'_>) -> Option<u16> {
    let mut fields = field.fields()?;
    let port = fields.require("port", "a port from 1 to 65535").and_then(|field| field.integer(1..=65535));
    if let Some(field) = fields.get("protocol")
        && field.choice(&["http", "https"]) == Some(1)
    {
        field.warn("not acted on in this release: pods are spoken to over http");
    }
    fields.finish();
    port.and_then(|port| u16::try_from(port).ok())
}

fn traffic(field: &Field<'_>) -> Option<Duration> {
    let mut fields = field.fields()?;
    let timeout = fields.get("timeout").and_then(|field| {
        let timeout = time(&field)?;
        if timeout.is_zero() {
            field.expected("a duration above 0 like 30s, 1m30s or 100ms");
            return None;
        }
        Some(timeout)
    });
    if let Some(field) = fields.not_acted_on("retry", "not acted on in this release: retries are the gateway's own")
        && let Some(mut retry) = field.fields()
    {
        if let Some(attempts) = retry.require("attempts", "how often, 0 or more") {
            attempts.count();
        }
        if let Some(interval) = retry.get("retryInterval") {
            time(&interval);
        }
        retry.finish();
    }
    fields.finish();
    timeout
}

fn time(field: &Field<'_>) -> Option<Duration> {
    let time = match &field.tree.value {
        crate::tree::Value::Text(text) => duration::parse(text),
        _ => None,
    };
    if time.is_none() {
        field.expected("a duration like 30s, 1m30s or 100ms");
    }
    time
}
