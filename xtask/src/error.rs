//! Why a chore could not be done.

use std::path::PathBuf;

/// Why a chore could not be done: not a finding, but something that kept it from looking.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Cargo did not describe the workspace.
    #[error("cargo metadata: {0}")]
    Metadata(#[from] cargo_metadata::Error),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not valid TOML.
    #[error("{path}: {source}")]
    Toml {
        /// Which file.
        path: String,
        /// What the parser said.
        source: Box<toml::de::Error>,
    },
    /// A source file is not valid Rust.
    #[error("{path}:{line}: {message}")]
    Rust {
        /// Which file, from the workspace's root.
        path: String,
        /// Where in it, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// A program could not be started.
    #[error("cannot start `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` failed ({status}):\n{stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// A program printed something other than expected.
    #[error("`{command}`: {expected}")]
    Answer {
        /// The command line.
        command: String,
        /// What was expected, and what was there.
        expected: String,
    },
}

impl Error {
    /// An error of reading or writing `path`.
    pub(crate) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File { path: path.into(), source }
    }
}
