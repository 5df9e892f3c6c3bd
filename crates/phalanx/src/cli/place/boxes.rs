//! Where on a page the domains of a cluster stand: boxes in boxes, sized before they are drawn.

use phalanx_topology::{DomainId, LevelId, NodeId, TreeId};

use super::picture::Picture;

/// Up to so many nodes are drawn each by itself; of a larger cluster those with a gang's pods, up to as many.
const MOST_NODES: usize = 768;

/// At most so many boxes for domains that are drawn as a whole.
const MOST_DOMAINS: usize = 1_024;

/// Nodes of one domain that stand below each other.
const ROWS: usize = 16;

/// The most boxes that stand side by side.
const MOST_BESIDE: usize = 64;

/// The side of a device's square, and the way from one to the next.
pub(super) const DEVICE: i64 = 13;
pub(super) const PITCH: i64 = 15;

/// More way between islands.
pub(super) const ISLAND: i64 = 4;

/// The height of a node's row.
pub(super) const ROW: i64 = 17;

/// Room inside and between boxes.
pub(super) const PAD: i64 = 8;

/// The height of a box's title.
pub(super) const TITLE: i64 = 18;

/// The size of a domain that is drawn as a whole.
pub(super) const CELL: (i64, i64) = (112, 36);

/// A domain, or the nodes outside the tree, and where it stands inside the box around it.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) width: i64,
    pub(super) height: i64,
    /// The name, with that of the level; none for what has no frame.
    pub(super) title: Option<String>,
    pub(super) nodes: Vec<NodeId>,
    pub(super) content: Content,
}

/// What a box holds.
#[derive(Debug)]
pub(super) enum Content {
    /// Nodes by themselves, in columns of rows.
    Nodes { rows: usize, label: i64, column: i64 },
    /// Further boxes.
    Blocks(Vec<Block>),
    /// All nodes as one bar.
    Bar,
}

/// The whole cluster as one box without a frame.
pub(super) fn arrange(picture: &Picture<'_>) -> Block {
    let topology = picture.inventory.topology();
    let layout = Layout::new(picture);
    let top = topology.levels().next().unwrap_or(topology.node_level());
    let mut blocks: Vec<Block> = if top == topology.node_level() {
        vec![layout.rows(None, topology.nodes().collect())]
    } else {
        let (mut blocks, mut loose) = (Vec::new(), Vec::new());
        for domain in topology.domains(top) {
            match topology.domain_name(domain) {
                "" => layout.inside(domain, &mut blocks, &mut loose),
                _ => blocks.push(layout.block(domain)),
            }
        }
        if !loose.is_empty() {
            let title = Some(format!("no {}", topology.level_name(top)));
            blocks.push(if layout.each { layout.rows(title, loose) } else { layout.bar(title, loose) });
        }
        blocks
    };
    let outside: Vec<NodeId> = topology.nodes().filter(|&node| !topology.in_tree(node)).collect();
    if !outside.is_empty() && top != topology.node_level() {
        let title = Some("outside the tree".to_owned());
        let few = layout.each || outside.len() <= 4 * ROWS;
        blocks.push(if few { layout.rows(title, outside) } else { layout.bar(title, outside) });
    }
    frame(None, topology.nodes().collect(), blocks)
}

/// How much of the cluster is drawn node by node.
#[derive(Debug)]
struct Layout<'a> {
    picture: &'a Picture<'a>,
    /// Every node is.
    each: bool,
    /// Those with a gang's pods are.
    used: bool,
    /// Domains of this level are drawn as a whole where their nodes are not.
    whole: LevelId,
}

impl<'a> Layout<'a> {
    fn new(picture: &'a Picture<'a>) -> Self {
        let topology = picture.inventory.topology();
        let mut above = topology.levels().rev().skip(1);
        let whole = above.find(|&level| topology.domains(level).len() <= MOST_DOMAINS);
        Self {
            picture,
            each: topology.len() <= MOST_NODES,
            used: picture.used().count() <= MOST_NODES,
            whole: whole.or(topology.levels().next()).unwrap_or(topology.node_level()),
        }
    }

    fn block(&self, domain: DomainId) -> Block {
        let topology = self.picture.inventory.topology();
        let (level, name) = (topology.level_name(topology.level_of(domain)), topology.domain_name(domain));
        let title = Some(if name.contains(level) { name.to_owned() } else { format!("{level} {name}") });
        let nodes: Vec<NodeId> = topology.nodes_of(domain).collect();
        let opened = self.each || (self.used && self.picture.is_used(domain));
        let (mut blocks, mut loose) = (Vec::new(), Vec::new());
        if !opened && topology.level_of(domain) >= self.whole {
            return self.bar(title, nodes);
        }
        self.inside(domain, &mut blocks, &mut loose);
        if blocks.is_empty() {
            return match (self.each, opened) {
                (true, _) => self.rows(title, nodes),
                (false, true) => self.opened(title, nodes),
                (false, false) => self.bar(title, nodes),
            };
        }
        if !loose.is_empty() {
            let below = topology.tree_levels(TreeId::PRIMARY).find(|&below| below > topology.level_of(domain));
            let title = below.map(|below| format!("no {}", topology.level_name(below)));
            let few = opened || loose.len() <= ROWS;
            blocks.push(if few { self.rows(title, loose) } else { self.bar(title, loose) });
        }
        frame(title, nodes, blocks)
    }

