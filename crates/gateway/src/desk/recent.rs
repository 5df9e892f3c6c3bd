//! The last decisions, for whoever looks into a running gateway, and what the fleet writes down of all of them.

use std::collections::VecDeque;
use std::time::Duration;

use phalanx_kvcache::BlockHash;
use phalanx_routing::{Decision, EndpointId, Explanation, PoolId, Refusal, Request, Router};

use super::Fleet;

/// So many are kept.
const KEPT: usize = 128;

/// The last decisions, the latest last, where somebody may look at them.
#[derive(Debug, Default)]
pub(super) struct Recent {
    is_on: bool,
    /// So many of the next ones are explained.
    to_explain: usize,
    made: VecDeque<Made>,
}

/// A decision.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) at: Duration,
    pub(crate) asked: Asked,
    pub(crate) answer: Result<Chosen, Refusal>,
    /// Of those that somebody asked for.
    pub(crate) explanation: Option<Box<Explanation>>,
}

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) pool: PoolId,
    pub(crate) key: u64,
    pub(crate) prompt_tokens: u32,
    /// Endpoints that were not asked again.
    pub(crate) excluded: usize,
}

/// What was decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub(crate) endpoint: EndpointId,
    pub(crate) cached_tokens: u32,
    pub(crate) cost: i64,
    pub(crate) ties: u32,
}

impl Recent {
    /// Explains a decision that is about to be made, if it is to be explained: that costs a look at the whole pool.
    pub(super) fn explain(
        &mut self,
        router: &Router,
        request: &Request<'_>,
        blocks: &[BlockHash],
        now: Duration,
    ) -> Option<Box<Explanation>> {
        self.to_explain = self.to_explain.checked_sub(1)?;
        router.explain(request, blocks, now).ok().map(Box::new)
    }

    pub(super) fn note(
        &mut self,
        asked: Asked,
        answer: &Result<Decision, Refusal>,
        now: Duration,
        explanation: Option<Box<Explanation>>,
    ) {
        if !self.is_on {
            return;
        }
        if self.made.len() >= KEPT {
            self.made.pop_front();
        }
        let chosen = |decision: &Decision| Chosen {
            endpoint: decision.endpoint,
            cached_tokens: decision.cached_tokens,
            cost: decision.cost,
            ties: decision.ties,
        };
        self.made.push_back(Made {
            at: now,
            asked,
            answer: answer.as_ref().map(chosen).map_err(Clone::clone),
            explanation,
        });
    }
}

impl Fleet {
    /// Keeps the last decisions from now on.
    pub(crate) fn keep_recent(&self) {
        self.lock().recent.is_on = true;
    }

    /// Explains so many of the next decisions.
    pub(crate) fn explain_next(&self, count: usize) {
        self.lock().recent.to_explain = count.min(KEPT);
    }

    /// The last decisions, the latest first.
    pub(crate) fn recent(&self) -> Vec<Made> {
        self.lock().recent.made.iter().rev().cloned().collect()
    }

    /// Moves what the decision log has to say to the end of `lines`.
    pub(crate) fn take_log(&self, lines: &mut Vec<u8>) {
        self.lock().router.balancer_mut().take_recorded(lines);
    }

    /// Nothing is written down from now on: nobody can take it.
    pub(crate) fn end_log(&self) {
        let mut state = self.lock();
        state.log_is_over = true;
        state.router.balancer_mut().stop_recording();
    }

    /// Decisions that are not in the log that was asked for.
    pub(crate) fn lost_decisions(&self) -> u64 {
        self.lock().lost
    }
}
