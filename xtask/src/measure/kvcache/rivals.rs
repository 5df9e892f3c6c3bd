//! The programs that hold the index beside its rivals.

use serde::de::DeserializeOwned;

use super::super::figures::Figures;
use super::super::program::Program;
use super::Setting;
use crate::error::Error;
use crate::measure::row::{Row, Want};

/// Built programs, and how much to ask of them.
pub(super) struct Rivals<'a> {
    /// Where and how.
    pub(super) setting: &'a Setting<'a>,
    main: Program,
    bytes: Program,
    /// Arguments that choose the trace.
    trace: Vec<String>,
}

impl<'a> Rivals<'a> {
    /// Builds them.
    ///
    /// # Errors
    /// When they do not build.
    pub(super) fn prepare(setting: &'a Setting<'a>) -> Result<Self, Error> {
        let main = Program::beside_rivals(setting, "rivals")?;
        let bytes = Program::beside_rivals(setting, "rivals-bytes")?;
        Ok(Self { setting, main, bytes, trace: setting.rivals_trace() })
    }

    /// Fleets to measure.
    pub(super) fn fleets(&self) -> &'static [u32] {
        if self.setting.tiny { &[8, 64] } else { &[8, 64, 512, 4096] }
    }

    /// Events and questions of all workloads.
    ///
    /// # Errors
    /// When the program fails.
    pub(super) fn replay(&self) -> Result<Figures, Error> {
        let fleets: Vec<_> = self.fleets().iter().map(ToString::to_string).collect();
        self.run("events and questions", &["replay", &format!("--ranks={}", fleets.join(",")), self.rounds(3)], true)
    }

    /// The argument for so many rounds, or for one.
    pub(super) fn rounds(&self, rounds: u32) -> &'static str {
        match rounds {
            _ if self.setting.tiny => "--rounds=1",
            0..=3 => "--rounds=3",
            4..=5 => "--rounds=5",
            _ => "--rounds=15",
        }
    }

    /// Runs the main program, on the trace or without.
    ///
    /// # Errors
    /// When it fails.
    pub(super) fn run<T: DeserializeOwned + Default>(
        &self,
        what: &str,
        arguments: &[&str],
        on_trace: bool,
    ) -> Result<T, Error> {
        (self.setting.note)(&format!("kvcache: {what}\n"));
        let trace = self.trace.iter().map(String::as_str).filter(|_| on_trace);
        self.main.run(&arguments.iter().copied().chain(trace).collect::<Vec<_>>())
    }

    /// Runs the program that counts bytes.
    ///
    /// # Errors
    /// When it fails.
    pub(super) fn run_bytes(&self, ranks: u32) -> Result<Figures, Error> {
        (self.setting.note)("kvcache: memory\n");
        let ranks = format!("--ranks={ranks}");
        let trace = self.trace.iter().map(String::as_str);
        self.bytes.run(&[ranks.as_str()].into_iter().chain(trace).collect::<Vec<_>>())
    }

    /// A row with a target and a stretch of speed or size, which tiny inputs do not promise.
    pub(super) fn promise(&self, row: Row, want: Want, stretch: Want) -> Row {
        self.setting.promise(row, want, stretch)
    }
}
