//! Where a request comes from.

use std::{
    future::{Ready, ready},
    net::{IpAddr, SocketAddr},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::USER_AGENT, web::Data};

use crate::{app::App, domain::session::Origin, http::error::ApiError};

impl FromRequest for Origin {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<Data<App>>().ok_or(ApiError::Internal);
        ready(app.map(|app| Self { user_agent: user_agent(request), ip: client_ip(request, app.proxy_hops) }))
    }
}

/// What the client calls itself, as much of it as fits on a line.
fn user_agent(request: &HttpRequest) -> Option<String> {
    let text = request.headers().get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(200).collect())
}

/// Some proxies add the port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|addr| addr.ip()))
}

/// Where the client is. Each of this many proxies in front has added the address that it saw to `X-Forwarded-For`; what
/// stands before those, anybody may have written.
fn client_ip(request: &HttpRequest, proxy_hops: u8) -> Option<String> {
    let peer = request.peer_addr().map(|addr| addr.ip());
    let Some(back) = usize::from(proxy_hops).checked_sub(1) else { return peer.map(|ip| ip.to_string()) };
    let forwarded = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let seen: Vec<IpAddr> = forwarded.flat_map(|value| value.split(',')).filter_map(address).collect();
    seen.iter().rev().nth(back).copied().or(peer).map(|ip| ip.to_string())
}
