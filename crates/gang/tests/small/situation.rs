//! A small cluster and a gang with what is there already.

use std::collections::BTreeMap;

use phalanx_gang::{Gang, Objective, Present};
use phalanx_topology::{Demand, Inventory, LevelId, NodeId};
use proptest::prelude::*;

use super::cluster::{Row, cluster, inventory, inventory_beside, node};
use super::definition::Case;
use super::spec::{Content, Pod, Spec, bind_key, exclusive_key};

/// What a test draws: positions are taken modulo what there is.
#[derive(Clone)]
pub(crate) struct Situation {
    pub(crate) rows: Vec<Row>,
    pub(crate) spec: Spec,
    /// Pods by number and rows.
    running: Vec<(usize, usize)>,
    /// Whether pods are left out with which a bound would be broken already.
    sound: bool,
    /// Keys by level, and rows.
    bound: Vec<(u8, usize)>,
    excluded: Vec<(u8, usize)>,
}

/// It, ready to be planned.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) inventory: Inventory,
    pub(crate) gang: Gang,
    pub(crate) running: BTreeMap<Pod, NodeId>,
    /// What those ask, by row.
    pub(crate) own: Vec<(usize, Demand)>,
    pub(crate) bound: Vec<(String, NodeId)>,
    pub(crate) excluded: Vec<(String, NodeId)>,
}

pub(crate) fn any_objective() -> impl Strategy<Value = Objective> {
    prop_oneof![
        4 => Just(Objective::Tight),
        1 => Just(Objective::GreedyBestFit),
        1 => Just(Objective::LeastFree),
        1 => Just(Objective::Balanced),
        1 => (0..3u8).prop_map(|level| Objective::Spread { level: LevelId::new(level) }),
    ]
}

/// Nothing runs.
pub(crate) fn fresh(
    nodes: std::ops::Range<usize>,
    spec: impl Strategy<Value = Spec>,
) -> impl Strategy<Value = Situation> {
    let keys = || prop::collection::vec((0..3u8, any::<usize>()), 0..3);
    (cluster(nodes), spec, keys(), keys()).prop_map(|(rows, spec, bound, excluded)| Situation {
        rows,
        spec,
        running: Vec::new(),
        sound: true,
        bound,
        excluded,
    })
}

/// Some pods run.
pub(crate) fn partly(
    nodes: std::ops::Range<usize>,
    spec: impl Strategy<Value = Spec>,
    sound: bool,
) -> impl Strategy<Value = Situation> {
    let running = prop::collection::vec((any::<usize>(), any::<usize>()), 1..5);
    (fresh(nodes, spec), running).prop_map(move |(situation, running)| Situation { running, sound, ..situation })
}

impl Situation {
    /// One node more; all else stays where it is.
    pub(crate) fn grow(&mut self, row: Row) {
        let len = self.rows.len();
        let rows = self.running.iter_mut().map(|(_, row)| row);
        let rows = rows.chain(self.bound.iter_mut().chain(&mut self.excluded).map(|(_, row)| row));
        rows.for_each(|row| *row %= len);
        self.rows.push(row);
    }

    pub(crate) fn ready(&self) -> Ready {
        let plain = inventory(&self.rows);
        let at = |row: usize| node(&plain, row % self.rows.len());
        let keyed = |list: &[(u8, usize)], key: fn(u8) -> String| {
            list.iter().map(|&(level, row)| (key(level), at(row))).collect::<Vec<_>>()
        };
        let (bound, excluded) = (keyed(&self.bound, bind_key), keyed(&self.excluded, exclusive_key));
        let mut running = BTreeMap::new();
        let mut own: Vec<(usize, Demand)> = Vec::new();
        let all = all_pods(&self.spec);
        for &(pod, row) in &self.running {
            if all.is_empty() {
                break;
            }
            let (pod, row) = (&all[pod % all.len()], row % self.rows.len());
            if running.contains_key(pod) {
                continue;
            }
            running.insert(pod.clone(), at(row));
            let case = self.case(&plain, running.clone(), &bound, &excluded);
            if self.sound && !case.is_sound() {
                running.remove(pod);
                continue;
            }
            let Content::Pods { ask, .. } = &case.lines[pod.row].spec.body else { continue };
            own.push((row, ask.demand(&plain)));
        }
        let inventory = inventory_beside(&self.rows, &own);
        let gang = self.spec.gang(&inventory);
        Ready { inventory, gang, running, own, bound, excluded }
    }

    /// The same when no pod of its own runs any more.
    pub(crate) fn ready_without_running(&self) -> Ready {
        let inventory = inventory(&self.rows);
        Ready { running: BTreeMap::new(), own: Vec::new(), inventory, ..self.ready() }
    }

    fn case<'a>(
        &'a self,
        inventory: &'a Inventory,
        running: BTreeMap<Pod, NodeId>,
        bound: &[(String, NodeId)],
        excluded: &[(String, NodeId)],
    ) -> Case<'a> {
        Case { lines: self.spec.lines(), inventory, running, bound: bound.to_vec(), excluded: excluded.to_vec() }
    }
}

impl Ready {
    pub(crate) fn case<'a>(&'a self, spec: &'a Spec) -> Case<'a> {
        self.case_on(spec, &self.inventory)
    }

    /// The same on another inventory over the same nodes.
    pub(crate) fn case_on<'a>(&'a self, spec: &'a Spec, inventory: &'a Inventory) -> Case<'a> {
        Case {
            lines: spec.lines(),
            inventory,
            running: self.running.clone(),
            bound: self.bound.clone(),
            excluded: self.excluded.clone(),
        }
    }

    pub(crate) fn present(&self) -> Present {
        let mut present = Present::new();
        for (pod, &node) in &self.running {
            present = present.running(pod.id(&self.gang), node);
        }
        present = self.bound.iter().fold(present, |present, (key, node)| present.bind(key, *node));
        self.excluded.iter().fold(present, |present, (key, node)| present.exclude(key, *node))
    }
}

/// Every pod that a gang can have.
pub(crate) fn all_pods(spec: &Spec) -> Vec<Pod> {
    fn go(lines: &[super::spec::Line<'_>], row: usize, ordinals: &mut Vec<u32>, pods: &mut Vec<Pod>) {
        for ordinal in 0..lines[row].spec.max {
            ordinals.push(ordinal);
            if let Content::Pods { count, .. } = &lines[row].spec.body {
                pods.extend((0..*count).map(|ordinal| Pod { row, ordinals: ordinals.clone(), ordinal }));
            }
            let children = (0..lines.len()).filter(|&child| lines[child].parent == Some(row));
            children.for_each(|child| go(lines, child, ordinals, pods));
            ordinals.pop();
        }
    }
    let mut pods = Vec::new();
    go(&spec.lines(), 0, &mut Vec::new(), &mut pods);
    pods
}

/// With pods and nodes by name.
impl std::fmt::Debug for Situation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ready = self.ready();
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|&row| node(&ready.inventory, row));
        let rows: Vec<_> =
            order.iter().map(|&row| format!("{}: {:?}", node(&ready.inventory, row), self.rows[row])).collect();
        writeln!(f, "{:?}\nrows {rows:#?}", self.spec)?;
        for (pod, node) in &ready.running {
            writeln!(f, "runs {} {:?} {} on {node}", pod.row, pod.ordinals, pod.ordinal)?;
        }
        writeln!(f, "bound {:?} excluded {:?}", ready.bound, ready.excluded)
    }
}
