//! Both services, after an event of every kind.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::json;
use system_tests::{Deployment, is_accepted};
use test_support::{Client, Process, RedisServer, Tokens, wait_until};

/// Both services.
pub struct Services {
    deployment: Deployment,
    _redis: RedisServer,
    resource: Process,
}

impl Services {
    pub async fn start() -> Self {
        let mut redis = RedisServer::start();
        let deployment = Deployment::start_with(1, &[("REDIS_URL", &redis.url())]).await;
        let auth = deployment.client(0);
        let (resource, client) = deployment.resource_service(&deployment.addr(0), &[]).await;
        let tokens = auth.new_user("ada").await;
        assert!(is_accepted(&client, &tokens).await);
        let tokens = auth.refreshed(&tokens.refresh).await;
        change_password(&auth, &tokens).await;
        deployment.cli(&["keys", "rotate"]);
        wait_until("the replica has read the next key", async || {
            scrape(&auth).await.contains("\nauth_signing_key_next_seconds ")
        })
        .await;
        // Failures have metrics, too.
        redis.stop();
        auth.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
        auth.get("/readyz", None).await;
        Self { deployment, _redis: redis, resource }
    }

    /// Returns the addresses of auth-service and of resource-service.
    pub fn addrs(&self) -> [SocketAddr; 2] {
        [self.deployment.auth[0].addr(0), self.resource.addr(0)]
    }
}

async fn change_password(auth: &Client, tokens: &Tokens) {
    let passwords = json!({
        "old_password": "correct horse battery",
        "new_password": "another horse battery",
    });
    let request = auth.request(Method::POST, "/password").bearer_auth(&tokens.access);
    assert_eq!(auth.send(request.json(&passwords)).await.status, 204);
}

/// Returns the metrics of a service, as text.
pub async fn scrape(service: &Client) -> String {
    service.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap()
}
