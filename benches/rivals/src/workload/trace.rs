//! Who asked for what: the conversation trace of Mooncake, or one that looks like it.

use std::path::Path;

use rustc_hash::FxHashMap;
use serde::Deserialize;

use crate::random::Random;

/// Tokens behind one id of the trace.
const ID_TOKENS: u32 = 512;

/// One request of the trace.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// Tokens of the prompt.
    pub input_length: u32,
    /// Tokens of the answer.
    pub output_length: u32,
    /// One for each 512 tokens of the prompt; equal ones mean equal prefixes.
    pub hash_ids: Vec<u32>,
}

impl Line {
    /// Full blocks of the prompt.
    pub fn blocks(&self, block: u32) -> u32 {
        (self.input_length / block).min(self.hash_ids.len() as u32 * (ID_TOKENS / block))
    }

    /// Full blocks that the answer adds.
    pub fn decoded(&self, block: u32) -> u32 {
        (self.input_length + self.output_length) / block - self.input_length / block
    }
}

/// The lines of the trace at `path`.
///
/// # Errors
/// When it is not there, or is no trace.
pub fn read(path: &Path) -> Result<Vec<Line>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let line =
        |(at, line)| serde_json::from_str(line).map_err(|error| format!("{}:{}: {error}", path.display(), at + 1));
    text.lines().enumerate().map(line).collect()
}

/// `count` lines of a made-up trace: one first id for all, a third of the requests continue an earlier one, prompts have
/// a dozen ids or so and now and then hundreds.
pub fn made_up(count: u32) -> Vec<Line> {
    let mut random = Random::new(17);
    let mut lines: Vec<Line> = Vec::with_capacity(count as usize);
    let mut next_id = 1;
    for at in 0..count {
        let mut hash_ids = match at {
            0 => vec![0],
            // The last id of a continued one was partial, so it is not shared.
            _ if random.share() < 0.35 => {
                let earlier = &lines[(at - 1 - random.below(at.min(400))) as usize].hash_ids;
                earlier[..earlier.len().saturating_sub(1).max(1)].to_vec()
            }
            _ => vec![0],
        };
        let fresh = (2.0 * (-random.share().max(1e-3).ln() * 2.0).exp()).min(220.0) as u32 + 1;
        let fresh = if hash_ids.len() > 1 { fresh.min(6) } else { fresh };
        hash_ids.extend(next_id..next_id + fresh);
        next_id += fresh;
        let input_length = hash_ids.len() as u32 * ID_TOKENS - random.below(ID_TOKENS);
        lines.push(Line { input_length, output_length: 20 + random.below(650), hash_ids });
    }
    lines
}

/// For each line the conversation that it belongs to: the one that asked for the deepest of its ids before. The first id
/// of all is a system prompt and joins nobody.
pub fn conversations(lines: &[Line]) -> Vec<u32> {
    let mut of_id: FxHashMap<u32, u32> = FxHashMap::default();
    let mut next = 0;
    lines
        .iter()
        .map(|line| {
            let known = line.hash_ids.iter().skip(1).rev().find_map(|id| of_id.get(id).copied());
            let conversation = known.unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            for id in line.hash_ids.iter().skip(1) {
                of_id.entry(*id).or_insert(conversation);
            }
            conversation
        })
        .collect()
}
