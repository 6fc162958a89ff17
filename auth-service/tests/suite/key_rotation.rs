//! Rotation of signing keys: by command or on a schedule, with keys published before and after they
//! sign.

use std::{collections::BTreeSet, time::Duration};

use crate::support::{
    TestApp,
    keys::{
        kid, login_with_another_key, published_kids, stderr_of, stdout_of, wait_for_published_kids,
    },
    on_both_stores,
};
use futures_util::future::join_all;
use jsonwebtoken::DecodingKey;
use rstest_reuse::apply;
use test_support::{TestDatabase, decode_part, redis_url, temp_dir, unique, wait_until};

#[apply(on_both_stores)]
async fn key_is_published_before_it_signs_and_until_its_tokens_expire(app: TestApp) {
    let first = app.register_and_login("ada").await;
    let old = kid(&first);
    assert_eq!(published_kids(&app).await, [old.as_str()]);

    let rotated = stdout_of(app.cli(&["keys", "rotate"]));
    assert!(rotated.contains("(ES256) is next: signs from 20"), "{rotated}");
    let kids = wait_for_published_kids(&app, 2).await;
    assert_eq!(kids[0], old);
    let new = &kids[1];
    assert_eq!(
        kid(&app.login("ada").await),
        old,
        "the old key signs until every verifier knows the new key"
    );

    app.advance(540);
    let last = app.login("ada").await;
    assert_eq!(kid(&last), old);
    app.advance(61);
    assert_eq!(&kid(&app.login("ada").await), new);
    let last = last.tokens();
    assert_eq!(
        app.get("/me", Some(&last.access)).await.status,
        200,
        "a token of the old key is valid"
    );
    assert_eq!(&kid(&app.refresh(&last.refresh).await), new);
    assert_eq!(published_kids(&app).await, kids);

    // The lifetime of an access token is 300 seconds, and clocks may differ.
    app.advance(300 + 290);
    assert_eq!(published_kids(&app).await, kids);
    app.advance(11);
    assert_eq!(published_kids(&app).await, [new.as_str()]);
}

#[apply(on_both_stores)]
async fn rotation_changes_the_algorithm(app: TestApp) {
    let before = app.new_user("ada").await;
    for algorithm in ["EdDSA", "RS256", "ES256"] {
        let rotate = ["keys", "rotate", "--algorithm", algorithm, "--key-publish-ahead=1"];
        let rotated = app.cli(&rotate);
        let warning = String::from_utf8_lossy(&rotated.stderr);
        let expected = format!("every verifier must accept {algorithm} before");
        assert!(warning.contains(&expected), "{warning}");
        stdout_of(rotated);
        let mut tokens = app.login("ada").await.tokens();
        let signed = wait_until(format!("a key for {algorithm} signs"), async || {
            tokens = app.refreshed(&tokens.refresh).await;
            (decode_part(&tokens.access, 0)["alg"] == algorithm).then(|| tokens.access.clone())
        })
        .await;
        assert_eq!(app.get("/me", Some(&signed)).await.status, 200);
        assert_eq!(app.get("/me", Some(&before.access)).await.status, 200);
    }
    app.refreshed(&before.refresh).await;
}

/// A new default must not reach verifiers that accept only the algorithm in use.
#[apply(on_both_stores)]
async fn installation_keeps_its_algorithm_until_it_is_told_another(app: TestApp) {
    stdout_of(app.cli(&["keys", "rotate", "--algorithm=EdDSA", "--key-publish-ahead=1"]));
    wait_until("a key for EdDSA signs", async || {
        stdout_of(app.cli(&["keys", "list"])).contains("EdDSA      current")
    })
    .await;
    let rotated = app.cli(&["keys", "rotate"]);
    assert!(!String::from_utf8_lossy(&rotated.stderr).contains("verifier"), "{rotated:?}");
    let rotated = stdout_of(rotated);
    assert!(rotated.contains("(EdDSA) is next"), "{rotated}");
    let next = rotated.split_whitespace().next().unwrap();
    stdout_of(app.cli(&["keys", "retire", next]));
    let generated = app.cli(&["keys", "generate", "--signing-algorithm=RS256"]);
    let warning = String::from_utf8_lossy(&generated.stderr);
    assert!(warning.contains("every verifier must accept RS256 before"), "{warning}");
    assert!(stdout_of(generated).contains("(RS256) is next"));
}

