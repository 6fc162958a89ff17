//! What handlers share.

use std::{fs::OpenOptions, num::NonZeroUsize, os::unix::fs::OpenOptionsExt, sync::Arc, time::Duration};

use service_kit::{CommandError, shutdown::ShutdownToken};
use shared::{Verifier, clock::Clock, keys::JwkSet};

use crate::{
    config::Settings,
    credentials::hash_pool::HashPool,
    domain::{
        audit::Initiator,
        client::{ClientId, ClientSecret},
    },
    keys::{
        secret::{Secret, private_folder},
        signing_keys::{KeysError, SigningKeys},
    },
    metrics::Metrics,
    oauth::clients::Clients,
    revocation_feed::RevocationFeed,
    session_state::{Embedded, Redis, SessionState},
    sessions::Sessions,
    store::{
        Database, Store, StoreError,
        clients::{self as rows, Client},
    },
    tokens::Tokens,
};

/// Everything a handler may need, put together once from the settings.
pub struct App {
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: ShutdownToken,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) revocations: Arc<RevocationFeed>,
    pub(crate) signing_keys: Arc<SigningKeys>,
    pub(crate) clients: Clients,
    pub(crate) tokens: Tokens,
    pub(crate) hash_pool: HashPool,
    pub(crate) bcrypt_cost: u32,
    pub(crate) proxy_hops: u8,
    pub(crate) verifier: Verifier,
}

impl App {
    /// Puts the parts together: reads or makes the secret, opens the SQLite file if there is one, and begins to
    /// maintain schema, keys and blacklist in the background. PostgreSQL and Redis need not be reached yet.
    ///
    /// # Errors
    /// One line that says what is wrong with the settings or the data folder.
    pub async fn new(settings: &Settings, clock: Clock) -> Result<Self, CommandError> {
        let settings = &settings.clone().validate()?;
        let redis = settings.redis()?;
        if settings.makes_secret() {
            Secret::make_missing(&settings.secret_key_file())?;
        }
        let secret = Arc::new(Secret::read(&settings.secret_key_file())?);
        let store = open_store(settings)?;
        let verifier = settings
            .audience
            .iter()
            .fold(Verifier::builder(settings.issuer()), |builder, audience| builder.audience(audience))
            .leeway(settings.leeway)
            .clock(clock.clone())
            .build_with_keys(&JwkSet { keys: Vec::new() });
        let signing_keys = Arc::new(SigningKeys::new(
            settings,
            store.clone(),
            Arc::clone(&secret),
            clock.clone(),
            verifier.clone(),
            Initiator::service(),
        ));
        verifier.set_key_source(Arc::downgrade(&signing_keys) as _);
        let tokens = Tokens::new(settings, &secret, Arc::clone(&signing_keys), clock.clone());
        let revocations =
            Arc::new(RevocationFeed::new(settings, redis.clone(), store.clone(), clock.clone()));
        if settings.database_url().is_none() {
            let unusable =
                || CommandError::new(format!("cannot use {} (DATA_DIR)", sqlite_file(settings).display()));
            store.migrate().await.map_err(|_| unusable())?;
            revocations.read_past().await.map_err(|_| unusable())?;
            signing_keys.refresh().await.map_err(|why| match why {
                KeysError::Store(_) => unusable(),
                why => CommandError::new(why.to_string()),
            })?;
        }
        tokio::spawn(RevocationFeed::listen(Arc::downgrade(&revocations)));
        tokio::spawn(SigningKeys::maintain(Arc::downgrade(&signing_keys)));
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        // The workers, that of a second address, and the thread in which all else is done.
        let asking = settings.auth_workers.map_or_else(cores, usize::from) + 2;
        let blacklist = match redis {
            Some(server) => SessionState::Redis(Redis::new(
                server,
                &settings.redis_key_prefix,
                settings.redis_timeout,
                clock.clone(),
                asking,
            )),
            None => SessionState::Embedded(Embedded::new(store.clone(), clock.clone())),
        };
        let metrics = Arc::new(Metrics::new(&store));
        let sessions = Sessions::new(
            store.clone(),
            blacklist,
            Arc::clone(&revocations),
            Arc::clone(&metrics),
            clock.clone(),
            settings,
        );
        let sessions = Arc::new(sessions);
        tokio::spawn(Sessions::maintain(Arc::downgrade(&sessions)));
        tokio::spawn(Sessions::clean_up(Arc::downgrade(&sessions)));

        let threads = settings.hash_threads.map_or_else(cores, usize::from);
        let hash_pool =
            HashPool::start(threads, settings.hash_queue.into(), metrics.hashing()).map_err(|why| {
                CommandError::new(format!("cannot start threads for hashing (HASH_THREADS): {why}"))
            })?;
        let cost = settings.bcrypt_cost;
        let clients = Clients::new(store.clone());
        Ok(Self {
            clock,
            store,
            clients,
            metrics,
            shutdown: ShutdownToken::new(),
            sessions,
            revocations,
            signing_keys,
            tokens,
            hash_pool,
            bcrypt_cost: cost,
            proxy_hops: settings.proxy_hops,
            verifier,
        })
    }
}

