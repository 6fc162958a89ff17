//! A client for the HTTP API of either service.

use std::{net::SocketAddr, panic::Location, sync::Arc, time::Duration};

use reqwest::{Method, redirect::Policy};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{Answer, Tokens, openapi::Document, wait_until};

/// Password of every test user.
const PASSWORD: &str = "correct horse battery";

/// A client of one service. Checks every answer against the service's OpenAPI document.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    document: Arc<OnceCell<Document>>,
}

impl Client {
    /// Creates a client of the service at this address.
    pub fn new(addr: SocketAddr) -> Self {
        Self::build(reqwest::Client::builder(), addr)
    }

    /// Creates a client that opens a new connection for each request. A request on a kept
    /// connection can fail because the server closes the connection at that moment.
    pub fn without_keep_alive(addr: SocketAddr) -> Self {
        Self::build(reqwest::Client::builder().pool_max_idle_per_host(0), addr)
    }

    fn build(http: reqwest::ClientBuilder, addr: SocketAddr) -> Self {
        // Less than the time after which the service closes an idle connection. A test that waits for a
        // program on its only thread does not notice that the service has closed one.
        let http = http.no_proxy().pool_idle_timeout(Duration::from_secs(4));
        // A redirect is an answer.
        let http = http.redirect(Policy::none()).build().unwrap();
        Self { http, base: format!("http://{addr}"), document: Arc::default() }
    }

    /// Begins a request. [`Client::send`] sends it.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// If the service does not answer, or if the OpenAPI document does not describe the answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let method = request.method().clone();
        let path = request.url().path().to_owned();
        let answer = self.http.execute(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let body = answer.bytes().await.expect("a complete answer");
        let json = if body.is_empty() {
            Value::Null
        } else {
            let text = || String::from_utf8_lossy(&body);
            serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{status} {}", text()))
        };
        let answer = Answer { status, headers, json };
        let document = self.document.get_or_init(|| Document::fetch(&self.http, &self.base)).await;
        document.check(&method, &path, &answer);
        answer
    }

    /// Sends a GET request, with an access token if one is given.
    pub async fn get(&self, path: &str, access: Option<&str>) -> Answer {
        let mut request = self.request(Method::GET, path);
        if let Some(access) = access {
            request = request.bearer_auth(access);
        }
        self.send(request).await
    }

    /// Sends a POST request with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// Sends a POST request with any body of this content type.
    pub async fn post_raw(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", content_type);
        self.send(request.body(body)).await
    }

    /// Registers a user of this name.
    pub async fn register(&self, username: &str) -> Answer {
        let email = format!("{username}@example.com");
        let body = json!({"email": email, "username": username, "password": PASSWORD});
        self.post("/register", body).await
    }

    /// Logs in a user of this name.
    pub async fn login(&self, username: &str) -> Answer {
        self.login_with(username, PASSWORD).await
    }

    /// Logs in a user of this name with this password.
    pub async fn login_with(&self, username: &str, password: &str) -> Answer {
        self.post("/login", json!({"username": username, "password": password})).await
    }

    /// Registers a user, logs the user in, and returns the tokens.
    pub async fn new_user(&self, username: &str) -> Tokens {
        assert_eq!(self.register(username).await.status, 201);
        self.login(username).await.tokens()
    }

    /// Exchanges a refresh token for new tokens.
    pub async fn refresh(&self, refresh: &str) -> Answer {
        self.post("/token/refresh", json!({"refresh": refresh})).await
    }

    /// Exchanges a refresh token, and returns the new tokens.
    ///
    /// # Panics
    /// If the service refuses the refresh token.
    #[track_caller]
    pub fn refreshed<'a>(&'a self, refresh: &'a str) -> impl Future<Output = Tokens> + 'a {
        let caller = Location::caller();
        async move {
            let answer = self.refresh(refresh).await;
            assert_eq!(answer.status, 200, "{caller}: {answer:?}");
            answer.tokens()
        }
    }

    /// Logs out.
    pub async fn logout(&self, tokens: &Tokens) -> Answer {
        let request = self.request(Method::POST, "/logout").bearer_auth(&tokens.access);
        self.send(request.json(&json!({"refresh": tokens.refresh}))).await
    }

    /// Sends GET requests until the answer has this status.
    #[track_caller]
    pub fn wait_for_status<'a>(
        &'a self,
        path: &'a str,
        status: u16,
    ) -> impl Future<Output = Answer> + 'a {
        self.wait_for(path, None, format!("status {status}"), move |answer| answer.status == status)
    }

    /// Sends GET requests with an access token until the answer has this status.
    #[track_caller]
    pub fn wait_for_status_as<'a>(
        &'a self,
        path: &'a str,
        access: &'a str,
        status: u16,
    ) -> impl Future<Output = Answer> + 'a {
        let what = format!("status {status}");
        self.wait_for(path, Some(access), what, move |answer| answer.status == status)
    }

    /// Sends GET requests until these fields of the answer have these values.
    #[track_caller]
    pub fn wait_for_fields<'a>(
        &'a self,
        path: &'a str,
        fields: &'a [(&'a str, &'a str)],
    ) -> impl Future<Output = Answer> + 'a {
        self.wait_for(path, None, format!("{fields:?}"), |answer| {
            fields.iter().all(|(name, value)| answer.json[name] == *value)
        })
    }

    #[track_caller]
    fn wait_for(
        &self,
        path: &str,
        access: Option<&str>,
        expected: String,
        is_expected: impl Fn(&Answer) -> bool,
    ) -> impl Future<Output = Answer> {
        wait_until(format!("GET {path} answers {expected}"), async move || {
            let answer = self.get(path, access).await;
            if is_expected(&answer) { Ok(answer) } else { Err(answer) }
        })
    }
}
