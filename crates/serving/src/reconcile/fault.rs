//! What is wrong with a pod.

use core::time::Duration;

use super::{Context, told};
use crate::{Phase, Pod};

/// What is wrong with a pod that is not being deleted.
pub(super) enum Fault {
    /// Nothing.
    None,
    /// Something that may pass until then.
    Until(Duration),
    /// It is given up.
    Lost {
        /// What happened, to go after the pod's name.
        what: String,
        /// Whether it failed by itself, so that it may do so again.
        by_itself: bool,
    },
}

impl Context<'_> {
    pub(super) fn fault(&self, pod: &Pod) -> Fault {
        if pod.deleting.is_some() {
            return Fault::None;
        }
        if pod.device_failed {
            return Fault::Lost { what: "has a device that failed".to_owned(), by_itself: false };
        }
        if let Some(since) = pod.node_lost_since {
            let until = since.saturating_add(self.options.node_grace);
            if self.now < until {
                return Fault::Until(until);
            }
            let what = format!("is on a node that has been lost for {}", told(self.now.saturating_sub(since)));
            return Fault::Lost { what, by_itself: false };
        }
        if !pod.is_failing() {
            return Fault::None;
        }
        let until = pod.failing_since.unwrap_or(pod.created).saturating_add(self.spec.restart_grace);
        if self.now < until {
            return Fault::Until(until);
        }
        let what = match pod.phase {
            Phase::Failed => "has failed",
            Phase::Succeeded => "has ended",
            _ => "was restarted and is not ready",
        };
        Fault::Lost { what: what.to_owned(), by_itself: true }
    }

    /// How often a pod that failed has done so now without a calm time between.
    pub(super) fn failures(&self, pod: &Pod) -> u32 {
        let calm = pod.created.saturating_add(self.options.calm) <= self.now;
        if calm { 1 } else { pod.attempt.saturating_add(1) }
    }
}
