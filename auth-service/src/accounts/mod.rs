//! Use cases of users, and of the operator who administers them. Routes and the command line call
//! these functions.
//!
//! | module | use case |
//! |---|---|
//! | `register` | a visitor becomes a user |
//! | `login` | a user proves a password and gets a session |
//! | `change_password` | a user replaces the password |
//! | `profile` | a user reads the own data |
//! | `admin` | an operator reads and changes users |
//! | `audit_trail` | an operator reads the audit trail |
//! | `service` | the services that the use cases of users take |

mod admin;
mod audit_trail;
mod change_password;
mod login;
mod profile;
mod register;
mod service;

pub use self::{
    admin::{AdminError, Change, ClaimsChange, User, UserAdmin},
    audit_trail::{AuditFilter, StoredEvent},
    change_password::{ChangePasswordError, PasswordChangeRequest},
    login::{LoggedIn, LoginError, LoginRequest},
    profile::{Profile, ProfileError},
    register::{Registered, Registration, RegistrationError, Taken},
    service::Accounts,
};
