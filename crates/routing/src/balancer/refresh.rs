//! Standings and scores, brought up to date where something changed.

use super::{Balancer, weigh};
use crate::line::Line;
use crate::pool::{Pool, PoolId};
use crate::price;

impl Balancer {
    /// Brings the standings of a slot up to date in all its pools.
    pub(super) fn refresh(&mut self, at: usize) {
        self.columns.account[at].means = self.usual.means();
        self.columns.account[at].pace.follow(self.usual.pace());
        for place in 0..self.pools_of[at].len() {
            self.refresh_in(self.pools_of[at][place] as usize, at);
        }
    }

    pub(super) fn refresh_in(&mut self, pool: usize, at: usize) {
        self.pools[pool].note(at, self.columns.account[at].load.in_flight);
        if self.pools[pool].board.is_some() {
            self.score_in(pool, at);
        }
        let of = &self.pools[pool];
        if !of.is_local {
            return;
        }
        let line = if self.stands(of, at) {
            price::line(of.policy.combination(), &self.known(&of.policy), at)
        } else {
            Line::NEVER
        };
        let class = self.classes.of(at);
        self.pools[pool].stand(at, class, self.classes.class(class).role, &line);
    }

    /// Brings the scores of a slot up to date, in a pool that keeps them.
    fn score_in(&mut self, pool: usize, at: usize) {
        let Some(mut board) = self.pools[pool].board.take() else { return };
        let of = &self.pools[pool];
        if self.stands(of, at) {
            let known = self.known(&of.policy);
            let parts = of.policy.combination().scores();
            board.set(at, price::fixed(parts, &known, at), |scorer| weigh::compared(&known, scorer, at));
        } else {
            board.clear(at);
        }
        self.pools[pool].board = Some(board);
    }

    /// Brings the scores of a pool up to date, for a choice from them.
    pub(super) fn settle_scores(&mut self, pool: PoolId) {
        if let Some(board) = self.pools.get_mut(pool.index()).and_then(|pool| pool.board.as_mut()) {
            board.settle();
        }
    }

    /// Whether a slot's endpoint is a member of a pool that passes its filters.
    fn stands(&self, pool: &Pool, at: usize) -> bool {
        pool.has(at)
            && self.columns.is_live(at)
            && !self.is_out(at)
            && weigh::passes(&pool.policy, &self.known(&pool.policy), at)
    }
}
