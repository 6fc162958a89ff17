//! The origin of a request: user agent and address.

use std::{
    future::{Ready, ready},
    sync::Once,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{HeaderValue, USER_AGENT},
    web::Data,
};

use crate::{
    app::App,
    domain::{address::client_address, session::Origin},
    http::error::ApiError,
};

/// Maximum length of a recorded user agent.
const MAX_USER_AGENT_CHARS: usize = 200;

impl FromRequest for Origin {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<Data<App>>().ok_or(ApiError::Internal);
        ready(app.map(|app| Self {
            user_agent: request.headers().get(USER_AGENT).map(|value| printable(value.as_bytes())),
            ip: client_ip(request, app.proxy_hops),
        }))
    }
}

/// Returns the start of a text, with printable characters as they are. Each other byte or character
/// is escaped as in Rust: `\xFF`, `\u{202e}`, and `\\` for a backslash.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut length = 0;
    let mut push = |piece: &str| {
        length += piece.chars().count();
        let fits = length <= MAX_USER_AGENT_CHARS;
        if fits {
            text.push_str(piece);
        }
        fits
    };
    for chunk in bytes.utf8_chunks() {
        let characters = chunk.valid().chars().map(|character| match character {
            '"' | '\'' => character.into(),
            _ => character.escape_debug().to_string(),
        });
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}"));
        if !characters.chain(invalid).all(|piece| push(&piece)) {
            break;
        }
    }
    text
}

/// Returns the address of the client. [`client_address`] has the rules.
fn client_ip(request: &HttpRequest, proxy_hops: u8) -> Option<String> {
    static WARNED: Once = Once::new();
    let peer = request.peer_addr().map(|addr| addr.ip());
    let forwarded: Vec<&[u8]> =
        request.headers().get_all("x-forwarded-for").map(HeaderValue::as_bytes).collect();
    if proxy_hops == 0 && !forwarded.is_empty() {
        WARNED.call_once(|| {
            log::warn!(
                "a request has X-Forwarded-For, but PROXY_HOPS is 0: if a proxy added the header, \
                 set PROXY_HOPS, or all clients of the proxy share one address and its limits"
            );
        });
    }
    client_address(peer, forwarded.into_iter(), proxy_hops).map(|ip| ip.to_string())
}
