//! What any blacklist promises: one suite, run against both kinds.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use shared::{claims::SessionId, clock::Clock};
use test_support::{RedisServer, TempDir, redis_url, temp_dir, unique};
use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{Embedded, Redis, RefreshAttempt, Result, Retention, SessionState, SessionStateError};
use crate::{
    domain::generation::{self, ClaimsSource, RefreshDecision, SessionEntry, TokenGeneration, Watermark},
    redis::{NO_CERTIFICATES, Server},
    store::{Database, Store},
};

const GRACE: Duration = Duration::from_secs(10);
const LIFE_MS: i64 = 1_000_000;
const FIRST: TokenGeneration = TokenGeneration { generation: 0, rotated_at_ms: 0 };

/// A blacklist, the clock that it goes by, and what must live as long.
struct Fixture {
    blacklist: SessionState,
    clock: Clock,
    _folder: TempDir,
}

async fn embedded() -> Fixture {
    let (folder, clock) = (temp_dir(), Clock::system());
    let store = Store::new(Database::Sqlite(folder.path().join("db")), 4, Duration::from_secs(5));
    store.migrate().await.unwrap();
    let blacklist = SessionState::Embedded(Embedded::new(store, clock.clone()));
    Fixture { blacklist, clock, _folder: folder }
}

