//! Sessions: use cases, and the agreement between the database, which is durable, and session
//! state, which is fast.
//!
//! A revocation is written to the database first and to session state second. Session state may
//! lack a revocation after it lost data or was unreachable. Then no refresh is answered before
//! session state has been synced (`sync`).
//!
//! | module | content |
//! |---|---|
//! | `service` | the services and settings that the use cases take |
//! | `begin`, `list` | a session begins, a user's sessions are listed |
//! | `refresh` | a client exchanges a refresh token for a new token pair |
//! | `end` | a session, or all sessions of a user, end |
//! | `check` | whether a session has ended, whether a token is valid |
//! | `readiness` | whether both stores answer |
//! | `sync`, `sync_state` | brings session state in sync before it is used |
//! | `rebuild` | writes to session state what it lacks |
//! | `maintenance`, `marked_claims` | background work, once a second |
//! | `write_behind`, `pending_writes` | writes to the database that no request waits for |
//! | `run_to_completion` | work that continues when its caller is dropped |

mod begin;
mod check;
mod end;
mod list;
mod maintenance;
mod marked_claims;
mod pending_writes;
mod readiness;
mod rebuild;
mod refresh;
mod run_to_completion;
mod service;
mod sync;
mod sync_state;
mod write_behind;

pub use self::{
    begin::FIRST_GENERATION,
    check::VerifyTokenError,
    end::{EndSessionError, LogoutError},
    list::SessionDetails,
    refresh::{RefreshError, Refreshed},
    service::{SessionServices, SessionSettings, Sessions},
};
