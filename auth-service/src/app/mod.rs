//! Composition: creates the services of this process from the settings. The only module that knows
//! both the settings and the services.

mod database;
mod settings;

use std::{num::NonZeroUsize, sync::Arc, thread::available_parallelism, time::Duration};

use service_kit::{CommandError, shutdown::ShutdownToken};
use shared::{Verifier, clock::Clock, keys::JwkSet};

use self::database::sqlite_file;
pub(crate) use self::{
    database::{database, open_store, open_store_for_cli},
    settings::{cleanup, key_settings},
};
use crate::{
    accounts::Accounts,
    config::Settings,
    credentials::{HashPool, HashPoolMetrics, Passwords},
    domain::{audit::Initiator, client::ClientId},
    keys::{KeysError, Secret, SigningKeys},
    metrics::{ExternalMetrics, Metrics},
    oauth::{ClientAdmin, Clients, FeedAccess, Grants, NewClient},
    redis::Server,
    revocation_feed::RevocationFeed,
    session_state::{EmbeddedSessionState, RedisSessionState, SessionState},
    sessions::{SessionServices, Sessions},
    store::{FailureKind, Store},
    tokens::Tokens,
};

/// Maximum time that start-up waits for dependencies before serving. `/readyz` reports a dependency
/// that is unreachable for longer.
const START_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval at which start-up checks the dependencies.
const START_INTERVAL: Duration = Duration::from_millis(5);

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
    pub(crate) feed_access: FeedAccess,
    pub(crate) revocations: Arc<RevocationFeed>,
    pub(crate) signing_keys: Arc<SigningKeys>,
    pub(crate) proxy_hops: u8,
    pub(crate) verifier: Verifier,
}

impl App {
    /// Creates the services: reads or generates the secret, opens the SQLite file if the settings
    /// name no PostgreSQL, and starts the background work. PostgreSQL and Redis need not be
    /// reachable yet.
    ///
    /// # Errors
    /// One line that names the setting or the data folder that cannot be used.
    pub async fn new(settings: &Settings, clock: Clock) -> Result<Self, CommandError> {
        let settings = &settings.clone().validate()?;
        let redis = settings.redis.server()?;
        let secret = Arc::new(open_secret(settings)?);
        let store = open_store(settings)?;
        let verifier = own_verifier(settings, &clock);
        let signing_keys = signing_keys(settings, &store, &secret, &clock, &verifier);
        let tokens = Arc::new(Tokens::new(
            settings::token_settings(settings),
            &secret,
            Arc::clone(&signing_keys),
            verifier.clone(),
            clock.clone(),
        ));
        let revocations = Arc::new(RevocationFeed::new(
            &settings::feed_settings(settings),
            redis.clone(),
            store.clone(),
            clock.clone(),
        ));
        if settings.database.url().is_none() {
            prepare_embedded(settings, &store, &revocations, &signing_keys).await?;
        }
        let hash_pool_metrics = HashPoolMetrics::default();
        let metrics = Arc::new(metrics(&store, &hash_pool_metrics));
        let passwords = passwords(settings, hash_pool_metrics)?;
        let services = SessionServices {
            store: store.clone(),
            session_state: session_state(settings, redis, &store, &clock),
            revocations,
            tokens,
            metrics,
            clock,
            cleanup: settings::cleanup(settings),
        };
        let app = Self::with_services(settings, services, passwords, signing_keys, verifier);
        app.start_background_work();
        Ok(app)
    }

    fn with_services(
        settings: &Settings,
        services: SessionServices,
        passwords: Passwords,
        signing_keys: Arc<SigningKeys>,
        verifier: Verifier,
    ) -> Self {
        let store = services.store.clone();
        let clock = services.clock.clone();
        let tokens = Arc::clone(&services.tokens);
        let metrics = Arc::clone(&services.metrics);
        let revocations = Arc::clone(&services.revocations);
        let sessions = Arc::new(Sessions::new(services, settings::session_settings(settings)));
        let clients = Arc::new(Clients::new(store.clone()));
        let shutdown = ShutdownToken::new();
        Self {
            accounts: Accounts {
                store: store.clone(),
                passwords,
                sessions: Arc::clone(&sessions),
                tokens: Arc::clone(&tokens),
                metrics: Arc::clone(&metrics),
                clock: clock.clone(),
            },
            grants: Grants {
                clients: Arc::clone(&clients),
                sessions: Arc::clone(&sessions),
                tokens,
                clock: clock.clone(),
            },
            feed_access: FeedAccess {
                clients: Arc::clone(&clients),
                revocations: Arc::clone(&revocations),
                shutdown: shutdown.clone(),
            },
            clock,
            store,
            metrics,
            shutdown,
            sessions,
            clients,
            revocations,
            signing_keys,
            proxy_hops: settings.proxy_hops,
            verifier,
        }
    }