fn redis_at(url: String, clock: &Clock) -> SessionState {
    let server = Server::parse(&url, &NO_CERTIFICATES).unwrap();
    SessionState::Redis(Redis::new(server, &unique("test:"), Duration::from_secs(5), clock.clone(), 0))
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

    fn refresh(&self, sid: SessionId, presented: TokenGeneration) -> RefreshAttempt {
        let expires_at_ms = self.clock.now_ms() + LIFE_MS;
        let claims = ClaimsSource::Token;
        RefreshAttempt {
            sid,
            presented,
            expires_at_ms,
            next_expires_at_ms: expires_at_ms,
            claims,
            grace: GRACE,
        }
    }

    async fn decide(&self, refresh: RefreshAttempt) -> Result<RefreshDecision> {
        self.blacklist.advance(self.blacklist.connection(), refresh).await
    }

    async fn entry(&self, sid: SessionId) -> Result<Option<SessionEntry>> {
        self.blacklist.entry(self.blacklist.connection(), sid).await
    }

    async fn advance(&self, sid: SessionId, presented: TokenGeneration) -> RefreshDecision {
        self.decide(self.refresh(sid, presented)).await.unwrap()
    }

    /// As whoever has just read the database.
    async fn advance_fresh(&self, sid: SessionId, presented: TokenGeneration) -> RefreshDecision {
        let refresh = RefreshAttempt { claims: ClaimsSource::Database, ..self.refresh(sid, presented) };
        self.decide(refresh).await.unwrap()
    }

    async fn mark_stale(&self, sid: SessionId) {
        self.blacklist.mark_stale(vec![(sid, self.clock.now_ms() + LIFE_MS)]).await.unwrap();
    }

    /// How long an entry is kept from now on, in seconds.
    async fn kept_for(&self, sid: SessionId) -> i64 {
        let ms = match &self.blacklist {
            SessionState::Redis(redis) => redis.ttl_ms(sid).await,
            SessionState::Embedded(embedded) => embedded.ttl_ms(sid).await,
        };
        (ms + 999) / 1000
    }

    async fn rotate(&self, sid: SessionId, presented: TokenGeneration) -> TokenGeneration {
        match self.advance(sid, presented).await {
            RefreshDecision::Rotated(next) => next,
            other => panic!("{other:?}"),
        }
    }

    async fn revoke(&self, sid: SessionId) {
        self.blacklist.revoke(vec![(sid, self.keep())]).await.unwrap();
    }

    fn keep(&self) -> Retention {
        Retention::until(self.clock.now_ms() + LIFE_MS)
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
        let refused = it.decide(it.refresh(sid, FIRST)).await;
        assert!(matches!(refused, Err(SessionStateError::Incomplete)), "{refused:?}");
        assert!(matches!(it.entry(sid).await, Err(SessionStateError::Incomplete)));
        assert!(!it.blacklist.is_complete().await.unwrap());
        // A revocation is taken all the same.
        it.revoke(sid).await;
        let it = it.whole().await;
        assert!(it.blacklist.is_complete().await.unwrap());
        assert_eq!(it.advance(sid, FIRST).await, RefreshDecision::Revoked);
    }

    async fn rotates_the_newest_and_retries_within_grace(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        assert_eq!(it.entry(sid).await.unwrap(), None);
        let one = it.rotate(sid, FIRST).await;
        assert_eq!(one.generation, 1);
        let watermark = Watermark { generation: 1, moved_at_ms: one.rotated_at_ms, claims_from: None };
        assert_eq!(it.entry(sid).await.unwrap(), Some(SessionEntry::Alive(watermark)));
        it.clock.advance(Duration::from_secs(9));
        // The moment of the first answer counts, so that retries do not prolong the grace.
        assert_eq!(it.advance(sid, FIRST).await, RefreshDecision::RetriedInGrace(one));
        let two = it.rotate(sid, one).await;
        assert_eq!(two.generation, 2);
        assert!(two.rotated_at_ms >= one.rotated_at_ms + 9000);
    }

    async fn reuse_after_the_grace_ends_the_session(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        let one = it.rotate(sid, FIRST).await;
        it.clock.advance(GRACE);
        assert_eq!(it.advance(sid, FIRST).await, RefreshDecision::Reused);
        assert_eq!(it.advance(sid, one).await, RefreshDecision::Revoked);
        assert_eq!(it.entry(sid).await.unwrap(), Some(SessionEntry::Revoked));
    }

    async fn reuse_of_what_the_next_generation_has_replaced_ends_the_session(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        let two = it.rotate(sid, it.rotate(sid, FIRST).await).await;
        assert_eq!(it.advance(sid, FIRST).await, RefreshDecision::Reused);
        assert_eq!(it.advance(sid, two).await, RefreshDecision::Revoked);
    }

    async fn a_token_newer_than_the_entry_is_accepted_only_if_it_was_made_later(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        let one = it.rotate(sid, FIRST).await;
        // The last write was lost: the token was made after the watermark that is known moved.
        let later = TokenGeneration { generation: 2, rotated_at_ms: one.rotated_at_ms + 1 };
        let three = it.rotate(sid, later).await;
        assert_eq!(three.generation, 3);
        // Everything was lost and an older token accepted since: the token was made before.
        let before = TokenGeneration { generation: 7, rotated_at_ms: three.rotated_at_ms - 1 };
        assert_eq!(it.advance(sid, before).await, RefreshDecision::Reused);
        assert_eq!(it.advance(sid, three).await, RefreshDecision::Revoked);
    }

    async fn a_token_that_another_rotation_made_long_before_betrays_the_session(it) {
        let it = it.whole().await;
        // Everything was lost, and the token before it accepted since.
        for (ago_ms, is_accepted) in [(10_001, false), (10_000, true)] {
            let sid = SessionId::generate();
            let one = it.rotate(sid, FIRST).await;
            let other = TokenGeneration { rotated_at_ms: one.rotated_at_ms - ago_ms, ..one };
            let decision = it.advance(sid, other).await;
            if is_accepted {
                assert!(matches!(decision, RefreshDecision::Rotated(_)), "{decision:?}");
            } else {
                assert_eq!(decision, RefreshDecision::Reused);
                assert_eq!(it.advance(sid, one).await, RefreshDecision::Revoked);
            }
        }
    }

    async fn what_ended_stays_ended_and_concerns_no_other_session(it) {
        let (it, sid, other) = (it.whole().await, SessionId::generate(), SessionId::generate());
        let one = it.rotate(sid, FIRST).await;
        it.revoke(sid).await;
        it.revoke(sid).await;
        assert_eq!(it.advance(sid, one).await, RefreshDecision::Revoked);
        assert_eq!(it.advance(sid, FIRST).await, RefreshDecision::Revoked);
        it.rotate(other, FIRST).await;
    }

    async fn after_a_loss_an_entry_is_kept_as_long_as_any_token_lives(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        let now = it.clock.now_ms();
        it.blacklist.revoke(vec![(sid, Retention::until(now + 10_000))]).await.unwrap();
        it.blacklist.revoke(vec![(sid, Retention::until(now + LIFE_MS))]).await.unwrap();
        let extended = Retention { extend: true, ..Retention::until(now + LIFE_MS) };
        let other = SessionId::generate();
        it.blacklist.revoke(vec![(other, Retention::until(now + 10_000)), (other, extended)]).await.unwrap();
        assert_eq!(it.kept_for(sid).await, 10);
        assert_eq!(it.kept_for(other).await, LIFE_MS / 1000);
    }

    async fn many_revocations_at_once(it) {
        let it = it.whole().await;
        let sids: Vec<SessionId> = (0..2500).map(|_| SessionId::generate()).collect();
        it.blacklist.revoke(sids.iter().map(|sid| (*sid, it.keep())).collect()).await.unwrap();
        for sid in sids.iter().step_by(499) {
            assert_eq!(it.advance(*sid, FIRST).await, RefreshDecision::Revoked);
        }
    }

    async fn a_token_that_has_expired_is_not_rotated(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        let late = RefreshAttempt { expires_at_ms: it.clock.now_ms() - 1, ..it.refresh(sid, FIRST) };
        assert_eq!(it.decide(late).await.unwrap(), RefreshDecision::Expired);
        assert_eq!(it.entry(sid).await.unwrap(), None);
    }

    async fn stale_claims_are_read_anew_once_whoever_asks(it) {
        let (it, sid) = (it.whole().await, SessionId::generate());
        // Before the first refresh, and after one.
        it.mark_stale(sid).await;
        assert_eq!(it.advance(sid, FIRST).await, RefreshDecision::StaleClaims);
        assert_eq!(it.advance(sid, FIRST).await, RefreshDecision::StaleClaims);
        let RefreshDecision::Rotated(one) = it.advance_fresh(sid, FIRST).await else { panic!() };
        // Whoever retries with the older token would bring the older claims back.
        assert_eq!(it.advance(sid, FIRST).await, RefreshDecision::StaleClaims);
        assert_eq!(it.advance_fresh(sid, FIRST).await, RefreshDecision::RetriedInGrace(one));
        assert_eq!(it.advance(sid, FIRST).await, RefreshDecision::StaleClaims);
        let two = it.rotate(sid, one).await;
        assert_eq!(it.advance(sid, one).await, RefreshDecision::RetriedInGrace(two));
        it.mark_stale(sid).await;
        assert_eq!(it.advance(sid, two).await, RefreshDecision::StaleClaims);
        assert!(matches!(it.advance_fresh(sid, two).await, RefreshDecision::Rotated(_)));
    }

    async fn a_mark_brings_no_session_back_and_hides_no_reuse(it) {
        let (it, ended, reused) = (it.whole().await, SessionId::generate(), SessionId::generate());
        it.revoke(ended).await;
        it.mark_stale(ended).await;
        assert_eq!(it.advance(ended, FIRST).await, RefreshDecision::Revoked);
        it.rotate(reused, it.rotate(reused, FIRST).await).await;
        it.mark_stale(reused).await;
        assert_eq!(it.advance(reused, FIRST).await, RefreshDecision::Reused);
        // A session of many generations whose entry was lost before it was marked goes on.
        let sid = SessionId::generate();
        it.mark_stale(sid).await;
        let seventh = TokenGeneration { generation: 7, rotated_at_ms: 1 };
        assert_eq!(it.advance(sid, seventh).await, RefreshDecision::StaleClaims);
        assert!(matches!(it.advance_fresh(sid, seventh).await, RefreshDecision::Rotated(_)));
    }

    async fn decides_as_the_rules_do(it) {
        // Every short history of presentations, marks and tokens old and new, compared with the rules themselves.
        let it = it.whole().await;
        let start = it.clock.now_ms();
        for history in 0..6u32.pow(4) {
            let sid = SessionId::generate();
            let (mut known, mut tokens): (Option<SessionEntry>, _) = (None, vec![FIRST]);
            for step in 0..4 {
                let pick = history / 6u32.pow(step) % 6;
                if pick == 5 {
                    it.mark_stale(sid).await;
                    known = it.entry(sid).await.unwrap();
                    continue;
                }
                let claims = if pick == 4 { ClaimsSource::Database } else { ClaimsSource::Token };
                let presented = tokens[tokens.len().saturating_sub(1 + pick as usize % 4)];
                let refresh = RefreshAttempt { claims, ..it.refresh(sid, presented) };
                let decision = it.decide(refresh).await.unwrap();
                // Redis goes by its own clock: its answer says what time it was.
                let now = match decision {
                    RefreshDecision::Rotated(next) => next.rotated_at_ms,
                    _ => start,
                };
                let (expected, then) = generation::decide(known, presented, claims, now, GRACE);
                assert_eq!(decision, expected, "{history} {step}");
                known = it.entry(sid).await.unwrap();
                assert_eq!(known, then, "{history} {step}");
                if let RefreshDecision::Rotated(next) | RefreshDecision::RetriedInGrace(next) = decision {
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
    let now = it.clock.now_ms();
    for life_ms in [100_000, 50_000] {
        let refresh = it.refresh(sid, FIRST);
        let refresh =
            RefreshAttempt { expires_at_ms: now + life_ms, next_expires_at_ms: now + life_ms, ..refresh };
        it.decide(refresh).await.unwrap();
    }
    it.clock.advance(Duration::from_secs(99));
    it.blacklist.delete_expired().await.unwrap();
    assert!(it.entry(sid).await.unwrap().is_some());
    it.clock.advance(Duration::from_secs(2));
    assert_eq!(it.entry(sid).await.unwrap(), None);
    it.blacklist.delete_expired().await.unwrap();
}

#[actix_web::test]
async fn a_wipe_during_a_rebuild_is_noticed() {
    let server = RedisServer::start();
    let blacklist = redis_at(server.url(), &Clock::system());
    let rebuild = blacklist.begin_rebuild().await.unwrap();
    server.wipe();
    assert!(matches!(blacklist.finish_rebuild(rebuild).await, Err(SessionStateError::Incomplete)));
    assert!(!blacklist.is_complete().await.unwrap());
}

#[actix_web::test]
async fn a_redis_that_was_started_again_is_not_whole_whatever_it_says() {
    let mut server = RedisServer::start();
    let blacklist = redis_at(server.url(), &Clock::system());
    let rebuild = blacklist.begin_rebuild().await.unwrap();
    blacklist.finish_rebuild(rebuild).await.unwrap();
    assert!(blacklist.is_complete().await.unwrap());
    server.stop();
    server.restart();
    assert!(blacklist.is_complete().await.is_err(), "the connection was cut");
    assert!(!blacklist.is_complete().await.unwrap());
}

#[actix_web::test]
async fn a_connection_that_breaks_is_noticed_though_its_thread_does_nothing() {
    let server = RedisServer::start();
    let at = Server::parse(&server.url(), &NO_CERTIFICATES).unwrap();
    let redis = Redis::new(at, "", Duration::from_secs(5), Clock::system(), 1024);
    let blacklist = Arc::new(SessionState::Redis(redis));
    let rebuild = blacklist.begin_rebuild().await.unwrap();
    blacklist.finish_rebuild(rebuild).await.unwrap();
    let last_asked = |command: &str| -> Vec<String> {
        let clients: String = server.query(&["CLIENT", "LIST"]);
        let asking = clients.lines().filter(|client| client.contains(&format!("cmd={command}")));
        asking.map(|client| client.split(['=', ' ']).nth(1).unwrap().to_owned()).collect()
    };
    let first = last_asked("evalsha");
    let (asked, mut has_asked) = mpsc::unbounded_channel();
    let ((idle, is_idle), (end, ended)) = (oneshot::channel(), oneshot::channel());
    let other = {
        let blacklist = Arc::clone(&blacklist);
        thread::spawn(move || {
            Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let number = blacklist.connection();
                while !asked.is_closed() {
                    blacklist.entry(number, SessionId::generate()).await.unwrap();
                    let _ = asked.send(());
                    sleep(Duration::from_millis(5)).await;
                }
                idle.send(()).unwrap();
                ended.await.unwrap();
            });
        })
    };
    // It asks over the first connection until it has its own, and then does nothing any more.
    let of_other = loop {
        has_asked.recv().await.unwrap();
        if let Some(id) = last_asked("mget").into_iter().find(|id| !first.contains(id)) {
            break id;
        }
    };
    drop(has_asked);
    is_idle.await.unwrap();
    assert_eq!(blacklist.connection(), 0);
    server.query::<usize>(&["CLIENT", "KILL", "ID", &of_other]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while blacklist.connection() == 0 {
        assert!(Instant::now() < deadline, "nobody notices");
        assert!(blacklist.is_complete().await.unwrap());
    }
    end.send(()).unwrap();
    other.join().unwrap();
}

#[actix_web::test]
async fn a_refresh_that_nobody_waits_for_any_more_is_not_carried_out() {
    let server = RedisServer::start();
    let (clock, limit) = (Clock::system(), Duration::from_millis(300));
    let redis =
        Redis::new(Server::parse(&server.url(), &NO_CERTIFICATES).unwrap(), "", limit, clock.clone(), 0);
    let it = Fixture { blacklist: SessionState::Redis(redis), clock, _folder: temp_dir() }.whole().await;
    assert!(it.blacklist.is_complete().await.unwrap());
    let sid = SessionId::generate();
    server.pause();
    let given_up = it.decide(it.refresh(sid, FIRST)).await;
    assert!(matches!(given_up, Err(SessionStateError::TimedOut)), "{given_up:?}");
    server.unpause();
    // Commands are carried out in order: once this one is answered, that one was refused.
    while it.entry(sid).await.is_err() {}
    assert_eq!(it.entry(sid).await.unwrap(), None);
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
    let now = it.clock.now_ms();
    let keep = |since_ms| Retention {
        presented_until_ms: now + 300_000,
        longest_until_ms: now + 1_000_000,
        since_ms,
        extend: false,
    };
    // The test itself takes a while.
    let about = |seconds: i64| seconds - 30..=seconds;

    // Logged out before any refresh: as long as the one token there is.
    let sid = SessionId::generate();
    it.blacklist.revoke(vec![(sid, keep(now + 60_000))]).await.unwrap();
    assert!(about(300).contains(&life()), "{}", life());
    server.wipe();

    // Logged out after a refresh, with an older token: as long as the newest.
    let it = it.whole().await;
    let refresh = RefreshAttempt {
        next_expires_at_ms: now + 700_000,
        expires_at_ms: now + 300_000,
        ..it.refresh(sid, FIRST)
    };
    it.decide(refresh).await.unwrap();
    it.blacklist.revoke(vec![(sid, keep(now + 60_000))]).await.unwrap();
    assert!(about(700).contains(&life()), "{}", life());
    server.wipe();

    // Logged out after a loss: nobody knows which is the newest.
    let it = it.whole().await;
    it.blacklist.revoke(vec![(sid, keep(1))]).await.unwrap();
    assert!(about(1000).contains(&life()), "{}", life());
}

fn redis_keys(server: &RedisServer) -> Vec<String> {
    ::redis::from_redis_value(server.command(&["KEYS", "*"]).unwrap()).unwrap()
}
