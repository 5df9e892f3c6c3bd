//! The gateway's files while the gateway runs: what changes there is applied.

use std::time::Duration;

use phalanx_gateway::GatewayHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::super::output;
use super::file::{Fixed, GatewayFile};
use super::sources::{Read, Sources, Texts};

/// How often the files are read. A text counts once it is the same twice in a row: one that is being written is not whole,
/// and half of it might pass for a whole one.
const EVERY: Duration = Duration::from_millis(500);

/// Files that are looked at by their texts, so that no kind of change is missed: one in place, a new file of the name, or
/// another target of a link, as a mounted `ConfigMap` has it.
#[derive(Debug)]
pub(super) struct Watched {
    sources: Sources,
    handle: GatewayHandle,
    /// The fields that only a restart changes, as the gateway was started with them.
    first: Fixed,
    /// The file that was applied last.
    in_use: GatewayFile,
    /// What was there last, whether it could be applied or not.
    tried: Result<Texts, String>,
    /// Something else that was there once.
    seen: Option<Result<Texts, String>>,
}

impl Watched {
    pub(super) fn new(sources: Sources, texts: Texts, first: GatewayFile, handle: GatewayHandle) -> Self {
        Self { sources, handle, first: first.fixed(), in_use: first, tried: Ok(texts), seen: None }
    }

    /// Looks at the files again and again, and at once on SIGHUP.
    pub(super) async fn follow(mut self) {
        let mut hangups = Hangups::listen();
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                _ = looks.tick() => false,
                () = hangups.next() => true,
            };
            let sources = self.sources.clone();
            // A folder that is slow holds up no request.
            if let Ok(found) = tokio::task::spawn_blocking(move || sources.look()).await {
                self.note(found.map_err(|error| error.to_string()), is_asked);
            }
        }
    }

    fn note(&mut self, found: Result<Texts, String>, is_asked: bool) {
        let is_new = found != self.tried;
        if is_asked || (is_new && self.seen.as_ref() == Some(&found)) {
            self.seen = None;
            self.apply(&found);
            self.tried = found;
        } else {
            self.seen = is_new.then_some(found);
        }
    }

    fn apply(&mut self, found: &Result<Texts, String>) {
        let read = found.as_ref().map_err(Clone::clone).and_then(|texts| self.sources.read(texts, Some(&self.in_use)));
        let Read { file, config, warnings } = match read {
            Ok(read) => read,
            Err(why) => {
                self.handle.note_reload_failure();
                return output::complain(&format!("{why}; the configuration stays as it was"));
            }
        };
        let path = self.sources.path().display();
        match self.handle.reload(config) {
            Ok(reloaded) => {
                output::say(&format!("reloaded {path}: {file}; {reloaded}"));
                let fixed = file.fixed().differs(&self.first).into_iter();
                let fixed = fixed.map(|field| format!("{path}: {field} stays as it was until a restart"));
                for warning in warnings.into_iter().chain(fixed) {
                    output::complain(&format!("warning: {warning}"));
                }
                self.in_use = file;
            }
            Err(error) => output::complain(&format!("{path}: {error}; the configuration stays as it was")),
        }
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
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
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
