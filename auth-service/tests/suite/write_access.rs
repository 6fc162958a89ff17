//! A store that answers reads and refuses writes: the replica is not ready, and states why, until a
//! write works again.

use std::process::Command;

use crate::support::TestApp;
use test_support::{
    Client, PostgresServer, Process, RedisServer, TestDatabase, redis_url, sql, temp_dir, unique,
    wait_until,
};

/// Waits until a replica is not ready, for this reason alone.
#[track_caller]
fn wait_for_reason<'a>(
    replica: &'a Client,
    part: &'a str,
    expected: &'a str,
) -> impl Future<Output = ()> + 'a {
    wait_until(format!("the only reason is {expected}"), async move || {
        let answer = replica.get("/readyz", None).await;
        let reasons = answer.json["reasons"].as_object().cloned().unwrap_or_default();
        let is_expected = reasons.len() == 1 && reasons.get(part).is_some_and(|it| it == expected);
        if answer.status == 503 && is_expected { Ok(()) } else { Err(answer) }
    })
}

/// A database whose owner has no rights but its own, so that PostgreSQL checks them.
struct OwnedDatabase {
    database: TestDatabase,
    owner: String,
}

impl OwnedDatabase {
    fn create() -> Self {
        let database = TestDatabase::create();
        let owner = unique("writer_").replace('-', "_");
        let this = Self { database, owner };
        this.sql(&format!("CREATE ROLE {} LOGIN", this.owner));
        this.sql(&format!("ALTER DATABASE {} OWNER TO {}", this.name(), this.owner));
        this
    }

    fn name(&self) -> String {
        let url = self.database.url();
        url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
    }

    /// Returns the URL for the owner.
    fn url(&self) -> String {
        self.database.url().replace("//postgres@", &format!("//{}@", self.owner))
    }

    /// Runs a statement as the superuser.
    fn sql(&self, statement: &str) {
        sql(&self.database.url(), statement);
    }

    /// Changes a setting of the owner's sessions, and ends them.
    fn set(&self, setting: &str) {
        self.sql(&format!("ALTER ROLE {} {setting}", self.owner));
        self.sql(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'",
            self.owner
        ));
    }
}

impl Drop for OwnedDatabase {
    fn drop(&mut self) {
        self.sql(&format!("ALTER DATABASE {} OWNER TO postgres", self.name()));
        self.sql(&format!("REASSIGN OWNED BY {} TO postgres", self.owner));
        self.sql(&format!("DROP OWNED BY {}", self.owner));
        self.sql(&format!("DROP ROLE {}", self.owner));
    }
}

/// Returns how many lines of a log contain a text.
fn lines_with(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text)).count()
}

#[actix_web::test]
async fn replica_is_not_ready_while_postgresql_refuses_writes() {
    let database = OwnedDatabase::create();
    let data = temp_dir();
    let url = database.url();
    let env = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &redis_url()),
        ("REDIS_KEY_PREFIX", &unique("test:")),
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("BCRYPT_COST", "10"),
        ("RUST_LOG", "info"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_status("/readyz", 200).await;
    let tokens = client.new_user("ada").await;

    // Nothing needs to be written for readiness to fail.
    database.set("SET default_transaction_read_only = on");
    wait_for_reason(&client, "database", "the server accepts no writes").await;
    // Requests that read do not end the failure in the log.
    for _ in 0..3 {
        client.login("ada").await.assert_problem(503, "unavailable");
        assert_eq!(client.get("/me", Some(&tokens.access)).await.status, 200);
    }
    assert_eq!(client.get("/readyz", None).await.status, 503);
    database.set("RESET default_transaction_read_only");
    client.wait_for_status("/readyz", 200).await;
    assert_eq!(client.login("ada").await.status, 200);
    let log = process.log();
    let name = "write access to the database is";
    assert_eq!(lines_with(&log, &format!("{name} not available: ")), 1, "{log}");
    assert_eq!(lines_with(&log, &format!("{name} available again")), 1, "{log}");

    database.sql(&format!("REVOKE INSERT ON audit_events FROM {}", database.owner));
    wait_for_reason(&client, "database", "the user of the database lacks a right").await;
    database.sql(&format!("GRANT INSERT ON audit_events TO {}", database.owner));
    client.wait_for_status("/readyz", 200).await;

    // A full disk shows only when something is written, and then to the probe as well.
    database.sql(
        "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION \
         'could not extend file \"base/1/2\": No space left on device' USING ERRCODE = '53100'; \
         END $$",
    );
    for table in ["sessions", "write_probes"] {
        database.sql(&format!(
            "CREATE TRIGGER disk_full BEFORE INSERT ON {table} EXECUTE FUNCTION disk_full()"
        ));
    }
    client.login("ada").await.assert_problem(503, "unavailable");
    wait_for_reason(&client, "database", "the disk is full").await;
    assert_eq!(client.get("/me", Some(&tokens.access)).await.status, 200);
    assert_eq!(client.get("/readyz", None).await.status, 503);
    for table in ["sessions", "write_probes"] {
        database.sql(&format!("DROP TRIGGER disk_full ON {table}"));
    }
    client.wait_for_status("/readyz", 200).await;
    assert_eq!(client.login("ada").await.status, 200);
}

