//! Background jobs.

mod account_deletions;
pub mod cleanup;
pub mod clock_check;
pub mod fold_names;
pub mod mail;
pub mod outbox;
pub mod webhooks;
