//! What holds for every way of handing over KV.

use http::{Method, StatusCode};
use phalanx_gateway::{Endpoint, KvConnector, Phase, Pool, Retry};

use crate::support::{Engine, Script, gateway, gateway_with, json_ok, pool, response, send, settled, text};

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const ALL: [KvConnector; 3] = [KvConnector::Http, KvConnector::Nixl, KvConnector::Sglang];
const BODY: &str = r#"{ "model":"m", "max_tokens": 9, "stream": false, "t":1.50 }"#;
/// What a prefill engine answers that kept its KV.
const KEPT: &str = r#"{"kv_transfer_params":{"remote_port": 7.0}}"#;

/// Prefill endpoints `p0`, `p1`, … and decode endpoints `d0`, `d1`, ….
pub(crate) fn pairs(connector: KvConnector, prefill: &[&Engine], decode: &[&Engine]) -> Pool {
    let endpoint = |name: &str, i: usize, engine: &Engine, phase| {
        let port = engine.address.port();
        Endpoint::new(format!("{name}{i}"), engine.address).in_phase(phase, "g").with_bootstrap_port(port)
    };
    let prefill = prefill.iter().enumerate().map(|(i, engine)| endpoint("p", i, engine, Phase::Prefill));
    let decode = decode.iter().enumerate().map(|(i, engine)| endpoint("d", i, engine, Phase::Decode));
    Pool::of(prefill.chain(decode)).with_kv_connector(connector)
}

#[tokio::test]
async fn without_a_transfer_the_decode_leg_has_the_clients_bytes() {
    let (mut prefill, mut decode) = (Engine::start(json_ok("{}")).await, Engine::start(json_ok("{}")).await);
    let gateway = gateway(pairs(KvConnector::Http, &[&prefill], &[&decode])).await;
    let answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!(
        (answer.status(), &answer.headers()["x-phalanx-endpoint"]),
        (StatusCode::OK, &"d0".parse().expect("text"))
    );
    assert_eq!(prefill.request().await.1, BODY.replace('9', "1"));
    assert_eq!(decode.request().await.1, BODY);
    settled(&gateway).await;
}

