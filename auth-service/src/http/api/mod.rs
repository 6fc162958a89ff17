//! Routes in the project's own JSON dialect, a file each: request, response, handler.

pub mod auth_verify;
pub mod login;
pub mod logout;
pub mod logout_all;
pub mod me;
pub mod password;
pub mod register;
pub mod revocations;
pub mod sessions;
pub mod token_refresh;
pub mod token_verify;
