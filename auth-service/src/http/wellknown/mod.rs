//! Routes below `/.well-known` (RFC 8615), with which verifiers and clients discover the service.

pub mod jwks;
pub mod metadata;
