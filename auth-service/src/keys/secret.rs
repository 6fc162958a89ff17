//! The secret that all replicas share: it seals the signing keys in the database, and authenticates refresh tokens.
//!
//! It is a file with one secret a line. The first is used; further ones are those that were used before it, and still
//! open and authenticate what was made with them. So a secret is replaced without logging anybody out.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

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
use uuid::Uuid;

/// A secret shorter than the MAC is easier to guess than the MAC (RFC 7518 section 3.2).
const MIN_BYTES: usize = 32;

const WORKS: &str = "a working random source";

/// The secret, and those used before it.
pub struct Secret {
    sealing: Vec<RandomizedNonceKey>,
    refresh: Vec<[u8; 32]>,
}

/// What became of the secret's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The file was missing and has been created.
    Created,
    /// The file existed and is unchanged.
    AlreadyExists,
}

impl Secret {
    /// Makes the file, unless it is there. Of several processes that try, one succeeds, and all use its secret.
    ///
    /// # Errors
    /// If its folder cannot be written to.
    pub fn make_missing(file: &Path) -> Result<WriteOutcome, CommandError> {
        if file.exists() {
            return Ok(WriteOutcome::AlreadyExists);
        }
        let mut secret = [0; MIN_BYTES];
        rand::fill(&mut secret).expect(WORKS);
        let text = URL_SAFE_NO_PAD.encode(secret) + "\n";
        let folder = file.parent().unwrap_or(Path::new("."));
        private_folder(folder).and_then(|()| write_once(file, text.as_bytes())).map_err(|why| {
            CommandError::new(format!("cannot make {} (SECRET_KEY_FILE, DATA_DIR): {why}", file.display()))
        })
    }

    /// Reads the file.
    ///
    /// # Errors
    /// If it is missing, or holds a secret that is too short.
    pub fn read(file: &Path) -> Result<Self, CommandError> {
        let text = fs::read_to_string(file).map_err(|why| {
            let file = file.display();
            CommandError::new(match why.kind() {
                io::ErrorKind::NotFound => format!(
                    "there is no secret at {file} (SECRET_KEY_FILE): make it once with `auth-service \
                     generate-secret`, and give it to every replica"
                ),
                _ => format!("cannot read {file} (SECRET_KEY_FILE): {why}"),
            })
        })?;
        let text = text.trim_start_matches('\u{feff}');
        let secrets: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let is_comment = |line: &&str| line.starts_with('#') || line.contains(char::is_whitespace);
        if secrets.iter().any(is_comment) {
            return Err(CommandError::new(format!(
                "{} holds a line that is no secret: they have no spaces, and begin with no # (SECRET_KEY_FILE)",
                file.display()
            )));
        }
        if secrets.is_empty() || secrets.iter().any(|secret| secret.len() < MIN_BYTES) {
            return Err(CommandError::new(format!(
                "{} holds a secret of less than {MIN_BYTES} bytes (SECRET_KEY_FILE)",
                file.display()
            )));
        }
        Ok(Self::new(&secrets))
    }

    fn new(secrets: &[&str]) -> Self {
        let derive = |purpose: &'static [u8]| {
            secrets.iter().map(move |secret| {
                let mut key = [0; 32];
                Salt::new(HKDF_SHA256, &[])
                    .extract(secret.as_bytes())
                    .expand(&[purpose], HKDF_SHA256)
                    .and_then(|okm| okm.fill(&mut key))
                    .expect("a hash's length can be derived");
                key
            })
        };
        let sealing = |key: [u8; 32]| RandomizedNonceKey::new(&AES_256_GCM, &key).expect("the key's length");
        Self {
            sealing: derive(b"auth-service signing keys").map(sealing).collect(),
            refresh: derive(b"auth-service refresh tokens").collect(),
        }
    }

    /// The secrets of refresh tokens: the first mints, all read.
    pub fn refresh(&self) -> &[[u8; 32]] {
        &self.refresh
    }

    /// Encrypts `plain` for the database (AES-256-GCM). It opens only as what it was sealed as.
    pub fn seal(&self, sealed_as: &str, plain: &[u8]) -> String {
        let mut buffer = plain.to_vec();
        let nonce = self.sealing[0]
            .seal_in_place_append_tag(Aad::from(sealed_as), &mut buffer)
            .expect("a few kilobytes can be encrypted");
        STANDARD.encode([&nonce.as_ref()[..], &buffer].concat())
    }

    /// Decrypts what [`Secret::seal`] made. `None` if that was another secret, or something else.
    pub fn open(&self, sealed_as: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, cipher) = bytes.split_at_checked(NONCE_LEN)?;
        self.sealing.iter().find_map(|key| {
            let mut buffer = cipher.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let length = key.open_in_place(nonce, Aad::from(sealed_as), &mut buffer).ok()?.len();
            buffer.truncate(length);
            Some(buffer)
        })
    }
}

/// Makes a folder that only its owner can look into, unless it is there.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file that only its owner can read. It appears whole or not at all, and never replaces another.
pub fn write_once(file: &Path, content: &[u8]) -> io::Result<WriteOutcome> {
    let draft = file.with_file_name(format!(".secret.{}", Uuid::new_v4().simple()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut opened| opened.write_all(content).and_then(|()| opened.sync_all()))
        .and_then(|()| match fs::hard_link(&draft, file) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(WriteOutcome::AlreadyExists),
            linked => linked.map(|()| WriteOutcome::Created),
        });
    let removed = fs::remove_file(&draft);
    written.and_then(|made| removed.map(|()| made))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "an old secret that is long enough";
    const NEW: &str = "a new secret that is long enough too";

    #[test]
    fn what_is_sealed_opens_only_as_what_it_was_and_with_its_own_secret() {
        let (old, new) = (Secret::new(&[OLD]), Secret::new(&[NEW]));
        let sealed = old.seal("kid", b"private");
        assert!(!sealed.contains("private"));
        assert_ne!(sealed, old.seal("kid", b"private"), "one nonce was used twice");
        assert_eq!(old.open("kid", &sealed).as_deref(), Some(&b"private"[..]));
        for (secret, sealed_as, sealed) in [
            (&new, "kid", sealed.clone()),
            (&old, "other", sealed.clone()),
            (&old, "kid", format!("A{}", &sealed[1..])),
            (&old, "kid", String::new()),
            (&old, "kid", "not base64!".into()),
        ] {
            assert_eq!(secret.open(sealed_as, &sealed), None);
        }
    }

    #[test]
    fn an_older_secret_still_opens_and_a_newer_one_seals() {
        let both = Secret::new(&[NEW, OLD]);
        assert!(both.open("kid", &Secret::new(&[OLD]).seal("kid", b"private")).is_some());
        assert!(Secret::new(&[NEW]).open("kid", &both.seal("kid", b"private")).is_some());
        assert_eq!(both.refresh(), [Secret::new(&[NEW]).refresh()[0], Secret::new(&[OLD]).refresh()[0]]);
    }
}
