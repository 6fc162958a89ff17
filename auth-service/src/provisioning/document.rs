//! What the file states.

use crate::{
    accounts::ClaimsChange,
    domain::{
        client::ClientSecret,
        username::Username,
        webhook::{WebhookEvent, WebhookSecret, WebhookUrl},
    },
    oauth::NewClient,
};

/// What the file states. A kind that the file does not name is `None`.
#[derive(Debug, Default)]
pub struct Document {
    pub clients: Option<Vec<ClientEntry>>,
    pub grants: Option<Vec<GrantEntry>>,
    pub reserved_names: Option<Vec<Username>>,
    pub webhooks: Option<Vec<WebhookEntry>>,
}

/// A client. The file states all of its scopes and audiences.
#[derive(Debug)]
pub struct ClientEntry {
    pub line: usize,
    pub client: NewClient,
    pub secret: Option<SecretOfFile<ClientSecret>>,
}

/// The secret that a file contains.
#[derive(Debug)]
pub struct SecretOfFile<S> {
    /// Name of the file, as the operator wrote it.
    pub file: String,
    pub secret: S,
}

/// A receiver of webhooks. The file states all of its events.
#[derive(Debug)]
pub struct WebhookEntry {
    pub line: usize,
    pub url: WebhookUrl,
    pub events: Vec<WebhookEvent>,
    pub secret: Option<SecretOfFile<WebhookSecret>>,
}

/// Scopes and roles that a user has at least.
#[derive(Debug)]
pub struct GrantEntry {
    pub line: usize,
    /// Username, email address or id.
    pub user: String,
    pub claims: ClaimsChange,
}
