//! `auth-service clients`: make and delete those who may ask in their own right.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use shared::{clock::Clock, service::StartError};

use super::{MAX_SCOPE_BYTES, scope_name, time};
use crate::{
    config::Settings,
    domain::client::{ClientId, ClientSecret},
    state::open_store,
    store::{
        StoreError,
        clients::{self as rows, Client},
    },
    tokens::secret::write_once,
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

pub async fn run(settings: &Settings, action: Action) -> Result<(), StartError> {
    let store = open_store(settings)?;
    store.migrate().await.map_err(failed)?;
    let now = Clock::system().now_ms();
    match action {
        Action::Create(Create { id, mut scopes, secret_file }) => {
            scopes.sort();
            scopes.dedup();
            let scope = scopes.join(" ");
            if scope.len() > MAX_SCOPE_BYTES {
                return Err(StartError::new(format!("more than {MAX_SCOPE_BYTES} bytes of scopes")));
            }
            let secret = ClientSecret::generate();
            let client = Client {
                id: id.clone(),
                secret_hash: secret.hash(),
                scope,
                created_at_ms: now,
                secret_changed_at_ms: now,
            };
            let inserted = store.run(move |connection| rows::insert(connection, &client)).await;
            match (inserted.map_err(failed)?, secret_file) {
                (true, None) => show(&id, &secret),
                (true, Some(file)) => {
                    write_once(&file, secret.reveal().as_bytes())
                        .map_err(|why| StartError::new(format!("cannot write {}: {why}", file.display())))?;
                    println!("Made {}, and its secret in {}", id.as_str(), file.display());
                }
                (false, Some(file)) if file.exists() => println!("There already: {}", id.as_str()),
                (false, _) => {
                    return Err(StartError::new(format!("there is a client {} already", id.as_str())));
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
            let gone = id.clone();
            let deleted =
                store.run(move |connection| rows::delete(connection, &gone)).await.map_err(failed)?;
            known(deleted, &id)?;
            println!("Deleted {}", id.as_str());
        }
        Action::RotateSecret { id } => {
            let (secret, of) = (ClientSecret::generate(), id.clone());
            let hash = secret.hash();
            let replace = move |connection: &mut _| rows::replace_secret(connection, &of, &hash, now);
            known(store.run(replace).await.map_err(failed)?, &id)?;
            show(&id, &secret);
        }
    }
    Ok(())
}

fn show(id: &ClientId, secret: &ClientSecret) {
    println!("client_id      {}\nclient_secret  {}", id.as_str(), secret.reveal());
}

fn known(is_known: bool, id: &ClientId) -> Result<(), StartError> {
    if is_known { Ok(()) } else { Err(StartError::new(format!("there is no client {}", id.as_str()))) }
}

fn failed(why: StoreError) -> StartError {
    StartError::new(why.to_string())
}
