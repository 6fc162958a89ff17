//! An OpenTelemetry collector (OTLP over HTTP) that keeps what it is sent.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

use actix_web::{
    App, HttpResponse, HttpServer,
    http::StatusCode,
    rt::System,
    web::{self, Bytes},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{self as otlp, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A span that has arrived.
#[derive(Clone, Debug)]
pub struct Span {
    /// The service that made it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Whose view it is.
    pub kind: SpanKind,
    /// The trace's id, in hexadecimal digits.
    pub trace_id: String,
    /// Its own id, in hexadecimal digits.
    pub id: String,
    /// That of its parent. Empty if it has none.
    pub parent_id: String,
    /// What the trace's other systems have to say.
    pub trace_state: String,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// Whether it failed.
    pub is_error: bool,
}

/// A running collector.
pub struct Collector {
    addr: SocketAddr,
    status: Arc<AtomicU16>,
    arrives: UnboundedReceiver<Bytes>,
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Collector {
    /// Takes spans from now on.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let (sender, arrives) = unbounded_channel();
        let status = Arc::new(AtomicU16::new(200));
        let answer = Arc::clone(&status);
        let take = move |body: Bytes| {
            let (sender, status) = (sender.clone(), answer.load(Ordering::Relaxed));
            async move {
                // Nobody receives it once the test has ended.
                let _ = sender.send(body);
                HttpResponse::new(StatusCode::from_u16(status).expect("a status"))
            }
        };
        let server = move || {
            let app = move || App::new().route("/v1/traces", web::post().to(take.clone()));
            let server = HttpServer::new(app).workers(1).disable_signals().listen(listener);
            System::new().block_on(server.expect("a listener").run())
        };
        thread::spawn(server);
        Self { addr, status, arrives, bytes: Vec::new(), spans: Vec::new() }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The endpoint that it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers with this status from now on.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Waits for what it is sent next.
    pub async fn batch(&mut self) {
        let next = tokio::time::timeout(Duration::from_secs(20), self.arrives.recv()).await;
        let Ok(Some(batch)) = next else { panic!("no such span arrives: {:#?}", self.spans) };
        self.spans.extend(spans(&batch));
        self.bytes.extend(batch);
    }

    /// The first span, arrived or still to come, that is the one.
    pub async fn span(&mut self, is_it: impl Fn(&Span) -> bool) -> Span {
        loop {
            if let Some(found) = self.spans.iter().find(|span| is_it(span)) {
                return found.clone();
            }
            self.batch().await;
        }
    }

    /// All spans that have arrived.
    pub fn spans(&mut self) -> &[Span] {
        while let Ok(batch) = self.arrives.try_recv() {
            self.spans.extend(spans(&batch));
            self.bytes.extend(batch);
        }
        &self.spans
    }

    /// Whether this is anywhere in what has arrived.
    pub fn has(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|part| part == text.as_bytes())
    }
}

fn spans(batch: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(batch).expect("OTLP");
    let of_service = |of: otlp::ResourceSpans| {
        let resource = attributes(&of.resource.expect("a resource").attributes);
        let service = resource["service.name"].clone();
        let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(move |span| read(&service, span)).collect::<Vec<_>>()
    };
    request.resource_spans.into_iter().flat_map(of_service).collect()
}

fn read(service: &str, span: otlp::Span) -> Span {
    Span {
        service: service.to_owned(),
        kind: span.kind(),
        trace_id: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        trace_state: span.trace_state,
        attributes: attributes(&span.attributes),
        is_error: span.status.is_some_and(|status| status.code() == SpanStatus::Error),
        name: span.name,
    }
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.clone().and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    all.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
