//! What the store promises on any database: one suite, run against both.

use std::time::Duration;

use diesel::{QueryResult, RunQueryDsl};
use futures_util::future::{join, join_all};
use shared::claims::SessionId;
use test_support::{Proxy, TempDir, TestDatabase, sql, temp_dir, wait_for_lock_waiters};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    AnyConnection, Database, DatabaseUrl, Store, StoreError,
    audit::{self, Filter, StoredEvent},
    clients::{self, Client},
    credentials::{self, StoredPassword},
    in_transaction,
    sessions::{self, NewSession, Revoked},
    users::{self, InsertOutcome, NewUser, PasswordChange, Taken, User, UserKey},
    with_cleanup_lock,
};
use crate::{
    credentials::PasswordHash,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        client::{ClientId, ClientSecret},
        email::Email,
        login_key::LoginKey,
        session::{EndCause, Origin},
        username::Username,
    },
};

const NOW: i64 = 1_700_000_000_000;

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

struct Fixture {
    database: Database,
    store: Store,
    _folder: TempDir,
    postgres: Option<TestDatabase>,
}

fn store(database: &Database) -> Store {
    Store::new(database.clone(), 4, Duration::from_secs(5))
}

async fn sqlite() -> Fixture {
    let folder = temp_dir();
    let database = Database::Sqlite(folder.path().join("db"));
    Fixture { store: store(&database), database, _folder: folder, postgres: None }
}

