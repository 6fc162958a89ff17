//! Middleware in front of every route: request ids, request metrics, request log lines, and request
//! spans.

use std::{
    rc::Rc,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Uri,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use log::Level;
use shared::AccessToken;

use crate::{
    answer_headers, connection::ConnectionRequests, late_request, metrics::RequestMetrics,
    route::Route, shutdown::ShutdownToken, traces::RequestSpan,
};

/// Services that [`observe_requests`] uses.
#[derive(Clone, Debug)]
pub struct RequestObserver {
    metrics: RequestMetrics,
    shutdown: ShutdownToken,
}

impl RequestObserver {
    /// Creates an observer that counts requests in `metrics`, and closes connections after their
    /// current request once `shutdown` is triggered.
    pub fn new(metrics: RequestMetrics, shutdown: ShutdownToken) -> Self {
        Self { metrics, shutdown }
    }
}

/// Target of the log lines of requests.
pub const LOG_TARGET: &str = "request";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Maximum length of a request id that a client sends: more than any common proxy needs.
const MAX_ID_BYTES: usize = 128;

/// Counts, traces and logs a request. A middleware for `actix_web::middleware::from_fn`.
///
/// - The log line has the level `warn` for a 500, otherwise `debug`.
/// - The answer has an `X-Request-Id`: the client's, or a new one.
/// - A slash at the end of the path is dropped.
/// - A request whose client has stopped waiting is refused: see `late_request`.
///
/// The data of the app must contain a [`RequestObserver`].
///
/// # Errors
/// If the handler fails.
pub async fn observe_requests(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let connection = request.conn_data::<Rc<ConnectionRequests>>().cloned();
    let _of_connection = connection.as_ref().map(ConnectionRequests::begin);
    drop_trailing_slash(&mut request);
    let observer = request.app_data::<Data<RequestObserver>>().cloned();
    let _in_progress = observer.as_ref().map(|observer| observer.shutdown.begin_request());
    let sent_id = request.headers().get(REQUEST_ID).filter(|id| is_valid_id(id)).cloned();
    let id = sent_id.unwrap_or_else(new_id);
    let span = RequestSpan::begin(&request);
    let mut answer = match late_request::refusal(&request, connection.as_deref()).await {
        None => span.within(next.call(request)).await?.map_into_left_body(),
        Some(refusal) => request.into_response(refusal).map_into_right_body(),
    };
    let status = answer.status().as_u16();
    if let Some(observer) = observer {
        let request = answer.request();
        let route = Route::of(request).map(|route| &route.metrics);
        observer.metrics.count(request.method(), route, status, started);
        if observer.shutdown.is_triggered() {
            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
    }
    span.end(&answer);
    let level = if status == 500 { Level::Warn } else { Level::Debug };
    if log::log_enabled!(target: LOG_TARGET, level) {
        write_line(&answer, level, &id, &span, started);
    }
    answer_headers::append(&mut answer);
    answer.headers_mut().insert(REQUEST_ID, id);
    Ok(answer)
}

/// Drops the slash at the end of the request's path, so that each route needs one pattern.
///
/// The router tries the patterns one after the other, as regular expressions. A second pattern for
/// each route would cost a request more than the rest of this middleware.
fn drop_trailing_slash(request: &mut ServiceRequest) {
    let uri = request.uri();
    let Some(path) = uri.path().strip_suffix('/').filter(|path| !path.is_empty()) else { return };
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    // Cannot fail: a prefix of a valid path is a valid path.
    let Ok(uri) = Uri::from_parts(parts) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

/// Writes the log line of a request. It does not contain the query: clients put tokens there.
fn write_line(
    answer: &ServiceResponse<impl MessageBody>,
    level: Level,
    id: &HeaderValue,
    span: &RequestSpan,
    started: Instant,
) {
    let request = answer.request();
    let method = request.method();
    let path = request.path();
    let status = answer.status().as_u16();
    let status_text = status.to_string();
    let route = Route::of(request).map_or("none", |route| route.name);
    let ip =
        request.peer_addr().map_or_else(String::new, |peer| peer.ip().to_canonical().to_string());
    let ms = format!("{:.3}", started.elapsed().as_secs_f64() * 1000.0);
    let user = request.extensions().get::<AccessToken>().map(|token| token.sub.clone());
    let trace_id = span.trace_id().map(|id| id.to_string());
    let mut fields = vec![
        ("route", route),
        ("status", &status_text),
        ("ms", &ms),
        ("ip", &ip),
        ("request_id", id.to_str().unwrap_or_default()),
    ];
    fields.extend(user.as_deref().map(|user| ("user", user)));
    fields.extend(trace_id.as_deref().map(|id| ("trace_id", id)));
    let mut line = log::Record::builder();
    line.target(LOG_TARGET).level(level).key_values(&fields);
    log::logger().log(&line.args(format_args!("{method} {path} {status}")).build());
}

/// Returns whether a client's id is accepted: one word, with no character that separates fields
/// in a log or a header.
fn is_valid_id(id: &HeaderValue) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(is_allowed)
}

/// Returns an id that is unique among all processes: a random prefix of this process, and a count.
fn new_id() -> HeaderValue {
    static PREFIX: LazyLock<String> =
        LazyLock::new(|| format!("{:016x}-", uuid::Uuid::new_v4().as_u64_pair().0));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = [&**PREFIX, &COUNT.fetch_add(1, Ordering::Relaxed).to_string()].concat();
    HeaderValue::try_from(id).expect("hexadecimal digits and a dash")
}
