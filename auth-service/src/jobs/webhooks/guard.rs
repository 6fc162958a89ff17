//! Refuses addresses that no webhook may be sent to. The addresses are checked at each attempt,
//! between the look-up of the name and the connection, so that a name server cannot give a public
//! address for the check and a private one for the connection (DNS rebinding).

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::public_address::{AddressKind, kind};

/// Which addresses a message may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPolicy {
    PublicOnly,
    /// Also addresses of this machine and of private networks.
    PublicAndPrivate,
}

impl AddressPolicy {
    /// Returns whether a message may be sent to an address.
    pub fn allows(self, address: IpAddr) -> bool {
        match kind(address) {
            AddressKind::Public => true,
            AddressKind::Private => self == Self::PublicAndPrivate,
            AddressKind::Never => false,
        }
    }
}

/// Error returned for a name or an address that no message may be sent to.
#[derive(Debug)]
pub struct AddressRefused;

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the address is not one of the internet: see WEBHOOK_PRIVATE_ADDRESSES. Addresses of \
             cloud metadata are never allowed",
        )
    }
}

impl std::error::Error for AddressRefused {}

/// Looks names up. A blocking call.
pub type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// Returns the look-up of the operating system.
pub fn system_lookup() -> Lookup {
    Arc::new(|host| Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
}

/// Resolver of the HTTP client. It gives the client only addresses that a policy allows.
pub struct GuardedResolver {
    pub lookup: Lookup,
    pub allows: fn(IpAddr) -> bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allows) = (Arc::clone(&self.lookup), self.allows);
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || lookup(name.as_str())).await??;
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| allows(*address))
                // The client sets the port of the URL.
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if allowed.is_empty() {
                return Err(AddressRefused.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
