//! `POST /token/refresh`: rotation, grace period, reuse, and the two lifetimes.

use std::{collections::BTreeSet, time::Duration};

use crate::support::{TestApp, on_both_stores, open_sqlite};
use futures_util::future::join_all;
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::json;
use test_support::{
    Client, Process, RedisServer, TestDatabase, claims_of, redis_url, sql, temp_dir, unique,
    wait_until,
};

#[apply(on_both_stores)]
async fn retry_within_the_grace_period_gets_the_same_generation(app: TestApp) {
    let first = app.new_user("ada").await;
    let second = app.refreshed(&first.refresh).await;
    app.advance(9);
    let again = app.refreshed(&first.refresh).await;
    assert_eq!(claims_of(&again.refresh)["gen"], claims_of(&second.refresh)["gen"]);
    // Both copies of the next generation are valid.
    app.refreshed(&second.refresh).await;
    app.refreshed(&again.refresh).await;
}

#[apply(on_both_stores)]
async fn rotated_token_ends_its_session_after_the_grace_period(app: TestApp) {
    let first = app.new_user("ada").await;
    let second = app.refreshed(&first.refresh).await;
    app.advance(10);
    app.refresh(&first.refresh).await.assert_problem(401, "token_not_valid");
    app.refresh(&second.refresh).await.assert_problem(401, "token_not_valid");
    app.get("/me", Some(&second.access)).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn grace_period_ends_when_the_next_token_is_used(app: TestApp) {
    let first = app.new_user("ada").await;
    let second = app.refreshed(&first.refresh).await;
    let third = app.refreshed(&second.refresh).await;
    app.refresh(&first.refresh).await.assert_problem(401, "token_not_valid");
    app.refresh(&third.refresh).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn reuse_ends_only_its_session(app: TestApp) {
    let stolen = app.new_user("ada").await;
    let other = app.login("ada").await.tokens();
    app.refreshed(&stolen.refresh).await;
    app.advance(11);
    app.refresh(&stolen.refresh).await.assert_problem(401, "token_not_valid");
    app.refreshed(&other.refresh).await;
}

#[apply(on_both_stores)]
async fn idle_session_expires_and_used_session_stays_alive(app: TestApp) {
    let idle = app.new_user("ada").await;
    let mut used = app.login("ada").await.tokens();
    for _ in 0..3 {
        app.advance(3 * 24 * 3600);
        used = app.refreshed(&used.refresh).await;
    }
    app.refresh(&idle.refresh).await.assert_problem(401, "token_not_valid");
    app.post("/token/verify", json!({"token": idle.refresh}))
        .await
        .assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn refresh_does_not_extend_the_session_lifetime(app: TestApp) {
    let mut tokens = app.new_user("ada").await;
    let login = claims_of(&tokens.refresh)["auth_time"].as_i64().unwrap();
    for _ in 0..4 {
        app.advance(6 * 24 * 3600);
        tokens = app.refreshed(&tokens.refresh).await;
    }
    assert_eq!(claims_of(&tokens.refresh)["exp"], login + 30 * 24 * 3600);
    app.advance(6 * 24 * 3600);
    app.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn session_keeps_one_entry_after_many_refreshes(app: TestApp) {
    let mut tokens = app.new_user("ada").await;
    for generation in 1..=30 {
        tokens = app.refreshed(&tokens.refresh).await;
        assert_eq!(claims_of(&tokens.refresh)["gen"], generation);
    }
    assert_eq!(entry_count(&app), 1);
}

#[actix_web::test]
async fn entry_expires_exactly_with_the_token() {
    use diesel::{RunQueryDsl, prelude::*, sql_query, sql_types::BigInt};
    #[derive(QueryableByName)]
    struct Kept {
        #[diesel(sql_type = BigInt)]
        expires_at: i64,
    }
    let app = TestApp::embedded().await;
    let mut tokens = app.new_user("ada").await;
    let mut connection = open_sqlite(&app.folder);
    for _ in 0..5 {
        // Each refresh is at another fraction of a second.
        app.clock.advance(Duration::from_millis(1230));
        tokens = app.refreshed(&tokens.refresh).await;
        let kept = sql_query("SELECT expires_at FROM blacklist")
            .get_result::<Kept>(&mut connection)
            .unwrap();
        // The greatest leeway is for the last access token.
        assert_eq!(
            kept.expires_at,
            (claims_of(&tokens.refresh)["exp"].as_i64().unwrap() + 300) * 1000
        );
    }
}

/// Returns the number of entries in the app's session state.
fn entry_count(app: &TestApp) -> usize {
    use diesel::{RunQueryDsl, prelude::*, sql_query, sql_types::BigInt};
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    if app.database.is_some() {
        let mut redis = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
        let pattern = format!("{}bl{{*", app.settings.redis.key_prefix);
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query(&mut redis).unwrap();
        keys.iter().filter(|key| !key.ends_with("whole-since")).count()
    } else {
        let mut connection = open_sqlite(&app.folder);
        let count = sql_query("SELECT count(*) AS count FROM blacklist")
            .get_result::<Count>(&mut connection);
        count.unwrap().count as usize
    }
}

#[actix_web::test]
async fn concurrent_refreshes_at_two_processes_return_one_generation() {
    let database = TestDatabase::create();
    let folder = temp_dir();
    let prefix = unique("test:");
    let url = database.url();
    let redis = redis_url();
    let common = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &redis),
        ("REDIS_KEY_PREFIX", &prefix),
        ("DATA_DIR", folder.path().to_str().unwrap()),
        ("ISSUER", "http://auth.example.com"),
        ("BCRYPT_COST", "10"),
    ];
    let processes =
        [(), ()].map(|()| Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &common));
    let clients = processes.each_ref().map(|process| Client::new(process.addr(0)));
    for client in &clients {
        client.wait_for_status("/readyz", 200).await;
    }

    let first = clients[0].new_user("ada").await;
    let answers =
        join_all((0..100).map(|number| clients[number % 2].refresh(&first.refresh))).await;
    let generations: BTreeSet<i64> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            claims_of(&answer.tokens().refresh)["gen"].as_i64().unwrap()
        })
        .collect();
    assert_eq!(generations, BTreeSet::from([1]));

    // The clock of a third replica is past the grace period.
    let args = [
        format!("--database-url={url}"),
        format!("--redis-url={redis}"),
        format!("--redis-key-prefix={prefix}"),
        format!("--secret-key-file={}", folder.path().join("secret.key").display()),
        "--issuer=http://auth.example.com".to_owned(),
    ];
    let later =
        TestApp::deployed_on(&args.each_ref().map(String::as_str), database).await.ready().await;
    later.advance(11);
    later.refresh(&first.refresh).await.assert_problem(401, "token_not_valid");
    for (answer, client) in answers.iter().zip(clients.iter().cycle()) {
        client.refresh(&answer.tokens().refresh).await.assert_problem(401, "token_not_valid");
    }
}

