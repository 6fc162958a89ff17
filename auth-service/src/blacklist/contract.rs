//! What any blacklist promises: one suite, run against both kinds.

use std::time::Duration;

use shared::{claims::SessionId, clock::Clock};
use test_support::{RedisServer, TempDir, redis_url, temp_dir, unique};

use super::{Blacklist, BlacklistError, Embedded, Keep, Redis};
use crate::{
    config::SecretUrl,
    domain::generation::{self, Advance, Entry, Presented},
    store::{Database, Store},
};

const GRACE: Duration = Duration::from_secs(10);
const TTL: Duration = Duration::from_secs(1000);
const FIRST: Presented = Presented { generation: 0, rotated_at_ms: 0 };

/// A blacklist, the clock that it goes by, and what must live as long.
struct Fixture {
    blacklist: Blacklist,
    clock: Clock,
    _folder: TempDir,
}

async fn embedded() -> Fixture {
    let (folder, clock) = (temp_dir(), Clock::system());
    let store = Store::new(Database::Sqlite(folder.path().join("db")), 4, Duration::from_secs(5));
    store.migrate().await.unwrap();
    let blacklist = Blacklist::Embedded(Embedded::new(store, clock.clone()));
    Fixture { blacklist, clock, _folder: folder }
}

fn redis_at(url: String, clock: &Clock) -> Blacklist {
    let redis = Redis::new(&SecretUrl(url), &unique("test:"), Duration::from_secs(5), clock.clone());
    Blacklist::Redis(redis.unwrap())
}

async fn redis() -> Fixture {
    let clock = Clock::system();
    Fixture { blacklist: redis_at(redis_url(), &clock), clock, _folder: temp_dir() }
}

impl Fixture {
    async fn whole(self) -> Self {
        let rebuild = self.blacklist.begin_rebuild().await.unwrap();
        self.blacklist.finish_rebuild(rebuild).await.unwrap();
        self
    }

    async fn advance(&self, sid: SessionId, presented: Presented) -> Advance {
        self.blacklist.advance(sid, presented, GRACE, TTL).await.unwrap()
    }

    async fn rotate(&self, sid: SessionId, presented: Presented) -> Presented {
        match self.advance(sid, presented).await {
            Advance::Rotated(next) => next,
            other => panic!("{other:?}"),
        }
    }

    async fn revoke(&self, sid: SessionId, keep: Keep) {
        self.blacklist.revoke(vec![(sid, keep)]).await.unwrap();
    }
}

macro_rules! contract {
    ($(async fn $name:ident($fixture:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn test($fixture: Fixture) $body

            #[actix_web::test]
            async fn embedded() {
                test(super::embedded().await).await;
            }

            #[actix_web::test]
            async fn redis() {
                test(super::redis().await).await;
            }
        }
    )+};
}

contract! {
    async fn decides_nothing_before_it_is_whole(it) {
        let sid = SessionId::generate();
        let refused = it.blacklist.advance(sid, FIRST, GRACE, TTL).await;
        assert!(matches!(refused, Err(BlacklistError::NotWhole)), "{refused:?}");
        assert!(matches!(it.blacklist.entry(sid).await, Err(BlacklistError::NotWhole)));
        assert!(!it.blacklist.is_whole().await.unwrap());
        // A revocation is taken all the same.
        it.revoke(sid, Keep::longest(TTL)).await;
        let it = it.whole().await;
        assert!(it.blacklist.is_whole().await.unwrap());
        assert_eq!(it.advance(sid, FIRST).await, Advance::Revoked);
    }

    async fn rotates_the_newest_and_retries_within_grace(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        assert_eq!(it.blacklist.entry(sid).await.unwrap(), None);
        let one = it.rotate(sid, FIRST).await;
        assert_eq!(one.generation, 1);
        assert_eq!(it.blacklist.entry(sid).await.unwrap(), Some(Entry::Watermark(1, one.rotated_at_ms)));
        it.clock.advance(Duration::from_secs(9));
        // The moment of the first answer counts, so that retries do not prolong the grace.
        assert_eq!(it.advance(sid, FIRST).await, Advance::RetriedInGrace(one));
        let two = it.rotate(sid, one).await;
        assert_eq!(two.generation, 2);
        assert!(two.rotated_at_ms >= one.rotated_at_ms + 9000);
    }

    async fn reuse_after_the_grace_ends_the_session(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        let one = it.rotate(sid, FIRST).await;
        it.clock.advance(GRACE);
        assert_eq!(it.advance(sid, FIRST).await, Advance::Reused);
        assert_eq!(it.advance(sid, one).await, Advance::Revoked);
        assert_eq!(it.blacklist.entry(sid).await.unwrap(), Some(Entry::Revoked));
    }

    async fn reuse_of_what_the_next_generation_has_replaced_ends_the_session(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        let two = it.rotate(sid, it.rotate(sid, FIRST).await).await;
        assert_eq!(it.advance(sid, FIRST).await, Advance::Reused);
        assert_eq!(it.advance(sid, two).await, Advance::Revoked);
    }

    async fn a_token_newer_than_the_entry_is_accepted_only_if_it_was_made_later(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        let one = it.rotate(sid, FIRST).await;
        // The last write was lost: the token was made after the watermark that is known moved.
        let later = Presented { generation: 2, rotated_at_ms: one.rotated_at_ms + 1 };
        let three = it.rotate(sid, later).await;
        assert_eq!(three.generation, 3);
        // Everything was lost and an older token accepted since: the token was made before.
        let before = Presented { generation: 7, rotated_at_ms: three.rotated_at_ms - 1 };
        assert_eq!(it.advance(sid, before).await, Advance::Reused);
        assert_eq!(it.advance(sid, three).await, Advance::Revoked);
    }

    async fn what_ended_stays_ended_and_concerns_no_other_session(it) {
        let (it, sid, other) = (it.whole().await, SessionId::generate(), SessionId::generate());
        let one = it.rotate(sid, FIRST).await;
        it.revoke(sid, Keep::longest(TTL)).await;
        it.revoke(sid, Keep::longest(TTL)).await;
        assert_eq!(it.advance(sid, one).await, Advance::Revoked);
        assert_eq!(it.advance(sid, FIRST).await, Advance::Revoked);
        it.rotate(other, FIRST).await;
    }

    async fn many_revocations_at_once(it) {
        let it = it.whole().await;
        let sids: Vec<SessionId> = (0..2500).map(|_| SessionId::generate()).collect();
        it.blacklist.revoke(sids.iter().map(|sid| (*sid, Keep::longest(TTL))).collect()).await.unwrap();
        for sid in sids.iter().step_by(499) {
            assert_eq!(it.advance(*sid, FIRST).await, Advance::Revoked);
        }
    }

    async fn decides_as_the_rules_do(it) {
        // Every short history of presentations, pauses and ends, compared with the rules themselves.
        let it = it.whole().await;
        let start = it.clock.now_ms();
        for history in 0..3u32.pow(5) {
            let sid = SessionId::generate();
            let (mut known, mut tokens): (Option<Entry>, _) = (None, vec![FIRST]);
            for step in 0..5 {
                let pick = history / 3u32.pow(step) % 3;
                let presented = tokens[tokens.len().saturating_sub(1 + pick as usize)];
                // Redis goes by its own clock: the entry's own time decides whether the grace is over.
                let decision = it.advance(sid, presented).await;
                let now = match decision {
                    Advance::Rotated(next) => next.rotated_at_ms,
                    _ => start,
                };
                assert_eq!(decision, generation::advance(known, presented, now, GRACE), "{history} {step}");
                known = it.blacklist.entry(sid).await.unwrap();
                if let Advance::Rotated(next) | Advance::RetriedInGrace(next) = decision {
                    tokens.push(next);
                }
            }
        }
    }
}

