//! The header: algorithms, keys, extensions, types.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    signature::{KeyPair, RSA_PSS_SHA256},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use shared::VerifyError::{Algorithm, Critical, Malformed, Signature, UnknownKey, WrongType};

use crate::{OURS, Pair, Signer, THEIRS, base64, claims, judge, with, with_first, with_last, without};

#[test]
fn no_spelling_of_none_is_an_algorithm() {
    for signer in &*OURS {
        for alg in ["none", "None", "NONE", "nOnE", "none ", "", "null"] {
            let token = signer.with_header(&with(&signer.header(), "alg", json!(alg)));
            assert_eq!(judge(&token), Err(Algorithm), "{alg:?} signed");
            let (input, _) = token.rsplit_once('.').unwrap();
            assert_eq!(judge(&format!("{input}.")), Err(Algorithm), "{alg:?} unsigned");
            assert_eq!(judge(input), Err(Malformed), "{alg:?} without a third part");
        }
        for alg in [json!(null), json!(0), json!(false), json!([signer.alg]), json!({"name": signer.alg})] {
            assert_eq!(judge(&signer.with_header(&with(&signer.header(), "alg", alg))), Err(Malformed));
        }
        assert_eq!(judge(&signer.with_header(&without(&signer.header(), "alg"))), Err(Malformed));
    }
}

/// Every form in which a public key is at hand.
fn spellings_of_the_public_key(signer: &Signer) -> Vec<Vec<u8>> {
    fn raw_and_der<K: AsRef<[u8]> + AsDer<PublicKeyX509Der<'static>>>(key: &K) -> [Vec<u8>; 2] {
        [key.as_ref().into(), key.as_der().unwrap().as_ref().into()]
    }
    let [raw, der] = match &signer.pair {
        Pair::Ed25519(pair) => raw_and_der(pair.public_key()),
        Pair::P256(pair) => raw_and_der(pair.public_key()),
        Pair::Rsa(pair) => raw_and_der(pair.public_key()),
    };
    let lines: Vec<String> = STANDARD
        .encode(&der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into())
        .collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let jwk = signer.jwk();
    let number = jwk.get("n").unwrap_or(&jwk["x"]).as_str().unwrap();
    let texts = [
        pem.clone(),
        pem + "\n",
        jwk.to_string(),
        json!({"keys": [jwk]}).to_string(),
        number.into(),
        base64(&raw),
        STANDARD.encode(&raw),
    ];
    texts.into_iter().map(String::into_bytes).chain([raw, der, Vec::new()]).collect()
}

