//! Tokens of the same kinds and sizes as the tokens of auth-service. Minting or checking a token
//! takes only a signature or a MAC, and JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    hmac,
    rand::{SystemRandom, generate},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
        ParsedPublicKey,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

const ISSUER: &str = "http://127.0.0.1:18180";
const ACCESS_HEADER: &str =
    r#"{"typ":"at+jwt","alg":"ES256","kid":"0123456789012345678901234567890123456789012"}"#;
const REFRESH_HEADER: &str = r#"{"typ":"rt+jwt","alg":"HS256"}"#;
const ACCESS_SECONDS: u64 = 300;
pub const REFRESH_SECONDS: u64 = 604_800;

#[derive(Clone, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub sub: String,
    pub aud: Vec<String>,
    pub exp: u64,
    pub iat: u64,
    pub jti: Uuid,
    pub sid: Uuid,
    pub scope: String,
    pub preferred_username: String,
    pub client_id: String,
    pub token_type: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct RefreshClaims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub exp: u64,
    pub iat: u64,
    pub jti: Uuid,
    pub sid: Uuid,
    #[serde(rename = "gen")]
    pub generation: u64,
    #[serde(rename = "rot")]
    pub rotated_at_ms: u64,
    pub auth_time: u64,
    pub session_exp: u64,
    pub preferred_username: String,
    pub scope: String,
    pub token_type: String,
}

#[derive(Serialize)]
pub struct TokenPair {
    pub access: String,
    pub refresh: String,
}

/// The keys of both kinds of tokens.
pub struct Keys {
    signing_key: EcdsaKeyPair,
    public_key: ParsedPublicKey,
    mac_key: hmac::Key,
}

pub fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.expect("the clock is set").as_secs()
}

impl RefreshClaims {
    /// Returns the claims of the first refresh token of a new session.
    pub fn new_session(sub: &str, username: &str) -> Self {
        let now = now();
        Self {
            iss: ISSUER.into(),
            aud: ISSUER.into(),
            sub: sub.into(),
            exp: now + REFRESH_SECONDS,
            iat: now,
            jti: Uuid::now_v7(),
            sid: Uuid::new_v4(),
            generation: 0,
            rotated_at_ms: now * 1000,
            auth_time: now,
            session_exp: now + 4 * REFRESH_SECONDS,
            preferred_username: username.into(),
            scope: String::new(),
            token_type: "refresh".into(),
        }
    }
}

impl Keys {
    pub fn generate() -> Self {
        let signing_key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let signing_key = signing_key.expect("a working random source");
        let public_key =
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, signing_key.public_key().as_ref());
        let secret = generate(&SystemRandom::new()).expect("a working random source");
        let secret: [u8; 32] = secret.expose();
        Self {
            signing_key,
            public_key: public_key.expect("the public key of a new key pair"),
            mac_key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        }
    }

    /// Mints a refresh token with these claims, and an access token of the same session.
    pub fn mint_pair(&self, refresh: &RefreshClaims) -> TokenPair {
        let mac = |input: &[u8]| URL_SAFE_NO_PAD.encode(hmac::sign(&self.mac_key, input));
        TokenPair {
            access: self.mint_access(refresh),
            refresh: encode(REFRESH_HEADER, refresh, mac),
        }
    }

    /// Mints an access token of the session of these claims.
    pub fn mint_access(&self, refresh: &RefreshClaims) -> String {
        let access = AccessClaims {
            iss: ISSUER.into(),
            sub: refresh.sub.clone(),
            aud: vec!["api".into(), ISSUER.into()],
            exp: refresh.iat + ACCESS_SECONDS,
            iat: refresh.iat,
            jti: Uuid::now_v7(),
            sid: refresh.sid,
            scope: String::new(),
            preferred_username: refresh.preferred_username.clone(),
            client_id: "first-party".into(),
            token_type: "access".into(),
        };
        let random = SystemRandom::new();
        let sign = |input: &[u8]| {
            let signature = self.signing_key.sign(&random, input);
            URL_SAFE_NO_PAD.encode(signature.expect("a working random source"))
        };
        encode(ACCESS_HEADER, &access, sign)
    }

    /// Returns the claims of an access token, if the token is valid and has not expired.
    pub fn verify_access(&self, token: &str) -> Option<AccessClaims> {
        let (input, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.public_key.verify_sig(input.as_bytes(), &signature).ok()?;
        decode_claims(input).filter(|claims: &AccessClaims| claims.exp > now())
    }

    /// Returns the claims of a refresh token, if the token is valid and has not expired.
    pub fn verify_refresh(&self, token: &str) -> Option<RefreshClaims> {
        let (input, mac) = token.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.mac_key, input.as_bytes(), &mac).ok()?;
        decode_claims(input).filter(|claims: &RefreshClaims| claims.exp > now())
    }
}

/// Returns the token with this header and these claims. `authenticate` returns its third part.
fn encode(header: &str, claims: &impl Serialize, authenticate: impl Fn(&[u8]) -> String) -> String {
    let claims = serde_json::to_vec(claims).expect("claims are strings and numbers");
    let header = URL_SAFE_NO_PAD.encode(header);
    let mut token = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = authenticate(token.as_bytes());
    token.push('.');
    token.push_str(&signature);
    token
}

fn decode_claims<T: DeserializeOwned>(input: &str) -> Option<T> {
    let (_, claims) = input.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}
