//! Who is expected to be too late.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::FailMode;
use crate::slo::Slo;

/// Only endpoints that are expected to keep the request's [`Slo`] are weighed.
///
/// What is expected is the [forecast](crate::Balancer::forecast): the time until the first token from what waits there and
/// what is not cached of the prompt, at the pace that was learned, and until an adapter is loaded; the time for each further token from the steps that were
/// learned and the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Targets {
    /// Milliseconds until the first token, for requests that say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_millis: Option<u32>,
    /// Milliseconds for each further token, for requests that say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpot_millis: Option<u32>,
    /// What happens when nobody is expected to keep it: all are weighed, or the request is refused.
    #[serde(default)]
    pub fail: FailMode,
}

impl Targets {
    /// What a request is promised that has a promise of its own.
    pub(crate) fn slo(&self, own: Slo) -> Slo {
        let millis = |millis: Option<u32>| millis.map(|millis| Duration::from_millis(millis.into()));
        own.or(Slo { ttft: millis(self.ttft_millis), tpot: millis(self.tpot_millis) })
    }
}
