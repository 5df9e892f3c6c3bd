//! Lays rows out as columns in path order.

use crate::builder::Row;
use crate::columns::{Columns, NONE};
use crate::{Topology, TopologyError};

/// Sorts the rows by full path, so that every domain is a range of nodes, and derives the columns.
pub(crate) fn build(tree: String, levels: Vec<String>, rows: Vec<Row>) -> Result<Topology, TopologyError> {
    let depth = levels.len();
    // Every node adds at most one domain a level, itself included.
    if u32::try_from(rows.len()).ok().and_then(|n| n.checked_mul(depth as u32 + 1)).is_none_or(|n| n == NONE) {
        return Err(TopologyError::TooManyNodes { found: rows.len() });
    }
    let (mut inside, mut outside): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.domains.iter().any(|name| !name.is_empty()));
    inside.sort_by_cached_key(path);
    outside.sort_by(|a, b| a.node.cmp(&b.node));

    let mut columns = Columns::new(inside.len(), depth + 1);
    for level in 0..depth {
        columns.start_level();
        for (at, row) in inside.iter().enumerate() {
            let continues = at > 0 && same_domain(&inside[at - 1], row, level);
            columns.push_node(level, at, continues, || row.domains[level].clone());
        }
    }
    columns.start_level();
    for (at, row) in inside.iter().enumerate() {
        columns.push_node(depth, at, false, || row.node.clone());
    }
    columns.finish();

    let names: Vec<String> = inside.into_iter().chain(outside).map(|row| row.node).collect();
    let mut by_name: Vec<u32> = (0..names.len() as u32).collect();
    by_name.sort_by(|&a, &b| names[a as usize].cmp(&names[b as usize]));
    for pair in by_name.windows(2) {
        if names[pair[0] as usize] == names[pair[1] as usize] {
            return Err(TopologyError::DuplicateNode { node: names[pair[0] as usize].clone() });
        }
    }
    Ok(Topology::single(tree, levels, names, by_name, columns))
}

fn path(row: &Row) -> String {
    let mut path = row.domains.join("/");
    path.push('/');
    path.push_str(&row.node);
    path
}

/// Whether two rows that are neighbours in path order share the domain at `level`.
///
/// A missing level is a domain that holds exactly the one child subtree, so it is shared where the next named level is;
/// without a named level from here down the two rows are two nodes.
fn same_domain(a: &Row, b: &Row, level: usize) -> bool {
    let named = a.domains[level..].iter().position(|name| !name.is_empty());
    named.is_some_and(|below| a.domains[..=level + below] == b.domains[..=level + below])
}