#[actix_web::test]
async fn ended_sessions_stay_ended_after_redis_loses_all_data() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;

    let ended = app.new_user("ended").await;
    let ended = app.refreshed(&ended.refresh).await;
    assert_eq!(app.logout(&ended).await.status, 204);
    let alive_first = app.new_user("alive").await;
    let alive = app.refreshed(&alive_first.refresh).await;
    let alive = app.refreshed(&alive.refresh).await;
    let stolen_first = app.new_user("stolen").await;
    let stolen = app.refreshed(&stolen_first.refresh).await;
    let stolen = app.refreshed(&stolen.refresh).await;

    // The database knows the generations within a second or two.
    let url = app.database.as_ref().unwrap().url();
    let is_known = "UPDATE sessions SET ip = ip WHERE generation = 2";
    wait_until("the generations are written", async || sql(&url, is_known) == 2).await;
    redis.wipe();

    // Ended sessions stay ended, and live sessions stay alive.
    app.refresh(&ended.refresh).await.assert_problem(401, "token_not_valid");
    let alive = app.refreshed(&alive.refresh).await;
    // The rotated token from before the loss is rejected, and the session ends, even if
    // its owner has not refreshed since.
    app.refresh(&alive_first.refresh).await.assert_problem(401, "token_not_valid");
    app.refresh(&alive.refresh).await.assert_problem(401, "token_not_valid");
    app.refresh(&stolen_first.refresh).await.assert_problem(401, "token_not_valid");
    app.refresh(&stolen.refresh).await.assert_problem(401, "token_not_valid");
}

