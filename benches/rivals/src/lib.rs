//! The KV-cache index beside its rivals: the same workloads through each, interleaved in one process.

pub mod clock;
pub mod index;
pub mod random;
pub mod replay;
pub mod table;
pub mod workload;
