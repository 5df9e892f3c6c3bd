//! Files that somebody broke: whatever stands in them, they are read or it is told what is wrong, and where.

use proptest::prelude::*;

use super::gateway::file::{self, GatewayFile};
use super::input::Wrong;
use super::kthena::{self, RouterConfig};

const GATEWAY: &str = include_str!("../../../../examples/gateway.yaml");
const ROUTER: &str = "\
scheduler:
  pluginConfig:
  - name: least-request
    args:
      maxWaitingRequests: 10
  - name: least-latency
    args: {TTFTTPOTWeightFactor: 0.5}
  - name: prefix-cache
    args:
      blockSizeToHash: 64
      maxBlocksToMatch: 128
  plugins:
    Filter:
      enabled:
      - least-request
      - lora-affinity
      disabled: []
    Score:
      enabled:
      - {name: least-request, weight: 1}
      - name: random
        weight: 2
      - {name: prefix-cache, weight: 65535}
auth:
  issuer: ''
  audiences: []
";

/// What is put in the place of something else.
const OTHERS: [&str; 28] = [
    "",
    " ",
    "\t",
    "0",
    "-1",
    "1",
    "65536",
    "4294967296",
    "99999999999999999999999",
    "1e400",
    ".nan",
    "0.5",
    "~",
    "null",
    "true",
    "[]",
    "{}",
    "[[[[]]]]",
    "{a: b}",
    "'",
    "\"",
    "*a",
    "&a",
    "!!binary x",
    "|",
    "- ",
    "a: b",
    "127.0.0.1:1",
];

/// One change to a text.
#[derive(Clone, Debug)]
enum Break {
    /// A line goes.
    Drop(usize),
    /// A line stands twice.
    Double(usize),
    /// Two lines change places.
    Swap(usize, usize),
    /// A line stands further in, or out.
    Indent(usize, bool),
    /// What is behind the colon, or the dash, is something else.
    Value(usize, usize),
    /// The key, or all that is not behind a colon, is something else.
    Key(usize, usize),
    /// One character is another one.
    Letter(usize, char),
    /// It ends in its middle.
    Cut(usize),
}

fn breaks() -> impl Strategy<Value = Vec<Break>> {
    let at = || any::<usize>();
    let other = || 0..OTHERS.len();
    let one = prop_oneof![
        at().prop_map(Break::Drop),
        at().prop_map(Break::Double),
        (at(), at()).prop_map(|(one, other)| Break::Swap(one, other)),
        (at(), any::<bool>()).prop_map(|(at, further)| Break::Indent(at, further)),
        (at(), other()).prop_map(|(at, other)| Break::Value(at, other)),
        (at(), other()).prop_map(|(at, other)| Break::Key(at, other)),
        (at(), any::<char>()).prop_map(|(at, letter)| Break::Letter(at, letter)),
        at().prop_map(Break::Cut),
    ];
    proptest::collection::vec(one, 1..5)
}

fn broken(text: &str, breaks: &[Break]) -> String {
    // Comments would only be in the way.
    let plain = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut lines: Vec<String> = plain.map(str::to_owned).collect();
    let mut end = None;
    for one in breaks {
        if lines.is_empty() {
            break;
        }
        let count = lines.len();
        match one {
            Break::Drop(at) => drop(lines.remove(at % count)),
            Break::Double(at) => lines.insert(at % count, lines[at % count].clone()),
            Break::Swap(at, other) => lines.swap(at % count, other % count),
            Break::Indent(at, true) => lines[at % count].insert_str(0, "  "),
            Break::Indent(at, false) => {
                let line = &mut lines[at % count];
                *line = line.strip_prefix("  ").unwrap_or(line).to_owned();
            }
            Break::Value(at, other) => {
                let line = &mut lines[at % count];
                let keep = line.find(": ").map_or_else(|| line.len() - line.trim_start().len(), |at| at + 2);
                line.truncate(keep);
                line.push_str(OTHERS[*other]);
            }
            Break::Key(at, other) => {
                let line = &mut lines[at % count];
                let start = line.len() - line.trim_start_matches([' ', '-']).len();
                let end = line.find(':').unwrap_or(line.len()).max(start);
                line.replace_range(start..end, OTHERS[*other]);
            }
            Break::Letter(at, letter) => {
                let line = &mut lines[at % count];
                let mut letters: Vec<char> = line.chars().collect();
                if let Some(place) = at.checked_rem(letters.len()) {
                    letters[place] = *letter;
                }
                *line = letters.into_iter().collect();
            }
            Break::Cut(at) => end = Some(*at),
        }
    }
    let mut text = lines.join("\n");
    if let Some(end) = end {
        let letters = text.chars().count();
        text = text.chars().take(end % (letters + 1)).collect();
    }
    text
}

/// The lines of a text, at the most: a carriage return ends one too, with a line feed behind it or without.
fn lines(text: &str) -> u64 {
    text.split(['\n', '\r']).count() as u64
}

/// It says something, about a line that is there.
fn is_told(text: &str, wrong: &Wrong) -> Result<(), TestCaseError> {
    prop_assert!(!wrong.message.trim().is_empty(), "{text}");
    if let Some((line, _)) = wrong.place {
        let lines = lines(text);
        // What is missing at the end is told behind it.
        prop_assert!((1..=lines + 1).contains(&line), "line {line} of {lines}: {}: {text}", wrong.message);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_broken_gateway_file_is_told_or_read(breaks in breaks()) {
        let text = broken(GATEWAY, &breaks);
        let _ = file::is_meant(&text);
        match GatewayFile::parse(&text) {
            Ok(file) => prop_assert!(file.config().is_ok(), "{text}"),
            Err(wrong) => is_told(&text, &wrong)?,
        }
    }

    #[test]
    fn a_broken_router_configuration_is_told_or_read(breaks in breaks()) {
        let text = broken(ROUTER, &breaks);
        let _ = kthena::is_meant(&text);
        match RouterConfig::parse(&text) {
            Ok(config) => {
                let lines = lines(&text);
                for warning in &config.warnings {
                    prop_assert!(warning.line <= lines && !warning.message.is_empty(), "{warning}: {text}");
                }
            }
            Err(wrong) => is_told(&text, &wrong)?,
        }
    }

    #[test]
    fn any_text_is_told_or_read(text in "[ -~\\n]{0,200}") {
        if let Err(wrong) = GatewayFile::parse(&text) {
            is_told(&text, &wrong)?;
        }
        if let Err(wrong) = RouterConfig::parse(&text) {
            is_told(&text, &wrong)?;
        }
    }
}

#[test]
fn whole_files_are_read() {
    for (text, name) in [(GATEWAY, "gateway"), (ROUTER, "router")] {
        let same = broken(text, &[]);
        let read =
            if name == "gateway" { GatewayFile::parse(&same).map(drop) } else { RouterConfig::parse(&same).map(drop) };
        assert_eq!(read, Ok(()), "{name}");
    }
}
