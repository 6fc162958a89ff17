//! Composition: the services of this process, put together once from the settings.

use std::{
    fs::OpenOptions, num::NonZeroUsize, os::unix::fs::OpenOptionsExt, path::PathBuf, sync::Arc,
    thread::available_parallelism, time::Duration,
};

use service_kit::{CommandError, shutdown::ShutdownToken};
use shared::{Verifier, clock::Clock, keys::JwkSet};

use crate::{
    accounts::Accounts,
    config::Settings,
    credentials::{HashPool, HashPoolMetrics, Passwords},
    domain::{audit::Initiator, client::ClientId, key_schedule::Schedule},
    jobs::cleanup::Cleanup,
    keys::{KeySettings, KeysError, Secret, SigningKeys, create_private_folder},
    metrics::{ExternalMetrics, Metrics},
    oauth::{
        clients::{ClientAdmin, Clients, NewClient},
        grants::Grants,
    },
    redis::Server,
    revocation_feed::{FeedSettings, RevocationFeed},
    session_state::{EmbeddedSessionState, RedisSessionState, SessionState},
    sessions::{SessionServices, SessionSettings, Sessions},
    store::{Database, DatabaseUrl, Failure, Store},
    tokens::{TokenSettings, Tokens},
};

/// Maximum time that start-up waits for dependencies before serving. What is unreachable then is for `/readyz` to report.
const START_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval at which start-up looks whether dependencies are ready.
const START_INTERVAL: Duration = Duration::from_millis(5);
/// Minimum time limit of a query of the command line, which may change a million rows.
const CLI_DATABASE_TIMEOUT: Duration = Duration::from_secs(60);

/// The services of this process, which all handlers share.
pub struct App {
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: ShutdownToken,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) grants: Grants,
    pub(crate) revocations: Arc<RevocationFeed>,
    pub(crate) signing_keys: Arc<SigningKeys>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) proxy_hops: u8,
    pub(crate) verifier: Verifier,
}

impl App {
    /// Puts the services together: reads or creates the secret, opens the SQLite file if there is one, and starts the background work
    /// on schema, keys and session state. PostgreSQL and Redis need not be reachable yet.
    ///
    /// # Errors
    /// One line that names the setting or the data folder that is wrong.
    pub async fn new(settings: &Settings, clock: Clock) -> Result<Self, CommandError> {
        let settings = &settings.clone().validate()?;
        let redis = settings.redis()?;
        if settings.makes_secret() {
            Secret::create_if_missing(&settings.secret_key_file())?;
        }
        let secret = Arc::new(Secret::read(&settings.secret_key_file())?);
        let store = open_store(settings)?;
        let verifier = own_verifier(settings, &clock);
        let signing_keys = Arc::new(SigningKeys::new(
            key_settings(settings),
            store.clone(),
            Arc::clone(&secret),
            clock.clone(),
            verifier.clone(),
            Initiator::service(),
        ));
        verifier.set_key_source(Arc::downgrade(&signing_keys) as _);
        let tokens = Arc::new(Tokens::new(
            token_settings(settings),
            &secret,
            Arc::clone(&signing_keys),
            verifier.clone(),
            clock.clone(),
        ));
        let feed_settings = feed_settings(settings);
        let feed = RevocationFeed::new(&feed_settings, redis.clone(), store.clone(), clock.clone());
        let revocations = Arc::new(feed);
        if settings.database_url().is_none() {
            prepare_embedded(settings, &store, &revocations, &signing_keys).await?;
        }
        tokio::spawn(RevocationFeed::follow_stream(Arc::downgrade(&revocations)));
        tokio::spawn(SigningKeys::maintain(Arc::downgrade(&signing_keys)));
        let hash_pool_metrics = HashPoolMetrics::default();
        let metrics = Arc::new(Metrics::new(&ExternalMetrics {
            database_failures: store.failed(),
            database_failure_kinds: &Failure::ALL.map(Failure::name),
            hash_queue: &hash_pool_metrics.queued,
            hash_wait_seconds: &hash_pool_metrics.wait_seconds,
        }));
        let sessions = Arc::new(Sessions::new(
            SessionServices {
                store: store.clone(),
                session_state: session_state(settings, redis, &store, &clock),
                revocations: Arc::clone(&revocations),
                tokens: Arc::clone(&tokens),
                metrics: Arc::clone(&metrics),
                clock: clock.clone(),
                cleanup: Cleanup::new(settings.leeway, settings.audit_retention),
            },
            session_settings(settings),
        ));
        tokio::spawn(Sessions::maintain(Arc::downgrade(&sessions)));
        tokio::spawn(Sessions::clean_up(Arc::downgrade(&sessions)));
        let accounts = Accounts {
            store: store.clone(),
            passwords: passwords(settings, hash_pool_metrics)?,
            sessions: Arc::clone(&sessions),
            tokens: Arc::clone(&tokens),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
        };
        let clients = Arc::new(Clients::new(store.clone()));
        let grants = Grants {
            clients: Arc::clone(&clients),
            sessions: Arc::clone(&sessions),
            tokens: Arc::clone(&tokens),
            clock: clock.clone(),
        };
        Ok(Self {
            clock,
            store,
            metrics,
            shutdown: ShutdownToken::new(),
            accounts,
            sessions,
            clients,
            grants,
            revocations,
            signing_keys,
            tokens,
            proxy_hops: settings.proxy_hops,
            verifier,
        })
    }

