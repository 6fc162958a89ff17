//! Signing keys: published before they sign and after, rotated by command or on a schedule, shared by replicas.

use std::{
    collections::BTreeSet,
    process::Output,
    time::{Duration, Instant},
};

use crate::support::{TestApp, auth_service, new_pem};
use test_support::{Answer, Client, Process, decode_part, temp_dir};

/// The ids of the published keys, in their order.
async fn published(client: &Client) -> Vec<String> {
    let answer = client.get("/.well-known/jwks.json", None).await;
    let keys = answer.json["keys"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Waits until as many keys are published: replicas read them once a second.
async fn until_published(client: &Client, count: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let kids = published(client).await;
        if kids.len() == count {
            return kids;
        }
        assert!(Instant::now() < deadline, "{count} keys are not published: {kids:?}");
    }
}

fn kid(answer: &Answer) -> String {
    decode_part(&answer.tokens().access, 0)["kid"].as_str().unwrap().to_owned()
}

#[track_caller]
fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

on_both! {
    async fn a_key_is_published_before_it_signs_and_until_all_it_signed_has_expired(app: TestApp) {
        let first = app.register_and_login("ada").await;
        let old = kid(&first);
        assert_eq!(published(&app).await, [old.as_str()]);

        let rotated = said(app.cli(&["keys", "rotate"]));
        assert!(rotated.contains("(EdDSA) is next: signs from 20"), "{rotated}");
        let kids = until_published(&app, 2).await;
        assert_eq!(kids[0], old);
        let new = &kids[1];
        assert_eq!(kid(&app.login("ada").await), old, "nobody may know the new key yet");

        app.advance(540);
        let last = app.login("ada").await;
        assert_eq!(kid(&last), old);
        app.advance(61);
        assert_eq!(&kid(&app.login("ada").await), new);
        let last = last.tokens();
        assert_eq!(app.get("/me", Some(&last.access)).await.status, 200, "what the old key signed is valid");
        assert_eq!(&kid(&app.refresh(&last.refresh).await), new);
        assert_eq!(published(&app).await, kids);

        // An access token lives 300 seconds, and clocks may be apart.
        app.advance(300 + 290);
        assert_eq!(published(&app).await, kids);
        app.advance(11);
        assert_eq!(published(&app).await, [new.as_str()]);
    }

    async fn a_rotation_changes_the_algorithm(app: TestApp) {
        let before = app.register_and_login("ada").await.tokens();
        for algorithm in ["ES256", "RS256", "EdDSA"] {
            said(app.cli(&["keys", "rotate", "--algorithm", algorithm, "--key-publish-ahead=1"]));
            let deadline = Instant::now() + Duration::from_secs(20);
            let tokens = loop {
                let tokens = app.login("ada").await.tokens();
                if decode_part(&tokens.access, 0)["alg"] == algorithm {
                    break tokens;
                }
                assert!(Instant::now() < deadline, "{algorithm} does not sign");
            };
            assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
            assert_eq!(app.get("/me", Some(&before.access)).await.status, 200);
        }
        app.refreshed(&before.refresh).await;
    }

    async fn keys_are_listed_with_their_states(app: TestApp) {
        let first = published(&app).await[0].clone();
        let generated = said(app.cli(&["keys", "generate", "--algorithm", "ES256"]));
        assert!(generated.contains("(ES256) is next: waits for `keys rotate`"), "{generated}");
        let again = refused(app.cli(&["keys", "generate"]));
        assert!(again.contains("a next key already exists"), "{again}");
        let other = refused(app.cli(&["keys", "rotate", "--algorithm", "RS256"]));
        assert!(other.contains("a next key already exists"), "{other}");
        let list = said(app.cli(&["keys", "list"]));
        let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["KID", "ALGORITHM", "STATE", "PUBLISHED", "WHEN"]);
        assert_eq!((&rows[1][..3], rows[1][4]), (&[first.as_str(), "EdDSA", "current"][..], "signs"));
        assert_eq!((&rows[2][1..3], rows[2][4]), (&["ES256", "next"][..], "waits"));
        assert_eq!(rows.len(), 3);

        // A key that waits stays a next key however long that takes, and then signs at once.
        until_published(&app, 2).await;
        app.advance(3600);
        assert_eq!(kid(&app.register_and_login("ada").await), first);
    }

    async fn a_key_that_leaked_is_retired(app: TestApp) {
        let tokens = app.register_and_login("ada").await.tokens();
        let leaked = published(&app).await[0].clone();
        for unknown in ["nonsense", "-an-id-that-looks-like-an-option"] {
            let line = refused(app.cli(&["keys", "retire", unknown]));
            assert!(line.contains(&format!("no key has the id {unknown}")), "{line}");
        }
        let line = refused(app.cli(&["keys", "retire", &leaked]));
        assert!(line.contains("is the current key: rotate first, or use --force"), "{line}");
        // A next key that is retired is gone.
        said(app.cli(&["keys", "generate"]));
        let next = until_published(&app, 2).await[1].clone();
        said(app.cli(&["keys", "retire", &next]));
        assert_eq!(until_published(&app, 1).await, [leaked.as_str()]);

        said(app.cli(&["keys", "retire", &leaked, "--force"]));
        app.wait_for_status_as("/me", &tokens.access, 401).await;
        let kids = published(&app).await;
        assert!(kids.len() == 1 && kids[0] != leaked, "{kids:?}");
        // The session goes on: the refresh token was signed with another secret.
        let tokens = app.refreshed(&tokens.refresh).await;
        assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
    }
}

