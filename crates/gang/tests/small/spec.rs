//! Small gangs, with everything that a group can ask.

use phalanx_gang::{Gang, GangError, Group, PodId};
use phalanx_topology::{Demand, Inventory, LevelId};
use proptest::prelude::*;

use super::cluster::{cpu, kind};

/// A group as a test writes it: levels are 0 (block), 1 (rack), 2 (node).
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) bounds: Bounds,
    pub(crate) body: Content,
}

/// What a group asks of each of its replicas.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) hard: Option<u8>,
    pub(crate) preferred: Vec<u8>,
    /// Coarse to fine.
    pub(crate) slices: Vec<(u8, u32)>,
    pub(crate) spread: Option<(u8, u32)>,
    /// The level, and whether it is under a key of the level's.
    pub(crate) exclusive: Option<(u8, bool)>,
    /// To a key of the level's.
    pub(crate) bind: Option<u8>,
    pub(crate) per_node: Option<u32>,
    pub(crate) kinds: Vec<usize>,
    pub(crate) homogeneous: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Pods { count: u32, ask: Ask },
    Groups(Vec<Spec>),
}

/// What a pod asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ask {
    pub(crate) devices: u32,
    pub(crate) cpu: u64,
    /// Of one device, instead of whole ones.
    pub(crate) milli: u32,
    /// 1 within an island, 2 within a NUMA zone.
    pub(crate) locality: u8,
}

impl Ask {
    pub(crate) fn demand(self, inventory: &Inventory) -> Demand {
        let demand = match self.milli {
            0 => Demand::devices(self.devices),
            milli => Demand::share(milli).expect("a share"),
        };
        let demand = demand.with(cpu(inventory), self.cpu);
        match self.locality {
            0 => demand,
            1 => demand.within_island(),
            _ => demand.within_numa(),
        }
    }
}

pub(crate) fn exclusive_key(level: u8) -> String {
    format!("apart-{level}")
}

pub(crate) fn bind_key(level: u8) -> String {
    format!("near-{level}")
}

/// A pod: the position of its group in pre-order, the ordinals down to its replica, and its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pod {
    pub(crate) row: usize,
    pub(crate) ordinals: Vec<u32>,
    pub(crate) ordinal: u32,
}

impl Pod {
    pub(crate) fn id(&self, gang: &Gang) -> PodId {
        let group = gang.groups().nth(self.row).expect("the group exists");
        PodId::new(group, self.ordinals.clone(), self.ordinal)
    }
}

/// A group with where it is in the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) parent: Option<usize>,
    /// How many ordinals its replicas have.
    pub(crate) depth: usize,
}

/// Which bounds are wanted: the weight of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    pub(crate) level: f64,
    pub(crate) other: f64,
    pub(crate) spread: f64,
}

/// Bounds of all sorts.
pub(crate) const ALL: Weights = Weights { level: 0.35, other: 0.12, spread: 0.12 };
/// Levels only.
pub(crate) const LEVELS: Weights = Weights { level: 0.4, other: 0.0, spread: 0.0 };
/// Many keys, so that gangs meet.
pub(crate) const KEYS: Weights = Weights { level: 0.2, other: 0.35, spread: 0.0 };
/// All but skew limits, under which more room can be in the way.
pub(crate) const NO_SPREAD: Weights = Weights { spread: 0.0, ..ALL };

fn bounds(weights: Weights) -> impl Strategy<Value = Bounds> {
    let on = |weight: f64| weight > 0.0;
    let (others, spreads) = (on(weights.other), on(weights.spread));
    // A weight has to be above 0; what is not wanted is dropped below.
    let Weights { level, other, spread } = weights;
    let (other, spread) = (other.max(0.01), spread.max(0.01));
    let some = move |most: u8| prop::option::weighted(other, 0..most);
    let levels = (prop::option::weighted(level, 0..3u8), prop::collection::vec(0..3u8, 0..2));
    let slices = prop::option::weighted(other * 2.0, (0..3u8, 0..4usize, prop::option::of((0..3u8, 0..4usize))));
    let apart = (prop::option::weighted(other, (0..3u8, any::<bool>())), some(3), some(4));
    let kinds = (prop::option::weighted(other, 0..4usize), prop::bool::weighted(other * 0.7));
    let spread = prop::option::weighted(spread, (0..3u8, 0..3u32));
    (levels, slices, spread, apart, kinds).prop_map(
        move |((hard, preferred), slices, spread, (exclusive, bind, per_node), (kinds, homogeneous))| Bounds {
            hard,
            preferred,
            // Sizes are positions until the number of pods is known.
            slices: slices.filter(|_| others).map_or(Vec::new(), |(level, size, finer)| {
                let first = (level, size as u32);
                let finer = finer.filter(|&(other, _)| other > level).map(|(level, size)| (level, size as u32));
                std::iter::once(first).chain(finer).collect()
            }),
            spread: spread.filter(|_| spreads),
            exclusive: exclusive.filter(|_| others),
            bind: bind.filter(|_| others),
            per_node: per_node.filter(|_| others).map(u32::from),
            kinds: kinds
                .filter(|_| others)
                .map_or(Vec::new(), |at| [vec![1], vec![2], vec![1, 2], vec![2, 1]][at].clone()),
            homogeneous: homogeneous && others,
        },
    )
}

