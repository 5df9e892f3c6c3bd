//! What inference engines say of themselves: their metrics, and what their KV caches store and remove.
//!
//! | question | answer |
//! |---|---|
//! | What does an engine hold? | [`Follower`]: an [`EventSource`]'s KV events over ZMQ, in order, with replays; out come [`Change`](phalanx_kvcache::Change)s for an index |
//! | And the engine's end of that? | [`Publisher`]: batches to subscribers, and the latest ones again to whoever asks |
//!
//! It makes no decisions: what it learns goes to [`phalanx_routing`], with the time at which it was so.

mod address;
mod backoff;
mod child;
mod events;
mod publisher;
mod watch;
mod zmtp;

pub use address::{Address, AddressError};
pub use events::{EventReport, EventSource, Follower};
pub use publisher::{Publisher, PublisherConfig};
pub use watch::Watch;
pub use zmtp::LinkError;
