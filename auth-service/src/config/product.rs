//! The name of the product.

use super::Settings;

impl Settings {
    /// Returns the host of the issuer, without the port.
    pub(crate) fn host(&self) -> String {
        let issuer = self.issuer();
        let rest = issuer.split_once("://").map_or(issuer.as_str(), |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        match authority.rsplit_once(':') {
            // The last colon of an IPv6 address without a port is inside its brackets.
            Some((host, port)) if !port.ends_with(']') => host.to_owned(),
            _ => authority.to_owned(),
        }
    }

    /// Returns the name of the product, which mails and pages state.
    pub(crate) fn product(&self) -> String {
        self.mail.product_name.clone().unwrap_or_else(|| self.host())
    }
}
