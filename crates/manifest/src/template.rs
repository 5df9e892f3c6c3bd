//! Pod templates: what a pod asks of its node. Everything else in them is the cluster's business and stays JSON.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::field::{Field, Fields};
use crate::name::{labels, metadata, strings};
use crate::resources::{self, Amounts, Rounding};

/// A pod to be: its labels, what it asks, and the whole template as written.
#[derive(Clone, Debug, PartialEq)]
pub struct PodTemplate {
    labels: BTreeMap<String, String>,
    requests: Amounts,
    json: Json,
}

/// What a pod spec may say about where the pod goes, beyond what it asks.
const PLACEMENT: [&str; 8] = [
    "nodeName",
    "nodeSelector",
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "schedulingGates",
    "resourceClaims",
    "priorityClassName",
];

impl PodTemplate {
    pub(crate) fn read(field: &Field<'_>) -> Option<Self> {
        let mut template = field.fields()?;
        let metadata = template.get("metadata").and_then(|field| metadata(&field));
        let labels = metadata.and_then(|mut metadata| {
            if let Some(annotations) = metadata.get("annotations") {
                strings(&annotations);
            }
            let own = metadata.get("labels").map(|field| labels(&field));
            metadata.finish();
            own
        });
        let spec = template.require("spec", "a pod spec").and_then(|field| field.fields());
        let requests = spec.map(|mut spec| pod(&mut spec, Told::All)).unwrap_or_default();
        template.finish();
        if let Some((first, second)) = two_makes(&requests) {
            field.wrong(format!("both {first} and {second}"), "one accelerator resource in a pod");
        }
        Some(Self { labels: labels.unwrap_or_default(), requests, json: field.json() })
    }

    /// The labels that it adds to those of its role.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// What the pod asks, as the scheduler counts it: `cpu` in thousandths, all others in units. A limit without a request
    /// is a request; init containers count where they ask more than what runs later; overhead is included.
    #[must_use]
    pub fn requests(&self) -> &BTreeMap<String, u64> {
        &self.requests
    }

    /// The accelerators it asks for: the resource that counts them, and how many.
    #[must_use]
    pub fn accelerators(&self) -> Option<(&str, u32)> {
        let (name, count) = resources::accelerators(&self.requests).next()?;
        Some((name, u32::try_from(count).unwrap_or(u32::MAX)))
    }

    /// The template, whole.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }
}

/// Of what a spec says about where the pod goes, and that is not considered, what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    All,
    /// What narrows the choice and is not in every Pod that exists: a cluster adds tolerations and a priority to each.
    Constraints,
    Nothing,
}

/// The first two accelerator resources, where there are several.
pub(crate) fn two_makes(requests: &Amounts) -> Option<(&str, &str)> {
    let mut makes = resources::accelerators(requests).map(|(make, _)| make);
    Some((makes.next()?, makes.next()?))
}

/// What a pod of this spec asks.
pub(crate) fn pod(spec: &mut Fields<'_>, told: Told) -> Amounts {
    for key in PLACEMENT {
        let usual = matches!(key, "nodeName" | "tolerations" | "priorityClassName");
        if told == Told::All || told == Told::Constraints && !usual {
            spec.not_acted_on(key, "not considered in placing the pod in this release");
        }
    }
    let mut running = Amounts::new();
    let mut starting = Amounts::new();
    for field in spec.get("initContainers").and_then(|field| field.list()).unwrap_or_default() {
        let Some(mut container) = field.fields() else { continue };
        let asked = requests(&mut container);
        let restart = container.get("restartPolicy").and_then(|field| field.text());
        if restart == Some("Always") {
            // A sidecar runs from here on.
            add(&mut running, &asked);
            raise(&mut starting, &running);
        } else {
            let mut peak = running.clone();
            add(&mut peak, &asked);
            raise(&mut starting, &peak);
        }
    }
    if let Some(field) = spec.require("containers", "a list of containers") {
        let containers = field.list().unwrap_or_default();
        if containers.is_empty() {
            field.wrong("no container", "at least one");
        }
        for container in containers {
            if let Some(mut container) = container.fields() {
                add(&mut running, &requests(&mut container));
            }
        }
    }
    raise(&mut running, &starting);
    // What the pod says for itself stands for the sum of its containers.
    running.extend(spec.get("resources").map(|field| asked(&field)).unwrap_or_default());
    if let Some(overhead) = spec.get("overhead") {
        add(&mut running, &resources::amounts(&overhead, Rounding::Up));
    }
    running.retain(|_, amount| *amount > 0);
    running
}

fn requests(container: &mut Fields<'_>) -> Amounts {
    if let Some(image) = container.get("image")
        && image.text().is_some_and(|text| text.is_empty() || text.contains(char::is_whitespace))
    {
        image.expected("an image name without spaces");
    }
    container.get("resources").map(|field| asked(&field)).unwrap_or_default()
}

/// Requests, and limits where there is no request.
fn asked(field: &Field<'_>) -> Amounts {
    let Some(mut fields) = field.fields() else { return Amounts::new() };
    let limits = fields.get("limits").map(|field| resources::amounts(&field, Rounding::Up)).unwrap_or_default();
    let Some(requests) = fields.get("requests") else { return limits };
    let amounts = resources::amounts(&requests, Rounding::Up);
    for (name, value) in requests.entries().unwrap_or_default() {
        if let (Some(amount), Some(limit)) = (amounts.get(name), limits.get(name))
            && amount > limit
        {
            value.expected("no more than its limit");
        }
    }
    let mut asked = limits;
    asked.extend(amounts);
    asked
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let total = sum.entry(name.clone()).or_default();
        *total = total.saturating_add(*amount);
    }
}

fn raise(sum: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let total = sum.entry(name.clone()).or_default();
        *total = (*total).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Sink;
    use crate::tree;

    fn requests(text: &str) -> (Vec<(String, u64)>, Vec<String>) {
        let sink = Sink::new("f");
        let trees = tree::documents(text, &sink);
        let template = PodTemplate::read(&Field::root(&sink, &trees[0])).expect("a template");
        let problems = sink.problems.into_inner().iter().map(ToString::to_string).collect();
        (template.requests.into_iter().collect(), problems)
    }

    #[test]
    fn a_pod_asks_what_the_scheduler_counts() {
        let text = "
spec:
  overhead: {memory: 1Ki}
  initContainers:
  - {name: big, resources: {requests: {cpu: 3, memory: 1Ki}}}
  - {name: proxy, restartPolicy: Always, resources: {requests: {cpu: 500m}}}
  - {name: late, resources: {requests: {cpu: 2800m}}}
  containers:
  - {name: a, resources: {requests: {cpu: 1}, limits: {cpu: 2, nvidia.com/gpu: 4}}}
  - {name: b, resources: {requests: {memory: 3Ki, cpu: 0.2}}}
";
        let (requests, problems) = requests(text);
        let expected = [("cpu", 3300), ("memory", 4096), ("nvidia.com/gpu", 4)];
        assert_eq!(requests, expected.map(|(name, amount)| (name.to_owned(), amount)));
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn the_pods_own_requests_stand_for_the_sum() {
        let text =
            "spec: {resources: {requests: {cpu: 5}}, containers: [{resources: {requests: {cpu: 1, memory: 2}}}]}";
        assert_eq!(requests(text).0, [("cpu".to_owned(), 5000), ("memory".to_owned(), 2)]);
    }
}
