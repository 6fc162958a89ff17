//! Checks that a command seals with the secret of the replicas. No replica could open what another
//! secret sealed.

use diesel::QueryResult;

use super::keyring::Keyring;
use crate::{
    keys::{KeysError, Secret},
    store::{AnyConnection, signing_keys, webhooks},
};

/// Error returned if a secret is not the one of the replicas.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "{0}, and replicas could not open what it seals: set it or DATA_DIR as the replicas have it"
)]
pub struct WrongSecret(String);

/// Returns why a secret is not the one of the replicas: it opens no signing key in the database. If
/// there is no signing key yet, it must open a receiver. `None` also if there is no receiver.
pub fn check(connection: &mut AnyConnection, secret: &Secret) -> QueryResult<Option<WrongSecret>> {
    let keys = signing_keys::all(connection)?;
    // The newest key is that of the present secret.
    if let Some(newest) = keys.last() {
        let opens = keys.iter().any(|key| secret.open(&key.kid, &key.sealed).is_some());
        let error = || WrongSecret(KeysError::DoesNotOpen(newest.kid.clone()).to_string());
        return Ok((!opens).then(error));
    }
    let receivers = webhooks::all(connection)?;
    let opens = receivers
        .iter()
        .any(|receiver| Keyring::open(secret, &receiver.id, &receiver.sealed).is_some());
    let error = |first: &webhooks::Webhook| {
        let id = &first.id;
        WrongSecret(format!(
            "the receiver {id} in the database does not open with this secret (SECRET_KEY_FILE)"
        ))
    };
    Ok(receivers.first().filter(|_| !opens).map(error))
}
