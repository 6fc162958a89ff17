//! An OpenTelemetry collector (OTLP over HTTP) that keeps the spans it receives.

mod span;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    thread,
};

use actix_web::{
    App, HttpResponse, HttpServer,
    http::StatusCode,
    rt::System,
    web::{self, Bytes},
};

pub use self::span::Span;
use crate::wait_until;

/// A running collector.
pub struct Collector {
    addr: SocketAddr,
    status: Arc<AtomicU16>,
    batches: mpsc::Receiver<Bytes>,
    /// All batches received so far.
    bytes: Vec<u8>,
    /// The spans of these batches.
    spans: Vec<Span>,
}

impl Collector {
    /// Starts a collector.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let (sender, batches) = mpsc::channel();
        let status = Arc::new(AtomicU16::new(200));
        let answered_status = Arc::clone(&status);
        let receive = move |body: Bytes| {
            // The receiver is gone once the test has ended.
            let _ = sender.send(body);
            let status = StatusCode::from_u16(answered_status.load(Ordering::Relaxed));
            std::future::ready(HttpResponse::new(status.expect("a status")))
        };
        let serve = move || {
            let app = move || App::new().route("/v1/traces", web::post().to(receive.clone()));
            let server = HttpServer::new(app).workers(1).disable_signals().listen(listener);
            System::new().block_on(server.expect("a listener").run())
        };
        thread::spawn(serve);
        Self { addr, status, batches, bytes: Vec::new(), spans: Vec::new() }
    }

    /// Returns the address that the collector listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the collector's URL, for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers all further requests with this status.
    pub fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Waits for a span that matches, and returns the first one.
    pub async fn wait_for_span(&mut self, matches: impl Fn(&Span) -> bool) -> Span {
        wait_until("the span arrives", async || {
            let spans = self.spans();
            let found = spans.iter().find(|span| matches(span)).cloned();
            found.ok_or_else(|| format!("{spans:#?}"))
        })
        .await
    }

    /// Returns all spans received so far.
    pub fn spans(&mut self) -> &[Span] {
        while let Ok(batch) = self.batches.try_recv() {
            self.spans.extend(span::decode(&batch));
            self.bytes.extend(batch);
        }
        &self.spans
    }

    /// Returns whether a text occurs anywhere in the batches of [`Collector::spans`].
    pub fn contains(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|part| part == text.as_bytes())
    }
}
