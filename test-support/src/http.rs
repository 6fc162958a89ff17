//! A client of both services that reads like prose, and whole answers to assert on.

use std::{net::SocketAddr, sync::Arc};

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::openapi::Document;

/// A password that every test user has.
const PASSWORD: &str = "correct horse battery";

/// A pair of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, if it is JSON; null if it is empty.
    pub json: Value,
}

impl Answer {
    /// One of its headers, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Its tokens.
    pub fn tokens(&self) -> Tokens {
        let tokens = if self.json["tokens"].is_null() { &self.json } else { &self.json["tokens"] };
        let text = |name| tokens[name].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned();
        Tokens { access: text("access"), refresh: text("refresh") }
    }

    /// Asserts that it is a problem of this status and code, and fit to be shown (RFC 9457).
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["status"], status);
        assert_eq!(self.json["type"], "about:blank");
        assert!(self.json["title"].as_str().is_some_and(|title| !title.is_empty()), "{self:?}");
        assert!(self.json["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
        if status == 401 {
            assert_eq!(self.json.get("errors"), None, "{self:?}");
        }
        if status == 503 {
            assert_eq!(self.header("retry-after"), "1");
        }
        self
    }

    /// Asserts that it is a 400 that names exactly these fields.
    #[track_caller]
    pub fn assert_fields(&self, fields: &[&str]) -> &Self {
        self.assert_problem(400, "invalid");
        let named: Vec<&str> = self.json["errors"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(named, fields, "{self:?}");
        self
    }
}

/// Talks to one of our services. Every answer is held against the service's OpenAPI document.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    document: Arc<OnceCell<Document>>,
}

impl Client {
    /// Talks to the service at this address.
    pub fn new(addr: SocketAddr) -> Self {
        Self::of(reqwest::Client::builder(), addr)
    }

    /// One that opens a connection for each request. A request on a connection that is kept may meet its end.
    pub fn that_keeps_no_connection(addr: SocketAddr) -> Self {
        Self::of(reqwest::Client::builder().pool_max_idle_per_host(0), addr)
    }

    fn of(http: reqwest::ClientBuilder, addr: SocketAddr) -> Self {
        let http = http.no_proxy().build().unwrap();
        Self { http, base: format!("http://{addr}"), document: Arc::default() }
    }

    /// A request, to be completed.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// If it is not answered, or not as the service's document says.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = self.http.execute(request).await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.expect("a whole answer");
        let json = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body)
                .unwrap_or_else(|_| panic!("{status} {}", String::from_utf8_lossy(&body)))
        };
        let answer = Answer { status, headers, json };
        let document = self.document.get_or_init(|| Document::fetch(&self.http, &self.base)).await;
        document.check(&method, &path, &answer);
        answer
    }

    /// GET, with an access token if there is one.
    pub async fn get(&self, path: &str, access: Option<&str>) -> Answer {
        let mut request = self.request(Method::GET, path);
        if let Some(access) = access {
            request = request.bearer_auth(access);
        }
        self.send(request).await
    }

    /// POST of a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// POST of any body with this content type.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.send(self.request(Method::POST, path).header("content-type", content_type).body(body)).await
    }

    /// Registers a user of this name.
    pub async fn register(&self, username: &str) -> Answer {
        let email = format!("{username}@example.com");
        self.post("/register", json!({"email": email, "username": username, "password": PASSWORD})).await
    }

    /// Logs a user of this name in.
    pub async fn login(&self, username: &str) -> Answer {
        self.login_with(username, PASSWORD).await
    }

    /// Logs in with this password.
    pub async fn login_with(&self, username: &str, password: &str) -> Answer {
        self.post("/login", json!({"username": username, "password": password})).await
    }

    /// The tokens of a new user.
    pub async fn new_user(&self, username: &str) -> Tokens {
        assert_eq!(self.register(username).await.status, 201);
        self.login(username).await.tokens()
    }

    /// Refreshes.
    pub async fn refresh(&self, refresh: &str) -> Answer {
        self.post("/token/refresh", json!({"refresh": refresh})).await
    }

    /// Refreshes, and must succeed.
    #[track_caller]
    pub fn refreshed<'a>(&'a self, refresh: &'a str) -> impl Future<Output = Tokens> + 'a {
        let caller = std::panic::Location::caller();
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

    /// Asks until the answer has this status, for no longer than 20 seconds.
    pub async fn until_get(&self, path: &str, status: u16) -> Answer {
        self.until(path, None, status).await
    }

    /// The same, with an access token.
    pub async fn until_get_as(&self, path: &str, access: &str, status: u16) -> Answer {
        self.until(path, Some(access), status).await
    }

    /// Asks until these fields of the answer have these values, for no longer than 30 seconds.
    pub async fn until_json(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            let answer = self.get(path, None).await;
            if fields.iter().all(|(name, value)| answer.json[name] == *value) {
                return answer;
            }
            assert!(std::time::Instant::now() < deadline, "{path} does not become {fields:?}: {answer:?}");
        }
    }

    async fn until(&self, path: &str, access: Option<&str>, status: u16) -> Answer {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let answer = self.get(path, access).await;
            if answer.status == status {
                return answer;
            }
            assert!(std::time::Instant::now() < deadline, "{path} does not become {status}: {answer:?}");
        }
    }
}

/// A part of a token, decoded: 0 is the header, 1 the claims.
pub fn decode_part(token: &str, part: usize) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let encoded = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

/// A token's claims.
pub fn claims_of(token: &str) -> Value {
    decode_part(token, 1)
}
