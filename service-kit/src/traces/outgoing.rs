//! Spans of the verifier's requests to the issuer. The requests pass the trace on (W3C Trace Context).

use opentelemetry::{
    Context, KeyValue, global,
    propagation::Injector,
    trace::{SpanKind, Status, TraceContextExt, Tracer},
};
use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use shared::request_hook::{OnResponse, RequestHook};

use super::tracer::TRACER;

/// Creates a span for each request of a verifier. Does nothing if traces are off.
#[derive(Debug)]
pub struct TraceRequests;

impl RequestHook for TraceRequests {
    fn on_request(&self, method: &str, url: &Url, headers: &mut HeaderMap) -> OnResponse {
        let Some(tracer) = TRACER.get() else { return Box::new(|_| ()) };
        let span = tracer
            .span_builder(format!("{method} {}", url.path()))
            .with_kind(SpanKind::Client)
            .with_attributes(attributes(method, url))
            .start(tracer);
        let context = Context::current_with_span(span);
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut Headers(headers));
        });
        Box::new(move |status| finish(&context, status))
    }
}

/// Returns the attributes of a request, without query and user of the URL: both may be secret.
fn attributes(method: &str, url: &Url) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("http.request.method", method.to_owned()),
        KeyValue::new("url.path", url.path().to_owned()),
        KeyValue::new("server.address", url.host_str().unwrap_or_default().to_owned()),
    ];
    let port = url.port_or_known_default();
    attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
    attributes
}

fn finish(context: &Context, status: Option<u16>) {
    let span = context.span();
    match status {
        Some(status) => {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
            if status >= 400 {
                span.set_status(Status::error(""));
            }
        }
        None => span.set_status(Status::error("no response")),
    }
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, name: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}
