//! Composition: creates the services of this process from the settings. The only module that knows
//! both the settings and the services.

mod command_error;
mod database;
mod proofs;
mod settings;

use std::{sync::Arc, time::Duration};

use service_kit::{CommandError, connection_limits::cores, shutdown::ShutdownToken};
use shared::{Verifier, clock::Clock, keys::JwkSet};

use self::proofs::Proofs;
pub(crate) use self::{
    database::{database, open_existing_store, open_store, open_store_to_migrate, sqlite_file},
    settings::{
        account_rules, cleanup, key_settings, mailer_settings, token_lifetime, webhook_sender,
    },
};
use crate::{
    accounts::{Accounts, AfterAnswer, OneTimeCodes, follow_hash_mix},
    config::Settings,
    credentials::HashPoolMetrics,
    domain::{
        audit::Initiator, client::ClientId, cookies::CookiePolicy, trusted_origins::TrustedOrigins,
    },
    jobs::{
        clock_check::ClockCheck,
        mail::Mailer,
        outbox::{Outbox, OutboxMetrics, OutboxServices},
        webhooks::{Receivers, WebhookMetrics, WebhookServices, Webhooks},
    },
    keys::{KeySettings, KeysError, Secret, SigningKeys},
    metrics::{ExternalMetrics, Metrics},
    oauth::{ClientAdmin, Clients, FeedAccess, Grants, NewClient},
    redis::Server,
    revocation_feed::RevocationFeed,
    session_state::{EmbeddedSessionState, RedisSessionState, SessionState},
    sessions::{self, SessionServices, Sessions},
    store::{FailureKind, Store},
    tokens::Tokens,
};

/// Maximum time that start-up waits for dependencies before serving. `/readyz` reports a dependency
/// that is unreachable for longer.
const START_TIMEOUT: Duration = Duration::from_secs(2);

/// The services of this process, which all handlers share.
pub struct App {
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: ShutdownToken,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) grants: Grants,
    pub(crate) feed_access: FeedAccess,
    pub(crate) revocations: Arc<RevocationFeed>,
    pub(crate) signing_keys: Arc<SigningKeys>,
    pub(crate) clock_check: Arc<ClockCheck>,
    pub(crate) proxy_hops: u8,
    /// Path of the issuer, empty or as `/auth`.
    pub(crate) base_path: String,
    pub(crate) verifier: Verifier,
    /// `None` if browsers cannot keep sessions: the issuer is neither on https nor on loopback.
    pub(crate) cookies: Option<CookiePolicy>,
    pub(crate) origins: TrustedOrigins,
    /// Whether the routes below `/admin` are served.
    pub(crate) admin_api: bool,
}

impl App {
    /// Creates the services: reads or generates the secret, opens the SQLite file if the settings
    /// name no PostgreSQL, and starts the background work. PostgreSQL and Redis need not be
    /// reachable yet.
    ///
    /// # Errors
    /// One line that names the setting or the data folder that cannot be used.
    pub async fn new(settings: &Settings, clock: Clock) -> Result<Self, CommandError> {
        settings.validate()?;
        settings.check_secret_files()?;
        let redis = settings.redis.server()?;
        let secret = Arc::new(open_secret(settings)?);
        let store = open_store(settings)?;
        let verifier = own_verifier(settings, &clock);
        let token_lifetime = token_lifetime(settings);
        let key_settings = key_settings(settings, token_lifetime.clone());
        let signing_keys = signing_keys(key_settings, &store, &secret, &clock, &verifier);
        let tokens = Arc::new(Tokens::new(
            settings::token_settings(settings),
            &secret,
            Arc::clone(&signing_keys),
            verifier.clone(),
            clock.clone(),
        ));
        let revocations = Arc::new(RevocationFeed::new(
            &settings::feed_settings(settings, token_lifetime.clone()),
            redis.clone(),
            store.clone(),
            clock.clone(),
        ));
        if settings.database.url().is_none() {
            prepare_embedded(settings, &store, &revocations, &signing_keys).await?;
        }
        let hash_pool_metrics = HashPoolMetrics::default();
        let outbox_metrics = OutboxMetrics::default();
        let webhook_metrics = WebhookMetrics::default();
        let metrics =
            Arc::new(metrics(&store, &hash_pool_metrics, &outbox_metrics, &webhook_metrics));
        let webhooks = webhooks(settings, webhook_metrics, &store, &secret, &clock);
        let outbox = outbox(settings, outbox_metrics, &store, &secret, &clock)?;
        let proofs = Proofs::start(settings, hash_pool_metrics, redis.clone(), &secret, &clock)?;
        let services = SessionServices {
            store: store.clone(),
            session_state: session_state(settings, redis, &store, &clock),
            revocations,
            tokens,
            metrics,
            clock,
            cleanup: settings::cleanup(settings),
            token_lifetime,
        };
        let codes = one_time_codes(settings, &secret);
        let app = Self::with_services(
            settings,
            services,
            proofs,
            codes,
            signing_keys,
            verifier,
            Messages { outbox, webhooks },
        );
        app.start_background_work();
        Ok(app)
    }

