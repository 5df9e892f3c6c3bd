//! Prefill on one endpoint, decode on another: the bodies of the two legs, under vLLM's `kv_transfer_params`.

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Limited};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::proxy::Relayed;
use crate::upstream::EngineBody;

/// The largest answer of a prefill leg: one token and the transfer's parameters.
const MAX_PREFILL_ANSWER: usize = 8 << 20;

/// How the prefill leg ended.
#[derive(Debug)]
pub(crate) enum Prefilled {
    /// The prompt's KV can be fetched with these parameters.
    At(Box<RawValue>),
    /// The engine found fault with the request: its client should know.
    Refused(Box<Relayed>),
    /// No KV will come.
    Nowhere,
}

/// The request that computes the prompt and one token, and keeps the KV for a decode engine.
pub(crate) fn prefill_body(body: &[u8]) -> Option<Bytes> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    let fields = value.as_object_mut()?;
    fields.remove("stream_options");
    fields.insert("stream".to_owned(), false.into());
    fields.insert("max_tokens".to_owned(), 1.into());
    // One token, once: what asks for more would be refused beside `max_tokens`.
    for field in ["max_completion_tokens", "min_tokens", "n", "best_of"] {
        if let Some(value) = fields.get_mut(field) {
            *value = 1.into();
        }
    }
    let parameters = json!({
        "do_remote_decode": true, "do_remote_prefill": false, "remote_engine_id": null, "remote_block_ids": null,
        "remote_host": null, "remote_port": null,
    });
    fields.insert("kv_transfer_params".to_owned(), parameters);
    Some(value.to_string().into())
}

/// The transfer's parameters in the prefill leg's answer, which is read to its end.
pub(crate) async fn read_prefilled(response: Response<EngineBody>) -> Option<Box<RawValue>> {
    #[derive(serde::Deserialize)]
    struct Answer {
        kv_transfer_params: Option<Box<RawValue>>,
    }
    if !response.status().is_success() {
        return None;
    }
    let body = Limited::new(response.into_body(), MAX_PREFILL_ANSWER).collect().await.ok()?.to_bytes();
    let answer: Answer = serde_json::from_slice(&body).ok()?;
    answer.kv_transfer_params.filter(|parameters| parameters.get() != "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefill_leg_computes_one_token() {
        let body = br#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":9,
            "min_tokens":5,"n":4}"#;
        let value: Value = serde_json::from_slice(&prefill_body(body).expect("an object")).expect("valid");
        assert_eq!(value["stream"], false);
        assert_eq!((&value["max_tokens"], &value["max_completion_tokens"]), (&json!(1), &json!(1)));
        assert_eq!(value["kv_transfer_params"]["do_remote_decode"], true);
        assert_eq!((&value["min_tokens"], &value["n"]), (&json!(1), &json!(1)));
        assert!(value.get("stream_options").is_none());
        assert_eq!(prefill_body(b"[]"), None);
    }
}