    /// What a domain holds: the domains with a name, and the nodes in none of those.
    fn inside(&self, domain: DomainId, blocks: &mut Vec<Block>, loose: &mut Vec<NodeId>) {
        let topology = self.picture.inventory.topology();
        for child in topology.children(domain) {
            match topology.node_of(child) {
                Some(node) => loose.push(node),
                None if topology.domain_name(child).is_empty() => self.inside(child, blocks, loose),
                None => blocks.push(self.block(child)),
            }
        }
    }

    /// A box of the nodes with a gang's pods by themselves, and the others as one.
    fn opened(&self, title: Option<String>, nodes: Vec<NodeId>) -> Block {
        let is_used = |node: &NodeId| self.picture.pods(*node).next().is_some();
        let (used, rest): (Vec<NodeId>, Vec<NodeId>) = nodes.iter().partition(|node| is_used(node));
        if rest.is_empty() {
            return self.rows(title, nodes);
        }
        let others = Some(format!("{} others", rest.len()));
        let mut block = frame(title, nodes, vec![self.rows(None, used), self.bar(others, rest)]);
        if let Content::Blocks(blocks) = &mut block.content
            && let [used, rest] = &mut blocks[..]
        {
            // Below them, however long they are.
            (rest.x, rest.y) = (used.x + PAD, used.y + used.height + PAD);
            (block.width, block.height) = (used.width.max(rest.width) + 2 * PAD, rest.y + rest.height + PAD);
        }
        block
    }

    /// A box of nodes by themselves.
    fn rows(&self, title: Option<String>, nodes: Vec<NodeId>) -> Block {
        let inventory = self.picture.inventory;
        let longest = nodes.iter().map(|&node| short(inventory.topology().node_name(node)).chars().count()).max();
        let label = 6 * longest.unwrap_or(0) as i64 + 8;
        let devices = nodes.iter().map(|&node| {
            let gaps = inventory.islands(node).len().saturating_sub(1) as i64;
            PITCH * i64::from(inventory.devices(node).len()) + ISLAND * gaps
        });
        let column = label + devices.max().unwrap_or(0).max(PITCH) + PAD;
        let rows = nodes.len().clamp(1, ROWS);
        let columns = nodes.len().div_ceil(rows).max(1) as i64;
        let least = title.as_ref().map_or(0, |title| 7 * title.chars().count() as i64 + 70);
        Block {
            x: 0,
            y: 0,
            width: (columns * column + PAD).max(least),
            height: if title.is_some() { TITLE + PAD } else { 0 } + ROW * rows as i64,
            title,
            nodes,
            content: Content::Nodes { rows, label, column },
        }
    }

    fn bar(&self, title: Option<String>, nodes: Vec<NodeId>) -> Block {
        Block { x: 0, y: 0, width: CELL.0, height: CELL.1, title, nodes, content: Content::Bar }
    }
}

/// A box around others, which stand in lines from left to right, each line as high as its highest box.
fn frame(title: Option<String>, nodes: Vec<NodeId>, mut blocks: Vec<Block>) -> Block {
    let top = if title.is_some() { TITLE + 4 } else { 0 };
    // What is small would leave gaps between what is large: it comes after it.
    blocks.sort_by_key(|block| matches!(block.content, Content::Bar));
    // As many side by side as come nearest to the shape of a screen, the fewest among equals.
    let mut best: Option<(i64, i64)> = None;
    let mut line = 0;
    for block in blocks.iter().take(MOST_BESIDE) {
        line += block.width + PAD;
        let (width, height) = flow(&mut blocks.iter().map(|block| (block.width, block.height, None)), line, top);
        // How far the ratio of the sides is from 3:2, in thousandths of the longer one.
        let (wide, high) = (2 * width, 3 * height);
        let off = (wide - high).abs() * 1_000 / wide.max(high).max(1);
        if best.is_none_or(|(least, _)| off < least) {
            best = Some((off, line));
        }
    }
    let line = best.map_or(0, |(_, line)| line);
    let (right, bottom) = flow(
        &mut blocks.iter_mut().map(|block| (block.width, block.height, Some((&mut block.x, &mut block.y)))),
        line,
        top,
    );
    let least = title.as_ref().map_or(0, |title| 7 * title.chars().count() as i64 + 90);
    Block { x: 0, y: 0, width: right.max(least), height: bottom, title, nodes, content: Content::Blocks(blocks) }
}

/// Puts boxes beside each other up to the length of a line, and lines below each other, each as high as its highest box;
/// returns how wide and high all is.
fn flow<'a>(
    blocks: &mut dyn Iterator<Item = (i64, i64, Option<(&'a mut i64, &'a mut i64)>)>,
    line: i64,
    top: i64,
) -> (i64, i64) {
    let (mut x, mut y, mut high, mut right) = (PAD, top, 0, PAD);
    for (width, height, place) in blocks {
        if x > PAD && x + width > line {
            (x, y, high) = (PAD, y + high + PAD, 0);
        }
        if let Some((left, above)) = place {
            (*left, *above) = (x, y);
        }
        x += width + PAD;
        high = high.max(height);
        right = right.max(x);
    }
    (right, y + high + PAD)
}

/// A name that fits on a label.
pub(super) fn short(name: &str) -> String {
    const MOST: usize = 22;
    let count = name.chars().count();
    if count <= MOST {
        return name.to_owned();
    }
    // What tells nodes apart mostly stands at the end.
    format!("…{}", name.chars().skip(count - MOST + 1).collect::<String>())
}
