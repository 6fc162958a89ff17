//! The users table.
//!
//! | module | queries |
//! |---|---|
//! | `lookup` | find users, insert a user |
//! | `change` | change a password, disable, enable or delete a user |
//! | `claims` | change scopes and roles, list the changes |

mod change;
mod claims;
mod lookup;

pub use self::{
    change::{PasswordChange, change_password, delete, set_disabled},
    claims::{set_claims, set_claims_marked, with_changed_claims},
    lookup::{
        InsertOutcome, NewUser, Taken, User, UserKey, UserWithPassword, find, find_by_login,
        find_with_password, insert, taken,
    },
};
