//! How spans get to the collector: with the HTTP client that everything else here uses.

use std::{
    fmt::Display,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use shared::http::{chain, is_loopback};

/// How long one batch may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The collector, which may be away.
#[derive(Debug)]
pub(super) struct Collector {
    url: String,
    client: reqwest::Client,
    /// Spans wait on a thread that has none.
    runtime: Handle,
    is_away: AtomicBool,
}

impl Collector {
    pub(super) fn new(url: &str) -> Self {
        let mut client =
            reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if is_loopback(url) {
            // No proxy could reach it.
            client = client.no_proxy();
        }
        Self {
            url: url.to_owned(),
            client: client.build().unwrap_or_default(),
            runtime: Handle::current(),
            is_away: AtomicBool::new(false),
        }
    }

    /// One line when it goes, and one when it comes back: not one a batch.
    fn is_away(&self, why: &dyn Display) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            log::warn!("cannot send traces to {}: {why}; requests go on without them", self.url);
        }
    }

    fn is_back(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            log::info!("traces are sent to {} again", self.url);
        }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, request) = (self.client.clone(), request.try_into()?);
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?))
        });
        match sent.await? {
            Ok((status, headers, body)) => {
                if status.is_success() {
                    self.is_back()
                } else {
                    self.is_away(&format!("it answers {status}"))
                }
                let mut answer = Response::new(body);
                (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
                Ok(answer)
            }
            Err(why) => {
                self.is_away(&chain(&why));
                Err(why.into())
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
