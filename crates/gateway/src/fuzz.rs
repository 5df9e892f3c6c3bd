//! What the gateway reads from outside, as functions of bytes, for the project's fuzz targets. No promise to others.

use bytes::Bytes;
use phalanx_kvcache::{BlockHash, BlockSize, ChainHasher};
use serde_json::value::RawValue;

use crate::ask::{Api, Ask};
use crate::disaggregated::Legs;
use crate::sse::Events;
use crate::upstream::response;

pub use crate::tokens::fuzz::{Prompter, Ways};

/// A request's body that was read.
#[derive(Clone, Debug)]
pub struct Read(Ask);

impl Read {
    /// Reads a body of chat or of completions for blocks of 4 tokens; `None` if it is refused.
    #[must_use]
    pub fn new(body: &[u8], is_chat: bool) -> Option<Self> {
        let hasher = ChainHasher::new(BlockSize::new(4).expect("4 is a block size"));
        let api = if is_chat { Api::Chat } else { Api::Completions };
        Ask::read(Bytes::copy_from_slice(body), api, &hasher).ok().map(Self)
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.0.model
    }

    /// The prompt's blocks and its tokens.
    #[must_use]
    pub fn prompt(&self) -> (&[BlockHash], u32) {
        (&self.0.blocks, self.0.prompt_tokens)
    }

    /// The body under another name, and with these parameters of a transfer, which are JSON.
    #[must_use]
    pub fn rewritten(&self, name: Option<&str>, transfer: Option<&str>) -> Vec<u8> {
        let transfer = transfer.and_then(|text| RawValue::from_string(text.to_owned()).ok());
        let body = self.0.body_for(name);
        let Some(transfer) = transfer else { return body.to_vec() };
        Legs::read(&body).map_or_else(Vec::new, |legs| legs.decode_from(&transfer).to_vec())
    }
}

/// How many events the pieces of a stream complete, and what ends the one under way.
#[must_use]
pub fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (u64, &'static str) {
    let mut events = Events::new();
    pieces.into_iter().for_each(|piece| events.note(piece));
    (events.complete(), events.ending())
}

/// A response in pieces: its status and how much of it was its body, or what is wrong with it; `None` where more would have
/// to come.
#[must_use]
pub fn response_in<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Result<(u16, Vec<u8>), &'static str>> {
    response(pieces)
}
