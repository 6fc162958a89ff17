//! The handler arguments that protect a route, for every web framework.

use std::{marker::PhantomData, ops::Deref, sync::Arc};

use crate::{VerifyError, claims::AccessClaims};

/// Verified claims of the request's access token. A handler with this argument runs only for
/// requests with a valid token.
#[derive(Clone, Debug)]
pub struct AccessToken(pub Arc<AccessClaims>);

impl Deref for AccessToken {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.0
    }
}

/// The access token of a request, or `None` if the request has no `Authorization` header. A request
/// with a token that is refused gets 401, as from [`AccessToken`].
///
/// In axum, `Option<AccessToken>` is the same. In actix-web it is not: there, an `Option` is `None`
/// for every error, so a request with an expired token would count as anonymous.
///
/// ```
/// use shared::OptionalToken;
///
/// async fn hello(OptionalToken(token): OptionalToken) -> String {
///     match token {
///         Some(token) => format!("hello, {}", token.sub),
///         None => "hello, guest".into(),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OptionalToken(pub Option<AccessToken>);

/// A scope or a role, or both, that a route requires. Define it once as a type, and name the type
/// in every handler that requires it.
///
/// ```
/// use shared::{Requirement, Requires};
///
/// struct ReadReports;
///
/// impl Requirement for ReadReports {
///     const SCOPE: Option<&str> = Some("reports:read");
/// }
///
/// async fn reports(token: Requires<ReadReports>) -> String {
///     format!("reports for {}", token.sub)
/// }
/// ```
pub trait Requirement {
    /// Required scope, if any.
    const SCOPE: Option<&'static str> = None;
    /// Required role, if any.
    const ROLE: Option<&'static str> = None;
}

/// An [`AccessToken`] that meets the [`Requirement`] `R`. A request with another valid token gets
/// 403.
#[derive(Debug)]
pub struct Requires<R>(pub Arc<AccessClaims>, PhantomData<fn() -> R>);

impl<R: Requirement> Requires<R> {
    /// Checks that a token has the scope and the role that `R` requires. A requirement of
    /// neither does not compile.
    ///
    /// # Errors
    /// [`VerifyError::InsufficientScope`] or [`VerifyError::MissingRole`].
    pub fn check(token: AccessToken) -> Result<Self, VerifyError> {
        const {
            assert!(
                R::SCOPE.is_some() || R::ROLE.is_some(),
                "a Requirement must have a SCOPE or a ROLE"
            )
        };
        if let Some(scope) = R::SCOPE
            && !token.scope.contains(scope)
        {
            return Err(VerifyError::InsufficientScope(scope));
        }
        if let Some(role) = R::ROLE
            && !token.roles.iter().any(|held| held == role)
        {
            return Err(VerifyError::MissingRole(role));
        }
        Ok(Self(token.0, PhantomData))
    }
}

impl<R> Deref for Requires<R> {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.0
    }
}

/// Returns the token in the values of a request's `Authorization` headers (RFC 6750 section 2.1).
///
/// # Errors
/// [`VerifyError::Missing`] if the request has no `Authorization` header, and
/// [`VerifyError::MalformedHeader`] if it has several, or one that is not `Bearer` and one token.
pub fn bearer_token<'a>(
    mut headers: impl Iterator<Item = &'a [u8]>,
) -> Result<&'a str, VerifyError> {
    let header = headers.next().ok_or(VerifyError::Missing)?;
    if headers.next().is_some() {
        return Err(VerifyError::MalformedHeader);
    }
    let (scheme, token) = std::str::from_utf8(header)
        .ok()
        .and_then(|header| header.trim().split_once(' '))
        .ok_or(VerifyError::MalformedHeader)?;
    let token = token.trim_start();
    // A fold without early exit lets the compiler test sixteen bytes at once.
    let is_list = token.bytes().fold(false, |is_list, byte| is_list | matches!(byte, b' ' | b','));
    if !scheme.eq_ignore_ascii_case("Bearer") || token.is_empty() || is_list {
        return Err(VerifyError::MalformedHeader);
    }
    Ok(token)
}
