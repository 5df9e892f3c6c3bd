//! The gateway's file while the gateway runs: what changes there is applied.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use phalanx_gateway::GatewayHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::super::output;
use super::file::GatewayFile;

/// How often the file is read. Its text counts once it is the same twice in a row: one that is being written is not whole,
/// and half of it might pass for a whole one.
const EVERY: Duration = Duration::from_millis(500);

/// A file that is looked at by its text, so that no kind of change is missed: one in place, a new file of its name, or
/// another target of a link, as a mounted `ConfigMap` has it.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    handle: GatewayHandle,
    /// The file that the gateway was started with.
    first: GatewayFile,
    /// What was tried last, whether it was applied or not.
    tried: String,
    /// Another text that was there once.
    seen: Option<String>,
    is_missing: bool,
}

impl Watched {
    pub(super) fn new(path: &Path, text: String, first: GatewayFile, handle: GatewayHandle) -> Self {
        Self { path: path.to_owned(), handle, first, tried: text, seen: None, is_missing: false }
    }

    /// Looks at the file again and again, and at once on SIGHUP.
    pub(super) async fn follow(mut self) {
        let mut hangups = Hangups::listen();
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                _ = looks.tick() => false,
                () = hangups.next() => true,
            };
            let path = self.path.clone();
            // A folder that is slow holds up no request.
            let read = tokio::task::spawn_blocking(move || fs::read_to_string(path)).await;
            match read {
                Ok(Ok(text)) => self.look(text, is_asked),
                Ok(Err(error)) => self.miss(&error.to_string(), is_asked),
                Err(_) => {}
            }
        }
    }

    fn look(&mut self, text: String, is_asked: bool) {
        self.is_missing = false;
        if is_asked || (text != self.tried && self.seen.as_ref() == Some(&text)) {
            self.seen = None;
            self.apply(&text);
            self.tried = text;
        } else {
            self.seen = (text != self.tried).then_some(text);
        }
    }

    fn miss(&mut self, error: &str, is_asked: bool) {
        self.seen = None;
        // Between two versions there may be none: said once it is missing for longer.
        if is_asked || std::mem::replace(&mut self.is_missing, true) && self.tried != error {
            self.refuse(&format!(": {error}"));
            error.clone_into(&mut self.tried);
        }
    }

    fn apply(&mut self, text: &str) {
        let read = GatewayFile::parse(text).and_then(|file| Ok((file.config()?, file)));
        let (config, file) = match read {
            Ok(read) => read,
            Err(wrong) => return self.refuse(&wrong.to_string()),
        };
        match self.handle.reload(config) {
            Ok(reloaded) => {
                let path = self.path.display();
                output::say(&format!("reloaded {path}: {file}; {reloaded}"));
                for field in file.fixed(&self.first) {
                    output::complain(&format!("{path}: {field} has changed; it stays as it was until a restart"));
                }
            }
            Err(error) => self.complain(&format!(": {error}")),
        }
    }

    fn refuse(&self, why: &str) {
        self.handle.note_reload_failure();
        self.complain(why);
    }

    fn complain(&self, why: &str) {
        output::complain(&format!("{}{why}; the configuration stays as it was", self.path.display()));
    }
}

/// Signals to look at once.
#[derive(Debug)]
struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    #[cfg(unix)]
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self { signals: signal(SignalKind::hangup()).ok() }
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        match &mut self.signals {
            Some(signals) if signals.recv().await.is_some() => {}
            _ => std::future::pending().await,
        }
    }

    #[cfg(not(unix))]
    fn listen() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        std::future::pending().await
    }
}
