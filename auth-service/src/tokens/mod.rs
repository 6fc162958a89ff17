//! Tokens: minting and reading access tokens, refresh tokens and cookies of sessions.
//!
//! This module does not decide which caller may have a token, nor whether a session has ended.

mod any_token;
mod minter;
mod refresh_token;
mod service;
mod session;

pub use self::{
    any_token::{AnyToken, TokenErrors},
    minter::{Credential, Grant, Minter, SessionCookie, SessionTokens},
    refresh_token::{RefreshClaims, RefreshTokenError},
    service::{NoSigningKey, TokenSettings, Tokens},
    session::Session,
};
