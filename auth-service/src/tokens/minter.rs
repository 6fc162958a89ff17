//! Minting tokens with the current signing key.

use std::sync::Arc;

use serde::Serialize;
use shared::{
    claims::{AccessClaims, Audience, Scope, SessionId, TokenType},
    clock::Clock,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    refresh_token::{RefreshClaims, RefreshTokenKeys},
    session::Session,
};
use crate::{
    domain::{client::FIRST_PARTY, refresh_decision::TokenGeneration},
    keys::Key,
};

/// Access token and refresh token of a session.
// Without `Debug`, so that no log contains them.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenPair {
    pub access: String,
    pub refresh: String,
    /// Lifetime of the access token in seconds.
    #[serde(skip)]
    pub access_lifetime_secs: i64,
}

/// What all tokens of this service have in common.
pub struct TokenTemplate {
    pub issuer: String,
    pub audience: Audience,
    /// Lifetime of an access token, in seconds.
    pub access_secs: i64,
    pub clock: Clock,
    pub refresh_keys: RefreshTokenKeys,
}

/// Mints tokens, all with one signing key.
pub struct Minter<'a> {
    template: &'a TokenTemplate,
    key: Arc<Key>,
}

impl<'a> Minter<'a> {
    pub(super) fn new(template: &'a TokenTemplate, key: Arc<Key>) -> Self {
        Self { template, key }
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
    pub fn for_client(
        &self,
        client_id: String,
        audience: Option<Audience>,
        scope: Scope,
    ) -> String {
        let claims = self.access_claims(client_id.clone(), SessionId::generate(), scope);
        let aud = audience.unwrap_or_else(|| claims.aud.clone());
        self.sign(&AccessClaims { client_id: Some(client_id), aud, ..claims })
    }

    fn access_claims(&self, sub: String, sid: SessionId, scope: Scope) -> AccessClaims {
        let TokenTemplate { issuer, audience, access_secs, clock, .. } = self.template;
        let now = clock.now_secs();
        AccessClaims {
            iss: issuer.clone(),
            sub,
            aud: audience.clone(),
            exp: now + access_secs,
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
        let TokenTemplate { issuer, clock, refresh_keys, .. } = self.template;
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
