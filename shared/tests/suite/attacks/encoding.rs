//! Faults in the encoding: parts, base64url, JSON, size.

use serde_json::json;
use shared::VerifyError::{Malformed, Signature};

use super::{ISSUER_KEYS, Signer, append_member, base64, claims, prepend_member, verify, with};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Returns a token with one part changed. The signature covers the changed header and payload.
fn changed(signer: &Signer, part: usize, change: impl Fn(&str) -> String) -> String {
    // With a length that leaves stray bits, and with characters that differ between the alphabets.
    let ragged = |json: String| {
        let mut json = prepend_member(&serde_json::from_str(&json).unwrap(), r#""x":">>>>????""#);
        while json.len().is_multiple_of(3) {
            json.push(' ');
        }
        base64(json)
    };
    let change = |at: usize, text: String| if at == part { change(&text) } else { text };
    let header = change(0, ragged(signer.header().to_string()));
    let signed = |attempt: u64| {
        let claims = change(1, ragged(with(&claims(), "attempt", json!(attempt)).to_string()));
        let input = format!("{header}.{claims}");
        let signature = base64(signer.sign(&input));
        (input, signature)
    };
    let (input, signature) =
        (0..).map(signed).find(|(_, signature)| signature.contains(['-', '_'])).unwrap();
    format!("{input}.{}", change(2, signature))
}

#[test]
fn only_canonical_base64url_is_accepted() {
    for signer in &*ISSUER_KEYS {
        for part in 0..3 {
            let verify_changed =
                |change: &dyn Fn(&str) -> String| verify(&changed(signer, part, change));
            assert_eq!(verify_changed(&str::to_owned), Ok(()));
            let middle = |text: &str, insert: &str| format!("{}{insert}{}", &text[..8], &text[8..]);
            for stray in ["=", "==", " ", "\n", "\r\n", "\t", "\0", "%", "*", "é", "+", "/"] {
                for change in [
                    &|text: &str| format!("{text}{stray}") as String,
                    &|text: &str| format!("{stray}{text}"),
                    &|text: &str| middle(text, stray),
                ] as [&dyn Fn(&str) -> String; 3]
                {
                    assert_eq!(verify_changed(change), Err(Malformed), "{stray:?} in part {part}");
                }
            }
            let standard = |text: &str| {
                let standard = text.replace('-', "+").replace('_', "/");
                assert_ne!(standard, text);
                standard
            };
            assert_eq!(
                verify_changed(&standard),
                Err(Malformed),
                "the other alphabet in part {part}"
            );
            let percent = |text: &str| text.replace('_', "%5F").replace('-', "%2D");
            assert_eq!(verify_changed(&percent), Err(Malformed), "percent-encoded part {part}");
            for bits in 1..4 {
                let stray_bits = |text: &str| {
                    let (rest, last) = text.split_at(text.len() - 1);
                    let value = ALPHABET.find(last).unwrap();
                    assert_eq!(value & bits, 0);
                    format!("{rest}{}", char::from(ALPHABET.as_bytes()[value | bits]))
                };
                assert_eq!(
                    verify_changed(&stray_bits),
                    Err(Malformed),
                    "stray bits in part {part}"
                );
            }
        }
    }
}

#[test]
fn a_token_must_have_three_parts() {
    for signer in &*ISSUER_KEYS {
        let valid = signer.valid_token();
        let parts: Vec<&str> = valid.split('.').collect();
        let [head, body, signature] = parts[..] else { panic!("{valid}") };
        for (token, expected) in [
            (String::new(), Malformed),
            (".".into(), Malformed),
            ("..".into(), Malformed),
            (head.into(), Malformed),
            (format!("{head}.{body}"), Malformed),
            (format!("{body}.{signature}"), Malformed),
            (format!(".{body}.{signature}"), Malformed),
            (format!("{head}..{signature}"), Signature),
            (format!("{head}.{body}."), Signature),
            (format!("{head}.."), Signature),
            (signer.signed(&format!("{head}.")), Malformed),
            (signer.signed(&format!(".{body}")), Malformed),
            (signer.signed(head), Malformed),
            (format!("{valid}."), Signature),
            (format!(".{valid}"), Malformed),
            (format!("{valid}.{signature}"), Signature),
            (signer.signed(&valid), Malformed),
            (signer.signed(&format!("{head}.{body}.")), Malformed),
            (signer.signed(&format!("{head}..{body}")), Malformed),
            // Five parts, like a JWE.
            (format!("{valid}.{body}.{signature}"), Signature),
            (signer.signed(&format!("{head}.{body}.{body}.{body}")), Malformed),
            (format!("{valid},{valid}"), Signature),
            (format!("{valid} {valid}"), Signature),
            (format!("{valid}{valid}"), Signature),
            (format!("Bearer {valid}"), Malformed),
            (format!(" {valid}"), Malformed),
            (format!("{valid}\n"), Malformed),
            (format!("{valid}\0"), Malformed),
            (format!("\"{valid}\""), Malformed),
            (valid.replace('.', "\u{ff0e}"), Malformed),
            (valid.replace('.', "%2E"), Malformed),
        ] {
            assert_eq!(verify(&token), Err(expected), "{token}");
        }
        // The JSON serializations (RFC 7515 section 7.2).
        let flattened = json!({"protected": head, "payload": body, "signature": signature});
        let general = json!({
            "payload": body,
            "signatures": [{"protected": head, "signature": signature}],
            "url": "http://a.b.c",
        });
        for json in [flattened, general] {
            assert_eq!(verify(&json.to_string()), Err(Malformed));
        }
    }
}

#[test]
fn header_and_claims_must_be_json_objects() {
    let signer = &ISSUER_KEYS[0];
    let header = signer.header().to_string();
    let claims = claims().to_string();
    let in_order = |json: &str, names: &[&str]| {
        let object: serde_json::Value = serde_json::from_str(json).unwrap();
        let members: Vec<_> = names.iter().map(|name| object[name].clone()).collect();
        json!(members).to_string()
    };
    let header_members = in_order(&header, &["alg", "typ", "kid"]);
    let claim_members = in_order(
        &claims,
        &["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "scope", "roles", "token_type"],
    )
    .replace("\"\",null", "\"\",[]");
    let utf16 = |json: &str| json.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let faulty = |json: &str, members: &str| {
        let bytes = |text: String| {
            let at = text.find("#").unwrap();
            [&text.as_bytes()[..at], b"\xff", &text.as_bytes()[at + 1..]].concat()
        };
        let object = serde_json::from_str(json).unwrap();
        [
            bytes(append_member(&object, r##""x":"#""##)),
            bytes(append_member(&object, r##""#":1"##)),
            bytes(format!("#{json}")),
            bytes(format!("{json}#")),
            format!("\u{feff}{json}").into_bytes(),
            utf16(json),
            format!("{json}{json}").into_bytes(),
            format!("{json}\0").into_bytes(),
            format!("{json}//").into_bytes(),
            format!("{},}}", &json[..json.len() - 1]).into_bytes(),
            json[1..].into(),
            json[..json.len() - 1].into(),
            json.replace('"', "'").into_bytes(),
            format!("[{json}]").into_bytes(),
            json!(json).to_string().into_bytes(),
            members.to_owned().into_bytes(),
            b"[]".into(),
            b"{}".into(),
            b"null".into(),
            b"0".into(),
            b"\"\"".into(),
            b" ".into(),
        ]
    };
    for header in faulty(&header, &header_members) {
        assert_eq!(
            verify(&signer.token(&header, &claims)),
            Err(Malformed),
            "{}",
            header.escape_ascii()
        );
    }
    for claims in faulty(&claims, &claim_members) {
        assert_eq!(
            verify(&signer.token(&header, &claims)),
            Err(Malformed),
            "{}",
            claims.escape_ascii()
        );
    }
    for half in [r#""sub":"\ud800""#, r#""sub":"\udc00\ud800""#] {
        let claims = claims.replacen(r#""sub""#, &format!(r#"{half},"s""#), 1);
        assert_eq!(verify(&signer.token(&header, claims)), Err(Malformed), "a lone surrogate");
    }
    let spaced = |json: &str| format!(" \t\r\n{} ", json.replace(',', " ,\n"));
    assert_eq!(verify(&signer.token(spaced(&header), spaced(&claims))), Ok(()));
}

#[test]
fn deeply_nested_json_is_refused_or_ignored() {
    let signer = &ISSUER_KEYS[0];
    let header = signer.header();
    let claims = claims();
    let header_text = header.to_string();
    let claims_text = claims.to_string();
    for (levels, ignored) in [(100, Ok(())), (1_300, Ok(())), (10_000, Err(Malformed))] {
        for (open, close) in [("[", "]"), (r#"{"":"#, "}")] {
            let levels = if open.len() > 1 { levels / 2 } else { levels };
            let nested = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            // The parser skips unknown members without recursion. Known members are not nested.
            let x = format!(r#""x":{nested}"#);
            assert_eq!(
                verify(&signer.token(append_member(&header, &x), &claims_text)),
                ignored,
                "{levels}"
            );
            assert_eq!(
                verify(&signer.token(&header_text, append_member(&claims, &x))),
                ignored,
                "{levels}"
            );
            for name in ["alg", "kid", "typ"] {
                let header = header_text.replacen(
                    &format!("\"{name}\":"),
                    &format!("\"{name}\":{nested},\"x\":"),
                    1,
                );
                assert_eq!(verify(&signer.token(header, &claims_text)), Err(Malformed), "{name}");
            }
            for name in ["aud", "sub", "exp"] {
                let claims = claims_text.replacen(
                    &format!("\"{name}\":"),
                    &format!("\"{name}\":{nested},\"x\":"),
                    1,
                );
                assert_eq!(verify(&signer.token(&header_text, claims)), Err(Malformed), "{name}");
            }
            assert_eq!(verify(&signer.token(&nested, &claims_text)), Err(Malformed));
            assert_eq!(verify(&signer.token(&header_text, &nested)), Err(Malformed));
        }
    }
}

#[test]
fn a_token_of_more_than_8_kilobytes_is_refused() {
    for signer in &*ISSUER_KEYS {
        // One of four lengths is impossible for one part, so both parts get padding.
        let of_length = |length: usize| {
            let pad = |json: String, spaces: usize| json + &" ".repeat(spaces);
            let room = length - signer.valid_token().len();
            (0..4)
                .flat_map(|header| {
                    (room / 4 * 3 - 4..room / 4 * 3 + 4).map(move |claims| (header, claims))
                })
                .map(|(header, body)| {
                    signer.token(
                        pad(signer.header().to_string(), header),
                        pad(claims().to_string(), body),
                    )
                })
                .find(|token| token.len() == length)
                .unwrap()
        };
        for length in [8_191, 8_192] {
            assert_eq!(verify(&of_length(length)), Ok(()), "{length}");
        }
        for length in [8_193, 64 * 1024, 10 * 1024 * 1024] {
            assert_eq!(verify(&of_length(length)), Err(Malformed), "{length}");
        }
    }
    for token in ["x".repeat(64 * 1024), ".".repeat(64 * 1024), "a.".repeat(5 * 1024 * 1024)] {
        assert_eq!(verify(&token), Err(Malformed));
    }
}
