//! What the store promises on either database, and what it promises on PostgreSQL only.
//!
//! Tests in `run_on_both_databases!` run on SQLite and on PostgreSQL.

mod fixture;

mod audit;
mod changed_claims;
mod connections;
mod credentials;
mod ended_sessions;
mod previous_version;
mod races;
mod sessions;
mod users;
