//! Extractors: what handlers take from a request.

mod caller;
mod origin;

pub use self::caller::{Caller, Person};
