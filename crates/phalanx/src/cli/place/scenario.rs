//! A cluster and its gangs from one file: the form of `phalanx-gang`, in YAML or JSON.

use std::path::{Path, PathBuf};

use phalanx_gang::form::{Case, Scenario};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::located;
use crate::cli::{Failure, input};

/// The longest file that is read.
const MAX_BYTES: usize = 256 << 20;

/// The most lists and mappings in each other: groups may be nested 32 deep, which are twice as many.
const MAX_DEPTH: usize = 128;

/// The keys that tell such a file from a manifest.
const KEYS: [&str; 2] = ["cluster", "gangs"];

/// What stands at the top of a file.
#[derive(Debug, Deserialize)]
struct Top {
    #[serde(default)]
    cluster: Option<IgnoredAny>,
    #[serde(default)]
    gangs: Option<IgnoredAny>,
    #[serde(default, rename = "apiVersion")]
    api_version: Option<IgnoredAny>,
}

/// The file with a cluster and gangs, if one is named: then it has to be the only one.
pub(super) fn find(paths: &[PathBuf]) -> Result<Option<(PathBuf, Case)>, Failure> {
    for path in paths.iter().filter(|path| path.is_file()) {
        let text = input::text(path)?;
        if !is_scenario(&text) {
            continue;
        }
        if paths.len() > 1 {
            let path = path.display();
            return Err(Failure::Input(format!("{path}: has a cluster of its own; expected no other file beside it")));
        }
        return Ok(Some((path.clone(), read(path, &text)?)));
    }
    Ok(None)
}

/// Whether a text is of this form: by its keys at the top, or, where it cannot be read that far, by its lines.
fn is_scenario(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let key = |line: &str, key: &str| {
        let rest = line.strip_prefix(key).or_else(|| line.strip_prefix(&format!("\"{key}\"")));
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let has = |name: &str| text.lines().any(|line| key(line, name));
    if text.trim_start().starts_with('{') {
        let top = parse::<Top>(text).ok();
        return top.is_some_and(|top| top.api_version.is_none() && (top.cluster.is_some() || top.gangs.is_some()));
    }
    KEYS.iter().any(|name| has(name)) && !has("apiVersion")
}

fn read(path: &Path, text: &str) -> Result<Case, Failure> {
    let path = path.display();
    if text.len() > MAX_BYTES {
        return Err(Failure::Input(format!("{path}: found {} bytes, expected at most {MAX_BYTES}", text.len())));
    }
    let wrong = |place: Option<(u64, u64)>, message: &str| {
        let place = place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
        Failure::Input(format!("{path}{place}: {message}"))
    };
    let scenario: Scenario = parse(text).map_err(|(place, message)| {
        // A value that is wrong by its type does not know its field.
        let field = place.filter(|_| message.starts_with("expected ")).and_then(|place| {
            let tree = parse(text).ok()?;
            Some(located::path_at(&tree, place)).filter(|field| !field.is_empty())
        });
        match field {
            Some(field) => wrong(place, &format!("{field}: {}", hinted(&field, &message))),
            None => wrong(place, &message),
        }
    })?;
    scenario.build().map_err(|error| {
        // Where the field stands is looked up only now that it matters.
        let place = parse(text).ok().and_then(|tree| located::find(&tree, error.field()));
        wrong(place, &error.to_string())
    })
}

/// Reads YAML within bounds that no sound file comes near: depth, aliases and sizes of any text are limited.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, (Option<(u64, u64)>, String)> {
    let budget = serde_saphyr::budget! {
        max_depth: MAX_DEPTH,
        max_nodes: 8_000_000,
        max_events: 32_000_000,
        max_total_scalar_bytes: MAX_BYTES,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let message = error.to_string();
        let Some(location) = error.location() else { return (None, reworded(&message)) };
        let place = format!(" at line {}, column {}", location.line(), location.column());
        let message = reworded(message.strip_suffix(&place).unwrap_or(&message));
        (Some((location.line(), location.column())), message)
    })
}

/// What is expected of a field, where a number alone does not tell its unit.
fn hinted<'a>(field: &str, message: &'a str) -> &'a str {
    if field.ends_with("demand.devices") {
        return "expected whole devices, 0 or more; for a part of one say share in thousandths of it: `share: 500` is half";
    }
    if field.ends_with("demand.share") {
        return "expected thousandths of one device, a whole number from 1 to 1000: `share: 500` is half of one";
    }
    message
}

/// What the reader says, in the words of this form.
fn reworded(message: &str) -> String {
    if message.starts_with("budget breached: Depth") {
        return format!("nested too deep, expected at most {MAX_DEPTH} lists and mappings in each other");
    }
    match message {
        "invalid u32" => "expected a whole number from 0 to 4294967295".to_owned(),
        "invalid u64" => "expected a whole number from 0 to 18446744073709551615".to_owned(),
        "expected string scalar" => "expected one value, found a list or a mapping".to_owned(),
        "invalid bool" | "invalid boolean" => "expected true or false".to_owned(),
        _ if message.starts_with("multiple YAML documents") => "expected one document".to_owned(),
        _ => message.replace(", set DuplicateKeyPolicy in Options if acceptable", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_told_from_manifests() {
        for form in [
            "cluster:\n  levels: [a]\n",
            "# a\n---\ngangs: []",
            "{\"cluster\": {}}",
            "\"cluster\": {}\n",
            "cluster: [\n",
            "gangs : []\n",
        ] {
            assert!(is_scenario(form), "{form}");
        }
        for other in [
            "apiVersion: v1\nkind: Node\n",
            "apiVersion: v1\ncluster: x\n",
            "{\"apiVersion\": \"v1\"}",
            "",
            "clusters: 1",
        ] {
            assert!(!is_scenario(other), "{other}");
        }
    }

    #[test]
    fn depth_is_bounded_before_it_is_followed() {
        let deep = format!("cluster: {}", "[".repeat(10_000));
        assert!(parse::<Scenario>(&deep).is_err());
        let groups = |open: &str, close: &str| {
            format!(
                "{{cluster: {{levels: [a], nodes: []}}, gangs: [{{group: {}{}}}]}}",
                open.repeat(10_000),
                close.repeat(10_000)
            )
        };
        assert!(parse::<Scenario>(&groups("{name: a, groups: [", "]}")).is_err());
        let block: String = (0..10_000).map(|at| format!("{:at$}- groups:\n", "")).collect();
        assert!(parse::<Scenario>(&format!("cluster: {{levels: [a], nodes: []}}\ngangs:\n{block}")).is_err());
    }
}
