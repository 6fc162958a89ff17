//! A registration: the request, the new user, and the error.

use uuid::Uuid;

pub use crate::store::users::Taken;
use crate::{
    credentials::HashPoolBusy,
    domain::{
        email::Email, language::Language, name_rules::NameError, one_time_code::OneTimeCode,
        password::Password, username::Username,
    },
    store::StoreError,
    throttle::Throttled,
};

/// The code of an invitation that a visitor gave. `None` if the text is no code.
pub type GivenInvitation = Option<OneTimeCode>;

/// A request to register a user.
#[derive(Clone, Debug)]
pub struct Registration {
    pub email: Email,
    pub username: Username,
    pub password: Password,
    /// Language of mails to the user.
    pub language: Language,
    pub invitation: Option<GivenInvitation>,
}

/// A user who has just been registered.
#[derive(Clone, Debug)]
pub struct Registered {
    pub id: Uuid,
    pub email: Email,
    pub username: Username,
}

/// Error returned when a registration is refused.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    #[error("visitors may not register")]
    Closed,
    #[error("another user has the username or the email address")]
    Taken(Taken),
    /// An operator reserved the username, or one that looks like it.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The invitation is wrong, used, expired or of another address.
    #[error("the invitation is refused")]
    WrongInvitation,
    /// Too many attempts of the client address have failed.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The names were taken at the insert, and free again a moment later.
    #[error("the names were taken and became free again during the registration")]
    Contended,
    #[error(transparent)]
    Busy(#[from] HashPoolBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}
