//! Traces for an OpenTelemetry collector (OTLP over HTTP): the time that a request spends in each
//! part of each service.
//!
//! Traces are off unless a collector is set. A request then costs one branch.
//!
//! Spans contain durations and the names of routes. They contain no query, header or body, so they
//! contain no secret.

mod collector;
mod outgoing;
mod request;
mod span;
mod tracer;

use std::time::Duration;

use clap::Args;
use opentelemetry::{global, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};

pub(crate) use self::request::RequestSpan;
use self::{collector::Collector, tracer::TRACER};
pub use self::{
    outgoing::TraceRequests,
    span::{SpanGuard, span, with_current_trace},
};
use crate::{command::CommandError, settings::http_url};

/// Maximum time that a service waits at its end for the collector to accept the last spans.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// Settings of traces. OpenTelemetry's own variables apply too (`OTEL_TRACES_SAMPLER`,
/// `OTEL_BSP_*`, …).
#[derive(Args, Clone, Debug)]
pub struct TraceSettings {
    /// URL of the OpenTelemetry collector that receives traces (OTLP over HTTP, at /v1/traces
    /// below it). Unset: no traces
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        value_name = "URL",
        value_parser = url_or_nothing
    )]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// Name of the service in traces. Unset: the name of the program
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
    /// Starts to trace, if the settings name a collector. Must be called in the runtime that
    /// serves.
    ///
    /// The collector need not be reachable. Spans wait in a bounded queue on a separate thread,
    /// and are dropped if the queue is full.
    ///
    /// # Errors
    /// If one of OpenTelemetry's own variables is invalid.
    pub fn start(settings: &TraceSettings, service: &'static str) -> Result<Self, CommandError> {
        let is_set = |text: &&String| !text.is_empty();
        let endpoint = settings.otel_exporter_otlp_endpoint.as_ref().filter(is_set);
        let Some(endpoint) = endpoint else { return Ok(Self(None)) };
        let url = format!("{endpoint}/v1/traces");
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(&url))
            .with_endpoint(&url)
            .build()
            .map_err(|error| CommandError::new(format!("cannot send traces to {url}: {error}")))?;
        let name = settings.otel_service_name.as_ref().filter(is_set);
        let name = name.map_or(service, String::as_str);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(Resource::builder().with_service_name(name.to_owned()).build())
            .build();
        // Global, for libraries that trace through OpenTelemetry without this crate.
        global::set_tracer_provider(provider.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        if TRACER.set(provider.tracer(service)).is_err() {
            return Err(CommandError::new("this process already sends traces"));
        }
        log::info!("traces are sent to {url}");
        Ok(Self(Some(provider)))
    }

    /// Sends the remaining spans. Waits at most `limit`, and at most three seconds.
    pub async fn end(self, limit: Duration) {
        let Some(provider) = self.0 else { return };
        let limit = limit.min(LAST_SPANS);
        let shutdown = move || provider.shutdown_with_timeout(limit);
        let ended = tokio::task::spawn_blocking(shutdown).await;
        if !matches!(ended, Ok(Ok(()))) {
            log::warn!("the collector did not accept the last traces in time");
        }
    }
}
