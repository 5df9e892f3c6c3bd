//! What the placement engine promised, measured again.

mod fgd;

use super::{Row, Setting, Subject};
use crate::error::Error;

/// The placement engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement;

impl Subject for Placement {
    fn about(&self) -> &'static str {
        "How full a real cluster of GPU hosts gets under the objective fragmentation, on thirteen traces beside the \
         published figures, and how fast single pods are placed."
    }

    fn measure(&self, setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
        Ok(fgd::rows(setting))
    }
}
