//! What the tokens of a session state about its user.

use shared::claims::Scope;

/// The claims about a user. A change of scopes or roles makes the claims of older tokens stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserClaims {
    /// The user's id, which is the subject of the tokens.
    pub sub: String,
    pub username: String,
    /// Id of the user in the system from which the user was imported.
    pub external_id: Option<String>,
    pub scope: Scope,
    pub roles: Vec<String>,
}
