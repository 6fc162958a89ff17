//! Access tokens: their claims, verification with the published keys, and rejected forgeries.

use crate::support::{TestApp, new_pem};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    jwk::{JwkSet, ThumbprintHash},
};
use serde_json::{Value, json};
use test_support::{claims_of, decode_part};

#[actix_web::test]
async fn access_token_verifies_with_the_published_keys() {
    for (name, algorithm) in
        [("EdDSA", Algorithm::EdDSA), ("ES256", Algorithm::ES256), ("RS256", Algorithm::RS256)]
    {
        let app =
            TestApp::embedded_with(&["--signing-algorithm", name, "--audience", "api,other"]).await;
        let registered = app.register("ada").await;
        let tokens = app.login("ada").await.tokens();

        let jwks = app.get("/.well-known/jwks.json", None).await;
        assert_eq!(jwks.header("cache-control"), "public, max-age=300");
        assert!(!jwks.json.to_string().contains("\"d\""), "a private key was published");
        let jwks: JwkSet = serde_json::from_value(jwks.json).unwrap();
        let [jwk] = &jwks.keys[..] else { panic!("{jwks:?}") };
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
        assert_eq!(jwk.common.key_id.as_ref(), Some(&kid));

        assert_eq!(
            decode_part(&tokens.access, 0),
            json!({"alg": name, "typ": "at+jwt", "kid": kid})
        );
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["api"]);
        validation.set_issuer(&[&app.issuer]);
        let key = DecodingKey::from_jwk(jwk).unwrap();
        let claims =
            jsonwebtoken::decode::<Value>(&tokens.access, &key, &validation).unwrap().claims;
        let iat = claims["iat"].as_i64().unwrap();
        let auth_time = claims["auth_time"].as_i64().unwrap();
        assert!((0..60).contains(&(iat - auth_time)), "{claims}");
        assert_eq!(
            claims,
            json!({
                "iss": app.issuer, "sub": registered.json["id"], "aud": ["api", "other", app.issuer],
                "exp": iat + 300, "iat": iat, "jti": claims["jti"], "sid": claims["sid"],
                "auth_time": auth_time,
                "preferred_username": "ada", "client_id": "first-party", "token_type": "access",
            })
        );
        assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200, "{name}");
    }
}

#[actix_web::test]
async fn unchanged_jwks_answers_304() {
    let app = TestApp::embedded().await;
    let jwks = app.get("/.well-known/jwks.json", None).await;
    let request = app.request(reqwest::Method::GET, "/.well-known/jwks.json");
    let second = app.send(request.header("if-none-match", jwks.header("etag"))).await;
    assert_eq!((second.status, second.json), (304, Value::Null));
}

#[actix_web::test]
async fn tokens_are_valid_at_a_second_process_on_the_same_data() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let restarted = app.replica().await;
    assert_eq!(restarted.get("/me", Some(&tokens.access)).await.status, 200);
    restarted.refreshed(&tokens.refresh).await;
}

#[actix_web::test]
async fn access_token_expires_after_lifetime_and_leeway() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    app.advance(300 + 9);
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200, "within the leeway");
    app.advance(1);
    let answer = app.get("/me", Some(&tokens.access)).await;
    answer.assert_problem(401, "token_not_valid");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    app.post("/token/verify", json!({"token": tokens.access}))
        .await
        .assert_problem(401, "token_not_valid");
}

/// Returns a token with this header and these claims, which need not be valid.
fn token(header: &str, claims: &str, sign: impl Fn(&[u8]) -> String) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign(input.as_bytes());
    format!("{input}.{signature}")
}

/// Signs with an Ed25519 key in PEM.
fn sign_with(pem: &str) -> impl Fn(&[u8]) -> String {
    let key = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
    move |input| jsonwebtoken::crypto::sign(input, &key, Algorithm::EdDSA).unwrap()
}

/// A service whose key also signs forgeries, so that each forgery is rejected for the defect in its
/// name.
struct Forger {
    app: TestApp,
    pem: String,
    /// A valid access token, with its header and its claims.
    access: String,
    header: Value,
    claims: Value,
}

impl Forger {
    async fn start() -> Self {
        let pem = new_pem();
        let app = TestApp::embedded_with_key(&pem).await;
        let access = app.new_user("ada").await.access;
        let header = decode_part(&access, 0);
        let claims = claims_of(&access);
        let forger = Self { app, pem, access, header, claims };
        let unchanged = forger.with_claims(|_| ());
        assert_eq!(forger.app.get("/me", Some(&unchanged)).await.status, 200);
        forger
    }

    /// Returns a token with a valid signature over this text.
    fn sign(&self, header: &str, claims: &str) -> String {
        token(header, claims, sign_with(&self.pem))
    }

    fn with_header(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut header = self.header.clone();
        change(&mut header);
        self.sign(&header.to_string(), &self.claims.to_string())
    }

    fn with_header_member(&self, name: &str, value: Value) -> String {
        self.with_header(|header| header[name] = value)
    }

    fn with_claims(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims.clone();
        change(&mut claims);
        self.sign(&self.header.to_string(), &claims.to_string())
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        self.with_claims(|claims| claims[name] = value)
    }

    async fn assert_rejected(&self, defect: &str, token: &str) {
        let answer = self.app.get("/me", Some(token)).await;
        assert_eq!(answer.status, 401, "{defect}: {answer:?}");
        answer.assert_problem(401, "token_not_valid");
        let answer = self.app.post("/token/verify", json!({"token": token})).await;
        assert_eq!(answer.status, 401, "verify {defect}: {answer:?}");
    }
}

