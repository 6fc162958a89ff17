//! The span of a request: a child of the caller's span, if the request names one (W3C Trace
//! Context).

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header::HeaderMap},
};
use opentelemetry::{
    Context, KeyValue, global,
    propagation::Extractor,
    trace::{FutureExt, SpanKind, Status, TraceContextExt, TraceId, Tracer},
};

use super::tracer::TRACER;
use crate::route::Route;

/// Maximum length of `tracestate` that is passed on (W3C Trace Context section 3.3.1.5). A longer
/// one is dropped.
const MAX_STATE_BYTES: usize = 512;

/// The span of a request. Empty if traces are off.
pub(crate) struct RequestSpan(Option<Context>);

impl RequestSpan {
    pub(crate) fn begin(request: &ServiceRequest) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let headers = Headers(request.headers());
        let caller = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
        let method = known_method(request.method());
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.unwrap_or("_OTHER")),
            KeyValue::new("url.path", request.path().to_owned()),
        ];
        let ip = request.peer_addr().map(|peer| peer.ip().to_canonical().to_string());
        attributes.extend(ip.map(|ip| KeyValue::new("client.address", ip)));
        // `end` completes the name: the route is not known yet.
        let span = tracer.span_builder(method.unwrap_or("HTTP"));
        let span = span.with_kind(SpanKind::Server).with_attributes(attributes);
        Self(Some(caller.with_span(span.start_with_context(tracer, &caller))))
    }

    /// Returns the id of the trace that the span belongs to.
    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        self.0.as_ref().map(|context| context.span().span_context().trace_id())
    }

    /// Runs `work` with this span as its current span.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(context) => work.with_context(context.clone()).await,
            None => work.await,
        }
    }

    /// Ends the span with the route and the status of the answer.
    pub(crate) fn end(&self, answer: &ServiceResponse<impl MessageBody>) {
        let Some(context) = &self.0 else { return };
        let span = context.span();
        let request = answer.request();
        let status = answer.status();
        if let Some(Route { name: route, .. }) = Route::of(request) {
            span.update_name(format!(
                "{} {route}",
                known_method(request.method()).unwrap_or("HTTP")
            ));
            span.set_attribute(KeyValue::new("http.route", *route));
        }
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// Returns the name of a standard method. `None` for a method that the client invented.
fn known_method(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| method.as_str() == *known)
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.to_str().ok()?;
        (name != "tracestate" || value.len() <= MAX_STATE_BYTES).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
