//! The requests of one client. Each request and its outcome is recorded.

use std::{sync::Arc, time::Duration};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use test_support::claims_of;

use super::{
    plan::REPLICAS,
    record::{EndMethod, Moment, Operation, Outcome, Request, TokenPair},
    world::World,
};

/// Password of every user.
const PASSWORD: &str = "correct horse battery";
/// Maximum time a client waits for an answer, longer than a replica ever takes.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Tokens from one answer.
#[derive(Clone)]
pub struct Tokens {
    pub generation: u64,
    pub refresh: String,
    pub access: String,
}

/// Sends the requests of one client.
pub struct Api {
    client: usize,
    user: usize,
    world: Arc<World>,
    http: reqwest::Client,
}

/// A request before it is sent.
struct Call<'a> {
    request: Request,
    session: Option<&'a str>,
    method: Method,
    path: &'a str,
}

impl Api {
    pub fn new(client: usize, world: Arc<World>) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build();
        let user = client % world.users.len();
        Self { client, user, world, http: http.expect("an HTTP client") }
    }

    pub fn now(&self) -> Moment {
        self.world.recorder.now()
    }

    pub fn grace(&self) -> Duration {
        self.world.recorder.grace()
    }

    pub async fn login(&self, replica: usize) -> (Outcome, Option<Tokens>) {
        let name = &self.world.users[self.user].name;
        let body = json!({"username": name, "password": PASSWORD});
        let call = Call::post(Request::Login, None, "/login");
        self.send(replica, call, |request| request.json(&body)).await
    }

    pub async fn refresh(
        &self,
        replica: usize,
        session: &str,
        tokens: &Tokens,
    ) -> (Outcome, Option<Tokens>) {
        let request = Request::Refresh { generation: tokens.generation };
        let body = json!({"refresh": tokens.refresh});
        let call = Call::post(request, Some(session), "/token/refresh");
        self.send(replica, call, |request| request.json(&body)).await
    }

    pub async fn end(
        &self,
        replica: usize,
        session: &str,
        method: EndMethod,
        tokens: &Tokens,
    ) -> Outcome {
        let Tokens { access, refresh, .. } = tokens;
        let request = Request::End(method);
        let session_path = format!("/sessions/{session}");
        let call = match method {
            EndMethod::Logout => Call::post(request, Some(session), "/logout"),
            EndMethod::RevokeRefresh | EndMethod::RevokeAccess => {
                Call::post(request, Some(session), "/oauth/revoke")
            }
            EndMethod::Delete => {
                let method = Method::DELETE;
                Call { request, session: Some(session), method, path: &session_path }
            }
        };
        let complete = |request: RequestBuilder| match method {
            EndMethod::Logout => request.bearer_auth(access).json(&json!({"refresh": refresh})),
            EndMethod::RevokeRefresh => token_form(request, refresh),
            EndMethod::RevokeAccess => token_form(request, access),
            EndMethod::Delete => request.bearer_auth(access),
        };
        self.send(replica, call, complete).await.0
    }

    pub async fn end_all(&self, replica: usize, tokens: &Tokens) -> Outcome {
        let call = Call::post(Request::EndAll, None, "/logout/all");
        self.send(replica, call, |request| request.bearer_auth(&tokens.access)).await.0
    }

    async fn send(
        &self,
        replica: usize,
        call: Call<'_>,
        complete: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> (Outcome, Option<Tokens>) {
        let World { recorder, balancer, users } = &*self.world;
        let (replica, addr) = balancer.route(replica % REPLICAS);
        let url = format!("http://{addr}{}", call.path);
        let request = complete(self.http.request(call.method, url));
        let invoked = recorder.now();
        let answer = answer_to(request).await;
        let completed = recorder.now();
        let (outcome, tokens) = match answer {
            Err(no_answer) => (no_answer, None),
            Ok((status, body)) => interpret(status, &body, &users[self.user].id),
        };
        let session = match &outcome {
            Outcome::Tokens(pair) if call.request == Request::Login => Some(pair.session.clone()),
            _ => call.session.map(str::to_owned),
        };
        recorder.add_operation(Operation {
            client: self.client,
            user: self.user,
            replica,
            session,
            request: call.request,
            invoked,
            completed,
            outcome: outcome.clone(),
        });
        (outcome, tokens)
    }
}

impl<'a> Call<'a> {
    fn post(request: Request, session: Option<&'a str>, path: &'a str) -> Self {
        Self { request, session, method: Method::POST, path }
    }
}

fn token_form(request: RequestBuilder, token: &str) -> RequestBuilder {
    // A token has no characters that a form would have to encode.
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(format!("token={token}"))
}

async fn answer_to(request: RequestBuilder) -> Result<(u16, Value), Outcome> {
    let no_answer = |error: reqwest::Error| match error.is_connect() {
        true => Outcome::Unsent,
        false => Outcome::Unknown,
    };
    let answer = request.send().await.map_err(no_answer)?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(|_| Outcome::Unknown)?;
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

fn interpret(status: u16, body: &Value, user: &str) -> (Outcome, Option<Tokens>) {
    let tokens = if body["tokens"].is_null() { body } else { &body["tokens"] };
    match (status, tokens["access"].as_str(), tokens["refresh"].as_str()) {
        (200, Some(access), Some(refresh)) => {
            let pair = token_pair(access, refresh, user);
            let tokens = Tokens {
                generation: pair.generation,
                refresh: refresh.to_owned(),
                access: access.to_owned(),
            };
            (Outcome::Tokens(pair), Some(tokens))
        }
        (200 | 204, None, None) => (Outcome::Done, None),
        (401, ..) => (Outcome::Refused, None),
        (503, ..) => (Outcome::Unavailable, None),
        (status, ..) => (Outcome::Unexpected(status), None),
    }
}

fn token_pair(access: &str, refresh: &str, user: &str) -> TokenPair {
    let access = claims_of(access);
    let refresh = claims_of(refresh);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    TokenPair {
        session: text(&refresh["sid"]),
        access_session: text(&access["sid"]),
        has_right_user: access["sub"] == *user && refresh["sub"] == *user,
        generation: refresh["gen"].as_u64().unwrap_or(u64::MAX),
        rotated_at_ms: refresh["rot"].as_i64().unwrap_or(-1),
    }
}
