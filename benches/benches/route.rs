//! One look-up among 1,000 routes: of models, by conditions, and of HTTP requests.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use phalanx_routing::{
    Backend, Condition, HttpMatch, HttpRoute, HttpRouteTable, HttpRule, Listener, ModelRoute, PathMatch, RequestHead,
    RouteRequest, RouteTable, Rule, StringMatch, Target,
};

const ROUTES: usize = 1_000;

const HEADERS: [(&str, &str); 6] = [
    ("host", "host-500.example.com"),
    ("content-type", "application/json"),
    ("authorization", "Bearer sk-0123456789abcdef"),
    ("user-agent", "OpenAI/Python 1.99.0"),
    ("x-request-id", "9b2c7c86-5b0d-4f3e-8a55-2f9f3f0c7d11"),
    ("user-type", "beta-7"),
];

fn head() -> RequestHead<'static> {
    RequestHead { path: "/v1/chat/completions", host: HEADERS[0].1, headers: &HEADERS, ..RequestHead::default() }
}

/// Each route for a model of its own, with as many rules before the last one as `conditions`.
fn models(conditions: &[Condition]) -> RouteTable {
    let routes = (0..ROUTES).map(|i| {
        let rules = conditions.iter().map(|condition| Rule::to("elsewhere").when(condition.clone()));
        let last = Rule::new([Target::new("stable", 95), Target::new("next", 5)]);
        ModelRoute::with_rules(format!("prod/route-{i}"), format!("organisation/model-{i}"), rules.chain([last]))
    });
    RouteTable::new(routes).expect("valid routes")
}

fn find(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route/find/1000");
    let header = |value| Condition::new().with_header("user-type", value);
    let regex = |text| StringMatch::regex(text).expect("valid");
    let four = ["premium", "internal", "batch", "free"].map(|text| header(StringMatch::exact(text)));
    let tables = [
        ("plain", models(&[])),
        ("four headers", models(&four)),
        ("one expression", models(&[header(regex("^alpha-[0-9]+$"))])),
    ];
    for (name, table) in &tables {
        let request = RouteRequest { head: head(), ..RouteRequest::new("organisation/model-500", 42) };
        group.bench_function(*name, |bencher| bencher.iter(|| table.find(black_box(&request)).is_ok()));
    }
    // The worst case: all routes are for one model, and the last one takes the request.
    let routes = (0..ROUTES).map(|i| {
        let rule = if i + 1 == ROUTES { Rule::to("s") } else { Rule::to("s").when(header(StringMatch::exact("none"))) };
        ModelRoute::with_rules(format!("prod/route-{i:04}"), "m", [rule])
    });
    let table = RouteTable::new(routes).expect("valid routes");
    let request = RouteRequest { head: head(), ..RouteRequest::new("m", 42) };
    group.bench_function("of one model", |bencher| bencher.iter(|| table.find(black_box(&request)).is_ok()));
    group.finish();
}

fn find_http(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route/http/1000");
    let rule = |i: usize| {
        let wanted = HttpMatch::new().with_path(PathMatch::prefix(format!("/tenant-{i}")));
        [HttpRule::new([Backend::to("pool")]).when(wanted)]
    };
    let by_path = HttpRouteTable::new((0..ROUTES).map(|i| HttpRoute::new(format!("prod/{i}"), rule(i))));
    let by_host = HttpRouteTable::new((0..ROUTES).map(|i| {
        HttpRoute::new(format!("prod/{i}"), [HttpRule::new([Backend::to("pool")])])
            .with_hostname(format!("host-{i}.example.com"))
    }));
    let heads = [RequestHead { path: "/tenant-500/v1/chat/completions", ..head() }, head()];
    for ((name, table), head) in [("by path", by_path), ("by host", by_host)].into_iter().zip(heads) {
        let table = table.expect("valid routes");
        group.bench_function(name, |bencher| {
            bencher.iter(|| table.find(black_box(&head), Listener::Default, 42).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, find, find_http);
criterion_main!(benches);
