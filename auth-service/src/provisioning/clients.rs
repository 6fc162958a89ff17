//! Compares the clients of the file with those of the database.

use std::collections::BTreeMap;

use super::{
    difference::{Difference, NameChanges},
    document::ClientEntry,
    plan::Plan,
};
use crate::oauth::{Client, ClientAdmin, ClientAdminError, ClientDefinition};

/// Adds the changes of clients to a plan, in the order of their ids. With `prunes`, clients that the
/// file does not name are removed.
///
/// # Errors
/// If the database does not answer.
pub async fn compare(
    admin: &ClientAdmin,
    entries: &[ClientEntry],
    prunes: bool,
    plan: &mut Plan,
) -> Result<(), ClientAdminError> {
    let stored = admin.list().await?;
    let mut stored: BTreeMap<String, Client> =
        stored.into_iter().map(|client| (client.id.as_str().to_owned(), client)).collect();
    let mut entries: Vec<&ClientEntry> = entries.iter().collect();
    entries.sort_by_key(|entry| entry.client.id.as_str());
    for entry in entries {
        let definition = match entry.client.definition() {
            Ok(definition) => definition,
            Err(why) => {
                plan.fault(entry.line, why.to_string());
                continue;
            }
        };
        match stored.remove(entry.client.id.as_str()) {
            Some(client) => change(admin, entry, &client, definition, plan),
            None => create(admin, entry, definition, plan),
        }
    }
    let unnamed = stored.into_values().filter(|_| prunes);
    for client in unnamed {
        let difference = Difference::ClientRemoved { id: client.id.as_str().to_owned() };
        plan.change(difference, admin.deletion(&client.id));
    }
    Ok(())
}

fn create(admin: &ClientAdmin, entry: &ClientEntry, definition: ClientDefinition, plan: &mut Plan) {
    let id = &entry.client.id;
    let Some(secret) = &entry.secret else {
        let id = id.as_str();
        let text = format!("the client {id} does not exist yet, and needs the key secret_file");
        return plan.fault(entry.line, text);
    };
    let names = |list: &str| list.split_whitespace().map(str::to_owned).collect();
    let difference = Difference::ClientAdded {
        id: id.as_str().to_owned(),
        scopes: names(&definition.scope),
        audiences: names(&definition.audiences),
        secret_file: secret.file.clone(),
    };
    plan.change(difference, admin.creation(id, definition, &secret.secret));
}

fn change(
    admin: &ClientAdmin,
    entry: &ClientEntry,
    stored: &Client,
    definition: ClientDefinition,
    plan: &mut Plan,
) {
    let id = stored.id.as_str();
    let mut client = stored.clone();
    if definition != ClientDefinition::of(&client) {
        let difference = Difference::ClientChanged {
            id: id.to_owned(),
            scopes: NameChanges::between(&client.scope, &definition.scope),
            audiences: NameChanges::between(&client.audiences, &definition.audiences),
        };
        let (redefined, change) = admin.redefinition(&client, definition);
        plan.change(difference, change);
        client = redefined;
    }
    if let Some(secret) = &entry.secret
        && !client.secret_hash.matches(&secret.secret)
    {
        let secret_file = secret.file.clone();
        let difference = Difference::SecretReplaced { id: id.to_owned(), secret_file };
        let (_, change) = admin.rotation(&client, &secret.secret);
        plan.change(difference, change);
    }
}
