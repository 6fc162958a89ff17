//! What sessions cost in Redis, however often they are refreshed.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use shared::{claims::SessionId, clock::Clock};
use test_support::{RedisServer, sized};

use super::{Blacklist, Redis, Refresh};
use crate::{
    domain::generation::{Advance, Claims, Presented},
    redis_link::{NO_CERTIFICATES, Server},
    sessions::FIRST,
};

const LIFE_MS: i64 = 604_800_000;

/// Refreshes each session once, many at a time.
async fn refresh_all(blacklist: &Blacklist, now_ms: i64, sessions: &mut [(SessionId, Presented)]) {
    let refresh = async |(sid, newest): &mut (SessionId, Presented)| {
        let refresh = Refresh {
            sid: *sid,
            presented: *newest,
            expires_at_ms: now_ms + LIFE_MS,
            next_expires_at_ms: now_ms + LIFE_MS,
            claims: Claims::Presented,
            grace: Duration::from_secs(10),
        };
        let Advance::Rotated(next) = blacklist.advance(blacklist.connection(), refresh).await.unwrap() else {
            panic!("not rotated")
        };
        *newest = next;
    };
    stream::iter(sessions).for_each_concurrent(256, refresh).await;
}

#[actix_web::test]
async fn a_session_takes_one_entry_however_often_it_is_refreshed() {
    // They all but fill a hash table of Redis, which has a power of two of places: no more bytes are anybody else's.
    let count = sized(16_000, 125_000, 1_000_000);
    let server = RedisServer::start_with_snapshots();
    let clock = Clock::system();
    let at = Server::parse(&server.url(), &NO_CERTIFICATES).unwrap();
    let redis = Redis::new(at, "", Duration::from_secs(60), clock.clone(), 0);
    let blacklist = Blacklist::Redis(redis);
    let rebuild = blacklist.begin_rebuild().await.unwrap();
    blacklist.finish_rebuild(rebuild).await.unwrap();
    let entries = || server.query::<usize>(&["DBSIZE"]);
    let (memory_before, entries_before) = (server.memory(), entries());

    let mut sessions: Vec<_> = (0..count).map(|_| (SessionId::generate(), FIRST)).collect();
    for _ in 0..10 {
        refresh_all(&blacklist, clock.now_ms(), &mut sessions).await;
    }
    assert_eq!(entries() - entries_before, count);
    let memory = server.memory();
    let names: Vec<String> = server.query(&["KEYS", "bl{7}:*"]);
    let entry = names.iter().find(|name| !name.ends_with("whole-since")).unwrap();
    let of_entry: usize = server.query(&["MEMORY", "USAGE", entry]);
    let each = (memory - memory_before) / count;
    println!("{count} sessions refreshed 10 times: {each} bytes each, {of_entry} of them the entry's own");

    for _ in 0..10 {
        refresh_all(&blacklist, clock.now_ms(), &mut sessions).await;
    }
    assert!(sessions.iter().all(|(_, newest)| newest.generation == 20));
    assert_eq!(entries() - entries_before, count);
    // Redis gives back what it lent its connections in a while. One entry a refresh would be a hundred times as much.
    // With the allocator of Debian's Redis; what else it needs is the less of each the more sessions there are.
    let most = sized(160, 150, 150);
    let limit = (memory + 10 * count).min(memory_before + most * count);
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.memory() > limit {
        assert!(Instant::now() < deadline, "{memory} bytes have become {}", server.memory());
    }
    assert!(of_entry <= 88, "{of_entry} bytes of an entry's own");
    let each = (server.memory() - memory_before) / count;
    println!("{count} sessions refreshed 20 times: {each} bytes each");
}