    /// Waits until requests can be answered, for two seconds at most.
    pub(crate) async fn until_ready(&self) {
        let ready = async {
            while self.signing_keys.check().is_err()
                || self.revocations.readiness().is_err()
                || !self.sessions.readiness().await.is_ready()
            {
                tokio::time::sleep(START_INTERVAL).await;
            }
        };
        let _ = tokio::time::timeout(START_TIMEOUT, ready).await;
    }

    /// Registers a client with this scope, or replaces the secret of one that exists. Returns the secret. For a process that runs both
    /// sides.
    ///
    /// # Errors
    /// If the database does not take it.
    pub async fn renew_client(&self, id: &str, scope: &str) -> Result<String, CommandError> {
        let id = ClientId::parse(id).map_err(CommandError::new)?;
        self.store.migrate().await.map_err(|why| CommandError::new(why.to_string()))?;
        let admin = ClientAdmin {
            store: self.store.clone(),
            clock: self.clock.clone(),
            initiator: Initiator::service(),
        };
        let new = NewClient { id, scopes: vec![scope.to_owned()], audiences: Vec::new() };
        let secret = admin.create_or_rotate(new).await;
        let secret = secret.map_err(|why| CommandError::new(why.to_string()))?;
        Ok(secret.reveal().to_owned())
    }
}

/// The verifier of this service's own access tokens, whose keys are set when they have been read.
fn own_verifier(settings: &Settings, clock: &Clock) -> Verifier {
    let mut verifier = Verifier::builder(settings.issuer()).leeway(settings.leeway).clock(clock.clone());
    for audience in &settings.audience {
        verifier = verifier.audience(audience);
    }
    verifier.build_with_keys(&JwkSet { keys: Vec::new() })
}

/// Prepares a SQLite file before the service starts: nothing of it can be unreachable.
async fn prepare_embedded(
    settings: &Settings,
    store: &Store,
    revocations: &RevocationFeed,
    signing_keys: &SigningKeys,
) -> Result<(), CommandError> {
    let unusable = || CommandError::new(format!("cannot use {} (DATA_DIR)", sqlite_file(settings).display()));
    store.migrate().await.map_err(|_| unusable())?;
    revocations.load_past().await.map_err(|_| unusable())?;
    signing_keys.update().await.map_err(|why| match why {
        KeysError::Store(_) => unusable(),
        why => CommandError::new(why.to_string()),
    })
}

