//! The names that media have on the wire.

use crate::Tier;

/// The tier that a medium is, by any of the names that engines use for it; `None` for one that is not known.
pub(super) fn tier(medium: &[u8]) -> Option<Tier> {
    Some(match medium {
        b"GPU" | b"DEVICE" => Tier::Gpu,
        b"CPU" | b"CPU_PINNED" | b"CPU_TIER1" => Tier::Cpu,
        b"STORAGE" | b"DISK" | b"NVME" | b"CPU_TIER2" => Tier::Disk,
        b"REMOTE" | b"EXTERNAL" | b"NETWORK" | b"SHARED" => Tier::Remote,
        _ => return None,
    })
}

/// The name and the locality that vLLM gives a tier.
pub(super) fn names(tier: Tier) -> (&'static str, Option<&'static str>) {
    match tier {
        Tier::Gpu => ("GPU", None),
        Tier::Cpu => ("CPU", None),
        Tier::Disk => ("STORAGE", None),
        Tier::Remote => ("STORAGE", Some("REMOTE")),
    }
}
