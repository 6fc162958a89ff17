//! The end of a service. Told by SIGTERM or Ctrl-C, it says that it is not ready, lets its clients go, finishes what it has
//! begun, and ends.

use std::{io, net::TcpListener, time::Duration};

use actix_web::dev::{Server, ServerHandle};
use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::seconds;

/// How a service ends.
#[derive(Args, Clone, Copy, Debug)]
pub struct Shutdown {
    /// How long a service that was told to end goes on, not ready, before it takes no more connections, in seconds: until a proxy has noticed
    #[arg(long, env = "SHUTDOWN_DELAY", value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub shutdown_delay: Duration,

    /// How long it then waits for what it has begun, in seconds
    #[arg(long, env = "SHUTDOWN_TIMEOUT", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub shutdown_timeout: Duration,
}

/// Whether a service is about to end. Clones are told alike.
#[derive(Clone, Debug)]
pub struct Drain(watch::Sender<bool>);

impl Default for Drain {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Drain {
    /// It goes on until it is told to end.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells everybody.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is about to end.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is about to end.
    pub async fn begun(&self) {
        // The sender is this very one.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }
}

/// The way in, to be shut before the server leaves. The server alone would close it on those who are connected and wait to be
/// taken: their requests are lost, and whoever sent a POST, as a proxy that has other replicas, cannot tell, and must not
/// send it again.
#[derive(Debug)]
pub struct Door(TcpListener);

impl Door {
    /// How long those are waited for who were let in: several round trips. Whoever knocks meanwhile does so again after a
    /// second (RFC 6298), and is refused: that one is free to go elsewhere.
    const SHUT: Duration = Duration::from_millis(200);

    /// That of whoever listens here.
    ///
    /// # Errors
    /// If there is no file descriptor left.
    pub fn of(listener: &TcpListener) -> io::Result<Self> {
        listener.try_clone().map(Self)
    }

    /// Lets nobody in, until those who were are taken.
    async fn shut(self) {
        match drop_syns(&self.0) {
            Ok(()) => tokio::time::sleep(Self::SHUT).await,
            // Not on this system. Connections that wait are lost, as ever.
            Err(why) => log::debug!("new connections cannot be kept out: {why}"),
        }
    }
}

/// Has the system drop what would begin a connection here. What completes a handshake goes on.
#[cfg(target_os = "linux")]
fn drop_syns(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};
    // Classic BPF, on the TCP header: of its flags (byte 13), is SYN (2) set?
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(0x30, 0, 0, 13),
        SockFilter::new(0x45, 0, 1, 2),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
fn drop_syns(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Serves once it is ready, until a signal comes. A second one ends it at once. Whoever comes before it is ready waits: a proxy
/// that finds replicas by a name cannot know which of them have only begun. What is served aside goes on until all else has ended: it
/// tells how that goes.
///
/// # Errors
/// Those of the server, or if no signal can be waited for.
pub async fn serve(
    server: Server,
    ready: impl Future<Output = ()>,
    door: Door,
    aside: Option<ServerHandle>,
    drain: Drain,
    shutdown: Shutdown,
) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut told = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let handle = server.handle();
    let told_before = tokio::select! {
        () = ready => false,
        () = told() => true,
    };
    let end = async {
        if !told_before {
            told().await;
        }
        log::info!("told to end: not ready any more");
        drain.begin();
        let in_order = async {
            tokio::time::sleep(shutdown.shutdown_delay).await;
            log::info!("takes no more connections, and finishes what it has begun");
            door.shut().await;
            handle.stop(true).await;
        };
        tokio::select! {
            () = in_order => true,
            () = told() => false,
        }
    };
    tokio::pin!(server);
    let ended = tokio::select! {
        ended = &mut server => ended,
        is_in_order = end => if is_in_order { server.await } else { Ok(()) },
    };
    if let Some(aside) = aside {
        aside.stop(false).await;
    }
    ended
}
