//! [`ClaimChecks`]: the checks of an access token's claims (RFC 9068 section 4).

use crate::{
    VerifyError,
    claims::{AccessClaims, TokenType},
};

/// The values that the claims must have.
#[derive(Debug)]
pub(super) struct ClaimChecks {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) leeway_secs: i64,
}

impl ClaimChecks {
    /// Checks the claims whose result never changes: token type, issuer and audience.
    pub(super) fn check_fixed(&self, claims: &AccessClaims) -> Result<(), VerifyError> {
        if claims.token_type != TokenType::Access {
            Err(VerifyError::WrongType)
        } else if claims.iss != self.issuer {
            Err(VerifyError::Issuer)
        } else if !self.audiences.iter().any(|audience| claims.aud.contains(audience)) {
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
