//! Random lives of ModelServings: whatever happens, and however often the controller is lost, what is asked comes to be.

mod small;

use std::collections::BTreeSet;
use std::time::Duration;

use phalanx_serving::{
    Action, Count, Observed, Phase, Recovery, ReplicaKey, Role, Rollout, Spec, TemplateRef, reconcile,
};
use proptest::prelude::*;
use small::{Cluster, seconds};

/// What happens between two looks, and how a look goes wrong.
#[derive(Clone, Debug)]
enum Turn {
    /// All that a look asks is done.
    Look,
    /// Of what it asks only this much is done: bit by bit of the mask.
    Partly(u64),
    /// It looks at what was there two turns ago, and all that it asks is tried.
    Late,
    /// Pods start and end.
    Kubelet,
    Wait(u16),
    Replicas(u32),
    RoleReplicas(usize, u32),
    Image(usize, u64),
    Workers(usize, u32),
    Limits(Limits),
    MoreRoles,
    FewerRoles,
    Kill(usize),
    Vanish(usize),
    Fail(usize),
    Restart(usize),
    LoseNode(usize),
    Device(usize),
    UndoGang(u32),
    Cost(usize, i64),
    NoService(usize),
    NoStatus,
}

/// Limits of an update by groups or roles.
#[derive(Clone, Copy, Debug)]
struct Limits {
    unavailable: u32,
    partition: u32,
    surge: u32,
    percent: bool,
}

impl Limits {
    fn count(self, number: u32) -> Count {
        if self.percent { Count::Percent(number * 25) } else { Count::Number(number) }
    }

    fn put(self, spec: &mut Spec) {
        match &mut spec.rollout {
            Rollout::Groups { max_unavailable, partition, max_surge } => {
                *max_unavailable = self.count(self.unavailable);
                *partition = self.count(self.partition);
                *max_surge = self.count(self.surge);
            }
            Rollout::Roles => {
                for role in &mut spec.roles {
                    (role.max_unavailable, role.partition) = (self.count(self.unavailable), self.count(self.partition));
                }
            }
        }
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    let fields = (0..3u32, prop_oneof![3 => Just(0u32), 1 => 1..4u32], prop_oneof![Just(0u32), 1..3u32], any::<bool>());
    fields.prop_map(|(unavailable, partition, surge, percent)| Limits { unavailable, partition, surge, percent })
}

fn make_role(name: &str, image: u64, replicas: u32, workers: u32) -> Role {
    let role = Role::new(name, TemplateRef::new("entry", image)).replicas(replicas);
    if workers == 0 { role } else { role.workers(workers, TemplateRef::new("worker", image + 100)) }
}

fn spec() -> impl Strategy<Value = Spec> {
    let role = |name: &'static str| {
        (1..4u32, 0..3u32).prop_map(move |(replicas, workers)| make_role(name, 1, replicas, workers))
    };
    let roles = prop_oneof![
        role("decode").prop_map(|role| vec![role]),
        (role("prefill"), role("decode")).prop_map(|(one, other)| vec![one, other]),
    ];
    let recovery = prop_oneof![Just(Recovery::ServingGroup), Just(Recovery::Role), Just(Recovery::Pod)];
    (0..5u32, roles, recovery, any::<bool>(), limits(), 0..2u64).prop_map(
        |(replicas, roles, recovery, by_roles, limits, grace)| {
            let mut spec = Spec::new("default", "chat", roles).replicas(replicas);
            spec.recovery = recovery;
            if by_roles && recovery != Recovery::ServingGroup {
                spec.rollout = Rollout::Roles;
            }
            spec.restart_grace = seconds(grace * 20);
            limits.put(&mut spec);
            spec
        },
    )
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        12 => Just(Turn::Look),
        6 => any::<u64>().prop_map(Turn::Partly),
        3 => Just(Turn::Late),
        12 => Just(Turn::Kubelet),
        2 => (1..400u16).prop_map(Turn::Wait),
        3 => (0..6u32).prop_map(Turn::Replicas),
        3 => (0..2usize, 0..4u32).prop_map(|(role, replicas)| Turn::RoleReplicas(role, replicas)),
        // 4 never becomes ready.
        5 => (0..2usize, 1..5u64).prop_map(|(role, image)| Turn::Image(role, image)),
        1 => (0..2usize, 0..3u32).prop_map(|(role, workers)| Turn::Workers(role, workers)),
        2 => limits().prop_map(Turn::Limits),
        1 => Just(Turn::MoreRoles),
        1 => Just(Turn::FewerRoles),
        2 => any::<usize>().prop_map(Turn::Kill),
        1 => any::<usize>().prop_map(Turn::Vanish),
        2 => any::<usize>().prop_map(Turn::Fail),
        2 => any::<usize>().prop_map(Turn::Restart),
        1 => any::<usize>().prop_map(Turn::LoseNode),
        1 => any::<usize>().prop_map(Turn::Device),
        1 => (0..5u32).prop_map(Turn::UndoGang),
        1 => (any::<usize>(), -5..5i64).prop_map(|(pod, cost)| Turn::Cost(pod, cost)),
        1 => any::<usize>().prop_map(Turn::NoService),
        1 => Just(Turn::NoStatus),
    ]
}

