//! The rules of Gateways and HTTPRoutes, each broken once, and what a sound one says.

use phalanx_routing::{Listener, RequestHead};

use super::{check, warn};
use crate::{Manifests, Settings};

const GATEWAY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: phalanx
  listeners:
  - name: chat
    port: 80
    protocol: HTTP
    hostname: \"*.chat.example.com\"
  - {name: all, port: 80, protocol: HTTP}
";

const ROUTE: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: llama, creationTimestamp: \"2026-01-02T03:04:05Z\"}
spec:
  parentRefs: [{name: edge, sectionName: chat}]
  hostnames: [eu.chat.example.com, \"*.chat.example.com\"]
  rules:
  - matches:
    - path: {type: PathPrefix, value: /llama}
      method: POST
      headers: [{name: x-tier, value: gold}]
      queryParams: [{name: v, type: RegularExpression, value: ^1}]
    filters:
    - type: URLRewrite
      urlRewrite:
        hostname: engine.internal
        path: {type: ReplacePrefixMatch, replacePrefixMatch: /v1}
    backendRefs:
    - {group: inference.networking.k8s.io, kind: InferencePool, name: pool, weight: 1, port: 9}
";

#[test]
fn gateways() {
    let check = |from, to, line: u32, rest: &str| {
        check(GATEWAY, from, to, &[&format!("{line}: Gateway default/edge: spec{rest}")]);
    };
    check("  gatewayClassName: phalanx\n", "", 5, ".gatewayClassName: found nothing, expected a GatewayClass's name");
    check("port: 80", "port: 0", 9, ".listeners[0].port: found 0, expected a whole number from 1 to 65535");
    check("name: all", "name: chat", 12, ".listeners[1]: found a second listener chat, expected different names");
    check(
        "*.chat.example.com",
        "chat.*.com",
        11,
        ".listeners[0].hostname: found \"chat.*.com\", expected a lower-case DNS name like chat.example.com or *.example.com",
    );
    warn(GATEWAY, "protocol: HTTP", "protocol: HTTPS", "spec.listeners[0].protocol: not acted on in this release");
    let routes = "protocol: HTTP\n    allowedRoutes: {namespaces: {from: All}}";
    warn(GATEWAY, "protocol: HTTP", routes, "spec.listeners[0].allowedRoutes: not acted on in this release");
    let other = GATEWAY.replace("gateway.networking.k8s.io/v1", "networking.istio.io/v1");
    warn(&other, "", "", "Gateway of networking.istio.io/v1 is not read");
}

#[test]
fn http_routes() {
    let check = |from, to, line: u32, rest: &str| {
        check(ROUTE, from, to, &[&format!("{line}: HTTPRoute default/llama: spec{rest}")]);
    };
    check("{name: edge,", "{", 6, ".parentRefs[0].name: found nothing, expected a Gateway's name");
    check(
        "[eu.",
        "[-eu.",
        7,
        ".hostnames[0]: found \"-eu.chat.example.com\", expected a lower-case DNS name like chat.example.com or *.example.com",
    );
    let path = ".rules[0].matches[0].path";
    check(
        "value: /llama",
        "value: llama",
        10,
        &format!("{path}.value: found \"llama\", expected a path that begins with /"),
    );
    check(
        "type: PathPrefix",
        "type: Prefix",
        10,
        &format!("{path}.type: found \"Prefix\", expected one of Exact, PathPrefix, RegularExpression"),
    );
    check(
        "type: PathPrefix",
        "type: Exact",
        18,
        ".rules[0].filters[0].urlRewrite.path.replacePrefixMatch: found a new prefix, expected every match of the rule to ask for a PathPrefix",
    );
    check(
        "method: POST",
        "method: post",
        11,
        ".rules[0].matches[0].method: found \"post\", expected one of GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH",
    );
    check(
        "value: ^1",
        "value: '('",
        13,
        ".rules[0].matches[0].queryParams[0].value: found \"(\", expected a regular expression: found open group without closing ')'",
    );
    check(", value: gold", "", 12, ".rules[0].matches[0].headers[0].value: found nothing, expected a value");
    let rewrite = ".rules[0].filters[0].urlRewrite.path";
    check(
        "replacePrefixMatch: /v1",
        "replaceFullPath: /v1",
        18,
        &format!("{rewrite}.replaceFullPath: found the path of another type, expected only that of ReplacePrefixMatch"),
    );
    check(
        "weight: 1,",
        "weight: -1,",
        20,
        ".rules[0].backendRefs[0].weight: found -1, expected a whole number from 0 to 1000000",
    );
    let warn = |from: &str, to: &str, expected: &str| warn(ROUTE, from, to, expected);
    warn("kind: InferencePool, ", "", "20: HTTPRoute default/llama: spec.rules[0].backendRefs[0]: no InferencePool");
    warn("    filters:\n", "    timeouts: {request: 1s}\n    filters:\n", "spec.rules[0].timeouts: not acted on");
    let header = "    filters:\n    - {type: RequestHeaderModifier, requestHeaderModifier: {}}\n";
    warn(
        "    filters:\n",
        header,
        "spec.rules[0].filters[0].type: not acted on in this release: requests are passed on",
    );
}

#[test]
fn a_request_goes_by_listener_host_path_and_match() {
    let manifests = Manifests::read([("f", GATEWAY), ("g", ROUTE)], &Settings::new()).expect("valid");
    assert_eq!(manifests.warnings(), []);
    let (listeners, table) = (manifests.listeners(), manifests.http_route_table().expect("a table"));
    assert_eq!((manifests.gateways()[0].class(), manifests.http_routes().len()), ("phalanx", 1));
    let headers = [("X-Tier", "gold")];
    let head = RequestHead {
        host: "eu.chat.example.com:80",
        path: "/llama/chat",
        query: "v=1.5",
        headers: &headers,
        ..RequestHead::default()
    };
    let find = |head: RequestHead<'_>| {
        let listener = listeners.choose(head.host, 80).expect("one is for every host");
        let found = table.find(&head, Listener::Gateway(listener), 7).ok()?;
        Some((found.backend()?.pool().to_owned(), found.hostname()?.to_owned(), found.path(head.path).into_owned()))
    };
    let expected = ("default/pool".to_owned(), "engine.internal".to_owned(), "/v1/chat".to_owned());
    assert_eq!(find(head), Some(expected));
    for other in [
        RequestHead { host: "example.com", ..head },
        RequestHead { path: "/llamas", ..head },
        RequestHead { query: "v=2", ..head },
        RequestHead { method: "GET", ..head },
        RequestHead { headers: &[("X-Tier", "iron")], ..head },
    ] {
        assert_eq!(find(other), None, "{other:?}");
    }
}
