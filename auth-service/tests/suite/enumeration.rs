//! Routes that take a name or an address reveal no account, neither by their answers nor by the
//! times of their answers. Registration is the exception: it names a taken username, and without
//! EMAIL_VERIFICATION=required a taken address.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode, header::HeaderMap};
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{TestApp, on_both_stores};

/// States of an account. No account has a name of the state `absent`.
const STATES: [&str; 5] = ["absent", "unverified", "verified", "disabled", "deleted"];

/// A request with a name: the route, and the body.
type Probe = (&'static str, fn(&str) -> Value);

/// Every route that takes the name or the address of an account, with all else wrong.
const PROBES: [Probe; 7] = [
    ("/login", |name| json!({"username": name, "password": "a wrong password"})),
    ("/login", |name| json!({"email": email(name), "password": "a wrong password"})),
    ("/password/reset", |name| json!({"username": name})),
    ("/password/reset", |name| json!({"email": email(name)})),
    ("/password/reset/confirm", |name| {
        let next = "a better horse battery";
        json!({"email": email(name), "code": "ABCD-EFGH-JKMN", "new_password": next})
    }),
    ("/email/verify/request", |name| json!({"email": email(name)})),
    ("/email/verify/confirm", |name| json!({"email": email(name), "code": "ABCD-EFGH-JKMN"})),
];

fn email(name: &str) -> String {
    format!("{name}@example.com")
}

/// Creates this number of accounts in each state: `unverified0`, `unverified1`, …
async fn create_accounts(app: &TestApp, number: usize) {
    for state in STATES.iter().filter(|state| **state != "absent") {
        for account in 0..number {
            let name = format!("{state}{account}");
            assert_eq!(app.register(&name).await.status, 201);
            let command: &[&str] = match *state {
                "disabled" => &["users", "disable", &name],
                "deleted" => &["users", "delete", &name, "--yes"],
                _ => continue,
            };
            assert!(app.cli(command).status.success(), "{command:?}");
        }
    }
    let verify = "UPDATE users SET email_verified_at = 1 WHERE username LIKE 'verified%'";
    assert_eq!(app.sql(verify), number);
}

/// Answers of the service, without what differs from request to request.
#[derive(Debug, PartialEq)]
struct WholeAnswer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

async fn ask(app: &TestApp, (path, body): Probe, name: &str) -> WholeAnswer {
    let request = app.request(Method::POST, path).json(&body(name));
    let answer = request.send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    for varying in ["date", "x-request-id"] {
        headers.remove(varying);
    }
    WholeAnswer { status, headers, body: answer.text().await.unwrap() }
}

#[apply(on_both_stores)]
async fn answers_are_the_same_bytes_for_every_state_of_an_account(app: TestApp) {
    create_accounts(&app, 1).await;
    for probe in PROBES {
        let absent = ask(&app, probe, "absent0").await;
        let is_request = probe.0 == "/password/reset" || probe.0 == "/email/verify/request";
        assert_eq!(absent.status == 202, is_request, "{absent:?}");
        for state in STATES {
            let answer = ask(&app, probe, &format!("{state}0")).await;
            assert_eq!(answer, absent, "{} {state}", probe.0);
        }
    }
}

#[actix_web::test]
async fn names_that_no_user_can_have_get_the_same_answers() {
    let app = TestApp::embedded().await;
    for (path, body) in PROBES.into_iter().filter(|(_, body)| body("").get("username").is_some()) {
        let absent = ask(&app, (path, body), "absent0").await;
        for name in ["x", "<b>", "a b", "ada\n", "\u{202e}ada", &"x".repeat(5000)] {
            assert_eq!(ask(&app, (path, body), name).await, absent, "{path} {name:?}");
        }
    }
}

/// Number of accounts in each state whose times are measured.
const ACCOUNTS: usize = 10;

/// Returns the number of requests for each account. A request that hashes a password takes longest.
fn rounds(probe: Probe) -> usize {
    if probe.0 == "/login" { 10 } else { 40 }
}

/// Times of the requests of one state, and of the requests that came right after them.
#[derive(Default)]
struct Times {
    own: Vec<Duration>,
    next: Vec<Duration>,
}

async fn timed(app: &TestApp, probe: Probe, name: &str) -> Duration {
    let request = app.request(Method::POST, probe.0).json(&probe.1(name));
    let (client, request) = request.build_split();
    let began = Instant::now();
    client.execute(request.unwrap()).await.unwrap().bytes().await.unwrap();
    began.elapsed()
}

/// Returns the probability that a request of the other state takes longer than one of the first
/// (Mann-Whitney U divided by the number of pairs; 0.5: no difference), and the number of standard
/// deviations from 0.5.
fn mann_whitney(first: &[Duration], other: &[Duration]) -> (f64, f64) {
    let pairs = first.iter().flat_map(|first| other.iter().map(move |other| (first, other)));
    let u: f64 = pairs
        .map(|(first, other)| match other.cmp(first) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .sum();
    let [n, m] = [first.len() as f64, other.len() as f64];
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    (u / (n * m), (u - n * m / 2.0) / deviation)
}

fn median_ms(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2].as_secs_f64() * 1000.0
}

fn print_row(what: &str, absent: &[Duration], times: &[Duration]) {
    let (probability, deviations) = mann_whitney(absent, times);
    let median = median_ms(times);
    println!("| {what} | {median:.3} | {probability:.3} | {deviations:+.1} |");
}

async fn measure(app: &TestApp) {
    create_accounts(app, ACCOUNTS).await;
    // A request whose time shows whether the one before has left work behind.
    let follower = PROBES[6];
    for probe in PROBES.into_iter().rev() {
        let mut times: [Times; 5] = Default::default();
        for _ in 0..rounds(probe) {
            // Another day, so that the limit of mails is not reached.
            app.advance(86_400);
            let all = (0..ACCOUNTS).flat_map(|account| (0..5).map(move |state| (state, account)));
            let mut order: Vec<(usize, usize)> = all.collect();
            fastrand::shuffle(&mut order);
            for (state, account) in order {
                let name = format!("{}{account}", STATES[state]);
                times[state].own.push(timed(app, probe, &name).await);
                times[state].next.push(timed(app, follower, "unknown").await);
            }
        }
        println!("\n`{}` {}", probe.0, probe.1("…"));
        println!("| state | median ms | P(slower than absent) | standard deviations |");
        println!("|---|---:|---:|---:|");
        for (state, of_state) in STATES.iter().zip(&times) {
            print_row(state, &times[0].own, &of_state.own);
        }
        for (state, of_state) in STATES.iter().zip(&times) {
            print_row(&format!("next request after {state}"), &times[0].next, &of_state.next);
        }
    }
}

const NO_LIMITS: [&str; 2] = ["--login-failures-per-name=0", "--login-failures-per-address=0"];

#[actix_web::test]
#[ignore = "prints times, and asserts none: run it on an idle machine, with --no-capture"]
async fn times_for_every_state_of_an_account_on_sqlite() {
    measure(&TestApp::embedded_with(&NO_LIMITS).await).await;
}

#[actix_web::test]
#[ignore = "prints times, and asserts none: run it on an idle machine, with --no-capture"]
async fn times_for_every_state_of_an_account_on_postgresql() {
    measure(&TestApp::deployed_with(&NO_LIMITS).await).await;
}
