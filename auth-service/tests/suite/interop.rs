//! Clients and services in Python, with libraries in common use.

use std::time::Duration;

use crate::support::TestApp;
use serde_json::{Value, json};
use test_support::{Python, claims_of, decode_part, wait_until};

fn start(program: &str) -> Python {
    Python::start(format!("{}/tests/interop/{program}", env!("CARGO_MANIFEST_DIR")))
}

/// Starts a service that verifies access tokens with PyJWT.
fn pyjwt(app: &TestApp) -> Python {
    let mut service = start("verify_with_pyjwt.py");
    service.send_line(&app.issuer);
    service
}

async fn pyjwt_accepts_only_a_valid_access_token(algorithm: &str) {
    let app = TestApp::embedded_with(&["--signing-algorithm", algorithm]).await;
    let mut service = pyjwt(&app);
    let tokens = app.new_user("Zoë").await;
    assert_eq!(decode_part(&tokens.access, 0)["alg"], algorithm);
    assert_eq!(service.ask(&tokens.access), claims_of(&tokens.access));
    assert_eq!(claims_of(&tokens.access)["preferred_username"], "Zoë");

    let (signed, signature) = tokens.access.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other = app.new_user("bob").await.access;
    let other_claims = other.split('.').nth(1).unwrap();
    assert_eq!(
        service.ask(&format!("{header}.{other_claims}.{signature}")),
        "InvalidSignatureError"
    );
    assert_eq!(service.ask(&tokens.refresh), "PyJWKClientError");

    let other_audience =
        app.replica_with(|settings| settings.audience = vec!["other".into()]).await;
    assert_eq!(
        service.ask(&other_audience.login("bob").await.tokens().access),
        "InvalidAudienceError"
    );
    // The token expires as it is issued, so that the test need not wait.
    let expired =
        app.replica_with(|settings| settings.access_token_lifetime = Duration::ZERO).await;
    assert_eq!(service.ask(&expired.login("bob").await.tokens().access), "ExpiredSignatureError");
}

#[actix_web::test]
async fn pyjwt_verifies_eddsa() {
    pyjwt_accepts_only_a_valid_access_token("EdDSA").await;
}

#[actix_web::test]
async fn pyjwt_verifies_es256() {
    pyjwt_accepts_only_a_valid_access_token("ES256").await;
}

#[actix_web::test]
async fn pyjwt_verifies_rs256() {
    pyjwt_accepts_only_a_valid_access_token("RS256").await;
}

#[actix_web::test]
async fn pyjwt_fetches_the_next_key_after_a_rotation() {
    let app = TestApp::embedded().await;
    let mut service = pyjwt(&app);
    let old = app.new_user("ada").await.access;
    assert_eq!(service.ask(&old), claims_of(&old));
    let rotated = app.cli(&["keys", "rotate", "--key-publish-ahead=1"]);
    assert!(rotated.status.success(), "{rotated:?}");
    let new = wait_until("the next key signs", async || {
        let token = app.login("ada").await.tokens().access;
        (decode_part(&token, 0)["kid"] != decode_part(&old, 0)["kid"]).then_some(token)
    })
    .await;
    assert_eq!(service.ask(&new), claims_of(&new));
    assert_eq!(service.ask(&old), claims_of(&old));
}

#[actix_web::test]
async fn authlib_uses_the_oauth_routes() {
    // With the default algorithm: Authlib's validator does not support EdDSA.
    let app = TestApp::embedded().await;
    let (_, secret) = app.client("gateway", &["read"]);
    let inactive = json!({"active": false});
    for method in ["client_secret_basic", "client_secret_post"] {
        let tokens = app.new_user(method).await;
        let given = json!({
            "issuer": app.issuer, "client_id": "gateway", "client_secret": secret, "method": method,
            "refresh_token": tokens.refresh,
        });
        let answer = start("use_authlib.py").ask(&given.to_string());

        let own = &answer["own"];
        let names = ["client_id", "sub", "scope", "aud"];
        assert_eq!(
            names.map(|name| own["claims"][name].as_str()),
            ["gateway", "gateway", "read", "api"].map(Some)
        );
        assert_eq!(own["active"]["active"], true);
        assert_eq!((&own["revoked"], &own["afterwards"]), (&json!(200), &inactive));

        let users = &answer["users"];
        for name in ["iss", "sub", "sid", "aud", "preferred_username"] {
            assert_eq!(users["claims"][name], claims_of(&tokens.access)[name]);
        }
        assert_eq!((&users["revoked"], &users["afterwards"]), (&json!(200), &inactive));
        app.get("/me", Some(&tokens.access)).await.assert_problem(401, "token_not_valid");

        assert_eq!(answer["refused"], Value::from("invalid_client"));
    }
}
