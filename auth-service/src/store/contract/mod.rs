//! Tests of what the store promises on both databases, and of what it promises on PostgreSQL only.
//!
//! Tests in `run_on_both_databases!` run on SQLite and on PostgreSQL.

mod fixture;

mod address_mails;
mod audit;
mod changed_claims;
mod connections;
mod credentials;
mod due_users;
mod ended_sessions;
mod invitations;
mod one_time_codes;
mod previous_version;
mod races;
mod sessions;
mod users;
