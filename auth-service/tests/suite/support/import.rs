//! Files of users, and the command that imports them.

use std::{num::NonZeroU32, path::PathBuf};

use aws_lc_rs::pbkdf2;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use test_support::unique;

use super::TestApp;

/// Outcome of `auth-service users import`.
#[derive(Debug)]
pub struct Imported {
    pub code: Option<i32>,
    /// The lines about rows.
    pub rows: Vec<Value>,
    pub totals: Value,
    pub stderr: String,
}

impl Imported {
    /// Returns the numbers of added, known and refused rows.
    pub fn counts(&self) -> [u64; 3] {
        ["added", "already_there", "refused"].map(|name| self.totals[name].as_u64().unwrap())
    }

    /// Returns the lines and reasons of the refused rows, ordered by line.
    pub fn refused(&self) -> Vec<(u64, String)> {
        let row = |row: &Value| Some((row["line"].as_u64()?, row["refused"].as_str()?.to_owned()));
        let mut rows: Vec<_> = self.rows.iter().filter_map(row).collect();
        rows.sort();
        rows
    }
}

impl TestApp {
    /// Writes a file for the command line.
    pub fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.folder.path().join(unique("file"));
        std::fs::write(&file, content).unwrap();
        file
    }

    /// Imports a file with this content.
    pub fn import(&self, content: impl AsRef<[u8]>, args: &[&str]) -> Imported {
        let file = self.file(content);
        self.import_file(file.to_str().unwrap(), args)
    }

    pub fn import_file(&self, file: &str, args: &[&str]) -> Imported {
        let output = self.cli(&[&["users", "import", file, "--json"], args].concat());
        let stdout = String::from_utf8(output.stdout).unwrap();
        let lines = stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut rows: Vec<Value> = lines.collect();
        Imported {
            code: output.status.code(),
            totals: rows.pop().unwrap_or_default(),
            rows,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Returns all users with their hashes, as `users export` prints them.
    pub fn exported(&self) -> Vec<Value> {
        self.users(&["export", "--with-hashes"])
    }
}

/// Returns a fast hash of Django for the password of every test user.
pub fn django_hash() -> String {
    let mut derived = [0; 32];
    let password = b"correct horse battery";
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, NonZeroU32::MIN, b"salt", password, &mut derived);
    format!("pbkdf2_sha256$1$salt${}", STANDARD.encode(derived))
}

/// Returns a user as Django's `dumpdata` writes it, with changed fields.
pub fn django_user(pk: u64, username: &str, changed: Value) -> Value {
    let mut fields = json!({
        "password": django_hash(),
        "last_login": null,
        "is_superuser": false,
        "username": username,
        "first_name": "",
        "last_name": "",
        "email": format!("{username}@example.com"),
        "is_staff": false,
        "is_active": true,
        "date_joined": "2020-02-03T04:05:06.789Z",
        "groups": [],
        "user_permissions": [],
    });
    for (name, value) in changed.as_object().unwrap() {
        fields[name] = value.clone();
    }
    json!({"model": "auth.user", "pk": pk, "fields": fields})
}

/// Returns a file as `dumpdata` writes it, with each object on a line of its own.
pub fn dumpdata(objects: &[Value]) -> String {
    let objects: Vec<String> = objects.iter().map(Value::to_string).collect();
    format!("[\n{}\n]\n", objects.join(",\n"))
}
