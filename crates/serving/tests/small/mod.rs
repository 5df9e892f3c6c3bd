//! A cluster in memory: it does what actions say, starts pods, and breaks things on demand.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phalanx_serving::{
    Action, Cause, CreatePod, Observed, Options, Phase, Pod, REVISION, ROLE_TEMPLATE_HASH, Reconciled, Recovery,
    ReplicaKey, Revision, Role, Rollout, SURGE, Service, Spec, Status, TemplateRef, reconcile,
};

/// A cluster with one ModelServing.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) spec: Spec,
    pub(crate) options: Options,
    pub(crate) now: Duration,
    pub(crate) pods: BTreeMap<String, Pod>,
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) revisions: BTreeMap<String, Revision>,
    pub(crate) status: Option<Status>,
    /// Templates whose pods never become ready.
    pub(crate) broken: BTreeSet<u64>,
    /// The template of each pod.
    pub(crate) templates: BTreeMap<String, u64>,
    pub(crate) events: Vec<String>,
    /// All that was created, by name, and all that was deleted.
    pub(crate) created: Vec<String>,
    pub(crate) deleted: Vec<(String, Cause)>,
    pub(crate) created_pods: Vec<CreatePod>,
    pub(crate) serial: u32,
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A role without workers, of the image with this number.
pub(crate) fn role(name: &str, image: u64) -> Role {
    Role::new(name, TemplateRef::new(format!("{name}/{image}"), image))
}

/// Groups of one pod.
pub(crate) fn flat(replicas: u32) -> Spec {
    Spec::new("default", "chat", [role("decode", 1)]).replicas(replicas)
}

/// Groups of a prefill role (one replica) and a decode role (two), each with a worker.
pub(crate) fn deep(replicas: u32) -> Spec {
    let with_worker = |name, image| role(name, image).workers(1, TemplateRef::new("worker", image + 100));
    Spec::new("default", "chat", [with_worker("prefill", 1), with_worker("decode", 2).replicas(2)]).replicas(replicas)
}

impl Cluster {
    pub(crate) fn new(spec: Spec) -> Self {
        Self {
            spec,
            options: Options::default(),
            now: seconds(1_000_000),
            pods: BTreeMap::new(),
            services: BTreeMap::new(),
            revisions: BTreeMap::new(),
            status: None,
            broken: BTreeSet::new(),
            templates: BTreeMap::new(),
            events: Vec::new(),
            created: Vec::new(),
            deleted: Vec::new(),
            created_pods: Vec::new(),
            serial: 0,
        }
    }

    /// One that has everything.
    pub(crate) fn settled(spec: Spec) -> Self {
        let mut cluster = Self::new(spec);
        cluster.settle();
        cluster.forget();
        cluster
    }

    pub(crate) fn forget(&mut self) {
        self.created.clear();
        self.deleted.clear();
        self.events.clear();
        self.created_pods.clear();
    }

    pub(crate) fn observed(&self) -> Observed {
        Observed {
            pods: self.pods.values().cloned().collect(),
            services: self.services.values().cloned().collect(),
            revisions: self.revisions.values().cloned().collect(),
            status: self.status.clone(),
        }
    }

    pub(crate) fn look(&self) -> Reconciled {
        reconcile(&self.spec, &self.observed(), self.now, &self.options).expect("the spec is sound")
    }

