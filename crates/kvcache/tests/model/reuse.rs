//! What an engine could reuse, by trying every length.

use phalanx_kvcache::{BlockHash, CacheGroups, GroupRule, Layer, Reusable, Reuse, Tier};

use super::{Model, Path, Rank, World};

impl Model {
    /// The longest prefix for which each group has what its rule says, and where its blocks come from; none if there is
    /// no such prefix.
    pub(crate) fn reuse(&self, rank: &Rank, contents: &[BlockHash], groups: &CacheGroups) -> Option<(u32, [u32; 4])> {
        let paths = self.paths.prefixes(contents);
        let holds = |group: u16, path: Path| Tier::ALL.iter().any(|&tier| rank.holds(Layer { group, tier }, path));
        let needed = |rule: GroupRule, end: usize| match rule {
            GroupRule::Full => &paths[..end],
            GroupRule::Window { blocks } => &paths[end.saturating_sub(blocks.max(1) as usize)..end],
            GroupRule::State => &paths[end - 1..end],
        };
        let fits = |end: usize| {
            let rules = groups.rules();
            !rules.is_empty()
                && rules.iter().all(|&(group, rule)| needed(rule, end).iter().all(|&path| holds(group, path)))
        };
        let end = (1..=paths.len()).rev().find(|&end| fits(end))?;
        let full = groups.rules().iter().find(|(_, rule)| *rule == GroupRule::Full);
        let (group, rule) = *full.unwrap_or(&groups.rules()[0]);
        let mut by_tier = [0; 4];
        for &path in needed(rule, end) {
            let fastest = Tier::ALL.iter().position(|&tier| rank.holds(Layer { group, tier }, path));
            by_tier[fastest.expect("it is held somewhere")] += 1;
        }
        Some((end as u32, by_tier))
    }
}

impl World {
    /// Who could reuse how much of these contents? Says how many can.
    pub(crate) fn ask_reuse(&self, contents: &[BlockHash], groups: &CacheGroups, reuse: &mut Reuse) -> usize {
        let mut expected: Vec<Reusable> = self
            .ids()
            .filter_map(|(number, id)| {
                let rank = self.model.rank(number)?;
                let (blocks, by_tier) = self.model.reuse(rank, contents, groups)?;
                Some(Reusable { rank: id, blocks, by_tier })
            })
            .collect();
        expected.sort_unstable_by_key(|reusable| reusable.rank);
        self.index.reuse(contents, groups, reuse);
        assert_eq!(reuse.ranks(), expected, "by {groups:?}: who could reuse {contents:?}");
        for (_, id) in self.ids() {
            assert_eq!(reuse.of(id), expected.iter().find(|reusable| reusable.rank == id), "{id:?} by itself");
        }
        expected.len()
    }
}
