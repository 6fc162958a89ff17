//! What is done with every request that is one at all, whatever it asks for: it gets an id, is counted, is a line of
//! the log and, if that is on, a span of a trace.

use std::{
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

use crate::{metrics::RequestMetrics, route::Route, shutdown::ShutdownToken, traces::RequestSpan};
/// What [`observe_requests`] tells, and asks.
#[derive(Clone, Debug)]
pub struct RequestObserver {
    requests: RequestMetrics,
    shutdown: ShutdownToken,
}

impl RequestObserver {
    /// Counts there, and lets clients go once the service is about to end.
    pub fn new(requests: RequestMetrics, shutdown: ShutdownToken) -> Self {
        Self { requests, shutdown }
    }
}

/// The target of the log's lines about requests.
pub const LOG_TARGET: &str = "request";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// More than any proxy's ids have.
const MAX_ID_BYTES: usize = 128;

/// A middleware, for `actix_web::middleware::from_fn`: counts a request, traces it, says it in the log at `debug`, or at
/// `warn` if the fault is ours, and answers with its id, `X-Request-Id`, which is the client's own if it sent one. A slash at
/// the end of its path makes no difference. The app's data must have an [`RequestObserver`].
///
/// # Errors
/// Those of the handler.
pub async fn observe_requests(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    drop_last_slash(&mut request);
    let observer = request.app_data::<Data<RequestObserver>>().cloned();
    let id = request.headers().get(REQUEST_ID).filter(|id| is_id(id)).cloned().unwrap_or_else(new_id);
    let span = RequestSpan::begin(&request);
    let mut answer = span.within(next.call(request)).await?;
    let status = answer.status();
    if let Some(observer) = observer {
        let request = answer.request();
        observer.requests.count(request.method(), Route::of(request), status.as_u16(), began);
        if observer.shutdown.is_triggered() {
            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
    }
    span.end(&answer);
    let level = if status.as_u16() == 500 { Level::Warn } else { Level::Debug };
    if log::log_enabled!(target: LOG_TARGET, level) {
        write_line(&answer, level, &id, &span, began);
    }
    answer.headers_mut().insert(REQUEST_ID, id);
    Ok(answer)
}

/// For the routes. To give each of them two patterns costs every request more than all else that is done with it: they are
/// tried one after the other, as regular expressions.
fn drop_last_slash(request: &mut ServiceRequest) {
    let uri = request.uri();
    let Some(path) = uri.path().strip_suffix('/').filter(|path| !path.is_empty()) else { return };
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    // As good as before, so it is one.
    let Ok(uri) = Uri::from_parts(parts) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

/// No query string: people put tokens there.
fn write_line(
    answer: &ServiceResponse<impl MessageBody>,
    level: Level,
    id: &HeaderValue,
    span: &RequestSpan,
    began: Instant,
) {
    let request = answer.request();
    let (method, path, status) = (request.method(), request.path(), answer.status().as_u16());
    let route = Route::of(request).map_or("none", |route| route.name);
    let peer = request.peer_addr().map_or_else(String::new, |peer| peer.ip().to_string());
    let ms = format!("{:.3}", began.elapsed().as_secs_f64() * 1000.0);
    let user = request.extensions().get::<AccessToken>().map(|token| token.sub.clone());
    let trace_id = span.trace_id().map(|id| id.to_string());
    let status_text = status.to_string();
    let mut fields = vec![
        ("route", route),
        ("status", &status_text),
        ("ms", &ms),
        ("ip", &peer),
        ("request_id", id.to_str().unwrap_or_default()),
    ];
    fields.extend(user.as_deref().map(|user| ("user", user)));
    fields.extend(trace_id.as_deref().map(|id| ("trace_id", id)));
    let mut line = log::Record::builder();
    line.target(LOG_TARGET).level(level).key_values(&fields);
    log::logger().log(&line.args(format_args!("{method} {path} {status}")).build());
}

/// Whether a client's id can be passed on: a word, with nothing in it that a log or a header takes for something else.
fn is_id(id: &HeaderValue) -> bool {
    let is_fit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(is_fit)
}

/// An id that no other request has: of this process, and of no other.
fn new_id() -> HeaderValue {
    static PROCESS: LazyLock<String> =
        LazyLock::new(|| format!("{:016x}-", uuid::Uuid::new_v4().as_u64_pair().0));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = [&**PROCESS, &COUNT.fetch_add(1, Ordering::Relaxed).to_string()].concat();
    HeaderValue::try_from(id).expect("hexadecimal digits and a dash")
}
