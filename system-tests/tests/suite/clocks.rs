//! Replicas whose clocks differ by less than the leeway behave like replicas with equal clocks. A
//! replica whose clock differs by more is not ready.

use std::time::{SystemTime, UNIX_EPOCH};

use system_tests::{Deployment, is_accepted, outstay_grace_period, wait_until_refused};
use test_support::{Client, Process, claims_of, clock_ahead, clock_set};

/// Seconds by which the second replica's clock is ahead.
const AHEAD: i64 = 5;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

fn claim(token: &str, name: &str) -> i64 {
    claims_of(token)[name].as_i64().unwrap()
}

/// A replica with the right time, a replica whose clock is ahead, and a resource-service.
struct Skewed {
    deployment: Deployment,
    right: Client,
    ahead: Client,
    resource: Client,
    _resource: Process,
}

impl Skewed {
    async fn start(settings: &[(&str, &str)], resource_settings: &[(&str, &str)]) -> Self {
        let mut deployment = Deployment::start_with(1, settings).await;
        let ahead = add_replica_ahead(&mut deployment, AHEAD as u32).await;
        let right = deployment.client(0);
        assert_eq!(right.register("ada").await.status, 201);
        // If the loader cannot load libfaketime, it only prints a warning, and the clocks agree.
        let first = right.login("ada").await.tokens();
        let second = ahead.login("ada").await.tokens();
        let difference = claim(&second.access, "iat") - claim(&first.access, "iat");
        assert!((AHEAD..AHEAD + 5).contains(&difference), "clocks differ by {difference} seconds");
        let feed = deployment.addr(0);
        let (_resource, resource) = deployment.resource_service(&feed, resource_settings).await;
        Self { deployment, right, ahead, resource, _resource }
    }

    /// Returns both replicas in both orders.
    fn both_orders(&self) -> [(&Client, &Client); 2] {
        [(&self.right, &self.ahead), (&self.ahead, &self.right)]
    }
}

async fn add_replica_ahead(deployment: &mut Deployment, seconds: u32) -> Client {
    let clock = clock_ahead(seconds);
    let env = clock.each_ref().map(|(name, value)| (*name, value.as_str()));
    deployment.add_replica(&env).await
}

#[tokio::test]
async fn refreshes_at_replicas_whose_clocks_differ_are_not_reuse() {
    let skewed = Skewed::start(&[], &[]).await;
    for first in [&skewed.right, &skewed.ahead] {
        let mut tokens = first.login("ada").await.tokens();
        for generation in 1..=40 {
            let [order, reverse] = skewed.both_orders();
            let (one, other) = if generation % 2 == 0 { order } else { reverse };
            let next = one.refreshed(&tokens.refresh).await;
            // As if the client got no answer and asked the other replica.
            let again = other.refreshed(&tokens.refresh).await;
            for tokens in [&next, &again] {
                assert_eq!(claim(&tokens.refresh, "gen"), generation);
                assert!(is_accepted(&skewed.resource, tokens).await);
            }
            tokens = if generation % 3 == 0 { next } else { again };
        }
    }
}

#[tokio::test]
async fn a_token_from_a_replica_ahead_is_accepted_within_the_leeway_only() {
    let skewed = Skewed::start(&[], &[]).await;
    let tokens = skewed.ahead.login("ada").await.tokens();
    assert!(is_accepted(&skewed.resource, &tokens).await);
    for auth in [&skewed.right, &skewed.ahead] {
        assert_eq!(auth.get("/me", Some(&tokens.access)).await.json["username"], "ada");
    }
    let feed = skewed.deployment.addr(0);
    let (_strict, strict) = skewed.deployment.resource_service(&feed, &[("LEEWAY", "1")]).await;
    assert!(is_accepted(&strict, &skewed.right.login("ada").await.tokens()).await);
    let from_the_future = skewed.ahead.login("ada").await.tokens();
    assert!(!is_accepted(&strict, &from_the_future).await, "the token is not valid yet");
}

