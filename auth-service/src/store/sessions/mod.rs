//! The sessions table: what must survive about a session. A refresh neither reads nor writes it.
//!
//! | module | queries |
//! |---|---|
//! | `begin` | begin a session |
//! | `live` | list the sessions of a user, record their use |
//! | `end` | end a session, or all of a user's |
//! | `ended` | list ended sessions, delete expired ones |

mod begin;
mod end;
mod ended;
mod id;
mod live;

pub use self::{
    begin::{NewSession, begin},
    end::{Ended, end, end_all, end_audited, end_of_user, insert_ended, remove_user},
    ended::{Revoked, delete_expired, mark_in_session_state, revoked, revoked_since},
    live::{SessionDetails, details, exists, live_of_user, touch},
};
