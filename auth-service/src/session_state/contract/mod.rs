//! The contract of session state: one suite of tests that runs against both kinds.

mod absent;
mod claims;
mod ending;
mod expiry;
mod origins;
mod outages;
mod previous_version;
mod redis_failures;
mod refresh;
mod test_state;
