//! The programs that hold our decisions beside Dynamo's.

use super::super::figures::Figures;
use super::super::program::Program;
use super::Setting;
use crate::error::Error;

/// Built programs, and how much to ask of them.
pub(super) struct Selector<'a> {
    /// Where and how.
    pub(super) setting: &'a Setting<'a>,
    main: Program,
    allocations: Program,
    trace: Vec<String>,
}

/// Endpoints of a fleet, of each part of a pair, and of the two fleets of whole decisions.
pub(super) struct Sizes {
    pub(super) endpoints: u32,
    pub(super) pair: u32,
    pub(super) ranks: [u32; 2],
    /// Where growth is looked at.
    pub(super) growth: &'static [u32],
}

impl<'a> Selector<'a> {
    /// Builds them.
    ///
    /// # Errors
    /// When they do not build.
    pub(super) fn prepare(setting: &'a Setting<'a>) -> Result<Self, Error> {
        let main = Program::beside_rivals(setting, "rivals")?;
        let allocations = Program::beside_rivals(setting, "rivals-allocations")?;
        Ok(Self { setting, main, allocations, trace: setting.rivals_trace() })
    }

    /// Fleets to measure.
    pub(super) fn sizes(&self) -> Sizes {
        if self.setting.tiny {
            Sizes { endpoints: 200, pair: 100, ranks: [8, 16], growth: &[100, 400] }
        } else {
            Sizes { endpoints: 10_000, pair: 2_000, ranks: [512, 4_096], growth: &[100, 1_000, 10_000, 100_000] }
        }
    }

    /// What decisions take: of some workloads, at the sizes and at those for growth.
    ///
    /// # Errors
    /// When the program fails.
    pub(super) fn times(&self, what: &str, cells: &str, growth: &[u32]) -> Result<Figures, Error> {
        (self.setting.note)(&format!("routing: {what}\n"));
        let pace = if self.setting.tiny { ["--rounds=1", "--samples=200"] } else { ["--rounds=3", "--samples=20000"] };
        self.run(&self.main, &["select", pace[0], pace[1]], cells, growth)
    }

    /// How often the same steps allocate.
    ///
    /// # Errors
    /// When the program fails.
    pub(super) fn allocations(&self, cells: &str) -> Result<Figures, Error> {
        (self.setting.note)("routing: allocations\n");
        let samples = if self.setting.tiny { "--samples=200" } else { "--samples=2000" };
        self.run(&self.allocations, &[samples], cells, &[])
    }

    /// A log of so many decisions, made again.
    ///
    /// # Errors
    /// When the program fails.
    pub(super) fn log(&self, decisions: u32) -> Result<Figures, Error> {
        (self.setting.note)(&format!("routing: a log of {decisions} decisions, made again\n"));
        self.main.run(&["redecide", &format!("--decisions={decisions}")])
    }

    fn run(&self, program: &Program, words: &[&str], cells: &str, growth: &[u32]) -> Result<Figures, Error> {
        let Sizes { endpoints, pair, ranks, .. } = self.sizes();
        let growth: Vec<_> = growth.iter().map(ToString::to_string).collect();
        let mut arguments: Vec<String> = words.iter().map(ToString::to_string).collect();
        arguments.extend([
            format!("--cell={cells}"),
            format!("--endpoints={endpoints}"),
            format!("--pair={pair}"),
            format!("--ranks={},{}", ranks[0], ranks[1]),
            // None: the size itself, which is looked at anyway.
            format!("--growth={}", if growth.is_empty() { endpoints.to_string() } else { growth.join(",") }),
        ]);
        arguments.extend(self.trace.iter().cloned());
        program.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}