/// Limits the size of the files that a process writes, with `prlimit`.
fn limit_file_size(process: &Process, limit: &str) {
    let pid = process.id().to_string();
    let limit = format!("--fsize={limit}:unlimited");
    assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
}

/// The system refuses the process' writes to its SQLite file, which stays readable.
#[actix_web::test]
async fn process_is_not_ready_while_the_system_refuses_writes_to_the_sqlite_file() {
    let data = temp_dir();
    let env = [
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("BCRYPT_COST", "10"),
        ("ISSUER", "http://auth.example.com"),
        ("RUST_LOG", "info"),
    ];
    // Without the trap, the first write above the limit would end the process.
    let script = format!("trap '' XFSZ; exec {}", env!("CARGO_BIN_EXE_auth-service"));
    let process = Process::start_with_args("/bin/sh", &["-c", &script], 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_status("/readyz", 200).await;
    let tokens = client.new_user("ada").await;

    limit_file_size(&process, "0");
    client.login("ada").await.assert_problem(503, "unavailable");
    wait_for_reason(&client, "database", "the disk fails: see the log").await;
    limit_file_size(&process, "unlimited");
    client.wait_for_status("/readyz", 200).await;
    assert_eq!(client.login("ada").await.status, 200);
    client.refreshed(&tokens.refresh).await;
    let log = process.log();
    let name = "write access to the database is";
    assert_eq!(lines_with(&log, &format!("{name} not available: ")), 1, "{log}");
    assert_eq!(lines_with(&log, &format!("{name} available again")), 1, "{log}");
}

#[actix_web::test]
async fn replica_is_not_ready_on_a_standby_or_while_commits_wait_for_one() {
    let server = PostgresServer::start();
    let app =
        TestApp::on_database(&server.url(), &["--database-timeout=1"], None).await.ready().await;
    app.new_user("ada").await;
    let standby = server.replica();
    let on_standby = app.replica_with(|settings| {
        settings.database.url = Some(auth_service::config::SecretUrl::new(standby.url()));
    });
    let on_standby = on_standby.await;
    wait_until("the reason is the standby", async || {
        let answer = on_standby.get("/readyz", None).await;
        let reason = &answer.json["reasons"]["database"];
        if reason == "the server accepts no writes" { Ok(()) } else { Err(answer) }
    })
    .await;
    assert_eq!(app.get("/readyz", None).await.status, 200);

    standby.stop();
    app.login("ada").await.assert_problem(503, "unavailable");
    wait_for_reason(&app, "database", "no answer within 1 s").await;
    standby.restart();
    app.wait_for_status("/readyz", 200).await;
    assert_eq!(app.login("ada").await.status, 200);
}

#[actix_web::test]
async fn replica_is_not_ready_while_redis_refuses_writes() {
    let redis = RedisServer::start_with_snapshots();
    let app = TestApp::with_redis(&redis, &[]).await;
    let set = |name: &str, value: &str| {
        redis.command(&["CONFIG", "SET", name, value]).unwrap();
    };
    for (name, refusing, working, code) in
        [("min-replicas-to-write", "1", "0", "NOREPLICAS"), ("maxmemory", "1", "0", "OOM")]
    {
        set(name, refusing);
        wait_for_reason(&app, "blacklist", &format!("Redis answered {code}")).await;
        set(name, working);
        app.wait_for_status("/readyz", 200).await;
    }
    // Redis saves its snapshots in a folder that no longer exists.
    let [_, folder] = redis.query::<[String; 2]>(&["CONFIG", "GET", "dir"]);
    std::fs::remove_dir_all(folder).unwrap();
    set("save", "3600 1");
    redis.command(&["BGSAVE"]).unwrap();
    wait_for_reason(&app, "blacklist", "Redis answered MISCONF").await;
    set("save", "");
    app.wait_for_status("/readyz", 200).await;
}

#[actix_web::test]
async fn readiness_asks_no_store_for_an_answer() {
    const REQUESTS: u64 = 500;
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let commands = || {
        let info: String = redis.query(&["INFO", "stats"]);
        let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let before = commands();
    for _ in 0..REQUESTS {
        assert_eq!(app.get("/readyz", None).await.status, 200);
    }
    let sent = commands() - before;
    // What the replica sends once a second. A check sends more than 80 commands.
    assert!(sent < 20 * REQUESTS, "{sent} commands for {REQUESTS} requests");
}
