//! Refuses requests that come too late: a client that has stopped waiting repeats its request at
//! another replica, and the late request must not be carried out after that one. A late refresh
//! would look like the reuse of a stolen token.
//!
//! A request comes late if its connection waited to be accepted, or if the process was stopped. The
//! end of the connection may not have arrived: a client that lost its network sends none. So a
//! request that may have waited for longer than a client waits is refused too.

use actix_web::{
    HttpResponse,
    dev::ServiceRequest,
    http::{
        ConnectionType, Method,
        header::{HeaderValue, RETRY_AFTER},
    },
};
use shared::problem::Problem;

use crate::{connection::ConnectionRequests, pause};

/// Paths of the routes that a late request to does no harm: they end something, and a client that
/// asked for an end wants it still. Service data of actix-web.
#[derive(Clone, Copy, Debug)]
pub struct CarriedOutLate(pub &'static [&'static str]);

/// Maximum number of turns in which the rest of a connection's bytes is read.
const MAX_TURNS: usize = 16;

/// Returns the answer to a request that is not carried out. `None`: it is carried out.
///
/// A client that has closed its side of the connection counts as gone, although HTTP allows it to
/// wait for the answer (RFC 9112 section 9.6): closing a socket looks the same. A request that
/// changes nothing, or only ends something, is always carried out.
pub(crate) async fn refusal(
    request: &ServiceRequest,
    connection: Option<&ConnectionRequests>,
) -> Option<HttpResponse> {
    if request.method().is_safe() || request.method() == Method::DELETE || ends(request) {
        return None;
    }
    let connection = connection?;
    if is_closed(connection).await {
        let detail = "The client closed its side of the connection before the request was carried \
            out. Nothing has changed.";
        return Some(Problem::new(400, "connection_closed", detail).into());
    }
    if pause::may_have_waited() || connection.may_have_waited() {
        let detail = "The request waited too long and was not carried out. Try again.";
        let mut response: HttpResponse = Problem::new(503, "unavailable", detail).into();
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        // The client may be gone, and another one may wait for the place.
        response.head_mut().set_connection_type(ConnectionType::Close);
        return Some(response);
    }
    None
}

/// Returns whether the route of the request only ends something.
fn ends(request: &ServiceRequest) -> bool {
    let paths = request.app_data::<CarriedOutLate>();
    paths.is_some_and(|CarriedOutLate(paths)| paths.contains(&request.path()))
}

/// Returns whether the client has closed its side of the connection. The end of a connection is
/// only seen after all bytes before it have been read.
async fn is_closed(connection: &ConnectionRequests) -> bool {
    for _ in 0..MAX_TURNS {
        if !connection.has_unread_bytes() {
            break;
        }
        tokio::task::yield_now().await;
    }
    connection.is_closed_by_client()
}
