//! `auth-service clients`: registers, lists and deletes clients.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use service_kit::{
    CommandError,
    output::{print, print_outcome, print_secret},
};
use shared::clock::Clock;

use super::{
    format::Format,
    open::open_store,
    operator,
    text::{names, scope_name, time},
};
use crate::{
    config::Settings,
    domain::client::{ClientId, ClientSecret, parse_audience},
    keys::{WriteOutcome, write_once},
    oauth::{Client, ClientAdmin, NewClient},
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Register a client, and print its secret. The secret cannot be printed again
    Create(Create),
    /// List the clients
    List,
    /// Delete a client. Its tokens stay valid until they expire
    Delete {
        /// Id of the client
        #[arg(value_parser = ClientId::parse)]
        id: ClientId,
    },
    /// Replace a client's secret, and print the new one. Each replica refuses the old secret within
    /// 2 seconds, or within 5 minutes if it cannot reach the database
    RotateSecret {
        /// Id of the client
        #[arg(value_parser = ClientId::parse)]
        id: ClientId,
    },
}

#[derive(Args, Debug)]
pub struct Create {
    /// Id of the client, such as billing-job
    #[arg(value_parser = ClientId::parse)]
    id: ClientId,
    /// Scope that the client may request, such as reports:read
    #[arg(long = "scope", value_name = "NAME", value_parser = scope_name)]
    scopes: Vec<String>,
    /// Audience of the client's own access tokens. Unset: the audiences of AUDIENCE
    #[arg(long = "token-audience", value_name = "NAME", value_parser = parse_audience)]
    audiences: Vec<String>,
    /// File to write the secret to instead of printing it. Does nothing if client and file exist
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

pub async fn run(settings: &Settings, action: Action, format: Format) -> Result<(), CommandError> {
    let store = open_store(settings).await?;
    let admin = ClientAdmin { store, clock: Clock::system(), initiator: operator::initiator() };
    match action {
        Action::Create(create) => run_create(&admin, create, format).await,
        Action::List => {
            let clients = admin.list().await?;
            print(&format.list(&clients, || table(&clients), object))
        }
        Action::Delete { id } => {
            admin.delete(&id).await?;
            let text = || format!("Deleted {}\n", id.as_str());
            let json = || json!({"client_id": id.as_str(), "deleted": true});
            print_outcome(&format.one(text, json))
        }
        Action::RotateSecret { id } => {
            let secret = admin.rotate_secret(&id).await?;
            show_secret(&id, &secret, "The old secret ends", format)
        }
    }
}

async fn run_create(
    admin: &ClientAdmin,
    create: Create,
    format: Format,
) -> Result<(), CommandError> {
    let Create { id, scopes, audiences, secret_file } = create;
    if let Some(file) = secret_file.as_ref().filter(|file| file.exists()) {
        // Creating the client would not put its secret into the file.
        let is_known = admin.list().await?.iter().any(|client| client.id == id);
        return match is_known {
            true => {
                let text = || format!("{} exists already\n", id.as_str());
                let json = || json!({"client_id": id.as_str(), "created": false});
                print(&format.one(text, json))
            }
            false => Err(CommandError::new(format!(
                "{} exists already, and the client {} does not: name another file",
                file.display(),
                id.as_str()
            ))),
        };
    }
    let secret = admin.create(NewClient { id: id.clone(), scopes, audiences }).await?;
    match secret_file {
        None => show_secret(&id, &secret, "The client exists", format),
        Some(file) => write_secret(&id, &secret, &file, format),
    }
}

fn write_secret(
    id: &ClientId,
    secret: &ClientSecret,
    file: &Path,
    format: Format,
) -> Result<(), CommandError> {
    let name = file.display();
    let error = |why: &dyn Display| {
        let remedy = remedy(id, "The client exists");
        CommandError::new(format!("cannot write the secret to {name}: {why}. {remedy}"))
    };
    match write_once(file, secret.reveal().as_bytes()) {
        Ok(WriteOutcome::Created) => {
            let id = id.as_str();
            let text = || format!("Created {id}, with its secret in {name}\n");
            let json =
                || json!({"client_id": id, "created": true, "secret_file": name.to_string()});
            print_outcome(&format.one(text, json))
        }
        Ok(WriteOutcome::AlreadyExists) => Err(error(&"another process has created the file")),
        Err(why) => Err(error(&why)),
    }
}

fn table(clients: &[Client]) -> String {
    let mut table = format!("{:30}  {:20}  {:20}  SCOPES\n", "ID", "CREATED", "SECRET SINCE");
    for client in clients {
        let Client { id, scope, audiences, created_at_ms, secret_changed_at_ms, .. } = client;
        let created = time(*created_at_ms);
        let changed = time(*secret_changed_at_ms);
        let audiences = if audiences.is_empty() {
            String::new()
        } else {
            format!("  (audiences: {audiences})")
        };
        table += &format!("{:30}  {created:20}  {changed:20}  {scope}{audiences}\n", id.as_str());
    }
    table
}

fn object(client: &Client) -> Value {
    json!({
        "client_id": client.id.as_str(),
        "scopes": names(&client.scope),
        "audiences": names(&client.audiences),
        "created_at": time(client.created_at_ms),
        "secret_changed_at": time(client.secret_changed_at_ms),
    })
}

/// Prints a new secret. `done` states what has happened already, in case of a failure.
fn show_secret(
    id: &ClientId,
    secret: &ClientSecret,
    done: &str,
    format: Format,
) -> Result<(), CommandError> {
    let text = || format!("client_id      {}\nclient_secret  {}\n", id.as_str(), secret.reveal());
    let json = || json!({"client_id": id.as_str(), "client_secret": secret.reveal()});
    print_secret(&format.one(text, json), &remedy(id, done))
}

fn remedy(id: &ClientId, done: &str) -> String {
    format!("{done}: run `clients rotate-secret {}` for a new secret", id.as_str())
}
