//! Connections to Redis that all requests share: to one server, to the master that Sentinels
//! name, or to a cluster.
//!
//! A [`RedisLink`] opens new connections when one breaks or hangs. A server that disappears
//! without closing its connections, as one does in a failover, would otherwise keep requests
//! waiting for a quarter of an hour.

mod connection;
mod failure;
mod link;
mod per_thread;
mod server;
#[cfg(test)]
mod tests;
mod url;

pub use self::{
    connection::{Connection, info_field},
    failure::{RedisFailure, refuses_writes, unavailable_reason},
    link::RedisLink,
    server::{Certificates, ClientCertificate, NO_CERTIFICATES, Server},
};
