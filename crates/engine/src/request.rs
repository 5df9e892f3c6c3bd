//! What an engine is asked for.

use core::fmt;

use phalanx_kvcache::BlockHash;
use thiserror::Error;

/// A request's name at one engine: unique among those that wait or run there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A prompt and the length of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub id: RequestId,
    /// Identities of the prompt's full blocks, from the start; those past the end of the list are never shared.
    pub blocks: Vec<BlockHash>,
    /// Length of the prompt, at least 1.
    pub prompt_tokens: u32,
    /// Length of the answer, at least 1: the model cannot know when a real one would stop, so the caller says.
    pub output_tokens: u32,
    /// The prompt's KV arrives from a prefill engine, at no cost here: only its last token is computed. It needs its
    /// blocks all the same, and if the request is preempted it is computed like any other.
    pub transferred: bool,
}

/// Why a request was not taken. The engine is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Prompt and answer together can never fit the pool.
    #[error("prompt and answer need {needed_tokens} tokens of KV memory, the engine has {capacity_tokens}")]
    TooLarge {
        /// Tokens of prompt and answer.
        needed_tokens: u64,
        /// Tokens that the whole pool holds.
        capacity_tokens: u64,
    },
    /// No prompt, or no answer wanted.
    #[error("request {id} has {prompt_tokens} prompt tokens and asks for {output_tokens}: expected at least 1 of each")]
    Empty {
        /// Its name.
        id: RequestId,
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens of the answer.
        output_tokens: u32,
    },
    /// A request of that name waits or runs.
    #[error("request {id} is here already")]
    Duplicate {
        /// The name.
        id: RequestId,
    },
    /// More block identities than the prompt has full blocks.
    #[error("request {id} names {blocks} blocks, its prompt fills {full}")]
    TooManyBlocks {
        /// Its name.
        id: RequestId,
        /// Identities given.
        blocks: usize,
        /// Full blocks of the prompt.
        full: u32,
    },
}
