//! HyperNodes: Volcano's domains of a network.

use std::collections::BTreeMap;

use phalanx_topology::{Member, Topology};
use regex_lite::{Regex, RegexBuilder};
use serde_json::Value as Json;

use crate::field::{Field, Fields};
use crate::name::{Metadata, is_dns_subdomain};
use crate::problem::Place;
use crate::selector::LabelSelector;

/// A domain of the network: nodes, or HyperNodes of lower tiers, near each other.
#[derive(Clone, Debug, PartialEq)]
pub struct HyperNode {
    pub(crate) name: String,
    pub(crate) tier: u32,
    pub(crate) tier_name: Option<String>,
    pub(crate) members: Vec<Member>,
    json: Json,
}

/// A member as it is written, and where.
#[derive(Clone, Debug)]
pub(crate) struct MemberPlace {
    pub(crate) is_node: bool,
    pub(crate) selector: Selector,
    pub(crate) place: Place,
}

/// Which nodes, or HyperNodes, are members.
#[derive(Clone, Debug)]
pub(crate) enum Selector {
    /// The one of this name.
    Name(String),
    /// Those whose name the pattern is found in.
    Pattern(Regex),
    /// The nodes with these labels.
    Labels(LabelSelector),
}

/// Where things that depend on others stand.
#[derive(Clone, Debug)]
pub(crate) struct HyperNodePlaces {
    pub(crate) tier: Place,
    /// Where the name of the tier stands, or the tier.
    pub(crate) tier_name: Place,
    pub(crate) members: Vec<MemberPlace>,
}

/// As large as a compiled pattern may be, in bytes: a pattern is tried on every node.
const PATTERN_LIMIT: usize = 1 << 16;

impl HyperNode {
    pub(crate) fn read(metadata: Metadata, object: &mut Fields<'_>) -> Option<(Self, HyperNodePlaces)> {
        let mut spec = object.require("spec", "a HyperNode's spec")?.fields()?;
        let tier_field = spec.require("tier", "a tier: a whole number, 1 being the closest");
        let name_field = spec.get("tierName");
        let members = spec.require("members", "a list of nodes, or of HyperNodes of lower tiers");
        spec.finish();
        let name = name_field.as_ref().and_then(tier_name);
        let members = members.map(|field| {
            let list = field.list().unwrap_or_default();
            if matches!(&field.tree.value, crate::tree::Value::List(items) if items.is_empty()) {
                field.wrong("no member", "at least one");
            }
            list.iter().filter_map(MemberPlace::read).collect()
        });
        let tier_field = tier_field?;
        let tier = tier_field.integer(1..=i64::from(i32::MAX)).and_then(|tier| u32::try_from(tier).ok())?;
        let places = HyperNodePlaces {
            tier: tier_field.place(),
            tier_name: name_field.as_ref().unwrap_or(&tier_field).place(),
            members: members?,
        };
        let json = object.field().json();
        Some((Self { name: metadata.name, tier, tier_name: name, members: Vec::new(), json }, places))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its tier, 1 being the closest.
    #[must_use]
    pub fn tier(&self) -> u32 {
        self.tier
    }

    /// What its tier is called.
    #[must_use]
    pub fn tier_name(&self) -> Option<&str> {
        self.tier_name.as_deref()
    }

    /// What it holds, its patterns and labels tried on what is given: by name, each once.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The same as a row of a topology.
    ///
    /// ```
    /// use phalanx_manifest::{Manifests, Settings};
    ///
    /// let text = "
    /// {apiVersion: v1, kind: Node, metadata: {name: gpu-1}, status: {allocatable: {nvidia.com/gpu: 8}}}
    /// ---
    /// apiVersion: topology.volcano.sh/v1alpha1
    /// kind: HyperNode
    /// metadata: {name: leaf-1}
    /// spec:
    ///   tier: 1
    ///   members: [{type: Node, selector: {regexMatch: {pattern: '^gpu-[0-9]+$'}}}]
    /// ";
    /// let manifests = Manifests::read([("f.yaml", text)], &Settings::new())?;
    /// let row = manifests.hypernodes()[0].row();
    /// assert_eq!((row.tier, row.members[0].name()), (1, "gpu-1"));
    /// # Ok::<(), phalanx_manifest::Problems>(())
    /// ```
    #[must_use]
    pub fn row(&self) -> phalanx_topology::HyperNode {
        let row = phalanx_topology::HyperNode::new(&self.name, self.tier, self.members.iter().cloned());
        match &self.tier_name {
            Some(name) => row.named_tier(name),
            None => row,
        }
    }

    /// The manifest, whole.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }
}

/// The name of a tier, which becomes that of a level. An empty one is none.
fn tier_name(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.contains('/') || text.len() > 253 {
        field.expected("a name without '/', 253 bytes at most");
    }
    if text == Topology::NODE_LEVEL {
        field.expected("another name: the level of the nodes themselves is called so");
    }
    (!text.is_empty()).then(|| text.to_owned())
}

impl MemberPlace {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut fields = field.fields()?;
        let kind = fields.require("type", "Node or HyperNode").and_then(|field| field.choice(&["Node", "HyperNode"]));
        let selector_field = fields.require("selector", "an exactMatch, regexMatch or labelMatch");
        fields.finish();
        let selector_field = selector_field?;
        let mut selectors = selector_field.fields()?;
        let exact = selectors.get("exactMatch");
        let regex = selectors.get("regexMatch");
        let labels = selectors.get("labelMatch");
        selectors.finish();
        let is_node = kind? == 0;
        let (selector, at) = match (exact, regex, labels) {
            (Some(field), None, None) => {
                let name = only(&field, "name", "the name of a member")?;
                if !is_dns_subdomain(name.text()?) {
                    name.expected("a lower-case name of letters, digits, `-` and `.`, 253 at most");
                    return None;
                }
                (Selector::Name(name.text()?.to_owned()), name)
            }
            (None, Some(field), None) => {
                let pattern = only(&field, "pattern", "a pattern for names")?;
                (Selector::Pattern(compile(&pattern)?), pattern)
            }
            (None, None, Some(field)) => {
                if !is_node {
                    field.wrong("labels for HyperNodes", "labelMatch for members of type Node only");
                    return None;
                }
                (Selector::Labels(LabelSelector::read(&field)?), field)
            }
            (None, None, None) => {
                selector_field.wrong("no selector", "an exactMatch, regexMatch or labelMatch");
                return None;
            }
            _ => {
                selector_field.wrong("several selectors", "only one of exactMatch, regexMatch and labelMatch");
                return None;
            }
        };
        Some(Self { is_node, selector, place: at.place() })
    }
}

/// The only field of a mapping.
fn only<'a>(field: &Field<'a>, key: &'static str, expected: &str) -> Option<Field<'a>> {
    let mut fields = field.fields()?;
    let value = fields.require(key, expected);
    fields.finish();
    value
}

fn compile(field: &Field<'_>) -> Option<Regex> {
    match RegexBuilder::new(field.non_empty()?).size_limit(PATTERN_LIMIT).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            field.expected(format!("a regular expression: {error}"));
            None
        }
    }
}

impl Selector {
    pub(crate) fn selects(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Pattern(pattern) => pattern.is_match(name),
            Self::Labels(selector) => selector.matches(labels),
        }
    }
}