/// Turns positions into sizes that divide what they cut.
fn cut(bounds: &mut Bounds, count: u32) {
    let mut of = count;
    for (_, size) in &mut bounds.slices {
        let divisors: Vec<u32> = (1..=of).filter(|size| of.is_multiple_of(*size)).collect();
        of = divisors[*size as usize % divisors.len()];
        *size = of;
    }
}

fn pods(weights: Weights) -> impl Strategy<Value = Spec> {
    let ask = (0..4u32, 0..3u64).prop_map(|(devices, cpu)| Ask { devices, cpu, ..Ask::default() });
    (bounds(weights), (0..3u32, 0..2u32), 1..5u32, ask).prop_map(|(mut bounds, (min, more), count, ask)| {
        cut(&mut bounds, count);
        Spec { name: String::new(), min, max: min + more, bounds, body: Content::Pods { count, ask } }
    })
}

/// Trees of groups whose minimum is at most `most` pods.
pub(crate) fn gang(most: u32, weights: Weights) -> impl Strategy<Value = Spec> {
    let tree = pods(weights).prop_recursive(2, 8, 3, move |inner| {
        let groups = prop::collection::vec(inner, 1..4);
        (bounds(weights), (0..3u32, 0..2u32), groups).prop_map(|(mut bounds, (min, more), groups)| {
            bounds.slices.clear();
            Spec { name: String::new(), min, max: min + more, bounds, body: Content::Groups(groups) }
        })
    });
    tree.prop_map(|mut spec| {
        spec.min = spec.min.max(1);
        spec.max = spec.max.max(spec.min);
        name(&mut spec, "g".to_owned());
        unnest(&mut spec, &mut Vec::new());
        spec
    })
    .prop_filter("the minimum is small", move |spec| (1..=most).contains(&spec.min_pods()) && spec.max_pods() <= 40)
}

/// Equal pods under bounds that all nest: one group in at most one around it.
pub(crate) fn equal(most: u32, weights: Weights) -> impl Strategy<Value = Spec> {
    let share = prop_oneof![3 => Just(0), 1 => Just(250), 1 => Just(600)];
    let ask = (0..4u32, 0..3u64, share, prop_oneof![2 => Just(0u8), 1 => 1..3u8]);
    let ask = ask.prop_map(|(devices, cpu, milli, locality)| {
        // A pod that asks nothing fits without end.
        let cpu = if devices == 0 && milli == 0 { cpu.max(1) } else { cpu };
        let devices = if milli > 0 { 0 } else { devices };
        Ask { devices, cpu, milli, locality: if devices > 0 { locality } else { 0 } }
    });
    let inner = (bounds(weights), 1..4u32, 1..9u32, ask).prop_map(|(mut bounds, replicas, count, ask)| {
        cut(&mut bounds, count);
        Spec { name: "w".into(), min: replicas, max: replicas, bounds, body: Content::Pods { count, ask } }
    });
    (inner, prop::option::of(bounds(weights)))
        .prop_map(|(inner, outer)| match outer {
            None => inner,
            Some(mut bounds) => {
                bounds.slices.clear();
                Spec { name: "g".into(), min: 1, max: 1, bounds, body: Content::Groups(vec![inner]) }
            }
        })
        .prop_map(|mut spec| {
            unnest(&mut spec, &mut Vec::new());
            spec
        })
        .prop_filter("the minimum is small", move |spec| spec.min_pods() <= most)
}

/// A group cannot keep apart from itself: a key is not given again inside a group that has it.
fn unnest(spec: &mut Spec, around: &mut Vec<u8>) {
    if let Some((level, keyed)) = &mut spec.bounds.exclusive {
        *keyed &= !around.contains(level);
        around.extend(keyed.then_some(*level));
    }
    let own = spec.bounds.exclusive.is_some_and(|(_, keyed)| keyed);
    if let Content::Groups(groups) = &mut spec.body {
        groups.iter_mut().for_each(|group| unnest(group, around));
    }
    if own {
        around.pop();
    }
}

fn name(spec: &mut Spec, as_: String) {
    spec.name = as_;
    if let Content::Groups(groups) = &mut spec.body {
        groups.iter_mut().enumerate().for_each(|(at, group)| name(group, format!("c{at}")));
    }
}

