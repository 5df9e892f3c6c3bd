//! A ModelServing through its life: created, updated with a broken image that stops by itself, fixed, scaled down.
//!
//! `cargo run --example run_a_serving`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use phalanx_serving::{
    Action, Observed, Options, Phase, Pod, REVISION, ROLE_TEMPLATE_HASH, Role, Spec, TemplateRef, reconcile,
};

/// The template whose pods never become ready.
const BROKEN: u64 = 2;

/// A cluster that does what it is told, and starts every pod at once.
struct Cluster {
    pods: BTreeMap<String, Pod>,
    observed: Observed,
    now: Duration,
}

impl Cluster {
    /// Looks and acts until nothing is left to do, and prints what is done to pods.
    fn settle(&mut self, spec: &Spec) -> Result<(), Box<dyn Error>> {
        loop {
            self.observed.pods = self.pods.values().cloned().collect();
            let done = reconcile(spec, &self.observed, self.now, &Options::default())?;
            if done.actions.is_empty() {
                let status = done.status;
                let told = status.conditions.iter().find(|condition| condition.holds).map(|one| one.message.as_str());
                println!(
                    "{} of {} groups run. {}\n",
                    status.available_replicas,
                    spec.replicas,
                    told.unwrap_or_default()
                );
                return Ok(());
            }
            done.actions.into_iter().for_each(|action| self.act(action));
            self.now += Duration::from_secs(1);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::WriteStatus(status) => self.observed.status = Some(*status),
            Action::CreateRevision { revision, .. } => self.observed.revisions.push(revision),
            Action::DeletePod(pod) => {
                println!("- {}: {}", pod.name, pod.why);
                self.pods.remove(&pod.name);
            }
            Action::CreatePod(pod) => {
                println!("+ {}: {}", pod.name, pod.why);
                let uid = format!("{}@{}", pod.name, self.now.as_secs());
                let label = |key: &str| pod.labels[key].clone();
                let mut made = Pod::new(pod.key.clone(), uid, label(REVISION), label(ROLE_TEMPLATE_HASH), self.now);
                (made.phase, made.ready) = (Phase::Running, pod.template.hash != BROKEN);
                self.pods.insert(pod.name, made);
            }
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let image = |hash| TemplateRef::new("decode/entry", hash);
    let mut spec = Spec::new("default", "chat", [Role::new("decode", image(1))]).replicas(3);
    let now = Duration::from_secs(1_764_000_000);
    let mut cluster = Cluster { pods: BTreeMap::new(), observed: Observed::default(), now };
    cluster.settle(&spec)?;

    for (told, hash) in [("An image that does not start.", BROKEN), ("One that does.", 3)] {
        println!("{told}");
        spec.roles[0].body.entry = image(hash);
        spec.generation += 1;
        cluster.settle(&spec)?;
    }

    println!("One is enough, and group 2 would be a pity to lose.");
    if let Some(pod) = cluster.pods.get_mut("chat-2-decode-0-0") {
        pod.deletion_cost = 100;
    }
    spec.replicas = 1;
    spec.generation += 1;
    cluster.settle(&spec)?;
    assert_eq!(cluster.pods.keys().collect::<Vec<_>>(), ["chat-2-decode-0-0"]);
    Ok(())
}
