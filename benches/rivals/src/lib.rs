//! The KV-cache index and the choice of endpoints beside their rivals: the same workloads through each, interleaved in one
//! process.

pub mod beside;
pub mod clock;
pub mod growth;
pub mod holes;
pub mod index;
pub mod prefix;
pub mod random;
pub mod redecide;
pub mod replay;
pub mod select;
pub mod source;
pub mod table;
pub mod tokens;
pub mod workload;
