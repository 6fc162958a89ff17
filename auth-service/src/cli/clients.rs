//! `auth-service clients`: make and delete those who may ask in their own right.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use service_kit::CommandError;
use shared::clock::Clock;

use super::{MAX_SCOPE_BYTES, scope_name, time};
use crate::{
    app::open_store_patiently,
    config::Settings,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        client::{ClientId, ClientSecret},
    },
    keys::secret::write_once,
    store::{
        StoreError,
        clients::{self as rows, Client},
    },
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make a client, and print its secret, which nobody can print again
    Create(Create),
    /// List the clients
    List,
    /// Delete a client. Its tokens live on until they expire
    Delete {
        /// The client's id
        #[arg(value_parser = ClientId::parse)]
        id: ClientId,
    },
    /// Give a client another secret, and print it. The old one is refused from then on, everywhere within 2 seconds,
    /// or 5 minutes where the database is out of reach
    RotateSecret {
        /// The client's id
        #[arg(value_parser = ClientId::parse)]
        id: ClientId,
    },
}

#[derive(Args, Debug)]
pub struct Create {
    /// The client's id, such as billing-job
    #[arg(value_parser = ClientId::parse)]
    id: ClientId,
    /// A scope that it may ask for, such as reports:read
    #[arg(long = "scope", value_name = "NAME", value_parser = scope_name)]
    scopes: Vec<String>,
    /// Write the secret to this file rather than print it, and do nothing if client and file are there already
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

pub async fn run(settings: &Settings, action: Action) -> Result<(), CommandError> {
    let store = open_store_patiently(settings)?;
    store.migrate().await.map_err(failed)?;
    let now = Clock::system().now_ms();
    let record =
        |event, id: &ClientId| AuditRecord::new(event, Initiator::operator(), now).client(id.as_str());
    match action {
        Action::Create(Create { id, mut scopes, secret_file }) => {
            scopes.sort();
            scopes.dedup();
            let scope = scopes.join(" ");
            if scope.len() > MAX_SCOPE_BYTES {
                return Err(CommandError::new(format!("more than {MAX_SCOPE_BYTES} bytes of scopes")));
            }
            let secret = ClientSecret::generate();
            let client = Client {
                id: id.clone(),
                secret_hash: secret.hash(),
                scope,
                created_at_ms: now,
                secret_changed_at_ms: now,
            };
            let record = record(AuditEvent::ClientCreated, &id).detail(format!("scope: {}", client.scope));
            let insert = move |connection: &mut _| {
                let inserted = rows::insert(connection, &client)?;
                Ok((inserted, inserted.then_some(record)))
            };
            let inserted = store.audited(insert).await;
            match (inserted.map_err(failed)?, secret_file) {
                (true, None) => show(&id, &secret),
                (true, Some(file)) => {
                    write_once(&file, secret.reveal().as_bytes()).map_err(|why| {
                        CommandError::new(format!("cannot write {}: {why}", file.display()))
                    })?;
                    println!("Made {}, and its secret in {}", id.as_str(), file.display());
                }
                (false, Some(file)) if file.exists() => println!("There already: {}", id.as_str()),
                (false, _) => {
                    return Err(CommandError::new(format!("there is a client {} already", id.as_str())));
                }
            }
        }
        Action::List => {
            println!("{:30}  {:20}  {:20}  SCOPES", "ID", "CREATED", "SECRET SINCE");
            for client in store.run(rows::all).await.map_err(failed)? {
                let Client { id, scope, created_at_ms, secret_changed_at_ms, .. } = client;
                let (created, changed) = (time(created_at_ms), time(secret_changed_at_ms));
                println!("{:30}  {created:20}  {changed:20}  {scope}", id.as_str());
            }
        }
        Action::Delete { id } => {
            let (gone, record) = (id.clone(), record(AuditEvent::ClientDeleted, &id));
            let delete = move |connection: &mut _| {
                let deleted = rows::delete(connection, &gone)?;
                Ok((deleted, deleted.then_some(record)))
            };
            known(store.audited(delete).await.map_err(failed)?, &id)?;
            println!("Deleted {}", id.as_str());
        }
        Action::RotateSecret { id } => {
            let (secret, of) = (ClientSecret::generate(), id.clone());
            let (hash, record) = (secret.hash(), record(AuditEvent::ClientSecretRotated, &id));
            let replace = move |connection: &mut _| {
                let replaced = rows::replace_secret(connection, &of, &hash, now)?;
                Ok((replaced, replaced.then_some(record)))
            };
            known(store.audited(replace).await.map_err(failed)?, &id)?;
            show(&id, &secret);
        }
    }
    Ok(())
}

fn show(id: &ClientId, secret: &ClientSecret) {
    println!("client_id      {}\nclient_secret  {}", id.as_str(), secret.reveal());
}

fn known(is_known: bool, id: &ClientId) -> Result<(), CommandError> {
    if is_known { Ok(()) } else { Err(CommandError::new(format!("there is no client {}", id.as_str()))) }
}

fn failed(why: StoreError) -> CommandError {
    CommandError::new(why.to_string())
}