    /// Changes the spec, as a new edition.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Spec)) {
        change(&mut self.spec);
        self.spec.generation += 1;
    }

    /// Another image for a role.
    pub(crate) fn image(&mut self, role: usize, image: u64) {
        self.edit(|spec| spec.roles[role].body.entry.hash = image);
    }

    pub(crate) fn step(&mut self) -> usize {
        let done = self.look();
        self.budget(&done.actions);
        done.actions.iter().for_each(|action| self.act(action));
        done.actions.len()
    }

    /// Lets pods start and end, and time pass.
    pub(crate) fn kubelet(&mut self) {
        self.now += seconds(1);
        self.pods.retain(|_, pod| pod.deleting.is_none() || pod.node_lost_since.is_some());
        for (name, pod) in &mut self.pods {
            if pod.phase == Phase::Pending && pod.node_lost_since.is_none() {
                pod.scheduled = true;
                pod.phase = Phase::Running;
                pod.ready = !self.broken.contains(&self.templates[name]);
            }
        }
    }

    /// Looks and acts until nothing is left to do now; panics when that never comes.
    pub(crate) fn settle(&mut self) {
        for _ in 0..1000 {
            let before = self.pods.clone();
            let actions = self.step();
            self.kubelet();
            if actions == 0 && before == self.pods {
                let again = self.look();
                assert_eq!(again.actions, [], "twice is nothing");
                return;
            }
        }
        panic!("no end: {:?}", self.look().actions);
    }

    /// Settles, and goes on to each time that was asked for, for so long.
    pub(crate) fn settle_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.settle();
            match self.look().wake {
                Some(wake) if wake <= end => self.now = self.now.max(wake),
                _ => break,
            }
        }
        self.now = self.now.max(end);
        self.settle();
    }

    pub(crate) fn act(&mut self, action: &Action) {
        match action {
            Action::WriteStatus(status) => self.status = Some((**status).clone()),
            Action::CreateRevision { revision, .. } => {
                let old = self.revisions.insert(revision.name.clone(), revision.clone());
                assert!(old.is_none_or(|old| old == *revision), "a revision is never changed");
            }
            Action::DeletePod(deletion) => {
                let Some(pod) = self.pods.get_mut(&deletion.name).filter(|pod| pod.uid == deletion.uid) else { return };
                assert!(!deletion.why.is_empty());
                self.deleted.push((deletion.name.clone(), deletion.cause));
                if deletion.force {
                    self.pods.remove(&deletion.name);
                } else {
                    pod.deleting.get_or_insert(self.now + seconds(30));
                }
            }
            Action::CreateService(service) => {
                assert!(!self.services.contains_key(&service.name), "{} is created twice", service.name);
                self.serial += 1;
                let (of, uid) = (service.of.clone(), self.serial.to_string());
                let service = Service { of, name: service.name.clone(), uid, deleting: false };
                self.services.insert(service.name.clone(), service);
            }
            Action::CreatePod(pod) => {
                assert!(!self.pods.contains_key(&pod.name), "{} is created twice", pod.name);
                self.create(pod);
            }
            Action::DeleteService { name, uid, .. } => {
                if self.services.get(name).is_some_and(|service| service.uid == *uid) {
                    self.services.remove(name);
                }
            }
            Action::DeleteRevision { revision, .. } => {
                self.revisions.remove(revision);
            }
            Action::Event(event) => self.events.push(format!("{} {}", event.reason, event.text)),
            _ => panic!("an action that is not known"),
        }
    }

    fn create(&mut self, pod: &CreatePod) {
        self.serial += 1;
        let label = |key: &str| pod.labels.get(key).cloned().unwrap_or_default();
        let uid = self.serial.to_string();
        let mut made = Pod::new(pod.key.clone(), uid, label(REVISION), label(ROLE_TEMPLATE_HASH), self.now);
        made.surge = pod.labels.contains_key(SURGE);
        made.attempt = pod.annotations.get(phalanx_serving::ATTEMPT).map_or(0, |text| text.parse().expect("a number"));
        self.created.push(pod.name.clone());
        self.created_pods.push(pod.clone());
        self.templates.insert(pod.name.clone(), pod.template.hash);
        self.pods.insert(pod.name.clone(), made);
    }

    /// What an update takes away leaves enough groups, or replicas of a role, that run.
    pub(crate) fn budget(&self, actions: &[Action]) {
        let taken = actions.iter().filter_map(|action| match action {
            Action::DeletePod(pod) if pod.cause == Cause::Update => Some(pod.key.of.clone()),
            _ => None,
        });
        let taken: BTreeSet<ReplicaKey> = taken.collect();
        match self.spec.rollout {
            Rollout::Groups { max_unavailable, max_surge, .. } => {
                let replicas = self.spec.replicas;
                let surge = max_surge.ceil_of(replicas);
                let least = replicas - max_unavailable.floor_of(replicas).max(u32::from(surge == 0)).min(replicas);
                let running = self.running();
                let left = running.iter().filter(|group| !taken.iter().any(|key| key.group == **group)).count();
                assert!(
                    left == running.len() || left >= least as usize,
                    "{left} of {} running groups are left, {least} have to be",
                    running.len()
                );
            }
            Rollout::Roles => {
                let groups: BTreeSet<u32> = taken.iter().map(|key| key.group).collect();
                for (group, role) in
                    groups.iter().flat_map(|group| self.spec.roles.iter().map(move |role| (group, role)))
                {
                    let least = role.replicas - role.max_unavailable.floor_of(role.replicas).max(1).min(role.replicas);
                    let keys = (0..role.replicas + 8).map(|at| ReplicaKey::new(*group, &role.name, at));
                    let running: Vec<_> = keys.filter(|key| self.runs(key)).collect();
                    let left = running.iter().filter(|key| !taken.contains(key)).count();
                    assert!(left == running.len() || left >= least as usize, "{role:?} of {group}: {left}");
                }
            }
        }
    }

    fn of(&self, key: &ReplicaKey) -> impl Iterator<Item = &Pod> {
        let name = key.name("chat");
        (0..).map_while(move |index| self.pods.get(&format!("{name}-{index}")))
    }

    pub(crate) fn runs(&self, key: &ReplicaKey) -> bool {
        self.of(key).next().is_some() && self.of(key).all(Pod::is_running)
    }

    /// Groups whose pods all run, and are as many as those of the others.
    pub(crate) fn running(&self) -> Vec<u32> {
        let mut groups: BTreeMap<u32, (bool, usize)> = BTreeMap::new();
        for pod in self.pods.values() {
            let group = groups.entry(pod.key.of.group).or_insert((true, 0));
            group.0 &= pod.is_running();
            group.1 += 1;
        }
        let most = groups.values().map(|(_, pods)| *pods).max().unwrap_or(0);
        groups.into_iter().filter(|(_, (runs, pods))| *runs && *pods == most).map(|(group, _)| group).collect()
    }

    /// The images of the entries of a role, by group and replica: what a person sees of an update.
    pub(crate) fn images(&self) -> Vec<(String, u64)> {
        let entries = self.pods.values().filter(|pod| pod.key.is_entry());
        entries.map(|pod| (pod.key.of.name("chat"), self.templates[&pod.key.name("chat")])).collect()
    }

    pub(crate) fn groups(&self) -> Vec<u32> {
        let groups: BTreeSet<u32> = self.pods.values().map(|pod| pod.key.of.group).collect();
        groups.into_iter().collect()
    }

    pub(crate) fn pod(&mut self, name: &str) -> &mut Pod {
        self.pods.get_mut(name).expect("the pod is there")
    }

    /// A pod's process ends for good.
    pub(crate) fn fail(&mut self, name: &str) {
        let now = self.now;
        let pod = self.pod(name);
        (pod.phase, pod.ready, pod.failing_since) = (Phase::Failed, false, Some(now));
    }

    /// A container of a pod is restarted, and is not ready yet.
    pub(crate) fn restart(&mut self, name: &str) {
        let now = self.now;
        let pod = self.pod(name);
        (pod.restarted, pod.ready, pod.failing_since) = (true, false, Some(now));
    }

    /// Somebody deletes a pod.
    pub(crate) fn kill(&mut self, name: &str) {
        let at = self.now + seconds(30);
        self.pod(name).deleting = Some(at);
    }

    pub(crate) fn policy(mut self, recovery: Recovery) -> Self {
        self.spec.recovery = recovery;
        self
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.pods.keys().map(String::as_str).collect()
    }

    /// How often each deletion was for this cause.
    pub(crate) fn deleted_for(&self, cause: Cause) -> Vec<&str> {
        self.deleted.iter().filter(|(_, of)| *of == cause).map(|(name, _)| name.as_str()).collect()
    }
}
