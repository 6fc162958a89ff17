//! The arguments that protect a handler, whatever the web framework.

use std::{marker::PhantomData, ops::Deref, sync::Arc};

use crate::{VerifyError, claims::AccessClaims};

/// The verified claims of the request's access token. A request without a valid one never reaches the handler.
#[derive(Clone, Debug)]
pub struct AccessToken(pub Arc<AccessClaims>);

impl Deref for AccessToken {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.0
    }
}

/// What a token must grant, as a type: say it once, and name it in every handler that needs it.
///
/// ```
/// use shared::{Requires, extract::Requirement};
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
    /// The scope it needs, if any.
    const SCOPE: Option<&'static str> = None;
    /// The role it needs, if any.
    const ROLE: Option<&'static str> = None;
}

/// An [`AccessToken`] that meets a [`Requirement`]. Any other is answered 403.
#[derive(Debug)]
pub struct Requires<R>(pub Arc<AccessClaims>, PhantomData<fn() -> R>);

impl<R: Requirement> Requires<R> {
    /// Checks what `R` demands.
    ///
    /// # Errors
    /// [`VerifyError::InsufficientScope`] or [`VerifyError::MissingRole`].
    pub fn check(token: AccessToken) -> Result<Self, VerifyError> {
        const { assert!(R::SCOPE.is_some() || R::ROLE.is_some(), "a Requirement that requires nothing") };
        match (R::SCOPE, R::ROLE) {
            (Some(scope), _) if !token.scope.contains(scope) => Err(VerifyError::InsufficientScope(scope)),
            (_, Some(role)) if !token.roles.iter().any(|held| held == role) => {
                Err(VerifyError::MissingRole(role))
            }
            _ => Ok(Self(token.0, PhantomData)),
        }
    }
}

impl<R> Deref for Requires<R> {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.0
    }
}

/// The token in the values of the request's `Authorization` headers, of which there must be one (RFC 6750 section 2.1).
///
/// # Errors
/// [`VerifyError::Missing`] or [`VerifyError::MalformedHeader`].
pub fn bearer_token<'a>(mut headers: impl Iterator<Item = &'a [u8]>) -> Result<&'a str, VerifyError> {
    let header = headers.next().ok_or(VerifyError::Missing)?;
    if headers.next().is_some() {
        return Err(VerifyError::MalformedHeader);
    }
    let (scheme, token) = std::str::from_utf8(header)
        .ok()
        .and_then(|header| header.trim().split_once(' '))
        .ok_or(VerifyError::MalformedHeader)?;
    let token = token.trim_start();
    // To the end in any case: sixteen bytes are looked at in one go so, and a token has hundreds.
    let is_list = token.bytes().fold(false, |is_list, byte| is_list | matches!(byte, b' ' | b','));
    if !scheme.eq_ignore_ascii_case("Bearer") || token.is_empty() || is_list {
        return Err(VerifyError::MalformedHeader);
    }
    Ok(token)
}
