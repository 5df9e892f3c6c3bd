//! What is timed, and on how large a fleet.

use std::rc::Rc;

use super::Task;
use super::dynamo::{self, Part};
use super::ours::{Among, Changes, Decisions, Explanations, Readings};
use super::pair::Pairs;
use super::whole::{self, Conversations};
use crate::workload::trace::Line;

/// A workload on a fleet, and who is timed on it.
pub struct Cell {
    /// The workload.
    pub name: &'static str,
    /// Endpoints; of a pair those for each part.
    pub endpoints: u32,
    /// Who is timed.
    pub subjects: Vec<(&'static str, Box<dyn Task>)>,
}

/// The workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum CellName {
    /// A decision where 64 random endpoints hold a part of the prompt.
    Sparse,
    /// The same among a random subset of 100 endpoints, of which one is excluded.
    Subset,
    /// A decision by three scores, one of them relative to all candidates; the load of one endpoint changes.
    Dense,
    /// The same where the greatest and the least of what is relative change each time.
    DenseEnds,
    /// A prefill and a decode endpoint together, in 50 domains.
    Pair,
    /// What one engine says of itself, and all that follows from it.
    Refresh,
    /// A full explanation.
    Explain,
    /// Hashing, look-up, load, choice and booking for a prompt of some 12,000 tokens.
    Whole,
}

/// How large the fleets are.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Of all cells but the next two.
    pub endpoints: u32,
    /// Of a pair, for each part.
    pub pair: u32,
    /// Of whole decisions.
    pub ranks: Vec<u32>,
    /// Where growth is looked at, beside the size above.
    pub growth: Vec<u32>,
}

impl CellName {
    /// The name on the command line and in the answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sparse => "sparse",
            Self::Subset => "subset",
            Self::Dense => "dense",
            Self::DenseEnds => "dense-ends",
            Self::Pair => "pair",
            Self::Refresh => "refresh",
            Self::Explain => "explain",
            Self::Whole => "whole",
        }
    }

    /// The fleets on which it is looked at.
    pub fn fleets(self, sizes: &Sizes) -> Vec<u32> {
        let mut fleets = match self {
            Self::Whole => return sizes.ranks.clone(),
            Self::Pair => vec![sizes.pair],
            _ => vec![sizes.endpoints],
        };
        if matches!(self, Self::Sparse | Self::Dense | Self::Pair) {
            fleets.extend(&sizes.growth);
        }
        fleets.sort_unstable();
        fleets.dedup();
        fleets
    }

    /// The cell on a fleet. Rivals come along where they have the like, unless only we are looked at.
    pub fn build(self, endpoints: u32, lines: &[Line], alone: bool) -> Cell {
        let mut subjects: Vec<(&'static str, Box<dyn Task>)> = Vec::new();
        let conversations = (self == Self::Whole).then(|| Rc::new(Conversations::new(endpoints, lines)));
        if let Some(conversations) = &conversations {
            eprintln!("whole {endpoints}: prompts of {:.0} tokens", conversations.mean_tokens());
        }
        let ours: Box<dyn Task> = match (self, &conversations) {
            (Self::Subset, _) => Box::new(Decisions::sparse(endpoints, Among::Subset)),
            (Self::Dense, _) => Box::new(Decisions::dense(endpoints, Changes::One)),
            (Self::DenseEnds, _) => Box::new(Decisions::dense(endpoints, Changes::Ends)),
            (Self::Pair, _) => Box::new(Pairs::new(endpoints)),
            (Self::Refresh, _) => Box::new(Readings::new(endpoints)),
            (Self::Explain, _) => Box::new(Explanations::new(endpoints)),
            (Self::Whole, Some(conversations)) => Box::new(whole::Ours::new(conversations)),
            (Self::Sparse | Self::Whole, _) => Box::new(Decisions::sparse(endpoints, Among::All)),
        };
        subjects.push(("ours", ours));
        let among = match self {
            _ if alone => None,
            Self::Sparse | Self::Dense => Some(Among::All),
            Self::Subset => Some(Among::Subset),
            _ => None,
        };
        if let Some(among) = among {
            subjects.push(("dynamo", Box::new(dynamo::Decisions::new(endpoints, among, Part::Whole))));
            subjects.push(("dynamo selector", Box::new(dynamo::Decisions::new(endpoints, among, Part::Selector))));
        }
        if let Some(conversations) = conversations.filter(|_| !alone) {
            subjects.push(("dynamo", Box::new(whole::Theirs::new(&conversations))));
        }
        Cell { name: self.word(), endpoints, subjects }
    }
}
