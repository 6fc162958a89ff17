//! The keys' files: `signing.pem`, which signs access tokens, and `refresh.key`, the secret of refresh tokens.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use shared::{keys::Algorithm, service::StartError};
use uuid::Uuid;

use super::signing_key::SigningKey;

const SIGNING: &str = "signing.pem";
const REFRESH: &str = "refresh.key";

/// A secret shorter than the MAC is easier to guess than the MAC (RFC 7518 section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// The keys, read.
pub struct Keys {
    pub signing: SigningKey,
    pub refresh_secret: Vec<u8>,
}

/// What became of the keys' files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// At least one was missing, and was made.
    New,
    /// Both were there.
    Nothing,
}

impl Keys {
    /// Makes what is missing in `folder`. Of several processes that try, one succeeds, and all use its keys.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn make_missing(folder: &Path, algorithm: Algorithm) -> Result<Made, StartError> {
        let failed = |why: io::Error| {
            StartError::new(format!("cannot make keys in {} (KEYS_DIR, DATA_DIR): {why}", folder.display()))
        };
        private_folder(folder).map_err(failed)?;
        let mut made = Made::Nothing;
        if !folder.join(SIGNING).exists() {
            made = Made::New;
            write_once(folder, SIGNING, SigningKey::generate(algorithm).as_bytes()).map_err(failed)?;
        }
        if !folder.join(REFRESH).exists() {
            made = Made::New;
            let mut secret = [0; MIN_SECRET_BYTES];
            rand::fill(&mut secret).map_err(|_| failed(io::Error::other("no random bytes")))?;
            write_once(folder, REFRESH, URL_SAFE_NO_PAD.encode(secret).as_bytes()).map_err(failed)?;
        }
        Ok(made)
    }

    /// Reads the keys in `folder`.
    ///
    /// # Errors
    /// If one is missing, or is not what it should be.
    pub fn read(folder: &Path, algorithm: Algorithm) -> Result<Self, StartError> {
        let read = |name| {
            let path = folder.join(name);
            fs::read(&path).map_err(|why| {
                let path = path.display();
                StartError::new(match why.kind() {
                    io::ErrorKind::NotFound => format!(
                        "there is no key at {path} (KEYS_DIR): make it once with `auth-service keys generate`, \
                         and give it to every replica"
                    ),
                    _ => format!("cannot read {path} (KEYS_DIR): {why}"),
                })
            })
        };
        let signing = SigningKey::from_pem(algorithm, &read(SIGNING)?).ok_or_else(|| {
            StartError::new(format!(
                "{} is not a private key for {algorithm} in PEM, PKCS#8 (SIGNING_ALGORITHM, KEYS_DIR)",
                folder.join(SIGNING).display()
            ))
        })?;
        let refresh_secret = read(REFRESH)?.trim_ascii().to_vec();
        if refresh_secret.len() < MIN_SECRET_BYTES {
            return Err(StartError::new(format!(
                "{} is shorter than {MIN_SECRET_BYTES} bytes (KEYS_DIR)",
                folder.join(REFRESH).display()
            )));
        }
        Ok(Self { signing, refresh_secret })
    }
}

/// Makes a folder that only its owner can look into, unless it is there.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file that only its owner can read. It appears whole or not at all, and never replaces another.
fn write_once(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let draft = folder.join(format!(".{name}.{}", Uuid::new_v4().simple()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| match fs::hard_link(&draft, folder.join(name)) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let removed = fs::remove_file(&draft);
    written.and(removed)
}
