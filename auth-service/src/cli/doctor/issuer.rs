//! The issuer's URL: whether an auth-service answers there with this issuer.

use std::time::Duration;

use serde_json::Value;

use super::finding::Finding;
use crate::config::Settings;

/// Fetches the metadata from the issuer's URL.
pub async fn check(settings: &Settings) -> Vec<Finding> {
    if settings.issuer.is_none() {
        return Vec::new();
    }
    let issuer = settings.issuer();
    let url = format!("{}/.well-known/oauth-authorization-server", issuer.trim_end_matches('/'));
    let metadata = fetch(&url).await;
    let named = metadata.as_ref().and_then(|metadata| metadata["issuer"].as_str());
    vec![match named {
        Some(named) if named == issuer => {
            Finding::fine("issuer", format!("{url} answers with this issuer"))
        }
        Some(named) => Finding::wrong(
            "issuer",
            format!("{url} answers with the issuer {named}"),
            "Set ISSUER to one URL at all replicas: the URL that services are configured with.",
        ),
        None => Finding::advice(
            "issuer",
            format!("{url} does not answer"),
            "Services fetch the keys there. This is fine if this machine cannot reach the URL, or \
             if no replica runs yet.",
        ),
    }]
}

async fn fetch(url: &str) -> Option<Value> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().ok()?;
    client.get(url).send().await.ok()?.json().await.ok()
}
