//! Use cases of OAuth clients.
//!
//! | module | use case |
//! |---|---|
//! | [`clients`] | a client authenticates; an operator registers, changes and deletes clients |
//! | [`grants`] | a client gets tokens, ends the session of a token, or asks what a token is worth |

pub mod clients;
pub mod grants;
