//! Extractors: the arguments that handlers take from a request.

mod administrator;
mod bearer_token;
mod caller;
mod language;
mod origin;
mod session_cookie;

pub use self::{
    administrator::{AdminForm, Administrator, Effect},
    bearer_token::BearerToken,
    caller::{Bearer, Caller, CurrentUser, MaybeUser, user_of_cookie},
    language::AcceptedLanguage,
    session_cookie::{MaybeCookie, PresentedCookie},
};
