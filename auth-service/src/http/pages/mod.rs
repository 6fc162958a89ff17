//! Pages on which people sign up, sign in and manage their accounts. They work without JavaScript.
//!
//! A page is a door like a route of `api`: it parses the form, calls the same use case, and answers
//! with the next page (303), or with the form again and the errors next to the fields.
//!
//! | module | content |
//! |---|---|
//! | `home`, `sign_up`, `sign_in` | where visitors arrive, register and log in |
//! | `verify`, `forgot`, `reset`, `undo_email_change` | pages for one-time codes |
//! | `account` | pages for users who are signed in |
//! | `problem` | paths that do not exist |
//! | `change_password` | where password managers send a user |
//! | `visit` | a request for a page, and the answers to it |
//! | `submission` | a form that a page sent |
//! | `member` | the same, of a user who is signed in |
//! | `view` | what each page shows |
//! | `templates`, `catalogue` | HTML and texts, each replaceable by a file |
//! | `service`, `assets` | what all pages share: stylesheet, logo, policy |

mod account;
mod assets;
mod catalogue;
mod change_password;
mod forgot;
mod home;
mod member;
mod problem;
mod reset;
mod service;
mod sign_in;
mod sign_up;
mod submission;
mod templates;
mod undo_email_change;
mod verify;
mod view;
mod visit;

use actix_web::web::{ServiceConfig, to};
use service_kit::route::Methods;

pub use self::service::Pages;

/// Mounts the pages.
pub fn mount(app: &mut ServiceConfig) {
    let at = Methods::at;
    app.default_service(to(problem::not_found))
        .service(at("/").get(home::redirect).resource())
        .service(at("/sign-in").get(sign_in::show).post(sign_in::submit).resource())
        .service(at("/sign-up").get(sign_up::show).post(sign_up::submit).resource())
        .service(at("/verify").get(verify::show).post(verify::submit).resource())
        .service(at("/forgot").get(forgot::show).post(forgot::submit).resource())
        .service(at("/reset").get(reset::show).post(reset::submit).resource())
        .service(
            at("/undo-email-change")
                .get(undo_email_change::show)
                .post(undo_email_change::submit)
                .resource(),
        )
        .configure(account::mount)
        .service(at("/.well-known/change-password").get(change_password::redirect).resource())
        .service(at("/pages/logo").get(assets::logo).resource())
        .service(at("/pages/style-{hash}.css").get(assets::style).resource());
}
