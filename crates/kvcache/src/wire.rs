//! What engines publish about their cache, read and written without I/O.
//!
//! vLLM, SGLang and Dynamo's workers publish batches of events as MessagePack over ZMQ. A multipart message becomes a
//! [`Message`], its payload an [`EventBatch`] of [`Event`]s, and a [`Translator`] turns each into a
//! [`Change`](crate::Change) for the index; [`Feed`](crate::feed::Feed) looks after the sequence numbers in between.
//!
//! Every form in use is read alike: batches as arrays of two or three values or as maps; events as arrays with their
//! name in front (vLLM until 0.31, SGLang) or as maps with a `type` (vLLM 0.32); block hashes as integers of either
//! sign or as digests; tokens as ids or as pairs (EAGLE). What is not known is skipped: fields behind the known ones,
//! unknown keys, and whole events of an unknown type, which are counted. What is known but broken is a [`WireError`]
//! that names the byte, and nothing of its batch is taken in.
//!
//! Reading is bounded by what there is to read: no announced length is believed beyond the bytes that are left, values
//! are skipped in a loop without recursion, and the buffers hold at most 8 bytes for each byte of the payload, besides
//! a fixed size for each event and each extra key of a block.
//!
//! # Example
//!
//! ```
//! use phalanx_kvcache::wire::{Event, EventBatch, Message, encode};
//! use phalanx_kvcache::{BlockHash, Layer};
//!
//! let gone = Event::Removed { layer: Layer::MAIN, names: &[BlockHash(7)] };
//! let mut payload = Vec::new();
//! encode(12.5, Some(0), &[gone, Event::Cleared], &mut payload);
//!
//! let frames = [b"kv@pod@model".as_slice(), &3u64.to_be_bytes(), &payload];
//! let Message::Batch { seq: 3, payload, .. } = Message::from_frames(&frames)? else { panic!("a batch") };
//! let mut batch = EventBatch::new(); // kept, so that reading the next one allocates nothing
//! batch.read(payload)?;
//! assert_eq!(batch.events().collect::<Vec<_>>(), [gone, Event::Cleared]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod encode;
mod error;
mod event;
mod extra;
mod fields;
mod frame;
mod medium;
mod reader;
mod translator;

pub use batch::EventBatch;
pub use encode::encode;
pub use error::WireError;
pub use event::{AttentionKind, Event, Stored, Tokens};
pub use extra::{Extra, ExtraKey};
pub use frame::{FrameError, Message, REPLAY_END, replay_request, replay_start};
pub use translator::{TranslateError, Translator};