/// A cluster, and what it looked like before.
struct Life {
    cluster: Cluster,
    past: Vec<Observed>,
}

impl Life {
    fn new(spec: Spec) -> Self {
        let mut cluster = Cluster::new(spec);
        cluster.broken.insert(4);
        Self { cluster, past: Vec::new() }
    }

    fn name(&self, at: usize) -> Option<String> {
        let at = at.checked_rem(self.cluster.pods.len())?;
        self.cluster.pods.keys().nth(at).cloned()
    }

    fn turn(&mut self, turn: &Turn) {
        self.past.push(self.cluster.observed());
        let life = &self.cluster;
        match turn {
            Turn::Look => self.look(|_| true),
            Turn::Partly(mask) => self.look(|at| mask >> (at % 64) & 1 == 1),
            Turn::Late => {
                let past = &self.past[self.past.len().saturating_sub(3)];
                let done = reconcile(&life.spec, past, life.now, &life.options).expect("the spec is sound");
                for action in &done.actions {
                    self.try_late(action);
                }
            }
            Turn::Kubelet => self.cluster.kubelet(),
            Turn::Wait(span) => self.cluster.now += seconds((*span).into()),
            Turn::Replicas(replicas) => self.cluster.edit(|spec| spec.replicas = *replicas),
            Turn::RoleReplicas(role, replicas) => {
                self.role(*role, |role| role.replicas = *replicas);
            }
            Turn::Image(role, image) => self.role(*role, |role| role.body.entry.hash = *image),
            Turn::Workers(role, workers) => self.role(*role, |role| {
                *role = Role {
                    max_unavailable: role.max_unavailable,
                    partition: role.partition,
                    ..make_role(&role.name, 1, role.replicas, *workers)
                };
            }),
            Turn::Limits(limits) => self.cluster.edit(|spec| limits.put(spec)),
            Turn::MoreRoles if life.spec.roles.iter().all(|role| role.name != "encode") => {
                self.cluster.edit(|spec| spec.roles.push(make_role("encode", 1, 2, 1)));
            }
            Turn::FewerRoles if life.spec.roles.len() > 1 => {
                self.cluster.edit(|spec| {
                    spec.roles.pop();
                });
            }
            Turn::MoreRoles | Turn::FewerRoles => {}
            Turn::NoStatus => self.cluster.status = None,
            Turn::NoService(at) => {
                let at = at.checked_rem(life.services.len()).unwrap_or(0);
                if let Some(name) = life.services.keys().nth(at).cloned() {
                    self.cluster.services.remove(&name);
                }
            }
            Turn::UndoGang(group) => {
                let at = life.now + seconds(1);
                let bound = |pod: &&mut phalanx_serving::Pod| pod.key.of.group == *group && pod.phase == Phase::Pending;
                for pod in self.cluster.pods.values_mut().filter(bound).step_by(2) {
                    (pod.gang_undone, pod.deleting) = (true, Some(at));
                }
            }
            Turn::Kill(at) => self.pod(*at, |cluster, name| cluster.kill(name)),
            Turn::Vanish(at) => self.pod(*at, |cluster, name| {
                cluster.pods.remove(name);
            }),
            Turn::Fail(at) => self.pod(*at, Cluster::fail),
            Turn::Restart(at) => self.pod(*at, Cluster::restart),
            Turn::LoseNode(at) => {
                self.pod(*at, |cluster, name| cluster.pod(name).node_lost_since = Some(cluster_now(cluster)))
            }
            Turn::Device(at) => self.pod(*at, |cluster, name| cluster.pod(name).device_failed = true),
            Turn::Cost(at, cost) => self.pod(*at, |cluster, name| cluster.pod(name).deletion_cost = *cost),
        }
    }

