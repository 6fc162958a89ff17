//! Traces: what a request's time went into, in every service it passed through, for an OpenTelemetry collector (OTLP over
//! HTTP). Off unless a collector is named; then a request costs one branch.
//!
//! Spans hold what is measured and the names of routes: no query, no header, no body, and so nothing secret.

mod collector;
mod outgoing;
mod request;

use std::{sync::OnceLock, time::Duration};

use clap::Args;
use opentelemetry::{
    Context, global,
    trace::{FutureExt, Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider, Span},
};

use self::collector::Collector;
pub use self::outgoing::TraceRequests;
pub(crate) use self::request::RequestSpan;
use crate::{CommandError, settings::http_url};

/// What makes spans, once they are on.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// How long the end of a service is held up by a collector that does not take the last spans.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// Where traces go. OpenTelemetry's own variables say the rest (`OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`, …).
#[derive(Args, Clone, Debug)]
pub struct TraceSettings {
    /// The OpenTelemetry collector that traces are sent to (OTLP over HTTP, at /v1/traces below it). Unset: there are none
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", value_parser = url_or_nothing)]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// What the service is called in traces. Unset: by its own name
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub otel_service_name: Option<String>,
}

/// An empty variable counts as unset (OpenTelemetry's specification of environment variables).
fn url_or_nothing(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { http_url(text) }
}

/// The traces of this process, on or off.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Begins to trace, if the settings name a collector. It need not be reached: spans wait on a thread of their own in a
    /// bounded queue, and are lost if it is full. To be called in the runtime that serves.
    ///
    /// # Errors
    /// If OpenTelemetry's own variables make no sense.
    pub fn start(settings: &TraceSettings, service: &'static str) -> Result<Self, CommandError> {
        let is_set = |text: &&String| !text.is_empty();
        let Some(endpoint) = settings.otel_exporter_otlp_endpoint.as_ref().filter(is_set) else {
            return Ok(Self(None));
        };
        let url = format!("{endpoint}/v1/traces");
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(&url))
            .with_endpoint(&url)
            .build()
            .map_err(|why| CommandError::new(format!("cannot send traces to {url}: {why}")))?;
        let name = settings.otel_service_name.as_ref().filter(is_set).map_or(service, String::as_str);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(Resource::builder().with_service_name(name.to_owned()).build())
            .build();
        // Of the verifier's calls, too, which know nothing of services.
        global::set_tracer_provider(provider.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        if TRACER.set(provider.tracer(service)).is_err() {
            return Err(CommandError::new("this process is being traced already"));
        }
        log::info!("traces are sent to {url}");
        Ok(Self(Some(provider)))
    }

    /// Sends what has not been sent yet. Waits no longer than `limit`, and never longer than three seconds.
    pub async fn end(self, limit: Duration) {
        let Some(provider) = self.0 else { return };
        let limit = limit.min(LAST_SPANS);
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(limit)).await;
        if !matches!(ended, Ok(Ok(()))) {
            log::warn!("the last traces were not taken in time");
        }
    }
}

/// A part of what a request's time goes into, until it is dropped. Nothing if the request is not traced.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct SpanGuard(Option<Box<(Context, Span)>>);

/// Begins a part of the request that is being answered.
pub fn span(name: &'static str) -> SpanGuard {
    let Some(tracer) = TRACER.get() else { return SpanGuard(None) };
    let is_traced = Context::map_current(|context| context.span().span_context().is_sampled());
    SpanGuard(is_traced.then(|| begin(tracer, Context::current(), name)))
}

fn begin(tracer: &SdkTracer, request: Context, name: &'static str) -> Box<(Context, Span)> {
    let span = tracer.span_builder(name).with_kind(SpanKind::Internal).start_with_context(tracer, &request);
    Box::new((request, span))
}

/// The same work, which belongs to the request that is being answered even where it goes on without it.
pub fn with_current_trace<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    work.with_current_context()
}

impl SpanGuard {
    /// Ends it, and begins the next one of the same request; on another thread, if need be.
    pub fn then(self, name: &'static str) -> Self {
        let (Some(tracer), Some(part)) = (TRACER.get(), self.0) else { return Self(None) };
        let (request, mut ended) = *part;
        ended.end();
        Self(Some(begin(tracer, request, name)))
    }

    /// Ends it, and tells whether it failed. Not why: an error's text may quote what is secret.
    pub fn end<T, E>(self, outcome: &Result<T, E>) {
        if let (Some(mut part), Err(_)) = (self.0, outcome) {
            part.1.set_status(Status::error(""));
        }
    }
}
