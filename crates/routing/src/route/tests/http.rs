//! Routes of HTTP requests: precedence, by hand and against a model that looks at everything.

use proptest::prelude::*;

use super::*;

fn http(routes: impl IntoIterator<Item = HttpRoute>) -> HttpRouteTable {
    HttpRouteTable::new(routes).expect("valid routes")
}

/// A route called `name` to the pool of that name, for requests that meet `wanted`.
fn to(name: &str, wanted: HttpMatch) -> HttpRoute {
    HttpRoute::new(name, [HttpRule::new([Backend::to(name)]).when(wanted)])
}

fn path(path: PathMatch) -> HttpMatch {
    HttpMatch::new().with_path(path)
}

fn yes() -> ValueMatch {
    ValueMatch::exact("yes")
}

#[track_caller]
fn pool<'t>(table: &'t HttpRouteTable, head: &RequestHead<'_>) -> Option<&'t str> {
    table.find(head, Listener::Default, 7).ok().and_then(|found| found.backend()).map(Backend::pool)
}

#[test]
fn hosts_come_before_everything_else() {
    let exact = path(PathMatch::exact("/v1/models")).with_method("POST");
    let table = http([
        to("every", exact.clone()),
        to("wide", exact).with_hostname("*.com"),
        to("near", HttpMatch::new()).with_hostname("*.example.com").with_hostname("other.org"),
        to("this", path(PathMatch::prefix("/v1"))).with_hostname("CHAT.example.com"),
    ]);
    let at = |host, path| pool(&table, &RequestHead { host, path, ..RequestHead::default() });
    assert_eq!(at("chat.example.com", "/v1/models"), Some("this"));
    assert_eq!(at("Chat.Example.Com:8080", "/v1/models"), Some("this"));
    // No match for the most specific host: the next one is asked.
    assert_eq!(at("chat.example.com", "/v2"), Some("near"));
    assert_eq!(at("a.b.example.com", "/v1/models"), Some("near"));
    assert_eq!(at("other.org", "/v1/models"), Some("near"));
    assert_eq!(at("example.com", "/v1/models"), Some("wide"));
    assert_eq!(at("example.org", "/v1/models"), Some("every"));
    assert_eq!(at("example.org", "/v2"), None);
}

#[test]
fn paths_come_by_kind_and_length_then_method_headers_and_query() {
    let headers = [("a", "yes"), ("b", "yes"), ("c", "no")];
    let table = http([
        to("regex", path(PathMatch::regex("^/v1/.*$").expect("valid")).with_method("POST").with_header("a", yes())),
        to("root", path(PathMatch::prefix("/")).with_method("POST").with_header("a", yes())),
        to("v1", path(PathMatch::prefix("/v1/"))),
        to("v1-post", path(PathMatch::prefix("/v1")).with_method("POST")),
        to("v1-a", path(PathMatch::prefix("/v1")).with_header("a", yes())),
        to("chat", path(PathMatch::prefix("/v1/chat"))),
        to("chat-a", path(PathMatch::prefix("/v1/chat")).with_header("a", yes())),
        to("chat-ab", path(PathMatch::prefix("/v1/chat")).with_header("a", yes()).with_header("b", yes())),
        to("chat-q", path(PathMatch::prefix("/v1/chat")).with_query("q", yes()).with_query("r", yes())),
        to("chat-aq", path(PathMatch::prefix("/v1/chat")).with_header("A", yes()).with_query("q", yes())),
        to("exact", path(PathMatch::exact("/v1/chat"))),
    ]);
    let plain = RequestHead { method: "GET", ..RequestHead::default() };
    let check = |head: RequestHead<'_>, expected: &str| assert_eq!(pool(&table, &head), Some(expected), "{head:?}");
    check(RequestHead { path: "/v1/chat", ..plain }, "exact");
    check(RequestHead { path: "/v1/chat/", ..plain }, "chat");
    check(RequestHead { path: "/v1/chatter", ..plain }, "v1");
    check(RequestHead { path: "/v1", ..plain }, "v1");
    check(RequestHead { path: "/v1/chat/x", headers: &[("a", "yes")], ..plain }, "chat-a");
    check(RequestHead { path: "/v1/chat/x", headers: &headers, ..plain }, "chat-ab");
    check(RequestHead { path: "/v1/chat/x", query: "q=yes&r=%79es", ..plain }, "chat-q");
    check(RequestHead { path: "/v1/chat/x", query: "q=yes&r=yes", headers: &[("a", "yes")], ..plain }, "chat-aq");
    check(RequestHead { path: "/v1/x", headers: &headers, ..plain }, "v1-a");
    check(RequestHead { path: "/v1/x", method: "POST", headers: &headers, ..plain }, "v1-post");
    check(RequestHead { path: "/x", method: "POST", headers: &headers, ..plain }, "root");
    assert_eq!(pool(&table, &RequestHead { path: "/x", ..plain }), None);
}

