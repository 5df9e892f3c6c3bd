//! Requests that routes tell apart by more than the model.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use phalanx_gateway::{Endpoint, Gateway, GatewayConfig, Pool};
use phalanx_routing::{
    Condition, GatewayListener, Listeners, ModelRoute, ParentRef, Policy, RouteTable, Rule, StringMatch, Target,
};
use tokio::net::TcpListener;

use super::support::{Engine, json_ok, send};

/// A gateway for `routes` with one engine for each server named, called like it.
async fn gateway(
    routes: impl IntoIterator<Item = ModelRoute>,
    servers: &[&str],
    change: impl FnOnce(GatewayConfig) -> GatewayConfig,
) -> (Gateway, Vec<Engine>) {
    let mut config = GatewayConfig::new(RouteTable::new(routes).expect("valid routes"), Policy::least_request());
    let mut engines = Vec::new();
    for server in servers {
        let engine = Engine::start(json_ok("{}")).await;
        let pool = Pool::of([Endpoint::new(*server, engine.address)]).serving(format!("served-{server}"));
        config = config.with_pool(*server, pool);
        engines.push(engine);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    (Gateway::start(change(config), listener).expect("a valid configuration"), engines)
}

/// Posts `{"model": model}` and tells the status and who answered, or the error's message.
async fn ask(gateway: &Gateway, path: &str, headers: &[(&str, &str)], model: &str) -> (u16, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::post(format!("http://{}{path}", gateway.address()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::from(format!("{{\"model\":\"{model}\"}}")));
    let response = client.request(request.body(body).expect("a valid request")).await.expect("the gateway answers");
    let status = response.status().as_u16();
    if let Some(endpoint) = response.headers().get("x-phalanx-endpoint") {
        return (status, endpoint.to_str().expect("text").to_owned());
    }
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    let error: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    (status, error["error"]["message"].as_str().unwrap_or_default().to_owned())
}

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn headers_and_paths_choose_the_server() {
    let premium = Condition::new().with_header("user-type", StringMatch::exact("premium"));
    let chat = Condition::new().with_path(StringMatch::regex("^/v1/chat/").expect("valid"));
    let rules = [Rule::to("large").when(premium), Rule::to("chat").when(chat), Rule::to("rest")];
    let routes = [ModelRoute::with_rules("r", "m", rules)];
    let (gateway, _engines) = gateway(routes, &["large", "chat", "rest"], |config| config).await;
    for (path, headers, expected) in [
        (CHAT, &[("User-Type", "premium")][..], "large"),
        ("/v1/completions", &[("user-type", "premium")], "large"),
        (CHAT, &[("user-type", "standard")], "chat"),
        (CHAT, &[("user-type", "")], "chat"),
        ("/v1/chat/completions?user-type=premium", &[], "chat"),
        ("/v1/completions", &[], "rest"),
    ] {
        assert_eq!(ask(&gateway, path, headers, "m").await, (200, expected.to_owned()), "{path} {headers:?}");
    }
}

#[tokio::test]
async fn a_request_that_no_rule_takes_is_told_so() {
    let never = Condition::new().with_header("x", StringMatch::exact("y"));
    let routes = [ModelRoute::with_rules("r", "m", [Rule::to("s").when(never)])];
    let (gateway, _engines) = gateway(routes, &["s"], |config| config).await;
    let (status, message) = ask(&gateway, CHAT, &[], "m").await;
    assert_eq!((status, message.as_str()), (404, "no rule of the routes for model \"m\" takes this request"));
    let (status, message) = ask(&gateway, CHAT, &[], "k").await;
    assert!(status == 404 && message.contains("`k` has no route"), "{message}");
}

#[tokio::test]
async fn a_models_name_is_rewritten_and_an_adapters_is_not() {
    let routes = [
        ModelRoute::new("r", "m", [Target::to("s")]).with_aliases(["alias"]).with_adapters(["sql"]),
        ModelRoute::new("t", "k", [Target::to("s").serving("target's")]),
    ];
    let (gateway, mut engines) = gateway(routes, &["s"], |config| config).await;
    for (model, seen) in [("m", "served-s"), ("alias", "served-s"), ("sql", "sql"), ("k", "target's")] {
        assert_eq!(ask(&gateway, CHAT, &[], model).await, (200, "s".to_owned()));
        assert_eq!(engines[0].request().await.1, format!("{{\"model\":\"{seen}\"}}"));
    }
    let list = send(&gateway, Method::GET, "/v1/models", "").await.into_body().collect().await.expect("a list");
    let list: serde_json::Value = serde_json::from_slice(&list.to_bytes()).expect("JSON");
    let names: Vec<_> = list["data"].as_array().expect("a list").iter().map(|model| model["id"].clone()).collect();
    assert_eq!(names, ["alias", "k", "m", "sql"]);
}

#[tokio::test]
async fn an_external_provider_is_not_asked() {
    let (gateway, _engines) = gateway([ModelRoute::new("r", "m", [Target::external("x")])], &[], |config| config).await;
    let (status, message) = ask(&gateway, CHAT, &[], "m").await;
    assert_eq!(status, StatusCode::NOT_IMPLEMENTED.as_u16());
    assert!(message.contains("external provider x"), "{message}");
}

#[tokio::test]
async fn the_host_chooses_the_listener_and_the_listener_the_route() {
    let route = |name: &str, section: &str| {
        let parent = ParentRef::new("edge").with_section(section);
        ModelRoute::new(name, "m", [Target::to(section)]).with_parents([parent])
    };
    let routes = [route("default/a", "chat"), route("default/b", "all")];
    let listeners = || {
        let listener = |name| GatewayListener::new("default", "edge", name, 80);
        let chat = listener("chat").with_hostname("*.chat.example.com").expect("a name");
        let all = listener("all").with_hostname("example.com").expect("a name");
        Listeners::new([chat, all, GatewayListener::new("default", "edge", "other", 81)])
    };
    let servers = ["chat", "all"];
    let (by_host, _engines) = gateway(routes.clone(), &servers, |config| config.with_listeners(listeners(), 80)).await;
    for (host, expected) in [("a.chat.example.com", "chat"), ("Example.COM:8080", "all")] {
        assert_eq!(ask(&by_host, CHAT, &[("host", host)], "m").await, (200, expected.to_owned()));
    }
    let (status, message) = ask(&by_host, CHAT, &[("host", "elsewhere")], "m").await;
    assert_eq!((status, message.as_str()), (404, "no listener is for the host \"elsewhere\""));

    // The default listener takes no route that names a Gateway; one that stands for all takes the first.
    let (default, _engines) = gateway(routes.clone(), &servers, |config| config).await;
    let (status, message) = ask(&default, CHAT, &[], "m").await;
    assert_eq!((status, message.as_str()), (404, "no route for model \"m\" is taken on this listener"));
    let (every, _engines) = gateway(routes, &servers, GatewayConfig::with_every_listener).await;
    assert_eq!(ask(&every, CHAT, &[], "m").await, (200, "chat".to_owned()));
}

#[tokio::test]
async fn one_request_id_keeps_its_target() {
    let targets = [Target::new("stable", 50), Target::new("next", 50)];
    let routes = [ModelRoute::new("canary", "m", targets)];
    let (gateway, _engines) = gateway(routes, &["stable", "next"], |config| config).await;
    let mut seen = std::collections::BTreeSet::new();
    for id in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let first = ask(&gateway, CHAT, &[("x-request-id", id)], "m").await;
        for _ in 0..3 {
            assert_eq!(ask(&gateway, CHAT, &[("x-request-id", id)], "m").await, first);
        }
        seen.insert(first.1);
    }
    assert_eq!(seen.len(), 2, "eight ids reach both targets");
}
