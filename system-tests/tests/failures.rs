//! PostgreSQL or Redis away, auth-service killed: what goes on, what waits, and that what has ended does not come back.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use system_tests::{Deployment, is_accepted, refresh_once_possible, until_refused};
use test_support::{Answer, Client, PostgresServer, Proxy, RedisServer, Tokens, claims_of, sized};

/// Does this for as long as an outage is to last.
async fn for_an_outage(mut requests: impl AsyncFnMut()) {
    let end = Instant::now() + Duration::from_secs(sized(3, 10, 20));
    while Instant::now() < end {
        requests().await;
    }
}

#[tokio::test]
async fn while_redis_is_away_only_refreshes_wait_and_logouts_hold_when_it_is_back() {
    let mut redis = RedisServer::start();
    let deployment = Deployment::start_with(2, &[("REDIS_URL", &redis.url())]).await;
    let auth = [deployment.client(0), deployment.client(1)];
    let (_resource, resource) =
        deployment.resource_service(&deployment.auth[0].addr(0).to_string(), &[]).await;
    let alive = auth[0].new_user("ada").await;
    let before = auth[1].refreshed(&auth[0].login("ada").await.tokens().refresh).await;

    redis.stop();
    assert_eq!(auth[1].logout(&before).await.status, 204);
    let mut gone = vec![before];
    for_an_outage(async || {
        for auth in &auth {
            auth.refresh(&alive.refresh).await.assert_problem(503, "unavailable");
            let tokens = auth.login("ada").await.tokens();
            for tokens in [&alive, &tokens] {
                assert!(is_accepted(&resource, tokens).await);
                assert_eq!(auth.get("/me", Some(&tokens.access)).await.json["username"], "ada");
            }
            assert_eq!(auth.logout(&tokens).await.status, 204);
            auth.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
            gone.push(tokens);
        }
    })
    .await;

    redis.resume();
    for tokens in &gone {
        for auth in &auth {
            let answer = refresh_once_possible(auth, &tokens.refresh).await;
            answer.assert_problem(401, "token_not_valid");
        }
        until_refused(&resource, tokens).await;
    }
    let alive = auth[1].refreshed(&alive.refresh).await;
    assert!(is_accepted(&resource, &alive).await);
    auth[0].refreshed(&alive.refresh).await;
}

#[tokio::test]
async fn a_logout_that_redis_missed_is_heard_of_at_a_replica_that_finds_redis_again_later() {
    let redis = RedisServer::start();
    let mut deployment = Deployment::start_with(0, &[]).await;
    let (mut proxies, mut auth) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let proxy = Proxy::to(redis.addr());
        let by_proxy = format!("redis://{}/", proxy.addr());
        auth.push(deployment.add_replica(&[("REDIS_URL", &by_proxy)]).await);
        proxies.push(proxy);
    }
    let addr = deployment.auth[0].addr(0).to_string();
    let (_resource, resource) = deployment.resource_service(&addr, &[]).await;
    let gone = auth[1].new_user("ada").await;

    proxies.iter().for_each(Proxy::cut);
    assert_eq!(auth[1].logout(&gone).await.status, 204);
    proxies[1].mend();
    // Until Redis is trusted to have it, and nobody writes it there again.
    until_found(&deployment, &format!("{} AND blacklisted_at IS NOT NULL", session_of(&gone))).await;
    proxies[0].mend();
    until_refused(&resource, &gone).await;
}

/// The statement that finds the session of these tokens.
fn session_of(tokens: &Tokens) -> String {
    format!("SELECT 1 FROM sessions WHERE id = '{}'", claims_of(&tokens.access)["sid"].as_str().unwrap())
}

async fn until_found(deployment: &Deployment, statement: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while deployment.sql(statement) == 0 {
        assert!(Instant::now() < deadline, "nothing is found: {statement}");
        tokio::task::yield_now().await;
    }
}

/// What asks for an end: by logout, everywhere, from another session, by a new password.
async fn ask_for_an_end(auth: &Client, users: &[[Tokens; 2]; 4]) -> [Answer; 4] {
    let [logout, everywhere, from_another, password] = users;
    let sid = claims_of(&from_another[1].access)["sid"].as_str().unwrap().to_owned();
    let passwords = json!({"old_password": "correct horse battery", "new_password": "battery staple horse"});
    let as_first =
        |method, path: &str, of: &[Tokens; 2]| auth.request(method, path).bearer_auth(&of[0].access);
    let answers = tokio::join!(
        auth.logout(&logout[1]),
        auth.send(as_first(Method::POST, "/logout/all", everywhere)),
        auth.send(as_first(Method::DELETE, &format!("/sessions/{sid}"), from_another)),
        auth.send(as_first(Method::POST, "/password", password).json(&passwords)),
    );
    answers.into()
}

