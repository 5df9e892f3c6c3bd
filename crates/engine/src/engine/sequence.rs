//! A request at an engine.

use phalanx_kvcache::Sequence;

use crate::Request;

/// The order of admission of a sequence that is not admitted.
pub(super) const NOT_ADMITTED: u64 = u64::MAX;

/// A request, and how far it has come.
#[derive(Debug)]
pub(super) struct Seq {
    pub(super) request: Request,
    pub(super) stage: Stage,
    /// Unique for each admission; [`NOT_ADMITTED`] while waiting.
    pub(super) order: u64,
    /// Tokens of the answer when its present stage began.
    pub(super) generated: u32,
    /// Prompt tokens found in the cache at the admission that led to the first token.
    pub(super) cached_tokens: u32,
    /// Prompt tokens that had arrived by then.
    pub(super) transferred_tokens: u32,
    /// Held from admission on.
    pub(super) blocks: Option<Sequence>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    /// So many tokens have their KV.
    Prefill {
        computed: u32,
    },
    /// In every decode since that one.
    Decode {
        since: u64,
    },
}

impl Seq {
    pub(super) fn new(request: Request) -> Self {
        Self {
            request,
            stage: Stage::Waiting,
            order: NOT_ADMITTED,
            generated: 0,
            cached_tokens: 0,
            transferred_tokens: 0,
            blocks: None,
        }
    }

    /// Tokens of the answer after `decodes` decodes of the engine.
    pub(super) fn generated_by(&self, decodes: u64) -> u32 {
        match self.stage {
            // At most the answer's length, which is a u32.
            Stage::Decode { since } => self.generated + (decodes - since) as u32,
            _ => self.generated,
        }
    }

    /// Prompt and answer so far: what a prefill has to compute, and the context of a decode.
    pub(super) fn tokens(&self, decodes: u64) -> u32 {
        self.request.prompt_tokens + self.generated_by(decodes)
    }

    /// The blocks of a sequence that runs.
    pub(super) fn held(&mut self) -> &mut Sequence {
        self.blocks.as_mut().expect("a running sequence has blocks")
    }
}
