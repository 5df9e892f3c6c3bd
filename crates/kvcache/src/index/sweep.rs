//! Clearing a rank at once, and what it held by and by.

use std::collections::VecDeque;

use super::FleetIndex;
use super::run::Run;
use crate::RankId;

/// Runs that a change sweeps at the least, while there is something to sweep.
const SOME: u64 = 4;

/// How far the sweep is. Each clear begins an epoch; a run's stamp says up to which epoch it was swept, and a rank that
/// was cleared later holds none of the run's blocks, whatever stands there.
#[derive(Clone, Debug, Default)]
pub(super) struct Sweep {
    epoch: u32,
    /// Last epoch that each rank began.
    cleared: Vec<u32>,
    /// The run to look at next.
    cursor: u32,
    /// Runs looked at, in all.
    visits: u64,
    /// Visits at the last clear: after a full round from there, nothing is stale.
    last_clear: u64,
    /// Whether some run may be stale.
    stale: bool,
    /// Ranks that have left, with the visits at that time.
    leaving: VecDeque<(RankId, u64)>,
}

impl Sweep {
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether anything is left to sweep.
    pub(super) fn is_pending(&self) -> bool {
        self.stale
    }
}

impl FleetIndex {
    /// Whether a run's coverage by a rank is from before the rank was cleared.
    pub(super) fn is_stale(&self, rank: RankId, run: &Run) -> bool {
        self.sweep.stale && self.sweep.cleared.get(rank.index()).is_some_and(|&cleared| cleared > run.stamp)
    }

    pub(super) fn forget(&mut self, rank: RankId) {
        let held = self.ranks[rank.index()].held;
        self.edit_rank(rank, |rank, _| rank.reset());
        if held == 0 {
            return;
        }
        self.pairs -= u64::from(held);
        if self.sweep.epoch == u32::MAX {
            self.begin_anew();
        }
        let sweep = &mut self.sweep;
        sweep.epoch += 1;
        if sweep.cleared.len() < self.ranks.len() {
            sweep.cleared.resize(self.ranks.len(), 0);
        }
        sweep.cleared[rank.index()] = sweep.epoch;
        sweep.last_clear = sweep.visits;
        sweep.stale = true;
    }

    /// The rank's number is vacant when nothing is left of it.
    pub(super) fn note_leaving(&mut self, rank: RankId) {
        if self.sweep.stale {
            self.sweep.leaving.push_back((rank, self.sweep.visits));
            self.sweep_some();
        } else {
            self.vacant.push(rank);
        }
    }

    /// Sweeps a few runs; more of them where many ranks wait to be swept away.
    pub(super) fn sweep_some(&mut self) {
        if self.sweep.stale {
            self.sweep_runs(SOME + self.sweep.leaving.len() as u64 / 4);
        }
    }

    pub(super) fn sweep_runs(&mut self, count: u64) {
        for _ in 0..count {
            let runs = self.forest.runs();
            if self.sweep.visits - self.sweep.last_clear >= u64::from(runs) {
                self.sweep.stale = false;
                self.vacant.extend(self.sweep.leaving.drain(..).map(|(rank, _)| rank));
                return;
            }
            while let Some(&(rank, since)) = self.sweep.leaving.front()
                && self.sweep.visits - since >= u64::from(runs)
            {
                self.sweep.leaving.pop_front();
                self.vacant.push(rank);
            }
            if self.sweep.cursor >= runs {
                self.sweep.cursor = 0;
            }
            self.refresh(self.sweep.cursor);
            self.sweep.cursor += 1;
            self.sweep.visits += 1;
        }
    }

    /// Sweeps all that is left.
    fn begin_anew(&mut self) {
        self.sweep_runs(u64::MAX);
        for run in 0..self.forest.runs() {
            self.forest.edit(run, |run| run.stamp = 0);
        }
        self.sweep.cleared.fill(0);
        self.sweep.epoch = 0;
    }

    /// Forgets what a run says of ranks that were cleared since; the run may be freed by that. Says whether it is still
    /// there.
    pub(super) fn refresh(&mut self, run: u32) -> bool {
        let Self { forest, sweep, .. } = self;
        let of = forest.run(run);
        if of.len == 0 {
            return false;
        }
        if !sweep.stale || of.stamp == sweep.epoch {
            return true;
        }
        let stamp = of.stamp;
        let is_stale = |rank: u32| sweep.cleared.get(rank as usize).is_some_and(|&cleared| cleared > stamp);
        let mut any = false;
        let mut gone: Vec<u32> = Vec::new();
        forest.edit(run, |run| {
            for (_, coverage) in run.coverages_mut() {
                gone.clear();
                gone.extend(coverage.full.iter().filter(|&rank| is_stale(rank)));
                gone.extend(coverage.parts().iter().map(|part| part.rank).filter(|&rank| is_stale(rank)));
                gone.iter().for_each(|&rank| any |= coverage.forget(rank));
            }
            if any {
                run.tidy();
            }
            run.stamp = sweep.epoch;
        });
        if any {
            forest.trim(run);
        }
        forest.run(run).len > 0
    }
}
