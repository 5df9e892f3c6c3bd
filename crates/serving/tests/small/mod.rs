//! A cluster in memory: it does what actions say, starts pods, and breaks things on demand.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phalanx_serving::{
    Action, Cause, CreatePod, GROUP_SIZE, Observed, Options, Phase, Pod, REVISION, ROLE_TEMPLATE_HASH, Reconciled,
    Recovery, ReplicaKey, Revision, Role, Rollout, SURGE, Service, Spec, Status, TemplateRef, Value, reconcile,
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
    /// How many pods the replica of each pod has.
    pub(crate) sizes: BTreeMap<String, usize>,
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
            sizes: BTreeMap::new(),
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
            if actions == 0 {
                assert_eq!(self.look().actions, [], "twice is nothing");
            }
            self.kubelet();
            if actions == 0 && before == self.pods {
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
            let next = self.look();
            match next.wake {
                // Its time came while pods started.
                _ if !next.actions.is_empty() => {}
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
        let size = pod.env.iter().find(|variable| variable.name == GROUP_SIZE).map(|variable| &variable.value);
        let Some(Value::Text(size)) = size else { panic!("every pod is told its group's size") };
        self.sizes.insert(pod.name.clone(), size.parse().expect("a number"));
        self.pods.insert(pod.name.clone(), made);
    }

    /// What an update takes away, of groups or replicas of a role that run for sure, leaves enough that may run.
    pub(crate) fn budget(&self, actions: &[Action]) {
        let mut taken: BTreeMap<ReplicaKey, Cause> = BTreeMap::new();
        for action in actions {
            if let Action::DeletePod(pod) = action
                && !pod.force
            {
                let cause = taken.entry(pod.key.of.clone()).or_insert(pod.cause);
                *cause = (*cause).max(pod.cause);
            }
        }
        match self.spec.rollout {
            Rollout::Groups { max_unavailable, max_surge, .. } => {
                let replicas = self.spec.replicas;
                let surge = max_surge.ceil_of(replicas);
                let least = replicas.saturating_sub(max_unavailable.floor_of(replicas).max(u32::from(surge == 0)));
                // A role may be scaled down in a group that goes on.
                let goes = |group: u32| {
                    let mut pods = self.pods.values().filter(|pod| pod.key.of.group == group);
                    taken.iter().any(|(key, cause)| key.group == group && *cause != Cause::Scale)
                        || pods.all(|pod| taken.contains_key(&pod.key.of))
                };
                let update =
                    taken.iter().filter(|(key, cause)| **cause == Cause::Update && self.surely_runs(key.group));
                if update.count() > 0 && self.spec.group_pods() > 0 {
                    let left = self.groups().into_iter().filter(|&group| !goes(group) && self.may_run(group)).count();
                    assert!(left >= least as usize, "{left} groups are left to run and {least} have to");
                }
            }
            Rollout::Roles => {
                for (group, role) in
                    self.groups().into_iter().flat_map(|at| self.spec.roles.iter().map(move |role| (at, role)))
                {
                    let least = role.replicas.saturating_sub(role.max_unavailable.floor_of(role.replicas).max(1));
                    let keys = (0..16).map(|at| ReplicaKey::new(group, &role.name, at)).filter(|key| self.runs(key));
                    let keys: Vec<_> = keys.collect();
                    let sure = |key: &&ReplicaKey| self.is_whole(key);
                    let update = keys.iter().filter(sure).filter(|key| taken.get(*key) == Some(&Cause::Update));
                    if update.count() > 0 {
                        let left = keys.iter().filter(|key| !taken.contains_key(*key)).count();
                        assert!(
                            left >= least as usize,
                            "{left} of {} in {group} are left and {least} have to be",
                            role.name
                        );
                    }
                }
            }
        }
    }

    /// A group serves for sure: all its replicas are there, as many as asked, complete and running.
    fn surely_runs(&self, group: u32) -> bool {
        let pods: Vec<_> = self.pods.values().filter(|pod| pod.key.of.group == group).collect();
        let whole = self.spec.roles.iter().all(|role| {
            let own = pods.iter().filter(|pod| pod.key.of.role == role.name).count();
            own == (role.body.pods() * role.replicas) as usize
        });
        whole && !pods.is_empty() && pods.iter().all(|pod| pod.is_running() && self.is_whole(&pod.key.of))
    }

    /// All pods of a replica are there, by what they were told themselves.
    fn is_whole(&self, key: &ReplicaKey) -> bool {
        let count = self.of(key).count();
        count > 0 && self.of(key).all(|pod| self.sizes[&pod.key.name("chat")] == count)
    }

    /// A group may serve: all its replicas run that are not on their way out.
    fn may_run(&self, group: u32) -> bool {
        let pods = || self.pods.values().filter(|pod| pod.key.of.group == group);
        let going: BTreeSet<&ReplicaKey> = pods().filter(|pod| pod.deleting.is_some()).map(|pod| &pod.key.of).collect();
        let mut staying = pods().filter(|pod| !going.contains(&pod.key.of)).peekable();
        staying.peek().is_some() && staying.all(Pod::is_running)
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
