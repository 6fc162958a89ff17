//! Signing keys at rest: imported keys, and keys sealed with the secret.

use crate::support::{
    TestApp, auth_service, data_folder,
    keys::{kid, login_with_another_key, new_secret, published_kids, stderr_of, stdout_of},
    new_pem, open_sqlite,
};
use test_support::{Client, Process, temp_dir, write_private};

#[actix_web::test]
async fn imported_key_is_validated_and_becomes_current() {
    let folder = data_folder();
    let pem = new_pem();
    let file = folder.path().join("key.pem");
    for (content, expected) in [
        ("nonsense", "is not one private key"),
        (&pem.replace("PRIVATE", "PUBLIC"), "is not one private key"),
    ] {
        std::fs::write(&file, content).unwrap();
        let line = stderr_of(auth_service(
            &folder,
            &["keys", "generate", "--from", file.to_str().unwrap()],
        ));
        assert!(
            line.contains(expected) && line.contains("key.pem") && !line.contains(&pem[30..60]),
            "{line}"
        );
    }
    let missing =
        stderr_of(auth_service(&folder, &["keys", "generate", "--from", "/nowhere/key.pem"]));
    assert!(missing.contains("cannot read /nowhere/key.pem"), "{missing}");
    std::fs::write(&file, &pem).unwrap();
    let created =
        stdout_of(auth_service(&folder, &["keys", "generate", "--from", file.to_str().unwrap()]));
    assert!(created.contains("(EdDSA) is current"), "{created}");
    let again =
        stderr_of(auth_service(&folder, &["keys", "generate", "--from", file.to_str().unwrap()]));
    assert!(again.contains("already exists"), "{again}");
    std::fs::write(&file, new_pem() + &new_pem()).unwrap();
    let two =
        stderr_of(auth_service(&folder, &["keys", "generate", "--from", file.to_str().unwrap()]));
    assert!(two.contains("is not one private key"), "{two}");
}

#[actix_web::test]
async fn keys_sealed_with_another_secret_are_not_used_and_not_replaced() {
    let app = TestApp::deployed().await;
    let kids = published_kids(&app).await;
    let database = app.database.as_ref().unwrap().url();
    let other = temp_dir();
    let env = [
        ("DATABASE_URL", database.as_str()),
        ("REDIS_URL", app.settings.redis.url().map_or("", |url| url.reveal())),
        ("DATA_DIR", other.path().to_str().unwrap()),
        ("ISSUER", "http://auth.example.com"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    process.wait_for_log("does not open with this secret (SECRET_KEY_FILE)");
    let other_replica = Client::new(process.addr(0));
    let ready = other_replica.get("/readyz", None).await;
    assert_eq!((ready.status, ready.json["keys"].as_str()), (503, Some("unavailable")));
    let reason = ready.json["reasons"]["keys"].as_str().unwrap();
    assert_eq!(
        reason,
        format!("the key {} does not open with this secret (SECRET_KEY_FILE)", kids[0])
    );
    other_replica.get("/.well-known/jwks.json", None).await.assert_problem(503, "unavailable");
    other_replica.get("/me", Some("a.b.c")).await.assert_problem(503, "unavailable");
    other_replica.register("ada").await;
    other_replica.login("ada").await.assert_problem(503, "unavailable");
    assert_eq!(published_kids(&app).await, kids);

    // On the embedded stores, the service does not start.
    let folder = data_folder();
    stdout_of(auth_service(&folder, &["keys", "generate"]));
    write_private(folder.path().join("secret.key"), &new_secret());
    let line = stderr_of(auth_service(&folder, &["--auth-addr=127.0.0.1:0"]));
    assert!(line.contains("does not open with this secret (SECRET_KEY_FILE)"), "{line}");
    // An operator who has lost the secret retires the keys and creates new keys.
    let list = stdout_of(auth_service(&folder, &["keys", "list"]));
    let lost = list.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    stdout_of(auth_service(&folder, &["keys", "retire", &lost, "--force"]));
    assert!(stdout_of(auth_service(&folder, &["keys", "list"])).contains("current"));
    stdout_of(auth_service(&folder, &["keys", "rotate"]));
}

#[actix_web::test]
async fn older_key_that_cannot_be_opened_is_skipped() {
    use diesel::{RunQueryDsl, sql_query};
    let app = TestApp::embedded().await;
    let old = kid(&app.register_and_login("ada").await);
    stdout_of(app.cli(&["keys", "rotate", "--key-publish-ahead=1"]));
    login_with_another_key(&app, &old).await;
    let mut connection = open_sqlite(&app.folder);
    sql_query(format!("UPDATE signing_keys SET sealed = 'AAAA' WHERE kid = '{old}'"))
        .execute(&mut connection)
        .unwrap();
    let again = app.replica().await;
    again.wait_for_status("/readyz", 200).await;
    assert_eq!(published_kids(&again).await.len(), 1);
    assert_eq!(again.login("ada").await.status, 200);
}
