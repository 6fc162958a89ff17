//! Outcomes that are counted.

use crate::domain::refresh_decision::RefreshDecision;

/// Outcome of a refresh. [`RefreshOutcome::Retried`] stands for a lost answer, and
/// [`RefreshOutcome::Reused`] for a theft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The token was the session's newest.
    Rotated,
    /// The token was rotated within the grace period, and its successor was not used yet.
    Retried,
    /// As [`RefreshOutcome::Retried`], from another origin than the rotation's.
    RetriedElsewhere,
    /// Rotation is off: the token stays valid.
    Kept,
    /// The token was rotated earlier. The session ends.
    Reused,
    /// A change of password replaced the token.
    Void,
    /// The session had ended.
    Revoked,
    /// The token or its session had expired.
    Expired,
    /// Not a refresh token of this service, or its user was deleted.
    Unknown,
    /// Session state, or the database where it was needed, gave no answer.
    Unavailable,
}

impl RefreshOutcome {
    pub const ALL: [Self; 10] = [
        Self::Rotated,
        Self::Retried,
        Self::RetriedElsewhere,
        Self::Kept,
        Self::Reused,
        Self::Void,
        Self::Revoked,
        Self::Expired,
        Self::Unknown,
        Self::Unavailable,
    ];

    /// Returns the value of the label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rotated => "rotated",
            Self::Retried => "retried",
            Self::RetriedElsewhere => "retried_elsewhere",
            Self::Kept => "kept",
            Self::Reused => "reused",
            Self::Void => "void",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<RefreshDecision> for RefreshOutcome {
    fn from(decision: RefreshDecision) -> Self {
        match decision {
            RefreshDecision::Rotated(_) => Self::Rotated,
            RefreshDecision::RetriedInGrace(_) => Self::Retried,
            RefreshDecision::RetriedElsewhere(_) => Self::RetriedElsewhere,
            RefreshDecision::Kept => Self::Kept,
            RefreshDecision::Reused | RefreshDecision::ReusedInStep => Self::Reused,
            RefreshDecision::Void => Self::Void,
            RefreshDecision::Expired => Self::Expired,
            // A final decision is stale only if the claims changed again while the database was
            // read. The client is refused, as if the session had ended. No final decision is absent.
            RefreshDecision::Revoked | RefreshDecision::StaleClaims | RefreshDecision::Absent => {
                Self::Revoked
            }
        }
    }
}

/// Outcome of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    Succeeded,
    /// Wrong name or password, or the user is disabled.
    Refused,
    /// Too many attempts had failed before.
    Throttled,
    /// The queue of the hash pool was full.
    Busy,
    /// The database gave no answer, or no key can sign.
    Unavailable,
}

impl LoginOutcome {
    pub const ALL: [Self; 5] =
        [Self::Succeeded, Self::Refused, Self::Throttled, Self::Busy, Self::Unavailable];

    /// Returns the value of the label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }
}
