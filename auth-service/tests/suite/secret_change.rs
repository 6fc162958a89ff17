//! The secret of a running service is replaced, and a replica is added, as the guides say.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use test_support::{
    Client, Process, TempDir, TestDatabase, Tokens, redis_url, temp_dir, unique, wait_until,
    write_private,
};

use crate::support::{
    auth_service,
    keys::{kid, new_secret, published_kids, stdout_of},
};

/// Two replicas, each with a secret file of its own.
struct Replicas {
    folder: TempDir,
    database: TestDatabase,
    redis_prefix: String,
    replicas: Vec<(Process, Client)>,
}

impl Replicas {
    async fn start(secret: &str) -> Self {
        let mut replicas = Self {
            folder: temp_dir(),
            database: TestDatabase::create(),
            redis_prefix: unique("test:"),
            replicas: Vec::new(),
        };
        for number in 0..2 {
            write_private(replicas.file(number), secret);
            let replica = replicas.launch(number).await;
            replicas.replicas.push(replica);
        }
        replicas
    }

    fn file(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("secret{number}.key"))
    }

    async fn launch(&self, number: usize) -> (Process, Client) {
        let file = self.file(number);
        let url = self.database.url();
        let redis = redis_url();
        let env = [
            ("DATABASE_URL", url.as_str()),
            ("REDIS_URL", &redis),
            ("REDIS_KEY_PREFIX", &self.redis_prefix),
            ("SECRET_KEY_FILE", file.to_str().unwrap()),
            ("ISSUER", "http://auth.example.com"),
            ("BCRYPT_COST", "10"),
            ("RUST_LOG", "info"),
        ];
        let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
        let client = Client::new(process.addr(0));
        client.wait_for_status("/readyz", 200).await;
        (process, client)
    }

    fn client(&self, number: usize) -> &Client {
        &self.replicas[number].1
    }

    /// Gives a replica this secret file, and restarts it.
    async fn restart(&mut self, number: usize, secret: &str) {
        write_private(self.file(number), secret);
        assert!(self.replicas[number].0.terminate().success());
        self.replicas[number] = self.launch(number).await;
    }

    /// Gives each replica this secret file, one after the other. The session continues at both
    /// replicas after each restart, and so does a session that begins at each of them.
    async fn roll(&mut self, secret: &str, mut tokens: Tokens) -> Tokens {
        for number in 0..2 {
            self.restart(number, secret).await;
            for (begins, continues) in [(0, 1), (1, 0)] {
                tokens = self.client(begins).refreshed(&tokens.refresh).await;
                let me = self.client(continues).get("/me", Some(&tokens.access)).await;
                assert_eq!(me.status, 200);
            }
            let new = self.client(number).login("ada").await.tokens();
            let new = self.client(1 - number).refreshed(&new.refresh).await;
            assert_eq!(self.client(number).logout(&new).await.status, 204);
        }
        tokens
    }

    /// Runs a command with the secret file of the first replica.
    fn run(&self, args: &[&str]) -> String {
        stdout_of(self.output(&self.file(0), args))
    }

    fn output(&self, secret: &Path, args: &[&str]) -> Output {
        let url = self.database.url();
        let file = secret.to_str().unwrap();
        let stores = ["--database-url", &url, "--redis-url", "redis://127.0.0.1:1/"];
        let args = [args, &stores, &["--secret-key-file", file]].concat();
        auth_service(&self.folder, &args)
    }
}

/// The steps of `docs/guides/rotate-keys.md`.
#[actix_web::test]
async fn secret_is_replaced_without_a_401() {
    let old = new_secret();
    let mut replicas = Replicas::start(&old).await;
    let tokens = replicas.client(0).new_user("ada").await;
    // 1. A new secret in another file.
    let new = new_secret();
    // 2. The new secret is the second line. 3. It is the first line.
    let tokens = replicas.roll(&format!("{old}{new}"), tokens).await;
    let tokens = replicas.roll(&format!("{new}{old}"), tokens).await;
    // 4. The signing keys are rotated, so that the new secret seals the key that signs.
    let first = published_kids(replicas.client(0)).await.remove(0);
    replicas.run(&["keys", "rotate", "--now"]);
    // Another user: many logins of one user end the user's oldest sessions.
    replicas.client(0).new_user("grace").await;
    wait_until("another key signs", async || {
        kid(&replicas.client(0).login("grace").await) != first
    })
    .await;
    // 5. Every refresh token of the old secret has been replaced, and its keys have expired.
    replicas.run(&["keys", "retire", &first]);
    // 6. The old line is deleted.
    let tokens = replicas.roll(&new, tokens).await;
    replicas.client(1).refreshed(&tokens.refresh).await;
}

#[actix_web::test]
async fn generate_secret_warns_of_keys_of_another_secret() {
    let secret = new_secret();
    let replicas = Replicas::start(&secret).await;
    let another = replicas.folder.path().join("another.key");
    for generated in ["Generated", "exists already"] {
        let output = replicas.output(&another, &["generate-secret"]);
        let warning = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(stdout_of(output).contains(generated));
        assert!(
            warning.contains("warning: ")
                && warning.contains("does not open 1 signing keys in the database")
                && warning.contains("give it the file of the other replicas"),
            "{warning}"
        );
    }
    // The replicas' own secret, and a database that is not there yet, are no reason to warn.
    let known = replicas.output(&replicas.file(0), &["generate-secret"]);
    assert!(known.stderr.is_empty(), "{known:?}");
    let empty = auth_service(&temp_dir(), &["generate-secret"]);
    assert!(empty.stderr.is_empty(), "{empty:?}");
}

#[test]
fn generate_secret_tells_that_the_database_was_not_asked() {
    let stores = ["--database-url", "postgres://127.0.0.1:1/x", "--redis-url", "redis://a/"];
    let output = auth_service(&temp_dir(), &[&["generate-secret"], &stores[..]].concat());
    let warning = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(stdout_of(output).contains("Generated"));
    assert!(warning.contains("warning: cannot check"), "{warning}");
}
