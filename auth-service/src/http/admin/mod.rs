//! Routes below `/admin`, for users with the role `admin` or `support`.
//!
//! | module | content |
//! |---|---|
//! | `users`, `user` | list, create, show, change and delete users |
//! | `user_sessions`, `reset_password` | end sessions, reset passwords, unlock users |
//! | `clients` | list, register and delete clients, replace their secrets |
//! | `audit` | read the audit trail |
//! | `query`, `names`, `etag` | parsing of requests |
//! | `user_body`, `responses` | parts of answers |

mod audit;
mod clients;
mod etag;
mod names;
mod query;
mod reset_password;
mod responses;
mod user;
mod user_body;
mod user_sessions;
mod users;

use actix_web::web::ServiceConfig;
use service_kit::{
    openapi::FormBodies,
    route::{Methods, resource},
};
use utoipa::OpenApi;

/// The OpenAPI document of the routes.
#[derive(OpenApi)]
#[openapi(
    tags((name = "admin", description = "For users with the role `admin` or `support`: users, \
        clients and the audit trail. With `ADMIN_API=on`.")),
    paths(
        users::list_users,
        users::create_user,
        user::show_user,
        user::change_user,
        user::delete_user,
        user_sessions::user_sessions,
        user_sessions::end_user_session,
        user_sessions::log_user_out,
        reset_password::reset_user_password,
        reset_password::unlock_user,
        clients::list_clients,
        clients::create_client,
        clients::rotate_client_secret,
        clients::delete_client,
        audit::list_events,
    ),
    modifiers(&FormBodies)
)]
pub struct AdminDocument;

/// Mounts the routes.
pub fn mount(app: &mut ServiceConfig) {
    app.service(
        Methods::of(users::__path_list_users, users::list_users)
            .and(users::__path_create_user, users::create_user)
            .resource(),
    )
    .service(
        Methods::of(clients::__path_list_clients, clients::list_clients)
            .and(clients::__path_create_client, clients::create_client)
            .resource(),
    )
    .service(resource(audit::__path_list_events, audit::list_events))
    .service(
        Methods::of(user::__path_show_user, user::show_user)
            .and(user::__path_change_user, user::change_user)
            .and(user::__path_delete_user, user::delete_user)
            .resource(),
    )
    .service(resource(user_sessions::__path_user_sessions, user_sessions::user_sessions))
    .service(resource(user_sessions::__path_end_user_session, user_sessions::end_user_session))
    .service(resource(user_sessions::__path_log_user_out, user_sessions::log_user_out))
    .service(resource(
        reset_password::__path_reset_user_password,
        reset_password::reset_user_password,
    ))
    .service(resource(reset_password::__path_unlock_user, reset_password::unlock_user))
    .service(resource(clients::__path_rotate_client_secret, clients::rotate_client_secret))
    .service(resource(clients::__path_delete_client, clients::delete_client));
}
