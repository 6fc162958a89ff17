//! The refresh decision: which generation of a session's refresh token is still accepted (RFC 9700 section 4.14.2).
//!
//! A session has one watermark, the lowest generation still accepted, however often it was refreshed. The embedded
//! blacklist decides with this code; Redis decides with `blacklist/advance.lua`, the same rules in its own language.
//! One suite of tests holds both to them.

use std::time::Duration;

/// How often a session's refresh token has been rotated. A login's own token is generation 0.
pub type Generation = u64;

/// What a refresh token says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Its generation.
    pub generation: Generation,
    /// When the rotation that made it took place, in milliseconds by the blacklist's clock. Zero for generation 0.
    pub rotated_at_ms: i64,
}

/// What the blacklist holds of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The watermark, and when it last moved, in milliseconds.
    Watermark(Generation, i64),
    /// The session has ended: the watermark is out of reach.
    Revoked,
}

/// The decision on a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// The token was the session's newest. The next is of this generation.
    Rotated(Presented),
    /// The client asked again within the grace period, and the next token was not used yet: it gets it once more.
    RetriedInGrace(Presented),
    /// The token had been rotated before: somebody else holds a copy. The session ends.
    Reused,
    /// The session had ended.
    Revoked,
}

/// Decides on a refresh at `now_ms`.
pub fn advance(entry: Option<Entry>, presented: Presented, now_ms: i64, grace: Duration) -> Advance {
    let generation = presented.generation;
    let rotated = Advance::Rotated(Presented { generation: generation + 1, rotated_at_ms: now_ms });
    match entry {
        None => rotated,
        Some(Entry::Revoked) => Advance::Revoked,
        Some(Entry::Watermark(watermark, _)) if generation == watermark => rotated,
        Some(Entry::Watermark(watermark, moved_at))
            if generation + 1 == watermark && now_ms - moved_at < grace.as_millis() as i64 =>
        {
            Advance::RetriedInGrace(Presented { generation: watermark, rotated_at_ms: moved_at })
        }
        // The token is newer than the watermark, so the blacklist lost something. If the watermark moved before the
        // token was made, only its last move was lost. If it moved after, then an older token was accepted since,
        // and two people hold living tokens of one session.
        Some(Entry::Watermark(watermark, moved_at))
            if generation > watermark && presented.rotated_at_ms > moved_at =>
        {
            rotated
        }
        Some(Entry::Watermark(..)) => Advance::Reused,
    }
}
