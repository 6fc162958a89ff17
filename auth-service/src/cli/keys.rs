//! `auth-service keys`: list and rotate the keys that sign access tokens.

use std::{fs, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use service_kit::CommandError;
use shared::{
    Verifier,
    clock::Clock,
    keys::{Algorithm, JwkSet},
};

use super::time;
use crate::{
    app::{key_settings, open_store_for_cli},
    config::Settings,
    domain::{audit::Initiator, key_schedule::KeyState},
    keys::{Activation, KeyInfo, KeysError, Secret, SigningKey, SigningKeys},
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the keys: next, current and retired
    List,
    /// Publish a next key, which signs once you rotate
    Generate(Generate),
    /// Let the next key sign, once it has been published for KEY_PUBLISH_AHEAD. Makes it if there is none
    Rotate(Rotate),
    /// Take a key out of use before all that it signed has expired: one that leaked
    Retire(Retire),
}

#[derive(Args, Debug)]
pub struct Generate {
    /// The key's algorithm: EdDSA, ES256 or RS256. Unset: SIGNING_ALGORITHM
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    algorithm: Option<Algorithm>,
    /// Use the private key in this file (PEM, PKCS#8) rather than a new one
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Rotate {
    /// The next key's algorithm: EdDSA, ES256 or RS256. Unset: SIGNING_ALGORITHM
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    /// Do not wait until every verifier knows the key: those that do not look for it refuse its tokens meanwhile
    #[arg(long)]
    now: bool,
}

#[derive(Args, Debug)]
pub struct Retire {
    /// The key's id, as `keys list` shows it
    #[arg(allow_hyphen_values = true)]
    kid: String,
    /// Even if it is the current key. The next key, or a new one, takes over first, which takes some seconds
    #[arg(long)]
    force: bool,
}

pub async fn run(settings: &Settings, action: Action) -> Result<(), CommandError> {
    if settings.makes_secret() {
        Secret::create_if_missing(&settings.secret_key_file())?;
    }
    let secret = Arc::new(Secret::read(&settings.secret_key_file())?);
    let store = open_store_for_cli(settings)?;
    store.migrate().await.map_err(failed)?;
    let nothing = Verifier::builder(settings.issuer()).build_with_keys(&JwkSet { keys: Vec::new() });
    let keys = SigningKeys::new(
        key_settings(settings),
        store,
        secret,
        Clock::system(),
        nothing,
        Initiator::operator(),
    );
    match action {
        Action::List => list(&keys.list().await.map_err(failed)?),
        Action::Generate(Generate { algorithm, from: None }) => {
            said(&keys.generate(algorithm).await.map_err(failed)?);
        }
        Action::Generate(Generate { from: Some(file), .. }) => {
            let (algorithm, pkcs8) = read_pem(&file)?;
            said(&keys.import(algorithm, pkcs8).await.map_err(failed)?);
        }
        Action::Rotate(Rotate { algorithm, now }) => {
            let activation = if now { Activation::Urgent } else { Activation::PublishedAhead };
            said(&keys.rotate(algorithm, activation).await.map_err(failed)?);
        }
        Action::Retire(Retire { kid, force }) => {
            keys.retire(kid.clone(), force).await.map_err(failed)?;
            println!("{kid} is out of use. Verifiers refuse its tokens from their next fetch of the keys on");
        }
    }
    Ok(())
}

fn read_pem(file: &std::path::Path) -> Result<(Algorithm, Vec<u8>), CommandError> {
    let text =
        fs::read(file).map_err(|why| CommandError::new(format!("cannot read {}: {why}", file.display())))?;
    let mut pems = pem::parse_many(text).unwrap_or_default();
    let one = pems.pop().filter(|pem| pems.is_empty() && pem.tag() == "PRIVATE KEY");
    let pkcs8 = one.map(pem::Pem::into_contents).unwrap_or_default();
    let algorithm = Algorithm::ALL.into_iter().find(|one| SigningKey::from_pkcs8(*one, &pkcs8).is_some());
    let none = || {
        CommandError::new(format!(
            "{} is not one private key in PEM (PKCS#8) for EdDSA (Ed25519), ES256 (P-256) or RS256 (2048 bits or more)",
            file.display()
        ))
    };
    algorithm.map(|algorithm| (algorithm, pkcs8)).ok_or_else(none)
}

fn list(keys: &[KeyInfo]) {
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

fn said(key: &KeyInfo) {
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

fn failed(why: impl Into<KeysError>) -> CommandError {
    CommandError::new(why.into().to_string())
}