fn session_state(settings: &Settings, redis: Option<Server>, store: &Store, clock: &Clock) -> SessionState {
    let Some(server) = redis else {
        return SessionState::Embedded(EmbeddedSessionState::new(store.clone(), clock.clone()));
    };
    // The workers, that of the ops listener, and the thread of the background work.
    let threads = settings.auth_workers.map_or_else(cores, usize::from) + 2;
    SessionState::Redis(RedisSessionState::new(
        server,
        &settings.redis_key_prefix,
        settings.redis_timeout,
        clock.clone(),
        threads,
    ))
}

fn feed_settings(settings: &Settings) -> FeedSettings {
    FeedSettings {
        access_token_lifetime: settings.access_token_lifetime,
        redis_key_prefix: settings.redis_key_prefix.clone(),
        redis_timeout: settings.redis_timeout,
    }
}

fn session_settings(settings: &Settings) -> SessionSettings {
    SessionSettings {
        refresh_grace: settings.refresh_grace,
        sync_timeout: settings.redis_timeout,
        leeway: settings.leeway,
        access_token_lifetime: settings.access_token_lifetime,
        outage_policy: settings.redis_outage,
    }
}

fn passwords(settings: &Settings, metrics: HashPoolMetrics) -> Result<Passwords, CommandError> {
    let threads = settings.hash_threads.map_or_else(cores, usize::from);
    let pool = HashPool::start(threads, settings.hash_queue.into(), metrics);
    let pool = pool.map_err(|why| {
        CommandError::new(format!("cannot start threads for hashing (HASH_THREADS): {why}"))
    })?;
    Ok(Passwords::new(pool, settings.bcrypt_cost))
}

fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Returns what is set about signing keys.
pub(crate) fn key_settings(settings: &Settings) -> KeySettings {
    KeySettings {
        algorithm: settings.signing_algorithm,
        schedule: Schedule {
            publish_ahead: settings.key_publish_ahead,
            interval: settings.key_rotation_interval,
        },
        token_lifetime: settings.access_token_lifetime,
    }
}

fn token_settings(settings: &Settings) -> TokenSettings {
    TokenSettings {
        issuer: settings.issuer(),
        audience: settings.audience.clone(),
        access_lifetime: settings.access_token_lifetime,
        refresh_lifetime: settings.refresh_token_lifetime,
        session_lifetime: settings.session_lifetime,
    }
}

/// Returns the database that the settings name.
pub(crate) fn database(settings: &Settings) -> Database {
    match settings.database_url() {
        Some(url) => Database::Postgres(DatabaseUrl::new(url.reveal())),
        None => Database::Sqlite(sqlite_file(settings)),
    }
}

/// Returns access to the database that the settings name, not reached yet. A missing SQLite file is created.
pub(crate) fn open_store(settings: &Settings) -> Result<Store, CommandError> {
    let database = database(settings);
    if let Database::Sqlite(file) = &database {
        let folder = &settings.data_dir;
        create_private_folder(folder).map_err(|why| {
            CommandError::new(format!("cannot make the folder {} (DATA_DIR): {why}", folder.display()))
        })?;
        // Created here rather than by SQLite, so that only its owner can read it.
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
        opened.map_err(|why| {
            CommandError::new(format!("cannot write to {} (DATA_DIR): {why}", file.display()))
        })?;
    }
    Ok(Store::new(database, settings.database_pool_size, settings.database_timeout))
}

/// Returns access to the database for the command line, with a longer time limit.
pub(crate) fn open_store_for_cli(settings: &Settings) -> Result<Store, CommandError> {
    let database_timeout = settings.database_timeout.max(CLI_DATABASE_TIMEOUT);
    open_store(&Settings { database_timeout, ..settings.clone() })
}

fn sqlite_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join("auth.sqlite3")
}
