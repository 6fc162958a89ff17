//! Minting tokens with the current signing key.

use std::sync::Arc;

use shared::claims::{AccessClaims, Audience, Scope, SessionId, TokenType};
use uuid::Uuid;

use super::{RefreshClaims, Session, TokenPair, Tokens};
use crate::{
    domain::{client::FIRST_PARTY, refresh_decision::TokenGeneration},
    keys::Key,
};

/// Mints tokens, all with one signing key.
pub struct Minter<'a> {
    tokens: &'a Tokens,
    key: Arc<Key>,
}

impl<'a> Minter<'a> {
    pub(super) fn new(tokens: &'a Tokens, key: Arc<Key>) -> Self {
        Self { tokens, key }
    }

    /// Mints an access token and a refresh token for `session`. The access token grants `scope`,
    /// which is all or part of the session's scope.
    ///
    /// The caller passes the refresh token's expiry, and writes the same time to session state: the
    /// session's entry must not expire before the token does.
    pub fn pair(
        &self,
        session: &Session,
        scope: Scope,
        generation: TokenGeneration,
        refresh_expires_at: i64,
    ) -> TokenPair {
        let claims = self.access_claims(session.user.sub.clone(), session.sid, scope);
        let access = AccessClaims {
            client_id: Some(FIRST_PARTY.into()),
            // No access token outlives its session.
            exp: claims.exp.min(session.ends_at),
            preferred_username: Some(session.user.username.clone()),
            roles: session.user.roles.clone(),
            ..claims
        };
        TokenPair {
            access: self.sign(&access),
            refresh: self.refresh_token(session, generation, refresh_expires_at),
            access_lifetime_secs: access.exp - access.iat,
        }
    }

    /// Mints an access token for the client credentials grant (RFC 6749 section 4.4). The client
    /// itself is the subject (RFC 9068 section 2.2), and the token is the only one of its session.
    ///
    /// `audience` replaces the audience of the setting AUDIENCE.
    pub fn for_client(&self, client_id: String, audience: Option<Audience>, scope: Scope) -> String {
        let claims = self.access_claims(client_id.clone(), SessionId::generate(), scope);
        let aud = audience.unwrap_or_else(|| claims.aud.clone());
        self.sign(&AccessClaims { client_id: Some(client_id), aud, ..claims })
    }

    fn access_claims(&self, sub: String, sid: SessionId, scope: Scope) -> AccessClaims {
        let now = self.tokens.clock.now_secs();
        AccessClaims {
            iss: self.tokens.issuer.clone(),
            sub,
            aud: self.tokens.audience.clone(),
            exp: now + self.tokens.access_secs,
            iat: now,
            nbf: None,
            jti: Uuid::now_v7(),
            sid,
            scope,
            roles: Vec::new(),
            preferred_username: None,
            client_id: None,
            token_type: TokenType::Access,
        }
    }

    fn refresh_token(&self, session: &Session, token: TokenGeneration, expires_at: i64) -> String {
        let Tokens { issuer, clock, refresh_keys, .. } = self.tokens;
        refresh_keys.mint(&RefreshClaims {
            iss: issuer.clone(),
            aud: issuer.clone(),
            sub: session.user.sub.clone(),
            exp: expires_at,
            iat: clock.now_secs(),
            jti: Uuid::now_v7(),
            sid: session.sid,
            generation: token.generation,
            rotated_at_ms: token.rotated_at_ms,
            auth_time: session.auth_time,
            session_ends_at: session.ends_at,
            preferred_username: session.user.username.clone(),
            scope: session.user.scope.clone(),
            roles: session.user.roles.clone(),
            token_type: TokenType::Refresh,
        })
    }

    fn sign(&self, claims: &AccessClaims) -> String {
        let payload = serde_json::to_vec(claims).expect("claims are strings and numbers");
        self.key.sign(&payload)
    }
}