    fn pod(&mut self, at: usize, act: impl FnOnce(&mut Cluster, &str)) {
        if let Some(name) = self.name(at) {
            act(&mut self.cluster, &name);
        }
    }

    fn role(&mut self, at: usize, change: impl FnOnce(&mut Role)) {
        let at = at % self.cluster.spec.roles.len();
        self.cluster.edit(|spec| change(&mut spec.roles[at]));
    }

    fn look(&mut self, is_done: impl Fn(usize) -> bool) {
        let done = self.cluster.look();
        self.cluster.budget(&done.actions);
        check_shape(&self.cluster, &done.actions);
        let done = done.actions.iter().enumerate().filter(|(at, _)| is_done(*at));
        done.for_each(|(_, action)| self.cluster.act(action));
    }

    /// What the API server makes of an action that comes late: what exists is not created, what is another is not deleted.
    fn try_late(&mut self, action: &Action) {
        let cluster = &mut self.cluster;
        let exists = match action {
            Action::CreatePod(pod) => cluster.pods.contains_key(&pod.name),
            Action::CreateService(service) => cluster.services.contains_key(&service.name),
            Action::CreateRevision { revision, .. } => cluster.revisions.contains_key(&revision.name),
            // The status is refused when it is not of the object as it is.
            Action::WriteStatus(_) => true,
            _ => false,
        };
        if !exists {
            cluster.act(action);
        }
    }

    /// Everything that was broken is mended, and there is time.
    fn heal(&mut self) {
        let cluster = &mut self.cluster;
        cluster.broken.clear();
        for pod in cluster.pods.values_mut().filter(|pod| pod.phase == Phase::Running && !pod.restarted) {
            pod.ready = true;
        }
        cluster.settle_for(seconds(3000));
    }
}

fn cluster_now(cluster: &Cluster) -> Duration {
    cluster.now
}

/// Actions are in their order, each pod is in one of them, and every reason is told.
fn check_shape(cluster: &Cluster, actions: &[Action]) {
    let mut pods = BTreeSet::new();
    let mut last = 0;
    for action in actions {
        let (place, why) = match action {
            Action::WriteStatus(_) => (0, "it"),
            Action::CreateRevision { why, .. } => (1, why.as_str()),
            Action::DeletePod(pod) => {
                assert!(pods.insert(pod.name.clone()));
                assert_eq!(cluster.pods[&pod.name].uid, pod.uid);
                (2, pod.why.as_str())
            }
            Action::CreateService(service) => (3, service.why.as_str()),
            Action::CreatePod(pod) => {
                assert!(pods.insert(pod.name.clone()));
                (4, pod.why.as_str())
            }
            Action::DeleteService { why, .. } => (5, why.as_str()),
            Action::DeleteRevision { why, .. } => (6, why.as_str()),
            Action::Event(event) => (7, event.text.as_str()),
            _ => panic!("an action that is not known"),
        };
        assert!(place >= last && !why.is_empty());
        last = place;
    }
}

