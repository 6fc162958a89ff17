//! The rules for names and passwords of new users, from the settings.

use std::time::Duration;

use super::{name_rules::NameRules, password_rules::PasswordRules};

/// Rules for what a user chooses. They do not apply to names and passwords that exist already.
#[derive(Clone, Debug, Default)]
pub struct AccountRules {
    pub names: NameRules,
    pub passwords: PasswordRules,
    /// Whether visitors may register.
    pub registration: Registration,
    /// Whether users must verify the email address.
    pub email_verification: EmailVerification,
    /// Time after which an account is deleted whose address is not verified, if verification is
    /// required.
    pub unverified_lifetime: Duration,
    /// Whether a login from a new device and client address is mailed to the user.
    pub mails_new_devices: bool,
}

/// Whether visitors may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    #[default]
    Open,
    /// Visitors register with an invitation of an operator.
    Invite,
    /// Operators create users. Visitors may not register.
    Closed,
}

impl std::str::FromStr for Registration {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "invite" => Ok(Self::Invite),
            "closed" => Ok(Self::Closed),
            _ => Err("must be open, invite or closed"),
        }
    }
}

/// Whether users must verify the email address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmailVerification {
    /// A user may ask for a code. A registration mails none.
    #[default]
    Off,
    /// A registration mails a code. The user may log in without it.
    Optional,
    /// A registration mails a code. The user may not log in before the address is verified.
    Required,
}

impl std::str::FromStr for EmailVerification {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err("must be off, optional or required"),
        }
    }
}
