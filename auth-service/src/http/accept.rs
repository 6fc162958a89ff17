//! What a client accepts as an answer (RFC 9110 section 12.5.1).

use actix_web::{
    HttpRequest,
    http::header::{Accept, Header},
};

/// Returns whether the client asks for HTML by name, as browsers do when they open a page. `*/*` does
/// not.
pub fn accepts_html(request: &HttpRequest) -> bool {
    let accepted = Accept::parse(request);
    accepted
        .is_ok_and(|Accept(kinds)| kinds.iter().any(|kind| kind.item.essence_str() == "text/html"))
}
