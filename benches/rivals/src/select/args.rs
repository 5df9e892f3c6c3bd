//! What to time, as arguments of a program.

use super::cells::{CellName, Sizes};
use crate::source::Source;

/// Arguments that choose cells and fleets.
#[derive(Clone, Debug, clap::Args)]
pub struct SelectArgs {
    /// Workloads; all unless given.
    #[arg(long, value_delimiter = ',')]
    pub cell: Vec<CellName>,
    /// Whole repetitions.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Steps of a subject in each round, at most.
    #[arg(long, default_value_t = 20_000)]
    pub samples: usize,
    /// Endpoints, of all but pairs and whole decisions.
    #[arg(long, default_value_t = 10_000)]
    pub endpoints: u32,
    /// Endpoints for each part of a pair.
    #[arg(long, default_value_t = 2_000)]
    pub pair: u32,
    /// Fleets of whole decisions.
    #[arg(long, value_delimiter = ',', default_values_t = [512, 4096])]
    pub ranks: Vec<u32>,
    /// Further fleets, to see how sparse, dense and pair grow.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000, 100_000])]
    pub growth: Vec<u32>,
    /// Only ours.
    #[arg(long)]
    pub alone: bool,
    /// Where prompts come from.
    #[command(flatten)]
    pub source: Source,
}

impl SelectArgs {
    /// The workloads.
    pub fn cells(&self) -> Vec<CellName> {
        let all = <CellName as clap::ValueEnum>::value_variants();
        if self.cell.is_empty() { all.to_vec() } else { self.cell.clone() }
    }

    /// The fleets.
    pub fn sizes(&self) -> Sizes {
        Sizes { endpoints: self.endpoints, pair: self.pair, ranks: self.ranks.clone(), growth: self.growth.clone() }
    }
}
