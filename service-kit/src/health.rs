//! Health of a service: `/healthz`, the answer of `/readyz`, and the health check of a container.

use std::{
    collections::BTreeMap,
    fmt::Display,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use actix_web::{HttpResponse, http::header::RETRY_AFTER, web::Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::command::CommandError;

/// Answer of `/healthz`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `ok`.
    status: &'static str,
}

/// Check that this process serves requests.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "about",
    responses((status = 200, description = "The process serves requests.", body = Alive))
)]
pub async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// Why a dependency is not `ok`, by the name of the dependency.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Reasons(BTreeMap<&'static str, String>);

impl Reasons {
    /// Returns the status of a dependency in a service's `/readyz`, `ok` or `unavailable`, and
    /// keeps the reason of an error under the dependency's name.
    pub fn dependency_status(
        &mut self,
        dependency: &'static str,
        check: Result<(), impl Display>,
    ) -> &'static str {
        match check {
            Ok(()) => "ok",
            Err(reason) => {
                self.0.insert(dependency, reason.to_string());
                "unavailable"
            }
        }
    }

    /// Returns the status of the service itself in its `/readyz`: `ok`, or `ending` during
    /// shutdown.
    pub fn service_status(&mut self, is_shutting_down: bool) -> &'static str {
        if !is_shutting_down {
            return "ok";
        }
        self.0.insert("service", "the service is shutting down".into());
        "ending"
    }

    /// Adds a warning about a dependency that works, unless the dependency has a reason already.
    pub fn warn(&mut self, dependency: &'static str, warning: impl Display) {
        self.0.entry(dependency).or_insert_with(|| warning.to_string());
    }

    /// Returns whether no dependency has a reason.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Returns a service's answer to `/readyz`: 200 if the service is ready, otherwise 503.
pub fn readiness(is_ready: bool, body: impl Serialize) -> HttpResponse {
    if is_ready {
        return HttpResponse::Ok().json(body);
    }
    HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, "1")).json(body)
}

/// Sends `GET /readyz` to a running service: the health check of a container that has no shell
/// and no curl.
///
/// # Errors
/// If the service does not answer 200 within 3 seconds.
pub async fn check_health(mut addr: SocketAddr) -> Result<(), CommandError> {
    if addr.ip().is_unspecified() {
        addr.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let answer = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .no_proxy()
        .build()
        .map_err(|error| CommandError::new(error.to_string()))?
        .get(format!("http://{addr}/readyz"))
        .send()
        .await;
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(CommandError::new(format!("{addr} is not ready: {}", answer.status()))),
        Err(_) => Err(CommandError::new(format!("{addr} does not answer"))),
    }
}
