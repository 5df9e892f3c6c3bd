//! Where in an engine a block is kept: which tier of memory, which group of layers.

use core::fmt;

/// A storage medium of KV blocks, the fastest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The accelerator's own memory.
    #[default]
    Gpu,
    /// The host's memory.
    Cpu,
    /// A local disk.
    Disk,
    /// Another machine.
    Remote,
}

impl Tier {
    /// All tiers, the fastest first.
    pub const ALL: [Self; 4] = [Self::Gpu, Self::Cpu, Self::Disk, Self::Remote];
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
            Self::Disk => "disk",
            Self::Remote => "remote",
        })
    }
}

/// One KV-cache group of a model in one tier. Models whose attention layers are all alike have the one group 0; hybrid
/// ones have a group for each kind of layer, and an engine keeps and evicts the groups' blocks apart.
///
/// An index tells 1,024 of them apart; what is stored in a further one is left out, and counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer {
    /// Number of the group, as the engine counts them.
    pub group: u16,
    /// Where the block is kept.
    pub tier: Tier,
}

impl Layer {
    /// Group 0 in the accelerator's memory: all that most engines have.
    pub const MAIN: Self = Self { group: 0, tier: Tier::Gpu };

    /// A group in a tier.
    ///
    /// ```
    /// use phalanx_kvcache::{Layer, Tier};
    ///
    /// assert_eq!(Layer::new(0, Tier::Gpu), Layer::MAIN);
    /// assert!(Layer::MAIN < Layer::new(0, Tier::Cpu), "faster first");
    /// ```
    pub const fn new(group: u16, tier: Tier) -> Self {
        Self { group, tier }
    }
}
