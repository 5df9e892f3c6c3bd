//! The PodGroup of a group, as Kthena gives it to Volcano.

use serde_json::{Map, Value as Json, json};

use super::{GROUP_NAME, ROLE, ROLE_ID, SERVING_NAME, ServingGroup};
use crate::pod::GROUP_ANNOTATION;
use crate::policy::TopologyPolicy;
use crate::resources::Amounts;

impl ServingGroup<'_> {
    /// The PodGroup by which a Volcano scheduler places the group, as Kthena makes it: the same names, labels, minima and
    /// topology policies, and a sub-group policy for each role. Its Pods name it by their
    /// [annotations](super::Pod::annotations). Read together with them it gives the [`gang`](Self::gang) again.
    ///
    /// Unlike Kthena's, `minResources` counts what the scheduler counts: limits without requests, init containers and
    /// overhead too.
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
    ///     gangPolicy: {minRoleReplicas: {decode: 1}}
    ///     networkTopology: {rolePolicy: {highestTierAllowed: 1}}
    ///     roles:
    ///     - name: decode
    ///       replicas: 3
    ///       workerReplicas: 1
    ///       entryTemplate: &pod {spec: {containers: [{resources: {limits: {nvidia.com/gpu: 8}}}]}}
    ///       workerTemplate: *pod
    /// ";
    /// let manifests = Manifests::read([("chat.yaml", text)], &Settings::new())?;
    /// let pod_group = manifests.servings()[0].groups().next().unwrap().pod_group();
    /// assert_eq!(pod_group["spec"]["minMember"], 2);
    /// assert_eq!(pod_group["spec"]["minResources"]["nvidia.com/gpu"], "16");
    /// assert_eq!(pod_group["spec"]["subGroupPolicy"][0]["networkTopology"]["highestTierAllowed"], 1);
    /// # Ok::<(), phalanx_manifest::Problems>(())
    /// ```
    #[must_use]
    pub fn pod_group(&self) -> Json {
        let serving = self.serving;
        let name = self.name();
        let mut min_member = 0_u64;
        let mut min_resources = Amounts::new();
        for role in &serving.roles {
            min_member += u64::from(role.min_replicas) * u64::from(role.pods());
            let workers = role.workers().map(|(worker, count)| (worker, u64::from(count)));
            for (template, count) in [(&role.entry, 1)].into_iter().chain(workers) {
                for (resource, amount) in template.requests() {
                    let sum = min_resources.entry(resource.clone()).or_default();
                    *sum = sum.saturating_add(amount.saturating_mul(count).saturating_mul(role.min_replicas.into()));
                }
            }
        }
        min_resources.retain(|_, amount| *amount > 0);
        let min_resources: Map<String, Json> = min_resources
            .into_iter()
            .map(|(resource, amount)| (resource.clone(), quantity(&resource, amount).into()))
            .collect();
        let policies = serving.roles.iter().map(|role| {
            let mut policy = json!({
                "name": role.name,
                "labelSelector": {"matchLabels": {SERVING_NAME: serving.name.name(), ROLE: role.name}},
                "matchLabelKeys": [ROLE_ID],
                "subGroupSize": role.pods(),
                "minSubGroups": role.min_replicas,
            });
            put(&mut policy, "networkTopology", serving.role_topology().map(TopologyPolicy::json));
            policy
        });
        let mut spec = json!({
            "minMember": min_member,
            "minResources": min_resources,
            "subGroupPolicy": policies.collect::<Vec<_>>(),
        });
        put(&mut spec, "networkTopology", serving.group_topology().map(TopologyPolicy::json));
        let own = &serving.json["metadata"];
        let queue = own["annotations"].get("scheduling.volcano.sh/queue-name");
        put(&mut spec, "queue", queue.cloned());
        let mut metadata = json!({
            "name": name,
            "namespace": serving.name.namespace(),
            "labels": {SERVING_NAME: serving.name.name(), GROUP_NAME: name},
            "annotations": {GROUP_ANNOTATION: name},
        });
        let owner = own.get("uid").map(|uid| {
            json!([{
                "apiVersion": "workload.serving.volcano.sh/v1alpha1",
                "kind": "ModelServing",
                "name": serving.name.name(),
                "uid": uid,
                "controller": true,
            }])
        });
        put(&mut metadata, "ownerReferences", owner);
        json!({"apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup", "metadata": metadata, "spec": spec})
    }
}

fn put(object: &mut Json, key: &str, value: Option<Json>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(key.to_owned(), value);
    }
}

/// An amount as people write it: whole gibibytes as such, thousandths of a core only where needed.
fn quantity(resource: &str, amount: u64) -> String {
    const BINARY: [(&str, u32); 4] = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let bytes = matches!(resource, "memory" | "ephemeral-storage") || resource.starts_with("hugepages-");
    match (resource, BINARY.iter().find(|(_, bits)| amount.is_multiple_of(1 << bits))) {
        ("cpu", _) if amount.is_multiple_of(1000) => (amount / 1000).to_string(),
        ("cpu", _) => format!("{amount}m"),
        (_, Some((suffix, bits))) if bytes && amount > 0 => format!("{}{suffix}", amount >> bits),
        _ => amount.to_string(),
    }
}