impl TestApp {
    async fn register_and_login(&self, name: &str) -> Answer {
        assert_eq!(self.register(name).await.status, 201);
        self.login(name).await
    }
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
        let kids = until_published(&app, 2).await;
        assert_eq!(until_published(&replica, 2).await, kids, "each replica made a key of its own");
        assert_eq!(kid(&replica.login("ada").await), current);
        app.advance(600);
        let logins = [kid(&app.login("ada").await), kid(&replica.login("ada").await)];
        assert_eq!(logins, [kids[1].clone(), kids[1].clone()]);
        current = kids[1].clone();
        // The one before it is forgotten in time.
        app.advance(601);
        assert_eq!(published(&replica).await, [current.clone()]);
        let token = app.login("ada").await.tokens();
        assert_eq!(replica.get("/me", Some(&token.access)).await.status, 200);
    }
}

#[actix_web::test]
async fn a_first_start_of_many_replicas_makes_one_key() {
    let app = TestApp::deployed().await;
    let replicas = [app.replica().await, app.replica().await, app.replica().await];
    let mut seen = BTreeSet::new();
    for replica in &replicas {
        replica.wait_for_status("/readyz", 200).await;
        seen.extend(published(replica).await);
    }
    assert_eq!(seen.len(), 1);
}

#[actix_web::test]
async fn a_lifetime_that_was_shortened_does_not_cut_off_what_was_signed_before() {
    let app = TestApp::deployed_with(&["--access-token-lifetime=7200"]).await;
    let long = app.register_and_login("ada").await.tokens();
    let shorter = app.replica_with(|settings| {
        settings.access_token_lifetime = Duration::from_secs(60);
    });
    let shorter = shorter.await;
    shorter.wait_for_status("/readyz", 200).await;
    said(app.cli(&["keys", "rotate", "--now", "--access-token-lifetime=60"]));
    until_published(&shorter, 2).await;
    app.advance(7000);
    assert_eq!(shorter.get("/me", Some(&long.access)).await.status, 200);
    assert_eq!(published(&shorter).await.len(), 2);
}

#[actix_web::test]
async fn a_key_of_your_own_is_used() {
    let (folder, pem) = (temp_dir(), new_pem());
    let file = folder.path().join("key.pem");
    for (content, expected) in [
        ("nonsense", "is not one private key"),
        (&pem.replace("PRIVATE", "PUBLIC"), "is not one private key"),
    ] {
        std::fs::write(&file, content).unwrap();
        let line = refused(auth_service(&folder, &["keys", "generate", "--from", file.to_str().unwrap()]));
        assert!(
            line.contains(expected) && line.contains("key.pem") && !line.contains(&pem[30..60]),
            "{line}"
        );
    }
    let missing = refused(auth_service(&folder, &["keys", "generate", "--from", "/nowhere/key.pem"]));
    assert!(missing.contains("cannot read /nowhere/key.pem"), "{missing}");
    std::fs::write(&file, &pem).unwrap();
    let made = said(auth_service(&folder, &["keys", "generate", "--from", file.to_str().unwrap()]));
    assert!(made.contains("(EdDSA) is current"), "{made}");
    let again = refused(auth_service(&folder, &["keys", "generate", "--from", file.to_str().unwrap()]));
    assert!(again.contains("already exists"), "{again}");
    std::fs::write(&file, new_pem() + &new_pem()).unwrap();
    let two = refused(auth_service(&folder, &["keys", "generate", "--from", file.to_str().unwrap()]));
    assert!(two.contains("is not one private key"), "{two}");
}

