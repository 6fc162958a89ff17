//! The refresh decision: which generation of a session's refresh token is still accepted (RFC 9700
//! section 4.14.2).
//!
//! A session has one watermark, the lowest generation still accepted, however often a client
//! refreshes the session. Embedded session state decides with this code. Redis decides with
//! `session_state/session.lua`, the same rules in Lua. One test suite checks both
//! (`session_state/contract.rs`).

use std::time::Duration;

/// Number of rotations of a session's refresh token. The token of the login has generation 0.
pub type Generation = u64;

/// What a refresh token states about its own age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenGeneration {
    /// Number of rotations before the token.
    pub generation: Generation,
    /// Time of the rotation that created the token, in milliseconds by the clock of session state.
    /// Zero for generation 0.
    pub rotated_at_ms: i64,
}

/// The entry of a session in session state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEntry {
    /// The session has not ended.
    Alive(Watermark),
    /// The session has ended: no generation is accepted.
    Revoked,
}

/// The progress of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermark {
    /// The lowest generation still accepted.
    pub generation: Generation,
    /// Time at which the watermark last moved, in milliseconds.
    pub moved_at_ms: i64,
    /// The first generation whose tokens state the user's current scopes and roles. `None`: the
    /// tokens of every accepted generation do.
    pub claims_from: Option<Generation>,
}

impl Watermark {
    /// The value of [`Watermark::claims_from`] while no token states the current claims.
    pub const NO_CLAIMS: Generation = i64::MAX as Generation;
}

/// The source of the claims in the next tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimsSource {
    /// The token that the client presents.
    Token,
    /// The database, which the caller has just read.
    Database,
}

/// The decision on a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshDecision {
    /// The token was the newest of its session. The next token has this generation.
    Rotated(TokenGeneration),
    /// The client repeated its request within the grace period, and no client has used the next
    /// token yet. The client gets this generation once more.
    RetriedInGrace(TokenGeneration),
    /// The token is accepted, but the user's scopes or roles have changed. Session state is
    /// unchanged: the caller reads the database, and repeats with [`ClaimsSource::Database`].
    StaleClaims,
    /// The token has expired, by the clock of session state.
    Expired,
    /// The token was rotated before, so another client has a copy of it. The session ends.
    Reused,
    /// The session had ended before.
    Revoked,
}

/// Decides on a refresh at `now_ms`. Returns the decision and the new entry of the session.
pub fn decide(
    entry: Option<SessionEntry>,
    presented: TokenGeneration,
    claims: ClaimsSource,
    now_ms: i64,
    grace: Duration,
) -> (RefreshDecision, Option<SessionEntry>) {
    let known = match entry {
        None => Watermark { generation: presented.generation, ..Watermark::default() },
        Some(SessionEntry::Alive(known)) => known,
        Some(SessionEntry::Revoked) => return (RefreshDecision::Revoked, entry),
    };
    let grace_ms = grace.as_millis() as i64;
    let generation = presented.generation;
    let is_retry = generation + 1 == known.generation && now_ms - known.moved_at_ms < grace_ms;
    if !is_retry && !is_newest(presented, known, grace_ms) {
        return (RefreshDecision::Reused, Some(SessionEntry::Revoked));
    }
    let is_stale = known.claims_from.is_some_and(|from| generation < from);
    if is_stale && claims == ClaimsSource::Token {
        return (RefreshDecision::StaleClaims, entry);
    }
    let next = if is_retry {
        TokenGeneration { generation: known.generation, rotated_at_ms: known.moved_at_ms }
    } else {
        TokenGeneration { generation: generation + 1, rotated_at_ms: now_ms }
    };
    let claims_from = match claims {
        // A retry with the presented token gets the claims of the database as well.
        ClaimsSource::Database => Some(next.generation),
        // A retry keeps the mark. A rotated token was not stale, and no older one is accepted.
        ClaimsSource::Token => known.claims_from.filter(|_| is_retry),
    };
    let TokenGeneration { generation, rotated_at_ms: moved_at_ms } = next;
    let entry = SessionEntry::Alive(Watermark { generation, moved_at_ms, claims_from });
    let decision = match is_retry {
        true => RefreshDecision::RetriedInGrace(next),
        false => RefreshDecision::Rotated(next),
    };
    (decision, Some(entry))
}

/// Returns `true` if the presented token is the newest of its session, even if session state lost
/// its last writes. Times tell a lost write from a copied token.
fn is_newest(presented: TokenGeneration, known: Watermark, grace_ms: i64) -> bool {
    let TokenGeneration { generation, rotated_at_ms } = presented;
    if generation == known.generation {
        // The rotation that moved the watermark created the token, or another rotation within the
        // grace period, whose write was lost. If a rotation before that created the token, session
        // state lost everything, and has accepted the previous token since: two clients have valid
        // tokens of one session.
        rotated_at_ms >= known.moved_at_ms - grace_ms
    } else {
        // A token above the watermark: if a rotation after the last move created the token, only
        // writes since that move were lost. Otherwise session state lost everything, as above.
        generation > known.generation && rotated_at_ms > known.moved_at_ms
    }
}
