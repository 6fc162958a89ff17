//! The store and its schema: no query runs before the schema is complete.

use std::sync::{Arc, atomic::Ordering};

use super::{
    Store, StoreError,
    applied::{self, Missing},
    failure::unavailable_reason,
    migrate::{self, MigrateError},
};
use crate::health::UnavailableReason;

impl Store {
    /// Applies missing migrations, under a lock, so that many processes may call this at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], with the reason in the log.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let database = self.settings.database.clone();
        let is_migrating = Arc::clone(&self.is_migrating);
        let waits = move || is_migrating.store(true, Ordering::Release);
        let outcome = tokio::task::spawn_blocking(move || migrate::run(&database, waits)).await;
        self.is_migrating.store(false, Ordering::Release);
        match outcome {
            Ok(Ok(())) => {
                self.settings.health.record_success();
                // Fails if an earlier call has set it.
                let _ = self.migrated.set(());
                Ok(())
            }
            Ok(Err(why)) => Err(self.no_schema(&why)),
            Err(panicked) => {
                let reason = UnavailableReason::Text("a migration panicked: see the log");
                self.settings.health.record_failure(&panicked, reason);
                Err(StoreError::Unavailable)
            }
        }
    }

    /// Returns the migrations that the database lacks, and changes nothing. If it lacks none,
    /// queries are possible from now on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], with the reason in the log.
    pub async fn missing_migrations(&self) -> Result<Missing, StoreError> {
        let database = self.settings.database.clone();
        let limit = self.settings.timeout;
        let read = move || {
            let mut connection = database.connect(Some(limit))?;
            migrate::check_encoding(&mut connection)?;
            Ok(connection.run(applied::missing)?)
        };
        let outcome = tokio::task::spawn_blocking(read).await;
        let missing = match outcome {
            Ok(outcome) => outcome.map_err(|why: MigrateError| self.no_schema(&why))?,
            Err(_) => return Err(StoreError::Unavailable),
        };
        if missing == Missing::None {
            let _ = self.migrated.set(());
        }
        Ok(missing)
    }

    /// Waits until the database turns out to be one that can never be used as it is. Returns the
    /// reason and the way out.
    pub async fn refusal(&self) -> &str {
        self.refusal.wait().await
    }

    /// Returns why the last attempt to reach the database failed, in words for an operator.
    pub fn unavailable_reason(&self) -> String {
        let reason = || self.settings.health.reason().map(|reason| reason.to_string());
        self.refusal.get().cloned().or_else(reason).unwrap_or_else(|| "see the log".into())
    }

    /// Records that the schema is out of reach.
    fn no_schema(&self, why: &MigrateError) -> StoreError {
        let text = why.to_string();
        let reason = match why {
            MigrateError::NotUtf8(_) => {
                // Fails if an earlier attempt has set it.
                let _ = self.refusal.set(text.clone());
                UnavailableReason::Text("the database has another encoding than UTF8")
            }
            _ => unavailable_reason(&text, self.settings.timeout),
        };
        self.settings.health.record_failure(&text, reason);
        StoreError::Unavailable
    }
}
