//! Spans of the parts of a request, such as a database query.

use opentelemetry::{
    Context,
    trace::{FutureExt, Span as _, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::tracer::TRACER;

/// Span of a part of a request. The span ends when the guard is dropped.
///
/// The guard is empty if the request is not traced.
#[derive(Debug)]
#[must_use = "the span ends when its guard is dropped"]
pub struct SpanGuard(Option<Box<PartOfRequest>>);

#[derive(Debug)]
struct PartOfRequest {
    request: Context,
    span: Span,
}

/// Begins a span of the current request.
pub fn span(name: &'static str) -> SpanGuard {
    let Some(tracer) = TRACER.get() else { return SpanGuard(None) };
    let is_traced = Context::map_current(|context| context.span().span_context().is_sampled());
    SpanGuard(is_traced.then(|| begin(tracer, Context::current(), name)))
}

fn begin(tracer: &SdkTracer, request: Context, name: &'static str) -> Box<PartOfRequest> {
    let builder = tracer.span_builder(name).with_kind(SpanKind::Internal);
    let span = builder.start_with_context(tracer, &request);
    Box::new(PartOfRequest { request, span })
}

/// Attaches the trace of the current request to a future that may outlive the request.
pub fn with_current_trace<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    work.with_current_context()
}

impl SpanGuard {
    /// Ends the span, and begins the next span of the same request. May be called on another
    /// thread.
    pub fn then(self, name: &'static str) -> Self {
        let (Some(tracer), Some(part)) = (TRACER.get(), self.0) else { return Self(None) };
        let PartOfRequest { request, mut span } = *part;
        span.end();
        Self(Some(begin(tracer, request, name)))
    }

    /// Ends the span, and marks it as failed if `outcome` is an error. The span does not contain
    /// the text of the error, which may quote a secret.
    pub fn end<T, E>(self, outcome: &Result<T, E>) {
        if let (Some(mut part), Err(_)) = (self.0, outcome) {
            part.span.set_status(Status::error(""));
        }
    }
}
