//! The refresh decision: which generation of a session's refresh token is still accepted (RFC 9700
//! section 4.14.2).
//!
//! A session has one watermark, the lowest generation still accepted, however often a client
//! refreshes the session. Embedded session state decides with this code. Redis decides with
//! `session_state/session.lua`, the same rules in Lua. One test suite checks both
//! (`session_state/contract/`).

use std::time::Duration;

use super::{outages::Outages, session::OriginHash};

/// Number of rotations of a session's refresh token. The token of the login has generation 0.
///
/// A change of password that keeps its session skips to the next multiple of [`EPOCH`], which voids
/// every older token of the session.
pub type Generation = u64;

/// Generations of one epoch. A token of an earlier epoch than the watermark's is void: it is
/// refused, and it does not end the session, because its owner replaced it.
pub const EPOCH: Generation = 1 << 20;

/// Returns whether a generation is of an earlier epoch than another one.
pub fn is_of_earlier_epoch(generation: Generation, other: Generation) -> bool {
    generation / EPOCH < other / EPOCH
}

/// Number of consecutive generations retried from elsewhere that end a session.
pub const MAX_RETRIED_ELSEWHERE: u8 = 3;

/// What a refresh token states about its own age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenGeneration {
    /// Number of rotations before the token.
    pub generation: Generation,
    /// Time of the rotation that created the token, in milliseconds by the clock of session state.
    /// Zero for generation 0.
    pub rotated_at_ms: i64,
}

impl TokenGeneration {
    /// The generation of the tokens of a login.
    pub const FIRST: Self = Self { generation: 0, rotated_at_ms: 0 };
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
    /// The generations whose tokens state the user's current scopes and roles.
    pub current_claims: CurrentClaims,
    /// Origin of the request that moved the watermark.
    pub origin: OriginHash,
    /// Retries from other origins.
    pub retries: RetriesElsewhere,
}

/// The generations whose tokens state the user's current scopes and roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CurrentClaims {
    /// Every accepted generation.
    #[default]
    OfAll,
    /// The generation of the watermark and later ones, but not the one before, which a client may
    /// present again within the grace period.
    FromWatermark,
    /// No generation. The next refresh reads the database.
    OfNone,
}

/// The most recent generations that clients retried within the grace period from another origin
/// than the rotation's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetriesElsewhere {
    /// Number of consecutive generations before the watermark's.
    pub earlier: u8,
    /// Whether the watermark's generation is one of them too.
    pub is_counted: bool,
}

impl RetriesElsewhere {
    /// Returns the number of consecutive generations.
    pub fn count(self) -> u8 {
        self.earlier + u8::from(self.is_counted)
    }

    /// Returns the state after a rotation.
    fn after_rotation(self) -> Self {
        let earlier = if self.is_counted { self.count() } else { 0 };
        Self { earlier, is_counted: false }
    }
}

/// The source of the claims in the next tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimsSource {
    /// The token that the client presents.
    Token,
    /// The database, which the caller has just read.
    Database,
}

/// Whether a refresh replaces the refresh token (setting REFRESH_ROTATION).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The refresh token is replaced.
    On,
    /// The refresh token stays valid until it expires or its session ends.
    Off,
}

/// A refresh to decide on.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// Age of the presented token.
    pub token: TokenGeneration,
    /// Source of the claims in the next tokens.
    pub claims: ClaimsSource,
    /// Origin of the request.
    pub origin: OriginHash,
    /// Whether the token is replaced.
    pub rotation: Rotation,
}

/// The time that a client has to repeat a request whose answer was lost.
#[derive(Clone, Copy, Debug)]
pub struct GracePeriod<'a> {
    /// Time of the request, in milliseconds.
    pub now_ms: i64,
    /// Time after a rotation in which the previous token may be presented again.
    pub length: Duration,
    /// Times in which no refresh could be answered. They are no part of the grace period.
    pub outages: &'a Outages,
}

impl GracePeriod<'_> {
    fn length_ms(&self) -> i64 {
        self.length.as_millis() as i64
    }

    /// Returns whether the grace period of a rotation at `since_ms` has not ended.
    fn includes(&self, since_ms: i64) -> bool {
        let elapsed_ms = self.now_ms - since_ms;
        elapsed_ms < self.length_ms()
            || elapsed_ms - self.outages.between(since_ms, self.now_ms) < self.length_ms()
    }
}

/// The decision on a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshDecision {
    /// The token was the newest of its session. The next token has this generation.
    Rotated(TokenGeneration),
    /// The client repeated its request within the grace period, and no client has used the next
    /// token yet. The client gets this generation once more.
    RetriedInGrace(TokenGeneration),
    /// As [`RefreshDecision::RetriedInGrace`], but from another origin than the rotation's, for the
    /// first time in this generation.
    RetriedElsewhere(TokenGeneration),
    /// The token is accepted and stays valid ([`Rotation::Off`]).
    Kept,
    /// The token is accepted, but the user's scopes or roles have changed. Session state is
    /// unchanged: the caller reads the database, and repeats with [`ClaimsSource::Database`].
    StaleClaims,
    /// Session state has no entry of the session, and the caller named no restored one. Session
    /// state is unchanged: the caller reads the session's row, and repeats with it.
    Absent,
    /// The token has expired, by the clock of session state.
    Expired,
    /// A change of password replaced the token. The session continues.
    Void,
    /// The token was rotated before, so another client has a copy of it. The session ends.
    Reused,
    /// Clients at two origins used the same generation of the token, in
    /// [`MAX_RETRIED_ELSEWHERE`] consecutive generations. The session ends.
    ReusedInStep,
    /// The session had ended before.
    Revoked,
}