#[tokio::test]
async fn while_postgresql_is_away_refreshes_go_on_and_no_end_of_a_session_is_claimed() {
    let postgres = PostgresServer::start();
    let url = postgres.url();
    let settings = [("DATABASE_URL", url.as_str()), ("DATABASE_TIMEOUT", "1")];
    let deployment = Deployment::start_with(2, &settings).await;
    let auth = [deployment.client(0), deployment.client(1)];
    let (_resource, resource) =
        deployment.resource_service(&deployment.auth[0].addr(0).to_string(), &[]).await;
    let mut alive = auth[0].new_user("ada").await;
    let mut users = Vec::new();
    for name in ["logout", "everywhere", "from-another", "password"] {
        users.push([auth[0].new_user(name).await, auth[1].login(name).await.tokens()]);
    }
    let users: [[Tokens; 2]; 4] = users.try_into().unwrap();

    postgres.stop();
    let mut go_on = async || {
        for auth in &auth {
            alive = auth.refreshed(&alive.refresh).await;
            assert!(is_accepted(&resource, &alive).await);
        }
    };
    for_an_outage(async || {
        go_on().await;
        for auth in &auth {
            let (ends, login, registration) =
                tokio::join!(ask_for_an_end(auth, &users), auth.login("ada"), auth.register("grace"));
            for answer in ends.iter().chain([&login, &registration]) {
                answer.assert_problem(503, "unavailable");
            }
        }
    })
    .await;
    // None of those who were answered 503 waits for a connection any more that would carry out what it asked for.
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        go_on().await;
    }

    postgres.resume();
    for auth in &auth {
        auth.until_get("/readyz", 200).await;
    }
    let mut refreshed = users.clone();
    for tokens in refreshed.iter_mut().flatten() {
        *tokens = auth[0].refreshed(&tokens.refresh).await;
        assert!(is_accepted(&resource, tokens).await, "what was answered 503 was not done");
    }
    for answer in ask_for_an_end(&auth[1], &refreshed).await {
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    let [logout, everywhere, from_another, password] = &refreshed;
    let ended = [&logout[1], &everywhere[0], &everywhere[1], &from_another[1], &password[0], &password[1]];
    for tokens in ended {
        auth[0].refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
        until_refused(&resource, tokens).await;
    }
    for tokens in [&logout[0], &from_another[0], &alive] {
        auth[1].refreshed(&tokens.refresh).await;
    }
    auth[0].new_user("grace").await;
}

/// `kill -9` when the database has a logout and Redis has not, with this many other replicas.
async fn a_logout_that_only_the_database_knows_of_holds(others: usize) {
    let redis = RedisServer::start();
    let proxy = Proxy::to(redis.addr());
    let mut deployment = Deployment::start_with(others, &[("REDIS_URL", &redis.url())]).await;
    let by_proxy = format!("redis://{}/", proxy.addr());
    let auth = deployment.add_replica(&[("REDIS_URL", &by_proxy), ("REDIS_TIMEOUT", "60")]).await;
    let alive = auth.new_user("ada").await;
    let gone = auth.refreshed(&auth.login("ada").await.tokens().refresh).await;

    proxy.swallow();
    let logout = auth.request(Method::POST, "/logout").bearer_auth(&gone.access);
    let logout = tokio::spawn(logout.json(&json!({"refresh": gone.refresh})).send());
    until_found(&deployment, &format!("{} AND revoked_at IS NOT NULL", session_of(&gone))).await;
    deployment.auth.pop().unwrap().kill();
    assert!(logout.await.unwrap().is_err(), "it was answered");
    let entries: Vec<String> = redis.query(&["KEYS", "*bl{*"]);
    let has_ended = |entry: &String| redis.query::<Vec<u8>>(&["GET", entry]) == b"revoked";
    assert!(others > 0 || !entries.iter().any(has_ended), "nobody else could have told Redis");

    deployment.add_replica(&[]).await;
    for replica in 0..=others {
        let auth = deployment.client(replica);
        refresh_once_possible(&auth, &gone.refresh).await.assert_problem(401, "token_not_valid");
        auth.get("/me", Some(&gone.access)).await.assert_problem(401, "token_not_valid");
        let addr = deployment.auth[replica].addr(0).to_string();
        let (_resource, resource) = deployment.resource_service(&addr, &[]).await;
        until_refused(&resource, &gone).await;
        assert!(is_accepted(&resource, &alive).await);
    }
    deployment.client(0).refreshed(&alive.refresh).await;
}

#[tokio::test]
async fn a_logout_holds_when_its_process_is_killed_before_redis_hears_of_it() {
    a_logout_that_only_the_database_knows_of_holds(0).await;
}

#[tokio::test]
async fn a_logout_holds_when_its_process_is_killed_beside_another() {
    a_logout_that_only_the_database_knows_of_holds(1).await;
}
