//! The users table.
//!
//! | module | queries |
//! |---|---|
//! | `lookup` | find users, insert a user |
//! | `change` | change a password, disable, enable or delete a user |
//! | `deleted` | keep and free the names of deleted users |
//! | `folding` | fold the names of users whom the previous version inserted |
//! | `list` | list users |
//! | `mail` | whether the address is verified, the language of mails, the end of the account |
//! | `reset` | void a password, set a password with a code or as an operator |
//! | `claims` | change scopes and roles, list the changes |
//! | `email` | change the email address, undo a change |
//! | `rename` | change the username, keep the former one |
//! | `deletion` | delete accounts that are due, cancel the deletion if the user returns |

mod change;
mod claims;
mod deleted;
mod deletion;
mod email;
mod folding;
mod list;
mod lookup;
mod mail;
mod rename;
mod reset;

pub use self::{
    change::{AfterPasswordChange, PasswordChange, change_password, delete, set_disabled, unlock},
    claims::{set_claims, set_claims_marked, with_changed_claims, with_claims},
    deleted::{free_names, ids_of_deleted},
    deletion::{
        AccountDeletion, Cancellation, DueOutcome, cancel_deletion, delete_due, due_deletions,
        request_deletion,
    },
    email::{
        EmailChange, EmailUndo, FormerAddress, change_email, is_email_available, undo_email_change,
    },
    folding::fold_names,
    list::{UserFilter, list, names},
    lookup::{
        InsertOutcome, NO_USER, NewUser, Taken, User, UserKey, UserWithPassword, find,
        find_by_login, find_locked, find_with_password, insert, taken,
    },
    mail::{
        AccountState, MailState, account_states, mail_state, prove_email, set_delete_at,
        set_email_verified, set_language,
    },
    rename::{
        FormerUsername, RenameOutcome, former_usernames, free_former_usernames, ids_of_former_name,
        is_kept_name, rename,
    },
    reset::{PasswordReset, reset_password, set_password, void_password, void_unproved_password},
};
