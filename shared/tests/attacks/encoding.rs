//! How a token is written: parts, base64url, JSON, length.

use serde_json::json;
use shared::VerifyError::{Malformed, Signature};

use crate::{OURS, Signer, base64, claims, judge, with, with_first, with_last};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A token with one of its parts changed. What comes before the signature is signed as it is sent.
fn changed(signer: &Signer, part: usize, change: impl Fn(&str) -> String) -> String {
    // Of lengths that leave stray bits, and with characters in which the alphabets differ.
    let ragged = |json: String| {
        let mut json = with_first(&serde_json::from_str(&json).unwrap(), r#""x":">>>>????""#);
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
    let (input, signature) = (0..).map(signed).find(|(_, signature)| signature.contains(['-', '_'])).unwrap();
    format!("{input}.{}", change(2, signature))
}

#[test]
fn base64url_has_one_spelling() {
    for signer in &*OURS {
        for part in 0..3 {
            let judge_changed = |change: &dyn Fn(&str) -> String| judge(&changed(signer, part, change));
            assert_eq!(judge_changed(&str::to_owned), Ok(()));
            let middle = |text: &str, insert: &str| format!("{}{insert}{}", &text[..8], &text[8..]);
            for stray in ["=", "==", " ", "\n", "\r\n", "\t", "\0", "%", "*", "é", "+", "/"] {
                for change in [
                    &|text: &str| format!("{text}{stray}") as String,
                    &|text: &str| format!("{stray}{text}"),
                    &|text: &str| middle(text, stray),
                ] as [&dyn Fn(&str) -> String; 3]
                {
                    assert_eq!(judge_changed(change), Err(Malformed), "{stray:?} in part {part}");
                }
            }
            let standard = |text: &str| {
                let standard = text.replace('-', "+").replace('_', "/");
                assert_ne!(standard, text);
                standard
            };
            assert_eq!(judge_changed(&standard), Err(Malformed), "the other alphabet in part {part}");
            let percent = |text: &str| text.replace('_', "%5F").replace('-', "%2D");
            assert_eq!(judge_changed(&percent), Err(Malformed), "percent-encoded part {part}");
            for bits in 1..4 {
                let stray_bits = |text: &str| {
                    let (rest, last) = text.split_at(text.len() - 1);
                    let value = ALPHABET.find(last).unwrap();
                    assert_eq!(value & bits, 0);
                    format!("{rest}{}", char::from(ALPHABET.as_bytes()[value | bits]))
                };
                assert_eq!(judge_changed(&stray_bits), Err(Malformed), "stray bits in part {part}");
            }
        }
    }
}

#[test]
fn a_token_has_three_parts() {
    for signer in &*OURS {
        let good = signer.good();
        let parts: Vec<&str> = good.split('.').collect();
        let [head, body, signature] = parts[..] else { panic!("{good}") };
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
            (format!("{good}."), Signature),
            (format!(".{good}"), Malformed),
            (format!("{good}.{signature}"), Signature),
            (signer.signed(&good), Malformed),
            (signer.signed(&format!("{head}.{body}.")), Malformed),
            (signer.signed(&format!("{head}..{body}")), Malformed),
            // As many parts as a JWE has.
            (format!("{good}.{body}.{signature}"), Signature),
            (signer.signed(&format!("{head}.{body}.{body}.{body}")), Malformed),
            (format!("{good},{good}"), Signature),
            (format!("{good} {good}"), Signature),
            (format!("{good}{good}"), Signature),
            (format!("Bearer {good}"), Malformed),
            (format!(" {good}"), Malformed),
            (format!("{good}\n"), Malformed),
            (format!("{good}\0"), Malformed),
            (format!("\"{good}\""), Malformed),
            (good.replace('.', "\u{ff0e}"), Malformed),
            (good.replace('.', "%2E"), Malformed),
        ] {
            assert_eq!(judge(&token), Err(expected), "{token}");
        }
        // RFC 7515 section 7.2.
        let flattened = json!({"protected": head, "payload": body, "signature": signature});
        let general = json!({"payload": body, "signatures": [{"protected": head, "signature": signature}], "url": "http://a.b.c"});
        for json in [flattened, general] {
            assert_eq!(judge(&json.to_string()), Err(Malformed));
        }
    }
}

#[test]
fn header_and_claims_are_json_objects() {
    let signer = &OURS[0];
    let (header, claims) = (signer.header().to_string(), claims().to_string());
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
    let spoilt = |json: &str, members: &str| {
        let bytes = |text: String| {
            let at = text.find("#").unwrap();
            [&text.as_bytes()[..at], b"\xff", &text.as_bytes()[at + 1..]].concat()
        };
        let object = serde_json::from_str(json).unwrap();
        [
            bytes(with_last(&object, r##""x":"#""##)),
            bytes(with_last(&object, r##""#":1"##)),
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
    for header in spoilt(&header, &header_members) {
        assert_eq!(judge(&signer.token(&header, &claims)), Err(Malformed), "{}", header.escape_ascii());
    }
    for claims in spoilt(&claims, &claim_members) {
        assert_eq!(judge(&signer.token(&header, &claims)), Err(Malformed), "{}", claims.escape_ascii());
    }
    for half in [r#""sub":"\ud800""#, r#""sub":"\udc00\ud800""#] {
        let claims = claims.replacen(r#""sub""#, &format!(r#"{half},"s""#), 1);
        assert_eq!(judge(&signer.token(&header, claims)), Err(Malformed), "half a character");
    }
    let spaced = |json: &str| format!(" \t\r\n{} ", json.replace(',', " ,\n"));
    assert_eq!(judge(&signer.token(spaced(&header), spaced(&claims))), Ok(()));
}

#[test]
fn depth_is_no_danger() {
    let signer = &OURS[0];
    let (header, claims) = (signer.header(), claims());
    let text = (header.to_string(), claims.to_string());
    for (levels, ignored) in [(100, Ok(())), (1_300, Ok(())), (10_000, Err(Malformed))] {
        for (open, close) in [("[", "]"), (r#"{"":"#, "}")] {
            let levels = if open.len() > 1 { levels / 2 } else { levels };
            let nested = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            // What is unknown is passed over, without recursion; what is known cannot be that deep.
            let x = format!(r#""x":{nested}"#);
            assert_eq!(judge(&signer.token(with_last(&header, &x), &text.1)), ignored, "{levels}");
            assert_eq!(judge(&signer.token(&text.0, with_last(&claims, &x))), ignored, "{levels}");
            for name in ["alg", "kid", "typ"] {
                let header =
                    text.0.replacen(&format!("\"{name}\":"), &format!("\"{name}\":{nested},\"x\":"), 1);
                assert_eq!(judge(&signer.token(header, &text.1)), Err(Malformed), "{name}");
            }
            for name in ["aud", "sub", "exp"] {
                let claims =
                    text.1.replacen(&format!("\"{name}\":"), &format!("\"{name}\":{nested},\"x\":"), 1);
                assert_eq!(judge(&signer.token(&text.0, claims)), Err(Malformed), "{name}");
            }
            assert_eq!(judge(&signer.token(&nested, &text.1)), Err(Malformed));
            assert_eq!(judge(&signer.token(&text.0, &nested)), Err(Malformed));
        }
    }
}

#[test]
fn a_token_has_at_most_8_kilobytes() {
    for signer in &*OURS {
        // Of four lengths of a part one is impossible, so both parts are made longer.
        let of_length = |length: usize| {
            let pad = |json: String, spaces: usize| json + &" ".repeat(spaces);
            let room = length - signer.good().len();
            (0..4)
                .flat_map(|header| (room / 4 * 3 - 4..room / 4 * 3 + 4).map(move |claims| (header, claims)))
                .map(|(header, body)| {
                    signer.token(pad(signer.header().to_string(), header), pad(claims().to_string(), body))
                })
                .find(|token| token.len() == length)
                .unwrap()
        };
        for length in [8_191, 8_192] {
            assert_eq!(judge(&of_length(length)), Ok(()), "{length}");
        }
        for length in [8_193, 64 * 1024, 10 * 1024 * 1024] {
            assert_eq!(judge(&of_length(length)), Err(Malformed), "{length}");
        }
    }
    for token in ["x".repeat(64 * 1024), ".".repeat(64 * 1024), "a.".repeat(5 * 1024 * 1024)] {
        assert_eq!(judge(&token), Err(Malformed));
    }
}
