//! The sessions table: what must survive about a session. The usual refresh does not read the
//! table. The time of use is written behind.
//!
//! | module | queries |
//! |---|---|
//! | `begin` | begin a session |
//! | `live` | list the sessions of a user |
//! | `progress` | the generation of a session, and its use |
//! | `end` | end a session, or all of a user's |
//! | `ended` | list ended sessions, delete expired ones |

mod begin;
mod end;
mod ended;
mod id;
mod live;
mod progress;

pub use self::{
    begin::{LoginRecords, NewSession, begin},
    end::{
        Ended, end, end_all, end_audited, end_of_user, end_surplus, has_surplus, insert_ended,
        remove_user,
    },
    ended::{Revoked, delete_expired, mark_in_session_state, revoked, revoked_since},
    live::{SessionDetails, details, exists, live_of_user},
    progress::{
        Progress, auth_time, live_auth_time, progress, reauthenticate, record_use, void,
        voided_since,
    },
};
