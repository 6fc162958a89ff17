//! Routes: each has the path and the method that its OpenAPI documentation names.

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Responder,
    dev::HttpServiceFactory,
    guard,
    http::header::{ALLOW, CACHE_CONTROL},
    middleware::DefaultHeaders,
    web,
};
use shared::problem::Problem;
use utoipa::openapi::HttpMethod;

use crate::metrics;

/// A resource at the path and of the method that its documentation says; with a trailing slash too, where
/// [`crate::request_log::observe_requests`] is in front. It answers other methods with a 405. What takes GET takes HEAD (RFC 9110 section
/// 9.3.2). Answers are not to be stored unless they say otherwise: most are about one person's tokens (RFC 6749 section 5.1).
///
/// ```
/// use actix_web::{App, HttpResponse};
/// use service_kit::route::resource;
///
/// /// Says hello.
/// #[utoipa::path(get, path = "/hello", responses((status = 200, description = "A greeting.")))]
/// async fn hello() -> HttpResponse {
///     HttpResponse::Ok().finish()
/// }
///
/// // utoipa keeps what a handler's attribute says in a type of this name.
/// let app = App::new().service(resource(__path_hello, hello));
/// ```
///
/// # Panics
/// If its method is not GET, POST or DELETE.
pub fn resource<P, F, Args>(_documentation: P, handler: F) -> impl HttpServiceFactory + use<P, F, Args>
where
    P: utoipa::Path,
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let path = P::path();
    let (route, allow) = match P::methods()[..] {
        [HttpMethod::Get] => (web::route().guard(guard::Any(guard::Get()).or(guard::Head())), "GET, HEAD"),
        [HttpMethod::Post] => (web::post(), "POST"),
        [HttpMethod::Delete] => (web::delete(), "DELETE"),
        _ => panic!("{path} takes neither GET nor POST nor DELETE"),
    };
    web::resource(&path)
        .app_data(Route::new(path))
        .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")))
        .route(route.to(handler))
        .default_service(web::to(move || async move {
            let problem = Problem::new(405, "method_not_allowed", format!("Only {allow} is allowed here."));
            let mut response = problem.response();
            response.insert_header((ALLOW, allow));
            problem.finish(response)
        }))
}

/// A route, as the requests that it takes are counted and traced.
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) counted: metrics::RouteMetrics,
}

impl Route {
    fn new(path: String) -> Self {
        // It is there for as long as the service.
        Self { name: path.leak(), counted: metrics::RouteMetrics::default() }
    }

    /// `None` if no route took it. Known since the route was chosen: looking it up by the path would choose it once more.
    pub(crate) fn of(request: &HttpRequest) -> Option<&Self> {
        request.app_data()
    }
}

/// The answer to a path that no route takes.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::new(404, "not_found", format!("There is nothing at {}.", request.path())).into()
}
