//! An auth-service of a test's own, in this process, with a clock that the test can move.

#![allow(dead_code, reason = "no test uses everything")]

use std::{net::SocketAddr, ops::Deref, time::Duration};

use auth_service::{config::Settings, server};
use clap::Parser;
use shared::clock::Clock;
use test_support::{Client, Proxy, RedisServer, TempDir, TestDatabase, redis_url, temp_dir, unique};

/// Runs a test twice: on SQLite with the embedded blacklist, and on PostgreSQL with Redis.
#[macro_export]
macro_rules! on_both {
    ($(async fn $name:ident($app:ident: TestApp) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn test($app: TestApp) $body

            #[actix_web::test]
            async fn embedded() {
                test(TestApp::embedded().await).await;
            }

            #[actix_web::test]
            async fn deployed() {
                test(TestApp::deployed().await).await;
            }
        }
    )+};
}

#[derive(Parser)]
#[command(args_override_self = true)]
struct Command {
    #[command(flatten)]
    settings: Settings,
}

/// The settings that these arguments and defaults make.
pub fn settings(args: &[&str]) -> Settings {
    let fixed = ["test", "--auth-addr=127.0.0.1:0", "--bcrypt-cost=10", "--auth-workers=2"];
    Command::parse_from(fixed.iter().chain(args)).settings
}

/// A running auth-service, its clock and its databases. A client of it, too.
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
    /// SQLite and the embedded blacklist.
    pub async fn embedded() -> Self {
        Self::embedded_with(&[]).await
    }

    pub async fn embedded_with(args: &[&str]) -> Self {
        Self::start(args, None, temp_dir()).await
    }

    /// PostgreSQL and Redis.
    pub async fn deployed() -> Self {
        Self::deployed_with(&[]).await
    }

    pub async fn deployed_with(args: &[&str]) -> Self {
        let database = TestDatabase::create();
        let (url, prefix) = (database.url(), unique("test:"));
        let redis = redis_url();
        let mut all = vec!["--database-url", &url, "--redis-url", &redis, "--redis-key-prefix", &prefix];
        all.extend(args);
        Self::deployed_on(&all, database).await
    }

    /// PostgreSQL, and a Redis of the test's own, to be stopped or wiped. Ready.
    pub async fn with_redis(redis: &RedisServer, args: &[&str]) -> Self {
        let database = TestDatabase::create();
        let (url, redis) = (database.url(), redis.url());
        let mut all = vec!["--database-url", &url, "--redis-url", &redis];
        all.extend(args);
        Self::deployed_on(&all, database).await.ready().await
    }

    /// PostgreSQL by way of a proxy, to be cut or frozen, and Redis. Ready.
    pub async fn with_proxy(args: &[&str]) -> (Self, Proxy) {
        let database = TestDatabase::create();
        let proxy = Proxy::to(database.server_addr());
        let (url, redis, prefix) = (database.url_via(proxy.addr()), redis_url(), unique("test:"));
        let mut all = vec!["--database-url", &url, "--redis-url", &redis, "--redis-key-prefix", &prefix];
        all.extend(args);
        (Self::deployed_on(&all, database).await.ready().await, proxy)
    }

    /// Deployed, with the URLs among `args`.
    pub async fn deployed_on(args: &[&str], database: TestDatabase) -> Self {
        let folder = temp_dir();
        make_keys(&folder);
        Self::start(args, Some(database), folder).await
    }

    async fn start(args: &[&str], database: Option<TestDatabase>, folder: TempDir) -> Self {
        let data = folder.path().to_str().unwrap();
        let mut all = vec!["--data-dir", data];
        all.extend(args);
        let settings = settings(&all);
        let (addr, issuer, clock) = serve(settings.clone(), Clock::system()).await;
        let app = Self { client: Client::new(addr), addr, issuer, clock, settings, folder, database };
        app.until_get("/healthz", 200).await;
        app
    }

    /// Waits until it is ready.
    pub async fn ready(self) -> Self {
        self.until_get("/readyz", 200).await;
        self
    }

    /// Another replica: the same keys, issuer, database and blacklist.
    pub async fn replica(&self) -> Client {
        self.replica_with(|_| ()).await
    }

    /// Another replica, with other settings.
    pub async fn replica_with(&self, change: impl FnOnce(&mut Settings)) -> Client {
        let mut settings = Settings { issuer: Some(self.issuer.clone()), ..self.settings.clone() };
        change(&mut settings);
        let (addr, ..) = serve(settings, self.clock.clone()).await;
        Client::new(addr)
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The file with the secret of refresh tokens.
    pub fn refresh_secret(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("keys/refresh.key")).unwrap()
    }

    /// The key that signs access tokens, as PEM.
    pub fn signing_pem(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("keys/signing.pem")).unwrap()
    }
}

/// Deployed replicas never make keys themselves.
pub fn make_keys(folder: &TempDir) {
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .args(["keys", "generate", "--data-dir", folder.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

async fn serve(settings: Settings, clock: Clock) -> (SocketAddr, String, Clock) {
    let running = server::start(settings, clock.clone()).await.unwrap();
    actix_web::rt::spawn(running.server);
    (running.addr, running.issuer, clock)
}
