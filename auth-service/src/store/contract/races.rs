//! Transactions that overlap on PostgreSQL.

use diesel::QueryResult;
use futures_util::future::join;
use shared::claims::SessionId;
use test_support::wait_for_lock_waiters;
use tokio::sync::oneshot;

use super::fixture::{Fixture, NOW, new_session};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::Origin,
    },
    store::{AnyConnection, sessions, transaction::in_transaction, users},
};

/// Runs `first` in a transaction that commits once `second`, which begins meanwhile, waits for it.
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
    assert_eq!(overlapping(&it, change, begin).await, Some(vec![]));
}

#[actix_web::test]
async fn change_of_password_ends_a_session_that_begins_meanwhile() {
    let it = Fixture::postgres().await;
    let user = it.ada().await;
    let change = it.password_change(&user).await;
    let sid = SessionId::generate();
    let record = AuditRecord::new(AuditEvent::Login, Initiator::user(Origin::default()), NOW);
    let session = new_session(&user, sid, NOW + 1000);
    let begin = move |connection: &mut _| sessions::begin(connection, &session, &record);
    let change = async {
        let ended = it.run(move |connection| users::change_password(connection, &change)).await;
        assert_eq!(ended, Some(vec![(sid, NOW + 1000)]));
    };
    assert!(overlapping(&it, begin, change).await);
}