#[test]
fn what_is_equally_specific_is_settled_by_age_name_and_order() {
    let second = core::time::Duration::from_secs;
    let every = HttpMatch::new;
    let table = http([
        to("a-new", every()).with_age(second(2)),
        to("z-old", every()).with_age(second(1)),
        to("y-old", every()).with_age(second(1)),
        to("0-none", every()),
    ]);
    assert_eq!(pool(&table, &RequestHead::default()), Some("y-old"));
    let rules = ["first", "second"].map(|name| HttpRule::new([Backend::to(name)]).when(every()));
    assert_eq!(pool(&http([HttpRoute::new("r", rules)]), &RequestHead::default()), Some("first"));
}

#[test]
fn a_header_or_parameter_that_is_not_there_meets_nothing() {
    let any = || ValueMatch::regex("").expect("valid");
    let table =
        http([to("h", HttpMatch::new().with_header("a", any())), to("q", HttpMatch::new().with_query("a b", any()))]);
    assert_eq!(pool(&table, &RequestHead::default()), None);
    assert_eq!(pool(&table, &RequestHead { headers: &[("A", "")], ..RequestHead::default() }), Some("h"));
    assert_eq!(pool(&table, &RequestHead { query: "a+b", ..RequestHead::default() }), Some("q"));
}

#[test]
fn the_first_of_two_matches_of_one_name_counts() {
    let twice = HttpMatch::new().with_header("a", yes()).with_header("A", ValueMatch::exact("no"));
    assert!(twice.is_met(&RequestHead { headers: &[("a", "yes")], ..RequestHead::default() }));
    let twice = HttpMatch::new().with_query("a", yes()).with_query("a", ValueMatch::exact("no"));
    assert!(twice.is_met(&RequestHead { query: "a=yes", ..RequestHead::default() }));
}

#[test]
fn two_pools_share_70_to_30() {
    let backends = [Backend::to("primary").with_weight(70), Backend::to("secondary").with_weight(30)];
    let table = http([HttpRoute::new("r", [HttpRule::new(backends)])]);
    let is_primary = |&key: &u64| {
        let found = table.find(&RequestHead::default(), Listener::Default, key).expect("routed");
        found.backend().map(Backend::pool) == Some("primary")
    };
    // Three standard deviations of a binomial with p = 0.7 over 100,000 draws are 435.
    assert!((69_565..70_435).contains(&(0..100_000).filter(is_primary).count()));
}

#[test]
fn a_rule_without_weight_takes_its_requests_and_has_no_backend() {
    let nowhere = HttpRule::new([Backend::to("p").with_weight(0)]);
    let table =
        http([HttpRoute::new("none", [HttpRule::new([])]).with_hostname("a.b"), HttpRoute::new("zero", [nowhere])]);
    for host in ["a.b", "c"] {
        let found = table.find(&RequestHead { host, ..RequestHead::default() }, Listener::Default, 1).expect("taken");
        assert_eq!(found.backend(), None);
    }
}

