//! Signing keys: published ids, commands, and logins that wait for a key.

use std::process::Output;

use super::{TestApp, auth_service};
use test_support::{Answer, Client, decode_part, temp_dir, wait_until};

impl TestApp {
    pub async fn register_and_login(&self, name: &str) -> Answer {
        assert_eq!(self.register(name).await.status, 201);
        self.login(name).await
    }
}

/// Returns the ids of the published keys, in their order.
pub async fn published_kids(client: &Client) -> Vec<String> {
    let answer = client.get("/.well-known/jwks.json", None).await;
    let keys = answer.json["keys"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Waits until this many keys are published, and returns their ids. Replicas read the keys once a
/// second.
#[track_caller]
pub fn wait_for_published_kids(client: &Client, count: usize) -> impl Future<Output = Vec<String>> {
    wait_until(format!("{count} keys are published"), async move || {
        let kids = published_kids(client).await;
        if kids.len() == count { Ok(kids) } else { Err(format!("{kids:?}")) }
    })
}

/// Logs in as `ada` until a key other than this one signs, and returns the answer.
#[track_caller]
pub fn login_with_another_key(client: &Client, old: &str) -> impl Future<Output = Answer> {
    wait_until(format!("a key other than {old} signs"), async move || {
        let login = client.login("ada").await;
        (kid(&login) != old).then_some(login)
    })
}

/// Returns the id of the key that signed the access token in an answer.
pub fn kid(answer: &Answer) -> String {
    decode_part(&answer.tokens().access, 0)["kid"].as_str().unwrap().to_owned()
}

/// Returns a new secret, as a line of a secret file.
pub fn new_secret() -> String {
    let folder = temp_dir();
    stdout_of(auth_service(&folder, &["generate-secret"]));
    std::fs::read_to_string(folder.path().join("secret.key")).unwrap()
}

/// Asserts that a command succeeded, and returns its output.
#[track_caller]
pub fn stdout_of(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts that a command failed with code 1, and returns its errors.
#[track_caller]
pub fn stderr_of(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}
