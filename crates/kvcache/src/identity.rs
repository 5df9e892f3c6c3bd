//! Block identities: what engines and routers call the blocks of a prompt.

mod chain;
mod objects;
mod xxh3;

pub use chain::ChainHasher;
pub(crate) use chain::link;
pub use objects::BlockObjects;
