//! Files with secrets: who may read them, how hard their content is to guess, and the memory that
//! holds it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use test_support::{Client, Process, TempDir, temp_dir, write_private};

use crate::support::{
    auth_service,
    keys::{new_secret, stderr_of, stdout_of},
};

fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

/// Starts a service, which does not start, and returns its error.
#[track_caller]
fn refused(folder: &TempDir, args: &[&str]) -> String {
    let start = ["--auth-addr=127.0.0.1:0", "--issuer=http://auth.example.com"];
    let error = stderr_of(auth_service(folder, &[&start, args].concat()));
    error.lines().find(|line| line.starts_with("error: ")).expect("an error").to_owned()
}

async fn start(folder: &TempDir) -> (Process, Client) {
    let env =
        [("DATA_DIR", folder.path().to_str().unwrap()), ("ISSUER", "http://auth.example.com")];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_status("/readyz", 200).await;
    (process, client)
}

#[test]
fn secret_file_that_others_can_open_ends_the_start() {
    let folder = temp_dir();
    let file = folder.path().join("secret.key");
    write_private(&file, &new_secret());
    let name = file.display();
    for (mode, fault, right) in [
        (0o644, "is open to all users of this machine (mode 644)", "640"),
        (0o604, "is open to all users of this machine (mode 604)", "600"),
        (0o602, "is open to all users of this machine (mode 602)", "600"),
        (0o444, "is open to all users of this machine (mode 444)", "440"),
        (0o777, "is open to all users of this machine (mode 777)", "640"),
        (0o660, "can be changed by its group (mode 660)", "640"),
        (0o620, "can be changed by its group (mode 620)", "600"),
    ] {
        set_mode(&file, mode);
        let expected = format!(
            "error: {name} (SECRET_KEY_FILE) {fault}: run `chmod {right} {name}`, or mount it so"
        );
        assert_eq!(refused(&folder, &[]), expected);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the start has created files");
}

#[actix_web::test]
async fn secret_file_that_owner_or_group_can_read_is_accepted() {
    let folder = temp_dir();
    let file = folder.path().join("secret.key");
    write_private(&file, &new_secret());
    // As Compose, Kubernetes, and Kubernetes with fsGroup mount it.
    for mode in [0o400, 0o440, 0o640] {
        set_mode(&file, mode);
        start(&folder).await;
    }
}

#[test]
fn every_file_with_a_secret_must_be_private() {
    let folder = temp_dir();
    let path = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let postgres = path("postgres", "postgres://u:hunter2@127.0.0.1:1/d");
    let redis = path("redis", "redis://:hunter2@127.0.0.1:1/");
    let mail = path("mail", "smtp://u:hunter2@127.0.0.1:1");
    let key = path("key", "hunter2");
    let stores = ["--database-url=postgres://127.0.0.1:1/d", "--redis-url=rediss://127.0.0.1:1/"];
    for (setting, args) in [
        ("DATABASE_URL_FILE", vec!["--database-url-file", &postgres, stores[1]]),
        ("REDIS_URL_FILE", vec![stores[0], "--redis-url-file", &redis]),
        ("MAIL_URL_FILE", vec!["--mail-url-file", &mail, "--mail-from=a@example.com"]),
        (
            "REDIS_KEY_FILE",
            vec![stores[0], stores[1], "--redis-key-file", &key, "--redis-cert-file", &key],
        ),
    ] {
        let error = refused(&folder, &args);
        let expected = format!("({setting}) is open to all users of this machine (mode 644)");
        assert!(error.contains(&expected) && error.contains("chmod 640"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn secret_that_is_easy_to_guess_ends_the_start() {
    let folder = temp_dir();
    let file = folder.path().join("secret.key");
    for (secret, why) in [
        ("x".repeat(43), "has at most five different characters"),
        ("changeme".repeat(4), "repeats a short text"),
        ("abcdefghijklmnopqrstuvwxyz012345".into(), "counts up or down"),
        ("the-secret-of-the-auth-service-2024".into(), "is made of words"),
        ("61".repeat(32), "has at most five different characters"),
        (
            "746865206b65792069732070617373776f7264".into(),
            "is the encoded form of a text that is easy to guess",
        ),
    ] {
        write_private(&file, &format!("{secret}\n{}", new_secret()));
        let error = refused(&folder, &[]);
        assert!(error.contains(&format!("contains a secret that {why}: ")), "{error}");
        assert!(error.contains("`auth-service generate-secret --secret-key-file new.key`"));
        assert!(error.contains("docs/guides/rotate-keys.md#a-secret-that-is-refused"), "{error}");
        assert!(!error.contains(&secret), "{error}");
        let error = stderr_of(auth_service(&folder, &["generate-secret"]));
        assert!(error.contains(why), "{error}");
    }
}

#[actix_web::test]
async fn earlier_secret_that_is_easy_to_guess_is_a_warning() {
    let folder = temp_dir();
    write_private(folder.path().join("secret.key"), &(new_secret() + &"x".repeat(43)));
    let (process, _client) = start(&folder).await;
    process.wait_for_log("contains an earlier secret that has at most five different characters");
    stdout_of(auth_service(&folder, &["generate-secret"]));
}

#[actix_web::test]
async fn process_writes_no_core_dump() {
    let folder = temp_dir();
    let (process, _client) = start(&folder).await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    let words: Vec<&str> = line.expect("the limit").split_whitespace().collect();
    assert_eq!(words[..2], ["0", "0"], "{limits}");
    // The memory of a process that is not dumpable belongs to root.
    let owner = fs::metadata(format!("/proc/{}/mem", process.id())).unwrap().uid();
    assert_eq!(owner, 0);
}
