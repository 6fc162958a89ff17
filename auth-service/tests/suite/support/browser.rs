//! A browser, as far as cookies and origins go: keeps the cookies of answers and sends them back.

use std::{cell::RefCell, collections::BTreeMap};

use reqwest::{
    Method, RequestBuilder,
    header::{HeaderMap, SET_COOKIE},
};
use serde_json::{Value, json};
use test_support::Answer;

use super::TestApp;

/// A page of another origin that may act for the user.
pub const APP_ORIGIN: &str = "https://app.example.com";
/// The setting that trusts [`APP_ORIGIN`].
pub const ORIGINS: &str = "--browser-origins=https://app.example.com";

/// Names and values of the cookies that a browser keeps.
pub type Cookies = RefCell<BTreeMap<String, String>>;

/// Returns the header `Cookie`. Empty without cookies.
pub fn cookie_header(cookies: &Cookies) -> String {
    let cookies = cookies.borrow();
    let pairs = cookies.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("; ")
}

/// Keeps the cookies of an answer.
pub fn keep_cookies(cookies: &Cookies, headers: &HeaderMap) {
    let mut cookies = cookies.borrow_mut();
    for header in headers.get_all(SET_COOKIE) {
        let (pair, attributes) = header.to_str().unwrap().split_once(';').unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        match attributes.contains("Max-Age=0;") {
            true => drop(cookies.remove(name)),
            false => drop(cookies.insert(name.to_owned(), value.to_owned())),
        }
    }
}

pub struct Browser<'a> {
    app: &'a TestApp,
    pub cookies: Cookies,
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, cookies: RefCell::default() }
    }

    /// Returns a browser in which a new user is logged in.
    pub async fn of_new_user(app: &'a TestApp, username: &str) -> Self {
        let browser = Self::new(app);
        assert_eq!(app.register(username).await.status, 201);
        assert_eq!(browser.log_in(username).await.status, 200);
        browser
    }

    /// Logs in from a page of the issuer.
    pub async fn log_in(&self, username: &str) -> Answer {
        let password = "correct horse battery";
        let body = json!({"username": username, "password": password, "cookie": true});
        self.post("/login", Some(body)).await
    }

    /// Returns a request with the cookies of the browser, without an origin.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.request(method, path).header("cookie", cookie_header(&self.cookies))
    }

    /// Sends a request of a page of this origin, and keeps the cookies of the answer.
    pub async fn send_from(&self, origin: &str, request: RequestBuilder) -> Answer {
        self.send(request.header("origin", origin)).await
    }

    /// Sends a request, and keeps the cookies of the answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = self.app.send(request).await;
        keep_cookies(&self.cookies, &answer.headers);
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Posts from a page of the issuer.
    pub async fn post(&self, path: &str, body: Option<Value>) -> Answer {
        self.post_from(&self.app.issuer, path, body).await
    }

    /// Posts from a page of this origin.
    pub async fn post_from(&self, origin: &str, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(Method::POST, path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        self.send_from(origin, request).await
    }

    /// Returns another browser, with a copy of the cookies.
    pub fn copy(&self) -> Self {
        Self { app: self.app, cookies: self.cookies.clone() }
    }

    /// Changes the password, and keeps the session.
    pub async fn change_password(&self) -> Answer {
        let body = json!({
            "old_password": "correct horse battery",
            "new_password": "staple correct horse",
            "keep_session": true,
        });
        self.post("/password", Some(body)).await
    }

    /// Returns the cookie of the session.
    pub fn session(&self) -> Option<String> {
        let cookies = self.cookies.borrow();
        cookies.get("auth-session").or_else(|| cookies.get("__Host-session")).cloned()
    }

    pub async fn assert_signed_in(&self) {
        assert_eq!(self.get("/me").await.status, 200);
        assert_eq!(self.post("/token/refresh", None).await.status, 200);
    }

    pub async fn assert_signed_out(&self) {
        self.get("/me").await.assert_problem(401, "session_ended");
        self.post("/token/refresh", None).await.assert_problem(401, "session_ended");
    }
}
