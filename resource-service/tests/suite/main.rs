//! Tests of resource-service over HTTP.

mod docs;
mod issuer_away;
mod key_rotation;
mod readyz;
mod traces;
mod whoami;
