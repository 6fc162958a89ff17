//! The secret that all replicas share: it seals the signing keys in the database, and authenticates
//! refresh tokens and one-time codes.
//!
//! The secret's file has one secret per line. The first is in use. The others were in use before:
//! they still open and authenticate what was created with them, so an operator replaces the secret
//! without logging any user out.

use std::{fs, io, path::Path};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, Salt},
    rand,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use service_kit::CommandError;
use zeroize::Zeroizing;

use super::{WriteOutcome, create_private_folder, write_once};
use crate::domain::secret_strength::weakness;

/// Minimum length of a secret. A secret shorter than the MAC is easier to guess than the MAC (RFC
/// 7518 section 3.2).
const MIN_BYTES: usize = 32;

/// How an operator replaces a secret that is easy to guess.
const REPLACE_WEAK: &str = "Generate another with `auth-service generate-secret \
    --secret-key-file new.key`, and add it at each replica in the order of \
    docs/guides/rotate-keys.md#a-secret-that-is-refused";

/// The keys that are derived from the secret and from earlier secrets.
pub struct Secret {
    sealing: Vec<RandomizedNonceKey>,
    refresh_tokens: Vec<[u8; 32]>,
    throttle: [u8; 32],
    dummy_hashes: [u8; 32],
    one_time_codes: Vec<[u8; 32]>,
    /// Why each secret is easy to guess.
    weaknesses: Vec<Option<&'static str>>,
}

impl Secret {
    /// Creates the file with a random secret, unless the file exists. If several processes try at
    /// once, one succeeds, and all use its secret.
    ///
    /// # Errors
    /// If the file's folder is not writable.
    pub fn create_if_missing(file: &Path) -> Result<WriteOutcome, CommandError> {
        if file.exists() {
            return Ok(WriteOutcome::AlreadyExists);
        }
        let mut secret = [0; MIN_BYTES];
        rand::fill(&mut secret).expect("a working random source");
        let text = URL_SAFE_NO_PAD.encode(secret) + "\n";
        let folder = file.parent().unwrap_or(Path::new("."));
        let created = create_private_folder(folder);
        created.and_then(|()| write_once(file, text.as_bytes())).map_err(|why| {
            let file = file.display();
            CommandError::new(format!("cannot create {file} (SECRET_KEY_FILE, DATA_DIR): {why}"))
        })
    }

    /// Reads the file.
    ///
    /// # Errors
    /// If the file is missing, or contains a line that is not a secret or is too short.
    pub fn read(file: &Path) -> Result<Self, CommandError> {
        let text = fs::read_to_string(file).map_err(|why| read_error(file, &why))?;
        let text = Zeroizing::new(text);
        let file = file.display();
        let text = text.trim_start_matches('\u{feff}');
        let lines = text.lines().map(str::trim);
        let secrets: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let is_comment = |line: &&str| line.starts_with('#') || line.contains(char::is_whitespace);
        if secrets.iter().any(is_comment) {
            return Err(CommandError::new(format!(
                "{file} (SECRET_KEY_FILE) contains a line that is not a secret: a secret does not \
                 start with # and contains no space"
            )));
        }
        if secrets.is_empty() || secrets.iter().any(|secret| secret.len() < MIN_BYTES) {
            return Err(CommandError::new(format!(
                "{file} (SECRET_KEY_FILE) contains a secret of less than {MIN_BYTES} bytes"
            )));
        }
        Ok(Self::derive_from(&secrets))
    }

    /// Checks that the secret in use is not easy to guess. Earlier secrets may be: they must stay
    /// until what they made has expired.
    ///
    /// # Errors
    /// One line that names the weakness and how to replace the secret.
    pub fn check_strength(&self, file: &Path) -> Result<(), CommandError> {
        let Some(weakness) = self.weaknesses[0] else { return Ok(()) };
        Err(CommandError::new(format!(
            "{} (SECRET_KEY_FILE) contains a secret that {weakness}: an attacker who guesses it \
             can forge refresh tokens. {REPLACE_WEAK}",
            file.display()
        )))
    }

