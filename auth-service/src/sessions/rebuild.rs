//! Brings session state up to date with the database.

use std::time::Duration;

use shared::claims::SessionId;

use super::{
    Sessions,
    mark_claims::mark_claims_stale,
    restore::live_session,
    service::{LEEWAY_MS, with_leeway},
};
use crate::{
    domain::refresh_decision::CurrentClaims,
    session_state::{Answering, SessionStateError},
    store::{
        StoreError, ping,
        sessions::{self as rows, Revoked},
        users,
    },
};

/// Maximum number of rows in one read or write.
const PAGE: i64 = 1000;

/// Age from which a write to session state counts as settled. Until then it is repeated at each
/// tick, because Redis may lose its last second in a crash (`appendfsync everysec`).
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// Age up to which voided generations are written again at each tick.
const RECENTLY: Duration = Duration::from_secs(60);

/// Which voided generations to write to session state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VoidedSince {
    Ever,
    Recently,
}

impl Sessions {
    /// Writes to session state what it may lack.
    pub(super) async fn bring_up_to_date(&self) -> Result<(), SessionStateError> {
        if self.session_state.is_complete(Answering::No).await? {
            self.write_missing(VoidedSince::Ever).await
        } else {
            self.rebuild().await
        }
    }

    /// Writes every ended session of which a token may be unexpired to session state, which may have
    /// old data.
    async fn rebuild(&self) -> Result<(), SessionStateError> {
        // Without the database, session state must not be declared complete.
        self.store.run(ping).await?;
        let rebuild = self.session_state.begin_rebuild().await?;
        let mut after = None;
        let mut count = 0;
        loop {
            let page = self.revoked_page(after, false).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
            count += page.len();
            self.session_state.revoke(self.retentions(&page)).await?;
        }
        self.mark_stale_claims(false).await?;
        self.write_voided(VoidedSince::Ever).await?;
        self.session_state.finish_rebuild(rebuild).await?;
        log::info!("session state rebuilt from the database: {count} ended sessions");
        Ok(())
    }

    /// Writes the ended sessions, the changed claims and the voided generations that session state is
    /// not known to hold.
    pub(super) async fn write_missing(&self, voided: VoidedSince) -> Result<(), SessionStateError> {
        let mut after = None;
        loop {
            let page = self.revoked_page(after, true).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.sid);
            self.session_state.revoke(self.retentions(&page)).await?;
            self.mark_settled(&page).await?;
        }
        self.write_voided(voided).await?;
        self.mark_stale_claims(true).await
    }

    /// Writes voided generations. The write that follows a change of password may have failed.
    async fn write_voided(&self, voided: VoidedSince) -> Result<(), SessionStateError> {
        let now = self.clock.now_ms();
        let since = match voided {
            VoidedSince::Ever => 0,
            VoidedSince::Recently => now - LEEWAY_MS - RECENTLY.as_millis() as i64,
        };
        let mut after = None;
        loop {
            let query =
                move |connection: &mut _| rows::voided_since(connection, since, after, now, PAGE);
            let page = self.store.run(query).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.sid);
            // Only the generations of existing entries change.
            let live = |progress| live_session(progress, CurrentClaims::OfAll);
            self.session_state.void(page.iter().map(live).collect()).await?;
        }
    }

    /// Publishes ended sessions that session state holds, and records the settled ones, so that
    /// they are not written again.
    async fn mark_settled(&self, page: &[Revoked]) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let ended: Vec<_> = page.iter().map(|it| (it.sid, it.revoked_at_ms)).collect();
        if !self.revocations.publish(&ended).await {
            return Ok(());
        }
        let settled_at = now - SETTLED_AFTER.as_millis() as i64;
        let settled = page.iter().filter(|revoked| revoked.revoked_at_ms <= settled_at);
        let settled: Vec<SessionId> = settled.map(|revoked| revoked.sid).collect();
        if settled.is_empty() {
            return Ok(());
        }
        let mark = move |connection: &mut _| rows::mark_in_session_state(connection, &settled, now);
        self.store.run(mark).await
    }

    /// Marks the sessions of users whose scopes or roles have ever changed. With `unmarked_only`,
    /// users whose sessions are known to be marked are left out.
    async fn mark_stale_claims(&self, unmarked_only: bool) -> Result<(), SessionStateError> {
        let mut after: Option<String> = None;
        loop {
            let query = move |connection: &mut _| {
                users::with_changed_claims(connection, after.as_deref(), unmarked_only, PAGE)
            };
            let page = self.store.run(query).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (id, changed_at) in page {
                self.mark_stale_sessions(id, changed_at, unmarked_only).await?;
            }
        }
    }

    async fn mark_stale_sessions(
        &self,
        user_id: String,
        changed_at: i64,
        unmarked_only: bool,
    ) -> Result<(), SessionStateError> {
        let now = self.clock.now_ms();
        mark_claims_stale(&self.store, &self.session_state, &user_id, now).await?;
        let is_settled = || self.marked_claims.is_settled(&user_id, changed_at, SETTLED_AFTER);
        if unmarked_only && is_settled() {
            let mark = move |connection: &mut _| {
                users::set_claims_marked(connection, &user_id, changed_at)
            };
            self.store.run(mark).await?;
        }
        Ok(())
    }

    /// Returns the next page of ended sessions of which a token may be unexpired. With
    /// `missing_only`, sessions that session state is known to hold are left out.
    pub(super) async fn revoked_page(
        &self,
        after: Option<SessionId>,
        missing_only: bool,
    ) -> Result<Vec<Revoked>, StoreError> {
        let now = self.clock.now_ms() - LEEWAY_MS;
        let query =
            move |connection: &mut _| rows::revoked(connection, after, missing_only, now, PAGE);
        self.store.run(query).await
    }

    /// Returns how long the entries of ended sessions are kept.
    fn retentions(&self, page: &[Revoked]) -> Vec<(SessionId, i64)> {
        page.iter().map(|it| (it.sid, with_leeway(it.expires_at_ms))).collect()
    }
}
