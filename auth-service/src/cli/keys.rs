//! `auth-service keys`: lists, generates, rotates and retires the keys that sign access tokens.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use pem::Pem;
use serde_json::{Value, json};
use service_kit::{
    CommandError,
    output::{print, print_outcome},
};
use shared::{
    Verifier,
    clock::Clock,
    keys::{Algorithm, JwkSet},
};

use super::{format::Format, open::open_store, operator, text::time};
use crate::{
    app::{key_settings, token_lifetime},
    config::Settings,
    domain::key_schedule::KeyState,
    keys::{Activation, KeyInfo, Secret, SigningKey, SigningKeys},
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
    /// Print a public key as PEM, for a verifier that does not fetch the keys, such as HAProxy
    Export {
        /// Id of the key, as `keys list` prints it. Unset: the current key
        #[arg(allow_hyphen_values = true)]
        kid: Option<String>,
    },
    /// Delete a key before all its tokens have expired, because it leaked
    Retire(Retire),
}

#[derive(Args, Debug)]
pub struct Generate {
    /// Algorithm of the key: EdDSA, ES256 or RS256. Every verifier must accept it before the key
    /// signs. Unset: SIGNING_ALGORITHM, or that of the current key
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    algorithm: Option<Algorithm>,
    /// File with the private key to publish (PEM, PKCS#8). Unset: a new key
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Rotate {
    /// Algorithm of the next key: EdDSA, ES256 or RS256. Every verifier must accept it before the key
    /// signs. Unset: SIGNING_ALGORITHM, or that of the current key
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    /// Do not wait until every verifier has fetched the key. A verifier that does not fetch unknown
    /// keys refuses the key's tokens until its next fetch
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

pub async fn run(settings: &Settings, action: Action, format: Format) -> Result<(), CommandError> {
    let keys = open_keys(settings).await?;
    match action {
        Action::List => {
            let keys = keys.list().await?;
            print(&format.list(&keys, || table(&keys), object))
        }
        Action::Generate(Generate { algorithm, from: None }) => {
            print_key(&keys, &keys.generate(algorithm).await?, format).await
        }
        Action::Generate(Generate { from: Some(file), .. }) => {
            let (algorithm, pkcs8) = read_private_key(&file)?;
            print_key(&keys, &keys.import(algorithm, pkcs8).await?, format).await
        }
        Action::Rotate(Rotate { algorithm, now }) => {
            let activation = if now { Activation::Urgent } else { Activation::PublishedAhead };
            print_key(&keys, &keys.rotate(algorithm, activation).await?, format).await
        }
        Action::Export { kid } => print(&keys.public_pem(kid.as_deref()).await?),
        Action::Retire(Retire { kid, force }) => {
            keys.retire(kid.clone(), force).await?;
            let text = || {
                format!(
                    "{kid} is retired. Verifiers refuse its tokens once they fetch the keys again\n"
                )
            };
            print_outcome(&format.one(text, || json!({"kid": kid, "retired": true})))
        }
    }
}

/// Opens the signing keys for an operator. The verifier without keys stands in for the verifier of
/// a running service.
async fn open_keys(settings: &Settings) -> Result<SigningKeys, CommandError> {
    let store = open_store(settings).await?;
    let secret = Arc::new(Secret::read(&settings.secret_key_file())?);
    let no_keys = JwkSet { keys: Vec::new() };
    let verifier = Verifier::builder(settings.issuer()).build_with_keys(&no_keys);
    let initiator = operator::initiator();
    let clock = Clock::system();
    Ok(SigningKeys::new(
        key_settings(settings, token_lifetime(settings)),
        store,
        secret,
        clock,
        verifier,
        initiator,
    ))
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

fn table(keys: &[KeyInfo]) -> String {
    let header =
        format!("{:43}  {:9}  {:7}  {:20}  WHEN\n", "KID", "ALGORITHM", "STATE", "PUBLISHED");
    let row = |key: &KeyInfo| {
        let published = time(key.times.published_at_ms);
        let state = key.state.name();
        format!("{:43}  {:9}  {state:7}  {published:20}  {}\n", key.kid, key.algorithm, when(key))
    };
    keys.iter().map(row).fold(header, |table, row| table + &row)
}

/// Prints a new key. Warns if its algorithm is not that of the current key.
async fn print_key(keys: &SigningKeys, key: &KeyInfo, format: Format) -> Result<(), CommandError> {
    let KeyInfo { kid, algorithm, state, .. } = key;
    let text = || format!("{kid} ({algorithm}) is {}: {}\n", state.name(), when(key));
    print_outcome(&format.one(text, || object(key)))?;
    let known = keys.list().await?;
    let current = known.iter().find(|key| key.state == KeyState::Current);
    if let Some(current) = current.filter(|current| current.algorithm != *algorithm) {
        log::warn!(
            "the current key is for {}: every verifier must accept {algorithm} before {kid} signs, \
             or it refuses all new tokens. `keys retire {kid}` cancels the change",
            current.algorithm
        );
    }
    Ok(())
}

fn object(key: &KeyInfo) -> Value {
    let until = match key.state {
        KeyState::Retired { until_ms } => Some(time(until_ms)),
        KeyState::Next | KeyState::Current => None,
    };
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm.to_string(),
        "state": key.state.name(),
        "published_at": time(key.times.published_at_ms),
        "signs_from": key.times.activates_at_ms.map(time),
        "published_until": until,
    })
}

fn when(key: &KeyInfo) -> String {
    match (key.state, key.times.activates_at_ms) {
        (KeyState::Next, None) => "waits for `keys rotate`".into(),
        (KeyState::Next, Some(at)) => format!("signs from {} on", time(at)),
        (KeyState::Current, at) => format!("signs since {}", time(at.unwrap_or_default())),
        (KeyState::Retired { until_ms }, _) => format!("published until {}", time(until_ms)),
    }
}
