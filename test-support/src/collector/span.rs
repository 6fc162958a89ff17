//! The fields of a span that tests look at.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{self as otlp, span::SpanKind, status::StatusCode},
};
use prost::Message;

/// A received span.
#[derive(Clone, Debug)]
pub struct Span {
    /// Name of the service that made the span.
    pub service: String,
    /// Name of the span.
    pub name: String,
    /// Side of the call that the span describes.
    pub kind: SpanKind,
    /// Id of the trace, in hexadecimal digits.
    pub trace_id: String,
    /// Id of the span, in hexadecimal digits.
    pub id: String,
    /// Id of the parent span. Empty if the span has no parent.
    pub parent_id: String,
    /// Value of `tracestate`, which other systems in the trace have set.
    pub trace_state: String,
    /// Attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// Whether the span's status is an error.
    pub is_error: bool,
}

/// Returns the spans in a batch.
pub fn decode(batch: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(batch).expect("OTLP");
    request.resource_spans.into_iter().flat_map(spans_of_service).collect()
}

fn spans_of_service(spans: otlp::ResourceSpans) -> Vec<Span> {
    let resource = attributes(&spans.resource.expect("a resource").attributes);
    let service = &resource["service.name"];
    let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans.map(|span| convert(service, span)).collect()
}

fn convert(service: &str, span: otlp::Span) -> Span {
    Span {
        service: service.to_owned(),
        kind: span.kind(),
        trace_id: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        trace_state: span.trace_state,
        attributes: attributes(&span.attributes),
        is_error: span.status.is_some_and(|status| status.code() == StatusCode::Error),
        name: span.name,
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let entry = |attribute: &KeyValue| {
        let value = attribute.value.clone().and_then(|value| value.value);
        (attribute.key.clone(), text(value))
    };
    attributes.iter().map(entry).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
