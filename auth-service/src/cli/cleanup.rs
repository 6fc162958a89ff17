//! `auth-service cleanup`: delete what has expired, and end.

use shared::{clock::Clock, service::StartError};

use crate::{
    config::Settings,
    state::open_store,
    store::{StoreError, sessions},
};

/// How many rows are deleted at once.
const PAGE: i64 = 1000;

pub async fn run(settings: &Settings) -> Result<(), StartError> {
    let failed = |why: StoreError| StartError::new(why.to_string());
    let store = open_store(settings)?;
    store.migrate().await.map_err(failed)?;
    // As the service does it: until then somebody's clock may be behind.
    let before = Clock::system().now_ms() - settings.leeway.as_millis() as i64;
    let mut total = 0;
    loop {
        let delete = move |connection: &mut _| sessions::delete_expired(connection, before, PAGE);
        let deleted = store.run(delete).await.map_err(failed)?;
        total += deleted;
        if (deleted as i64) < PAGE {
            println!("Deleted {total} sessions that had expired.");
            return Ok(());
        }
        log::info!("{total} sessions deleted so far");
    }
}