    /// Returns why an earlier secret is easy to guess.
    pub fn weakness_of_earlier(&self) -> Option<&'static str> {
        self.weaknesses[1..].iter().find_map(|weakness| *weakness)
    }

    pub(super) fn derive_from(secrets: &[&str]) -> Self {
        let derive_all =
            |purpose: &'static [u8]| secrets.iter().map(move |secret| derive_key(secret, purpose));
        let sealing_key = |key: [u8; 32]| {
            let key = RandomizedNonceKey::new(&AES_256_GCM, &key);
            key.expect("a key of 256 bits")
        };
        Self {
            sealing: derive_all(b"auth-service signing keys").map(sealing_key).collect(),
            refresh_tokens: derive_all(b"auth-service refresh tokens").collect(),
            throttle: derive_key(secrets[0], b"auth-service throttle"),
            dummy_hashes: derive_key(secrets[0], b"auth-service dummy hashes"),
            one_time_codes: derive_all(b"auth-service one-time codes").collect(),
            weaknesses: secrets.iter().map(|secret| weakness(secret)).collect(),
        }
    }

    /// Returns the keys of refresh tokens. The first key mints; all keys verify.
    pub fn refresh_token_keys(&self) -> &[[u8; 32]] {
        &self.refresh_tokens
    }

    /// Returns the key of the MACs under which failed logins are counted. A new secret starts new
    /// counters.
    pub fn throttle_key(&self) -> &[u8; 32] {
        &self.throttle
    }

    /// Returns the key of the MACs that draw the dummy hash of a name.
    pub fn dummy_hash_key(&self) -> &[u8; 32] {
        &self.dummy_hashes
    }

    /// Returns the keys of the MACs of one-time codes. The first key makes new codes; all keys find
    /// codes.
    pub fn one_time_code_keys(&self) -> &[[u8; 32]] {
        &self.one_time_codes
    }

    /// Encrypts `plain` for the database (AES-256-GCM). [`Secret::open`] needs the same `name`.
    pub fn seal(&self, name: &str, plain: &[u8]) -> String {
        let mut buffer = plain.to_vec();
        let nonce = self.sealing[0]
            .seal_in_place_append_tag(Aad::from(name), &mut buffer)
            .expect("a message of a few kilobytes");
        STANDARD.encode([&nonce.as_ref()[..], &buffer].concat())
    }

    /// Decrypts the result of [`Secret::seal`]. `None` if it was sealed with another secret or
    /// under another name, or is damaged.
    pub fn open(&self, name: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, cipher) = bytes.split_at_checked(NONCE_LEN)?;
        self.sealing.iter().find_map(|key| {
            let mut buffer = cipher.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let length = key.open_in_place(nonce, Aad::from(name), &mut buffer).ok()?.len();
            buffer.truncate(length);
            Some(buffer)
        })
    }
}

fn read_error(file: &Path, why: &io::Error) -> CommandError {
    let file = file.display();
    CommandError::new(match why.kind() {
        io::ErrorKind::NotFound => format!(
            "the secret file {file} (SECRET_KEY_FILE) does not exist: create it once with \
             `auth-service generate-secret`, and copy it to every replica"
        ),
        _ => format!("cannot read {file} (SECRET_KEY_FILE): {why}"),
    })
}

fn derive_key(secret: &str, purpose: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    Salt::new(HKDF_SHA256, &[])
        .extract(secret.as_bytes())
        .expand(&[purpose], HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("the output length of the hash");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "an old secret that is long enough";
    const NEW: &str = "a new secret that is long enough too";

    fn secret(secrets: &[&str]) -> Secret {
        Secret::derive_from(secrets)
    }

    #[test]
    fn sealed_data_opens_only_under_its_name_and_with_its_secret() {
        let old = secret(&[OLD]);
        let new = secret(&[NEW]);
        let sealed = old.seal("kid", b"private");
        assert!(!sealed.contains("private"));
        assert_ne!(sealed, old.seal("kid", b"private"), "one nonce was used twice");
        assert_eq!(old.open("kid", &sealed).as_deref(), Some(&b"private"[..]));
        for (secret, name, sealed) in [
            (&new, "kid", sealed.clone()),
            (&old, "other", sealed.clone()),
            (&old, "kid", format!("A{}", &sealed[1..])),
            (&old, "kid", String::new()),
            (&old, "kid", "not base64!".into()),
        ] {
            assert_eq!(secret.open(name, &sealed), None);
        }
    }

    #[test]
    fn an_earlier_secret_still_opens_and_the_first_secret_seals() {
        let both = secret(&[NEW, OLD]);
        assert!(both.open("kid", &secret(&[OLD]).seal("kid", b"private")).is_some());
        assert!(secret(&[NEW]).open("kid", &both.seal("kid", b"private")).is_some());
        let new_key = secret(&[NEW]).refresh_token_keys()[0];
        let old_key = secret(&[OLD]).refresh_token_keys()[0];
        assert_eq!(both.refresh_token_keys(), [new_key, old_key]);
    }
}
