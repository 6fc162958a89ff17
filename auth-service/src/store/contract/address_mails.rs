//! Mails to an address are counted per kind and day.

use super::fixture::{Fixture, NOW, run_on_both_databases};
use crate::{
    domain::mail_limit::{DAY_MS, MailCounter},
    store::address_mails,
};

run_on_both_databases!(ten_mails_a_day_are_counted);

async fn count(it: &Fixture, macs: &[&str], now_ms: i64) -> bool {
    let counter = MailCounter(macs.iter().map(|mac| (*mac).to_owned()).collect());
    it.run(move |connection| address_mails::count(connection, &counter, now_ms)).await
}

async fn ten_mails_a_day_are_counted(it: Fixture) {
    for _ in 0..9 {
        assert!(count(&it, &["old"], NOW).await);
    }
    // After a change of the secret, the mails from before still count.
    assert!(count(&it, &["new", "old"], NOW + 1).await);
    assert!(!count(&it, &["new", "old"], NOW + DAY_MS).await);
    assert!(!count(&it, &["old", "new"], NOW + DAY_MS).await);
    assert!(count(&it, &["another"], NOW + DAY_MS).await);
    assert!(count(&it, &["new", "old"], NOW + DAY_MS + 1).await);
    let older = move |connection: &mut _| address_mails::delete_older(connection, NOW + 1, 100);
    assert_eq!(it.run(older).await, 9);
    let reset = |connection: &mut _| {
        address_mails::reset(connection, &MailCounter(vec!["another".to_owned()]))
    };
    it.run(reset).await;
    let rest =
        move |connection: &mut _| address_mails::delete_older(connection, NOW + 2 * DAY_MS, 100);
    assert_eq!(it.run(rest).await, 2);
}
