//! Entity tags of users, and the conditions of requests that name them (RFC 9110 section 13).

use actix_web::{
    HttpRequest,
    http::header::{EntityTag, Header, IF_MATCH, IfMatch, IfNoneMatch},
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::http::error::ApiError;

/// Number of bytes of the hash: two states of one user do not share it by chance.
const HASH_BYTES: usize = 12;

/// Returns the strong tag of a user: the revision, which a change compares within its transaction,
/// and a hash of the body, because the username and the state of the address change without a new
/// revision.
pub fn of(revision: i64, body: &[u8]) -> EntityTag {
    let hash = digest(&SHA256, body);
    let hash = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..HASH_BYTES]);
    EntityTag::new_strong(format!("{revision}-{hash}"))
}

/// What `If-Match` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The request does not have the header, or accepts any state.
    None,
    /// The state that was compared must last until the change.
    Unchanged,
}

impl Precondition {
    /// Compares `If-Match` with the present tag.
    ///
    /// # Errors
    /// [`ApiError::PreconditionFailed`], also if the header is malformed.
    pub fn of(request: &HttpRequest, present: &EntityTag) -> Result<Self, ApiError> {
        if !request.headers().contains_key(IF_MATCH) {
            return Ok(Self::None);
        }
        match IfMatch::parse(request) {
            Ok(IfMatch::Any) => Ok(Self::None),
            Ok(IfMatch::Items(tags)) if tags.iter().any(|tag| tag.strong_eq(present)) => {
                Ok(Self::Unchanged)
            }
            Ok(IfMatch::Items(_)) | Err(_) => Err(ApiError::PreconditionFailed),
        }
    }

    /// Returns the revision that a change must find.
    pub fn expected(self, revision: i64) -> Option<i64> {
        (self == Self::Unchanged).then_some(revision)
    }
}

/// Returns whether the caller has the present state already, as `If-None-Match` says.
pub fn is_known(request: &HttpRequest, present: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(present)),
        Err(_) => false,
    }
}
