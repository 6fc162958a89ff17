//! Access tokens: what they say, that others can verify them, and that nothing else passes for one.

use crate::support::{TestApp, new_pem};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    jwk::{JwkSet, ThumbprintHash},
};
use serde_json::{Value, json};
use test_support::{claims_of, decode_part};

#[actix_web::test]
async fn anybody_can_verify_them_with_the_published_keys() {
    for (name, algorithm) in
        [("EdDSA", Algorithm::EdDSA), ("ES256", Algorithm::ES256), ("RS256", Algorithm::RS256)]
    {
        let app = TestApp::embedded_with(&["--signing-algorithm", name, "--audience", "api,other"]).await;
        let registered = app.register("ada").await;
        let tokens = app.login("ada").await.tokens();

        let jwks = app.get("/.well-known/jwks.json", None).await;
        assert_eq!(jwks.header("cache-control"), "public, max-age=300");
        assert!(!jwks.json.to_string().contains("\"d\""), "a private key was published");
        let jwks: JwkSet = serde_json::from_value(jwks.json).unwrap();
        let [jwk] = &jwks.keys[..] else { panic!("{jwks:?}") };
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
        assert_eq!(jwk.common.key_id.as_ref(), Some(&kid));

        assert_eq!(decode_part(&tokens.access, 0), json!({"alg": name, "typ": "at+jwt", "kid": kid}));
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["api"]);
        validation.set_issuer(&[&app.issuer]);
        let key = DecodingKey::from_jwk(jwk).unwrap();
        let claims = jsonwebtoken::decode::<Value>(&tokens.access, &key, &validation).unwrap().claims;
        let iat = claims["iat"].as_i64().unwrap();
        assert_eq!(
            claims,
            json!({
                "iss": app.issuer, "sub": registered.json["id"], "aud": ["api", "other"], "exp": iat + 300, "iat": iat,
                "jti": claims["jti"], "sid": claims["sid"], "preferred_username": "ada", "client_id": "first-party",
                "token_type": "access",
            })
        );
        assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200, "{name}");
    }
}

#[actix_web::test]
async fn keys_need_not_be_fetched_again_when_they_have_not_changed() {
    let app = TestApp::embedded().await;
    let jwks = app.get("/.well-known/jwks.json", None).await;
    let request = app.request(reqwest::Method::GET, "/.well-known/jwks.json");
    let again = app.send(request.header("if-none-match", jwks.header("etag"))).await;
    assert_eq!((again.status, again.json), (304, Value::Null));
}

#[actix_web::test]
async fn keys_and_sessions_outlive_a_restart() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let again = app.replica().await;
    assert_eq!(again.get("/me", Some(&tokens.access)).await.status, 200);
    again.refreshed(&tokens.refresh).await;
}

#[actix_web::test]
async fn they_expire() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    app.advance(300 + 9);
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200, "within the leeway");
    app.advance(1);
    let answer = app.get("/me", Some(&tokens.access)).await;
    answer.assert_problem(401, "token_not_valid");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    app.post("/token/verify", json!({"token": tokens.access})).await.assert_problem(401, "token_not_valid");
}

/// A token made of these parts, whatever they are.
fn token(header: &str, claims: &str, sign: impl Fn(&[u8]) -> String) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign(input.as_bytes());
    format!("{input}.{signature}")
}

