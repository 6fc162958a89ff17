//! Replicas whose clocks are apart, by less than the leeway: nobody notices.

use std::time::{SystemTime, UNIX_EPOCH};

use system_tests::{Deployment, is_accepted, until_refused};
use test_support::{Client, Process, Tokens, claims_of, clock_ahead};

/// How far the second replica's clock is ahead, in seconds.
const AHEAD: i64 = 5;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

fn claim(token: &str, name: &str) -> i64 {
    claims_of(token)[name].as_i64().unwrap()
}

/// A replica whose clock is right, one whose clock is ahead, and a resource-service.
struct Skewed {
    deployment: Deployment,
    right: Client,
    ahead: Client,
    resource: Client,
    _resource: Process,
}

impl Skewed {
    async fn start(settings: &[(&str, &str)], of_resource: &[(&str, &str)]) -> Self {
        let mut deployment = Deployment::start_with(1, settings).await;
        let clock = clock_ahead(AHEAD as u32);
        let ahead =
            deployment.add_replica(&clock.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
        let right = deployment.client(0);
        assert_eq!(right.register("ada").await.status, 201);
        // The library may be loaded and do nothing.
        let (first, second) = (right.login("ada").await.tokens(), ahead.login("ada").await.tokens());
        let apart = claim(&second.access, "iat") - claim(&first.access, "iat");
        assert!((AHEAD..AHEAD + 5).contains(&apart), "the clocks are {apart} seconds apart");
        let addr = deployment.auth[0].addr(0).to_string();
        let (_resource, resource) = deployment.resource_service(&addr, of_resource).await;
        Self { deployment, right, ahead, resource, _resource }
    }

    /// Does something for long enough, by Redis' clock, that a token which was rotated just now is out of grace.
    async fn until_out_of_grace(&self, rotated: &Tokens, grace_ms: i64) {
        let mut other = self.right.login("ada").await.tokens();
        while claim(&other.refresh, "rot") < claim(&rotated.refresh, "rot") + grace_ms {
            other = self.right.refreshed(&other.refresh).await;
        }
    }
}

#[tokio::test]
async fn refreshes_at_replicas_whose_clocks_are_apart_never_look_like_reuse() {
    let it = Skewed::start(&[], &[]).await;
    for first in [&it.right, &it.ahead] {
        let mut tokens = first.login("ada").await.tokens();
        for generation in 1..=40 {
            let (one, other) =
                if generation % 2 == 0 { (&it.right, &it.ahead) } else { (&it.ahead, &it.right) };
            let next = one.refreshed(&tokens.refresh).await;
            // Its answer was lost, say, and the other replica is asked.
            let again = other.refreshed(&tokens.refresh).await;
            for tokens in [&next, &again] {
                assert_eq!(claim(&tokens.refresh, "gen"), generation);
                assert!(is_accepted(&it.resource, tokens).await);
            }
            tokens = if generation % 3 == 0 { next } else { again };
        }
    }
}

#[tokio::test]
async fn a_token_of_a_replica_that_is_ahead_is_accepted_everywhere_within_the_leeway_and_no_further() {
    let it = Skewed::start(&[], &[]).await;
    let tokens = it.ahead.login("ada").await.tokens();
    assert!(is_accepted(&it.resource, &tokens).await);
    for auth in [&it.right, &it.ahead] {
        assert_eq!(auth.get("/me", Some(&tokens.access)).await.json["username"], "ada");
    }
    let addr = it.deployment.auth[0].addr(0).to_string();
    let (_strict, strict) = it.deployment.resource_service(&addr, &[("LEEWAY", "1")]).await;
    assert!(is_accepted(&strict, &it.right.login("ada").await.tokens()).await);
    assert!(!is_accepted(&strict, &it.ahead.login("ada").await.tokens()).await, "it is not valid yet");
}

#[tokio::test]
async fn a_token_is_refused_from_its_expiry_and_the_leeway_on_by_each_services_own_clock() {
    let (lifetime, leeway) = (1, AHEAD);
    let it = Skewed::start(&[("ACCESS_TOKEN_LIFETIME", "1"), ("LEEWAY", "5")], &[("LEEWAY", "5")]).await;
    let issued = [it.right.login("ada").await.tokens(), it.ahead.login("ada").await.tokens()];
    // In the order in which they refuse them.
    for (service, path, ahead) in
        [(&it.ahead, "/me", AHEAD), (&it.right, "/me", 0), (&it.resource, "/whoami", 0)]
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
async fn the_grace_period_is_as_long_as_it_is_whichever_replica_counts_it() {
    // Shorter than the clocks are apart.
    let it = Skewed::start(&[("REFRESH_GRACE", "4")], &[]).await;
    for (one, other) in [(&it.right, &it.ahead), (&it.ahead, &it.right)] {
        let first = one.login("ada").await.tokens();
        let second = one.refreshed(&first.refresh).await;
        let retried = other.refreshed(&first.refresh).await;
        assert_eq!(claim(&retried.refresh, "gen"), claim(&second.refresh, "gen"));
        it.until_out_of_grace(&second, 4000).await;
        other.refresh(&first.refresh).await.assert_problem(401, "token_not_valid");
        for auth in [one, other] {
            auth.refresh(&second.refresh).await.assert_problem(401, "token_not_valid");
        }
        until_refused(&it.resource, &second).await;
    }
}

#[tokio::test]
async fn a_logout_at_either_replica_holds_at_both() {
    let it = Skewed::start(&[], &[]).await;
    for (one, other) in [(&it.right, &it.ahead), (&it.ahead, &it.right)] {
        let tokens = one.login("ada").await.tokens();
        let tokens = other.refreshed(&tokens.refresh).await;
        assert_eq!(one.logout(&tokens).await.status, 204);
        for auth in [one, other] {
            auth.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
            auth.get("/me", Some(&tokens.access)).await.assert_problem(401, "token_not_valid");
        }
        until_refused(&it.resource, &tokens).await;
    }
}

#[tokio::test]
async fn a_replica_signs_with_a_key_that_one_whose_clock_is_ahead_has_just_made() {
    let mut deployment = Deployment::start_with(0, &[("LEEWAY", "60")]).await;
    // By more than anybody waits here.
    let clock = clock_ahead(60);
    deployment.add_replica(&clock.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    let right = deployment.add_replica(&[]).await;
    let addr = deployment.auth[1].addr(0).to_string();
    let (_resource, resource) = deployment.resource_service(&addr, &[]).await;
    assert!(is_accepted(&resource, &right.new_user("ada").await).await);
}
