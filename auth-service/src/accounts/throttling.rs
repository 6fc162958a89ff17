//! Attempts that prove a password are counted, and refused after too many failures.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Accounts;
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::Origin,
        throttle::{Cause, Refusal, Settlement},
    },
    throttle::{Admission, Attempt, Throttled},
};

/// Failures are answered at multiples of this time, counted from their begin. The work of a failure
/// differs by some ten microseconds between users who exist and others: reading a row of the database
/// takes that long.
const STEP: Duration = Duration::from_millis(20);

impl Accounts {
    /// Counts an attempt before its password is hashed. `user_id` is the user that the attempt
    /// concerns, if there is one.
    ///
    /// # Errors
    /// [`Throttled`].
    pub(super) async fn admit(
        &self,
        attempt: &Attempt<'_>,
        user_id: Option<&str>,
        origin: &Origin,
    ) -> Result<Admission, Throttled> {
        let admitted = self.throttle.admit(attempt).await;
        self.observe(&admitted, user_id, origin).await;
        admitted
    }

    /// As [`Accounts::admit`], for an attempt that concerns no user.
    ///
    /// # Errors
    /// [`Throttled`].
    async fn admit_address(&self, origin: &Origin) -> Result<Admission, Throttled> {
        let admitted = self.throttle.admit_address(origin.address_prefix()).await;
        self.observe(&admitted, None, origin).await;
        admitted
    }

    /// Does `work` as an attempt that counts for the client's address alone. `is_failure` tells the
    /// errors that count as failed from those that give the try back.
    ///
    /// # Errors
    /// Those of `work`, or [`Throttled`].
    pub(super) async fn count_for_address<T, E: From<Throttled>>(
        &self,
        origin: &Origin,
        work: impl Future<Output = Result<T, E>>,
        is_failure: impl FnOnce(&E) -> bool,
    ) -> Result<T, E> {
        let settle = |outcome: &Result<T, E>| match outcome {
            Ok(_) => Settlement::Succeeded,
            Err(why) if is_failure(why) => Settlement::Failed,
            Err(_) => Settlement::Cancelled,
        };
        self.settle_for_address(origin, work, settle).await
    }

    /// As [`Accounts::count_for_address`]. `settle` decides how each outcome counts, successes
    /// included.
    ///
    /// # Errors
    /// Those of `work`, or [`Throttled`].
    pub(super) async fn settle_for_address<T, E: From<Throttled>>(
        &self,
        origin: &Origin,
        work: impl Future<Output = Result<T, E>>,
        settle: impl FnOnce(&Result<T, E>) -> Settlement,
    ) -> Result<T, E> {
        let admission = match self.admit_address(origin).await {
            Ok(admission) => admission,
            Err(why) => {
                self.throttle.delay_refusal().await;
                return Err(why.into());
            }
        };
        let began = Instant::now();
        let outcome = work.await;
        let settlement = settle(&outcome);
        self.throttle.settle(admission, settlement).await;
        if outcome.is_err() && settlement == Settlement::Failed {
            sleep(until_next_step(began.elapsed())).await;
        }
        outcome
    }

    async fn observe(
        &self,
        admitted: &Result<Admission, Throttled>,
        user_id: Option<&str>,
        origin: &Origin,
    ) {
        let Err(Throttled::Refused(refusal)) = admitted else { return };
        self.metrics.count_throttled(refusal.cause);
        if refusal.is_first {
            self.begin_episode(*refusal, user_id, origin).await;
        }
    }

    /// Called once per episode: at the first attempt that is refused for a cause since the counter
    /// was reset. The user gets a mail if the name is the cause.
    async fn begin_episode(&self, refusal: Refusal, user_id: Option<&str>, origin: &Origin) {
        let initiator = Initiator::unknown(origin.clone());
        let record = AuditRecord::new(AuditEvent::LoginThrottled, initiator, self.clock.now_ms());
        let record = record.known_user(user_id);
        self.store.record_event(record.detail(describe(refusal.cause))).await;
        if let (Cause::Delayed | Cause::Locked, Some(id)) = (refusal.cause, user_id) {
            self.mail_failed_logins(id.to_owned());
        }
    }
}

/// Returns the time until the next multiple of [`STEP`].
fn until_next_step(elapsed: Duration) -> Duration {
    let rest = elapsed.as_nanos() % STEP.as_nanos();
    STEP - Duration::from_nanos(rest as u64)
}

fn describe(cause: Cause) -> &'static str {
    match cause {
        Cause::Delayed => "too many failures with the name: further attempts are delayed",
        Cause::Locked => "too many failures with the name: locked until a reset",
        Cause::Address => "too many failures of the address",
    }
}
