//! The origin of a request: user agent and address.

use std::{
    future::{Ready, ready},
    net::{IpAddr, SocketAddr},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::USER_AGENT, web::Data};

use crate::{app::App, domain::session::Origin, http::error::ApiError};

/// Maximum length of a recorded user agent.
const MAX_USER_AGENT_CHARS: usize = 200;

impl FromRequest for Origin {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<Data<App>>().ok_or(ApiError::Internal);
        ready(app.map(|app| Self {
            user_agent: user_agent(request),
            ip: client_ip(request, app.proxy_hops),
        }))
    }
}

/// Returns the start of the `User-Agent` header.
fn user_agent(request: &HttpRequest) -> Option<String> {
    let text = request.headers().get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(MAX_USER_AGENT_CHARS).collect())
}

/// Returns the address of the client. Each of `proxy_hops` proxies in front has appended the
/// address that it saw to `X-Forwarded-For`. Entries before those may be forged by the client.
fn client_ip(request: &HttpRequest, proxy_hops: u8) -> Option<String> {
    let peer = request.peer_addr().map(|addr| addr.ip());
    let Some(position_from_end) = usize::from(proxy_hops).checked_sub(1) else {
        return peer.map(|ip| ip.to_string());
    };
    let headers = request.headers().get_all("x-forwarded-for");
    let values = headers.filter_map(|value| value.to_str().ok());
    let seen: Vec<IpAddr> =
        values.flat_map(|value| value.split(',')).filter_map(parse_address).collect();
    let client = seen.iter().rev().nth(position_from_end).copied();
    client.or(peer).map(|ip| ip.to_string())
}

/// Parses an address, to which some proxies append the port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|addr| addr.ip()))
}