#[tokio::test]
async fn each_service_refuses_a_token_after_expiry_plus_leeway_by_its_own_clock() {
    let lifetime = 1;
    let leeway = AHEAD;
    let settings = [("ACCESS_TOKEN_LIFETIME", "1"), ("LEEWAY", "5")];
    let skewed = Skewed::start(&settings, &[("LEEWAY", "5")]).await;
    let issued =
        [skewed.right.login("ada").await.tokens(), skewed.ahead.login("ada").await.tokens()];
    // In the order in which the services begin to refuse the tokens.
    for (service, path, ahead) in
        [(&skewed.ahead, "/me", AHEAD), (&skewed.right, "/me", 0), (&skewed.resource, "/whoami", 0)]
    {
        for tokens in &issued {
            let expires_at = claim(&tokens.access, "exp");
            assert_eq!(expires_at, claim(&tokens.access, "iat") + lifetime);
            loop {
                let before = now() + ahead;
                let answer = service.get(path, Some(&tokens.access)).await;
                if answer.status != 200 {
                    answer.assert_problem(401, "token_not_valid");
                    assert!(now() + ahead >= expires_at + leeway, "{path}: refused too early");
                    break;
                }
                assert!(before < expires_at + leeway, "{path}: accepted too late");
            }
        }
    }
}

#[tokio::test]
async fn the_grace_period_has_the_same_length_at_every_replica() {
    // Shorter than the difference of the clocks.
    let skewed = Skewed::start(&[("REFRESH_GRACE", "4")], &[]).await;
    for (one, other) in skewed.both_orders() {
        let first = one.login("ada").await.tokens();
        let second = one.refreshed(&first.refresh).await;
        let retried = other.refreshed(&first.refresh).await;
        assert_eq!(claim(&retried.refresh, "gen"), claim(&second.refresh, "gen"));
        outstay_grace_period(&skewed.right, &second, 4000).await;
        other.refresh(&first.refresh).await.assert_problem(401, "token_not_valid");
        for auth in [one, other] {
            auth.refresh(&second.refresh).await.assert_problem(401, "token_not_valid");
        }
        wait_until_refused(&skewed.resource, &second).await;
    }
}

#[tokio::test]
async fn a_logout_at_one_replica_takes_effect_at_both() {
    let skewed = Skewed::start(&[], &[]).await;
    for (one, other) in skewed.both_orders() {
        let tokens = one.login("ada").await.tokens();
        let tokens = other.refreshed(&tokens.refresh).await;
        assert_eq!(one.logout(&tokens).await.status, 204);
        for auth in [one, other] {
            auth.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
            auth.get("/me", Some(&tokens.access)).await.assert_problem(401, "token_not_valid");
        }
        wait_until_refused(&skewed.resource, &tokens).await;
    }
}

#[tokio::test]
async fn a_replica_whose_clock_differs_by_more_than_the_leeway_is_not_ready() {
    let deployment = Deployment::start_with(0, &[]).await;
    for (difference, direction) in [("+3600s", "ahead of"), ("-3600s", "behind")] {
        let clock = clock_set(difference);
        let env = clock.each_ref().map(|(name, value)| (*name, value.as_str()));
        let process = deployment.start_replica(&env);
        let replica = Client::new(process.addr(0));
        let answer =
            replica.wait_for_fields("/readyz", &[("keys", "ok"), ("database", "ok")]).await;
        assert_eq!((answer.status, answer.json["clock"].as_str()), (503, Some("unavailable")));
        let reasons = answer.json["reasons"].as_object().unwrap();
        assert_eq!(reasons.keys().collect::<Vec<_>>(), ["clock"], "{reasons:?}");
        let reason = reasons["clock"].as_str().unwrap();
        let (seconds, rest) = reason.split_once(' ').unwrap();
        // The time of the query is no part of the difference.
        assert!((3590..=3600).contains(&seconds.parse().unwrap()), "{reason}");
        let expected = format!("s {direction} the database's clock (LEEWAY is 10 s)");
        assert_eq!(rest, expected);
        process.wait_for_log(&format!("this replica is not ready: {reason}"));
    }
}

#[tokio::test]
async fn a_replica_signs_with_a_key_that_a_replica_ahead_has_just_created() {
    let mut deployment = Deployment::start_with(0, &[("LEEWAY", "60")]).await;
    // More seconds than this test waits.
    add_replica_ahead(&mut deployment, 60).await;
    let right = deployment.add_replica(&[]).await;
    let feed = deployment.addr(1);
    let (_resource, resource) = deployment.resource_service(&feed, &[]).await;
    assert!(is_accepted(&resource, &right.new_user("ada").await).await);
}
