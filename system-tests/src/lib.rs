//! Both services as processes of their own, on real PostgreSQL and Redis: what `tests/` starts, stops and kills.
//!
//! | file | what it shows |
//! |---|---|
//! | `tests/logout.rs` | logged out means logged out, at every service |
//! | `tests/failures.rs` | PostgreSQL or Redis away, auth-service killed |
//! | `tests/losses.rs` | Redis loses everything while people are at work |
//! | `tests/clocks.rs` | replicas whose clocks are apart |
//! | `tests/memory.rs` | what it takes to remember a million sessions that have ended |
//! | `tests/metrics_address.rs` | an address for those who run a service |
//! | `tests/monitoring.rs` | the dashboard and the alerts are true |
//! | `tests/rolling.rs` | a rolling restart of all replicas, which nobody notices |
//! | `tests/protection.rs` | idle connections and slow writers keep nobody away |
//! | `tests/soak.rs` | everyday work for as long as you like |
//! | `tests/disk_full.rs` | the embedded data folder's disk is full |
//! | `tests/traces.rs` | a trace that begins in one service goes on in the other |
//! | `tests/reload.rs` | a client's new secret is put to use without a restart |
//! | `tests/history.rs` | whatever breaks, clients see what they were promised: see [`history`] |

pub mod history;
pub mod promql;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use test_support::{
    Answer, Client, Process, TempDir, TestDatabase, Tokens, claims_of, program, redis_url, sql, temp_dir,
    unique,
};

/// The issuer of every deployment. Nobody resolves the name.
pub const ISSUER: &str = "http://auth.example.com";

/// Replicas of auth-service on one PostgreSQL and one Redis, and a client that may listen to their revocations.
pub struct Deployment {
    env: Vec<(String, String)>,
    /// The replicas.
    pub auth: Vec<Process>,
    secret: String,
    _database: Option<TestDatabase>,
    _folder: TempDir,
}

impl Deployment {
    /// This many replicas on the PostgreSQL and the Redis that all tests share.
    pub async fn start(replicas: usize) -> Self {
        Self::start_with(replicas, &[]).await
    }

    /// The same with these settings, of which one may name another Redis.
    pub async fn start_with(replicas: usize, settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::create();
        let (url, redis, prefix) = (database.url(), redis_url(), unique("test:"));
        let mut env =
            vec![("DATABASE_URL", url.as_str()), ("REDIS_URL", &redis), ("REDIS_KEY_PREFIX", &prefix)];
        env.extend(settings);
        let mut this = Self::on(&env).await;
        this._database = Some(database);
        for _ in 0..replicas {
            this.add_replica(&[]).await;
        }
        this
    }

    /// No replica yet, on the PostgreSQL and the Redis that these settings name. Both must be reached.
    pub async fn on(settings: &[(&str, &str)]) -> Self {
        let folder = temp_dir();
        let data = folder.path().to_str().expect("a path in UTF-8");
        let fixed = [("DATA_DIR", data), ("ISSUER", ISSUER), ("BCRYPT_COST", "10"), ("RUST_LOG", "info")];
        let all = fixed.iter().chain(settings);
        let env = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut this =
            Self { env, auth: Vec::new(), secret: String::new(), _database: None, _folder: folder };
        let made = this.cli(&["clients", "create", "resource-service", "--scope", "revocations:read"]);
        this.secret = made.split_whitespace().last().expect("a secret").to_owned();
        this
    }

    /// Another replica, with these settings as well. Ready.
    pub async fn add_replica(&mut self, settings: &[(&str, &str)]) -> Client {
        let process = self.replica(settings);
        let client = Client::new(process.addr(0));
        client.wait_for_status("/readyz", 200).await;
        self.auth.push(process);
        client
    }

    /// A replica that is nobody's, and that may not be ready.
    pub fn replica(&self, settings: &[(&str, &str)]) -> Process {
        let mut env = self.env();
        env.extend(settings);
        Process::start(&program("auth-service"), 1, &env)
    }

    /// What the command line prints.
    ///
    /// # Panics
    /// If it fails.
    pub fn cli(&self, args: &[&str]) -> String {
        let mut command = Command::new(program("auth-service"));
        let done = command.env_clear().envs(self.env()).args(args).output().expect("auth-service");
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).expect("UTF-8")
    }

    /// Runs a statement on the database. Says how many rows it has changed or found.
    pub fn sql(&self, statement: &str) -> usize {
        let url = self.env.iter().rfind(|(name, _)| name == "DATABASE_URL");
        sql(&url.expect("a DATABASE_URL").1, statement)
    }

    fn env(&self) -> Vec<(&str, &str)> {
        self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// Talks to a replica.
    pub fn client(&self, replica: usize) -> Client {
        Client::new(self.auth[replica].addr(0))
    }

    /// The settings of a resource-service that finds keys at the first replica, and revocations at this address.
    pub fn resource_settings(&self, revocations: &str) -> Vec<(&'static str, String)> {
        vec![
            ("ISSUER", ISSUER.into()),
            ("JWKS_URL", format!("http://{}/.well-known/jwks.json", self.auth[0].addr(0))),
            ("REVOCATIONS_URL", format!("http://{revocations}/revocations")),
            ("REVOCATIONS_CLIENT_ID", "resource-service".into()),
            ("REVOCATIONS_CLIENT_SECRET", self.secret.clone()),
            ("RUST_LOG", "info".into()),
        ]
    }

    /// A resource-service that finds keys at the first replica, and revocations at this address, with these settings as
    /// well. It follows them.
    pub async fn resource_service(&self, revocations: &str, settings: &[(&str, &str)]) -> (Process, Client) {
        let own = self.resource_settings(revocations);
        let mut env: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        env.extend(settings);
        let process = Process::start(&program("resource-service"), 1, &env);
        let client = Client::new(process.addr(0));
        client.wait_for_fields("/readyz", &[("revocations", "ok"), ("keys", "ok")]).await;
        (process, client)
    }
}

/// Whether a service accepts this access token. The answer is as it should be in either case.
pub async fn is_accepted(resource: &Client, tokens: &Tokens) -> bool {
    let answer = resource.get("/whoami", Some(&tokens.access)).await;
    if answer.status == 200 {
        assert_eq!(answer.json["sid"], claims_of(&tokens.access)["sid"]);
    } else {
        answer.assert_problem(401, "token_not_valid");
    }
    answer.status == 200
}

/// Waits until a service refuses this access token, because it has heard of the session's end.
#[track_caller]
pub fn until_refused<'a>(resource: &'a Client, tokens: &'a Tokens) -> impl Future<Output = ()> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + Duration::from_secs(20);
        while is_accepted(resource, tokens).await {
            assert!(Instant::now() < deadline, "{caller}: still accepted");
        }
    }
}

/// The answer to a refresh, once there is one: a replica that has just lost Redis or found it again may need a moment.
pub async fn refresh_once_possible(auth: &Client, refresh: &str) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = auth.refresh(refresh).await;
        if answer.status != 503 {
            return answer;
        }
        answer.assert_problem(503, "unavailable");
        assert!(Instant::now() < deadline, "it does not recover");
    }
}
