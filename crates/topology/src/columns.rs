//! The columns of all trees of a topology, by domain and by level.

/// Stands for "none" in the columns of ids.
pub(crate) const NONE: u32 = u32::MAX;

/// The columns of a topology. Domains run tree by tree, and level by level within a tree; the last level's domains of
/// each tree are its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    /// First domain of each level, and one past the last.
    pub(crate) level_start: Vec<u32>,
    pub(crate) level: Vec<u8>,
    pub(crate) name: Vec<String>,
    pub(crate) parent: Vec<u32>,
    pub(crate) first_child: Vec<u32>,
    /// A position in the order of the domain's tree.
    pub(crate) first_node: Vec<u32>,
    pub(crate) node_len: Vec<u32>,
    /// For each level the domain of every node. Those of the first tree end with its last node, as its nodes have the
    /// first ids; those of the other trees have `NONE` for a node outside.
    pub(crate) domain_of: Vec<Vec<u32>>,
}

impl Columns {
    /// Nothing yet, with room for one tree of so many levels.
    pub(crate) fn new(nodes: usize, levels: usize) -> Self {
        Self { domain_of: vec![Vec::with_capacity(nodes); levels], ..Self::default() }
    }

    pub(crate) fn start_level(&mut self) {
        self.level_start.push(self.name.len() as u32);
    }

    /// Adds the node at position `at` to a level: to the domain before it if it `continues`, else to a new one.
    pub(crate) fn push_node(&mut self, level: usize, at: usize, continues: bool, name: impl FnOnce() -> String) {
        if !continues {
            let parent = if level == 0 { NONE } else { self.domain_of[level - 1][at] };
            let id = self.name.len() as u32;
            if parent != NONE && self.first_child[parent as usize] == NONE {
                self.first_child[parent as usize] = id;
            }
            self.level.push(level as u8);
            self.name.push(name());
            self.parent.push(parent);
            self.first_child.push(NONE);
            self.first_node.push(at as u32);
            self.node_len.push(0);
        }
        let domain = self.name.len() - 1;
        self.node_len[domain] += 1;
        self.domain_of[level].push(domain as u32);
    }

    pub(crate) fn finish(&mut self) {
        self.start_level();
    }

    /// Adds the first `levels` levels of `other`, its first tree, below all that is here. `order` tells the node at each
    /// position of that tree, of `nodes` in all. The sum of domains must fit the ids.
    pub(crate) fn append(&mut self, other: &Self, levels: usize, order: &[u32], nodes: usize) {
        let (domains, level_offset) = (other.level_start[levels] as usize, self.level_start.len() - 1);
        let offset = self.name.len() as u32;
        let moved = |&id: &u32| if id == NONE { NONE } else { id + offset };
        self.level_start.pop();
        self.level_start.extend(other.level_start[..=levels].iter().map(|start| start + offset));
        self.level.extend(other.level[..domains].iter().map(|&level| level + level_offset as u8));
        self.name.extend_from_slice(&other.name[..domains]);
        self.parent.extend(other.parent[..domains].iter().map(moved));
        self.first_child.extend(other.first_child[..domains].iter().map(moved));
        self.first_node.extend_from_slice(&other.first_node[..domains]);
        self.node_len.extend_from_slice(&other.node_len[..domains]);
        for column in &other.domain_of[..levels] {
            let mut by_node = vec![NONE; nodes];
            for (&node, domain) in order.iter().zip(column) {
                by_node[node as usize] = domain + offset;
            }
            self.domain_of.push(by_node);
        }
    }
}
