//! Kinds of devices, and sets of them.

use crate::{CapacityError, Inventory, KindId, NodeId};

/// A set of kinds of one inventory.
///
/// ```
/// # use phalanx_topology::{KindId, KindSet};
/// let set: KindSet = [KindId::new(0), KindId::new(5)].into_iter().collect();
/// assert!(set.contains(KindId::new(5)) && !set.contains(KindId::new(1)));
/// assert_eq!(set.len(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindSet(u64);

impl KindSet {
    /// The most kinds an inventory can have.
    pub const MAX: u32 = 64;

    /// The kinds whose bits are set, by position of their ids.
    #[must_use]
    pub const fn from_mask(mask: u64) -> Self {
        Self(mask)
    }

    /// The bits.
    #[must_use]
    pub const fn mask(self) -> u64 {
        self.0
    }

    /// The set with one more kind. An id that no inventory hands out (beyond 63) adds nothing.
    ///
    /// ```
    /// # use phalanx_topology::{KindId, KindSet};
    /// assert_eq!(KindSet::default().with(KindId::new(3)), KindSet::from_mask(0b1000));
    /// ```
    #[must_use]
    pub const fn with(self, kind: KindId) -> Self {
        if kind.index() < Self::MAX as usize { Self(self.0 | 1 << kind.index()) } else { self }
    }

    /// Whether the kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: KindId) -> bool {
        kind.index() < Self::MAX as usize && self.0 >> kind.index() & 1 == 1
    }

    /// How many kinds.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, ascending.
    pub fn iter(self) -> impl Iterator<Item = KindId> {
        crate::DeviceSet::from_mask(self.0).iter().map(|at| KindId::new(at as u8))
    }
}

impl FromIterator<KindId> for KindSet {
    fn from_iter<I: IntoIterator<Item = KindId>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), Self::with)
    }
}

impl Inventory {
    /// The id of a kind, interned on first use, also if no node is of it yet. O(number of kinds).
    ///
    /// # Errors
    ///
    /// The name is empty, or there are 64 others already; nothing is changed then.
    ///
    /// ```
    /// # use phalanx_topology::{Inventory, Topology};
    /// # use std::sync::Arc;
    /// # let topology = Topology::builder(["rack"]).build()?;
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// let h100 = inventory.intern_kind("H100")?;
    /// assert_eq!(inventory.intern_kind("H100")?, h100);
    /// assert_eq!(inventory.kind_name(h100), "H100");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn intern_kind(&mut self, name: &str) -> Result<KindId, CapacityError> {
        let kind = self.next_kind(name)?;
        if kind.index() == self.kinds.len() {
            self.kinds.push(name.into());
        }
        Ok(kind)
    }

    /// The id that [`intern_kind`](Self::intern_kind) would give, without interning it.
    pub(crate) fn next_kind(&self, name: &str) -> Result<KindId, CapacityError> {
        if let Some(kind) = self.find_kind(name) {
            return Ok(kind);
        }
        if name.is_empty() {
            return Err(CapacityError::EmptyKind);
        }
        if self.kinds.len() == KindSet::MAX as usize {
            return Err(CapacityError::TooManyKinds { kind: name.to_owned(), max: KindSet::MAX });
        }
        Ok(KindId::new(self.kinds.len() as u8))
    }

    /// The id of a kind that was interned before.
    #[must_use]
    pub fn find_kind(&self, name: &str) -> Option<KindId> {
        self.kinds.iter().position(|known| **known == *name).map(|at| KindId::new(at as u8))
    }

    /// The kind's name. Panics if this inventory interned no such kind.
    #[must_use]
    pub fn kind_name(&self, kind: KindId) -> &str {
        &self.kinds[kind.index()]
    }

    /// All kinds that were interned, ascending.
    pub fn kinds(&self) -> impl ExactSizeIterator<Item = KindId> + use<> {
        (0..self.kinds.len() as u8).map(KindId::new)
    }

    /// The kind of the node's devices, if it was given. O(1).
    #[must_use]
    pub fn kind_id(&self, node: NodeId) -> Option<KindId> {
        self.kind.get(node.index()).checked_sub(1).map(KindId::new)
    }

    /// The name of the kind of the node's devices, if it was given.
    #[must_use]
    pub fn kind(&self, node: NodeId) -> Option<&str> {
        self.kind_id(node).map(|kind| self.kind_name(kind))
    }
}
