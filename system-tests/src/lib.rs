//! Both services as separate processes, on a real PostgreSQL and Redis. The tests in
//! `tests/suite/` start, stop and kill them.
//!
//! | file | what the tests show |
//! |---|---|
//! | `logout.rs` | a logout takes effect at every service |
//! | `javascript.rs` | the verifier in JavaScript, and a logout at services in Node.js |
//! | `failures.rs` | PostgreSQL or Redis is unreachable, or auth-service is killed |
//! | `losses.rs` | Redis loses all data while clients refresh |
//! | `clocks.rs` | replicas whose clocks differ |
//! | `memory.rs` | memory and time for a million ended sessions |
//! | `metrics_address.rs` | the separate listener for operators |
//! | `monitoring/` | the dashboard and the alerts use metrics that exist |
//! | `rolling.rs` | a rolling restart of all replicas fails no request |
//! | `protection.rs` | idle connections and slow writers do not block other clients |
//! | `soak.rs` | memory does not grow under everyday load |
//! | `disk_full.rs` | the disk of the embedded data folder is full |
//! | `mail.rs` | replicas are killed while mails go out |
//! | `traces.rs` | one trace spans both services |
//! | `reload.rs` | a new client secret is used without a restart |
//! | `history.rs` | clients get the promised answers whatever fails: see [`history`] |

mod deployment;
pub mod history;
pub mod promql;

use test_support::{Answer, Client, Tokens, claims_of, wait_until};

pub use self::deployment::{Deployment, ISSUER};

/// Returns whether a service accepts an access token. Asserts that the answer is complete.
pub async fn is_accepted(resource: &Client, tokens: &Tokens) -> bool {
    let answer = resource.get("/whoami", Some(&tokens.access)).await;
    if answer.status == 200 {
        assert_eq!(answer.json["sid"], claims_of(&tokens.access)["sid"]);
    } else {
        answer.assert_problem(401, "token_not_valid");
    }
    answer.status == 200
}

/// Refreshes another session until the grace period of a token that was just rotated is over, by
/// Redis' clock.
pub async fn outstay_grace_period(auth: &Client, rotated: &Tokens, grace_ms: i64) {
    let rotated_at = |tokens: &Tokens| claims_of(&tokens.refresh)["rot"].as_i64().unwrap();
    let mut other = auth.login("ada").await.tokens();
    while rotated_at(&other) <= rotated_at(rotated) + grace_ms {
        other = auth.refreshed(&other.refresh).await;
    }
}

/// Waits until a service refuses an access token because its session has ended.
#[track_caller]
pub fn wait_until_refused<'a>(
    resource: &'a Client,
    tokens: &'a Tokens,
) -> impl Future<Output = ()> + 'a {
    wait_until("the service refuses the token", async move || !is_accepted(resource, tokens).await)
}

/// Refreshes until the answer is not 503, and returns the answer. A replica that has just lost or
/// found Redis answers 503 for a moment.
#[track_caller]
pub fn refresh_once_available<'a>(
    auth: &'a Client,
    refresh: &'a str,
) -> impl Future<Output = Answer> + 'a {
    wait_until("a refresh is not answered 503", async move || {
        let answer = auth.refresh(refresh).await;
        if answer.status == 503 {
            answer.assert_problem(503, "unavailable");
            return Err(answer);
        }
        Ok(answer)
    })
}
