//! Replicas of the previous version on the same Redis: each version reads the other's entries.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use test_support::RedisServer;

use super::test_state::{FIRST, TestState};
use crate::domain::refresh_decision::{
    CurrentClaims, RefreshDecision, SessionEntry, TokenGeneration, Watermark,
};

/// Reads an entry as the previous version does: the watermark, and the first generation with current
/// claims.
fn read_as_previous_version(entry: &[u8]) -> Option<(u64, Option<u64>)> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    match entry.len() {
        11 => Some((number(&entry[..5]), None)),
        16 => Some((number(&entry[..5]), Some(number(&entry[11..])))),
        _ => None,
    }
}

#[actix_web::test]
async fn entries_of_both_versions_are_understood() {
    let server = RedisServer::start();
    let state = TestState::without_prefix(&server).complete().await;
    let sid = state.begin().await;
    let bucket = sid.0.as_bytes()[15] & 0xf;
    let key = format!("bl{{{bucket:x}}}:{}", URL_SAFE_NO_PAD.encode(sid.0));

    // The previous version takes the claims of every token for stale, and reads the database.
    for generation in 0..3 {
        let entry: Vec<u8> = server.query(&["GET", &key]);
        let (watermark, claims_from) = read_as_previous_version(&entry).unwrap();
        assert_eq!(watermark, generation);
        assert!(claims_from.unwrap() > 1 << 38, "{claims_from:?}");
        let Some(SessionEntry::Alive(known)) = state.entry(sid).await.unwrap() else { panic!() };
        let token = TokenGeneration { generation, rotated_at_ms: known.moved_at_ms };
        assert_eq!(token == FIRST, generation == 0);
        state.rotate(sid, token).await;
    }

    // An entry of the previous version, in hexadecimal: the watermark 5, the time 1000 ms, and the
    // first generation with current claims.
    let time = "0000000003e8";
    for (claims_from, current_claims) in [
        ("", CurrentClaims::OfAll),
        ("0000000004", CurrentClaims::OfAll),
        ("0000000005", CurrentClaims::FromWatermark),
        ("ffffffffff", CurrentClaims::OfNone),
    ] {
        let hex = format!("0000000005{time}{claims_from}");
        let write = "redis.call('SET', KEYS[1], (ARGV[1]:gsub('..', function(digits) \
                     return string.char(tonumber(digits, 16)) end)))";
        server.command(&["EVAL", write, "1", &key, &hex]).unwrap();
        let expected =
            Watermark { generation: 5, moved_at_ms: 1000, current_claims, ..Watermark::default() };
        assert_eq!(state.entry(sid).await.unwrap(), Some(SessionEntry::Alive(expected)));
        let token = TokenGeneration { generation: 5, rotated_at_ms: 1000 };
        let decision = state.refresh(sid, token).await;
        match current_claims {
            CurrentClaims::OfNone => assert_eq!(decision, RefreshDecision::StaleClaims),
            _ => assert!(matches!(decision, RefreshDecision::Rotated(_)), "{decision:?}"),
        }
    }

    // A value that no version writes ends the session.
    server.command(&["SET", &key, "nonsense"]).unwrap();
    assert_eq!(state.entry(sid).await.unwrap(), Some(SessionEntry::Revoked));
    assert_eq!(state.refresh(sid, FIRST).await, RefreshDecision::Revoked);
}