#[test]
fn the_public_key_is_no_secret_to_authenticate_with() {
    for signer in &*OURS {
        for secret in spellings_of_the_public_key(signer) {
            for (alg, hash) in
                [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
            {
                // Under its own name, and under that of the key.
                for (named, expected) in [(alg, Algorithm), (signer.alg, Signature)] {
                    let header = with(&signer.header(), "alg", json!(named)).to_string();
                    let input = format!("{}.{}", base64(header), base64(claims().to_string()));
                    let tag = hmac::sign(&hmac::Key::new(hash, &secret), input.as_bytes());
                    assert_eq!(judge(&format!("{input}.{}", base64(tag))), Err(expected), "{alg} as {named}");
                }
            }
        }
    }
}

#[test]
fn a_key_serves_one_algorithm() {
    for signer in &*OURS {
        for other in OURS.iter().filter(|other| other.alg != signer.alg) {
            let (alg, kid) = (json!(other.alg), json!(other.kid));
            let other_alg = with(&signer.header(), "alg", alg.clone());
            assert_eq!(judge(&signer.with_header(&other_alg)), Err(Algorithm));
            assert_eq!(
                judge(&signer.with_header(&with(&signer.header(), "kid", kid.clone()))),
                Err(Algorithm)
            );
            assert_eq!(judge(&signer.with_header(&with(&other_alg, "kid", kid))), Err(Signature));
        }
        for alg in [
            "HS256",
            "RS384",
            "RS512",
            "PS256",
            "PS384",
            "PS512",
            "ES256K",
            "ES384",
            "ES512",
            "Ed25519",
            "Ed448",
            "ML-DSA-44",
            "eddsa",
            "EDDSA",
            "es256",
            "RS256 ",
            "RSA-OAEP",
            "dir",
            "unheard-of",
        ] {
            assert_eq!(
                judge(&signer.with_header(&with(&signer.header(), "alg", json!(alg)))),
                Err(Algorithm),
                "{alg}"
            );
        }
    }
    // The same key and hash with the other padding.
    let [_, _, rsa] = &*OURS;
    for (alg, expected) in [("PS256", Algorithm), ("RS256", Signature)] {
        let header = with(&rsa.header(), "alg", json!(alg)).to_string();
        let input = format!("{}.{}", base64(header), base64(claims().to_string()));
        let signature = rsa.sign_rsa(&RSA_PSS_SHA256, &input);
        assert_eq!(judge(&format!("{input}.{}", base64(signature))), Err(expected), "{alg}");
    }
}

#[test]
fn keys_in_the_header_are_ignored() {
    for (ours, theirs) in OURS.iter().zip(&*THEIRS) {
        let url = json!("http://evil.test/jwks.json");
        for (name, value) in [
            ("jwk", theirs.jwk()),
            ("jwk", with(&theirs.jwk(), "kid", json!(ours.kid))),
            ("jwk", json!("nonsense")),
            ("jku", url.clone()),
            ("jku", json!("file:///etc/passwd")),
            ("x5u", url),
            ("x5c", json!(["AAAA"])),
            ("x5t", json!("AAAA")),
            ("x5t#S256", json!("AAAA")),
        ] {
            let (our_header, their_header) =
                (with(&ours.header(), name, value.clone()), with(&theirs.header(), name, value));
            assert_eq!(judge(&theirs.with_header(&their_header)), Err(UnknownKey), "{name}, their kid");
            assert_eq!(judge(&theirs.with_header(&our_header)), Err(Signature), "{name}, our kid");
            assert_eq!(judge(&ours.with_header(&our_header)), Ok(()), "{name}, our key");
        }
    }
}

#[test]
fn a_kid_is_looked_up_and_nothing_else() {
    for signer in &*OURS {
        for kid in [
            "../../../dev/null",
            "/dev/null",
            r"..\..\windows\win.ini",
            "file:///proc/self/environ",
            "http://evil.test/key.pem",
            "' OR '1'='1",
            "x' UNION SELECT 'key' --",
            "; rm -rf /",
            "$(id)",
            "${jndi:ldap://evil.test}",
            "%00",
            "*",
            "",
            " ",
            &signer.kid.to_uppercase(),
            &format!("{} ", signer.kid),
            &format!("{}/../{}", signer.kid, signer.kid),
            &signer.kid[1..],
            &"k".repeat(5000),
        ] {
            // Those with a backslash have one in JSON too, which is refused before it is looked up.
            let expected = if kid.contains('\\') { Malformed } else { UnknownKey };
            assert_eq!(
                judge(&signer.with_header(&with(&signer.header(), "kid", json!(kid)))),
                Err(expected),
                "{kid}"
            );
        }
        let escaped = format!("{}\0", signer.kid);
        for (kid, expected) in [
            (json!(null), UnknownKey),
            (json!(1), Malformed),
            (json!(true), Malformed),
            (json!([signer.kid]), Malformed),
            (json!({"kid": signer.kid}), Malformed),
            (json!(escaped), Malformed),
            (json!("k".repeat(8 * 1024)), Malformed),
        ] {
            assert_eq!(
                judge(&signer.with_header(&with(&signer.header(), "kid", kid.clone()))),
                Err(expected),
                "{kid}"
            );
        }
        assert_eq!(judge(&signer.with_header(&without(&signer.header(), "kid"))), Err(UnknownKey));
        let raw_nul = signer.header().to_string().replace(&signer.kid, &escaped);
        assert_eq!(judge(&signer.token(raw_nul, claims().to_string())), Err(Malformed));
    }
}

#[test]
fn whatever_crit_says_is_too_much() {
    for signer in &*OURS {
        for crit in [
            json!([]),
            json!(["exp"]),
            json!(["alg"]),
            json!(["b64"]),
            json!([1]),
            json!(null),
            json!("exp"),
            json!({}),
        ] {
            let header = with(&with(&signer.header(), "crit", crit.clone()), "b64", json!(false));
            assert_eq!(judge(&signer.with_header(&header)), Err(Critical), "{crit}");
        }
        // Without crit b64 is just another unknown parameter (RFC 7797 section 6): the payload is encoded.
        let header = with(&signer.header(), "b64", json!(false));
        assert_eq!(judge(&signer.with_header(&header)), Ok(()));
        let unencoded = format!("{}.{}", base64(header.to_string()), claims());
        assert_eq!(judge(&signer.signed(&unencoded)), Err(Malformed));
    }
}

#[test]
fn only_access_tokens_are_access_tokens() {
    for signer in &*OURS {
        let typed = |typ: Value| signer.with_header(&with(&signer.header(), "typ", typ));
        for typ in [
            "JWT",
            "jwt",
            "rt+jwt",
            "dpop+jwt",
            "logout+jwt",
            "at+jwt ",
            " at+jwt",
            "at+jwt;v=1",
            "at jwt",
            "at",
            "",
            "application/",
            "application/jwt",
            "application/application/at+jwt",
            "text/at+jwt",
            "applicationé/at+jwt",
            "application\u{2215}at+jwt",
        ] {
            assert_eq!(judge(&typed(json!(typ))), Err(WrongType), "{typ:?}");
        }
        for typ in ["AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT"] {
            assert_eq!(judge(&typed(json!(typ))), Ok(()), "{typ:?}");
        }
        assert_eq!(judge(&typed(json!(null))), Err(WrongType));
        for typ in [json!(1), json!(["at+jwt"]), json!({}), json!(true)] {
            assert_eq!(judge(&typed(typ)), Err(Malformed));
        }
        assert_eq!(judge(&signer.with_header(&without(&signer.header(), "typ"))), Err(WrongType));
    }
}

#[test]
fn no_parameter_that_counts_comes_twice() {
    for signer in &*OURS {
        let header = signer.header();
        for member in [
            r#""alg":"none""#.to_owned(),
            format!(r#""alg":"{}""#, signer.alg),
            r#""\u0061lg":"none""#.into(),
            r#""typ":"JWT""#.into(),
            r#""kid":"other""#.into(),
            format!(r#""kid":"{}""#, signer.kid),
            r#""crit":null,"crit":null"#.into(),
        ] {
            for header in [with_first(&header, &member), with_last(&header, &member)] {
                assert_eq!(judge(&signer.token(&header, claims().to_string())), Err(Malformed), "{header}");
            }
        }
        // Nobody looks at the others, and names differ by case (RFC 7515 section 4).
        for member in [r#""x":1,"x":2"#, r#""jwk":1,"jwk":2"#, r#""Alg":"none","ALG":"none","KID":"other""#] {
            let token = signer.token(with_first(&header, member), claims().to_string());
            assert_eq!(judge(&token), Ok(()), "{member}");
        }
    }
}
