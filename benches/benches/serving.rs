//! A look at a ModelServing of 1,000 groups of 20 pods: when nothing exists, when all of it runs, and when an update begins;
//! and a look at each of 1,000 ModelServings of one such group.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use phalanx_serving::{
    Action, Observed, Options, Phase, Pod, REVISION, ROLE_TEMPLATE_HASH, Role, Service, Spec, TemplateRef, reconcile,
};

const NOW: Duration = Duration::from_secs(1_764_000_000);

/// Groups of a prefill and a decode role with two replicas each of an entry and four workers.
fn spec(groups: u32) -> Spec {
    let role =
        |name| Role::new(name, TemplateRef::new("entry", 1)).workers(4, TemplateRef::new("worker", 2)).replicas(2);
    Spec::new("default", "chat", [role("prefill"), role("decode")]).replicas(groups)
}

/// What exists when all was done that is asked, and runs.
fn settled(spec: &Spec) -> Observed {
    let mut observed = Observed::default();
    for _ in 0..3 {
        let done = reconcile(spec, &observed, NOW, &Options::default()).expect("the spec is sound");
        for action in done.actions {
            match action {
                Action::WriteStatus(status) => observed.status = Some(*status),
                Action::CreateRevision { revision, .. } => observed.revisions.push(revision),
                Action::CreateService(service) => {
                    let (of, uid) = (service.of, service.name.clone());
                    observed.services.push(Service { of, name: service.name, uid, deleting: false });
                }
                Action::CreatePod(pod) => {
                    let label = |key: &str| pod.labels[key].clone();
                    let mut made =
                        Pod::new(pod.key.clone(), pod.name.clone(), label(REVISION), label(ROLE_TEMPLATE_HASH), NOW);
                    (made.phase, made.ready, made.scheduled) = (Phase::Running, true, true);
                    observed.pods.push(made);
                }
                _ => {}
            }
        }
    }
    observed
}

fn looks(criterion: &mut Criterion) {
    let options = Options::default();
    let mut group = criterion.benchmark_group("serving/look at 1000 groups of 20 pods");
    group.sample_size(20);
    let (spec, empty) = (spec(1000), Observed::default());
    let all = settled(&spec);
    let mut changed = spec.clone();
    changed.roles[1].body.entry.hash = 3;
    changed.generation += 1;
    for (name, spec, observed) in
        [("none exist", &spec, &empty), ("all run", &spec, &all), ("an update", &changed, &all)]
    {
        group.bench_function(name, |bencher| {
            bencher.iter(|| reconcile(black_box(spec), black_box(observed), NOW, &options));
        });
    }
    group.finish();
}

fn many(criterion: &mut Criterion) {
    let options = Options::default();
    let spec = spec(1);
    let observed = settled(&spec);
    let mut group = criterion.benchmark_group("serving/look at 1000 ModelServings of 20 pods");
    group.sample_size(20);
    group.bench_function("all run", |bencher| {
        bencher.iter(|| {
            for _ in 0..1000 {
                let _ = black_box(reconcile(black_box(&spec), black_box(&observed), NOW, &options));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, looks, many);
criterion_main!(benches);
