//! The contract of session state: one suite of tests that runs against both kinds.

mod claims;
mod ending;
mod expiry;
mod redis_failures;
mod refresh;
mod test_state;
