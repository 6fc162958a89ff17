//! Routes below `/.well-known` (RFC 8615): what verifiers and clients discover.

pub mod jwks;
pub mod metadata;
