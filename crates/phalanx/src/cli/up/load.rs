//! A load: requests with the times at which they are sent.

use std::fmt::Write as _;
use std::time::Duration;

use phalanx_sim::{TRACE_BLOCK_TOKENS, Trace};
use serde_json::json;

/// Bytes that stand for one token where there is no tokenizer.
const TOKEN_BYTES: usize = 4;

/// What [`drive`](super::drive) sends.
#[derive(Clone, Debug, Default)]
pub(super) struct Load {
    pub(super) jobs: Vec<Job>,
}

/// One request to send.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Since the start.
    pub(super) at: Duration,
    pub(super) model: String,
    pub(super) prompt: Prompt,
    pub(super) max_tokens: u32,
    /// As server-sent events.
    pub(super) stream: bool,
}

/// A prompt; its text is made when it is sent.
#[derive(Clone, Debug)]
pub(super) enum Prompt {
    /// Messages of a chat.
    Chat { system: String, user: String },
    /// Filler of so many tokens, block by block: equal ids give equal text.
    Blocks { ids: Vec<u64>, tokens: u32 },
}

impl Load {
    /// Every request of a trace as a completion of `model`.
    pub(super) fn trace(trace: &Trace, model: &str) -> Self {
        let jobs = trace.requests().iter().map(|request| Job {
            at: request.at,
            model: model.to_owned(),
            prompt: Prompt::Blocks { ids: request.blocks.clone(), tokens: request.prompt_tokens },
            max_tokens: request.output_tokens,
            stream: true,
        });
        Self { jobs: jobs.collect() }
    }

    pub(super) fn limited(mut self, limit: Option<usize>) -> Self {
        self.jobs.truncate(limit.unwrap_or(usize::MAX));
        self
    }

    pub(super) fn faster(mut self, speed: f64) -> Self {
        self.jobs.iter_mut().for_each(|job| job.at = job.at.div_f64(speed));
        self
    }
}

impl Job {
    pub(super) fn path(&self) -> &'static str {
        match self.prompt {
            Prompt::Chat { .. } => "/v1/chat/completions",
            Prompt::Blocks { .. } => "/v1/completions",
        }
    }

    pub(super) fn body(&self) -> String {
        let mut body = json!({ "model": self.model, "max_tokens": self.max_tokens });
        if self.stream {
            body["stream"] = true.into();
            body["stream_options"] = json!({ "include_usage": true });
        }
        match &self.prompt {
            Prompt::Chat { system, user } => {
                body["messages"] =
                    json!([{ "role": "system", "content": system }, { "role": "user", "content": user }]);
            }
            Prompt::Blocks { ids, tokens } => body["prompt"] = block_text(ids, *tokens).into(),
        }
        body.to_string()
    }
}

/// `tokens` tokens of text in which block `i` depends on `ids[i]` alone.
fn block_text(ids: &[u64], tokens: u32) -> String {
    let length = tokens as usize * TOKEN_BYTES;
    let block = TRACE_BLOCK_TOKENS as usize * TOKEN_BYTES;
    let mut text = String::with_capacity(length + block);
    for (index, id) in ids.iter().enumerate() {
        let end = ((index + 1) * block).min(length);
        let mut line = 0_u32;
        while text.len() < end {
            // Writing to a string cannot fail.
            let _ = write!(text, "block {id} line {line}; ");
            line += 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ids_give_equal_text_and_the_length_is_exact() {
        let long = block_text(&[7, 8, 9], 1100);
        let short = block_text(&[7, 8], 1000);
        assert_eq!((long.len(), short.len()), (4400, 4000));
        assert_eq!(long[..4000], short);
        assert_ne!(block_text(&[8, 8], 1000), short);
    }
}
