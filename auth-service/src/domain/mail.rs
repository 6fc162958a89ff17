//! Mails to users: what each says. The words are in templates.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::language::Language;

/// A mail to one user. Its `Debug` output contains neither the address nor a code.
#[derive(Clone, Deserialize, Serialize)]
pub struct Mail {
    /// Address of the recipient.
    pub to: String,
    pub language: Language,
    /// Name by which the mail addresses the user.
    pub username: String,
    pub message: MailMessage,
}

/// What a mail says. A code is in the form that users type, XXXX-XXXX-XXXX.
#[derive(Clone, Deserialize, Serialize)]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum MailMessage {
    /// Proves that the user reads the mail of an address.
    VerifyEmail { code: String, lifetime_seconds: u64 },
    /// Lets a user without the password set a new one.
    ResetPassword { code: String, lifetime_seconds: u64 },
    /// An administrator voided the password. The code lets the user set a new one.
    PasswordVoided { code: String, lifetime_seconds: u64 },
    /// Proves that the user reads the mail of the account's next address.
    ChangeEmail { code: String, lifetime_seconds: u64 },
    /// The account has a new address, to which the mail goes.
    EmailChanged,
    /// The account has a former address again. The mail goes to the address that it had in between.
    EmailLeft,
    /// The account has a new address. The mail goes to the former address, with a code that takes
    /// the account back.
    UndoEmailChange { code: String, lifetime_seconds: u64 },
    /// Confirms that the user wants to delete the account.
    DeleteAccount { code: String, lifetime_seconds: u64 },
    /// The account is deleted, at once or after a grace period in which a login brings it back.
    AccountDeleted { grace_seconds: u64 },
    /// The password was changed or reset.
    PasswordChanged,
    /// The username was changed. `former` is the name before the change.
    UsernameChanged { former: String },
    /// The user had asked to delete the account, and a login brought it back.
    DeletionCancelled,
    /// Many failed logins at an account.
    FailedLogins,
    /// A visitor registered the address of a user.
    AlreadyRegistered,
    /// An operator invites a person to register.
    Invitation { code: String, lifetime_seconds: u64 },
    /// A login from a device and a client address that the user has not used before. `at` is a time
    /// in UTC, `address` the client address.
    NewDevice { at: String, address: String },
    /// An operator tests the settings of mail.
    Test,
}

impl MailMessage {
    /// Returns the name of the topic.
    pub fn topic(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify_email",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordVoided { .. } => "password_voided",
            Self::ChangeEmail { .. } => "change_email",
            Self::EmailChanged => "email_changed",
            Self::EmailLeft => "email_left",
            Self::UndoEmailChange { .. } => "undo_email_change",
            Self::DeleteAccount { .. } => "delete_account",
            Self::AccountDeleted { .. } => "account_deleted",
            Self::PasswordChanged => "password_changed",
            Self::UsernameChanged { .. } => "username_changed",
            Self::DeletionCancelled => "deletion_cancelled",
            Self::FailedLogins => "failed_logins",
            Self::AlreadyRegistered => "already_registered",
            Self::Invitation { .. } => "invitation",
            Self::NewDevice { .. } => "new_device",
            Self::Test => "test",
        }
    }

    /// Returns the path of the page to which the mail links.
    pub fn page(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "/verify",
            Self::ResetPassword { .. } | Self::PasswordVoided { .. } => "/reset",
            Self::ChangeEmail { .. } => "/change-email",
            Self::UndoEmailChange { .. } => "/undo-email-change",
            Self::DeleteAccount { .. } => "/delete-account",
            Self::PasswordChanged
            | Self::UsernameChanged { .. }
            | Self::DeletionCancelled
            | Self::FailedLogins
            | Self::AlreadyRegistered
            | Self::NewDevice { .. } => "/forgot",
            Self::Invitation { .. } => "/sign-up",
            Self::AccountDeleted { .. } => "/sign-in",
            Self::EmailChanged | Self::EmailLeft | Self::Test => "/account",
        }
    }

    /// Returns the code of the mail.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::VerifyEmail { code, .. }
            | Self::ResetPassword { code, .. }
            | Self::PasswordVoided { code, .. }
            | Self::Invitation { code, .. }
            | Self::ChangeEmail { code, .. }
            | Self::UndoEmailChange { code, .. }
            | Self::DeleteAccount { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Returns the time, in seconds, that the mail states: how long its code is valid, or how long
    /// the user can return.
    pub fn lifetime_seconds(&self) -> Option<u64> {
        match self {
            Self::VerifyEmail { lifetime_seconds, .. }
            | Self::ResetPassword { lifetime_seconds, .. }
            | Self::PasswordVoided { lifetime_seconds, .. }
            | Self::Invitation { lifetime_seconds, .. }
            | Self::ChangeEmail { lifetime_seconds, .. }
            | Self::UndoEmailChange { lifetime_seconds, .. }
            | Self::DeleteAccount { lifetime_seconds, .. } => Some(*lifetime_seconds),
            Self::AccountDeleted { grace_seconds } => Some(*grace_seconds),
            _ => None,
        }
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("topic", &self.message.topic()).finish_non_exhaustive()
    }
}
