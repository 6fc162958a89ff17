//! Closes a listener to new connections without losing the connections that wait to be accepted.

use std::{io, net::TcpListener, time::Duration};

/// Gate in front of a server's listener, closed before the server stops.
///
/// A server that stops closes its listener together with the connections in the accept queue.
/// Their requests are lost, and a proxy cannot tell whether a lost POST was carried out, so the
/// proxy must not send it to another replica.
#[derive(Debug)]
pub struct AcceptGate(TcpListener);

impl AcceptGate {
    /// Time that the server gets to accept the connections in the queue: several round trips.
    ///
    /// A client whose SYN is dropped during this time repeats it after a second (RFC 6298). That
    /// SYN is refused, and the client can connect to another replica.
    const DRAIN_TIME: Duration = Duration::from_millis(200);

    /// Creates the gate of a listener.
    ///
    /// # Errors
    /// If no file descriptor is left.
    pub fn new(listener: &TcpListener) -> io::Result<Self> {
        listener.try_clone().map(Self)
    }

    /// Refuses new connections, and returns when the queue has had time to empty.
    pub async fn close(self) {
        match drop_syns(&self.0) {
            Ok(()) => tokio::time::sleep(Self::DRAIN_TIME).await,
            // Not supported on this system: connections in the queue are lost, as without a gate.
            Err(error) => {
                log::debug!("new connections cannot be refused before shutdown: {error}");
            }
        }
    }
}

/// Drops the SYN packets of new connections. Handshakes that have begun complete.
#[cfg(target_os = "linux")]
fn drop_syns(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};
    // Classic BPF on the TCP header: drop the packet if SYN (2) is set in the flags (byte 13).
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
