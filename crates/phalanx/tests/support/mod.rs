//! The command, serving.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// A command that serves until it is told to stop.
pub(crate) struct Serving {
    child: Child,
    pub(crate) lines: BufReader<std::process::ChildStdout>,
    pub(crate) address: String,
    /// What it printed before it said where it serves.
    #[allow(dead_code, reason = "some tests read it")]
    pub(crate) before: String,
}

impl Serving {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
        let mut child = command.args(args).stdout(Stdio::piped()).spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut before = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).expect("text") > 0, "it ended without serving");
            if let Some((_, rest)) = line.split_once("on http://")
                && !line.starts_with("try")
            {
                break rest.trim().split([',', ';', ' ']).next().expect("an address").to_owned();
            }
            before.push_str(&line);
        };
        Self { child, lines, address, before }
    }

    /// Interrupts it and gives what it printed since, with its exit code.
    pub(crate) fn stop(mut self) -> (String, Option<i32>) {
        self.interrupt();
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("text");
        (rest, self.child.wait().expect("it ends").code())
    }

    /// Sends what Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        self.signal("-INT");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already over unless the test failed.
        let _ = self.child.kill();
    }
}
