//! Reads the file, and finds all faults that need no database.

use std::{collections::BTreeMap, path::Path};

use service_kit::{secret_file::check_mode, settings::only_line};
use toml::de::DeTable;

use super::{
    document::{ClientEntry, Document, GrantEntry, SecretOfFile, WebhookEntry},
    fault::Fault,
    reader::{Reader, Table, Text},
};
use crate::{
    accounts::ClaimsChange,
    domain::{
        audience,
        client::{ClientId, ClientSecret},
        scope,
        username::Username,
        webhook::{WebhookEvent, WebhookSecret, WebhookUrl},
    },
    oauth::NewClient,
};

const KINDS: [&str; 4] = ["clients", "grants", "reserved_names", "webhooks"];
const CLIENT_KEYS: [&str; 4] = ["id", "scope", "audience", "secret_file"];
const GRANT_KEYS: [&str; 3] = ["user", "scope", "roles"];
const WEBHOOK_KEYS: [&str; 3] = ["url", "events", "secret_file"];

/// A file that is TOML.
pub struct Parsed {
    /// The entries that have no fault.
    pub document: Document,
    pub faults: Vec<Fault>,
}

/// Parses a file. Secret files with relative names are in `folder`.
///
/// # Errors
/// The faults, if the file is not TOML.
pub fn parse(text: &str, folder: &Path) -> Result<Parsed, Vec<Fault>> {
    let (mut reader, root) = Reader::parse(text.trim_start_matches('\u{feff}'))?;
    for key in root.keys() {
        reader.check_key(key, &KINDS, "the file");
    }
    let document = Document {
        clients: clients(&mut reader, &root, folder),
        grants: grants(&mut reader, &root),
        reserved_names: reserved_names(&mut reader, &root),
        webhooks: webhooks(&mut reader, &root, folder),
    };
    Ok(Parsed { document, faults: reader.into_faults() })
}

fn clients<'a>(
    reader: &mut Reader<'a>,
    root: &DeTable<'a>,
    folder: &Path,
) -> Option<Vec<ClientEntry>> {
    let value = root.get("clients")?;
    let mut lines = BTreeMap::new();
    let mut entries = Vec::new();
    for table in reader.tables("clients", value, "a client", &CLIENT_KEYS) {
        let Some(entry) = client(reader, &table, folder) else { continue };
        let id = entry.client.id.as_str();
        match lines.get(id) {
            Some(first) => {
                let text = format!("the client {id} is in line {first} already");
                reader.fault(entry.line, text);
            }
            None => {
                lines.insert(id.to_owned(), entry.line);
                entries.push(entry);
            }
        }
    }
    Some(entries)
}

fn client<'a>(
    reader: &mut Reader<'a>,
    table: &Table<'_, 'a>,
    folder: &Path,
) -> Option<ClientEntry> {
    let id = reader.required_text(table, "id");
    let scopes = reader.names(table, "scope", scope::parse_name);
    let audiences = reader.names(table, "audience", audience::parse_name);
    let secret = secret_file(reader, table, folder, ClientSecret::parse);
    let Text { text, line } = id?;
    match ClientId::parse(text) {
        Ok(id) => {
            let client = NewClient { id, scopes, audiences };
            // A secret with a fault is no missing secret.
            let secret = match secret {
                Some(secret) => Some(secret?),
                None => None,
            };
            Some(ClientEntry { line, client, secret })
        }
        Err(why) => {
            reader.fault(line, format!("the id {text:?} {why}"));
            None
        }
    }
}

/// Reads the secret file of a table, if it has one. `Some(None)`: the file has a fault, which is
/// added.
fn secret_file<'a, S>(
    reader: &mut Reader<'a>,
    table: &Table<'_, 'a>,
    folder: &Path,
    parse: impl Fn(&str) -> Result<S, String>,
) -> Option<Option<SecretOfFile<S>>> {
    let file = reader.text(table, "secret_file")?;
    Some(read_into(reader, &file, folder, parse))
}

fn read_into<S>(
    reader: &mut Reader<'_>,
    file: &Text<'_>,
    folder: &Path,
    parse: impl Fn(&str) -> Result<S, String>,
) -> Option<SecretOfFile<S>> {
    match read_secret(&folder.join(file.text), parse) {
        Ok(secret) => Some(SecretOfFile { file: file.text.to_owned(), secret }),
        Err(why) => {
            reader.fault(file.line, format!("the secret file {} {why}", file.text));
            None
        }
    }
}

fn read_secret<S>(file: &Path, parse: impl Fn(&str) -> Result<S, String>) -> Result<S, String> {
    check_mode(file)?;
    let name = file.to_str().ok_or("has a name that is not UTF-8")?;
    let line = only_line(name)?;
    parse(&line).map_err(|why| format!("contains a secret that {why}"))
}

fn webhooks<'a>(
    reader: &mut Reader<'a>,
    root: &DeTable<'a>,
    folder: &Path,
) -> Option<Vec<WebhookEntry>> {
    let value = root.get("webhooks")?;
    let mut lines = BTreeMap::new();
    let mut entries = Vec::new();
    for table in reader.tables("webhooks", value, "a webhook", &WEBHOOK_KEYS) {
        let Some(entry) = webhook(reader, &table, folder) else { continue };
        let url = entry.url.as_str();
        match lines.get(url) {
            Some(first) => {
                let text = format!("the receiver {url} is in line {first} already");
                reader.fault(entry.line, text);
            }
            None => {
                lines.insert(url.to_owned(), entry.line);
                entries.push(entry);
            }
        }
    }
    Some(entries)
}

fn webhook<'a>(
    reader: &mut Reader<'a>,
    table: &Table<'_, 'a>,
    folder: &Path,
) -> Option<WebhookEntry> {
    let url = reader.required_text(table, "url");
    let events = reader.names(table, "events", WebhookEvent::parse);
    let parse = |text: &str| WebhookSecret::parse(text).map_err(str::to_owned);
    let secret = secret_file(reader, table, folder, parse);
    let Text { text, line } = url?;
    match WebhookUrl::parse(text) {
        Ok(url) => {
            // A secret with a fault is no missing secret.
            let secret = match secret {
                Some(secret) => Some(secret?),
                None => None,
            };
            Some(WebhookEntry { line, url, events, secret })
        }
        Err(why) => {
            reader.fault(line, format!("the url {why}"));
            None
        }
    }
}

fn grants<'a>(reader: &mut Reader<'a>, root: &DeTable<'a>) -> Option<Vec<GrantEntry>> {
    let value = root.get("grants")?;
    let tables = reader.tables("grants", value, "a grant", &GRANT_KEYS);
    let entries = tables.iter().filter_map(|table| {
        let user = reader.required_text(table, "user");
        let scopes = reader.names(table, "scope", scope::parse_name);
        let roles = reader.names(table, "roles", scope::parse_name);
        let Text { text, line } = user?;
        Some(GrantEntry { line, user: text.to_owned(), claims: ClaimsChange { scopes, roles } })
    });
    Some(entries.collect())
}

fn reserved_names<'a>(reader: &mut Reader<'a>, root: &DeTable<'a>) -> Option<Vec<Username>> {
    let value = root.get("reserved_names")?;
    let parse = |text: &str| {
        Username::parse(text).map_err(|why| format!("is no username: {}", why.join(" ")))
    };
    Some(reader.names_of(value, "reserved_names", parse))
}
