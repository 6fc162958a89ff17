//! `auth-service keys`: lists, generates, rotates and retires the keys that sign access tokens.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use pem::Pem;
use service_kit::CommandError;
use shared::{
    Verifier,
    clock::Clock,
    keys::{Algorithm, JwkSet},
};

use super::{open_migrated_store, time};
use crate::{
    app::{key_settings, open_secret},
    config::Settings,
    domain::{audit::Initiator, key_schedule::KeyState},
    keys::{Activation, KeyInfo, SigningKey, SigningKeys},
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the keys: next, current and retired
    List,
    /// Generate and publish a next key, which signs after a rotation
    Generate(Generate),
    /// Let the next key sign once it has been published for KEY_PUBLISH_AHEAD. Generates the key if
    /// none is next
    Rotate(Rotate),
    /// Delete a key before all its tokens have expired, because it leaked
    Retire(Retire),
}

#[derive(Args, Debug)]
pub struct Generate {
    /// Algorithm of the key: EdDSA, ES256 or RS256. Unset: SIGNING_ALGORITHM
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    algorithm: Option<Algorithm>,
    /// File with the private key to publish (PEM, PKCS#8). Unset: a new key
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Rotate {
    /// Algorithm of the next key: EdDSA, ES256 or RS256. Unset: SIGNING_ALGORITHM
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    /// Do not wait until every verifier has fetched the key. A verifier that does not fetch unknown
    /// keys refuses its tokens meanwhile
    #[arg(long)]
    now: bool,
}

#[derive(Args, Debug)]
pub struct Retire {
    /// Id of the key, as `keys list` prints it
    #[arg(allow_hyphen_values = true)]
    kid: String,
    /// Retire the key even if it is the current one. The next key, or a new one, takes over first,
    /// within a few seconds
    #[arg(long)]
    force: bool,
}

pub async fn run(settings: &Settings, action: Action) -> Result<(), CommandError> {
    let keys = open_keys(settings).await?;
    match action {
        Action::List => print_list(&keys.list().await?),
        Action::Generate(Generate { algorithm, from: None }) => {
            print_key(&keys.generate(algorithm).await?);
        }
        Action::Generate(Generate { from: Some(file), .. }) => {
            let (algorithm, pkcs8) = read_private_key(&file)?;
            print_key(&keys.import(algorithm, pkcs8).await?);
        }
        Action::Rotate(Rotate { algorithm, now }) => {
            let activation = if now { Activation::Urgent } else { Activation::PublishedAhead };
            print_key(&keys.rotate(algorithm, activation).await?);
        }
        Action::Retire(Retire { kid, force }) => {
            keys.retire(kid.clone(), force).await?;
            println!(
                "{kid} is retired. Verifiers refuse its tokens once they fetch the keys again"
            );
        }
    }
    Ok(())
}

/// Opens the signing keys for an operator. The verifier without keys stands in for the verifier of
/// a running service.
async fn open_keys(settings: &Settings) -> Result<SigningKeys, CommandError> {
    let secret = Arc::new(open_secret(settings)?);
    let store = open_migrated_store(settings).await?;
    let no_keys = JwkSet { keys: Vec::new() };
    let verifier = Verifier::builder(settings.issuer()).build_with_keys(&no_keys);
    let initiator = Initiator::operator();
    let clock = Clock::system();
    Ok(SigningKeys::new(key_settings(settings), store, secret, clock, verifier, initiator))
}

/// Reads a private key, and detects its algorithm.
fn read_private_key(file: &Path) -> Result<(Algorithm, Vec<u8>), CommandError> {
    let text = fs::read(file)
        .map_err(|why| CommandError::new(format!("cannot read {}: {why}", file.display())))?;
    let mut pems = pem::parse_many(text).unwrap_or_default();
    let only = pems.pop().filter(|pem| pems.is_empty() && pem.tag() == "PRIVATE KEY");
    let pkcs8 = only.map(Pem::into_contents).unwrap_or_default();
    match SigningKey::algorithm_of(&pkcs8) {
        Some(algorithm) => Ok((algorithm, pkcs8)),
        None => Err(CommandError::new(format!(
            "{} is not one private key in PEM (PKCS#8) for EdDSA (Ed25519), ES256 (P-256) or \
             RS256 (2048 bits or more)",
            file.display()
        ))),
    }
}

fn print_list(keys: &[KeyInfo]) {
    println!("{:43}  {:9}  {:7}  {:20}  WHEN", "KID", "ALGORITHM", "STATE", "PUBLISHED");
    for key in keys {
        println!(
            "{:43}  {:9}  {:7}  {:20}  {}",
            key.kid,
            key.algorithm,
            key.state.name(),
            time(key.times.published_at_ms),
            when(key)
        );
    }
}

fn print_key(key: &KeyInfo) {
    println!("{} ({}) is {}: {}", key.kid, key.algorithm, key.state.name(), when(key));
}

fn when(key: &KeyInfo) -> String {
    match (key.state, key.times.activates_at_ms) {
        (KeyState::Next, None) => "waits for `keys rotate`".into(),
        (KeyState::Next, Some(at)) => format!("signs from {} on", time(at)),
        (KeyState::Current, at) => format!("signs since {}", time(at.unwrap_or_default())),
        (KeyState::Retired { until_ms }, _) => format!("published until {}", time(until_ms)),
    }
}