/// What exists is what is asked, pod by pod.
fn check_all_there(cluster: &Cluster, any_image: bool) {
    let spec = &cluster.spec;
    let bare = spec.group_pods() == 0;
    assert_eq!(cluster.groups().len(), if bare { 0 } else { spec.replicas as usize });
    let mut services = BTreeSet::new();
    let mut pods = 0;
    for group in cluster.groups() {
        for role in &spec.roles {
            let of = |pod: &&phalanx_serving::Pod| pod.key.of.group == group && pod.key.of.role == role.name;
            let keys: BTreeSet<ReplicaKey> = cluster.pods.values().filter(of).map(|pod| pod.key.of.clone()).collect();
            if any_image {
                pods += cluster.pods.values().filter(of).count();
                continue;
            }
            assert_eq!(keys.len(), role.replicas as usize, "{} of {group}", role.name);
            for key in keys {
                if role.body.worker.is_some() {
                    services.insert(key.service("chat"));
                }
                for index in 0..role.body.pods() {
                    let name = key.pod(index).name("chat");
                    assert_eq!(cluster.templates[&name], role.body.template(index).hash, "{name}");
                    assert!(cluster.pods[&name].is_running(), "{name}");
                    pods += 1;
                }
            }
        }
    }
    let status = cluster.status.as_ref().expect("written");
    assert_eq!((status.replicas, status.available_replicas), (spec.replicas, spec.replicas));
    assert!(status.ledger.forming.is_empty() && status.ledger.starting.is_empty() && status.ledger.setbacks.is_empty());
    if !any_image {
        assert_eq!(pods, cluster.pods.len());
        assert_eq!(services, cluster.services.keys().cloned().collect());
        assert_eq!((status.updated_replicas, &status.current_revision), (spec.replicas, &status.update_revision));
    }
}

fn has_partition(spec: &Spec) -> bool {
    let of_groups = match spec.rollout {
        Rollout::Groups { partition, .. } => partition.ceil_of(1) > 0,
        Rollout::Roles => false,
    };
    of_groups || spec.roles.iter().any(|role| role.partition.ceil_of(1) > 0)
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn invariant_16_twice_is_nothing_and_no_action_exceeds_the_budget(spec in spec(), turns in prop::collection::vec(turn(), 1..60)) {
        let mut life = Life::new(spec);
        for turn in &turns {
            life.turn(turn);
        }
        // `settle` asks that twice is nothing, at each of its ends.
        life.heal();
        if !has_partition(&life.cluster.spec) {
            check_all_there(&life.cluster, true);
        }
        life.cluster.edit(|spec| Limits { unavailable: 1, partition: 0, surge: 0, percent: false }.put(spec));
        life.heal();
        check_all_there(&life.cluster, false);
        // Nothing is touched after that, whatever time it is.
        life.cluster.forget();
        life.cluster.settle_for(seconds(100_000));
        prop_assert!(life.cluster.created.is_empty() && life.cluster.deleted.is_empty());
        prop_assert_eq!(life.cluster.look().wake, None);
    }

    #[test]
    fn invariant_17_a_decision_depends_on_what_is_there_alone(spec in spec(), turns in prop::collection::vec(turn(), 1..40), by in any::<usize>()) {
        let mut life = Life::new(spec);
        for turn in &turns {
            life.turn(turn);
            let mut observed = life.cluster.observed();
            let done = life.cluster.look();
            // Another order, as another watcher may have.
            let by = by % observed.pods.len().max(1);
            observed.pods.rotate_left(by);
            observed.services.reverse();
            observed.revisions.reverse();
            let other = reconcile(&life.cluster.spec, &observed, life.cluster.now, &life.cluster.options).expect("the spec is sound");
            prop_assert_eq!(done, other);
        }
    }

    #[test]
    fn invariant_16_what_nobody_hurts_and_nobody_changes_is_not_touched(spec in spec(), masks in prop::collection::vec(any::<u64>(), 0..8)) {
        // Looks that are cut short, in every way, make no pod that goes again.
        let mut life = Life::new(spec);
        for mask in masks {
            // The status comes first: without it nothing else is done.
            life.turn(&Turn::Partly(mask | 1));
            life.turn(&Turn::Kubelet);
        }
        life.cluster.settle();
        prop_assert_eq!(&life.cluster.deleted, &[]);
        check_all_there(&life.cluster, false);
    }
}
