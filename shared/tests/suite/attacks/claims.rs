//! Faults in the claims: times, audience, issuer, missing and repeated claims.

use serde_json::{Value, json};
use shared::VerifyError::{Audience, Expired, Issuer, Malformed, NotYetValid, WrongType};

use super::{
    ISSUER, ISSUER_KEYS, Signer, append_member, claims, now, prepend_member, verifier, verify,
    with, without,
};

/// Returns one of the issuer's keys. The checks of the claims do not depend on the key.
fn signer() -> &'static Signer {
    &ISSUER_KEYS[0]
}

fn verify_claims(claims: &Value) -> Result<(), shared::VerifyError> {
    verify(&signer().with_claims(claims))
}

/// Verifies a token with `text` as the JSON text of one claim, which [`Value`] need not support.
fn verify_claim_text(name: &str, text: &str) -> Result<(), shared::VerifyError> {
    let claims = append_member(&without(&claims(), name), &format!(r#""{name}":{text}"#));
    verify(&signer().token(signer().header().to_string(), claims))
}

/// JSON values that are not integers of 64 bits.
const INVALID_TIMES: [&str; 19] = [
    r#""9999999999""#,
    r#""""#,
    "9999999999.5",
    "9999999999.0",
    "1e10",
    "1e400",
    "-1e400",
    "1e-400",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "-0",
    "0123456789",
    "+1",
    "0x7fffffff",
    "NaN",
    "Infinity",
    "[9999999999]",
    r#"{"":1}"#,
];

#[test]
fn exp_must_be_in_the_future() {
    for text in INVALID_TIMES.iter().chain(&["null", "true"]) {
        assert_eq!(verify_claim_text("exp", text), Err(Malformed), "{text}");
    }
    for exp in [i64::MIN, -1, 0, 1, now() - 11] {
        assert_eq!(verify_claims(&with(&claims(), "exp", json!(exp))), Err(Expired), "{exp}");
    }
    // The issuer may set the largest time.
    assert_eq!(verify_claims(&with(&claims(), "exp", json!(i64::MAX))), Ok(()));
}

#[test]
fn iat_and_nbf_must_be_in_the_past() {
    for name in ["iat", "nbf"] {
        for text in INVALID_TIMES.iter().chain(&["true"]) {
            assert_eq!(verify_claim_text(name, text), Err(Malformed), "{name} {text}");
        }
        for time in [now() + 60, i64::MAX] {
            assert_eq!(
                verify_claims(&with(&claims(), name, json!(time))),
                Err(NotYetValid),
                "{name} {time}"
            );
        }
        for time in [i64::MIN, 0, now()] {
            assert_eq!(verify_claims(&with(&claims(), name, json!(time))), Ok(()), "{name} {time}");
        }
    }
    assert_eq!(verify_claim_text("iat", "null"), Err(Malformed));
    assert_eq!(verify_claim_text("nbf", "null"), Ok(()), "null counts as absent");
    // Both must be in the past.
    let claims = with(&with(&claims(), "nbf", json!(1)), "iat", json!(now() + 60));
    assert_eq!(verify_claims(&claims), Err(NotYetValid));
}

#[test]
fn every_required_claim_is_present_once_and_has_its_type() {
    let members: Vec<(String, Value)> = claims().as_object().unwrap().clone().into_iter().collect();
    assert_eq!(members.len(), 9);
    for (name, value) in &members {
        let missing = if name == "scope" { Ok(()) } else { Err(Malformed) };
        assert_eq!(verify_claims(&without(&claims(), name)), missing, "no {name}");
        for other in [
            json!(null),
            json!(true),
            json!(1.5),
            json!([1]),
            json!([[]]),
            json!({}),
            json!({"a": 1}),
        ] {
            assert_eq!(
                verify_claims(&with(&claims(), name, other.clone())),
                Err(Malformed),
                "{name} {other}"
            );
        }
        let member = format!(r#""{name}":{value}"#);
        let escaped = format!(r#""\u{:04x}{}":{value}"#, name.as_bytes()[0], &name[1..]);
        for twice in [
            prepend_member(&claims(), &member),
            append_member(&claims(), &member),
            prepend_member(&claims(), &format!(r#""{name}":null"#)),
            append_member(&claims(), &escaped),
        ] {
            let token = signer().token(signer().header().to_string(), twice);
            assert_eq!(verify(&token), Err(Malformed), "{name} twice");
        }
    }
    for name in ["nbf", "roles"] {
        let twice = prepend_member(&claims(), &format!(r#""{name}":[],"{name}":[]"#));
        assert_eq!(
            verify(&signer().token(signer().header().to_string(), twice)),
            Err(Malformed),
            "{name} twice"
        );
    }
    for roles in [json!(null), json!("admin"), json!([1]), json!({"admin": true})] {
        assert_eq!(verify_claims(&with(&claims(), "roles", roles)), Err(Malformed));
    }
    for name in ["jti", "sid"] {
        for id in
            ["", "1", "01a20970-f552-76e1-be5b-197ec9e2780", "01a20970-f552-76e1-be5b-197ec9e2780g"]
        {
            assert_eq!(
                verify_claims(&with(&claims(), name, json!(id))),
                Err(Malformed),
                "{name} {id}"
            );
        }
    }
    // Unknown claims are ignored, also repeated ones.
    let others = prepend_member(&claims(), r#""x":1,"x":2,"EXP":1,"Iss":"other""#);
    assert_eq!(verify(&signer().token(signer().header().to_string(), others)), Ok(()));
}

#[test]
fn a_refresh_token_is_refused() {
    assert_eq!(verify_claims(&with(&claims(), "token_type", json!("refresh"))), Err(WrongType));
    for other in [json!("Access"), json!("ACCESS"), json!(""), json!("id"), json!("access ")] {
        assert_eq!(
            verify_claims(&with(&claims(), "token_type", other.clone())),
            Err(Malformed),
            "{other}"
        );
    }
}

#[test]
fn a_token_for_another_audience_is_refused() {
    for aud in [
        json!("other"),
        json!(""),
        json!("API"),
        json!("api "),
        json!("api other"),
        json!("api\0"),
        json!([]),
        json!([""]),
        json!(["other", "API"]),
    ] {
        assert_eq!(verify_claims(&with(&claims(), "aud", aud.clone())), Err(Audience), "{aud}");
    }
    for aud in
        [json!(["api", 1]), json!(["api", null]), json!([["api"]]), json!({"api": true}), json!(0)]
    {
        assert_eq!(verify_claims(&with(&claims(), "aud", aud.clone())), Err(Malformed), "{aud}");
    }
    assert_eq!(verify_claims(&with(&claims(), "aud", json!(["other", "api"]))), Ok(()));
}

#[test]
fn two_verifiers_with_different_audiences_decide_independently() {
    let api = verifier("api");
    let other = verifier("other");
    let token = signer().valid_token();
    for _ in 0..2 {
        assert_eq!(other.verify_with_known_keys(&token), Err(Audience));
        api.verify_with_known_keys(&token).unwrap();
    }
}

#[test]
fn a_token_of_another_issuer_is_refused() {
    for iss in [
        &format!("{ISSUER}//"),
        &format!("{ISSUER}/."),
        &format!("{ISSUER}/ "),
        &format!("/{ISSUER}"),
        &format!("{ISSUER} "),
        &format!("{ISSUER}\0"),
        &format!("{ISSUER}.evil.test"),
        &format!("{ISSUER}#"),
        &ISSUER.to_uppercase(),
        &ISSUER.replace("http:", "https:"),
        &ISSUER[..ISSUER.len() - 1],
        "http://evil.test",
        "",
    ] {
        assert_eq!(verify_claims(&with(&claims(), "iss", json!(iss))), Err(Issuer), "{iss}");
    }
}
