//! Where the conversation trace comes from.

use std::path::PathBuf;

use crate::workload::trace::{self, Line};

/// Arguments that choose it.
#[derive(Clone, Debug, clap::Args)]
pub struct Source {
    /// The conversation trace; ../shared/traces beside the repository unless given.
    #[arg(long)]
    pub trace: Option<PathBuf>,
    /// Makes up a trace of so many requests instead of reading one.
    #[arg(long)]
    pub made_up: Option<u32>,
}

impl Source {
    /// The requests. If no trace is given and none is in its place, one of the same size is made up.
    ///
    /// # Errors
    /// When the given trace cannot be read.
    pub fn lines(&self) -> Result<Vec<Line>, String> {
        if let Some(requests) = self.made_up {
            return Ok(trace::made_up(requests));
        }
        if let Some(path) = &self.trace {
            return trace::read(path);
        }
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/traces/conversation_trace.jsonl");
        trace::read(beside.as_ref()).or_else(|error| {
            eprintln!("{error}: making a trace up");
            Ok(trace::made_up(12_031))
        })
    }
}
