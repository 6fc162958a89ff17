//! An auth-service for one test, in this process, with a clock that the test can advance.

pub mod admin;
pub mod browser;
pub mod import;
pub mod keys;
pub mod mail;
pub mod oauth;
pub mod page_browser;

use std::{
    net::SocketAddr,
    ops::Deref,
    process::{Command, Output},
    time::Duration,
};

use auth_service::config::Settings;
use aws_lc_rs::{
    hkdf::{HKDF_SHA256, Salt},
    signature::Ed25519KeyPair,
};
use clap::Parser;
use diesel::{Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query};
use shared::clock::Clock;
use test_support::{
    Client, Proxy, RedisServer, TempDir, TestDatabase, redis_url, sql, temp_dir, unique,
};

/// Runs a test on both stores: SQLite with the embedded session state, and PostgreSQL with Redis.
#[rstest_reuse::template]
#[rstest::rstest]
#[case::embedded(TestApp::embedded())]
#[case::deployed(TestApp::deployed())]
#[actix_web::test]
pub async fn on_both_stores(
    #[future(awt)]
    #[case]
    app: TestApp,
) {
}

#[derive(Parser)]
#[command(args_override_self = true)]
struct Flags {
    #[command(flatten)]
    settings: Settings,
}

/// Returns a PostgreSQL database with the current schema.
fn migrated_database() -> TestDatabase {
    TestDatabase::migrated(|url| {
        let stores = ["--database-url", url, "--redis-url", &redis_url()];
        let output = auth_service(&temp_dir(), &[&["migrate"], &stores[..]].concat());
        assert!(output.status.success(), "{output:?}");
    })
}

/// Returns settings from these arguments, with defaults for tests.
pub fn settings(args: &[&str]) -> Settings {
    let fixed = ["test", "--auth-addr=127.0.0.1:0", "--bcrypt-cost=10", "--auth-workers=2"];
    let mut settings = Flags::parse_from(fixed.iter().chain(args)).settings;
    // Below the minimum for operators: most of the time of a test would be hashing.
    if settings.bcrypt_cost == 10 {
        settings.bcrypt_cost = 4;
    }
    settings
}

/// A running auth-service, its clock and its databases. Dereferences to a client of the service.
pub struct TestApp {
    client: Client,
    pub addr: SocketAddr,
    pub issuer: String,
    pub clock: Clock,
    pub settings: Settings,
    pub folder: TempDir,
    pub database: Option<TestDatabase>,
}

impl Deref for TestApp {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl TestApp {
    /// Starts on SQLite and the embedded session state.
    pub async fn embedded() -> Self {
        Self::embedded_with(&[]).await
    }

    pub async fn embedded_with(args: &[&str]) -> Self {
        Self::start(args, None, temp_dir()).await
    }

    /// Starts on PostgreSQL and Redis, and waits until the service is ready.
    pub async fn deployed() -> Self {
        Self::deployed_with(&[]).await
    }

    pub async fn deployed_with(args: &[&str]) -> Self {
        let database = migrated_database();
        let url = database.url();
        Self::on_database(&url, args, Some(database)).await.ready().await
    }

    /// Starts on the database at this URL and the Redis that all tests share.
    pub async fn on_database(url: &str, args: &[&str], database: Option<TestDatabase>) -> Self {
        let redis = redis_url();
        let prefix = unique("test:");
        let stores = ["--database-url", url, "--redis-url", &redis, "--redis-key-prefix", &prefix];
        Self::start(&[&stores[..], args].concat(), database, temp_dir()).await
    }

    /// Starts on PostgreSQL and a separate Redis, which the test can stop, and waits until the
    /// service is ready.
    pub async fn with_redis(redis: &RedisServer, args: &[&str]) -> Self {
        let database = TestDatabase::create();
        let url = database.url();
        let redis = redis.url();
        let mut all = vec!["--database-url", &url, "--redis-url", &redis];
        all.extend(args);
        Self::deployed_on(&all, database).await.ready().await
    }

    /// Starts on PostgreSQL behind a proxy, which the test can cut, and Redis, and waits until the
    /// service is ready.
    pub async fn with_proxy(args: &[&str]) -> (Self, Proxy) {
        let database = TestDatabase::create();
        let proxy = Proxy::to(database.server_addr());
        let url = database.url_via(proxy.addr());
        (Self::on_database(&url, args, Some(database)).await.ready().await, proxy)
    }

    /// Starts on PostgreSQL behind a proxy and a separate Redis, and waits until the service is
    /// ready.
    pub async fn with_proxy_and_redis(redis: &RedisServer, args: &[&str]) -> (Self, Proxy) {
        let database = TestDatabase::create();
        let proxy = Proxy::to(database.server_addr());
        let url = database.url_via(proxy.addr());
        let redis = redis.url();
        let mut all = vec!["--database-url", &url, "--redis-url", &redis];
        all.extend(args);
        (Self::deployed_on(&all, database).await.ready().await, proxy)
    }

