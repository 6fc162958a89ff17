//! Failed attempts are throttled: per name, per address, and without locking the owner out.

use std::cell::Cell;

use crate::{
    metrics::metric,
    support::{TestApp, on_both_stores},
};
use futures_util::future::{join, join_all};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Answer, Client, Tokens};

const PASSWORD: &str = "correct horse battery";
const OWNER: &str = "198.51.100.1";
const STRANGER: &str = "198.51.100.2";
const ELSEWHERE: &str = "198.51.100.3";

impl TestApp {
    /// Logs in from an address, which the trusted proxy of `--proxy-hops=1` names.
    async fn login_from(&self, address: &str, name: &str, password: &str) -> Answer {
        self.login_with_fields(address, json!({"username": name, "password": password})).await
    }

    async fn login_with_fields(&self, address: &str, fields: Value) -> Answer {
        let request = self.request(Method::POST, "/login").header("x-forwarded-for", address);
        self.send(request.json(&fields)).await
    }

    /// Fails to log in `times` times.
    async fn guess(&self, address: &str, name: &str, times: usize) {
        for _ in 0..times {
            let answer = self.login_from(address, name, "wrong").await;
            answer.assert_problem(401, "no_active_account");
        }
    }

    async fn replace_password(&self, tokens: &Tokens, current: &str) -> Answer {
        let body = json!({"old_password": current, "new_password": "another horse battery"});
        let request = self.request(Method::POST, "/password").bearer_auth(&tokens.access);
        self.send(request.json(&body)).await
    }

    /// Returns the details of the audit events of a kind, and the user of each.
    fn events(&self, event: &str) -> Vec<(Value, Value)> {
        let events = self.audit(&["--event", event]);
        events.iter().map(|event| (event["detail"].clone(), event["user"].clone())).collect()
    }
}

#[apply(on_both_stores)]
async fn known_and_unknown_names_are_delayed_alike(app: TestApp) {
    app.register("ada").await;
    let mut refusals = Vec::new();
    for name in ["ada", "unknown", "not a name!"] {
        for _ in 0..5 {
            app.login_with(name, "wrong").await.assert_problem(401, "no_active_account");
        }
        let refusal = app.login_with(name, PASSWORD).await;
        refusal.assert_problem(429, "throttled");
        refusals.push((refusal.json.clone(), refusal.header("retry-after").to_owned()));
    }
    for (body, retry_after) in &refusals {
        assert_eq!(body, &refusals[0].0);
        assert!((1..=5).contains(&retry_after.parse::<u64>().unwrap()), "{retry_after}");
    }
    app.advance(5);
    assert_eq!(app.login("ada").await.status, 200);
    app.login_with("unknown", "wrong").await.assert_problem(401, "no_active_account");
    let next = app.login_with("unknown", "wrong").await;
    next.assert_problem(429, "throttled");
    assert!((6..=10).contains(&next.header("retry-after").parse::<u64>().unwrap()), "{next:?}");
    assert_eq!(metric(&app, "auth_throttled_total{cause=\"delayed\"}").await, 4.0);
    assert_eq!(metric(&app, "auth_logins_total{result=\"throttled\"}").await, 4.0);
}

#[apply(on_both_stores)]
async fn parallel_guesses_get_no_more_tries_than_guesses_in_a_row(app: TestApp) {
    app.register("ada").await;
    let answers = join_all((0..50).map(|_| app.login_with("ada", "wrong"))).await;
    let tried = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(tried, 5);
    for answer in answers.iter().filter(|answer| answer.status != 401) {
        assert!([429, 503].contains(&answer.status), "{answer:?}");
    }
}

#[actix_web::test]
async fn stranger_does_not_lock_the_owner_out() {
    let app = TestApp::embedded_with(&["--proxy-hops=1"]).await;
    app.register("ada").await;
    app.register("grace").await;
    let tokens = app.login_from(OWNER, "ada", PASSWORD).await.tokens();
    let of_grace = app.login_from(OWNER, "grace", PASSWORD).await.tokens();
    app.guess(STRANGER, "ada", 5).await;
    app.login_from(STRANGER, "ada", PASSWORD).await.assert_problem(429, "throttled");
    // Until the delay is longer than the rest of this test takes.
    for delay in [5, 10, 20, 40] {
        app.advance(delay);
        app.guess(STRANGER, "ada", 1).await;
    }

    // From the address of an earlier login, and with a token of one.
    assert_eq!(app.login_from(OWNER, "ada", PASSWORD).await.status, 200);
    let fields =
        |refresh: &str| json!({"username": "ada", "password": PASSWORD, "refresh": refresh});
    let known = app.login_with_fields(ELSEWHERE, fields(&tokens.refresh)).await;
    assert_eq!(known.status, 200, "{known:?}");

    let another = "198.51.100.4";
    for refresh in [&of_grace.refresh, &"nonsense".into()] {
        let answer = app.login_with_fields(another, fields(refresh)).await;
        answer.assert_problem(429, "throttled");
    }
    let login = app.request(Method::POST, "/login").header("x-forwarded-for", another);
    let login = login.bearer_auth(&tokens.access);
    let body = json!({"username": "ada", "password": PASSWORD});
    assert_eq!(app.send(login.json(&body)).await.status, 200);

    // The episode is recorded once, for the user.
    let events = app.events("login_throttled");
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].1.is_string(), "{events:?}");
}

