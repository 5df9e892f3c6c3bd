//! The groups of a model.

use super::GroupRule;
use crate::BlockSize;
use crate::wire::Stored;

/// The groups of a model's layers, each with its rule. What it does not name is not asked for.
///
/// ```
/// use phalanx_kvcache::{BlockSize, CacheGroups, GroupRule};
///
/// let plain = CacheGroups::new(); // one group of full attention, as most models have
/// assert_eq!(plain.rule(0), Some(GroupRule::Full));
///
/// let hybrid = CacheGroups::new().with(1, GroupRule::window(512, BlockSize::new(16)?));
/// assert_eq!(hybrid.rule(1), Some(GroupRule::Window { blocks: 32 }));
/// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheGroups {
    /// Ascending.
    rules: Vec<(u16, GroupRule)>,
}

impl Default for CacheGroups {
    fn default() -> Self {
        Self::new()
    }
}

impl CacheGroups {
    /// Group 0, of full attention.
    ///
    /// ```
    /// let groups = phalanx_kvcache::CacheGroups::new();
    /// assert_eq!(groups.rules().len(), 1);
    /// ```
    pub fn new() -> Self {
        Self { rules: vec![(0, GroupRule::Full)] }
    }

    /// With the rule of one more group, or another rule of one that is there.
    ///
    /// ```
    /// use phalanx_kvcache::{CacheGroups, GroupRule};
    ///
    /// let groups = CacheGroups::new().with(1, GroupRule::State);
    /// assert_eq!(groups.rules(), [(0, GroupRule::Full), (1, GroupRule::State)]);
    /// ```
    #[must_use]
    pub fn with(mut self, group: u16, rule: GroupRule) -> Self {
        self.set(group, rule);
        self
    }

    /// Without a group. Where none is left, nothing is ever reusable.
    ///
    /// ```
    /// use phalanx_kvcache::{CacheGroups, GroupRule};
    ///
    /// let groups = CacheGroups::new().with(3, GroupRule::Full).without(0);
    /// assert_eq!(groups.rules(), [(3, GroupRule::Full)]);
    /// ```
    #[must_use]
    pub fn without(mut self, group: u16) -> Self {
        self.rules.retain(|(of, _)| *of != group);
        self
    }

    /// Learns the rule of a group from what an engine published; says whether anything is new. What the event does not
    /// tell stays as it was: see [`GroupRule::of`].
    ///
    /// ```
    /// use phalanx_kvcache::wire::{AttentionKind, Stored, Tokens};
    /// use phalanx_kvcache::{BlockHash, CacheGroups, GroupRule, Layer, Tier};
    ///
    /// let names = [BlockHash(71)];
    /// let mut stored = Stored::new(&names, Tokens::Ids(&[0; 16]), 16);
    /// stored.layer = Layer::new(1, Tier::Gpu);
    /// stored.kind = Some(AttentionKind::SlidingWindow);
    /// stored.sliding_window = Some(512);
    /// let mut groups = CacheGroups::new();
    /// assert!(groups.learn(&stored));
    /// assert!(!groups.learn(&stored), "known by now");
    /// assert_eq!(groups.rule(1), Some(GroupRule::Window { blocks: 32 }));
    /// ```
    pub fn learn(&mut self, stored: &Stored<'_>) -> bool {
        let (Some(kind), Ok(size)) = (stored.kind, BlockSize::new(stored.block_size)) else { return false };
        let Some(rule) = GroupRule::of(kind, stored.sliding_window, size) else { return false };
        self.set(stored.layer.group, rule)
    }

    /// The rule of a group, if it has one.
    ///
    /// ```
    /// assert_eq!(phalanx_kvcache::CacheGroups::new().rule(1), None);
    /// ```
    pub fn rule(&self, group: u16) -> Option<GroupRule> {
        self.place(group).ok().map(|at| self.rules[at].1)
    }

    /// All groups and their rules, by ascending group.
    pub fn rules(&self) -> &[(u16, GroupRule)] {
        &self.rules
    }

    /// Where a group stands among them, or belongs.
    pub(crate) fn place(&self, group: u16) -> Result<usize, usize> {
        self.rules.binary_search_by_key(&group, |(of, _)| *of)
    }

    /// The group whose blocks tell where a match comes from: the first of full attention, or else the first of all.
    pub(crate) fn leading(&self) -> usize {
        self.rules.iter().position(|(_, rule)| *rule == GroupRule::Full).unwrap_or(0)
    }

    fn set(&mut self, group: u16, rule: GroupRule) -> bool {
        match self.place(group) {
            Ok(at) => core::mem::replace(&mut self.rules[at].1, rule) != rule,
            Err(at) => {
                self.rules.insert(at, (group, rule));
                true
            }
        }
    }
}
