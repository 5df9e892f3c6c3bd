//! The index as bytes, and back. The form is told in [`crate::snapshot`].

mod read;
mod restore;
mod tree;
mod write;

/// A rank that holds some neighbouring blocks of a node, in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stretch {
    layer: u32,
    rank: u32,
    from: u32,
    to: u32,
}

/// A rank's own name of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OwnName {
    at: u32,
    rank: u32,
    name: u64,
}

/// Copies beyond the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Copies {
    layer: u32,
    at: u32,
    rank: u32,
    more: u32,
}
