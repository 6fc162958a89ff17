//! A listening socket, and the setting that names its address.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use crate::command::CommandError;

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
        let addr = listener.local_addr().unwrap_or(addr);
        Ok(Self { listener, addr, setting })
    }
}

/// Returns the error of a server that cannot listen.
pub(crate) fn cannot_listen(addr: SocketAddr, setting: &str, error: &io::Error) -> CommandError {
    CommandError(format!("cannot listen on {addr} ({setting}): {error}"))
}
