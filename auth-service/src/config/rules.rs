//! Rules between settings.

use service_kit::CommandError;

use super::Settings;

impl Settings {
    /// Checks the rules that hold between settings.
    ///
    /// # Errors
    /// One line that names the settings that contradict each other.
    pub fn validate(&self) -> Result<(), CommandError> {
        self.contradiction().map_or(Ok(()), |line| Err(CommandError::usage(line)))
    }

    fn contradiction(&self) -> Option<&'static str> {
        if self.database.url().is_some() && self.redis.url().is_none() {
            return Some(
                "DATABASE_URL is set but REDIS_URL is not: replicas that share a database must \
                 share a blacklist",
            );
        }
        if self.redis.cert_file.is_some() != self.redis.key_file.is_some() {
            return Some("REDIS_CERT_FILE and REDIS_KEY_FILE must be set together");
        }
        if self.mail.url().is_some() && self.mail.from.is_none() {
            return Some("MAIL_URL is set but MAIL_FROM is not: a mail needs a sender");
        }
        if self.access_token_lifetime > self.refresh_token_lifetime {
            return Some("ACCESS_TOKEN_LIFETIME is longer than REFRESH_TOKEN_LIFETIME");
        }
        if self.refresh_token_lifetime > self.session_lifetime {
            return Some("REFRESH_TOKEN_LIFETIME is longer than SESSION_LIFETIME");
        }
        if self.refresh_grace >= self.refresh_token_lifetime {
            return Some("REFRESH_GRACE must be shorter than REFRESH_TOKEN_LIFETIME");
        }
        if self.key_rotation_interval.is_some_and(|interval| interval <= self.key_publish_ahead) {
            return Some("KEY_ROTATION_INTERVAL must be longer than KEY_PUBLISH_AHEAD");
        }
        if self.issuer.is_none() && self.auth_addr.ip().is_unspecified() {
            return Some(
                "ISSUER is not set, and services cannot fetch the keys from the address in \
                 AUTH_ADDR",
            );
        }
        None
    }
}
