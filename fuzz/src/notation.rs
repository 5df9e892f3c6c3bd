//! Any text as a cluster and a gang in notation, planned under every objective.

mod line;

use phalanx_gang::{Budget, Gang, Objective, Options, Outcome, plan};
use phalanx_topology::Inventory;

use crate::planned::{Row, Spec, check_counterfactual, check_plan, check_rejection};

/// The longest text that is looked at, in bytes.
const LONGEST: usize = 4096;

/// The most pods that are planned: more only take longer.
const PODS: u32 = 1024;

/// Reads a text as a cluster in the first line and a gang in the second, and plans it for every objective, once with hardly
/// any steps and once with some. The gang is what an own reading of the line says; a plan keeps every bound; a rejection
/// accounts for every node, and what it says would help does; and no two answers that claim proof contradict each other.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(&data[..data.len().min(LONGEST)]) else { return };
    let (cluster, line) = text.split_once('\n').unwrap_or((text, "1p(1)"));
    let mut inventory = match Inventory::from_notation(cluster) {
        Ok(inventory) => inventory,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let gang = match Gang::from_notation(line, &mut inventory) {
        Ok(gang) => gang,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let spec = line::read(line, &mut inventory);
    if gang.max_pods() > PODS {
        return;
    }
    let same = spec.gang().expect("the line is sound");
    assert_eq!((gang.min_pods(), gang.max_pods()), (same.min_pods(), same.max_pods()));
    let before = (inventory.state_hash(), inventory.version());
    let mut answers = Answers::default();
    for objective in spec.objectives(inventory.topology()) {
        for steps in [20, 2_000] {
            let options = Options::new().objective(objective.clone()).budget(Budget::steps(steps));
            let outcome = match plan(&gang, &inventory, &options) {
                Ok(outcome) => outcome,
                Err(error) => panic!("every level, kind and resource is known: {error}"),
            };
            answers.note(&spec, &inventory, &outcome, &objective, &options);
            if objective == Objective::Tight {
                assert_eq!(plan(&same, &inventory, &options).as_ref(), Ok(&outcome), "the same gang, the same answer");
                // Nor does an index change the answer.
                let mut warm = inventory.fork();
                spec.demands().for_each(|demand| warm.warm(demand));
                assert_eq!(plan(&gang, &warm, &options), Ok(outcome), "an index changes no answer");
            }
        }
    }
    if let [root, word] = &spec.rows[..]
        && root.is_plain()
        && word.is_plain()
    {
        let possible = fits(&inventory, root, word);
        assert!(possible || !answers.placed, "there is no room");
        assert!(!possible || !answers.refused, "there is room");
    }
    assert_eq!((inventory.state_hash(), inventory.version()), before, "planning changes nothing");
}

/// Whether one domain of the level, or the cluster, has room for the minimum of a gang of equal pods under one level.
fn fits(inventory: &Inventory, root: &Row, word: &Row) -> bool {
    let Some((count, demand)) = &word.pods else { return false };
    let (topology, least) = (inventory.topology(), u64::from(word.min) * u64::from(*count));
    let fits = |node| u64::from(inventory.fits(node, demand));
    let all = || topology.nodes().map(fits).sum::<u64>();
    let holds = |level| topology.domains(level).any(|domain| topology.nodes_of(domain).map(fits).sum::<u64>() >= least);
    least == 0 || root.hard.map_or_else(|| all() >= least, holds)
}

/// What was answered so far.
#[derive(Debug, Default)]
struct Answers {
    placed: bool,
    /// It was proven that there is no place.
    refused: bool,
}

impl Answers {
    fn note(&mut self, spec: &Spec, inventory: &Inventory, outcome: &Outcome, of: &Objective, options: &Options) {
        match outcome {
            Outcome::Placed(plan) => {
                check_plan(spec, inventory, plan, of);
                self.placed = true;
            }
            Outcome::Rejected(rejection) => {
                check_rejection(spec, inventory, rejection);
                self.refused |= !rejection.is_exhausted();
                check_counterfactual(spec, inventory, rejection, options);
            }
        }
        assert!(!self.placed || !self.refused, "a place was found where it was proven that there is none");
    }
}
