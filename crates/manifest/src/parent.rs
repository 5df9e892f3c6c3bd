//! The Gateways that a route is for.

use phalanx_routing::ParentRef;

use crate::field::Field;

/// Reads `parentRefs`.
pub(crate) fn read(field: &Field<'_>) -> Vec<ParentRef> {
    field.list().unwrap_or_default().iter().filter_map(parent).collect()
}

fn parent(field: &Field<'_>) -> Option<ParentRef> {
    let mut fields = field.fields()?;
    if let Some(group) = fields.get("group") {
        group.choice(&["gateway.networking.k8s.io"]);
    }
    if let Some(kind) = fields.get("kind") {
        kind.choice(&["Gateway"]);
    }
    let name = fields.require("name", "a Gateway's name").and_then(|field| field.non_empty());
    let namespace = fields.get("namespace").and_then(|field| field.non_empty());
    let section = fields.get("sectionName").and_then(|field| field.non_empty());
    let port = fields.get("port").and_then(|field| field.integer(1..=65535)).and_then(|port| u16::try_from(port).ok());
    fields.finish();
    let parent = namespace.into_iter().fold(ParentRef::new(name?), ParentRef::with_namespace);
    let parent = section.into_iter().fold(parent, ParentRef::with_section);
    Some(port.into_iter().fold(parent, ParentRef::with_port))
}
