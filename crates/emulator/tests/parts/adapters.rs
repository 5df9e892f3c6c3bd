//! LoRA adapters.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{COMPLETIONS, config, get, message, post, start};

const LOAD: &str = "/v1/load_lora_adapter";
const UNLOAD: &str = "/v1/unload_lora_adapter";

fn named(name: &str) -> Value {
    json!({ "lora_name": name, "lora_path": format!("/adapters/{name}") })
}

#[tokio::test]
async fn an_adapter_answers_while_it_is_loaded() {
    let emulator = start(config().with_max_loras(2)).await;
    let ask = json!({ "model": "poet", "prompt": "hello", "max_tokens": 1 });
    let (status, error) = post(&emulator, COMPLETIONS, ask.clone()).await;
    assert_eq!((status, &error["error"]["param"]), (StatusCode::NOT_FOUND, &json!("model")));
    assert_eq!(post(&emulator, LOAD, named("poet")).await.0, StatusCode::OK);
    let (status, answer) = post(&emulator, COMPLETIONS, ask.clone()).await;
    assert_eq!((status, &answer["model"]), (StatusCode::OK, &json!("poet")));
    let models: Value = serde_json::from_str(&get(&emulator, "/v1/models").await).expect("JSON");
    assert_eq!(models["data"][0]["id"], "tiny");
    let entry = &models["data"][1];
    assert_eq!(
        (&entry["id"], &entry["parent"], &entry["root"]),
        (&json!("poet"), &json!("tiny"), &json!("/adapters/poet"))
    );
    assert_eq!(post(&emulator, UNLOAD, json!({ "lora_name": "poet" })).await.0, StatusCode::OK);
    assert_eq!(post(&emulator, COMPLETIONS, ask).await.0, StatusCode::NOT_FOUND);
    assert!(!get(&emulator, "/v1/models").await.contains("poet"));
}

#[tokio::test]
async fn metrics_tell_the_adapters_in_use() {
    let emulator = start(config().with_max_loras(2)).await;
    let told = async || {
        let page = get(&emulator, "/metrics").await;
        let line = page.lines().find(|line| line.starts_with("vllm:lora_requests_info")).expect("it is told");
        assert!(line.contains("max_lora=\"2\"") && line.contains("waiting_lora_adapters=\"\""), "{line}");
        let list = line.split("running_lora_adapters=\"").nth(1).expect("a list");
        list.split('"').next().expect("it ends").to_owned()
    };
    assert_eq!(told().await, "");
    for name in ["b", "a", "c"] {
        assert_eq!(post(&emulator, LOAD, named(name)).await.0, StatusCode::OK);
    }
    // Two are in use, and a third that is asked for takes the place of the one that waited longest.
    assert_eq!(told().await, "a,c");
    let (status, _) = post(&emulator, COMPLETIONS, json!({ "model": "b", "prompt": "x", "max_tokens": 1 })).await;
    assert_eq!((status, told().await.as_str()), (StatusCode::OK, "b,c"));
    assert_eq!(post(&emulator, UNLOAD, json!({ "lora_name": "c" })).await.0, StatusCode::OK);
    assert_eq!(told().await, "b");
}

#[tokio::test]
async fn an_adapter_has_a_cache_of_its_own() {
    let emulator = start(config().with_max_loras(1)).await;
    assert_eq!(post(&emulator, LOAD, named("poet")).await.0, StatusCode::OK);
    let mut cached = Vec::new();
    for model in ["tiny", "poet", "tiny", "poet"] {
        let body = json!({ "model": model, "prompt": "the same prompt ".repeat(200), "max_tokens": 1 });
        let (_, answer) = post(&emulator, COMPLETIONS, body).await;
        cached.push(answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a number") > 0);
    }
    assert_eq!(cached, [false, false, true, true]);
}

#[tokio::test]
async fn what_cannot_be_loaded_is_told() {
    let emulator = start(config().with_max_loras(1)).await;
    assert_eq!(post(&emulator, LOAD, named("poet")).await.0, StatusCode::OK);
    let again = json!({ "lora_name": "poet", "lora_path": "/other", "load_inplace": true });
    assert_eq!(post(&emulator, LOAD, again).await.0, StatusCode::OK);
    for (path, body, status, told) in [
        (LOAD, named("poet"), 400, "`poet` is loaded"),
        (LOAD, named("tiny"), 400, "the name of the model"),
        (LOAD, json!({ "lora_name": "x" }), 400, "`lora_path` is missing"),
        (LOAD, json!({ "lora_path": "x", "lora_name": "" }), 400, "`lora_name` is missing"),
        (UNLOAD, json!({ "lora_name": "x" }), 404, "no adapter `x`"),
        (UNLOAD, json!({}), 400, "`lora_name` is missing"),
    ] {
        let (found, error) = post(&emulator, path, body.clone()).await;
        assert_eq!(found.as_u16(), status, "{path} {body}");
        assert!(message(&error).contains(told), "{error}");
    }
    let without = start(config()).await;
    assert_eq!(post(&without, LOAD, named("poet")).await.0, StatusCode::NOT_FOUND);
    assert!(!get(&without, "/metrics").await.contains("lora"));
}
