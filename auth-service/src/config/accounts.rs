//! Settings of what users do to their own accounts.

use std::time::Duration;

use clap::{ArgAction, Args};
use service_kit::settings::{positive_seconds, seconds};

use super::switch::on_or_off;

/// Settings of what users do to their own accounts.
#[derive(Args, Clone, Copy, Debug)]
pub struct AccountSettings {
    /// Time in which the owner of a former email address can undo the change and take the account
    /// back, in seconds
    #[arg(
        long,
        env = "EMAIL_UNDO_LIFETIME",
        value_name = "SECONDS",
        default_value = "604800",
        value_parser = positive_seconds
    )]
    pub email_undo_lifetime: Duration,

    /// Time in which a user who deleted the account can return by a login, in seconds. 0: the
    /// account is deleted at once
    #[arg(
        long,
        env = "ACCOUNT_DELETION_GRACE",
        value_name = "SECONDS",
        default_value = "604800",
        value_parser = seconds
    )]
    pub account_deletion_grace: Duration,

    /// Maximum age of a login for actions that ask for a recent one, in seconds. Beyond it, the
    /// user proves the password again at /me/reauthenticate
    #[arg(
        long,
        env = "RECENT_LOGIN",
        value_name = "SECONDS",
        default_value = "3600",
        value_parser = positive_seconds
    )]
    pub recent_login: Duration,

    /// Whether users with the role admin administer users and clients over HTTP, below /admin, and
    /// users with the role support read there: on or off. Before you set it to on, check which users
    /// have these roles: `auth-service users list --role admin`
    #[arg(
        long,
        env = "ADMIN_API",
        value_name = "on|off",
        default_value = "off",
        action = ArgAction::Set,
        value_parser = on_or_off
    )]
    pub admin_api: bool,

    /// State the claim external_id in access tokens of imported users: the id that the user had in
    /// the earlier system
    #[arg(
        long,
        env = "TOKEN_EXTERNAL_ID",
        value_name = "on|off",
        default_value = "off",
        action = ArgAction::Set,
        value_parser = on_or_off
    )]
    pub token_external_id: bool,
}
