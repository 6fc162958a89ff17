//! What our own services share in being services: command line, logs, health, and answers to requests that no
//! route takes. A service of yours needs none of it.

use std::{ffi::OsString, io, net::SocketAddr, process::ExitCode, time::Duration};

use actix_web::{HttpRequest, HttpResponse, Resource, Route, http::header::ALLOW, web};
use clap::{
    Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::problem::Problem;

/// Why a service did not start: one line for whoever started it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

impl StartError {
    /// The reason, as a line.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Reads the command line and the environment. Options may stand before or after a subcommand.
///
/// # Errors
/// One line that names the setting which is wrong. `--help` and `--version` are printed, and end the process.
pub fn parse_settings<T: Parser>(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<T, StartError> {
    let mut command = T::command().mut_args(|arg| arg.global(true));
    command.build();
    command.clone().try_get_matches_from(args).and_then(|matches| T::from_arg_matches(&matches)).map_err(
        |error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
            _ => StartError(one_line(&error, &command)),
        },
    )
}

/// clap's message without its usage, and with the environment variable that may be where the value came from.
fn one_line(error: &clap::Error, command: &clap::Command) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let line = first.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let env = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(shown)) => command
            .get_arguments()
            .find(|arg| arg.to_string() == *shown)
            .and_then(|arg| arg.get_env())
            .map(|env| format!(" (or {})", env.to_string_lossy())),
        _ => None,
    };
    line + &env.unwrap_or_default()
}

/// Writes log lines to standard error. `RUST_LOG` says which; without it, ours at `info` and above.
pub fn start_logs() {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info,actix_server=warn")).init();
}

/// The longest lifetime that makes sense: ten years. It keeps sums of times far from overflowing.
const MAX_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;

/// A setting that is a number of seconds.
///
/// # Errors
/// What is wrong with it.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds <= MAX_SECONDS => Ok(Duration::from_secs(seconds)),
        Ok(_) => Err(format!("must be at most {MAX_SECONDS} seconds")),
        Err(_) => Err("must be a whole number of seconds".into()),
    }
}

/// A setting that is a number of seconds, at least one.
///
/// # Errors
/// What is wrong with it.
pub fn positive_seconds(text: &str) -> Result<Duration, String> {
    seconds(text).and_then(|duration| match duration {
        Duration::ZERO => Err("must be at least 1 second".into()),
        _ => Ok(duration),
    })
}

/// A setting that is a name.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be empty".into()),
        name => Ok(name.into()),
    }
}

/// A setting that is the URL of a service, without a slash at its end.
///
/// # Errors
/// What is wrong with it.
pub fn http_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(['?', '#', ' ']) => {
            Ok(text.trim_end_matches('/').into())
        }
        _ => Err("must be an http:// or https:// URL without query or fragment".into()),
    }
}

/// The end of a `main`: prints why a service did not start or did not go on.
pub fn exit_code(outcome: Result<(), StartError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The line for a server that cannot listen.
pub fn cannot_listen(addr: SocketAddr, setting: &str, why: &io::Error) -> StartError {
    StartError(format!("cannot listen on {addr} ({setting}): {why}"))
}

/// Asks a running service's `/readyz`: the health check of a container that has no shell and no curl.
///
/// # Errors
/// If it does not answer 200 within 3 seconds.
pub async fn check_health(mut addr: SocketAddr) -> Result<(), StartError> {
    if addr.ip().is_unspecified() {
        addr.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let answer = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .no_proxy()
        .build()
        .map_err(|why| StartError(why.to_string()))?
        .get(format!("http://{addr}/readyz"))
        .send()
        .await;
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(StartError(format!("{addr} is not ready: {}", answer.status()))),
        Err(_) => Err(StartError(format!("{addr} does not answer"))),
    }
}

/// A resource at `path`, with or without a trailing slash, that answers other methods with a 405.
pub fn resource(path: &str, method: &'static str, route: Route) -> Resource {
    web::resource([path.to_owned(), format!("{path}/")]).route(route).default_service(web::to(
        move || async move {
            let problem = Problem::new(405, "method_not_allowed", format!("Only {method} is allowed here."));
            let mut response = problem.response();
            response.insert_header((ALLOW, method));
            problem.finish(response)
        },
    ))
}

/// The answer to a path that no route takes.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::new(404, "not_found", format!("There is nothing at {}.", request.path())).into()
}
