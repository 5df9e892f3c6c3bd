//! Mooncake's JSON lines.

use core::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use super::{TRACE_BLOCK_TOKENS, TRACE_MAX_SPAN, TraceRequest};

/// What is wrong with a trace. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TraceError {
    /// A line is no JSON object.
    #[error("line {line}: expected a JSON object: {reason}")]
    NotJson {
        /// The line.
        line: usize,
        /// What the JSON parser says, with its column.
        reason: String,
    },
    /// A field is not there.
    #[error("line {line}: {field}: expected {expected}, but the field is missing")]
    Missing {
        /// The line.
        line: usize,
        /// The field.
        field: &'static str,
        /// What should be there.
        expected: &'static str,
    },
    /// A field is not what it should be.
    #[error("line {line}: {field}: expected {expected}, got {found}")]
    Invalid {
        /// The line.
        line: usize,
        /// The field.
        field: &'static str,
        /// What should be there.
        expected: &'static str,
        /// What is there, as JSON, shortened.
        found: String,
    },
    /// Blocks and prompt length disagree.
    #[error(
        "line {line}: hash_ids: expected {expected}, one for each 512 tokens of input_length {input_length}, got {found}"
    )]
    BlockCount {
        /// The line.
        line: usize,
        /// Length of the prompt in tokens.
        input_length: u32,
        /// Blocks of a prompt of that length.
        expected: u32,
        /// Block ids given.
        found: usize,
    },
}

const MILLISECONDS: &str = "a whole number of milliseconds, 0 or more";
const IN_SPAN: &str = "at most 315360000000 ms (10 years) after the trace's first";
const TOKENS: &str = "a whole number from 1 to 4294967295";
const IDS: &str = "a list of whole numbers, 0 or more";

/// The requests of `text`, in its order, with arrivals since the earliest one.
pub(super) fn requests(text: &str) -> Result<Vec<TraceRequest>, TraceError> {
    let lines = (1..).zip(text.lines()).filter(|(_, content)| !content.trim().is_empty());
    let numbered = lines.map(|(line, content)| Ok((line, request(line, content)?)));
    let mut numbered = numbered.collect::<Result<Vec<_>, TraceError>>()?;
    let first = numbered.iter().map(|(_, request)| request.at).min().unwrap_or_default();
    for (line, request) in &mut numbered {
        let since = request.at - first;
        if since > TRACE_MAX_SPAN {
            let found = request.at.as_millis().to_string();
            return Err(TraceError::Invalid { line: *line, field: "timestamp", expected: IN_SPAN, found });
        }
        request.at = since;
    }
    Ok(numbered.into_iter().map(|(_, request)| request).collect())
}

/// The request of a line, with its arrival as written.
fn request(line: usize, content: &str) -> Result<TraceRequest, TraceError> {
    let not_json = |error: serde_json::Error| TraceError::NotJson { line, reason: reason(&error) };
    let fields: Map<String, Value> = serde_json::from_str(content).map_err(not_json)?;
    let field = |field: &'static str, expected: &'static str| {
        fields.get(field).ok_or(TraceError::Missing { line, field, expected })
    };
    let number = |name: &'static str, expected: &'static str, range: core::ops::RangeInclusive<u64>| {
        let value = field(name, expected)?;
        let number = value.as_u64().filter(|number| range.contains(number));
        number.ok_or_else(|| TraceError::Invalid { line, field: name, expected, found: shown(value) })
    };
    let tokens = 1..=u64::from(u32::MAX);
    let at = Duration::from_millis(number("timestamp", MILLISECONDS, 0..=u64::MAX)?);
    let prompt_tokens = number("input_length", TOKENS, tokens.clone())? as u32;
    let output_tokens = number("output_length", TOKENS, tokens)? as u32;

    let ids = field("hash_ids", IDS)?;
    let invalid = |value| TraceError::Invalid { line, field: "hash_ids", expected: IDS, found: shown(value) };
    let list = ids.as_array().ok_or_else(|| invalid(ids))?;
    let blocks = list.iter().map(|id| id.as_u64().ok_or_else(|| invalid(id))).collect::<Result<Vec<u64>, _>>()?;
    let expected = prompt_tokens.div_ceil(TRACE_BLOCK_TOKENS);
    if blocks.len() != expected as usize {
        return Err(TraceError::BlockCount { line, input_length: prompt_tokens, expected, found: blocks.len() });
    }
    Ok(TraceRequest { at, prompt_tokens, output_tokens, blocks })
}

/// The parser's own words, with the column but without its line, which is always 1 here.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words);
    format!("{words} at column {}", error.column())
}

