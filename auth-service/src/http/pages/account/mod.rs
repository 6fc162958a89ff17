//! Pages on which a user who is signed in manages the account, one form a page.

pub mod change_email;
pub mod confirm;
pub mod delete;
pub mod delete_account;
pub mod email;
pub mod export;
pub mod overview;
pub mod password;
pub mod profile;
pub mod sessions;
pub mod sign_out;

use actix_web::web::ServiceConfig;
use service_kit::route::Methods;

/// Mounts the pages of the account.
pub fn mount(app: &mut ServiceConfig) {
    let at = Methods::at;
    app.service(at("/account").get(overview::show).resource())
        .service(at("/account/profile").get(profile::show).post(profile::submit).resource())
        .service(at("/account/email").get(email::show).post(email::submit).resource())
        .service(at("/change-email").get(change_email::show).post(change_email::submit).resource())
        .service(at("/account/password").get(password::show).post(password::submit).resource())
        .service(at("/account/sessions").get(sessions::show).post(sessions::submit).resource())
        .service(at("/account/export").get(export::show).resource())
        .service(at("/account/export/account.json").get(export::download).resource())
        .service(at("/account/delete").get(delete::show).post(delete::submit).resource())
        .service(
            at("/delete-account").get(delete_account::show).post(delete_account::submit).resource(),
        )
        .service(at("/account/confirm").get(confirm::show).post(confirm::submit).resource())
        .service(at("/sign-out").get(sign_out::show).post(sign_out::submit).resource());
}