#[apply(on_both_stores)]
async fn operator_unlocks_a_user(app: TestApp) {
    app.register("ada").await;
    for _ in 0..5 {
        app.login_with("ada", "wrong").await.assert_problem(401, "no_active_account");
    }
    app.login("ada").await.assert_problem(429, "throttled");
    let unlocked = app.cli(&["users", "unlock", "ada"]);
    assert!(unlocked.status.success(), "{unlocked:?}");
    assert_eq!(app.login("ada").await.status, 200);
    assert_eq!(app.events("user_unlocked").len(), 1);
    let unknown = app.cli(&["users", "unlock", "unknown"]);
    assert!(!unknown.status.success(), "{unknown:?}");
}

#[actix_web::test]
async fn wrong_current_passwords_are_throttled_for_their_session_alone() {
    let app = TestApp::embedded().await;
    let thief = app.new_user("ada").await;
    let owner = app.login("ada").await.tokens();
    for _ in 0..5 {
        app.replace_password(&thief, "wrong").await.assert_fields(&["old_password"]);
    }
    app.replace_password(&thief, PASSWORD).await.assert_problem(429, "throttled");
    assert_eq!(app.login("ada").await.status, 200);
    assert_eq!(app.replace_password(&owner, PASSWORD).await.status, 204);
}

#[apply(on_both_stores)]
async fn address_with_many_failures_is_refused_and_others_are_not(app: TestApp) {
    let replica = app
        .replica_with(|settings| {
            settings.login_failures_per_address = 6;
            settings.proxy_hops = 1;
        })
        .await;
    replica.wait_for_status("/readyz", 200).await;
    let post = async |address: &str, path: &str, body: Value| {
        let request = replica.request(Method::POST, path).header("x-forwarded-for", address);
        replica.send(request.json(&body)).await
    };
    let login = async |address: &str, name: &str, password: &str| {
        post(address, "/login", json!({"username": name, "password": password})).await
    };
    let register = json!({"username": "ada", "email": "ada@example.com", "password": PASSWORD});
    assert_eq!(post(OWNER, "/register", register.clone()).await.status, 201);
    assert_eq!(login(OWNER, "ada", PASSWORD).await.status, 200);
    // Taken names and failed logins count, from all addresses of one /64.
    for number in 0..3 {
        let address = format!("2001:db8:1:2::{number}");
        post(&address, "/register", register.clone()).await.assert_fields(&["email", "username"]);
        let name = format!("name{number}");
        login(&address, &name, "wrong").await.assert_problem(401, "no_active_account");
    }
    let address = "[2001:db8:1:2:ffff::9]:4711";
    login(address, "ada", PASSWORD).await.assert_problem(429, "throttled");
    let refused = post(address, "/register", register).await;
    refused.assert_problem(429, "throttled");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 600, "{refused:?}");
    assert_eq!(login("2001:db8:1:3::1", "ada", PASSWORD).await.status, 200);
    assert_eq!(login(OWNER, "ada", PASSWORD).await.status, 200);
    let events = app.events("login_throttled");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].0, "too many failures of the address");
}

#[actix_web::test]
async fn logins_of_others_succeed_while_one_address_guesses_on_256_connections() {
    let app = TestApp::embedded_with(&[
        "--proxy-hops=1",
        "--hash-threads=1",
        "--hash-queue=32",
        "--login-failures-per-name=0",
        "--login-failures-per-address=0",
    ])
    .await;
    let names: Vec<String> = (0..8).map(|number| format!("user{number}")).collect();
    for name in &names {
        assert_eq!(app.register(name).await.status, 201);
    }
    let is_over = Cell::new(false);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let guesses = (0..256).map(async |number| {
        let body = json!({"username": names[number % names.len()], "password": "wrong"});
        while !is_over.get() {
            let url = format!("http://{}/login", app.addr);
            let request = http.post(url).header("x-forwarded-for", STRANGER).json(&body);
            // Fails if the service closes the idle connection at this moment.
            let Ok(answer) = request.send().await else { continue };
            assert!([401, 503].contains(&answer.status().as_u16()), "{answer:?}");
        }
    });
    let others = async {
        let client = Client::without_keep_alive(app.addr);
        let logins = names.iter().enumerate().map(async |(number, name)| {
            let login = client.request(Method::POST, "/login");
            let login = login.header("x-forwarded-for", format!("198.51.100.{}", 10 + number));
            let body = json!({"username": name, "password": PASSWORD});
            client.send(login.json(&body)).await.status
        });
        let statuses = join_all(logins).await;
        is_over.set(true);
        statuses
    };
    let (_, statuses) = join(join_all(guesses), others).await;
    assert_eq!(statuses, [200; 8]);
}
