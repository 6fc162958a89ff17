//! Certificates for servers of a test's own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// An authority, and a certificate that it gave to 127.0.0.1, for a server or a client.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes them.
    pub fn make() -> Self {
        // Whatever TMPDIR says: the user that PostgreSQL runs as has to be able to get in.
        let made = Self { folder: tempfile::tempdir_in("/tmp").expect("a temporary folder") };
        let path = |name: &str| made.folder.path().join(name).display().to_string();
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let authority = [
            "req",
            "-x509",
            "-days",
            "2",
            "-subj",
            "/CN=authority",
            "-keyout",
            &path("ca.key"),
            "-out",
            &path("ca.pem"),
        ];
        openssl(&[&authority[..], &new_key].concat());
        let subject = [
            "-subj",
            "/CN=postgres",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ];
        let signed = ["req", "-x509", "-days", "2", "-CA", &path("ca.pem"), "-CAkey", &path("ca.key")];
        let files = ["-keyout", &path("server.key"), "-out", &path("server.pem")];
        openssl(&[&signed[..], &subject, &files, &new_key].concat());
        made
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// Its private key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }

    /// Copies certificate and key into a folder.
    pub(crate) fn copy_to(&self, folder: &Path) {
        for file in [self.certificate(), self.key()] {
            fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
        }
    }
}

fn openssl(args: &[&str]) {
    let done = Command::new("openssl").args(args).stderr(Stdio::null()).status().expect("openssl");
    assert!(done.success(), "openssl {args:?}");
}
