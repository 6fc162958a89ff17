//! Replicas of both services, and the settings they share.

use std::process::Command;

use test_support::{
    Client, Process, Proxy, TempDir, TestDatabase, program, redis_url, sql, temp_dir, unique,
};

/// Issuer of every deployment. The services do not resolve the name.
pub const ISSUER: &str = "http://auth.example.com";

/// Replicas of auth-service on one PostgreSQL and one Redis, and a client that may follow their
/// revocation feed.
pub struct Deployment {
    env: Vec<(String, String)>,
    /// The replicas.
    pub auth: Vec<Process>,
    /// Secret of the client that may follow the revocation feed.
    secret: String,
    database: Option<TestDatabase>,
    _folder: TempDir,
}

impl Deployment {
    /// Starts replicas on the PostgreSQL and the Redis that all tests share.
    pub async fn start(replicas: usize) -> Self {
        Self::start_with(replicas, &[]).await
    }

    /// Starts replicas on the shared PostgreSQL, with these settings, which can name another Redis.
    pub async fn start_with(replicas: usize, settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::create();
        let database_url = database.url();
        let redis_url = redis_url();
        let prefix = unique("test:");
        let mut env = vec![
            ("DATABASE_URL", database_url.as_str()),
            ("REDIS_URL", &redis_url),
            ("REDIS_KEY_PREFIX", &prefix),
        ];
        env.extend(settings);
        let mut deployment = Self::without_replicas(&env).await;
        deployment.database = Some(database);
        for _ in 0..replicas {
            deployment.add_replica(&[]).await;
        }
        deployment
    }

    /// Creates a deployment without replicas on the PostgreSQL and the Redis that these settings
    /// name. Both must be reachable.
    pub async fn without_replicas(settings: &[(&str, &str)]) -> Self {
        let folder = temp_dir();
        let data = folder.path().to_str().expect("a path in UTF-8");
        let fixed =
            [("DATA_DIR", data), ("ISSUER", ISSUER), ("BCRYPT_COST", "10"), ("RUST_LOG", "info")];
        let all = fixed.iter().chain(settings);
        let env = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut deployment =
            Self { env, auth: Vec::new(), secret: String::new(), database: None, _folder: folder };
        deployment.cli(&["migrate"]);
        deployment.secret = deployment.create_client("resource-service", "revocations:read");
        deployment
    }

    /// Creates a client that may use this scope, and returns its secret.
    pub fn create_client(&self, name: &str, scope: &str) -> String {
        let printed = self.cli(&["clients", "create", name, "--scope", scope]);
        printed.split_whitespace().last().expect("a secret").to_owned()
    }

    /// Starts another replica with these additional settings, and waits until it is ready.
    pub async fn add_replica(&mut self, settings: &[(&str, &str)]) -> Client {
        let process = self.start_replica(settings);
        let client = Client::new(process.addr(0));
        client.wait_for_status("/readyz", 200).await;
        self.auth.push(process);
        client
    }

    /// Starts a replica that the deployment does not list. The replica may not be ready yet.
    pub fn start_replica(&self, settings: &[(&str, &str)]) -> Process {
        let mut env = self.env();
        env.extend(settings);
        Process::start(&program("auth-service"), 1, &env)
    }

    /// Runs a command of auth-service's command line, and returns its output.
    ///
    /// # Panics
    /// If the command fails.
    pub fn cli(&self, args: &[&str]) -> String {
        let mut command = Command::new(program("auth-service"));
        let output = command.env_clear().envs(self.env()).args(args).output();
        let output = output.expect("auth-service");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Starts a proxy to the PostgreSQL of this deployment. Returns the proxy, and the URL of the
    /// database through it.
    ///
    /// # Panics
    /// If the settings of the deployment name the database.
    pub fn database_proxy(&self) -> (Proxy, String) {
        let database = self.database.as_ref().expect("a database of this deployment");
        let proxy = Proxy::to(database.server_addr());
        let url = database.url_via(proxy.addr());
        (proxy, url)
    }

    /// Runs a statement on the database. Returns the number of rows changed or found.
    pub fn sql(&self, statement: &str) -> usize {
        let url = self.env.iter().rfind(|(name, _)| name == "DATABASE_URL");
        sql(&url.expect("a DATABASE_URL").1, statement)
    }

    fn env(&self) -> Vec<(&str, &str)> {
        self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// Returns the address of a replica.
    pub fn addr(&self, replica: usize) -> String {
        self.auth[replica].addr(0).to_string()
    }

    /// Returns a client of a replica.
    pub fn client(&self, replica: usize) -> Client {
        Client::new(self.auth[replica].addr(0))
    }

    /// Returns the secret of the client that may follow the revocation feed.
    pub fn feed_secret(&self) -> &str {
        &self.secret
    }

    /// Returns the settings of a resource-service that fetches keys from the first replica, and
    /// follows the revocation feed at this address.
    pub fn resource_settings(&self, feed: &str) -> Vec<(&'static str, String)> {
        vec![
            ("ISSUER", ISSUER.into()),
            ("JWKS_URL", format!("http://{}/.well-known/jwks.json", self.addr(0))),
            ("REVOCATIONS_URL", format!("http://{feed}/revocations")),
            ("REVOCATIONS_CLIENT_ID", "resource-service".into()),
            ("REVOCATIONS_CLIENT_SECRET", self.secret.clone()),
            ("RUST_LOG", "info".into()),
        ]
    }

    /// Starts a resource-service that follows the revocation feed at this address, with these
    /// additional settings. The service may not be ready yet.
    pub fn start_resource_service(&self, feed: &str, settings: &[(&str, &str)]) -> Process {
        let defaults = self.resource_settings(feed);
        let mut env: Vec<(&str, &str)> =
            defaults.iter().map(|(name, value)| (*name, value.as_str())).collect();
        env.extend(settings);
        Process::start(&program("resource-service"), 1, &env)
    }

    /// Starts a resource-service that follows the revocation feed at this address, with these
    /// additional settings, and waits until it has keys and follows the feed.
    pub async fn resource_service(
        &self,
        feed: &str,
        settings: &[(&str, &str)],
    ) -> (Process, Client) {
        let process = self.start_resource_service(feed, settings);
        let client = Client::new(process.addr(0));
        client.wait_for_fields("/readyz", &[("revocations", "ok"), ("keys", "ok")]).await;
        (process, client)
    }
}
