//! Discovery: the metadata of RFC 8414, also for issuers with a path, and for clients that look for
//! it where OpenID Connect has it.

use crate::support::{TestApp, keys::stdout_of};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use test_support::wait_until;

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

fn metadata_of(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let methods = ["client_secret_basic", "client_secret_post"];
    let or_none = ["client_secret_basic", "client_secret_post", "none"];
    json!({
        "issuer": issuer,
        "jwks_uri": at("/.well-known/jwks.json"),
        "token_endpoint": at("/oauth/token"),
        "token_endpoint_auth_methods_supported": or_none,
        "grant_types_supported": ["refresh_token", "client_credentials"],
        "revocation_endpoint": at("/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": or_none,
        "introspection_endpoint": at("/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": methods,
        "response_types_supported": ["none"],
    })
}

#[actix_web::test]
async fn metadata_has_every_required_member_and_no_empty_list() {
    let app = TestApp::embedded().await;
    let metadata = app.get(OAUTH, None).await;
    assert_eq!(metadata.header("cache-control"), "public, max-age=300");
    assert_eq!((metadata.status, &metadata.json), (200, &metadata_of(&app.issuer)));
    let empty = json!([]);
    assert!(metadata.json.as_object().unwrap().values().all(|member| *member != empty));
}

/// go-oidc takes RS256 for the only algorithm if the metadata names none.
#[actix_web::test]
async fn openid_path_names_the_algorithms_in_use_and_no_openid_provider() {
    let app = TestApp::embedded().await;
    let mut expected = metadata_of(&app.issuer);
    expected["id_token_signing_alg_values_supported"] = json!(["ES256"]);
    let metadata = app.ready_metadata(&json!(["ES256"])).await;
    assert_eq!(metadata, expected);
    // Members that OpenID Connect Discovery requires of a provider.
    for member in ["authorization_endpoint", "subject_types_supported", "userinfo_endpoint"] {
        assert_eq!(metadata.get(member), None);
    }
    stdout_of(app.cli(&["keys", "rotate", "--algorithm=EdDSA"]));
    app.ready_metadata(&json!(["ES256", "EdDSA"])).await;
}

impl TestApp {
    /// Waits until the metadata at OpenID Connect's path names these algorithms.
    async fn ready_metadata(&self, algorithms: &Value) -> Value {
        wait_until(format!("the metadata names {algorithms}"), async || {
            let answer = self.get(OPENID, None).await;
            let named = &answer.json["id_token_signing_alg_values_supported"];
            if named == algorithms { Ok(answer.json) } else { Err(answer) }
        })
        .await
    }
}

#[actix_web::test]
async fn issuer_with_a_path_publishes_its_metadata_where_rfc_8414_has_it() {
    let issuer = "https://example.com/auth/v1";
    let app = TestApp::embedded_with(&["--issuer", issuer]).await;
    let get = async |path: &str| {
        let request = app.request(Method::GET, path);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, answer.json::<Value>().await.unwrap())
    };
    // Proxies either remove the path of the issuer, or pass on the path of the metadata.
    for path in [OAUTH.to_owned(), format!("{OAUTH}/auth/v1"), format!("{OAUTH}/auth/v1/")] {
        assert_eq!(get(&path).await, (StatusCode::OK, metadata_of(issuer)), "{path}");
    }
    for path in [OPENID.to_owned(), format!("{OPENID}/auth/v1")] {
        let (status, metadata) = get(&path).await;
        assert_eq!((status, &metadata["issuer"]), (StatusCode::OK, &json!(issuer)), "{path}");
    }
    for path in [format!("{OAUTH}/auth"), format!("{OAUTH}/other"), format!("{OPENID}/auth/v1/x")] {
        assert_eq!(get(&path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}
