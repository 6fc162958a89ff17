//! Use cases of users, and of the operator who administers them. Routes and the command line call
//! these functions.
//!
//! | module | use case |
//! |---|---|
//! | `register` | a visitor becomes a user |
//! | `login` | a user proves a password and gets a session |
//! | `change_password` | a user replaces the password |
//! | `recovery` | a user who lost the password sets a new one with a code |
//! | `email` | a user verifies the email address |
//! | `registration` | request, outcome and error of a registration |
//! | `repeated_registration` | tell a user that a visitor registered the address |
//! | `new_account` | insert the account of a visitor, with its mail |
//! | `invitations` | an operator invites a person to register |
//! | `new_device` | mail a user a login from a new device and client address |
//! | `details` | an operator sets passwords, verifies addresses, reads states and sessions |
//! | `email_change` | a user changes the email address |
//! | `email_undo` | the owner of a former email address takes the account back |
//! | `current_password` | a logged-in user proves the password again |
//! | `reauthenticate` | a logged-in user makes the login recent |
//! | `account_deletion` | a user deletes the account, and can return |
//! | `import` | an operator imports users from a file of another system |
//! | `dump` | an operator exports all users |
//! | `export` | a user reads everything that is stored about the account |
//! | `after_answer` | run work that no answer waits for |
//! | `mailed_code` | mail a one-time code |
//! | `notices` | mail a user what happened to the account |
//! | `one_time_codes` | issue one-time codes, find their rows |
//! | `create` | an operator creates a user |
//! | `profile`, `change_profile` | a user reads and changes the profile |
//! | `admin` | an operator reads users, ends sessions, unlocks and deletes users |
//! | `reserved_names` | an operator reserves usernames |
//! | `change_user` | an operator disables or enables a user, grants and revokes scopes and roles |
//! | `claims` | what a change of scopes and roles does |
//! | `void_password` | an operator voids a password |
//! | `admin_access` | a user with the role `admin` or `support` acts as an administrator |
//! | `audit_trail` | an operator reads the audit trail |
//! | `throttling` | attempts that prove a password are counted |
//! | `hash_mix` | counts the kinds of the stored hashes |
//! | `service` | the services that the use cases of users take |

mod account_deletion;
mod admin;
mod admin_access;
mod after_answer;
mod audit_trail;
mod change_password;
mod change_profile;
mod change_user;
mod claims;
mod create;
mod current_password;
mod details;
mod dump;
mod email;
mod email_change;
mod email_undo;
mod export;
mod hash_mix;
mod import;
mod invitations;
mod login;
mod mailed_code;
mod new_account;
mod new_device;
mod notices;
mod one_time_codes;
mod profile;
mod reauthenticate;
mod recovery;
mod register;
mod registration;
mod repeated_registration;
mod reserved_names;
mod service;
mod throttling;
mod void_password;

pub use self::{
    account_deletion::{DeleteAccountError, Deletion, DeletionProof},
    admin::{AdminError, User, UserAdmin, UserFilter},
    admin_access::{AdminAccessError, AdminCall},
    after_answer::AfterAnswer,
    audit_trail::{AuditFilter, EventPosition, NamedEvent},
    change_password::{ChangePasswordError, PasswordChangeRequest},
    change_profile::{ChangeProfileError, ProfileChange},
    change_user::{UserChange, UserChanged},
    claims::{Change, ClaimsChange, ClaimsEdit},
    create::{Created, NewAccount, NewPassword},
    current_password::CurrentPasswordError,
    details::{AccountState, PasswordOutcome, UserDetails},
    dump::DumpFormat,
    email_change::{ConfirmEmailError, EmailChangeRequest, RequestEmailError},
    export::{AccountExport, EventRow, ExportPages, SessionRow},
    hash_mix::follow_hash_mix,
    import::{
        ClaimsMap, FieldMap, FileFormat, ImportEvent, ImportOptions, ImportProgress, ImportTotals,
        OnConflict, RefusedRow, VerifiedEmails,
    },
    invitations::{Invitation, Invited, NewInvitation},
    login::{LoggedIn, LoginError, LoginName, LoginRequest, Refusal},
    mailed_code::RequestCodeError,
    one_time_codes::{CodeError, OneTimeCodes},
    profile::{Profile, ProfileError},
    reauthenticate::{ReauthenticateError, RecentLoginError},
    recovery::{PasswordResetRequest, ResetPasswordError},
    registration::{Registered, Registration, RegistrationError, Taken},
    service::{AccountTimes, Accounts},
    void_password::PasswordVoided,
};
pub use crate::store::users::UserKey;