#[actix_web::test]
async fn public_keys_are_exported_as_pem() {
    let app = TestApp::embedded().await;
    let token = app.new_user("ada").await.access;
    let pem = stdout_of(app.cli(&["keys", "export"]));
    let key = DecodingKey::from_ec_pem(pem.as_bytes()).unwrap();
    assert!(verifies(&token, &key, jsonwebtoken::Algorithm::ES256));
    assert_eq!(stdout_of(app.cli(&["keys", "export", &published_kids(&app).await[0]])), pem);

    // The next key is exported before it signs.
    for (name, read, algorithm) in [
        ("RS256", DecodingKey::from_rsa_pem as fn(&[u8]) -> _, jsonwebtoken::Algorithm::RS256),
        ("EdDSA", DecodingKey::from_ed_pem, jsonwebtoken::Algorithm::EdDSA),
    ] {
        let rotate = ["keys", "rotate", "--algorithm", name, "--key-publish-ahead=1"];
        let rotated = stdout_of(app.cli(&rotate));
        let kid = rotated.split_whitespace().next().unwrap();
        let pem = stdout_of(app.cli(&["keys", "export", kid]));
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");
        assert!(pem.ends_with("-----END PUBLIC KEY-----\n"), "{pem}");
        let token = wait_until(format!("{kid} signs"), async || {
            let token = app.login("ada").await.tokens().access;
            (decode_part(&token, 0)["kid"] == kid).then_some(token)
        })
        .await;
        assert!(verifies(&token, &read(pem.as_bytes()).unwrap(), algorithm));
    }
    assert!(stderr_of(app.cli(&["keys", "export", "none"])).contains("no key has the id none"));
}

/// Returns whether the key verifies the signature of the token.
fn verifies(token: &str, key: &DecodingKey, algorithm: jsonwebtoken::Algorithm) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    jsonwebtoken::crypto::verify(signature, signed.as_bytes(), key, algorithm).unwrap()
}

#[apply(on_both_stores)]
async fn keys_are_listed_with_their_states(app: TestApp) {
    let first = published_kids(&app).await[0].clone();
    let generated = stdout_of(app.cli(&["keys", "generate", "--algorithm", "EdDSA"]));
    assert!(generated.contains("(EdDSA) is next: waits for `keys rotate`"), "{generated}");
    let again = stderr_of(app.cli(&["keys", "generate"]));
    assert!(again.contains("a next key already exists"), "{again}");
    let other = stderr_of(app.cli(&["keys", "rotate", "--algorithm", "RS256"]));
    assert!(other.contains("a next key already exists"), "{other}");
    let list = stdout_of(app.cli(&["keys", "list"]));
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["KID", "ALGORITHM", "STATE", "PUBLISHED", "WHEN"]);
    assert_eq!((&rows[1][..3], rows[1][4]), (&[first.as_str(), "ES256", "current"][..], "signs"));
    assert_eq!((&rows[2][1..3], rows[2][4]), (&["EdDSA", "next"][..], "waits"));
    assert_eq!(rows.len(), 3);

    // The next key does not sign before `keys rotate`, even after a long time.
    wait_for_published_kids(&app, 2).await;
    app.advance(3600);
    assert_eq!(kid(&app.register_and_login("ada").await), first);
}

#[apply(on_both_stores)]
async fn leaked_key_is_retired(app: TestApp) {
    let tokens = app.new_user("ada").await;
    let leaked = published_kids(&app).await[0].clone();
    for unknown in ["nonsense", "-an-id-that-looks-like-an-option"] {
        let line = stderr_of(app.cli(&["keys", "retire", unknown]));
        assert!(line.contains(&format!("no key has the id {unknown}")), "{line}");
    }
    let line = stderr_of(app.cli(&["keys", "retire", &leaked]));
    assert!(line.contains("is the current key: rotate first, or use --force"), "{line}");
    // A retired next key is deleted.
    stdout_of(app.cli(&["keys", "generate"]));
    let next = wait_for_published_kids(&app, 2).await[1].clone();
    stdout_of(app.cli(&["keys", "retire", &next]));
    assert_eq!(wait_for_published_kids(&app, 1).await, [leaked.as_str()]);

    stdout_of(app.cli(&["keys", "retire", &leaked, "--force"]));
    app.wait_for_status_as("/me", &tokens.access, 401).await;
    let kids = published_kids(&app).await;
    assert!(kids.len() == 1 && kids[0] != leaked, "{kids:?}");
    // The session stays alive, because refresh tokens are signed with the secret.
    let tokens = app.refreshed(&tokens.refresh).await;
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
}

const SCHEDULE: [&str; 2] = ["--key-rotation-interval=3600", "--key-publish-ahead=600"];