#[test]
fn two_gateways_have_their_own_routes() {
    let on = |name: &str, gateway| to(name, HttpMatch::new()).with_parents([ParentRef::new(gateway)]);
    let table = http([on("prod/a", "one"), on("prod/b", "two")]);
    for (gateway, expected) in [("one", Some("prod/a")), ("two", Some("prod/b")), ("three", None)] {
        let listener = GatewayListener::new("prod", gateway, "http", 80);
        let found = table.find(&RequestHead::default(), Listener::Gateway(&listener), 1).ok();
        assert_eq!(found.and_then(|found| found.backend()).map(Backend::pool), expected);
    }
    assert_eq!(pool(&table, &RequestHead::default()), None);
}

#[test]
fn urls_are_rewritten_by_the_match_that_took_the_request() {
    let rewrite = UrlRewrite::new().with_hostname("engine").with_prefix("/v1");
    let rule = HttpRule::new([Backend::to("p")])
        .when(path(PathMatch::prefix("/llama")))
        .when(path(PathMatch::prefix("/models/llama/")))
        .with_rewrite(rewrite);
    let full = HttpRule::new([Backend::to("p")]).with_rewrite(UrlRewrite::new().with_path("/health"));
    let table = http([HttpRoute::new("r", [rule, full])]);
    let check = |path, host, expected: &str| {
        let head = RequestHead { path, ..RequestHead::default() };
        let found = table.find(&head, Listener::Default, 1).expect("taken");
        assert_eq!((found.hostname(), found.path(path).as_ref()), (host, expected));
    };
    check("/llama/chat", Some("engine"), "/v1/chat");
    check("/models/llama", Some("engine"), "/v1");
    check("/models/llama/chat", Some("engine"), "/v1/chat");
    check("/else", None, "/health");
    assert_eq!(table.routes().len(), 1);
}

#[test]
fn faults_of_http_routes_are_named() {
    let check = |route: HttpRoute, expected: &str| {
        assert_eq!(HttpRouteTable::new([route]).expect_err("a fault").to_string(), expected);
    };
    let rule = || HttpRule::new([Backend::to("p")]);
    check(
        to("r", path(PathMatch::exact("v1"))),
        "route \"r\" rule 0 has the path \"v1\": expected one that begins with /",
    );
    let second = |rule: HttpRule| HttpRoute::new("r", [HttpRule::new([]), rule]);
    let bad = second(rule().with_rewrite(UrlRewrite::new().with_path("")));
    check(bad, "route \"r\" rule 1 has the path \"\": expected one that begins with /");
    let bad = rule().when(path(PathMatch::exact("/a"))).with_rewrite(UrlRewrite::new().with_prefix("/b"));
    check(second(bad), "route \"r\" rule 1 rewrites a prefix: expected every match of it to ask for a path prefix");
    check(second(HttpRule::new([Backend::to("")])), "route \"r\" rule 1 has a backend without a name");
    let heavy = HttpRule::new([Backend::to("p").with_weight(1_000_001)]);
    check(second(heavy), "route \"r\" rule 1 gives \"p\" weight 1000001: expected 0 to 1000000");
    let twice = HttpRouteTable::new([to("r", HttpMatch::new()), to("r", HttpMatch::new())]).expect_err("a fault");
    assert_eq!(twice.to_string(), "route \"r\" is given twice");
}