    fn with_services(
        settings: &Settings,
        services: SessionServices,
        Proofs { passwords, throttle }: Proofs,
        codes: OneTimeCodes,
        signing_keys: Arc<SigningKeys>,
        verifier: Verifier,
        Messages { outbox, webhooks }: Messages,
    ) -> Self {
        let store = services.store.clone();
        let clock = services.clock.clone();
        let tokens = Arc::clone(&services.tokens);
        let metrics = Arc::clone(&services.metrics);
        let revocations = Arc::clone(&services.revocations);
        let sessions = Arc::new(Sessions::new(services, settings::session_settings(settings)));
        let clients = Arc::new(Clients::new(store.clone()));
        let shutdown = ShutdownToken::new();
        let clock_check = ClockCheck::new(store.clone(), clock.clone(), settings.leeway);
        Self {
            accounts: Accounts {
                rules: Arc::new(settings::account_rules(settings)),
                times: settings::account_times(settings),
                mails_codes: settings.mail.url().is_some(),
                codes,
                outbox: Arc::clone(&outbox),
                after_answer: AfterAnswer::new(),
                store: store.clone(),
                passwords,
                throttle,
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
            outbox,
            webhooks,
            clients,
            revocations,
            signing_keys,
            clock_check: Arc::new(clock_check),
            proxy_hops: settings.proxy_hops,
            base_path: settings.issuer_path(),
            verifier,
            cookies: CookiePolicy::new(&settings.issuer(), settings.cookie_same_site),
            origins: settings.trusted_origins(),
            admin_api: settings.accounts.admin_api,
        }
    }

    /// Starts the tasks that run until the app is dropped.
    fn start_background_work(&self) {
        tokio::spawn(RevocationFeed::follow_stream(Arc::downgrade(&self.revocations)));
        tokio::spawn(SigningKeys::maintain(Arc::downgrade(&self.signing_keys)));
        tokio::spawn(ClockCheck::repeat(Arc::downgrade(&self.clock_check)));
        tokio::spawn(Sessions::maintain(Arc::downgrade(&self.sessions)));
        tokio::spawn(Sessions::follow_database(Arc::downgrade(&self.sessions)));
        tokio::spawn(Sessions::write_pending(Arc::downgrade(&self.sessions)));
        let mix = Arc::downgrade(self.accounts.passwords.mix());
        tokio::spawn(follow_hash_mix(self.store.clone(), mix));
        tokio::spawn(Outbox::run(Arc::downgrade(&self.outbox)));
        tokio::spawn(Webhooks::run(Arc::downgrade(&self.webhooks)));
        tokio::spawn(Sessions::clean_up(Arc::downgrade(&self.sessions)));
        tokio::spawn(Sessions::watch_readiness(Arc::downgrade(&self.sessions)));
    }

    /// Waits until the dependencies are ready, for at most two seconds.
    pub(crate) async fn wait_until_ready(&self) {
        let ready = async {
            tokio::join!(
                self.signing_keys.loaded(),
                self.revocations.past_loaded(),
                self.sessions.synced(),
                self.clock_check.compared(),
            );
            self.sessions.check_readiness().await;
        };
        let _ = tokio::time::timeout(START_TIMEOUT, ready).await;
    }

    /// Returns the use cases of an operator who administers clients.
    pub(crate) fn client_admin(&self, initiator: Initiator) -> ClientAdmin {
        ClientAdmin { store: self.store.clone(), clock: self.clock.clone(), initiator }
    }

    /// Registers a client with this scope, or replaces the secret of a client that exists. Returns
    /// the secret. For a process that runs auth-service together with its client.
    ///
    /// # Errors
    /// If the id is malformed, or the database does not take the client.
    pub async fn renew_client(&self, id: &str, scope: &str) -> Result<String, CommandError> {
        let id = ClientId::parse(id).map_err(CommandError::new)?;
        self.store.migrate().await?;
        let admin = self.client_admin(Initiator::service());
        let new = NewClient { id, scopes: vec![scope.to_owned()], audiences: Vec::new() };
        let secret = admin.create_or_rotate(new).await?;
        Ok(secret.reveal().to_owned())
    }
}

/// Reads the secret, which must be hard to guess. Generates it first if it is missing and the
/// settings name no file of it.
fn open_secret(settings: &Settings) -> Result<Secret, CommandError> {
    let file = settings.secret_key_file();
    if settings.generates_secret() {
        Secret::create_if_missing(&file)?;
    }
    let secret = Secret::read(&file)?;
    secret.check_strength(&file)?;
    if let Some(weakness) = secret.weakness_of_earlier() {
        log::warn!(
            "{} (SECRET_KEY_FILE) contains an earlier secret that {weakness}: delete its line as \
             soon as docs/guides/rotate-keys.md allows",
            file.display()
        );
    }
    Ok(secret)
}

/// Returns the verifier of this service's own access tokens. It has no keys until the signing keys
/// are loaded.
fn own_verifier(settings: &Settings, clock: &Clock) -> Verifier {
    let builder = Verifier::builder(settings.issuer());
    let builder = builder.leeway(settings.leeway).clock(clock.clone());
    // The routes check the audience: each accepts tokens for other services.
    builder.any_audience().build_with_keys(&JwkSet { keys: Vec::new() })
}

fn signing_keys(
    settings: KeySettings,
    store: &Store,
    secret: &Arc<Secret>,
    clock: &Clock,
    verifier: &Verifier,
) -> Arc<SigningKeys> {
    let signing_keys = Arc::new(SigningKeys::new(
        settings,
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
        why => why.into(),
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

/// Marks the sessions of users whose scopes or roles a command has changed, so that the next
/// refresh carries the change. If session state does not answer, the replicas mark the sessions
/// later: they look for changes once a second.
pub(crate) async fn mark_claims_stale(settings: &Settings, store: &Store, user_ids: &[String]) {
    if user_ids.is_empty() {
        return;
    }
    let clock = Clock::system();
    let Ok(redis) = settings.redis.server() else { return };
    if settings.database.url().is_some() && redis.is_none() {
        // The settings of this command do not name the Redis of the replicas.
        return;
    }
    let session_state = session_state(settings, redis, store, &clock);
    for user_id in user_ids {
        let marked = sessions::mark_claims_stale(store, &session_state, user_id, clock.now_ms());
        if let Err(why) = marked.await {
            log::debug!("the sessions of user {user_id} are not marked yet: {why}");
        }
    }
}

fn outbox(
    settings: &Settings,
    metrics: OutboxMetrics,
    store: &Store,
    secret: &Arc<Secret>,
    clock: &Clock,
) -> Result<Arc<Outbox>, CommandError> {
    let services = OutboxServices {
        store: store.clone(),
        secret: Arc::clone(secret),
        mailer: Mailer::new(settings::mailer_settings(settings)?),
        clock: clock.clone(),
        metrics,
        give_up: settings.mail.give_up,
    };
    Ok(Arc::new(Outbox::new(services)))
}

/// The services that send messages.
struct Messages {
    outbox: Arc<Outbox>,
    webhooks: Arc<Webhooks>,
}

fn webhooks(
    settings: &Settings,
    metrics: WebhookMetrics,
    store: &Store,
    secret: &Arc<Secret>,
    clock: &Clock,
) -> Arc<Webhooks> {
    let receivers = Arc::new(Receivers::new(Some(Arc::clone(secret))));
    store.observe(Arc::clone(&receivers) as _);
    Arc::new(Webhooks::new(WebhookServices {
        store: store.clone(),
        secret: Arc::clone(secret),
        clock: clock.clone(),
        receivers,
        sender: webhook_sender(settings),
        metrics,
        give_up: settings.webhooks.give_up,
    }))
}

fn metrics(
    store: &Store,
    hash_pool: &HashPoolMetrics,
    outbox: &OutboxMetrics,
    webhooks: &WebhookMetrics,
) -> Metrics {
    Metrics::new(&ExternalMetrics {
        database_failures: store.failures(),
        database_failure_kinds: &FailureKind::ALL.map(FailureKind::name),
        hash_queue: &hash_pool.queued,
        hash_wait_seconds: &hash_pool.wait_seconds,
        hashes: &hash_pool.hashes,
        hash_kinds: &HashPoolMetrics::KINDS,
        outbox_sent: &outbox.sent,
        outbox_failed: &outbox.failed,
        outbox_given_up: &outbox.given_up,
        webhooks_sent: &webhooks.sent,
        webhooks_failed: &webhooks.failed,
        webhooks_given_up: &webhooks.given_up,
    })
}

/// Returns the service of one-time codes.
pub(crate) fn one_time_codes(settings: &Settings, secret: &Secret) -> OneTimeCodes {
    OneTimeCodes::new(secret.one_time_code_keys(), settings.code_lifetime)
}
