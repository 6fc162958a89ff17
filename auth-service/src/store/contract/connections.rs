//! Connections, migrations and locks.

use futures_util::future::join_all;
use test_support::{Proxy, TestDatabase};

use super::fixture::{Fixture, store};
use crate::store::{ConnectionString, Database, Store, StoreError, ping, with_cleanup_lock};

async fn processes_migrate_at_once(it: Fixture) {
    let stores: Vec<Store> = (0..8).map(|_| store(&it.database)).collect();
    assert!(matches!(it.store.run(ping).await, Err(StoreError::Unavailable)));
    for migrated in join_all(stores.iter().map(Store::migrate)).await {
        migrated.unwrap();
    }
    it.store.migrate().await.unwrap();
    it.run(ping).await;
}

#[actix_web::test]
async fn processes_migrate_sqlite_at_once() {
    processes_migrate_at_once(Fixture::empty_sqlite()).await;
}

#[actix_web::test]
async fn processes_migrate_postgres_at_once() {
    processes_migrate_at_once(Fixture::empty_postgres()).await;
}

#[actix_web::test]
async fn dead_connections_are_noticed_and_replaced() {
    let postgres = TestDatabase::create();
    let proxy = Proxy::to(postgres.server_addr());
    let url = postgres.url_via(proxy.addr());
    let store = store(&Database::postgres(&ConnectionString::parse(&url).unwrap()));
    store.migrate().await.unwrap();
    for outcome in join_all((0..4).map(|_| store.run(ping))).await {
        outcome.unwrap();
    }
    proxy.cut();
    assert!(matches!(store.run(ping).await, Err(StoreError::Unavailable)));
    proxy.restore();
    // After one failure, the other dead connections are checked before they are used.
    for outcome in join_all((0..4).map(|_| store.run(ping))).await {
        outcome.unwrap();
    }
}

#[actix_web::test]
async fn one_process_at_a_time_holds_the_cleanup_lock() {
    let it = Fixture::postgres().await;
    let other = store(&it.database);
    other.migrate().await.unwrap();
    let handle = tokio::runtime::Handle::current();
    let nested = move |connection: &mut _| {
        with_cleanup_lock(connection, |_| {
            let lock = other.run(|connection| with_cleanup_lock(connection, |_| Ok(())));
            Ok(handle.block_on(lock))
        })
    };
    let outcome = it.run(nested).await;
    assert!(matches!(outcome, Some(Ok(None))), "{outcome:?}");
    assert_eq!(it.run(|connection| with_cleanup_lock(connection, |_| Ok(()))).await, Some(()));
}
