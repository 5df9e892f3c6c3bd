//! The trace to simulate: the given one, or one that looks like it.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::Setting;
use crate::error::Error;

/// Requests of a trace that is made up, and milliseconds between two of them: as in the conversation trace.
const REQUESTS: u64 = 12_031;
const APART_MS: u64 = 294;

/// Where the trace is, and what to call it. One that is made up is written to the target folder.
pub(super) fn or_given(setting: &Setting<'_>) -> Result<(PathBuf, &'static str), Error> {
    if setting.trace.is_file() {
        return Ok((setting.trace.to_owned(), "the trace"));
    }
    (setting.note)(&format!("no trace at {}: one is made up, and says little\n", setting.trace.display()));
    let path = setting.workspace.target.join("made-up-trace.jsonl");
    std::fs::write(&path, text()).map_err(|error| Error::file(&path, error))?;
    Ok((path, "a made-up trace"))
}

/// Conversations of one to eight turns: each repeats the turns before and adds 3,000 tokens or so.
fn text() -> String {
    let mut text = String::new();
    let mut next_id = 1;
    let mut state = 17_u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut conversations: Vec<Vec<u64>> = Vec::new();
    for at in 0..REQUESTS {
        let recent = conversations.len().saturating_sub(64);
        let chosen = recent + usize::try_from(below(64)).unwrap_or(0);
        let mut ids = match conversations.get(chosen) {
            Some(ids) if below(3) > 0 && ids.len() < 48 => ids.clone(),
            _ => vec![0],
        };
        let fresh = 1 + below(12);
        ids.extend(next_id..next_id + fresh);
        next_id += fresh;
        let tokens = 512 * ids.len() as u64 - below(512);
        let _ = writeln!(
            text,
            "{{\"timestamp\":{},\"input_length\":{tokens},\"output_length\":{},\"hash_ids\":{ids:?}}}",
            at * APART_MS,
            20 + below(650)
        );
        conversations.push(ids);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_is_a_request() {
        let text = super::text();
        assert_eq!(text.lines().count(), 12_031);
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("an object a line");
            let ids = line["hash_ids"].as_array().expect("a list").len() as u64;
            assert_eq!(line["input_length"].as_u64().expect("a number").div_ceil(512), ids);
        }
    }
}
