//! Graceful shutdown: at SIGTERM or Ctrl-C a service fails its readiness check, closes idle
//! connections, finishes the requests in progress, and ends.
//!
//! A service ends in time even if a dependency hangs: see `process_end`.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::dev::{Server, ServerHandle};
use clap::Args;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{accept_gate::AcceptGate, process_end::end_process_after, settings::seconds};

/// Settings of the shutdown.
#[derive(Args, Clone, Copy, Debug)]
pub struct ShutdownSettings {
    /// Time between the failing readiness check and the refusal of new connections at shutdown, in
    /// seconds: as long as a proxy takes to notice
    #[arg(
        long,
        env = "SHUTDOWN_DELAY",
        value_name = "SECONDS",
        default_value = "0",
        value_parser = seconds
    )]
    pub shutdown_delay: Duration,

    /// Maximum time that requests in progress may take to finish at shutdown, in seconds. The
    /// process ends at most three seconds later, whatever hangs
    #[arg(
        long,
        env = "SHUTDOWN_TIMEOUT",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = seconds
    )]
    pub shutdown_timeout: Duration,
}

/// Time for pending writes after SHUTDOWN_TIMEOUT.
const CLOSING_TIME: Duration = Duration::from_secs(1);
/// Time after SHUTDOWN_TIMEOUT at which the process ends, whatever hangs.
const MAX_OVERTIME: Duration = Duration::from_secs(3);

/// Signals a shutdown to all parts of a service. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct ShutdownToken {
    /// Time by which pending writes must be complete. `None` until the shutdown begins.
    closing_deadline: watch::Sender<Option<Instant>>,
    requests_in_progress: Arc<AtomicUsize>,
}

/// A request in progress, until it is dropped.
#[derive(Debug)]
pub(crate) struct RequestInProgress(Arc<AtomicUsize>);

impl Drop for RequestInProgress {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ShutdownToken {
    /// Creates the token of a service that runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the shutdown of a service with these settings.
    pub fn trigger(&self, settings: ShutdownSettings) {
        let ShutdownSettings { shutdown_delay, shutdown_timeout } = settings;
        let deadline = Instant::now() + shutdown_delay + shutdown_timeout + CLOSING_TIME;
        self.closing_deadline.send_replace(Some(deadline));
    }

    /// Returns whether the shutdown has begun.
    pub fn is_triggered(&self) -> bool {
        self.closing_deadline.borrow().is_some()
    }

    /// Waits until the shutdown begins.
    pub async fn triggered(&self) {
        // Cannot fail: `self` is the sender.
        let _ = self.closing_deadline.subscribe().wait_for(Option::is_some).await;
    }

    /// Returns the time that is left to complete pending writes. At least a second, because a
    /// second signal skips the time for requests.
    pub fn closing_time(&self) -> Duration {
        let deadline = *self.closing_deadline.borrow();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.unwrap_or_default().max(CLOSING_TIME)
    }

    /// Counts a request until the returned value is dropped.
    pub(crate) fn begin_request(&self) -> RequestInProgress {
        self.requests_in_progress.fetch_add(1, Ordering::Relaxed);
        RequestInProgress(Arc::clone(&self.requests_in_progress))
    }
}

/// A server and what its shutdown needs.
pub(crate) struct Stoppable {
    pub server: Server,
    pub accept_gate: AcceptGate,
    pub ops_server: Option<ServerHandle>,
    pub token: ShutdownToken,
    pub settings: ShutdownSettings,
}

/// Serves until a signal arrives, then shuts down in order. A second signal ends the service at
/// once. If the service has not ended [`MAX_OVERTIME`] after its time limit, the process ends.
///
/// Connections wait in the accept queue until `ready` completes: a proxy that finds replicas by
/// name cannot tell which of them are still starting. The ops listener serves until the end, so
/// that operators can observe the shutdown.
///
/// # Errors
/// If the server fails, or if the process cannot receive signals.
pub(crate) async fn run_until_stopped(
    stoppable: Stoppable,
    ready: impl Future<Output = ()>,
) -> io::Result<()> {
    let Stoppable { server, accept_gate, ops_server, token, settings } = stoppable;
    let mut signals = StopSignals::new()?;
    let handle = server.handle();
    let stopped_before_ready = tokio::select! {
        () = ready => false,
        () = signals.received() => true,
    };
    let shutdown = async {
        if !stopped_before_ready {
            signals.received().await;
        }
        log::info!("shutting down: readiness now fails");
        token.trigger(settings);
        let limit = settings.shutdown_delay + settings.shutdown_timeout + MAX_OVERTIME;
        end_process_after(limit, 0);
        let in_order = async {
            tokio::time::sleep(settings.shutdown_delay).await;
            log::info!("shutting down: new connections are refused, requests in progress finish");
            accept_gate.close().await;
            stop(&handle, &token, settings.shutdown_timeout).await;
        };
        tokio::select! {
            () = in_order => true,
            () = signals.received() => {
                end_process_after(MAX_OVERTIME, 0);
                false
            }
        }
    };
    tokio::pin!(server);
    let ended = tokio::select! {
        ended = &mut server => ended,
        is_in_order = shutdown => if is_in_order { server.await } else { Ok(()) },
    };
    if let Some(ops_server) = ops_server {
        ops_server.stop(false).await;
    }
    ended
}

/// Stops a server. Logs the number of requests that do not finish in time.
async fn stop(handle: &ServerHandle, token: &ShutdownToken, timeout: Duration) {
    let stopped = handle.stop(true);
    tokio::pin!(stopped);
    if tokio::time::timeout(timeout, &mut stopped).await.is_err() {
        let requests = token.requests_in_progress.load(Ordering::Relaxed);
        log::warn!("shutting down: SHUTDOWN_TIMEOUT is over, {requests} requests are abandoned");
        stopped.await;
    }
}
/// The signals that stop a service.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
