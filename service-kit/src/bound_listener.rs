//! A listening socket, and the setting that names its address.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use crate::command::CommandError;

/// Maximum number of bytes that the system holds for a connection, without its own overhead. By
/// default, Linux holds up to 4 MB.
#[cfg(target_os = "linux")]
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Maximum time until a client acknowledges data, or makes room for it (`TCP_USER_TIMEOUT`, RFC
/// 5482). By default, Linux keeps a connection whose client has lost its network for 15 minutes,
/// and one whose client never reads for ever.
#[cfg(target_os = "linux")]
const ACKNOWLEDGEMENT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// Socket that is bound to the address of a setting, and not served yet.
#[derive(Debug)]
pub(crate) struct BoundListener {
    pub listener: TcpListener,
    /// Bound address, in which port 0 is replaced by the port that the system chose.
    pub addr: SocketAddr,
    pub setting: &'static str,
}

impl BoundListener {
    /// Binds the address that `setting` names.
    ///
    /// # Errors
    /// If the address cannot be bound; the error names the setting.
    pub fn bind(addr: SocketAddr, setting: &'static str) -> Result<Self, CommandError> {
        let listener =
            TcpListener::bind(addr).map_err(|error| cannot_listen(addr, setting, &error))?;
        limit_unread_data(&listener).map_err(|error| cannot_listen(addr, setting, &error))?;
        let addr = listener.local_addr().unwrap_or(addr);
        Ok(Self { listener, addr, setting })
    }
}

/// Limits the data that the system holds for clients that do not read. The connections that are
/// accepted inherit these options.
#[cfg(target_os = "linux")]
fn limit_unread_data(listener: &TcpListener) -> io::Result<()> {
    let socket = socket2::SockRef::from(listener);
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_tcp_user_timeout(Some(ACKNOWLEDGEMENT_TIMEOUT))
}

#[cfg(not(target_os = "linux"))]
fn limit_unread_data(_: &TcpListener) -> io::Result<()> {
    Ok(())
}

/// Returns the error of a server that cannot listen.
pub(crate) fn cannot_listen(addr: SocketAddr, setting: &str, error: &io::Error) -> CommandError {
    CommandError::new(format!("cannot listen on {addr} ({setting}): {error}"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn accepted_connections_inherit_the_limits() {
        let bound = BoundListener::bind(([127, 0, 0, 1], 0).into(), "TEST_ADDR").unwrap();
        let _client = std::net::TcpStream::connect(bound.addr).unwrap();
        let (accepted, _) = bound.listener.accept().unwrap();
        let socket = socket2::SockRef::from(&accepted);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(ACKNOWLEDGEMENT_TIMEOUT));
        // Linux doubles the number, for its own overhead.
        assert_eq!(socket.send_buffer_size().unwrap(), 2 * SEND_BUFFER_BYTES);
    }
}
