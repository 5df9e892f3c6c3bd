//! Against emulated engines, which check what they are told of each other.

use std::time::Duration;

use http::{Method, StatusCode};
use phalanx_emulator::{Emulator, EmulatorConfig, Fault};
use phalanx_engine::EngineConfig;
use phalanx_gateway::{Endpoint, Gateway, KvConnector, Phase, Pool};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::both::{ALL, CHAT};
use crate::support::{gateway, send, settled, text};

async fn engine() -> Emulator {
    engine_with(Duration::from_secs(10)).await
}

/// An engine that keeps KV for so long.
async fn engine_with(limit: Duration) -> Emulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let config = EmulatorConfig::new("m", EngineConfig::a100_8b()).with_transfer_timeout(limit);
    Emulator::start(config, listener).expect("a bound listener")
}

/// Two prefill and two decode engines, and a gateway before them.
async fn fleet(connector: KvConnector) -> ([Emulator; 2], [Emulator; 2], Gateway) {
    let (prefill, decode) = ([engine().await, engine().await], [engine().await, engine().await]);
    let endpoint = |name: &str, engine: &Emulator, phase| {
        let address = engine.address();
        Endpoint::new(format!("{name}{address}"), address).in_phase(phase, "").with_bootstrap_port(address.port())
    };
    let endpoints = prefill.iter().map(|engine| endpoint("p", engine, Phase::Prefill));
    let endpoints = endpoints.chain(decode.iter().map(|engine| endpoint("d", engine, Phase::Decode)));
    let gateway = gateway(Pool::of(endpoints).with_kv_connector(connector)).await;
    (prefill, decode, gateway)
}

fn question(number: usize) -> String {
    let content = format!("question {number}: ").repeat(40);
    json!({ "model": "m", "messages": [{ "role": "user", "content": content }], "max_tokens": 5 }).to_string()
}

async fn ask(gateway: &Gateway, number: usize) -> Value {
    let answer = send(gateway, Method::POST, CHAT, &question(number)).await;
    let (status, body) = (answer.status(), text(answer).await);
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

async fn ask_together(gateway: &Gateway, numbers: std::ops::Range<usize>) {
    let asked: Vec<_> = numbers.map(|number| Box::pin(ask(gateway, number))).collect();
    // All are under way before the first is done.
    for answer in join(asked).await {
        assert_eq!(answer["usage"]["completion_tokens"], 5);
    }
    settled(gateway).await;
}

async fn join<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in futures.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(output) = std::pin::Pin::new(future).poll(context) {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

async fn computed(engines: &[Emulator]) -> u64 {
    let mut tokens = 0;
    for engine in engines {
        tokens += engine.counters().await.expect("it runs").prompt_tokens;
    }
    tokens
}

#[tokio::test]
async fn every_prompt_finds_its_own_kv() {
    for connector in ALL {
        let (prefill, _decode, gateway) = fleet(connector).await;
        ask_together(&gateway, 0..16).await;
        // Each prompt went by a prefill engine, and nothing is left there.
        assert!(computed(&prefill).await > 16 * 120, "{connector:?}");
        assert_eq!(prefill.iter().map(Emulator::kept).sum::<usize>(), 0, "{connector:?}");
    }
}

#[tokio::test]
async fn prefill_engines_that_fail_cost_no_request() {
    for connector in ALL {
        for fault in ["close", "status,status=500", "garbage", "die"] {
            let (prefill, _decode, gateway) = fleet(connector).await;
            prefill[0].inject(fault.parse::<Fault>().expect("a fault"));
            ask_together(&gateway, 0..8).await;
            prefill[1].inject(fault.parse::<Fault>().expect("a fault"));
            ask_together(&gateway, 8..16).await;
        }
    }
}

#[tokio::test]
async fn an_engine_that_lost_its_kv_costs_no_request() {
    let [prefill, decode] = [engine_with(Duration::ZERO).await, engine().await];
    let endpoints = [
        Endpoint::new("p", prefill.address()).in_phase(Phase::Prefill, ""),
        Endpoint::new("d", decode.address()).in_phase(Phase::Decode, ""),
    ];
    let gateway = gateway(Pool::of(endpoints)).await;
    // What is to be fetched is there no more: the decode engine answers 500, and is asked for all of it.
    ask_together(&gateway, 0..4).await;
    assert!(computed(&[decode]).await > 4 * 120);
}
