//! The span of a request: a child of whoever called, if they say so (W3C Trace Context).

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

use super::TRACER;
use crate::route::Route;

/// More than this of `tracestate` need not be carried on (W3C Trace Context section 3.3.1.5), and is not.
const MAX_STATE_BYTES: usize = 512;

/// The span of a request, and what is done meanwhile belongs to it. Nothing if traces are off.
pub(crate) struct RequestSpan(Option<Context>);

impl RequestSpan {
    pub(crate) fn begin(request: &ServiceRequest) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let caller =
            global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())));
        let mut attributes = vec![
            KeyValue::new("http.request.method", method(request.method()).unwrap_or("_OTHER")),
            KeyValue::new("url.path", request.path().to_owned()),
        ];
        attributes
            .extend(request.peer_addr().map(|peer| KeyValue::new("client.address", peer.ip().to_string())));
        // It gets its name at the end, when its route is known.
        let span = tracer.span_builder(method(request.method()).unwrap_or("HTTP"));
        let span = span.with_kind(SpanKind::Server).with_attributes(attributes);
        Self(Some(caller.with_span(span.start_with_context(tracer, &caller))))
    }

    /// The trace that it belongs to.
    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        self.0.as_ref().map(|context| context.span().span_context().trace_id())
    }

    /// Does what the request asks for.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(context) => work.with_context(context.clone()).await,
            None => work.await,
        }
    }

    /// How it was answered, and by which route.
    pub(crate) fn end(&self, answer: &ServiceResponse<impl MessageBody>) {
        let Some(context) = &self.0 else { return };
        let (span, request, status) = (context.span(), answer.request(), answer.status());
        if let Some(Route { name: route, .. }) = Route::of(request) {
            span.update_name(format!("{} {route}", method(request.method()).unwrap_or("HTTP")));
            span.set_attribute(KeyValue::new("http.route", *route));
        }
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// Not what the client wrote, which could be anything.
fn method(method: &Method) -> Option<&'static str> {
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
        .iter()
        .zip(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
        .find_map(|(known, name)| (known == method).then_some(name))
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
