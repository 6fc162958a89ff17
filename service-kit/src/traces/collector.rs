//! HTTP client that sends spans to the collector: reqwest, as for all other requests of a service.

use std::{
    fmt::Display,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use shared::http::{chain, client};
use tokio::runtime::Handle;

/// Maximum time to send one batch of spans.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The collector, which may be unreachable.
#[derive(Debug)]
pub(super) struct Collector {
    url: String,
    client: reqwest::Client,
    /// The thread that sends spans has no runtime.
    runtime: Handle,
    is_unreachable: AtomicBool,
}

impl Collector {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            client: client(url, reqwest::Client::builder().timeout(TIMEOUT)),
            runtime: Handle::current(),
            is_unreachable: AtomicBool::new(false),
        }
    }

    /// Logs the first failure after a success. A line for each batch would fill the log.
    fn record_failure(&self, reason: &dyn Display) {
        if !self.is_unreachable.swap(true, Ordering::Relaxed) {
            log::warn!(
                "cannot send traces to {}: {reason}; requests are served without traces",
                self.url
            );
        }
    }

    fn record_success(&self) {
        if self.is_unreachable.swap(false, Ordering::Relaxed) {
            log::info!("traces are sent to {} again", self.url);
        }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let request = request.try_into()?;
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request).await?;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            *response.body_mut() = answer.bytes().await?;
            Ok::<_, reqwest::Error>(response)
        });
        match sent.await? {
            Ok(response) => {
                match response.status() {
                    status if status.is_success() => self.record_success(),
                    status => self.record_failure(&format!("the collector answered {status}")),
                }
                Ok(response)
            }
            Err(error) => {
                self.record_failure(&chain(&error));
                Err(error.into())
            }
        }
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.send(request))
    }
}
