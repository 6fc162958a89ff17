//! Compares the receivers of webhooks of the file with those of the database.

use std::collections::BTreeMap;

use super::{
    difference::{Difference, NameChanges},
    document::WebhookEntry,
    plan::Plan,
};
use crate::{
    domain::webhook::WebhookEvent,
    jobs::webhooks::{Webhook, WebhookAdmin, WebhookAdminError, event_names},
};

/// Adds the changes of receivers to a plan, in the order of their URLs. With `prunes`, receivers
/// that the file does not name are removed.
///
/// # Errors
/// If the database does not answer.
pub async fn compare(
    admin: &WebhookAdmin,
    entries: &[WebhookEntry],
    prunes: bool,
    plan: &mut Plan,
) -> Result<(), WebhookAdminError> {
    let stored = admin.all().await?;
    let mut stored: BTreeMap<String, Webhook> =
        stored.into_iter().map(|webhook| (webhook.url.clone(), webhook)).collect();
    let mut entries: Vec<&WebhookEntry> = entries.iter().collect();
    entries.sort_by_key(|entry| entry.url.as_str());
    for entry in entries {
        match stored.remove(entry.url.as_str()) {
            Some(webhook) => change(admin, entry, &webhook, plan),
            None => create(admin, entry, plan),
        }
    }
    let unnamed = stored.into_values().filter(|_| prunes);
    for webhook in unnamed {
        let change = admin.deletion(&webhook);
        plan.change(Difference::ReceiverRemoved { url: webhook.url }, change);
    }
    Ok(())
}

fn create(admin: &WebhookAdmin, entry: &WebhookEntry, plan: &mut Plan) {
    let url = entry.url.as_str();
    let Some(secret) = &entry.secret else {
        let text = format!("the receiver {url} does not exist yet, and needs the key secret_file");
        return plan.fault(entry.line, text);
    };
    let events = entry.events.iter().copied().map(WebhookEvent::name).map(str::to_owned);
    let difference = Difference::ReceiverAdded {
        url: url.to_owned(),
        events: events.collect(),
        secret_file: secret.file.clone(),
    };
    let change = admin.creation(&entry.url, &entry.events, secret.secret.clone());
    plan.change(difference, change);
}

fn change(admin: &WebhookAdmin, entry: &WebhookEntry, stored: &Webhook, plan: &mut Plan) {
    let url = &stored.url;
    let mut webhook = stored.clone();
    let events = event_names(&entry.events);
    if events != webhook.events {
        let events = NameChanges::between(&webhook.events, &events);
        let (subscribed, change) = admin.subscription(&webhook, &entry.events);
        plan.change(Difference::ReceiverChanged { url: url.clone(), events }, change);
        webhook = subscribed;
    }
    if let Some(secret) = &entry.secret
        && !admin.has_secret(&webhook, &secret.secret)
    {
        let secret_file = secret.file.clone();
        let (_, change) = admin.rotation(&webhook, secret.secret.clone());
        plan.change(Difference::ReceiverSecretReplaced { url: url.clone(), secret_file }, change);
    }
}
