//! A user who acts as an administrator: the caller of a route below `/admin`.

use std::future::Future;

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use futures_util::future::LocalBoxFuture;
use shared::VerifyError;
use uuid::Uuid;

use super::CurrentUser;
use crate::{
    accounts::{AdminAccessError, AdminCall, UserAdmin},
    app::App,
    domain::{
        admin_role::ADMIN,
        audit::Initiator,
        permission::{MissingPermission, Permission},
        session::Origin,
    },
    http::{
        error::ApiError,
        form::{FromForm, Valid},
    },
    oauth::ClientAdmin,
};

/// Maximum number of characters of a path and a query in the audit trail.
const MAX_CALL_CHARS: usize = 300;

/// A user who may make the call: the user has the role `admin`, or the role `support` and the call
/// only reads, and the login is recent.
pub struct Administrator {
    pub app: Data<App>,
    initiator: Initiator,
    call: AdminCall,
}

/// What a call that should change something did.
pub enum Effect<T> {
    Changed(T),
    /// Everything was as the caller asks already.
    Unchanged(T),
}

impl<T> Effect<T> {
    pub fn of(answer: T, is_changed: bool) -> Self {
        if is_changed { Self::Changed(answer) } else { Self::Unchanged(answer) }
    }
}

impl Administrator {
    async fn of(request: HttpRequest, user: CurrentUser) -> Result<Self, ApiError> {
        let app = request.app_data::<Data<App>>().cloned().ok_or(ApiError::Internal)?;
        let origin = Origin::extract(&request).await?;
        let call = describe(&request);
        let CurrentUser(claims) = user;
        let initiator = app.accounts.admit_admin(&claims, &call, origin).await?;
        Ok(Self { app, initiator, call })
    }

    /// Returns the use cases on users.
    pub fn users(&self) -> UserAdmin {
        self.app.accounts.administration(self.initiator.clone())
    }

    /// Returns the use cases on clients.
    pub fn clients(&self) -> ClientAdmin {
        self.app.client_admin(self.initiator.clone())
    }

    /// Makes a change. The audit trail has an event of the change. If nothing changes, it has one
    /// of the call.
    ///
    /// # Errors
    /// Those of `change`.
    pub async fn make<T>(
        &self,
        change: impl Future<Output = Result<Effect<T>, ApiError>>,
    ) -> Result<T, ApiError> {
        let (outcome, note) = match change.await {
            Ok(Effect::Changed(answer)) => return Ok(answer),
            Ok(Effect::Unchanged(answer)) => (Ok(answer), "unchanged".to_owned()),
            Err(why) => {
                let note = format!("refused: {}", why.code());
                (Err(why), note)
            }
        };
        self.app.accounts.record_admin_call(&self.initiator, &self.call, &note).await;
        outcome
    }
}

/// Describes a call for the audit trail.
fn describe(request: &HttpRequest) -> AdminCall {
    let uri = request.uri();
    let target = uri.path_and_query().map_or_else(|| uri.path(), |target| target.as_str());
    let target: String = target.chars().filter(|c| !c.is_control()).take(MAX_CALL_CHARS).collect();
    // The id of a client never has the form of a user's.
    let user_id = request.match_info().get("id").and_then(|id| id.parse::<Uuid>().ok());
    AdminCall {
        text: format!("{} {target}", request.method()),
        user_id,
        is_safe: request.method().is_safe(),
    }
}

impl FromRequest for Administrator {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let user = CurrentUser::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move { Ok(Self::of(request, user.await?).await?) })
    }
}

/// An administrator, and the body of the request. The caller is admitted before the body is read, so
/// that a stranger learns nothing about it, and again after it: the client decides how long the body
/// takes, and the caller may have lost the role meanwhile.
pub struct AdminForm<T>(pub Administrator, pub T);

impl<T: FromForm + 'static> FromRequest for AdminForm<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let first = Administrator::from_request(request, payload);
        let mut payload = payload.take();
        let request = request.clone();
        Box::pin(async move {
            first.await?;
            let Valid(body) = Valid::<T>::from_request(&request, &mut payload).await?;
            let admin = Administrator::from_request(&request, &mut payload).await?;
            Ok(Self(admin, body))
        })
    }
}

impl From<AdminAccessError> for ApiError {
    fn from(why: AdminAccessError) -> Self {
        match why {
            AdminAccessError::SessionEnded => VerifyError::Revoked.into(),
            AdminAccessError::NoRole | AdminAccessError::ReadOnly => {
                MissingPermission(Permission::Role(ADMIN.to_owned())).into()
            }
            AdminAccessError::RecentLogin(why) => why.into(),
            AdminAccessError::Store(why) => why.into(),
        }
    }
}
