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
    refresh_token::{Kind, RefreshClaims, RefreshTokenKeys},
    session::Session,
};
use crate::{
    domain::{client::FIRST_PARTY, refresh_decision::TokenGeneration},
    keys::Key,
};

/// What a client keeps between two refreshes of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A refresh token, which the client reads.
    RefreshToken,
    /// A cookie, which a browser keeps out of reach of scripts.
    Cookie,
}

/// The cookie of a session.
// Without `Debug`, so that no log contains it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionCookie {
    pub value: String,
    /// Lifetime in seconds.
    pub max_age_secs: i64,
}

/// The tokens of a session: an access token, and the credential with which the client gets the next
/// one.
// Without `Debug`, so that no log contains them.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TokenPair)]
pub struct SessionTokens {
    pub access: String,
    /// Missing if the answer sets a cookie in place of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refresh: Option<String>,
    #[serde(skip)]
    pub cookie: Option<SessionCookie>,
    /// Lifetime of the access token in seconds.
    #[serde(skip)]
    pub access_lifetime_secs: i64,
}

/// What an access token grants: all or a part of what its session grants.
#[derive(Clone, Debug)]
pub struct Grant {
    pub scope: Scope,
    pub audience: Audience,
}

/// What all tokens of this service have in common.
pub struct TokenTemplate {
    pub issuer: String,
    /// Audiences of a client's token: those of the setting AUDIENCE.
    pub service_audiences: Vec<String>,
    /// Audiences of a user's token: the services, and the issuer, at which the token gives access to
    /// the user's account.
    pub user_audiences: Vec<String>,
    /// Whether access tokens state the user's id in the earlier system.
    pub states_external_id: bool,
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

    /// Returns the lifetime of an access token, in seconds. No token lives longer than the database
    /// records with its key: the record of a key that was created with a shorter lifetime is raised
    /// when a replica starts.
    pub fn access_secs(&self) -> i64 {
        self.template.access_secs.min(self.key.token_lifetime_ms() / 1000)
    }

    /// Mints an access token with this grant, and a credential for `session`.
    ///
    /// The caller passes the expiry of the credential, and writes the same time to session state: the
    /// session's entry must not expire before the credential does.
    pub fn tokens(
        &self,
        session: &Session,
        grant: Grant,
        generation: TokenGeneration,
        expires_at: i64,
        credential: Credential,
    ) -> SessionTokens {
        let (access, access_lifetime_secs) = self.access(session, grant);
        let (refresh, cookie) = match credential {
            Credential::RefreshToken => {
                let token = self.template.mint(Kind::Refresh, session, generation, expires_at);
                (Some(token), None)
            }
            Credential::Cookie => {
                (None, Some(self.template.cookie(session, generation, expires_at)))
            }
        };
        SessionTokens { access, refresh, cookie, access_lifetime_secs }
    }

    /// Mints an access token for `session`, as [`Minter::tokens`] does. Returns the token and its
    /// lifetime in seconds.
    pub fn access(&self, session: &Session, grant: Grant) -> (String, i64) {
        let access = self.template.claims_of_user(session, grant, self.access_secs());
        (self.sign(&access), access.exp - access.iat)
    }

    /// Mints an access token for the client credentials grant (RFC 6749 section 4.4). The client
    /// itself is the subject (RFC 9068 section 2.2), and the token is the only one of its session.
    pub fn for_client(&self, client_id: String, grant: Grant) -> String {
        let lifetime = self.access_secs();
        let sid = SessionId::generate();
        let claims = self.template.access_claims(client_id.clone(), sid, grant, lifetime);
        self.sign(&AccessClaims { client_id: Some(client_id), ..claims })
    }

    fn sign(&self, claims: &AccessClaims) -> String {
        let payload = serde_json::to_vec(claims).expect("claims are strings and numbers");
        self.key.sign(&payload)
    }
}

impl TokenTemplate {
    /// Returns the claims of an access token for `session`, with a lifetime in seconds.
    pub(super) fn claims_of_user(
        &self,
        session: &Session,
        grant: Grant,
        lifetime: i64,
    ) -> AccessClaims {
        let claims = self.access_claims(session.user.sub.clone(), session.sid, grant, lifetime);
        AccessClaims {
            client_id: Some(FIRST_PARTY.into()),
            // No access token outlives its session.
            exp: claims.exp.min(session.ends_at),
            auth_time: Some(session.auth_time),
            preferred_username: Some(session.user.username.clone()),
            external_id: session.user.external_id.clone().filter(|_| self.states_external_id),
            roles: session.user.roles.clone(),
            ..claims
        }
    }

    fn access_claims(
        &self,
        sub: String,
        sid: SessionId,
        grant: Grant,
        lifetime: i64,
    ) -> AccessClaims {
        let Grant { scope, audience } = grant;
        let now = self.clock.now_secs();
        AccessClaims {
            iss: self.issuer.clone(),
            sub,
            aud: audience,
            exp: now + lifetime,
            iat: now,
            nbf: None,
            jti: Uuid::now_v7(),
            sid,
            scope,
            roles: Vec::new(),
            auth_time: None,
            preferred_username: None,
            external_id: None,
            client_id: None,
            token_type: TokenType::Access,
        }
    }

    /// Mints the cookie of a session.
    pub(super) fn cookie(
        &self,
        session: &Session,
        generation: TokenGeneration,
        expires_at: i64,
    ) -> SessionCookie {
        SessionCookie {
            value: self.mint(Kind::SessionCookie, session, generation, expires_at),
            max_age_secs: expires_at - self.clock.now_secs(),
        }
    }

    fn mint(
        &self,
        kind: Kind,
        session: &Session,
        generation: TokenGeneration,
        expires_at: i64,
    ) -> String {
        let issued_at = self.clock.now_secs();
        let claims = RefreshClaims::new(&self.issuer, session, generation, issued_at, expires_at);
        self.refresh_keys.mint(kind, &claims)
    }
}
