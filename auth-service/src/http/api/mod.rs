//! Routes in the JSON dialect. Each file has the request, the response and the handler of a route.

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
