//! Marks the sessions of a user whose scopes or roles have changed.

use super::restore::live_session;
use crate::{
    domain::refresh_decision::CurrentClaims,
    session_state::{SessionState, SessionStateError},
    store::{Store, sessions as rows},
};

/// Marks a user's live sessions, so that the next refresh of each reads the user's scopes and roles
/// from the database.
///
/// # Errors
/// If the database or session state does not answer.
pub async fn mark_claims_stale(
    store: &Store,
    session_state: &SessionState,
    user_id: &str,
    now_ms: i64,
) -> Result<(), SessionStateError> {
    let id = user_id.to_owned();
    let live = move |connection: &mut _| rows::live_of_user(connection, &id, now_ms);
    let sessions = store.run(live).await?;
    let stale = |progress| live_session(progress, CurrentClaims::OfNone);
    session_state.mark_claims_stale(sessions.iter().map(stale).collect()).await
}
