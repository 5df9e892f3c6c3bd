//! What whoever runs the controller decides, for all ModelServings.

use core::time::Duration;

/// Times and limits that no ModelServing asks for.
///
/// ```
/// use core::time::Duration;
/// use phalanx_serving::Options;
///
/// let eager = Options { node_grace: Duration::ZERO, ..Options::default() };
/// assert_eq!(eager.history, 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// So many revisions are kept beside those in use. 10 by default.
    pub history: usize,
    /// A node may be lost for so long before its pods are given up. 30 seconds by default, on top of what passes until a
    /// node is called not ready.
    pub node_grace: Duration,
    /// A pod on a lost node is removed by force when it should have been gone for so long. 30 seconds by default.
    pub force_after: Duration,
    /// How long to wait before what has failed again is created again: so long the second time, twice as long each time
    /// after that. The first time there is no wait. 10 seconds by default.
    pub backoff: Duration,
    /// The longest such wait. 5 minutes by default.
    pub longest_backoff: Duration,
    /// What has lived for so long is calm: when it fails, that is the first time. 10 minutes by default.
    pub calm: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            history: 10,
            node_grace: Duration::from_secs(30),
            force_after: Duration::from_secs(30),
            backoff: Duration::from_secs(10),
            longest_backoff: Duration::from_secs(300),
            calm: Duration::from_secs(600),
        }
    }
}

impl Options {
    /// How long to wait after so many failures without a calm time between them.
    #[must_use]
    pub fn wait(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(2) else { return Duration::ZERO };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.backoff.saturating_mul(factor).min(self.longest_backoff)
    }
}
