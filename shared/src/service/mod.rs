//! What our own services share in being services: command line, logs, traces, health, and answers to requests
//! that no route takes. A service of yours needs none of it.

pub mod aside;
pub mod drain;
pub mod health;
pub mod limits;
mod logs;
pub mod metrics;
pub mod openapi;
pub mod process;
pub mod reload;
pub mod requests;
pub mod traces;

use std::{
    error::Error as _,
    ffi::OsString,
    io,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    time::Duration,
};

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Responder,
    dev::HttpServiceFactory,
    guard,
    http::header::{ALLOW, CACHE_CONTROL},
    middleware::DefaultHeaders,
    web,
};
use clap::{
    Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use utoipa::openapi::HttpMethod;

pub use self::logs::{field, start_logs};
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

/// clap's message without its usage, and with the environment variable that may be where the value came from. The value
/// of a setting that may hold a password is not shown.
fn one_line(error: &clap::Error, command: &clap::Command) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let line = first.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return line };
    let Some(arg) = command.get_arguments().find(|arg| arg.to_string() == *shown) else { return line };
    let env = arg.get_env().map_or_else(String::new, |env| format!(" (or {})", env.to_string_lossy()));
    if arg.is_hide_env_values_set() {
        let reason = error.source().map_or_else(String::new, |reason| format!(": {reason}"));
        return format!("invalid value for '{shown}'{reason}{env}");
    }
    line + &env
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

/// A setting that is how far clocks may be apart: more than five minutes is no clock's error.
///
/// # Errors
/// What is wrong with it.
pub fn leeway(text: &str) -> Result<Duration, String> {
    seconds(text).and_then(|leeway| match leeway.as_secs() {
        0..=300 => Ok(leeway),
        _ => Err("must be at most 300 seconds".into()),
    })
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
    let plain = |url: &reqwest::Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let clean = text.bytes().all(|byte| byte.is_ascii_graphic());
    match reqwest::Url::parse(text) {
        Ok(url) if clean && plain(&url) => Ok(text.trim_end_matches('/').into()),
        _ => Err("must be an http:// or https:// URL without user, query and fragment".into()),
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

/// Takes an address, before anything else is touched. Says what the log says of it: port 0 is whichever is free.
///
/// # Errors
/// One line that names the setting.
pub fn bind(addr: SocketAddr, setting: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind(addr).map_err(|why| cannot_listen(addr, setting, &why))?;
    let addr = listener.local_addr().unwrap_or(addr);
    Ok((listener, addr))
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

/// A resource at the path and of the method that its documentation says; with a trailing slash too, where
/// [`requests::observe`] is in front. It answers other methods with a 405. What takes GET takes HEAD (RFC 9110 section
/// 9.3.2). Answers are not to be stored unless they say otherwise: most are about one person's tokens (RFC 6749 section 5.1).
///
/// ```
/// use actix_web::{App, HttpResponse};
/// use shared::service::resource;
///
/// /// Says hello.
/// #[utoipa::path(get, path = "/hello", responses((status = 200, description = "A greeting.")))]
/// async fn hello() -> HttpResponse {
///     HttpResponse::Ok().finish()
/// }
///
/// // utoipa keeps what a handler's attribute says in a type of this name.
/// let app = App::new().service(resource(__path_hello, hello));
/// ```
///
/// # Panics
/// If its method is not GET, POST or DELETE.
pub fn resource<P, F, Args>(_documentation: P, handler: F) -> impl HttpServiceFactory + use<P, F, Args>
where
    P: utoipa::Path,
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let path = P::path();
    let (route, allow) = match P::methods()[..] {
        [HttpMethod::Get] => (web::route().guard(guard::Any(guard::Get()).or(guard::Head())), "GET, HEAD"),
        [HttpMethod::Post] => (web::post(), "POST"),
        [HttpMethod::Delete] => (web::delete(), "DELETE"),
        _ => panic!("{path} takes neither GET nor POST nor DELETE"),
    };
    web::resource(&path)
        .app_data(Route::new(path))
        .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")))
        .route(route.to(handler))
        .default_service(web::to(move || async move {
            let problem = Problem::new(405, "method_not_allowed", format!("Only {allow} is allowed here."));
            let mut response = problem.response();
            response.insert_header((ALLOW, allow));
            problem.finish(response)
        }))
}

/// A route, as the requests that it takes are counted and traced.
struct Route {
    name: &'static str,
    counted: metrics::OfRoute,
}

impl Route {
    fn new(path: String) -> Self {
        // It is there for as long as the service.
        Self { name: path.leak(), counted: metrics::OfRoute::default() }
    }

    /// `None` if no route took it. Known since the route was chosen: looking it up by the path would choose it once more.
    fn of(request: &HttpRequest) -> Option<&Self> {
        request.app_data()
    }
}

/// The answer to a path that no route takes.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::new(404, "not_found", format!("There is nothing at {}.", request.path())).into()
}
