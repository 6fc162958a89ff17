//! Routes in the JSON dialect. Each file has the request, the response and the handler of a route.

pub mod auth_verify;
mod current_password;
pub mod email_change;
pub mod email_change_undo;
pub mod email_verify;
mod export_schema;
pub mod login;
pub mod logout;
pub mod logout_all;
pub mod me;
pub mod me_delete;
pub mod me_export;
pub mod me_reauthenticate;
mod one_time_code;
pub mod password;
pub mod password_reset;
pub mod password_reset_confirm;
pub mod register;
pub mod revocations;
pub mod sessions;
pub mod token_refresh;
pub mod token_verify;
