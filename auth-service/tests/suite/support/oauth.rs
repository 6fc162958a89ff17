//! OAuth 2.0 clients and their requests.

use reqwest::Method;
use serde_json::Value;

use super::TestApp;
use test_support::{Answer, wait_until};

/// Id and secret of a client.
pub type Credentials = (String, String);

impl TestApp {
    /// Creates a client with these scopes.
    pub fn client(&self, id: &str, scopes: &[&str]) -> Credentials {
        let mut args = vec!["clients", "create", id];
        args.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        credentials(&self.cli(&args))
    }

    pub async fn oauth(
        &self,
        path: &str,
        form: &[(&str, &str)],
        client: Option<&Credentials>,
    ) -> Answer {
        let mut request = self.request(Method::POST, path).form(form);
        if let Some((id, secret)) = client {
            request = request.basic_auth(id, Some(secret));
        }
        self.send(request).await
    }

    pub async fn client_token(&self, client: &Credentials) -> String {
        let form = [("grant_type", "client_credentials")];
        text(&self.oauth("/oauth/token", &form, Some(client)).await, "access_token")
    }

    pub async fn introspect(&self, token: &str, client: &Credentials) -> Value {
        let answer = self.oauth("/oauth/introspect", &[("token", token)], Some(client)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    pub async fn revoke(&self, token: &str, client: Option<&Credentials>) -> Answer {
        self.oauth("/oauth/revoke", &[("token", token)], client).await
    }

    /// Requests a client token until the status is this one. The service caches clients briefly.
    pub async fn wait_for_token_status(&self, client: &Credentials, status: u16) {
        let form = [("grant_type", "client_credentials")];
        wait_until(format!("/oauth/token answers {status}"), async || {
            self.oauth("/oauth/token", &form, Some(client)).await.status == status
        })
        .await
    }
}

/// Returns the credentials that a command has printed.
pub fn credentials(output: &std::process::Output) -> Credentials {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let word = |name| {
        let line =
            text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    (word("client_id"), word("client_secret"))
}

/// Returns a text member of an answer.
pub fn text(answer: &Answer, name: &str) -> String {
    answer.json[name].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// Asserts that an answer is an error of RFC 6749 section 5.2.
#[track_caller]
pub fn assert_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.json["error"].as_str()), (status, Some(error)), "{answer:?}");
    let description = answer.json["error_description"].as_str().unwrap();
    let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(!description.is_empty() && description.bytes().all(allowed), "{description}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.header("www-authenticate").starts_with("Basic "),
        status == 401,
        "{answer:?}"
    );
}
