//! The services that the use cases of users take.

use std::sync::Arc;

use shared::clock::Clock;

use crate::{
    credentials::Passwords, metrics::Metrics, sessions::Sessions, store::Store, tokens::Tokens,
};

/// Use cases of users, and the services that they take.
pub struct Accounts {
    pub store: Store,
    pub passwords: Passwords,
    pub sessions: Arc<Sessions>,
    pub tokens: Arc<Tokens>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
}
