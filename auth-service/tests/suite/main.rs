//! Tests of auth-service over HTTP and the command line. One program, so that it is linked once.

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
mod oauth_clients;
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
mod signing_secret;
mod tls;
mod traces;
mod upgrade;
