//! Block identities: what engines and routers call the blocks of a prompt.
//!
//! One file a scheme: the XXH3 one that routers compare contents by, and the engines' own.

mod chain;
mod objects;
mod sglang;
mod vllm;
mod xxh3;

pub(crate) use chain::link;
pub use chain::{ChainHasher, TextHasher};
pub use objects::BlockObjects;
pub use sglang::SglangHasher;
pub use vllm::{VllmAlgorithm, VllmDigest, VllmDigestError, VllmExtra, VllmHasher, VllmKeys, VllmMedia};