async fn postgres() -> Fixture {
    let postgres = TestDatabase::create();
    // As an operator may have it for all that is theirs.
    let isolate = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation \
        = ''repeatable read''', current_database()); END $$";
    sql(&postgres.url(), isolate);
    let database = Database::Postgres(DatabaseUrl::new(postgres.url()));
    Fixture { store: store(&database), database, _folder: temp_dir(), postgres: Some(postgres) }
}

impl Fixture {
    async fn migrated(self) -> Self {
        self.store.migrate().await.unwrap();
        self
    }

    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
    ) -> T {
        self.store.run(query).await.unwrap()
    }

    async fn insert(&self, username: &str, email: &str) -> (Uuid, InsertOutcome) {
        let (id, username, email) = (Uuid::now_v7(), name(username), address(email));
        let hash = PasswordHash::from_stored("hash".into());
        let new = NewUser { id, username, email, password_hash: hash, created_at_ms: NOW };
        (id, self.run(move |connection| users::insert(connection, &new)).await)
    }

    async fn session(&self, user: Uuid, expires_at_ms: i64) -> SessionId {
        let user = self.user(user).await.unwrap();
        let (sid, began) = self.begin(user, expires_at_ms).await.unwrap();
        assert!(began);
        sid
    }

    async fn registered(&self) -> User {
        let (ada, _) = self.insert("ada", "ada@example.com").await;
        self.user(ada).await.unwrap()
    }

    async fn sql(&self, statement: String) {
        self.run(move |connection| diesel::sql_query(statement).execute(connection)).await;
    }

    async fn number(&self, query: &str) -> i64 {
        let query = query.to_owned();
        let read = move |connection: &mut AnyConnection| match connection {
            AnyConnection::Postgres(postgres) => diesel::sql_query(query).get_result::<Number>(postgres),
            AnyConnection::Sqlite(sqlite) => diesel::sql_query(query).get_result::<Number>(sqlite),
        };
        self.run(read).await.number
    }

    async fn password(&self, id: Uuid) -> StoredPassword {
        let key = UserKey::Id(id.to_string());
        let found = self.run(move |connection| users::find_with_password(connection, &key)).await;
        found.unwrap().password.unwrap()
    }

    async fn user(&self, id: Uuid) -> Option<User> {
        self.run(move |connection| users::find(connection, &id.to_string())).await
    }

    /// A session of this user, as they were read; and whether it began.
    async fn begin(&self, user: User, expires_at_ms: i64) -> Result<(SessionId, bool), StoreError> {
        let sid = SessionId::generate();
        let origin = Origin { user_agent: Some("curl".into()), ip: None };
        let record =
            AuditRecord::new(AuditEvent::Login, Initiator::user(origin), NOW).user(user.id).session(sid);
        let session = new_session(&user, sid, expires_at_ms);
        let begin = move |connection: &mut _| sessions::begin(connection, &session, &record);
        Ok((sid, self.store.run(begin).await?))
    }

    async fn revoke(&self, sid: SessionId, now_ms: i64) {
        let end = move |connection: &mut _| sessions::end(connection, sid, EndCause::Logout, now_ms);
        assert!(self.run(end).await.is_some());
    }

    async fn revoked(&self, after: Option<SessionId>, missing_only: bool, limit: i64) -> Vec<Revoked> {
        self.run(move |connection| sessions::revoked(connection, after, missing_only, NOW, limit)).await
    }
}

fn new_session(user: &User, sid: SessionId, ends_at_ms: i64) -> NewSession {
    NewSession {
        sid,
        user_id: user.id.to_string(),
        user_revision: user.revision,
        amr: "pwd",
        auth_time_ms: NOW,
        ends_at_ms,
    }
}

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn address(text: &str) -> Email {
    Email::parse(text).unwrap()
}

macro_rules! contract {
    ($(async fn $name:ident($fixture:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn test($fixture: Fixture) $body

            #[actix_web::test]
            async fn sqlite() {
                test(super::sqlite().await).await;
            }

            #[actix_web::test]
            async fn postgres() {
                test(super::postgres().await).await;
            }
        }
    )+};
}

contract! {
    async fn many_processes_migrate_at_once(it) {
        let stores: Vec<Store> = (0..8).map(|_| store(&it.database)).collect();
        assert!(matches!(it.store.run(sessions::ping).await, Err(StoreError::Unavailable)));
        for migrated in join_all(stores.iter().map(Store::migrate)).await {
            migrated.unwrap();
        }
        let it = it.migrated().await;
        it.run(sessions::ping).await;
    }

    async fn a_user_is_found_by_id_and_by_either_name(it) {
        let it = it.migrated().await;
        let (id, inserted) = it.insert("Zoë", "Zoe@example.com").await;
        assert_eq!(inserted, InsertOutcome::Inserted);
        let keys = [LoginKey::Username(name("ZOË").uniqueness_key()), LoginKey::Email(address("zoe@EXAMPLE.com").uniqueness_key())];
        for key in keys {
            let user = it.run(move |connection| users::find_by_login(connection, &key)).await.unwrap();
            assert_eq!((user.id, user.username.as_str(), user.email.as_str()), (id, "Zoë", "Zoe@example.com"));
        }
        let user = it.run(move |connection| users::find(connection, &id.to_string())).await.unwrap();
        assert_eq!((user.id, user.scope.as_str(), user.revision), (id, "", 0));
        assert_eq!(it.password(id).await.hash.as_str(), "hash");
        let nobody = LoginKey::Username("zoe@example.com".into());
        assert!(it.run(move |connection| users::find_by_login(connection, &nobody)).await.is_none());
    }

    async fn a_change_and_its_record_are_written_together_or_not_at_all(it) {
        let it = it.migrated().await;
        let (user, now) = (Uuid::now_v7().to_string(), NOW);
        let record = move |event| AuditRecord::new(event, Initiator::operator(), now).user(&user);
        let client = |id: &str| Client {
            id: ClientId::parse(id).unwrap(),
            secret_hash: ClientSecret::generate().hash(),
            scope: String::new(),
            audiences: String::new(),
            created_at_ms: NOW,
            secret_changed_at_ms: NOW,
        };
        let (kept, lost, remembered) = (client("kept"), client("lost"), record(AuditEvent::Login));
        let change = move |connection: &mut _| Ok((clients::insert(connection, &kept)?, Some(remembered)));
        assert!(it.store.audited(change).await.unwrap());
        let change = move |connection: &mut _| {
            clients::insert(connection, &lost)?;
            Err::<((), _), _>(diesel::result::Error::RollbackTransaction)
        };
        it.store.audited(change).await.unwrap_err();
        // What is there already neither ends the transaction nor hides what else it did.
        let (again, remembered) = (client("kept"), record(AuditEvent::Registration));
        let change = move |connection: &mut _| Ok((clients::insert(connection, &again)?, Some(remembered)));
        assert!(!it.store.audited(change).await.unwrap());

        let ids: Vec<String> = it.run(clients::all).await.iter().map(|client| client.id.as_str().to_owned()).collect();
        assert_eq!(ids, ["kept"]);
        let events = it.run(|connection| audit::last(connection, &Filter::default(), 10)).await;
        let names: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
        assert_eq!(names, ["login", "registration"]);
    }

    async fn a_cleanup_deletes_what_is_old_and_nothing_else(it) {
        let it = it.migrated().await;
        for at_ms in [NOW - 2, NOW - 1, NOW] {
            let record = AuditRecord::new(AuditEvent::Login, Initiator::service(), at_ms);
            it.store.remember(record).await;
        }
        let delete = |connection: &mut _| with_cleanup_lock(connection, |connection| audit::delete_older(connection, NOW, 1));
        assert_eq!(it.run(delete).await, Some(1));
        assert_eq!(it.run(delete).await, Some(1));
        assert_eq!(it.run(delete).await, Some(0));
        assert_eq!(it.run(|connection| audit::last(connection, &Filter::default(), 10)).await.len(), 1);
    }

    async fn what_ended_lately_is_read_in_pages_however_many_ended_at_once(it) {
        let it = it.migrated().await;
        let (user, _) = it.insert("ada", "ada@example.com").await;
        let mut ended = Vec::new();
        for at_ms in [NOW - 1, NOW, NOW + 1, NOW + 1, NOW + 1, NOW + 2] {
            let sid = it.session(user, NOW + 1000).await;
            it.revoke(sid, at_ms).await;
            ended.push((at_ms, sid.to_string(), sid));
        }
        it.session(user, NOW + 1000).await;
        ended.sort();
        let expected: Vec<(SessionId, i64)> = ended[2..].iter().map(|(at_ms, _, sid)| (*sid, *at_ms)).collect();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let query = move |connection: &mut _| sessions::revoked_since(connection, NOW, after, 2);
            let page = it.run(query).await;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            assert!(page.len() <= 2);
            found.extend(page);
        }
        assert_eq!(found, expected);
    }

    async fn a_name_is_given_once(it) {
        let it = it.migrated().await;
        it.insert("ada", "ada@example.com").await;
        for (username, email, taken) in [
            ("ADA", "other@example.com", Taken { username: true, email: false }),
            ("other", "ADA@example.com", Taken { username: false, email: true }),
            ("Ada", "Ada@Example.com", Taken { username: true, email: true }),
        ] {
            assert_eq!(it.insert(username, email).await.1, InsertOutcome::Taken(taken));
            let (username, email) = (name(username), address(email));
            assert_eq!(it.run(move |connection| users::taken(connection, &username, &email)).await, taken);
        }
    }

    async fn a_hash_is_replaced_unless_it_changed_meanwhile(it) {
        let it = it.migrated().await;
        let (id, _) = it.insert("ada", "ada@example.com").await;
        for (old, new, then) in [("hash", "newer", "newer"), ("hash", "late", "newer")] {
            let old = StoredPassword { hash: PasswordHash::from_stored(old.into()), ..it.password(id).await };
            let new = PasswordHash::from_stored(new.into());
            it.run(move |connection| credentials::rehash(connection, &id.to_string(), &old, &new)).await;
            assert_eq!(it.password(id).await.hash.as_str(), then);
            // Nothing has changed that a login must notice.
            assert_eq!(it.user(id).await.unwrap().revision, 0);
        }
    }

    async fn ended_sessions_are_listed_by_page_until_they_are_blacklisted(it) {
        let it = it.migrated().await;
        let (user, _) = it.insert("ada", "ada@example.com").await;
        let mut sids = Vec::new();
        for _ in 0..5 {
            sids.push(it.session(user, NOW + 1000).await);
        }
        let alive = it.session(user, NOW + 1000).await;
        let expired = it.session(user, NOW).await;
        it.revoke(expired, NOW - 5).await;
        for sid in &sids {
            it.revoke(*sid, NOW - 5).await;
            // The first end counts.
            it.revoke(*sid, NOW).await;
        }

        let page = it.revoked(None, false, 3).await;
        let rest = it.revoked(Some(page[2].sid), false, 3).await;
        let found: Vec<Revoked> = page.into_iter().chain(rest).collect();
        assert_eq!(found.iter().map(|revoked| revoked.sid).collect::<Vec<_>>(), sids);
        assert!(found.iter().all(|r| (r.revoked_at_ms, r.expires_at_ms) == (NOW - 5, NOW + 1000)));
        assert!(!sids.contains(&alive));

        let known = sids[..4].to_vec();
        it.run(move |connection| sessions::mark_blacklisted(connection, &known, NOW)).await;
        let missing = it.revoked(None, true, 10).await;
        assert_eq!(missing.iter().map(|revoked| revoked.sid).collect::<Vec<_>>(), sids[4..]);
        assert_eq!(it.revoked(None, false, 10).await.len(), 5);
    }

    async fn the_end_of_a_session_is_remembered_once(it) {
        let it = it.migrated().await;
        let (user, _) = it.insert("ada", "ada@example.com").await;
        let (sid, other) = (it.session(user, NOW + 1000).await, it.session(user, NOW + 1000).await);
        let origin = Origin { user_agent: Some("curl".into()), ip: Some("192.0.2.1".into()) };
        let event = AuditEvent::Ended(EndCause::Logout);
        let record = AuditRecord::new(event, Initiator::client("app", origin), NOW - 7).user(user).session(sid).detail("so");
        let end = |sid| {
            let record = record.clone();
            it.run(move |c| sessions::revoke_recorded(c, sid, EndCause::Logout, NOW, &record))
        };
        assert!(end(sid).await);
        assert!(!end(sid).await);
        assert!(!end(SessionId::generate()).await);
        let ended: Vec<_> = it.revoked(None, false, 10).await.iter().map(|r| (r.sid, r.revoked_at_ms)).collect();
        assert_eq!(ended, [(sid, NOW)]);
        assert!(it.run(move |connection| sessions::exists(connection, other)).await);
        let filter = Filter { event: Some("logout".into()), ..Filter::default() };
        let events = it.run(move |connection| audit::last(connection, &filter, 10)).await;
        let text = |text: &str| Some(text.to_owned());
        let remembered = StoredEvent {
            at: NOW - 7,
            event: "logout".into(),
            actor: "client".into(),
            user_id: Some(user.to_string()),
            session_id: Some(sid.to_string()),
            client_id: text("app"),
            ip: text("192.0.2.1"),
            user_agent: text("curl"),
            detail: text("so"),
        };
        assert_eq!(events, [remembered]);
    }

    async fn a_session_begins_if_its_user_is_as_they_were_read(it) {
        let it = it.migrated().await;
        let user = it.registered().await;
        let (sid, began) = it.begin(user.clone(), NOW + 1000).await.unwrap();
        assert!(began);
        let found = it.run(move |c| sessions::details(c, &user.id.to_string(), NOW, 10)).await;
        let found: Vec<_> = found.iter().map(|it| (it.sid, it.created_at_ms, it.last_used_at_ms, it.expires_at_ms)).collect();
        assert_eq!(found, [(sid, NOW, NOW, NOW + 1000)]);
        let id = user.id.to_string();
        let changed = [
            User { revision: user.revision + 1, ..user.clone() },
            User { id: Uuid::now_v7(), ..user.clone() },
        ];
        for user in changed {
            assert!(!it.begin(user, NOW + 1000).await.unwrap().1);
        }
        let disabled = id.clone();
        it.run(move |c| users::set_disabled(c, &disabled, true, NOW)).await;
        assert!(!it.begin(user.clone(), NOW + 1000).await.unwrap().1);
        assert_eq!(it.run(move |c| sessions::of_user(c, &id, NOW)).await, []);
        let events = it.run(|c| audit::last(c, &Filter::default(), 10)).await;
        let events: Vec<_> = events.iter().map(|it| (it.event.as_str(), it.session_id.clone(), it.user_agent.as_deref())).collect();
        assert_eq!(events, [("login", Some(sid.to_string()), Some("curl"))]);
    }

    async fn each_change_that_a_login_must_notice_counts_as_a_revision(it) {
        let it = it.migrated().await;
        let user = it.registered().await;
        let id = user.id.to_string();
        it.run(changing_password(&it, &user).await).await.unwrap();
        assert_eq!(it.user(user.id).await.unwrap().revision, 1);
        // A change of password is refused if the user has changed since the old one was verified.
        assert_eq!(it.run(changing_password(&it, &user).await).await, None);
        let was = it.user(user.id).await.unwrap();
        assert!(it.run(move |c| users::set_claims(c, &was, "read", "admin", NOW)).await);
        assert_eq!(it.user(user.id).await.unwrap().revision, 2);
        for (disabled, revision) in [(true, 3), (false, 4)] {
            let id = id.clone();
            it.run(move |c| users::set_disabled(c, &id, disabled, NOW)).await;
            assert_eq!(it.user(user.id).await.unwrap().revision, revision);
        }
    }

    async fn what_the_previous_version_writes_is_noticed(it) {
        let it = it.migrated().await;
        let id = Uuid::now_v7();
        it.sql(format!(
            "INSERT INTO users (id, username, username_key, email, email_key, password_hash, created_at) \
             VALUES ('{id}', 'ada', 'ada', 'ada@example.com', 'ada@example.com', 'old', {NOW})"
        ))
        .await;
        assert_eq!(it.password(id).await.hash.as_str(), "old");
        for (set, revision) in [
            ("password_hash = 'newer'", 1),
            ("scope = 'read', roles = 'admin'", 2),
            ("disabled_at = 1", 3),
            // Nothing has changed.
            ("password_hash = 'newer', scope = 'read'", 3),
        ] {
            it.sql(format!("UPDATE users SET {set} WHERE id = '{id}'")).await;
            assert_eq!(it.user(id).await.unwrap().revision, revision, "{set}");
        }
        assert_eq!(it.password(id).await.hash.as_str(), "newer");
        it.sql(format!("DELETE FROM users WHERE id = '{id}'")).await;
        assert_eq!(it.number("SELECT count(*) AS number FROM credentials").await, 0);
    }

    async fn the_previous_version_reads_what_this_one_writes(it) {
        let it = it.migrated().await;
        let user = it.registered().await;
        let same = "SELECT count(*) AS number FROM users JOIN credentials ON user_id = users.id AND data = password_hash";
        assert_eq!(it.number(same).await, 1);
        it.run(changing_password(&it, &user).await).await.unwrap();
        assert_eq!(it.number(same).await, 1);
        let (id, old) = (user.id.to_string(), it.password(user.id).await);
        let rehash = move |c: &mut _| credentials::rehash(c, &id, &old, &PasswordHash::from_stored("newest".into()));
        it.run(rehash).await;
        assert_eq!(it.number(same).await, 1);
        assert_eq!(it.password(user.id).await.hash.as_str(), "newest");
    }

    async fn a_session_records_how_and_when_its_user_authenticated(it) {
        let it = it.migrated().await;
        let user = it.registered().await;
        it.session(user.id, NOW + 1000).await;
        let recorded = format!("SELECT count(*) AS number FROM sessions WHERE amr = 'pwd' AND auth_time = {NOW}");
        assert_eq!(it.number(&recorded).await, 1);
    }

    async fn the_last_use_of_a_credential_is_recorded(it) {
        let it = it.migrated().await;
        let user = it.registered().await;
        let ids = vec![it.password(user.id).await.id];
        let used = format!("SELECT count(*) AS number FROM credentials WHERE last_used_at = {NOW}");
        assert_eq!(it.number(&used).await, 0);
        it.run(move |connection| credentials::touch(connection, &ids, NOW)).await;
        assert_eq!(it.number(&used).await, 1);
    }

    async fn a_session_that_is_not_there_cannot_be_ended(it) {
        let it = it.migrated().await;
        let nowhere = SessionId::generate();
        let end = move |connection: &mut _| sessions::end(connection, nowhere, EndCause::Logout, NOW);
        assert_eq!(it.run(end).await, None);
        assert!(!it.run(move |connection| sessions::revoke(connection, nowhere, EndCause::Logout, NOW)).await);
        assert!(!it.run(move |connection| sessions::exists(connection, nowhere)).await);
    }

    async fn changed_claims_are_listed_until_they_are_marked(it) {
        let it = it.migrated().await;
        let (ada, _) = it.insert("ada", "ada@example.com").await;
        it.insert("grace", "grace@example.com").await;
        let changed = |unmarked_only| it.run(move |c| users::with_changed_claims(c, None, unmarked_only, 10));
        let found = || it.run(move |c| users::find(c, &ada.to_string()));
        assert_eq!(changed(false).await, []);
        let user = found().await.unwrap();
        let was = user.clone();
        assert!(it.run(move |c| users::set_claims(c, &was, "read write", "editor", NOW)).await);
        // Somebody else, who has not seen that change.
        assert!(!it.run(move |c| users::set_claims(c, &user, "", "", NOW)).await);
        let user = found().await.unwrap();
        assert_eq!((user.scope.as_str(), user.roles.as_str()), ("read write", "editor"));
        let first = [(ada.to_string(), NOW)];
        assert_eq!(changed(true).await, first);
        it.run(move |c| users::set_claims_marked(c, &ada.to_string(), NOW)).await;
        assert_eq!(changed(true).await, []);
        assert_eq!(changed(false).await, first);
        // A later change by a clock that is behind, and a mark that is about the earlier one.
        assert!(it.run(move |c| users::set_claims(c, &user, "", "", NOW - 1000)).await);
        it.run(move |c| users::set_claims_marked(c, &ada.to_string(), NOW)).await;
        assert_eq!(changed(true).await, [(ada.to_string(), NOW + 1)]);
    }

    async fn the_sessions_of_a_user_are_those_that_are_alive(it) {
        let it = it.migrated().await;
        let (ada, _) = it.insert("ada", "ada@example.com").await;
        let (grace, _) = it.insert("grace", "grace@example.com").await;
        let alive = it.session(ada, NOW + 1000).await;
        it.revoke(it.session(ada, NOW + 1000).await, NOW).await;
        it.session(ada, NOW).await;
        it.session(grace, NOW + 1000).await;
        let found = it.run(move |c| sessions::of_user(c, &ada.to_string(), NOW)).await;
        assert_eq!(found, [(alive, NOW + 1000)]);
    }

    async fn expired_sessions_are_deleted_in_portions(it) {
        let it = it.migrated().await;
        let (user, _) = it.insert("ada", "ada@example.com").await;
        for _ in 0..3 {
            it.session(user, NOW - 1).await;
        }
        it.session(user, NOW + 1).await;
        for deleted in [2, 1, 0] {
            assert_eq!(it.run(|connection| sessions::delete_expired(connection, NOW, 2)).await, deleted);
        }
    }
}

#[actix_web::test]
async fn connections_that_died_are_noticed_and_replaced() {
    let postgres = TestDatabase::create();
    let proxy = Proxy::to(postgres.server_addr());
    let store = store(&Database::Postgres(DatabaseUrl::new(postgres.url_via(proxy.addr()))));
    store.migrate().await.unwrap();
    for outcome in join_all((0..4).map(|_| store.run(sessions::ping))).await {
        outcome.unwrap();
    }
    proxy.cut();
    assert!(matches!(store.run(sessions::ping).await, Err(StoreError::Unavailable)));
    proxy.restore();
    // One failure was enough: the other dead connections are found out before they are used.
    for outcome in join_all((0..4).map(|_| store.run(sessions::ping))).await {
        outcome.unwrap();
    }
}

#[actix_web::test]
async fn two_processes_do_not_clean_up_at_once() {
    let it = postgres().await.migrated().await;
    let other = store(&it.database);
    other.migrate().await.unwrap();
    let handle = tokio::runtime::Handle::current();
    let busy = it
        .run(move |connection| {
            with_cleanup_lock(connection, |_| {
                Ok(handle.block_on(other.run(|connection| with_cleanup_lock(connection, |_| Ok(())))))
            })
        })
        .await;
    assert!(matches!(busy, Some(Ok(None))), "{busy:?}");
    assert_eq!(it.run(|connection| with_cleanup_lock(connection, |_| Ok(()))).await, Some(()));
}

/// Runs `first` in a transaction that ends once `second`, which begins meanwhile, waits for it.
async fn overlapping<T: Send + 'static>(
    it: &Fixture,
    first: impl FnOnce(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
    second: impl Future<Output = ()>,
) -> T {
    let url = it.postgres.as_ref().unwrap().url();
    let (begun, has_begun) = oneshot::channel();
    let (end, may_end) = oneshot::channel::<()>();
    let first = it.run(move |connection| {
        in_transaction(connection, |connection| {
            let done = first(connection)?;
            begun.send(()).unwrap();
            may_end.blocking_recv().unwrap();
            Ok(done)
        })
    });
    let second = async {
        has_begun.await.unwrap();
        let release = async {
            wait_for_lock_waiters(&url, 1).await;
            end.send(()).unwrap();
        };
        join(second, release).await;
    };
    join(first, second).await.0
}

async fn changing_password(
    it: &Fixture,
    user: &User,
) -> impl FnOnce(&mut AnyConnection) -> QueryResult<Option<Vec<(SessionId, i64)>>> + use<> {
    let change = PasswordChange {
        user_id: user.id.to_string(),
        revision: user.revision,
        credential_id: it.password(user.id).await.id,
        new_hash: PasswordHash::from_stored("new".into()),
        keep: None,
        at_ms: NOW,
    };
    move |connection| users::change_password(connection, &change)
}

#[actix_web::test]
async fn a_session_that_begins_while_the_password_changes_does_not_begin() {
    let it = postgres().await.migrated().await;
    let user = it.registered().await;
    let change = changing_password(&it, &user).await;
    let begin = async { assert!(!it.begin(user, NOW + 1000).await.unwrap().1) };
    assert_eq!(overlapping(&it, change, begin).await, Some(vec![]));
}

#[actix_web::test]
async fn a_change_of_password_ends_a_session_that_begins_meanwhile() {
    let it = postgres().await.migrated().await;
    let user = it.registered().await;
    let change = changing_password(&it, &user).await;
    let (sid, record) =
        (SessionId::generate(), AuditRecord::new(AuditEvent::Login, Initiator::user(Origin::default()), NOW));
    let session = new_session(&user, sid, NOW + 1000);
    let begin = move |c: &mut _| sessions::begin(c, &session, &record);
    let change = async { assert_eq!(it.run(change).await, Some(vec![(sid, NOW + 1000)])) };
    assert!(overlapping(&it, begin, change).await);
}