/// How long whoever comes at the start waits for what is not there yet.
const PATIENCE: Duration = Duration::from_secs(2);

impl App {
    /// Waits until requests can be answered, but not for long: what is away is for `/readyz` to say.
    pub(crate) async fn until_ready(&self) {
        let ready = async {
            while self.signing_keys.check().is_err()
                || self.revocations.check().is_err()
                || !matches!(self.sessions.check().await, (Ok(()), Ok(())))
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, ready).await;
    }

    /// Makes a client, or gives the one that is there another secret, and says which. For a process that runs both sides.
    ///
    /// # Errors
    /// If the database does not take it.
    pub async fn renew_client(&self, id: &str, scope: &str) -> Result<String, CommandError> {
        let id = ClientId::parse(id).map_err(CommandError::new)?;
        let (secret, now) = (ClientSecret::generate(), self.clock.now_ms());
        let client = Client {
            id,
            secret_hash: secret.hash(),
            scope: scope.to_owned(),
            created_at_ms: now,
            secret_changed_at_ms: now,
        };
        let renew = move |connection: &mut _| {
            rows::delete(connection, &client.id)?;
            rows::insert(connection, &client)
        };
        let unavailable = |why: StoreError| CommandError::new(why.to_string());
        self.store.migrate().await.map_err(unavailable)?;
        self.store.run(renew).await.map_err(unavailable)?;
        Ok(secret.reveal().to_owned())
    }
}

/// The database that the settings name.
pub(crate) fn database(settings: &Settings) -> Database {
    match settings.database_url() {
        Some(url) => Database::Postgres(url.clone()),
        None => Database::Sqlite(sqlite_file(settings)),
    }
}

/// Access to that database, not reached yet. The SQLite file is made if it is missing.
pub(crate) fn open_store(settings: &Settings) -> Result<Store, CommandError> {
    let database = database(settings);
    if let Database::Sqlite(file) = &database {
        let folder = &settings.data_dir;
        private_folder(folder).map_err(|why| {
            CommandError::new(format!("cannot make the folder {} (DATA_DIR): {why}", folder.display()))
        })?;
        // WriteOutcome here rather than by SQLite, so that nobody else can read it.
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
        opened.map_err(|why| {
            CommandError::new(format!("cannot write to {} (DATA_DIR): {why}", file.display()))
        })?;
    }
    Ok(Store::new(database, settings.database_pool_size, settings.database_timeout))
}

/// The same for the command line, where nobody else waits: there may be a million rows to change.
pub(crate) fn open_store_patiently(settings: &Settings) -> Result<Store, CommandError> {
    let database_timeout = settings.database_timeout.max(Duration::from_secs(60));
    open_store(&Settings { database_timeout, ..settings.clone() })
}

fn sqlite_file(settings: &Settings) -> std::path::PathBuf {
    settings.data_dir.join("auth.sqlite3")
}