#[actix_web::test]
async fn lost_last_write_of_redis_keeps_the_session_alive() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let first = app.new_user("ada").await;
    let second = app.refreshed(&first.refresh).await;

    // A failover to a replica that lags behind has the same effect: the entry is one refresh old.
    let redis::Value::Array(keys) = redis.command(&["KEYS", "bl{*"]).unwrap() else { panic!() };
    let entry = keys
        .iter()
        .map(|key| redis::from_redis_value_ref::<String>(key).unwrap())
        .find(|key| !key.ends_with("whole-since"))
        .unwrap();
    redis.command(&["COPY", &entry, "before"]).unwrap();
    let third = app.refreshed(&second.refresh).await;
    redis.command(&["COPY", "before", &entry, "REPLACE"]).unwrap();

    app.refreshed(&third.refresh).await;
}

#[actix_web::test]
async fn forged_refresh_tokens_are_rejected() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let (start, signature) = tokens.refresh.rsplit_once('.').unwrap();
    let (header, payload) = start.split_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let forged = |header: serde_json::Value, claims: serde_json::Value, secret: &[u8]| {
        let header: jsonwebtoken::Header = serde_json::from_value(header).unwrap();
        jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(secret))
            .unwrap()
    };
    let claims = claims_of(&tokens.refresh);
    let secret = app.refresh_key();
    let good_header = json!({"typ": "rt+jwt", "alg": "HS256"});
    let with = |name: &str, value: serde_json::Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        changed
    };
    // A token from `forged` is valid by itself, so each token below is rejected for its own defect.
    assert_eq!(
        app.refresh(&forged(good_header.clone(), claims.clone(), &secret)).await.status,
        200
    );

    let rejected = [
        ("an access token", tokens.access.clone()),
        ("another signature", format!("{start}.{flipped}{}", &signature[1..])),
        ("no signature", format!("{start}.")),
        ("alg none", format!("eyJ0eXAiOiJydCtqd3QiLCJhbGciOiJub25lIn0.{payload}.")),
        ("another header", format!("eyJhbGciOiJIUzI1NiJ9.{payload}.{signature}")),
        ("an extra part", format!("{}.x", tokens.refresh)),
        ("padding", format!("{}=", tokens.refresh)),
        ("a line feed", format!("{}\n", tokens.refresh)),
        ("a NUL", format!("{header}\0.{payload}.{signature}")),
        ("64 KB less the braces", "x".repeat(60_000)),
        (
            "another secret",
            forged(good_header.clone(), claims.clone(), b"another secret of thirty-two bytes"),
        ),
        ("another typ", forged(json!({"typ": "JWT", "alg": "HS256"}), claims.clone(), &secret)),
        ("HS512", forged(json!({"typ": "rt+jwt", "alg": "HS512"}), claims.clone(), &secret)),
        (
            "crit",
            forged(
                json!({"typ": "rt+jwt", "alg": "HS256", "crit": ["x"]}),
                claims.clone(),
                &secret,
            ),
        ),
        (
            "token_type access",
            forged(good_header.clone(), with("token_type", json!("access")), &secret),
        ),
        (
            "another issuer",
            forged(good_header.clone(), with("iss", json!("http://evil.example")), &secret),
        ),
        ("another audience", forged(good_header.clone(), with("aud", json!("api")), &secret)),
        ("no sid", forged(good_header.clone(), with("sid", json!(null)), &secret)),
        ("a negative generation", forged(good_header.clone(), with("gen", json!(-1)), &secret)),
        ("exp in the past", forged(good_header.clone(), with("exp", json!(1)), &secret)),
        ("exp as text", forged(good_header, with("exp", json!("9999999999")), &secret)),
    ];
    for (defect, token) in rejected {
        let answer = app.refresh(&token).await;
        assert_eq!(answer.status, 401, "{defect}: {answer:?}");
        answer.assert_problem(401, "token_not_valid");
        let answer = app.post("/token/verify", json!({"token": token})).await;
        if defect != "an access token" {
            assert_eq!(answer.status, 401, "verify {defect}: {answer:?}");
        }
    }
    // A refresh token is not an access token.
    app.get("/me", Some(&tokens.refresh)).await.assert_problem(401, "token_not_valid");
    let request = app.request(Method::POST, "/logout").bearer_auth(&tokens.refresh);
    app.send(request.json(&json!({"refresh": tokens.refresh})))
        .await
        .assert_problem(401, "token_not_valid");
}