#[tokio::test]
async fn with_one_the_rest_of_the_bytes_stay() {
    let (mut prefill, mut decode) = (Engine::start(json_ok(KEPT)).await, Engine::start(json_ok("{}")).await);
    let gateway = gateway(pairs(KvConnector::Nixl, &[&prefill], &[&decode]).serving("served")).await;
    send(&gateway, Method::POST, CHAT, BODY).await;
    let sent = prefill.request().await.1;
    let (before, after) = sent.split_once("\"kv_transfer_params\":").expect("it asks for KV to be kept");
    assert_eq!(before, "{ ");
    assert!(after.ends_with(r#"},"model":"served", "max_tokens": 1, "stream": false, "t":1.50 }"#), "{after}");
    let expected =
        r#"{ "kv_transfer_params":{"remote_port": 7.0},"model":"served", "max_tokens": 9, "stream": false, "t":1.50 }"#;
    assert_eq!(decode.request().await.1, expected);
    settled(&gateway).await;
}

#[tokio::test]
async fn a_prefill_that_fails_is_tried_at_another_within_the_budget() {
    let failures = [
        Script::Close,
        Script::Answer("this is no HTTP\r\n\r\n".to_owned()),
        Script::Answer(response("500 Internal Server Error", "application/json", "{}")),
        Script::Answer(response("429 Too Many Requests", "application/json", "{}")),
    ];
    for connector in [KvConnector::Http, KvConnector::Nixl] {
        for failure in &failures {
            for share in [1000, 0] {
                let [mut first, mut second] =
                    [Engine::start(failure.clone()).await, Engine::start(failure.clone()).await];
                let mut decode = Engine::start(json_ok("{}")).await;
                let retry = Retry::new().with_budget(share, 0).expect("in order");
                let pool = pairs(connector, &[&first, &second], &[&decode]);
                let gateway = gateway_with(pool, |config| config.with_retry(retry)).await;
                let answer = send(&gateway, Method::POST, CHAT, BODY).await;
                assert_eq!(answer.status(), StatusCode::OK);
                // In the end a decode engine does all.
                assert_eq!(decode.request().await.1, BODY);
                settled(&gateway).await;
                let asked = [&mut first, &mut second].map(|engine| usize::from(engine.seen.try_recv().is_ok()));
                assert_eq!(asked.iter().sum::<usize>(), if share > 0 { 2 } else { 1 }, "{connector:?} {failure:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_prefill_engine_that_keeps_nothing_is_not_at_fault() {
    for answer in ["{}", r#"{"kv_transfer_params":null}"#] {
        let (mut prefill, mut decode) = (Engine::start(json_ok(answer)).await, Engine::start(json_ok("{}")).await);
        let gateway = gateway(pairs(KvConnector::Nixl, &[&prefill], &[&decode])).await;
        for _ in 0..8 {
            assert_eq!(send(&gateway, Method::POST, CHAT, BODY).await.status(), StatusCode::OK);
            prefill.request().await;
            assert_eq!(decode.request().await.1, BODY);
            settled(&gateway).await;
        }
    }
}

#[tokio::test]
async fn what_two_cannot_share_goes_to_one() {
    for connector in ALL {
        for field in [r#""n":2"#, r#""best_of":2"#, r#""echo":true"#, r#""prompt_logprobs":1"#] {
            let (mut prefill, mut decode) = (Engine::start(json_ok(KEPT)).await, Engine::start(json_ok("{}")).await);
            let gateway = gateway(pairs(connector, &[&prefill], &[&decode])).await;
            let body = format!("{{{field},\"model\":\"m\",\"prompt\":\"x\"}}");
            assert_eq!(send(&gateway, Method::POST, "/v1/completions", &body).await.status(), StatusCode::OK);
            assert_eq!(decode.request().await.1, body);
            settled(&gateway).await;
            assert!(prefill.seen.try_recv().is_err(), "{connector:?} {field}");
        }
    }
}

#[tokio::test]
async fn a_decode_leg_that_gets_no_kv_is_run_whole() {
    let refusal = Script::Answer(response("500 Internal Server Error", "application/json", "{}"));
    let (prefill, mut decode) = (Engine::start(json_ok(KEPT)).await, Engine::start(refusal).await);
    let gateway = gateway(pairs(KvConnector::Nixl, &[&prefill], &[&decode])).await;
    let answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    text(answer).await;
    assert!(decode.request().await.1.contains("kv_transfer_params"));
    assert_eq!(decode.request().await.1, BODY);
    settled(&gateway).await;
    assert!(decode.seen.try_recv().is_err(), "it was asked a third time");
}

#[tokio::test]
async fn a_decode_endpoint_that_breaks_leaves_it_to_another() {
    for connector in ALL {
        let prefill = Engine::start(json_ok(KEPT)).await;
        let (broken, whole) = (Engine::start(Script::Close).await, Engine::start(json_ok("{}")).await);
        let gateway = gateway(pairs(connector, &[&prefill], &[&broken, &whole])).await;
        for _ in 0..8 {
            let answer = send(&gateway, Method::POST, CHAT, BODY).await;
            assert_eq!(answer.status(), StatusCode::OK, "{connector:?}");
            assert_eq!(answer.headers()["x-phalanx-endpoint"], "d1");
            text(answer).await;
            settled(&gateway).await;
        }
    }
}

#[tokio::test]
async fn endpoints_of_both_phases_need_no_connector() {
    let mut engine = Engine::start(json_ok("{}")).await;
    let gateway = gateway(pool(&[engine.address]).with_kv_connector(KvConnector::Sglang)).await;
    assert_eq!(send(&gateway, Method::POST, CHAT, BODY).await.status(), StatusCode::OK);
    assert_eq!(engine.request().await.1, BODY);
}
