//! Counts the kinds of the stored hashes, from which dummy hashes are drawn.

use std::{sync::Weak, time::Duration};

use arc_swap::ArcSwap;
use tokio::time::sleep;

use crate::{
    credentials::HashMix,
    store::{Store, StoreError, credentials},
};

/// Time between two counts.
const INTERVAL: Duration = Duration::from_secs(600);
/// Time until the next attempt while the database is not ready.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Number of credentials that one query counts: a hundredth of a second of work.
const BATCH: i64 = 10_000;
/// Time between two queries, so that a large table does not keep the database busy.
const PAUSE: Duration = Duration::from_millis(100);

/// Counts the stored hashes again and again, until `mix` is dropped.
pub async fn follow_hash_mix(store: Store, mix: Weak<ArcSwap<HashMix>>) {
    while let Some(mix) = mix.upgrade() {
        // The log has the reason of a failure.
        let counted = count(&store).await;
        let interval = if counted.is_ok() { INTERVAL } else { RETRY_INTERVAL };
        counted.into_iter().for_each(|counted| mix.store(counted.into()));
        drop(mix);
        store.pause(interval).await;
    }
}

async fn count(store: &Store) -> Result<HashMix, StoreError> {
    let mut mix = HashMix::default();
    let mut after = String::new();
    loop {
        let start = after.clone();
        let query = move |connection: &mut _| credentials::hash_forms(connection, &start, BATCH);
        let forms = store.run(query).await?;
        let Some(last) = forms.iter().map(|form| &form.last_id).max() else { return Ok(mix) };
        after.clone_from(last);
        let counted: i64 = forms.iter().map(|form| form.count).sum();
        forms.iter().for_each(|form| mix.add(&form.form, form.count.unsigned_abs()));
        if counted < BATCH {
            return Ok(mix);
        }
        sleep(PAUSE).await;
    }
}
