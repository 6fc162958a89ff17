//! Settings of verified addresses, invitations and mails about new devices.

use std::time::Duration;

use clap::{ArgAction, Args};
use service_kit::settings::positive_seconds;

use super::switch::on_or_off;
use crate::domain::account_rules::EmailVerification;

/// Settings of verified addresses, invitations and mails about new devices.
#[derive(Args, Clone, Debug)]
pub struct VerificationSettings {
    /// Whether users must verify the email address: off, optional or required. With optional and
    /// required, a registration mails a code. With required, a user cannot log in before the
    /// address is verified, and a registration does not tell whether the address is taken
    #[arg(
        id = "email_verification",
        long = "email-verification",
        env = "EMAIL_VERIFICATION",
        value_name = "MODE",
        default_value = "off"
    )]
    pub mode: EmailVerification,

    /// Time after which an account without a verified address is deleted, in seconds. Only accounts
    /// that were registered with EMAIL_VERIFICATION=required
    #[arg(
        long,
        env = "UNVERIFIED_LIFETIME",
        value_name = "SECONDS",
        default_value = "604800",
        value_parser = positive_seconds
    )]
    pub unverified_lifetime: Duration,

    /// Lifetime of an invitation to register, in seconds
    #[arg(
        long,
        env = "INVITATION_LIFETIME",
        value_name = "SECONDS",
        default_value = "604800",
        value_parser = positive_seconds
    )]
    pub invitation_lifetime: Duration,

    /// Whether a user gets a mail about a login from a device and a client address that the user
    /// has not used before: on or off
    #[arg(
        long,
        env = "NEW_DEVICE_MAIL",
        value_name = "on|off",
        default_value = "off",
        action = ArgAction::Set,
        value_parser = on_or_off
    )]
    pub new_device_mail: bool,
}
