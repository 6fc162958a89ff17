//! An issuer for tests: issues tokens that its verifier accepts, without auth-service and without a
//! network.
//!
//! ```
//! use shared::{VerifyError, testing::TestIssuer};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let issuer = TestIssuer::new();
//! let verifier = issuer.verifier();
//!
//! let token = issuer.token().subject("ada").scope("reports:read").role("editor");
//! let session = token.claims.sid;
//! let token = token.mint();
//! assert_eq!(verifier.verify(&token).await.unwrap().sub, "ada");
//!
//! issuer.end_session(session);
//! assert_eq!(verifier.verify(&token).await, Err(VerifyError::Revoked));
//!
//! let expired = issuer.token().lifetime_secs(-60).mint();
//! assert_eq!(verifier.verify(&expired).await, Err(VerifyError::Expired));
//! # });
//! ```

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Verifier,
    claims::{ACCESS_TOKEN_TYP, AccessClaims, Audience, Scope, SessionId, TokenType},
    clock::Clock,
    keys::JwkSet,
};

/// Issues access tokens, with a key of its own.
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

    /// Returns an issuer with a new key.
    ///
    /// # Panics
    /// Panics if the system has no random source.
    pub fn new() -> Self {
        let key = Ed25519KeyPair::generate().expect("the system has a random source");
        let clock = Clock::system();
        let verifier = Verifier::builder(Self::ISSUER)
            .audience(Self::AUDIENCE)
            .clock(clock.clone())
            .build_for_tests(&jwks(&key));
        Self { key, verifier, clock }
    }

    /// Returns a verifier that accepts the issuer's tokens, for the app under test.
    pub fn verifier(&self) -> Verifier {
        self.verifier.clone()
    }

    /// Returns the clock of the issuer and of its verifier.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns the issuer's public keys, for a test server that serves them over HTTP.
    pub fn jwks(&self) -> JwkSet {
        jwks(&self.key)
    }

    /// Ends a session: the verifier refuses its tokens from now on, as after a logout.
    pub fn end_session(&self, sid: SessionId) {
        self.verifier.end_session(sid);
    }

    /// Returns a token to mint: of a new user and a new session, valid for five minutes, without
    /// scopes and roles.
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
            scope: Scope::default(),
            roles: Vec::new(),
            auth_time: None,
            preferred_username: None,
            external_id: None,
            client_id: None,
            token_type: TokenType::Access,
        };
        TestToken { issuer: self, claims }
    }
}

fn jwks(key: &Ed25519KeyPair) -> JwkSet {
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": TestIssuer::KID,
        "x": URL_SAFE_NO_PAD.encode(key.public_key()),
    });
    JwkSet { keys: vec![serde_json::from_value(jwk).expect("the JSON is a JWK")] }
}

/// A token to mint.
#[derive(Debug)]
#[must_use]
pub struct TestToken<'a> {
    issuer: &'a TestIssuer,
    /// The claims. Change this field for a claim that has no method.
    pub claims: AccessClaims,
}

impl TestToken<'_> {
    /// Sets the subject: the user's id.
    pub fn subject(mut self, sub: impl Into<String>) -> Self {
        self.claims.sub = sub.into();
        self
    }

    /// Sets the scopes, separated by spaces.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.claims.scope = scope.into().into();
        self
    }

    /// Adds a role of the user.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.claims.roles.push(role.into());
        self
    }

    /// Sets the audience. Default: the audience of the issuer's verifier.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.claims.aud = Audience::One(audience.into());
        self
    }

    /// Sets the lifetime in seconds. With a negative lifetime the token has expired.
    pub fn lifetime_secs(mut self, secs: i64) -> Self {
        self.claims.exp = self.issuer.clock.now_secs() + secs;
        self
    }

    /// Returns the signed token.
    pub fn mint(self) -> String {
        self.mint_as(TestIssuer::KID)
    }

    /// Returns the signed token with another key id in its header.
    ///
    /// # Panics
    /// Never: the claims are strings and numbers.
    pub fn mint_as(self, kid: &str) -> String {
        let header = json!({"alg": "EdDSA", "typ": ACCESS_TOKEN_TYP, "kid": kid}).to_string();
        let header = URL_SAFE_NO_PAD.encode(header);
        let claims = serde_json::to_string(&self.claims).expect("claims are strings and numbers");
        let claims = URL_SAFE_NO_PAD.encode(claims);
        let input = format!("{header}.{claims}");
        let signature = self.issuer.key.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
