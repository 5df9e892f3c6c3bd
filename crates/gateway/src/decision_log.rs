//! Every decision with all that led to it, to be made again.

use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::desk::Fleet;

/// How often what was written down is taken to the output.
const EVERY: Duration = Duration::from_millis(50);

/// Where decisions are written down, as a [`Log`](phalanx_routing::Log) that can be read and replayed. See
/// [`GatewayConfig::with_decision_log`](crate::GatewayConfig::with_decision_log).
#[derive(Clone)]
pub struct DecisionLog {
    output: Arc<Mutex<Box<dyn Write + Send>>>,
    limit: usize,
}

impl DecisionLog {
    /// A log to any output that begins with it. A thread of its own takes there what was decided, every 50 ms and at the
    /// end. Up to 64 MiB wait for a slow output: a log that would pass them ends with a line that says so, since what
    /// follows a gap cannot be replayed; so does one whose output fails, without the line. The gateway counts the decisions
    /// that come then.
    ///
    /// ```
    /// use phalanx_gateway::DecisionLog;
    ///
    /// let log = DecisionLog::new(std::io::sink());
    /// ```
    #[must_use]
    pub fn new(output: impl Write + Send + 'static) -> Self {
        Self { output: Arc::new(Mutex::new(Box::new(output))), limit: 64 << 20 }
    }

    /// With another limit in bytes.
    #[must_use]
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Starts the thread.
    pub(crate) fn open(self, fleet: Arc<Fleet>) -> io::Result<OpenDecisionLog> {
        let (end, ended) = channel();
        let thread = std::thread::Builder::new().name("decision-log".to_owned());
        let thread = thread.spawn(move || {
            let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
            if write_all(&fleet, &ended, &mut **output).is_err() {
                fleet.end_log();
            }
        })?;
        Ok(OpenDecisionLog { _end: end, thread })
    }
}

impl fmt::Debug for DecisionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionLog").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A log that is written. When it is dropped the thread writes what is left, and ends.
#[derive(Debug)]
pub(crate) struct OpenDecisionLog {
    _end: Sender<()>,
    thread: JoinHandle<()>,
}

impl OpenDecisionLog {
    /// Waits until all that was decided is written.
    pub(crate) fn finish(self) {
        let Self { _end: end, thread } = self;
        drop(end);
        // A thread that panicked has written what it could.
        let _ = thread.join();
    }
}

fn write_all(fleet: &Fleet, ended: &Receiver<()>, output: &mut dyn Write) -> io::Result<()> {
    let mut lines = Vec::new();
    loop {
        let is_over = ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Disconnected);
        fleet.take_log(&mut lines);
        if !lines.is_empty() {
            output.write_all(&lines)?;
            output.flush()?;
            lines.clear();
        }
        if is_over {
            return Ok(());
        }
    }
}
