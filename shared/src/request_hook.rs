//! Hook for the verifier's requests to the issuer, for example to add a trace header.

use std::{fmt, sync::Arc};

use reqwest::{RequestBuilder, Response, Url, header::HeaderMap};

/// Function called with the HTTP status of the response, or with `None` if the request failed.
pub type OnResponse = Box<dyn FnOnce(Option<u16>) + Send>;

/// Observes the verifier's requests to the issuer, and may add headers such as `traceparent`
/// (W3C Trace Context).
pub trait RequestHook: Send + Sync {
    /// Called before a request is sent, in the task that sends it. The verifier calls the returned
    /// function with the outcome.
    fn on_request(&self, method: &str, url: &Url, headers: &mut HeaderMap) -> OnResponse;
}

/// The hook of a verifier, if it has one.
#[derive(Clone, Default)]
pub(crate) struct Hook(Option<Arc<dyn RequestHook>>);

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Hook(set)" } else { "Hook(none)" })
    }
}

impl Hook {
    pub(crate) fn new(hook: Arc<dyn RequestHook>) -> Self {
        Self(Some(hook))
    }

    /// Sends a request and calls the hook before and after it.
    pub(crate) async fn send(&self, request: RequestBuilder) -> reqwest::Result<Response> {
        let Some(hook) = &self.0 else { return request.send().await };
        let (client, request) = request.build_split();
        let mut request = request?;
        let method = request.method().to_string();
        let url = request.url().clone();
        let on_response = hook.on_request(&method, &url, request.headers_mut());
        let outcome = client.execute(request).await;
        on_response(outcome.as_ref().ok().map(|response| response.status().as_u16()));
        outcome
    }
}
