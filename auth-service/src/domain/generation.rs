//! The refresh decision: which generation of a session's refresh token is still accepted (RFC 9700 section 4.14.2).
//!
//! A session has one watermark, the lowest generation still accepted, however often it was refreshed. The embedded
//! blacklist decides with this code; Redis decides with `blacklist/session.lua`, the same rules in its own language.
//! One suite of tests holds both to them.

use std::time::Duration;

/// How often a session's refresh token has been rotated. A login's own token is generation 0.
pub type Generation = u64;

/// What a refresh token says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenGeneration {
    /// Its generation.
    pub generation: Generation,
    /// When the rotation that made it took place, in milliseconds by the blacklist's clock. Zero for generation 0.
    pub rotated_at_ms: i64,
}

/// What the blacklist holds of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEntry {
    /// It goes on.
    Alive(Watermark),
    /// It has ended: the watermark is out of reach.
    Revoked,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermark {
    /// The lowest generation still accepted.
    pub generation: Generation,
    /// When it last moved, in milliseconds.
    pub moved_at_ms: i64,
    /// Tokens below this generation say of the user's scopes and roles what is no longer true.
    pub claims_from: Option<Generation>,
}

impl Watermark {
    /// What [`Watermark::claims_from`] is while no token says what is true.
    pub const NO_CLAIMS: Generation = i64::MAX as Generation;
}

/// Where the claims of the next tokens come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimsSource {
    /// From the token that the client presents.
    Token,
    /// From the database, which has just been read.
    Database,
}

/// The decision on a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshDecision {
    /// The token was the session's newest. The next is of this generation.
    Rotated(TokenGeneration),
    /// The client asked again within the grace period, and the next token was not used yet: it gets it once more.
    RetriedInGrace(TokenGeneration),
    /// The token would do, but the user's scopes or roles have changed: ask again with those in the database. Nothing
    /// has been decided yet.
    StaleClaims,
    /// The token has expired, by the blacklist's clock.
    Expired,
    /// The token had been rotated before: somebody else holds a copy. The session ends.
    Reused,
    /// The session had ended.
    Revoked,
}

/// Decides on a refresh at `now_ms`, and says what the blacklist holds from then on.
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
    let TokenGeneration { generation, rotated_at_ms } = presented;
    let retried = generation + 1 == known.generation && now_ms - known.moved_at_ms < grace.as_millis() as i64;
    // A token of the watermark's own generation was made by the rotation that moved it, or by another within the grace
    // period, whose move was lost. If by one longer ago, everything was lost and the token before it was accepted since: two
    // people hold living tokens of one session. A token newer than the watermark: if it was made after the watermark moved,
    // only the last move was lost; if before, it is as above.
    let newest = generation == known.generation
        && rotated_at_ms >= known.moved_at_ms - grace.as_millis() as i64
        || generation > known.generation && rotated_at_ms > known.moved_at_ms;
    if !retried && !newest {
        return (RefreshDecision::Reused, Some(SessionEntry::Revoked));
    }
    let stale = known.claims_from.is_some_and(|from| generation < from);
    if stale && claims == ClaimsSource::Token {
        return (RefreshDecision::StaleClaims, entry);
    }
    let next = if retried {
        TokenGeneration { generation: known.generation, rotated_at_ms: known.moved_at_ms }
    } else {
        TokenGeneration { generation: generation + 1, rotated_at_ms: now_ms }
    };
    let claims_from = match claims {
        // Whoever retries with the token presented gets the database's claims as well.
        ClaimsSource::Database => Some(next.generation),
        // A rotated token was not stale, and no older one is accepted any more.
        ClaimsSource::Token => known.claims_from.filter(|_| retried),
    };
    let watermark = Watermark { generation: next.generation, moved_at_ms: next.rotated_at_ms, claims_from };
    let decision =
        if retried { RefreshDecision::RetriedInGrace(next) } else { RefreshDecision::Rotated(next) };
    (decision, Some(SessionEntry::Alive(watermark)))
}
