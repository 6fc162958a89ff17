//! Use cases of users and of the operator who administers them. Routes, pages and the command line are doors to these functions.
//!
//! | module | use case |
//! |---|---|
//! | `register` | a visitor becomes a user |
//! | `login` | a user proves a password and gets a session |
//! | `change_password` | a user replaces the password |
//! | `profile` | a user reads the own data |
//! | [`admin`] | an operator reads and changes users |

pub mod admin;
mod change_password;
mod login;
mod profile;
mod register;

use std::sync::Arc;

use shared::clock::Clock;

pub use self::{
    change_password::{ChangePasswordError, PasswordChangeRequest},
    login::{LoggedIn, LoginError, LoginRequest},
    profile::{Profile, ProfileError},
    register::{Registered, Registration, RegistrationError},
};
use crate::{credentials::Passwords, metrics::Metrics, sessions::Sessions, store::Store, tokens::Tokens};

/// Use cases of users, with the services that they take.
pub struct Accounts {
    pub store: Store,
    pub passwords: Passwords,
    pub sessions: Arc<Sessions>,
    pub tokens: Arc<Tokens>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
}
