//! An app with the routes below `/admin`, and its administrators.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Answer, Tokens, claims_of};

use super::TestApp;

/// The setting that serves the routes below `/admin`.
pub const ADMIN_API: &str = "--admin-api=on";

/// An id that no user and no session has.
pub const NO_ID: &str = "00000000-0000-7000-8000-000000000000";

/// Runs a test with the routes below `/admin`, on both stores.
#[rstest_reuse::template]
#[rstest::rstest]
#[case::embedded(TestApp::embedded_with(&[crate::support::admin::ADMIN_API]))]
#[case::deployed(TestApp::deployed_with(&[crate::support::admin::ADMIN_API]))]
#[actix_web::test]
pub async fn with_admin_api(
    #[future(awt)]
    #[case]
    app: TestApp,
) {
}

/// Returns the id of the user of these tokens.
pub fn id_of(tokens: &Tokens) -> String {
    claims_of(&tokens.access)["sub"].as_str().unwrap().to_owned()
}

/// Returns the id of the session of these tokens.
pub fn sid_of(tokens: &Tokens) -> String {
    claims_of(&tokens.access)["sid"].as_str().unwrap().to_owned()
}

impl TestApp {
    /// Creates a user with a role, and logs the user in.
    pub async fn user_with_role(&self, name: &str, role: &str) -> Tokens {
        assert_eq!(self.register(name).await.status, 201);
        self.users(&["grant", name, "--role", role]);
        self.login(name).await.tokens()
    }

    /// Sends a GET request of an administrator, which must succeed.
    pub async fn admin_get(&self, admin: &Tokens, path: &str) -> Value {
        let answer = self.get(path, Some(&admin.access)).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json
    }

    /// Sends a request of an administrator without a body.
    pub async fn admin_send(&self, admin: &Tokens, method: Method, path: &str) -> Answer {
        self.send(self.request(method, path).bearer_auth(&admin.access)).await
    }

    /// Changes a user, with `If-Match` if a tag is given.
    pub async fn admin_patch(
        &self,
        admin: &Tokens,
        id: &str,
        tag: Option<&str>,
        body: Value,
    ) -> Answer {
        let request = self.request(Method::PATCH, &format!("/admin/users/{id}"));
        let request = request.bearer_auth(&admin.access).json(&body);
        self.send(match tag {
            Some(tag) => request.header("if-match", tag),
            None => request,
        })
        .await
    }

    /// Returns actor, detail and user of each event about calls of administrators.
    pub fn admin_calls(&self) -> Vec<String> {
        let events = self.audit(&["--event", "admin_call"]);
        events
            .iter()
            .map(|event| {
                assert_eq!((&event["actor"], &event["ip"]), (&json!("admin"), &json!("127.0.0.1")));
                let text = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
                format!("{} {} about {}", text("admin"), text("detail"), text("username"))
            })
            .collect()
    }
}