#[actix_web::test]
async fn keys_rotate_on_a_schedule_and_replicas_agree() {
    let app = TestApp::deployed_with(&SCHEDULE).await;
    let replica = app.replica().await;
    replica.wait_for_status("/readyz", 200).await;
    let mut current = kid(&app.register_and_login("ada").await);
    for _ in 0..3 {
        app.advance(3001);
        let kids = wait_for_published_kids(&app, 2).await;
        assert_eq!(
            wait_for_published_kids(&replica, 2).await,
            kids,
            "each replica created a separate key"
        );
        assert_eq!(kid(&replica.login("ada").await), current);
        app.advance(600);
        let logins = [kid(&app.login("ada").await), kid(&replica.login("ada").await)];
        assert_eq!(logins, [kids[1].clone(), kids[1].clone()]);
        current = kids[1].clone();
        // The previous key is deleted after its tokens have expired.
        app.advance(601);
        assert_eq!(published_kids(&replica).await, [current.clone()]);
        let token = app.login("ada").await.tokens();
        assert_eq!(replica.get("/me", Some(&token.access)).await.status, 200);
    }
}

#[actix_web::test]
async fn concurrent_first_starts_create_one_key() {
    let database = TestDatabase::create();
    let (folder, prefix) = (temp_dir(), unique("test:"));
    let (url, redis) = (database.url(), redis_url());
    let data = folder.path().to_str().unwrap();
    let stores = [
        ["--database-url", &url],
        ["--redis-url", &redis],
        ["--redis-key-prefix", &prefix],
        ["--data-dir", data],
    ];
    let stores = stores.concat();
    let starts = (0..4).map(|_| TestApp::on_stores(&stores));
    let mut seen = BTreeSet::new();
    for replica in join_all(starts).await {
        seen.extend(published_kids(&replica).await);
    }
    assert_eq!(seen.len(), 1);
}

#[actix_web::test]
async fn shorter_lifetime_keeps_earlier_tokens_valid() {
    let app = TestApp::deployed_with(&["--access-token-lifetime=7200"]).await;
    let long = app.new_user("ada").await;
    let shorter = app.replica_with(|settings| {
        settings.access_token_lifetime = Duration::from_secs(60);
    });
    let shorter = shorter.await;
    shorter.wait_for_status("/readyz", 200).await;
    stdout_of(app.cli(&["keys", "rotate", "--now", "--access-token-lifetime=60"]));
    wait_for_published_kids(&shorter, 2).await;
    app.advance(7000);
    assert_eq!(shorter.get("/me", Some(&long.access)).await.status, 200);
    assert_eq!(published_kids(&shorter).await.len(), 2);
}

#[actix_web::test]
async fn unknown_key_of_another_replica_is_loaded() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    let direct = app.database.as_ref().unwrap().url();
    let ahead = app.replica_with(|settings| {
        settings.database.url = Some(auth_service::config::SecretUrl::new(direct));
    });
    let ahead = ahead.await;
    ahead.wait_for_status("/readyz", 200).await;
    let old = kid(&app.register_and_login("ada").await);
    proxy.cut();
    stdout_of(app.cli(&["keys", "rotate", "--key-publish-ahead=1"]));
    let tokens = login_with_another_key(&ahead, &old).await.tokens();
    // The replica cannot look up the key now, so it neither rejects nor revokes the token.
    app.get("/me", Some(&tokens.access)).await.assert_problem(503, "unavailable");
    app.post("/token/verify", serde_json::json!({"token": tokens.access}))
        .await
        .assert_problem(503, "unavailable");
    let form = [("token", tokens.access.as_str())];
    let revoke = app.request(reqwest::Method::POST, "/oauth/revoke").form(&form);
    assert_eq!(app.send(revoke).await.status, 503);
    proxy.restore();
    app.wait_for_status_as("/me", &tokens.access, 200).await;
}

#[actix_web::test]
async fn scheduled_rotation_keeps_the_algorithm_of_the_current_key() {
    let app = TestApp::deployed_with(&SCHEDULE).await;
    let first = kid(&app.register_and_login("ada").await);
    stdout_of(app.cli(&["keys", "rotate", "--algorithm", "RS256", "--key-publish-ahead=1"]));
    login_with_another_key(&app, &first).await;
    app.advance(3001);
    assert_eq!(wait_for_published_kids(&app, 2).await.len(), 2);
    let jwks = app.get("/.well-known/jwks.json", None).await.json;
    assert_eq!([&jwks["keys"][0]["alg"], &jwks["keys"][1]["alg"]], ["RS256", "RS256"]);
}
