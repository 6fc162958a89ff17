//! Changes and their audit events are written together, and old events are deleted.

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        client::{ClientId, ClientSecret},
    },
    store::{
        audit::{self, Filter},
        clients::{self, Client},
        with_cleanup_lock,
    },
};

run_on_both_databases!(
    change_and_its_record_are_written_both_or_neither,
    cleanup_deletes_old_events_only,
);

fn client(id: &str) -> Client {
    Client {
        id: ClientId::parse(id).unwrap(),
        secret_hash: ClientSecret::generate().hash(),
        scope: String::new(),
        audiences: String::new(),
        created_at_ms: NOW,
        secret_changed_at_ms: NOW,
    }
}

async fn change_and_its_record_are_written_both_or_neither(it: Fixture) {
    let record = |event| AuditRecord::new(event, Initiator::operator(None), NOW);
    let kept = client("kept");
    let login = record(AuditEvent::Login);
    let change = move |connection: &mut _| Ok((clients::insert(connection, &kept)?, Some(login)));
    assert!(it.store.audited(change).await.unwrap());

    let lost = client("lost");
    let change = move |connection: &mut _| {
        clients::insert(connection, &lost)?;
        Err::<((), Option<AuditRecord>), _>(diesel::result::Error::RollbackTransaction)
    };
    it.store.audited(change).await.unwrap_err();

    // An insert that finds its key taken does not end the transaction.
    let again = client("kept");
    let registration = record(AuditEvent::Registration);
    let change =
        move |connection: &mut _| Ok((clients::insert(connection, &again)?, Some(registration)));
    assert!(!it.store.audited(change).await.unwrap());

    let clients = it.run(clients::all).await;
    let ids: Vec<&str> = clients.iter().map(|client| client.id.as_str()).collect();
    assert_eq!(ids, ["kept"]);
    let events = it.run(|connection| audit::last(connection, &Filter::default(), 10)).await;
    let names: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(names, ["login", "registration"]);
}

async fn cleanup_deletes_old_events_only(it: Fixture) {
    for at_ms in [NOW - 2, NOW - 1, NOW] {
        let record = AuditRecord::new(AuditEvent::Login, Initiator::service(), at_ms);
        it.store.record_event(record).await;
    }
    let delete = |connection: &mut _| {
        with_cleanup_lock(connection, |connection| audit::delete_older(connection, NOW, 1))
    };
    assert_eq!(it.run(delete).await, Some(1));
    assert_eq!(it.run(delete).await, Some(1));
    assert_eq!(it.run(delete).await, Some(0));
    let events = it.run(|connection| audit::last(connection, &Filter::default(), 10)).await;
    assert_eq!(events.len(), 1);
}
