//! From what is asked and what exists to what is to be done.

mod budget;
mod create;
mod fault;
mod groups;
mod recovery;
mod replicas;
mod report;
mod revisions;
mod services;
mod view;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use self::revisions::Revisions;
use self::view::View;
use crate::{
    Cause, CreatePod, DeletePod, Event, Ledger, Observed, Options, Part, Pod, PodKey, Reconciled, ReplicaKey, Setback,
    Spec, SpecError,
};

/// Looks at a ModelServing: what is to be done so that what exists becomes what is asked, the status, and when to look
/// again.
///
/// The answer depends on the arguments alone. `now` is since an epoch that outlives restarts, as all times in `observed`
/// are: the Unix epoch, say. The cost grows with the pods, times the logarithm of their number.
///
/// # Errors
///
/// [`SpecError`] when the spec cannot be acted on; then nothing should be done to what exists.
///
/// ```
/// use core::time::Duration;
/// use phalanx_serving::{Action, Observed, Options, Role, Spec, TemplateRef, reconcile};
///
/// let role = Role::new("decode", TemplateRef::new("entry", 1)).workers(1, TemplateRef::new("worker", 2));
/// let spec = Spec::new("default", "chat", [role]);
/// let done = reconcile(&spec, &Observed::default(), Duration::ZERO, &Options::default())?;
/// let pods = done.actions.iter().filter_map(|action| match action {
///     Action::CreatePod(pod) => Some(pod.name.as_str()),
///     _ => None,
/// });
/// assert_eq!(pods.collect::<Vec<_>>(), ["chat-0-decode-0-0", "chat-0-decode-0-1"]);
/// assert!(matches!(done.actions[0], Action::WriteStatus(_)), "what must be remembered is written first");
/// # Ok::<(), phalanx_serving::SpecError>(())
/// ```
pub fn reconcile(spec: &Spec, observed: &Observed, now: Duration, options: &Options) -> Result<Reconciled, SpecError> {
    spec.check()?;
    let empty = Ledger::default();
    let status = observed.status.as_ref();
    let context = Context {
        spec,
        observed,
        now,
        options,
        revisions: Revisions::new(spec, observed),
        ledger: status.map_or(&empty, |status| &status.ledger),
        is_new_edition: status.is_none_or(|status| status.observed_generation != spec.generation),
    };
    let mut work = Work::new(context.ledger_now());
    let mut view = View::new(&context);
    recovery::recover(&context, &mut view, &mut work);
    view.judge(&context, &work.ledger);
    let surge = groups::remove(&context, &mut view, &mut work);
    for group in view.groups.values_mut().filter(|group| !group.leaving) {
        replicas::reconcile(&context, group, &mut work);
    }
    groups::create(&context, &view, surge, &mut work);
    let services = services::reconcile(&context, &view, &work);
    Ok(report::report(&context, &view, work, services))
}

/// What is looked at.
struct Context<'a> {
    spec: &'a Spec,
    observed: &'a Observed,
    now: Duration,
    options: &'a Options,
    revisions: Revisions<'a>,
    /// As it was.
    ledger: &'a Ledger,
    /// Whether the status is about an older edition of the spec.
    is_new_edition: bool,
}

/// What was decided so far.
#[derive(Default)]
struct Work {
    deletions: BTreeMap<PodKey, DeletePod>,
    creations: Vec<CreatePod>,
    events: Vec<Event>,
    wake: Option<Duration>,
    ledger: Ledger,
    /// Role replicas that were created or wait for their time.
    wanted: BTreeSet<ReplicaKey>,
    /// Groups with something missing that is created now or later.
    touched: BTreeSet<u32>,
    /// Groups in which a scheduler undid what it had bound.
    undone: BTreeSet<u32>,
}

impl Context<'_> {
    /// What is known of replicas from before, and as they are now.
    fn ledger_now(&self) -> Ledger {
        let replicas = self.spec.roles.iter().map(|role| (role.name.clone(), role.replicas)).collect();
        let revisions = &self.revisions;
        let before = match &self.observed.status {
            _ if !revisions.is_rolling() => BTreeMap::new(),
            // An update begins. One that replaces another leaves groups with what they had before that.
            Some(status) if status.update_revision != revisions.update.name => {
                if status.current_revision == status.update_revision {
                    self.ledger.replicas.clone()
                } else {
                    self.ledger.replicas_before.clone()
                }
            }
            _ => self.ledger.replicas_before.clone(),
        };
        Ledger { replicas, replicas_before: before, setbacks: self.ledger.setbacks.clone(), ..Ledger::default() }
    }

    /// Whether what is missing in a group was not lost there.
    fn is_forming(&self, group: u32) -> bool {
        self.is_new_edition || self.ledger.forming.contains(&group)
    }
}

impl Work {
    fn new(ledger: Ledger) -> Self {
        Self { ledger, ..Self::default() }
    }

    /// Asks to be woken at a time, if not before.
    fn wake_at(&mut self, time: Duration) {
        self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
    }

    /// Deletes a pod unless it is being deleted.
    fn delete(&mut self, spec: &Spec, pod: &Pod, cause: Cause, why: &str) {
        if pod.deleting.is_some() || self.deletions.contains_key(&pod.key) {
            return;
        }
        let (key, uid) = (pod.key.clone(), pod.uid.clone());
        let name = key.name(&spec.name);
        let deletion = DeletePod { key: key.clone(), name, uid, force: false, cause, why: why.to_owned() };
        self.deletions.insert(key, deletion);
    }

    fn tell(&mut self, is_warning: bool, reason: &'static str, text: String) {
        self.events.push(Event { is_warning, reason, text });
    }

    /// Notes that a part has failed so often, once for all looks that see the same failure.
    fn set_back(&mut self, context: &Context<'_>, part: Part, failures: u32, name: &str) {
        if self.ledger.setbacks.get(&part).is_some_and(|known| known.failures >= failures) {
            return;
        }
        let wait = context.options.wait(failures);
        let until = Duration::from_secs(context.now.saturating_add(wait).as_secs());
        self.ledger.setbacks.insert(part, Setback { failures, until });
        if !wait.is_zero() {
            let text = format!("{name} has failed {failures} times in a row; it is created again in {}", told(wait));
            self.tell(true, "BackOff", text);
        }
    }
}

/// A span of time as a person writes it.
fn told(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds >= 60 && seconds.is_multiple_of(60) { format!("{}m", seconds / 60) } else { format!("{seconds}s") }
}
