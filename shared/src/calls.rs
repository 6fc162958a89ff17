//! Calls to the issuer. With the feature `traces` each is a span, and carries its trace on (W3C Trace Context).

use reqwest::{RequestBuilder, Response, Result};

/// Sends a request.
#[cfg(not(feature = "traces"))]
pub(crate) async fn send(request: RequestBuilder) -> Result<Response> {
    request.send().await
}

/// Sends a request. It belongs to the trace of whoever asks, or begins one.
#[cfg(feature = "traces")]
pub(crate) async fn send(request: RequestBuilder) -> Result<Response> {
    use opentelemetry::{Context, KeyValue, global, trace::TraceContextExt};

    let (client, request) = request.build_split();
    let mut request = request?;
    let context = Context::current_with_span(traced::begin(&request));
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut traced::Headers(request.headers_mut()));
    });
    let answer = client.execute(request).await;
    let span = context.span();
    match &answer {
        Ok(answer) => {
            let status = answer.status();
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
            if status.is_client_error() || status.is_server_error() {
                span.set_status(opentelemetry::trace::Status::error(""));
            }
        }
        Err(_) => span.set_status(opentelemetry::trace::Status::error("no answer")),
    }
    answer
}

#[cfg(feature = "traces")]
mod traced {
    use opentelemetry::{
        KeyValue,
        global::{self, BoxedSpan},
        propagation::Injector,
        trace::{SpanKind, Tracer},
    };
    use reqwest::{
        Request,
        header::{HeaderMap, HeaderName, HeaderValue},
    };

    /// No query and no user of the URL: people put secrets there.
    pub(super) fn begin(request: &Request) -> BoxedSpan {
        let (method, url) = (request.method(), request.url());
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.to_string()),
            KeyValue::new("url.path", url.path().to_owned()),
            KeyValue::new("server.address", url.host_str().unwrap_or_default().to_owned()),
        ];
        attributes
            .extend(url.port_or_known_default().map(|port| KeyValue::new("server.port", i64::from(port))));
        let tracer = global::tracer("shared");
        let span = tracer.span_builder(format!("{method} {}", url.path()));
        span.with_kind(SpanKind::Client).with_attributes(attributes).start(&tracer)
    }

    pub(super) struct Headers<'a>(pub &'a mut HeaderMap);

    impl Injector for Headers<'_> {
        fn set(&mut self, name: &str, value: String) {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
                && !value.is_empty()
            {
                self.0.insert(name, value);
            }
        }
    }
}
