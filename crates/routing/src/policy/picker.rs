//! Who is taken of those that were weighed.

use serde::{Deserialize, Serialize};

/// How one endpoint is picked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Picker {
    /// The best; of equals one by a draw.
    #[default]
    Best,
    /// The best of so many that are drawn, each once.
    PowerOf(u32),
    /// Any, whatever it costs.
    Any,
}