/// A match as plain data, from which the naive answer is computed.
#[derive(Clone, Debug)]
struct Plain {
    host: Option<&'static str>,
    /// Exact, prefix or expression.
    path: (u8, &'static str),
    method: bool,
    headers: Vec<&'static str>,
    query: Vec<&'static str>,
}

fn plain() -> impl Strategy<Value = Plain> {
    let host = prop::option::of(prop::sample::select(vec!["a.b.c", "*.b.c", "*.c"]));
    let path = (0..3_u8, prop::sample::select(vec!["/", "/x", "/x/y", "/x/"]));
    let names = || prop::sample::subsequence(vec!["h", "i"], 0..=2);
    (host, path, any::<bool>(), names(), names()).prop_map(|(host, path, method, headers, query)| Plain {
        host,
        path,
        method,
        headers,
        query,
    })
}

impl Plain {
    fn to_match(&self) -> HttpMatch {
        let path = match self.path {
            (0, text) => PathMatch::exact(text),
            (1, text) => PathMatch::prefix(text),
            (_, text) => PathMatch::regex(&format!("^{text}")).expect("valid"),
        };
        let mut wanted = HttpMatch::new().with_path(path);
        if self.method {
            wanted = wanted.with_method("POST");
        }
        let wanted = self.headers.iter().fold(wanted, |wanted, name| wanted.with_header(*name, yes()));
        self.query.iter().fold(wanted, |wanted, name| wanted.with_query(*name, yes()))
    }

    fn is_met(&self, host: &str, path: &str, method: &str, headers: &[&str], query: &[&str]) -> bool {
        let segments =
            |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let host_fits = match self.host {
            None => true,
            Some(name) => match name.strip_prefix('*') {
                None => name == host,
                Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            },
        };
        let path_fits = match self.path {
            (0, text) => text == path,
            (1, text) => segments(path).starts_with(&segments(text)),
            (_, text) => path.starts_with(text),
        };
        let all = |wanted: &[&str], found: &[&str]| wanted.iter().all(|name| found.contains(name));
        host_fits
            && path_fits
            && (!self.method || method == "POST")
            && all(&self.headers, headers)
            && all(&self.query, query)
    }

    /// The smallest is the most specific.
    fn rank(&self) -> impl Ord + use<> {
        let host = match self.host {
            Some(name) if !name.starts_with('*') => (0, 0),
            Some(name) => (1, usize::MAX - name.len()),
            None => (2, 0),
        };
        let length = if self.path.0 == 1 { self.path.1.trim_end_matches('/').len() } else { 0 };
        (host, self.path.0, usize::MAX - length, !self.method, 2 - self.headers.len(), 2 - self.query.len())
    }
}

proptest! {
    #[test]
    fn a_request_finds_the_most_specific_match_in_any_order_of_routes(
        (matches, order) in prop::collection::vec((plain(), 0..2_u64), 0..8)
            .prop_flat_map(|all| { let order: Vec<_> = (0..all.len()).collect(); (Just(all), Just(order).prop_shuffle()) }),
        host in prop::sample::select(vec!["a.b.c", "z.b.c", "z.c", "c", ""]),
        path in prop::sample::select(vec!["/", "/x", "/x/y", "/x/y/z", "/xy"]),
        method in prop::sample::select(vec!["GET", "POST"]),
        headers in prop::sample::subsequence(vec!["h", "i"], 0..=2),
        query in prop::sample::subsequence(vec!["h", "i"], 0..=2),
    ) {
        let route = |index: usize| {
            let (plain, age) = &matches[index];
            let route = to(&format!("r{index}"), plain.to_match()).with_age(core::time::Duration::from_secs(*age));
            plain.host.into_iter().fold(route, HttpRoute::with_hostname)
        };
        let (straight, shuffled) = (http((0..matches.len()).map(route)), http(order.into_iter().map(route)));
        prop_assert_eq!(&straight, &shuffled);
        let pairs: Vec<_> = headers.iter().map(|name| (*name, "yes")).collect();
        let text: Vec<_> = query.iter().map(|name| format!("{name}=yes")).collect();
        let text = text.join("&");
        let pairs = pairs.as_slice();
        let head = RequestHead { method, host, path, query: &text, headers: &pairs };
        let found = straight.find(&head, Listener::Default, 1).ok().map(|found| found.route().name().to_owned());
        let met = matches.iter().enumerate().filter(|(_, (plain, _))| plain.is_met(host, path, method, &headers, &query));
        let expected = met.min_by_key(|(index, (plain, age))| (plain.rank(), *age, *index)).map(|(index, _)| format!("r{index}"));
        prop_assert_eq!(found, expected);
    }
}
