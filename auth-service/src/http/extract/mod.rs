//! Extractors: the arguments that handlers take from a request.

mod caller;
mod origin;

pub use self::caller::{Caller, CurrentUser};
