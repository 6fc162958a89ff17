//! `/account/export`: a user downloads everything that is stored about the account.

use actix_web::{HttpResponse, ResponseError};

use crate::http::{
    api::me_export,
    error::ApiError,
    extract::CurrentUser,
    pages::{member::Member, view::View},
};

const PATH: &str = "/account/export";

/// Shows the link to the file, which asks for a recent login.
pub async fn show(member: Member) -> HttpResponse {
    match member.confirm_first(PATH).await {
        Some(confirm) => confirm,
        None => member.page(View::Export).send(),
    }
}

/// Returns the file of `GET /me/export`.
pub async fn download(member: Member) -> HttpResponse {
    let Member { visit, claims, .. } = &member;
    let user = CurrentUser(claims.clone());
    match me_export::export(visit.app.clone(), user, visit.origin.clone()).await {
        Ok(file) => file,
        Err(ApiError::ReauthenticationRequired(_)) => member.to_confirm(PATH),
        Err(why) => why.error_response(),
    }
}
