//! Graceful shutdown: at SIGTERM or Ctrl-C a service fails its readiness check, closes idle
//! connections, finishes the requests in progress, and ends.

use std::{io, time::Duration};

use actix_web::dev::{Server, ServerHandle};
use clap::Args;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{accept_gate::AcceptGate, settings::seconds};

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

    /// Maximum time that requests in progress may take to finish at shutdown, in seconds
    #[arg(
        long,
        env = "SHUTDOWN_TIMEOUT",
        value_name = "SECONDS",
        default_value = "10",
        value_parser = seconds
    )]
    pub shutdown_timeout: Duration,
}

/// Tells the parts of a service that it shuts down. Clones share the state.
#[derive(Clone, Debug)]
pub struct ShutdownToken(watch::Sender<bool>);

impl Default for ShutdownToken {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl ShutdownToken {
    /// Creates the token of a service that runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the shutdown.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    /// Returns whether the shutdown has begun.
    pub fn is_triggered(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the shutdown begins.
    pub async fn triggered(&self) {
        // Cannot fail: `self` is the sender.
        let _ = self.0.subscribe().wait_for(|triggered| *triggered).await;
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
/// once.
///
/// Connections wait in the accept queue until `ready` completes: a proxy that finds replicas by
/// name cannot tell which of them are still starting. The ops listener serves until the end, so
/// that operators can observe the shutdown.
///
/// # Errors
/// Those of the server, or if the process cannot receive signals.
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
        token.trigger();
        let in_order = async {
            tokio::time::sleep(settings.shutdown_delay).await;
            log::info!("shutting down: new connections are refused, requests in progress finish");
            accept_gate.close().await;
            handle.stop(true).await;
        };
        tokio::select! {
            () = in_order => true,
            () = signals.received() => false,
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
