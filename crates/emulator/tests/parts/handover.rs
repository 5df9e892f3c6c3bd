//! A prompt that is computed on one engine and answered on another.

use std::time::Duration;

use http::StatusCode;
use phalanx_emulator::Emulator;
use serde_json::{Value, json};

use crate::support::{COMPLETIONS, config, message, post, start};

const PROMPT: &str = "a prompt that one engine computes and another one answers";

async fn engines() -> [Emulator; 2] {
    [start(config()).await, start(config()).await]
}

async fn kept_by(engine: &Emulator) -> Value {
    let keep = json!({ "do_remote_decode": true, "do_remote_prefill": false });
    let body = json!({ "prompt": PROMPT, "max_tokens": 1, "kv_transfer_params": keep });
    let (status, answer) = post(engine, COMPLETIONS, body).await;
    assert_eq!(status, StatusCode::OK);
    answer["kv_transfer_params"].clone()
}

fn met_at(engine: &Emulator, room: u64, prompt: &str) -> Value {
    json!({
        "prompt": prompt, "max_tokens": 2, "bootstrap_host": "127.0.0.1", "bootstrap_port": engine.address().port(),
        "bootstrap_room": room,
    })
}

#[tokio::test]
async fn kept_kv_is_fetched_once_and_by_its_prompt() {
    let [prefill, decode] = engines().await;
    let parameters = kept_by(&prefill).await;
    assert_eq!(parameters["do_remote_prefill"], true);
    assert_eq!(parameters["remote_block_ids"].as_array().map(Vec::len), Some(1));
    assert_eq!(prefill.kept(), 1);
    let body = json!({ "prompt": PROMPT, "max_tokens": 2, "kv_transfer_params": parameters });
    let (status, answer) = post(&decode, COMPLETIONS, body.clone()).await;
    assert_eq!((status, &answer["usage"]["completion_tokens"]), (StatusCode::OK, &json!(2)), "{answer}");
    assert_eq!(prefill.kept(), 0);
    let (status, error) = post(&decode, COMPLETIONS, body).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(message(&error).contains("no such blocks"), "{error}");

    let parameters = kept_by(&prefill).await;
    let other = json!({ "prompt": "another one", "max_tokens": 2, "kv_transfer_params": parameters });
    let (status, error) = post(&decode, COMPLETIONS, other).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(message(&error).contains("of another prompt"), "{error}");
}

#[tokio::test]
async fn kv_of_an_engine_that_is_not_there_does_not_come() {
    let [prefill, decode] = engines().await;
    let parameters = kept_by(&prefill).await;
    let mut strange = parameters.clone();
    strange["remote_engine_id"] = "somebody".into();
    let (status, error) = post(&decode, COMPLETIONS, json!({ "prompt": PROMPT, "kv_transfer_params": strange })).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(message(&error).contains("engine somebody is not this one"), "{error}");
    drop(prefill);
    let (status, error) =
        post(&decode, COMPLETIONS, json!({ "prompt": PROMPT, "kv_transfer_params": parameters })).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{error}");
    // What names no engine asks for nothing.
    let nothing = json!({ "do_remote_prefill": true, "remote_engine_id": null });
    let (status, _) = post(&decode, COMPLETIONS, json!({ "prompt": PROMPT, "kv_transfer_params": nothing })).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn two_legs_meet_whichever_comes_first() {
    let [prefill, decode] = engines().await;
    for room in [7, i64::MAX as u64] {
        let body = met_at(&prefill, room, PROMPT);
        let (first, second) = tokio::join!(post(&prefill, COMPLETIONS, body.clone()), post(&decode, COMPLETIONS, body));
        assert_eq!((first.0, second.0), (StatusCode::OK, StatusCode::OK), "{first:?} {second:?}");
        assert_eq!(second.1["usage"]["completion_tokens"], 2);
        assert_eq!(prefill.kept(), 0);
    }
}

#[tokio::test]
async fn a_leg_alone_gives_up() {
    let hasty = || config().with_transfer_timeout(Duration::from_millis(50));
    let [prefill, decode] = [start(hasty()).await, start(hasty()).await];
    for engine in [&prefill, &decode] {
        let (status, error) = post(engine, COMPLETIONS, met_at(&prefill, 7, PROMPT)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(message(&error).contains("nobody came to room 7"), "{error}");
    }
}

#[tokio::test]
async fn a_room_is_for_one_prompt_and_one_request() {
    let [prefill, decode] = engines().await;
    let (first, second) = tokio::join!(post(&prefill, COMPLETIONS, met_at(&prefill, 7, PROMPT)), async {
        while prefill.kept() == 0 {
            tokio::task::yield_now().await;
        }
        let (status, error) = post(&prefill, COMPLETIONS, met_at(&prefill, 7, PROMPT)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(message(&error).contains("room 7 is taken"), "{error}");
        let (status, error) = post(&decode, COMPLETIONS, met_at(&prefill, 7, "another one")).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(message(&error).contains("of another prompt"), "{error}");
        post(&decode, COMPLETIONS, met_at(&prefill, 7, PROMPT)).await
    });
    assert_eq!((first.0, second.0), (StatusCode::OK, StatusCode::OK));
}
