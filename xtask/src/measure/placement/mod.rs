//! What the placement engine promised, measured again.

mod fgd;
mod latency;
mod proof;

use super::{Row, Setting, Subject};
use crate::error::Error;

/// The placement engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement;

impl Subject for Placement {
    fn about(&self) -> &'static str {
        "How long a plan, a commit and an explanation take on 12,500 nodes of eight devices, each after 128 nodes have \
         changed, with sixteen shapes warm; how full a real cluster of GPU hosts gets under the objective fragmentation, on thirteen traces beside the \
         published figures, and how fast single pods are placed; and the proofs, with many more cases than CI runs."
    }

    fn measure(&self, setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
        let mut rows = latency::rows(setting)?;
        rows.extend(fgd::rows(setting)?);
        rows.extend(proof::rows(setting)?);
        Ok(rows)
    }
}
