//! What an emulated engine publishes of its KV cache, as whoever follows it sees it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use phalanx_emulator::{Emulator, EmulatorConfig};
use phalanx_engine::EngineConfig;
use phalanx_kvcache::feed::Standing;
use phalanx_kvcache::{ChainHasher, FleetIndex, Overlap};
use phalanx_signals::{EventReport, EventSource, Follower, Publisher, PublisherConfig};
use serde_json::json;
use tokio::net::TcpListener;

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports")
}

async fn until(follower: &Follower, wanted: impl FnMut(&EventReport) -> bool) -> EventReport {
    let waiting = follower.watch().wait_for(wanted);
    let report = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("in time");
    report.expect("it runs")
}

#[tokio::test]
async fn the_prompts_that_it_computed_can_be_found_by_their_tokens() {
    let engine = EngineConfig::a100_8b().with_kv_tokens(2048).expect("enough for one");
    let hasher = ChainHasher::new(engine.block_size());
    let publisher = Publisher::start(&PublisherConfig::new(), bind().await, Some(bind().await)).expect("bound");
    let replay = publisher.replay_address().expect("one").into();
    let source = EventSource::new(publisher.address().into()).with_replay(replay);
    let emulator = Emulator::publishing(EmulatorConfig::new("tiny", engine), bind().await, publisher).expect("bound");

    let mut index = FleetIndex::new();
    let rank = index.join();
    let shared = Arc::new(Mutex::new(index));
    let index = Arc::clone(&shared);
    let follower = Follower::start(source, hasher.block_size(), 7, move |change| {
        index.lock().expect("no panic").apply(rank, change).expect("the rank is there")
    });
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let full = 1600 / hasher.block_size().tokens();
    for turn in 0..3 {
        let prompt: Vec<u32> = (0..1600).map(|token| token + 10_000 * turn).collect();
        let body = json!({ "prompt": prompt, "max_tokens": 1 }).to_string();
        let request = Request::post(format!("http://{}/v1/completions", emulator.address())).body(Body::from(body));
        let answer = client.request(request.expect("valid")).await.expect("it answers");
        answer.into_body().collect().await.expect("a whole body");
        // The second prompt drives out the first one.
        let stored = u64::from(full * (turn + 1));
        let report = until(&follower, |report| u64::from(report.applied.stored) == stored).await;
        assert_eq!((report.standing, report.dropped, report.unreadable), (Standing::Whole, 0, 0));
        assert_eq!((report.applied.unplaced, report.applied.removed > 0), (0, turn > 0), "{report:?}");
        let mut overlap = Overlap::new();
        shared.lock().expect("no panic").overlap(&hasher.contents(&prompt), &mut overlap);
        assert_eq!(overlap.blocks_of(rank), full);
    }
    emulator.shutdown().await;
}
