//! Asks, and writes down what came of it.

use std::{sync::Arc, time::Duration};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use test_support::claims_of;

use super::{
    plan::REPLICAS,
    record::{Minted, Moment, Operation, Outcome, Request, Way},
    run::Doors,
};

/// The password of every user.
const PASSWORD: &str = "correct horse battery";
/// Longer than anybody is kept waiting. Who is answered later was not answered.
const PATIENCE: Duration = Duration::from_secs(15);

/// What all clients share.
pub struct World {
    pub doors: Doors,
    pub users: Vec<User>,
}

/// Who a session belongs to.
pub struct User {
    pub name: String,
    pub id: String,
}

/// The tokens that were handed out together.
#[derive(Clone)]
pub struct Token {
    pub generation: u64,
    pub refresh: String,
    pub access: String,
}

/// Asks on behalf of one client.
pub struct Asker {
    number: usize,
    world: Arc<World>,
    http: reqwest::Client,
}

impl Asker {
    pub fn new(number: usize, world: Arc<World>) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client");
        Self { number, world, http }
    }

    pub fn now(&self) -> Moment {
        self.world.doors.now()
    }

    pub fn grace(&self) -> Duration {
        self.world.doors.grace()
    }

    pub async fn login(&self, replica: usize) -> (Outcome, Option<Token>) {
        let name = &self.world.users[self.number % self.world.users.len()].name;
        let body = json!({"username": name, "password": PASSWORD});
        let request = |request: RequestBuilder| request.json(&body);
        self.send(replica, None, Request::Login, Method::POST, "/login", request).await
    }

    pub async fn end(&self, replica: usize, session: &str, way: Way, token: &Token) -> Outcome {
        let Token { access, refresh, .. } = token;
        let delete = format!("/sessions/{session}");
        let (method, path) = match way {
            Way::Logout => (Method::POST, "/logout"),
            Way::RevokeRefresh | Way::RevokeAccess => (Method::POST, "/oauth/revoke"),
            Way::Delete => (Method::DELETE, delete.as_str()),
        };
        let request = |request: RequestBuilder| match way {
            Way::Logout => request.bearer_auth(access).json(&json!({"refresh": refresh})),
            Way::RevokeRefresh => form(request, refresh),
            Way::RevokeAccess => form(request, access),
            Way::Delete => request.bearer_auth(access),
        };
        self.send(replica, Some(session), Request::End(way), method, path, request).await.0
    }

    pub async fn end_all(&self, replica: usize, token: &Token) -> Outcome {
        let request = |request: RequestBuilder| request.bearer_auth(&token.access);
        self.send(replica, None, Request::EndAll, Method::POST, "/logout/all", request).await.0
    }

    pub async fn refresh(&self, replica: usize, session: &str, token: &Token) -> (Outcome, Option<Token>) {
        let request = Request::Refresh { generation: token.generation };
        let body = json!({"refresh": token.refresh});
        let path = "/token/refresh";
        self.send(replica, Some(session), request, Method::POST, path, |request| request.json(&body)).await
    }

    async fn send(
        &self,
        replica: usize,
        session: Option<&str>,
        request: Request,
        method: Method,
        path: &str,
        complete: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> (Outcome, Option<Token>) {
        let doors = &self.world.doors;
        let user = self.number % self.world.users.len();
        let (replica, addr) = doors.open(replica % REPLICAS);
        let asked = complete(self.http.request(method, format!("http://{addr}{path}")));
        let invoked = doors.now();
        let answer = answer_to(asked).await;
        let completed = doors.now();
        let (outcome, token) = match answer {
            Err(nothing) => (nothing, None),
            Ok((status, body)) => outcome(status, &body, &self.world.users[user].id),
        };
        let minted = match &outcome {
            Outcome::Minted(minted) if request == Request::Login => Some(minted.session.clone()),
            _ => None,
        };
        doors.write_down(Operation {
            client: self.number,
            user,
            replica,
            session: session.map(str::to_owned).or(minted),
            request,
            invoked,
            completed,
            outcome: outcome.clone(),
        });
        (outcome, token)
    }
}

fn form(request: RequestBuilder, token: &str) -> RequestBuilder {
    // Tokens hold nothing that would have to be encoded.
    request.header("content-type", "application/x-www-form-urlencoded").body(format!("token={token}"))
}

async fn answer_to(request: RequestBuilder) -> Result<(u16, Value), Outcome> {
    let nothing = |why: reqwest::Error| if why.is_connect() { Outcome::Unsent } else { Outcome::Unknown };
    let answer = request.send().await.map_err(nothing)?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(|_| Outcome::Unknown)?;
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

fn outcome(status: u16, body: &Value, user: &str) -> (Outcome, Option<Token>) {
    let tokens = if body["tokens"].is_null() { body } else { &body["tokens"] };
    match (status, tokens["access"].as_str(), tokens["refresh"].as_str()) {
        (200, Some(access), Some(refresh)) => {
            let (of_access, of_refresh) = (claims_of(access), claims_of(refresh));
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let generation = of_refresh["gen"].as_u64().unwrap_or(u64::MAX);
            let minted = Minted {
                session: text(&of_refresh["sid"]),
                access_session: text(&of_access["sid"]),
                of_the_user: of_access["sub"] == *user && of_refresh["sub"] == *user,
                generation,
                rotated_at_ms: of_refresh["rot"].as_i64().unwrap_or(-1),
            };
            let token = Token { generation, refresh: refresh.to_owned(), access: access.to_owned() };
            (Outcome::Minted(minted), Some(token))
        }
        (200 | 204, None, None) => (Outcome::Done, None),
        (401, ..) => (Outcome::Refused, None),
        (503, ..) => (Outcome::Unavailable, None),
        (status, ..) => (Outcome::Unexpected(status), None),
    }
}
