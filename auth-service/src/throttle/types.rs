//! Attempts, and the decisions on them.

use shared::claims::SessionId;

use crate::domain::{
    address::AddressPrefix,
    throttle::{Refusal, Verdict},
};

/// The account that an attempt concerns.
#[derive(Clone, Copy, Debug)]
pub enum Account<'a> {
    /// No user has the name.
    Unknown,
    /// A new revision of the user, such as after a change of password, has new counters.
    User { id: &'a str, revision: i64 },
}

/// An attempt to prove a password.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub account: Account<'a>,
    /// For a known user, the kind of the name that the client sent, so that a new username has the
    /// counter of the former one. For no user, the name, in the form in which it is unique.
    pub name: &'a [u8],
    /// Session of an earlier login of the user, if the client presents one of its tokens.
    pub device: Option<SessionId>,
    pub address: AddressPrefix,
}

/// Error returned for an attempt that is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Throttled {
    #[error("too many attempts have failed")]
    Refused(Refusal),
    /// The pending attempts have no outcome yet.
    #[error("too many attempts are pending")]
    Busy,
}

/// Decision of the counters of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameVerdict {
    pub verdict: Verdict,
    /// Whether the counter of the client's device or address decided, not that of strangers.
    pub is_own_lane: bool,
}