#[actix_web::test]
async fn malformed_tokens_are_rejected() {
    let forger = Forger::start().await;
    let access = &forger.access;
    let parts: Vec<&str> = access.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!() };
    let flipped = if signature.starts_with('A') { 'B' } else { 'A' };
    let other_body = URL_SAFE_NO_PAD.encode(json!({}).to_string());
    // The last character of a signature encodes two bits. Its other bits must be zero (RFC 4648
    // section 3.5).
    let last = signature.chars().last().unwrap();
    let stray = char::from(last as u8 + 1);
    let without_last = &signature[..signature.len() - 1];
    for (defect, token) in [
        ("no parts", "x".to_owned()),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{access}.{signature}")),
        ("no signature", format!("{head}.{body}.")),
        ("another signature", format!("{head}.{body}.{flipped}{}", &signature[1..])),
        ("a short signature", format!("{head}.{body}.{}", &signature[..80])),
        ("another payload", format!("{head}.{other_body}.{signature}")),
        ("padding", format!("{access}==")),
        ("64 KB", "x".repeat(65_000)),
        ("stray bits", format!("{head}.{body}.{without_last}{stray}")),
    ] {
        forger.assert_rejected(defect, &token).await;
    }
}

#[actix_web::test]
async fn tokens_with_another_key_or_algorithm_are_rejected() {
    let forger = Forger::start().await;
    let other_issuer = TestApp::embedded().await;
    let jwks = forger.app.get("/.well-known/jwks.json", None).await.json;
    let jwk = &jwks["keys"][0];
    let public_key_text = jwk["x"].as_str().unwrap();
    let public_key = URL_SAFE_NO_PAD.decode(public_key_text).unwrap();
    let kid = forger.header["kid"].as_str().unwrap();
    let hs256 = |secret: &[u8]| {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".into());
        header.kid = Some(kid.to_owned());
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&header, &forger.claims, &key).unwrap()
    };
    for (defect, token) in [
        ("a token of another issuer", other_issuer.new_user("ada").await.access),
        ("HS256 with the public key", hs256(&public_key)),
        ("HS256 with the public key's text", hs256(public_key_text.as_bytes())),
        ("HS256 with the JWK", hs256(jwk.to_string().as_bytes())),
        ("alg ES256", forger.with_header_member("alg", json!("ES256"))),
        ("alg RS256", forger.with_header_member("alg", json!("RS256"))),
    ] {
        forger.assert_rejected(defect, &token).await;
    }
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid});
        let unsigned = token(&header.to_string(), &forger.claims.to_string(), |_| String::new());
        forger.assert_rejected(&format!("alg {alg:?}"), &unsigned).await;
    }
}

#[actix_web::test]
async fn invalid_headers_are_rejected() {
    let forger = Forger::start().await;
    let claims = forger.claims.to_string();
    let two_algs = format!(r#"{{"alg":"none",{}"#, &forger.header.to_string()[1..]);
    for (defect, token) in [
        ("no kid", forger.with_header_member("kid", Value::Null)),
        ("unknown kid", forger.with_header_member("kid", json!("unknown"))),
        ("a path as kid", forger.with_header_member("kid", json!("../../dev/null"))),
        ("typ JWT", forger.with_header_member("typ", json!("JWT"))),
        ("no typ", forger.with_header_member("typ", Value::Null)),
        ("crit", forger.with_header_member("crit", json!(["exp"]))),
        ("crit null", forger.with_header_member("crit", Value::Null)),
        ("two algs", forger.sign(&two_algs, &claims)),
    ] {
        forger.assert_rejected(defect, &token).await;
    }
}

#[actix_web::test]
async fn invalid_claims_are_rejected() {
    let forger = Forger::start().await;
    let two_subs = format!(r#"{{"sub":"x",{}"#, &forger.claims.to_string()[1..]);
    for (defect, token) in [
        ("two subs", forger.sign(&forger.header.to_string(), &two_subs)),
        ("another issuer", forger.with_claim("iss", json!("http://evil.example"))),
        ("another audience", forger.with_claim("aud", json!("other"))),
        ("token_type refresh", forger.with_claim("token_type", json!("refresh"))),
        ("exp as text", forger.with_claim("exp", json!("9999999999"))),
        ("exp as float", forger.with_claim("exp", json!(9999999999.5))),
        ("exp negative", forger.with_claim("exp", json!(-1))),
        ("exp huge", forger.with_claim("exp", json!(1e300))),
        ("exp past", forger.with_claim("exp", json!(1))),
        ("iat in the future", forger.with_claim("iat", json!(9_999_999_999_i64))),
        ("nbf in the future", forger.with_claim("nbf", json!(9_999_999_999_i64))),
    ] {
        forger.assert_rejected(defect, &token).await;
    }
    for claim in ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "token_type"] {
        let token =
            forger.with_claims(|claims| drop(claims.as_object_mut().unwrap().remove(claim)));
        forger.assert_rejected(&format!("no {claim}"), &token).await;
    }
}

#[actix_web::test]
async fn keys_in_the_header_of_a_token_are_ignored() {
    let forger = Forger::start().await;
    let other_pem = new_pem();
    let other_issuer = TestApp::embedded_with_key(&other_pem).await;
    let other_jwks = other_issuer.get("/.well-known/jwks.json", None).await.json;
    let url = format!("{}/.well-known/jwks.json", other_issuer.issuer);
    for (name, value) in [
        ("jwk", other_jwks["keys"][0].clone()),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!(["AAAA"])),
    ] {
        let genuine = forger.with_header_member(name, value.clone());
        assert_eq!(forger.app.get("/me", Some(&genuine)).await.status, 200);
        let mut header = forger.header.clone();
        header[name] = value;
        let claims = forger.claims.to_string();
        let forged = token(&header.to_string(), &claims, sign_with(&other_pem));
        forger.app.get("/me", Some(&forged)).await.assert_problem(401, "token_not_valid");
    }
}
