//! URLs that may contain a password.

use std::{fmt, path::PathBuf};

use service_kit::settings::only_line;

/// A URL that may contain a password. Never printed.
#[derive(Clone)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Creates a URL that is never printed.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// Returns the URL, which may contain a password.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl(redacted)")
    }
}

/// A file that holds a URL, and the URL.
#[derive(Clone, Debug)]
pub struct UrlFile {
    pub(super) file: PathBuf,
    pub(super) url: SecretUrl,
}

/// Returns a value parser that reads the file of this name, and parses its only line.
pub fn in_file(
    parse: fn(&str) -> Result<SecretUrl, String>,
) -> impl Fn(&str) -> Result<UrlFile, String> + Clone {
    move |file| {
        let url = parse(&only_line(file)?).map_err(|why| format!("holds a URL that {why}"))?;
        Ok(UrlFile { file: file.into(), url })
    }
}
