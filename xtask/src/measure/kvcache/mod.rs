//! What the KV-cache index promised, measured again beside its rivals.

mod events;
mod exactness;
mod growth;
mod memory;
mod questions;
mod rivals;
mod tokens;

use self::rivals::Rivals;
use super::{Row, Setting, Subject};
use crate::error::Error;

/// The KV-cache index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kvcache;

impl Subject for Kvcache {
    fn about(&self) -> &'static str {
        "The fleet's KV-cache index beside `kv-index` 2.0.0 (`ChainIndex`, in shards past 1,024 ranks: \"chain\") and \
         `dynamo-kv-router` 1.6.1 (`ConcurrentRadixTreeCompressed`: \"crtc\"), interleaved in one process, each by its \
         best interface; medians of at least three rounds, with the least and the most in brackets. Events in processor \
         time of the thread; questions on the wall with a clock read before and after each, after all were asked once \
         (warm) and after the caches were filled with other things (cold). `crates/kvcache/COMPARE.md` says what the \
         workloads are and what the figures mean."
    }

    fn measure(&self, setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
        let rivals = Rivals::prepare(setting)?;
        let replay = rivals.replay()?;
        let mut rows = events::rows(&rivals, &replay)?;
        rows.extend(questions::rows(&rivals, &replay)?);
        rows.extend(memory::rows(&rivals)?);
        rows.extend(exactness::rows(&rivals, &replay)?);
        rows.extend(tokens::rows(&rivals)?);
        rows.extend(growth::rows(&rivals)?);
        Ok(rows)
    }
}
