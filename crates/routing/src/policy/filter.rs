//! Who is not weighed at all.

use serde::{Deserialize, Serialize};

use super::Measure;

/// What a filter does when it leaves nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailMode {
    /// The request is refused.
    #[default]
    Closed,
    /// It is as if the filter were not there.
    Open,
}

/// Endpoints whose measure is below a limit are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// What is measured. It must not depend on the request's prompt.
    pub measure: Measure,
    /// The first value that is not kept.
    pub below: u32,
    /// What happens when nobody is left.
    #[serde(default)]
    pub fail: FailMode,
}