#[actix_web::test]
async fn keys_sealed_with_another_secret_are_not_used_and_not_replaced() {
    let app = TestApp::deployed().await;
    let kids = published(&app).await;
    let (database, other) = (app.database.as_ref().unwrap().url(), temp_dir());
    let env = [
        ("DATABASE_URL", database.as_str()),
        ("REDIS_URL", app.settings.redis_url.as_ref().map_or("", |url| url.reveal())),
        ("DATA_DIR", other.path().to_str().unwrap()),
        ("ISSUER", "http://auth.example.com"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    process.wait_for_log("does not open with this secret (SECRET_KEY_FILE)");
    let stranger = Client::new(process.addr(0));
    let ready = stranger.get("/readyz", None).await;
    assert_eq!((ready.status, ready.json["keys"].as_str()), (503, Some("unavailable")));
    let reason = ready.json["reasons"]["keys"].as_str().unwrap();
    assert_eq!(reason, format!("the key {} does not open with this secret (SECRET_KEY_FILE)", kids[0]));
    stranger.get("/.well-known/jwks.json", None).await.assert_problem(503, "unavailable");
    stranger.get("/me", Some("a.b.c")).await.assert_problem(503, "unavailable");
    stranger.register("ada").await;
    stranger.login("ada").await.assert_problem(503, "unavailable");
    assert_eq!(published(&app).await, kids);

    // Embedded, it does not start.
    let folder = temp_dir();
    said(auth_service(&folder, &["keys", "generate"]));
    std::fs::write(folder.path().join("secret.key"), "x".repeat(43)).unwrap();
    let line = refused(auth_service(&folder, &["--auth-addr=127.0.0.1:0"]));
    assert!(line.contains("does not open with this secret (SECRET_KEY_FILE)"), "{line}");
    // Whoever has lost the secret begins anew.
    let list = said(auth_service(&folder, &["keys", "list"]));
    let lost = list.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    said(auth_service(&folder, &["keys", "retire", &lost, "--force"]));
    assert!(said(auth_service(&folder, &["keys", "list"])).contains("current"));
    said(auth_service(&folder, &["keys", "rotate"]));
}

#[actix_web::test]
async fn the_secret_is_replaced_without_logging_anybody_out() {
    let app = TestApp::deployed().await;
    let tokens = app.register_and_login("ada").await.tokens();
    let old = std::fs::read_to_string(app.folder.path().join("secret.key")).unwrap();
    let file = app.folder.path().join("both.key");
    // First every replica learns the new one, then it is used.
    let new = "a-new-secret-that-is-long-enough-to-be-one";
    let both = |lines: String| {
        std::fs::write(&file, lines).unwrap();
        app.replica_with(|settings| settings.secret_key_file = Some(file.clone()))
    };
    let knows = both(format!("{old}\n{new}\n")).await;
    let uses = both(format!("{new}\n{old}\n")).await;
    knows.wait_for_status("/readyz", 200).await;
    uses.wait_for_status("/readyz", 200).await;
    let newer = uses.refreshed(&tokens.refresh).await;
    let newest = knows.refreshed(&newer.refresh).await;
    app.refresh(&newer.refresh).await.assert_problem(401, "token_not_valid");
    app.refreshed(&newest.refresh).await;
    assert_eq!(uses.get("/me", Some(&newest.access)).await.status, 200);
}

#[actix_web::test]
async fn a_key_that_another_replica_signs_with_is_looked_up() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    let direct = app.database.as_ref().unwrap().url();
    let ahead = app.replica_with(|settings| {
        settings.database_url = Some(auth_service::config::SecretUrl::new(direct));
    });
    let ahead = ahead.await;
    ahead.wait_for_status("/readyz", 200).await;
    let old = kid(&app.register_and_login("ada").await);
    proxy.cut();
    said(app.cli(&["keys", "rotate", "--key-publish-ahead=1"]));
    let deadline = Instant::now() + Duration::from_secs(20);
    let tokens = loop {
        let login = ahead.login("ada").await;
        if kid(&login) != old {
            break login.tokens();
        }
        assert!(Instant::now() < deadline, "the new key does not sign");
    };
    // Whether it is a good key, nobody can tell: it is not refused for ever, and nothing is said to be revoked.
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
async fn a_schedule_keeps_the_algorithm_that_an_operator_chose() {
    let app = TestApp::deployed_with(&SCHEDULE).await;
    let first = kid(&app.register_and_login("ada").await);
    said(app.cli(&["keys", "rotate", "--algorithm", "ES256", "--key-publish-ahead=1"]));
    let deadline = Instant::now() + Duration::from_secs(20);
    while kid(&app.login("ada").await) == first {
        assert!(Instant::now() < deadline, "the next key does not sign");
    }
    app.advance(3001);
    assert_eq!(until_published(&app, 2).await.len(), 2);
    let jwks = app.get("/.well-known/jwks.json", None).await.json;
    assert_eq!([&jwks["keys"][0]["alg"], &jwks["keys"][1]["alg"]], ["ES256", "ES256"]);
}

#[actix_web::test]
async fn an_older_key_that_does_not_open_is_passed_over() {
    use diesel::{Connection, RunQueryDsl, SqliteConnection, sql_query};
    let app = TestApp::embedded().await;
    let old = kid(&app.register_and_login("ada").await);
    said(app.cli(&["keys", "rotate", "--key-publish-ahead=1"]));
    let deadline = Instant::now() + Duration::from_secs(20);
    while kid(&app.login("ada").await) == old {
        assert!(Instant::now() < deadline, "the new key does not sign");
    }
    let file = app.folder.path().join("auth.sqlite3");
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    sql_query(format!("UPDATE signing_keys SET sealed = 'AAAA' WHERE kid = '{old}'"))
        .execute(&mut connection)
        .unwrap();
    let again = app.replica().await;
    again.wait_for_status("/readyz", 200).await;
    assert_eq!(published(&again).await.len(), 1);
    assert_eq!(again.login("ada").await.status, 200);
}