#[actix_web::test]
async fn nothing_else_passes_for_one() {
    let pem = new_pem();
    let app = TestApp::embedded_with_key(&pem).await;
    let access = app.new_user("ada").await.access;
    let stranger_pem = new_pem();
    let stranger = TestApp::embedded_with_key(&stranger_pem).await;
    let strangers = stranger.new_user("ada").await.access;
    let key = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
    let ed25519 = |input: &[u8]| jsonwebtoken::crypto::sign(input, &key, Algorithm::EdDSA).unwrap();
    let header = decode_part(&access, 0);
    let claims = claims_of(&access);
    let kid = header["kid"].as_str().unwrap().to_owned();
    let parts: Vec<&str> = access.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!() };

    // Every forgery below is signed with the true key where that helps it, so each is refused for its own fault.
    let with_header = |change: &dyn Fn(&mut Value)| {
        let mut header = header.clone();
        change(&mut header);
        token(&header.to_string(), &claims.to_string(), ed25519)
    };
    let with_claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims.clone();
        change(&mut claims);
        token(&header.to_string(), &claims.to_string(), ed25519)
    };
    assert_eq!(app.get("/me", Some(&with_claims(&|_| ()))).await.status, 200);

    let jwks = app.get("/.well-known/jwks.json", None).await.json;
    let public_key = URL_SAFE_NO_PAD.decode(jwks["keys"][0]["x"].as_str().unwrap()).unwrap();
    let hs256 = |secret: &[u8]| {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".into());
        header.kid = Some(kid.clone());
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let no_signature = |alg: &str| {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid});
        token(&header.to_string(), &claims.to_string(), |_| String::new())
    };
    let flipped = if signature.starts_with('A') { 'B' } else { 'A' };

    let mut refused = vec![
        ("a stranger's token".to_owned(), strangers),
        ("no parts".into(), "x".into()),
        ("two parts".into(), format!("{head}.{body}")),
        ("four parts".into(), format!("{access}.{signature}")),
        ("no signature".into(), format!("{head}.{body}.")),
        ("another signature".into(), format!("{head}.{body}.{flipped}{}", &signature[1..])),
        ("a short signature".into(), format!("{head}.{body}.{}", &signature[..80])),
        (
            "another payload".into(),
            format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(json!({}).to_string())),
        ),
        ("padding".into(), format!("{access}==")),
        ("64 KB".into(), "x".repeat(65_000)),
        ("HS256 with the public key".into(), hs256(&public_key)),
        ("HS256 with the public key's text".into(), hs256(jwks["keys"][0]["x"].as_str().unwrap().as_bytes())),
        ("HS256 with the JWK".into(), hs256(jwks["keys"][0].to_string().as_bytes())),
        ("alg ES256".into(), with_header(&|header| header["alg"] = json!("ES256"))),
        ("alg RS256".into(), with_header(&|header| header["alg"] = json!("RS256"))),
        ("no kid".into(), with_header(&|header| header["kid"] = Value::Null)),
        ("unknown kid".into(), with_header(&|header| header["kid"] = json!("unknown"))),
        ("a path as kid".into(), with_header(&|header| header["kid"] = json!("../../dev/null"))),
        ("typ JWT".into(), with_header(&|header| header["typ"] = json!("JWT"))),
        ("no typ".into(), with_header(&|header| header["typ"] = Value::Null)),
        ("crit".into(), with_header(&|header| header["crit"] = json!(["exp"]))),
        ("crit null".into(), with_header(&|header| header["crit"] = Value::Null)),
        (
            "two algs".into(),
            token(&format!(r#"{{"alg":"none",{}"#, &header.to_string()[1..]), &claims.to_string(), ed25519),
        ),
        (
            "two subs".into(),
            token(&header.to_string(), &format!(r#"{{"sub":"x",{}"#, &claims.to_string()[1..]), ed25519),
        ),
        ("another issuer".into(), with_claims(&|claims| claims["iss"] = json!("http://evil.example"))),
        ("another audience".into(), with_claims(&|claims| claims["aud"] = json!("other"))),
        ("token_type refresh".into(), with_claims(&|claims| claims["token_type"] = json!("refresh"))),
        ("exp as text".into(), with_claims(&|claims| claims["exp"] = json!("9999999999"))),
        ("exp as float".into(), with_claims(&|claims| claims["exp"] = json!(9999999999.5))),
        ("exp negative".into(), with_claims(&|claims| claims["exp"] = json!(-1))),
        ("exp huge".into(), with_claims(&|claims| claims["exp"] = json!(1e300))),
        ("exp past".into(), with_claims(&|claims| claims["exp"] = json!(1))),
        ("iat in the future".into(), with_claims(&|claims| claims["iat"] = json!(9_999_999_999_i64))),
        ("nbf in the future".into(), with_claims(&|claims| claims["nbf"] = json!(9_999_999_999_i64))),
    ];
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        refused.push((format!("alg {alg:?}"), no_signature(alg)));
    }
    for claim in ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "token_type"] {
        refused.push((
            format!("no {claim}"),
            with_claims(&|claims| drop(claims.as_object_mut().unwrap().remove(claim))),
        ));
    }
    // The last character of a signature carries two bits; the others must be zero (RFC 4648 section 3.5).
    let last = signature.chars().last().unwrap();
    let stray = char::from(last as u8 + 1);
    refused
        .push(("stray bits".into(), format!("{head}.{body}.{}{stray}", &signature[..signature.len() - 1])));

    for (what, token) in refused {
        let answer = app.get("/me", Some(&token)).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        answer.assert_problem(401, "token_not_valid");
        let answer = app.post("/token/verify", json!({"token": token})).await;
        assert_eq!(answer.status, 401, "verify {what}: {answer:?}");
    }

    // Keys offered by the token itself are ignored, whatever they are.
    let theirs = stranger.get("/.well-known/jwks.json", None).await.json["keys"][0].clone();
    let url = format!("{}/.well-known/jwks.json", stranger.issuer);
    for (name, value) in [("jwk", theirs), ("jku", json!(url)), ("x5u", json!(url)), ("x5c", json!(["AAAA"]))]
    {
        assert_eq!(
            app.get("/me", Some(&with_header(&|header| header[name] = value.clone()))).await.status,
            200
        );
        let stranger_key = EncodingKey::from_ed_pem(stranger_pem.as_bytes()).unwrap();
        let mut header = header.clone();
        header[name] = value;
        let forged = token(&header.to_string(), &claims.to_string(), |input| {
            jsonwebtoken::crypto::sign(input, &stranger_key, Algorithm::EdDSA).unwrap()
        });
        app.get("/me", Some(&forged)).await.assert_problem(401, "token_not_valid");
    }
}
