//! Sessions: use cases, and the agreement between the database, which is durable, and session
//! state, which is fast.
//!
//! A revocation is written to the database first and to session state second. Session state may
//! lack a revocation after it was unreachable, or hold old data. Then no refresh is answered before
//! session state has been synced (`sync`). A session without an entry is unknown, never alive: its
//! row is read (`restore`).
//!
//! | module | content |
//! |---|---|
//! | `service` | the services and settings that the use cases take |
//! | `begin`, `list` | a session begins, a user's sessions are listed |
//! | `refresh` | a client exchanges a refresh token for a new token pair |
//! | `end`, `end_of_all` | a session, or all sessions of a user, end |
//! | `change_password` | a change of password ends sessions |
//! | `delete_account` | the deletion of an account ends its sessions |
//! | `undo_email_change` | the return of an account to its owner ends its sessions |
//! | `reauthenticate` | a user proves the password again within a session |
//! | `check` | whether a session has ended, whether a token is valid |
//! | `readiness`, `last_checks` | whether both stores answer |
//! | `sync`, `sync_state` | brings session state in sync before it is used |
//! | `restore` | restores the entry of one session from its row |
//! | `rebuild` | writes to session state what it lacks |
//! | `mark_claims` | marks the sessions of a user whose scopes or roles have changed |
//! | `evictions` | warns if Redis evicts entries |
//! | `maintenance`, `marked_claims` | background work, once a second |
//! | `write_behind`, `pending_writes` | writes to the database that no request waits for |
//! | `run_to_completion` | work that continues when its caller is dropped |

mod begin;
mod change_password;
mod check;
mod cookie;
mod delete_account;
mod end;
mod end_of_all;
mod evictions;
mod last_checks;
mod list;
mod maintenance;
mod mark_claims;
mod marked_claims;
mod pending_writes;
mod readiness;
mod reauthenticate;
mod rebuild;
mod refresh;
mod reset_password;
mod restore;
mod run_to_completion;
mod service;
mod sync;
mod sync_state;
mod undo_email_change;
mod write_behind;

pub use self::{
    change_password::{KeptSession, PasswordChanged},
    check::VerifyTokenError,
    end::{EndSessionError, LogoutError},
    end_of_all::EndOfAll,
    list::SessionDetails,
    mark_claims::mark_claims_stale,
    reauthenticate::Reauthenticated,
    refresh::{RefreshError, Refreshed, Wanted},
    service::{SessionServices, SessionSettings, Sessions},
};
