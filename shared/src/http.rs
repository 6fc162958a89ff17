//! HTTP helpers that the crates of this workspace share. Not part of the public interface.

use std::{error::Error, net::IpAddr};

use reqwest::{Client, ClientBuilder, Url, redirect::Policy};

/// Returns a client for requests to the host of `url`: without redirects and, if a proxy cannot
/// reach the host, without a proxy. `builder` has the time limits.
pub fn client(url: &str, builder: ClientBuilder) -> Client {
    let builder = builder.redirect(Policy::none());
    let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
    builder.build().unwrap_or_default()
}

/// Returns `true` if the host of a URL is this machine, which a proxy cannot reach.
pub fn is_loopback(url: &str) -> bool {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Returns the text of an error and of its causes, which reqwest leaves out of its own text.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
