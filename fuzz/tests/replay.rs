//! Replays the seeds and what fuzzing found through the targets, without a fuzzing engine.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Runs every file of a target; tells which ones panic.
fn replay(target: &str, run: fn(&[u8])) {
    let (mut files, mut broken) = (0, Vec::new());
    for set in ["corpus", "regressions"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(set).join(target);
        // Nothing may have been broken yet.
        let Ok(list) = fs::read_dir(&folder) else { continue };
        let mut paths: Vec<_> = list.map(|file| file.expect("the folder can be read").path()).collect();
        paths.sort();
        for path in paths {
            let data = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            files += 1;
            // The message of the panic itself is printed where it happens.
            if catch_unwind(AssertUnwindSafe(|| run(&data))).is_err() {
                broken.push(format!("{set}/{target}/{}", path.file_name().unwrap_or_default().to_string_lossy()));
            }
        }
    }
    assert!(broken.is_empty(), "{} of {files} files break a promise: {broken:#?}", broken.len());
    assert!(files > 0, "no file was found for {target}");
}

#[test]
fn feed() {
    replay("feed", phalanx_fuzz::feed::run);
}

#[test]
fn index() {
    replay("index", phalanx_fuzz::index::run);
}

#[test]
fn inventory() {
    replay("inventory", phalanx_fuzz::inventory::run);
}

#[test]
fn metrics() {
    replay("metrics", phalanx_fuzz::metrics::run);
}

#[test]
fn notation() {
    replay("notation", phalanx_fuzz::notation::run);
}

#[test]
fn place() {
    replay("place", phalanx_fuzz::place::run);
}

#[test]
fn policy_yaml() {
    replay("policy_yaml", phalanx_fuzz::policy_yaml::run);
}

#[test]
fn prompt() {
    replay("prompt", phalanx_fuzz::prompt::run);
}

#[test]
fn response() {
    replay("response", phalanx_fuzz::response::run);
}

#[test]
fn rewrite() {
    replay("rewrite", phalanx_fuzz::rewrite::run);
}

#[test]
fn route_log() {
    replay("route_log", phalanx_fuzz::route_log::run);
}

#[test]
fn route_ops() {
    replay("route_ops", phalanx_fuzz::route_ops::run);
}

#[test]
fn snapshot() {
    replay("snapshot", phalanx_fuzz::snapshot::run);
}

#[test]
fn sse() {
    replay("sse", phalanx_fuzz::sse::run);
}

#[test]
fn wire() {
    replay("wire", phalanx_fuzz::wire::run);
}
