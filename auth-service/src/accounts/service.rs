//! The services that the use cases of users take.

use std::{sync::Arc, time::Duration};

use shared::clock::Clock;

use super::{AfterAnswer, OneTimeCodes};
use crate::{
    credentials::Passwords, domain::account_rules::AccountRules, jobs::outbox::Outbox,
    metrics::Metrics, sessions::Sessions, store::Store, throttle::Throttle, tokens::Tokens,
};

/// Use cases of users, and the services that they take.
pub struct Accounts {
    pub rules: Arc<AccountRules>,
    pub store: Store,
    pub passwords: Passwords,
    pub throttle: Throttle,
    pub codes: OneTimeCodes,
    pub outbox: Arc<Outbox>,
    pub after_answer: AfterAnswer,
    pub sessions: Arc<Sessions>,
    pub tokens: Arc<Tokens>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub times: AccountTimes,
    /// Whether a code for a new password, after a reset by an administrator, is mailed to the user.
    pub mails_codes: bool,
}

/// How long users can take changes of the account back, and how recent a login must be.
#[derive(Clone, Copy, Debug)]
pub struct AccountTimes {
    /// Time in which the owner of a former email address can undo the change.
    pub email_undo_lifetime: Duration,
    /// Time in which a user who deleted the account can return. Zero: none.
    pub deletion_grace: Duration,
    /// Maximum age of a login for an action that asks for a recent one.
    pub recent_login: Duration,
}
