//! The issuer's URL: whether an auth-service answers there with this issuer.

use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use shared::{discovery::metadata_urls, http::client};

use super::finding::Finding;
use crate::config::Settings;

/// Maximum time to fetch the metadata.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches the metadata from the issuer's URL.
pub async fn check(settings: &Settings) -> Vec<Finding> {
    if settings.issuer.is_none() {
        return Vec::new();
    }
    let issuer = settings.issuer();
    // The URLs that the verifier of a resource server tries, in its order.
    let Some(urls) = metadata_urls(&issuer) else { return Vec::new() };
    for url in &urls {
        if let Some(named) = named_issuer(url).await {
            return vec![finding(url, &issuer, &named)];
        }
    }
    vec![Finding::advice(
        "issuer",
        format!("{} does not answer", urls.join(" or ")),
        "Services fetch the keys there. This is fine if this machine cannot reach the URL, or if no \
         replica runs yet. If the issuer has a path, the proxy must pass on one of the two.",
    )]
}

fn finding(url: &str, issuer: &str, named: &str) -> Finding {
    if named == issuer {
        Finding::fine("issuer", format!("{url} answers with this issuer"))
    } else {
        Finding::wrong(
            "issuer",
            format!("{url} answers with the issuer {named}"),
            "Set ISSUER to one URL at all replicas: the URL that services are configured with.",
        )
    }
}

/// Returns the issuer that the metadata at this URL names.
async fn named_issuer(url: &str) -> Option<String> {
    let client = client(url, Client::builder().timeout(TIMEOUT));
    let metadata: Value = client.get(url).send().await.ok()?.json().await.ok()?;
    metadata["issuer"].as_str().map(Into::into)
}
