//! The revocation feed: the sessions that have ended, for services that verify access tokens.
//!
//! A listener refuses a session's tokens as soon as it receives the session's end, and may forget
//! the session once no access token of it can be valid. Every replica holds the ended sessions of
//! which an access token may still be valid. It reads the sessions that other replicas end from a
//! stream in Redis, and the sessions that ended before its start from the database.
//!
//! The feed only grows, so an event that a listener receives twice has no effect. A listener that
//! resumes may receive events again, but misses none.

mod event;
mod feed;
mod listener;
mod log;
mod redis_stream;
mod sources;

pub use self::{
    event::{EventId, Revocation},
    feed::{FeedSettings, RevocationFeed, STREAM_DELAY},
    listener::Listener,
    sources::FeedSource,
};