/// A value as JSON, at most some 40 characters of it.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{TRACE_MAX_SPAN, Trace};

    const GOOD: &str = r#"{"timestamp": 7, "input_length": 513, "output_length": 10, "hash_ids": [1, 2]}"#;

    fn check(from: &str, to: &str, expected: &str) {
        let text = format!("{GOOD}\n\n{}", GOOD.replace(from, to));
        assert_eq!(Trace::parse(&text).expect_err("a bad line").to_string(), expected);
    }

    #[test]
    fn errors_name_the_line_the_field_and_what_was_expected() {
        check(
            "{",
            "",
            "line 3: expected a JSON object: invalid type: string \"timestamp\", expected a map at column 11",
        );
        check("10", "", "line 3: expected a JSON object: expected value at column 56");
        check("}", "", "line 3: expected a JSON object: EOF while parsing an object at column 77");
        check(GOOD, "[1]", "line 3: expected a JSON object: invalid type: sequence, expected a map at column 0");
        check("7", "-7", "line 3: timestamp: expected a whole number of milliseconds, 0 or more, got -7");
        check("7", "7.5", "line 3: timestamp: expected a whole number of milliseconds, 0 or more, got 7.5");
        check("513", "0", "line 3: input_length: expected a whole number from 1 to 4294967295, got 0");
        check(
            "513",
            "4294967296",
            "line 3: input_length: expected a whole number from 1 to 4294967295, got 4294967296",
        );
        check("10", "\"ten\"", "line 3: output_length: expected a whole number from 1 to 4294967295, got \"ten\"");
        check(
            "output_length",
            "output",
            "line 3: output_length: expected a whole number from 1 to 4294967295, but the field is missing",
        );
        check("2]", "-2]", "line 3: hash_ids: expected a list of whole numbers, 0 or more, got -2");
        check("[1, 2]", "null", "line 3: hash_ids: expected a list of whole numbers, 0 or more, got null");
        check("513", "512", "line 3: hash_ids: expected 1, one for each 512 tokens of input_length 512, got 2");
    }

    #[test]
    fn requests_come_by_arrival_and_then_by_line() {
        let line = |at: u32, output: u32| {
            format!(
                r#"{{"timestamp": {at}, "input_length": 1, "output_length": {output}, "hash_ids": [0], "more": 1}}"#
            )
        };
        let text = [line(9, 1), line(3, 2), String::new(), line(9, 3), line(3, 4)].join("\n");
        let trace = Trace::parse(&text).expect("a valid trace");
        let order: Vec<u32> = trace.requests().iter().map(|request| request.output_tokens).collect();
        assert_eq!(order, [2, 4, 1, 3]);
        assert_eq!(trace.span().as_millis(), 6);
    }

    #[test]
    fn arrivals_count_from_the_earliest() {
        let late = |at: &str| GOOD.replace('7', at);
        let text = [late("1700000000000009"), late("1700000000000003"), late("1700000000000003")].join("\n");
        let trace = Trace::parse(&text).expect("a valid trace");
        let arrivals: Vec<u128> = trace.requests().iter().map(|request| request.at.as_millis()).collect();
        assert_eq!(arrivals, [0, 0, 6]);
    }

    #[test]
    fn a_span_of_ten_years_is_the_longest() {
        let trace = Trace::parse(&format!("{}\n{GOOD}", GOOD.replace('7', "315360000007")));
        assert_eq!(trace.expect("ten years to the millisecond").span(), TRACE_MAX_SPAN);
        check(
            "7",
            "315360000008",
            "line 3: timestamp: expected at most 315360000000 ms (10 years) after the trace's first, got 315360000008",
        );
        check(
            "7",
            "18446744073709551615",
            "line 3: timestamp: expected at most 315360000000 ms (10 years) after the trace's first, got \
             18446744073709551615",
        );
    }

    #[test]
    fn a_speed_keeps_a_trace_within_the_longest_span() {
        let trace = Trace::parse(&format!("{GOOD}\n{}", GOOD.replace('7', "31536000007"))).expect("a valid trace");
        assert_eq!(trace.clone().faster(0.1).expect("ten years").span(), TRACE_MAX_SPAN);
        for slow in [0.0999, f64::MIN_POSITIVE, 5e-324] {
            assert_eq!(
                trace.clone().faster(slow).expect_err("more than ten years").to_string(),
                "speed: expected one at which the trace's 31536000s last at most 315360000s (10 years), got a smaller one"
            );
        }
        assert_eq!(trace.clone().faster(0.0).expect_err("no speed").to_string(), "speed: expected a positive number");
        assert_eq!(trace.limited(1).faster(5e-324).expect("one request is at 0").len(), 1);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}\\[\\]\":,a-z0-9. \n-]{0,80}") {
            let _ = Trace::parse(&text);
        }
    }
}
