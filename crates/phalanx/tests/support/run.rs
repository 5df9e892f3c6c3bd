//! Running the command to its end.

use std::process::{Command, Output};

use serde_json::Value;

pub(crate) fn phalanx(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phalanx")).args(args).output().expect("the binary runs")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

pub(crate) fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Runs it and expects exit code 2, the words on stderr, and nothing done.
pub(crate) fn refused(args: &[&str], words: &[&str]) {
    let output = phalanx(args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}{}", stdout(&output), stderr(&output));
    for word in words {
        assert!(stderr(&output).contains(word), "{args:?} should say {word:?}: {}", stderr(&output));
    }
    assert_eq!(stdout(&output), "", "{args:?} began all the same");
}
