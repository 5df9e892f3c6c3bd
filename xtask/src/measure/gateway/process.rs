//! A program on a core of its own, that ends with its owner.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;

/// A program that was started, with all that it starts itself.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program on a core; what it says goes to a file.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn start(core: u32, command: &Command, log: &Path) -> Result<Self, Error> {
        let log = File::create(log).map_err(|error| Error::file(log, error))?;
        let errors = log.try_clone().map_err(|source| Error::Start { command: told(command), source })?;
        let mut pinned = pinned(core, command);
        pinned.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = pinned.spawn().map_err(|source| Error::Start { command: told(command), source })?;
        Ok(Self { child })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked first: what has started others ends them too.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        let started = Instant::now();
        while asked.is_ok() && !self.has_ended() && started.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command on one core.
pub(super) fn pinned(core: u32, command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["--cpu-list", &core.to_string()]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(name, value),
            None => pinned.env_remove(name),
        };
    }
    pinned
}

/// The most files and sockets that a program may have open here, if that is known.
pub(super) fn most_files() -> Option<u64> {
    let output = Command::new("prlimit").args(["--nofile", "--noheadings", "--raw", "--output=HARD"]).output().ok()?;
    match std::str::from_utf8(&output.stdout).ok()?.trim() {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Lets this program, and so those that it starts from here on, open so many files and sockets.
///
/// # Errors
/// When it may not.
pub(super) fn allow_files(files: u64) -> Result<(), Error> {
    let mut command = Command::new("prlimit");
    command.args(["--pid".to_owned(), std::process::id().to_string(), format!("--nofile={files}:")]);
    let output = command.output().map_err(|source| Error::Start { command: told(&command), source })?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Failed { command: told(&command), status: output.status, stderr })
}

/// The command line, for errors.
pub(super) fn told(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// An address on loopback that nobody listens on.
///
/// # Errors
/// When there is none.
pub(super) fn free_address() -> Result<SocketAddr, Error> {
    let none = |source| Error::Start { command: "a listener on a free port".to_owned(), source };
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(none)?;
    listener.local_addr().map_err(none)
}