#[actix_web::test]
async fn an_embedded_entry_lives_as_long_as_any_token_and_is_deleted_then() {
    let it = embedded().await.whole().await;
    let sid = SessionId::generate();
    it.blacklist.advance(sid, FIRST, GRACE, Duration::from_secs(100)).await.unwrap();
    it.blacklist.advance(sid, FIRST, GRACE, Duration::from_secs(50)).await.unwrap();
    it.clock.advance(Duration::from_secs(99));
    it.blacklist.delete_expired().await.unwrap();
    assert!(it.blacklist.entry(sid).await.unwrap().is_some());
    it.clock.advance(Duration::from_secs(2));
    assert_eq!(it.blacklist.entry(sid).await.unwrap(), None);
}

#[actix_web::test]
async fn a_wipe_during_a_rebuild_is_noticed() {
    let server = RedisServer::start();
    let blacklist = redis_at(server.url(), &Clock::system());
    let rebuild = blacklist.begin_rebuild().await.unwrap();
    server.wipe();
    assert!(matches!(blacklist.finish_rebuild(rebuild).await, Err(BlacklistError::NotWhole)));
    assert!(!blacklist.is_whole().await.unwrap());
}

#[actix_web::test]
async fn an_entry_in_redis_expires_with_the_newest_token() {
    let server = RedisServer::start();
    let clock = Clock::system();
    let it = Fixture { blacklist: redis_at(server.url(), &clock), clock, _folder: temp_dir() }.whole().await;
    let life = || {
        let entries: Vec<String> =
            redis_keys(&server).into_iter().filter(|key| !key.ends_with("since")).collect();
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        let life: i64 = ::redis::from_redis_value(server.command(&["PTTL", entry]).unwrap()).unwrap();
        (life + 999) / 1000
    };
    let secs = Duration::from_secs;
    let since_ms = it.clock.now_ms() + 60_000;

    // Logged out before any refresh: as long as the one token there is.
    let sid = SessionId::generate();
    it.revoke(sid, Keep { presented: secs(300), longest: secs(1000), since_ms }).await;
    assert_eq!(life(), 300);
    server.wipe();

    // Logged out after a refresh, with an older token: as long as the newest.
    let it = it.whole().await;
    it.blacklist.advance(sid, FIRST, GRACE, secs(700)).await.unwrap();
    it.revoke(sid, Keep { presented: secs(300), longest: secs(1000), since_ms }).await;
    assert_eq!(life(), 700);
    server.wipe();

    // Logged out after a loss: nobody knows which is the newest.
    let it = it.whole().await;
    it.revoke(sid, Keep { presented: secs(300), longest: secs(1000), since_ms: 1 }).await;
    assert_eq!(life(), 1000);
}

fn redis_keys(server: &RedisServer) -> Vec<String> {
    ::redis::from_redis_value(server.command(&["KEYS", "*"]).unwrap()).unwrap()
}
