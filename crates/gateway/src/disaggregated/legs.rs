//! The bodies of the two legs, made of the client's.

use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::fields::{Edit, Fields};

/// What a prefill engine is told that is to keep its KV for whoever fetches it.
const KEEP: &str = r#"{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,"remote_block_ids":null,"remote_host":null,"remote_port":null}"#;

/// A body that two endpoints may share.
#[derive(Debug)]
pub(crate) struct Legs<'a> {
    body: &'a Bytes,
    fields: Fields<'a>,
}

/// Where two legs meet that are under way at once.
#[derive(Clone, Debug)]
pub(crate) struct Meeting {
    host: String,
    port: u16,
    room: u64,
}

impl Meeting {
    /// In a room of the prefill engine at this address, whose other port is for such meetings.
    pub(crate) fn at(address: SocketAddr, port: u16, room: u64) -> Self {
        Self { host: format!("\"{}\"", address.ip()), port, room }
    }

    fn edits(&self) -> [Edit<'_>; 3] {
        [
            Edit::Set("bootstrap_host", self.host.as_str().into()),
            Edit::Set("bootstrap_port", self.port.to_string().into()),
            Edit::Set("bootstrap_room", self.room.to_string().into()),
        ]
    }
}

impl<'a> Legs<'a> {
    /// `None` when the body is no object.
    pub(crate) fn read(body: &'a Bytes) -> Option<Self> {
        Some(Self { body, fields: Fields::read(body)? })
    }

    /// Whether two endpoints can share it. One has to do all for several answers or prompts, which would need as many
    /// transfers, and for what is said of the prompt's own tokens, which a decode engine does not compute.
    pub(crate) fn can_be_shared(&self) -> bool {
        let fields = &self.fields;
        let more_than_one = |name| fields.values(name).any(|value| value.parse().is_ok_and(|count: f64| count > 1.0));
        let is_on = |name| fields.values(name).any(|value| !matches!(value, "false" | "null"));
        let is_whole = ["n", "best_of"].into_iter().any(more_than_one)
            || ["echo", "prompt_logprobs", "use_beam_search"].into_iter().any(is_on)
            || fields.values("prompt").any(is_several);
        !is_whole
    }

    /// For an engine whose KV goes where every other one finds it.
    pub(crate) fn prefill(&self) -> Bytes {
        self.prefill_with(&[])
    }

    /// For an engine that keeps its KV until a decode engine fetches it.
    pub(crate) fn prefill_and_keep(&self) -> Bytes {
        self.prefill_with(&[Edit::Set("kv_transfer_params", KEEP.into())])
    }

    /// For an engine that sends its KV to whoever comes to the meeting.
    pub(crate) fn prefill_at(&self, meeting: &Meeting) -> Bytes {
        self.prefill_with(&meeting.edits())
    }

    /// For an engine that has the whole prompt's KV at hand: the client's own bytes.
    pub(crate) fn decode(&self) -> Bytes {
        self.body.clone()
    }

    /// For an engine that fetches the prompt's KV with these parameters.
    pub(crate) fn decode_from(&self, transfer: &RawValue) -> Bytes {
        self.fields.with(&[Edit::Set("kv_transfer_params", transfer.get().into())])
    }

    /// For an engine that gets the prompt's KV at the meeting.
    pub(crate) fn decode_at(&self, meeting: &Meeting) -> Bytes {
        self.fields.with(&meeting.edits())
    }

    /// One token, once, at the end: what asks for more would be refused beside `max_tokens`.
    fn prefill_with(&self, edits: &[Edit<'_>]) -> Bytes {
        let mut all = vec![
            Edit::Set("max_tokens", "1".into()),
            Edit::Replace("max_completion_tokens", "1".into()),
            Edit::Replace("min_tokens", "1".into()),
            Edit::Replace("stream", "false".into()),
            Edit::Remove("stream_options"),
        ];
        all.extend_from_slice(edits);
        self.fields.with(&all)
    }
}

/// Whether a `prompt` is a list of prompts.
fn is_several(prompt: &str) -> bool {
    let mut bytes = prompt.bytes().filter(|byte| !byte.is_ascii_whitespace());
    bytes.next() == Some(b'[') && matches!(bytes.next(), Some(b'"' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"model":"m","max_completion_tokens":9, "min_tokens":5,"stream":true,"stream_options":{"include_usage":true},"t":1.50}"#;
    const ONE: &str = r#""model":"m","max_completion_tokens":1, "min_tokens":1,"stream":false,"t":1.50}"#;

    fn check(make: impl Fn(&Legs<'_>) -> Bytes, expected: &str) {
        let body = Bytes::from_static(BODY.as_bytes());
        let legs = Legs::read(&body).expect("an object");
        assert_eq!(make(&legs), expected);
    }

    #[test]
    fn the_prefill_leg_computes_one_token() {
        check(|legs| legs.prefill(), &format!("{{\"max_tokens\":1,{ONE}"));
        check(|legs| legs.prefill_and_keep(), &format!("{{\"max_tokens\":1,\"kv_transfer_params\":{KEEP},{ONE}"));
        let meeting = Meeting::at("10.0.0.1:8000".parse().expect("an address"), 8998, 7);
        let place = r#""bootstrap_host":"10.0.0.1","bootstrap_port":8998,"bootstrap_room":7"#;
        check(|legs| legs.prefill_at(&meeting), &format!("{{\"max_tokens\":1,{place},{ONE}"));
        check(|legs| legs.decode_at(&meeting), &format!("{{{place},{}", &BODY[1..]));
    }

    #[test]
    fn the_decode_leg_has_the_clients_bytes() {
        check(|legs| legs.decode(), BODY);
        let transfer = RawValue::from_string(r#"{"remote_port": 7.0}"#.to_owned()).expect("valid");
        let expected = format!("{{\"kv_transfer_params\":{{\"remote_port\": 7.0}},{}", &BODY[1..]);
        check(|legs| legs.decode_from(&transfer), &expected);
        let own = Bytes::from_static(br#"{"a":1,"kv_transfer_params" : null}"#);
        let legs = Legs::read(&own).expect("an object");
        assert_eq!(legs.decode_from(&transfer), r#"{"a":1,"kv_transfer_params" : {"remote_port": 7.0}}"#);
    }

    #[test]
    fn what_two_engines_cannot_share() {
        for (fields, is_shared) in [
            (r#""n":1"#, true),
            (r#""n":2"#, false),
            (r#""n":null,"best_of":3"#, false),
            (r#""echo":false"#, true),
            (r#""echo":true"#, false),
            (r#""logprobs":true,"top_logprobs":5"#, true),
            (r#""prompt_logprobs":0"#, false),
            (r#""prompt":"one""#, true),
            (r#""prompt":[1,2]"#, true),
            (r#""prompt": [ "one", "two"]"#, false),
            (r#""prompt":[[1,2]]"#, false),
        ] {
            let body = Bytes::from(format!("{{\"model\":\"m\",{fields}}}"));
            assert_eq!(Legs::read(&body).map(|legs| legs.can_be_shared()), Some(is_shared), "{fields}");
        }
        assert!(Legs::read(&Bytes::from_static(b"[]")).is_none());
    }
}
