//! Refused tokens: the explanation is true for every state of a token and its session.

use crate::support::{TestApp, on_both_stores};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::json;
use test_support::Answer;

const REPLACED: &str = "The refresh token has been replaced by a newer one.";
const REUSED: &str = "The refresh token was used before, so its session has ended.";
const EXPIRED: &str = "The refresh token has expired.";
const ENDED: &str = "The refresh token's session has ended.";
const INVALID: &str = "The refresh token is invalid.";
const NO_TOKEN: &str = "The token is neither an access nor a refresh token.";

#[track_caller]
fn assert_refused(answer: &Answer, detail: &str) {
    answer.assert_problem(401, "token_not_valid");
    assert_eq!(answer.json["detail"], detail);
    // The token in the body does not authenticate the request.
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

impl TestApp {
    async fn verify(&self, token: &str) -> Answer {
        self.post("/token/verify", json!({"token": token})).await
    }
}

#[apply(on_both_stores)]
async fn replaced_token_of_a_living_session_is_named_as_such(app: TestApp) {
    let first = app.new_user("ada").await;
    let second = app.refreshed(&first.refresh).await;
    // Within the grace period the first token would still be exchanged.
    assert_eq!(app.verify(&first.refresh).await.status, 200);
    app.advance(11);
    assert_refused(&app.verify(&first.refresh).await, REPLACED);
    // The question has not ended the session.
    let third = app.refreshed(&second.refresh).await;

    assert_refused(&app.refresh(&first.refresh).await, REUSED);
    assert_refused(&app.verify(&first.refresh).await, ENDED);
    assert_refused(&app.refresh(&third.refresh).await, ENDED);
    assert_refused(&app.verify(&third.refresh).await, ENDED);
    assert_refused(&app.verify(&third.access).await, "The token's session has ended.");
}

#[apply(on_both_stores)]
async fn expired_and_foreign_tokens_are_named_as_such(app: TestApp) {
    let tokens = app.new_user("ada").await;
    for nonsense in ["nonsense", "a.b.c", &format!("{}x", tokens.refresh)] {
        assert_refused(&app.verify(nonsense).await, NO_TOKEN);
        assert_refused(&app.refresh(nonsense).await, INVALID);
    }
    assert_refused(&app.refresh(&tokens.access).await, INVALID);
    // The first character of the signature: the last one has bits that no byte uses.
    let (signed, signature) = tokens.access.rsplit_once('.').unwrap();
    let changed = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{changed}{}", &signature[1..]);
    assert_refused(&app.verify(&forged).await, "The token's signature is not valid.");

    app.advance(311);
    assert_refused(&app.verify(&tokens.access).await, "The token has expired.");
    app.advance(7 * 24 * 3600);
    assert_refused(&app.verify(&tokens.refresh).await, EXPIRED);
    assert_refused(&app.refresh(&tokens.refresh).await, EXPIRED);
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    let answer = app.send(app.request(Method::POST, "/oauth/token").form(&form)).await;
    assert_eq!((answer.status, &answer.json["error_description"]), (400, &json!(EXPIRED)));
}
