//! Certificates for the servers and clients of one test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A certificate authority, and a certificate for 127.0.0.1 that the authority has signed.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Generates the authority and the certificate.
    pub fn generate() -> Self {
        // Not in TMPDIR: the operating system's user of PostgreSQL must have access.
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
        let certificates = Self { folder };
        certificates.generate_authority();
        certificates.generate_certificate();
        certificates
    }

    fn generate_authority(&self) {
        openssl(&[
            &["req", "-x509", "-days", "2", "-subj", "/CN=authority"],
            &["-keyout", &self.path("ca.key"), "-out", &self.path("ca.pem")],
            &NEW_KEY,
        ]);
    }

    fn generate_certificate(&self) {
        openssl(&[
            &["req", "-x509", "-days", "2", "-subj", "/CN=postgres"],
            &["-CA", &self.path("ca.pem"), "-CAkey", &self.path("ca.key")],
            &["-addext", "subjectAltName=IP:127.0.0.1"],
            &["-addext", "basicConstraints=critical,CA:FALSE"],
            &["-keyout", &self.path("server.key"), "-out", &self.path("server.pem")],
            &NEW_KEY,
        ]);
    }

    /// Returns the path of the authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Returns the path of the signed certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// Returns the path of the private key of the signed certificate.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }

    /// Copies the signed certificate and its key into a folder.
    pub(crate) fn copy_to(&self, folder: &Path) {
        for file in [self.certificate(), self.key()] {
            fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
        }
    }

    fn path(&self, file: &str) -> String {
        self.folder.path().join(file).display().to_string()
    }
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

fn openssl(arguments: &[&[&str]]) {
    let arguments = arguments.concat();
    let mut command = Command::new("openssl");
    let status = command.args(&arguments).stderr(Stdio::null()).status().expect("openssl");
    assert!(status.success(), "openssl {arguments:?}");
}