    /// Starts on the stores whose URLs are among `args`, and keeps the database for the test.
    pub async fn deployed_on(args: &[&str], database: TestDatabase) -> Self {
        Self::start(args, Some(database), temp_dir()).await
    }

    /// Starts on the stores whose URLs are among `args`, and waits until the service is ready.
    pub async fn on_stores(args: &[&str]) -> Self {
        Self::on_unavailable_stores(args).await.ready().await
    }

    /// Starts on the stores whose URLs are among `args`, which may be unavailable.
    pub async fn on_unavailable_stores(args: &[&str]) -> Self {
        Self::start(args, None, temp_dir()).await
    }

    /// Starts on the embedded stores, with this PEM as the signing key.
    pub async fn embedded_with_key(pem: &str) -> Self {
        let folder = data_folder();
        let file = folder.path().join("key.pem");
        std::fs::write(&file, pem).unwrap();
        let created =
            auth_service(&folder, &["keys", "generate", "--from", file.to_str().unwrap()]);
        assert!(created.status.success(), "{created:?}");
        Self::start(&[], None, folder).await
    }

    async fn start(args: &[&str], database: Option<TestDatabase>, folder: TempDir) -> Self {
        let data = folder.path().to_str().unwrap();
        let mut all = vec!["--data-dir", data];
        all.extend(args);
        let settings = settings(&all);
        let (addr, issuer, clock) = serve(settings.clone(), Clock::system()).await;
        let app =
            Self { client: Client::new(addr), addr, issuer, clock, settings, folder, database };
        app.wait_for_status("/healthz", 200).await;
        app
    }

    /// Waits until the service is ready.
    pub async fn ready(self) -> Self {
        self.wait_for_status("/readyz", 200).await;
        self
    }

    /// Starts another replica, with the same keys, issuer, database and session state.
    pub async fn replica(&self) -> Client {
        self.replica_with(|_| ()).await
    }

    /// Starts another replica, with changed settings.
    pub async fn replica_with(&self, change: impl FnOnce(&mut Settings)) -> Client {
        let mut settings = Settings { issuer: Some(self.issuer.clone()), ..self.settings.clone() };
        change(&mut settings);
        let (addr, ..) = serve(settings, self.clock.clone()).await;
        Client::new(addr)
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Returns the key of refresh tokens, derived from the secret file.
    pub fn refresh_key(&self) -> [u8; 32] {
        let secret = std::fs::read_to_string(self.folder.path().join("secret.key")).unwrap();
        let mut key = [0; 32];
        let prk = Salt::new(HKDF_SHA256, &[]).extract(secret.trim().as_bytes());
        let okm = prk.expand(&[b"auth-service refresh tokens"], HKDF_SHA256).unwrap();
        okm.fill(&mut key).unwrap();
        key
    }

    /// Runs a command on this app's secret and database.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Returns a command on this app's secret and database.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = auth_service_command(&self.folder, args);
        if let Some(url) = self.database.as_ref().map(TestDatabase::url) {
            command.args(["--database-url", &url, "--redis-url", "redis://127.0.0.1:1/"]);
        }
        command
    }

    /// Executes a statement that changes rows of the database. Returns their number.
    pub fn sql(&self, statement: &str) -> usize {
        match &self.database {
            Some(database) => sql(&database.url(), statement),
            None => sql_query(statement).execute(&mut open_sqlite(&self.folder)).expect(statement),
        }
    }
}

/// Returns a data folder with a secret and a schema.
pub fn data_folder() -> TempDir {
    let folder = temp_dir();
    for command in ["generate-secret", "migrate"] {
        let output = auth_service(&folder, &[command]);
        assert!(output.status.success(), "{output:?}");
    }
    folder
}

/// Opens the SQLite database in a data folder.
pub fn open_sqlite(data: &TempDir) -> SqliteConnection {
    let file = data.path().join("auth.sqlite3");
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    // The service may write to the file meanwhile.
    connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    connection
}

/// Runs a command on a data folder.
pub fn auth_service(data: &TempDir, args: &[&str]) -> Output {
    auth_service_command(data, args).output().unwrap()
}

/// Returns a command on a data folder, with an empty environment.
pub fn auth_service_command(data: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    command.env_clear().args(args).args(["--data-dir", data.path().to_str().unwrap()]);
    command
}

/// Returns a new Ed25519 key, as PEM (PKCS#8).
pub fn new_pem() -> String {
    let key = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
    pem::encode(&pem::Pem::new("PRIVATE KEY", key.as_ref()))
}

async fn serve(settings: Settings, clock: Clock) -> (SocketAddr, String, Clock) {
    let running = auth_service::start(settings, clock.clone()).await.unwrap();
    let addr = running.addr;
    let issuer = running.issuer.clone();
    actix_web::rt::spawn(running.into_server());
    (addr, issuer, clock)
}