impl RefreshDecision {
    /// Returns whether the client gets tokens.
    pub fn is_accepted(self) -> bool {
        matches!(
            self,
            Self::Rotated(_) | Self::RetriedInGrace(_) | Self::RetriedElsewhere(_) | Self::Kept
        )
    }
}

/// Decides on a refresh. Returns the decision and the new entry of the session.
pub fn decide(
    entry: Option<SessionEntry>,
    presented: &Presented,
    grace: &GracePeriod<'_>,
) -> (RefreshDecision, Option<SessionEntry>) {
    let known = match entry {
        None => return (RefreshDecision::Absent, None),
        Some(SessionEntry::Alive(known)) => known,
        Some(SessionEntry::Revoked) => return (RefreshDecision::Revoked, entry),
    };
    let generation = presented.token.generation;
    if is_of_earlier_epoch(generation, known.generation) {
        return (RefreshDecision::Void, entry);
    }
    let is_retry = generation + 1 == known.generation && grace.includes(known.moved_at_ms);
    if !is_retry && !is_newest(presented.token, known, grace.length_ms()) {
        return (RefreshDecision::Reused, Some(SessionEntry::Revoked));
    }
    let is_elsewhere = is_retry
        && presented.rotation == Rotation::On
        && presented.origin.differs_from(known.origin)
        && !known.retries.is_counted;
    if is_elsewhere && known.retries.count() + 1 == MAX_RETRIED_ELSEWHERE {
        return (RefreshDecision::ReusedInStep, Some(SessionEntry::Revoked));
    }
    if presented.claims == ClaimsSource::Token && is_stale(generation, known) {
        return (RefreshDecision::StaleClaims, entry);
    }
    let (decision, next) = match presented.rotation {
        Rotation::On => accept(presented, known, is_retry, is_elsewhere, grace.now_ms),
        Rotation::Off => keep(presented.token, known),
    };
    (decision, Some(SessionEntry::Alive(next)))
}

fn is_stale(generation: Generation, known: Watermark) -> bool {
    match known.current_claims {
        CurrentClaims::OfAll => false,
        CurrentClaims::FromWatermark => generation < known.generation,
        CurrentClaims::OfNone => true,
    }
}

/// Accepts a token that is replaced by the next one.
fn accept(
    presented: &Presented,
    known: Watermark,
    is_retry: bool,
    is_elsewhere: bool,
    now_ms: i64,
) -> (RefreshDecision, Watermark) {
    let current_claims = match presented.claims {
        // The first answer to the retried request may state the claims from before the change.
        ClaimsSource::Database if is_retry && known.current_claims == CurrentClaims::OfNone => {
            CurrentClaims::OfNone
        }
        // A retry with the presented token gets the claims of the database as well.
        ClaimsSource::Database => CurrentClaims::FromWatermark,
        ClaimsSource::Token => CurrentClaims::OfAll,
    };
    if is_retry {
        let is_counted = known.retries.is_counted || is_elsewhere;
        let retries = RetriesElsewhere { is_counted, ..known.retries };
        let next =
            TokenGeneration { generation: known.generation, rotated_at_ms: known.moved_at_ms };
        let decision = match is_elsewhere {
            true => RefreshDecision::RetriedElsewhere(next),
            false => RefreshDecision::RetriedInGrace(next),
        };
        return (decision, Watermark { current_claims, retries, ..known });
    }
    let generation = presented.token.generation + 1;
    let watermark = Watermark {
        generation,
        moved_at_ms: now_ms,
        current_claims,
        origin: presented.origin,
        retries: known.retries.after_rotation(),
    };
    let next = TokenGeneration { generation, rotated_at_ms: now_ms };
    (RefreshDecision::Rotated(next), watermark)
}

/// Accepts a token that stays valid. A token that was rotated within the grace period, before
/// rotation was turned off, becomes the lowest accepted one again: its client gets no other.
fn keep(token: TokenGeneration, known: Watermark) -> (RefreshDecision, Watermark) {
    let TokenGeneration { generation, rotated_at_ms: moved_at_ms } = token;
    let watermark = if generation == known.generation {
        known
    } else {
        // The older token states the claims from before the change, and stays the client's token.
        let current_claims = match known.current_claims {
            CurrentClaims::FromWatermark if generation < known.generation => CurrentClaims::OfNone,
            claims => claims,
        };
        Watermark { generation, moved_at_ms, current_claims, ..known }
    };
    (RefreshDecision::Kept, watermark)
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
