//! Whether a service lives, and whether it can work, and why not.

use std::{
    collections::BTreeMap,
    fmt::Display,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use actix_web::{HttpResponse, http::header::RETRY_AFTER, web::Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::CommandError;

/// That it lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    status: &'static str,
}

/// Whether this process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "about",
    responses((status = 200, description = "It does.", body = Alive))
)]
pub async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// By the name of what is not `ok`, why not.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Reasons(BTreeMap<&'static str, String>);

impl Reasons {
    /// How a service's `/readyz` says of one thing that it needs whether it is there: `ok`, or `unavailable`, and why.
    pub fn word(&mut self, what: &'static str, check: Result<(), impl Display>) -> &'static str {
        match check {
            Ok(()) => "ok",
            Err(why) => {
                self.0.insert(what, why.to_string());
                "unavailable"
            }
        }
    }

    /// The same of the service itself: `ok`, or `ending`.
    pub fn service(&mut self, has_begun_to_end: bool) -> &'static str {
        match has_begun_to_end {
            false => "ok",
            true => {
                self.0.insert("service", "it was told to end".into());
                "ending"
            }
        }
    }

    /// Whether all is well.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A service's answer to `/readyz`: 200 if it can work, else 503, and why.
pub fn readiness(can_work: bool, why: impl Serialize) -> HttpResponse {
    let mut response = if can_work { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    if !can_work {
        response.insert_header((RETRY_AFTER, "1"));
    }
    response.json(why)
}

/// Asks a running service's `/readyz`: the health check of a container that has no shell and no curl.
///
/// # Errors
/// If it does not answer 200 within 3 seconds.
pub async fn check_health(mut addr: SocketAddr) -> Result<(), CommandError> {
    if addr.ip().is_unspecified() {
        addr.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let answer = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .no_proxy()
        .build()
        .map_err(|why| CommandError(why.to_string()))?
        .get(format!("http://{addr}/readyz"))
        .send()
        .await;
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(CommandError(format!("{addr} is not ready: {}", answer.status()))),
        Err(_) => Err(CommandError(format!("{addr} does not answer"))),
    }
}
