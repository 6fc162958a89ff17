//! PostgreSQL or Redis is unreachable, or auth-service is killed: which requests still work, and
//! that no ended session comes back.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use system_tests::{Deployment, is_accepted, refresh_once_available, wait_until_refused};
use test_support::{
    Answer, Client, PostgresServer, Proxy, RedisServer, Tokens, claims_of, sized, wait_until,
};

/// Repeats requests for the length of an outage.
async fn during_outage(requests: impl AsyncFnMut()) {
    repeat_for(Duration::from_secs(sized(3, 10, 20)), requests).await;
}

async fn repeat_for(duration: Duration, mut requests: impl AsyncFnMut()) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        requests().await;
    }
}

#[tokio::test]
async fn without_redis_only_refreshes_fail_and_logouts_take_effect_afterwards() {
    let mut redis = RedisServer::start();
    let deployment = Deployment::start_with(2, &[("REDIS_URL", &redis.url())]).await;
    let auth = [deployment.client(0), deployment.client(1)];
    let (_resource, resource) = deployment.resource_service(&deployment.addr(0), &[]).await;
    let alive = auth[0].new_user("ada").await;
    let before = auth[1].refreshed(&auth[0].login("ada").await.tokens().refresh).await;

    redis.stop();
    assert_eq!(auth[1].logout(&before).await.status, 204);
    let mut ended = vec![before];
    during_outage(async || {
        for auth in &auth {
            auth.refresh(&alive.refresh).await.assert_problem(503, "unavailable");
            let tokens = auth.login("ada").await.tokens();
            for tokens in [&alive, &tokens] {
                assert!(is_accepted(&resource, tokens).await);
                assert_eq!(auth.get("/me", Some(&tokens.access)).await.json["username"], "ada");
            }
            assert_eq!(auth.logout(&tokens).await.status, 204);
            auth.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
            ended.push(tokens);
        }
    })
    .await;

    redis.restart();
    for tokens in &ended {
        for auth in &auth {
            let answer = refresh_once_available(auth, &tokens.refresh).await;
            answer.assert_problem(401, "token_not_valid");
        }
        wait_until_refused(&resource, tokens).await;
    }
    let alive = auth[1].refreshed(&alive.refresh).await;
    assert!(is_accepted(&resource, &alive).await);
    auth[0].refreshed(&alive.refresh).await;
}

#[tokio::test]
async fn a_replica_that_reaches_redis_later_still_learns_of_a_logout() {
    let redis = RedisServer::start();
    let mut deployment = Deployment::start_with(0, &[]).await;
    let mut proxies = Vec::new();
    let mut auth = Vec::new();
    for _ in 0..2 {
        let proxy = Proxy::to(redis.addr());
        let url = format!("redis://{}/", proxy.addr());
        auth.push(deployment.add_replica(&[("REDIS_URL", &url)]).await);
        proxies.push(proxy);
    }
    let (_resource, resource) = deployment.resource_service(&deployment.addr(0), &[]).await;
    let ended = auth[1].new_user("ada").await;

    proxies.iter().for_each(Proxy::cut);
    assert_eq!(auth[1].logout(&ended).await.status, 204);
    proxies[1].restore();
    // Once the database says that Redis has the end, no replica writes it to Redis again.
    let session = select_session(&ended);
    wait_until_found(&deployment, &format!("{session} AND blacklisted_at IS NOT NULL")).await;
    proxies[0].restore();
    wait_until_refused(&resource, &ended).await;
}

/// Returns the statement that finds the session of these tokens.
fn select_session(tokens: &Tokens) -> String {
    let claims = claims_of(&tokens.access);
    format!("SELECT 1 FROM sessions WHERE id = '{}'", claims["sid"].as_str().unwrap())
}

#[track_caller]
fn wait_until_found(deployment: &Deployment, statement: &str) -> impl Future<Output = ()> {
    wait_until(format!("{statement} finds a row"), async || deployment.sql(statement) > 0)
}

/// Tokens of two sessions of each of four users. One user ends a session in each way.
#[derive(Clone)]
struct Users {
    logout: [Tokens; 2],
    logout_all: [Tokens; 2],
    delete_session: [Tokens; 2],
    password: [Tokens; 2],
}

impl Users {
    async fn register(auth: &[Client; 2]) -> Self {
        let sessions = async |name| {
            let first = auth[0].new_user(name).await;
            [first, auth[1].login(name).await.tokens()]
        };
        Self {
            logout: sessions("ada-logout").await,
            logout_all: sessions("ada-logout-all").await,
            delete_session: sessions("ada-delete-session").await,
            password: sessions("ada-password").await,
        }
    }

    fn tokens_mut(&mut self) -> impl Iterator<Item = &mut Tokens> {
        let Self { logout, logout_all, delete_session, password } = self;
        [logout, logout_all, delete_session, password].into_iter().flatten()
    }

    /// Sends the request to end sessions of each user.
    async fn end_sessions(&self, auth: &Client) -> [Answer; 4] {
        let claims = claims_of(&self.delete_session[1].access);
        let session = format!("/sessions/{}", claims["sid"].as_str().unwrap());
        let passwords = json!({
            "old_password": "correct horse battery",
            "new_password": "battery staple horse",
        });
        let request = |method, path: &str, tokens: &[Tokens; 2]| {
            auth.request(method, path).bearer_auth(&tokens[0].access)
        };
        let answers = tokio::join!(
            auth.logout(&self.logout[1]),
            auth.send(request(Method::POST, "/logout/all", &self.logout_all)),
            auth.send(request(Method::DELETE, &session, &self.delete_session)),
            auth.send(request(Method::POST, "/password", &self.password).json(&passwords)),
        );
        answers.into()
    }

