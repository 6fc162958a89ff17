//! The claims: times, audience, issuer, what is missing and what is there twice.

use serde_json::{Value, json};
use shared::VerifyError::{Audience, Expired, Issuer, Malformed, NotYetValid, WrongType};

use crate::{ISSUER, OURS, Signer, claims, judge, now, verifier, with, with_first, with_last, without};

/// With these keys or those, the claims are judged alike: one will do.
fn signer() -> &'static Signer {
    &OURS[0]
}

fn judge_claims(claims: &Value) -> Result<(), shared::VerifyError> {
    judge(&signer().with_claims(claims))
}

/// The claims with `text` for a value, which need not be any that [`Value`] can hold.
fn judge_text(name: &str, text: &str) -> Result<(), shared::VerifyError> {
    let claims = with_last(&without(&claims(), name), &format!(r#""{name}":{text}"#));
    judge(&signer().token(signer().header().to_string(), claims))
}

/// What is no whole number of seconds that 64 bits can hold.
const NO_TIMES: [&str; 19] = [
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
fn exp_is_a_time_to_come() {
    for text in NO_TIMES.iter().chain(&["null", "true"]) {
        assert_eq!(judge_text("exp", text), Err(Malformed), "{text}");
    }
    for exp in [i64::MIN, -1, 0, 1, now() - 11] {
        assert_eq!(judge_claims(&with(&claims(), "exp", json!(exp))), Err(Expired), "{exp}");
    }
    // As good as never, if the issuer says so.
    assert_eq!(judge_claims(&with(&claims(), "exp", json!(i64::MAX))), Ok(()));
}

#[test]
fn iat_and_nbf_are_times_past() {
    for name in ["iat", "nbf"] {
        for text in NO_TIMES.iter().chain(&["true"]) {
            assert_eq!(judge_text(name, text), Err(Malformed), "{name} {text}");
        }
        for time in [now() + 60, i64::MAX] {
            assert_eq!(judge_claims(&with(&claims(), name, json!(time))), Err(NotYetValid), "{name} {time}");
        }
        for time in [i64::MIN, 0, now()] {
            assert_eq!(judge_claims(&with(&claims(), name, json!(time))), Ok(()), "{name} {time}");
        }
    }
    assert_eq!(judge_text("iat", "null"), Err(Malformed));
    assert_eq!(judge_text("nbf", "null"), Ok(()), "as good as none");
    // One in the past does not make up for the other.
    let claims = with(&with(&claims(), "nbf", json!(1)), "iat", json!(now() + 60));
    assert_eq!(judge_claims(&claims), Err(NotYetValid));
}

#[test]
fn every_claim_that_is_needed_is_there_once_and_of_its_kind() {
    let members: Vec<(String, Value)> = claims().as_object().unwrap().clone().into_iter().collect();
    assert_eq!(members.len(), 9);
    for (name, value) in &members {
        let missing = if name == "scope" { Ok(()) } else { Err(Malformed) };
        assert_eq!(judge_claims(&without(&claims(), name)), missing, "no {name}");
        for other in
            [json!(null), json!(true), json!(1.5), json!([1]), json!([[]]), json!({}), json!({"a": 1})]
        {
            assert_eq!(judge_claims(&with(&claims(), name, other.clone())), Err(Malformed), "{name} {other}");
        }
        let member = format!(r#""{name}":{value}"#);
        let escaped = format!(r#""\u{:04x}{}":{value}"#, name.as_bytes()[0], &name[1..]);
        for twice in [
            with_first(&claims(), &member),
            with_last(&claims(), &member),
            with_first(&claims(), &format!(r#""{name}":null"#)),
            with_last(&claims(), &escaped),
        ] {
            let token = signer().token(signer().header().to_string(), twice);
            assert_eq!(judge(&token), Err(Malformed), "{name} twice");
        }
    }
    for name in ["nbf", "roles"] {
        let twice = with_first(&claims(), &format!(r#""{name}":[],"{name}":[]"#));
        assert_eq!(
            judge(&signer().token(signer().header().to_string(), twice)),
            Err(Malformed),
            "{name} twice"
        );
    }
    for roles in [json!(null), json!("admin"), json!([1]), json!({"admin": true})] {
        assert_eq!(judge_claims(&with(&claims(), "roles", roles)), Err(Malformed));
    }
    for name in ["jti", "sid"] {
        for id in ["", "1", "01a20970-f552-76e1-be5b-197ec9e2780", "01a20970-f552-76e1-be5b-197ec9e2780g"] {
            assert_eq!(judge_claims(&with(&claims(), name, json!(id))), Err(Malformed), "{name} {id}");
        }
    }
    // Nobody looks at others.
    let others = with_first(&claims(), r#""x":1,"x":2,"EXP":1,"Iss":"other""#);
    assert_eq!(judge(&signer().token(signer().header().to_string(), others)), Ok(()));
}

#[test]
fn a_refresh_token_is_no_access_token() {
    assert_eq!(judge_claims(&with(&claims(), "token_type", json!("refresh"))), Err(WrongType));
    for other in [json!("Access"), json!("ACCESS"), json!(""), json!("id"), json!("access ")] {
        assert_eq!(judge_claims(&with(&claims(), "token_type", other.clone())), Err(Malformed), "{other}");
    }
}

#[test]
fn a_token_for_others_is_refused() {
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
        assert_eq!(judge_claims(&with(&claims(), "aud", aud.clone())), Err(Audience), "{aud}");
    }
    for aud in [json!(["api", 1]), json!(["api", null]), json!([["api"]]), json!({"api": true}), json!(0)] {
        assert_eq!(judge_claims(&with(&claims(), "aud", aud.clone())), Err(Malformed), "{aud}");
    }
    assert_eq!(judge_claims(&with(&claims(), "aud", json!(["other", "api"]))), Ok(()));
}

#[test]
fn a_token_verified_for_one_audience_is_not_for_another() {
    let (ours, others) = (verifier("api"), verifier("other"));
    let token = signer().good();
    for _ in 0..2 {
        assert_eq!(others.verify_with_known_keys(&token), Err(Audience));
        ours.verify_with_known_keys(&token).unwrap();
    }
}

#[test]
fn a_token_of_another_issuer_is_refused() {
    for iss in [
        &format!("{ISSUER}/"),
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
        assert_eq!(judge_claims(&with(&claims(), "iss", json!(iss))), Err(Issuer), "{iss}");
    }
}
