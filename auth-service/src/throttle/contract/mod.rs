//! The contract of the counters, which both kinds fulfil.

mod address;
mod name;
mod redis_failures;
mod test_throttle;
