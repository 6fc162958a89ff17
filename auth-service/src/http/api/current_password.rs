//! How errors of a current password are answered.

use shared::VerifyError;

use crate::{
    accounts::CurrentPasswordError,
    http::{error::ApiError, form::Form},
};

impl From<CurrentPasswordError> for ApiError {
    fn from(why: CurrentPasswordError) -> Self {
        match why {
            CurrentPasswordError::WrongPassword => {
                Form::single_error("password", "The password is wrong.")
            }
            // The sessions of a deleted user have ended.
            CurrentPasswordError::UnknownUser => VerifyError::Revoked.into(),
            CurrentPasswordError::Throttled(why) => why.into(),
            CurrentPasswordError::Busy(why) => why.into(),
            CurrentPasswordError::Store(why) => why.into(),
        }
    }
}
