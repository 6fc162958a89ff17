//! Differences between a file and the database, as text and as JSON.

use serde_json::{Value, json};

use crate::{
    accounts::{ClaimsChange, ClaimsEdit},
    provisioning::{Difference, NameChanges},
};

/// Returns the line of a difference: `+` for what is added, `-` for what is removed, `~` for what
/// is changed.
pub fn line(difference: &Difference) -> String {
    let line = match difference {
        Difference::ClientAdded { id, scopes, audiences, secret_file } => {
            let names = [list("scope", scopes), list("audience", audiences)].concat();
            let names = names.join(", ");
            let separator = if names.is_empty() { "" } else { ", " };
            format!("+ client {id}: {names}{separator}secret from {secret_file}")
        }
        Difference::ClientChanged { id, scopes, audiences } => {
            let changes = [named("scope", scopes), named("audience", audiences)].concat();
            format!("~ client {id}: {}", changes.join(", "))
        }
        Difference::SecretReplaced { id, secret_file } => {
            format!("~ client {id}: secret from {secret_file}")
        }
        Difference::ClientRemoved { id } => format!("- client {id}"),
        Difference::ClaimsChanged { username, edit, .. } => {
            let ClaimsEdit { granted, revoked } = edit;
            let sign = match (granted.is_empty(), revoked.is_empty()) {
                (false, true) => '+',
                (true, _) => '-',
                (false, false) => '~',
            };
            format!("{sign} grants of {username}: {}", claims(edit).join(", "))
        }
        Difference::ReceiverAdded { url, events, secret_file } => {
            format!(
                "+ webhook {url}: {}",
                [list("event", events), vec![format!("secret from {secret_file}")]]
                    .concat()
                    .join(", ")
            )
        }
        Difference::ReceiverChanged { url, events } => {
            format!("~ webhook {url}: {}", named("event", events).join(", "))
        }
        Difference::ReceiverSecretReplaced { url, secret_file } => {
            format!("~ webhook {url}: secret from {secret_file}")
        }
        Difference::ReceiverRemoved { url } => format!("- webhook {url}"),
        Difference::NameReserved(name) => format!("+ reserved name {name}"),
        Difference::NameReleased(name) => format!("- reserved name {name}"),
    };
    line + "\n"
}

/// Returns a difference for programs.
pub fn object(difference: &Difference) -> Value {
    match difference {
        Difference::ClientAdded { id, scopes, audiences, secret_file } => json!({
            "change": "client_created", "client_id": id, "scopes": scopes, "audiences": audiences,
            "secret_file": secret_file,
        }),
        Difference::ClientChanged { id, scopes, audiences } => json!({
            "change": "client_changed", "client_id": id,
            "scopes_added": scopes.added, "scopes_removed": scopes.removed,
            "audiences_added": audiences.added, "audiences_removed": audiences.removed,
        }),
        Difference::SecretReplaced { id, secret_file } => json!({
            "change": "client_secret_rotated", "client_id": id, "secret_file": secret_file,
        }),
        Difference::ClientRemoved { id } => json!({"change": "client_deleted", "client_id": id}),
        Difference::ClaimsChanged { user_id, username, edit: ClaimsEdit { granted, revoked } } => {
            json!({
                "change": "claims_change", "user": user_id, "username": username,
                "scopes_added": granted.scopes, "scopes_removed": revoked.scopes,
                "roles_added": granted.roles, "roles_removed": revoked.roles,
            })
        }
        Difference::ReceiverAdded { url, events, secret_file } => json!({
            "change": "webhook_created", "url": url, "events": events, "secret_file": secret_file,
        }),
        Difference::ReceiverChanged { url, events } => json!({
            "change": "webhook_changed", "url": url,
            "events_added": events.added, "events_removed": events.removed,
        }),
        Difference::ReceiverSecretReplaced { url, secret_file } => json!({
            "change": "webhook_secret_rotated", "url": url, "secret_file": secret_file,
        }),
        Difference::ReceiverRemoved { url } => json!({"change": "webhook_deleted", "url": url}),
        Difference::NameReserved(name) => json!({"change": "name_reserved", "name": name}),
        Difference::NameReleased(name) => json!({"change": "name_released", "name": name}),
    }
}

fn list(noun: &str, names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("{noun} {name}")).collect()
}

fn named(noun: &str, NameChanges { added, removed }: &NameChanges) -> Vec<String> {
    let added = added.iter().map(|name| format!("+{noun} {name}"));
    added.chain(removed.iter().map(|name| format!("-{noun} {name}"))).collect()
}

fn claims(ClaimsEdit { granted, revoked }: &ClaimsEdit) -> Vec<String> {
    let signed = |sign, ClaimsChange { scopes, roles }: &ClaimsChange| {
        let scopes = scopes.iter().map(|name| format!("{sign}scope {name}"));
        scopes.chain(roles.iter().map(|name| format!("{sign}role {name}"))).collect::<Vec<_>>()
    };
    [signed("+", granted), signed("-", revoked)].concat()
}