    /// Returns the tokens of the sessions that [`Users::end_sessions`] ends, and of the others.
    fn by_outcome(&self) -> ([&Tokens; 6], [&Tokens; 2]) {
        let Self { logout, logout_all, delete_session, password } = self;
        let ended = [
            &logout[1],
            &logout_all[0],
            &logout_all[1],
            &delete_session[1],
            &password[0],
            &password[1],
        ];
        (ended, [&logout[0], &delete_session[0]])
    }
}

#[tokio::test]
async fn without_postgresql_refreshes_work_and_no_session_end_is_acknowledged() {
    let postgres = PostgresServer::start();
    let url = postgres.url();
    let settings = [("DATABASE_URL", url.as_str()), ("DATABASE_TIMEOUT", "1")];
    let deployment = Deployment::start_with(2, &settings).await;
    let auth = [deployment.client(0), deployment.client(1)];
    let (_resource, resource) = deployment.resource_service(&deployment.addr(0), &[]).await;
    let mut alive = auth[0].new_user("ada").await;
    let users = Users::register(&auth).await;

    postgres.stop();
    let mut refresh_everywhere = async || {
        for auth in &auth {
            alive = auth.refreshed(&alive.refresh).await;
            assert!(is_accepted(&resource, &alive).await);
        }
    };
    during_outage(async || {
        refresh_everywhere().await;
        for auth in &auth {
            let (ends, login, registration) =
                tokio::join!(users.end_sessions(auth), auth.login("ada"), auth.register("grace"));
            for answer in ends.iter().chain([&login, &registration]) {
                answer.assert_problem(503, "unavailable");
            }
        }
    })
    .await;
    // A request that was answered 503 no longer waits for a connection that would execute it.
    repeat_for(Duration::from_secs(2), refresh_everywhere).await;

    postgres.restart();
    for auth in &auth {
        auth.wait_for_status("/readyz", 200).await;
    }
    let mut refreshed = users.clone();
    for tokens in refreshed.tokens_mut() {
        *tokens = auth[0].refreshed(&tokens.refresh).await;
        assert!(is_accepted(&resource, tokens).await, "a request answered 503 was executed");
    }
    for answer in refreshed.end_sessions(&auth[1]).await {
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    let (ended, others) = refreshed.by_outcome();
    for tokens in ended {
        auth[0].refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
        wait_until_refused(&resource, tokens).await;
    }
    for tokens in others.into_iter().chain([&alive]) {
        auth[1].refreshed(&tokens.refresh).await;
    }
    auth[0].new_user("grace").await;
}

/// Kills a replica (SIGKILL) after the database has a logout and before Redis has it, with this
/// many other replicas. Asserts that the logout takes effect.
async fn assert_logout_survives_kill(others: usize) {
    let redis = RedisServer::start();
    let proxy = Proxy::to(redis.addr());
    let mut deployment = Deployment::start_with(others, &[("REDIS_URL", &redis.url())]).await;
    let url = format!("redis://{}/", proxy.addr());
    let auth = deployment.add_replica(&[("REDIS_URL", &url), ("REDIS_TIMEOUT", "60")]).await;
    let alive = auth.new_user("ada").await;
    let ended = auth.refreshed(&auth.login("ada").await.tokens().refresh).await;

    proxy.blackhole_all();
    let logout = auth.request(Method::POST, "/logout").bearer_auth(&ended.access);
    let logout = tokio::spawn(logout.json(&json!({"refresh": ended.refresh})).send());
    let session = select_session(&ended);
    wait_until_found(&deployment, &format!("{session} AND revoked_at IS NOT NULL")).await;
    deployment.auth.pop().unwrap().kill();
    assert!(logout.await.unwrap().is_err(), "the logout was answered");
    let entries: Vec<String> = redis.query(&["KEYS", "*bl{*"]);
    let is_ended = |entry: &String| redis.query::<Vec<u8>>(&["GET", entry]) == b"revoked";
    assert!(
        others > 0 || !entries.iter().any(is_ended),
        "no other replica can have written the end to Redis"
    );

    deployment.add_replica(&[]).await;
    for replica in 0..=others {
        let auth = deployment.client(replica);
        let answer = refresh_once_available(&auth, &ended.refresh).await;
        answer.assert_problem(401, "token_not_valid");
        auth.get("/me", Some(&ended.access)).await.assert_problem(401, "token_not_valid");
        let feed = deployment.addr(replica);
        let (_resource, resource) = deployment.resource_service(&feed, &[]).await;
        wait_until_refused(&resource, &ended).await;
        assert!(is_accepted(&resource, &alive).await);
    }
    deployment.client(0).refreshed(&alive.refresh).await;
}

#[tokio::test]
async fn a_logout_survives_a_kill_of_the_only_replica() {
    assert_logout_survives_kill(0).await;
}

#[tokio::test]
async fn a_logout_survives_a_kill_of_one_of_two_replicas() {
    assert_logout_survives_kill(1).await;
}
