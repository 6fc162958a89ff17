//! An issuer for your own tests: it mints tokens that its verifier accepts, without auth-service and without a network.
//!
//! ```
//! use shared::testing::TestIssuer;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let issuer = TestIssuer::new();
//! let token = issuer.token().subject("ada").scope("reports:read").role("editor").mint();
//! let claims = issuer.verifier().verify(&token).await.unwrap();
//! assert_eq!(claims.sub, "ada");
//! assert!(issuer.verifier().verify(&issuer.token().lifetime_secs(-60).mint()).await.is_err());
//! # });
//! ```

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Verifier,
    claims::{ACCESS_TOKEN_TYP, AccessClaims, Audience, SessionId, TokenType},
    clock::Clock,
    keys::JwkSet,
};

/// Issues access tokens with a key of its own.
#[derive(Debug)]
pub struct TestIssuer {
    key: Ed25519KeyPair,
    verifier: Verifier,
    clock: Clock,
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl TestIssuer {
    const ISSUER: &str = "http://issuer.test";
    const AUDIENCE: &str = "api";
    const KID: &str = "test";

    /// An issuer with a new key.
    ///
    /// # Panics
    /// Without a working random source.
    pub fn new() -> Self {
        let key = Ed25519KeyPair::generate().expect("a working random source");
        let clock = Clock::system();
        let verifier = Verifier::builder(Self::ISSUER)
            .audience(Self::AUDIENCE)
            .clock(clock.clone())
            .build_with_keys(&jwks(&key));
        Self { key, verifier, clock }
    }

    /// A verifier that accepts its tokens, to put into the app under test.
    pub fn verifier(&self) -> Verifier {
        self.verifier.clone()
    }

    /// The clock that its tokens and its verifier go by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Its public keys, to be served to a verifier over HTTP.
    pub fn jwks(&self) -> JwkSet {
        jwks(&self.key)
    }

    /// A token to be minted: some user's, with no scope and no role, for five minutes.
    pub fn token(&self) -> TestToken<'_> {
        let now = self.clock.now_secs();
        let claims = AccessClaims {
            iss: Self::ISSUER.into(),
            sub: Uuid::now_v7().to_string(),
            aud: Audience::One(Self::AUDIENCE.into()),
            exp: now + 300,
            iat: now,
            nbf: None,
            jti: Uuid::now_v7(),
            sid: SessionId::generate(),
            scope: String::new().into(),
            roles: Vec::new(),
            preferred_username: None,
            client_id: None,
            token_type: TokenType::Access,
        };
        TestToken { issuer: self, claims }
    }
}

fn jwks(key: &Ed25519KeyPair) -> JwkSet {
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let jwk =
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": TestIssuer::KID, "x": x});
    JwkSet { keys: vec![serde_json::from_value(jwk).expect("a JWK")] }
}

/// A token to be minted.
#[derive(Debug)]
#[must_use]
pub struct TestToken<'a> {
    issuer: &'a TestIssuer,
    /// All it says. Change what the methods do not.
    pub claims: AccessClaims,
}

impl TestToken<'_> {
    /// Whose it is.
    pub fn subject(mut self, sub: impl Into<String>) -> Self {
        self.claims.sub = sub.into();
        self
    }

    /// Its scopes, separated by spaces.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.claims.scope = scope.into().into();
        self
    }

    /// A role that its user has.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.claims.roles.push(role.into());
        self
    }

    /// Whom it is for, if not for the verifier.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.claims.aud = Audience::One(audience.into());
        self
    }

    /// How long it lives, in seconds. Below zero it has expired.
    pub fn lifetime_secs(mut self, secs: i64) -> Self {
        self.claims.exp = self.issuer.clock.now_secs() + secs;
        self
    }

    /// The token.
    ///
    /// # Panics
    /// Never.
    pub fn mint(self) -> String {
        self.mint_as(TestIssuer::KID)
    }

    /// The token, naming another key than the one that signed it.
    ///
    /// # Panics
    /// Never.
    pub fn mint_as(self, kid: &str) -> String {
        let header = json!({"alg": "EdDSA", "typ": ACCESS_TOKEN_TYP, "kid": kid}).to_string();
        let claims = serde_json::to_string(&self.claims).expect("claims are strings and numbers");
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.issuer.key.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
