//! What is usual in the fleet, and who has heard of it.

use super::Balancer;
use crate::line::LONGEST;
use crate::pace::{FleetPace, Took};
use crate::price::Means;

/// Endpoints that hear of a change with each decision, and those that are looked at for it: a change never costs a look at
/// everyone at once.
const FEW: usize = 16;
const LOOKED_AT: usize = 16;

/// Decayed means of the fleet, and the steps of them that prices are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    output: Mean,
    uncached: Mean,
    pace: FleetPace,
    /// Slots that are still to hear of the last change, and the next one of them.
    left: usize,
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Mean {
    /// 2^16 times the mean.
    scaled: i64,
    /// What prices are made of: it follows where the mean is an eighth away.
    step: i64,
    /// Values noted, up to [`MANY`].
    count: i64,
}

/// A value counts one in so many, once there were so many; before, as much as those before it and what was expected.
const MANY: i64 = 100;

impl Mean {
    fn new(mean: i64) -> Self {
        Self { scaled: mean << 16, step: mean, count: 0 }
    }

    /// Notes a value; says whether the step changed.
    fn note(&mut self, value: u32) -> bool {
        let value = i64::from(value.min(LONGEST)) << 16;
        self.count = (self.count + 1).min(MANY - 1);
        self.scaled += (value - self.scaled) / (self.count + 1);
        let mean = (self.scaled >> 16).max(1);
        let changed = (mean - self.step).abs() * 8 > self.step;
        if changed {
            self.step = mean;
        }
        changed
    }
}

impl Default for Usual {
    fn default() -> Self {
        Self { output: Mean::new(200), uncached: Mean::new(2000), pace: FleetPace::NEW, left: 0, next: 0 }
    }
}

impl Usual {
    /// The steps of now.
    pub(super) fn means(&self) -> Means {
        Means { output_tokens: self.output.step, uncached_tokens: self.uncached.step }
    }

    /// What a token of a prompt takes, in thousandths of what is expected.
    pub(super) fn pace(&self) -> i64 {
        self.pace.step()
    }
}

impl Balancer {
    /// Notes how many tokens of a prompt had to be computed.
    pub(super) fn note_uncached(&mut self, tokens: u32) {
        let changed = self.usual.uncached.note(tokens);
        self.tell(changed);
    }

    /// Notes how many tokens an answer had.
    pub(super) fn note_output(&mut self, tokens: u32) {
        let changed = self.usual.output.note(tokens);
        self.tell(changed);
    }

    /// Notes what a prompt took.
    pub(super) fn note_pace(&mut self, took: Took) {
        let changed = self.usual.pace.note(took);
        self.tell(changed);
    }

    /// Brings a few endpoints up to date with what is usual; an endpoint whose load changes is, too.
    fn tell(&mut self, changed: bool) {
        if changed {
            self.usual.left = self.columns.len();
        }
        let mut told = 0;
        for _ in 0..LOOKED_AT.min(self.usual.left) {
            self.usual.left -= 1;
            self.usual.next = (self.usual.next + 1) % self.columns.len();
            let at = self.usual.next;
            let (then, now) = (self.columns.account[at].means, self.usual.means());
            let has_pace = !self.columns.account[at].pace.follow(self.usual.pace());
            // What prompts are like only counts where others' prompts wait.
            let is_same = then.output_tokens == now.output_tokens && self.columns.account[at].others_waiting == 0;
            if has_pace && (then == now || is_same) {
                continue;
            }
            self.refresh(at);
            told += 1;
            if told == FEW {
                break;
            }
        }
    }
}
