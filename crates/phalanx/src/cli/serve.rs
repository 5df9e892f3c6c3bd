//! What commands that serve have in common: the runtime, the socket and the end.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::{Failure, output};

/// How long open answers may take after the first Ctrl-C.
const DRAIN: Duration = Duration::from_secs(30);

/// On one core there is nothing to share out between threads, and a request costs less without them.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let is_alone = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = match is_alone {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build().map_err(|error| Failure::Input(format!("the runtime could not start: {error}")))
}

/// Takes the address, or says which flag to change.
pub(super) async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::Input(format!("{flag} {address}: {error}; expected a free address (port 0 takes any)"))
    })
}

/// Waits for Ctrl-C or SIGTERM, then for `drained`; a second signal, or [`DRAIN`], ends the wait.
pub(super) async fn drain_on_signal(stop: Stop, drained: impl Future<Output = ()>) {
    stop_on_signal(stop, async {
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            output::complain("open answers were cut after 30 s");
        }
    })
    .await;
}

/// Waits for Ctrl-C or SIGTERM, then for `drained`, which has a limit of its own; a second signal ends the wait.
pub(super) async fn stop_on_signal(mut stop: Stop, drained: impl Future<Output = ()>) {
    stop.signal().await;
    output::say("draining; press Ctrl-C again to stop at once");
    tokio::select! {
        () = drained => {}
        () = stop.signal() => {}
    }
}

/// Signals to stop, from [`listen`](Self::listen) on: one that comes between two waits is not lost. To be made before anybody
/// is told that there is something to stop.
#[derive(Debug)]
pub(super) struct Stop {
    #[cfg(unix)]
    listeners: Option<[tokio::signal::unix::Signal; 2]>,
}

impl Stop {
    #[cfg(unix)]
    pub(super) fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = || Some([signal(SignalKind::interrupt()).ok()?, signal(SignalKind::terminate()).ok()?]);
        Self { listeners: listen() }
    }

    #[cfg(unix)]
    async fn signal(&mut self) {
        match &mut self.listeners {
            Some([interrupt, terminate]) => tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            },
            // Without listeners the default action stops the process, which is what is asked for.
            None => std::future::pending().await,
        }
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> Self {
        Self {}
    }

    #[cfg(not(unix))]
    async fn signal(&mut self) {
        // Without a handler the default action stops the process, which is what is asked for.
        let _ = tokio::signal::ctrl_c().await;
    }
}
