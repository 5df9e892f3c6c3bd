//! Block hash to slot: a table for lookup only, never iterated, hashed with fixed seeds.

use ahash::RandomState;

use crate::BlockHash;

#[expect(clippy::disallowed_types, reason = "lookup only, fixed seeds")]
pub(crate) type Lookup = std::collections::HashMap<BlockHash, u32, RandomState>;

/// An empty table.
pub(crate) fn lookup() -> Lookup {
    let seeds = RandomState::with_seeds(
        0x243f_6a88_85a3_08d3,
        0x1319_8a2e_0370_7344,
        0xa409_3822_299f_31d0,
        0x082e_fa98_ec4e_6c89,
    );
    Lookup::with_hasher(seeds)
}
