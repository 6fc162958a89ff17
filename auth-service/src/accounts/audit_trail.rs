//! An operator reads the audit trail.

use uuid::Uuid;

use super::admin::{AdminError, UserAdmin};
pub use crate::store::audit::{Position as EventPosition, StoredEvent};
use crate::{
    domain::{
        audit::{Actor, AuditEvent},
        client::ClientId,
        username::Username,
    },
    store::{
        audit::{self, Filter},
        clients, users,
    },
};

/// The events that an operator wants to read. `None`: any value.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// A username, an email address, or a user id. A deleted user is found by id and, as long as
    /// the trail is kept, by username.
    pub user: Option<String>,
    pub client_id: Option<String>,
    pub event: Option<String>,
    /// Earliest time of an event, in milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
}

/// An event, and the name of its user.
#[derive(Clone, Debug)]
pub struct NamedEvent {
    pub event: StoredEvent,
    /// `None` if the event has no user, or if the user was deleted before names were kept.
    pub username: Option<String>,
    /// Name of the user who acted as an administrator. `None`: no administrator did.
    pub admin: Option<String>,
}

/// Returns the id of the user who acted as an administrator.
fn admin_of(event: &StoredEvent) -> Option<String> {
    event.operator.clone().filter(|_| event.actor == Actor::Admin.name())
}

/// Returns the ids of the users in an event.
fn ids_in(event: &StoredEvent) -> impl Iterator<Item = String> {
    event.user_id.clone().into_iter().chain(admin_of(event))
}

impl UserAdmin {
    /// Returns the last `limit` events that meet the filter, oldest first.
    ///
    /// # Errors
    /// [`AdminError`] if the filter names a user, a client or an event that does not exist.
    pub async fn audit_trail(
        &self,
        filter: AuditFilter,
        limit: i64,
    ) -> Result<Vec<NamedEvent>, AdminError> {
        let newest_first = self.audit_page(filter, None, limit).await?;
        Ok(newest_first.into_iter().rev().map(|(_, event)| event).collect())
    }

    /// Returns the last `limit` events before `before` that meet the filter, newest first.
    ///
    /// # Errors
    /// As [`UserAdmin::audit_trail`].
    pub async fn audit_page(
        &self,
        filter: AuditFilter,
        before: Option<EventPosition>,
        limit: i64,
    ) -> Result<Vec<(EventPosition, NamedEvent)>, AdminError> {
        let AuditFilter { user, client_id, event, since_ms } = filter;
        let user_id = match user {
            Some(user) => Some(self.id_in_audit_trail(&user).await?),
            None => None,
        };
        if let Some(client_id) = &client_id {
            self.require_client(client_id).await?;
        }
        if let Some(event) = &event {
            self.require_event(event).await?;
        }
        let filter = Filter { user_id, client_id, event, since_ms };
        let query = move |connection: &mut _| {
            let events = audit::page(connection, &filter, before, limit)?;
            let mut ids: Vec<String> = events.iter().flat_map(|(_, event)| ids_in(event)).collect();
            ids.sort();
            ids.dedup();
            let names = users::names(connection, &ids)?;
            let name = |id: &Option<String>| id.as_ref().and_then(|id| names.get(id).cloned());
            let named = |(position, event): (EventPosition, StoredEvent)| {
                let username = name(&event.user_id);
                let admin = name(&admin_of(&event));
                (position, NamedEvent { event, username, admin })
            };
            Ok(events.into_iter().map(named).collect())
        };
        Ok(self.store.run(query).await?)
    }

    async fn id_in_audit_trail(&self, user: &str) -> Result<String, AdminError> {
        let unknown = match self.find(user).await {
            Ok(user) => return Ok(user.id.to_string()),
            Err(AdminError::UnknownUser(name)) => AdminError::UnknownUser(name),
            Err(why) => return Err(why),
        };
        if let Ok(id) = user.parse::<Uuid>() {
            let id = id.to_string();
            let filter = Filter { user_id: Some(id.clone()), ..Filter::default() };
            return if self.has_event(filter).await? { Ok(id) } else { Err(unknown) };
        }
        let Ok(name) = Username::parse(user) else { return Err(unknown) };
        let find = move |connection: &mut _| {
            let mut ids = users::ids_of_deleted(connection, &name)?;
            ids.extend(users::ids_of_former_name(connection, &name)?);
            ids.sort();
            ids.dedup();
            Ok(ids)
        };
        let ids = self.store.run(find).await?;
        match &ids[..] {
            [] => Err(unknown),
            [id] => Ok(id.clone()),
            several => Err(AdminError::SeveralDeleted(several.join(" "))),
        }
    }

    async fn require_client(&self, id: &str) -> Result<(), AdminError> {
        let filter = Filter { client_id: Some(id.to_owned()), ..Filter::default() };
        if self.has_event(filter).await? {
            return Ok(());
        }
        let unknown = || AdminError::UnknownClient(id.to_owned());
        let id = ClientId::parse(id).map_err(|_| unknown())?;
        let found = self.store.run(move |connection| clients::find(connection, &id)).await?;
        if found.is_some() { Ok(()) } else { Err(unknown()) }
    }

    /// Checks the name of an event. An event of another version is known if the trail has it.
    async fn require_event(&self, name: &str) -> Result<(), AdminError> {
        let filter = Filter { event: Some(name.to_owned()), ..Filter::default() };
        if AuditEvent::names().contains(&name) || self.has_event(filter).await? {
            return Ok(());
        }
        let mut known = AuditEvent::names();
        known.sort_unstable();
        Err(AdminError::UnknownEvent { name: name.to_owned(), known: known.join(", ") })
    }

    async fn has_event(&self, filter: Filter) -> Result<bool, AdminError> {
        Ok(self.store.run(move |connection| audit::has(connection, &filter)).await?)
    }
}
