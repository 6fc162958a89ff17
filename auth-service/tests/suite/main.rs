//! Tests of auth-service at the surfaces that users touch: HTTP and the command line. One program, so that it is linked once.

#[macro_use]
mod support;

mod access_tokens;
mod audit;
mod bad_requests;
mod claims;
mod cli;
mod crash;
mod doctor;
mod forward_auth;
mod interop;
mod key_rotation;
mod login;
mod logout;
mod metrics;
mod oauth;
mod openapi;
mod outages;
mod path;
mod postgres_failover;
mod races;
mod readyz;
mod redis_failover;
mod refresh;
mod registration;
mod reload;
mod requests;
mod revocations;
mod sessions;
mod shutdown;
mod tls;
mod traces;
mod upgrade;
