//! Tokens of the same size and kinds as auth-service's, made and checked by what cannot be left out: a signature, a MAC,
//! and JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    hmac,
    rand::{SystemRandom, generate},
    signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

const ISSUER: &str = "http://127.0.0.1:18180";
const ACCESS_HEADER: &str =
    r#"{"typ":"at+jwt","alg":"EdDSA","kid":"0123456789012345678901234567890123456789012"}"#;
const REFRESH_HEADER: &str = r#"{"typ":"rt+jwt","alg":"HS256"}"#;
const ACCESS_SECONDS: u64 = 300;
pub const REFRESH_SECONDS: u64 = 604_800;

#[derive(Clone, Serialize, Deserialize)]
pub struct Access {
    pub iss: String,
    pub sub: String,
    pub aud: String,
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
pub struct Refresh {
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
pub struct Pair {
    access: String,
    refresh: String,
}

pub struct Keys {
    pair: Ed25519KeyPair,
    public: ParsedPublicKey,
    secret: hmac::Key,
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set").as_secs()
}

impl Refresh {
    /// The first of a session.
    pub fn first(sub: &str, username: &str) -> Self {
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
        let pair = Ed25519KeyPair::generate().expect("a working random source");
        let public = ParsedPublicKey::new(&ED25519, pair.public_key().as_ref()).expect("the pair's own");
        let secret: [u8; 32] = generate(&SystemRandom::new()).expect("a working random source").expose();
        Self { pair, public, secret: hmac::Key::new(hmac::HMAC_SHA256, &secret) }
    }

    /// A pair of tokens: this refresh token, and an access token for its session.
    pub fn pair(&self, refresh: &Refresh) -> Pair {
        let access = Access {
            iss: ISSUER.into(),
            sub: refresh.sub.clone(),
            aud: "api".into(),
            exp: refresh.iat + ACCESS_SECONDS,
            iat: refresh.iat,
            jti: Uuid::now_v7(),
            sid: refresh.sid,
            scope: String::new(),
            preferred_username: refresh.preferred_username.clone(),
            client_id: "first-party".into(),
            token_type: "access".into(),
        };
        let sign = |input: &[u8]| URL_SAFE_NO_PAD.encode(self.pair.sign(input));
        let mac = |input: &[u8]| URL_SAFE_NO_PAD.encode(hmac::sign(&self.secret, input));
        Pair { access: token(ACCESS_HEADER, &access, sign), refresh: token(REFRESH_HEADER, refresh, mac) }
    }

    pub fn access(&self, token: &str) -> Option<Access> {
        let (input, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.public.verify_sig(input.as_bytes(), &signature).ok()?;
        claims(input).filter(|claims: &Access| claims.exp > now())
    }

    pub fn refresh(&self, token: &str) -> Option<Refresh> {
        let (input, mac) = token.rsplit_once('.')?;
        hmac::verify(&self.secret, input.as_bytes(), &URL_SAFE_NO_PAD.decode(mac).ok()?).ok()?;
        claims(input).filter(|claims: &Refresh| claims.exp > now())
    }
}

fn token(header: &str, claims: &impl Serialize, prove: impl Fn(&[u8]) -> String) -> String {
    let claims = serde_json::to_vec(claims).expect("claims are strings and numbers");
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let proof = prove(token.as_bytes());
    token.push('.');
    token.push_str(&proof);
    token
}

fn claims<T: DeserializeOwned>(input: &str) -> Option<T> {
    let (_, claims) = input.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}
