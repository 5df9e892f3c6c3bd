//! Why a model's tokenizer could not be had, and why a prompt got no tokens.

use std::path::PathBuf;

/// Why a [`Tokenizer`](crate::Tokenizer) could not be loaded. Each says which file, and what was expected of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A file could not be read.
    #[error("{}: {reason}; expected a model's folder with tokenizer.json, or that file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file has no tokenizer that is known here.
    #[error("{}: {reason}; expected a tokenizer.json as Hugging Face's tokenizers write it", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file that says which tokens are special cannot be understood.
    #[error("{}: {reason}; expected a tokenizer_config.json: an object", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The chat template is none.
    #[error("{}: {reason}; expected a chat template in Jinja", path.display())]
    Template {
        /// The file that has it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Its threads could not start.
    #[error("no threads for a tokenizer: {0}")]
    Threads(String),
}

/// Why a prompt got no tokens, and is cut by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Too many prompts wait already.
    Full,
    /// It took too long.
    Late,
    /// The body is of a shape that is not known here, or has more than text.
    Unsupported,
    /// It is too long to be worth it.
    TooLong,
    /// The template failed, or there is none.
    Template,
    /// The tokenizer failed.
    Failed,
}

impl Fallback {
    pub(crate) const ALL: [Self; 6] =
        [Self::Full, Self::Late, Self::Unsupported, Self::TooLong, Self::Template, Self::Failed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "queue_full",
            Self::Late => "late",
            Self::Unsupported => "unsupported",
            Self::TooLong => "too_long",
            Self::Template => "template",
            Self::Failed => "tokenizer",
        }
    }
}
