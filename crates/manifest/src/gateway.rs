//! Gateways of Gateway API.

use phalanx_routing::GatewayListener;
use serde_json::Value as Json;

use crate::field::{Field, Fields};
use crate::name::{Metadata, ObjectName, hostname};

/// Where HTTP requests come in.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    pub(crate) name: ObjectName,
    class: String,
    pub(crate) listeners: Vec<GatewayListener>,
    json: Json,
}

impl Gateway {
    pub(crate) fn read(metadata: &Metadata, object: &mut Fields<'_>) -> Option<Self> {
        let mut spec = object.require("spec", "a Gateway's spec")?.fields()?;
        let class = spec.require("gatewayClassName", "a GatewayClass's name").and_then(|field| field.non_empty());
        let name = metadata.object_name();
        let field = spec.require("listeners", "a list of 1 to 64 listeners");
        let list = field.as_ref().and_then(Field::list).unwrap_or_default();
        if let Some(field) = field.filter(|_| list.is_empty() || list.len() > 64) {
            field.wrong(format!("{} listeners", list.len()), "1 to 64");
        }
        let mut listeners: Vec<GatewayListener> = Vec::new();
        for item in &list {
            let Some(read) = listener(&name, item) else { continue };
            if listeners.iter().any(|known| known.name() == read.name()) {
                item.wrong(format!("a second listener {}", read.name()), "different names");
            }
            listeners.push(read);
        }
        for key in ["addresses", "infrastructure", "backendTLS", "tls", "allowedListeners"] {
            spec.not_acted_on(key, "not acted on in this release");
        }
        spec.finish();
        Some(Self { name, class: class?.to_owned(), listeners, json: object.field().json() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The GatewayClass that it is of.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.class
    }

    /// Its HTTP listeners, in order.
    #[must_use]
    pub fn listeners(&self) -> &[GatewayListener] {
        &self.listeners
    }

    /// The manifest, whole.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }
}

/// Reads a listener; one that is not for HTTP is `None`.
fn listener(gateway: &ObjectName, item: &Field<'_>) -> Option<GatewayListener> {
    let mut fields = item.fields()?;
    let name = fields.require("name", "a name").and_then(|field| field.non_empty());
    let port = fields.require("port", "a port").and_then(|field| field.integer(1..=65535));
    let protocol = fields.require("protocol", "a protocol such as HTTP");
    let host = fields.get("hostname").and_then(|field| hostname(&field));
    for key in ["tls", "allowedRoutes"] {
        fields.not_acted_on(key, "not acted on in this release");
    }
    fields.finish();
    let protocol = protocol?;
    if protocol.text()? != "HTTP" {
        protocol.warn("not acted on in this release: the listener is passed over");
        return None;
    }
    let listener = GatewayListener::new(gateway.namespace(), gateway.name(), name?, u16::try_from(port?).ok()?);
    // A host that is none was told of.
    Some(host.into_iter().fold(listener, |listener, host| listener.clone().with_hostname(host).unwrap_or(listener)))
}