    /// Starts the tasks that run until the app is dropped.
    fn start_background_work(&self) {
        tokio::spawn(RevocationFeed::follow_stream(Arc::downgrade(&self.revocations)));
        tokio::spawn(SigningKeys::maintain(Arc::downgrade(&self.signing_keys)));
        tokio::spawn(Sessions::maintain(Arc::downgrade(&self.sessions)));
        tokio::spawn(Sessions::clean_up(Arc::downgrade(&self.sessions)));
    }

    /// Waits until the dependencies are ready, for at most two seconds.
    pub(crate) async fn wait_until_ready(&self) {
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

    /// Registers a client with this scope, or replaces the secret of a client that exists. Returns
    /// the secret. For a process that runs auth-service together with its client.
    ///
    /// # Errors
    /// If the id is malformed, or the database does not take the client.
    pub async fn renew_client(&self, id: &str, scope: &str) -> Result<String, CommandError> {
        let to_line = |why: &dyn std::error::Error| CommandError::new(why.to_string());
        let id = ClientId::parse(id).map_err(CommandError::new)?;
        self.store.migrate().await.map_err(|why| to_line(&why))?;
        let admin = ClientAdmin {
            store: self.store.clone(),
            clock: self.clock.clone(),
            initiator: Initiator::service(),
        };
        let new = NewClient { id, scopes: vec![scope.to_owned()], audiences: Vec::new() };
        let secret = admin.create_or_rotate(new).await.map_err(|why| to_line(&why))?;
        Ok(secret.reveal().to_owned())
    }
}

/// Reads the secret. Generates it first if it is missing and the settings name no file of it.
pub(crate) fn open_secret(settings: &Settings) -> Result<Secret, CommandError> {
    if settings.generates_secret() {
        Secret::create_if_missing(&settings.secret_key_file())?;
    }
    Secret::read(&settings.secret_key_file())
}

/// Returns the verifier of this service's own access tokens. It has no keys until the signing keys
/// are loaded.
fn own_verifier(settings: &Settings, clock: &Clock) -> Verifier {
    let builder = Verifier::builder(settings.issuer());
    let builder = builder.leeway(settings.leeway).clock(clock.clone());
    let builder = settings.audience.iter().fold(builder, |builder, name| builder.audience(name));
    builder.build_with_keys(&JwkSet { keys: Vec::new() })
}

fn signing_keys(
    settings: &Settings,
    store: &Store,
    secret: &Arc<Secret>,
    clock: &Clock,
    verifier: &Verifier,
) -> Arc<SigningKeys> {
    let signing_keys = Arc::new(SigningKeys::new(
        key_settings(settings),
        store.clone(),
        Arc::clone(secret),
        clock.clone(),
        verifier.clone(),
        Initiator::service(),
    ));
    verifier.set_key_source(Arc::downgrade(&signing_keys) as _);
    signing_keys
}

/// Prepares the SQLite file before the service starts. Unlike PostgreSQL, a file that cannot be
/// used now cannot be used later either.
async fn prepare_embedded(
    settings: &Settings,
    store: &Store,
    revocations: &RevocationFeed,
    signing_keys: &SigningKeys,
) -> Result<(), CommandError> {
    let file = sqlite_file(settings);
    let unusable = || CommandError::new(format!("cannot use {} (DATA_DIR)", file.display()));
    store.migrate().await.map_err(|_| unusable())?;
    revocations.load_past().await.map_err(|_| unusable())?;
    signing_keys.update().await.map_err(|why| match why {
        KeysError::Store(_) => unusable(),
        why => CommandError::new(why.to_string()),
    })
}

fn session_state(
    settings: &Settings,
    redis: Option<Server>,
    store: &Store,
    clock: &Clock,
) -> SessionState {
    let Some(server) = redis else {
        return SessionState::Embedded(EmbeddedSessionState::new(store.clone(), clock.clone()));
    };
    // The workers of the main listener, the worker of the ops listener, and the thread of the
    // background work.
    let threads = settings.auth_workers.map_or_else(cores, usize::from) + 2;
    SessionState::Redis(RedisSessionState::new(
        server,
        &settings.redis.key_prefix,
        settings.redis.timeout,
        clock.clone(),
        threads,
    ))
}

fn metrics(store: &Store, hash_pool: &HashPoolMetrics) -> Metrics {
    Metrics::new(&ExternalMetrics {
        database_failures: store.failures(),
        database_failure_kinds: &FailureKind::ALL.map(FailureKind::name),
        hash_queue: &hash_pool.queued,
        hash_wait_seconds: &hash_pool.wait_seconds,
    })
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
