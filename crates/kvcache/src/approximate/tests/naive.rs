//! The literal model: a list of paths with their last use.

use crate::Accuracy;

#[derive(Clone, Debug)]
struct Held {
    path: Vec<u64>,
    used: u64,
    confirmed: bool,
}

/// What was believed of each block at the start of a prompt: last use, and whether it was confirmed.
#[derive(Clone, Debug)]
pub(super) struct NaiveExpectation {
    used: u64,
    blocks: u32,
    pub(super) believed: Vec<(u64, bool)>,
}

#[derive(Clone, Debug)]
pub(super) struct Naive {
    ttl: u64,
    adapting: bool,
    capacity: u32,
    pub(super) assumed: u32,
    crowded: bool,
    now: u64,
    used: u64,
    cleared: u64,
    held: Vec<Held>,
    /// All reports: cached, missed although confirmed, and cached although unknown.
    reports: Vec<(u32, u32, u32)>,
    pub(super) accuracy: Accuracy,
}

impl Naive {
    pub(super) fn new(capacity: u32, ttl: u64, adapting: bool) -> Self {
        Self {
            ttl,
            adapting,
            capacity,
            assumed: capacity,
            crowded: false,
            now: 0,
            used: 0,
            cleared: 0,
            held: Vec::new(),
            reports: Vec::new(),
            accuracy: Accuracy::default(),
        }
    }

    pub(super) fn paths(&self) -> Vec<Vec<u64>> {
        let mut paths: Vec<_> = self.held.iter().map(|held| held.path.clone()).collect();
        paths.sort();
        paths
    }

    fn find(&mut self, path: &[u64]) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.path == path)
    }

    pub(super) fn matched(&mut self, prompt: &[u64]) -> u32 {
        (1..=prompt.len()).take_while(|&depth| self.find(&prompt[..depth]).is_some()).count() as u32
    }

    /// The least recently used block that continues in none, except those of one prompt.
    fn evict(&mut self, except: &[u64]) {
        let leaf = |at: &usize| {
            let path = &self.held[*at].path;
            !except.starts_with(path)
                && !self.held.iter().any(|other| other.path != *path && other.path.starts_with(path))
        };
        let victim = (0..self.held.len()).filter(leaf).min_by_key(|&at| self.held[at].used);
        self.held.remove(victim.expect("a leaf"));
    }

    fn make_room(&mut self, prompt: &[u64]) {
        let others = |this: &Self| this.held.iter().filter(|held| !prompt.starts_with(&held.path)).count();
        while others(self) + prompt.len() > self.assumed as usize {
            self.evict(prompt);
        }
    }

    pub(super) fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        let (now, ttl) = (self.now, self.ttl);
        self.held.retain(|held| held.used.saturating_add(ttl) > now);
    }

    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.held.iter().map(|held| held.used + self.ttl).min()
    }

    fn touch(&mut self, contents: &[u64], confirmed: bool) -> NaiveExpectation {
        self.used = self.now.max(self.used + 1);
        let mut expected = NaiveExpectation { used: self.used, blocks: contents.len() as u32, believed: Vec::new() };
        let kept = &contents[..contents.len().min(self.assumed as usize)];
        for depth in 1..=self.matched(kept) as usize {
            let held = self.find(&kept[..depth]).expect("it matched");
            expected.believed.push((held.used, held.confirmed));
        }
        let others = self.held.iter().filter(|held| !kept.starts_with(&held.path)).count();
        self.crowded |= others + kept.len() > self.assumed as usize;
        self.make_room(kept);
        let used = self.used;
        for depth in 1..=kept.len() {
            match self.find(&kept[..depth]) {
                Some(held) => {
                    held.used = used;
                    held.confirmed |= confirmed;
                }
                None => self.held.push(Held { path: kept[..depth].to_vec(), used, confirmed }),
            }
        }
        expected
    }

    pub(super) fn learn(&mut self, prompt: &[u64], now: u64) -> NaiveExpectation {
        self.advance(now);
        self.touch(prompt, false)
    }

    fn least(&self) -> u32 {
        self.capacity.div_ceil(16)
    }

    pub(super) fn report(&mut self, expected: &NaiveExpectation, contents: &[u64], cached: u32, now: u64) {
        self.advance(now);
        if expected.used <= self.cleared {
            return;
        }
        let (blocks, believed) = (expected.blocks, expected.believed.len() as u32);
        let told = cached;
        let mut cached = cached.min(blocks);
        if believed == blocks && cached + 1 == blocks {
            cached = blocks;
        }
        self.accuracy.reports += 1;
        self.accuracy.believed += u64::from(believed);
        self.accuracy.cached += u64::from(cached);
        self.accuracy.agreed += u64::from(believed.min(cached));
        let before = self.reports.iter().map(|report| report.0);
        let step = (1..=1000).rev().find(|step| before.clone().chain([told]).all(|told| told % step == 0));
        let hit = before.chain([told]).any(|told| told > 0);
        let missing = if hit { cached + step.expect("1 at least") - 1 } else { cached };
        let confirmed = expected.believed.iter().filter(|(_, confirmed)| *confirmed).count() as u32;
        self.reports.push((told, confirmed.saturating_sub(missing), cached.saturating_sub(believed)));
        let sum = |of: fn(&(u32, u32, u32)) -> u32| {
            self.reports.iter().fold(0u64, |sum, report| sum - sum / 32 + 256 * u64::from(of(report)))
        };
        let even = sum(|report| report.1) >= sum(|report| report.2);
        if missing < confirmed && hit && missing + 1 < blocks && even {
            let mut uses: Vec<u64> = expected.believed.iter().map(|&(used, _)| used).collect();
            uses.dedup();
            let last = expected.believed[missing as usize].0;
            let nth = uses.iter().position(|&used| used == last).expect("it is of them");
            // Four uses are told apart, the last of them is the earliest of all that remain.
            let since = if nth < 3 { last } else { uses[uses.len() - 1] };
            self.held.retain(|held| held.used > since);
            let kept = (self.held.len() as u32).saturating_sub(blocks - cached);
            if self.adapting && kept < self.assumed {
                self.assumed = (kept + (self.assumed - kept) / 2).max(self.least());
            }
        } else if cached > believed && self.crowded && self.adapting {
            self.assumed = (self.assumed + (cached - believed).min(self.assumed / 8 + 1)).min(self.capacity);
            self.crowded = false;
        }
        self.touch(contents, true);
    }

    pub(super) fn retract(&mut self, expected: &NaiveExpectation, prompt: &[u64]) {
        let new = expected.believed.len()..;
        self.held.retain(|held| {
            let of_it = prompt.starts_with(&held.path) && new.contains(&(held.path.len() - 1));
            !of_it || held.used != expected.used || held.confirmed
        });
    }

    pub(super) fn set_capacity(&mut self, blocks: u32) {
        let assumed = (self.assumed * blocks).checked_div(self.capacity).unwrap_or(blocks);
        self.capacity = blocks;
        self.assumed = assumed.max(self.least());
        self.make_room(&[]);
    }

    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.cleared = self.used;
        self.crowded = false;
    }
}
