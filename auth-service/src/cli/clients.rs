//! `auth-service clients`: registers, lists and deletes clients.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use service_kit::{CommandError, settings::name};
use shared::clock::Clock;

use super::{open_migrated_store, scope_name, time};
use crate::{
    config::Settings,
    domain::{
        audit::Initiator,
        client::{ClientId, ClientSecret},
    },
    keys::write_once,
    oauth::clients::{ClientAdmin, ClientAdminError, NewClient},
    store::clients::Client,
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Register a client, and print its secret, which cannot be printed again
    Create(Create),
    /// List the clients
    List,
    /// Delete a client. Its tokens stay valid until they expire
    Delete {
        /// The client's id
        #[arg(value_parser = ClientId::parse)]
        id: ClientId,
    },
    /// Replace a client's secret, and print the new one. The old one is refused everywhere within 2 seconds, or within 5 minutes
    /// where the database is unreachable
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
    /// A scope that the client may ask for, such as reports:read
    #[arg(long = "scope", value_name = "NAME", value_parser = scope_name)]
    scopes: Vec<String>,
    /// An audience of the client's own access tokens. Unset: those of AUDIENCE
    #[arg(long = "token-audience", value_name = "NAME", value_parser = audience_name)]
    audiences: Vec<String>,
    /// Write the secret to this file instead of printing it, and do nothing if both client and file exist
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// An audience, as the database stores several: without spaces.
fn audience_name(text: &str) -> Result<String, String> {
    name(text).and_then(|name| match name.contains(char::is_whitespace) {
        true => Err("must not contain spaces".into()),
        false => Ok(name),
    })
}

pub async fn run(settings: &Settings, action: Action) -> Result<(), CommandError> {
    let store = open_migrated_store(settings).await?;
    let admin = ClientAdmin { store, clock: Clock::system(), initiator: Initiator::operator() };
    match action {
        Action::Create(create) => run_create(&admin, create).await?,
        Action::List => print(&admin.list().await?),
        Action::Delete { id } => {
            admin.delete(&id).await?;
            println!("Deleted {}", id.as_str());
        }
        Action::RotateSecret { id } => print_secret(&id, &admin.rotate_secret(&id).await?),
    }
    Ok(())
}

async fn run_create(admin: &ClientAdmin, create: Create) -> Result<(), CommandError> {
    let Create { id, scopes, audiences, secret_file } = create;
    let new = NewClient { id: id.clone(), scopes, audiences };
    match (admin.create(new).await, secret_file) {
        (Ok(secret), None) => print_secret(&id, &secret),
        (Ok(secret), Some(file)) => {
            write_once(&file, secret.reveal().as_bytes())
                .map_err(|why| CommandError::new(format!("cannot write {}: {why}", file.display())))?;
            println!("Made {}, and its secret in {}", id.as_str(), file.display());
        }
        (Err(ClientAdminError::Exists(_)), Some(file)) if file.exists() => {
            println!("There already: {}", id.as_str());
        }
        (Err(why), _) => return Err(why.into()),
    }
    Ok(())
}

fn print(clients: &[Client]) {
    println!("{:30}  {:20}  {:20}  SCOPES", "ID", "CREATED", "SECRET SINCE");
    for client in clients {
        let Client { id, scope, audiences, created_at_ms, secret_changed_at_ms, .. } = client;
        let created = time(*created_at_ms);
        let changed = time(*secret_changed_at_ms);
        let audiences =
            if audiences.is_empty() { String::new() } else { format!("  (audiences: {audiences})") };
        println!("{:30}  {created:20}  {changed:20}  {scope}{audiences}", id.as_str());
    }
}

fn print_secret(id: &ClientId, secret: &ClientSecret) {
    println!("client_id      {}\nclient_secret  {}", id.as_str(), secret.reveal());
}