impl Spec {
    /// With levels that start at `first`.
    fn group(&self, inventory: &Inventory, first: u8) -> Group {
        let at = |level: u8| LevelId::new(first + level);
        let group = match &self.body {
            Content::Pods { count, ask } => Group::pods(&self.name, *count, ask.demand(inventory)),
            Content::Groups(groups) => Group::of(&self.name, groups.iter().map(|group| group.group(inventory, first))),
        };
        let Bounds { hard, preferred, slices, spread, exclusive, bind, per_node, kinds, homogeneous } = &self.bounds;
        let mut group = group.between(self.min, self.max).kinds(kinds.iter().map(|&of| kind(inventory, of)));
        group = hard.iter().fold(group, |group, &level| group.hard(at(level)));
        group = preferred.iter().fold(group, |group, &level| group.prefer(at(level)));
        group = slices.iter().fold(group, |group, &(level, size)| group.slices(at(level), size));
        group = spread.iter().fold(group, |group, &(level, skew)| group.spread(at(level), skew));
        group = bind.iter().fold(group, |group, &level| group.bind(at(level), bind_key(level)));
        group = per_node.iter().fold(group, |group, &most| group.per_node(most));
        group = match *exclusive {
            None => group,
            Some((level, false)) => group.exclusive(at(level)),
            Some((level, true)) => group.exclusive_as(at(level), exclusive_key(level)),
        };
        if *homogeneous { group.homogeneous() } else { group }
    }

    pub(crate) fn gang(&self, inventory: &Inventory) -> Gang {
        self.try_gang(inventory).expect("the gang is sound")
    }

    pub(crate) fn try_gang(&self, inventory: &Inventory) -> Result<Gang, GangError> {
        Gang::new(self.group(inventory, 0))
    }

    /// With levels of a tree that start at `first`.
    pub(crate) fn gang_on(&self, inventory: &Inventory, first: u8) -> Gang {
        Gang::new(self.group(inventory, first)).expect("the gang is sound")
    }

    pub(crate) fn min_pods(&self) -> u32 {
        self.min
            * match &self.body {
                Content::Pods { count, .. } => *count,
                Content::Groups(groups) => groups.iter().map(Self::min_pods).sum(),
            }
    }

    pub(crate) fn max_pods(&self) -> u32 {
        self.max
            * match &self.body {
                Content::Pods { count, .. } => *count,
                Content::Groups(groups) => groups.iter().map(Self::max_pods).sum(),
            }
    }

    /// All groups in pre-order.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let mut lines = Vec::new();
        self.collect(None, 1, &mut lines);
        lines
    }

    fn collect<'a>(&'a self, parent: Option<usize>, depth: usize, lines: &mut Vec<Line<'a>>) {
        let at = lines.len();
        lines.push(Line { spec: self, parent, depth });
        if let Content::Groups(groups) = &self.body {
            groups.iter().for_each(|group| group.collect(Some(at), depth + 1, lines));
        }
    }

    /// The group at this position in pre-order.
    pub(crate) fn find(&mut self, row: usize) -> &mut Self {
        fn go<'a>(spec: &'a mut Spec, left: &mut usize) -> Option<&'a mut Spec> {
            if *left == 0 {
                return Some(spec);
            }
            *left -= 1;
            match &mut spec.body {
                Content::Pods { .. } => None,
                Content::Groups(groups) => groups.iter_mut().find_map(|group| go(group, left)),
            }
        }
        go(self, &mut { row }).expect("the group exists")
    }
}

/// `[1..2 g hard=0 of [..]]`: short, to be read in a failure.
impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Bounds { hard, preferred, slices, spread, exclusive, bind, per_node, kinds, homogeneous } = &self.bounds;
        write!(f, "[{} {}..{}", self.name, self.min, self.max)?;
        hard.iter().try_for_each(|level| write!(f, " hard={level}"))?;
        preferred.iter().try_for_each(|level| write!(f, " prefer={level}"))?;
        slices.iter().try_for_each(|(level, size)| write!(f, " slices={level}:{size}"))?;
        spread.iter().try_for_each(|(level, skew)| write!(f, " spread={level}:{skew}"))?;
        exclusive.iter().try_for_each(|(level, keyed)| write!(f, " exclusive={level}:{keyed}"))?;
        bind.iter().try_for_each(|level| write!(f, " bind={level}"))?;
        per_node.iter().try_for_each(|most| write!(f, " per_node={most}"))?;
        kinds.iter().try_for_each(|kind| write!(f, " kind={kind}"))?;
        write!(f, "{}", if *homogeneous { " homogeneous" } else { "" })?;
        match &self.body {
            Content::Pods { count, ask } => {
                let Ask { devices, cpu, milli, locality } = ask;
                write!(f, " {count}p({devices}, cpu={cpu}, milli={milli}, locality={locality})]")
            }
            Content::Groups(groups) => write!(f, " {groups:?}]"),
        }
    }
}
