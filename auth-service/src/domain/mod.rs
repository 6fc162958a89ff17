//! The rules, without I/O. A value of a type in this module has been validated: the only way to
//! create it is to parse it, or to read a stored value back.

pub mod account_rules;
pub mod address;
pub mod audience;
pub mod audit;
pub mod client;
pub mod color;
pub mod compact_jws;
pub mod cookies;
pub mod device;
pub mod email;
pub mod fold;
pub mod key_schedule;
pub mod language;
pub mod login_key;
pub mod mail;
pub mod mail_limit;
pub mod name_rules;
pub mod one_time_code;
pub mod outages;
pub mod password;
pub mod password_rules;
pub mod percent;
pub mod permission;
pub mod refresh_decision;
pub mod retry_schedule;
pub mod return_to;
pub mod scope;
pub mod secret_strength;
pub mod session;
pub mod sign_in_redirect;
pub mod throttle;
pub mod token_lifetime;
pub mod trusted_origins;
pub mod user_claims;
pub mod username;
