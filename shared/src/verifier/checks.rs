//! [`ClaimChecks`]: the checks of an access token's claims (RFC 9068 section 4).

use crate::{
    VerifyError,
    claims::{AccessClaims, TokenType},
    issuer::without_trailing_slash,
};

/// The values that the claims must have.
#[derive(Debug)]
pub(super) struct ClaimChecks {
    /// URL of the issuer, without a trailing slash.
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    /// Whether the audience is not checked.
    pub(super) any_audience: bool,
    pub(super) leeway_secs: i64,
}

impl ClaimChecks {
    /// Checks the claims whose result never changes: token type, issuer and audience.
    pub(super) fn check_fixed(&self, claims: &AccessClaims) -> Result<(), VerifyError> {
        if claims.token_type != TokenType::Access {
            Err(VerifyError::WrongType)
        } else if without_trailing_slash(&claims.iss) != self.issuer {
            Err(VerifyError::Issuer)
        } else if !self.any_audience
            && !self.audiences.iter().any(|audience| claims.aud.contains(audience))
        {
            Err(VerifyError::Audience)
        } else {
            Ok(())
        }
    }

    /// Checks the times at `now`, in seconds since the Unix epoch (RFC 7519 section 4.1).
    pub(super) fn check_times(&self, claims: &AccessClaims, now: i64) -> Result<(), VerifyError> {
        let valid_from = claims.nbf.map_or(claims.iat, |nbf| nbf.max(claims.iat));
        if claims.exp <= now.saturating_sub(self.leeway_secs) {
            Err(VerifyError::Expired)
        } else if valid_from > now.saturating_add(self.leeway_secs) {
            Err(VerifyError::NotYetValid)
        } else {
            Ok(())
        }
    }
}
