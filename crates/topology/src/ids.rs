//! Dense ids: indices into the columns of one topology or one inventory.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($raw:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($raw);

        impl $name {
            /// The id with this position. It is only meaningful for the topology or inventory that has such a row.
            #[must_use]
            pub const fn new(raw: $raw) -> Self {
                Self(raw)
            }

            /// The position in the columns that this id indexes.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A node (a machine). Ids run along the primary tree in path order; nodes outside it come after all others.
    ///
    /// ```
    /// # use phalanx_topology::NodeId;
    /// assert_eq!(NodeId::new(7).index(), 7);
    /// ```
    NodeId(u32)
}

id! {
    /// A domain: one rack, one block, one zone, or one node. Ids run tree by tree, in a tree level by level from the
    /// coarsest, and in path order within a level, so the children of a domain have consecutive ids too.
    ///
    /// ```
    /// # use phalanx_topology::DomainId;
    /// assert!(DomainId::new(1) < DomainId::new(2));
    /// ```
    DomainId(u32)
}

id! {
    /// A level of a tree, 0 being the coarsest of the primary one. The level of the nodes themselves follows the last named
    /// one of a tree, so within a tree a greater id is a tighter place; the levels of the next tree come after it.
    ///
    /// ```
    /// # use phalanx_topology::LevelId;
    /// assert!(LevelId::new(0) < LevelId::new(1), "a zone is coarser than a block");
    /// ```
    LevelId(u8)
}

id! {
    /// A named tree over the nodes, 0 being the primary one.
    ///
    /// ```
    /// # use phalanx_topology::TreeId;
    /// assert_eq!(TreeId::PRIMARY, TreeId::new(0));
    /// ```
    TreeId(u8)
}

impl TreeId {
    /// The tree that numbers the nodes, and that is meant where none is named.
    pub const PRIMARY: Self = Self(0);
}

id! {
    /// A countable resource (milli-CPUs, bytes, pod slots), interned by the inventory that counts it.
    ///
    /// ```
    /// # use phalanx_topology::ResourceId;
    /// assert_eq!(ResourceId::new(3).to_string(), "3");
    /// ```
    ResourceId(u16)
}

id! {
    /// A kind of device (an accelerator's product name), interned by the inventory that has nodes of it. An inventory
    /// hands out positions 0 to 63, so that a [`KindSet`](crate::KindSet) holds any of them.
    ///
    /// ```
    /// # use phalanx_topology::KindId;
    /// assert_eq!(KindId::new(2).index(), 2);
    /// ```
    KindId(u8)
}
