//! Transactions that overlap on PostgreSQL.

use diesel::QueryResult;
use futures_util::future::{join, join_all};
use shared::claims::SessionId;
use test_support::wait_for_lock_waiters;
use tokio::sync::oneshot;

use super::fixture::{Fixture, NOW, login_records, new_session};
use crate::{
    domain::session::Origin,
    store::{
        AnyConnection, Recorder,
        sessions::{self, NewSession},
        transaction::in_transaction,
        users::{self, AfterPasswordChange},
    },
};

/// Runs `first` in a transaction, and begins `second` while that transaction is open. The
/// transaction commits once `second` waits for its lock.
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
            let answer = first(connection)?;
            begun.send(()).unwrap();
            may_end.blocking_recv().unwrap();
            Ok(answer)
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

#[actix_web::test]
async fn session_does_not_begin_while_the_password_changes() {
    let it = Fixture::postgres().await;
    let user = it.ada().await;
    let change = it.password_change(&user).await;
    let change = move |connection: &mut _| users::change_password(connection, &change);
    let begin = async { assert!(!it.begin(user, NOW + 1000).await.unwrap().1) };
    assert_eq!(overlapping(&it, change, begin).await, Some(AfterPasswordChange::default()));
}

#[actix_web::test]
async fn change_of_password_ends_a_session_that_begins_meanwhile() {
    let it = Fixture::postgres().await;
    let user = it.ada().await;
    let change = it.password_change(&user).await;
    let sid = SessionId::generate();
    let session = new_session(&user, sid, NOW + 1000);
    let records = login_records(&user, sid, Origin::default());
    let begin = move |connection: &mut _| {
        sessions::begin(connection, &session, &records, &Recorder::default())
    };
    let change = async {
        let ended = it.run(move |connection| users::change_password(connection, &change)).await;
        let ended = ended.expect("the change").ended;
        assert_eq!(ended, [(sid, NOW + 1000)]);
    };
    assert_eq!(overlapping(&it, begin, change).await, Some(vec![]));
}

#[actix_web::test]
async fn simultaneous_logins_at_the_limit_wait_for_no_other_login() {
    let it = Fixture::postgres().await;
    let user = it.ada().await;
    let log_in = || {
        let sid = SessionId::generate();
        let session = NewSession { max_sessions: 3, ..new_session(&user, sid, NOW + 1000) };
        let records = login_records(&user, sid, Origin::default());
        it.run(move |connection| {
            sessions::begin(connection, &session, &records, &Recorder::default())
        })
    };
    let logins = join_all((0..20).map(|_| log_in())).await;
    assert!(logins.iter().all(Option::is_some));
    // The next login ends what simultaneous logins did not see.
    log_in().await;
    let id = user.id.to_string();
    let live = it.run(move |connection| sessions::live_of_user(connection, &id, NOW)).await;
    assert_eq!(live.len(), 3);
}
