//! Prefill on one endpoint, decode on another: what the two legs of a request are sent, and what the first one leaves.

mod fields;
mod leg;
mod legs;
mod rooms;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::value::RawValue;

pub(crate) use self::leg::{Leg, LegEnd};
pub(crate) use self::legs::{Legs, Meeting};
pub(crate) use self::rooms::Rooms;
use crate::upstream::EngineBody;

/// The largest answer of a prefill leg: one token and the transfer's parameters.
const MAX_PREFILL_ANSWER: usize = 8 << 20;

/// What the answer of a prefill leg is, by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The prompt is computed, or will be.
    Well,
    /// The engine finds fault with the request: its client should know.
    Refused,
    /// It has too much to do.
    Busy,
    /// It failed.
    Failed,
}

impl Said {
    pub(crate) fn of(status: StatusCode) -> Self {
        match status {
            status if status.is_success() => Self::Well,
            StatusCode::TOO_MANY_REQUESTS => Self::Busy,
            status if status.is_client_error() => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// Reads the answer of a prefill leg to its end; `None` when it breaks off or is too long.
pub(crate) async fn read_whole(response: Response<EngineBody>) -> Option<Bytes> {
    Some(Limited::new(response.into_body(), MAX_PREFILL_ANSWER).collect().await.ok()?.to_bytes())
}

/// The transfer's parameters in the answer of a prefill leg, if it left any KV; `Err` when the answer is no JSON object.
pub(crate) fn transfer_of(answer: &[u8]) -> Result<Option<Box<RawValue>>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Answer {
        kv_transfer_params: Option<Box<RawValue>>,
    }
    let answer: Answer = serde_json::from_slice(answer)?;
    Ok(answer.kv_transfer_params.filter(|parameters| parameters.get() != "null"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_prefill_leg_leaves() {
        let left = |text: &str| transfer_of(text.as_bytes()).ok().map(|left| left.map(|raw| raw.get().to_owned()));
        assert_eq!(left(r#"{"kv_transfer_params": {"a": 1.0}}"#), Some(Some(r#"{"a": 1.0}"#.to_owned())));
        assert_eq!(left(r#"{"kv_transfer_params": null}"#), Some(None));
        assert_eq!(left("{}"), Some(None));
        assert_eq!(left("garbage"), None);
    }
}
