//! The answers as text for people: a table of gangs, what is to be said of each, and pods by rank.

use std::collections::BTreeMap;

use super::row::{GangRow, PodRow};
use crate::cli::output;

/// The most nodes that a row of the table names.
const MOST_NODES: usize = 4;

/// The most lines of pods for one gang.
const MOST_LINES: usize = 40;

/// The table, and what is to be said of each gang.
pub(super) fn page(rows: &[GangRow]) -> String {
    let head = ["GANG", "PODS", "TOGETHER IN", "DECIDED IN", "WHERE"];
    output::table(&head, head.len(), rows.iter().map(cells)) + &told(rows)
}

/// The same with how good each answer is known to be, and all pods by rank.
pub(super) fn details(rows: &[GangRow]) -> String {
    let head = ["GANG", "PODS", "TOGETHER IN", "PROOF", "DECIDED IN", "WHERE"];
    let cells = rows.iter().map(|row| {
        let mut cells = cells(row);
        cells.insert(3, row.proof.unwrap_or("-").to_owned());
        cells
    });
    output::table(&head, head.len(), cells) + &told(rows) + &ranks(rows)
}

/// What is to be said of each gang.
fn told(rows: &[GangRow]) -> String {
    let mut page = String::new();
    for row in rows {
        for note in notes(row) {
            page.push_str(&format!("\n{}: {note}", row.gang));
        }
        if let Some(rejection) = &row.rejection {
            page.push_str(&format!("\n{} has no place: {}", row.gang, rejection.message));
        }
    }
    page
}

/// The pods of each gang by rank, those in a row on one node in one line.
fn ranks(rows: &[GangRow]) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| !row.pods.is_empty()) {
        let mut pods: Vec<&PodRow> = row.pods.iter().collect();
        pods.sort_by_key(|pod| pod.rank);
        let runs: Vec<&[&PodRow]> = pods
            .chunk_by(|a, b| a.path == b.path && a.group == b.group && a.milli == b.milli && a.rank + 1 == b.rank)
            .collect();
        let told = runs.iter().take(MOST_LINES).map(|run| line(run));
        text.push_str(&format!("\n\n{}\n", row.gang));
        text.push_str(&output::table(&["RANK", "POD", "NODE", "DEVICES"], 4, told));
        if runs.len() > MOST_LINES {
            let rest: usize = runs[MOST_LINES..].iter().map(|run| run.len()).sum();
            text.push_str(&format!("\n… and {rest} more pods; -o json has all"));
        }
    }
    text
}

fn line(run: &[&PodRow]) -> Vec<String> {
    let (first, last) = (run[0], run[run.len() - 1]);
    let range = |first: &str, last: &str| if first == last { first.to_owned() } else { format!("{first} … {last}") };
    let ranks = if run.len() == 1 { first.rank.to_string() } else { format!("{}-{}", first.rank, last.rank) };
    let mut sets: Vec<String> = run.iter().map(|pod| indices(&pod.devices)).collect();
    sets.dedup();
    let mut devices = sets.join(" | ");
    if first.milli > 0 {
        devices.push_str(&format!(" ({}m each)", first.milli));
    }
    vec![
        ranks,
        range(&first.pod, &last.pod),
        first.path.clone(),
        if devices.is_empty() { "-".to_owned() } else { devices },
    ]
}

/// Indices as ranges, `0-3,6`.
fn indices(devices: &[u32]) -> String {
    let runs = devices.chunk_by(|a, b| a + 1 == *b);
    let told = runs.map(|run| match run {
        [one] => one.to_string(),
        run => format!("{}-{}", run[0], run[run.len() - 1]),
    });
    told.collect::<Vec<_>>().join(",")
}

fn cells(row: &GangRow) -> Vec<String> {
    let pods = if row.placed { row.pods.len() } else { 0 };
    let level = match (&row.level, row.placed) {
        (Some(level), _) => level.clone(),
        (None, true) => "cluster".to_owned(),
        (None, false) => "-".to_owned(),
    };
    let nodes = row.by_node();
    let place = match (row.placed, nodes.len()) {
        (false, _) => "no place".to_owned(),
        (true, 0..=MOST_NODES) => {
            nodes.iter().map(|(path, count)| format!("{path} ×{count}")).collect::<Vec<_>>().join(", ")
        }
        (true, count) => match &row.within {
            Some(path) => format!("{count} nodes of {path}"),
            None => format!("{count} nodes"),
        },
    };
    vec![
        row.gang.clone(),
        match row.running.len() {
            0 => format!("{pods} of {}", row.max_pods),
            1 => format!("{} of {}, 1 runs", pods + 1, row.max_pods),
            running => format!("{} of {}, {running} run", pods + running, row.max_pods),
        },
        level,
        format!("{:.1} µs", row.decision_us),
        place,
    ]
}

/// What is to be said of a gang beside where it is; what holds for several replicas alike is said once.
fn notes(row: &GangRow) -> Vec<String> {
    let mut unmet: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for it in &row.unmet {
        *unmet.entry((&it.group, &it.level)).or_default() += 1;
    }
    let mut pending: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for it in &row.extras {
        let (placed, left) = pending.entry(&it.group).or_default();
        (*placed, *left) = (*placed + it.placed, *left + it.pending);
    }
    let times = |count: usize| if count > 1 { format!(" ({count} replicas)") } else { String::new() };
    let unmet = unmet.iter().map(|((group, level), count)| format!("not met: {group} in one {level}{}", times(*count)));
    let pending = pending.iter().filter(|(_, (_, left))| *left > 0);
    let pending = pending.map(|(group, (placed, left))| {
        format!("{placed} of {} replicas of {group} above the minimum have room", placed + left)
    });
    let violated = row
        .violated
        .iter()
        .map(|it| format!("broken where pods run: {} is {} ({})", it.group, it.bound, it.nodes.join(", ")));
    unmet.chain(pending).chain(violated).collect()
}
